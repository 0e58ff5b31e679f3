//! Calls: each end's view of each call, as `docs/protocol.md` section 7 describes it.
//!
//! [`Calls`] holds the ends of the pages attached here. A call between two pages of one node has two ends
//! in it, which talk by the same frames as ends at different nodes. The node hands in what pages ask
//! ([`Calls::invite`] …), frames from other nodes ([`Calls::handle_frame`]) and what became of sessions and
//! nodes; it takes out frames to send and events to show.
//!
//! Bounds: [`MAX_CALLS`] a session, [`MAX_LEGS`] devices that ring, [`MAX_BACKLOG`] messages kept for an end
//! that is away, [`MAX_BACKLOGS_BYTES`] of all that is kept.

mod frames;

use std::collections::VecDeque;
use std::time::Duration;

use crate::Time;
use crate::id::{CallId, NodeId};
use crate::sorted::Map;
use crate::wire::node::{CallBody, CallFrame, Device, Introduction};
use crate::wire::page::{Candidate, Code, Description, Kind, Presence, Reason};

/// How long a call rings.
pub const RING: Duration = Duration::from_secs(45);
/// How long the callee's end waits for the caller's to give up: its clock is not the caller's.
const RING_GUARD: Duration = Duration::from_secs(50);
/// How long a call outlives the other end's node.
pub const NODE_GRACE: Duration = Duration::from_secs(60);
/// How long it does when the other end's node is there but does not know the call (it restarted).
const FORGOTTEN_GRACE: Duration = Duration::from_secs(20);
/// Most calls of one session.
pub const MAX_CALLS: usize = 4;
/// Most devices that an invitation rings on.
pub const MAX_LEGS: usize = 8;
/// Most messages kept for an end that is away; further ones are dropped.
pub const MAX_BACKLOG: usize = 32;
/// Most bytes of them: the two largest descriptions and a talk.
pub const MAX_BACKLOG_BYTES: usize = 80 * 1024;
/// Most bytes of all that is kept.
pub const MAX_BACKLOGS_BYTES: usize = 1024 * 1024;
/// Most candidates that are shown to a page before it has answered: who rings must not be able to fill what a
/// session may hold unconfirmed.
pub const MAX_EARLY: u8 = 32;

/// Names a session within this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// What a page is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Somebody rings.
    Incoming {
        /// Who.
        from: Device,
        /// From which node.
        node: NodeId,
        /// With what.
        introduction: Introduction,
        /// Accept at once.
        glare: bool,
    },
    /// It rings at the other side.
    Ringing,
    /// The other side answered.
    Accepted {
        /// Who.
        by: Device,
        /// At which node.
        node: NodeId,
        /// With what.
        introduction: Introduction,
    },
    /// A candidate.
    Candidate(Candidate),
    /// The other page's media flows.
    Connected,
    /// Renegotiation.
    Describe(Kind, Description),
    /// Chat.
    Message(String),
    /// The other end went or came.
    Peer(Presence),
    /// It is over.
    Ended(Reason),
}

/// What calls want done.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a frame to a node (this one too: then hand it back in). When that cannot be done, call
    /// [`Calls::undeliverable`].
    Send {
        /// To.
        node: NodeId,
        /// What.
        frame: CallFrame,
    },
    /// Tell a page.
    Event {
        /// Which.
        session: SessionId,
        /// About which call.
        call: CallId,
        /// What.
        what: What,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leg {
    Waiting,
    Ringing,
    Refused(Reason),
}

#[derive(Debug)]
enum State {
    /// The caller's end until somebody answers.
    Inviting { legs: Vec<(Device, NodeId, Leg)> },
    /// The callee's end until it answers.
    Ringing,
    /// Answered.
    Accepted,
    /// Media flows at one end at least.
    Connected,
}

#[derive(Debug)]
struct End {
    own: Device,
    state: State,
    /// Whom it talks to: the caller for the callee, the one who answered for the caller.
    peer: Option<(Device, NodeId)>,
    deadline: Option<Time>,
    away: bool,
    /// Candidates that came while it rang.
    early: u8,
    /// What waits for the other end while it is away, and how many bytes that is.
    backlog: VecDeque<CallBody>,
    kept: usize,
}

impl End {
    fn new(own: Device, state: State, peer: Option<(Device, NodeId)>, deadline: Option<Time>) -> Self {
        Self { own, state, peer, deadline, away: false, early: 0, backlog: VecDeque::new(), kept: 0 }
    }

    fn talks(&self) -> bool {
        matches!(self.state, State::Accepted | State::Connected)
    }
}

/// All ends of this node.
#[derive(Debug, Default)]
pub struct Calls {
    ends: Map<(SessionId, CallId), End>,
    outputs: VecDeque<Output>,
}

impl Calls {
    /// No calls.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many calls a page of this node takes part in.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The nodes that calls in progress depend on.
    pub fn peers(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.ends.values().filter_map(|end| end.peer.as_ref()).map(|(_, node)| *node)
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.ends.values().filter_map(|end| end.deadline).min()
    }

    // What pages ask.

    /// Rings devices. `to` must not be empty; beyond [`MAX_LEGS`] it is cut.
    ///
    /// # Errors
    /// [`Code::BadCall`] when the id is in use here, [`Code::TooManyCalls`]; nothing has changed.
    pub fn invite(
        &mut self,
        now: Time,
        session: SessionId,
        own: Device,
        call: CallId,
        to: Vec<(Device, NodeId)>,
        introduction: &Introduction,
    ) -> Result<(), Code> {
        self.admit(session, call)?;
        let mut legs = Vec::new();
        for (device, node) in to.into_iter().take(MAX_LEGS) {
            self.send(node, call, &own, &device, CallBody::Invite(introduction.clone()));
            legs.push((device, node, Leg::Waiting));
        }
        let state = State::Inviting { legs };
        let deadline = Some(now + RING);
        let end = End::new(own, state, None, deadline);
        self.ends.insert((session, call), end);
        Ok(())
    }

    /// Answers.
    ///
    /// # Errors
    /// [`Code::NoSuchCall`], [`Code::WrongState`]; nothing has changed.
    pub fn accept(
        &mut self,
        session: SessionId,
        call: CallId,
        introduction: Introduction,
    ) -> Result<(), Code> {
        let end = self.ends.get_mut(&(session, call)).ok_or(Code::NoSuchCall)?;
        if !matches!(end.state, State::Ringing) {
            return Err(Code::WrongState);
        }
        end.state = State::Accepted;
        end.deadline = None;
        self.tell_peer(session, call, CallBody::Accept(introduction));
        Ok(())
    }

    /// Declines.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn reject(&mut self, session: SessionId, call: CallId, reason: Reason) -> Result<(), Code> {
        let end = self.ends.get(&(session, call)).ok_or(Code::NoSuchCall)?;
        if !matches!(end.state, State::Ringing) {
            return Err(Code::WrongState);
        }
        self.tell_peer(session, call, CallBody::Refuse(reason));
        self.end(session, call, reason);
        Ok(())
    }

    /// Gives up before an answer.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn cancel(&mut self, session: SessionId, call: CallId) -> Result<(), Code> {
        let end = self.ends.get(&(session, call)).ok_or(Code::NoSuchCall)?;
        if !matches!(end.state, State::Inviting { .. }) {
            return Err(Code::WrongState);
        }
        self.stop(session, call, Reason::Cancelled, Reason::Cancelled);
        Ok(())
    }

    /// Ends an answered call.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn hang_up(&mut self, session: SessionId, call: CallId, reason: Reason) -> Result<(), Code> {
        if !self.ends.get(&(session, call)).ok_or(Code::NoSuchCall)?.talks() {
            return Err(Code::WrongState);
        }
        self.stop(session, call, reason, reason);
        Ok(())
    }

    /// Passes a candidate on; while an invitation rings, to all devices it rings on.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn candidate(&mut self, session: SessionId, call: CallId, candidate: Candidate) -> Result<(), Code> {
        let end = self.ends.get(&(session, call)).ok_or(Code::NoSuchCall)?;
        match &end.state {
            State::Ringing => Err(Code::WrongState),
            State::Inviting { legs } => {
                let own = end.own.clone();
                let to: Vec<(Device, NodeId)> = legs
                    .iter()
                    .filter(|(_, _, leg)| !matches!(leg, Leg::Refused(_)))
                    .map(|(device, node, _)| (device.clone(), *node))
                    .collect();
                for (device, node) in to {
                    self.send(node, call, &own, &device, CallBody::Candidate(candidate.clone()));
                }
                Ok(())
            }
            State::Accepted | State::Connected => {
                self.tell_peer(session, call, CallBody::Candidate(candidate));
                Ok(())
            }
        }
    }

    /// Passes on what only an answered call may carry: `Connected`, `Describe`, `Message`.
    ///
    /// # Errors
    /// As [`Self::accept`].
    pub fn talk(&mut self, session: SessionId, call: CallId, body: CallBody) -> Result<(), Code> {
        let end = self.ends.get_mut(&(session, call)).ok_or(Code::NoSuchCall)?;
        if !end.talks() {
            return Err(Code::WrongState);
        }
        if body == CallBody::Connected {
            end.state = State::Connected;
        }
        self.tell_peer(session, call, body);
        Ok(())
    }

    /// Takes up a call that went on while this node was down. The other end confirms, or the call ends with
    /// [`Reason::Left`].
    ///
    /// # Errors
    /// As [`Self::invite`].
    pub fn restore(
        &mut self,
        now: Time,
        session: SessionId,
        own: Device,
        call: CallId,
        peer: (Device, NodeId),
    ) -> Result<(), Code> {
        self.admit(session, call)?;
        let deadline = Some(now + NODE_GRACE);
        let state = State::Connected;
        let end = End { away: true, ..End::new(own, state, Some(peer), deadline) };
        self.ends.insert((session, call), end);
        self.send_to_peer(session, call, CallBody::Restore);
        Ok(())
    }

    // What becomes of sessions and nodes.

    /// A session's socket dropped, or came back.
    pub fn session_presence(&mut self, session: SessionId, presence: Presence) {
        for call in self.of_session(session) {
            if self.ends.get(&(session, call)).is_some_and(End::talks) {
                self.tell_peer(session, call, CallBody::Presence(presence));
            }
        }
    }

    /// A session is over.
    pub fn session_ended(&mut self, session: SessionId) {
        for call in self.of_session(session) {
            let ringing =
                self.ends.get(&(session, call)).is_some_and(|end| matches!(end.state, State::Ringing));
            if ringing {
                self.tell_peer(session, call, CallBody::Refuse(Reason::Unreachable));
                self.ends.remove(&(session, call));
            } else {
                self.stop(session, call, Reason::Left, Reason::Left);
            }
        }
    }

    /// A session's page has gone to another node, and takes its calls with it: nobody is told.
    pub fn session_moved(&mut self, session: SessionId) {
        for call in self.of_session(session) {
            self.ends.remove(&(session, call));
        }
    }

    /// A frame could not be delivered.
    pub fn undeliverable(&mut self, now: Time, node: NodeId, frame: CallFrame) {
        let place = self
            .ends
            .iter()
            .find(|((_, call), end)| *call == frame.call && end.own == frame.from)
            .map(|(place, _)| *place);
        let Some((session, call)) = place else { return };
        if let CallBody::Invite(_) = frame.body {
            self.leg_refused(session, call, &frame.to, Reason::Unreachable);
            return;
        }
        let Some(end) = self.ends.get(&(session, call)) else { return };
        let keep = !matches!(frame.body, CallBody::Restore | CallBody::Restored | CallBody::Presence(_));
        if end.peer.as_ref().is_some_and(|(_, at)| *at != node) {
            // it was for a node that the peer has left: that one may be gone, and the call goes on elsewhere
            if keep {
                self.tell_peer(session, call, frame.body);
            }
            return;
        }
        self.peer_away(now, session, call);
        if keep {
            self.keep(session, call, frame.body);
        }
    }

    /// A node is not reachable any more.
    pub fn node_lost(&mut self, now: Time, node: NodeId) {
        for (session, call) in self.with_node(node) {
            self.peer_away(now, session, call);
        }
        let inviting: Vec<(SessionId, CallId, Device)> = self
            .ends
            .iter()
            .flat_map(|((session, call), end)| {
                let legs = match &end.state {
                    State::Inviting { legs } => legs.as_slice(),
                    _ => &[],
                };
                let lost = legs.iter().filter(|(_, at, leg)| *at == node && !matches!(leg, Leg::Refused(_)));
                lost.map(|(device, _, _)| (*session, *call, device.clone()))
            })
            .collect();
        for (session, call, device) in inviting {
            self.leg_refused(session, call, &device, Reason::Unreachable);
        }
    }

    /// A node can be reached again: asks whether it still has the calls that wait for it.
    pub fn node_back(&mut self, node: NodeId) {
        for (session, call) in self.with_node(node) {
            if self.ends.get(&(session, call)).is_some_and(|end| end.away) {
                self.send_to_peer(session, call, CallBody::Restore);
            }
        }
    }

    /// Ends what has waited too long.
    pub fn handle_timeout(&mut self, now: Time) {
        let due: Vec<(SessionId, CallId)> = self
            .ends
            .iter()
            .filter(|(_, end)| end.deadline.is_some_and(|at| at <= now))
            .map(|(place, _)| *place)
            .collect();
        for (session, call) in due {
            let Some(end) = self.ends.get(&(session, call)) else { continue };
            let reason = if end.talks() { Reason::Left } else { Reason::TimedOut };
            self.stop(session, call, reason, reason);
        }
    }

    // Pieces.

    fn admit(&self, session: SessionId, call: CallId) -> Result<(), Code> {
        if self.ends.contains_key(&(session, call)) {
            return Err(Code::BadCall);
        }
        if self.of_session(session).len() >= MAX_CALLS {
            return Err(Code::TooManyCalls);
        }
        Ok(())
    }

    fn of_session(&self, session: SessionId) -> Vec<CallId> {
        let first = (session, CallId([0; 16]));
        let last = (session, CallId([255; 16]));
        self.ends.range(first..=last).map(|((_, call), _)| *call).collect()
    }

    fn with_node(&self, node: NodeId) -> Vec<(SessionId, CallId)> {
        let talks_to = |end: &End| end.talks() && end.peer.as_ref().is_some_and(|(_, at)| *at == node);
        self.ends.iter().filter(|(_, end)| talks_to(end)).map(|(place, _)| *place).collect()
    }

    fn send(&mut self, node: NodeId, call: CallId, from: &Device, to: &Device, body: CallBody) {
        let frame = CallFrame { call, from: from.clone(), to: to.clone(), body };
        self.outputs.push_back(Output::Send { node, frame });
    }

    /// Sends to the peer even when it is away: to find out whether it still is.
    fn send_to_peer(&mut self, session: SessionId, call: CallId, body: CallBody) {
        let Some(end) = self.ends.get(&(session, call)) else { return };
        let Some((device, node)) = end.peer.clone() else { return };
        let own = end.own.clone();
        self.send(node, call, &own, &device, body);
    }

    /// Sends to the peer, or keeps it until the peer is back.
    fn tell_peer(&mut self, session: SessionId, call: CallId, body: CallBody) {
        match self.ends.get(&(session, call)) {
            Some(end) if end.away => self.keep(session, call, body),
            _ => self.send_to_peer(session, call, body),
        }
    }

    /// Keeps what is for a peer that is away, as far as there is room.
    fn keep(&mut self, session: SessionId, call: CallId, body: CallBody) {
        let all: usize = self.ends.values().map(|end| end.kept).sum();
        let Some(end) = self.ends.get_mut(&(session, call)) else { return };
        let size = body.size();
        if end.backlog.len() < MAX_BACKLOG
            && end.kept + size <= MAX_BACKLOG_BYTES
            && all + size <= MAX_BACKLOGS_BYTES
        {
            end.kept += size;
            end.backlog.push_back(body);
        }
    }

    fn event(&mut self, session: SessionId, call: CallId, what: What) {
        self.outputs.push_back(Output::Event { session, call, what });
    }

    fn end(&mut self, session: SessionId, call: CallId, reason: Reason) {
        if self.ends.remove(&(session, call)).is_some() {
            self.event(session, call, What::Ended(reason));
        }
    }

    /// Ends a call from this side: tells every other end `theirs` and the page `ours`.
    fn stop(&mut self, session: SessionId, call: CallId, ours: Reason, theirs: Reason) {
        let Some(end) = self.ends.get(&(session, call)) else { return };
        let own = end.own.clone();
        match &end.state {
            State::Inviting { legs } => {
                for (device, node, leg) in legs.clone() {
                    if !matches!(leg, Leg::Refused(_)) {
                        self.send(node, call, &own, &device, CallBody::Cancel(theirs));
                    }
                }
            }
            State::Ringing => self.send_to_peer(session, call, CallBody::Refuse(theirs)),
            State::Accepted | State::Connected => self.send_to_peer(session, call, CallBody::HangUp(theirs)),
        }
        self.end(session, call, ours);
    }

    fn leg_refused(&mut self, session: SessionId, call: CallId, device: &Device, reason: Reason) {
        let Some(end) = self.ends.get_mut(&(session, call)) else { return };
        let State::Inviting { legs } = &mut end.state else { return };
        for (to, _, leg) in legs.iter_mut() {
            if to == device {
                *leg = Leg::Refused(reason);
            }
        }
        // a person who declines on one device has declined
        let declined =
            matches!(reason, Reason::Rejected | Reason::NoMedia | Reason::NotGenuine | Reason::Glare);
        let waiting = legs.iter().any(|(_, _, leg)| !matches!(leg, Leg::Refused(_)));
        if declined {
            self.stop(session, call, reason, Reason::AnsweredElsewhere);
        } else if !waiting {
            let busy = legs.iter().any(|(_, _, leg)| *leg == Leg::Refused(Reason::Busy));
            let why = if busy { Reason::Busy } else { reason };
            self.end(session, call, why);
        }
    }

    fn peer_away(&mut self, now: Time, session: SessionId, call: CallId) {
        let Some(end) = self.ends.get_mut(&(session, call)) else { return };
        if end.talks() && !end.away {
            end.away = true;
            end.deadline = Some(now + NODE_GRACE);
            self.event(session, call, What::Peer(Presence::Lost));
        }
    }

    fn peer_back(&mut self, session: SessionId, call: CallId) {
        let Some(end) = self.ends.get_mut(&(session, call)) else { return };
        if !end.away {
            return;
        }
        end.away = false;
        end.deadline = None;
        end.kept = 0;
        let backlog = core::mem::take(&mut end.backlog);
        self.event(session, call, What::Peer(Presence::Back));
        for body in backlog {
            self.send_to_peer(session, call, body);
        }
    }
}

#[cfg(test)]
mod tests;
