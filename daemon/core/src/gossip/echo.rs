//! How far members are: round trip and loss, from membership's probes and from echoes.
//!
//! An echo is a datagram of 26 bytes that the member sends back at once, in the same envelope as membership: it goes
//! the way that media goes, and TCP's own figures would hide what is lost. Probes alone reach each of a hundred
//! members every five minutes; so members whose people somebody looks at are sent echoes, [`BURST`] at once and then
//! one every [`PERIOD`].

use std::time::Duration;

use crate::Time;
use crate::wire::page::Quality;

/// How often a member that is looked at is sent an echo: 54 bytes with IP and UDP, each way.
pub(super) const PERIOD: Duration = Duration::from_secs(20);
/// How many the first ones are, and those behind one that was lost, so that a mark is no matter of luck.
const BURST: u8 = 4;
/// Pause between them.
const PAUSE: Duration = Duration::from_millis(250);
/// When an echo counts as lost. A geostationary satellite behind loaded radio answers after some 2 s, and who is
/// slow is not lost: RFC 9000 section 6.2 and RFC 6298 wait longer than any real way takes, for the same reason.
const LOST: Duration = Duration::from_millis(4_500);
/// Outcomes that are remembered of a member.
const MEMORY: u32 = 16;
/// Outcomes that a mark needs.
const ENOUGH: u32 = 3;
/// Most members that are sent echoes; those beyond keep what their probes tell.
pub const MAX_LOOKED_AT: usize = 64;
/// Most echoes to a member without an answer yet.
const MAX_PENDING: usize = 8;

/// One way, in milliseconds: up to here most talk undisturbed (ITU-T G.114, section 4).
const GOOD_MS: u32 = 150;
/// One way: beyond this nobody should plan a call (ITU-T G.114, section 4).
const POOR_MS: u32 = 400;
/// Of round trips, in percent: each way loses half of it, which Opus conceals.
const GOOD_LOSS: u32 = 10;
/// Of round trips, in percent: each way loses a third.
const POOR_LOSS: u32 = 50;

/// What came of a question to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was answered, after so long.
    After(Duration),
    /// It was answered; as it was sent twice, nobody knows after how long (Karn's algorithm).
    Answered,
    /// It was not.
    Lost,
}

/// What is known of the way to a member.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Distance {
    /// Smoothed round trip (RFC 6298 section 2), in eighths of a millisecond.
    srtt: Option<u32>,
    /// How far round trips are from it (the same, RTTVAR), in eighths of a millisecond.
    variation: u32,
    /// The last outcomes, the newest lowest: 1 is an answer.
    answered: u16,
    outcomes: u8,
    quality: Option<Quality>,
}

impl Distance {
    /// Smoothed round trip in milliseconds.
    pub(super) fn rtt_ms(&self) -> Option<u32> {
        self.srtt.map(|eighths| eighths / 8)
    }

    /// Lost round trips, in percent.
    pub(super) fn loss_percent(&self) -> Option<u32> {
        let outcomes = u32::from(self.outcomes);
        (outcomes > 0).then(|| (outcomes - self.answered.count_ones()) * 100 / outcomes)
    }

    /// What it comes to; `None` while too little is known.
    pub(super) fn quality(&self) -> Option<Quality> {
        self.quality
    }

    /// What came of a question.
    pub(super) fn outcome(&mut self, outcome: Outcome) {
        if let Outcome::After(took) = outcome {
            let eighths = (took.as_micros() / 125).min(u128::from(u32::MAX / 8)) as u32;
            // RFC 6298 section 2.3: the variation first, by the old mean
            self.variation = self.srtt.map_or(eighths / 2, |before| {
                self.variation - self.variation / 4 + before.abs_diff(eighths) / 4
            });
            self.srtt = Some(self.srtt.map_or(eighths, |before| before - before / 8 + eighths / 8));
        }
        self.answered = self.answered << 1 | u16::from(outcome != Outcome::Lost);
        self.outcomes = (self.outcomes + 1).min(MEMORY as u8);
        self.judge();
    }

    /// How long an answer may take before the question is more likely lost than slow (RFC 6298, RTO); `None` while
    /// nothing was measured.
    pub(super) fn patience(&self) -> Option<Duration> {
        self.srtt.map(|srtt| Duration::from_micros(125 * (u64::from(srtt) + 4 * u64::from(self.variation))))
    }

    fn judge(&mut self) {
        let all_lost = self.answered == 0;
        if u32::from(self.outcomes) < ENOUGH || self.srtt.is_none() && !all_lost {
            return;
        }
        let (loss, one_way) =
            (self.loss_percent().unwrap_or(100), self.rtt_ms().map_or(u32::MAX, |rtt| rtt / 2));
        // who is to be marked better must be so by a fifth: a mark that flickers says nothing
        let within = |bound: u32, of: u32, better: Quality| {
            of <= if self.quality.is_some_and(|quality| quality > better) { bound - bound / 5 } else { bound }
        };
        let is = |quality, ms, percent| within(ms, one_way, quality) && within(percent, loss, quality);
        self.quality = Some(if is(Quality::Good, GOOD_MS, GOOD_LOSS) {
            Quality::Good
        } else if is(Quality::Poor, POOR_MS, POOR_LOSS) {
            Quality::Poor
        } else if within(POOR_LOSS, loss, Quality::Slow) {
            // late is not lost: a call rings there, and people take turns
            Quality::Slow
        } else {
            Quality::Unreachable
        });
    }
}

/// The echoes to a member that is looked at.
#[derive(Debug)]
pub(super) struct Echoes {
    next: Time,
    burst: u8,
    pending: Vec<(u32, Time)>,
}

/// What is due of a member's echoes.
pub(super) struct Due {
    /// How many were lost.
    pub(super) lost: usize,
    /// Whether one is to be sent now.
    pub(super) send: bool,
}

impl Echoes {
    pub(super) fn new(now: Time) -> Self {
        Self { next: now, burst: BURST, pending: Vec::new() }
    }

    /// What is due now.
    pub(super) fn due(&mut self, now: Time) -> Due {
        let before = self.pending.len();
        self.pending.retain(|(_, sent)| *sent + LOST > now);
        let lost = before - self.pending.len();
        let send = self.next <= now;
        if send {
            self.burst = self.burst.saturating_sub(1);
            self.next = now + if self.burst > 0 { PAUSE } else { PERIOD };
        }
        Due { lost, send }
    }

    /// An echo was lost while all was quiet: is it the weather, or one in a hundred?
    pub(super) fn look_closer(&mut self, now: Time) {
        if self.burst == 0 && self.next > now + PERIOD / 2 {
            (self.burst, self.next) = (BURST - 1, now);
        }
    }

    /// An echo with this number is on its way.
    pub(super) fn sent(&mut self, number: u32, now: Time) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push((number, now));
        }
    }

    /// An echo came back: after how long, when it was one of ours.
    pub(super) fn back(&mut self, number: u32, now: Time) -> Option<Duration> {
        let at = self.pending.iter().position(|(of, _)| *of == number)?;
        Some(now.saturating_sub(self.pending.remove(at).1))
    }

    /// When [`Self::due`] has something to do.
    pub(super) fn timeout(&self) -> Time {
        self.pending.first().map_or(self.next, |(_, sent)| self.next.min(*sent + LOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn after(outcomes: &[Option<u64>]) -> Distance {
        let mut distance = Distance::default();
        for outcome in outcomes {
            distance.outcome(outcome.map_or(Outcome::Lost, |after| Outcome::After(ms(after))));
        }
        distance
    }

    #[test]
    fn ways_are_told_apart_by_delay_and_by_loss() {
        for (rtt, quality) in [
            (2, Quality::Good),
            (299, Quality::Good),
            (310, Quality::Poor),
            (900, Quality::Slow),
            (4_000, Quality::Slow),
        ] {
            assert_eq!(after(&[Some(rtt); 4]).quality(), Some(quality), "{rtt} ms");
        }
        for (every, quality) in [(16, Quality::Good), (5, Quality::Poor), (1, Quality::Unreachable)] {
            let outcomes: Vec<_> = (1..=16).map(|n| (n % every != 0).then_some(10)).collect();
            assert_eq!(after(&outcomes).quality(), Some(quality), "one of {every} is lost");
        }
        assert_eq!(after(&[Some(10); 2]).quality(), None);
        assert_eq!((after(&[]).rtt_ms(), after(&[]).loss_percent()), (None, None));
        assert_eq!(after(&[Some(10), None]).loss_percent(), Some(50));
        assert_eq!(after(&[Some(u64::MAX / 2_000)]).quality(), None);
    }

    #[test]
    fn a_way_at_the_edge_does_not_flicker() {
        let mut distance = after(&[Some(310); 4]);
        assert_eq!(distance.quality(), Some(Quality::Poor));
        for _ in 0..50 {
            distance.outcome(Outcome::After(ms(280)));
            assert_eq!(distance.quality(), Some(Quality::Poor));
        }
        for _ in 0..50 {
            distance.outcome(Outcome::After(ms(200)));
        }
        assert_eq!(distance.quality(), Some(Quality::Good));
    }

    #[test]
    fn a_burst_comes_first_then_few_and_a_loss_is_looked_at_closer() {
        let (mut echoes, mut sent) = (Echoes::new(Time::ZERO), Vec::new());
        let mut number = 0;
        while echoes.timeout() < Duration::from_secs(61) {
            let now = echoes.timeout();
            if echoes.due(now).send {
                number += 1;
                echoes.sent(number, now);
                assert_eq!(echoes.back(number, now + ms(5)), Some(ms(5)));
                assert_eq!(echoes.back(number, now), None);
                sent.push(now.as_millis());
            }
        }
        assert_eq!(sent, [0, 250, 500, 750, 20_750, 40_750, 60_750]);
        let now = echoes.timeout();
        assert!(echoes.due(now).send);
        echoes.sent(99, now);
        assert_eq!(echoes.due(now + LOST - ms(1)).lost, 0);
        assert_eq!(echoes.due(now + LOST).lost, 1);
        echoes.look_closer(now + LOST);
        assert_eq!(echoes.timeout(), now + LOST);
    }

    #[test]
    fn what_was_answered_at_an_unknown_time_is_not_lost_and_says_nothing_of_the_delay() {
        let mut distance = Distance::default();
        for _ in 0..8 {
            distance.outcome(Outcome::Answered);
        }
        assert_eq!((distance.rtt_ms(), distance.loss_percent(), distance.quality()), (None, Some(0), None));
        distance.outcome(Outcome::After(ms(480)));
        assert_eq!(
            (distance.rtt_ms(), distance.loss_percent(), distance.quality()),
            (Some(480), Some(0), Some(Quality::Poor))
        );
    }

    #[test]
    fn patience_follows_the_way() {
        assert_eq!(Distance::default().patience(), None);
        assert_eq!(after(&[Some(480); 30]).patience().map(|one| one.as_millis() / 20), Some(480 / 20));
        let wild = after(&[Some(100), Some(700), Some(100), Some(700)]).patience();
        assert!(wild.is_some_and(|one| one > ms(700)), "{wild:?}");
    }
}
