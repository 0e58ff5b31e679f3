//! What clients and peers say to a TURN server, one after the other.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use truca_core::Time;
use truca_core::stun::{self, Class, Frame, Message, Writer, frame, long_term_key};
use truca_core::turn::{
    Action, Client, HEADROOM, Limits, MAX_ANSWER, Policy, REALM, RelayId, Secrets, Server, Settings,
    TAILROOM, Via, attribute, method,
};

/// Few, so that bounds are met.
const RELAYS: usize = 4;
const PORTS: std::ops::RangeInclusive<u16> = 49152..=49157;

/// Attributes of a signed request, by a byte of the input.
const KINDS: [u16; 10] = [
    attribute::REQUESTED_TRANSPORT,
    attribute::XOR_PEER_ADDRESS,
    attribute::CHANNEL_NUMBER,
    attribute::LIFETIME,
    attribute::REQUESTED_ADDRESS_FAMILY,
    attribute::EVEN_PORT,
    attribute::RESERVATION_TOKEN,
    attribute::ADDITIONAL_ADDRESS_FAMILY,
    attribute::DONT_FRAGMENT,
    0x7fff,
];

struct World {
    now: Time,
    server: Server,
    secrets: Secrets,
    open: BTreeSet<RelayId>,
    out: [u8; MAX_ANSWER],
}

/// Steps of a kind, two bytes of length, and so many bytes: 0 and 1 a packet of a client, as it is; 2 and 3 a
/// request (method, then attributes: kind, length, value) that is signed as it should be; 4 a datagram of a peer
/// (relay, port, data); 5 a stream; 6 time passes, and the secret changes when it is due.
pub fn turn(mut data: &[u8]) {
    let prefix = |text: &str| text.parse().expect("a prefix");
    let settings = Settings {
        ipv4: Some([10, 99, 0, 1].into()),
        ipv6: Some([0xfd99, 0, 0, 0, 0, 0, 0, 1].into()),
        ports: PORTS,
        policy: Policy {
            allowed: vec![prefix("10.0.0.0/8"), prefix("fc00::/7")],
            refused: vec![prefix("10.66.0.0/16")],
            own: vec![[10, 99, 0, 1].into(), [10, 99, 101, 1].into()],
        },
        limits: Limits { allocations: RELAYS, per_account: 3, rate: 0, account_rate: 200_000 },
    };
    let secrets = Secrets::new(Time::ZERO, &[7; 32]);
    let server = Server::new(Time::ZERO, settings, secrets.clone(), [9; 32]);
    let mut world = World { now: Time::ZERO, server, secrets, open: BTreeSet::new(), out: [0; MAX_ANSWER] };
    while let [step, high, low, rest @ ..] = data {
        let (said, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
        data = rest;
        world.step(*step, said);
    }
}

impl World {
    fn step(&mut self, step: u8, said: &[u8]) {
        let number = step & 1;
        let client = Client {
            via: if number == 0 { Via::Udp(0) } else { Via::Tcp(1) },
            address: SocketAddr::from(([192, 168, 1, 100 + number], 5000)),
        };
        match step % 7 {
            0 | 1 => drop(self.packet(client, said)),
            2 | 3 => self.signed(client, said),
            4 => self.peer(said),
            5 => {
                let mut said = said;
                while let Frame::Whole { length, total } = frame(said, 2048) {
                    assert!(length <= total && total <= said.len());
                    self.packet(client, &said[..length]);
                    said = &said[total..];
                }
            }
            _ => {
                let seconds = said.iter().take(2).fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                self.now += Duration::from_secs(seconds);
                if self.now >= self.secrets.rotates_at() {
                    self.secrets.rotate(self.now, &[seconds as u8; 32]);
                    self.server.set_secrets(self.secrets.clone());
                }
                self.server.handle_timeout(self.now);
                self.close();
                assert!(self.server.poll_timeout().is_none_or(|at| at > self.now));
            }
        }
        assert_eq!(self.open.len(), self.server.len());
        assert!(self.open.len() <= RELAYS);
    }

    /// What the server answers.
    fn packet(&mut self, client: Client, packet: &[u8]) -> Option<usize> {
        let mut action = self.server.handle_client(self.now, client, packet, &mut self.out);
        while let Action::Open { relay, address } = action {
            assert!(PORTS.contains(&address.port()));
            // one port is somebody else's
            let open = address.port() != 49154;
            assert!(!open || self.open.insert(relay));
            action = self.server.opened(self.now, relay, open, &mut self.out);
        }
        self.close();
        match action {
            Action::Relay { relay, peer, payload } => {
                assert!(self.open.contains(&relay) && payload.end <= packet.len());
                let own = peer.ip() == IpAddr::from([10, 99, 0, 1]) || peer.ip().to_string() == "fd99::1";
                assert!(!own || PORTS.contains(&peer.port()), "{peer}");
                let text = peer.ip().to_string();
                let mesh = text.starts_with("10.") || text.starts_with("fc") || text.starts_with("fd");
                assert!(mesh && !text.starts_with("10.66.") && peer.port() >= 1024, "{peer}");
                None
            }
            Action::Reply(to, length) => {
                assert!(to == client && Message::parse(&self.out[..length]).is_ok());
                Some(length)
            }
            _ => None,
        }
    }

    fn signed(&mut self, client: Client, said: &[u8]) {
        let [kind, rest @ ..] = said else { return };
        let methods = [method::ALLOCATE, method::REFRESH, method::CREATE_PERMISSION, method::CHANNEL_BIND];
        let kind = methods[usize::from(*kind) % methods.len()];
        // who asks without credentials is given a nonce
        let mut buffer = [0; 4096];
        let mut ask = Writer::new(&mut buffer, Class::Request, method::ALLOCATE, &[0; 12]);
        ask.attribute(attribute::REQUESTED_TRANSPORT, &[&[17, 0, 0, 0]]);
        let Some(length) = ask.finish() else { return };
        let Some(length) = self.packet(client, &buffer[..length]) else { return };
        let answer = Message::parse(&self.out[..length]).ok();
        let nonce = answer.and_then(|answer| answer.attribute(stun::attribute::NONCE).map(<[u8]>::to_vec));
        let Some(nonce) = nonce else { return };
        let (user, password) = self.secrets.grant(1, 1);
        let key = long_term_key(user.as_bytes(), REALM.as_bytes(), password.as_bytes());
        let mut buffer = [0; 4096];
        let mut request = Writer::new(&mut buffer, Class::Request, kind, &[kind as u8; 12]);
        let mut rest = rest;
        while let [which, length, more @ ..] = rest {
            let (value, more) = more.split_at(usize::from(*length).min(more.len()));
            request.attribute(KINDS[usize::from(*which) % KINDS.len()], &[value]);
            rest = more;
        }
        request.attribute(stun::attribute::USERNAME, &[user.as_bytes()]);
        request.attribute(stun::attribute::REALM, &[REALM.as_bytes()]);
        request.attribute(stun::attribute::NONCE, &[&nonce]);
        request.integrity(&key);
        let Some(length) = request.finish() else { return };
        if let Some(length) = self.packet(client, &buffer[..length]) {
            let answer = Message::parse(&self.out[..length]).ok();
            let error = answer.and_then(|a| a.attribute(stun::attribute::ERROR_CODE).map(<[u8]>::to_vec));
            assert!(
                !matches!(error.as_deref(), Some([_, _, 4, 1 | 38, ..])),
                "its credentials are as they should be"
            );
        }
    }

    fn peer(&mut self, said: &[u8]) {
        let [relay, high, low, data @ ..] = said else { return };
        let from = SocketAddr::from(([10, 13, 3, 100], u16::from_be_bytes([*high, *low])));
        let mut buffer = vec![0; HEADROOM + data.len() + TAILROOM];
        buffer[HEADROOM..HEADROOM + data.len()].copy_from_slice(data);
        let relay = RelayId(u16::from(*relay % 8));
        let sent = self.server.handle_peer(self.now, relay, from, &mut buffer, data.len());
        if let Some(sent) = sent {
            assert!(self.open.contains(&relay) && sent.bytes.len() >= data.len() + 4);
            assert!(matches!(frame(&buffer[sent.bytes], 1 << 17), Frame::Whole { .. } | Frame::Incomplete));
        }
    }

    fn close(&mut self) {
        while let Some(relay) = self.server.poll_closed() {
            assert!(self.open.remove(&relay), "what is closed was open");
        }
    }
}
