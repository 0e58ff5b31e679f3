//! What survives a restart: one small file, replaced atomically.
//!
//! `magic ‖ SHA-256 of the rest ‖ postcard`. A file that does not read is kept aside by the store and the node
//! starts without it: identity is in other files, and own accounts come back from the mesh.

use std::net::SocketAddr;

use ring::digest;
use serde::{Deserialize, Serialize};

use truca_core::name::Name;

use super::linking::password::Password;
use super::owner::Kept;

/// First bytes of the file; the last one is the version of its format.
const MAGIC: &[u8; 8] = b"trucast\x03";
/// The version before, which had no passwords.
const BEFORE: &[u8; 8] = b"trucast\x02";

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
    /// What is kept of the passwords of its accounts.
    pub passwords: Vec<(Name, Password)>,
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
        let before = content.starts_with(BEFORE);
        let rest = content.strip_prefix(if before { BEFORE } else { MAGIC })?;
        let (sum, body) = rest.split_at_checked(32)?;
        if digest::digest(&digest::SHA256, body).as_ref() != sum {
            return None;
        }
        // the last field of the version before is an empty list
        let missing: &[u8] = if before { &[0] } else { &[] };
        match postcard::take_from_bytes(&[body, missing].concat()) {
            Ok((saved, [])) => Some(saved),
            _ => None,
        }
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

    #[test]
    fn what_the_version_before_saved_is_read_without_passwords() {
        let saved = Saved { boot: 3, accounts: vec![vec![1, 2, 3]], ..Saved::default() };
        let body = &saved.encode()[40..];
        let body = &body[..body.len() - 1];
        let before = [BEFORE, digest::digest(&digest::SHA256, body).as_ref(), body].concat();
        assert_eq!(Saved::decode(&before), Some(saved));
    }
}
