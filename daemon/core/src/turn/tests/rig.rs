//! A server with a driver that opens every socket, and clients that speak to it.

use core::net::SocketAddr;
use core::time::Duration;
use std::collections::BTreeSet;

use ring::hmac;

use crate::Time;
use crate::stun::{self, Check, Class, Message, TransactionId, Writer, long_term_key, read_xor_address};
use crate::turn::{
    Action, Client, HEADROOM, Limits, MAX_ANSWER, Policy, RelayId, Secrets, Server, Settings, TAILROOM, Via,
    attribute, method,
};

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn settings() -> Settings {
    Settings {
        ipv4: Some("10.99.0.1".parse().unwrap()),
        ipv6: Some("fd99::1".parse().unwrap()),
        ports: 49152..=49407,
        policy: Policy {
            allowed: ["10.0.0.0/8", "192.168.0.0/16", "fc00::/7"].map(|p| p.parse().unwrap()).to_vec(),
            refused: vec!["10.66.0.0/16".parse().unwrap()],
            own: ["10.99.0.1", "10.99.101.1", "192.168.1.1", "fd99::1"].map(|p| p.parse().unwrap()).to_vec(),
        },
        limits: Limits { allocations: 128, per_account: 16, rate: 0, account_rate: 0 },
    }
}

/// The server, its driver and the time.
pub(super) struct Rig {
    pub(super) now: Time,
    pub(super) server: Server,
    pub(super) secrets: Secrets,
    pub(super) open: BTreeSet<RelayId>,
    /// Addresses that somebody else has.
    pub(super) taken: BTreeSet<SocketAddr>,
    /// What the server sent back last.
    pub(super) out: [u8; MAX_ANSWER],
}

impl Rig {
    pub(super) fn new(settings: Settings) -> Self {
        let now = Duration::from_secs(1000);
        let secrets = Secrets::new(now, &[7; 32]);
        let server = Server::new(now, settings, secrets.clone(), [9; 32]);
        Self { now, server, secrets, open: BTreeSet::new(), taken: BTreeSet::new(), out: [0; MAX_ANSWER] }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.server.handle_timeout(self.now);
        self.close();
    }

    /// Does what a driver does with a packet; what is left is to be sent.
    pub(super) fn handle(&mut self, client: Client, packet: &[u8]) -> Action {
        let mut action = self.server.handle_client(self.now, client, packet, &mut self.out);
        while let Action::Open { relay, address } = action {
            let open = !self.taken.contains(&address);
            if open {
                assert!(self.open.insert(relay), "a relay is opened once");
            }
            action = self.server.opened(self.now, relay, open, &mut self.out);
        }
        self.close();
        action
    }

    fn close(&mut self) {
        while let Some(relay) = self.server.poll_closed() {
            assert!(self.open.remove(&relay), "what is closed was open");
        }
        assert_eq!(self.open.len(), self.server.len());
    }

    /// The answer to a packet, if there is one.
    pub(super) fn ask(&mut self, client: Client, packet: &[u8]) -> Option<Answer> {
        match self.handle(client, packet) {
            Action::Reply(to, length) => {
                assert_eq!(to, client);
                Some(Answer(self.out[..length].to_vec()))
            }
            Action::Silence => None,
            other => panic!("{other:?}"),
        }
    }

    /// What a peer's datagram becomes for the client.
    pub(super) fn peer_sends(
        &mut self,
        relay: RelayId,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Option<(Client, Vec<u8>)> {
        let mut buffer = vec![0xee; HEADROOM + payload.len() + TAILROOM];
        buffer[HEADROOM..HEADROOM + payload.len()].copy_from_slice(payload);
        let told = self.server.handle_peer(self.now, relay, peer, &mut buffer, payload.len())?;
        Some((told.client, buffer[told.bytes].to_vec()))
    }

    /// A client who has a relay already.
    pub(super) fn relayed(
        &mut self,
        from: &str,
        session: u32,
        account: u64,
    ) -> (Talker, RelayId, SocketAddr) {
        let mut talker = Talker::new(self, from, session, account);
        let answer = talker.request(self, method::ALLOCATE, transport).unwrap();
        assert_eq!(answer.error(), None);
        let relayed = answer.address(attribute::XOR_RELAYED_ADDRESS).unwrap();
        let relay = *self.server.clients.get(&talker.client).unwrap();
        (talker, relay, relayed)
    }
}

pub(super) fn transport(w: &mut Writer<'_>) {
    w.attribute(attribute::REQUESTED_TRANSPORT, &[&[17, 0, 0, 0]]);
}

/// What the server answered.
#[derive(Debug)]
pub(super) struct Answer(pub(super) Vec<u8>);

impl Answer {
    pub(super) fn message(&self) -> Message<'_> {
        Message::parse(&self.0).unwrap()
    }

    pub(super) fn error(&self) -> Option<u16> {
        let value = self.message().attribute(stun::attribute::ERROR_CODE)?;
        assert_eq!(self.message().class(), Class::Error);
        Some(u16::from(value[2]) * 100 + u16::from(value[3]))
    }

    pub(super) fn address(&self, kind: u16) -> Option<SocketAddr> {
        read_xor_address(self.message().attribute(kind)?, &self.message().transaction())
    }

    pub(super) fn number(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(self.message().attribute(kind)?.try_into().unwrap()))
    }
}

/// A client with credentials: learns the nonce as browsers do.
pub(super) struct Talker {
    pub(super) client: Client,
    pub(super) user: String,
    pub(super) password: String,
    pub(super) realm: String,
    pub(super) nonce: Vec<u8>,
    count: u32,
}

impl Talker {
    /// `from` begins with `tcp ` for a client over TCP.
    pub(super) fn new(rig: &mut Rig, from: &str, session: u32, account: u64) -> Self {
        let (via, from) = match from.strip_prefix("tcp ") {
            Some(from) => (Via::Tcp(5), from),
            None => (Via::Udp(0), from),
        };
        let client = Client { via, address: address(from) };
        let (user, password) = rig.secrets.grant(session, account);
        let mut talker = Self { client, user, password, realm: "mesh".into(), nonce: Vec::new(), count: 0 };
        let bare = talker.write(method::ALLOCATE, transport, None);
        let answer = rig.ask(client, &bare).unwrap();
        assert_eq!(answer.error(), Some(401));
        assert_eq!(answer.message().attribute(stun::attribute::REALM), Some(&b"mesh"[..]));
        assert!(answer.0.len() <= 2 * bare.len(), "{} for {}", answer.0.len(), bare.len());
        talker.learn(&answer);
        talker
    }

    pub(super) fn learn(&mut self, answer: &Answer) {
        self.nonce = answer.message().attribute(stun::attribute::NONCE).unwrap().to_vec();
    }

    pub(super) fn key(&self) -> hmac::Key {
        long_term_key(self.user.as_bytes(), self.realm.as_bytes(), self.password.as_bytes())
    }

    fn next_id(&mut self) -> TransactionId {
        self.count += 1;
        let mut id = [0x55; 12];
        id[..4].copy_from_slice(&self.count.to_be_bytes());
        id
    }

    /// A request without credentials, or with those of a key.
    pub(super) fn write(
        &mut self,
        method: u16,
        more: impl FnOnce(&mut Writer<'_>),
        key: Option<&hmac::Key>,
    ) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let id = self.next_id();
        let mut writer = Writer::new(&mut buffer, Class::Request, method, &id);
        more(&mut writer);
        if let Some(key) = key {
            writer.attribute(stun::attribute::USERNAME, &[self.user.as_bytes()]);
            writer.attribute(stun::attribute::REALM, &[self.realm.as_bytes()]);
            writer.attribute(stun::attribute::NONCE, &[&self.nonce]);
            writer.integrity(key);
        }
        let length = writer.finish().unwrap();
        buffer[..length].to_vec()
    }

    pub(super) fn signed(&mut self, method: u16, more: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let key = self.key();
        self.write(method, more, Some(&key))
    }

    /// Asks, and checks that a success or an error to an authenticated client carries a good integrity.
    pub(super) fn request(
        &mut self,
        rig: &mut Rig,
        method: u16,
        more: impl FnOnce(&mut Writer<'_>),
    ) -> Option<Answer> {
        let packet = self.signed(method, more);
        let answer = rig.ask(self.client, &packet)?;
        assert_eq!(answer.message().transaction()[..], packet[8..20]);
        assert_eq!(answer.message().method(), method);
        if !matches!(answer.error(), Some(401 | 438 | 400)) {
            assert_eq!(answer.message().integrity(&self.key()), Check::Good);
        }
        Some(answer)
    }

    pub(super) fn error(
        &mut self,
        rig: &mut Rig,
        method: u16,
        more: impl FnOnce(&mut Writer<'_>),
    ) -> Option<u16> {
        self.request(rig, method, more).unwrap().error()
    }

    pub(super) fn permit(&mut self, rig: &mut Rig, peers: &[&str]) -> Option<u16> {
        self.error(rig, method::CREATE_PERMISSION, |w| {
            for peer in peers {
                w.xor_address(attribute::XOR_PEER_ADDRESS, address(peer));
            }
        })
    }

    pub(super) fn bind(&mut self, rig: &mut Rig, number: u16, peer: &str) -> Option<u16> {
        self.error(rig, method::CHANNEL_BIND, |w| {
            w.attribute(attribute::CHANNEL_NUMBER, &[&number.to_be_bytes(), &[0, 0]]);
            w.xor_address(attribute::XOR_PEER_ADDRESS, address(peer));
        })
    }

    pub(super) fn refresh(&mut self, rig: &mut Rig, seconds: u32) -> Answer {
        self.request(rig, method::REFRESH, |w| w.attribute(attribute::LIFETIME, &[&seconds.to_be_bytes()]))
            .unwrap()
    }

    /// A Send indication.
    pub(super) fn indication(&mut self, peer: &str, payload: &[u8]) -> Vec<u8> {
        let mut buffer = vec![0; 2048 + payload.len()];
        let id = self.next_id();
        let mut writer = Writer::new(&mut buffer, Class::Indication, method::SEND, &id);
        writer.xor_address(attribute::XOR_PEER_ADDRESS, address(peer));
        writer.attribute(attribute::DATA, &[payload]);
        let length = writer.finish().unwrap();
        buffer[..length].to_vec()
    }
}

pub(super) fn channel_data(number: u16, payload: &[u8]) -> Vec<u8> {
    [&number.to_be_bytes()[..], &(payload.len() as u16).to_be_bytes(), payload].concat()
}
