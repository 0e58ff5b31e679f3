//! The directory of nodes, people and where they are: signed records, merged without a clock.
//!
//! Driven by the daemon's node, which hands in records from gossip, links and its own accounts and takes out
//! what is new. Every record replaces another with the same key when its counter is larger; an attachment
//! counts only while its node is alive, which the caller says. Nothing here knows sockets or membership.
//!
//! Bounds: [`Limits`]. A record over them is refused and counted; what is known stays. The people of this home, and
//! where they are, have their place beside what strangers can fill.

pub mod lazy;
pub mod record;
pub mod sync;
pub mod window;

use std::collections::BTreeMap;

use record::{Account, AccountBody, Attachment, BadRecord, Key, Node, Proven, Record, Status, Verify};
use serde::Serialize;

use crate::id::{DeviceId, NodeId};
use crate::name::{Address, Name};

/// Letters of a node's id that tell it from others of its name: who makes keys until they are equal needs a million.
const ID_LETTERS: usize = 4;

/// How many records are kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Nodes in all.
    pub nodes: usize,
    /// Accounts in all; those of the own home are kept beyond it.
    pub accounts: usize,
    /// Accounts of one home.
    pub accounts_per_home: usize,
    /// Tombstones of one home beside them: the newest are kept.
    pub tombstones_per_home: usize,
    /// Attachments in all; those of people of the own home are kept beyond it.
    pub attachments: usize,
    /// Devices (and so attachments) of one account.
    pub devices: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes: 4_096,
            accounts: 20_000,
            accounts_per_home: 2_000,
            tombstones_per_home: 256,
            attachments: 20_000,
            devices: 8,
        }
    }
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// It is news: pass it on.
    New(Key),
    /// It is news, and its signature is not checked yet: nobody else is to be told.
    Unchecked(Key),
    /// The same or a newer one was known.
    Known,
    /// A record of this node itself that this node does not know: one of an earlier life, of which a write to
    /// flash was lost. It must sign a newer one, with a later boot, or the attachments of that life would hold.
    Ahead {
        /// Its counter.
        counter: u32,
        /// Its count of starts.
        boot: u32,
    },
}

/// Why a record was refused. The directory is as it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refused {
    /// It does not read, or is not written canonically.
    Malformed,
    /// The signature does not verify.
    Signature,
    /// An account whose home, or an attachment whose account, is not known (yet).
    Orphan,
    /// An attachment by a device that the account does not have.
    Device,
    /// A bound of [`Limits`] is reached.
    Full,
}

impl From<BadRecord> for Refused {
    fn from(bad: BadRecord) -> Self {
        match bad {
            BadRecord::Malformed => Self::Malformed,
            BadRecord::Signature => Self::Signature,
        }
    }
}

/// How often records were refused, by reason, and how many were merged.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Counters {
    /// Records that were news.
    pub merged: u32,
    /// Signatures checked, right or wrong: each is 17 ms of a router.
    pub checked: u32,
    /// [`Refused::Malformed`]
    pub malformed: u32,
    /// [`Refused::Signature`]
    pub bad_signature: u32,
    /// [`Refused::Orphan`]
    pub orphan: u32,
    /// [`Refused::Device`]
    pub wrong_device: u32,
    /// [`Refused::Full`]
    pub full: u32,
}

/// A record with its version hash, which the digest sums, and its key's, which says where: a comparison goes
/// through all records, and hashing each anew would take a router half a second.
#[derive(Debug)]
struct Entry<T> {
    record: T,
    hash: u64,
    version: u64,
    /// 0, or the place of the neighbour on whose word it is kept unchecked.
    source: u8,
}

/// Why a record may be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Its signature must be checked now.
    Nobody,
    /// A neighbour's, until it is checked.
    Of(NodeId),
    /// It is checked, or signed here.
    Proven,
}

/// The directory.
#[derive(Debug)]
pub struct Directory {
    own: NodeId,
    limits: Limits,
    verify: Verify,
    nodes: BTreeMap<NodeId, Entry<Node>>,
    accounts: BTreeMap<Address, Entry<Account>>,
    attachments: BTreeMap<(Address, DeviceId), Entry<Attachment>>,
    digest: sync::Digest,
    counters: Counters,
    revision: u32,
    unchecked: usize,
    sources: Vec<lazy::Source>,
    /// How many nodes have each name: names are not unique, and whoever is shown one must be told.
    names: BTreeMap<Name, usize>,
}

impl Directory {
    /// An empty directory of the node `own`.
    pub fn new(own: NodeId, limits: Limits) -> Self {
        Self {
            own,
            limits,
            verify: record::verify,
            nodes: BTreeMap::new(),
            accounts: BTreeMap::new(),
            attachments: BTreeMap::new(),
            digest: sync::Digest::default(),
            counters: Counters::default(),
            revision: 0,
            unchecked: 0,
            sources: Vec::new(),
            names: BTreeMap::new(),
        }
    }

    /// From now on signatures are checked by this.
    pub fn verify_by(&mut self, verify: Verify) {
        self.verify = verify;
    }

    /// Merges an encoded record.
    ///
    /// # Errors
    /// Why it was refused; it is counted, and nothing has changed.
    pub fn merge(&mut self, encoded: &[u8]) -> Result<Merged, Refused> {
        self.merge_from(encoded, None)
    }

    /// Merges a record whose signature this node has made or checked itself. All else is looked at as ever, and an
    /// account must be of this home, since no other key is ours.
    ///
    /// # Errors
    /// As [`Self::merge`].
    pub fn merge_proven(&mut self, proven: &Proven<Record>) -> Result<Merged, Refused> {
        let ours = !matches!(&**proven, Record::Account(account) if account.body.home != self.own);
        let word = if ours { Word::Proven } else { Word::Nobody };
        let result = self.admit(Record::clone(proven), word);
        self.note(result)
    }

    fn merge_from(&mut self, encoded: &[u8], from: Option<NodeId>) -> Result<Merged, Refused> {
        let word = from.map_or(Word::Nobody, Word::Of);
        let result =
            Record::decode(encoded).map_err(Refused::from).and_then(|record| self.admit(record, word));
        self.note(result)
    }

    /// Counts what became of a record.
    fn note(&mut self, result: Result<Merged, Refused>) -> Result<Merged, Refused> {
        match result {
            Ok(Merged::New(_) | Merged::Unchecked(_)) => {
                self.counters.merged = self.counters.merged.wrapping_add(1);
                self.revision = self.revision.wrapping_add(1);
            }
            Ok(_) => {}
            Err(why) => {
                let counter = match why {
                    Refused::Malformed => &mut self.counters.malformed,
                    Refused::Signature => &mut self.counters.bad_signature,
                    Refused::Orphan => &mut self.counters.orphan,
                    Refused::Device => &mut self.counters.wrong_device,
                    Refused::Full => &mut self.counters.full,
                };
                *counter = counter.wrapping_add(1);
            }
        }
        result
    }

    /// Cheap checks first: age and bounds, then who may say so, and the signature (17 ms on a router) last.
    fn admit(&mut self, record: Record, by: Word) -> Result<Merged, Refused> {
        let key = record.key();
        let hash = key.hash();
        let version = record.version();
        let mut stamp = self.stamp(&key);
        if stamp.is_some_and(|(_, known)| known != version) && !self.check(&key) {
            // what was there was a lie
            stamp = None;
        }
        if let Some((counter, known)) = stamp {
            // of its own record a node knows the last one, so another with the same counter is of an earlier life
            let own = key == Key::Node(self.own) && record.counter() == counter && version != known;
            if (record.counter(), version) <= (counter, known) && !own {
                return Ok(Merged::Known);
            }
        }
        let known = stamp.is_some();
        let word = match by {
            Word::Of(from) => self.on_word_of(&record, known, from),
            Word::Proven | Word::Nobody => 0,
        };
        let check = word == 0 && by != Word::Proven;
        match record {
            Record::Node(record) => {
                if !known && self.nodes.len() >= self.limits.nodes && !self.make_room(&key) {
                    return Err(Refused::Full);
                }
                if check {
                    self.count_check();
                    record.verify(self.verify)?;
                }
                if record.id() == self.own && known {
                    return Ok(Merged::Ahead { counter: record.body.counter, boot: record.body.boot });
                }
                let entry = self.entry(record, hash, version, word);
                let old = self.put_node(entry);
                self.digest.replace(hash, old, version);
            }
            Record::Account(record) => {
                let address = record.address();
                let deleted = record.body.is_deleted();
                let full = self.accounts.len() >= self.limits.accounts && address.home != self.own;
                if !known && full && !self.make_room(&key) {
                    return Err(Refused::Full);
                }
                if deleted && !known && self.is_forgotten(&record) {
                    return Ok(Merged::Known);
                }
                if !deleted
                    && self.account(&address).is_none()
                    && self.accounts_of(address.home).count() >= self.limits.accounts_per_home
                    && !self.make_room(&key)
                {
                    return Err(Refused::Full);
                }
                if record.body.devices.len() > self.limits.devices {
                    return Err(Refused::Full);
                }
                let home = self.nodes.get(&record.body.home).ok_or(Refused::Orphan)?.record.body.point;
                if check {
                    self.count_check();
                    record.verify(&home, self.verify)?;
                }
                if word == 0 {
                    self.forget_other_devices(&address, &record.body.devices);
                }
                let home = address.home;
                let entry = self.entry(record, hash, version, word);
                let old = self.accounts.insert(address, entry);
                self.digest.replace(hash, old.map(|old| old.version), version);
                if deleted {
                    self.forget_old_tombstones(home);
                }
            }
            Record::Attachment(record) => {
                let full =
                    self.attachments.len() >= self.limits.attachments && record.address.home != self.own;
                if !known && full && !self.make_room(&key) {
                    return Err(Refused::Full);
                }
                let account = self.accounts.get(&record.address).ok_or(Refused::Orphan)?;
                // a tombstone has none
                if !account.record.body.devices.contains(&record.device()) {
                    // unless the account is a lie
                    let account = Key::Account(record.address.clone());
                    return Err(if self.check(&account) { Refused::Device } else { Refused::Orphan });
                }
                if check {
                    self.count_check();
                    record.verify_by(self.verify)?;
                }
                let place = (record.address.clone(), record.device());
                let entry = self.entry(record, hash, version, word);
                let old = self.attachments.insert(place, entry);
                self.digest.replace(hash, old.map(|old| old.version), version);
            }
        }
        Ok(if word == 0 { Merged::New(key) } else { Merged::Unchecked(key) })
    }

    fn count_check(&mut self) {
        self.counters.checked = self.counters.checked.wrapping_add(1);
    }

    /// Forgets the attachments of devices that an account has no more: whoever learns of the account first
    /// refuses them, and all must end with the same.
    fn forget_other_devices(&mut self, address: &Address, devices: &[DeviceId]) {
        let others: Vec<DeviceId> = self
            .attachments
            .range((address.clone(), DeviceId([0; 16]))..)
            .take_while(|((of, _), _)| of == address)
            .filter(|((_, device), _)| !devices.contains(device))
            .map(|((_, device), _)| *device)
            .collect();
        for device in others {
            if let Some(gone) = self.attachments.remove(&(address.clone(), device)) {
                self.unchecked -= usize::from(gone.source > 0);
                self.digest.replace(gone.hash, Some(gone.version), 0);
            }
        }
    }

    /// Forgets every node that is not wanted, and the people whose home it is; this node is.
    pub fn keep_nodes(&mut self, wanted: impl Fn(NodeId) -> bool) {
        for key in self.keys() {
            let (Key::Node(of)
            | Key::Account(Address { home: of, .. })
            | Key::Attachment(Address { home: of, .. }, _)) = key;
            if of != self.own && !wanted(of) {
                self.unchecked -= usize::from(self.source_of(&key).is_some_and(|source| source > 0));
                self.drop_record(&key);
            }
        }
    }

    /// Tombstones of a home, with how late they were made.
    fn tombstones(&self, home: NodeId) -> Vec<(u32, Name)> {
        let stamp = |body: &AccountBody| (body.counter, body.name.clone());
        self.records_of(home).filter(|a| a.body.is_deleted()).map(|a| stamp(&a.body)).collect()
    }

    /// Whether a tombstone that is not known is one that was forgotten: as many newer ones are known.
    fn is_forgotten(&self, record: &Account) -> bool {
        let stamp = (record.body.counter, record.body.name.clone());
        let newer = self.tombstones(record.body.home).into_iter().filter(|known| *known > stamp).count();
        newer >= self.limits.tombstones_per_home
    }

    /// Forgets the oldest tombstones of a home. A home gives each a larger counter than the one before, so all
    /// nodes end with the same ones, in whatever order they learn of them, and no clock is asked.
    fn forget_old_tombstones(&mut self, home: NodeId) {
        let mut stamps = self.tombstones(home);
        stamps.sort_unstable();
        let excess = stamps.len().saturating_sub(self.limits.tombstones_per_home);
        for (_, name) in stamps.drain(..excess) {
            if let Some(gone) = self.accounts.remove(&Address { home, name }) {
                self.unchecked -= usize::from(gone.source > 0);
                self.digest.replace(gone.hash, Some(gone.version), 0);
            }
        }
    }

    /// Puts this node's own record in the place of an older one. Whether it was news.
    pub fn replace_own_node(&mut self, record: Node) -> bool {
        let id = record.id();
        let whole = Record::Node(record.clone());
        if id != self.own || self.nodes.get(&id).is_some_and(|old| old.record.body.counter >= whole.counter())
        {
            return false;
        }
        let (hash, version) = (Key::Node(id).hash(), whole.version());
        let old = self.put_node(Entry { record, hash, version, source: 0 });
        self.digest.replace(hash, old, version);
        self.revision = self.revision.wrapping_add(1);
        true
    }

    /// Puts a node's record in the place of the one before, whose version it returns.
    fn put_node(&mut self, entry: Entry<Node>) -> Option<u64> {
        *self.names.entry(entry.record.body.name.clone()).or_default() += 1;
        let old = self.nodes.insert(entry.record.id(), entry)?;
        self.release(&old.record.body.name);
        Some(old.version)
    }

    /// A node has this name no more.
    fn release(&mut self, name: &Name) {
        if let Some(count) = self.names.get_mut(name) {
            *count -= 1;
            if *count == 0 {
                self.names.remove(name);
            }
        }
    }

    /// Counter and version of what is known under a key.
    fn stamp(&self, key: &Key) -> Option<(u32, u64)> {
        match key {
            Key::Node(id) => self.nodes.get(id).map(|e| (e.record.body.counter, e.version)),
            Key::Account(address) => self.accounts.get(address).map(|e| (e.record.body.counter, e.version)),
            Key::Attachment(address, device) => {
                self.attachments.get(&(address.clone(), *device)).map(|e| (e.record.counter, e.version))
            }
        }
    }

    /// The encoded record under a key.
    pub fn encoded(&self, key: &Key) -> Option<Vec<u8>> {
        match key {
            Key::Node(id) => self.nodes.get(id).map(|e| Record::Node(e.record.clone()).encode()),
            Key::Account(address) => {
                self.accounts.get(address).map(|e| Record::Account(e.record.clone()).encode())
            }
            Key::Attachment(address, device) => {
                let entry = self.attachments.get(&(address.clone(), *device))?;
                Some(Record::Attachment(entry.record.clone()).encode())
            }
        }
    }

    /// A node's record.
    pub fn node(&self, id: &NodeId) -> Option<&Node> {
        self.nodes.get(id).map(|entry| &entry.record)
    }

    /// All node records.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().map(|entry| &entry.record)
    }

    /// A node's name, or nothing when it is not known.
    pub fn node_name(&self, id: &NodeId) -> &str {
        self.node(id).map_or("", |node| node.body.name.as_str())
    }

    /// The same for people to read: with the first letters of its id, when another node is called so too.
    pub fn shown_name(&self, id: &NodeId) -> String {
        let name = self.node(id).map(|node| &node.body.name);
        let plain = name.map_or("", Name::as_str);
        match name.and_then(|name| self.names.get(name)) {
            Some(2..) => format!("{plain}·{}", id.to_string().chars().take(ID_LETTERS).collect::<String>()),
            _ => plain.to_owned(),
        }
    }

    /// A name that several nodes have, and theirs: one of them may want to be taken for another.
    pub fn namesakes(&self) -> Option<(&Name, Vec<NodeId>)> {
        let (name, _) = self.names.iter().find(|(_, count)| **count > 1)?;
        Some((name, self.nodes().filter(|node| node.body.name == *name).map(Node::id).collect()))
    }

    /// An account that there is.
    pub fn account(&self, address: &Address) -> Option<&Account> {
        self.account_record(address).filter(|account| !account.body.is_deleted())
    }

    /// An account or its tombstone.
    pub fn account_record(&self, address: &Address) -> Option<&Account> {
        self.accounts.get(address).map(|entry| &entry.record)
    }

    /// All accounts.
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values().map(|entry| &entry.record).filter(|account| !account.body.is_deleted())
    }

    /// The accounts of one home.
    pub fn accounts_of(&self, home: NodeId) -> impl Iterator<Item = &Account> {
        self.records_of(home).filter(|account| !account.body.is_deleted())
    }

    /// The accounts of one home, and its tombstones.
    pub fn records_of(&self, home: NodeId) -> impl Iterator<Item = &Account> {
        self.account_entries(home).map(|e| &e.record)
    }

    fn account_entries(&self, home: NodeId) -> impl Iterator<Item = &Entry<Account>> {
        let from = Address { home, name: Name::before_all() };
        self.accounts.range(from..).take_while(move |(address, _)| address.home == home).map(|(_, e)| e)
    }

    /// One device's attachment, whatever it says.
    pub fn attachment(&self, address: &Address, device: DeviceId) -> Option<&Attachment> {
        self.attachments.get(&(address.clone(), device)).map(|entry| &entry.record)
    }

    /// All attachments of an account, whatever they say.
    fn attachments_of<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a Attachment> {
        self.attachment_entries(address).map(|e| &e.record)
    }

    fn attachment_entries<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = &'a Entry<Attachment>> {
        let from = (address.clone(), DeviceId([0; 16]));
        self.attachments.range(from..).take_while(move |((of, _), _)| of == address).map(|(_, e)| e)
    }

    /// Where an account is attached now: devices that are `here`, at nodes that `alive` says are members and
    /// that have not been restarted since.
    pub fn here<'a>(
        &'a self,
        address: &'a Address,
        alive: impl Fn(&NodeId) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Attachment> {
        self.attachments_of(address).filter(move |a| {
            let current = self.node(&a.node).is_some_and(|node| node.body.boot == a.boot);
            a.status == Status::Here && current && alive(&a.node)
        })
    }

    /// How many records there are: nodes, accounts with tombstones, attachments.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.nodes.len(), self.accounts.len(), self.attachments.len())
    }

    /// Its bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What was merged and refused so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Changes whenever a record does.
    pub fn revision(&self) -> u32 {
        self.revision
    }
}

#[cfg(test)]
mod tests;
