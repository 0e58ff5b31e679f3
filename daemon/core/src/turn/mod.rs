//! TURN (RFC 8656): relays UDP for clients that no other path reaches.
//!
//! Sans-IO like every core: the daemon's `mesh/ice.rs` owns the sockets, feeds [`Server::handle_client`] and
//! [`Server::handle_peer`], and carries out each [`Action`]. What is relayed is never copied and nothing is
//! allocated for it: a header is taken off in place, or put before it in [`HEADROOM`]. State is bounded by
//! [`Limits`], by [`MAX_PERMISSIONS`] and by [`MAX_CHANNELS`].
//!
//! | RFC 8656 | here |
//! | --- | --- |
//! | 3.1 transports | UDP to peers; UDP and TCP to clients (TLS is the driver's business) |
//! | 5 authentication | RFC 8489 9.2 with MD5 keys, the only ones that browsers have; time-limited credentials ([`Secrets`]), stateless nonces |
//! | 7 Allocate | IPv4 or IPv6, one of them; a repeated request is answered as the first was; 437, 440, 442, 486, 508 |
//! | 7.2 EVEN-PORT | an even port; with the bit R 508: nothing is reserved |
//! | 7.2 RESERVATION-TOKEN | 508; together with EVEN-PORT, REQUESTED- or ADDITIONAL-ADDRESS-FAMILY 400 |
//! | 7.2 DONT-FRAGMENT | 420, as for a server that cannot set the bit |
//! | 7.2 ADDITIONAL-ADDRESS-FAMILY | not honoured (it may be ignored: RFC 8489 14); both families at once are two allocations |
//! | 8 Refresh | also to 0; 437, 443 |
//! | 10 CreatePermission | all or nothing; 403 by [`Policy`], 443, 508 |
//! | 11 Send and Data | with permission only; ICMP errors are not told |
//! | 12 channels | 0x4000 to 0x7FFF, as in RFC 5766, which coturn's client follows; 400, 403, 443, 508 |
//! | RFC 6062 (TCP to peers), RFC 8016 (mobility) | not here |

mod allocation;
mod answer;
mod client;
mod credentials;
mod policy;
mod quota;
mod relay;
mod request;
mod server;
#[cfg(test)]
mod tests;

pub use allocation::{MAX_CHANNELS, MAX_PERMISSIONS};
pub use answer::MAX_ANSWER;
pub use client::{Action, Client, RelayId, Via};
pub use credentials::{Grant, PERIOD, REALM, Secrets};
pub use policy::{BadPrefix, Policy, Prefix};
pub use server::{Counters, Server, Settings};

pub use relay::ToClient;

/// Methods of RFC 8656 (section 17).
pub mod method {
    /// Allocate.
    pub const ALLOCATE: u16 = 0x003;
    /// Refresh.
    pub const REFRESH: u16 = 0x004;
    /// Send (an indication).
    pub const SEND: u16 = 0x006;
    /// Data (an indication).
    pub const DATA: u16 = 0x007;
    /// CreatePermission.
    pub const CREATE_PERMISSION: u16 = 0x008;
    /// ChannelBind.
    pub const CHANNEL_BIND: u16 = 0x009;
}

/// Attribute types of RFC 8656 (section 18).
pub mod attribute {
    /// CHANNEL-NUMBER.
    pub const CHANNEL_NUMBER: u16 = 0x000c;
    /// LIFETIME.
    pub const LIFETIME: u16 = 0x000d;
    /// XOR-PEER-ADDRESS.
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    /// DATA.
    pub const DATA: u16 = 0x0013;
    /// XOR-RELAYED-ADDRESS.
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    /// REQUESTED-ADDRESS-FAMILY.
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    /// EVEN-PORT.
    pub const EVEN_PORT: u16 = 0x0018;
    /// REQUESTED-TRANSPORT.
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    /// DONT-FRAGMENT.
    pub const DONT_FRAGMENT: u16 = 0x001a;
    /// RESERVATION-TOKEN.
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    /// ADDITIONAL-ADDRESS-FAMILY.
    pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
}

/// Room that a driver leaves before what it reads from a peer: a Data indication with an IPv6 address (header
/// 20, XOR-PEER-ADDRESS 24, the header of DATA 4).
pub const HEADROOM: usize = 48;

/// Room that it leaves after it: padding to four bytes.
pub const TAILROOM: usize = 3;

/// How much of everything one node relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Allocations in all.
    pub allocations: usize,
    /// Allocations of one account.
    pub per_account: usize,
    /// Bytes a second in all, both directions together; 0 for no bound.
    pub rate: u32,
    /// Bytes a second of one account; 0 for no bound.
    pub account_rate: u32,
}
