//! The protocol logic of Truca: everything that can be decided from an input and a time.
//!
//! Nothing here opens a socket, reads a clock, a file or a random source, or starts a thread. Inputs and
//! `now` (time since the daemon started, see [`Time`]) go in by `handle_*`; what is to be done comes out of
//! `poll_output`, and `poll_timeout` says when `handle_timeout` wants to be called next. That makes every
//! part testable in virtual time, and the same on a laptop and on a big-endian router.
//!
//! Rooms: [`id`] and [`name`] say what things are called, [`wire`] how they are written, [`stun`] answers
//! Binding requests, [`turn`] relays for those whom no other path reaches, [`ice`] says what helps a page through NAT,
//! [`scram`] checks passwords, [`discovery`] knows which addresses to
//! try, [`directory`] keeps signed records, [`gossip`] knows who is alive, [`signal`] rings people, [`ubus`] speaks
//! with OpenWrt's bus. [`directory`], [`gossip`], [`signal`] and [`turn`] never import one another: the daemon's
//! node moves events between them.

pub mod directory;
pub mod discovery;
pub mod gossip;
pub mod ice;
pub mod id;
pub mod name;
pub mod scram;
pub mod signal;
pub mod sorted;
pub mod stun;
pub mod turn;
pub mod ubus;
pub mod wire;

/// Time since the daemon started. Monotonic; says nothing about the date, because routers boot in 1970.
pub type Time = core::time::Duration;
