//! The node wire: frames between two nodes over a link (`docs/protocol.md` section 9).
//!
//! Postcard, so the order of variants and fields **is** the protocol: a new variant goes to the end, and
//! anything else is a new [`VERSION`].

use serde::{Deserialize, Serialize};

use super::bytes::{Bytes, Point, Signature, Token};
use super::page::{Candidate, Description, Kind, LinkEnd, Presence, Reason};
use crate::id::{CallId, DeviceId, NodeId};
use crate::name::{Address, Display};
use crate::scram::Secret;

/// The version of the node wire.
pub const VERSION: u16 = 1;

/// Largest frame, bytes, without its length.
pub const MAX_FRAME: usize = 65_536;

/// What one node says to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Frame {
    /// The first frame, both ways.
    Hello {
        /// [`VERSION`] of the sender.
        version: u16,
        /// The sender's own encoded `Node` record.
        node: Vec<u8>,
        /// The sender's generation in the membership.
        generation: u16,
    },
    /// The sender's digest; asks for a comparison.
    Digest(Vec<u8>),
    /// Answer to a digest: the sender's items of the buckets that differ. In several frames when they are many.
    Items {
        /// The buckets that differ.
        buckets: Vec<u8>,
        /// The sender's records there.
        items: Vec<Item>,
        /// Whether more frames of this comparison follow.
        more: bool,
    },
    /// Encoded records, in an order that can be merged.
    Records(Vec<Vec<u8>>),
    /// Key hashes of records that the sender wants.
    Want(Vec<u64>),
    /// Signalling of a call.
    Call(Box<CallFrame>),
    /// A new device for an account, or one that is to go.
    Devices(Box<DevicesFrame>),
    /// Proves that the sender knows the community's secret.
    Prove(Bytes<32>),
    /// The sender's members, asked for by a frame with an empty roll.
    Members {
        /// The sum of their short ids ([`crate::gossip::Gossip::sum`]).
        sum: u64,
        /// Their states, as in datagrams ([`crate::gossip::Gossip::roll`]). In several frames when they are many.
        roll: Vec<u8>,
        /// Whether more frames of this roll follow.
        more: bool,
    },
}

/// One record in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The hash of what identifies the record ([`crate::directory::record::Key::hash`]).
    pub key: u64,
    /// The hash of all of it ([`crate::directory::record::Record::version`]).
    pub version: u64,
}

/// One device of one person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Device {
    /// Whose.
    pub address: Address,
    /// Which.
    pub device: DeviceId,
}

/// Signalling of one call, from a device of the sender to a device of the receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFrame {
    /// Which call.
    pub call: CallId,
    /// From.
    pub from: Device,
    /// To.
    pub to: Device,
    /// What happens.
    pub body: CallBody,
}

/// Who describes: enough for the other page to check the signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// What people read.
    pub display: Display,
    /// The device's key.
    pub key: Point,
    /// The offer or the answer.
    pub description: Description,
}

/// What happens in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallBody {
    /// Caller → callee: rings.
    Invite(Introduction),
    /// Callee → caller: it rings here.
    Ringing,
    /// Callee → caller: answered.
    Accept(Introduction),
    /// Callee → caller: not answered, and will not be.
    Refuse(Reason),
    /// Caller → callee: stop ringing.
    Cancel(Reason),
    /// A trickled candidate.
    Candidate(Candidate),
    /// Media flows at the sender's page.
    Connected,
    /// Renegotiation.
    Describe(Kind, Description),
    /// Chat.
    Message(String),
    /// The call is over.
    HangUp(Reason),
    /// The sender's page went or came.
    Presence(Presence),
    /// The sender's node restarted and its page still has the call.
    Restore,
    /// The sender still has the call that was to be restored.
    Restored,
    /// The sender has no such call.
    NoSuchCall,
}

/// What happens to the devices of one account. Travels between the node where a new device is, the account's
/// home, and the nodes where its devices are attached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesFrame {
    /// Which request: random bytes of the node that asks.
    pub request: Token,
    /// Whose.
    pub address: Address,
    /// What happens.
    pub body: DevicesBody,
}

/// What happens to the devices of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DevicesBody {
    /// New device → home → the devices that are in: may this key sign in?
    Ask {
        /// The new device's key.
        key: Point,
        /// SHA-256 of the nonce that it will show.
        commit: Bytes<32>,
        /// The node where it is.
        at: NodeId,
    },
    /// The device that takes it up → home → new device: its nonce.
    Show(Token),
    /// New device → home → the device that has taken it up: the nonce behind `commit`.
    Open(Token),
    /// The device that has taken it up → home: yes.
    Confirm {
        /// Its key.
        key: Point,
        /// Over `truca-link-1`.
        signature: Signature,
    },
    /// A device → home: no; the new device → home: never mind.
    Refuse,
    /// Home → the others: it is over.
    End(LinkEnd),
    /// Home → new device: it is one of the account's now, as this encoded `Account` record says.
    Linked(Vec<u8>),
    /// A device → home: takes a device out.
    Revoke {
        /// Which.
        device: DeviceId,
        /// The counter of the account that it has seen.
        counter: u32,
        /// Its own key.
        key: Point,
        /// Over `truca-revoke-1`.
        signature: Signature,
    },
    /// New device → home: it wants in by the password.
    Begin {
        /// Its key.
        key: Point,
        /// Its nonce.
        client: Token,
    },
    /// Home → new device: how to stretch it, and home's nonce.
    Salt {
        /// Home's nonce.
        server: Token,
        /// Salt of the stretching.
        salt: Bytes<16>,
        /// Its iterations.
        iterations: u32,
    },
    /// New device → home: it knows the password.
    Prove {
        /// As in `Begin`.
        key: Point,
        /// As in `Begin`.
        client: Token,
        /// As in `Salt`: home has kept nothing.
        server: Token,
        /// `ClientProof`.
        proof: Bytes<32>,
    },
    /// Home → new device: it is one of the account's now, and home knows the password too.
    Proved {
        /// The encoded `Account` record.
        account: Vec<u8>,
        /// `ServerSignature`.
        signature: Bytes<32>,
    },
    /// A device → home: the password from now on, or that there is none.
    Password {
        /// The counter of the account that it has seen.
        counter: u32,
        /// What home is to keep of it.
        secret: Option<Secret>,
        /// The device's own key.
        key: Point,
        /// Over `truca-password-1`.
        signature: Signature,
    },
}

impl DevicesFrame {
    /// The text that a device signs to set the account's password, or to have none.
    pub fn password_text(address: &Address, counter: u32, secret: Option<&Secret>) -> String {
        let secret = secret.map_or_else(String::new, |secret| {
            let Secret { salt, iterations, stored, server } = secret;
            format!("{salt}\n{iterations}\n{stored}\n{server}\n")
        });
        format!("truca-password-1\n{address}\n{counter}\n{secret}")
    }

    /// The text that a device signs to let another in (`docs/protocol.md` section 4).
    pub fn link_text(address: &Address, request: &Token, key: &Point) -> String {
        format!("truca-link-1\n{address}\n{request}\n{key}\n")
    }

    /// The text that a device signs to take another out.
    pub fn revoke_text(address: &Address, device: &DeviceId, counter: u32) -> String {
        format!("truca-revoke-1\n{address}\n{device}\n{counter}\n")
    }
}

impl CallBody {
    /// About what it takes to keep it, in bytes.
    pub fn size(&self) -> usize {
        let text = match self {
            Self::Invite(introduction) | Self::Accept(introduction) => introduction.description.sdp.len(),
            Self::Describe(_, description) => description.sdp.len(),
            Self::Candidate(Candidate { candidate, mid, .. }) => {
                candidate.len() + mid.as_ref().map_or(0, String::len)
            }
            Self::Message(text) => text.len(),
            _ => 0,
        };
        size_of::<Self>() + text
    }
}

impl Frame {
    /// About what it takes to keep it, in bytes.
    pub fn size(&self) -> usize {
        match self {
            Self::Call(frame) => frame.body.size(),
            // holds one record at most
            _ => size_of::<DevicesFrame>() + crate::directory::record::MAX_RECORD,
        }
    }

    /// Writes the frame.
    pub fn encode(&self) -> Vec<u8> {
        // writing to a growing vector fails only when a type cannot be written at all, which tests would show
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Reads a frame; nothing may follow it.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_FRAME {
            return None;
        }
        match postcard::take_from_bytes(bytes) {
            Ok((frame, [])) => Some(frame),
            _ => None,
        }
    }
}
