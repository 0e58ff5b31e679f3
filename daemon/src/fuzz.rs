//! Where bytes from outside enter, as functions that must not panic whatever they are given.
//!
//! Each is run by the libFuzzer target of its name in `daemon/fuzz`, and on stable Rust by
//! `tests/tests/corpus.rs` with the seeds of that target and mutations of them. They assert what must hold
//! of every input, beside not panicking. To add one: a function here, a line in [`ENTRIES`], a target, a
//! `[[bin]]` and seeds in `daemon/fuzz`; the corpus test says what is missing.

pub(crate) mod bench;
mod discovery;

use std::{net::SocketAddr, path::Path};

use ring::hmac;
use truca_core::stun::{Check, Counters, MAX_ANSWER, Message, respond};

use crate::host::{
    config::{Config, Overrides},
    uci,
};

/// An entry point and the name of its target.
pub type Entry = (&'static str, fn(&[u8]));

/// All entries.
pub const ENTRIES: &[Entry] = &[
    ("membership", membership),
    ("node_frame", node_frame),
    ("page_message", page_message),
    ("stun", stun),
    ("uci", uci),
    ("discovery", discovery),
];

pub use bench::{membership, node_frame, page_message};
pub use discovery::discovery;

/// A datagram on the STUN port.
pub fn stun(data: &[u8]) {
    let mut out = [0; MAX_ANSWER];
    for source in [SocketAddr::from(([192, 0, 2, 1], 1024)), SocketAddr::from(([0x20; 16], 1024))] {
        if let Some(length) = respond(data, source, &mut out, &mut Counters::default()) {
            assert!(Message::parse(&out[..length]).is_ok(), "an answer is a message");
            assert!(
                respond(&out[..length], source, &mut [0; MAX_ANSWER], &mut Counters::default()).is_none()
            );
        }
    }
    if let Ok(message) = Message::parse(data) {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"not the key of any seed");
        assert_ne!(message.integrity(&key), Check::Good);
        message.attributes().for_each(drop);
    }
}

/// A configuration file.
pub fn uci(data: &[u8]) {
    if let Ok(sections) = uci::parse(data) {
        let entries = sections.iter().map(|section| section.entries.len()).sum::<usize>();
        assert!(sections.len() <= uci::MAX_ENTRIES && entries <= uci::MAX_ENTRIES);
    }
    match Config::read(Path::new("truca"), data, &Overrides::default()) {
        Ok((config, _)) => assert!(config.port != 0 && !config.name.is_empty()),
        Err(error) => assert!(error.to_string().len() < 1024),
    }
}
