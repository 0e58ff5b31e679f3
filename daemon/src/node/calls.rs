//! Between calls and the two wires: what pages ask of calls, what calls tell pages, and frames to and from
//! other nodes.

use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::Status;
use truca_core::directory::window::node_info;
use truca_core::id::{CallId, NodeId};
use truca_core::signal::call::{Calls as Core, Output as CallOutput, SessionId, What};
use truca_core::sorted::Set;
use truca_core::wire::node::{CallBody, CallFrame, Device, Frame, Introduction};
use truca_core::wire::page::{
    Accepted, CallEvent, Candidate, CandidateEvent, Code, DescribeEvent, Description, Ended, Failure, InCall,
    Incoming, MAX_CANDIDATE, MAX_SDP, MAX_TEXT, MessageEvent, Party, PeerEvent, Presence, Reason,
    request::Call as Request,
};

use super::ground::Ground;
use super::news::News;
use super::said::{Happened, Job, Output, Said};

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

/// How long a node that a call depends on, and that could not be reached, is left alone.
const REACH_AGAIN: Duration = Duration::from_secs(5);

/// Calls of this node's pages.
#[derive(Debug, Default)]
pub(super) struct Calls {
    core: Core,
    /// Nodes that are tried again because a call depends on them.
    again: Set<NodeId>,
    /// How many calls listeners on the bus were told of.
    told: usize,
}

impl Calls {
    /// When [`Self::timeout`] wants to be called.
    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.core.poll_timeout()
    }

    pub(super) fn timeout(&mut self, now: Time) {
        self.core.handle_timeout(now);
    }

    /// How many there are.
    pub(super) fn status(&self) -> usize {
        self.core.len()
    }

    /// Whether a call depends on a node.
    pub(super) fn need(&self, id: NodeId) -> bool {
        self.core.peers().any(|peer| peer == id)
    }

    /// All nodes that a call depends on.
    pub(super) fn needed(&self) -> Set<NodeId> {
        self.core.peers().collect()
    }

    /// A node that a call depends on is tried again.
    pub(super) fn reach_due(&mut self, ground: &mut Ground, id: NodeId) {
        self.again.remove(&id);
        if self.need(id) {
            ground.say(Said::Reach(id));
        }
    }

    /// What others have said and done that matters here.
    pub(super) fn happened(&mut self, ground: &mut Ground, now: Time, happened: &Happened) {
        match happened {
            Happened::Up(id) | Happened::Linked(id) => self.core.node_back(*id),
            Happened::Down(id) => self.core.node_lost(now, *id),
            Happened::Unlinked(_, id) if self.need(*id) => ground.say(Said::Reach(*id)),
            Happened::Unreachable(id) => {
                self.core.node_lost(now, *id);
                if self.need(*id) && self.again.insert(*id) {
                    ground.due(now + REACH_AGAIN, Job::Reach(*id));
                }
            }
            Happened::Attached(device) => {
                let at = ground.directory.attachment(&device.address, device.device);
                if let Some(node) = at.filter(|at| at.status == Status::Here).map(|at| at.node) {
                    self.core.peer_moved(now, device, node);
                }
            }
            Happened::Away(session) => self.core.session_presence(*session, Presence::Lost),
            Happened::Back(session) => self.core.session_presence(*session, Presence::Back),
            Happened::Left(session) | Happened::Over(session) => self.core.session_ended(*session),
            Happened::Moved(session) => self.core.session_moved(*session),
            _ => {}
        }
    }

    /// A frame of ours could not be sent.
    pub(super) fn undeliverable(&mut self, now: Time, id: NodeId, frame: CallFrame) {
        self.core.undeliverable(now, id, frame);
    }

    /// Moves what the calls have to say to where it belongs. Whether there was something.
    pub(super) fn settle(&mut self, ground: &mut Ground, now: Time) -> bool {
        let Some(output) = self.core.poll_output() else { return false };
        self.on_call(ground, now, output);
        true
    }

    /// Tells the router's bus when there are more calls, or fewer.
    pub(super) fn news(&mut self, ground: &mut Ground) {
        let calls = self.core.len();
        if calls != self.told {
            self.told = calls;
            ground.put(Output::News(News::Calls(calls)));
        }
    }

    pub(super) fn request(
        &mut self,
        ground: &mut Ground,
        now: Time,
        session: SessionId,
        request: Request,
    ) -> Result<(), Failure> {
        self.call_request(ground, now, session, request).map_err(|code| {
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

    fn call_request(
        &mut self,
        ground: &mut Ground,
        now: Time,
        session: SessionId,
        request: Request,
    ) -> Result<(), Code> {
        let Some(own) = ground.who.session(session).map(|known| known.own.clone()) else { return Ok(()) };
        match request {
            Request::Invite { call, to, offer } => {
                check_description(&offer)?;
                ground.directory.check_person(&to);
                ground.directory.account(&to).ok_or(Code::NoSuchPerson)?;
                let legs: Vec<(Device, NodeId)> = ground
                    .directory
                    .here(&to, |id| ground.alive.contains(id))
                    .map(|at| (Device { address: to.clone(), device: at.device() }, at.node))
                    .filter(|(device, _)| *device != own)
                    .collect();
                if legs.is_empty() {
                    return Err(Code::NotHere);
                }
                let introduction = self.introduction(ground, session, offer).ok_or(Code::NotHere)?;
                self.core.invite(now, session, own, call, legs, &introduction)
            }
            Request::Accept { call, answer } => {
                check_description(&answer)?;
                let introduction = self.introduction(ground, session, answer).ok_or(Code::NoSuchCall)?;
                self.core.accept(session, call, introduction)
            }
            Request::Reject { call, reason } => {
                let said = matches!(reason, Reason::NoMedia | Reason::NotGenuine);
                let reason = if said { reason } else { Reason::Rejected };
                self.core.reject(session, call, reason)
            }
            Request::Cancel { call } => self.core.cancel(session, call),
            Request::HangUp { call, reason } => {
                let said = matches!(reason, Reason::Failed | Reason::NotGenuine);
                let reason = if said { reason } else { Reason::HungUp };
                self.core.hang_up(session, call, reason)
            }
            Request::Candidate { call, candidate } => {
                check_candidate(&candidate)?;
                self.core.candidate(session, call, candidate)
            }
            Request::Connected { call } => self.core.talk(session, call, CallBody::Connected),
            Request::Describe { call, kind, description } => {
                check_description(&description)?;
                self.core.talk(session, call, CallBody::Describe(kind, description))
            }
            Request::Message { call, text } => {
                if text.chars().count() > MAX_TEXT {
                    return Err(Code::TooLong);
                }
                self.core.talk(session, call, CallBody::Message(text))
            }
            Request::Restore { call, peer, .. } => {
                let to = Device { address: peer.address, device: peer.device };
                self.core.restore(now, session, own, call, (to, peer.node))
            }
        }
    }

    /// What the other end needs to check a description by this session.
    fn introduction(
        &self,
        ground: &Ground,
        session: SessionId,
        description: Description,
    ) -> Option<Introduction> {
        let known = ground.who.session(session)?;
        let display = ground.directory.account(&known.own.address)?.body.display.clone();
        Some(Introduction { display, key: known.key, description })
    }

    /// A call frame came over a link from the node `from`, or is one of ours to ourselves.
    pub(super) fn frame(&mut self, ground: &mut Ground, now: Time, from: NodeId, frame: CallFrame) {
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
            ground.bad_frame(from, "breaks a limit");
            return;
        }
        let invites = matches!(frame.body, CallBody::Invite(_));
        if invites {
            ground.directory.check_person(&frame.from.address);
        }
        let banned = invites && ground.bans.refuses_call(&frame.from.address);
        let of_another = ground
            .directory
            .account(&frame.from.address)
            .is_some_and(|account| !account.body.devices.contains(&frame.from.device));
        // nobody rings in the name of somebody whose device it is not, nor who is kept out: it is answered as if
        // nobody were here
        let session = ground.who.session_of(&frame.to).filter(|_| !(banned || invites && of_another));
        let attached = ground
            .directory
            .attachment(&frame.from.address, frame.from.device)
            .is_some_and(|attachment| attachment.node == from);
        self.core.handle_frame(now, from, frame, session, attached);
    }

    fn on_call(&mut self, ground: &mut Ground, now: Time, output: CallOutput) {
        match output {
            CallOutput::Send { node, frame } if node == ground.id => self.frame(ground, now, node, frame),
            CallOutput::Send { node, frame } => ground.deliver(node, Frame::Call(Box::new(frame))),
            CallOutput::Event { session, call, what } => {
                let event = self.event(ground, call, what);
                ground.say(Said::Tell(session, event));
            }
        }
    }

    fn event(&self, ground: &Ground, call: CallId, what: What) -> CallEvent {
        // `n` is filled in by the session
        let n = 0;
        match what {
            What::Incoming { from, node, introduction, glare } => {
                let (from, offer) = self.party(ground, from, node, introduction);
                CallEvent::Incoming(Box::new(Incoming { n, call, from, offer, glare }))
            }
            What::Ringing => CallEvent::Ringing(InCall { n, call }),
            What::Accepted { by, node, introduction } => {
                let (by, answer) = self.party(ground, by, node, introduction);
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

    fn party(
        &self,
        ground: &Ground,
        device: Device,
        node: NodeId,
        introduction: Introduction,
    ) -> (Party, Description) {
        // what home says goes before what the other node says
        let known = ground.directory.account(&device.address).map(|account| account.body.display.clone());
        let party = Party {
            display: known.unwrap_or(introduction.display),
            home: node_info(&ground.directory, device.address.home, |id| ground.alive.contains(id)),
            node: node_info(&ground.directory, node, |id| ground.alive.contains(id)),
            device: device.device,
            key: introduction.key,
            address: device.address,
        };
        (party, introduction.description)
    }
}
