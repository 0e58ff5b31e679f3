//! A node on the bench, for the entries that need one and for tests of the node: known keys, a link that has said hello, pages that have
//! signed in.
//!
//! An input is a script: for the binary entries a sequence of `length (2, big-endian) ‖ bytes`, each of which is
//! sealed or framed as its sender would, so that the fuzzer reaches what lies behind the authenticator; for
//! pages a message a line, from the second page when the line begins with `2`.

use std::net::SocketAddr;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde_json::{Value, json};
use truca_core::Time;
use truca_core::directory::record::{Node as NodeRecord, NodeBody, Record};
use truca_core::directory::{Directory, Limits};
use truca_core::gossip::seal::{self, PairKey};
use truca_core::gossip::{self, Gossip, MAX_DATAGRAM, MAX_STRANGERS};
use truca_core::id::NodeId;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{Frame, MAX_FRAME, VERSION};
use truca_core::wire::page::{MAX_MESSAGE, request::Asked};

#[cfg(test)]
use truca_core::directory::record::{Account, AccountBody, Attachment, Status};
#[cfg(test)]
use truca_core::id::DeviceId;
#[cfg(test)]
use truca_core::name::Address;

use crate::event::{LinkId, LinkOut, NodePoint, PageId, PageOut};
use crate::node::{Keys, Node, Output, Settings, admission::Admission, state::Saved};

/// The points 1·G to 4·G of P-256: keys whose secrets are 1 to 4.
const POINTS: [&str; 4] = [
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    "047cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc4766997807775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1",
    "045ecbe4d1a6330a44c8f7ef951d4bf165e6c6b721efada985fb41661bc6e7fd6c8734640c4998ff7e374b06ce1a64a2ecd82ab036384fb83d9a79b127a27d5032",
    "04e2534a3532d08fbba02dde659ee62bd0031fe2db785596ef509302446b030852e0f1575a4c633cc719dfee5fda862d764efc96c3f30ee0055c42c23f184ed8c6",
];
/// The node on the bench, the node that talks to it and the people's devices, by key.
pub(crate) const OWN: u8 = 1;
pub(crate) const OTHER: u8 = 2;
const DEVICES: [u8; 2] = [2, 3];

const SECOND: Duration = Duration::from_secs(1);

/// A key pair whose secret is a small number, and no randomness at all.
#[derive(Clone, Copy)]
pub(crate) struct BenchKeys(pub(crate) u8);

impl Keys for BenchKeys {
    fn point(&self) -> NodePoint {
        let mut point = [0; 65];
        let text = POINTS[usize::from(self.0 - 1)].as_bytes();
        for (byte, digits) in point.iter_mut().zip(text.as_chunks::<2>().0) {
            let value = |digit: u8| char::from(digit).to_digit(16).expect("hexadecimal") as u8;
            *byte = value(digits[0]) << 4 | value(digits[1]);
        }
        point
    }

    fn agreement_secret(&self) -> [u8; 32] {
        [self.0; 32]
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut secret = [0; 32];
        secret[31] = self.0;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &secret,
            &self.point(),
            &random,
        );
        let signature = pair.expect("a key pair").sign(&random, message).expect("a signature");
        signature.as_ref().try_into().expect("64 bytes")
    }

    fn random(&self, buffer: &mut [u8]) {
        buffer.fill(7);
    }
}

pub(crate) fn id(key: u8) -> NodeId {
    NodeId::of_point(&BenchKeys(key).point())
}

pub(crate) fn address(key: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, key], 8443))
}

pub(crate) fn node_record(key: u8, counter: u32) -> Vec<u8> {
    let keys = BenchKeys(key);
    let body = NodeBody {
        point: Bytes(keys.point()),
        agreement: Bytes(Gossip::agreement(keys.agreement_secret())),
        counter,
        boot: 1,
        name: "other".parse().expect("a name"),
        addresses: vec![address(key).ip()],
        port: address(key).port(),
        stun_port: 3478,
        version: (0, 1, 0),
    };
    let signature = Bytes(keys.sign(&NodeRecord::to_sign(&body)));
    Record::Node(NodeRecord { body, signature }).encode()
}

/// The account of a person whose device has this key.
#[cfg(test)]
pub(crate) fn account_record(home: u8, name: &str, device: u8) -> Vec<u8> {
    let body = AccountBody {
        home: id(home),
        name: name.parse().expect("a name"),
        display: name.parse().expect("a display name"),
        devices: vec![DeviceId::of_point(&BenchKeys(device).point())],
        counter: 1,
        flags: 0,
    };
    let signature = Bytes(BenchKeys(home).sign(&Account::to_sign(&body)));
    Record::Account(Account { body, signature }).encode()
}

/// What a device says when it is attached to the node with the key `at`, which is the account's home.
#[cfg(test)]
pub(crate) fn attachment(at: u8, device: u8, name: &str) -> Vec<u8> {
    let address: Address = format!("{name}@{}", id(at)).parse().expect("an address");
    let text = Attachment::to_sign(&address, id(at), 1, 1, Status::Here);
    let keys = BenchKeys(device);
    let (point, signature) = (Bytes(keys.point()), Bytes(keys.sign(text.as_bytes())));
    let (node, boot, counter, status) = (id(at), 1, 1, Status::Here);
    Record::Attachment(Attachment { address, point, node, boot, counter, status, signature }).encode()
}

pub(crate) fn node() -> Node {
    let settings = Settings {
        name: "own".parse().expect("a name"),
        addresses: vec![address(OWN).ip()],
        port: address(OWN).port(),
        stun_port: 3478,
        trusted: None,
        peers: Vec::new(),
        max_sessions: 4,
        max_sessions_per_account: 2,
        max_accounts: 4,
        page_rate: 0,
        admission: Admission::Open,
    };
    Node::new(Time::ZERO, Box::new(BenchKeys(OWN)), settings, Saved::default())
}

/// Takes what the node has to say, and checks that it could be sent.
pub(crate) fn drain(node: &mut Node) -> Vec<Output> {
    let outputs: Vec<Output> = std::iter::from_fn(|| node.poll_output()).collect();
    for output in &outputs {
        match output {
            Output::Datagram { payload, .. } => assert!(payload.len() <= MAX_DATAGRAM),
            Output::Link(_, LinkOut::Frame(frame)) => {
                assert!(frame.len() <= MAX_FRAME && Frame::decode(frame).is_some());
            }
            Output::Page(_, PageOut::Text(text)) => {
                let value: Value = serde_json::from_str(text).expect("a message is JSON");
                assert_eq!(value.as_object().map(serde_json::Map::len), Some(1), "{text}");
            }
            _ => {}
        }
    }
    outputs
}

/// Lets the node do what falls due until `end`.
fn pass(node: &mut Node, end: Time) {
    let mut turns = 0;
    while let Some(at) = node.poll_timeout().filter(|at| *at <= end) {
        node.handle_timeout(at);
        drain(node);
        turns += 1;
        assert!(turns < 10_000, "the node spins");
    }
}

/// The steps of a script.
fn steps(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (&[high, low], rest) = data.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes([high, low])).min(rest.len());
        let (step, rest) = rest.split_at(length);
        data = rest;
        Some(step)
    })
}

/// A datagram on the membership port: as it came, and then a script of payloads by a member.
pub fn membership(data: &[u8]) {
    let own = BenchKeys(OWN);
    let agreement = Gossip::agreement(BenchKeys(OTHER).agreement_secret());
    let introduced = |secret: [u8; 32]| {
        let mut gossip = Gossip::new(id(OWN), 1, secret, 1, |_| Some(1));
        gossip.introduce(id(OTHER), agreement, vec![address(OTHER)], true);
        gossip
    };
    // a secret under which no seed was sealed
    let mut stranger = introduced([OWN + OTHER; 32]);
    stranger.handle_datagram(Time::ZERO, address(OTHER), data);
    assert_eq!(stranger.counters().received, 0, "nobody without the key is heard");

    let mut gossip = introduced(own.agreement_secret());
    let theirs = seal::Secret::from(BenchKeys(OTHER).agreement_secret());
    let key = PairKey::agree(&theirs, Gossip::agreement(own.agreement_secret()), None);
    let mut now = Time::ZERO;
    for step in steps(data) {
        let payload = [&gossip::short(id(OTHER))[..], step].concat();
        gossip.handle_datagram(now, address(OTHER), &key.seal(seal::VERSION, &payload));
        now += SECOND;
        gossip.handle_timeout(now);
        while let Some(output) = gossip.poll_output() {
            if let gossip::Output::Send { payload, .. } = output {
                assert!(payload.len() <= MAX_DATAGRAM);
            }
        }
    }
    assert!(gossip.len() <= MAX_STRANGERS + 1);
}

/// A record, a frame, and then a script of frames on a link that has said hello.
pub fn node_frame(data: &[u8]) {
    if let Ok(record) = Record::decode(data) {
        assert_eq!(record.encode(), data);
        let mut directory = Directory::new(id(OWN), Limits::default());
        let before = directory.digest().clone();
        if directory.merge(data).is_err() {
            assert_eq!(*directory.digest(), before);
        }
    }
    if let Some(frame) = Frame::decode(data) {
        assert_eq!(Frame::decode(&frame.encode()), Some(frame));
    }

    let mut node = node();
    let link = LinkId(1);
    node.link_opened(Time::ZERO, link, &BenchKeys(OTHER).point(), address(OTHER), false);
    let hello = Frame::Hello { version: VERSION, node: node_record(OTHER, 1), generation: 1 };
    node.link_frame(Time::ZERO, link, &hello.encode());
    let page = sign_in(&mut node, 0);
    drain(&mut node);
    let mut now = SECOND;
    for step in steps(data) {
        node.link_frame(now, link, step);
        now += SECOND;
        pass(&mut node, now);
    }
    node.link_closed(now, link);
    node.page_closed(now, page, true);
    pass(&mut node, now + 10 * SECOND);
}

/// A message of a page, and then a script of messages of two pages that have signed in.
pub fn page_message(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if text.len() > MAX_MESSAGE {
        return;
    }
    for line in text.lines() {
        if let Ok(request) = Asked::parse(line) {
            let written = request.to_text();
            assert_eq!(Asked::parse(&written).ok(), Some(request));
        }
    }
    let mut node = node();
    node.page_opened(PageId(9), address(OTHER), address(OWN));
    node.page_text(Time::ZERO, PageId(9), text);
    let pages = [sign_in(&mut node, 0), sign_in(&mut node, 1)];
    drain(&mut node);
    let mut now = SECOND;
    for line in text.lines() {
        let (page, line) = match line.strip_prefix('2') {
            Some(line) => (pages[1], line),
            None => (pages[0], line),
        };
        node.page_text(now, page, line);
        now += SECOND / 4;
        pass(&mut node, now);
    }
    node.page_closed(now, pages[0], false);
    pass(&mut node, now + 100 * SECOND);
}

/// Signs one of the two people in.
pub(crate) fn sign_in(node: &mut Node, person: usize) -> PageId {
    let page = PageId(1 + person as u32);
    node.page_opened(page, address(OTHER), address(OWN));
    node.page_text(Time::ZERO, page, &sign_in_text(person, DEVICES[person], 2));
    let told = drain(node);
    assert!(
        told.iter().any(|output| matches!(output, Output::Page(at, PageOut::Text(text))
            if *at == page && text.starts_with("{\"signed_in\""))),
        "the person is signed in"
    );
    page
}

/// What a page says to sign one of the two people in, with a device and its counter, on a socket of this bench.
pub(crate) fn sign_in_text(person: usize, device: u8, counter: u32) -> String {
    let home = id(OWN);
    let keys = BenchKeys(device);
    let name = ["nuria", "pep"][person];
    let encode = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let sign = |text: String| encode(&keys.sign(text.as_bytes()));
    let challenge = encode(&[7; 32]);
    let attach = |counter: u32, status: &str| {
        sign(format!("truca-attachment-1\n{name}@{home}\n{home}\n1\n{counter}\n{status}\n"))
    };
    json!({ "sign_in": {
        "id": 1,
        "name": name,
        "display": name,
        "key": encode(&keys.point()),
        "signature": sign(format!("truca-sign-in-1\n{home}\n{challenge}\n{name}@{home}\n")),
        "attachment": { "counter": counter, "here": attach(counter, "here"), "gone": attach(counter + 1, "gone") },
    }})
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::IpAddr;
    use std::path::Path;

    use truca_core::directory::sync::Digest;
    use truca_core::discovery::mdns;
    use truca_core::id::CallId;
    use truca_core::wire::node::{CallBody, CallFrame, Device, DevicesBody, DevicesFrame, Introduction};
    use truca_core::wire::page::{Candidate, Description, Kind, LinkEnd, Media, Presence, Reason};

    use super::*;

    fn script(steps: &[Vec<u8>]) -> Vec<u8> {
        steps.iter().flat_map(|step| [&(step.len() as u16).to_be_bytes()[..], step].concat()).collect()
    }

    /// Writes the seeds that are not text: `cargo test -p trucad --features fuzz write_seeds -- --ignored`.
    #[test]
    #[ignore = "writes into the corpus"]
    fn write_seeds() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let write = |target: &str, name: &str, seed: &[u8]| {
            fs::create_dir_all(corpus.join(target)).unwrap();
            fs::write(corpus.join(target).join(name), seed).unwrap();
        };

        // what two nodes say to each other in half a minute
        let key = |n: u8| BenchKeys(n).agreement_secret();
        let mut nodes = [OWN, OTHER].map(|n| Gossip::new(id(n), 1, key(n), 1, |_| Some(1)));
        nodes[0].introduce(id(OTHER), Gossip::agreement(key(OTHER)), vec![address(OTHER)], true);
        nodes[1].introduce(id(OWN), Gossip::agreement(key(OWN)), vec![address(OWN)], true);
        nodes[1].join(Time::ZERO, id(OWN), 1);
        nodes[1].spread(Time::ZERO, &account_record(OTHER, "pep", 3));
        let (mut said, mut raw) = (Vec::new(), Vec::new());
        for tenth in 0..300 {
            let now = SECOND / 10 * tenth;
            for n in 0..2 {
                nodes[n].handle_timeout(now);
                while let Some(output) = nodes[n].poll_output() {
                    let gossip::Output::Send { payload, .. } = output else { continue };
                    if n == 1 {
                        said.push(payload[seal::OVERHEAD + 8..].to_vec());
                        raw.push(payload.clone());
                    }
                    nodes[1 - n].handle_datagram(now, address([OWN, OTHER][n]), &payload);
                }
            }
        }
        said.dedup();
        write("membership", "raw", &raw[1]);
        write("membership", "join", &script(&said[..said.len().min(8)]));
        write("membership", "life", &script(&said[8..said.len().min(40)]));

        // a neighbour that comes, asks and goes
        let mut neighbour = mdns::Mdns::new(id(OTHER), "torre", 8443, 1, 1).unwrap();
        let address = IpAddr::from([10, 0, 0, 2]);
        let interface = mdns::Interface { index: 2, name: "mesh0".into(), addresses: vec![(address, 24)] };
        neighbour.set_interfaces(Time::ZERO, vec![interface]);
        neighbour.handle_timeout(SECOND);
        neighbour.stop();
        let mut said = vec![12];
        while let Some(output) = neighbour.poll_output() {
            let mdns::Output::Send { payload, .. } = output else { continue };
            said.extend([payload.len() as u8, 0]);
            said.extend(payload);
        }
        write("discovery", "mdns", &said);

        let device = |n: u8| DeviceId::of_point(&BenchKeys(n).point());
        let own = Device { address: format!("nuria@{}", id(OWN)).parse().unwrap(), device: device(2) };
        let their = Device { address: format!("pep@{}", id(OTHER)).parse().unwrap(), device: device(3) };
        let call = |body| {
            Frame::Call(Box::new(CallFrame {
                call: CallId([9; 16]),
                from: their.clone(),
                to: own.clone(),
                body,
            }))
            .encode()
        };
        let description =
            Description { media: Media::Audio, number: 1, sdp: "v=0\r\n".into(), signature: Bytes([1; 64]) };
        let introduction = Introduction {
            display: "Pep".parse().unwrap(),
            key: Bytes(BenchKeys(3).point()),
            description: description.clone(),
        };
        let candidate = Candidate { candidate: "candidate:1".into(), mid: Some("0".into()), mline: Some(0) };
        let records = vec![node_record(3, 1), account_record(OTHER, "pep", 3)];
        write("node_frame", "record_node", &records[0]);
        write("node_frame", "record_account", &records[1]);
        write("node_frame", "frame_records", &Frame::Records(records.clone()).encode());
        let mut directory = Directory::new(id(3), Limits::default());
        directory.merge(&records[0]).unwrap();
        let buckets: Vec<u8> = directory.digest().differing(&Digest::default());
        write(
            "node_frame",
            "compare",
            &script(&[
                Frame::Records(records).encode(),
                Frame::Digest(directory.digest().to_bytes()).encode(),
                Frame::Items { items: directory.items(&buckets), buckets, more: false }.encode(),
                Frame::Want(vec![1, 2]).encode(),
                Frame::Digest(Digest::default().to_bytes()).encode(),
            ]),
        );
        write(
            "node_frame",
            "call",
            &script(&[
                call(CallBody::Invite(introduction.clone())),
                call(CallBody::Candidate(candidate)),
                call(CallBody::Cancel(Reason::Cancelled)),
                call(CallBody::Accept(introduction)),
                call(CallBody::Describe(Kind::Offer, description)),
                call(CallBody::Message("hola".into())),
                call(CallBody::Presence(Presence::Lost)),
                call(CallBody::Restore),
                call(CallBody::HangUp(Reason::HungUp)),
            ]),
        );

        let home = format!("nuria@{}", id(OWN)).parse::<Address>().unwrap();
        let account = |body| {
            let frame = DevicesFrame { request: Bytes([7; 16]), address: home.clone(), body };
            Frame::Devices(Box::new(frame)).encode()
        };
        let (key, signature) = (Bytes(BenchKeys(3).point()), Bytes([1; 64]));
        write(
            "node_frame",
            "devices",
            &script(&[
                account(DevicesBody::Ask { key, commit: Bytes([2; 32]), at: id(OTHER) }),
                account(DevicesBody::Show(Bytes([3; 16]))),
                account(DevicesBody::Open(Bytes([4; 16]))),
                account(DevicesBody::Confirm { key, signature }),
                account(DevicesBody::Refuse),
                account(DevicesBody::End(LinkEnd::Cancelled)),
                account(DevicesBody::Linked(account_record(OTHER, "pep", 3))),
                account(DevicesBody::Revoke { device: device(2), counter: 1, key, signature }),
            ]),
        );

        // the protocol's examples, one after the other, and a call from the one page to the other
        let protocol = include_str!("../../../docs/protocol.md");
        let examples =
            protocol.split("```json to-node\n").skip(1).map(|rest| rest.split('\n').next().unwrap());
        write("page_message", "examples", examples.collect::<Vec<_>>().join("\n").as_bytes());
        let call = CallId([9; 16]).to_string();
        let media = format!(
            r#""call":"{call}","media":"audio","number":1,"sdp":"v=0\r\n","signature":"{}""#,
            "A".repeat(86)
        );
        let home = id(OWN);
        let lines = [
            r#"{"watch":{"id":2,"text":"","limit":10}}"#.to_owned(),
            format!(r#"{{"invite":{{"id":3,"to":"pep@{home}",{media}}}}}"#),
            format!(r#"{{"candidate":{{"id":4,"call":"{call}","candidate":"","mid":null,"mline":0}}}}"#),
            format!(r#"2{{"accept":{{"id":5,{media}}}}}"#),
            format!(r#"2{{"describe":{{"id":6,"kind":"offer",{media}}}}}"#),
            format!(r#"{{"message":{{"id":7,"call":"{call}","text":"hola"}}}}"#),
            r#"2{"ack":{"id":8,"n":2}}"#.to_owned(),
            r#"2{"profile":{"id":9,"display":"Pep!"}}"#.to_owned(),
            format!(r#"{{"hang_up":{{"id":10,"call":"{call}","reason":"hung_up"}}}}"#),
            r#"2{"sign_out":{"id":11}}"#.to_owned(),
        ];
        write("page_message", "call", lines.join("\n").as_bytes());
    }
}
