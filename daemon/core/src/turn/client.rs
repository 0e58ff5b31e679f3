//! What a driver and the server say to each other: who a client is, and what to do next.

use core::net::{IpAddr, SocketAddr};
use core::ops::Range;

/// How a client reaches us: with its address, RFC 8656's 5-tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// A UDP socket of ours, by a number that the driver gives.
    Udp(u16),
    /// A TCP connection, by a number that the driver gives.
    Tcp(u32),
}

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// How it reaches us.
    pub via: Via,
    /// From where.
    pub address: SocketAddr,
}

impl Client {
    /// Feeds everything that tells one client from another.
    pub(super) fn each_byte(&self, mut feed: impl FnMut(&[u8])) {
        match self.via {
            Via::Udp(number) => feed(&number.to_be_bytes()),
            Via::Tcp(number) => feed(&number.to_be_bytes()),
        }
        match self.address.ip() {
            IpAddr::V4(ip) => feed(&ip.octets()),
            IpAddr::V6(ip) => feed(&ip.octets()),
        }
        feed(&self.address.port().to_be_bytes());
    }
}

/// What the driver does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Silence,
    /// Send so many bytes of the buffer back to the client.
    Reply(Client, usize),
    /// Send these bytes of the client's packet from the relay's socket.
    Relay {
        /// Whose socket.
        relay: RelayId,
        /// To whom.
        peer: SocketAddr,
        /// Which bytes.
        payload: Range<usize>,
    },
    /// Open a UDP socket at this address and tell [`Server::opened`].
    Open {
        /// For which relay.
        relay: RelayId,
        /// Where.
        address: SocketAddr,
    },
}

/// Names a relay for as long as it is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelayId(pub u16);
