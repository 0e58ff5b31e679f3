//! One direction of a bad link, in virtual time: a rate with a bounded queue, delay, jitter, and loss at random.
//!
//! No socket and no clock: `tests/lab/shaper.rs` drives it between two interfaces of the lab. Frames keep their
//! order, whatever the jitter; a frame that is lost has taken its time on the air all the same, as on a radio.

use std::{collections::VecDeque, time::Duration};

use crate::Result;

/// Frames under way at most: half a second of a 100 Mb/s link. More are dropped as by a full queue.
const MAX_FRAMES: usize = 4_096;

/// Time since the driver started.
pub type Time = Duration;

/// What a link is like; it can change at any time, for the frames that come after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Kilobits a second, whole frames counted; 0 is as fast as it comes.
    pub rate: u32,
    /// How long a frame may wait for its turn; later ones are dropped. 300 ms is a router's usual excess.
    pub queue: Duration,
    /// One way.
    pub delay: Duration,
    /// Up to so much more delay, evenly spread.
    pub jitter: Duration,
    /// Share of frames that get lost, 0 to 1.
    pub loss: f64,
}

impl Default for Shape {
    fn default() -> Self {
        Shape {
            rate: 0,
            queue: Duration::from_millis(300),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: 0.0,
        }
    }
}

impl Shape {
    /// Takes over one `name=number`: `rate` in kb/s, `queue`, `delay` and `jitter` in ms, `loss` in percent.
    ///
    /// # Errors
    /// When the name is another or the number is none; the shape is as before.
    pub fn set(&mut self, word: &str) -> Result {
        let wrong =
            || format!("'{word}' is not rate=, queue=, delay=, jitter= or loss= with a number from 0");
        let (name, value) = word.split_once('=').ok_or_else(wrong)?;
        let number =
            value.parse::<f64>().ok().filter(|number| (0.0..=1e6).contains(number)).ok_or_else(wrong)?;
        let milliseconds = Duration::from_secs_f64(number / 1e3);
        match name {
            "rate" => self.rate = number as u32,
            "queue" => self.queue = milliseconds,
            "delay" => self.delay = milliseconds,
            "jitter" => self.jitter = milliseconds,
            "loss" if number <= 100.0 => self.loss = number / 100.0,
            _ => return Err(wrong().into()),
        }
        Ok(())
    }
}

/// What one direction has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames and bytes that went in.
    pub frames: u64,
    /// Bytes that went in.
    pub bytes: u64,
    /// Lost at random.
    pub lost: u64,
    /// Dropped since the queue was full.
    pub full: u64,
}

/// One direction.
#[derive(Debug)]
pub struct Link {
    /// What it is like now.
    pub shape: Shape,
    /// What it has seen.
    pub counters: Counters,
    under_way: VecDeque<(Time, Vec<u8>)>,
    busy_until: Time,
    seed: u64,
}

impl Link {
    /// A link that loses and delays the same frames for the same seed.
    #[must_use]
    pub fn new(shape: Shape, seed: u64) -> Self {
        Link {
            shape,
            counters: Counters::default(),
            under_way: VecDeque::new(),
            busy_until: Time::ZERO,
            seed,
        }
    }

    /// A frame comes in.
    pub fn send(&mut self, now: Time, frame: Vec<u8>) {
        let Shape { rate, queue, delay, jitter, loss } = self.shape;
        self.counters.frames += 1;
        self.counters.bytes += frame.len() as u64;
        let turn = self.busy_until.max(now);
        if turn - now > queue || self.under_way.len() >= MAX_FRAMES {
            self.counters.full += 1;
            return;
        }
        if rate > 0 {
            self.busy_until =
                turn + Duration::from_secs_f64(frame.len() as f64 * 8.0 / (f64::from(rate) * 1e3));
        }
        if self.chance() < loss {
            self.counters.lost += 1;
            return;
        }
        let arrival = self.busy_until.max(now) + delay + jitter.mul_f64(self.chance());
        let before = self.under_way.back().map_or(Time::ZERO, |(at, _)| *at);
        self.under_way.push_back((arrival.max(before), frame));
    }

    /// The next frame that has arrived by now.
    pub fn arrived(&mut self, now: Time) -> Option<Vec<u8>> {
        if self.next()? > now {
            return None;
        }
        self.under_way.pop_front().map(|(_, frame)| frame)
    }

    /// When the next frame arrives.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.under_way.front().map(|(at, _)| *at)
    }

    /// Evenly from 0 up to 1: SplitMix64.
    fn chance(&mut self) -> f64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.seed;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn shape(words: &str) -> Shape {
        let mut shape = Shape::default();
        words.split_whitespace().for_each(|word| shape.set(word).unwrap());
        shape
    }

    /// Sends `frames` of 1,250 bytes (10,000 bits) every `gap`; when each arrived.
    fn arrivals(link: &mut Link, frames: u32, gap: Duration) -> Vec<Time> {
        let mut arrived = Vec::new();
        for number in 0..frames {
            link.send(gap * number, vec![0; 1_250]);
        }
        while let Some(at) = link.next() {
            link.arrived(at).unwrap();
            arrived.push(at);
        }
        arrived
    }

    #[test]
    fn frames_leave_at_the_rate_and_arrive_after_the_delay() {
        let mut link = Link::new(shape("rate=1000 delay=100"), 1);
        assert_eq!(arrivals(&mut link, 3, Duration::ZERO), [110 * MS, 120 * MS, 130 * MS]);
    }

    #[test]
    fn what_would_wait_longer_than_the_queue_is_dropped() {
        let mut link = Link::new(shape("rate=1000 queue=50"), 1);
        assert_eq!(arrivals(&mut link, 20, Duration::ZERO).len(), 6);
        assert_eq!(link.counters, Counters { frames: 20, bytes: 25_000, lost: 0, full: 14 });
    }

    #[test]
    fn loss_is_as_large_as_was_asked_and_the_same_for_the_same_seed() {
        let run = |seed| {
            let mut link = Link::new(shape("loss=5"), seed);
            arrivals(&mut link, 4_000, MS);
            link.counters.lost
        };
        assert!((160..240).contains(&run(7)), "{} of 4000", run(7));
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }

    #[test]
    fn jitter_spreads_arrivals_and_keeps_their_order() {
        let mut link = Link::new(shape("delay=20 jitter=30"), 3);
        let arrived = arrivals(&mut link, 200, 10 * MS);
        assert!(arrived.is_sorted());
        let late: Vec<_> = (0..200).map(|number| arrived[number as usize] - 10 * MS * number).collect();
        assert!(late.iter().all(|late| (20 * MS..=50 * MS).contains(late)), "{late:?}");
        assert!(late.iter().any(|late| *late < 25 * MS) && late.iter().any(|late| *late > 45 * MS));
    }

    #[test]
    fn a_link_that_heals_is_fast_at_once() {
        let mut link = Link::new(shape("rate=100 delay=200"), 1);
        link.send(Time::ZERO, vec![0; 1_250]);
        link.shape = Shape::default();
        link.send(1_000 * MS, vec![0; 1_250]);
        assert_eq!(link.arrived(1_000 * MS).map(|frame| frame.len()), Some(1_250));
        assert_eq!(link.next(), Some(1_000 * MS));
    }

    #[test]
    fn words_that_say_nothing_are_refused() {
        for word in ["rate", "rate=", "rate=fast", "loss=101", "delay=-1", "speed=3", "delay=inf"] {
            assert!(Shape::default().set(word).is_err(), "{word}");
        }
    }
}
