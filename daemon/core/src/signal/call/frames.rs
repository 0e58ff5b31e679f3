//! What other nodes say of calls: frames, as they change the ends here.

use super::{Calls, End, FORGOTTEN_GRACE, Leg, MAX_EARLY, RING_GUARD, SessionId, State, What};
use crate::Time;
use crate::id::{CallId, NodeId};
use crate::wire::node::{CallBody, CallFrame, Device, Introduction};
use crate::wire::page::Reason;

impl Calls {
    /// A frame from the node `from`. `session` is the page that it is for, if it is attached here; `attached`
    /// says whether the directory knows the sending device at that node.
    pub fn handle_frame(
        &mut self,
        now: Time,
        from: NodeId,
        frame: CallFrame,
        session: Option<SessionId>,
        attached: bool,
    ) {
        let CallFrame { call, from: device, to, body } = frame;
        let Some(session) = session else {
            match body {
                CallBody::Invite(_) => {
                    self.send(from, call, &to, &device, CallBody::Refuse(Reason::Unreachable));
                }
                CallBody::Restore => self.send(from, call, &to, &device, CallBody::NoSuchCall),
                _ => {}
            }
            return;
        };
        if let CallBody::Invite(introduction) = body {
            self.handle_invite(now, session, to, call, (device, from), introduction);
            return;
        }
        let Some(end) = self.ends.get_mut(&(session, call)) else {
            if body == CallBody::Restore {
                self.send(from, call, &to, &device, CallBody::NoSuchCall);
            }
            return;
        };
        if let State::Inviting { legs } = &mut end.state {
            let Some(leg) = legs.iter_mut().find(|(d, n, _)| *d == device && *n == from) else { return };
            match body {
                CallBody::Ringing => {
                    leg.2 = Leg::Ringing;
                    if legs.iter().filter(|(_, _, leg)| *leg == Leg::Ringing).count() == 1 {
                        self.event(session, call, What::Ringing);
                    }
                }
                CallBody::Accept(introduction) => {
                    self.handle_accept(session, call, (device, from), introduction);
                }
                CallBody::Refuse(reason) => self.leg_refused(session, call, &device, reason),
                // it has answered, and the answer waits for us to be back
                CallBody::Restore => self.send(from, call, &to, &device, CallBody::Restored),
                _ => {}
            }
            return;
        }
        let known = match &mut end.peer {
            Some((peer, node)) if *peer == device => {
                if *node != from && attached && matches!(body, CallBody::Restore) {
                    // the device has signed that it is attached there now
                    *node = from;
                }
                *node == from
            }
            _ => false,
        };
        if !known {
            return;
        }
        self.handle_talk(now, session, call, body);
    }

    /// A device has signed that it is attached at another node: calls with it go on there. Its `Restore` may have
    /// come before we knew, so it is answered now.
    pub fn peer_moved(&mut self, now: Time, device: &Device, node: NodeId) {
        let moved = |end: &End| {
            end.talks() && end.peer.as_ref().is_some_and(|(peer, at)| peer == device && *at != node)
        };
        let ends: Vec<(SessionId, CallId)> =
            self.ends.iter().filter(|(_, end)| moved(end)).map(|(place, _)| *place).collect();
        for (session, call) in ends {
            if let Some(End { peer: Some((_, at)), .. }) = self.ends.get_mut(&(session, call)) {
                *at = node;
            }
            self.handle_talk(now, session, call, CallBody::Restore);
        }
    }

    fn handle_invite(
        &mut self,
        now: Time,
        session: SessionId,
        own: Device,
        call: CallId,
        peer: (Device, NodeId),
        introduction: Introduction,
    ) {
        let rung_back = self.of_session(session).into_iter().find(|ours| {
            self.ends.get(&(session, *ours)).is_some_and(|end| match &end.state {
                State::Inviting { legs } => legs.iter().any(|(to, _, _)| to.address == peer.0.address),
                _ => false,
            })
        });
        let mut glare = false;
        match rung_back {
            // both ends compare the same two ids, so both keep the same call
            Some(ours) if call < ours => {
                self.stop(session, ours, Reason::Glare, Reason::Glare);
                glare = true;
            }
            Some(_) => {
                self.send(peer.1, call, &own, &peer.0, CallBody::Refuse(Reason::Glare));
                return;
            }
            None => {}
        }
        if !self.of_session(session).is_empty() {
            self.send(peer.1, call, &own, &peer.0, CallBody::Refuse(Reason::Busy));
            return;
        }
        self.send(peer.1, call, &own, &peer.0, CallBody::Ringing);
        let (from, node) = peer.clone();
        let deadline = Some(now + RING_GUARD);
        let end = End::new(own, State::Ringing, Some(peer), deadline);
        self.ends.insert((session, call), end);
        self.event(session, call, What::Incoming { from, node, introduction, glare });
    }

    fn handle_accept(
        &mut self,
        session: SessionId,
        call: CallId,
        by: (Device, NodeId),
        introduction: Introduction,
    ) {
        let Some(end) = self.ends.get_mut(&(session, call)) else { return };
        let own = end.own.clone();
        let State::Inviting { legs } = core::mem::replace(&mut end.state, State::Accepted) else { return };
        end.peer = Some(by.clone());
        end.deadline = None;
        for (device, node, leg) in legs {
            if device != by.0 && !matches!(leg, Leg::Refused(_)) {
                self.send(node, call, &own, &device, CallBody::Cancel(Reason::AnsweredElsewhere));
            }
        }
        self.event(session, call, What::Accepted { by: by.0, node: by.1, introduction });
    }

    fn handle_talk(&mut self, now: Time, session: SessionId, call: CallId, body: CallBody) {
        let Some(end) = self.ends.get_mut(&(session, call)) else { return };
        let ringing = matches!(end.state, State::Ringing);
        match body {
            CallBody::Cancel(reason) if ringing => self.end(session, call, reason),
            CallBody::Candidate(_) if ringing && end.early >= MAX_EARLY => {}
            CallBody::Candidate(candidate) => {
                end.early = end.early.saturating_add(u8::from(ringing));
                self.event(session, call, What::Candidate(candidate));
            }
            // the rest belongs to calls that were answered
            _ if ringing => {}
            CallBody::Connected => {
                end.state = State::Connected;
                self.event(session, call, What::Connected);
            }
            CallBody::Describe(kind, description) => {
                self.event(session, call, What::Describe(kind, description));
            }
            CallBody::Message(text) => self.event(session, call, What::Message(text)),
            CallBody::HangUp(reason) => self.end(session, call, reason),
            CallBody::Presence(presence) => self.event(session, call, What::Peer(presence)),
            CallBody::Restore => {
                self.send_to_peer(session, call, CallBody::Restored);
                self.peer_back(session, call);
            }
            CallBody::Restored => self.peer_back(session, call),
            CallBody::NoSuchCall if end.away => {
                // its node restarted, and its page may still come back; or it has hung up meanwhile
                let soon = now + FORGOTTEN_GRACE;
                end.deadline = Some(end.deadline.map_or(soon, |at| at.min(soon)));
            }
            CallBody::NoSuchCall => self.end(session, call, Reason::Left),
            CallBody::Invite(_)
            | CallBody::Ringing
            | CallBody::Accept(_)
            | CallBody::Refuse(_)
            | CallBody::Cancel(_) => {}
        }
    }
}
