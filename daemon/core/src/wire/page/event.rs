//! What a page is told of its calls: numbered, confirmed and told again after a resume.

use serde::{Deserialize, Serialize};

use super::{Candidate, Description, Kind, Party, Presence, Reason};
use crate::id::CallId;

/// What happens in a call, as a page is told; wrapped with `n` by the session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEvent {
    /// Somebody rings.
    Incoming(Box<Incoming>),
    /// At least one device rings.
    Ringing(InCall),
    /// The callee answered.
    Accepted(Box<Accepted>),
    /// A trickled candidate.
    Candidate(CandidateEvent),
    /// The other page's media flows.
    Connected(InCall),
    /// Renegotiation.
    Describe(Box<DescribeEvent>),
    /// Chat.
    Message(MessageEvent),
    /// The call is over.
    Ended(Ended),
    /// The other end's signalling went or came.
    Peer(PeerEvent),
}

/// Body of call events that say nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InCall {
    /// Count of call events in the session.
    pub n: u32,
    /// Which call.
    pub call: CallId,
}

/// Body of `incoming`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// Count of call events in the session.
    pub n: u32,
    /// Which call.
    pub call: CallId,
    /// Who rings.
    pub from: Party,
    /// The offer.
    #[serde(flatten)]
    pub offer: Description,
    /// Accept at once: this person was rung by this page at the same time.
    pub glare: bool,
}

/// Body of `accepted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Count of call events in the session.
    pub n: u32,
    /// Which call.
    pub call: CallId,
    /// Who answered.
    pub by: Party,
    /// The answer.
    #[serde(flatten)]
    pub answer: Description,
}

/// Body of `candidate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateEvent {
    /// Count of call events in the session.
    pub n: u32,
    /// Which call.
    pub call: CallId,
    /// The candidate.
    #[serde(flatten)]
    pub candidate: Candidate,
}

/// Body of `describe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribeEvent {
    /// Count of call events in the session.
    pub n: u32,
    /// Which call.
    pub call: CallId,
    /// Offer or answer.
    pub kind: Kind,
    /// The SDP.
    #[serde(flatten)]
    pub description: Description,
}

/// Body of `message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEvent {
    /// Count of call events in the session.
    pub n: u32,
    /// Which call.
    pub call: CallId,
    /// The text.
    pub text: String,
}

/// Body of `ended`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Count of call events in the session.
    pub n: u32,
    /// Which call.
    pub call: CallId,
    /// Why.
    pub reason: Reason,
}

/// Body of `peer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerEvent {
    /// Count of call events in the session.
    pub n: u32,
    /// Which call.
    pub call: CallId,
    /// Lost or back.
    pub state: Presence,
}

impl CallEvent {
    /// Numbers the event within its session.
    pub fn number(&mut self, to: u32) {
        match self {
            Self::Incoming(body) => body.n = to,
            Self::Ringing(body) | Self::Connected(body) => body.n = to,
            Self::Accepted(body) => body.n = to,
            Self::Candidate(body) => body.n = to,
            Self::Describe(body) => body.n = to,
            Self::Message(body) => body.n = to,
            Self::Ended(body) => body.n = to,
            Self::Peer(body) => body.n = to,
        }
    }
}
