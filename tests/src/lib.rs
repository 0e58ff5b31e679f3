//! What the scenario tests, the simulation and the benchmarks share.
//!
//! [`daemon`] is a real daemon as a child process, [`page`] a page without a browser that speaks
//! `docs/protocol.md` to it over TLS; it is written from that document and not with the daemon's own types, so
//! that the two can disagree; [`rogue`] is a node that says what no node would, [`asker`] a client of
//! STUN and TURN. [`bus`] is OpenWrt's `ubusd`, where there is one, and
//! [`namespace`] a machine that a test can spoil. [`keys`] and [`sim`] are a network in virtual time, and people in it,
//! [`world`] the records of a city; [`figures`] keeps what was measured there. [`shape`] is a bad link. [`visit`] is what
//! people do at a node.

pub mod asker;
pub mod bus;
pub mod daemon;
pub mod figures;
pub mod keys;
pub mod namespace;
pub mod page;
pub mod rogue;
pub mod shape;
pub mod sim;
pub mod visit;
pub mod websocket;
pub mod world;

/// What went wrong, in words: these are tests, the reader is a person.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything here that can fail.
pub type Result<T = ()> = std::result::Result<T, Error>;

/// Says that the test that runs here is skipped and why, in the line that `.ci/run` counts as skipped and not as
/// passed. It goes past the harness, which shows nothing of a test that ends well.
pub fn skipped(why: &str) {
    let thread = std::thread::current();
    say_skipped(&format!("skipped: {}: {why}", thread.name().unwrap_or("a test")));
}

/// The same line, from a process that ran the test.
pub(crate) fn say_skipped(line: &str) {
    use std::io::Write as _;
    // who closed our output does not count
    let _ = std::io::stdout().lock().write_all(format!("\n{line}\n").as_bytes());
}
