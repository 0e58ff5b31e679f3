//! The advert: what a node publishes of itself by bmx6's and bmx7's short messages, in one file `truca`.
//!
//! Postcard: version (u8, [`VERSION`]), node id (16 bytes), port (u16), at most [`MAX_TOLD`] addresses. At 241
//! bytes bmx6 would withdraw the whole message; ours has at most 160, and nothing may follow it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Bad, Hint, MAX_ADDRESSES, is_host};
use crate::id::NodeId;

/// The name of the short message.
pub const NAME: &str = "truca";
/// What this version writes and reads.
pub const VERSION: u8 = 1;
/// The most that a short message carries (bmx6 `MAX_JSON_SMS_DATA_LEN`).
pub const MAX_SMS: usize = 240;
/// Most addresses that are told.
pub const MAX_TOLD: usize = 8;

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advert {
    version: u8,
    /// Who.
    pub id: NodeId,
    /// TCP port of its node links.
    pub port: u16,
    /// Where, best first.
    pub addresses: Vec<IpAddr>,
}

impl Advert {
    /// An advert; addresses beyond [`MAX_TOLD`] are left out.
    pub fn new(id: NodeId, port: u16, addresses: &[IpAddr]) -> Self {
        let addresses = addresses.iter().copied().take(MAX_TOLD).collect();
        Self { version: VERSION, id, port, addresses }
    }

    /// As a short message.
    pub fn encode(&self) -> Vec<u8> {
        // Writing into memory cannot fail
        postcard::to_allocvec(self).unwrap_or_default()
    }

    /// Reads a short message.
    ///
    /// # Errors
    /// [`Bad::Foreign`] for another version, or for what no node would write.
    pub fn decode(message: &[u8]) -> Result<Self, Bad> {
        if message.len() > MAX_SMS {
            return Err(Bad::Long);
        }
        if message.first().is_some_and(|version| *version != VERSION) {
            return Err(Bad::Foreign);
        }
        let (advert, rest) = postcard::take_from_bytes::<Self>(message).map_err(|_| Bad::Syntax)?;
        let sound = rest.is_empty() && advert.port != 0 && (1..=MAX_TOLD).contains(&advert.addresses.len());
        if sound { Ok(advert) } else { Err(Bad::Foreign) }
    }

    /// What it hints at.
    pub fn hints(&self) -> impl Iterator<Item = Hint> {
        let hosts = self.addresses.iter().filter(|ip| is_host(**ip)).take(MAX_ADDRESSES);
        hosts.map(|ip| Hint { ip: *ip, interface: None, port: Some(self.port), id: Some(self.id) })
    }
}
