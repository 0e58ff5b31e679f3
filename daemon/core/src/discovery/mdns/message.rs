//! Messages of mDNS (RFC 6762 section 18) about one service: reading what others say, writing what we say.

use std::net::IpAddr;

use super::super::dns::{self, HEADER, IN, SRV, record, short};
use crate::id::NodeId;

/// The service, as names are read.
pub(super) const SERVICE: &str = "_truca._tcp.local";
/// All services of a link (RFC 6763 section 9).
pub(super) const SERVICES: &str = "_services._dns-sd._udp.local";

pub(super) const A: u16 = 1;
pub(super) const PTR: u16 = 12;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const ANY: u16 = 255;

/// A response, authoritative (RFC 6762 sections 18.2 and 18.4).
const RESPONSE: u16 = 0x8400;
/// More known answers follow (RFC 6762 section 18.5).
const TRUNCATED: u16 = 0x0200;
/// In a question: the answer may come by unicast (RFC 6762 section 5.4). In a record: it replaces all others of
/// its name and type (section 10.2).
const TOP: u16 = 0x8000;
/// Seconds that a record about a host is good for (RFC 6762 section 10).
const HOST_TTL: u32 = 120;
/// Seconds that every other record is.
pub(super) const TTL: u32 = 4_500;
/// Most records of one message that are looked at.
const MAX_RECORDS: usize = 256;

/// What a message says, of what concerns us.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) id: u16,
    pub(super) response: bool,
    pub(super) truncated: bool,
    pub(super) questions: Vec<Question>,
    pub(super) said: Vec<Said>,
}

/// A question.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) unicast: bool,
}

/// A record of the message: an instance, what is known of it, or a host's address.
#[derive(Debug)]
pub(super) enum Said {
    /// There is this instance, for so many seconds; none: it goes.
    Instance { name: String, ttl: u32 },
    /// It is at this host and port.
    At { name: String, host: String, port: u16 },
    /// It is this node.
    Is { name: String, id: Option<NodeId> },
    /// The host has this address.
    Address { host: String, ip: IpAddr },
}

/// A name without its case (RFC 6762 section 16).
fn name(message: &[u8], at: &mut usize) -> Option<String> {
    dns::name(message, at).map(|name| name.to_ascii_lowercase())
}

/// Reads a message; `None` when it does not read, or is none of mDNS (RFC 6762 section 18.3).
pub(super) fn read(message: &[u8]) -> Option<Message> {
    let mut at = 0;
    let (id, flags) = (short(message, &mut at)?, short(message, &mut at)?);
    // operation and error code are zero
    if flags & 0x780f != 0 {
        return None;
    }
    let mut read = Message {
        id,
        response: flags & 0x8000 != 0,
        truncated: flags & TRUNCATED != 0,
        ..Message::default()
    };
    let mut counts = [0; 4];
    for count in &mut counts {
        *count = usize::from(short(message, &mut at)?);
    }
    let [questions, records @ ..] = counts;
    for _ in 0..questions.min(MAX_RECORDS) {
        let name = name(message, &mut at)?;
        let (kind, class) = (short(message, &mut at)?, short(message, &mut at)?);
        if matches!(class & !TOP, IN | ANY) {
            read.questions.push(Question { name, kind, unicast: class & TOP != 0 });
        }
    }
    for _ in 0..records.iter().sum::<usize>().min(MAX_RECORDS) {
        let found = record(message, &mut at)?;
        if found.class & !TOP != IN {
            continue;
        }
        let data = message.get(found.data.clone())?;
        let owner = found.name.to_ascii_lowercase();
        let said = match found.kind {
            PTR if owner == SERVICE => {
                Said::Instance { name: name(message, &mut { found.data.start })?, ttl: found.ttl }
            }
            SRV => {
                let (_, port, host) = dns::target(message, &found.data)?;
                Said::At { name: owner, host: host.to_ascii_lowercase(), port }
            }
            TXT => Said::Is { name: owner, id: id_of(data) },
            A => Said::Address { host: owner, ip: <[u8; 4]>::try_from(data).ok()?.into() },
            AAAA => Said::Address { host: owner, ip: <[u8; 16]>::try_from(data).ok()?.into() },
            _ => continue,
        };
        read.said.push(said);
    }
    Some(read)
}

/// The node of a TXT record: `id=…` (RFC 6763 section 6.4: keys have no case).
fn id_of(mut data: &[u8]) -> Option<NodeId> {
    while let Some((length, rest)) = data.split_first() {
        let (pair, behind) = rest.split_at_checked(usize::from(*length))?;
        if let Some((key, value)) = pair.split_at_checked(3)
            && key.eq_ignore_ascii_case(b"id=")
        {
            return std::str::from_utf8(value).ok()?.parse().ok();
        }
        data = behind;
    }
    None
}

/// What there is to say of ourselves.
#[derive(Debug, Clone)]
pub(super) struct Own {
    /// The instance's label, which people may read.
    pub(super) instance: Box<str>,
    /// The host's label.
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// The pairs of the TXT record.
    pub(super) text: Vec<String>,
}

impl Own {
    /// The names of instance and host, as they are read.
    pub(super) fn names(&self) -> Option<[String; 2]> {
        let mut writer = Writer::new(0, 0, self);
        let at = writer.out.len();
        writer.instance();
        let host = writer.out.len();
        writer.host();
        Some([name(&writer.out, &mut { at })?, name(&writer.out, &mut { host })?])
    }
}

/// A message that is being written. A name is written once, and then pointed at.
struct Writer<'o> {
    out: Vec<u8>,
    own: &'o Own,
    /// Where `local`, the service, our instance and our host stand.
    at: [Option<u16>; 4],
}

impl<'o> Writer<'o> {
    fn new(id: u16, flags: u16, own: &'o Own) -> Self {
        let mut out = Vec::with_capacity(512);
        out.extend(id.to_be_bytes());
        out.extend(flags.to_be_bytes());
        out.resize(HEADER, 0);
        Self { out, own, at: [None; 4] }
    }

    fn short(&mut self, value: u16) {
        self.out.extend(value.to_be_bytes());
    }

    fn label(&mut self, label: &str) {
        // the caller sees to it that it fits
        let label = label.as_bytes().get(..63).unwrap_or(label.as_bytes());
        self.out.push(label.len() as u8);
        self.out.extend(label);
    }

    /// Points at a name that stands already, or says that it begins here.
    fn stands(&mut self, which: usize) -> bool {
        if let Some(at) = self.at[which] {
            self.short(0xc000 | at);
            return true;
        }
        self.at[which] = Some(self.out.len() as u16);
        false
    }

    fn local(&mut self) {
        if !self.stands(0) {
            self.label("local");
            self.out.push(0);
        }
    }

    fn service(&mut self) {
        if !self.stands(1) {
            self.label("_truca");
            self.label("_tcp");
            self.local();
        }
    }

    fn instance(&mut self) {
        if !self.stands(2) {
            self.label(&self.own.instance);
            self.service();
        }
    }

    fn host(&mut self) {
        if !self.stands(3) {
            self.label(&self.own.host);
            self.local();
        }
    }

    /// Any name that has been read.
    fn text(&mut self, name: &str) {
        for label in name.split('.') {
            let start = self.out.len();
            self.out.push(0);
            let mut rest = label.bytes();
            while let Some(byte) = rest.next() {
                let byte = match byte {
                    b'\\' => (0..3).fold(0, |value: u8, _| {
                        value.wrapping_mul(10).wrapping_add(rest.next().unwrap_or(b'0').wrapping_sub(b'0'))
                    }),
                    byte => byte,
                };
                self.out.push(byte);
            }
            self.out[start] = (self.out.len() - start - 1) as u8;
        }
        self.out.push(0);
    }

    /// What follows a record's name; the data are what `data` writes.
    fn record(&mut self, kind: u16, class: u16, ttl: u32, data: impl FnOnce(&mut Self)) {
        self.short(kind);
        self.short(class);
        self.out.extend(ttl.to_be_bytes());
        let at = self.out.len();
        self.short(0);
        data(self);
        let length = (self.out.len() - at - 2) as u16;
        self.out[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }

    fn count(&mut self, section: usize, count: usize) {
        self.out[4 + 2 * section..6 + 2 * section].copy_from_slice(&(count as u16).to_be_bytes());
    }
}

/// A question for instances, with those that are known (name, seconds left), and for what is not known of others:
/// of instances (`true`) host and node, of hosts addresses. At most `most` bytes: known answers that do not fit
/// are left out, and are answered again.
pub(super) fn query(own: &Own, known: &[(&str, u32)], missing: &[(&str, bool)], most: usize) -> Vec<u8> {
    let mut writer = Writer::new(0, 0, own);
    writer.service();
    writer.short(PTR);
    writer.short(IN);
    let mut questions = 1;
    for (name, is_instance) in missing {
        if writer.out.len() + 2 * (name.len() + 6) > most {
            break;
        }
        for kind in if *is_instance { [SRV, TXT] } else { [A, AAAA] } {
            writer.text(name);
            writer.short(kind);
            writer.short(IN);
            questions += 1;
        }
    }
    let mut answers = 0;
    for (name, left) in known {
        if writer.out.len() + 12 + name.len() + 2 > most {
            break;
        }
        writer.service();
        writer.record(PTR, IN, *left, |writer| writer.text(name));
        answers += 1;
    }
    writer.count(0, questions);
    writer.count(1, answers);
    writer.out
}

/// How an answer is given.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer<'m> {
    /// To all.
    All,
    /// To all: we go.
    Goodbye,
    /// To one, who asked by multicast DNS.
    One,
    /// To one, who asked as in plain DNS: with the id and the question, and nothing of multicast in it
    /// (RFC 6762 section 6.7).
    Plain { id: u16, question: &'m Question },
}

/// All that there is to say of ourselves on an interface.
pub(super) fn answer(own: &Own, addresses: &[IpAddr], services: bool, how: Answer<'_>) -> Vec<u8> {
    let (id, flush, longest) = match how {
        Answer::Plain { id, .. } => (id, 0, 10),
        Answer::Goodbye => (0, TOP, 0),
        _ => (0, TOP, TTL),
    };
    let mut writer = Writer::new(id, RESPONSE, own);
    if let Answer::Plain { question, .. } = how {
        writer.text(&question.name);
        writer.short(question.kind);
        writer.short(IN);
        writer.count(0, 1);
    }
    let (long, brief) = (longest, longest.min(HOST_TTL));
    let mut answers = 3;
    if services {
        writer.text(SERVICES);
        writer.record(PTR, IN, long, Writer::service);
        answers += 1;
    }
    // PTR first: who reads record by record knows then what the others are about
    writer.service();
    writer.record(PTR, IN, long, Writer::instance);
    writer.instance();
    writer.record(SRV, IN | flush, brief, |writer| {
        writer.out.extend([0; 4]);
        writer.short(own.port);
        writer.host();
    });
    writer.instance();
    writer.record(TXT, IN | flush, long, |writer| {
        for pair in &own.text {
            writer.out.push(pair.len() as u8);
            writer.out.extend(pair.as_bytes());
        }
    });
    for ip in addresses {
        writer.host();
        match ip {
            IpAddr::V4(ip) => writer.record(A, IN | flush, brief, |w| w.out.extend(ip.octets())),
            IpAddr::V6(ip) => writer.record(AAAA, IN | flush, brief, |w| w.out.extend(ip.octets())),
        }
        answers += 1;
    }
    writer.count(1, answers);
    writer.out
}
