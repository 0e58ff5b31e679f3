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
use truca_core::id::NodeId;
use truca_core::name::Address;
use truca_core::sorted::{Map, Set};
use truca_core::wire::node::Frame;

use super::ground::Ground;
use super::learn::Learnt;
use super::said::{Happened, Job, Said};
use crate::event::LinkId;

mod compare;

use compare::{Comparing, Drift, SYNC_PERIOD, SYNC_SOON};

/// Most bytes of records that wait.
const MAX_BYTES: usize = 1024 * 1024;
/// What a waiting record costs beside its bytes.
const OVERHEAD: usize = 48;
/// Signatures checked in one turn: 70 ms on a router.
const CHECKS_A_TURN: u32 = 4;
/// Records looked at in one turn, most of which are known.
const RECORDS_A_TURN: usize = 256;
/// Above so many records that wait or were asked for, those of a link are kept unchecked: 1 s of a router.
const LAZILY: usize = 64;
/// How often some unchecked records are checked, and how many: 7 % of a router, and 14,000 in an hour.
const PROVE_PERIOD: Duration = Duration::from_secs(1);
const PROOFS: usize = 4;
/// Most people whose records are checked soon because a page would show them.
const MAX_WANTED: usize = 256;
/// The pause between two turns, in which everything else is done.
const PAUSE: Duration = Duration::from_millis(1);
/// After so much news at once the other side may have had more than it was asked to send.
const MUCH: u32 = 300;

/// Records on their way into the directory, and what is asked for.
#[derive(Debug, Default)]
pub(super) struct Records {
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
    dropped: u32,
    /// What comparisons over links have come to.
    comparing: Map<LinkId, Comparing>,
    drift: Drift,
    sync_at: Time,
    /// Members that are gone: when they are back they are compared with.
    fallen: Set<NodeId>,
}

impl Records {
    /// The first comparison is some time after the start.
    pub(super) fn start(&mut self, ground: &mut Ground, now: Time) {
        self.sync_later(ground, now, SYNC_PERIOD);
    }

    /// How many records were dropped because too many waited.
    pub(super) fn status(&self) -> u32 {
        self.dropped
    }

    /// What others have said and done that matters here.
    pub(super) fn happened(&mut self, ground: &mut Ground, now: Time, happened: &Happened) {
        match happened {
            Happened::Up(id) => {
                let was_gone = self.fallen.remove(id);
                if was_gone {
                    ground.say(Said::Compare(*id));
                }
            }
            Happened::Down(id) => {
                self.fallen.insert(*id);
            }
            Happened::Differs(id) => self.differs(ground, now, *id),
            Happened::Missed => self.sync_soon(ground, now),
            Happened::Wanted(address) => self.prove_person(ground, now, address.clone()),
            Happened::Unlinked(link, _) => {
                self.comparing.remove(link);
            }
            _ => {}
        }
    }

    /// Members that are gone.
    pub(super) fn fallen(&self) -> impl Iterator<Item = &NodeId> {
        self.fallen.iter()
    }

    /// A comparison is wanted soon.
    pub(super) fn sync_soon(&mut self, ground: &mut Ground, now: Time) {
        self.sync_later(ground, now, SYNC_SOON);
    }

    /// A frame about records or members came over a link. Whether it makes sense.
    pub(super) fn frame(
        &mut self,
        ground: &mut Ground,
        now: Time,
        (link, from): (LinkId, NodeId),
        frame: Frame,
    ) -> bool {
        match frame {
            Frame::Digest(theirs) => self.on_digest(ground, now, link, &theirs),
            Frame::Items { buckets, items, more } => self.on_items(ground, link, &buckets, items, more),
            Frame::Want(hashes) => {
                self.on_want(ground, link, &hashes);
                true
            }
            Frame::Records(records) => {
                self.on_records(ground, now, link, from, records);
                true
            }
            Frame::Members { sum, roll, more } => self.on_members(ground, now, link, sum, &roll, more),
            Frame::Hello { .. } | Frame::Prove(_) | Frame::Call(_) | Frame::Devices(_) => false,
        }
    }

    /// Puts a record in the queue.
    pub(super) fn take_in(&mut self, ground: &mut Ground, now: Time, record: Vec<u8>, from: Option<NodeId>) {
        let inbox = &mut *self;
        if inbox.bytes + record.len() + OVERHEAD > MAX_BYTES {
            inbox.dropped = inbox.dropped.wrapping_add(1);
            inbox.missed = true;
            return;
        }
        inbox.bytes += record.len() + OVERHEAD;
        inbox.waiting.push_back((record, from));
        if !inbox.due {
            inbox.due = true;
            ground.due(now, Job::Learn);
        }
    }

    /// Merges some of what waits.
    pub(super) fn learn_some(&mut self, ground: &mut Ground, now: Time) {
        self.due = false;
        let start = ground.directory.counters().checked;
        for _ in 0..RECORDS_A_TURN {
            if ground.directory.counters().checked.wrapping_sub(start) >= CHECKS_A_TURN {
                break;
            }
            let Some((record, from)) = self.waiting.pop_front() else { break };
            self.bytes -= record.len() + OVERHEAD;
            let learnt = ground.learn_from(now, &record, from);
            if learnt != Learnt::Nothing {
                self.news = self.news.saturating_add(1);
            }
            if learnt == Learnt::Unchecked {
                self.prove_later(ground, now, PROVE_PERIOD);
            }
        }
        if !self.waiting.is_empty() {
            self.due = true;
            ground.due(now + PAUSE, Job::Learn);
        } else {
            if self.missed || self.news >= MUCH {
                self.sync_later(ground, now, SYNC_SOON);
            }
            self.missed = false;
            self.news = 0;
        }
        self.want_on(ground);
    }

    /// How many records wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Brings the next look at unchecked records forward.
    pub(super) fn prove_later(&mut self, ground: &mut Ground, now: Time, period: Duration) {
        let at = now + period;
        if self.prove_at.is_none_or(|before| at < before) {
            let before = self.prove_at.replace(at);
            if let Some(before) = before {
                ground.not_due(before, Job::Prove);
            }
            ground.due(at, Job::Prove);
        }
    }

    /// Somebody would be shown to a page, if it were sure that there is such a person.
    pub(super) fn prove_person(&mut self, ground: &mut Ground, now: Time, address: Address) {
        if self.wanted.len() < MAX_WANTED {
            self.wanted.insert(address);
            self.prove_later(ground, now, PAUSE);
        }
    }

    pub(super) fn prove_due(&mut self, ground: &mut Ground, now: Time) {
        self.prove_at = None;
        let before = ground.directory.digest().summary();
        if let Some(address) = self.wanted.pop_first() {
            ground.directory.check_person(&address);
            if self.wanted.is_empty() {
                ground.windows_soon(now);
            }
        } else {
            for id in ground.directory.check_some(PROOFS) {
                ground.gossip.forget(id);
            }
        }
        if ground.directory.digest().summary() != before {
            ground.summarize(now);
        }
        if !self.wanted.is_empty() {
            self.prove_later(ground, now, PAUSE);
        } else if ground.directory.unchecked() > 0 {
            self.prove_later(ground, now, PROVE_PERIOD);
        }
    }
}
