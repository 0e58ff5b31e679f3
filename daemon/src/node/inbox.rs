//! Records that came from others and wait to be checked: a signature takes 17 ms of a router, and a frame can
//! hold a hundred of them, so only a few are checked a turn and calls go on in between.
//!
//! Bounds: [`MAX_BYTES`]. What comes above it is dropped, counted, and asked for again by the next comparison.

use std::collections::VecDeque;
use std::time::Duration;

use truca_core::Time;

use super::{Job, Keys, Node, SYNC_SOON};

/// Most bytes of records that wait.
const MAX_BYTES: usize = 1024 * 1024;
/// What a waiting record costs beside its bytes.
const OVERHEAD: usize = 32;
/// Signatures checked in one turn: 70 ms on a router.
const CHECKS_A_TURN: u32 = 4;
/// Records looked at in one turn, most of which are known.
const RECORDS_A_TURN: usize = 256;
/// The pause between two turns, in which everything else is done.
const PAUSE: Duration = Duration::from_millis(1);
/// After so much news at once the other side may have had more than it was asked to send.
const MUCH: u32 = 300;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    due: bool,
    news: u32,
    missed: bool,
    /// Records dropped because too many waited.
    pub(super) dropped: u32,
}

impl<K: Keys> Node<K> {
    /// Puts a record in the queue.
    pub(super) fn take_in(&mut self, now: Time, record: Vec<u8>) {
        let inbox = &mut self.inbox;
        if inbox.bytes + record.len() + OVERHEAD > MAX_BYTES {
            inbox.dropped = inbox.dropped.wrapping_add(1);
            inbox.missed = true;
            return;
        }
        inbox.bytes += record.len() + OVERHEAD;
        inbox.waiting.push_back(record);
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
            let Some(record) = self.inbox.waiting.pop_front() else { break };
            self.inbox.bytes -= record.len() + OVERHEAD;
            if self.learn(now, &record) {
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
    }
}
