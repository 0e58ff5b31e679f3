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

use super::super::ground::Ground;
use super::super::said::{Job, Said};
use super::{LAZILY, Records};
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
/// How often one random member is compared with, jittered by a quarter.
pub(super) const SYNC_PERIOD: Duration = Duration::from_secs(300);
/// How soon after something was missed.
pub(super) const SYNC_SOON: Duration = Duration::from_secs(2);
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
    /// How often the directory had changed then: after news the pause is the shortest again.
    changes: u32,
    /// When a difference was looked into last, and the pause after it: it grows while nothing new comes of it,
    /// since two nodes with different bounds may differ for ever.
    looked: Time,
    pause: Duration,
}

impl Default for Drift {
    fn default() -> Self {
        Self { changes: 0, looked: Time::ZERO, pause: SETTLE }
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
    lazily: bool,
}

impl Records {
    /// The other side asks for a comparison. Whether its frame could be understood.
    pub(super) fn on_digest(&mut self, ground: &mut Ground, now: Time, link: LinkId, theirs: &[u8]) -> bool {
        let Some(theirs) = Digest::from_bytes(theirs) else { return false };
        let comparing = self.comparing.entry(link).or_default();
        if comparing.answered.is_some_and(|at| now < at + COMPARE_PAUSE) {
            ground.counters.too_often = ground.counters.too_often.wrapping_add(1);
            return true;
        }
        (comparing.answered, comparing.wants) = (Some(now), WANTS);
        if theirs == Digest::default() {
            let keys = ground.directory.keys();
            self.send_records(ground, link, &keys);
            return true;
        }
        let buckets = ground.directory.digest().differing(&theirs);
        let items = ground.directory.items(&buckets);
        let frame =
            |items: &[Item], more| Frame::Items { buckets: buckets.clone(), items: items.to_vec(), more };
        if items.is_empty() {
            ground.send(link, frame(&[], false));
        }
        let mut chunks = items.chunks(ITEMS_A_FRAME).peekable();
        while let Some(chunk) = chunks.next() {
            ground.send(link, frame(chunk, chunks.peek().is_some()));
        }
        true
    }

    /// The answer to a comparison, or a part of it. Whether it was asked for and has room.
    pub(super) fn on_items(
        &mut self,
        ground: &mut Ground,
        link: LinkId,
        buckets: &[u8],
        items: Vec<Item>,
        more: bool,
    ) -> bool {
        if self.comparing.get(&link).is_none_or(|comparing| comparing.asked == 0) {
            return false;
        }
        while self.waiting_items() + items.len() > MAX_ITEMS {
            // who keeps most waiting makes room, so that one cannot keep all others from comparing
            let most = self.comparing.iter().max_by_key(|(_, it)| it.items.len() + it.to_want.len());
            let Some(most) = most.map(|(most, _)| *most).filter(|most| *most != link) else { return false };
            self.comparing.remove(&most);
            ground.say(Said::Close(most));
        }
        let Some(comparing) = self.comparing.get_mut(&link) else { return true };
        comparing.items.extend(items);
        if !more {
            comparing.asked -= 1;
            let theirs = core::mem::take(&mut comparing.items);
            let difference = ground.directory.compare(buckets, &theirs);
            self.send_records(ground, link, &difference.send);
            if let Some(comparing) = self.comparing.get_mut(&link) {
                comparing.lazily = difference.want.len() > LAZILY;
                comparing.coming = 0;
                comparing.to_want = difference.want;
                comparing.to_want.reverse();
            }
            self.want_more(ground, link);
        }
        true
    }

    /// The other side asks who the members are, or tells. Whether it could be understood.
    pub(super) fn on_members(
        &mut self,
        ground: &mut Ground,
        now: Time,
        link: LinkId,
        sum: u64,
        roll: &[u8],
        more: bool,
    ) -> bool {
        let comparing = self.comparing.entry(link).or_default();
        if comparing.members_at.is_none_or(|at| now >= at + COMPARE_PAUSE) {
            (comparing.members_at, comparing.members_left) = (Some(now), MEMBERS);
        }
        let Some(left) = comparing.members_left.checked_sub(1) else {
            ground.counters.too_often = ground.counters.too_often.wrapping_add(1);
            return true;
        };
        comparing.members_left = left;
        let asked = comparing.members_asked;
        if !roll.is_empty() {
            if !ground.gossip.merge_roll(now, roll) {
                return false;
            }
            if more || !asked {
                return true;
            }
            if let Some(comparing) = self.comparing.get_mut(&link) {
                comparing.members_asked = false;
            }
        }
        // a question is answered where the sums differ; what was told is answered with what the other lacks
        if ground.gossip.sum() != sum {
            let mut pieces = ground.gossip.roll().into_iter().peekable();
            while let Some(roll) = pieces.next() {
                let (sum, more) = (ground.gossip.sum(), pieces.peek().is_some());
                ground.send(link, Frame::Members { sum, roll, more });
            }
        }
        true
    }

    fn waiting_items(&self) -> usize {
        self.comparing.values().map(|comparing| comparing.items.len() + comparing.to_want.len()).sum()
    }

    /// Asks for some of what a comparison has shown, when what was asked for before has nearly come and is merged:
    /// so the pace is that of the slower side.
    fn want_more(&mut self, ground: &mut Ground, link: LinkId) {
        let waiting = self.waiting();
        let Some(comparing) = self.comparing.get_mut(&link) else { return };
        if comparing.to_want.is_empty() || comparing.coming > WANT / 2 || waiting > 2 * WANT {
            return;
        }
        let rest = comparing.to_want.len().saturating_sub(WANT);
        let mut hashes = comparing.to_want.split_off(rest);
        hashes.reverse();
        comparing.coming += hashes.len();
        ground.send(link, Frame::Want(hashes));
    }

    /// Some of what waited is merged: there is room for more.
    pub(super) fn want_on(&mut self, ground: &mut Ground) {
        let links = self.comparing.iter().filter(|(_, comparing)| !comparing.to_want.is_empty());
        for link in links.map(|(link, _)| *link).collect::<Vec<_>>() {
            self.want_more(ground, link);
        }
    }

    /// Records came over a link.
    pub(super) fn on_records(
        &mut self,
        ground: &mut Ground,
        now: Time,
        link: LinkId,
        from: NodeId,
        records: Vec<Vec<u8>>,
    ) {
        let comparing = self.comparing.entry(link).or_default();
        comparing.coming = comparing.coming.saturating_sub(records.len());
        let lazily = comparing.lazily || self.waiting() + records.len() > LAZILY;
        for record in records {
            self.take_in(ground, now, record, lazily.then_some(from));
        }
        self.want_more(ground, link);
    }

    /// The other side wants records.
    pub(super) fn on_want(&mut self, ground: &mut Ground, link: LinkId, hashes: &[u64]) {
        let comparing = self.comparing.entry(link).or_default();
        let Some(left) = comparing.wants.checked_sub(1) else {
            ground.counters.too_often = ground.counters.too_often.wrapping_add(1);
            return;
        };
        comparing.wants = left;
        let keys = ground.directory.wanted(hashes);
        self.send_records(ground, link, &keys);
    }

    fn send_records(&mut self, ground: &mut Ground, link: LinkId, keys: &[Key]) {
        let mut batch = Vec::new();
        let (mut size, mut total) = (0, 0);
        for key in keys {
            let Some(record) = ground.directory.encoded(key) else { continue };
            if total + record.len() > RECORDS_AN_ANSWER {
                break;
            }
            ground.counters.records_sent = ground.counters.records_sent.wrapping_add(1);
            total += record.len() + 2;
            size += record.len() + 2;
            batch.push(record);
            if size >= RECORDS_A_FRAME {
                ground.send(link, Frame::Records(core::mem::take(&mut batch)));
                size = 0;
            }
        }
        if !batch.is_empty() {
            ground.send(link, Frame::Records(batch));
        }
    }

    /// Asks for a comparison.
    pub(in super::super) fn compare(&mut self, ground: &mut Ground, link: LinkId) {
        ground.counters.comparisons = ground.counters.comparisons.wrapping_add(1);
        let comparing = self.comparing.entry(link).or_default();
        comparing.asked = comparing.asked.saturating_add(1);
        comparing.members_asked = true;
        let digest = ground.directory.digest().to_bytes();
        ground.send(link, Frame::Digest(digest));
        ground.send(link, Frame::Members { sum: ground.gossip.sum(), roll: Vec::new(), more: false });
    }

    /// A member's directory is not ours.
    pub(super) fn differs(&mut self, ground: &mut Ground, now: Time, id: NodeId) {
        let (changed, changes) = ground.changed;
        let looked = self.drift.looked;
        let pause = if changes == self.drift.changes { self.drift.pause } else { SETTLE };
        if now < looked + pause || (now < changed + SETTLE && now < looked + RESTLESS) {
            return;
        }
        self.drift.looked = now;
        (self.drift.changes, self.drift.pause) = (changes, (pause * 2).min(SYNC_PERIOD));
        ground.say(Said::Compare(id));
    }

    /// Brings the next comparison forward.
    pub(super) fn sync_later(&mut self, ground: &mut Ground, now: Time, period: Duration) {
        let at = ground.jittered(now, period);
        if self.sync_at <= now || at < self.sync_at {
            ground.not_due(self.sync_at, Job::Sync);
            self.sync_at = at;
            ground.due(at, Job::Sync);
        }
    }

    pub(in super::super) fn sync_due(&mut self, ground: &mut Ground, now: Time) {
        let others: Vec<NodeId> = ground.alive.iter().copied().filter(|id| *id != ground.id).collect();
        if !others.is_empty() {
            let [a, b] = ground.random();
            let at = usize::from(u16::from_be_bytes([a, b])) % others.len();
            ground.say(Said::Compare(others[at]));
        }
        self.sync_later(ground, now, SYNC_PERIOD);
    }
}
