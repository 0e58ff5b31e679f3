//! What one page looks at: the people that match a search, who is here first, and how that window changes.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Directory;
use super::record::Account;
use crate::id::NodeId;
use crate::name::Address;
use crate::wire::page::{MAX_SEARCH, MAX_WINDOW, NodeInfo, Notice, Person};

/// A page's watch, with a hash of each person as it was last sent. At most [`MAX_WINDOW`] of them.
#[derive(Debug)]
pub struct Window {
    watch: u32,
    text: String,
    limit: usize,
    sent: Option<Sent>,
}

#[derive(Debug)]
struct Sent {
    people: BTreeMap<Address, u64>,
    order: u64,
    total: u32,
    here: u32,
}

impl Window {
    /// A window for the request `watch`, or nothing when the search is longer than [`MAX_SEARCH`].
    pub fn new(watch: u32, text: &str, limit: u16) -> Option<Self> {
        if text.chars().count() > MAX_SEARCH {
            return None;
        }
        let limit = usize::from(limit.clamp(1, MAX_WINDOW));
        Some(Self { watch, text: text.trim().to_lowercase(), limit, sent: None })
    }

    /// What the page must be told now, if anything.
    pub fn update(
        &mut self,
        directory: &Directory,
        you: &Address,
        alive: impl Fn(&NodeId) -> bool,
    ) -> Option<Notice> {
        let mut matching: Vec<(&Account, bool)> = directory
            .accounts()
            .filter(|account| self.matches(directory, account))
            .map(|account| (account, directory.here(&account.address(), &alive).next().is_some()))
            .collect();
        let total = matching.len() as u32;
        let here = matching.iter().filter(|(_, here)| *here).count() as u32;
        matching.sort_by_cached_key(|(account, here)| {
            (!here, account.body.display.as_str().to_lowercase(), account.address())
        });
        matching.truncate(self.limit);
        let order: Vec<Address> = matching.iter().map(|(account, _)| account.address()).collect();
        let old = self.sent.take();
        let mut changed = Vec::new();
        let mut hashes = BTreeMap::new();
        for (account, _) in &matching {
            let person = person(directory, account, you, &alive);
            let hash = hash(&person);
            let same = old.as_ref().is_some_and(|old| old.people.get(&person.address) == Some(&hash));
            hashes.insert(person.address.clone(), hash);
            if !same {
                changed.push(person);
            }
        }
        let new = Sent { people: hashes, order: hash(&order), total, here };
        let notice = match &old {
            None => Some((Vec::new(), Some(order))),
            Some(old) => {
                let gone: Vec<Address> =
                    old.people.keys().filter(|a| !new.people.contains_key(a)).cloned().collect();
                let order = (old.order != new.order).then_some(order);
                let same = changed.is_empty() && gone.is_empty() && order.is_none();
                (!same || (old.total, old.here) != (total, here)).then_some((gone, order))
            }
        };
        let reset = old.is_none();
        self.sent = Some(new);
        let watch = self.watch;
        notice.map(|(gone, order)| Notice::People { watch, reset, total, here, people: changed, gone, order })
    }

    fn matches(&self, directory: &Directory, account: &Account) -> bool {
        self.text.is_empty()
            || account.body.name.as_str().contains(&self.text)
            || account.body.display.as_str().to_lowercase().contains(&self.text)
            || directory.node_name(&account.body.home).contains(&self.text)
    }
}

/// Good for comparing within this process only.
fn hash(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// A node, as people see it.
pub fn node_info(directory: &Directory, id: NodeId, alive: impl Fn(&NodeId) -> bool) -> NodeInfo {
    NodeInfo { id, name: directory.node_name(&id).to_owned(), alive: alive(&id) }
}

fn person(
    directory: &Directory,
    account: &Account,
    you: &Address,
    alive: &impl Fn(&NodeId) -> bool,
) -> Person {
    let address = account.address();
    let mut at: Vec<NodeId> = directory.here(&address, alive).map(|attachment| attachment.node).collect();
    at.sort_unstable();
    at.dedup();
    Person {
        name: account.body.name.as_str().to_owned(),
        display: account.body.display.clone(),
        home: node_info(directory, account.body.home, alive),
        at: at.into_iter().map(|id| node_info(directory, id, alive)).collect(),
        devices: account.body.devices.clone(),
        you: address == *you,
        address,
    }
}
