//! The node wire byte by byte: what `docs/protocol.md` section 9 prints is what the code writes.
//!
//! A byte that changes here is a change of the protocol. The contents are fixed and mean nothing: keys and
//! signatures are one byte repeated, so no signature here verifies.

use std::net::IpAddr;

use data_encoding::HEXLOWER;

use super::bytes::Bytes;
use super::node::Item;
use super::node::{
    CallBody, CallFrame, Device, DevicesBody as Devices, DevicesFrame, Frame, Introduction, VERSION,
};
use super::page::{Candidate, Description, Kind, LinkEnd, Media, Presence, Reason};
use crate::directory::record::{
    ADMIN, Account, AccountBody, Attachment, DELETED, Node, NodeBody, Record, Status,
};
use crate::gossip::seal::{self, PairKey};
use crate::id::{CallId, DeviceId, NodeId};
use crate::name::Address;
use crate::scram::{MIN_ITERATIONS, Secret};

const PROTOCOL: &str = include_str!("../../../../docs/protocol.md");

fn device(name: &str, byte: u8) -> Device {
    let address = Address { home: NodeId([0xa0; 16]), name: name.parse().unwrap() };
    Device { address, device: DeviceId([byte; 16]) }
}

fn description() -> Description {
    Description { media: Media::Audio, number: 300, sdp: "v=0\r\n".into(), signature: Bytes([0x55; 64]) }
}

fn introduction() -> Introduction {
    Introduction { display: "Núria".parse().unwrap(), key: Bytes([4; 65]), description: description() }
}

fn frames() -> Vec<(&'static str, Frame)> {
    let call = CallFrame {
        call: CallId([0xcc; 16]),
        from: device("nuria", 0xd1),
        to: device("pep", 0xd2),
        body: CallBody::Ringing,
    };
    vec![
        ("frame-hello", Frame::Hello { version: VERSION, node: vec![0xee; 3], generation: 300 }),
        ("frame-digest", Frame::Digest(vec![1, 2, 3])),
        (
            "frame-items",
            Frame::Items {
                buckets: vec![0, 255],
                items: vec![Item { key: 1, version: 0xffff_ffff_ffff_ffff }],
                more: true,
            },
        ),
        ("frame-records", Frame::Records(vec![vec![0xee; 2], vec![0xef]])),
        ("frame-want", Frame::Want(vec![1, 300])),
        ("frame-call", Frame::Call(Box::new(call))),
        ("frame-devices", Frame::Devices(Box::new(account(Devices::Refuse)))),
        ("frame-prove", Frame::Prove(Bytes([0x99; 32]))),
        ("frame-members", Frame::Members { sum: 0x0102_0304_0506_0708, roll: vec![0xee; 3], more: true }),
    ]
}

fn account(body: Devices) -> DevicesFrame {
    DevicesFrame { request: Bytes([0x77; 16]), address: device("nuria", 0).address, body }
}

fn devices() -> Vec<(&'static str, Devices)> {
    let (key, signature) = (Bytes([4; 65]), Bytes([0x55; 64]));
    let (client, server) = (Bytes([8; 16]), Bytes([9; 16]));
    let (stored, known) = (Bytes([0x54; 32]), Bytes([0x56; 32]));
    let secret = Secret { salt: Bytes([0x51; 16]), iterations: MIN_ITERATIONS, stored, server: known };
    vec![
        ("devices-ask", Devices::Ask { key, commit: Bytes([0x66; 32]), at: NodeId([0xa1; 16]) }),
        ("devices-show", Devices::Show(Bytes([8; 16]))),
        ("devices-open", Devices::Open(Bytes([9; 16]))),
        ("devices-confirm", Devices::Confirm { key, signature }),
        ("devices-refuse", Devices::Refuse),
        ("devices-end", Devices::End(LinkEnd::NoPassword)),
        ("devices-linked", Devices::Linked(vec![0xee; 2])),
        ("devices-revoke", Devices::Revoke { device: DeviceId([0xd1; 16]), counter: 300, key, signature }),
        ("devices-begin", Devices::Begin { key, client }),
        ("devices-salt", Devices::Salt { server, salt: Bytes([0x51; 16]), iterations: MIN_ITERATIONS }),
        ("devices-prove", Devices::Prove { key, client, server, proof: Bytes([0x52; 32]) }),
        ("devices-proved", Devices::Proved { account: vec![0xee; 2], signature: Bytes([0x53; 32]) }),
        ("devices-password", Devices::Password { counter: 300, secret: Some(secret), key, signature }),
    ]
}

fn bodies() -> Vec<(&'static str, CallBody)> {
    let candidate = Candidate { candidate: "c".into(), mid: Some("0".into()), mline: None };
    vec![
        ("body-invite", CallBody::Invite(introduction())),
        ("body-ringing", CallBody::Ringing),
        ("body-accept", CallBody::Accept(introduction())),
        ("body-refuse", CallBody::Refuse(Reason::NotGenuine)),
        ("body-cancel", CallBody::Cancel(Reason::TimedOut)),
        ("body-candidate", CallBody::Candidate(candidate)),
        ("body-connected", CallBody::Connected),
        ("body-describe", CallBody::Describe(Kind::Answer, description())),
        ("body-message", CallBody::Message("Hola!".into())),
        ("body-hang-up", CallBody::HangUp(Reason::HungUp)),
        ("body-presence", CallBody::Presence(Presence::Back)),
        ("body-restore", CallBody::Restore),
        ("body-restored", CallBody::Restored),
        ("body-no-such-call", CallBody::NoSuchCall),
    ]
}

fn records() -> Vec<(&'static str, Record)> {
    let node = NodeBody {
        point: Bytes([4; 65]),
        agreement: Bytes([0x33; 32]),
        counter: 300,
        boot: 7,
        name: "casa".parse().unwrap(),
        addresses: vec![
            IpAddr::from([10, 99, 0, 1]),
            IpAddr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ],
        port: 8443,
        stun_port: 3478,
        version: (0, 1, 0),
    };
    let account = AccountBody {
        home: NodeId([0xa0; 16]),
        name: "nuria".parse().unwrap(),
        display: "Núria".parse().unwrap(),
        devices: vec![DeviceId([0xd1; 16])],
        counter: 1,
        flags: ADMIN,
    };
    let tombstone = AccountBody { devices: Vec::new(), counter: 2, flags: DELETED, ..account.clone() };
    let attachment = Attachment {
        address: device("nuria", 0).address,
        point: Bytes([4; 65]),
        node: NodeId([0xa0; 16]),
        boot: 7,
        counter: 4,
        status: Status::Here,
        signature: Bytes([0x55; 64]),
    };
    vec![
        ("record-node", Record::Node(Node { body: node, signature: Bytes([0x55; 64]) })),
        ("record-account", Record::Account(Account { body: account, signature: Bytes([0x55; 64]) })),
        ("record-tombstone", Record::Account(Account { body: tombstone, signature: Bytes([0x55; 64]) })),
        ("record-attachment", Record::Attachment(attachment)),
    ]
}

/// What a node with the X25519 secret 01…01 sends to one with 02…02.
fn datagram(kind: u8, payload: &[u8]) -> Vec<u8> {
    let theirs = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from([2; 32]));
    PairKey::agree(&x25519_dalek::StaticSecret::from([1; 32]), theirs.to_bytes(), None).seal(kind, payload)
}

fn vectors() -> Vec<(&'static str, Vec<u8>)> {
    let frames = frames().into_iter().map(|(name, frame)| (name, frame.encode()));
    let bodies = bodies().into_iter().map(|(name, body)| (name, postcard::to_allocvec(&body).unwrap()));
    let records = records().into_iter().map(|(name, record)| (name, record.encode()));
    let devices = devices().into_iter().map(|(name, body)| (name, postcard::to_allocvec(&body).unwrap()));
    let datagrams = [
        ("datagram", datagram(seal::VERSION, b"12345678 payload")),
        ("echo", datagram(seal::ECHO, b"12345678\0\0\0\0\x07")),
    ];
    frames.chain(bodies).chain(devices).chain(records).chain(datagrams).collect()
}

#[test]
fn the_document_prints_the_bytes_that_the_code_writes() {
    let block = PROTOCOL.split("```text vectors\n").nth(1).unwrap().split("\n```").next().unwrap();
    let written: Vec<String> =
        vectors().iter().map(|(name, bytes)| format!("{name:<18} {}", HEXLOWER.encode(bytes))).collect();
    assert_eq!(block, written.join("\n"), "a changed byte is a change of the protocol");
}

#[test]
fn what_is_written_is_read_again_and_nothing_may_follow_it() {
    for (name, frame) in frames() {
        let mut bytes = frame.encode();
        assert_eq!(Frame::decode(&bytes), Some(frame), "{name}");
        bytes.push(0);
        assert_eq!(Frame::decode(&bytes), None, "{name}");
    }
    for (name, record) in records() {
        assert_eq!(Record::decode(&record.encode()), Ok(record), "{name}");
    }
}
