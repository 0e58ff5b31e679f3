//! Every message of our TURN server against `stun-rs`, which is not ours (RFC 8656): it writes what a client sends,
//! whatever stands in it, and reads whatever is answered or relayed, with its own check of MESSAGE-INTEGRITY. Only
//! the codec: no socket.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use proptest::prelude::*;
use stun_rs::attributes::stun::{
    ErrorCode, Fingerprint, MessageIntegrity, Nonce, Realm, UnknownAttributes, UserName, XorMappedAddress,
};
use stun_rs::attributes::turn::{
    ChannelNumber, Data, DontFragment, EvenPort, LifeTime, RequestedAddressFamily, RequestedTrasport,
    XorPeerAddress, XorRelayedAddress,
};
use stun_rs::methods::{ALLOCATE, CHANNEL_BIND, CREATE_PERMMISSION, REFRESH, SEND};
use stun_rs::{
    AddressFamily, Algorithm, AlgorithmId, DecoderContextBuilder, HMACKey, MessageClass,
    MessageDecoderBuilder, MessageEncoderBuilder, MessageMethod, StunMessage, StunMessageBuilder,
    TransactionId, protocols,
};
use truca_core::turn::{
    Action, Client, HEADROOM, Limits, MAX_ANSWER, Policy, REALM, RelayId, Secrets, Server, Settings,
    TAILROOM, Via,
};

const NOW: Duration = Duration::from_secs(1000);

/// What a client asks for.
#[derive(Debug, Clone)]
struct Wish {
    id: [u8; 12],
    fingerprint: bool,
    ipv6: bool,
    even: Option<bool>,
    dont_fragment: bool,
    life: Option<u32>,
    from: (IpAddr, u16),
    /// Within the mesh.
    peer: ([u8; 3], u16),
    channel: u16,
    data: Vec<u8>,
}

prop_compose! {
    fn wish()(
        id in any::<[u8; 12]>(),
        fingerprint in any::<bool>(),
        ipv6 in any::<bool>(),
        even in proptest::option::of(any::<bool>()),
        dont_fragment in prop::bool::weighted(0.1),
        life in proptest::option::of(any::<u32>()),
        from in (any::<[u8; 4]>(), any::<[u16; 8]>(), any::<bool>(), 1_u16..),
        peer in (any::<[u8; 3]>(), 1024_u16..),
        channel in 0x4000_u16..=0x7fff,
        data in proptest::collection::vec(any::<u8>(), 0..1300),
    ) -> Wish {
        let ip = if from.2 { IpAddr::from(from.0) } else { IpAddr::from(from.1) };
        Wish { id, fingerprint, ipv6, even, dont_fragment, life, from: (ip, from.3), peer, channel, data }
    }
}

struct World {
    server: Server,
    client: Client,
    user: String,
    key: HMACKey,
    nonce: Option<String>,
    relay: Option<RelayId>,
    fingerprint: bool,
    id: [u8; 12],
}

impl World {
    fn new(wish: &Wish) -> Self {
        let settings = Settings {
            ipv4: Some([10, 99, 0, 1].into()),
            ipv6: Some([0xfd99, 0, 0, 0, 0, 0, 0, 1].into()),
            ports: 49152..=49407,
            policy: Policy {
                allowed: ["10.0.0.0/8", "fc00::/7"].map(|p| p.parse().unwrap()).to_vec(),
                ..Policy::default()
            },
            limits: Limits { allocations: 8, per_account: 8, rate: 0, account_rate: 0 },
        };
        let secrets = Secrets::new(NOW, &[7; 32]);
        let (user, password) = secrets.grant(7, 0x5f1e);
        let key = HMACKey::new_long_term(&user, REALM, &password, Algorithm::from(AlgorithmId::MD5)).unwrap();
        Self {
            server: Server::new(NOW, settings, secrets, [9; 32]),
            client: Client { via: Via::Udp(0), address: wish.from.into() },
            user,
            key,
            nonce: None,
            relay: None,
            fingerprint: wish.fingerprint,
            id: wish.id,
        }
    }

    /// Writes a message and gives what the server does with it.
    fn say(&mut self, message: StunMessageBuilder) -> (Action, [u8; MAX_ANSWER], Vec<u8>) {
        let message = if self.fingerprint { message.with_attribute(Fingerprint::default()) } else { message };
        let mut bytes = vec![0; 2048];
        let size = MessageEncoderBuilder::default().build().encode(&mut bytes, &message.build()).unwrap();
        bytes.truncate(size);
        let mut out = [0; MAX_ANSWER];
        let mut action = self.server.handle_client(NOW, self.client, &bytes, &mut out);
        if let Action::Open { relay, .. } = action {
            self.relay = Some(relay);
            action = self.server.opened(NOW, relay, true, &mut out);
        }
        (action, out, bytes)
    }

    fn message(&self, method: MessageMethod, class: MessageClass) -> StunMessageBuilder {
        StunMessageBuilder::new(method, class).with_transaction_id(TransactionId::from(self.id))
    }

    /// A request, signed once there is a nonce, and its answer.
    fn ask(
        &mut self,
        method: MessageMethod,
        more: impl FnOnce(StunMessageBuilder) -> StunMessageBuilder,
    ) -> StunMessage {
        let mut message = more(self.message(method, MessageClass::Request));
        if let Some(nonce) = &self.nonce {
            message = message
                .with_attribute(UserName::new(&self.user).unwrap())
                .with_attribute(Realm::new(REALM).unwrap())
                .with_attribute(Nonce::new(nonce).unwrap())
                .with_attribute(MessageIntegrity::new(self.key.clone()));
        }
        let (Action::Reply(client, length), out, _) = self.say(message) else { panic!("no answer") };
        assert_eq!(client, self.client);
        let answer = self.read(&out[..length]);
        assert_eq!((answer.method(), answer.transaction_id().as_bytes()), (method, &self.id));
        assert_eq!(answer.get::<Fingerprint>().is_some(), self.fingerprint);
        assert_eq!(answer.get::<MessageIntegrity>().is_some(), self.nonce.is_some());
        answer
    }

    fn read(&self, bytes: &[u8]) -> StunMessage {
        // it validates whatever integrity and fingerprint there is
        let context = DecoderContextBuilder::default().with_key(self.key.clone()).with_validation().build();
        let decoder = MessageDecoderBuilder::default().with_context(context).build();
        let (message, size) = decoder.decode(bytes).unwrap();
        assert_eq!(size, bytes.len());
        message
    }
}

fn error(answer: &StunMessage) -> Option<u16> {
    let found = answer.get::<ErrorCode>()?;
    assert_eq!(answer.class(), MessageClass::ErrorResponse);
    Some(found.as_error_code().unwrap().error_code().error_code())
}

proptest! {
    #[test]
    fn stun_rs_is_served_as_a_client_and_understands_every_answer(wish in wish()) {
        let mut world = World::new(&wish);
        let allocate = |mut message: StunMessageBuilder| {
            message = message.with_attribute(RequestedTrasport::from(protocols::UDP));
            if wish.ipv6 {
                message = message.with_attribute(RequestedAddressFamily::new(AddressFamily::IPv6));
            }
            if let Some(reserve) = wish.even {
                message = message.with_attribute(EvenPort::new(reserve));
            }
            if wish.dont_fragment {
                message = message.with_attribute(DontFragment::default());
            }
            match wish.life {
                Some(life) => message.with_attribute(LifeTime::from(life)),
                None => message,
            }
        };
        let peer_ip = |ipv6: bool| {
            let [a, b, c] = wish.peer.0;
            let low = u16::from_be_bytes([b, c]);
            if ipv6 { IpAddr::from([0xfd00 | u16::from(a), 0, 0, 0, 0, 0, 1, low]) } else { [10, a, b, c].into() }
        };
        let peer = SocketAddr::new(peer_ip(wish.ipv6), wish.peer.1);

        // who cannot be answered at all is not
        let unanswerable = wish.from.0.to_canonical();
        if unanswerable.is_multicast() || unanswerable.is_unspecified() || unanswerable == IpAddr::from([255; 4]) {
            let message = allocate(world.message(ALLOCATE, MessageClass::Request));
            prop_assert_eq!(world.say(message).0, Action::Silence);
            return Ok(());
        }

        // 401 with what to sign with
        let asked = world.ask(ALLOCATE, allocate);
        prop_assert_eq!(error(&asked), Some(401));
        prop_assert_eq!(asked.get::<Realm>().unwrap().as_realm().unwrap().as_str(), REALM);
        world.nonce = Some(asked.get::<Nonce>().unwrap().as_nonce().unwrap().as_str().to_owned());

        // before there is a relay: 437
        prop_assert_eq!(error(&world.ask(REFRESH, |m| m)), Some(437));

        let allocated = world.ask(ALLOCATE, allocate);
        if wish.dont_fragment {
            prop_assert_eq!(error(&allocated), Some(420));
            let unknown = allocated.get::<UnknownAttributes>().unwrap().as_unknown_attributes().unwrap();
            prop_assert_eq!(unknown.attributes(), &[0x001a]);
            return Ok(());
        }
        if wish.even == Some(true) {
            prop_assert_eq!(error(&allocated), Some(508));
            return Ok(());
        }
        prop_assert_eq!(error(&allocated), None);
        let relayed = *allocated.get::<XorRelayedAddress>().unwrap().as_xor_relayed_address().unwrap().socket_address();
        prop_assert_eq!(relayed.is_ipv6(), wish.ipv6);
        prop_assert!(wish.even.is_none() || relayed.port().is_multiple_of(2));
        let mapped = *allocated.get::<XorMappedAddress>().unwrap().as_xor_mapped_address().unwrap().socket_address();
        prop_assert_eq!(mapped, SocketAddr::new(unanswerable, wish.from.1));
        let life = allocated.get::<LifeTime>().unwrap().as_life_time().unwrap().as_u32();
        prop_assert_eq!(life, wish.life.unwrap_or(600).clamp(600, 3600));

        let refreshed = world.ask(REFRESH, |m| m.with_attribute(LifeTime::from(wish.life.unwrap_or(600).max(1))));
        prop_assert_eq!(refreshed.get::<LifeTime>().unwrap().as_life_time().unwrap().as_u32(), life);

        // peers: one of the mesh, one of the Internet, one of the other family
        let permitted = world.ask(CREATE_PERMMISSION, |m| m.with_attribute(XorPeerAddress::from(peer)));
        prop_assert_eq!((permitted.class(), error(&permitted)), (MessageClass::SuccessResponse, None));
        let outside: IpAddr = if wish.ipv6 { [0x2001, 0xdb8, 0, 0, 0, 0, 0, 1].into() } else { [203, 0, 113, 9].into() };
        for (ip, code) in [(outside, 403), (peer_ip(!wish.ipv6), 443)] {
            let refused = SocketAddr::new(ip, wish.peer.1);
            let answer = world.ask(CREATE_PERMMISSION, |m| m.with_attribute(XorPeerAddress::from(refused)));
            prop_assert_eq!(error(&answer), Some(code));
        }

        // Send, and what comes back as Data
        let send = world.message(SEND, MessageClass::Indication)
            .with_attribute(XorPeerAddress::from(peer))
            .with_attribute(Data::new(&wish.data));
        let relay = world.relay.unwrap();
        let (action, _, packet) = world.say(send);
        let Action::Relay { relay: by, peer: to, payload } = action else { panic!("{action:?}") };
        prop_assert_eq!((by, to, &packet[payload]), (relay, peer, &wish.data[..]));
        let mut buffer = vec![0xee; HEADROOM + wish.data.len() + TAILROOM];
        buffer[HEADROOM..HEADROOM + wish.data.len()].copy_from_slice(&wish.data);
        let told = world.server.handle_peer(NOW, relay, peer, &mut buffer, wish.data.len()).unwrap();
        let told = world.read(&buffer[told.bytes]);
        prop_assert_eq!((told.class(), told.method()), (MessageClass::Indication, stun_rs::methods::DATA));
        prop_assert_eq!(told.get::<Data>().unwrap().as_data().unwrap().as_bytes(), &wish.data[..]);
        let from = *told.get::<XorPeerAddress>().unwrap().as_xor_peer_address().unwrap().socket_address();
        prop_assert_eq!(from, peer);

        // a channel: the number of another peer is not given twice
        let bound = world.ask(CHANNEL_BIND, |m| {
            m.with_attribute(ChannelNumber::new(wish.channel)).with_attribute(XorPeerAddress::from(peer))
        });
        prop_assert_eq!((bound.class(), error(&bound)), (MessageClass::SuccessResponse, None));
        let another = SocketAddr::new(peer.ip(), if peer.port() == 5000 { 5001 } else { 5000 });
        let taken = world.ask(CHANNEL_BIND, |m| {
            m.with_attribute(ChannelNumber::new(wish.channel)).with_attribute(XorPeerAddress::from(another))
        });
        prop_assert_eq!(error(&taken), Some(400));

        // a stale nonce, and the end
        let fresh = world.nonce.replace("AAAAAAAAAAAAAAAA".into());
        let key = std::mem::replace(&mut world.key, HMACKey::new_short_term("guessed").unwrap());
        let (action, out, _) = {
            let message = world.message(REFRESH, MessageClass::Request)
                .with_attribute(UserName::new(&world.user).unwrap())
                .with_attribute(Realm::new(REALM).unwrap())
                .with_attribute(Nonce::new("AAAAAAAAAAAAAAAA").unwrap())
                .with_attribute(MessageIntegrity::new(key.clone()));
            world.say(message)
        };
        world.key = key;
        let Action::Reply(_, length) = action else { panic!("{action:?}") };
        prop_assert_eq!(error(&world.read(&out[..length])), Some(438));
        world.nonce = fresh;
        let ended = world.ask(REFRESH, |m| m.with_attribute(LifeTime::from(0)));
        prop_assert_eq!(ended.get::<LifeTime>().unwrap().as_life_time().unwrap().as_u32(), 0);
        prop_assert_eq!(error(&world.ask(REFRESH, |m| m)), Some(437));
    }
}
