//! Where other nodes may be, as other programs and the mesh tell it: parsers without I/O, and one table.
//!
//! Each parser takes the bytes of one source and gives [`Hint`]s: [`bmx`] (files of bmx6 and bmx7), [`advert`]
//! (what we publish there), [`babeld`] (its local socket), [`shared_state`] (LibreMesh), [`umdns`], [`olsr`]
//! (olsrd's jsoninfo, OONF's olsrd2), [`srv`] and [`host`] (DNS). [`mdns`] speaks on the link. [`candidates`] merges
//! them and says when to try which.
//!
//! A hint is never more than an address to try. What a source says wrongly, in bad faith or half-written, costs
//! an error or a counter; every parser says how much it takes at most. Nothing here knows what a node is called:
//! only the handshake proves that.

use std::fmt;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use crate::id::NodeId;

pub mod advert;
pub mod babeld;
pub mod bmx;
pub mod candidates;
mod dns;
pub mod host;
mod json;
pub mod mdns;
pub mod olsr;
pub mod shared_state;
pub mod srv;
pub mod umdns;

#[cfg(test)]
mod tests;

/// Most addresses taken of one announcement: a hostile one must not make us dial the whole world.
pub const MAX_ADDRESSES: usize = 4;
/// Most hints taken of one source at a time; with two addresses each, a mesh of 1,024 routers. Those left out
/// are counted.
pub const MAX_HINTS: usize = 2048;
/// The longest JSON answer that is read: a route of olsrd takes 190 bytes of it.
pub const MAX_DUMP: usize = 256 * 1024;

/// Who says where nodes may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// mDNS, heard by ourselves.
    Mdns,
    /// mDNS, heard by OpenWrt's umdns.
    Umdns,
    /// bmx6's directory and short messages.
    Bmx6,
    /// bmx7's.
    Bmx7,
    /// babeld's local socket.
    Babeld,
    /// LibreMesh's shared state.
    SharedState,
    /// olsrd's jsoninfo.
    Olsr,
    /// OONF's olsrd2.
    Oonf,
    /// DNS SRV.
    Dns,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 9] = [
        Self::Mdns,
        Self::Umdns,
        Self::Bmx6,
        Self::Bmx7,
        Self::Babeld,
        Self::SharedState,
        Self::Olsr,
        Self::Oonf,
        Self::Dns,
    ];

    /// Its name, as configuration and control socket say it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mdns => "mdns",
            Self::Umdns => "umdns",
            Self::Bmx6 => "bmx6",
            Self::Bmx7 => "bmx7",
            Self::Babeld => "babeld",
            Self::SharedState => "shared_state",
            Self::Olsr => "olsr",
            Self::Oonf => "oonf",
            Self::Dns => "dns",
        }
    }

    /// Whether all who hear it are on one link: a few, so that there is no crowd to spread.
    pub fn is_link(self) -> bool {
        matches!(self, Self::Mdns | Self::Umdns)
    }
}

/// An address that a source names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hint {
    /// The address.
    pub ip: IpAddr,
    /// The interface that a link-local address belongs to.
    pub interface: Option<Box<str>>,
    /// The TCP port, when an announcement of Truca names it. `None`: a router is there, and may run Truca.
    pub port: Option<u16>,
    /// The node, when an announcement names it.
    pub id: Option<NodeId>,
}

impl Hint {
    /// A router that may run Truca.
    pub fn router(ip: IpAddr) -> Self {
        Self { ip, interface: None, port: None, id: None }
    }

    /// The address to try; `None` for what cannot be one. `port` is for hints without; `index` tells an
    /// interface's number.
    pub fn lead(&self, port: u16, index: impl Fn(&str) -> Option<u32>) -> Option<Lead> {
        let address = match self.ip.to_canonical() {
            IpAddr::V6(ip) if ip.is_unicast_link_local() => {
                let scope = index(self.interface.as_deref()?)?;
                SocketAddr::V6(SocketAddrV6::new(ip, self.port.unwrap_or(port), 0, scope))
            }
            ip => SocketAddr::new(ip, self.port.unwrap_or(port)),
        };
        let told = self.port.is_some();
        (is_host(address.ip()) && address.port() != 0).then_some(Lead { address, id: self.id, told })
    }
}

/// A hint as an address that can be dialled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lead {
    /// Where.
    pub address: SocketAddr,
    /// Who is said to be there.
    pub id: Option<NodeId>,
    /// Whether an announcement of Truca says so, and not only a router is there.
    pub told: bool,
}

/// What one reading of a source gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The addresses, at most [`MAX_HINTS`].
    pub hints: Vec<Hint>,
    /// Entries that were left out, because they could not be read or were too many.
    pub skipped: u32,
}

impl Heard {
    /// Adds a hint, or counts it when there are too many.
    fn add(&mut self, hint: Hint) {
        if self.hints.len() < MAX_HINTS {
            self.hints.push(hint);
        } else {
            self.skip();
        }
    }

    fn skip(&mut self) {
        self.skipped = self.skipped.wrapping_add(1);
    }
}

/// Why the bytes of a source gave nothing. The next reading starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bad {
    /// More than is taken.
    Long,
    /// Not what it should be: half-written, or damaged.
    Syntax,
    /// Well-formed, and of somebody else or another version.
    Foreign,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Long => "it is longer than anything that we read",
            Self::Syntax => "it cannot be read; it may be half-written",
            Self::Foreign => "it is not what we look for",
        })
    }
}

impl std::error::Error for Bad {}

/// Whether an address can be a single host's. Loopback can: the table knows whether it is wanted.
pub(crate) fn is_host(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast()),
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast()),
    }
}

/// Where the router of a prefix is: the address itself when the prefix is one, else the first host, which is
/// where OpenWrt, LibreMesh and qMp put the router of a LAN. Prefixes too wide for one LAN have none.
fn router_of(network: IpAddr, length: u8) -> Option<IpAddr> {
    let router = match (network, length) {
        (IpAddr::V4(ip), 32) => IpAddr::V4(ip),
        (IpAddr::V6(ip), 128) => IpAddr::V6(ip),
        (IpAddr::V4(ip), 22..=30) => {
            let mask = u32::MAX << (32 - u32::from(length));
            IpAddr::V4(((u32::from(ip) & mask) + 1).into())
        }
        (IpAddr::V6(ip), 56..=126) => {
            let mask = u128::MAX << (128 - u32::from(length));
            IpAddr::V6(((u128::from(ip) & mask) + 1).into())
        }
        _ => return None,
    };
    is_host(router).then_some(router)
}
