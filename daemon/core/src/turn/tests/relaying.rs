//! What passes, in which clothes, and what does not.

use core::net::SocketAddr;

use super::rig::{Rig, Talker, address, channel_data, settings, transport};
use crate::stun::{Class, Message, read_xor_address};
use crate::turn::{Action, MAX_CHANNELS, MAX_PERMISSIONS, RelayId, attribute, method};

const PEER: &str = "10.13.3.100:40000";

fn relay_of(action: Action, packet: &[u8]) -> Option<(RelayId, SocketAddr, Vec<u8>)> {
    match action {
        Action::Relay { relay, peer, payload } => Some((relay, peer, packet[payload].to_vec())),
        Action::Silence => None,
        other => panic!("{other:?}"),
    }
}

fn sent(
    rig: &mut Rig,
    talker: &mut Talker,
    peer: &str,
    payload: &[u8],
) -> Option<(RelayId, SocketAddr, Vec<u8>)> {
    let packet = talker.indication(peer, payload);
    relay_of(rig.handle(talker.client, &packet), &packet)
}

fn by_channel(
    rig: &mut Rig,
    talker: &Talker,
    number: u16,
    payload: &[u8],
) -> Option<(RelayId, SocketAddr, Vec<u8>)> {
    let packet = channel_data(number, payload);
    relay_of(rig.handle(talker.client, &packet), &packet)
}

#[test]
fn with_permission_indications_pass_both_ways_whatever_their_length() {
    let mut rig = Rig::new(settings());
    let (mut talker, relay, _) = rig.relayed("192.168.1.100:50000", 1, 1);
    assert_eq!(sent(&mut rig, &mut talker, PEER, b"early"), None);
    assert_eq!(rig.peer_sends(relay, address(PEER), b"early"), None);
    assert_eq!(talker.permit(&mut rig, &[PEER]), None);
    for length in [0, 1, 2, 3, 4, 5, 1200, 1500] {
        let payload = vec![0x5a; length];
        assert_eq!(
            sent(&mut rig, &mut talker, PEER, &payload),
            Some((relay, address(PEER), payload.clone()))
        );
        // the permission is for the address: the port may be another one (section 9)
        let from = address("10.13.3.100:40009");
        let (client, data) = rig.peer_sends(relay, from, &payload).unwrap();
        assert_eq!(client, talker.client);
        let message = Message::parse(&data).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Indication, method::DATA));
        assert_eq!(message.attribute(attribute::DATA), Some(&payload[..]));
        let peer = message.attribute(attribute::XOR_PEER_ADDRESS).unwrap();
        assert_eq!(read_xor_address(peer, &message.transaction()), Some(from));
    }
    let counters = rig.server.counters();
    assert_eq!((counters.to_peers, counters.to_clients, counters.not_permitted), (8, 8, 2));
}

#[test]
fn through_a_channel_four_bytes_are_added_and_padding_only_in_a_stream() {
    for (from, padded) in [("192.168.1.100:50000", 5), ("tcp 192.168.1.100:50000", 8)] {
        let mut rig = Rig::new(settings());
        let (mut talker, relay, _) = rig.relayed(from, 1, 1);
        assert_eq!(talker.bind(&mut rig, 0x4001, PEER), None);
        let passed = Some((relay, address(PEER), b"five!".to_vec()));
        assert_eq!(by_channel(&mut rig, &talker, 0x4001, b"five!"), passed);
        let mut with_padding = channel_data(0x4001, b"five!");
        with_padding.extend([0; 3]);
        assert_eq!(relay_of(rig.handle(talker.client, &with_padding), &with_padding), passed);
        let (_, data) = rig.peer_sends(relay, address(PEER), b"five!").unwrap();
        assert_eq!(data.len(), 4 + padded);
        assert_eq!(data[..9], channel_data(0x4001, b"five!")[..]);
        assert!(data[9..].iter().all(|byte| *byte == 0), "no byte of another packet leaves in the padding");
        let (_, other_port) = rig.peer_sends(relay, address("10.13.3.100:40001"), b"x").unwrap();
        assert!(Message::parse(&other_port).is_ok(), "the channel is for one port, the permission for all");
    }
}

#[test]
fn permissions_last_five_minutes_and_channels_ten() {
    let mut rig = Rig::new(settings());
    let (mut talker, relay, _) = rig.relayed("192.168.1.100:50000", 1, 1);
    talker.refresh(&mut rig, 3600);
    talker.bind(&mut rig, 0x4001, PEER);
    rig.pass(299);
    assert!(rig.peer_sends(relay, address(PEER), b"x").is_some());
    rig.pass(1);
    assert!(rig.peer_sends(relay, address(PEER), b"x").is_none());
    assert!(sent(&mut rig, &mut talker, PEER, b"x").is_none());
    assert!(by_channel(&mut rig, &talker, 0x4001, b"x").is_some());
    talker.permit(&mut rig, &[PEER]);
    assert_eq!(rig.peer_sends(relay, address(PEER), b"x").unwrap().1.len(), 5, "the channel is still there");
    rig.pass(300);
    assert!(by_channel(&mut rig, &talker, 0x4001, b"x").is_none());
    talker.bind(&mut rig, 0x4001, "10.13.3.101:4000");
    assert!(by_channel(&mut rig, &talker, 0x4001, b"x").is_some(), "the number is free again");
}

#[test]
fn a_channel_belongs_to_one_peer_and_a_peer_to_one_channel() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    assert_eq!(talker.bind(&mut rig, 0x4001, PEER), None);
    assert_eq!(talker.bind(&mut rig, 0x4001, PEER), None);
    assert_eq!(talker.bind(&mut rig, 0x4002, PEER), Some(400));
    assert_eq!(talker.bind(&mut rig, 0x4001, "10.13.3.100:40001"), Some(400));
    assert_eq!(talker.bind(&mut rig, 0x3fff, "10.13.3.101:4000"), Some(400));
    assert_eq!(talker.bind(&mut rig, 0x8000, "10.13.3.101:4000"), Some(400));
    assert_eq!(talker.bind(&mut rig, 0x7fff, "10.13.3.101:4000"), None);
    let bare = |rig: &mut Rig, talker: &mut Talker, kind: u16, value: &[u8]| {
        talker.error(rig, method::CHANNEL_BIND, |w| w.attribute(kind, &[value]))
    };
    assert_eq!(bare(&mut rig, &mut talker, attribute::CHANNEL_NUMBER, &[0x40, 5, 0, 0]), Some(400));
    assert_eq!(
        bare(&mut rig, &mut talker, attribute::XOR_PEER_ADDRESS, &[0, 1, 0, 0, 1, 2, 3, 4]),
        Some(400)
    );
    assert_eq!(talker.error(&mut rig, method::CREATE_PERMISSION, |_| ()), Some(400));
    assert_eq!(
        talker.error(&mut rig, method::CREATE_PERMISSION, |w| {
            w.attribute(attribute::XOR_PEER_ADDRESS, &[&[0, 7, 0, 0, 1, 2, 3, 4]]);
        }),
        Some(400)
    );
}

#[test]
fn forbidden_peers_are_403_for_all_or_none() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    for forbidden in [
        "127.0.0.1:5000",
        "203.0.113.7:5000",
        "10.99.101.1:5000",
        "192.168.1.1:5000",
        "10.66.1.1:5000",
        "224.0.0.251:5353",
        "255.255.255.255:5000",
        "169.254.3.3:5000",
        "0.0.0.0:5000",
    ] {
        assert_eq!(talker.permit(&mut rig, &[forbidden]), Some(403), "{forbidden}");
        assert_eq!(talker.permit(&mut rig, &[PEER, forbidden]), Some(403), "{forbidden}");
        assert_eq!(talker.bind(&mut rig, 0x4001, forbidden), Some(403), "{forbidden}");
    }
    assert_eq!(talker.bind(&mut rig, 0x4001, "10.13.3.100:53"), Some(403), "services listen there");
    assert_eq!(sent(&mut rig, &mut talker, PEER, b"x"), None, "all or none");
    assert_eq!(rig.server.counters().forbidden, 28);
    talker.permit(&mut rig, &[PEER]);
    assert_eq!(sent(&mut rig, &mut talker, "10.13.3.100:53", b"x"), None);
}

#[test]
fn two_relays_of_this_node_reach_each_other_and_nothing_else_of_it() {
    let mut rig = Rig::new(settings());
    let (mut one, relay, relayed) = rig.relayed("192.168.1.100:50000", 1, 1);
    let (mut other, _, other_relayed) = rig.relayed("192.168.1.101:50000", 2, 2);
    let there = other_relayed.to_string();
    assert_eq!(one.permit(&mut rig, &[&there]), None);
    assert_eq!(sent(&mut rig, &mut one, &there, b"x"), Some((relay, other_relayed, b"x".to_vec())));
    for service in ["10.99.0.1:8443", "10.99.0.1:3478", "10.99.0.1:5353"] {
        assert_eq!(sent(&mut rig, &mut one, service, b"x"), None, "{service}");
        assert_eq!(one.bind(&mut rig, 0x4001, service), Some(403), "{service}");
    }
    assert_eq!(one.bind(&mut rig, 0x4001, &there), None);
    assert!(by_channel(&mut rig, &one, 0x4001, b"x").is_some());
    other.refresh(&mut rig, 0);
    assert_eq!(by_channel(&mut rig, &one, 0x4001, b"x"), None, "the port may be anybody's now");
    let _ = relayed;
}

#[test]
fn permissions_and_channels_are_bounded_508() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    let peer = |n: usize| format!("10.13.0.{}:5000", n + 1);
    for n in 0..MAX_PERMISSIONS {
        assert_eq!(talker.permit(&mut rig, &[&peer(n)]), None);
    }
    assert_eq!(talker.permit(&mut rig, &[&peer(MAX_PERMISSIONS)]), Some(508));
    assert_eq!(talker.permit(&mut rig, &[&peer(0), &peer(0)]), None, "known ones are renewed");
    let many: Vec<String> = (0..=MAX_PERMISSIONS).map(|_| peer(0)).collect();
    assert_eq!(talker.permit(&mut rig, &many.iter().map(String::as_str).collect::<Vec<_>>()), Some(508));
    for n in 0..MAX_CHANNELS {
        assert_eq!(talker.bind(&mut rig, 0x4000 + n as u16, &format!("10.13.0.1:{}", 5000 + n)), None);
    }
    assert_eq!(talker.bind(&mut rig, 0x4fff, "10.13.0.1:6000"), Some(508));
    rig.pass(300);
    assert_eq!(talker.permit(&mut rig, &[&peer(MAX_PERMISSIONS)]), None, "what has expired makes room");
}

#[test]
fn bandwidth_is_bounded_for_an_account_and_for_the_node() {
    let mut settings = settings();
    (settings.limits.rate, settings.limits.account_rate) = (300_000, 200_000);
    let mut rig = Rig::new(settings);
    let flood = |rig: &mut Rig, talker: &Talker, relay: RelayId| {
        let mut passed = 0;
        for _ in 0..300 {
            passed += usize::from(by_channel(rig, talker, 0x4001, &[0; 1000]).is_some());
            passed += usize::from(rig.peer_sends(relay, address(PEER), &[0; 1000]).is_some());
        }
        passed
    };
    let (mut one, one_relay, _) = rig.relayed("192.168.1.100:50000", 1, 1);
    let (mut same, same_relay, _) = rig.relayed("192.168.1.101:50000", 2, 1);
    let (mut other, other_relay, _) = rig.relayed("192.168.1.102:50000", 3, 2);
    for talker in [&mut one, &mut same, &mut other] {
        talker.bind(&mut rig, 0x4001, PEER);
    }
    assert_eq!(flood(&mut rig, &one, one_relay), 100, "half a second of the account's");
    assert_eq!(flood(&mut rig, &same, same_relay), 0, "two devices of one account share");
    assert_eq!(flood(&mut rig, &other, other_relay), 50, "what is left of the node's");
    rig.pass(1);
    assert_eq!(flood(&mut rig, &one, one_relay), 100);
    assert!(rig.server.counters().over_rate > 1000);
}

#[test]
fn a_relay_that_is_gone_takes_nothing() {
    let mut rig = Rig::new(settings());
    let (mut talker, relay, _) = rig.relayed("192.168.1.100:50000", 1, 1);
    talker.bind(&mut rig, 0x4001, PEER);
    talker.refresh(&mut rig, 0);
    assert_eq!(by_channel(&mut rig, &talker, 0x4001, b"x"), None);
    assert_eq!(sent(&mut rig, &mut talker, PEER, b"x"), None);
    assert_eq!(rig.peer_sends(relay, address(PEER), b"x"), None);
    assert_eq!(rig.peer_sends(RelayId(999), address(PEER), b"x"), None);
    let again = talker.request(&mut rig, method::ALLOCATE, transport).unwrap();
    assert_eq!(again.error(), None);
    assert_eq!(rig.peer_sends(relay, address(PEER), b"x"), None, "a new relay begins without permissions");
}
