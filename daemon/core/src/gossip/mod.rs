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
mod members;
mod output;
pub mod roll;
pub mod seal;
mod strangers;
mod ways;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::rc::Rc;
use std::time::Duration;

use echo::{Distance, Echoes};
use foca::{Codec, Foca, Header, Message, OwnedNotification, PostcardCodec, Timer};
use members::{Effects, Mailbox, alone, config, transmissions};
use rand::rngs::SmallRng;
use seal::{Agree, PairKey};
use ways::Probe;

use crate::Time;
use crate::id::NodeId;
use crate::sorted::Map;
pub use members::Member;
pub use output::{Counters, Output};

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

#[cfg(test)]
mod tests;
