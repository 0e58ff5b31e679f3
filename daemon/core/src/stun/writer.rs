//! Writes a STUN message into the caller's buffer (RFC 8489 sections 5 and 14), without allocation.
//!
//! A buffer that is too small is noticed at the end: [`Writer::finish`] then gives `None`. The length in the
//! header is right after every attribute, which is what integrity and fingerprint need.

use core::net::{IpAddr, SocketAddr};

use ring::hmac;

use super::{
    Class, FINGERPRINT_XOR, HEADER, MAGIC_COOKIE, TransactionId, attribute, crc32,
    message::{integrity_of, xor_mask},
};

/// A message that is being written.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    /// Writes a header.
    pub fn new(buffer: &'a mut [u8], class: Class, method: u16, transaction: &TransactionId) -> Self {
        let class = match class {
            Class::Request => 0x000,
            Class::Indication => 0x010,
            Class::Success => 0x100,
            Class::Error => 0x110,
        };
        let kind = class | (method & 0x000f) | (method & 0x0070) << 1 | (method & 0x0f80) << 2;
        let mut writer = Self { buffer, len: 0, overflow: false };
        writer.put(&kind.to_be_bytes());
        writer.put(&[0, 0]);
        writer.put(&MAGIC_COOKIE.to_be_bytes());
        writer.put(transaction);
        writer
    }

    /// Adds an attribute whose value stands in these parts.
    pub fn attribute(&mut self, kind: u16, parts: &[&[u8]]) {
        let size: usize = parts.iter().map(|part| part.len()).sum();
        if size > usize::from(u16::MAX) {
            self.overflow = true;
            return;
        }
        self.put(&kind.to_be_bytes());
        self.put(&(size as u16).to_be_bytes());
        for part in parts {
            self.put(part);
        }
        self.put(&[0; 3][..size.next_multiple_of(4) - size]);
        self.set_length();
    }

    /// Adds the header of an attribute whose value of `size` bytes stands behind this buffer already: the
    /// length in the message's header counts it with its padding. Nothing may follow.
    pub fn open(&mut self, kind: u16, size: usize) {
        let Ok(short) = u16::try_from(size) else { return self.overflow = true };
        self.put(&kind.to_be_bytes());
        self.put(&short.to_be_bytes());
        match u16::try_from(self.len.saturating_sub(HEADER) + size.next_multiple_of(4)) {
            Ok(length) if !self.overflow => self.buffer[2..4].copy_from_slice(&length.to_be_bytes()),
            _ => self.overflow = true,
        }
    }

    /// Adds XOR-MAPPED-ADDRESS or one of its like (section 14.2).
    pub fn xor_address(&mut self, kind: u16, address: SocketAddr) {
        let Some(transaction) = self.buffer.get(8..HEADER) else { return };
        let mut id = [0; 12];
        id.copy_from_slice(transaction);
        self.masked_address(kind, address, &xor_mask(&id));
    }

    /// Adds MAPPED-ADDRESS or one of its like (section 14.1).
    pub fn address(&mut self, kind: u16, address: SocketAddr) {
        self.masked_address(kind, address, &[0; 16]);
    }

    fn masked_address(&mut self, kind: u16, address: SocketAddr, mask: &[u8; 16]) {
        let mut value = [0; 20];
        let port = address.port() ^ u16::from_be_bytes([mask[0], mask[1]]);
        value[2..4].copy_from_slice(&port.to_be_bytes());
        let size = match address.ip() {
            IpAddr::V4(ip) => {
                value[1] = 1;
                value[4..8].copy_from_slice(&ip.octets());
                8
            }
            IpAddr::V6(ip) => {
                value[1] = 2;
                value[4..].copy_from_slice(&ip.octets());
                20
            }
        };
        for (byte, mask) in value[4..size].iter_mut().zip(mask) {
            *byte ^= mask;
        }
        self.attribute(kind, &[&value[..size]]);
    }

    /// Adds ERROR-CODE (section 14.8).
    pub fn error(&mut self, code: u16, reason: &str) {
        let class_and_number = [0, 0, (code / 100) as u8 & 7, (code % 100) as u8];
        self.attribute(attribute::ERROR_CODE, &[&class_and_number, reason.as_bytes()]);
    }

    /// Adds MESSAGE-INTEGRITY over what is written so far, with a key of `HMAC_SHA1_FOR_LEGACY_USE_ONLY`.
    pub fn integrity(&mut self, key: &hmac::Key) {
        self.add_integrity(attribute::MESSAGE_INTEGRITY, 20, key);
    }

    /// Adds MESSAGE-INTEGRITY-SHA256 over what is written so far, with a key of `HMAC_SHA256`.
    pub fn integrity_sha256(&mut self, key: &hmac::Key) {
        self.add_integrity(attribute::MESSAGE_INTEGRITY_SHA256, 32, key);
    }

    /// Adds FINGERPRINT; nothing may follow.
    pub fn fingerprint(&mut self) {
        let at = self.len;
        self.attribute(attribute::FINGERPRINT, &[&[0; 4]]);
        if !self.overflow {
            let crc = crc32(&self.buffer[..at]) ^ FINGERPRINT_XOR;
            self.buffer[at + 4..at + 8].copy_from_slice(&crc.to_be_bytes());
        }
    }

    /// The length of the message; `None` when it did not fit.
    pub fn finish(self) -> Option<usize> {
        (!self.overflow).then_some(self.len)
    }

    fn add_integrity(&mut self, kind: u16, size: usize, key: &hmac::Key) {
        if self.overflow {
            return;
        }
        let tag = integrity_of(&self.buffer[..self.len], self.len + 4 + size, key);
        // A key of another algorithm is a bug of the caller: the message then is not sent
        match tag.as_ref().get(..size) {
            Some(tag) => self.attribute(kind, &[tag]),
            None => self.overflow = true,
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.len..self.len + bytes.len()) {
            Some(place) if !self.overflow => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            _ => self.overflow = true,
        }
    }

    fn set_length(&mut self) {
        match u16::try_from(self.len.saturating_sub(HEADER)) {
            Ok(length) if !self.overflow => self.buffer[2..4].copy_from_slice(&length.to_be_bytes()),
            _ => self.overflow = true,
        }
    }
}
