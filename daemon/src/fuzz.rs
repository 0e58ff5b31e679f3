//! Where bytes from outside enter, as functions that must not panic whatever they are given.
//!
//! Each is run by the libFuzzer target of its name in `daemon/fuzz`, and on stable Rust by
//! `tests/tests/corpus.rs` with the seeds of that target and mutations of them. They assert what must hold
//! of every input, beside not panicking. To add one: a function here, a line in [`ENTRIES`], a target, a
//! `[[bin]]` and seeds in `daemon/fuzz`; the corpus test says what is missing.

pub(crate) mod bench;
mod discovery;
mod turn;

use std::{net::SocketAddr, path::Path};

use ring::hmac;
use serde_json::Value;
use truca_core::Time;
use truca_core::ice;
use truca_core::stun::{
    Change, Check, Counters, Discovery, MAX_ANSWER, Message, amplifies, respond, respond_from,
};
use truca_core::ubus::{
    blobmsg,
    client::{Client, Output},
    message, status,
};

use crate::host::{
    config::{Config, Overrides},
    ubus::object,
    uci,
};
use crate::node::admin::{self, Arguments};

/// An entry point and the name of its target.
pub type Entry = (&'static str, fn(&[u8]));

/// All entries.
pub const ENTRIES: &[Entry] = &[
    ("membership", membership),
    ("node_frame", node_frame),
    ("page_message", page_message),
    ("stun", stun),
    ("turn", turn),
    ("uci", uci),
    ("ubus", ubus),
    ("discovery", discovery),
];

pub use bench::{membership, node_frame, page_message};
pub use discovery::discovery;
pub use turn::turn;

/// A datagram on the STUN port, or back to a question of ours.
pub fn stun(data: &[u8]) {
    let mut out = [0; MAX_ANSWER];
    for (source, other) in [
        (SocketAddr::from(([192, 0, 2, 1], 1024)), SocketAddr::from(([10, 99, 101, 1], 3479))),
        (SocketAddr::from(([0x20; 16], 1024)), SocketAddr::from(([0xfd; 16], 3479))),
    ] {
        let two = Discovery { origin: SocketAddr::new(other.ip(), 3478), other };
        for discovery in [None, Some(&two)] {
            let answer = respond_from(data, source, discovery, &mut out, &mut Counters::default());
            let Some((length, change)) = answer else { continue };
            assert!(discovery.is_some() || change == Change::default(), "there is no other address");
            assert!(!amplifies(data.len(), length, source));
            assert!(Message::parse(&out[..length]).is_ok(), "an answer is a message");
            assert!(
                respond(&out[..length], source, &mut [0; MAX_ANSWER], &mut Counters::default()).is_none()
            );
        }
    }
    if let Ok(message) = Message::parse(data) {
        let mut other = message.transaction();
        other[0] ^= 1;
        assert_eq!(ice::answer(data, &other), None, "the answer to another question");
        ice::answer(data, &message.transaction());
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

/// What `ubusd` says to the daemon on one connection: its own messages, and what strangers invoke with.
pub fn ubus(data: &[u8]) {
    let mut client = Client::new(Time::ZERO, Some(object()));
    client.handle_timeout(Time::ZERO);
    client.connected(Time::ZERO);
    client.handle_bytes(Time::ZERO, data);
    while let Some(output) = client.poll_output() {
        match output {
            Output::Send(bytes) => {
                assert!(
                    matches!(message::Message::decode(&bytes), Ok(Some((_, length))) if length == bytes.len())
                );
            }
            Output::Invoked(invocation) => {
                let said = blobmsg::to_json(invocation.arguments);
                let mut bytes = Vec::new();
                blobmsg::write_json(&mut bytes, &said);
                let read = blobmsg::read(&bytes).map(blobmsg::to_json);
                assert!(read.is_ok_and(|read| same(&Value::Object(read), &Value::Object(said.clone()))));
                let known = admin::find(&invocation.method).ok_or(status::METHOD_NOT_FOUND);
                let answer = known.and_then(|method| {
                    Arguments::read(method, said).map(|_| bytes).map_err(|_| status::INVALID_ARGUMENT)
                });
                client.reply(invocation.id, answer);
            }
            _ => {}
        }
    }
}

/// Whether two values are the same, as far as JSON can say: what is no number in it is nothing.
fn same(one: &Value, other: &Value) -> bool {
    let written = |value: &Value| value.to_string();
    written(one) == written(other)
}
