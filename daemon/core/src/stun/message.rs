//! A zero-copy view of a STUN message (RFC 8489 sections 5 and 14).
//!
//! [`Message::parse`] checks everything about the shape once: after it, nothing can be out of bounds. What
//! attributes mean is the caller's business. The whole slice must be one message, as in a datagram.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ring::hmac;

use super::{FINGERPRINT_XOR, HEADER, MAGIC_COOKIE, MAX_UNKNOWN, attribute, crc32};

/// What pairs an answer with its request.
pub type TransactionId = [u8; 12];

/// The class of a message (section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Asks, and expects an answer.
    Request,
    /// Tells, and expects none.
    Indication,
    /// Answers that it was done.
    Success,
    /// Answers that it was not.
    Error,
}

/// Why bytes are not a STUN message. Nothing was kept of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than a header.
    Short,
    /// The first two bits are not zero, or the magic cookie is missing: another protocol.
    NotStun,
    /// The length in the header is not that of the datagram.
    Length,
    /// An attribute crosses the end, or one of fixed size has another size.
    Attribute,
}

/// The result of a FINGERPRINT or MESSAGE-INTEGRITY check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// The message has no such attribute.
    Absent,
    /// It has one, and it is right.
    Good,
    /// It has one, and it is wrong.
    Bad,
}

/// One attribute of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type: below 0x8000, a reader must understand it.
    pub kind: u16,
    /// Its value without padding.
    pub value: &'a [u8],
    /// Where its header begins in the message.
    start: usize,
}

/// The attributes of a message, in order.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    bytes: &'a [u8],
    at: usize,
    after: Sealed,
}

/// How much of the rest of a message integrity attributes have sealed off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sealed {
    Nothing,
    Sha1,
    Sha256,
}

/// A well-formed STUN message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Checks the shape of a datagram.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.len() < HEADER {
            return Err(Malformed::Short);
        }
        if bytes[0] & 0xc0 != 0 || bytes[4..8] != MAGIC_COOKIE.to_be_bytes() {
            return Err(Malformed::NotStun);
        }
        let length = usize::from(be16(bytes, 2));
        if length % 4 != 0 || length != bytes.len() - HEADER {
            return Err(Malformed::Length);
        }
        let mut at = HEADER;
        while at < bytes.len() {
            // Both lengths are multiples of 4: a header always fits here
            let size = usize::from(be16(bytes, at + 2));
            let end = at + 4 + size.next_multiple_of(4);
            let fits = match be16(bytes, at) {
                attribute::MESSAGE_INTEGRITY => size == 20,
                attribute::MESSAGE_INTEGRITY_SHA256 => (16..=32).contains(&size) && size % 4 == 0,
                attribute::FINGERPRINT => size == 4 && end == bytes.len(),
                _ => true,
            };
            if !fits || end > bytes.len() {
                return Err(Malformed::Attribute);
            }
            at = end;
        }
        Ok(Self { bytes })
    }

    /// The class of the message.
    pub fn class(&self) -> Class {
        match (self.bytes[0] & 1, self.bytes[1] & 0x10) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            (_, _) => Class::Error,
        }
    }

    /// The method: the bits of the type that are not its class.
    pub fn method(&self) -> u16 {
        let kind = be16(self.bytes, 0);
        (kind & 0x000f) | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2
    }

    /// What pairs the answer with the request.
    pub fn transaction(&self) -> TransactionId {
        let mut id = [0; 12];
        id.copy_from_slice(&self.bytes[8..HEADER]);
        id
    }

    /// The attributes that count: those that follow an integrity attribute are left out, except for a
    /// stronger one and FINGERPRINT (sections 14.5 and 14.6), since anybody on the way may have added them.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, at: HEADER, after: Sealed::Nothing }
    }

    /// The value of the first attribute of this type.
    pub fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|a| a.kind == kind).map(|a| a.value)
    }

    /// Collects the comprehension-required types (below 0x8000) that `is_known` denies, each once, as
    /// UNKNOWN-ATTRIBUTES wants them (section 14.9).
    pub fn unknown<'l>(
        &self,
        is_known: impl Fn(u16) -> bool,
        list: &'l mut [u8; 2 * MAX_UNKNOWN],
    ) -> &'l [u8] {
        let mut len = 0;
        for found in self.attributes() {
            let kind = found.kind.to_be_bytes();
            if found.kind >= 0x8000 || is_known(found.kind) || list[..len].chunks(2).any(|k| k == kind) {
                continue;
            }
            if len == list.len() {
                break;
            }
            list[len..len + 2].copy_from_slice(&kind);
            len += 2;
        }
        &list[..len]
    }

    /// Checks FINGERPRINT (section 14.7).
    pub fn fingerprint(&self) -> Check {
        // parse() has made sure that it can only be the last
        match self.attributes().last() {
            Some(last) if last.kind == attribute::FINGERPRINT => {
                let right = (crc32(&self.bytes[..last.start]) ^ FINGERPRINT_XOR).to_be_bytes();
                if last.value == right { Check::Good } else { Check::Bad }
            }
            _ => Check::Absent,
        }
    }

    /// Checks MESSAGE-INTEGRITY (section 14.5) with a key of `HMAC_SHA1_FOR_LEGACY_USE_ONLY`.
    pub fn integrity(&self, key: &hmac::Key) -> Check {
        self.check_integrity(attribute::MESSAGE_INTEGRITY, key)
    }

    /// Checks MESSAGE-INTEGRITY-SHA256 (section 14.6), truncated or not, with a key of `HMAC_SHA256`.
    pub fn integrity_sha256(&self, key: &hmac::Key) -> Check {
        self.check_integrity(attribute::MESSAGE_INTEGRITY_SHA256, key)
    }

    fn check_integrity(&self, kind: u16, key: &hmac::Key) -> Check {
        match self.attributes().find(|a| a.kind == kind) {
            None => Check::Absent,
            Some(found) => {
                let end = found.start + 4 + found.value.len();
                let right = integrity_of(&self.bytes[..found.start], end, key);
                let right = right.as_ref();
                let same = right.len() >= found.value.len() && same_in_constant_time(right, found.value);
                if same { Check::Good } else { Check::Bad }
            }
        }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        while self.at < self.bytes.len() {
            let start = self.at;
            let kind = be16(self.bytes, start);
            let size = usize::from(be16(self.bytes, start + 2));
            self.at = start + 4 + size.next_multiple_of(4);
            let seals = match kind {
                attribute::MESSAGE_INTEGRITY => Sealed::Sha1,
                attribute::MESSAGE_INTEGRITY_SHA256 => Sealed::Sha256,
                _ => Sealed::Nothing,
            };
            if self.after == Sealed::Nothing || seals > self.after || kind == attribute::FINGERPRINT {
                self.after = self.after.max(seals);
                return Some(Attribute { kind, value: &self.bytes[start + 4..start + 4 + size], start });
            }
        }
        None
    }
}

/// Reads the value of XOR-MAPPED-ADDRESS and its like (section 14.2).
pub fn read_xor_address(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    let mask = xor_mask(transaction);
    let family = *value.get(1)?;
    let port = be16(value.get(..4)?, 2) ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match (family, &value[4..]) {
        (1, rest) if rest.len() == 4 => {
            IpAddr::V4(Ipv4Addr::from(core::array::from_fn::<u8, 4, _>(|i| rest[i] ^ mask[i])))
        }
        (2, rest) if rest.len() == 16 => {
            IpAddr::V6(Ipv6Addr::from(core::array::from_fn::<u8, 16, _>(|i| rest[i] ^ mask[i])))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// What addresses are XORed with: cookie and transaction id.
pub(super) fn xor_mask(transaction: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(transaction);
    mask
}

/// HMAC over what precedes an integrity attribute, with the header's length as if it ended at `end`.
pub(super) fn integrity_of(before: &[u8], end: usize, key: &hmac::Key) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(&before[..2]);
    // end is bounded by a message's length, which fits in 16 bits
    context.update(&((end - HEADER) as u16).to_be_bytes());
    context.update(&before[4..]);
    context.sign()
}

/// Compares as many bytes as the second has, in a time that says nothing of where they differ.
fn same_in_constant_time(right: &[u8], found: &[u8]) -> bool {
    right.iter().zip(found).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}
