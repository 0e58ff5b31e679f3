//! One attached page: numbers what it is told of calls, remembers what it has not confirmed, recognises
//! requests that it repeats after a resume, and bounds how fast it may ask (`docs/protocol.md` section 3).

use std::collections::VecDeque;
use std::time::Duration;

use crate::Time;
use crate::wire::page::CallEvent;

/// How long a session outlives its socket.
pub const GRACE: Duration = Duration::from_secs(30);
/// How long it outlives a socket that said goodbye: time for a reload.
pub const GRACE_LEFT: Duration = Duration::from_secs(3);
/// Most messages that a page has not confirmed.
pub const MAX_UNCONFIRMED: usize = 64;
/// Most bytes of them.
pub const MAX_UNCONFIRMED_BYTES: usize = 256 * 1024;
/// Most bytes that all pages of a node together have not confirmed; beyond it the session with most of them ends.
pub const MAX_UNCONFIRMED_OF_ALL: usize = 4 * 1024 * 1024;
/// How many requests a page may make at once.
pub const BURST: u32 = 40;
/// How many refusals are remembered for a page that asks again.
const MAX_REFUSALS: usize = 8;

/// What to do with a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Handle it.
    Fresh,
    /// It was handled before: `None` with success, else send this answer again.
    Repeated(Option<String>),
    /// Over the rate.
    TooFast,
}

/// The page reads too slowly or not at all: the session must end.
#[derive(Debug, PartialEq, Eq)]
pub struct Overflow;

/// A session's reliable half.
#[derive(Debug)]
pub struct Session {
    handled: u32,
    refusals: VecDeque<(u32, String)>,
    last_n: u32,
    unconfirmed: VecDeque<(u32, String)>,
    unconfirmed_bytes: usize,
    /// Requests a second; 0 for no limit.
    rate: u32,
    allowance_ms: u64,
    allowance_at: Time,
}

impl Session {
    /// A session whose first request `handled` has just been answered.
    pub fn new(now: Time, rate: u32, handled: u32) -> Self {
        Self {
            handled,
            refusals: VecDeque::new(),
            last_n: 0,
            unconfirmed: VecDeque::new(),
            unconfirmed_bytes: 0,
            rate,
            allowance_ms: u64::from(BURST) * 1_000,
            allowance_at: now,
        }
    }

    /// Decides about the request with this id.
    pub fn admit(&mut self, now: Time, id: u32) -> Admission {
        if id <= self.handled {
            let refusal = self.refusals.iter().find(|(of, _)| *of == id).map(|(_, text)| text.clone());
            return Admission::Repeated(refusal);
        }
        if self.rate > 0 {
            // a token is 1,000: milliseconds times requests a second
            let passed = now.saturating_sub(self.allowance_at).as_millis().min(60_000) as u64;
            self.allowance_at = now;
            self.allowance_ms =
                (self.allowance_ms + passed * u64::from(self.rate)).min(u64::from(BURST) * 1_000);
            if self.allowance_ms < 1_000 {
                return Admission::TooFast;
            }
            self.allowance_ms -= 1_000;
        }
        self.handled = id;
        Admission::Fresh
    }

    /// Remembers that a request was refused, in case the page asks again.
    pub fn refused(&mut self, id: u32, answer: &str) {
        if self.refusals.len() == MAX_REFUSALS {
            self.refusals.pop_front();
        }
        self.refusals.push_back((id, answer.to_owned()));
    }

    /// The largest request id that was handled.
    pub fn handled(&self) -> u32 {
        self.handled
    }

    /// Numbers and keeps an event, and returns its text for the socket, if there is one.
    ///
    /// # Errors
    /// [`Overflow`] when the page has not confirmed too much; the event is not kept.
    pub fn push(&mut self, mut event: CallEvent) -> Result<String, Overflow> {
        let n = self.last_n.wrapping_add(1);
        event.number(n);
        // these types hold nothing that JSON cannot write
        let text = serde_json::to_string(&event).unwrap_or_default();
        if self.unconfirmed.len() >= MAX_UNCONFIRMED
            || self.unconfirmed_bytes + text.len() > MAX_UNCONFIRMED_BYTES
        {
            return Err(Overflow);
        }
        self.last_n = n;
        self.unconfirmed_bytes += text.len();
        self.unconfirmed.push_back((n, text.clone()));
        Ok(text)
    }

    /// Bytes that the page has not confirmed.
    pub fn unconfirmed_bytes(&self) -> usize {
        self.unconfirmed_bytes
    }

    /// The page has received everything up to `n`.
    pub fn confirm(&mut self, n: u32) {
        let confirmed = self.unconfirmed.partition_point(|(of, _)| *of <= n);
        for (_, text) in self.unconfirmed.drain(..confirmed) {
            self.unconfirmed_bytes -= text.len();
        }
    }

    /// What a page that has received up to `seen` must be told again.
    pub fn replay(&mut self, seen: u32) -> impl Iterator<Item = &str> {
        self.confirm(seen);
        self.unconfirmed.iter().map(|(_, text)| text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::CallId;
    use crate::wire::page::{Ended, Reason};

    fn event() -> CallEvent {
        CallEvent::Ended(Ended { n: 0, call: CallId([7; 16]), reason: Reason::HungUp })
    }

    #[test]
    fn a_page_that_resumes_is_told_what_it_missed_and_nothing_else() {
        let mut session = Session::new(Time::ZERO, 20, 1);
        let texts: Vec<String> = (0..5).map(|_| session.push(event()).unwrap()).collect();
        session.confirm(2);
        assert_eq!(session.replay(3).collect::<Vec<_>>(), &texts[3..]);
    }

    #[test]
    fn a_repeated_request_is_not_done_twice_and_gets_the_answer_it_got() {
        let mut session = Session::new(Time::ZERO, 20, 1);
        assert_eq!(session.admit(Time::ZERO, 5), Admission::Fresh);
        assert_eq!(session.admit(Time::ZERO, 6), Admission::Fresh);
        session.refused(6, "no");
        assert_eq!(session.admit(Time::ZERO, 5), Admission::Repeated(None));
        assert_eq!(session.admit(Time::ZERO, 6), Admission::Repeated(Some("no".into())));
    }

    #[test]
    fn a_page_may_burst_and_then_must_keep_to_the_rate() {
        let mut session = Session::new(Time::ZERO, 20, 0);
        let mut id = 0;
        let mut ask = |at: u64| {
            id += 1;
            session.admit(Duration::from_millis(at), id)
        };
        assert!((0..BURST).all(|_| ask(0) == Admission::Fresh));
        assert_eq!(ask(10), Admission::TooFast);
        assert_eq!(ask(60), Admission::Fresh);
        assert_eq!(ask(61), Admission::TooFast);
    }

    #[test]
    fn a_page_that_confirms_nothing_is_given_up() {
        let mut session = Session::new(Time::ZERO, 20, 0);
        assert!((0..MAX_UNCONFIRMED).all(|_| session.push(event()).is_ok()));
        assert_eq!(session.push(event()), Err(Overflow));
        session.confirm(1);
        assert!(session.push(event()).is_ok());
    }
}
