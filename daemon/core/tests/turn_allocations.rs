//! What is relayed allocates nothing: counted by the allocator itself.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use truca_core::stun::{self, Class, Message, Writer, long_term_key};
use truca_core::turn::{
    Action, Client, HEADROOM, Limits, MAX_ANSWER, Policy, RelayId, Secrets, Server, Settings, TAILROOM, Via,
    attribute, method,
};

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: hands everything to the system's allocator as it came; the count is of this thread and allocates
// nothing itself.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promise is passed on
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Everything that one packet can be: through a channel or an indication, from and to the peer, dropped.
#[test]
fn a_forwarded_packet_allocates_nothing() {
    let now = Duration::from_secs(1000);
    let settings = Settings {
        ipv4: Some("10.99.0.1".parse().unwrap()),
        ipv6: None,
        ports: 49152..=49407,
        policy: Policy { allowed: vec!["10.0.0.0/8".parse().unwrap()], ..Policy::default() },
        limits: Limits { allocations: 8, per_account: 8, rate: 1 << 30, account_rate: 1 << 30 },
    };
    let secrets = Secrets::new(now, &[1; 32]);
    let mut server = Server::new(now, settings, secrets.clone(), [2; 32]);
    let client = Client { via: Via::Udp(0), address: "192.168.1.100:5000".parse().unwrap() };
    let peer: SocketAddr = "10.13.3.100:40000".parse().unwrap();
    let by_indication: SocketAddr = "10.13.3.101:40000".parse().unwrap();
    let relay = connect(&mut server, &secrets, now, client, [peer, by_indication]);

    let mut out = [0; MAX_ANSWER];
    let mut from_peer = [0; HEADROOM + 1200 + TAILROOM];
    let mut send = [0; 1300];
    let mut writer = Writer::new(&mut send, Class::Indication, method::SEND, &[9; 12]);
    writer.xor_address(attribute::XOR_PEER_ADDRESS, peer);
    writer.attribute(attribute::DATA, &[&[7; 1200]]);
    let send_length = writer.finish().unwrap();
    let mut channel = [7; 1204];
    channel[..4].copy_from_slice(&[0x40, 1, 0x04, 0xb0]);

    let before = COUNT.with(Cell::get);
    for n in 0..10_000 {
        let now = now + Duration::from_millis(n);
        let passes = |action| matches!(action, Action::Relay { .. });
        assert!(passes(server.handle_client(now, client, &channel, &mut out)));
        assert!(passes(server.handle_client(now, client, &send[..send_length], &mut out)));
        assert!(server.handle_peer(now, relay, peer, &mut from_peer, 1200).is_some());
        assert!(server.handle_peer(now, relay, by_indication, &mut from_peer, 1200).is_some());
        let stranger: SocketAddr = ([10, 1, 1, 1], 5000).into();
        assert!(server.handle_peer(now, relay, stranger, &mut from_peer, 1200).is_none());
        assert_eq!(server.handle_client(now, client, &channel[..9], &mut out), Action::Silence);
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0, "allocations for 60,000 packets");
    assert_eq!(server.counters().to_peers, 20_000);
}

/// Allocates, binds a channel to the first peer and gives permission to the second.
fn connect(
    server: &mut Server,
    secrets: &Secrets,
    now: Duration,
    client: Client,
    peers: [SocketAddr; 2],
) -> RelayId {
    let (user, password) = secrets.grant(1, 1);
    let key = long_term_key(user.as_bytes(), b"mesh", password.as_bytes());
    let (mut nonce, mut relay) = (Vec::new(), RelayId(0));
    for step in 0..4 {
        let mut buffer = [0; 512];
        let kind =
            [method::ALLOCATE, method::ALLOCATE, method::CHANNEL_BIND, method::CREATE_PERMISSION][step];
        let mut writer = Writer::new(&mut buffer, Class::Request, kind, &[step as u8; 12]);
        match step {
            0 | 1 => writer.attribute(attribute::REQUESTED_TRANSPORT, &[&[17, 0, 0, 0]]),
            2 => {
                writer.attribute(attribute::CHANNEL_NUMBER, &[&[0x40, 1, 0, 0]]);
                writer.xor_address(attribute::XOR_PEER_ADDRESS, peers[0]);
            }
            _ => writer.xor_address(attribute::XOR_PEER_ADDRESS, peers[1]),
        }
        if step > 0 {
            writer.attribute(stun::attribute::USERNAME, &[user.as_bytes()]);
            writer.attribute(stun::attribute::REALM, &[b"mesh"]);
            writer.attribute(stun::attribute::NONCE, &[&nonce]);
            writer.integrity(&key);
        }
        let length = writer.finish().unwrap();
        let mut out = [0; MAX_ANSWER];
        let mut action = server.handle_client(now, client, &buffer[..length], &mut out);
        if let Action::Open { relay: fresh, .. } = action {
            relay = fresh;
            action = server.opened(now, relay, true, &mut out);
        }
        let Action::Reply(_, length) = action else { panic!("{action:?}") };
        let answer = Message::parse(&out[..length]).unwrap();
        assert_eq!(answer.class(), if step == 0 { Class::Error } else { Class::Success });
        if let Some(fresh) = answer.attribute(stun::attribute::NONCE) {
            nonce = fresh.to_vec();
        }
    }
    relay
}
