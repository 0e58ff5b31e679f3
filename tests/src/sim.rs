//! A mesh in virtual time: real nodes (`trucad::node::Node`), a network that delays and loses, and people.
//!
//! Nothing here waits or opens a socket: the clock jumps to the next event. The same seed gives the same run,
//! byte for byte, so a seed that fails is a regression test.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use ring::digest;
use serde_json::{Value, json};
use truca_core::Time;
use truca_core::directory::record::{self, Verify};
use truca_core::gossip::Gossip;
use truca_core::gossip::seal::{Agree, PairKey, Secret};
use truca_core::id::NodeId;
use truca_core::wire::bytes::{Point, Signature};
use trucad::event::{LinkId, LinkOut, NodePoint, PageId, PageOut};
use trucad::node::admin::{self, Arguments};
use trucad::node::admission::Admission;
use trucad::node::state::Saved;
use trucad::node::{Keys, Node, Output, Settings};

use crate::keys::TestKey;

mod neighbour;

pub use neighbour::Neighbour;

/// How often [`Mesh::run_until`] looks whether it is done.
const LOOK: Duration = Duration::from_millis(20);

/// IP and UDP headers (RFC 791, RFC 768), counted with every datagram.
const UDP_OVERHEAD: usize = 28;

struct SimKeys {
    key: TestKey,
    rng: Rc<RefCell<SmallRng>>,
    secret: [u8; 32],
}

thread_local! {
    /// What checks of signatures have said, and the public keys of secrets. What one node has computed holds for
    /// all: a thousand nodes check the same record in the time of one. Each node still counts its checks.
    static VERIFIED: RefCell<HashMap<[u8; 32], bool>> = RefCell::default();
    static PUBLIC: RefCell<HashMap<[u8; 32], [u8; 32]>> = RefCell::default();
}

fn verify(point: &Point, message: &[u8], signature: &Signature) -> bool {
    let mut context = digest::Context::new(&digest::SHA256);
    [&point.0[..], &signature.0, message].iter().for_each(|part| context.update(part));
    let key = context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes");
    let known = VERIFIED.with_borrow(|verified| verified.get(&key).copied());
    known.unwrap_or_else(|| {
        let right = record::verify(point, message, signature);
        VERIFIED.with_borrow_mut(|verified| verified.insert(key, right));
        right
    })
}

/// A key that both nodes of a pair compute, and not a secret one: half a million pairs of a city would agree by
/// X25519 for longer than all the rest takes. Tags are checked with it as ever.
fn agree(secret: &Secret, theirs: [u8; 32], community: Option<&[u8; 32]>) -> PairKey {
    let ours = PUBLIC.with_borrow_mut(|public| {
        *public.entry(secret.to_bytes()).or_insert_with(|| Gossip::agreement(secret.to_bytes()))
    });
    let mut context = digest::Context::new(&digest::SHA256);
    [&ours.min(theirs), &ours.max(theirs)].into_iter().chain(community).for_each(|part| context.update(part));
    PairKey::from_bytes(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

impl Keys for SimKeys {
    fn verify(&self) -> Verify {
        verify
    }

    fn agree(&self) -> Agree {
        agree
    }

    fn point(&self) -> NodePoint {
        self.key.point()
    }

    fn agreement_secret(&self) -> [u8; 32] {
        self.secret
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message)
    }

    fn random(&self, buffer: &mut [u8]) {
        self.rng.borrow_mut().fill_bytes(buffer);
    }
}

/// How the network treats packets.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// Part of the datagrams that are lost, in a thousand.
    pub loss_permille: u32,
    /// Shortest and longest one-way delay.
    pub delay: (Duration, Duration),
}

impl Default for Weather {
    fn default() -> Self {
        Self { loss_permille: 0, delay: (Duration::from_millis(5), Duration::from_millis(60)) }
    }
}

#[derive(Debug)]
enum Arrival {
    Datagram { to: usize, from: SocketAddr, payload: Vec<u8> },
    Dialled { by: usize, to: SocketAddr },
    Opened { node: usize, link: LinkId, point: Box<NodePoint>, remote: SocketAddr, dialled: bool },
    Frame { node: usize, link: LinkId, frame: Vec<u8> },
    Closed { node: usize, link: LinkId },
}

struct Host {
    key: u64,
    point: NodePoint,
    /// When its node wants to be woken, since the start of the mesh.
    due: Option<Time>,
    /// Whether what it saves is lost.
    forgetful: bool,
    node: Option<Node>,
    saved: Saved,
    started: Time,
    /// What pages were told, per page.
    told: BTreeMap<PageId, Vec<Value>>,
    sent_bytes: u64,
    sent_datagrams: u64,
    /// Of datagrams that came, with headers.
    heard_bytes: u64,
    /// Of frames, both ways.
    link_bytes: u64,
    /// How long this machine worked on datagrams, frames and timeouts.
    spent: Duration,
}

struct Queued(Time, u64, Arrival);

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

/// A mesh.
pub struct Mesh {
    hosts: Vec<Host>,
    now: Time,
    rng: SmallRng,
    node_rng: Rc<RefCell<SmallRng>>,
    queue: BinaryHeap<Reverse<Queued>>,
    /// When hosts want to be woken; an entry that is not its host's `due` any more counts for nothing.
    timers: BinaryHeap<Reverse<(Time, usize)>>,
    count: u64,
    /// Pair of hosts of each link: its ids are twice its number for the dialler, and one more for the other.
    links: BTreeMap<u32, (usize, usize, Duration)>,
    last_link: u32,
    last_page: u32,
    /// What the network does to packets.
    pub weather: Weather,
    /// Pairs of groups that cannot talk: the side of each host, when there is a partition.
    sides: Option<Vec<u8>>,
    /// Which nodes a host lets in, from its next start; any when it is not here.
    pub admissions: BTreeMap<usize, Admission>,
    /// What nodes say over links to neighbours that are none, and whether they have closed them.
    neighbours: BTreeMap<LinkId, neighbour::Heard>,
    /// Mutates bytes on the way: `(kind, bytes)`.
    pub tamper: Option<fn(&mut SmallRng, &mut Vec<u8>)>,
}

fn address(host: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 99, (host / 250) as u8, (host % 250 + 1) as u8)), 8443)
}

fn host_at(address: SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) if ip.octets()[0] == 10 => {
            let [_, _, high, low] = ip.octets();
            Some(usize::from(high) * 250 + usize::from(low) - 1)
        }
        _ => None,
    }
}

impl Mesh {
    /// `hosts` machines, none of which runs a node yet.
    pub fn new(seed: u64, hosts: usize) -> Self {
        println!("seed {seed}, {hosts} nodes");
        let hosts = (0..hosts)
            .map(|n| seed.wrapping_mul(1_000_003).wrapping_add(n as u64))
            .map(|key| Host {
                key,
                point: TestKey::new(key).point(),
                due: None,
                forgetful: false,
                node: None,
                saved: Saved::default(),
                started: Time::ZERO,
                told: BTreeMap::new(),
                sent_bytes: 0,
                sent_datagrams: 0,
                heard_bytes: 0,
                link_bytes: 0,
                spent: Duration::ZERO,
            })
            .collect();
        Self {
            hosts,
            now: Time::ZERO,
            rng: SmallRng::seed_from_u64(seed),
            node_rng: Rc::new(RefCell::new(SmallRng::seed_from_u64(!seed))),
            queue: BinaryHeap::new(),
            timers: BinaryHeap::new(),
            count: 0,
            links: BTreeMap::new(),
            last_link: 0,
            last_page: 0,
            weather: Weather::default(),
            sides: None,
            admissions: BTreeMap::new(),
            neighbours: BTreeMap::new(),
            tamper: None,
        }
    }

    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The generator of the run, for choices of the scenario.
    pub fn rng(&mut self) -> &mut SmallRng {
        &mut self.rng
    }

    /// Starts a node that was given the addresses of some others.
    pub fn start(&mut self, host: usize, peers: &[usize]) {
        let seed = self.hosts[host].key;
        let mut secret = [0; 32];
        SmallRng::seed_from_u64(seed).fill_bytes(&mut secret);
        let keys = SimKeys { key: TestKey::new(seed), rng: self.node_rng.clone(), secret };
        let at = address(host);
        let settings = Settings {
            name: format!("n{host}").parse().expect("a name"),
            addresses: vec![at.ip()],
            port: at.port(),
            stun_port: 3478,
            trusted: None,
            peers: peers.iter().map(|peer| (address(*peer), None)).collect(),
            max_sessions: 512,
            max_sessions_per_account: 8,
            max_accounts: 2_000,
            page_rate: 20,
            admission: self.admissions.get(&host).cloned().unwrap_or_default(),
        };
        let saved = self.hosts[host].saved.clone();
        self.hosts[host].started = self.now;
        self.hosts[host].node = Some(Node::new(Time::ZERO, Box::new(keys), settings, saved));
        self.carry_out(host);
    }

    /// What a node that is started at a host knows already.
    pub fn give(&mut self, host: usize, records: &[Vec<u8>]) {
        self.hosts[host].saved.accounts = records.to_vec();
    }

    /// From now on the flash of a host loses what is written to it.
    pub fn forget(&mut self, host: usize) {
        self.hosts[host].forgetful = true;
        self.hosts[host].saved = Saved::default();
    }

    /// Kills a node without a goodbye. What it saved stays.
    pub fn kill(&mut self, host: usize) {
        self.hosts[host].node = None;
        self.hosts[host].due = None;
        self.hosts[host].told.clear();
        let gone: Vec<u32> = self
            .links
            .iter()
            .filter(|(_, (a, b, _))| *a == host || *b == host)
            .map(|(pair, _)| *pair)
            .collect();
        for link in gone {
            self.close(link);
        }
    }

    /// Splits the mesh: hosts of different sides cannot talk. `None` heals it.
    pub fn partition(&mut self, sides: Option<Vec<u8>>) {
        self.sides = sides;
        let cut: Vec<u32> = self
            .links
            .iter()
            .filter(|(_, (a, b, _))| !self.connected(*a, *b))
            .map(|(pair, _)| *pair)
            .collect();
        for link in cut {
            self.close(link);
        }
    }

    fn connected(&self, a: usize, b: usize) -> bool {
        self.sides.as_ref().is_none_or(|sides| sides[a] == sides[b])
    }

    /// A running node.
    pub fn node(&self, host: usize) -> &Node {
        self.hosts[host].node.as_ref().expect("this node runs")
    }

    /// What a node shows its owner: counters of everything.
    pub fn status(&mut self, host: usize) -> Value {
        self.administer(host, "status", &json!({}))
    }

    /// Does at a node what its owner asks of it, with `trucad ctl` say.
    pub fn administer(&mut self, host: usize, method: &str, arguments: &Value) -> Value {
        let now = self.now - self.hosts[host].started;
        let node = self.hosts[host].node.as_mut().expect("this node runs");
        let method = admin::find(method).expect("there is such a method");
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        let arguments = Arguments::read(method, arguments).expect("it takes these arguments");
        let answer = node.administer(now, method.call, &arguments).expect("it is answered");
        self.carry_out(host);
        answer
    }

    /// The hosts that run a node.
    pub fn running(&self) -> Vec<usize> {
        (0..self.hosts.len()).filter(|host| self.hosts[*host].node.is_some()).collect()
    }

    /// Datagrams and bytes that a host has sent, with IP and UDP headers.
    pub fn sent(&self, host: usize) -> (u64, u64) {
        (self.hosts[host].sent_datagrams, self.hosts[host].sent_bytes)
    }

    /// Bytes of datagrams that a host has heard, with IP and UDP headers.
    pub fn heard(&self, host: usize) -> u64 {
        self.hosts[host].heard_bytes
    }

    /// How long a host's node has worked, in time of this machine.
    pub fn spent(&self, host: usize) -> Duration {
        self.hosts[host].spent
    }

    /// Bytes of frames that a host has sent and received over links, without TLS and TCP.
    pub fn over_links(&self, host: usize) -> u64 {
        self.hosts[host].link_bytes
    }

    fn push(&mut self, after: Duration, arrival: Arrival) {
        self.count += 1;
        self.queue.push(Reverse(Queued(self.now + after, self.count, arrival)));
    }

    fn delay(&mut self) -> Duration {
        let (low, high) = self.weather.delay;
        Duration::from_micros(self.rng.random_range(low.as_micros() as u64..=high.as_micros() as u64))
    }

    fn close(&mut self, pair: u32) {
        let Some((dialler, other, delay)) = self.links.remove(&pair) else { return };
        self.push(delay, Arrival::Closed { node: dialler, link: LinkId(pair * 2) });
        self.push(delay, Arrival::Closed { node: other, link: LinkId(pair * 2 + 1) });
    }

    /// Carries out what a node wants, and remembers when it wants to be woken.
    fn carry_out(&mut self, host: usize) {
        self.carry_out_all(host);
        let host_now = &mut self.hosts[host];
        let timeout = host_now.node.as_ref().and_then(Node::poll_timeout);
        let due = timeout.map(|at| host_now.started + at);
        if due != host_now.due {
            host_now.due = due;
            self.timers.extend(due.map(|at| Reverse((at, host))));
        }
    }

    fn next_timer(&mut self) -> Option<(Time, usize)> {
        while let Some(&Reverse((at, host))) = self.timers.peek() {
            if self.hosts[host].due == Some(at) {
                return Some((at, host));
            }
            self.timers.pop();
        }
        None
    }

    fn carry_out_all(&mut self, host: usize) {
        loop {
            let Some(output) = self.hosts[host].node.as_mut().and_then(Node::poll_output) else { return };
            match output {
                Output::Save(_) if self.hosts[host].forgetful => {}
                // there is no bus here
                Output::News(_) | Output::Expelled(_) => {}
                Output::Save(saved) => self.hosts[host].saved = saved,
                Output::Datagram { to, mut payload } => {
                    self.hosts[host].sent_datagrams += 1;
                    self.hosts[host].sent_bytes += (payload.len() + UDP_OVERHEAD) as u64;
                    let lost = self.rng.random_range(0..1_000) < self.weather.loss_permille;
                    let Some(target) = host_at(to).filter(|target| !lost && self.connected(host, *target))
                    else {
                        continue;
                    };
                    if let Some(tamper) = self.tamper {
                        tamper(&mut self.rng, &mut payload);
                    }
                    let delay = self.delay();
                    self.push(delay, Arrival::Datagram { to: target, from: address(host), payload });
                }
                Output::Dial(to) => {
                    let delay = self.delay() * 3;
                    self.push(delay, Arrival::Dialled { by: host, to });
                }
                Output::Link(link, out) if self.neighbours.contains_key(&link) => self.hears(link, out),
                Output::Link(link, LinkOut::Frame(mut frame)) => {
                    let Some(&(dialler, other, delay)) = self.links.get(&(link.0 / 2)) else { continue };
                    if let Some(tamper) = self.tamper {
                        tamper(&mut self.rng, &mut frame);
                    }
                    let node = if link.0.is_multiple_of(2) { other } else { dialler };
                    for end in [host, node] {
                        self.hosts[end].link_bytes += frame.len() as u64 + 4;
                    }
                    self.push(delay, Arrival::Frame { node, link: LinkId(link.0 ^ 1), frame });
                }
                Output::Link(link, LinkOut::Close) => self.close(link.0 / 2),
                Output::Page(page, PageOut::Text(text)) => {
                    let value = serde_json::from_str(&text).expect("a node writes JSON");
                    self.hosts[host].told.entry(page).or_default().push(value);
                }
                Output::Page(_, PageOut::Close(_)) => {}
            }
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now;
        let local = |host: &Host| now.saturating_sub(host.started);
        match arrival {
            Arrival::Datagram { to, from, payload } => {
                let host = &mut self.hosts[to];
                let at = local(host);
                host.heard_bytes += (payload.len() + UDP_OVERHEAD) as u64;
                if let Some(node) = &mut host.node {
                    let began = Instant::now();
                    node.handle_datagram(at, from, &payload);
                    host.spent += began.elapsed();
                    self.carry_out(to);
                }
            }
            Arrival::Dialled { by, to } => {
                let target = host_at(to).filter(|t| *t < self.hosts.len() && self.connected(by, *t));
                let point = |host: &Host| Box::new(host.point);
                match target.filter(|t| self.hosts[*t].node.is_some()) {
                    Some(target) => {
                        self.last_link += 1;
                        let (pair, delay) = (self.last_link, self.delay());
                        self.links.insert(pair, (by, target, delay));
                        let (ours, theirs) = (point(&self.hosts[by]), point(&self.hosts[target]));
                        let link = LinkId(pair * 2);
                        let opened =
                            Arrival::Opened { node: by, link, point: theirs, remote: to, dialled: true };
                        self.push(Duration::ZERO, opened);
                        let (link, remote) =
                            (LinkId(pair * 2 + 1), SocketAddr::new(address(by).ip(), 50_000));
                        let opened =
                            Arrival::Opened { node: target, link, point: ours, remote, dialled: false };
                        self.push(Duration::ZERO, opened);
                    }
                    None => {
                        let host = &mut self.hosts[by];
                        let at = local(host);
                        if let Some(node) = &mut host.node {
                            node.dial_failed(at, to, "no answer");
                            self.carry_out(by);
                        }
                    }
                }
            }
            Arrival::Opened { node: at, link, point, remote, dialled } => {
                let host = &mut self.hosts[at];
                let time = local(host);
                if let Some(node) = &mut host.node {
                    node.link_opened(time, link, &point, remote, dialled);
                    self.carry_out(at);
                }
            }
            Arrival::Frame { node: at, link, frame } => {
                let host = &mut self.hosts[at];
                let time = local(host);
                if let Some(node) = &mut host.node {
                    let began = Instant::now();
                    node.link_frame(time, link, &frame);
                    host.spent += began.elapsed();
                    self.carry_out(at);
                }
            }
            Arrival::Closed { node: at, link } => {
                let host = &mut self.hosts[at];
                let time = local(host);
                if let Some(node) = &mut host.node {
                    node.link_closed(time, link);
                    self.carry_out(at);
                }
            }
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    /// Lets time pass until something is so, at most `limit`. How long it took, or nothing.
    pub fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Option<Duration> {
        let (start, end) = (self.now, self.now + limit);
        let mut looked = None;
        loop {
            // looking at everything at every event would be most of the work
            if looked.is_none_or(|at| self.now >= at + LOOK) {
                looked = Some(self.now);
                if done(self) {
                    return Some(self.now - start);
                }
            }
            let arrival = self.queue.peek().map(|Reverse(queued)| queued.0);
            let timer = self.next_timer();
            let next = arrival.into_iter().chain(timer.map(|(at, _)| at)).min();
            let Some(next) = next.filter(|next| *next <= end) else {
                self.now = end;
                return done(self).then_some(limit);
            };
            self.now = self.now.max(next);
            match timer {
                Some((at, host)) if arrival.is_none_or(|arrival| at < arrival) => {
                    let time = self.now - self.hosts[host].started;
                    if let Some(node) = &mut self.hosts[host].node {
                        let began = Instant::now();
                        node.handle_timeout(time);
                        self.hosts[host].spent += began.elapsed();
                    }
                    self.hosts[host].due = None;
                    self.carry_out(host);
                }
                _ => {
                    if let Some(Reverse(Queued(_, _, arrival))) = self.queue.pop() {
                        self.arrive(arrival);
                    }
                }
            }
        }
    }

    /// Opens a page at a node and signs in with a device of its own.
    pub fn sign_in(&mut self, host: usize, name: &str) -> Person {
        let key = TestKey::new(self.rng.next_u64());
        let home = self.node(host).id();
        let mut person = Person {
            host,
            page: PageId(0),
            key,
            name: name.to_owned(),
            home,
            address: format!("{name}@{home}"),
            token: String::new(),
            requests: 0,
            counter: 0,
        };
        self.sign_in_again(&mut person, host);
        person
    }

    /// Opens a page at a node for a new device of somebody, which does not sign in yet.
    pub fn new_device(&mut self, of: &Person, host: usize) -> Person {
        let key = TestKey::new(self.rng.next_u64());
        let mut device = Person { key, token: String::new(), requests: 0, counter: 0, ..of.clone() };
        self.open_page(&mut device, host);
        device
    }

    /// Opens a new page for somebody who has an account already, at any node. What the node answers.
    pub fn try_sign_in(&mut self, person: &mut Person, host: usize) -> Value {
        let hello = self.open_page(person, host);
        (person.requests, person.counter) = (1, person.counter + 2);
        let text = person.sign_in_text(&hello);
        self.say(person, &text)
    }

    /// The same, and it must succeed.
    pub fn sign_in_again(&mut self, person: &mut Person, host: usize) {
        let answer = self.try_sign_in(person, host);
        let token = answer["signed_in"]["token"].as_str();
        person.token = token.unwrap_or_else(|| panic!("not signed in: {answer}")).to_owned();
    }

    /// Opens a new page at the node of the one before and takes its session over. The answer.
    pub fn resume(&mut self, person: &mut Person, seen: u64) -> Value {
        self.open_page(person, person.host);
        person.requests += 1;
        let text = json!({ "resume": { "id": person.requests, "token": person.token, "seen": seen } });
        self.say(person, &text.to_string())
    }

    fn open_page(&mut self, person: &mut Person, host: usize) -> Value {
        self.last_page += 1;
        (person.host, person.page) = (host, PageId(self.last_page));
        let at = SocketAddr::new(address(host).ip(), 8443);
        let node = self.hosts[host].node.as_mut().expect("this node runs");
        node.page_opened(person.page, at, at);
        self.carry_out(host);
        self.hosts[host].told[&person.page][0]["hello"].clone()
    }

    /// Sends a text from a page. What the page is told next.
    fn say(&mut self, person: &Person, text: &str) -> Value {
        let host = &mut self.hosts[person.host];
        let before = host.told.get(&person.page).map_or(0, Vec::len);
        let time = self.now - host.started;
        if let Some(node) = &mut host.node {
            node.page_text(time, person.page, text);
        }
        self.carry_out(person.host);
        let told = self.hosts[person.host].told.get(&person.page);
        told.and_then(|told| told.get(before)).cloned().unwrap_or_default()
    }

    /// Sends a request of a person's page. What the page is told next.
    pub fn ask(&mut self, person: &mut Person, name: &str, mut body: Value) -> Value {
        person.requests += 1;
        body["id"] = person.requests.into();
        self.say(person, &json!({ name: body }).to_string())
    }

    /// Closes a person's page.
    pub fn close_page(&mut self, person: &Person, left: bool) {
        let time = self.now - self.hosts[person.host].started;
        if let Some(node) = &mut self.hosts[person.host].node {
            node.page_closed(time, person.page, left);
        }
        self.carry_out(person.host);
    }

    /// What a person's page was told under a name.
    pub fn told(&self, person: &Person, name: &str) -> Vec<&Value> {
        let all = self.hosts[person.host].told.get(&person.page);
        all.into_iter().flatten().filter_map(|message| message.get(name)).collect()
    }

    /// Whether all running nodes have the same directory and take each other for alive.
    pub fn agrees(&self) -> bool {
        let running = self.running();
        let first = self.node(running[0]).directory().digest();
        // what is quickly seen comes first: this is asked every few milliseconds
        let close = |host: &usize| {
            let node = self.node(*host);
            node.alive().len() == running.len() && node.directory().digest() == first
        };
        let ids = || running.iter().map(|host| self.node(*host).id()).collect::<BTreeSet<NodeId>>();
        running.iter().all(close) && {
            let ids = ids();
            running.iter().all(|host| self.node(*host).alive().iter().eq(&ids))
        }
    }
}

/// Somebody with a page.
#[derive(Clone)]
pub struct Person {
    /// The host whose page it is.
    pub host: usize,
    /// The page.
    pub page: PageId,
    /// The device's key.
    pub key: TestKey,
    /// The address.
    pub address: String,
    name: String,
    home: NodeId,
    token: String,
    requests: u32,
    counter: u32,
}

impl Person {
    fn sign_in_text(&self, hello: &Value) -> String {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (node, boot) = (text(&hello["node"]["id"]), hello["node"]["boot"].as_u64().unwrap_or_default());
        let challenge = text(&hello["challenge"]);
        let (address, counter) = (&self.address, self.counter);
        let sign = |message: String| encode(&self.key.sign(message.as_bytes()));
        let attach = |counter: u32, status: &str| {
            sign(format!("truca-attachment-1\n{address}\n{node}\n{boot}\n{counter}\n{status}\n"))
        };
        json!({ "sign_in": {
            "id": 1,
            "name": self.name,
            "home": self.home.to_string(),
            "display": self.name,
            "key": encode(&self.key.point()),
            "signature": sign(format!("truca-sign-in-1\n{node}\n{challenge}\n{address}\n")),
            "attachment": {
                "counter": counter,
                "here": attach(counter, "here"),
                "gone": attach(counter + 1, "gone"),
            },
        }})
        .to_string()
    }
}

/// base64url without padding.
pub fn encode(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}
