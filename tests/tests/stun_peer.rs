//! Our STUN responder against `stun-rs`, an implementation that is not ours: it writes requests that we read,
//! and reads every answer that we write (RFC 8489). Only the codec: no socket.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, SocketAddr};

use proptest::prelude::*;
use stun_rs::{
    DecoderContextBuilder, HMACKey, MessageClass, MessageDecoderBuilder, MessageEncoderBuilder, StunMessage,
    StunMessageBuilder, TransactionId,
    attributes::{
        ice::Priority,
        stun::{
            ErrorCode, Fingerprint, MessageIntegrity, MessageIntegritySha256, Software, UnknownAttributes,
            UserName, XorMappedAddress,
        },
    },
    methods::BINDING,
};
use truca_core::stun::{Check, Counters, MAX_ANSWER, Message, respond};

/// What a generated request carries.
#[derive(Debug, Clone)]
struct Wish {
    id: [u8; 12],
    user: Option<String>,
    software: Option<String>,
    priority: Option<u32>,
    password: Option<String>,
    fingerprint: bool,
}

prop_compose! {
    fn wish()(
        id in any::<[u8; 12]>(),
        user in proptest::option::of("[a-z:]{1,20}"),
        software in proptest::option::of("[ -~]{1,40}"),
        priority in proptest::option::of(any::<u32>()),
        password in proptest::option::of("[a-zA-Z]{1,20}"),
        fingerprint in any::<bool>(),
    ) -> Wish {
        Wish { id, user, software, priority, password, fingerprint }
    }
}

fn encode(wish: &Wish) -> Vec<u8> {
    let mut message = StunMessageBuilder::new(BINDING, MessageClass::Request)
        .with_transaction_id(TransactionId::from(wish.id));
    if let Some(user) = &wish.user {
        message = message.with_attribute(UserName::new(user).unwrap());
    }
    if let Some(software) = &wish.software {
        message = message.with_attribute(Software::new(software).unwrap());
    }
    if let Some(priority) = wish.priority {
        message = message.with_attribute(Priority::from(priority));
    }
    if let Some(password) = &wish.password {
        let key = HMACKey::new_short_term(password).unwrap();
        message = message
            .with_attribute(MessageIntegrity::new(key.clone()))
            .with_attribute(MessageIntegritySha256::new(key));
    }
    if wish.fingerprint {
        message = message.with_attribute(Fingerprint::default());
    }
    let mut buffer = [0; 512];
    let size = MessageEncoderBuilder::default().build().encode(&mut buffer, &message.build()).unwrap();
    buffer[..size].to_vec()
}

fn decode(bytes: &[u8]) -> StunMessage {
    let context = DecoderContextBuilder::default().with_validation().build();
    let (message, size) =
        MessageDecoderBuilder::default().with_context(context).build().decode(bytes).unwrap();
    assert_eq!(size, bytes.len());
    message
}

proptest! {
    #[test]
    fn stun_rs_understands_every_answer_to_its_requests(
        wish in wish(),
        ip in any::<IpAddr>(),
        port in 1_u16..,
    ) {
        let from = SocketAddr::new(ip, port);
        let request = encode(&wish);

        let read = Message::parse(&request).unwrap();
        prop_assert_eq!(read.transaction(), wish.id);
        prop_assert_eq!(read.fingerprint(), if wish.fingerprint { Check::Good } else { Check::Absent });
        if let Some(password) = &wish.password {
            let password = password.as_bytes();
            let sha1 = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password);
            let sha256 = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, password);
            prop_assert_eq!(read.integrity(&sha1), Check::Good);
            prop_assert_eq!(read.integrity_sha256(&sha256), Check::Good);
        }

        let mut out = [0; MAX_ANSWER];
        let Some(length) = respond(&request, from, &mut out, &mut Counters::default()) else {
            let ip = ip.to_canonical();
            let broadcast = ip == IpAddr::from([255; 4]);
            prop_assert!(ip.is_multicast() || ip.is_unspecified() || broadcast, "{} is answered", ip);
            return Ok(());
        };
        let answer = decode(&out[..length]);
        prop_assert_eq!(answer.transaction_id().as_bytes(), &wish.id);
        prop_assert_eq!(answer.get::<Fingerprint>().is_some(), wish.fingerprint);
        if wish.priority.is_some() {
            prop_assert_eq!(answer.class(), MessageClass::ErrorResponse);
            let error = answer.get::<ErrorCode>().unwrap().as_error_code().unwrap();
            prop_assert_eq!(error.error_code().error_code(), 420);
            let unknown = answer.get::<UnknownAttributes>().unwrap().as_unknown_attributes().unwrap();
            prop_assert_eq!(unknown.attributes(), &[0x0024]);
        } else {
            prop_assert_eq!(answer.class(), MessageClass::SuccessResponse);
            let mapped = answer.get::<XorMappedAddress>().unwrap().as_xor_mapped_address().unwrap();
            prop_assert_eq!(*mapped.socket_address(), SocketAddr::new(ip.to_canonical(), port));
        }
    }
}
