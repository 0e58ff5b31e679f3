//! Messages between a client and `ubusd` (`ubusmsg.h`): a header of eight bytes and one attribute that holds
//! the others.
//!
//! A message keeps its attributes in their order, so that what was read is written back byte for byte. Data
//! and signatures stay bytes: not all of them are blobmsg (the monitor's are not).

use super::{MAX_MESSAGE, Malformed, blob};

/// Length of a message's header, with that of the attribute around the others.
pub const HEADER: usize = 12;
/// Most attributes of a message; `ubusd` knows 13 kinds.
const MAX_ATTRIBUTES: usize = 16;

/// The event object of `ubusd` (`UBUS_SYSTEM_OBJECT_EVENT`).
pub const EVENT_OBJECT: u32 = 1;

/// Types of messages (`enum ubus_msg_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the names are ubus' own
#[repr(u8)]
pub enum Kind {
    Hello,
    Status,
    Data,
    Ping,
    Lookup,
    Invoke,
    AddObject,
    RemoveObject,
    Subscribe,
    Unsubscribe,
    Notify,
    Monitor,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Hello,
        Self::Status,
        Self::Data,
        Self::Ping,
        Self::Lookup,
        Self::Invoke,
        Self::AddObject,
        Self::RemoveObject,
        Self::Subscribe,
        Self::Unsubscribe,
        Self::Notify,
        Self::Monitor,
    ];
}

/// An attribute of a message (`enum ubus_msg_attr`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attribute {
    /// How it went, see [`super::status`].
    Status(u32),
    /// Name of an object, or a pattern.
    Path(String),
    /// Id of an object.
    Object(u32),
    /// Name of a method, notification or event.
    Method(String),
    /// Id of an object's type.
    Type(u32),
    /// Methods and their arguments, blobmsg.
    Signature(Vec<u8>),
    /// Arguments or an answer, blobmsg mostly.
    Data(Vec<u8>),
    /// The object that is subscribed to.
    Target(u32),
    /// Whether an object has subscribers.
    Active(bool),
    /// Whether nobody waits for an answer.
    NoReply(bool),
    /// The user who invokes.
    User(String),
    /// Their group.
    Group(String),
    /// Another one, and all of a monitor's.
    Other(u8, Vec<u8>),
}

mod id {
    pub(super) const STATUS: u8 = 1;
    pub(super) const PATH: u8 = 2;
    pub(super) const OBJECT: u8 = 3;
    pub(super) const METHOD: u8 = 4;
    pub(super) const TYPE: u8 = 5;
    pub(super) const SIGNATURE: u8 = 6;
    pub(super) const DATA: u8 = 7;
    pub(super) const TARGET: u8 = 8;
    pub(super) const ACTIVE: u8 = 9;
    pub(super) const NO_REPLY: u8 = 10;
    pub(super) const USER: u8 = 12;
    pub(super) const GROUP: u8 = 13;
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Pairs an answer with its question.
    pub sequence: u16,
    /// A client or an object; what it means depends on the kind and the direction.
    pub peer: u32,
    /// What it says, in its order.
    pub attributes: Vec<Attribute>,
}

impl Message {
    /// Writes it. Nothing when it would be larger than the bus takes.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(64);
        out.extend_from_slice(&[0, self.kind as u8]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.peer.to_be_bytes());
        let body = blob::begin(&mut out, 0, false);
        for attribute in &self.attributes {
            attribute.put(&mut out);
            if out.len() - body > MAX_MESSAGE {
                return None;
            }
        }
        blob::end(&mut out, body);
        Some(out)
    }

    /// Reads one message, when there is a whole one at the beginning; with how many bytes it took.
    ///
    /// # Errors
    /// What comes is no message, or a larger one than the bus carries. Nothing that follows can be read.
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Malformed> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let [version, kind, s0, s1, p0, p1, p2, p3, l0, l1, l2, l3] = *header;
        let kind = *Kind::ALL.get(usize::from(kind)).ok_or(Malformed)?;
        // id 0, no name
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        if version != 0 || !(blob::HEADER..=MAX_MESSAGE).contains(&length) {
            return Err(Malformed);
        }
        let end = HEADER - blob::HEADER + length;
        let Some(body) = bytes.get(HEADER..end) else { return Ok(None) };
        let mut attributes = Vec::new();
        for attribute in blob::attributes(body) {
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(Malformed);
            }
            attributes.push(Attribute::read(kind, attribute?)?);
        }
        let (sequence, peer) = (u16::from_be_bytes([s0, s1]), u32::from_be_bytes([p0, p1, p2, p3]));
        Ok(Some((Self { kind, sequence, peer, attributes }, end)))
    }

    /// The object that it names.
    pub fn object(&self) -> Option<u32> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Object(object) => Some(*object),
            _ => None,
        })
    }

    /// How it went; what does not say is no success.
    pub fn status(&self) -> u32 {
        let said = self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Status(status) => Some(*status),
            _ => None,
        });
        said.unwrap_or(super::status::UNKNOWN_ERROR)
    }

    /// The method, notification or event that it names.
    pub fn method(&self) -> Option<&str> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Method(method) => Some(method.as_str()),
            _ => None,
        })
    }

    /// Its data; nothing said is an empty table.
    pub fn data(&self) -> &[u8] {
        let said = self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Data(data) => Some(data.as_slice()),
            _ => None,
        });
        said.unwrap_or_default()
    }

    /// Whether nobody waits for an answer.
    pub fn no_reply(&self) -> bool {
        self.attributes.contains(&Attribute::NoReply(true))
    }
}

impl Attribute {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Status(number) => blob::put(out, id::STATUS, &number.to_be_bytes()),
            Self::Path(text) => put_text(out, id::PATH, text),
            Self::Object(number) => blob::put(out, id::OBJECT, &number.to_be_bytes()),
            Self::Method(text) => put_text(out, id::METHOD, text),
            Self::Type(number) => blob::put(out, id::TYPE, &number.to_be_bytes()),
            Self::Signature(bytes) => blob::put(out, id::SIGNATURE, bytes),
            Self::Data(bytes) => blob::put(out, id::DATA, bytes),
            Self::Target(number) => blob::put(out, id::TARGET, &number.to_be_bytes()),
            Self::Active(flag) => blob::put(out, id::ACTIVE, &[u8::from(*flag)]),
            Self::NoReply(flag) => blob::put(out, id::NO_REPLY, &[u8::from(*flag)]),
            Self::User(text) => put_text(out, id::USER, text),
            Self::Group(text) => put_text(out, id::GROUP, text),
            Self::Other(id, bytes) => blob::put(out, *id, bytes),
        }
    }

    fn read(kind: Kind, attribute: blob::Attribute<'_>) -> Result<Self, Malformed> {
        let blob::Attribute { id, extended, payload } = attribute;
        if extended {
            return Err(Malformed);
        }
        if kind == Kind::Monitor {
            return Ok(Self::Other(id, payload.to_vec()));
        }
        let number = || payload.try_into().map(u32::from_be_bytes).map_err(|_| Malformed);
        let flag = || match payload {
            [flag] => Ok(*flag != 0),
            _ => Err(Malformed),
        };
        let text = || {
            // as C reads it; a method's name is a stranger's word and must not end the connection
            let end = payload.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
            Ok(String::from_utf8_lossy(&payload[..end]).into_owned())
        };
        Ok(match id {
            id::STATUS => Self::Status(number()?),
            id::PATH => Self::Path(text()?),
            id::OBJECT => Self::Object(number()?),
            id::METHOD => Self::Method(text()?),
            id::TYPE => Self::Type(number()?),
            id::SIGNATURE => Self::Signature(payload.to_vec()),
            id::DATA => Self::Data(payload.to_vec()),
            id::TARGET => Self::Target(number()?),
            id::ACTIVE => Self::Active(flag()?),
            id::NO_REPLY => Self::NoReply(flag()?),
            id::USER => Self::User(text()?),
            id::GROUP => Self::Group(text()?),
            _ => Self::Other(id, payload.to_vec()),
        })
    }
}

fn put_text(out: &mut Vec<u8>, id: u8, text: &str) {
    let start = blob::begin(out, id, false);
    out.extend_from_slice(text.split('\0').next().unwrap_or_default().as_bytes());
    out.push(0);
    blob::end(out, start);
}
