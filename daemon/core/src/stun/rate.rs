//! A bound on how often one source is answered, in constant memory.
//!
//! Sources fall into [`BUCKETS`] token buckets by a keyed hash: who floods shares their bucket with few others,
//! nobody can choose with whom, and forged sources cannot make the table grow. A source is an IPv4 address or
//! an IPv6 /64, of which a client has all addresses.

use core::net::IpAddr;

use crate::Time;

/// How many buckets: 4 KiB of them.
const BUCKETS: usize = 512;

/// Tokens in thousandths, and when they were counted, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: u32,
    at: u32,
}

/// The table.
#[derive(Debug)]
pub struct Rate {
    a_second: u32,
    salt: u64,
    buckets: Box<[Bucket]>,
}

impl Rate {
    /// So many answers a second for each source, and twice as many at once; 0 for no bound. The salt is random
    /// and secret.
    pub fn new(a_second: u32, salt: u64) -> Self {
        // a thousand times twice of it fits in 32 bits
        let a_second = a_second.min(2_000_000);
        let count = if a_second == 0 { 0 } else { BUCKETS };
        Self { a_second, salt, buckets: vec![Bucket { tokens: a_second * 2000, at: 0 }; count].into() }
    }

    /// From now on so many; who was bounded by another number begins anew.
    pub fn set(&mut self, a_second: u32) {
        if a_second != self.a_second {
            *self = Self::new(a_second, self.salt);
        }
    }

    /// Whether a question from there is answered now.
    pub fn admits(&mut self, now: Time, source: IpAddr) -> bool {
        let place = self.place(source);
        let most = self.a_second * 2000;
        let Some(bucket) = self.buckets.get_mut(place) else { return true };
        // wraps after 49 days, which at worst gives one source a full bucket too early
        let now = now.as_millis() as u32;
        let passed = now.wrapping_sub(bucket.at);
        bucket.at = now;
        bucket.tokens = passed.saturating_mul(self.a_second).saturating_add(bucket.tokens).min(most);
        let admitted = bucket.tokens >= 1000;
        bucket.tokens -= if admitted { 1000 } else { 0 };
        admitted
    }

    fn place(&self, source: IpAddr) -> usize {
        let key = match source.to_canonical() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => (u128::from(ip) >> 64) as u64,
        };
        // two rounds of Fibonacci hashing, the salt between: an attacker does not see where anything falls
        let mixed = (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.salt).rotate_left(32);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as usize
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_gets_its_burst_and_then_its_rate() {
        let mut rate = Rate::new(10, 7);
        let (flood, other) = (ip("10.1.2.3"), ip("10.1.2.4"));
        let admitted = (0..1000).filter(|_| rate.admits(Time::ZERO, flood)).count();
        assert_eq!(admitted, 20);
        assert!(rate.admits(Time::ZERO, other), "who floods does not silence others");
        let admitted = (0..1000).filter(|n| rate.admits(Duration::from_millis(*n), flood)).count();
        assert_eq!(admitted, 9, "999 ms later");
    }

    #[test]
    fn another_rate_holds_at_once_and_the_same_gives_nothing() {
        let mut rate = Rate::new(1, 7);
        let flood = ip("10.1.2.3");
        let burst = |rate: &mut Rate| (0..1000).filter(|_| rate.admits(Time::ZERO, flood)).count();
        assert_eq!(burst(&mut rate), 2);
        rate.set(1);
        assert_eq!(burst(&mut rate), 0, "what was taken is not given back");
        rate.set(3);
        assert_eq!(burst(&mut rate), 6);
        rate.set(0);
        assert_eq!(burst(&mut rate), 1000);
    }

    #[test]
    fn a_client_of_ipv6_is_its_64_and_an_ipv4_one_is_itself_in_both_notations() {
        let mut rate = Rate::new(1, 7);
        let taken = |rate: &mut Rate, from: &str| {
            assert!((0..2).all(|_| rate.admits(Time::ZERO, ip(from))));
        };
        taken(&mut rate, "fd00:1:2:3::1");
        assert!(!rate.admits(Time::ZERO, ip("fd00:1:2:3:ffff::9")));
        assert!(rate.admits(Time::ZERO, ip("fd00:1:2:4::1")));
        taken(&mut rate, "::ffff:10.0.0.1");
        assert!(!rate.admits(Time::ZERO, ip("10.0.0.1")));
    }

    #[test]
    fn no_bound_is_no_bound_and_the_highest_does_not_overflow() {
        let mut none = Rate::new(0, 7);
        let mut most = Rate::new(u32::MAX, 7);
        for n in 0..100_000 {
            let now = Duration::from_secs(n * 1000);
            assert!(none.admits(now, ip("10.0.0.1")) && most.admits(now, ip("10.0.0.1")));
        }
    }

    #[test]
    fn sources_spread_over_the_buckets() {
        let rate = Rate::new(1, 0x1234_5678_9abc_def0);
        let places: std::collections::BTreeSet<usize> =
            (0..256_u32).map(|n| rate.place(IpAddr::from((0x0a00_0000 + n).to_be_bytes()))).collect();
        assert!(places.len() > 180, "{} of 256", places.len());
        assert!(places.iter().all(|place| *place < BUCKETS));
    }
}
