//! What gossip wants done or known, and what it counts.

use std::net::SocketAddr;

use serde::Serialize;

use crate::id::NodeId;

/// What gossip wants done or known.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram.
    Send {
        /// To.
        to: SocketAddr,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// A member is alive.
    Up(NodeId),
    /// A member is dead.
    Down(NodeId),
    /// Check the record of this node, introduce it anew and [`Gossip::send`] it this; or forget it.
    Check(NodeId, Vec<u8>),
    /// A record arrived: merge it, and [`Gossip::spread`] it when it is news.
    Arrived(Vec<u8>),
    /// Somebody whose record we do not have speaks to us, or is spoken of.
    Unknown(Option<SocketAddr>),
    /// The directory of this member is not ours, or its members are not: news is on its way, or was missed.
    Differs(NodeId),
    /// The way to this member is better or worse than it was: see [`Gossip::quality`].
    Quality(NodeId),
    /// Our generation changed: others must learn it, and it should survive a restart.
    Generation(u16),
}

/// What happened to datagrams.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Counters {
    /// Datagrams accepted.
    pub received: u32,
    /// Datagrams sent.
    pub sent: u32,
    /// Bytes sent, payload only.
    pub sent_bytes: u32,
    /// Too short, too long or of another version.
    pub malformed: u32,
    /// From somebody whose record we do not have.
    pub unknown_sender: u32,
    /// The authenticator is wrong.
    pub forged: u32,
    /// Authentic, but foca could not read it.
    pub unreadable: u32,
    /// Members that were not let in because too many have no record.
    pub strangers: u32,
    /// Records that were too large or too many to ride along.
    pub not_spread: u32,
}
