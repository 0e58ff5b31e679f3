//! Records that came from others and wait to be checked: a signature takes 17 ms of a router, and a frame can
//! hold a hundred of them, so only a few are checked a turn and calls go on in between.
//!
//! Who joins a city is given thousands: what was asked for in such numbers is kept unchecked
//! (`truca_core::directory::lazy`), and checked here a little at a time, first what somebody waits to see.
//!
//! Bounds: [`MAX_BYTES`], [`MAX_WANTED`]. What comes above it is dropped, counted, and asked for again by the next comparison.

use std::collections::VecDeque;
use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::Key;
use truca_core::id::NodeId;
use truca_core::name::Address;
use truca_core::sorted::Set;

use super::{Job, Node, SYNC_SOON};

/// Most bytes of records that wait.
const MAX_BYTES: usize = 1024 * 1024;
/// What a waiting record costs beside its bytes.
const OVERHEAD: usize = 48;
/// Signatures checked in one turn: 70 ms on a router.
const CHECKS_A_TURN: u32 = 4;
/// Records looked at in one turn, most of which are known.
const RECORDS_A_TURN: usize = 256;
/// Above so many records that wait or were asked for, those of a link are kept unchecked: 1 s of a router.
pub(super) const LAZILY: usize = 64;
/// How often some unchecked records are checked, and how many: 7 % of a router, and 14,000 in an hour.
pub(super) const PROVE_PERIOD: Duration = Duration::from_secs(1);
const PROOFS: usize = 4;
/// Most people whose records are checked soon because a page would show them.
const MAX_WANTED: usize = 256;
/// The pause between two turns, in which everything else is done.
const PAUSE: Duration = Duration::from_millis(1);
/// After so much news at once the other side may have had more than it was asked to send.
const MUCH: u32 = 300;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    /// With the neighbour whose word may be taken for it.
    waiting: VecDeque<(Vec<u8>, Option<NodeId>)>,
    bytes: usize,
    due: bool,
    news: u32,
    missed: bool,
    /// When unchecked records are looked at next, and who comes first.
    prove_at: Option<Time>,
    wanted: Set<Address>,
    /// Records dropped because too many waited.
    pub(super) dropped: u32,
}

impl Node {
    /// Puts a record in the queue.
    pub(super) fn take_in(&mut self, now: Time, record: Vec<u8>, from: Option<NodeId>) {
        let inbox = &mut self.inbox;
        if inbox.bytes + record.len() + OVERHEAD > MAX_BYTES {
            inbox.dropped = inbox.dropped.wrapping_add(1);
            inbox.missed = true;
            return;
        }
        inbox.bytes += record.len() + OVERHEAD;
        inbox.waiting.push_back((record, from));
        if !inbox.due {
            inbox.due = true;
            self.jobs.insert((now, Job::Learn));
        }
    }

    /// Merges some of what waits.
    pub(super) fn learn_some(&mut self, now: Time) {
        self.inbox.due = false;
        let start = self.directory.counters().checked;
        for _ in 0..RECORDS_A_TURN {
            if self.directory.counters().checked.wrapping_sub(start) >= CHECKS_A_TURN {
                break;
            }
            let Some((record, from)) = self.inbox.waiting.pop_front() else { break };
            self.inbox.bytes -= record.len() + OVERHEAD;
            if self.learn_from(now, &record, from) {
                self.inbox.news = self.inbox.news.saturating_add(1);
            }
        }
        if !self.inbox.waiting.is_empty() {
            self.inbox.due = true;
            self.jobs.insert((now + PAUSE, Job::Learn));
        } else {
            if self.inbox.missed || self.inbox.news >= MUCH {
                self.sync_later(now, SYNC_SOON);
            }
            self.inbox.missed = false;
            self.inbox.news = 0;
        }
        self.want_on(now);
    }

    /// How many records wait.
    pub(super) fn waiting(&self) -> usize {
        self.inbox.waiting.len()
    }

    /// Brings the next look at unchecked records forward.
    pub(super) fn prove_later(&mut self, now: Time, period: Duration) {
        let at = now + period;
        if self.inbox.prove_at.is_none_or(|before| at < before) {
            let before = self.inbox.prove_at.replace(at);
            if let Some(before) = before {
                self.jobs.remove(&(before, Job::Prove));
            }
            self.jobs.insert((at, Job::Prove));
        }
    }

    /// Somebody would be shown to a page, if it were sure that there is such a person.
    pub(super) fn prove_person(&mut self, now: Time, address: Address) {
        if self.inbox.wanted.len() < MAX_WANTED {
            self.inbox.wanted.insert(address);
            self.prove_later(now, PAUSE);
        }
    }

    pub(super) fn prove_due(&mut self, now: Time) {
        self.inbox.prove_at = None;
        let before = self.directory.digest().summary();
        if let Some(address) = self.inbox.wanted.pop_first() {
            self.directory.check_person(&address);
            if self.inbox.wanted.is_empty() {
                self.windows_soon(now);
            }
        } else {
            for id in self.directory.check_some(PROOFS) {
                self.gossip.forget(id);
            }
        }
        if self.directory.digest().summary() != before {
            self.summarize(now);
        }
        if !self.inbox.wanted.is_empty() {
            self.prove_later(now, PAUSE);
        } else if self.directory.unchecked() > 0 {
            self.prove_later(now, PROVE_PERIOD);
        }
    }

    /// Checks a node's record before it is believed. Whether there is one.
    pub(super) fn check_node(&mut self, id: NodeId) -> bool {
        let right = self.directory.check(&Key::Node(id));
        if right {
            self.introduce(id);
        } else {
            self.gossip.forget(id);
        }
        right
    }
}
