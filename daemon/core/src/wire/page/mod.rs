//! The page wire: every message of `docs/protocol.md` sections 5–7 as a type.
//!
//! A message is an object with exactly one member, which serde calls an externally tagged enum: the cheapest
//! to read, since nothing has to be buffered to find the tag. `request` is what a page asks, `notice` what
//! it is told, `event` what it is told of its calls, `failure` the errors; here stand the limits and the
//! nouns that they share.

use serde::{Deserialize, Serialize};

use super::bytes::{Point, Signature};
use crate::id::{DeviceId, NodeId};
use crate::name::{Address, Display};

mod event;
mod failure;
mod notice;
pub mod request;

pub use event::{
    Accepted, CallEvent, CandidateEvent, DescribeEvent, Ended, InCall, Incoming, MessageEvent, PeerEvent,
};
pub use failure::{Code, Failure};
pub use notice::{HelloNode, Notice, OwnDevice, Telephone};

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

/// How the wish of a new device ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkEnd {
    /// It is one of the account's devices now.
    Linked,
    /// A device of the account said no.
    Refused,
    /// The new device gave up, or its page was closed.
    Cancelled,
    /// Nobody said anything in time.
    Expired,
    /// No device of the account is here to be asked.
    Nobody,
    /// The account's home cannot be reached.
    HomeAway,
    /// Another device of the account has taken it up.
    Elsewhere,
    /// The account has as many devices as it may, or its home as many requests.
    Full,
    /// That is not the password.
    WrongPassword,
    /// There were too many wrong ones: not now.
    TooOften,
    /// The account has none.
    NoPassword,
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
    /// What came in the other end's name was not signed by it, or media went to another certificate than the signed.
    NotGenuine,
}

/// An SDP with what it is for and who vouches for it. Nodes pass it on byte for byte: its hash is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// What it carries.
    pub media: Media,
    /// Grows with each description of this call by this device, so that none can be shown again.
    pub number: u32,
    /// The SDP.
    pub sdp: String,
    /// By the describing device, over `truca-media-2`.
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

/// A node, as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its id.
    pub id: NodeId,
    /// Its name, with the first letters of its id when another node has the same.
    pub name: String,
    /// Whether it is a member now.
    pub alive: bool,
}

/// What a call over the way to a node would be like, as [`crate::gossip::echo`] measures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// As if they were here.
    Good,
    /// Late, or with gaps.
    Poor,
    /// So late that people have to take turns, yet it gets there.
    Slow,
    /// Hardly anything gets there and back in time.
    Unreachable,
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
    /// The way to the best of these nodes, when it has been measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// The account's devices.
    pub devices: Vec<DeviceId>,
    /// Whether it is the session's own account.
    pub you: bool,
    /// Whether a new device is let in by a password.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub password: bool,
}

/// The other end of a call, as shown to a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Party {
    /// Who.
    pub address: Address,
    /// What people read.
    pub display: Display,
    /// Where the account lives: two people may read the same.
    pub home: NodeInfo,
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
    /// `stun:` or `turn:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// For `turn:`, with `credential`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
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
    /// Nothing was heard for too long. Reserved: a silent socket is closed without words.
    Silent,
    /// The page does not confirm what it is told, or tried to sign in too often.
    Overflow,
    /// The account does not have this device any more, or is no more.
    Revoked,
    /// The owner of the node keeps the account out.
    Banned,
}
