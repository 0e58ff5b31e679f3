//! Discovery sources: drivers that listen to other programs of this router, and the task that tries what they say.
//!
//! Each driver reads one source and hands what it hears to its [`Ear`]; the table of candidates
//! ([`truca_core::discovery::candidates`]) merges it and says what to try when, and a task turns that into
//! [`Event::Candidate`]s. The runtime tells [`Sources::outcome`] what came of it.
//!
//! Sources are switched on and off at run time by [`Sources::configure`], and the programs that they listen to
//! may come and go: a driver looks again after a while (docs/discovery.md says how often, and what it costs).

mod ask;
pub mod babeld;
pub mod bmx;
mod bus;
pub mod dns;
pub mod olsr;
pub mod shared_state;
pub mod umdns;

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use truca_core::Time;
use truca_core::discovery::advert::Advert;
use truca_core::discovery::candidates::Candidates;
use truca_core::discovery::{Heard, Source};
use truca_core::id::NodeId;
use truca_core::sorted::Map;

use crate::event::Event;
use crate::task::spawn;

/// Most candidates that the control socket shows.
const MAX_SHOWN: usize = 256;

/// What the owner wants, and what there is to tell others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// This node.
    pub id: NodeId,
    /// The TCP port of its links, and of those of routers that do not tell theirs.
    pub port: u16,
    /// Where others reach it, best first.
    pub addresses: Vec<IpAddr>,
    /// Whether it lives on loopback.
    pub loopback: bool,
    /// Which sources to listen to, and where.
    pub from: Map<Source, From>,
    /// Whether to tell others by bmx6, bmx7 and shared state.
    pub publish: bool,
    /// Whether to try routers that nobody says run Truca.
    pub probe: bool,
    /// Networks that are never tried.
    pub avoid: Vec<(IpAddr, u8)>,
}

/// Where a source is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// Where it always is.
    Itself,
    /// On ubus, which has its socket there.
    Bus(PathBuf),
    /// In a run-time directory.
    Directory(PathBuf),
    /// At the first of these addresses where somebody answers.
    Sockets(Vec<SocketAddr>),
    /// In the zones of these domains, asked at these servers; none: those of `resolv.conf`.
    Domains(Vec<String>, Vec<SocketAddr>),
}

/// What a source is like now.
#[derive(Debug, Clone, Default)]
struct State {
    /// `waiting`, `heard`, `absent` or `broken`.
    is: &'static str,
    /// Addresses that it names now.
    addresses: usize,
    /// How often it was read.
    read: u32,
    /// How often what it said could not be read.
    malformed: u32,
    /// Entries left out of the last reading.
    skipped: u32,
    /// What went wrong last.
    last: String,
}

struct Shared {
    start: Instant,
    port: Cell<u16>,
    probe: Cell<bool>,
    table: RefCell<Candidates>,
    states: RefCell<Map<Source, State>>,
    wake: Notify,
}

/// What a driver tells the table by.
#[derive(Clone)]
pub struct Ear {
    source: Source,
    shared: Rc<Shared>,
}

impl Ear {
    /// The source was read: this is all that it names now.
    pub fn heard(&self, heard: &Heard) {
        let shared = &self.shared;
        let local = heard.hints.iter().any(|hint| hint.interface.is_some());
        // asked for only when somebody needs it: it walks through all addresses of the machine
        let interfaces = if local { if_addrs::get_if_addrs().unwrap_or_default() } else { Vec::new() };
        let index =
            |name: &str| interfaces.iter().find(|found| found.name == name).and_then(|found| found.index);
        let leads = heard.hints.iter().filter_map(|hint| hint.lead(shared.port.get(), index));
        let leads: Vec<_> = leads.filter(|lead| lead.told || shared.probe.get()).collect();
        shared.table.borrow_mut().heard(shared.start.elapsed(), self.source, &leads);
        self.update(|state| {
            state.is = "heard";
            state.addresses = leads.len();
            state.read = state.read.wrapping_add(1);
            state.skipped = heard.skipped;
        });
        shared.wake.notify_one();
    }

    /// The source is not there: it names nothing.
    pub fn absent(&self) {
        self.shared.table.borrow_mut().lost(self.shared.start.elapsed(), self.source);
        self.update(|state| (state.is, state.addresses) = ("absent", 0));
    }

    /// The source said something that cannot be read; what it said before stands.
    pub fn broken(&self, why: impl Display) {
        let why = why.to_string();
        log::debug!("{}: {why}", self.source.name());
        self.update(|state| {
            state.is = "broken";
            state.malformed = state.malformed.wrapping_add(1);
            state.last = why;
        });
    }

    /// A part of what the source said cannot be read.
    pub fn malformed(&self, count: u32) {
        if count > 0 {
            self.update(|state| state.malformed = state.malformed.wrapping_add(count));
        }
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        if let Some(state) = self.shared.states.borrow_mut().get_mut(&self.source) {
            change(state);
        }
    }
}

/// A driver that runs.
struct Running {
    from: From,
    publish: bool,
    task: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// All sources.
pub struct Sources {
    shared: Rc<Shared>,
    running: Map<Source, Running>,
    advert: watch::Sender<Advert>,
    prober: JoinHandle<()>,
}

impl Sources {
    /// Starts what the plan says. Must be called inside the runtime's `LocalSet`.
    pub fn start(plan: &Plan, events: mpsc::Sender<Event>) -> Self {
        let mut seed = [0; 8];
        // who hears something at the same time should not all act at the same time
        if SystemRandom::new().fill(&mut seed).is_err() {
            log::warn!("no random numbers: discovery is not spread");
        }
        let shared = Rc::new(Shared {
            start: Instant::now(),
            port: Cell::new(plan.port),
            probe: Cell::new(plan.probe),
            table: RefCell::new(Candidates::new(u64::from_ne_bytes(seed), plan.loopback)),
            states: RefCell::default(),
            wake: Notify::new(),
        });
        let (advert, _) = watch::channel(Advert::new(plan.id, plan.port, &plan.addresses));
        let prober = spawn(probe(shared.clone(), events));
        let mut sources = Self { shared, running: Map::new(), advert, prober };
        sources.configure(plan);
        sources
    }

    /// Takes over what changed: sources appear and vanish, others go on.
    pub fn configure(&mut self, plan: &Plan) {
        self.shared.port.set(plan.port);
        self.shared.probe.set(plan.probe);
        self.look_around(plan);
        let gone: Vec<Source> = self
            .running
            .iter()
            .filter(|(source, running)| {
                plan.from.get(source) != Some(&running.from) || running.publish != plan.publish
            })
            .map(|(source, _)| *source)
            .collect();
        for source in gone {
            self.running.remove(&source);
            self.shared.table.borrow_mut().lost(self.shared.start.elapsed(), source);
            self.shared.states.borrow_mut().remove(&source);
        }
        for (source, from) in &plan.from {
            if self.running.contains_key(source) {
                continue;
            }
            let state = State { is: "waiting", ..State::default() };
            self.shared.states.borrow_mut().insert(*source, state);
            let task = self.drive(*source, from.clone(), plan.publish);
            let running = Running { from: from.clone(), publish: plan.publish, task };
            self.running.insert(*source, running);
        }
        self.shared.wake.notify_one();
    }

    /// Addresses of this router come and go.
    pub fn look_around(&self, plan: &Plan) {
        // a node for this machine alone is nowhere else (and emulators have no netlink to ask)
        let found = if plan.loopback { Vec::new() } else { if_addrs::get_if_addrs().unwrap_or_default() };
        let found = found.iter().map(if_addrs::Interface::ip).chain(plan.addresses.iter().copied());
        let own = found.map(|ip| SocketAddr::new(ip, plan.port)).collect();
        self.shared.table.borrow_mut().set_avoided(own, plan.avoid.clone());
        let advert = Advert::new(plan.id, plan.port, &plan.addresses);
        self.advert.send_if_modified(|told| {
            let changed = *told != advert;
            *told = advert;
            changed
        });
    }

    /// For a driver that lives elsewhere.
    pub fn ear(&self, source: Source) -> Ear {
        Ear { source, shared: self.shared.clone() }
    }

    /// What came of a dial to an address; most were not asked for here, and are not known.
    pub fn outcome(&self, address: SocketAddr, reached: bool) {
        self.shared.table.borrow_mut().outcome(self.now(), address, reached);
        self.shared.wake.notify_one();
    }

    /// Whether this node knows no other.
    pub fn set_alone(&self, alone: bool) {
        self.shared.table.borrow_mut().set_alone(alone);
    }

    /// For the control socket.
    pub fn report(&self) -> Value {
        let now = self.now();
        let states = self.shared.states.borrow();
        let sources: Vec<Value> = Source::ALL
            .iter()
            .map(|source| {
                let off = State { is: "off", ..State::default() };
                let state = states.get(source).unwrap_or(&off);
                json!({
                    "source": source.name(),
                    "state": state.is,
                    "addresses": state.addresses,
                    "read": state.read,
                    "malformed": state.malformed,
                    "skipped": state.skipped,
                    "last": state.last,
                })
            })
            .collect();
        let table = self.shared.table.borrow();
        let candidates: Vec<Value> = table
            .view()
            .take(MAX_SHOWN)
            .map(|view| {
                let names: Vec<&str> = view.sources.iter().map(|source| source.name()).collect();
                json!({
                    "address": view.address.to_string(),
                    "id": view.id.map(|id| id.to_string()),
                    "sources": names,
                    "told": view.told,
                    "failures": view.failures,
                    "reached": view.reached,
                    "due_s": view.due.saturating_sub(now).as_secs(),
                })
            })
            .collect();
        json!({ "sources": sources, "candidates": candidates, "counters": table.counters() })
    }

    fn now(&self) -> Time {
        self.shared.start.elapsed()
    }

    fn drive(&self, source: Source, from: From, publish: bool) -> Option<JoinHandle<()>> {
        let ear = self.ear(source);
        let advert = publish.then(|| self.advert.subscribe());
        Some(match (source, from) {
            (Source::Bmx6 | Source::Bmx7, From::Directory(path)) => spawn(bmx::listen(ear, path, advert)),
            (Source::Babeld, From::Sockets(at)) => spawn(babeld::listen(ear, at)),
            (Source::SharedState, From::Bus(path)) => spawn(shared_state::listen(ear, path, advert)),
            (Source::Umdns, From::Bus(path)) => spawn(umdns::listen(ear, path)),
            (Source::Olsr, From::Sockets(at)) => spawn(olsr::listen(ear, at, &olsr::JSONINFO)),
            (Source::Oonf, From::Sockets(at)) => spawn(olsr::listen(ear, at, &olsr::OLSRD2)),
            (Source::Dns, From::Domains(domains, servers)) => spawn(dns::listen(ear, domains, servers)),
            // driven by `discovery.rs`
            _ => return None,
        })
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        self.prober.abort();
    }
}

/// Hands over what the table wants tried, when it wants it.
async fn probe(shared: Rc<Shared>, events: mpsc::Sender<Event>) {
    loop {
        let due = shared.table.borrow().poll_timeout();
        let due = due.map_or_else(|| Instant::now() + Duration::from_secs(3600), |at| shared.start + at);
        tokio::select! {
            () = shared.wake.notified() => {}
            () = sleep_until(due) => {}
        }
        loop {
            let probe = shared.table.borrow_mut().poll(shared.start.elapsed());
            let Some(probe) = probe else { break };
            let hint = Event::Candidate { address: probe.address, id: probe.id, source: probe.source.name() };
            if events.send(hint).await.is_err() {
                return;
            }
        }
    }
}

/// Three to five quarters of a pause, so that routers that were switched on together do not look together.
fn jittered(pause: Duration) -> Duration {
    let mut part = [0];
    let _ = SystemRandom::new().fill(&mut part);
    pause * 3 / 4 + pause * u32::from(part[0]) / 512
}

#[cfg(test)]
mod tests;
