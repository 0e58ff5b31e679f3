//! STUN (RFC 8489): reading and writing messages, and the Binding responder.
//!
//! Driven by the daemon's `mesh/ice.rs`, which owns the sockets. What is here of RFC 8489:
//!
//! | section | here |
//! | --- | --- |
//! | 5 structure, 14 attributes | [`Message`] (zero-copy, bounds checked once) and [`Writer`] (no allocation) |
//! | 6.2.2 TCP | [`frame()`]: where a message ends in a stream |
//! | 6.3.1 processing a request | [`respond`]: success, or 420 for unknown comprehension-required attributes |
//! | 7 FINGERPRINT | checked when there; the answer carries one when the request does |
//! | 9 short- and long-term credentials | checks and writes MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256, [`long_term_key`] for TURN; a Binding request needs none, so the responder looks at neither |
//! | 16.1 attacks | [`amplifies`] bounds each answer, [`Rate`] the answers to each source |
//! | 8 DNS, 10 ALTERNATE-SERVER, TLS transport, 18.5 PASSWORD-ALGORITHMS | not here |
//! | 11 RFC 3489 clients (no magic cookie) | silence |
//!
//! SOFTWARE is never sent: it would tell a stranger what to attack, and it makes an answer larger than what
//! it answers. RFC 5780 (NAT behaviour discovery) is offered where the driver has two addresses and two ports
//! ([`Discovery`]); elsewhere CHANGE-REQUEST is answered with 420, as that document asks. Requirement by
//! requirement: `docs/stun-turn.md`.

mod frame;
mod message;
mod rate;
mod responder;
#[cfg(test)]
mod tests;
mod writer;

pub use frame::{Frame, frame};
pub use message::{Attribute, Attributes, Check, Class, Malformed, Message, TransactionId, read_xor_address};
pub use rate::Rate;
pub use responder::{
    AMPLIFICATION, Change, Counters, Discovery, MAX_ANSWER, amplifies, can_be_answered, respond, respond_from,
};
pub use writer::Writer;

/// The Binding method (section 3).
pub const BINDING: u16 = 0x001;

/// What tells STUN from other protocols on the same port (section 5).
pub const MAGIC_COOKIE: u32 = 0x2112_a442;

/// The length of a message without attributes.
pub const HEADER: usize = 20;

/// How many unknown attributes an error names: the others are for the next try.
pub const MAX_UNKNOWN: usize = 16;

/// The key of a user of the long-term mechanism (section 9.2.2), for MESSAGE-INTEGRITY.
pub fn long_term_key(user: &[u8], realm: &[u8], password: &[u8]) -> ring::hmac::Key {
    let mut md5 = md5::Context::new();
    for part in [user, b":", realm, b":", password] {
        md5.consume(part);
    }
    ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &md5.compute().0)
}

/// Attribute types of RFC 8489 (section 18.3).
pub mod attribute {
    /// MAPPED-ADDRESS.
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    /// CHANGE-REQUEST (RFC 5780 section 7.2).
    pub const CHANGE_REQUEST: u16 = 0x0003;
    /// USERNAME.
    pub const USERNAME: u16 = 0x0006;
    /// MESSAGE-INTEGRITY: HMAC-SHA1.
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    /// ERROR-CODE.
    pub const ERROR_CODE: u16 = 0x0009;
    /// UNKNOWN-ATTRIBUTES.
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    /// REALM.
    pub const REALM: u16 = 0x0014;
    /// NONCE.
    pub const NONCE: u16 = 0x0015;
    /// MESSAGE-INTEGRITY-SHA256: HMAC-SHA256, possibly truncated.
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    /// PASSWORD-ALGORITHM.
    pub const PASSWORD_ALGORITHM: u16 = 0x001d;
    /// USERHASH.
    pub const USERHASH: u16 = 0x001e;
    /// XOR-MAPPED-ADDRESS.
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    /// SOFTWARE.
    pub const SOFTWARE: u16 = 0x8022;
    /// RESPONSE-ORIGIN (RFC 5780 section 7.3).
    pub const RESPONSE_ORIGIN: u16 = 0x802b;
    /// OTHER-ADDRESS (RFC 5780 section 7.4).
    pub const OTHER_ADDRESS: u16 = 0x802c;
    /// FINGERPRINT: CRC-32.
    pub const FINGERPRINT: u16 = 0x8028;
}

/// What the CRC of a FINGERPRINT is XORed with: "STUN" (section 14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Half a byte at a time: 64 bytes of table instead of 1 KiB, fast enough for messages of a hundred bytes.
const CRC_TABLE: [u32; 16] = {
    let mut table = [0; 16];
    let mut i = 0;
    while i < 16 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 4 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
};

/// CRC-32 of ITU-T V.42.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        let crc = crc ^ u32::from(*byte);
        let crc = (crc >> 4) ^ CRC_TABLE[(crc & 15) as usize];
        (crc >> 4) ^ CRC_TABLE[(crc & 15) as usize]
    })
}
