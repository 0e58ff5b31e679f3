//! What strangers send: silence or the right error, bounded memory, no panic.

use proptest::prelude::*;

use super::rig::{Rig, Talker, address, channel_data, settings, transport};
use crate::stun::{self, Class, Message, Writer, amplifies};
use crate::turn::{Action, Client, Via, attribute, method};

fn stranger(port: u16) -> Client {
    Client { via: Via::Udp(0), address: address(&format!("10.50.0.9:{port}")) }
}

#[test]
fn a_storm_of_allocations_from_forged_sources_leaves_nothing_behind() {
    let mut rig = Rig::new(settings());
    let mut talker = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let bare = talker.write(method::ALLOCATE, transport, None);
    let signed = talker.signed(method::ALLOCATE, transport);
    for port in 1024..6024 {
        // without credentials, and a replay of somebody's good request
        for (question, error) in [(&bare, 401), (&signed, 438)] {
            let answer = rig.ask(stranger(port), question).unwrap();
            assert_eq!(answer.error(), Some(error));
            // with IP and UDP never more than twice what was asked: nobody gains by a forged source
            assert!(!amplifies(question.len(), answer.0.len(), stranger(port).address));
        }
    }
    assert_eq!((rig.server.len(), rig.server.allocations.len(), rig.server.accounts.len()), (0, 0, 0));
    assert_eq!((rig.server.counters().unauthorized, rig.server.counters().stale_nonces), (5001, 5000));
}

#[test]
fn a_source_that_nobody_can_have_is_not_answered() {
    let mut rig = Rig::new(settings());
    let mut talker = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let bare = talker.write(method::ALLOCATE, transport, None);
    for source in ["224.0.0.1:5000", "255.255.255.255:5000", "0.0.0.0:5000", "10.1.1.1:0", "[ff02::1]:5000"] {
        assert!(rig.ask(Client { via: Via::Udp(0), address: address(source) }, &bare).is_none(), "{source}");
    }
}

#[test]
fn a_small_question_from_a_forged_source_gets_no_large_answer() {
    let mut rig = Rig::new(settings());
    let mut buffer = [0; 64];
    for method in [method::ALLOCATE, method::REFRESH, method::CREATE_PERMISSION, method::CHANNEL_BIND] {
        let length = Writer::new(&mut buffer, Class::Request, method, &[1; 12]).finish().unwrap();
        let answer = rig.ask(stranger(5000), &buffer[..length]);
        assert!(answer.is_none_or(|a| !amplifies(length, a.0.len(), stranger(5000).address)));
    }
}

#[test]
fn what_is_no_request_of_ours_meets_silence() {
    let mut rig = Rig::new(settings());
    let (talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    let mut buffer = [0; 64];
    for (class, method) in [
        (Class::Indication, method::ALLOCATE),
        (Class::Request, method::SEND),
        (Class::Request, method::DATA),
        (Class::Indication, method::DATA),
        (Class::Success, method::ALLOCATE),
        (Class::Error, method::REFRESH),
        (Class::Request, 0x00a),
        (Class::Request, stun::BINDING),
    ] {
        let length = Writer::new(&mut buffer, class, method, &[1; 12]).finish().unwrap();
        assert_eq!(rig.handle(talker.client, &buffer[..length]), Action::Silence);
    }
    assert_eq!(rig.server.counters().ignored, 8);
}

#[test]
fn channel_data_with_a_lying_length_or_an_unbound_number_goes_nowhere() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    talker.bind(&mut rig, 0x4001, "10.13.3.100:40000");
    let good = channel_data(0x4001, b"12345");
    for length in 0..good.len() {
        assert_eq!(rig.handle(talker.client, &good[..length]), Action::Silence);
    }
    let long = [&good[..], &[0; 4]].concat();
    assert_eq!(rig.handle(talker.client, &long), Action::Silence);
    assert_eq!(rig.handle(talker.client, &channel_data(0x4002, b"12345")), Action::Silence);
    assert_eq!(rig.handle(stranger(5000), &good), Action::Silence, "the channel is another client's");
    assert_eq!((rig.server.counters().ignored, rig.server.counters().not_permitted), (10, 2));
}

#[test]
fn a_send_indication_that_is_not_whole_goes_nowhere() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    talker.permit(&mut rig, &["10.13.3.100:40000"]);
    let mut send = |kinds: &[u16]| {
        let mut buffer = [0; 128];
        let mut w = Writer::new(&mut buffer, Class::Indication, method::SEND, &[1; 12]);
        for kind in kinds {
            match *kind {
                attribute::XOR_PEER_ADDRESS => w.xor_address(*kind, address("10.13.3.100:40000")),
                kind => w.attribute(kind, &[b"data"]),
            }
        }
        let length = w.finish().unwrap();
        matches!(rig.handle(talker.client, &buffer[..length]), Action::Relay { .. })
    };
    assert!(send(&[attribute::XOR_PEER_ADDRESS, attribute::DATA]));
    assert!(!send(&[attribute::XOR_PEER_ADDRESS]));
    assert!(!send(&[attribute::DATA]));
    assert!(!send(&[attribute::XOR_PEER_ADDRESS, attribute::DATA, attribute::DONT_FRAGMENT]));
}

/// A request with any attributes, signed or not, with a few bytes overwritten.
#[derive(Debug, Clone)]
struct Wild {
    method: u16,
    attributes: Vec<(u16, Vec<u8>)>,
    signed: bool,
    damage: Vec<(proptest::sample::Index, u8)>,
    wait: u64,
}

fn wild() -> impl Strategy<Value = Wild> {
    let kind = prop_oneof![
        Just(attribute::CHANNEL_NUMBER),
        Just(attribute::LIFETIME),
        Just(attribute::XOR_PEER_ADDRESS),
        Just(attribute::DATA),
        Just(attribute::REQUESTED_ADDRESS_FAMILY),
        Just(attribute::EVEN_PORT),
        Just(attribute::REQUESTED_TRANSPORT),
        Just(attribute::RESERVATION_TOKEN),
        any::<u16>(),
    ];
    let value = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..24),
        Just(vec![17, 0, 0, 0]),
        Just(vec![0x40, 1, 0, 0]),
        Just(vec![0, 0, 0, 0]),
        // 10.x.x.x and a port, masked
        any::<[u8; 5]>().prop_map(|b| vec![0, 1, b[0], b[1], 0x2b, b[2], b[3], b[4]]),
    ];
    (
        0_u16..12,
        proptest::collection::vec((kind, value), 0..5),
        any::<bool>(),
        proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..2),
        0_u64..400,
    )
        .prop_map(|(method, attributes, signed, damage, wait)| Wild {
            method,
            attributes,
            signed,
            damage,
            wait,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nothing_makes_it_panic_and_state_answers_and_sockets_stay_bounded(
        packets in proptest::collection::vec((wild(), 0_u8..4, any::<bool>()), 1..24),
        noise in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..8),
    ) {
        let mut rig = Rig::new(settings());
        let mut talkers: Vec<Talker> =
            (0..4).map(|n| Talker::new(&mut rig, &format!("192.168.1.{}:50000", 100 + n), n, 1)).collect();
        for (wild, who, transport_too) in packets {
            let talker = &mut talkers[usize::from(who)];
            let write = |w: &mut Writer<'_>| {
                if transport_too {
                    transport(w);
                }
                wild.attributes.iter().for_each(|(kind, value)| w.attribute(*kind, &[value]));
            };
            let mut packet = if wild.signed { talker.signed(wild.method, write) } else { talker.write(wild.method, write, None) };
            for (at, byte) in wild.damage {
                let at = at.index(packet.len());
                packet[at] = byte;
            }
            // the rig checks that sockets and relays are the same in number
            match rig.handle(talker.client, &packet) {
                Action::Reply(client, length) => {
                    let answer = rig.out[..length].to_vec();
                    let message = Message::parse(&answer).unwrap();
                    prop_assert!(matches!(message.class(), Class::Success | Class::Error));
                    prop_assert_eq!(&message.transaction()[..], &packet[8..20]);
                    let signed = message.attribute(stun::attribute::MESSAGE_INTEGRITY).is_some();
                    prop_assert!(signed || !amplifies(packet.len(), length, client.address));
                }
                Action::Relay { payload, .. } => prop_assert!(payload.end <= packet.len()),
                Action::Silence => {}
                Action::Open { .. } => prop_assert!(false, "the rig opens"),
            }
            rig.pass(wild.wait);
        }
        for noise in noise {
            let action = rig.handle(talkers[0].client, &noise);
            prop_assert_eq!(action, Action::Silence);
        }
        rig.pass(3600);
        prop_assert_eq!((rig.server.len(), rig.server.accounts.len(), rig.server.poll_timeout()), (0, 0, None));
    }
}
