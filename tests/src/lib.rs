//! What the scenario tests and the benchmarks share: a mesh in virtual time with people in it, a real daemon as
//! a child process, and a page without a browser that speaks `docs/protocol.md` to it over TLS.
//!
//! That page is written from the protocol document and not with the daemon's own types, so that the two can
//! disagree.

pub mod daemon;
pub mod keys;
pub mod page;
pub mod sim;
pub mod websocket;

/// What went wrong, in words: these are tests, the reader is a person.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything here that can fail.
pub type Result<T = ()> = std::result::Result<T, Error>;
