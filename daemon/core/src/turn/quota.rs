//! Who may relay how much: allocations and bytes a second, of an account and of the node.

use crate::Time;

/// How seldom a bucket is filled: a router divides slowly.
const STEP_MS: u32 = 10;

/// The least that a bucket holds: a picture of video comes as a burst of packets.
const LEAST_BURST: u32 = 65_536;

/// A token bucket of bytes: holds half a second.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    rate: u32,
    tokens: u32,
    at_ms: u32,
}

impl Bucket {
    /// So many bytes a second; 0 for no bound.
    pub(super) fn new(now: Time, rate: u32) -> Self {
        Self { rate, tokens: burst(rate), at_ms: now.as_millis() as u32 }
    }

    /// Changes the rate.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.rate = rate;
        self.tokens = self.tokens.min(burst(rate));
    }

    /// Whether so many bytes may pass now. They are not taken yet.
    pub(super) fn has(&mut self, now: Time, bytes: u32) -> bool {
        if self.rate == 0 {
            return true;
        }
        let now = now.as_millis() as u32;
        let passed = now.wrapping_sub(self.at_ms);
        if passed >= STEP_MS {
            self.at_ms = now;
            let fresh = u64::from(self.rate) * u64::from(passed) / 1000;
            let tokens = u64::from(self.tokens) + fresh;
            self.tokens = tokens.min(u64::from(burst(self.rate))) as u32;
        }
        self.tokens >= bytes
    }

    /// Takes what [`Self::has`] has found.
    pub(super) fn take(&mut self, bytes: u32) {
        self.tokens = self.tokens.saturating_sub(bytes);
    }
}

fn burst(rate: u32) -> u32 {
    (rate / 2).max(LEAST_BURST)
}

/// An account that relays now.
#[derive(Debug)]
struct Account {
    tag: u64,
    allocations: usize,
    bucket: Bucket,
}

/// Which of the accounts that relay now.
pub(super) type AccountId = u16;

/// The accounts that relay now: as many as there are allocations at most.
#[derive(Debug, Default)]
pub(super) struct Accounts(Vec<Account>);

impl Accounts {
    /// Counts another allocation of an account, unless it has `most` already.
    pub(super) fn join(&mut self, now: Time, tag: u64, most: usize, rate: u32) -> Option<AccountId> {
        let place = match self.0.iter().position(|account| account.tag == tag && account.allocations > 0) {
            Some(place) => place,
            None => {
                let fresh = Account { tag, allocations: 0, bucket: Bucket::new(now, rate) };
                match self.0.iter().position(|account| account.allocations == 0) {
                    Some(free) => {
                        self.0[free] = fresh;
                        free
                    }
                    None => {
                        self.0.push(fresh);
                        self.0.len() - 1
                    }
                }
            }
        };
        let account = &mut self.0[place];
        if account.allocations >= most {
            return None;
        }
        account.allocations += 1;
        // there are no more accounts than allocations, of which there are less than ports
        Some(place as AccountId)
    }

    /// Counts one allocation less.
    pub(super) fn leave(&mut self, id: AccountId) {
        if let Some(account) = self.0.get_mut(usize::from(id)) {
            account.allocations = account.allocations.saturating_sub(1);
        }
    }

    /// The bucket of an account.
    pub(super) fn bucket(&mut self, id: AccountId) -> Option<&mut Bucket> {
        self.0.get_mut(usize::from(id)).map(|account| &mut account.bucket)
    }

    /// Changes the rate of all.
    pub(super) fn set_rate(&mut self, rate: u32) {
        self.0.iter_mut().for_each(|account| account.bucket.set_rate(rate));
    }

    /// How many relay now.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.iter().filter(|account| account.allocations > 0).count()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn over_a_long_time_a_bucket_lets_its_rate_through() {
        let mut bucket = Bucket::new(Time::ZERO, 200_000);
        let mut passed = 0;
        for ms in 0..10_000 {
            while bucket.has(Duration::from_millis(ms), 1000) {
                bucket.take(1000);
                passed += 1000;
            }
        }
        assert!((2_050_000..=2_110_000).contains(&passed), "{passed}: ten seconds and a burst");
    }

    #[test]
    fn places_of_accounts_that_left_are_taken_again() {
        let mut accounts = Accounts::default();
        for tag in 0..1000 {
            let id = accounts.join(Time::ZERO, tag, 2, 0).unwrap();
            assert_eq!(accounts.join(Time::ZERO, tag, 2, 0), Some(id));
            assert_eq!(accounts.join(Time::ZERO, tag, 2, 0), None);
            accounts.leave(id);
            accounts.leave(id);
        }
        assert_eq!((accounts.len(), accounts.0.len()), (0, 1));
    }
}
