//! Answers STUN Binding requests (RFC 8489 section 6.3.1): says from where a datagram came.
//!
//! A pure function of a datagram and its source; the driver owns the sockets. It keeps no state, asks for no
//! credentials, and is silent at whatever is not a well-formed Binding request: an answer that nobody asked
//! for only serves those who send with a forged source. No answer is larger than [`AMPLIFICATION`] times its
//! question, both with the headers of IP and UDP, which the victim's line carries too: the worst is IPv6 with
//! 44 bytes for 20 (92 for 68 on the line). That holds for an answer from another address too (RFC 5780). How often one source is answered is bounded by [`super::Rate`].

use core::net::{IpAddr, SocketAddr};

use super::{BINDING, Check, Class, HEADER, MAX_UNKNOWN, Message, Writer, attribute};

/// The largest answer: header, three IPv6 addresses, FINGERPRINT; more than ERROR-CODE with its reason,
/// UNKNOWN-ATTRIBUTES, FINGERPRINT.
pub const MAX_ANSWER: usize = 20 + 3 * 24 + 8;
const _: () = assert!(MAX_ANSWER >= 20 + 28 + (4 + 2 * MAX_UNKNOWN) + 8);

/// How many times its question an answer may be, both as they are on the line.
pub const AMPLIFICATION: usize = 2;

/// What a responder has seen. They wrap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Well-formed Binding requests.
    pub requests: u32,
    /// Success answers.
    pub answered: u32,
    /// Answers "unknown attribute".
    pub errors_420: u32,
    /// Datagrams that are not STUN.
    pub malformed: u32,
    /// Requests whose FINGERPRINT is wrong.
    pub bad_fingerprint: u32,
    /// STUN that is not a Binding request: indications, answers, other methods.
    pub ignored: u32,
    /// Datagrams from a source that cannot be answered: port 0, multicast, broadcast, unspecified, ourselves.
    pub bad_source: u32,
    /// Questions that were too small for their answer.
    pub amplifying: u32,
    /// Questions over the rate of their source (counted by the driver).
    pub too_fast: u32,
    /// Answers that the socket did not take (counted by the driver).
    pub unsent: u32,
    /// Bytes of all datagrams that came, and of the answers sent (counted by the driver).
    pub in_bytes: u64,
    /// See `in_bytes`.
    pub out_bytes: u64,
}

impl Counters {
    /// Names and values, for whoever shows them.
    pub fn each(&self) -> [(&'static str, u32); 10] {
        [
            ("requests", self.requests),
            ("answered", self.answered),
            ("errors_420", self.errors_420),
            ("malformed", self.malformed),
            ("bad_fingerprint", self.bad_fingerprint),
            ("ignored", self.ignored),
            ("bad_source", self.bad_source),
            ("amplifying", self.amplifying),
            ("too_fast", self.too_fast),
            ("unsent", self.unsent),
        ]
    }
}

/// What a node with two addresses and two ports tells those who want to know their NAT (RFC 5780 section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discovery {
    /// Where the question came to.
    pub origin: SocketAddr,
    /// The other address, with the other port.
    pub other: SocketAddr,
}

/// From where an answer goes, if not from where the question came to (CHANGE-REQUEST).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Change {
    /// From the other address.
    pub ip: bool,
    /// From the other port.
    pub port: bool,
}

impl Discovery {
    /// The address that an answer is sent from.
    pub fn from(&self, change: Change) -> SocketAddr {
        let ip = if change.ip { self.other.ip() } else { self.origin.ip() };
        SocketAddr::new(ip, if change.port { self.other.port() } else { self.origin.port() })
    }

    /// A question's wish, when it has one that can be read.
    fn change(request: &Message<'_>) -> Option<Change> {
        match request.attribute(attribute::CHANGE_REQUEST) {
            None => Some(Change::default()),
            Some([_, _, _, flags]) => Some(Change { ip: flags & 4 != 0, port: flags & 2 != 0 }),
            Some(_) => None,
        }
    }
}

/// Writes the answer to a datagram into `out` (of [`MAX_ANSWER`] bytes or more) and gives its length;
/// `None` is silence.
pub fn respond(
    datagram: &[u8],
    source: SocketAddr,
    out: &mut [u8],
    counters: &mut Counters,
) -> Option<usize> {
    respond_from(datagram, source, None, out, counters).map(|(length, _)| length)
}

/// The same where RFC 5780 is offered, with the address that the answer is to be sent from.
pub fn respond_from(
    datagram: &[u8],
    source: SocketAddr,
    discovery: Option<&Discovery>,
    out: &mut [u8],
    counters: &mut Counters,
) -> Option<(usize, Change)> {
    // An IPv4 client of a dual-stack socket wants to know its IPv4 address
    let source = SocketAddr::new(source.ip().to_canonical(), source.port());
    if !can_be_answered(source) {
        count(&mut counters.bad_source);
        return None;
    }
    let Ok(request) = Message::parse(datagram) else {
        count(&mut counters.malformed);
        return None;
    };
    if request.class() != Class::Request || request.method() != BINDING {
        count(&mut counters.ignored);
        return None;
    }
    let fingerprint = request.fingerprint();
    if fingerprint == Check::Bad {
        count(&mut counters.bad_fingerprint);
        return None;
    }
    count(&mut counters.requests);

    let change = discovery.and_then(|_| Discovery::change(&request));
    let mut unknown = [0; 2 * MAX_UNKNOWN];
    let known = |kind| is_known(kind) || kind == attribute::CHANGE_REQUEST && change.is_some();
    let unknown = request.unknown(known, &mut unknown);
    let class = if unknown.is_empty() { Class::Success } else { Class::Error };
    let mut answer = Writer::new(out, class, BINDING, &request.transaction());
    if unknown.is_empty() {
        answer.xor_address(attribute::XOR_MAPPED_ADDRESS, source);
        if let (Some(discovery), Some(change)) = (discovery, change) {
            let one = if source.is_ipv4() { 12 } else { 24 };
            let length = HEADER + 3 * one + if fingerprint == Check::Good { 8 } else { 0 };
            // a question that is too short for it is answered as elsewhere
            if !amplifies(datagram.len(), length, source) {
                answer.address(attribute::RESPONSE_ORIGIN, discovery.from(change));
                answer.address(attribute::OTHER_ADDRESS, discovery.other);
            }
        }
    } else {
        answer.error(420, "Unknown Attribute");
        answer.attribute(attribute::UNKNOWN_ATTRIBUTES, &[unknown]);
    }
    if fingerprint == Check::Good {
        answer.fingerprint();
    }
    let length = answer.finish()?;
    if amplifies(datagram.len(), length, source) {
        count(&mut counters.amplifying);
        return None;
    }
    count(if unknown.is_empty() { &mut counters.answered } else { &mut counters.errors_420 });
    Some((length, change.unwrap_or_default()))
}

/// Whether an answer is too large for its question: a forged source must not multiply what is sent to it.
pub fn amplifies(question: usize, answer: usize, source: SocketAddr) -> bool {
    // IP without options, and UDP
    let headers = if source.is_ipv4() { 20 + 8 } else { 40 + 8 };
    answer + headers > AMPLIFICATION * (question + headers)
}

/// Whether there can be somebody at this address to answer.
pub fn can_be_answered(source: SocketAddr) -> bool {
    let ip = source.ip();
    let broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    source.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// Everything comprehension-required in RFC 8489: known here, even where a Binding request has no use for it.
fn is_known(kind: u16) -> bool {
    matches!(
        kind,
        attribute::MAPPED_ADDRESS
            | attribute::USERNAME
            | attribute::MESSAGE_INTEGRITY
            | attribute::ERROR_CODE
            | attribute::UNKNOWN_ATTRIBUTES
            | attribute::REALM
            | attribute::NONCE
            | attribute::MESSAGE_INTEGRITY_SHA256
            | attribute::PASSWORD_ALGORITHM
            | attribute::USERHASH
            | attribute::XOR_MAPPED_ADDRESS
    )
}

fn count(counter: &mut u32) {
    *counter = counter.wrapping_add(1);
}
