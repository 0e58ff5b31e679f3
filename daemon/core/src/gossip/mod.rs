//! Membership and dissemination: `foca` (SWIM) with small identities, authenticated datagrams and records
//! riding along.
//!
//! Driven by the daemon's node: datagrams and time go in, datagrams, membership changes and records that
//! arrived come out. Who a member is (its key and addresses) is told by [`Gossip::introduce`], from the signed
//! node records of the directory; members without one are kept but can be neither heard nor spoken to, and
//! are reported by [`Output::Unknown`], so that the node can ask for their record.
//!
//! Bounds: [`MAX_STRANGERS`] members without a record, [`MAX_BACKLOG`] records that wait to ride along. Members
//! with a record are bounded by the directory.
//!
//! **Detection time**: a dead member is first probed after a time that is exponential around one period, whatever
//! the size of the mesh, suspected a period later, and declared dead [`SUSPECT`] after that: 11 s typically, more
//! than 20 s in one of fifty cases.

pub mod echo;
pub mod roll;
pub mod seal;

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::{NonZeroU8, NonZeroUsize};
use std::rc::Rc;
use std::time::Duration;

use echo::{Distance, Echoes, Outcome};
use foca::{
    BroadcastHandler, Codec, Config, Foca, Header, Identity, Invalidates, Message, OwnedNotification,
    PeriodicParams, PostcardCodec, ProbeNumber, Timer,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use seal::{Agree, OVERHEAD, PairKey};
use serde::{Deserialize, Serialize};

use crate::Time;
use crate::id::NodeId;
use crate::sorted::Map;
use crate::wire::page::Quality;

/// How often one member is probed.
pub const PROBE_PERIOD: Duration = Duration::from_millis(3_000);
/// How long a direct answer may take before others are asked to try: two radio hops with retries.
pub const PROBE_RTT: Duration = Duration::from_millis(900);
/// When a probe that was not answered is sent again, or later where the way is known to be slow. A lost datagram is
/// the usual reason, and a second one is cheaper than four helpers, each with four; and as nobody is suspected for
/// it, a mesh is quiet on lossy radio.
pub const PROBE_AGAIN: Duration = Duration::from_millis(450);
/// The latest: both answers must come before the next probe.
const PROBE_AGAIN_AT_MOST: Duration = Duration::from_millis(1_500);
/// When a probe counts as lost, for what is told of the way: just before the next one takes its place.
const PROBE_LOST: Duration = Duration::from_millis(2_900);
/// How long a suspect may refute before it is declared dead.
pub const SUSPECT: Duration = Duration::from_secs(5);
/// How often a change is told on by each node at least.
const TRANSMISSIONS: u8 = 10;
/// Stated bound on the time until a death is known everywhere, up to 100 nodes.
pub const DETECTION: Duration = Duration::from_secs(20);
/// The same for up to 1,000 nodes.
pub const DETECTION_CITY: Duration = Duration::from_secs(30);
/// How soon an announce that nothing came of is sent again, doubled each time, and how often.
const JOIN_AGAIN: (Duration, u8) = (Duration::from_secs(2), 6);
/// Most nodes that are being announced to; to a further one the announce is sent once.
const MAX_JOINING: usize = 64;
/// How long news waits for more news before it is sent on, and how long the next round waits: a record crosses a
/// city in a few of these, and a quiet mesh sends nothing.
const NEWS_DELAY: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(120));
/// Bytes of the summary of the sender's directory that end every datagram.
const SUMMARY: usize = 4;
/// Largest datagram: fits the smallest IPv6 MTU (1,280) with its headers.
pub const MAX_DATAGRAM: usize = 1_232;
/// Largest record that can ride along: what a datagram holds beside a header with two identities.
pub const MAX_ITEM: usize = 1_000;
/// Most records waiting to ride along; above it the oldest news waits for the comparison over links instead.
pub const MAX_BACKLOG: usize = 256;

/// Most members that others speak of and whose records we do not have. Further ones are not told to foca, which
/// has no bound of its own: one hostile member could invent them by the thousand.
pub const MAX_STRANGERS: usize = 512;
/// How long foca remembers a dead member.
const REMEMBER: Duration = Duration::from_secs(3_600);
/// A stranger of whom nobody has spoken for so long is forgotten by foca too: alive it would have been spoken
/// of, and dead it is over [`REMEMBER`].
const STRANGER: Duration = Duration::from_secs(2 * 3_600);
/// How often strangers are looked through at most.
const SWEEP: Duration = Duration::from_secs(60);

/// The first 8 bytes of a node id: what fits a datagram. Finding another key for the same 8 bytes takes 2⁶⁴
/// tries, and would still need the victim's record to be forgotten everywhere first.
pub type Short = [u8; 8];

/// The short form of a node id.
pub fn short(id: NodeId) -> Short {
    let mut short = [0; 8];
    short.copy_from_slice(&id.0[..8]);
    short
}

/// A member, as foca sees it: `generation` grows when it was declared dead and was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    short: Short,
    generation: u16,
}

impl Identity for Member {
    type Addr = Short;

    fn renew(&self) -> Option<Self> {
        Some(Self { generation: self.generation.wrapping_add(1), ..*self })
    }

    fn addr(&self) -> Short {
        self.short
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        // RFC 1982 serial number arithmetic: the generation may wrap
        (self.generation.wrapping_sub(adversary.generation) as i16) > 0
    }
}

/// Hands arrived records to the node; foca's own opinion of what is new is not asked.
#[derive(Clone)]
struct Mailbox {
    arrived: Rc<RefCell<Vec<Vec<u8>>>>,
    key_of: fn(&[u8]) -> Option<u64>,
}

/// Which record a queued one replaces.
struct ItemKey(u64);

impl Invalidates for ItemKey {
    fn invalidates(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl BroadcastHandler<Member> for Mailbox {
    type Key = ItemKey;
    type Error = core::fmt::Error;

    fn receive_item(&mut self, data: &[u8], sender: Option<&Member>) -> Result<Option<ItemKey>, Self::Error> {
        if sender.is_some() {
            self.arrived.borrow_mut().push(data.to_vec());
            return Ok(None);
        }
        Ok((self.key_of)(data).map(ItemKey))
    }
}

#[derive(Default)]
struct Effects {
    sends: Vec<(Member, Vec<u8>)>,
    timers: Vec<(Duration, Timer<Member>)>,
    changes: Vec<OwnedNotification<Member>>,
}

impl foca::Runtime<Member> for &mut Effects {
    fn notify(&mut self, notification: foca::Notification<'_, Member>) {
        self.changes.push(notification.to_owned());
    }

    fn send_to(&mut self, to: Member, data: &[u8]) {
        self.sends.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Member>, after: Duration) {
        self.timers.push((after, event));
    }
}

struct Peer {
    id: NodeId,
    agreement: [u8; 32],
    key: Option<PairKey>,
    /// Whether the signature of its record is checked: before that nothing is sent to it or heard from it.
    checked: bool,
    /// Where datagrams go now.
    address: SocketAddr,
    /// Where it says that it can be reached; only these are believed as sources.
    addresses: Vec<SocketAddr>,
    distance: Distance,
}

/// A probe without an answer.
struct Probe {
    to: Short,
    /// What its answer repeats.
    number: ProbeNumber,
    sent: Time,
    /// When it is sent again; `None`: it was.
    again: Option<Time>,
    data: Vec<u8>,
}

impl Probe {
    fn timeout(&self) -> Time {
        self.again.unwrap_or(self.sent + PROBE_LOST)
    }
}

/// What gossip wants done or known.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// To.
        to: SocketAddr,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// A member is alive.
    Up(NodeId),
    /// A member is dead.
    Down(NodeId),
    /// Check the record of this node, introduce it anew and [`Gossip::send`] it this; or forget it.
    Check(NodeId, Vec<u8>),
    /// A record arrived: merge it, and [`Gossip::spread`] it when it is news.
    Arrived(Vec<u8>),
    /// Somebody whose record we do not have speaks to us, or is spoken of.
    Unknown(Option<SocketAddr>),
    /// The directory of this member is not ours, or its members are not: news is on its way, or was missed.
    Differs(NodeId),
    /// The way to this member is better or worse than it was: see [`Gossip::quality`].
    Quality(NodeId),
    /// Our generation changed: others must learn it, and it should survive a restart.
    Generation(u16),
}

/// What happened to datagrams.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Counters {
    /// Datagrams accepted.
    pub received: u32,
    /// Datagrams sent.
    pub sent: u32,
    /// Bytes sent, payload only.
    pub sent_bytes: u32,
    /// Too short, too long or of another version.
    pub malformed: u32,
    /// From somebody whose record we do not have.
    pub unknown_sender: u32,
    /// The authenticator is wrong.
    pub forged: u32,
    /// Authentic, but foca could not read it.
    pub unreadable: u32,
    /// Members that were not let in because too many have no record.
    pub strangers: u32,
    /// Records that were too large or too many to ride along.
    pub not_spread: u32,
}

/// Membership of one node.
pub struct Gossip {
    secret: x25519_dalek::StaticSecret,
    agree: Agree,
    community: Option<[u8; 32]>,
    foca: Foca<Member, PostcardCodec, SmallRng, Mailbox>,
    mailbox: Mailbox,
    peers: Map<Short, Peer>,
    /// Members without a record, and when they were last spoken of.
    strangers: Map<Short, Time>,
    strangers_swept: Time,
    timers: Map<(Time, u32), Timer<Member>>,
    /// The timer that forgets a dead member, of which foca starts another one whenever it hears of a newer
    /// generation: only the last has something to do.
    removals: Map<Short, (Time, u32)>,
    timer_count: u32,
    /// Nodes that were announced to and are no members yet: when to try again, and how often it was tried.
    joining: Map<Short, (Time, u8, Member)>,
    summary: u32,
    transmissions: NonZeroU8,
    /// The sum of the short ids of active members and of our own.
    sum: u64,
    /// The probe that is not answered yet.
    probe: Option<Probe>,
    /// A member that answered a probe at an unknown time is asked by an echo how far it is: its number, and when.
    asked: Option<(Short, u32, Time)>,
    /// Members that are looked at.
    echoes: Map<Short, Echoes>,
    echo_count: u32,
    /// Members that somebody takes for dead.
    doubts: Map<Short, roll::Doubt>,
    /// When the next round of news is due, and when the last one was.
    news_at: Option<Time>,
    news_last: Option<Time>,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl Gossip {
    /// A node alone. `seed` only chooses whom to probe; `key_of` tells which records replace each other.
    pub fn new(
        id: NodeId,
        generation: u16,
        secret: [u8; 32],
        seed: u64,
        key_of: fn(&[u8]) -> Option<u64>,
    ) -> Self {
        let mailbox = Mailbox { arrived: Rc::default(), key_of };
        let identity = Member { short: short(id), generation };
        Self {
            secret: secret.into(),
            agree: PairKey::agree,
            community: None,
            foca: alone(identity, seed, mailbox.clone()),
            mailbox,
            peers: Map::new(),
            strangers: Map::new(),
            strangers_swept: Time::ZERO,
            timers: Map::new(),
            removals: Map::new(),
            timer_count: 0,
            joining: Map::new(),
            summary: 0,
            transmissions: transmissions(1),
            sum: u64::from_be_bytes(short(id)),
            probe: None,
            asked: None,
            echoes: Map::new(),
            echo_count: 0,
            doubts: Map::new(),
            news_at: None,
            news_last: None,
            outputs: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// From now on pair keys are computed by this.
    pub fn agree_by(&mut self, agree: Agree) {
        self.agree = agree;
    }

    /// Only who has this key too can speak with us from now on.
    #[must_use]
    pub fn of_community(mut self, key: Option<[u8; 32]>) -> Self {
        self.community = key;
        self
    }

    /// Takes leave of all members and begins anew, alone, under another key of the community: who was a member must
    /// be linked with again, and only who has the key can be heard. `seed` as for [`Self::new`].
    pub fn begin_anew(&mut self, now: Time, community: Option<[u8; 32]>, seed: u64) {
        let members: Vec<NodeId> = self.alive().collect();
        self.leave(now);
        let own = self.foca.identity();
        // as another one: those who heard the goodbye will believe nothing more of this one
        let own = Member { generation: own.generation.wrapping_add(1), ..*own };
        self.foca = alone(own, seed, self.mailbox.clone());
        self.community = community;
        for peer in self.peers.values_mut() {
            peer.key = None;
        }
        self.mailbox.arrived.borrow_mut().clear();
        self.strangers.clear();
        self.timers.clear();
        self.removals.clear();
        self.joining.clear();
        self.doubts.clear();
        (self.probe, self.news_at) = (None, None);
        self.transmissions = transmissions(1);
        self.sum = u64::from_be_bytes(own.short);
        self.outputs.extend(members.into_iter().map(Output::Down));
        self.outputs.push_back(Output::Generation(own.generation));
    }

    /// Our public agreement key, for our node record.
    pub fn agreement(secret: [u8; 32]) -> [u8; 32] {
        x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from(secret)).to_bytes()
    }

    /// Our generation, for the hello of a link.
    pub fn generation(&self) -> u16 {
        self.foca.identity().generation
    }

    /// Makes a node known: its key, and where it can be reached, best first (not empty); `checked` says whether
    /// its signature was. Of two ids with one short form the first stays.
    pub fn introduce(&mut self, id: NodeId, agreement: [u8; 32], addresses: Vec<SocketAddr>, checked: bool) {
        let Some(&first) = addresses.first() else { return };
        match self.peers.get_mut(&short(id)) {
            Some(peer) if peer.id != id => {}
            Some(peer) => {
                if peer.agreement != agreement {
                    peer.agreement = agreement;
                    peer.key = None;
                }
                peer.checked = checked;
                if !addresses.contains(&peer.address) {
                    peer.address = first;
                }
                peer.addresses = addresses;
            }
            None => {
                self.strangers.remove(&short(id));
                self.peers.insert(
                    short(id),
                    Peer {
                        id,
                        agreement,
                        key: None,
                        checked,
                        address: first,
                        addresses,
                        distance: Distance::default(),
                    },
                );
                // foca may have known it for longer than we could hear it
                if self.is_alive(id) {
                    self.outputs.push_back(Output::Up(id));
                }
            }
        }
    }

    /// The record of a node was a lie.
    pub fn forget(&mut self, id: NodeId) {
        if self.peers.get(&short(id)).is_some_and(|peer| peer.id == id) {
            self.peers.remove(&short(id));
        }
    }

    /// Who has sent a datagram, if its record must be checked before it is heard.
    pub fn unchecked_sender(&self, datagram: &[u8]) -> Option<NodeId> {
        let sender = seal::sender(datagram)?;
        self.peers.get(&sender).filter(|peer| !peer.checked).map(|peer| peer.id)
    }

    /// A node has just been reached at this address: datagrams go there from now on. Not to a link-local one, which
    /// leads nowhere without its interface, and is no server for pages either.
    pub fn reached(&mut self, id: NodeId, address: SocketAddr) {
        if matches!(address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local()) {
            return;
        }
        if let Some(peer) = self.peers.get_mut(&short(id)).filter(|peer| peer.id == id) {
            peer.address = address;
        }
    }

    /// Where datagrams to a node go now.
    pub fn address(&self, id: NodeId) -> Option<SocketAddr> {
        self.peers.get(&short(id)).filter(|peer| peer.id == id).map(|peer| peer.address)
    }

    /// Asks a node that a link has just been opened to for membership, and again when nothing comes of it: a
    /// datagram is lost easily, and two halves of a mesh may hang on this one.
    pub fn join(&mut self, now: Time, id: NodeId, generation: u16) {
        let member = Member { short: short(id), generation };
        if self.joining.len() < MAX_JOINING || self.joining.contains_key(&member.short) {
            self.joining.insert(member.short, (now + JOIN_AGAIN.0, 1, member));
        }
        self.announce(now, member);
    }

    fn announce(&mut self, now: Time, member: Member) {
        let mut effects = Effects::default();
        let _ = self.foca.announce(member, &mut effects);
        self.carry_out(now, effects);
    }

    /// Announces again to those who are no members yet.
    fn join_again(&mut self, now: Time) {
        let due: Vec<Short> =
            self.joining.iter().filter(|(_, (at, ..))| *at <= now).map(|(short, _)| *short).collect();
        for short in due {
            let alive = self.foca.iter_members().any(|member| member.id().short == short);
            let Some((at, tries, member)) = self.joining.get_mut(&short).filter(|_| !alive) else {
                self.joining.remove(&short);
                continue;
            };
            if *tries >= JOIN_AGAIN.1 {
                self.joining.remove(&short);
                continue;
            }
            *at = now + JOIN_AGAIN.0 * (1 << *tries);
            *tries += 1;
            let member = *member;
            self.announce(now, member);
        }
    }

    /// Lets a record ride along with membership datagrams, and sends it to some members soon.
    pub fn spread(&mut self, now: Time, record: &[u8]) {
        if record.len() > MAX_ITEM || self.foca.custom_broadcast_backlog() >= MAX_BACKLOG {
            self.counters.not_spread = self.counters.not_spread.wrapping_add(1);
            return;
        }
        // the only error is that of our own mailbox, which has none
        let _ = self.foca.add_broadcast(record);
        if self.news_at.is_none() {
            let again = self.news_last.map_or(now, |last| last + NEWS_DELAY.1);
            self.news_at = Some(again.max(now + NEWS_DELAY.0));
        }
    }

    /// What our datagrams say of our directory, so that each probe shows whether two nodes know the same.
    pub fn set_summary(&mut self, summary: u32) {
        self.summary = summary;
    }

    /// A datagram came in. Everything that is not from a known node with its pair key is dropped before foca
    /// sees it.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        let Some(sender) = seal::sender(datagram).filter(|_| datagram.len() <= MAX_DATAGRAM) else {
            self.counters.malformed = self.counters.malformed.wrapping_add(1);
            return;
        };
        let Some(peer) = self.peers.get_mut(&sender) else {
            self.counters.unknown_sender = self.counters.unknown_sender.wrapping_add(1);
            self.outputs.push_back(Output::Unknown(Some(from)));
            return;
        };
        let key = *peer
            .key
            .get_or_insert_with(|| (self.agree)(&self.secret, peer.agreement, self.community.as_ref()));
        let Some(payload) = key.open(datagram) else {
            self.counters.forged = self.counters.forged.wrapping_add(1);
            return;
        };
        if datagram[0] == seal::ECHO {
            self.echoed(now, sender, payload);
            return;
        }
        let Some((payload, summary)) = payload.split_last_chunk::<SUMMARY>() else {
            self.counters.unreadable = self.counters.unreadable.wrapping_add(1);
            return;
        };
        let theirs = u32::from_be_bytes(*summary);
        self.counters.received = self.counters.received.wrapping_add(1);
        if peer.addresses.contains(&from) {
            peer.address = from;
        }
        let id = peer.id;
        let mut effects = Effects::default();
        let before = self.generation();
        let payload = self.without_strangers(now, payload);
        let read = self.foca.handle_data(&payload, &mut effects);
        if read.is_err_and(|error| !matches!(error, foca::Error::DataFromOurselves)) {
            self.counters.unreadable = self.counters.unreadable.wrapping_add(1);
        }
        self.own_generation(before);
        self.carry_out(now, effects);
        let arrived = core::mem::take(&mut *self.mailbox.arrived.borrow_mut());
        self.outputs.extend(arrived.into_iter().map(Output::Arrived));
        if theirs != self.summary() {
            self.outputs.push_back(Output::Differs(id));
        }
    }

    fn own_generation(&mut self, before: u16) {
        if self.generation() != before {
            self.outputs.push_back(Output::Generation(self.generation()));
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        while self.timers.first_key_value().is_some_and(|(place, _)| place.0 <= now)
            && let Some((place, timer)) = self.timers.pop_first()
        {
            if let Timer::RemoveDown(member) = &timer
                && self.removals.get(&member.short) == Some(&place)
            {
                self.removals.remove(&member.short);
            }
            let mut effects = Effects::default();
            // foca's errors here mean a timer that came late; it goes on by itself
            let _ = self.foca.handle_timer(timer, &mut effects);
            self.carry_out(now, effects);
        }
        self.join_again(now);
        self.settle_doubts(now);
        self.probe_due(now);
        self.echo_due(now);
        if self.news_at.is_some_and(|at| at <= now) {
            (self.news_at, self.news_last) = (None, Some(now));
            let mut effects = Effects::default();
            let _ = self.foca.gossip(&mut effects);
            self.carry_out(now, effects);
        }
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        let timer = self.timers.first_key_value().map(|((at, _), _)| *at);
        let join = self.joining.values().map(|(at, ..)| *at).min();
        let probe = self.probe.as_ref().map(Probe::timeout);
        let echo = self.echoes.values().map(Echoes::timeout).min();
        [timer, self.news_at, join, probe, echo, self.doubt_due()].into_iter().flatten().min()
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Says goodbye to some members, who tell the others.
    pub fn leave(&mut self, now: Time) {
        let mut effects = Effects::default();
        let _ = self.foca.leave_cluster(&mut effects);
        self.carry_out(now, effects);
    }

    /// Whether a node is an active member now. Suspects are.
    pub fn is_alive(&self, id: NodeId) -> bool {
        self.foca.iter_members().any(|member| member.id().short == short(id))
    }

    /// All active members whose records we have.
    pub fn alive(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.foca.iter_members().filter_map(|member| self.peers.get(&member.id().short)).map(|peer| peer.id)
    }

    /// How many active members there are, with and without records.
    pub fn len(&self) -> usize {
        self.foca.num_members()
    }

    /// Whether this node is alone.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Takes those members out of a payload of which there are too many already. What does not read is left
    /// to foca, which refuses it.
    fn without_strangers<'a>(&mut self, now: Time, payload: &'a [u8]) -> Cow<'a, [u8]> {
        let mut rest = payload;
        let Ok(header): Result<Header<Member>, _> = PostcardCodec.decode_header(&mut rest) else {
            return payload.into();
        };
        if let Message::Ack(number) = header.message {
            self.probe_answered(now, header.src.short, number);
        }
        let head = &payload[..payload.len() - rest.len()];
        let Some((count, mut rest)) = rest.split_first_chunk::<2>() else { return payload.into() };
        if header.message == Message::Broadcast {
            return payload.into();
        }
        let (mut kept, mut members) = (0u16, Vec::new());
        for _ in 0..u16::from_be_bytes(*count) {
            let before = rest;
            let Ok(member): Result<foca::Member<Member>, _> = PostcardCodec.decode_member(&mut rest) else {
                return payload.into();
            };
            if self.admits(now, member.id().short) {
                kept += 1;
                members.extend_from_slice(&before[..before.len() - rest.len()]);
            } else {
                self.counters.strangers = self.counters.strangers.wrapping_add(1);
            }
        }
        if kept == u16::from_be_bytes(*count) {
            return payload.into();
        }
        [head, &kept.to_be_bytes(), &members, rest].concat().into()
    }

    /// Whether foca may hear of a member.
    fn admits(&mut self, now: Time, member: Short) -> bool {
        if member == self.foca.identity().short || self.peers.contains_key(&member) {
            return true;
        }
        if self.strangers.len() >= MAX_STRANGERS && now >= self.strangers_swept + SWEEP {
            self.strangers_swept = now;
            self.strangers.retain(|_, spoken_of| *spoken_of + STRANGER > now);
        }
        if self.strangers.len() < MAX_STRANGERS || self.strangers.contains_key(&member) {
            self.strangers.insert(member, now);
            return true;
        }
        false
    }

    fn carry_out(&mut self, now: Time, effects: Effects) {
        for (after, timer) in effects.timers {
            self.timer_count = self.timer_count.wrapping_add(1);
            let place = (now + after, self.timer_count);
            if let Timer::RemoveDown(member) = &timer
                && let Some(before) = self.removals.insert(member.short, place)
            {
                self.timers.remove(&before);
            }
            self.timers.insert(place, timer);
        }
        if !effects.changes.is_empty() && transmissions(self.len()) != self.transmissions {
            self.transmissions = transmissions(self.len());
            // refused is only what changes probing
            let _ = self.foca.set_config(config(self.transmissions));
        }
        for change in effects.changes {
            let (member, up) = match change {
                OwnedNotification::MemberUp(member) => (member, true),
                OwnedNotification::MemberDown(member) => (member, false),
                _ => continue,
            };
            let id = u64::from_be_bytes(member.short);
            self.sum = if up { self.sum.wrapping_add(id) } else { self.sum.wrapping_sub(id) };
            match (self.peers.get(&member.short), up) {
                (Some(peer), true) => self.outputs.push_back(Output::Up(peer.id)),
                (Some(peer), false) => self.outputs.push_back(Output::Down(peer.id)),
                (None, true) => self.outputs.push_back(Output::Unknown(None)),
                (None, false) => {}
            }
        }
        for (to, data) in effects.sends {
            let header: Result<Header<Member>, _> = PostcardCodec.decode_header(&mut &data[..]);
            if let Ok(Message::Ping(number)) = header.map(|header| header.message) {
                self.probed(now, to.short, number, data.clone());
            }
            match self.peers.get(&to.short) {
                Some(peer) if peer.checked => self.send(peer.id, &data),
                Some(peer) => self.outputs.push_back(Output::Check(peer.id, data)),
                None => {}
            }
        }
    }

    /// Members that somebody looks at from now on, and no others: how far they are is measured. Those beyond
    /// [`echo::MAX_LOOKED_AT`] are not.
    pub fn look_at(&mut self, now: Time, members: impl Iterator<Item = NodeId>) {
        let mut wanted: Vec<Short> = Vec::new();
        for member in members.map(short) {
            if wanted.len() < echo::MAX_LOOKED_AT && !wanted.contains(&member) {
                wanted.push(member);
            }
        }
        self.echoes.retain(|member, _| wanted.contains(member));
        for member in wanted {
            if !self.echoes.contains_key(&member) {
                self.echoes.insert(member, Echoes::new(now));
            }
        }
    }

    /// What a call with a member would be like; `None` while too little is known.
    pub fn quality(&self, id: NodeId) -> Option<Quality> {
        self.distance(id)?.quality()
    }

    /// Round trip to a member in milliseconds, and loss of round trips in percent, as far as they are known.
    pub fn measures(&self, id: NodeId) -> (Option<u32>, Option<u32>) {
        self.distance(id).map_or((None, None), |distance| (distance.rtt_ms(), distance.loss_percent()))
    }

    fn distance(&self, id: NodeId) -> Option<&Distance> {
        self.peers.get(&short(id)).filter(|peer| peer.id == id).map(|peer| &peer.distance)
    }

    /// A probe was sent: the one before it had its time.
    fn probed(&mut self, now: Time, to: Short, number: ProbeNumber, data: Vec<u8>) {
        if let Some(before) = self.probe.take() {
            self.measured(before.to, Outcome::Lost);
        }
        let known = self.peers.get(&to).and_then(|peer| peer.distance.patience());
        let again = now + known.unwrap_or_default().clamp(PROBE_AGAIN, PROBE_AGAIN_AT_MOST);
        self.probe = Some(Probe { to, number, sent: now, again: Some(again), data });
    }

    /// Sends the probe again, or gives it up.
    fn probe_due(&mut self, now: Time) {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.timeout() <= now) else { return };
        let to = probe.to;
        if probe.again.take().is_none() {
            self.probe = None;
            self.measured(to, Outcome::Lost);
            return;
        }
        let data = core::mem::take(&mut probe.data);
        if let Some(peer) = self.peers.get(&to) {
            self.send(peer.id, &data);
        }
    }

    /// The member answered: it is not lost, however late it is.
    fn probe_answered(&mut self, now: Time, from: Short, number: ProbeNumber) {
        let Some(probe) = self.probe.take_if(|probe| (probe.to, probe.number) == (from, number)) else {
            return;
        };
        if probe.again.is_some() {
            self.measured(from, Outcome::After(now.saturating_sub(probe.sent)));
            return;
        }
        self.measured(from, Outcome::Answered);
        if self.echoes.contains_key(&from) || self.asked.is_some_and(|(_, _, at)| at + PROBE_LOST > now) {
            return;
        }
        self.echo_count = self.echo_count.wrapping_add(1);
        self.asked = Some((from, self.echo_count, now));
        self.send_echo(from, false, self.echo_count);
    }

    /// What came of a question to a member.
    fn measured(&mut self, member: Short, outcome: Outcome) {
        let Some(peer) = self.peers.get_mut(&member) else { return };
        let before = peer.distance.quality();
        peer.distance.outcome(outcome);
        if peer.distance.quality() != before {
            self.outputs.push_back(Output::Quality(peer.id));
        }
    }

    fn echo_due(&mut self, now: Time) {
        let due: Vec<Short> = self
            .echoes
            .iter()
            .filter(|(_, echoes)| echoes.timeout() <= now)
            .map(|(member, _)| *member)
            .collect();
        for member in due {
            let Some(echoes) = self.echoes.get_mut(&member) else { continue };
            let due = echoes.due(now);
            let alone = due.lost == 1;
            if alone {
                echoes.look_closer(now);
            }
            if due.send && self.peers.get(&member).is_some_and(|peer| peer.checked) {
                self.echo_count = self.echo_count.wrapping_add(1);
                echoes.sent(self.echo_count, now);
                self.send_echo(member, false, self.echo_count);
            }
            (0..due.lost).for_each(|_| self.measured(member, Outcome::Lost));
        }
    }

    /// `short id ‖ 0 or 1: an answer ‖ number`.
    fn send_echo(&mut self, to: Short, answer: bool, number: u32) {
        let own = self.foca.identity().short;
        let payload = [&own[..], &[u8::from(answer)], &number.to_be_bytes()].concat();
        self.send_sealed(to, seal::ECHO, &payload);
    }

    fn echoed(&mut self, now: Time, from: Short, payload: &[u8]) {
        let (Some((_, &[kind, ref number @ ..])), true) =
            (payload.split_first_chunk::<8>(), payload.len() == 13)
        else {
            self.counters.unreadable = self.counters.unreadable.wrapping_add(1);
            return;
        };
        self.counters.received = self.counters.received.wrapping_add(1);
        let number = number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        match kind {
            0 => self.send_echo(from, true, number),
            _ => {
                let asked = self.asked.take_if(|(whom, asked, _)| (*whom, *asked) == (from, number));
                let took = match asked {
                    Some((.., at)) => Some(now.saturating_sub(at)),
                    None => self.echoes.get_mut(&from).and_then(|echoes| echoes.back(number, now)),
                };
                if let Some(took) = took {
                    self.measured(from, Outcome::After(took));
                }
            }
        }
    }

    /// Sends what foca wrote to a node.
    pub fn send(&mut self, to: NodeId, data: &[u8]) {
        let summary = self.summary();
        if self.peers.get(&short(to)).is_some_and(|peer| peer.id == to) {
            self.send_sealed(short(to), seal::VERSION, &[data, &summary.to_be_bytes()].concat());
        }
    }

    fn send_sealed(&mut self, to: Short, kind: u8, payload: &[u8]) {
        let Some(peer) = self.peers.get_mut(&to) else { return };
        let key = *peer
            .key
            .get_or_insert_with(|| (self.agree)(&self.secret, peer.agreement, self.community.as_ref()));
        let payload = key.seal(kind, payload);
        self.counters.sent = self.counters.sent.wrapping_add(1);
        self.counters.sent_bytes = self.counters.sent_bytes.wrapping_add(payload.len() as u32);
        self.outputs.push_back(Output::Send { to: peer.address, payload });
    }
}

/// How often each node tells a change on. With every doubling of the mesh there are twice as many who could miss it,
/// so that the chance that anybody does stays below one in a hundred at 5 % loss.
fn transmissions(members: usize) -> NonZeroU8 {
    let doublings = members.max(1).ilog2() as u8;
    NonZeroU8::MIN.saturating_add(doublings.saturating_add(4).max(TRANSMISSIONS - 1))
}

/// A member that knows no other. `seed` only chooses whom to probe.
fn alone(own: Member, seed: u64, mailbox: Mailbox) -> Foca<Member, PostcardCodec, SmallRng, Mailbox> {
    let rng = SmallRng::seed_from_u64(seed);
    Foca::with_custom_broadcast(own, config(transmissions(1)), rng, PostcardCodec, mailbox)
}

fn config(max_transmissions: NonZeroU8) -> Config {
    let some = |seconds_ms, members| {
        NonZeroUsize::new(members)
            .map(|num_members| PeriodicParams { frequency: Duration::from_millis(seconds_ms), num_members })
    };
    Config {
        probe_period: PROBE_PERIOD,
        probe_rtt: PROBE_RTT,
        num_indirect_probes: NonZeroUsize::MIN.saturating_add(3),
        max_transmissions,
        suspect_to_down_after: SUSPECT,
        remove_down_after: Some(REMEMBER),
        max_packet_size: NonZeroUsize::MIN.saturating_add(MAX_DATAGRAM - OVERHEAD - SUMMARY - 1),
        notify_down_members: true,
        periodic_announce: some(120_000, 1),
        periodic_announce_to_down_members: some(15_000, 2),
        periodic_gossip: some(300, 3),
    }
}

#[cfg(test)]
mod tests;
