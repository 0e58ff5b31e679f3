//! Ringing people: [`session`] is an attached page that outlives its socket, [`call`] is what happens between
//! two of them.
//!
//! Driven by the daemon's node, which knows where devices are attached and how to reach other nodes.

pub mod call;
pub mod session;
