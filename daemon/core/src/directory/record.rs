//! The three kinds of signed record, how they are written and what their signatures cover.
//!
//! A record is written in postcard. `Node` and `Account` are signed over a purpose line and the postcard of
//! their body; an `Attachment` over the text that the page's WebCrypto signed (`docs/protocol.md` section 4).
//! A record must be written exactly as we would write it, so that one content has one encoding, one hash and
//! nothing can ride along unsigned.

use std::net::IpAddr;
use std::ops::Deref;

use ring::{digest, signature};
use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, NodeId};
use crate::name::{Address, Display, Name};
use crate::wire::bytes::{Bytes, Point, Signature};

/// Largest encoded record. Small enough for one gossip datagram with room for membership.
pub const MAX_RECORD: usize = 700;
/// Most addresses a node announces.
pub const MAX_ADDRESSES: usize = 4;

const NODE_PURPOSE: &[u8] = b"truca-node-1\n";
const ACCOUNT_PURPOSE: &[u8] = b"truca-account-1\n";

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRecord {
    /// It does not read, breaks a limit, or is not canonical.
    Malformed,
    /// The signature does not verify.
    Signature,
}

/// What checks a signature: [`verify`], or what remembers for a thousand simulated nodes what it has said.
pub type Verify = fn(&Point, &[u8], &Signature) -> bool;

/// Checks a P-256 signature of `message`. Pure computation.
pub fn verify(point: &Point, message: &[u8], signature: &Signature) -> bool {
    signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &point.0)
        .verify(message, &signature.0)
        .is_ok()
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeBody {
    /// Its P-256 key, which signs the record and owns the id.
    pub point: Point,
    /// Its X25519 key, for the pairwise keys of membership datagrams.
    pub agreement: Bytes<32>,
    /// Grows with every start and change.
    pub counter: u32,
    /// Counts its starts: an attachment made before the last one is void, since its session is gone.
    pub boot: u32,
    /// What its owner calls it.
    pub name: Name,
    /// Where it can be reached, best first.
    pub addresses: Vec<IpAddr>,
    /// TCP of page and links, UDP of membership.
    pub port: u16,
    /// STUN (UDP); 0 when it offers none.
    pub stun_port: u16,
    /// Version of the daemon: major, minor, patch.
    pub version: (u8, u8, u8),
}

/// A node, signed by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// What it says.
    pub body: NodeBody,
    /// By `body.point`.
    pub signature: Signature,
}

impl Node {
    /// The bytes to sign.
    pub fn to_sign(body: &NodeBody) -> Vec<u8> {
        with_purpose(NODE_PURPOSE, body)
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        NodeId::of_point(&self.body.point.0)
    }

    /// Whether the node has signed it.
    ///
    /// # Errors
    /// [`BadRecord::Signature`]
    pub fn verify(&self, by: Verify) -> Result<(), BadRecord> {
        check(by, &self.body.point, &Self::to_sign(&self.body), &self.signature)
    }
}

/// A person's account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountBody {
    /// The node where it lives, which signs it.
    pub home: NodeId,
    /// The name there.
    pub name: Name,
    /// What people read.
    pub display: Display,
    /// The devices that may speak for it. None: the next one that takes the name at home has it.
    pub devices: Vec<DeviceId>,
    /// Grows with every change.
    pub counter: u32,
    /// [`ADMIN`], [`DELETED`], [`PASSWORD`]; a reader keeps what it does not know.
    pub flags: u8,
}

/// The account is an administrator's.
pub const ADMIN: u8 = 1;
/// The account is no more: its record is a tombstone, which keeps older ones from coming back.
pub const DELETED: u8 = 2;
/// A new device is let in by a password; what is kept of it only home knows.
pub const PASSWORD: u8 = 4;

impl AccountBody {
    /// Whether it is a tombstone.
    pub fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    /// Whether it is an administrator's.
    pub fn is_admin(&self) -> bool {
        self.flags & ADMIN != 0
    }

    /// Whether it has a password.
    pub fn has_password(&self) -> bool {
        self.flags & PASSWORD != 0
    }
}

/// An account, signed by its home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What home says.
    pub body: AccountBody,
    /// By home's key.
    pub signature: Signature,
}

impl Account {
    /// The bytes to sign.
    pub fn to_sign(body: &AccountBody) -> Vec<u8> {
        with_purpose(ACCOUNT_PURPOSE, body)
    }

    /// What identifies it.
    pub fn address(&self) -> Address {
        Address { home: self.body.home, name: self.body.name.clone() }
    }

    /// Whether the home with this key has signed it.
    ///
    /// # Errors
    /// [`BadRecord::Signature`]
    pub fn verify(&self, home: &Point, by: Verify) -> Result<(), BadRecord> {
        check(by, home, &Self::to_sign(&self.body), &self.signature)
    }
}

/// What an attachment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// The device is attached at the node.
    Here,
    /// It is not attached any more.
    Gone,
}

/// Where a device can be reached, signed by the device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// Whose device.
    pub address: Address,
    /// The device's key.
    pub point: Point,
    /// The node it is attached to.
    pub node: NodeId,
    /// That node's count of starts at the time.
    pub boot: u32,
    /// Grows with every attachment of this device.
    pub counter: u32,
    /// Here or gone.
    pub status: Status,
    /// By `point`.
    pub signature: Signature,
}

impl Attachment {
    /// The text that the page signs (`docs/protocol.md` section 4).
    pub fn to_sign(address: &Address, node: NodeId, boot: u32, counter: u32, status: Status) -> String {
        let status = match status {
            Status::Here => "here",
            Status::Gone => "gone",
        };
        format!("truca-attachment-1\n{address}\n{node}\n{boot}\n{counter}\n{status}\n")
    }

    /// The device's id.
    pub fn device(&self) -> DeviceId {
        DeviceId::of_point(&self.point.0)
    }

    /// Whether the device has signed it.
    ///
    /// # Errors
    /// [`BadRecord::Signature`]
    pub fn verify(&self) -> Result<(), BadRecord> {
        self.verify_by(verify)
    }

    /// The same with another check than [`verify`].
    ///
    /// # Errors
    /// [`BadRecord::Signature`]
    pub fn verify_by(&self, by: Verify) -> Result<(), BadRecord> {
        let text = Self::to_sign(&self.address, self.node, self.boot, self.counter, self.status);
        check(by, &self.point, text.as_bytes(), &self.signature)
    }
}

fn with_purpose(purpose: &[u8], body: &impl Serialize) -> Vec<u8> {
    // writing to a growing vector fails only when a type cannot be written at all, which tests would show
    postcard::to_extend(body, purpose.to_vec()).unwrap_or_default()
}

fn check(by: Verify, point: &Point, message: &[u8], signature: &Signature) -> Result<(), BadRecord> {
    if by(point, message, signature) { Ok(()) } else { Err(BadRecord::Signature) }
}

/// What identifies a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A node.
    Node(NodeId),
    /// An account.
    Account(Address),
    /// One device's attachment.
    Attachment(Address, DeviceId),
}

impl Key {
    /// A 64-bit name of the key, for digests. Not secret, not collision-proof against its own author, who
    /// could only hide his own records.
    pub fn hash(&self) -> u64 {
        match self {
            Self::Node(id) => sha_64(&[b"n", &id.0]),
            Self::Account(address) => sha_64(&[b"a", &address.home.0, address.name.as_str().as_bytes()]),
            Self::Attachment(address, device) => {
                sha_64(&[b"t", &address.home.0, &device.0, address.name.as_str().as_bytes()])
            }
        }
    }
}

/// Any record, as it travels and as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// A node.
    Node(Node),
    /// An account.
    Account(Account),
    /// An attachment.
    Attachment(Attachment),
}

impl Record {
    /// Reads a record. Its signature is not checked here, since an old record is not worth it.
    ///
    /// # Errors
    /// [`BadRecord::Malformed`]
    pub fn decode(encoded: &[u8]) -> Result<Self, BadRecord> {
        if encoded.len() > MAX_RECORD {
            return Err(BadRecord::Malformed);
        }
        let record: Self = postcard::from_bytes(encoded).map_err(|_| BadRecord::Malformed)?;
        let within = match &record {
            Self::Node(node) => node.body.addresses.len() <= MAX_ADDRESSES,
            // a tombstone is small, and nobody is attached to it
            Self::Account(account) => !account.body.is_deleted() || account.body.devices.is_empty(),
            Self::Attachment(_) => true,
        };
        if within && record.encode() == encoded { Ok(record) } else { Err(BadRecord::Malformed) }
    }

    /// Writes a record.
    pub fn encode(&self) -> Vec<u8> {
        // see `with_purpose`
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// What identifies it.
    pub fn key(&self) -> Key {
        match self {
            Self::Node(node) => Key::Node(node.id()),
            Self::Account(account) => Key::Account(account.address()),
            Self::Attachment(attachment) => Key::Attachment(attachment.address.clone(), attachment.device()),
        }
    }

    /// Its counter.
    pub fn counter(&self) -> u32 {
        match self {
            Self::Node(node) => node.body.counter,
            Self::Account(account) => account.body.counter,
            Self::Attachment(attachment) => attachment.counter,
        }
    }

    /// A hash of all its content: tells two records with one counter apart, the same way everywhere.
    pub fn version(&self) -> u64 {
        sha_64(&[&self.encode()])
    }
}

/// A record whose signature this node has just checked or made: whoever takes it need not check it again, which
/// costs a router 17 ms. There is no other way to come by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven<T>(T);

impl Proven<Attachment> {
    /// Checks an attachment.
    ///
    /// # Errors
    /// [`BadRecord::Signature`]
    pub fn check(attachment: Attachment) -> Result<Self, BadRecord> {
        attachment.verify()?;
        Ok(Self(attachment))
    }
}

impl Proven<Account> {
    /// Signs an account. `sign` is of the home's key, so only a home can have this.
    pub fn sign(body: AccountBody, sign: impl FnOnce(&[u8]) -> Signature) -> Self {
        let signature = sign(&Account::to_sign(&body));
        Self(Account { body, signature })
    }
}

impl<T> Deref for Proven<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl From<Proven<Attachment>> for Proven<Record> {
    fn from(Proven(attachment): Proven<Attachment>) -> Self {
        Self(Record::Attachment(attachment))
    }
}

impl From<Proven<Account>> for Proven<Record> {
    fn from(Proven(account): Proven<Account>) -> Self {
        Self(Record::Account(account))
    }
}

fn sha_64(parts: &[&[u8]]) -> u64 {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&context.finish().as_ref()[..8]);
    u64::from_be_bytes(first)
}
