//! When the state is written to flash, and who is told that it is.
//!
//! Flash wears, so what changes by itself waits for its minute. What a person or the owner did is written within
//! seconds, since they count on it; a burst of that is carried by writes that quiet minutes have left over. Pure: the
//! node asks, `run.rs` writes one state after the other and says how far it got.

use std::collections::VecDeque;
use std::time::Duration;

use truca_core::Time;
use truca_core::name::Address;

/// What changes by itself is written so long after it…
const SAVE_DELAY: Duration = Duration::from_secs(5);
/// …and then not again for so long.
const SAVE_PERIOD: Duration = Duration::from_secs(60);
/// What somebody did: time for others to do something too, and for flash to write, within five seconds.
const EARLY_DELAY: Duration = Duration::from_secs(3);
/// Most writes that quiet minutes leave for busy ones: over hours there is one a minute at most.
const MAX_SPARE: u32 = 12;
/// New accounts whose pages are told that they are kept; of more none is told, and all are.
const MAX_TOLD: usize = 512;

/// When to write, and what was asked to be written.
#[derive(Debug)]
pub(super) struct Saving {
    due: Option<Time>,
    last: Time,
    /// Writes that are left over, and since when the next one is earned.
    spare: u32,
    earning: Time,
    /// How many states were given out to be written.
    given: u32,
    /// New accounts, with the number of the state that has them.
    told: VecDeque<(u32, Address)>,
    /// New accounts that the log has not told of.
    unsaid: u32,
}

impl Saving {
    /// A node that starts writes at once.
    pub(super) fn new(now: Time) -> Self {
        let told = VecDeque::new();
        Self { due: None, last: now, spare: MAX_SPARE, earning: now, given: 0, told, unsaid: 0 }
    }

    /// Something changed by itself; when to ask [`Self::is_due`], if that is another time than before.
    pub(super) fn soon(&mut self, now: Time) -> Option<Time> {
        self.at((now + SAVE_DELAY).max(self.last + SAVE_PERIOD))
    }

    /// Somebody did something.
    pub(super) fn early(&mut self, now: Time) -> Option<Time> {
        self.earn(now);
        if self.spare == 0 { self.soon(now) } else { self.at(now + EARLY_DELAY) }
    }

    /// An account was made: its page is to be told when it is kept.
    pub(super) fn made(&mut self, address: Address) {
        self.unsaid += 1;
        if self.told.len() < MAX_TOLD {
            self.told.push_back((self.given + 1, address));
        }
    }

    /// Whether the state is to be given out now.
    pub(super) fn is_due(&mut self, now: Time) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.give(now);
        true
    }

    /// The state is given out to be written.
    pub(super) fn give(&mut self, now: Time) {
        self.earn(now);
        self.due = None;
        self.last = now;
        self.spare = self.spare.saturating_sub(1);
        self.given += 1;
    }

    /// The state that was given out as this one is on flash: whose accounts are kept now.
    pub(super) fn kept(&mut self, number: u32) -> Vec<Address> {
        let kept = self.told.iter().take_while(|(needed, _)| *needed <= number).count();
        self.told.drain(..kept).map(|(_, address)| address).collect()
    }

    /// How many accounts were made since the last time that this was asked.
    pub(super) fn new_accounts(&mut self) -> u32 {
        std::mem::take(&mut self.unsaid)
    }

    fn at(&mut self, at: Time) -> Option<Time> {
        let sooner = self.due.is_none_or(|due| at < due);
        sooner.then(|| {
            self.due = Some(at);
            at
        })
    }

    /// Each minute leaves one write.
    fn earn(&mut self, now: Time) {
        while self.earning + SAVE_PERIOD <= now && self.spare < MAX_SPARE {
            self.earning += SAVE_PERIOD;
            self.spare += 1;
        }
        if self.spare == MAX_SPARE {
            self.earning = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    fn pep() -> Address {
        "pep@aaaqeayeaudaocajbifqydiob4".parse().unwrap()
    }

    /// Seconds at which the state is given out when somebody does something in each of these.
    fn written(busy: std::ops::Range<u64>, end: u64) -> Vec<u64> {
        let mut saving = Saving::new(at(0));
        saving.give(at(0));
        (0..end)
            .filter(|second| {
                if busy.contains(second) {
                    saving.early(at(*second));
                }
                saving.is_due(at(*second))
            })
            .collect()
    }

    #[test]
    fn what_somebody_did_is_given_out_within_three_seconds_also_just_after_a_start() {
        assert_eq!(written(7..14, 100), [10, 14]);
        let mut saving = Saving::new(at(0));
        saving.give(at(0));
        assert_eq!(saving.soon(at(1)), Some(at(60)), "what changes by itself waits");
        assert_eq!(saving.early(at(2)), Some(at(5)), "and somebody does not");
        assert_eq!(saving.early(at(3)), None, "no second write for the next one");
    }

    #[test]
    fn over_an_hour_there_is_one_write_a_minute_and_the_spare_ones() {
        let all = written(0..3_600, 3_600);
        assert!((60..=60 + 12).contains(&all.len()), "{} writes", all.len());
        // quiet minutes earn no more than the bound
        let mut saving = Saving::new(at(0));
        saving.give(at(0));
        saving.early(at(100_000));
        assert_eq!(saving.spare, MAX_SPARE);
    }

    #[test]
    fn nobody_is_told_before_a_state_with_the_account_is_on_flash() {
        let mut saving = Saving::new(at(0));
        saving.give(at(0));
        saving.made(pep());
        assert!(saving.kept(1).is_empty(), "the state of the start is older than the account");
        saving.early(at(1));
        assert!(saving.is_due(at(4)));
        saving.made("nuria@aaaqeayeaudaocajbifqydiob4".parse().unwrap());
        assert_eq!(saving.kept(2), [pep()]);
        assert_eq!(saving.kept(2), []);
        assert_eq!((saving.new_accounts(), saving.new_accounts()), (2, 0));
        // a crowd is bounded
        (0..1_000).for_each(|_| saving.made(pep()));
        assert_eq!(saving.told.len(), 512);
    }
}
