//! What a page asks of its node.

use serde::{Deserialize, Serialize};

use super::{Candidate, Code, Description, Failure, Kind, Reason};
use crate::id::{CallId, DeviceId, NodeId};
use crate::name::Address;
use crate::wire::bytes::{Point, Signature, Token};

/// The device's signed attachment, as part of signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The device's counter for `here`; `gone` is signed with the next one.
    pub counter: u32,
    /// Over `truca-attachment-1` with `here`.
    pub here: Signature,
    /// Over `truca-attachment-1` with `gone`, published when the session ends.
    pub gone: Signature,
}

/// `sign_in`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Request id.
    pub id: u32,
    /// The account's name.
    pub name: String,
    /// The account's home, when it is not the node that is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<NodeId>,
    /// The display name, used when the account is created.
    pub display: String,
    /// The device's key.
    pub key: Point,
    /// Over `truca-sign-in-1`.
    pub signature: Signature,
    /// Where the device is reachable from now on.
    pub attachment: Attach,
}

/// The other end of a call, as a page remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Whose device.
    pub address: Address,
    /// Which device.
    pub device: DeviceId,
    /// Where it is attached.
    pub node: NodeId,
}

/// What a page asks of its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Creates the account or signs in to it.
    SignIn(SignIn),
    /// Brings a session back on a new socket.
    Resume {
        /// Request id.
        id: u32,
        /// The session's token.
        token: Token,
        /// Largest `n` received.
        seen: u32,
    },
    /// Changes the display name.
    Profile {
        /// Request id.
        id: u32,
        /// The new display name.
        display: String,
    },
    /// Tells the owner of the node about an account.
    Report {
        /// Request id.
        id: u32,
        /// Which account.
        address: Address,
        /// What about it.
        reason: String,
    },
    /// Ends the session.
    SignOut {
        /// Request id.
        id: u32,
    },
    /// Shows that the socket lives.
    Ping {
        /// Request id.
        id: u32,
    },
    /// Confirms call messages up to `n`.
    Ack {
        /// Request id.
        id: u32,
        /// Largest `n` received.
        n: u32,
    },
    /// What the page looks at.
    Watch {
        /// Request id.
        id: u32,
        /// What names must contain.
        text: String,
        /// Size of the window.
        limit: u16,
    },
    /// Rings somebody.
    Invite {
        /// Request id.
        id: u32,
        /// The new call.
        call: CallId,
        /// Whom.
        to: Address,
        /// The offer.
        #[serde(flatten)]
        offer: Description,
    },
    /// Answers.
    Accept {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
        /// The answer.
        #[serde(flatten)]
        answer: Description,
    },
    /// Declines.
    Reject {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
        /// `rejected` or `no_media`.
        reason: Reason,
    },
    /// Gives up before an answer.
    Cancel {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
    },
    /// Ends an accepted call.
    HangUp {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
        /// `hung_up` or `failed`.
        reason: Reason,
    },
    /// A trickled candidate.
    Candidate {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
        /// The candidate.
        #[serde(flatten)]
        candidate: Candidate,
    },
    /// Media flows.
    Connected {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
    },
    /// Renegotiation.
    Describe {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
        /// Offer or answer.
        kind: Kind,
        /// The SDP.
        #[serde(flatten)]
        description: Description,
    },
    /// Chat.
    Message {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
        /// The text.
        text: String,
    },
    /// Takes a call up again after the node restarted.
    Restore {
        /// Request id.
        id: u32,
        /// Which call.
        call: CallId,
        /// Whether this page made the call.
        caller: bool,
        /// The other end.
        peer: Peer,
    },
}

impl Request {
    /// The request's id.
    pub fn id(&self) -> u32 {
        match self {
            Self::SignIn(SignIn { id, .. })
            | Self::Resume { id, .. }
            | Self::Profile { id, .. }
            | Self::Report { id, .. }
            | Self::SignOut { id }
            | Self::Ping { id }
            | Self::Ack { id, .. }
            | Self::Watch { id, .. }
            | Self::Invite { id, .. }
            | Self::Accept { id, .. }
            | Self::Reject { id, .. }
            | Self::Cancel { id, .. }
            | Self::HangUp { id, .. }
            | Self::Candidate { id, .. }
            | Self::Connected { id, .. }
            | Self::Describe { id, .. }
            | Self::Message { id, .. }
            | Self::Restore { id, .. } => *id,
        }
    }

    /// Reads a request; on failure says which request it was, as far as that can be told.
    ///
    /// # Errors
    /// The error to answer: [`Code::UnknownMessage`] when the one member has a name that no request has,
    /// [`Code::BadId`] when the id is zero or over 2³¹−1, [`Code::BadMessage`] for everything else.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        match serde_json::from_str::<Self>(text) {
            Ok(request) if (1..=i32::MAX as u32).contains(&request.id()) => Ok(request),
            Ok(_) => Err(Failure::new(0, Code::BadId, "an id is from 1 to 2^31-1")),
            Err(error) => Err(Failure::of_unreadable(text, &error)),
        }
    }
}
