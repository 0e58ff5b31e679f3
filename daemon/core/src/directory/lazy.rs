//! Records whose signature is not checked yet, because too many came at once.
//!
//! Who joins a city is given some 14,000 records; at 17 ms a signature a router would check them for four minutes.
//! So a record of which nothing was known, and which a neighbour sent in answer to a comparison, is kept as it is
//! and checked when something depends on it ([`Directory::check`]), or in the background
//! ([`Directory::check_some`]), which ends with all of them checked.
//!
//! Why that is safe: an unchecked record never takes the place of another. Whatever else comes under its key has
//! it checked first, and so has whatever finds no room because of it or is refused because of what it says. A
//! lie is dropped at its first check, so all it can do is to keep a place and the neighbour's good name, and the
//! same number of bytes has always bought that neighbour as many checks. What it sends later is checked at once.
//! Tombstones and what this node is home to are never put off: they make others go.
//!
//! Bounds: [`MAX_SOURCES`] neighbours whose records are unchecked; of a further one all are checked at once.

use super::record::{Key, Record};
use super::{Directory, Entry, Merged, Refused};
use crate::id::NodeId;
use crate::name::Address;

/// Most neighbours that unchecked records came from, and that are remembered for a lie.
pub const MAX_SOURCES: usize = 64;

/// A neighbour that unchecked records came from. Entries name it by its place, from 1.
#[derive(Debug)]
pub(super) struct Source {
    id: NodeId,
    lied: bool,
}

impl Directory {
    /// Merges an encoded record from a neighbour whose word may be taken for now: an unknown record is kept without
    /// a check.
    ///
    /// # Errors
    /// As [`Self::merge`].
    pub fn merge_lazily(&mut self, encoded: &[u8], from: NodeId) -> Result<Merged, Refused> {
        self.merge_from(encoded, Some(from))
    }

    /// How many records are unchecked.
    pub fn unchecked(&self) -> usize {
        self.unchecked
    }

    /// The place of a neighbour, if its records may wait to be checked.
    pub(super) fn source(&mut self, id: NodeId) -> Option<u8> {
        let known = self.sources.iter().position(|source| source.id == id);
        let at = match known {
            Some(at) => at,
            None => {
                if self.unchecked == 0 {
                    // nobody is named any more; those who lied stay
                    self.sources.retain(|source| source.lied);
                }
                if self.sources.len() >= MAX_SOURCES {
                    return None;
                }
                self.sources.push(Source { id, lied: false });
                self.sources.len() - 1
            }
        };
        (!self.sources[at].lied).then_some(at as u8 + 1)
    }

    /// The place of the neighbour whose word a record is: 0 when it is checked, nothing when there is none.
    pub(super) fn source_of(&self, key: &Key) -> Option<u8> {
        match key {
            Key::Node(id) => self.nodes.get(id).map(|e| e.source),
            Key::Account(address) => self.accounts.get(address).map(|e| e.source),
            Key::Attachment(address, device) => {
                self.attachments.get(&(address.clone(), *device)).map(|e| e.source)
            }
        }
    }

    /// Whether there is a record under this key and it is checked.
    pub fn is_checked(&self, key: &Key) -> bool {
        self.source_of(key) == Some(0)
    }

    /// Checks the record under a key, unless it is checked already. Whether there is one; a wrong one is dropped,
    /// and what hangs on it.
    pub fn check(&mut self, key: &Key) -> bool {
        let source = match self.source_of(key) {
            None => return false,
            Some(0) => return true,
            Some(source) => source,
        };
        self.counters.checked = self.counters.checked.wrapping_add(1);
        self.unchecked -= 1;
        let right = match key {
            Key::Node(id) => self.nodes.get_mut(id).is_some_and(|e| {
                e.source = 0;
                e.record.verify(self.verify).is_ok()
            }),
            Key::Account(address) => {
                // its point is right even when the record is unchecked: the id is its hash
                let home = self.nodes.get(&address.home).map(|home| home.record.body.point);
                self.accounts.get_mut(address).is_some_and(|e| {
                    e.source = 0;
                    home.is_some_and(|home| e.record.verify(&home, self.verify).is_ok())
                })
            }
            Key::Attachment(address, device) => {
                self.attachments.get_mut(&(address.clone(), *device)).is_some_and(|e| {
                    e.source = 0;
                    e.record.verify_by(self.verify).is_ok()
                })
            }
        };
        if !right {
            self.counters.bad_signature = self.counters.bad_signature.wrapping_add(1);
            if let Some(source) = self.sources.get_mut(usize::from(source) - 1) {
                source.lied = true;
            }
            self.drop_record(key);
        }
        right
    }

    /// Checks what is known of a person: the account, its home and where it is attached. Whether there is one.
    pub fn check_person(&mut self, address: &Address) -> bool {
        if self.unchecked > 0 {
            self.check(&Key::Node(address.home));
            if !self.check(&Key::Account(address.clone())) {
                return false;
            }
            let at = self.attachments_of(address).map(|a| (a.device(), a.node));
            for (device, node) in at.collect::<Vec<_>>() {
                self.check(&Key::Attachment(address.clone(), device));
                self.check(&Key::Node(node));
            }
        }
        self.account(address).is_some()
    }

    /// Whether all is checked that [`Self::check_person`] would check.
    pub(super) fn is_person_checked(&self, address: &Address) -> bool {
        let checked = |id: &NodeId| self.nodes.get(id).is_none_or(|node| node.source == 0);
        self.unchecked == 0
            || (checked(&address.home)
                && self.accounts.get(address).is_some_and(|e| e.source == 0)
                && self.attachment_entries(address).all(|e| e.source == 0 && checked(&e.record.node)))
    }

    /// Checks the first `count` records that are unchecked. The nodes among them that were dropped.
    pub fn check_some(&mut self, count: usize) -> Vec<NodeId> {
        let nodes = self.nodes.iter().filter(|(_, e)| e.source > 0).map(|(id, _)| Key::Node(*id));
        let accounts =
            self.accounts.iter().filter(|(_, e)| e.source > 0).map(|(a, _)| Key::Account(a.clone()));
        let attachments = self.attachments.iter().filter(|(_, e)| e.source > 0);
        let attachments = attachments.map(|((a, device), _)| Key::Attachment(a.clone(), *device));
        let keys: Vec<Key> = nodes.chain(accounts).chain(attachments).take(count).collect();
        let mut dropped = Vec::new();
        for key in keys {
            if let (false, Key::Node(id)) = (self.check(&key), &key) {
                dropped.push(*id);
            }
        }
        dropped
    }

    /// When a table is full, an unchecked record in it is checked: a lie makes room. Whether there is.
    pub(super) fn make_room(&mut self, wanted: &Key) -> bool {
        if self.unchecked == 0 {
            return false;
        }
        let unchecked = match wanted {
            Key::Node(_) => self.nodes.iter().find(|(_, e)| e.source > 0).map(|(id, _)| Key::Node(*id)),
            Key::Account(address) => {
                let of_home = self.account_entries(address.home).find(|e| e.source > 0);
                let any = || self.accounts.values().find(|e| e.source > 0);
                of_home.or_else(any).map(|e| Key::Account(e.record.address()))
            }
            Key::Attachment(..) => {
                let first = self.attachments.iter().find(|(_, e)| e.source > 0);
                first.map(|((address, device), _)| Key::Attachment(address.clone(), *device))
            }
        };
        unchecked.is_some_and(|key| !self.check(&key))
    }

    pub(super) fn drop_record(&mut self, key: &Key) {
        let gone = match key {
            Key::Node(id) => self.nodes.remove(id).map(|e| {
                self.release(&e.record.body.name);
                (e.hash, e.version)
            }),
            Key::Account(address) => {
                self.forget_other_devices(address, &[]);
                self.accounts.remove(address).map(|e| (e.hash, e.version))
            }
            Key::Attachment(address, device) => {
                self.attachments.remove(&(address.clone(), *device)).map(|e| (e.hash, e.version))
            }
        };
        if let Some((hash, version)) = gone {
            self.digest.replace(hash, Some(version), 0);
            self.revision = self.revision.wrapping_add(1);
        }
    }

    /// An entry for a record, unchecked when it has a source.
    pub(super) fn entry<T>(&mut self, record: T, hash: u64, version: u64, source: u8) -> Entry<T> {
        self.unchecked += usize::from(source > 0);
        Entry { record, hash, version, source }
    }

    /// Whether a record may be kept without a check, and on whose word.
    pub(super) fn on_word_of(&mut self, record: &Record, known: bool, from: NodeId) -> u8 {
        let of_ours = match record {
            Record::Node(node) => node.id() == self.own,
            Record::Account(account) => account.body.home == self.own || account.body.is_deleted(),
            Record::Attachment(attachment) => {
                attachment.address.home == self.own || attachment.node == self.own
            }
        };
        if known || of_ours { 0 } else { self.source(from).unwrap_or(0) }
    }
}
