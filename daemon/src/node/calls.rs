//! Between calls and the two wires: what pages ask of calls, what calls tell pages, and frames to and from
//! other nodes.

use truca_core::Time;
use truca_core::directory::window::node_info;
use truca_core::id::{CallId, NodeId};
use truca_core::signal::call::{Output as CallOutput, SessionId, What};
use truca_core::wire::node::{CallBody, CallFrame, Device, Frame, Introduction};
use truca_core::wire::page::{
    Accepted, CallEvent, Candidate, CandidateEvent, Code, DescribeEvent, Description, Ended, Failure, InCall,
    Incoming, MAX_CANDIDATE, MAX_SDP, MAX_TEXT, MessageEvent, Party, PeerEvent, Reason, Request,
};

use super::Node;

/// Longest `mid` of a candidate: RFC 8843 suggests three bytes, browsers use one or two.
const MAX_MID: usize = 32;

fn check_description(description: &Description) -> Result<(), Code> {
    let sdp = &description.sdp;
    if sdp.len() > MAX_SDP || !sdp.starts_with("v=0") { Err(Code::BadSdp) } else { Ok(()) }
}

fn check_candidate(candidate: &Candidate) -> Result<(), Code> {
    let mid = candidate.mid.as_ref().map_or(0, String::len);
    if candidate.candidate.len() > MAX_CANDIDATE || mid > MAX_MID { Err(Code::TooLong) } else { Ok(()) }
}

impl Node {
    pub(super) fn on_call_request(
        &mut self,
        now: Time,
        session: SessionId,
        request: Request,
    ) -> Result<(), Failure> {
        self.call_request(now, session, request).map_err(|code| {
            let message = match code {
                Code::NoSuchPerson => "nobody has this address",
                Code::NotHere => "no device of this person is here",
                Code::TooManyCalls => "this page has as many calls as it may",
                Code::BadCall => "the call id is in use",
                Code::BadSdp => "the SDP is too long or none",
                Code::TooLong => "a text is over its limit",
                Code::NoSuchCall => "there is no such call",
                Code::WrongState => "the call is not in the state for this",
                _ => "this cannot be done",
            };
            Failure::new(0, code, message)
        })
    }

    fn call_request(&mut self, now: Time, session: SessionId, request: Request) -> Result<(), Code> {
        let Some(attached) = self.pages.sessions.get(&session) else { return Ok(()) };
        let own = attached.own.clone();
        match request {
            Request::Invite { call, to, offer, .. } => {
                check_description(&offer)?;
                self.directory.check_person(&to);
                self.directory.account(&to).ok_or(Code::NoSuchPerson)?;
                let legs: Vec<(Device, NodeId)> = self
                    .directory
                    .here(&to, |id| self.alive.contains(id))
                    .map(|at| (Device { address: to.clone(), device: at.device() }, at.node))
                    .filter(|(device, _)| *device != own)
                    .collect();
                if legs.is_empty() {
                    return Err(Code::NotHere);
                }
                let introduction = self.introduction(session, offer).ok_or(Code::NotHere)?;
                self.calls.invite(now, session, own, call, legs, &introduction)
            }
            Request::Accept { call, answer, .. } => {
                check_description(&answer)?;
                let introduction = self.introduction(session, answer).ok_or(Code::NoSuchCall)?;
                self.calls.accept(session, call, introduction)
            }
            Request::Reject { call, reason, .. } => {
                let said = matches!(reason, Reason::NoMedia | Reason::NotGenuine);
                let reason = if said { reason } else { Reason::Rejected };
                self.calls.reject(session, call, reason)
            }
            Request::Cancel { call, .. } => self.calls.cancel(session, call),
            Request::HangUp { call, reason, .. } => {
                let said = matches!(reason, Reason::Failed | Reason::NotGenuine);
                let reason = if said { reason } else { Reason::HungUp };
                self.calls.hang_up(session, call, reason)
            }
            Request::Candidate { call, candidate, .. } => {
                check_candidate(&candidate)?;
                self.calls.candidate(session, call, candidate)
            }
            Request::Connected { call, .. } => self.calls.talk(session, call, CallBody::Connected),
            Request::Describe { call, kind, description, .. } => {
                check_description(&description)?;
                self.calls.talk(session, call, CallBody::Describe(kind, description))
            }
            Request::Message { call, text, .. } => {
                if text.chars().count() > MAX_TEXT {
                    return Err(Code::TooLong);
                }
                self.calls.talk(session, call, CallBody::Message(text))
            }
            Request::Restore { call, peer, .. } => {
                let to = Device { address: peer.address, device: peer.device };
                self.calls.restore(now, session, own, call, (to, peer.node))
            }
            // the rest is handled before calls are asked
            _ => Ok(()),
        }
    }

    /// What the other end needs to check a description by this session.
    fn introduction(&self, session: SessionId, description: Description) -> Option<Introduction> {
        let attached = self.pages.sessions.get(&session)?;
        let display = self.directory.account(&attached.own.address)?.body.display.clone();
        Some(Introduction { display, key: attached.gone.point, description })
    }

    /// A call frame came over a link from the node `from`, or is one of ours to ourselves.
    pub(super) fn on_call_frame(&mut self, now: Time, from: NodeId, frame: CallFrame) {
        let fits = match &frame.body {
            CallBody::Invite(i) | CallBody::Accept(i) => {
                // a node speaks only for devices whose key it shows
                truca_core::id::DeviceId::of_point(&i.key.0) == frame.from.device
                    && check_description(&i.description).is_ok()
            }
            CallBody::Describe(_, description) => check_description(description).is_ok(),
            CallBody::Candidate(candidate) => check_candidate(candidate).is_ok(),
            CallBody::Message(text) => text.len() <= MAX_TEXT * 4,
            _ => true,
        };
        if !fits {
            self.bad_frame(from, "breaks a limit");
            return;
        }
        let invites = matches!(frame.body, CallBody::Invite(_));
        if invites {
            self.directory.check_person(&frame.from.address);
        }
        let banned = invites && self.owner.refuses_call(&frame.from.address);
        let of_another = self
            .directory
            .account(&frame.from.address)
            .is_some_and(|account| !account.body.devices.contains(&frame.from.device));
        // nobody rings in the name of somebody whose device it is not, nor who is kept out: it is answered as if
        // nobody were here
        let session = self.pages.session_of(&frame.to).filter(|_| !(banned || invites && of_another));
        let attached = self
            .directory
            .attachment(&frame.from.address, frame.from.device)
            .is_some_and(|attachment| attachment.node == from);
        self.calls.handle_frame(now, from, frame, session, attached);
    }

    pub(super) fn on_call(&mut self, now: Time, output: CallOutput) {
        match output {
            CallOutput::Send { node, frame } if node == self.id => self.on_call_frame(now, node, frame),
            CallOutput::Send { node, frame } => self.deliver(now, node, Frame::Call(Box::new(frame))),
            CallOutput::Event { session, call, what } => {
                let event = self.event(call, what);
                self.tell_call(now, session, event);
            }
        }
    }

    fn event(&self, call: CallId, what: What) -> CallEvent {
        // `n` is filled in by the session
        let n = 0;
        match what {
            What::Incoming { from, node, introduction, glare } => {
                let (from, offer) = self.party(from, node, introduction);
                CallEvent::Incoming(Box::new(Incoming { n, call, from, offer, glare }))
            }
            What::Ringing => CallEvent::Ringing(InCall { n, call }),
            What::Accepted { by, node, introduction } => {
                let (by, answer) = self.party(by, node, introduction);
                CallEvent::Accepted(Box::new(Accepted { n, call, by, answer }))
            }
            What::Candidate(candidate) => CallEvent::Candidate(CandidateEvent { n, call, candidate }),
            What::Connected => CallEvent::Connected(InCall { n, call }),
            What::Describe(kind, description) => {
                CallEvent::Describe(Box::new(DescribeEvent { n, call, kind, description }))
            }
            What::Message(text) => CallEvent::Message(MessageEvent { n, call, text }),
            What::Peer(state) => CallEvent::Peer(PeerEvent { n, call, state }),
            What::Ended(reason) => CallEvent::Ended(Ended { n, call, reason }),
        }
    }

    fn party(&self, device: Device, node: NodeId, introduction: Introduction) -> (Party, Description) {
        // what home says goes before what the other node says
        let known = self.directory.account(&device.address).map(|account| account.body.display.clone());
        let party = Party {
            display: known.unwrap_or(introduction.display),
            home: node_info(&self.directory, device.address.home, |id| self.alive.contains(id)),
            node: node_info(&self.directory, node, |id| self.alive.contains(id)),
            device: device.device,
            key: introduction.key,
            address: device.address,
        };
        (party, introduction.description)
    }
}
