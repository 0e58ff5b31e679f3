//! Multicast DNS (RFC 6762) and service discovery by it (RFC 6763), for one service: `_truca._tcp`. Without
//! sockets: [`Mdns`] is told of interfaces, datagrams and the time, and says what to send.
//!
//! Own code, since one service is all that is asked: `mdns-sd` was 72 KB of the mips package and a thread of its
//! own. It is an independent peer in the tests, beside avahi.
//!
//! What of the RFC is not here, and why: no probing (section 8.1), since names end in letters of the node's id,
//! a key's hash, and only a copy of this node has the same; no NSEC records (6.1); known answers that do not fit
//! a datagram are left out instead of continued (7.2), and are answered once more; records about hosts are kept
//! as long as the instance is, since a hint that is old costs one handshake and asking every two minutes costs
//! everybody's air.
//!
//! Bounds: [`MAX_INTERFACES`], [`MAX_ADDRESSES`] of each, [`MAX_INSTANCES`] in all; one answer to all a second and
//! interface, [`MAX_UNICAST`] to single ones; a question at most every second, at last every hour.

mod message;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use message::{A, AAAA, ANY, Answer, Message, Own, PTR, Question, SERVICE, SERVICES, Said, TTL, TXT};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::candidates::contains;
use super::dns::SRV;
use super::{Heard, Hint};
use crate::Time;
use crate::id::NodeId;
use crate::sorted::Map;

/// The port of everybody who takes part (RFC 6762 section 3).
pub const PORT: u16 = 5353;
/// The group over IPv4 (RFC 6762 section 3).
pub const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
/// The group over IPv6 (RFC 6762 section 3).
pub const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
/// The longest datagram that is read; longer ones are counted as malformed. Ours are below [`MOST`].
pub const MAX_DATAGRAM: usize = 4096;
/// Most interfaces that are spoken on.
pub const MAX_INTERFACES: usize = 16;
/// Most addresses that are told of an interface, and taken of an instance: half of them for each family.
pub const MAX_ADDRESSES: usize = super::MAX_ADDRESSES;
/// Most instances that are known, on all interfaces together; further ones are counted.
pub const MAX_INSTANCES: usize = 256;
/// Most answers by unicast a second and interface.
pub const MAX_UNICAST: u8 = 10;

/// Most bytes that we send: below the smallest MTU of IPv6, with room for headers.
const MOST: usize = 1_200;
/// Pause before the second announcement and the second question (RFC 6762 sections 5.2 and 8.3); then it doubles.
const FIRST: Duration = Duration::from_secs(1);
/// Longest pause between questions (RFC 6762 section 5.2).
const LAST: Duration = Duration::from_secs(3_600);
/// How often we announce ourselves when we come (RFC 6762 section 8.3: 2 to 8), so that 20 % loss hides one of a
/// hundred.
const ANNOUNCEMENTS: u8 = 3;
/// How long an answer waits at least, so that all do not answer at once (RFC 6762 section 6).
const ANSWER: Duration = Duration::from_millis(20);
/// How much longer it waits at most.
const SPREAD_MS: u64 = 100;
/// How long an answer waits for the rest of a question's known answers (RFC 6762 section 7.2).
const REST: Duration = Duration::from_millis(400);
/// How often a missing address or port is asked for before the next time that an instance speaks.
const ASKS: u8 = 3;

/// An interface, as the system has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: Box<str>,
    /// Its addresses with the lengths of their prefixes: those that people may be told.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Send {
        /// Through the interface with this number.
        interface: u32,
        /// To whom; `None`: to the group, over each family of which the interface has addresses.
        to: Option<SocketAddr>,
        /// The datagram.
        payload: Vec<u8>,
    },
    /// What is known has changed, see [`Mdns::heard`].
    Heard,
}

/// What was met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that cannot be read.
    pub malformed: u32,
    /// Instances left out because there are too many.
    pub skipped: u32,
}

struct On {
    interface: Interface,
    /// Announcements to come, and when.
    announcements: u8,
    announce_at: Time,
    /// The next question, and the pause behind it.
    ask_at: Time,
    pause: Duration,
    asked: Option<Time>,
    /// What was asked last: the group has it, and so have we.
    question: Vec<u8>,
    answered: Option<Time>,
    answer_at: Option<Time>,
    /// Whether the answer is to say which services there are, too.
    services: bool,
    /// Answers by unicast in the second that began then.
    unicast: (Time, u8),
}

struct Instance {
    id: Option<NodeId>,
    /// Its host and port, and that host's addresses.
    at: Option<(String, u16)>,
    addresses: Vec<IpAddr>,
    /// When it was last said to be there, and for how long.
    said: Time,
    ttl: Duration,
    /// Asked for again at so many twentieths of that time (RFC 6762 section 5.2: 80, 85, 90 and 95 %).
    refresh: u32,
    /// How often what is missing was asked for.
    asks: u8,
}

impl Instance {
    fn next(&self) -> Time {
        self.said + self.ttl * self.refresh / 20
    }
}

/// This node on its links, and who else is there.
pub struct Mdns {
    own: Own,
    id: NodeId,
    /// The names of our instance and host.
    names: [String; 2],
    on: Vec<On>,
    instances: Map<(u32, String), Instance>,
    random: SmallRng,
    out: VecDeque<Output>,
    counters: Counters,
}

impl Mdns {
    /// A node of this id, that people call `name`, with links at `port`, speaking this version of the wire.
    /// `None` when the name is longer than a label takes (RFC 1035 section 2.3.4: 63 bytes, 7 for letters of the
    /// id).
    pub fn new(id: NodeId, name: &str, port: u16, version: u16, seed: u64) -> Option<Self> {
        let text = id.to_string();
        // names need not be unique in a mesh, but must be on a link
        let own = Own {
            instance: format!("{name} {}", text.get(..6)?).into(),
            host: format!("truca-{}", text.get(..10)?).into(),
            port,
            text: vec![format!("id={text}"), format!("v={version}")],
        };
        if own.instance.len() > 63 {
            return None;
        }
        Some(Self {
            names: own.names()?,
            own,
            id,
            on: Vec::new(),
            instances: Map::new(),
            random: SmallRng::seed_from_u64(seed),
            out: VecDeque::new(),
            counters: Counters::default(),
        })
    }

    /// These are the interfaces now. One that is new or has other addresses is begun anew.
    pub fn set_interfaces(&mut self, now: Time, interfaces: Vec<Interface>) {
        let mut before = std::mem::take(&mut self.on);
        for mut interface in interfaces.into_iter().take(MAX_INTERFACES) {
            interface.addresses.truncate(MAX_ADDRESSES);
            let same = before.iter().position(|on| on.interface == interface);
            let on = match same {
                Some(at) => before.swap_remove(at),
                None => {
                    let at = now + self.spread();
                    On {
                        interface,
                        announcements: ANNOUNCEMENTS,
                        announce_at: at,
                        ask_at: at,
                        pause: FIRST,
                        asked: None,
                        question: Vec::new(),
                        answered: None,
                        answer_at: None,
                        services: false,
                        unicast: (now, 0),
                    }
                }
            };
            self.on.push(on);
        }
        let (on, had) = (&self.on, self.instances.len());
        self.instances.retain(|(index, _), _| on.iter().any(|on| on.interface.index == *index));
        if self.instances.len() != had {
            self.out.push_back(Output::Heard);
        }
    }

    /// A datagram has come through an interface.
    pub fn handle_datagram(&mut self, now: Time, interface: u32, from: SocketAddr, datagram: &[u8]) {
        let Some(at) = self.on.iter().position(|on| on.interface.index == interface) else { return };
        let on = &self.on[at];
        let is_own = on.interface.addresses.iter().any(|(ip, _)| *ip == from.ip());
        if is_own && datagram == on.question {
            return;
        }
        let read = (datagram.len() <= MAX_DATAGRAM).then(|| message::read(datagram)).flatten();
        match read {
            // answers come from the port of everybody who takes part (RFC 6762 section 6)
            Some(message) if message.response && from.port() == PORT => self.learn(now, at, &message),
            Some(message) if message.response => drop(message),
            Some(message) => self.asked(now, at, from, &message),
            None => self.counters.malformed = self.counters.malformed.wrapping_add(1),
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        let (on, had) = (&mut self.on, self.instances.len());
        self.instances.retain(|(index, _), instance| {
            let keep = instance.said + instance.ttl > now;
            // silent through four questions: dead, or on a bad link, where it is looked for as at the start
            if let Some(on) = on.iter_mut().find(|on| !keep && on.interface.index == *index) {
                (on.ask_at, on.pause) = (on.ask_at.min(now), FIRST);
            }
            keep
        });
        if self.instances.len() != had {
            self.out.push_back(Output::Heard);
        }
        for ((index, _), instance) in self.instances.iter_mut() {
            if instance.refresh < 20 && instance.next() <= now {
                instance.refresh += 1;
                if let Some(on) = self.on.iter_mut().find(|on| on.interface.index == *index) {
                    on.ask_at = on.ask_at.min(now);
                }
            }
        }
        for at in 0..self.on.len() {
            let spread = self.spread();
            let on = &mut self.on[at];
            if on.announcements > 0 && on.announce_at <= now {
                on.announcements -= 1;
                on.announce_at = now + FIRST * 2u32.pow(u32::from(ANNOUNCEMENTS - 1 - on.announcements));
                on.answer_at = Some(now);
            }
            if on.answer_at.is_some_and(|due| due <= now) {
                let services = std::mem::take(&mut on.services);
                (on.answer_at, on.answered) = (None, Some(now));
                self.say(at, None, services, Answer::All);
            }
            let on = &mut self.on[at];
            if on.ask_at <= now {
                // sooner than a second after the last one: what was to be asked waits
                if let Some(asked) = on.asked.filter(|asked| *asked + FIRST > now) {
                    on.ask_at = asked + FIRST;
                    continue;
                }
                on.asked = Some(now);
                on.ask_at = now + on.pause + spread;
                on.pause = (on.pause * 2).min(LAST);
                self.ask(now, at);
            }
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        let on = self.on.iter().flat_map(|on| {
            let announce = (on.announcements > 0).then_some(on.announce_at);
            [Some(on.ask_at), announce, on.answer_at].into_iter().flatten()
        });
        on.chain(self.instances.values().map(Instance::next)).min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// Who is there.
    pub fn heard(&self) -> Heard {
        let mut heard = Heard { hints: Vec::new(), skipped: self.counters.skipped };
        for ((index, _), instance) in self.instances.iter() {
            let Some((_, port)) = instance.at.as_ref().filter(|_| instance.id != Some(self.id)) else {
                continue;
            };
            let on = self.on.iter().find(|on| on.interface.index == *index);
            for ip in &instance.addresses {
                // a link-local address is reached through the interface that it was heard on
                let link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
                let interface = on.filter(|_| link_local).map(|on| on.interface.name.clone());
                heard.add(Hint { ip: *ip, interface, port: Some(*port), id: instance.id });
            }
        }
        heard
    }

    /// What was met.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Says goodbye, so that others need not wait for what was announced to expire.
    pub fn stop(&mut self) {
        for at in 0..self.on.len() {
            self.say(at, None, false, Answer::Goodbye);
        }
    }

    fn spread(&mut self) -> Duration {
        ANSWER + Duration::from_millis(u64::from(self.random.next_u32()) % (SPREAD_MS + 1))
    }

    fn say(&mut self, at: usize, to: Option<SocketAddr>, services: bool, how: Answer<'_>) {
        let interface = &self.on[at].interface;
        let addresses: Vec<IpAddr> = interface.addresses.iter().map(|(ip, _)| *ip).collect();
        let payload = message::answer(&self.own, &addresses, services, how);
        self.out.push_back(Output::Send { interface: interface.index, to, payload });
    }

    fn ask(&mut self, now: Time, at: usize) {
        let index = self.on[at].interface.index;
        let (mut known, mut missing) = (Vec::new(), Vec::new());
        for ((_, name), instance) in self.instances.iter_mut().filter(|((on, _), _)| *on == index) {
            let left = (instance.said + instance.ttl).saturating_sub(now);
            // RFC 6762 section 7.1: at least half its life is left
            if left * 2 >= instance.ttl {
                known.push((name.as_str(), left.as_secs() as u32));
            }
            if instance.asks < ASKS && (instance.at.is_none() || instance.addresses.is_empty()) {
                instance.asks += 1;
                match &instance.at {
                    Some((host, _)) => missing.push((host.as_str(), false)),
                    None => missing.push((name.as_str(), true)),
                }
            }
        }
        let payload = message::query(&self.own, &known, &missing, MOST);
        self.on[at].question.clone_from(&payload);
        self.out.push_back(Output::Send { interface: index, to: None, payload });
    }

    /// Somebody asks.
    fn asked(&mut self, now: Time, at: usize, from: SocketAddr, message: &Message) {
        let [instance, host] = &self.names;
        let known = message
            .said
            .iter()
            .any(|said| matches!(said, Said::Instance { name, ttl } if name == instance && *ttl >= TTL / 2));
        let mut wanted: Option<&Question> = None;
        let (mut shared, mut services) = (true, false);
        for question in &message.questions {
            let (is, kind) = (|name: &str| question.name.eq_ignore_ascii_case(name), question.kind);
            if is(SERVICES) && matches!(kind, PTR | ANY) {
                services = true;
            } else if is(instance) && matches!(kind, SRV | TXT | ANY)
                || is(host) && matches!(kind, A | AAAA | ANY)
            {
                // nobody else answers that
                shared = false;
            } else if !is(SERVICE) || !matches!(kind, PTR | ANY) || known {
                continue;
            }
            wanted = wanted.or(Some(question));
        }
        let Some(question) = wanted else { return };
        let plain = from.port() != PORT;
        if plain || message.questions.iter().all(|question| question.unicast) {
            let on = &mut self.on[at];
            if on.unicast.0 + Duration::from_secs(1) <= now {
                on.unicast = (now, 0);
            }
            // RFC 6762 section 11: who is not on the link is not answered
            if !on.interface.addresses.iter().any(|(ip, length)| contains(*ip, *length, from.ip()))
                || on.unicast.1 >= MAX_UNICAST
            {
                return;
            }
            on.unicast.1 += 1;
            let how = if plain { Answer::Plain { id: message.id, question } } else { Answer::One };
            self.say(at, Some(from), services, how);
            return;
        }
        let wait = match (message.truncated, shared) {
            (true, _) => REST + self.spread(),
            (false, true) => self.spread(),
            (false, false) => Duration::ZERO,
        };
        let on = &mut self.on[at];
        on.services |= services;
        // the same is not said to all twice in a second (RFC 6762 section 6)
        let earliest = on.answered.map_or(now, |answered| answered + Duration::from_secs(1));
        let due = earliest.max(now + wait);
        on.answer_at = Some(on.answer_at.map_or(due, |before| before.min(due)));
    }

    /// Somebody says something.
    fn learn(&mut self, now: Time, at: usize, message: &Message) {
        let index = self.on[at].interface.index;
        let mut changed = false;
        // instances first: what is said of others does not concern us
        for said in &message.said {
            let Said::Instance { name, ttl } = said else { continue };
            if *name == self.names[0] {
                continue;
            }
            let key = (index, name.clone());
            if *ttl == 0 {
                changed |= self.instances.remove(&key).is_some();
                continue;
            }
            let ttl = Duration::from_secs(u64::from(*ttl)).min(2 * LAST);
            if let Some(instance) = self.instances.get_mut(&key) {
                (instance.said, instance.ttl, instance.refresh, instance.asks) = (now, ttl, 16, 0);
            } else if self.instances.len() >= MAX_INSTANCES {
                self.counters.skipped = self.counters.skipped.wrapping_add(1);
            } else {
                let instance = Instance {
                    id: None,
                    at: None,
                    addresses: Vec::new(),
                    said: now,
                    ttl,
                    refresh: 16,
                    asks: 0,
                };
                self.instances.insert(key, instance);
            }
        }
        for said in &message.said {
            let (name, of) = match said {
                Said::At { name, host, port } => (name, Ok((host, port))),
                Said::Is { name, id } => (name, Err(id)),
                _ => continue,
            };
            let Some(instance) = self.instances.get_mut(&(index, name.clone())) else { continue };
            match of {
                Ok((host, port)) => {
                    let now_at = Some((host.clone(), *port));
                    changed |= instance.at != now_at;
                    instance.at = now_at;
                }
                Err(id) => {
                    changed |= instance.id != *id;
                    instance.id = *id;
                }
            }
        }
        for ((on, _), instance) in self.instances.iter_mut() {
            let Some((host, _)) = instance.at.as_ref().filter(|_| *on == index) else { continue };
            // what is said of one family replaces what was known of that (RFC 6762 section 10.2)
            for is_v4 in [true, false] {
                let addresses = message.said.iter().filter_map(|said| match said {
                    Said::Address { host: of, ip } if of == host && ip.is_ipv4() == is_v4 => Some(*ip),
                    _ => None,
                });
                let told: Vec<IpAddr> =
                    addresses.filter(|ip| !ip.is_loopback()).take(MAX_ADDRESSES / 2).collect();
                let known = instance.addresses.iter().filter(|ip| ip.is_ipv4() == is_v4);
                if !told.is_empty() && !told.iter().eq(known) {
                    instance.addresses.retain(|ip| ip.is_ipv4() != is_v4);
                    instance.addresses.extend(told);
                    changed = true;
                }
            }
        }
        let missing = |instance: &Instance| {
            instance.asks < ASKS && (instance.at.is_none() || instance.addresses.is_empty())
        };
        if self.instances.iter().any(|((on, _), instance)| *on == index && missing(instance)) {
            let due = now + self.spread();
            let on = &mut self.on[at];
            on.ask_at = on.ask_at.min(due);
        }
        if changed {
            self.out.push_back(Output::Heard);
        }
    }
}

#[cfg(test)]
mod tests;
