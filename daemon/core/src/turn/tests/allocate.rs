//! Allocations and refreshes: who gets one, for how long, and every error on the way.

use super::rig::{Rig, Talker, address, settings, transport};
use crate::stun::{self, Check, Writer};
use crate::turn::{PERIOD, Via, attribute, method};

fn allocate_error(rig: &mut Rig, more: impl FnOnce(&mut Writer<'_>)) -> Option<u16> {
    Talker::new(rig, "192.168.1.100:50000", 1, 1).error(rig, method::ALLOCATE, more)
}

#[test]
fn a_client_gets_a_relay_at_the_mesh_address_and_learns_its_own() {
    let mut rig = Rig::new(settings());
    let mut talker = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let answer = talker.request(&mut rig, method::ALLOCATE, transport).unwrap();
    let relayed = answer.address(attribute::XOR_RELAYED_ADDRESS).unwrap();
    assert_eq!(relayed.ip(), address("10.99.0.1:1").ip());
    assert!((49152..=49407).contains(&relayed.port()));
    assert_eq!(answer.address(stun::attribute::XOR_MAPPED_ADDRESS), Some(talker.client.address));
    assert_eq!(answer.number(attribute::LIFETIME), Some(600));
    assert_eq!((rig.server.len(), rig.server.counters().allocated), (1, 1));
}

#[test]
fn a_repeated_request_is_answered_as_the_first_and_another_one_is_refused_with_437() {
    let mut rig = Rig::new(settings());
    let mut talker = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let packet = talker.signed(method::ALLOCATE, transport);
    let first = rig.ask(talker.client, &packet).unwrap();
    let again = rig.ask(talker.client, &packet).unwrap();
    assert_eq!(first.0, again.0);
    assert_eq!(talker.error(&mut rig, method::ALLOCATE, transport), Some(437));
    assert_eq!(rig.server.len(), 1);
}

#[test]
fn ipv6_is_relayed_when_asked_for_and_a_family_that_is_not_there_is_440() {
    let mut rig = Rig::new(settings());
    let family = |number| {
        move |w: &mut Writer<'_>| {
            transport(w);
            w.attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[&[number, 0, 0, 0]]);
        }
    };
    let mut talker = Talker::new(&mut rig, "[fd13::100]:50000", 1, 1);
    let answer = talker.request(&mut rig, method::ALLOCATE, family(2)).unwrap();
    assert!(answer.address(attribute::XOR_RELAYED_ADDRESS).unwrap().is_ipv6());
    assert_eq!(talker.permit(&mut rig, &["[fd13::2]:5000"]), None);
    assert_eq!(talker.permit(&mut rig, &["10.1.1.1:5000"]), Some(443));
    assert_eq!(
        talker.error(&mut rig, method::REFRESH, |w| {
            w.attribute(attribute::REQUESTED_ADDRESS_FAMILY, &[&[1, 0, 0, 0]]);
        }),
        Some(443)
    );
    assert_eq!(allocate_error(&mut rig, family(3)), Some(440));
    let mut rig = Rig::new(crate::turn::Settings { ipv6: None, ..settings() });
    assert_eq!(allocate_error(&mut rig, family(2)), Some(440));
    assert_eq!(allocate_error(&mut rig, family(1)), None);
    let mut rig = Rig::new(crate::turn::Settings { ipv4: None, ..settings() });
    assert_eq!(allocate_error(&mut rig, transport), Some(440), "no family named is IPv4");
}

#[test]
fn what_cannot_be_done_has_its_own_error() {
    let with = |kind: u16, value: &'static [u8]| {
        move |w: &mut Writer<'_>| {
            transport(w);
            w.attribute(kind, &[value]);
        }
    };
    let mut rig = Rig::new(settings());
    assert_eq!(allocate_error(&mut rig, |w| w.attribute(attribute::LIFETIME, &[&[0, 0, 2, 0]])), Some(400));
    assert_eq!(
        allocate_error(&mut rig, |w| w.attribute(attribute::REQUESTED_TRANSPORT, &[&[6, 0, 0, 0]])),
        Some(442)
    );
    assert_eq!(
        allocate_error(&mut rig, |w| w.attribute(attribute::REQUESTED_TRANSPORT, &[&[17]])),
        Some(400)
    );
    assert_eq!(allocate_error(&mut rig, with(attribute::LIFETIME, &[1])), Some(400));
    assert_eq!(allocate_error(&mut rig, with(attribute::DONT_FRAGMENT, &[])), Some(420));
    assert_eq!(allocate_error(&mut rig, with(attribute::EVEN_PORT, &[0x80])), Some(508));
    assert_eq!(allocate_error(&mut rig, with(attribute::EVEN_PORT, &[])), Some(400));
    assert_eq!(allocate_error(&mut rig, with(attribute::RESERVATION_TOKEN, &[1; 8])), Some(508));
    for (kind, value) in [
        (attribute::EVEN_PORT, &[0][..]),
        (attribute::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0]),
        (attribute::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]),
    ] {
        let both = |w: &mut Writer<'_>| {
            with(attribute::RESERVATION_TOKEN, &[1; 8])(w);
            w.attribute(kind, &[value]);
        };
        assert_eq!(allocate_error(&mut rig, both), Some(400), "a token stands alone");
    }
    assert_eq!(
        allocate_error(&mut rig, |w| {
            with(attribute::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0])(w);
            w.attribute(attribute::ADDITIONAL_ADDRESS_FAMILY, &[&[2, 0, 0, 0]]);
        }),
        Some(400)
    );
    assert_eq!(rig.server.len(), 0, "no error leaves anything behind");
    assert_eq!(rig.server.accounts.len(), 0);
    let mut even = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let answer = even.request(&mut rig, method::ALLOCATE, with(attribute::EVEN_PORT, &[0])).unwrap();
    assert_eq!(answer.address(attribute::XOR_RELAYED_ADDRESS).unwrap().port() % 2, 0);
}

#[test]
fn an_unknown_attribute_is_named_in_a_420_that_is_signed() {
    let mut rig = Rig::new(settings());
    let mut talker = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let answer = talker
        .request(&mut rig, method::ALLOCATE, |w| {
            transport(w);
            w.attribute(0x7abc, &[]);
            w.attribute(0x9abc, &[]);
        })
        .unwrap();
    assert_eq!(answer.error(), Some(420));
    assert_eq!(answer.message().attribute(stun::attribute::UNKNOWN_ATTRIBUTES), Some(&[0x7a, 0xbc][..]));
}

#[test]
fn credentials_are_asked_for_and_checked_in_the_order_of_rfc_8489() {
    let mut rig = Rig::new(settings());
    let mut talker = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let key = talker.key();
    let half = |rig: &mut Rig, talker: &mut Talker, left: usize| {
        let id = [3; 12];
        let mut buffer = [0; 512];
        let mut w = Writer::new(&mut buffer, stun::Class::Request, method::ALLOCATE, &id);
        transport(&mut w);
        let parts: [(u16, &[u8]); 3] = [
            (stun::attribute::USERNAME, talker.user.as_bytes()),
            (stun::attribute::REALM, b"mesh"),
            (stun::attribute::NONCE, &talker.nonce),
        ];
        parts
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != left)
            .for_each(|(_, (kind, value))| w.attribute(*kind, &[value]));
        w.integrity(&key);
        let length = w.finish().unwrap();
        rig.ask(talker.client, &buffer[..length]).unwrap().error()
    };
    for left in 0..3 {
        assert_eq!(half(&mut rig, &mut talker, left), Some(400));
    }
    assert_eq!(half(&mut rig, &mut talker, 3), None);
    let wrong = |rig: &mut Rig, spoil: fn(&mut Talker)| {
        let mut talker = Talker::new(rig, "192.168.1.101:50000", 1, 1);
        spoil(&mut talker);
        talker.error(rig, method::ALLOCATE, transport)
    };
    assert_eq!(wrong(&mut rig, |t| t.password.push('x')), Some(401));
    assert_eq!(wrong(&mut rig, |t| t.user = format!("{}0", t.user)), Some(401));
    assert_eq!(wrong(&mut rig, |t| t.user = format!("0{}", t.user)), Some(401));
    assert_eq!(wrong(&mut rig, |t| t.user = "nuria".into()), Some(401));
    assert_eq!(wrong(&mut rig, |t| t.realm = "other".into()), Some(401));
    assert_eq!(wrong(&mut rig, |t| t.nonce[3] ^= 1), Some(438));
    assert_eq!(wrong(&mut rig, |t| t.nonce = vec![b'a'; 700]), Some(438));
}

#[test]
fn a_nonce_ends_after_an_hour_and_the_new_one_comes_with_the_438() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    for _ in 0..7 {
        rig.pass(500);
        assert_eq!(talker.refresh(&mut rig, 600).error(), None);
    }
    rig.pass(100);
    let stale = talker.refresh(&mut rig, 600);
    assert_eq!(stale.error(), Some(438));
    talker.learn(&stale);
    assert_eq!(talker.refresh(&mut rig, 600).error(), None);
}

#[test]
fn an_overheard_nonce_is_of_no_use_to_another_client() {
    let mut rig = Rig::new(settings());
    let mut one = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let other = Talker::new(&mut rig, "192.168.1.100:50001", 1, 1);
    let over_tcp = Talker::new(&mut rig, "tcp 192.168.1.100:50000", 1, 1);
    for foreign in [other.nonce, over_tcp.nonce] {
        one.nonce = foreign;
        assert_eq!(one.error(&mut rig, method::ALLOCATE, transport), Some(438));
    }
}

#[test]
fn credentials_outlive_one_change_of_the_secret_and_not_two() {
    let mut rig = Rig::new(settings());
    let granted = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let change = |rig: &mut Rig, secret: u8| {
        rig.pass((rig.secrets.rotates_at() - rig.now).as_secs() + 1);
        let now = rig.now;
        rig.secrets.rotate(now, &[secret; 32]);
        rig.server.set_secrets(rig.secrets.clone());
    };
    let again = |rig: &mut Rig, from: &str| {
        let mut talker = Talker::new(rig, from, 1, 1);
        (talker.user, talker.password) = (granted.user.clone(), granted.password.clone());
        talker.error(rig, method::ALLOCATE, transport)
    };
    change(&mut rig, 8);
    assert_ne!(rig.secrets.grant(1, 1).0, granted.user);
    assert_eq!(again(&mut rig, "192.168.1.100:50001"), None);
    change(&mut rig, 9);
    assert_eq!(again(&mut rig, "192.168.1.100:50002"), Some(401));
    rig.now += PERIOD * 3;
    rig.secrets.rotate(rig.now, &[1; 32]);
    assert!(rig.secrets.rotates_at() > rig.now, "a machine that slept catches up at once");
}

#[test]
fn a_relay_that_is_refreshed_outlives_its_credentials() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    talker.refresh(&mut rig, 3600);
    for secret in 0..60 {
        rig.pass(3000);
        let now = rig.now;
        rig.secrets.rotate(now, &[secret; 32]);
        rig.server.set_secrets(rig.secrets.clone());
        let answer = talker.refresh(&mut rig, 3600);
        if answer.error() == Some(438) {
            talker.learn(&answer);
            assert_eq!(talker.refresh(&mut rig, 3600).error(), None);
        }
    }
    assert_eq!(rig.server.len(), 1);
}

#[test]
fn somebody_elses_credentials_do_not_move_a_relay_441() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    (talker.user, talker.password) = rig.secrets.grant(2, 1);
    assert_eq!(talker.refresh(&mut rig, 0).error(), Some(441));
    assert_eq!(talker.permit(&mut rig, &["10.1.1.1:5000"]), Some(441));
    assert_eq!(talker.bind(&mut rig, 0x4000, "10.1.1.1:5000"), Some(441));
    assert_eq!(rig.server.len(), 1);
}

#[test]
fn a_relay_ends_when_it_is_not_refreshed_or_refreshed_to_nothing() {
    let mut rig = Rig::new(settings());
    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    assert_eq!(talker.refresh(&mut rig, 9999).number(attribute::LIFETIME), Some(3600));
    rig.pass(3599);
    assert_eq!(rig.server.len(), 1);
    rig.pass(1);
    assert_eq!((rig.server.len(), rig.server.poll_timeout()), (0, None));

    let (mut talker, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    assert_eq!(talker.refresh(&mut rig, 1).number(attribute::LIFETIME), Some(600));
    assert_eq!(talker.refresh(&mut rig, 0).number(attribute::LIFETIME), Some(0));
    assert_eq!(rig.server.len(), 0);
    assert_eq!(talker.refresh(&mut rig, 0).error(), Some(437));
    assert_eq!(talker.permit(&mut rig, &["10.1.1.1:5000"]), Some(437));
    assert_eq!(talker.bind(&mut rig, 0x4000, "10.1.1.1:5000"), Some(437));
}

#[test]
fn relays_end_with_their_session_and_with_their_connection() {
    let mut rig = Rig::new(settings());
    rig.relayed("192.168.1.100:50000", 1, 1);
    rig.relayed("192.168.1.101:50000", 2, 1);
    rig.relayed("tcp 192.168.1.102:50000", 3, 2);
    rig.server.end_session(1);
    rig.server.end_via(Via::Tcp(5));
    rig.pass(0);
    assert_eq!(
        rig.server.clients.keys().map(|c| c.address).collect::<Vec<_>>(),
        [address("192.168.1.101:50000")]
    );
}

#[test]
fn an_account_and_the_node_have_their_quota_486_and_508() {
    let mut settings = settings();
    (settings.limits.allocations, settings.limits.per_account) = (3, 2);
    let mut rig = Rig::new(settings);
    let (mut first, ..) = rig.relayed("192.168.1.100:50000", 1, 1);
    rig.relayed("192.168.1.100:50001", 2, 1);
    let allocate = |rig: &mut Rig, from: &str, account: u64| {
        Talker::new(rig, from, 3, account).error(rig, method::ALLOCATE, transport)
    };
    assert_eq!(allocate(&mut rig, "192.168.1.100:50002", 1), Some(486));
    assert_eq!(allocate(&mut rig, "192.168.1.100:50003", 2), None);
    assert_eq!(allocate(&mut rig, "192.168.1.100:50004", 3), Some(508));
    first.refresh(&mut rig, 0);
    assert_eq!(allocate(&mut rig, "192.168.1.100:50002", 1), None);
}

#[test]
fn ports_that_others_have_are_passed_by_and_when_all_are_taken_it_is_508() {
    let mut settings = settings();
    settings.ports = 49152..=49155;
    let mut rig = Rig::new(settings);
    let at = |port: u16| address(&format!("10.99.0.1:{port}"));
    rig.taken.extend([at(49152), at(49153), at(49155)]);
    // by chance, so not every attempt finds the one that is free: but none finds another
    let mut found = 0;
    for port in 50000..50020 {
        let mut talker = Talker::new(&mut rig, &format!("192.168.1.100:{port}"), 1, 1);
        let answer = talker.request(&mut rig, method::ALLOCATE, transport).unwrap();
        match answer.error() {
            None => {
                assert_eq!(answer.address(attribute::XOR_RELAYED_ADDRESS), Some(at(49154)));
                talker.refresh(&mut rig, 0);
                found += 1;
            }
            error => assert_eq!(error, Some(508)),
        }
    }
    assert!(found > 10, "{found}");
    rig.taken.insert(at(49154));
    let error = Talker::new(&mut rig, "192.168.1.100:1", 1, 1).error(&mut rig, method::ALLOCATE, transport);
    assert_eq!(error, Some(508));
    assert_eq!((rig.server.len(), rig.server.accounts.len()), (0, 0));
}

#[test]
fn a_request_with_a_fingerprint_is_answered_with_one() {
    let mut rig = Rig::new(settings());
    let mut talker = Talker::new(&mut rig, "192.168.1.100:50000", 1, 1);
    let bare = talker.write(
        method::ALLOCATE,
        |w| {
            transport(w);
            w.fingerprint();
        },
        None,
    );
    let answer = rig.ask(talker.client, &bare).unwrap();
    assert_eq!(answer.message().fingerprint(), Check::Good);
    assert!(answer.0.len() <= 2 * bare.len());
    let mut spoiled = bare;
    *spoiled.last_mut().unwrap() ^= 1;
    assert!(rig.ask(talker.client, &spoiled).is_none());
}
