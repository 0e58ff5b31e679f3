//! What a page asks of its node.

use serde::Serialize;

use super::{Candidate, Description, Failure, Kind, Reason};
use crate::id::{CallId, DeviceId, NodeId};
use crate::name::Address;
use crate::scram::Secret;
use crate::wire::bytes::{Bytes, Point, Signature, Token};

/// The device's signed attachment, as part of signing in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Attach {
    /// The device's counter for `here`; `gone` is signed with the next one.
    pub counter: u32,
    /// Over `truca-attachment-1` with `here`.
    pub here: Signature,
    /// Over `truca-attachment-1` with `gone`, published when the session ends.
    pub gone: Signature,
}

/// `sign_in`
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignIn {
    /// Request id.
    pub id: u32,
    /// The account's name.
    pub name: String,
    /// The account's home, when it is not the node that is asked.
    #[serde(skip_serializing_if = "Option::is_none")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// Whose device.
    pub address: Address,
    /// Which device.
    pub device: DeviceId,
    /// Where it is attached.
    pub node: NodeId,
}

/// What a page asks of its node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Creates the account or signs in to it.
    SignIn(SignIn),
    /// Who has this name, for one who has an account elsewhere.
    Find {
        /// Request id.
        id: u32,
        /// The name, or what is read.
        text: String,
    },
    /// Asks the devices of an account to let this one in.
    Link {
        /// Request id.
        id: u32,
        /// Whose device this is to be.
        address: Address,
        /// Its key.
        key: Point,
        /// SHA-256 of the nonce that `link_open` will show.
        commit: Bytes<32>,
    },
    /// Shows the nonce.
    LinkOpen {
        /// Request id.
        id: u32,
        /// The nonce.
        nonce: Token,
    },
    /// Asks to be let in by the password of an account.
    LinkPassword {
        /// Request id.
        id: u32,
        /// Whose device this is to be.
        address: Address,
        /// Its key.
        key: Point,
        /// Its nonce.
        client: Token,
    },
    /// Shows that it knows the password.
    LinkProve {
        /// Request id.
        id: u32,
        /// As in `link_password`.
        key: Point,
        /// As in `link_password`.
        client: Token,
        /// As in `link_salt`.
        server: Token,
        /// `ClientProof`.
        proof: Bytes<32>,
    },
    /// Sets the account's password, or takes it away.
    Password {
        /// Request id.
        id: u32,
        /// As in `devices`.
        counter: u32,
        /// What home is to keep of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        secret: Option<Secret>,
        /// Over `truca-password-1`.
        signature: Signature,
    },
    /// Takes up what a new device asks.
    LinkShow {
        /// Request id.
        id: u32,
        /// As in `link_asked`.
        request: Token,
        /// A nonce of this device.
        nonce: Token,
    },
    /// Lets the new device in.
    LinkConfirm {
        /// Request id.
        id: u32,
        /// As in `link_asked`.
        request: Token,
        /// Over `truca-link-1`.
        signature: Signature,
    },
    /// Does not let it in; or the new device gives up.
    LinkRefuse {
        /// Request id.
        id: u32,
        /// As in `link_asked`; the new device has none.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<Token>,
    },
    /// The devices of the account.
    Devices {
        /// Request id.
        id: u32,
    },
    /// Takes a device out of the account.
    Revoke {
        /// Request id.
        id: u32,
        /// Which.
        device: DeviceId,
        /// As in `devices`.
        counter: u32,
        /// Over `truca-revoke-1`.
        signature: Signature,
    },
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
            | Self::Find { id, .. }
            | Self::Link { id, .. }
            | Self::LinkOpen { id, .. }
            | Self::LinkPassword { id, .. }
            | Self::LinkProve { id, .. }
            | Self::Password { id, .. }
            | Self::LinkShow { id, .. }
            | Self::LinkConfirm { id, .. }
            | Self::LinkRefuse { id, .. }
            | Self::Devices { id }
            | Self::Revoke { id, .. }
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
    /// The error to answer: [`super::Code::UnknownMessage`] when the one member has a name that no request has,
    /// [`super::Code::BadId`] when the id is zero or over 2³¹−1, [`super::Code::BadMessage`] for everything else.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        super::read::parse(text)
    }
}
