//! What survives a restart: one small file, replaced atomically.
//!
//! `magic ‖ SHA-256 of the rest ‖ postcard`. A file that does not read is kept aside by the store and the node
//! starts without it: identity is in other files, and own accounts come back from the mesh.

use std::net::SocketAddr;

use ring::digest;
use serde::{Deserialize, Serialize};

use super::owner::Kept;

/// First bytes of the file; the last one is the version of its format.
const MAGIC: &[u8; 8] = b"trucast\x02";

/// What is saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// How often this node has started.
    pub boot: u32,
    /// Counter of its node record.
    pub counter: u32,
    /// Its generation in the membership.
    pub generation: u16,
    /// Its accounts and their tombstones, as encoded records.
    pub accounts: Vec<Vec<u8>>,
    /// Where other nodes were last reached: found again without discovery.
    pub neighbours: Vec<SocketAddr>,
    /// What the owner decided, and what was reported.
    pub owner: Kept,
}

impl Saved {
    /// Writes the file's content.
    pub fn encode(&self) -> Vec<u8> {
        // writing to a growing vector fails only when a type cannot be written at all, which tests would show
        let body = postcard::to_allocvec(self).unwrap_or_default();
        [MAGIC, digest::digest(&digest::SHA256, &body).as_ref(), &body].concat()
    }

    /// Reads the file's content; nothing when any byte of it is wrong.
    pub fn decode(content: &[u8]) -> Option<Self> {
        let rest = content.strip_prefix(MAGIC)?;
        let (sum, body) = rest.split_at_checked(32)?;
        if digest::digest(&digest::SHA256, body).as_ref() != sum {
            return None;
        }
        postcard::from_bytes(body).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_read_and_any_changed_byte_is_seen() {
        let saved = Saved { boot: 3, accounts: vec![vec![1, 2, 3]], ..Saved::default() };
        let content = saved.encode();
        assert_eq!(Saved::decode(&content), Some(saved));
        for at in 0..content.len() {
            let mut changed = content.clone();
            changed[at] ^= 1;
            assert_eq!(Saved::decode(&changed), None);
            assert_eq!(Saved::decode(&content[..at]), None);
        }
    }
}
