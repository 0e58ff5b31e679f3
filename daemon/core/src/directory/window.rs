//! What one page looks at: the people that match a search, who is here first, and how that window changes.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::Directory;
use super::record::Account;
use crate::id::NodeId;
use crate::name::Address;
use crate::sorted::Map;
use crate::wire::page::{MAX_SEARCH, MAX_WINDOW, NodeInfo, Notice, Person, Quality};

/// Everybody, in the order in which pages show them. Gathered once for all windows of a round: sorting and
/// looking up who is here is the dear part, and the same for all.
#[derive(Debug)]
pub struct Everybody<'a> {
    directory: &'a Directory,
    people: Vec<Entry<'a>>,
}

#[derive(Debug)]
struct Entry<'a> {
    here: bool,
    /// The display name in lower case, by which it is sorted and searched.
    display: String,
    address: Address,
    account: &'a Account,
}

impl<'a> Everybody<'a> {
    /// Who is in the directory, and who of them is here, at nodes that `alive` says are members.
    pub fn gather(directory: &'a Directory, alive: impl Fn(&NodeId) -> bool) -> Self {
        let entry = |account: &'a Account| {
            let address = account.address();
            let here = directory.here(&address, &alive).next().is_some();
            Entry { here, display: account.body.display.as_str().to_lowercase(), address, account }
        };
        let mut people: Vec<Entry<'a>> = directory.accounts().map(entry).collect();
        people.sort_unstable_by(|a, b| {
            (!a.here, &a.display, &a.address).cmp(&(!b.here, &b.display, &b.address))
        });
        Self { directory, people }
    }
}

/// A page's watch, with a hash of each person as it was last sent. At most [`MAX_WINDOW`] of them.
#[derive(Debug)]
pub struct Window {
    watch: u32,
    text: String,
    limit: usize,
    sent: Option<Sent>,
    unchecked: Vec<Address>,
    at: Vec<NodeId>,
}

#[derive(Debug)]
struct Sent {
    people: Map<Address, u64>,
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
        Some(Self {
            watch,
            text: text.trim().to_lowercase(),
            limit,
            sent: None,
            unchecked: Vec::new(),
            at: Vec::new(),
        })
    }

    /// People who belong into the window and were left out, because what is known of them is not checked yet
    /// ([`super::lazy`]).
    pub fn unchecked(&mut self) -> Vec<Address> {
        core::mem::take(&mut self.unchecked)
    }

    /// The nodes where the people in the window are now, those of the first ones first.
    pub fn at(&self) -> &[NodeId] {
        &self.at
    }

    /// What the page must be told now, if anything. `quality` is that of the way to a node.
    pub fn update(
        &mut self,
        everybody: &Everybody<'_>,
        you: &Address,
        alive: impl Fn(&NodeId) -> bool,
        quality: impl Fn(&NodeId) -> Option<Quality>,
    ) -> Option<Notice> {
        let directory = everybody.directory;
        let (mut total, mut here, mut matching) = (0, 0, Vec::new());
        let mut unchecked = Vec::new();
        for entry in everybody.people.iter().filter(|entry| self.matches(directory, entry)) {
            total += 1;
            here += u32::from(entry.here);
            if matching.len() + unchecked.len() < self.limit {
                if directory.is_person_checked(&entry.address) {
                    matching.push(entry);
                } else {
                    unchecked.push(entry.address.clone());
                }
            }
        }
        self.unchecked = unchecked;
        let order: Vec<Address> = matching.iter().map(|entry| entry.address.clone()).collect();
        let old = self.sent.take();
        self.at.clear();
        let mut changed = Vec::new();
        let mut hashes = Map::new();
        for entry in &matching {
            let person = person(directory, entry.account, Some(you), &alive, &quality);
            for node in person.at.iter().map(|node| node.id) {
                if !self.at.contains(&node) {
                    self.at.push(node);
                }
            }
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

    fn matches(&self, directory: &Directory, entry: &Entry<'_>) -> bool {
        self.text.is_empty()
            || entry.address.name.as_str().contains(&self.text)
            || entry.display.contains(&self.text)
            || directory.node_name(&entry.address.home).contains(&self.text)
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
    NodeInfo { id, name: directory.shown_name(&id), alive: alive(&id) }
}

/// Who has a name, or is shown by it: `nuria`, `Núria`, `nuria@casa`, `nuria@` and a node id. At most `limit`.
pub fn find(directory: &Directory, text: &str, limit: usize, alive: impl Fn(&NodeId) -> bool) -> Vec<Person> {
    let text = text.trim().to_lowercase();
    let (who, home) = text.split_once('@').unwrap_or((&text, ""));
    let matching = directory.accounts().filter(|account| {
        let body = &account.body;
        let named = body.name.as_str() == who || body.display.as_str().to_lowercase() == who;
        let at_home = || {
            let id = body.home;
            directory.node_name(&id) == home || directory.shown_name(&id) == home || id.to_string() == home
        };
        named && (home.is_empty() || at_home())
    });
    matching.take(limit).map(|account| person(directory, account, None, &alive, &|_| None)).collect()
}

fn person(
    directory: &Directory,
    account: &Account,
    you: Option<&Address>,
    alive: &impl Fn(&NodeId) -> bool,
    quality: &impl Fn(&NodeId) -> Option<Quality>,
) -> Person {
    let address = account.address();
    let mut at: Vec<NodeId> = directory.here(&address, alive).map(|attachment| attachment.node).collect();
    at.sort_unstable();
    at.dedup();
    Person {
        name: account.body.name.as_str().to_owned(),
        display: account.body.display.clone(),
        quality: at.iter().filter_map(quality).min(),
        home: node_info(directory, account.body.home, alive),
        at: at.into_iter().map(|id| node_info(directory, id, alive)).collect(),
        devices: account.body.devices.clone(),
        you: Some(&address) == you,
        password: account.body.has_password(),
        address,
    }
}
