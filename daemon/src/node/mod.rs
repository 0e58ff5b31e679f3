//! The node: owns the cores and moves events between them.
//!
//! Sans-IO like the cores: the runtime (`run.rs`) and the simulation drive it by `handle` calls with a time,
//! and carry out what [`Node::poll_output`] says. Randomness and signatures come from [`Keys`].
//!
//! [`links`] talks to other nodes, [`compare`] directories with them, [`inbox`] holds records until they are
//! checked, [`admission`] says which nodes may be members, [`pages`] talks to browsers, [`people`] keeps accounts and attachments, [`linking`] lets a person's
//! new devices in, [`servers`] chooses STUN for pages, [`calls`] translates between calls and the two wires, [`report`] answers the control socket.

pub mod admin;
pub mod admission;
mod calls;
mod compare;
mod inbox;
mod linking;
mod links;
pub mod news;
pub mod owner;
mod pages;
mod people;
pub(crate) mod report;
pub mod servers;
pub mod state;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::{self, Key, Node as NodeRecord, NodeBody, Record, Status, Verify};
use truca_core::directory::sync::gossip_key;
use truca_core::directory::{Directory, Limits, Merged, Refused};
use truca_core::gossip::seal::{Agree, PairKey};
use truca_core::gossip::{self, Gossip};
use truca_core::id::NodeId;
use truca_core::name::Name;
use truca_core::signal::call::{Calls, SessionId};
use truca_core::sorted::Set;
use truca_core::turn::Secrets;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::Device;

use crate::event::{LinkId, LinkOut, NodePoint, PageId, PageOut};
use admission::Admission;
use inbox::PROVE_PERIOD;
use news::News;
use state::Saved;

/// How often pages are told of changes at most.
const WINDOW_PERIOD: Duration = Duration::from_millis(500);
/// How often one random member is compared with, jittered by a quarter.
const SYNC_PERIOD: Duration = Duration::from_secs(300);
/// How soon after something was missed.
const SYNC_SOON: Duration = Duration::from_secs(2);
/// How long a change of an account may wait to be written to flash.
const SAVE_DELAY: Duration = Duration::from_secs(5);
/// How long no second write follows the first.
const SAVE_PERIOD: Duration = Duration::from_secs(60);
/// How often at most this node outdoes a record of its own that it does not know. Two machines with one key
/// would otherwise do nothing else.
const RENEW_PERIOD: Duration = Duration::from_secs(10);

/// The node's secrets and its source of randomness.
pub trait Keys {
    /// The public point of its P-256 key.
    fn point(&self) -> NodePoint;
    /// Its X25519 secret.
    fn agreement_secret(&self) -> [u8; 32];
    /// ECDSA P-256 with SHA-256, r‖s.
    fn sign(&self, message: &[u8]) -> [u8; 64];
    /// Fills a buffer with random bytes.
    fn random(&self, buffer: &mut [u8]);
    /// What checks the signatures of records.
    fn verify(&self) -> Verify {
        record::verify
    }
    /// What computes the keys of pairs of nodes.
    fn agree(&self) -> Agree {
        PairKey::agree
    }
}

/// What the owner has decided, as far as the node needs it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The node's name.
    pub name: Name,
    /// Where others can reach it, best first.
    pub addresses: Vec<IpAddr>,
    /// TCP of page and links, UDP of membership.
    pub port: u16,
    /// STUN; 0 for none.
    pub stun_port: u16,
    /// The host for which browsers trust the page's certificate: they can be relayed for over TLS there.
    pub trusted: Option<String>,
    /// Nodes to try, always, and whom to expect there.
    pub peers: Vec<(SocketAddr, Option<NodeId>)>,
    /// Most sessions.
    pub max_sessions: usize,
    /// Most sessions of one account.
    pub max_sessions_per_account: usize,
    /// Most accounts of this home.
    pub max_accounts: usize,
    /// Requests a second of one page; 0 for no limit.
    pub page_rate: u32,
    /// Which nodes may be members.
    pub admission: Admission,
}

/// What the node wants done.
#[derive(Debug)]
pub enum Output {
    /// To a page.
    Page(PageId, PageOut),
    /// To another node.
    Link(LinkId, LinkOut),
    /// A membership datagram.
    Datagram {
        /// To.
        to: SocketAddr,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// Open a link.
    Dial(SocketAddr),
    /// Write this to flash.
    Save(Saved),
    /// Tell whoever listens on the router's bus.
    News(News),
    /// This session may not relay any more, whatever it was granted.
    Expelled(u32),
}

/// What is due at a time. A job finds out itself whether it is still wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Job {
    Windows,
    Session(SessionId),
    Dial(SocketAddr),
    Reach(NodeId),
    Learn,
    Prove,
    Renew,
    Sync,
    Save,
    LinkIdle(LinkId),
    Wishes,
}

/// Bytes that came and went, as they are before TLS, WebSocket and IP add theirs.
#[derive(Debug, Default, Clone, Copy)]
struct Traffic {
    links_in: u64,
    links_out: u64,
    pages_in: u64,
    pages_out: u64,
    datagrams_in: u64,
    datagrams_out: u64,
}

impl Traffic {
    fn count(&mut self, output: &Output) {
        match output {
            Output::Page(_, PageOut::Text(text)) => self.pages_out += text.len() as u64,
            Output::Link(_, LinkOut::Frame(frame)) => self.links_out += frame.len() as u64,
            Output::Datagram { payload, .. } => self.datagrams_out += payload.len() as u64,
            _ => {}
        }
    }
}

/// One node.
pub struct Node {
    keys: Box<dyn Keys>,
    settings: Settings,
    id: NodeId,
    record: NodeRecord,
    directory: Directory,
    gossip: Gossip,
    calls: Calls,
    /// What relaying is granted by, while this node relays.
    turn: Option<Secrets>,
    /// Counts what was granted before this, so that pages are told of what is new.
    turn_grants: u32,
    alive: Set<NodeId>,
    fallen: Set<NodeId>,
    /// How often a member was declared dead.
    deaths: u32,
    inbox: inbox::Inbox,
    drift: compare::Drift,
    links: links::Links,
    linking: linking::Linking,
    pages: pages::Pages,
    servers: servers::Servers,
    jobs: Set<(Time, Job)>,
    outputs: VecDeque<Output>,
    windows_at: Option<Time>,
    windows_last: Time,
    sync_at: Time,
    save_at: Option<Time>,
    saved_at: Option<Time>,
    /// The newest counter and boot that an earlier life of this node, or a copy of it, is known to have used.
    ahead: (u32, u32),
    /// Whether it waits to be outdone.
    renewing: bool,
    renewed_at: Option<Time>,
    /// Reasons for refusing records that were logged already: a flood must not fill the log.
    logged: Set<Refused>,
    owner: owner::Owner,
    traffic: Traffic,
    /// How many calls listeners on the bus were told of.
    calls_told: usize,
}

impl Node {
    /// A node that starts now with what it saved last time.
    pub fn new(now: Time, keys: Box<dyn Keys>, settings: Settings, saved: Saved) -> Self {
        let point = keys.point();
        let id = NodeId::of_point(&point);
        let mut seed = [0; 8];
        keys.random(&mut seed);
        let secret = keys.agreement_secret();
        let boot = saved.boot.wrapping_add(1);
        let generation = saved.generation.wrapping_add(1);
        // what the owner allows at home says nothing of other homes: all directories must agree
        let defaults = Limits::default();
        let accounts_per_home = defaults.accounts_per_home.max(settings.max_accounts);
        let limits = Limits { accounts_per_home, ..defaults };
        let body = NodeBody {
            point: Bytes(point),
            agreement: Bytes(Gossip::agreement(secret)),
            counter: saved.counter.wrapping_add(1),
            boot,
            name: settings.name.clone(),
            addresses: settings.addresses.clone(),
            port: settings.port,
            stun_port: settings.stun_port,
            version: version(),
        };
        let record = sign_node(&*keys, body);
        let mut node = Self {
            id,
            record,
            directory: Directory::new(id, limits),
            gossip: Gossip::new(id, generation, secret, u64::from_be_bytes(seed), gossip_key)
                .of_community(settings.admission.community()),
            calls: Calls::new(),
            turn: None,
            turn_grants: 0,
            alive: [id].into_iter().collect(),
            fallen: Set::new(),
            deaths: 0,
            inbox: inbox::Inbox::default(),
            drift: compare::Drift::default(),
            links: links::Links::default(),
            linking: linking::Linking::new(saved.passwords),
            pages: pages::Pages::default(),
            servers: servers::Servers::default(),
            jobs: Set::new(),
            outputs: VecDeque::new(),
            windows_at: None,
            windows_last: Time::ZERO,
            sync_at: Time::ZERO,
            save_at: None,
            saved_at: None,
            ahead: (0, 0),
            renewing: false,
            renewed_at: None,
            logged: Set::new(),
            owner: owner::Owner::new(saved.owner),
            traffic: Traffic::default(),
            calls_told: 0,
            keys,
            settings,
        };
        node.directory.verify_by(node.keys.verify());
        node.gossip.agree_by(node.keys.agree());
        let own = Record::Node(node.record.clone()).encode();
        node.learn(now, &own);
        for account in &saved.accounts {
            node.learn(now, account);
        }
        for (peer, id) in node.settings.peers.clone() {
            node.peer(now, peer, id);
        }
        for peer in saved.neighbours {
            node.candidate(now, peer, None, "saved");
        }
        node.sync_later(now, SYNC_PERIOD);
        // the new boot must be on flash before anybody signs an attachment with it
        node.outputs.push_front(Output::Save(node.to_save()));
        node.saved_at = Some(now);
        node
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The directory, to look at.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The members that are alive, this node included.
    pub fn alive(&self) -> &Set<NodeId> {
        &self.alive
    }

    /// The addresses of this node, best first.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.settings.addresses
    }

    /// Those of them that other nodes tell too: a gateway's, which is another router elsewhere.
    pub fn shared_addresses(&self) -> Vec<IpAddr> {
        let others = || self.directory.nodes().filter(|node| node.id() != self.id);
        let told = |address: &&IpAddr| others().any(|node| node.body.addresses.contains(address));
        self.settings.addresses.iter().filter(told).copied().collect()
    }

    /// How often a member was declared dead, as far as this node heard.
    pub fn deaths(&self) -> u32 {
        self.deaths
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front()?;
        self.traffic.count(&output);
        Some(output)
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        let jobs = self.jobs.first().map(|(at, _)| *at);
        [jobs, self.gossip.poll_timeout(), self.calls.poll_timeout()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        self.gossip.handle_timeout(now);
        self.calls.handle_timeout(now);
        while let Some(&(at, job)) = self.jobs.first().filter(|(at, _)| *at <= now) {
            self.jobs.remove(&(at, job));
            match job {
                Job::Windows => self.update_windows(now),
                Job::Session(session) => self.session_due(now, session),
                Job::Dial(address) => self.dial_due(now, address),
                Job::Reach(id) => self.reach_again(now, id),
                Job::Prove => self.prove_due(now),
                Job::Learn => self.learn_some(now),
                Job::Renew => self.renew_due(now),
                Job::Sync => self.sync_due(now),
                Job::LinkIdle(link) => self.link_idle(now, link),
                Job::Wishes => self.wishes_due(now),
                Job::Save => self.save_due(now),
            }
        }
        self.settle(now);
    }

    /// A membership datagram came in.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, payload: &[u8]) {
        self.traffic.datagrams_in += payload.len() as u64;
        if let Some(sender) = self.gossip.unchecked_sender(payload) {
            self.check_node(sender);
        }
        let before = self.refused_datagrams();
        self.gossip.handle_datagram(now, from, payload);
        if before == 0 && self.refused_datagrams() > 0 {
            log::warn!(
                "refused a membership datagram from {from} (counted from now on, see `trucad ctl status`)"
            );
        }
        self.settle(now);
    }

    fn refused_datagrams(&self) -> u32 {
        let counters = self.gossip.counters();
        counters.malformed | counters.forged | counters.unreadable
    }

    /// The addresses or the name of this node changed, or who may be a member.
    pub fn set_settings(&mut self, now: Time, settings: Settings) {
        if settings.admission != self.settings.admission {
            self.admit_anew(now, settings.admission.clone());
        }
        let changed = (&settings.name, &settings.addresses, settings.port, settings.stun_port)
            != (&self.settings.name, &self.settings.addresses, self.settings.port, self.settings.stun_port);
        if settings.trusted != self.settings.trusted {
            self.turn_grants = self.turn_grants.wrapping_add(1);
            self.windows_soon(now);
        }
        self.settings = settings;
        if changed {
            self.renew_record(now, self.record.body.counter);
        }
        for (peer, id) in self.settings.peers.clone() {
            self.peer(now, peer, id);
        }
        self.settle(now);
    }

    /// What relaying is granted by; `None` while this node does not relay.
    pub fn set_turn(&mut self, now: Time, secrets: Option<Secrets>) {
        self.turn = secrets;
        self.turn_grants = self.turn_grants.wrapping_add(1);
        self.windows_soon(now);
    }

    /// Says goodbye: to members, so that nobody has to find out, and to pages, which come back.
    pub fn stop(&mut self, now: Time) {
        self.gossip.leave(now);
        self.pages_stop();
        self.settle(now);
        self.outputs.push_back(Output::Save(self.to_save()));
    }

    /// Moves what the cores have to say to where it belongs, until they are quiet.
    fn settle(&mut self, now: Time) {
        loop {
            if let Some(output) = self.gossip.poll_output() {
                self.on_gossip(now, output);
            } else if let Some(output) = self.calls.poll_output() {
                self.on_call(now, output);
            } else {
                break;
            }
        }
        let calls = self.calls.len();
        if calls != self.calls_told {
            self.calls_told = calls;
            self.outputs.push_back(Output::News(News::Calls(calls)));
        }
    }

    fn tell_of_member(&mut self, id: NodeId, up: bool) {
        let (name, alive) = (self.directory.node_name(&id).to_owned(), self.alive.len());
        self.outputs.push_back(Output::News(News::Member { id, name, up, alive }));
    }

    fn on_gossip(&mut self, now: Time, output: gossip::Output) {
        match output {
            gossip::Output::Send { to, payload } => self.outputs.push_back(Output::Datagram { to, payload }),
            gossip::Output::Up(id) => {
                if self.alive.insert(id) {
                    log::info!("{} ({id}) is up", self.directory.node_name(&id));
                    self.tell_of_member(id, true);
                    self.summarize(now);
                    if self.fallen.remove(&id) {
                        self.sync_with(now, id);
                    }
                    self.calls.node_back(id);
                    self.servers_changed(now);
                }
            }
            gossip::Output::Down(id) => {
                if self.alive.remove(&id) {
                    log::info!("{} ({id}) is down", self.directory.node_name(&id));
                    self.tell_of_member(id, false);
                    self.summarize(now);
                    self.fallen.insert(id);
                    self.deaths = self.deaths.wrapping_add(1);
                    self.calls.node_lost(now, id);
                    self.home_lost(id);
                    self.servers_changed(now);
                }
                if self.alive.len() == 1 {
                    for (peer, id) in self.settings.peers.clone() {
                        self.peer(now, peer, id);
                    }
                }
            }
            gossip::Output::Check(id, data) => {
                if self.check_node(id) {
                    self.gossip.send(id, &data);
                }
            }
            gossip::Output::Arrived(record) => self.take_in(now, record, None),
            gossip::Output::Unknown(from) => {
                match from {
                    Some(from) => self.candidate(now, from, None, "datagram"),
                    None => self.sync_later(now, SYNC_SOON),
                };
            }
            gossip::Output::Differs(id) => self.differs(now, id),
            gossip::Output::Quality(_) => self.windows_soon(now),
            gossip::Output::Generation(_) => self.save_soon(now),
        }
    }

    /// Merges a record; what is news goes on to the others. Whether it was news.
    fn learn(&mut self, now: Time, encoded: &[u8]) -> bool {
        self.learn_from(now, encoded, None)
    }

    /// The same for one that the neighbour `from` answered a comparison with, if it may be checked later.
    fn learn_from(&mut self, now: Time, encoded: &[u8], from: Option<NodeId>) -> bool {
        if !self.settings.admission.allows_record(self.id, encoded) {
            self.links.counters.not_admitted = self.links.counters.not_admitted.wrapping_add(1);
            return false;
        }
        let merged = match from {
            Some(from) => self.directory.merge_lazily(encoded, from),
            None => self.directory.merge(encoded),
        };
        match merged {
            Ok(Merged::Unchecked(key)) => {
                self.summarize(now);
                if let Key::Node(id) = key {
                    self.introduce(id);
                }
                self.windows_soon(now);
                self.prove_later(now, PROVE_PERIOD);
                true
            }
            Ok(Merged::New(key)) => {
                self.gossip.spread(now, encoded);
                self.summarize(now);
                match key {
                    Key::Node(id) if id != self.id => self.introduce(id),
                    Key::Account(address) => {
                        if address.home == self.id {
                            self.save_soon(now);
                        }
                        self.account_changed(now, &address);
                    }
                    Key::Attachment(address, device) => {
                        let device = Device { address, device };
                        self.attached_elsewhere(&device);
                        let at = self.directory.attachment(&device.address, device.device);
                        if let Some(node) = at.filter(|at| at.status == Status::Here).map(|at| at.node) {
                            self.calls.peer_moved(now, &device, node);
                        }
                    }
                    _ => {}
                }
                self.windows_soon(now);
                true
            }
            Ok(Merged::Known) => false,
            Ok(Merged::Ahead { counter, boot }) => {
                self.ahead = (self.ahead.0.max(counter), self.ahead.1.max(boot));
                if !self.renewing {
                    self.renewing = true;
                    let at = self.renewed_at.map_or(now, |at| now.max(at + RENEW_PERIOD));
                    self.jobs.insert((at, Job::Renew));
                }
                false
            }
            Err(why) => {
                if why == Refused::Orphan {
                    self.sync_later(now, SYNC_SOON);
                } else if self.logged.insert(why) {
                    log::warn!("refused a record: {why:?} (counted from now on, see `trucad ctl status`)");
                }
                false
            }
        }
    }

    /// Tells gossip how to reach a node whose record is known.
    fn introduce(&mut self, id: NodeId) {
        let Some(record) = self.directory.node(&id) else { return };
        let agreement = record.body.agreement.0;
        let (addresses, checked) = (self.reachable_at(id), self.directory.is_checked(&Key::Node(id)));
        self.gossip.introduce(id, agreement, addresses, checked);
        self.servers.stale();
    }

    /// Where a node says it can be reached, without addresses that are ours.
    fn reachable_at(&self, id: NodeId) -> Vec<SocketAddr> {
        let Some(record) = self.directory.node(&id) else { return Vec::new() };
        let ours = |address: &IpAddr| {
            self.settings.addresses.contains(address) && record.body.port == self.settings.port
        };
        let port = record.body.port;
        record.body.addresses.iter().filter(|a| !ours(a)).map(|a| SocketAddr::new(*a, port)).collect()
    }

    /// Signs this node's record anew, newer than `counter`.
    fn renew_record(&mut self, now: Time, counter: u32) {
        let counter = counter.max(self.record.body.counter).wrapping_add(1);
        let body = NodeBody {
            counter,
            name: self.settings.name.clone(),
            addresses: self.settings.addresses.clone(),
            port: self.settings.port,
            stun_port: self.settings.stun_port,
            ..self.record.body.clone()
        };
        self.record = sign_node(&*self.keys, body);
        let encoded = Record::Node(self.record.clone()).encode();
        if self.directory.replace_own_node(self.record.clone()) {
            self.gossip.spread(now, &encoded);
            self.summarize(now);
        }
        self.save_soon(now);
        self.windows_soon(now);
    }

    /// Outdoes what an earlier life of this node has said. If that life may have used this boot, its attachments
    /// would be taken for ours: then this node counts as started anew, and its pages sign in again.
    fn renew_due(&mut self, now: Time) {
        self.renewing = false;
        self.renewed_at = Some(now);
        let (counter, boot) = self.ahead;
        if boot >= self.record.body.boot {
            log::warn!("this node is known with a later start than it remembers: was its flash lost?");
            self.record.body.boot = boot.wrapping_add(1);
            self.end_sessions(now);
        }
        self.renew_record(now, counter);
    }

    /// What was to be saved could not be: it is tried again.
    pub fn save_failed(&mut self, now: Time) {
        self.save_soon(now);
    }

    // Writing to flash: soon after a change, and then not again for a minute.

    fn save_soon(&mut self, now: Time) {
        if self.save_at.is_none() {
            let at = (now + SAVE_DELAY).max(self.saved_at.map_or(Time::ZERO, |at| at + SAVE_PERIOD));
            self.save_at = Some(at);
            self.jobs.insert((at, Job::Save));
        }
    }

    fn save_due(&mut self, now: Time) {
        if self.save_at.take().is_some() {
            self.saved_at = Some(now);
            self.outputs.push_back(Output::Save(self.to_save()));
        }
    }

    fn to_save(&self) -> Saved {
        let accounts = self.directory.records_of(self.id).cloned();
        Saved {
            boot: self.record.body.boot,
            counter: self.record.body.counter,
            generation: self.gossip.generation(),
            accounts: accounts.map(|account| Record::Account(account).encode()).collect(),
            neighbours: self.neighbours(),
            owner: self.owner.kept.clone(),
            passwords: self.linking.passwords.to_save(),
        }
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.keys.random(&mut bytes);
        bytes
    }

    /// A time between three and five quarters of `period` from now, so that nodes that started together do
    /// not stay together.
    fn jittered(&self, now: Time, period: Duration) -> Time {
        let [spread] = self.random();
        now + period * 3 / 4 + period * u32::from(spread) / 512
    }
}

fn version() -> (u8, u8, u8) {
    let part = |text: &str| text.parse().unwrap_or(0);
    (
        part(env!("CARGO_PKG_VERSION_MAJOR")),
        part(env!("CARGO_PKG_VERSION_MINOR")),
        part(env!("CARGO_PKG_VERSION_PATCH")),
    )
}

fn sign_node(keys: &dyn Keys, body: NodeBody) -> NodeRecord {
    let signature = Bytes(keys.sign(&NodeRecord::to_sign(&body)));
    NodeRecord { body, signature }
}

#[cfg(test)]
mod tests;
