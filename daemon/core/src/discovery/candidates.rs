//! The table of candidates: merges what all sources hint at, and says politely when to try which address.
//!
//! A source's reading is the whole of what it knows now: what it no longer names vanishes, and what it names
//! anew appears. Told addresses (an announcement of Truca names them) are tried before mere routers.
//!
//! Politeness: [`TOLD`] and [`ROUTER`] say how many are tried at once and how fast after that, how long after it
//! was heard of an address is tried first, and how long it is left alone after a failure, doubling. Every pause is
//! jittered by a quarter. What appears later than with a source's first reading is tried after a random while, in
//! which the newcomer itself will have found somebody: a mesh does not rush at it. An address that
//! vanishes and comes back keeps its turn and its failures, so a lie that flickers costs no more than one that stays.
//!
//! Bounds: [`MAX_CANDIDATES`], of which [`MAX_A_SOURCE`] by one source, so that one that lies leaves room for the
//! others; of a source that names more, announcements and a random choice are taken, another every [`EPOCH`]. When it is full, room is made by what has vanished, then by a mere router that failed; else the newcomer
//! is left out and counted.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::{Lead, Source};
use crate::Time;
use crate::id::NodeId;
use crate::sorted::Map;

/// Most addresses.
pub const MAX_CANDIDATES: usize = 1024;
/// Most addresses that one source alone can fill the table with.
pub const MAX_A_SOURCE: usize = 512;
/// Most networks that are never tried.
pub const MAX_AVOIDED: usize = 32;

/// How long a random choice among too many stays.
pub const EPOCH: Duration = Duration::from_secs(6 * 60 * 60);
/// How long after its next try would have been an address that has vanished is forgotten.
const FORGET: Duration = Duration::from_secs(10 * 60);

/// How one kind of candidate is tried.
#[derive(Debug)]
pub struct Manners {
    /// How many may be tried at once after a quiet time.
    pub burst: u32,
    /// How far apart on average after that, while this node knows no other.
    pub alone: Duration,
    /// As `alone`, once it knows another, who tells it of the rest.
    pub joined: Duration,
    /// How long at most a source's first reading waits.
    pub first: Duration,
    /// How long at most what comes later waits.
    pub later: Duration,
    /// The pause after the first failure; it doubles with each.
    pub retry: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How long a node that was reached, or an address that the node knows better about, is left alone.
    pub again: Duration,
}

/// Addresses that an announcement of Truca names.
pub const TOLD: Manners = Manners {
    burst: 16,
    alone: Duration::from_millis(500),
    joined: Duration::from_secs(1),
    first: Duration::from_secs(1),
    later: Duration::from_secs(30),
    retry: Duration::from_secs(30),
    longest: Duration::from_secs(30 * 60),
    again: Duration::from_secs(10 * 60),
};

/// Routers that may run Truca.
pub const ROUTER: Manners = Manners {
    burst: 4,
    alone: Duration::from_secs(1),
    joined: Duration::from_secs(10),
    first: Duration::from_secs(5),
    later: Duration::from_secs(60),
    retry: Duration::from_secs(5 * 60),
    longest: Duration::from_secs(6 * 60 * 60),
    again: Duration::from_secs(60 * 60),
};

/// An address to try now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Where.
    pub address: SocketAddr,
    /// Who is said to be there: `None` also when sources disagree, so that nobody can hide an address behind
    /// the id of a node that is known.
    pub id: Option<NodeId>,
    /// Who says so; the first of several.
    pub source: Source,
}

/// What has happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Addresses that were tried.
    pub probes: u32,
    /// Of them, those where a node answered.
    pub reached: u32,
    /// Of them, those that failed.
    pub failed: u32,
    /// Addresses left out because the table, or a source's part of it, was full.
    pub full: u32,
    /// Addresses left out because they are ours, avoided, or not to be reached from here.
    pub avoided: u32,
}

/// A candidate, for the control socket.
#[derive(Debug, Clone)]
pub struct View {
    /// Where.
    pub address: SocketAddr,
    /// Who is said to be there.
    pub id: Option<NodeId>,
    /// Who says so.
    pub sources: Vec<Source>,
    /// Whether an announcement of Truca says so.
    pub told: bool,
    /// How often it failed since it was last reached.
    pub failures: u32,
    /// Whether a node answered there.
    pub reached: bool,
    /// When it is tried next.
    pub due: Time,
}

#[derive(Debug, Clone, Copy)]
struct Claim {
    source: Source,
    id: Option<NodeId>,
    told: bool,
}

#[derive(Debug)]
struct Entry {
    /// Who names it now; empty when it has vanished.
    claims: Vec<Claim>,
    failures: u32,
    reached: bool,
    due: Time,
}

impl Entry {
    fn told(&self) -> bool {
        self.claims.iter().any(|claim| claim.told)
    }

    fn manners(&self) -> &'static Manners {
        if self.told() { &TOLD } else { &ROUTER }
    }

    fn id(&self) -> Option<NodeId> {
        let mut told = self.claims.iter().filter(|claim| claim.told).map(|claim| claim.id);
        let first = told.next()??;
        told.all(|id| id == Some(first)).then_some(first)
    }
}

/// The table.
pub struct Candidates {
    entries: Map<SocketAddr, Entry>,
    /// Sources that have been read once.
    read: Vec<Source>,
    /// When the next probe may be, for told addresses and for routers; earlier than now: saved for a burst.
    next: [Time; 2],
    alone: bool,
    own: Vec<SocketAddr>,
    avoided: Vec<(IpAddr, u8)>,
    loopback: bool,
    seed: u64,
    random: SmallRng,
    counters: Counters,
}

impl Candidates {
    /// An empty table. `loopback`: whether this node lives on loopback, where its others then are too.
    pub fn new(seed: u64, loopback: bool) -> Self {
        Self {
            entries: Map::new(),
            read: Vec::new(),
            next: [Time::ZERO; 2],
            alone: true,
            own: Vec::new(),
            avoided: Vec::new(),
            loopback,
            seed,
            random: SmallRng::seed_from_u64(seed),
            counters: Counters::default(),
        }
    }

    /// Where this node listens, and networks that its owner never wants tried.
    pub fn set_avoided(&mut self, own: Vec<SocketAddr>, avoided: Vec<(IpAddr, u8)>) {
        (self.own, self.avoided) = (own, avoided);
        self.avoided.truncate(MAX_AVOIDED);
        let unwanted: Vec<SocketAddr> =
            self.entries.keys().copied().filter(|address| self.is_avoided(*address)).collect();
        for address in unwanted {
            self.entries.remove(&address);
        }
    }

    /// Whether this node knows no other: then it looks harder.
    pub fn set_alone(&mut self, alone: bool) {
        self.alone = alone;
    }

    /// What has happened.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// All candidates that somebody names now.
    pub fn view(&self) -> impl Iterator<Item = View> {
        self.entries.iter().filter(|(_, entry)| !entry.claims.is_empty()).map(|(address, entry)| View {
            address: *address,
            id: entry.id(),
            sources: entry.claims.iter().map(|claim| claim.source).collect(),
            told: entry.told(),
            failures: entry.failures,
            reached: entry.reached,
            due: entry.due,
        })
    }

    /// A source was read: this is all that it names now.
    pub fn heard(&mut self, now: Time, source: Source, leads: &[Lead]) {
        let first = !self.read.contains(&source);
        if first {
            self.read.push(source);
        }
        let mut wanted: Map<SocketAddr, Claim> = Map::new();
        for lead in self.choice(now, leads).iter() {
            if self.is_avoided(lead.address) {
                self.counters.avoided = self.counters.avoided.wrapping_add(1);
            } else if let Some(claim) = wanted.get_mut(&lead.address) {
                match (claim.told, lead.told) {
                    // one source, one address, two stories: both are there, nobody is named
                    (true, true) => claim.id = claim.id.filter(|id| lead.id == Some(*id)),
                    (false, true) => (claim.id, claim.told) = (lead.id, true),
                    (_, false) => {}
                }
            } else if wanted.len() < MAX_A_SOURCE {
                wanted.insert(lead.address, Claim { source, id: lead.id, told: lead.told });
            } else {
                self.counters.full = self.counters.full.wrapping_add(1);
            }
        }
        for (address, entry) in &mut self.entries {
            entry.claims.retain(|claim| claim.source != source);
            if let Some(claim) = wanted.remove(address) {
                let was_told = entry.told();
                entry.claims.push(claim);
                entry.claims.sort_by_key(|claim| claim.source);
                if claim.told && !was_told {
                    // an announcement is news about an address that was a mere router's
                    entry.due = entry.due.min(now + TOLD.later);
                }
            }
        }
        self.entries.retain(|_, entry| !entry.claims.is_empty() || now < entry.due + FORGET);
        for (address, claim) in wanted {
            self.appear(now, address, claim, first || source.is_link());
        }
    }

    /// A source is gone: it names nothing any more, and may come back.
    pub fn lost(&mut self, now: Time, source: Source) {
        if self.read.contains(&source) {
            self.heard(now, source, &[]);
            self.read.retain(|read| *read != source);
        }
    }

    /// What came of trying an address.
    pub fn outcome(&mut self, now: Time, address: SocketAddr, reached: bool) {
        let Some(entry) = self.entries.get_mut(&address) else { return };
        let manners = entry.manners();
        entry.reached = reached;
        let pause = if reached {
            self.counters.reached = self.counters.reached.wrapping_add(1);
            entry.failures = 0;
            manners.again
        } else {
            self.counters.failed = self.counters.failed.wrapping_add(1);
            entry.failures = entry.failures.saturating_add(1);
            manners.retry.saturating_mul(1 << (entry.failures - 1).min(16)).min(manners.longest)
        };
        entry.due = now + jittered(&mut self.random, pause);
    }

    /// The next address to try now; ask until there is none. It is not named again before [`Manners::again`],
    /// whether or not an outcome follows.
    pub fn poll(&mut self, now: Time) -> Option<Probe> {
        for told in [true, false] {
            if self.next[usize::from(!told)] > now {
                continue;
            }
            let due = self
                .entries
                .iter_mut()
                .filter(|(_, entry)| entry.due <= now && !entry.claims.is_empty() && entry.told() == told);
            let Some((address, entry)) = due.min_by_key(|(_, entry)| entry.due) else { continue };
            let manners = entry.manners();
            let probe = Probe { address: *address, id: entry.id(), source: entry.claims[0].source };
            entry.due = now + jittered(&mut self.random, manners.again);
            let apart = if self.alone { manners.alone } else { manners.joined };
            let saved = now.saturating_sub(apart * (manners.burst - 1));
            let next = &mut self.next[usize::from(!told)];
            *next = (*next).max(saved) + jittered(&mut self.random, apart);
            self.counters.probes = self.counters.probes.wrapping_add(1);
            return Some(probe);
        }
        None
    }

    /// When [`Self::poll`] has something next.
    pub fn poll_timeout(&self) -> Option<Time> {
        let live = self.entries.values().filter(|entry| !entry.claims.is_empty());
        live.map(|entry| entry.due.max(self.next[usize::from(!entry.told())])).min()
    }

    /// The leads, in an order of which the first ones can be taken.
    fn choice<'l>(&self, now: Time, leads: &'l [Lead]) -> Cow<'l, [Lead]> {
        if leads.len() <= MAX_A_SOURCE {
            return Cow::Borrowed(leads);
        }
        let mut leads = leads.to_vec();
        leads.sort_by_cached_key(|lead| {
            let mut hasher = DefaultHasher::new();
            (self.seed, now.as_secs() / EPOCH.as_secs(), lead.address).hash(&mut hasher);
            (!lead.told, hasher.finish())
        });
        Cow::Owned(leads)
    }

    fn appear(&mut self, now: Time, address: SocketAddr, claim: Claim, soon: bool) {
        if !self.make_room(claim.told) {
            self.counters.full = self.counters.full.wrapping_add(1);
            return;
        }
        let manners = if claim.told { &TOLD } else { &ROUTER };
        let most = if soon { manners.first } else { manners.later };
        let due = now + part(&mut self.random, most);
        let entry = Entry { claims: vec![claim], failures: 0, reached: false, due };
        self.entries.insert(address, entry);
    }

    fn make_room(&mut self, told: bool) -> bool {
        if self.entries.len() < MAX_CANDIDATES {
            return true;
        }
        let dispensable = |entry: &Entry| match (entry.claims.is_empty(), entry.told()) {
            (true, _) => Some((0, 0)),
            // the one that failed most; for a told address, also one that was not tried yet
            (false, false) if entry.failures > 0 || (told && !entry.reached) => {
                Some((1, u32::MAX - entry.failures))
            }
            _ => None,
        };
        let worst =
            self.entries.iter().filter_map(|(address, entry)| Some((dispensable(entry)?, *address))).min();
        worst.is_some_and(|(_, address)| self.entries.remove(&address).is_some())
    }

    fn is_avoided(&self, address: SocketAddr) -> bool {
        let ip = address.ip();
        // a scope does not make an address of ours another
        let own = |own: &SocketAddr| own.ip() == ip && own.port() == address.port();
        (ip.is_loopback() && !self.loopback)
            || self.own.iter().any(own)
            || self.avoided.iter().any(|(network, length)| contains(*network, *length, ip))
    }
}

/// A random part of a time. Whole numbers do: floating point would be the only one in the daemon, and on a router a
/// library.
fn part(random: &mut SmallRng, of: Duration) -> Duration {
    of * (random.next_u32() >> 16) / 65_536
}

/// Three to five quarters of a pause.
fn jittered(random: &mut SmallRng, pause: Duration) -> Duration {
    pause * 3 / 4 + part(random, pause / 2)
}

/// Whether an address is in a network.
pub(super) fn contains(network: IpAddr, length: u8, ip: IpAddr) -> bool {
    match (network, ip) {
        (IpAddr::V4(network), IpAddr::V4(ip)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length.min(32))).unwrap_or(0);
            u32::from(network) & mask == u32::from(ip) & mask
        }
        (IpAddr::V6(network), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length.min(128))).unwrap_or(0);
            u128::from(network) & mask == u128::from(ip) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
