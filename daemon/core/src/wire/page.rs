//! The page wire: every message of `docs/protocol.md` sections 5–7 as a type.
//!
//! A message is an object with exactly one member, which serde calls an externally tagged enum: the cheapest
//! to read, since nothing has to be buffered to find the tag.

use serde::{Deserialize, Serialize};

use super::bytes::{Challenge, Point, Signature, Token};
use crate::id::{CallId, DeviceId, NodeId};
use crate::name::{Address, Display};

/// The version of the page wire.
pub const VERSION: u32 = 1;

/// Largest message, bytes.
pub const MAX_MESSAGE: usize = 65_536;
/// Largest SDP, bytes.
pub const MAX_SDP: usize = 32_768;
/// Largest candidate line, bytes.
pub const MAX_CANDIDATE: usize = 512;
/// Longest chat text, characters.
pub const MAX_TEXT: usize = 2_000;
/// Largest window of people.
pub const MAX_WINDOW: u16 = 200;
/// Longest search text, characters.
pub const MAX_SEARCH: usize = 48;

/// What a call carries, as asked for by the one who describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Media {
    /// Voice only.
    Audio,
    /// Voice and picture.
    Video,
}

/// Which half of the offer/answer exchange (RFC 3264) an SDP is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An offer.
    Offer,
    /// An answer.
    Answer,
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The callee declined.
    Rejected,
    /// The callee has neither microphone nor permission.
    NoMedia,
    /// Every device of the callee is in a call.
    Busy,
    /// The caller gave up before it was accepted.
    Cancelled,
    /// Nobody answered in time.
    TimedOut,
    /// Somebody hung up.
    HungUp,
    /// No media connection could be made.
    Failed,
    /// Another device of the callee has it.
    AnsweredElsewhere,
    /// Both rang each other; the other call goes on.
    Glare,
    /// No device of the callee could be reached.
    Unreachable,
    /// The other page closed and did not come back.
    Left,
}

/// An SDP with what it is for and who vouches for its DTLS fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What it carries.
    pub media: Media,
    /// The SDP.
    pub sdp: String,
    /// By the describing device, over `truca-media-1`.
    pub signature: Signature,
}

/// A trickled ICE candidate (RFC 8838).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The candidate line; empty at the end of the list.
    pub candidate: String,
    /// The media section's id.
    #[serde(default)]
    pub mid: Option<String>,
    /// The media section's index.
    #[serde(default)]
    pub mline: Option<u16>,
}

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

/// Stable error codes (`docs/protocol.md` section 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)] // each is said in the protocol's table, which is its one description
pub enum Code {
    BadMessage,
    UnknownMessage,
    BadId,
    TooFast,
    NotSignedIn,
    SignedIn,
    BadName,
    BadDisplay,
    BadKey,
    BadSignature,
    NameTaken,
    StaleCounter,
    Full,
    NoSession,
    NotHome,
    NoSuchPerson,
    NotHere,
    TooManyCalls,
    BadCall,
    BadSdp,
    TooLong,
    NoSuchCall,
    WrongState,
}

/// The `error` answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The request's id, 0 when it could not be read.
    pub id: u32,
    /// What went wrong.
    pub code: Code,
    /// For logs and developers.
    pub message: String,
    /// A name that is free, with `name_taken`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggest: Option<String>,
    /// The known counter, with `stale_counter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter: Option<u32>,
}

impl Failure {
    /// A failure without extras.
    pub fn new(id: u32, code: Code, message: impl Into<String>) -> Self {
        Self { id, code, message: message.into(), suggest: None, counter: None }
    }

    fn of_unreadable(text: &str, error: &serde_json::Error) -> Self {
        let value: serde_json::Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(_) => return Self::new(0, Code::BadMessage, "not JSON"),
        };
        let member =
            value.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        let Some((name, body)) = member else {
            return Self::new(0, Code::BadMessage, "a message is an object with exactly one member");
        };
        let id = body
            .get("id")
            .and_then(serde_json::Value::as_u64)
            .and_then(|id| u32::try_from(id).ok())
            .unwrap_or(0);
        let known = [
            "sign_in",
            "resume",
            "profile",
            "sign_out",
            "ping",
            "ack",
            "watch",
            "invite",
            "accept",
            "reject",
            "cancel",
            "hang_up",
            "candidate",
            "connected",
            "describe",
            "message",
            "restore",
        ];
        if !known.contains(&name.as_str()) {
            return Self::new(id, Code::UnknownMessage, "no message has this name");
        }
        let mut message = error.to_string();
        // what serde quotes of a hostile message must not come back at its own length
        message.truncate(message.char_indices().take(160).last().map_or(0, |(i, c)| i + c.len_utf8()));
        Self::new(id, Code::BadMessage, message)
    }
}

/// A node, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Whether it is a member now.
    pub alive: bool,
}

/// A person of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Person {
    /// What identifies the person.
    pub address: Address,
    /// The address's name part.
    pub name: String,
    /// What people read.
    pub display: Display,
    /// Where the account lives.
    pub home: NodeInfo,
    /// Where the person is attached now.
    pub at: Vec<NodeInfo>,
    /// The account's devices.
    pub devices: Vec<DeviceId>,
    /// Whether it is the session's own account.
    pub you: bool,
}

/// The other end of a call, as shown to a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Who.
    pub address: Address,
    /// What people read.
    pub display: Display,
    /// Where the device is attached.
    pub node: NodeInfo,
    /// Which device.
    pub device: DeviceId,
    /// Its key, which signed the description.
    pub key: Point,
}

/// One entry of `RTCConfiguration.iceServers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:` and later `turn:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
}

/// Whether the other end's signalling can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It is away for the moment.
    Lost,
    /// It is there again.
    Back,
}

/// Why a node closes a page's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ByeReason {
    /// The node stops.
    Stopping,
    /// The page asked.
    SignedOut,
    /// Another socket resumed the session.
    Replaced,
    /// Nothing was heard for too long.
    Silent,
    /// The page does not read.
    Overflow,
}

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

/// What a node tells a page outside calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The first message on a socket.
    Hello {
        /// Version of the page wire.
        version: u32,
        /// The node that speaks.
        node: HelloNode,
        /// To be signed.
        challenge: Challenge,
        /// The daemon's version.
        trucad: String,
        /// How long a session outlives its socket, seconds.
        resume_s: u32,
    },
    /// Answer to `sign_in`.
    SignedIn {
        /// Request id.
        id: u32,
        /// The account.
        address: Address,
        /// Its display name.
        display: Display,
        /// This device.
        device: DeviceId,
        /// Brings the session back.
        token: Token,
        /// Whether the account was made just now.
        created: bool,
        /// For `RTCPeerConnection`.
        ice: Vec<IceServer>,
    },
    /// Answer to `resume`.
    Resumed {
        /// Request id.
        id: u32,
        /// The token for the next time.
        token: Token,
        /// Largest request id that was handled.
        handled: u32,
        /// For `RTCPeerConnection`.
        ice: Vec<IceServer>,
    },
    /// Done.
    Ok {
        /// Request id.
        id: u32,
    },
    /// Not done.
    Error(Failure),
    /// The socket is about to close.
    Bye {
        /// Why.
        reason: ByeReason,
    },
    /// The watched window, or what changed in it.
    People {
        /// Id of the `watch`.
        watch: u32,
        /// Whether this is the whole window.
        reset: bool,
        /// How many match.
        total: u32,
        /// How many of these are here.
        here: u32,
        /// New or changed people.
        people: Vec<Person>,
        /// Who left the window.
        gone: Vec<Address>,
        /// The window's order, when it changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Vec<Address>>,
    },
    /// Size of the mesh.
    Nodes {
        /// Members that are alive, this node included.
        alive: u32,
    },
    /// New servers.
    Ice {
        /// For `RTCPeerConnection.setConfiguration`.
        servers: Vec<IceServer>,
    },
}

/// The node in `hello`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloNode {
    /// Its id.
    pub id: NodeId,
    /// Its name.
    pub name: String,
    /// Counts its starts; part of what an attachment signs.
    pub boot: u32,
}
