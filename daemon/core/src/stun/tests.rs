//! The vectors of RFC 5769, and what the responder answers to whom.

use core::net::SocketAddr;

use proptest::prelude::*;
use ring::hmac;

use super::*;

const ID: TransactionId = [0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae];

/// RFC 5769 section 2.1.
const REQUEST: &str = "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf";
/// RFC 5769 section 2.2.
const IPV4_RESPONSE: &str = "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96";
/// RFC 5769 section 2.3.
const IPV6_RESPONSE: &str = "010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c";
/// RFC 5769 section 2.4.
const LONG_TERM_REQUEST: &str = "000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666";

/// The password of sections 2.1 to 2.3.
const PASSWORD: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
/// MD5 of `マトリックス:example.org:TheMatrIX`, the key of section 2.4.
const LONG_TERM_KEY: &str = "e8ca7ad59d5eb0518e312911d2dab2a9";

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn sha1_key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret)
}

fn source(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A Binding request with these attributes, written by `more`.
fn request(more: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer, Class::Request, BINDING, &ID);
    more(&mut writer);
    let length = writer.finish().unwrap();
    buffer[..length].to_vec()
}

fn answer(datagram: &[u8], from: &str) -> (Option<Vec<u8>>, Counters) {
    let mut counters = Counters::default();
    let mut out = [0; MAX_ANSWER];
    let length = respond(datagram, source(from), &mut out, &mut counters);
    (length.map(|length| out[..length].to_vec()), counters)
}

#[test]
fn rfc_5769_2_1_a_request_is_read_and_its_integrity_holds() {
    let bytes = hex(REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), message.method()), (Class::Request, BINDING));
    assert_eq!(message.transaction(), ID);
    assert_eq!(message.attribute(attribute::SOFTWARE), Some(&b"STUN test client"[..]));
    assert_eq!(message.attribute(attribute::USERNAME), Some(&b"evtj:h6vY"[..]));
    assert_eq!(message.fingerprint(), Check::Good);
    assert_eq!(message.integrity(&sha1_key(PASSWORD)), Check::Good);
    assert_eq!(message.integrity(&sha1_key(b"another")), Check::Bad);
    assert_eq!(message.integrity_sha256(&hmac::Key::new(hmac::HMAC_SHA256, PASSWORD)), Check::Absent);
}

#[test]
fn rfc_5769_2_2_and_2_3_responses_are_read_in_both_families() {
    for (vector, address) in
        [(IPV4_RESPONSE, "192.0.2.1:32853"), (IPV6_RESPONSE, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
    {
        let bytes = hex(vector);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class(), message.method()), (Class::Success, BINDING));
        let value = message.attribute(attribute::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(read_xor_address(value, &ID), Some(source(address)));
        assert_eq!(message.integrity(&sha1_key(PASSWORD)), Check::Good);
        assert_eq!(message.fingerprint(), Check::Good);
    }
}

#[test]
fn rfc_5769_2_4_a_long_term_request_is_read_and_its_integrity_holds() {
    let bytes = hex(LONG_TERM_REQUEST);
    let message = Message::parse(&bytes).unwrap();
    assert_eq!(message.attribute(attribute::USERNAME), Some("マトリックス".as_bytes()));
    assert_eq!(message.attribute(attribute::NONCE), Some(&b"f//499k954d6OL34oL9FSTvy64sA"[..]));
    assert_eq!(message.attribute(attribute::REALM), Some(&b"example.org"[..]));
    assert_eq!(message.integrity(&sha1_key(&hex(LONG_TERM_KEY))), Check::Good);
    let key = |password| long_term_key("マトリックス".as_bytes(), b"example.org", password);
    assert_eq!(message.integrity(&key(b"TheMatrIX")), Check::Good);
    assert_eq!(message.integrity(&key(b"TheMatrix")), Check::Bad);
    assert_eq!(message.fingerprint(), Check::Absent);
    assert!(answer(&bytes, "192.0.2.1:32853").0.is_some(), "a Binding request needs no credentials");
}

#[test]
fn the_writer_reproduces_the_vectors_of_section_2_2_and_2_4() {
    let bytes = hex(LONG_TERM_REQUEST);
    let id = Message::parse(&bytes).unwrap().transaction();
    let mut buffer = [0; 128];
    let mut writer = Writer::new(&mut buffer, Class::Request, BINDING, &id);
    writer.attribute(attribute::USERNAME, &["マトリックス".as_bytes()]);
    writer.attribute(attribute::NONCE, &[b"f//499k954d6", b"OL34oL9FSTvy64sA"]);
    writer.attribute(attribute::REALM, &[b"example.org"]);
    writer.integrity(&sha1_key(&hex(LONG_TERM_KEY)));
    let length = writer.finish().unwrap();
    assert_eq!(&buffer[..length], &bytes[..]);

    // Section 2.2 pads with a space, we with zeros: the addresses must be equal, not the sums
    let mut writer = Writer::new(&mut buffer, Class::Success, BINDING, &ID);
    writer.xor_address(attribute::XOR_MAPPED_ADDRESS, source("192.0.2.1:32853"));
    let length = writer.finish().unwrap();
    assert_eq!(&buffer[20..length], &hex(IPV4_RESPONSE)[36..48]);
}

#[test]
fn both_integrities_and_the_fingerprint_hold_after_writing_and_break_with_any_bit() {
    let sha256 = hmac::Key::new(hmac::HMAC_SHA256, PASSWORD);
    let good = request(|w| {
        w.attribute(attribute::USERNAME, &[b"nuria"]);
        w.integrity(&sha1_key(PASSWORD));
        w.integrity_sha256(&sha256);
        w.fingerprint();
    });
    let message = Message::parse(&good).unwrap();
    assert_eq!(message.integrity(&sha1_key(PASSWORD)), Check::Good);
    assert_eq!(message.integrity_sha256(&sha256), Check::Good);
    assert_eq!(message.fingerprint(), Check::Good);
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        if let Ok(message) = Message::parse(&bad) {
            assert_ne!(message.fingerprint(), Check::Good, "bit {bit}");
        }
    }
}

#[test]
fn a_truncated_sha256_integrity_is_checked_as_far_as_it_goes() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, PASSWORD);
    let mut bytes = request(|w| w.attribute(attribute::MESSAGE_INTEGRITY_SHA256, &[&[0; 16]]));
    let tag = hmac::sign(&key, &bytes[..20]);
    bytes[24..].copy_from_slice(&tag.as_ref()[..16]);
    assert_eq!(Message::parse(&bytes).unwrap().integrity_sha256(&key), Check::Good);
    bytes[39] ^= 1;
    assert_eq!(Message::parse(&bytes).unwrap().integrity_sha256(&key), Check::Bad);
}

#[test]
fn attributes_behind_the_integrity_do_not_count() {
    let bytes = request(|w| {
        w.integrity(&sha1_key(PASSWORD));
        w.attribute(0x0024, &[&[0; 4]]);
        w.attribute(attribute::USERNAME, &[b"mallory"]);
        w.fingerprint();
    });
    let message = Message::parse(&bytes).unwrap();
    let kinds: Vec<u16> = message.attributes().map(|a| a.kind).collect();
    assert_eq!(kinds, [attribute::MESSAGE_INTEGRITY, attribute::FINGERPRINT]);
    let (_, counters) = answer(&bytes, "192.0.2.1:1000");
    assert_eq!((counters.answered, counters.errors_420), (1, 0));
}

#[test]
fn crc_32_is_the_usual_one() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn a_client_learns_its_address_in_both_families() {
    for (from, seen) in [
        ("192.0.2.1:32853", "192.0.2.1:32853"),
        ("[2001:db8::7]:4000", "[2001:db8::7]:4000"),
        ("[::ffff:10.13.1.100]:5000", "10.13.1.100:5000"),
        ("[fe80::1%3]:5000", "[fe80::1]:5000"),
    ] {
        let (bytes, counters) = answer(&request(|_| ()), from);
        let bytes = bytes.unwrap();
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.class(), message.transaction()), (Class::Success, ID));
        let value = message.attribute(attribute::XOR_MAPPED_ADDRESS).unwrap();
        assert_eq!(read_xor_address(value, &ID), Some(source(seen)));
        assert_eq!(message.attributes().count(), 1, "no SOFTWARE, no FINGERPRINT that nobody asked for");
        assert_eq!((counters.requests, counters.answered), (1, 1));
    }
}

#[test]
fn a_fingerprint_is_answered_with_one_and_a_wrong_one_with_silence() {
    let mut bytes = request(|w| w.fingerprint());
    let (good, _) = answer(&bytes, "192.0.2.1:1000");
    assert_eq!(Message::parse(&good.unwrap()).unwrap().fingerprint(), Check::Good);
    bytes[27] ^= 1;
    let (bad, counters) = answer(&bytes, "192.0.2.1:1000");
    assert_eq!((bad, counters.bad_fingerprint, counters.requests), (None, 1, 0));
}

#[test]
fn unknown_required_attributes_are_named_once_each_and_at_most_16_of_them() {
    let bytes = request(|w| {
        w.attribute(0x0024, &[&[0; 4]]);
        w.attribute(0x8999, &[b"optional"]);
        w.attribute(0x0024, &[&[1; 4]]);
        w.attribute(0x0003, &[&[0; 4]]);
        w.fingerprint();
    });
    let (bytes, counters) = answer(&bytes, "192.0.2.1:1000");
    let bytes = bytes.unwrap();
    let message = Message::parse(&bytes).unwrap();
    assert_eq!((message.class(), counters.errors_420, counters.answered), (Class::Error, 1, 0));
    assert_eq!(message.attribute(attribute::ERROR_CODE), Some(&b"\0\0\x04\x14Unknown Attribute"[..]));
    assert_eq!(message.attribute(attribute::UNKNOWN_ATTRIBUTES), Some(&[0, 0x24, 0, 3][..]));
    assert_eq!(message.fingerprint(), Check::Good);

    let many = request(|w| {
        for kind in 0x4000..0x4040 {
            w.attribute(kind, &[]);
        }
        w.fingerprint();
    });
    let (bytes, _) = answer(&many, "192.0.2.1:1000");
    assert_eq!(bytes.unwrap().len(), 20 + 28 + 4 + 2 * MAX_UNKNOWN + 8);
}

/// The answer of a node with two addresses and two ports, and from where it goes.
fn discover(bytes: &[u8], from: &str) -> Option<(Vec<u8>, SocketAddr)> {
    let v4 = source(from).is_ipv4();
    let [origin, other] =
        if v4 { ["10.99.0.1:3478", "10.99.101.1:3479"] } else { ["[fd99::1]:3478", "[fd99:101::1]:3479"] };
    let discovery = Discovery { origin: source(origin), other: source(other) };
    let mut out = [0; MAX_ANSWER];
    let (length, change) =
        respond_from(bytes, source(from), Some(&discovery), &mut out, &mut Counters::default())?;
    Some((out[..length].to_vec(), discovery.from(change)))
}

/// The value of an attribute with an address that is not masked.
fn plain_address(bytes: &[u8], kind: u16) -> Option<SocketAddr> {
    let mut masked = Message::parse(bytes).unwrap().attribute(kind)?.to_vec();
    let mask = [&[0x21, 0x12][..], &[0x21, 0x12, 0xa4, 0x42], &ID].concat();
    masked[2..].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    read_xor_address(&masked, &ID)
}

#[test]
fn with_two_addresses_an_answer_comes_from_where_it_was_asked_to_and_tells_both() {
    for (flags, from) in
        [(0, "10.99.0.1:3478"), (2, "10.99.0.1:3479"), (4, "10.99.101.1:3478"), (6, "10.99.101.1:3479")]
    {
        let asked = request(|w| w.attribute(attribute::CHANGE_REQUEST, &[&[0, 0, 0, flags]]));
        let (bytes, sent_from) = discover(&asked, "192.0.2.1:1000").unwrap();
        assert_eq!(sent_from, source(from));
        assert_eq!(plain_address(&bytes, attribute::RESPONSE_ORIGIN), Some(source(from)));
        assert_eq!(plain_address(&bytes, attribute::OTHER_ADDRESS), Some(source("10.99.101.1:3479")));
    }
    let (bytes, sent_from) = discover(&request(|_| ()), "192.0.2.1:1000").unwrap();
    assert_eq!(sent_from, source("10.99.0.1:3478"));
    assert_eq!(plain_address(&bytes, attribute::OTHER_ADDRESS), Some(source("10.99.101.1:3479")));
}

#[test]
fn a_wish_that_cannot_be_met_or_read_is_refused_and_a_short_question_gets_a_short_answer() {
    let wish = request(|w| w.attribute(attribute::CHANGE_REQUEST, &[&[0, 0, 0, 6]]));
    let refused = |bytes: &[u8]| {
        let message = Message::parse(bytes).unwrap();
        assert_eq!(message.attribute(attribute::UNKNOWN_ATTRIBUTES), Some(&[0, 3][..]));
    };
    refused(&answer(&wish, "192.0.2.1:1000").0.unwrap());
    refused(
        &discover(&request(|w| w.attribute(attribute::CHANGE_REQUEST, &[&[6; 8]])), "192.0.2.1:1").unwrap().0,
    );
    // IPv6: 20 bytes would be answered with 92, which with headers is more than twice
    let (bytes, _) = discover(&request(|_| ()), "[2001:db8::7]:4000").unwrap();
    assert_eq!((bytes.len(), plain_address(&bytes, attribute::OTHER_ADDRESS)), (44, None));
    let longer = request(|w| w.fingerprint());
    let (bytes, _) = discover(&longer, "[2001:db8::7]:4000").unwrap();
    assert_eq!(plain_address(&bytes, attribute::OTHER_ADDRESS), Some(source("[fd99:101::1]:3479")));
}

#[test]
fn whatever_is_not_a_binding_request_meets_silence() {
    let good = request(|w| w.attribute(attribute::USERNAME, &[b"abc"]));
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let longer = [&good[..], &[0; 4]].concat();
    for (bytes, malformed, ignored) in [
        (with(1, 0x11), 0, 1), // indication
        (with(0, 1), 0, 1),    // success
        (with(1, 3), 0, 1),    // Allocate
        (with(0, 0x40), 1, 0), // ChannelData
        (with(4, 0), 1, 0),    // RFC 3489
        (with(3, 4), 1, 0),
        (with(3, 255), 1, 0),
        (with(23, 9), 1, 0), // the attribute crosses the end
        (longer, 1, 0),
        (good[..19].to_vec(), 1, 0),
        (Vec::new(), 1, 0),
        (request(|w| w.attribute(attribute::MESSAGE_INTEGRITY, &[&[0; 16]])), 1, 0),
        (request(|w| w.attribute(attribute::FINGERPRINT, &[&[0; 8]])), 1, 0),
    ] {
        let (silence, counters) = answer(&bytes, "192.0.2.1:1000");
        assert_eq!(silence, None, "{bytes:02x?}");
        assert_eq!((counters.malformed, counters.ignored), (malformed, ignored), "{bytes:02x?}");
    }
}

#[test]
fn sources_that_cannot_be_answered_meet_silence() {
    for from in [
        "192.0.2.1:0",
        "0.0.0.0:9",
        "[::]:9",
        "255.255.255.255:9",
        "224.0.0.251:5353",
        "[ff02::fb]:5353",
        "[::ffff:224.0.0.1]:9",
    ] {
        let (silence, counters) = answer(&request(|_| ()), from);
        assert_eq!((silence, counters.bad_source), (None, 1), "{from}");
    }
}

#[test]
fn a_buffer_that_is_too_small_gives_no_message() {
    let mut counters = Counters::default();
    for size in 0..32 {
        let length = respond(&request(|_| ()), source("192.0.2.1:1"), &mut [0; 64][..size], &mut counters);
        assert_eq!(length, None);
    }
    assert_eq!(counters.answered, 0);
}

fn any_source() -> impl Strategy<Value = SocketAddr> {
    (any::<core::net::IpAddr>(), any::<u16>()).prop_map(SocketAddr::from)
}

/// Bytes that are often nearly STUN: a request with a few bytes overwritten, or anything at all.
fn nearly_stun() -> impl Strategy<Value = Vec<u8>> {
    let attributes =
        proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..24)), 0..8);
    let damage = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..3);
    let damaged = (attributes, damage, any::<bool>()).prop_map(|(attributes, damage, sealed)| {
        let mut bytes = request(|w| {
            for (kind, value) in &attributes {
                w.attribute(*kind, &[value]);
            }
            if sealed {
                w.fingerprint();
            }
        });
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    });
    prop_oneof![damaged, proptest::collection::vec(any::<u8>(), 0..96)]
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_and_answers_are_small_and_well_formed(bytes in nearly_stun(), from in any_source()) {
        let mut counters = Counters::default();
        let mut out = [0; MAX_ANSWER];
        if let Some(length) = respond(&bytes, from, &mut out, &mut counters) {
            prop_assert!(length <= MAX_ANSWER && length * 10 <= bytes.len() * 24);
            let message = Message::parse(&out[..length]).unwrap();
            prop_assert_eq!(&message.transaction()[..], &bytes[8..20]);
            prop_assert_ne!(message.fingerprint(), Check::Bad);
            prop_assert_eq!(counters.answered + counters.errors_420, 1);
        }
        if let Some((answer, _)) = discover(&bytes, if from.is_ipv4() { "192.0.2.1:9" } else { "[2001:db8::7]:9" }) {
            let headers = if from.is_ipv4() { 28 } else { 48 };
            prop_assert!(answer.len() + headers <= AMPLIFICATION * (bytes.len() + headers));
        }
        let key = sha1_key(PASSWORD);
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert_ne!(message.integrity(&key), Check::Good);
            prop_assert_ne!(message.integrity_sha256(&key), Check::Good);
        }
    }

    #[test]
    fn an_address_survives_its_mask(from in any_source(), id in any::<TransactionId>()) {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer, Class::Success, BINDING, &id);
        writer.xor_address(attribute::XOR_MAPPED_ADDRESS, from);
        let length = writer.finish().unwrap();
        let message = Message::parse(&buffer[..length]).unwrap();
        let value = message.attribute(attribute::XOR_MAPPED_ADDRESS).unwrap();
        prop_assert_eq!(read_xor_address(value, &id), Some(from));
    }
}

/// The last bound of an answer refuses none of them: whoever makes answers longer sees it here.
#[test]
fn no_question_is_too_small_for_its_answer() {
    let mut counters = Counters::default();
    for source in ["10.13.1.100:50000", "[fd00::1]:50000"].map(|source| source.parse().unwrap()) {
        for (unknown, fingerprint) in (0..=40_u16).flat_map(|unknown| [(unknown, false), (unknown, true)]) {
            let mut buffer = [0; 256];
            let mut question = Writer::new(&mut buffer, Class::Request, BINDING, &[7; 12]);
            (0..unknown).for_each(|kind| question.attribute(0x0100 + kind, &[]));
            if fingerprint {
                question.fingerprint();
            }
            let length = question.finish().unwrap();
            let answer = respond(&buffer[..length], source, &mut [0; MAX_ANSWER], &mut counters);
            assert!(
                !amplifies(length, answer.expect("an answer"), source),
                "{unknown} {fingerprint} {source}"
            );
        }
    }
    assert_eq!((counters.amplifying, counters.answered, counters.errors_420), (0, 4, 160));
}
