//! Comparing directories with another node over a link, so that nothing is missed for ever: when a link opens
//! to a new member, when one comes back from *down*, when a datagram's summary has shown for [`SETTLE`] that
//! somebody knows something else, and every [`SYNC_PERIOD`] with a random member.
//!
//! The arithmetic is in `truca_core::directory::sync`; here is who asks whom, and how often.
//!
//! Bounds: [`MAX_ITEMS`] items of comparisons under way. A comparison is answered once in [`COMPARE_PAUSE`] a
//! link, with at most [`RECORDS_AN_ANSWER`] bytes of records; the next one goes on from there.

use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::Key;
use truca_core::directory::sync::Digest;
use truca_core::id::NodeId;
use truca_core::wire::node::{Frame, Item};

use super::inbox::LAZILY;
use super::{Job, Node, SYNC_PERIOD, SYNC_SOON};
use crate::event::LinkId;

/// Most items of comparisons that are under way, over all links: 1 MiB.
const MAX_ITEMS: usize = 65_536;
/// How often a link may ask for a comparison: each goes through the whole directory.
const COMPARE_PAUSE: Duration = Duration::from_secs(1);
/// How many frames of members are heard in [`COMPARE_PAUSE`]: a question and the roll of the largest mesh.
const MEMBERS: u8 = 4;
/// How many `Want` frames may follow one comparison.
const WANTS: u8 = 96;
/// Most records that are asked for at once.
const WANT: usize = 500;
/// Most bytes of records sent at once: more than a router checks between two comparisons, and so little that a
/// dozen links that join at once do not fill what may wait for all (`run.rs`).
const RECORDS_AN_ANSWER: usize = 256 * 1024;
/// Most nodes that are being reached when another one is to be compared with.
const MAX_REACHING: usize = 16;
/// How long news has to settle before a difference is one that gossip has left.
const SETTLE: Duration = Duration::from_secs(3);
/// Where there is always news, differences are looked into nevertheless, so often.
const RESTLESS: Duration = Duration::from_secs(60);
/// Most items in one frame.
const ITEMS_A_FRAME: usize = 3_000;
/// Bytes of records in one frame, about.
const RECORDS_A_FRAME: usize = 32 * 1024;

/// Differences that the summaries of datagrams have shown.
#[derive(Debug)]
pub(super) struct Drift {
    /// When the directory changed last.
    changed: Time,
    /// When a difference was looked into last, and the pause after it: it grows while nothing new comes of it,
    /// since two nodes with different bounds may differ for ever.
    looked: Time,
    pause: Duration,
}

impl Default for Drift {
    fn default() -> Self {
        Self { changed: Time::ZERO, looked: Time::ZERO, pause: SETTLE }
    }
}

/// What a link's comparisons have come to.
#[derive(Debug, Default)]
pub(super) struct Comparing {
    items: Vec<Item>,
    /// Comparisons that were asked for over this link and not answered.
    asked: u8,
    /// When a comparison was answered last, and how many `Want` may still follow it.
    answered: Option<Time>,
    wants: u8,
    /// Whether the other side's members were asked for.
    members_asked: bool,
    /// When frames of members were heard last, and how many more may follow now.
    members_at: Option<Time>,
    members_left: u8,
    /// What is still to be asked for, the next last; and how many records were asked for and did not come yet.
    to_want: Vec<u64>,
    coming: usize,
    /// Whether so much is coming that it is kept unchecked.
    pub(super) lazily: bool,
}

impl Node {
    /// The other side asks for a comparison. Whether its frame could be understood.
    pub(super) fn on_digest(&mut self, now: Time, link: LinkId, theirs: &[u8]) -> bool {
        let Some(theirs) = Digest::from_bytes(theirs) else { return false };
        let Some(open) = self.links.open.get_mut(&link) else { return true };
        if open.comparing.answered.is_some_and(|at| now < at + COMPARE_PAUSE) {
            self.links.counters.too_often = self.links.counters.too_often.wrapping_add(1);
            return true;
        }
        (open.comparing.answered, open.comparing.wants) = (Some(now), WANTS);
        if theirs == Digest::default() {
            let keys = self.directory.keys();
            self.send_records(now, link, &keys);
            return true;
        }
        let buckets = self.directory.digest().differing(&theirs);
        let items = self.directory.items(&buckets);
        let frame =
            |items: &[Item], more| Frame::Items { buckets: buckets.clone(), items: items.to_vec(), more };
        if items.is_empty() {
            self.send_frame(now, link, &frame(&[], false));
        }
        let mut chunks = items.chunks(ITEMS_A_FRAME).peekable();
        while let Some(chunk) = chunks.next() {
            self.send_frame(now, link, &frame(chunk, chunks.peek().is_some()));
        }
        true
    }

    /// The answer to a comparison, or a part of it. Whether it was asked for and has room.
    pub(super) fn on_items(
        &mut self,
        now: Time,
        link: LinkId,
        buckets: &[u8],
        items: Vec<Item>,
        more: bool,
    ) -> bool {
        if self.links.open.get(&link).is_none_or(|open| open.comparing.asked == 0) {
            return false;
        }
        while self.waiting_items() + items.len() > MAX_ITEMS {
            // who keeps most waiting makes room, so that one cannot keep all others from comparing
            let most = self
                .links
                .open
                .iter()
                .max_by_key(|(_, o)| o.comparing.items.len() + o.comparing.to_want.len());
            let Some(most) = most.map(|(most, _)| *most).filter(|most| *most != link) else { return false };
            self.close_link(now, most);
        }
        let Some(open) = self.links.open.get_mut(&link) else { return true };
        open.comparing.items.extend(items);
        if !more {
            open.comparing.asked -= 1;
            let theirs = core::mem::take(&mut open.comparing.items);
            let difference = self.directory.compare(buckets, &theirs);
            self.send_records(now, link, &difference.send);
            if let Some(open) = self.links.open.get_mut(&link) {
                open.comparing.lazily = difference.want.len() > LAZILY;
                open.comparing.coming = 0;
                open.comparing.to_want = difference.want;
                open.comparing.to_want.reverse();
            }
            self.want_more(now, link);
        }
        true
    }

    /// The other side asks who the members are, or tells. Whether it could be understood.
    pub(super) fn on_members(&mut self, now: Time, link: LinkId, sum: u64, roll: &[u8], more: bool) -> bool {
        let Some(open) = self.links.open.get_mut(&link) else { return true };
        let comparing = &mut open.comparing;
        if comparing.members_at.is_none_or(|at| now >= at + COMPARE_PAUSE) {
            (comparing.members_at, comparing.members_left) = (Some(now), MEMBERS);
        }
        let Some(left) = comparing.members_left.checked_sub(1) else {
            self.links.counters.too_often = self.links.counters.too_often.wrapping_add(1);
            return true;
        };
        comparing.members_left = left;
        let asked = comparing.members_asked;
        if !roll.is_empty() {
            if !self.gossip.merge_roll(now, roll) {
                return false;
            }
            if more || !asked {
                return true;
            }
            if let Some(open) = self.links.open.get_mut(&link) {
                open.comparing.members_asked = false;
            }
        }
        // a question is answered where the sums differ; what was told is answered with what the other lacks
        if self.gossip.sum() != sum {
            let mut pieces = self.gossip.roll().into_iter().peekable();
            while let Some(roll) = pieces.next() {
                let (sum, more) = (self.gossip.sum(), pieces.peek().is_some());
                self.send_frame(now, link, &Frame::Members { sum, roll, more });
            }
        }
        true
    }

    fn waiting_items(&self) -> usize {
        self.links.open.values().map(|open| open.comparing.items.len() + open.comparing.to_want.len()).sum()
    }

    /// Asks for some of what a comparison has shown, when what was asked for before has nearly come and is merged:
    /// so the pace is that of the slower side.
    fn want_more(&mut self, now: Time, link: LinkId) {
        let waiting = self.waiting();
        let Some(open) = self.links.open.get_mut(&link) else { return };
        let comparing = &mut open.comparing;
        if comparing.to_want.is_empty() || comparing.coming > WANT / 2 || waiting > 2 * WANT {
            return;
        }
        let rest = comparing.to_want.len().saturating_sub(WANT);
        let mut hashes = comparing.to_want.split_off(rest);
        hashes.reverse();
        comparing.coming += hashes.len();
        self.send_frame(now, link, &Frame::Want(hashes));
    }

    /// Some of what waited is merged: there is room for more.
    pub(super) fn want_on(&mut self, now: Time) {
        let links = self.links.open.iter().filter(|(_, open)| !open.comparing.to_want.is_empty());
        for link in links.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.want_more(now, link);
        }
    }

    /// Records came over a link.
    pub(super) fn on_records(&mut self, now: Time, link: LinkId, from: NodeId, records: Vec<Vec<u8>>) {
        let Some(open) = self.links.open.get_mut(&link) else { return };
        open.comparing.coming = open.comparing.coming.saturating_sub(records.len());
        let lazily = open.comparing.lazily || self.waiting() + records.len() > LAZILY;
        for record in records {
            self.take_in(now, record, lazily.then_some(from));
        }
        self.want_more(now, link);
    }

    /// The other side wants records.
    pub(super) fn on_want(&mut self, now: Time, link: LinkId, hashes: &[u64]) {
        let Some(open) = self.links.open.get_mut(&link) else { return };
        let Some(left) = open.comparing.wants.checked_sub(1) else {
            self.links.counters.too_often = self.links.counters.too_often.wrapping_add(1);
            return;
        };
        open.comparing.wants = left;
        let keys = self.directory.wanted(hashes);
        self.send_records(now, link, &keys);
    }

    fn send_records(&mut self, now: Time, link: LinkId, keys: &[Key]) {
        let mut batch = Vec::new();
        let (mut size, mut total) = (0, 0);
        for key in keys {
            let Some(record) = self.directory.encoded(key) else { continue };
            if total + record.len() > RECORDS_AN_ANSWER {
                break;
            }
            self.links.counters.records_sent = self.links.counters.records_sent.wrapping_add(1);
            total += record.len() + 2;
            size += record.len() + 2;
            batch.push(record);
            if size >= RECORDS_A_FRAME {
                self.send_frame(now, link, &Frame::Records(core::mem::take(&mut batch)));
                size = 0;
            }
        }
        if !batch.is_empty() {
            self.send_frame(now, link, &Frame::Records(batch));
        }
    }

    /// Asks for a comparison.
    pub(super) fn compare(&mut self, now: Time, link: LinkId) {
        self.links.counters.comparisons = self.links.counters.comparisons.wrapping_add(1);
        if let Some(open) = self.links.open.get_mut(&link) {
            open.comparing.asked = open.comparing.asked.saturating_add(1);
            open.comparing.members_asked = true;
        }
        let digest = self.directory.digest().to_bytes();
        self.send_frame(now, link, &Frame::Digest(digest));
        self.send_frame(now, link, &Frame::Members { sum: self.gossip.sum(), roll: Vec::new(), more: false });
    }

    /// Compares directories with a node, over the link to it or a new one.
    pub(super) fn sync_with(&mut self, now: Time, id: NodeId) {
        match self.links.to(id) {
            Some(link) => self.compare(now, link),
            None if self.links.reaching() < MAX_REACHING => self.reach(now, id, None, true),
            // when half a mesh comes back at once, what one of them has the others mostly have too
            None => self.sync_later(now, SYNC_SOON),
        }
    }

    /// The directory or the members changed: datagrams say so from now on.
    pub(super) fn summarize(&mut self, now: Time) {
        self.gossip.set_summary(self.directory.digest().summary());
        (self.drift.changed, self.drift.pause) = (now, SETTLE);
    }

    /// A member's directory is not ours.
    pub(super) fn differs(&mut self, now: Time, id: NodeId) {
        let Drift { changed, looked, pause } = self.drift;
        if now < looked + pause || (now < changed + SETTLE && now < looked + RESTLESS) {
            return;
        }
        self.drift.looked = now;
        self.drift.pause = (pause * 2).min(SYNC_PERIOD);
        self.sync_with(now, id);
    }

    /// Brings the next comparison forward.
    pub(super) fn sync_later(&mut self, now: Time, period: Duration) {
        let at = self.jittered(now, period);
        if self.sync_at <= now || at < self.sync_at {
            self.jobs.remove(&(self.sync_at, Job::Sync));
            self.sync_at = at;
            self.jobs.insert((at, Job::Sync));
        }
    }

    pub(super) fn sync_due(&mut self, now: Time) {
        let others: Vec<NodeId> = self.alive.iter().copied().filter(|id| *id != self.id).collect();
        if !others.is_empty() {
            let [a, b] = self.random();
            let at = usize::from(u16::from_be_bytes([a, b])) % others.len();
            self.sync_with(now, others[at]);
        }
        self.sync_later(now, SYNC_PERIOD);
    }
}
