//! Comparing two directories over a node link, so that nothing is missed for ever.
//!
//! A [`Digest`] is 256 sums of version hashes, by the first byte of each record's key hash. Two nodes compare
//! digests; for the buckets that differ they exchange [`Item`]s (16 bytes a record), and then send and ask
//! for what differs, in an order that can be merged: nodes, then accounts, then attachments.
//!
//! Cost: 2 KiB for the digest, then for a difference of D records in a directory of R about
//! min(D, 256) · R/256 · 16 bytes of items, and the D records.

use super::Directory;
use super::record::{Key, Record};
use crate::id::{DeviceId, NodeId};
use crate::name::Address;
use crate::wire::node::Item;

/// How many sums a digest has.
pub const BUCKETS: usize = 256;

/// Sums of the version hashes of all records, by bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest(Box<[u64; BUCKETS]>);

impl Default for Digest {
    fn default() -> Self {
        Self(Box::new([0; BUCKETS]))
    }
}

fn bucket(hash: u64) -> u8 {
    hash.to_be_bytes()[0]
}

impl Digest {
    /// Replaces a version by another one under the key with this hash.
    pub(super) fn replace(&mut self, hash: u64, old: Option<u64>, new: u64) {
        let sum = &mut self.0[usize::from(bucket(hash))];
        *sum = sum.wrapping_sub(old.unwrap_or(0)).wrapping_add(new);
    }

    /// All of it in 32 bits, for datagrams: shows by chance that two directories are the same once in 2³².
    pub fn summary(&self) -> u32 {
        let sum = self.0.iter().fold(0u64, |sum, bucket| sum.wrapping_add(*bucket));
        (sum >> 32) as u32 ^ sum as u32
    }

    /// As it travels: 2,048 bytes, big-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|sum| sum.to_be_bytes()).collect()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut digest = Self::default();
        if bytes.len() != BUCKETS * 8 {
            return None;
        }
        for (sum, chunk) in digest.0.iter_mut().zip(bytes.chunks_exact(8)) {
            *sum = u64::from_be_bytes(chunk.try_into().ok()?);
        }
        Some(digest)
    }

    /// The buckets in which two digests differ.
    pub fn differing(&self, other: &Self) -> Vec<u8> {
        (0..=255u8).filter(|&b| self.0[usize::from(b)] != other.0[usize::from(b)]).collect()
    }
}

/// A record's hashes and where it is kept.
struct Stamp<'a> {
    item: Item,
    place: Place<'a>,
}

/// A [`Key`] that is not a copy.
enum Place<'a> {
    Node(NodeId),
    Account(&'a Address),
    Attachment(&'a Address, DeviceId),
}

impl Place<'_> {
    fn key(&self) -> Key {
        match self {
            Self::Node(id) => Key::Node(*id),
            Self::Account(address) => Key::Account((*address).clone()),
            Self::Attachment(address, device) => Key::Attachment((*address).clone(), *device),
        }
    }
}

/// What to do about a difference.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Records to send, in an order that can be merged.
    pub send: Vec<Key>,
    /// Key hashes of records to ask for.
    pub want: Vec<u64>,
}

impl Directory {
    /// The digest of everything.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Everything, as far as comparing looks at it, in an order that can be merged.
    fn stamps(&self) -> impl Iterator<Item = Stamp<'_>> {
        let stamp = |hash, version, place| Stamp { item: Item { key: hash, version }, place };
        let nodes = self.nodes.iter().map(move |(id, e)| stamp(e.hash, e.version, Place::Node(*id)));
        let accounts =
            self.accounts.iter().map(move |(address, e)| stamp(e.hash, e.version, Place::Account(address)));
        let attachments = self
            .attachments
            .iter()
            .map(move |((address, device), e)| stamp(e.hash, e.version, Place::Attachment(address, *device)));
        nodes.chain(accounts).chain(attachments)
    }

    /// The items of some buckets.
    pub fn items(&self, buckets: &[u8]) -> Vec<Item> {
        let wanted = bitmap(buckets);
        self.stamps().map(|stamp| stamp.item).filter(|item| wanted[usize::from(bucket(item.key))]).collect()
    }

    /// Compares the other side's items of some buckets with ours: what differs goes both ways, and each side
    /// keeps the newer.
    pub fn compare(&self, buckets: &[u8], theirs: &[Item]) -> Difference {
        let wanted = bitmap(buckets);
        let mut theirs: Vec<Item> = theirs.to_vec();
        theirs.sort_unstable_by_key(|item| item.key);
        let mut matched = vec![false; theirs.len()];
        let mut difference = Difference::default();
        for Stamp { item: Item { key: hash, version }, place } in self.stamps() {
            if !wanted[usize::from(bucket(hash))] {
                continue;
            }
            match theirs.binary_search_by_key(&hash, |item| item.key) {
                Ok(at) => {
                    matched[at] = true;
                    if theirs[at].version != version {
                        difference.send.push(place.key());
                        difference.want.push(hash);
                    }
                }
                Err(_) => difference.send.push(place.key()),
            }
        }
        difference
            .want
            .extend(theirs.iter().zip(&matched).filter(|(_, seen)| !**seen).map(|(item, _)| item.key));
        difference
    }

    /// The keys whose hashes are asked for, in an order that can be merged.
    pub fn wanted(&self, hashes: &[u64]) -> Vec<Key> {
        let mut hashes = hashes.to_vec();
        hashes.sort_unstable();
        let asked_for = |stamp: &Stamp<'_>| hashes.binary_search(&stamp.item.key).is_ok();
        self.stamps().filter(asked_for).map(|stamp| stamp.place.key()).collect()
    }

    /// Every key, in an order that can be merged: for a side that has nothing yet.
    pub fn keys(&self) -> Vec<Key> {
        self.stamps().map(|stamp| stamp.place.key()).collect()
    }
}

fn bitmap(buckets: &[u8]) -> [bool; BUCKETS] {
    let mut wanted = [false; BUCKETS];
    for &bucket in buckets {
        wanted[usize::from(bucket)] = true;
    }
    wanted
}

/// The hash under which a record competes with others, for gossip that must not know what a record is.
pub fn gossip_key(encoded: &[u8]) -> Option<u64> {
    Record::decode(encoded).ok().map(|record| record.key().hash())
}
