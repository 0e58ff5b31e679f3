//! Runs the daemon: opens what the configuration says, drives the node, and closes at SIGTERM.
//!
//! Called by `main`, once. One thread runs everything; only the writing of the state file and the reading of bmx6's
//! and bmx7's files are handed to helper threads.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use rustls::sign::CertifiedKey;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{self, LocalSet};
use tokio::time::{Instant, interval, sleep_until, timeout};
use truca_core::Time;
use truca_core::discovery::Source;
use truca_core::ice::masquerade::Finding;
use truca_core::ice::{Lan, Side};
use truca_core::sorted::{Map, Set};
use truca_core::turn::Secrets;

use crate::event::{EVENT_QUEUE, Event, LinkId, LinkOut, NodePoint, PageId, PageOut};
use crate::host::config::{Config, Overrides};
use crate::host::identity::Identity;
use crate::host::ubus::Bus;
use crate::host::{ctl, store};
use crate::listen;
use crate::mesh::discovery::Mdns;
use crate::mesh::ice::Ice;
use crate::mesh::link::{self, Links};
use crate::mesh::membership;
use crate::mesh::reflexive::{Answers, Watch};
use crate::mesh::sources::Sources;
use crate::node::{Keys, Node, Output, news::News, state::Saved};
use crate::outbox::{Outbox, Waiting, Weigh};
use crate::page::{place::Place, site::Site};
use crate::task::spawn;
use crate::tls::Tls;

mod administer;
mod certificate;
mod ice;
mod paths;
mod plan;
mod reload;

use certificate::Shown;

/// Members up to which each one that comes may change where pages are led to.
const FEW: usize = 16;
/// How often interfaces and the names of peers are looked at again.
const LOOK_AROUND: Duration = Duration::from_secs(30);
/// How many events are handled before outputs are carried out.
const BATCH: usize = 64;
/// Most bytes that wait to be written to all pages, and to all links: what a router of 64 MiB can spare.
const MAX_PAGES_WAIT: usize = 8 * 1024 * 1024;
const MAX_LINKS_WAIT: usize = 4 * 1024 * 1024;
/// How long flash may take for what is being written at the end.
const FLASH: Duration = Duration::from_secs(5);
/// How long goodbyes may take.
const GOODBYE: Duration = Duration::from_secs(1);

impl Keys for Identity {
    fn point(&self) -> NodePoint {
        Self::point(self)
    }

    fn agreement_secret(&self) -> [u8; 32] {
        Self::agreement_secret(self)
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        Self::sign(self, message)
    }

    fn random(&self, buffer: &mut [u8]) {
        // without random numbers no token would be safe: better no daemon than that
        SystemRandom::new().fill(buffer).expect("random numbers");
    }
}

/// Runs until SIGTERM or SIGINT; `overrides` are kept for reloads.
pub fn run(config: Config, overrides: &Overrides) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            log::error!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match LocalSet::new().block_on(&runtime, serve(config, overrides)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(config: Config, overrides: &Overrides) -> Result<(), Box<dyn Error>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut running = Running::open(config, overrides)?;
    let mut around = interval(LOOK_AROUND);
    log::info!("ready: {}", running.pages_at().join(" "));
    loop {
        let due = [running.node.poll_timeout(), running.ice.poll_timeout()].into_iter().flatten().min();
        let due = due.map_or_else(far, |at| running.start + at);
        tokio::select! {
            event = running.inbox.recv() => {
                running.handle(event);
                for _ in 0..BATCH {
                    let Ok(event) = running.inbox.try_recv() else { break };
                    running.handle(Some(event));
                }
            }
            () = sleep_until(due) => {}
            _ = around.tick() => running.look_around(),
            _ = hangup.recv() => {
                // what is wrong is in the log
                let _ = running.reload();
            }
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        let now = running.now();
        running.node.handle_timeout(now);
        running.ice.handle_timeout();
        running.carry_out();
    }
    running.close().await;
    Ok(())
}

fn far() -> Instant {
    Instant::now() + Duration::from_secs(3_600)
}

/// Everything that is open.
struct Running {
    config: Config,
    start: Instant,
    node: Node,
    fingerprint: String,
    events: mpsc::Sender<Event>,
    inbox: mpsc::Receiver<Event>,
    pages: Map<PageId, Outbox<PageOut>>,
    links: Map<LinkId, Outbox<LinkOut>>,
    sockets: membership::Sockets,
    doors: Rc<listen::Shared>,
    ice: Rc<Ice>,
    /// What serves STUN and TURN: over UDP, and over TCP when its port is free.
    stun: Map<SocketAddr, ice::Serving>,
    /// What relaying is granted by.
    grants: Option<Secrets>,
    /// What becomes of LANs' packets on their ways into the mesh.
    watch: Watch,
    findings: Vec<Finding>,
    /// Where clients are told.
    answers: Answers,
    /// The LANs, and what interfaces are called.
    lans: Vec<(Lan, Side)>,
    names: Map<Side, String>,
    mdns: Option<Mdns>,
    sources: Sources,
    bus: Bus,
    overrides: Overrides,
    /// The addresses that are listened on.
    listening: Set<IpAddr>,
    /// Those of them that have the plain page.
    plain: Set<IpAddr>,
    /// The node's own certificate.
    own: Arc<CertifiedKey>,
    writing: Writing,
    /// The host of the owner's certificate, which browsers may trust.
    trusted: Option<String>,
    /// Until when the owner's certificate is good.
    last_day: Option<u32>,
    /// What is wrong now: a stable word, and what the system says.
    troubles: Map<&'static str, String>,
}

/// The state's way to flash: one after the other, and of those that wait the newest.
#[derive(Default)]
struct Writing {
    /// How many the node gave out; the newest of them is written or waits.
    given: u32,
    busy: bool,
    next: Option<Saved>,
}

impl Running {
    fn open(config: Config, overrides: &Overrides) -> Result<Self, Box<dyn Error>> {
        let start = Instant::now();
        let (events, inbox) = mpsc::channel(EVENT_QUEUE);
        // first the control socket: it tells whether another daemon runs here
        let mut troubles = Map::new();
        match ctl::Server::bind(&config.run_dir) {
            Ok(server) => drop(spawn(server.serve(events.clone()))),
            Err(error @ ctl::Error::InUse(_)) => return Err(error.into()),
            // a full or missing /var is no reason to serve nobody: ubus and the log tell of it
            Err(error) => {
                log::warn!("no control socket: {error}");
                troubles.insert("no_control_socket", error.to_string());
            }
        }
        let identity = Identity::load_or_create(&config.state, &config.name)?;
        let (id, own) = (identity.id(), identity.certified_key());
        let shown = Shown::choose(&config, &own);
        if let Some(why) = &shown.instead {
            let why = format!("the node's own certificate is shown: {why}");
            log::warn!("{why}");
            troubles.insert("certificate", why);
        }
        let fingerprint = shown.fingerprint();
        let tls = Rc::new(Tls::new(&own, &shown.key)?);
        let site = Rc::new(Site::new(events.clone(), config.port, fingerprint.clone()));
        let link_wing = Rc::new(Links::new(events.clone(), tls.clone()));
        let ice = Ice::new(start, config.limits.stun_rate, u64::from_be_bytes(ice::random()));
        let doors = Rc::new(listen::Shared::new(tls, site, link_wing, ice.clone()));

        let sources = Sources::start(&plan::discovery(&config, overrides, id), events.clone());
        let ear = sources.ear(Source::Mdns);
        let mdns = match config.mdns.then(|| Mdns::start(id, &config.name, config.port, &config.listen, ear))
        {
            Some(Ok(mdns)) => Some(mdns),
            Some(Err(error)) => {
                log::warn!("no mDNS: {error}");
                troubles.insert("no_mdns", error);
                None
            }
            None => None,
        };
        let (saved, lost) = store::load(&config.state);
        if let Some(lost) = lost {
            troubles.insert("state_set_aside", lost);
        }
        let answers = Answers::new(ice.clone(), config.limits.stun_rate, u64::from_be_bytes(ice::random()));
        let watch = Watch::start(start, events.clone());
        let last_day = certificate::last_day(&config, &shown.key);
        let trusted = shown.trusted;
        let node = Node::new(Time::ZERO, Box::new(identity), plan::node(&config, trusted.clone())?, saved);
        let bus = Bus::start(overrides.ubus.clone(), events.clone());
        let mut running = Self {
            start,
            node,
            fingerprint,
            events,
            inbox,
            pages: Map::new(),
            links: Map::new(),
            sockets: membership::Sockets::default(),
            doors,
            ice,
            stun: Map::new(),
            grants: None,
            watch,
            findings: Vec::new(),
            answers,
            lans: Vec::new(),
            names: Map::new(),
            mdns,
            sources,
            bus,
            overrides: overrides.clone(),
            listening: Set::new(),
            plain: Set::new(),
            troubles,
            own,
            writing: Writing::default(),
            trusted,
            last_day,
            config,
        };
        running.listen()?;
        running.serve_stun();
        running.serve_turn();
        running.look_at_paths(false);
        running.place_pages();
        running.carry_out();
        Ok(running)
    }

    /// The plain page is only the way to the other: a port that something else has costs it, and nothing more.
    fn open_plain_doors(&mut self) -> Result<(), Box<dyn Error>> {
        let (http_port, loopback) =
            (self.config.http_port, self.config.listen.iter().all(IpAddr::is_loopback));
        let mut taken = Vec::new();
        for ip in self.listening.iter().filter(|_| http_port != 0) {
            if self.plain.contains(ip) {
                continue;
            }
            match listen::bind(SocketAddr::new(*ip, http_port)) {
                Ok(door) => {
                    spawn(listen::plain(door, loopback, self.doors.clone()));
                    self.plain.insert(*ip);
                }
                // a kernel without IPv6, or an address that is gone: the other door says so
                Err(error) if error.1.kind() != io::ErrorKind::AddrInUse => {}
                Err(error) => taken.push(error.to_string()),
            }
        }
        let why = (!taken.is_empty()).then(|| taken.join("; "));
        // there it is the page itself
        if let Some(why) = why.clone().filter(|_| loopback) {
            return Err(why.into());
        }
        self.trouble("no_http", why);
        Ok(())
    }

    /// Listens on every address that there is now. One that no interface has yet is tried again by
    /// [`Self::look_around`]: a cable that is plugged in later is no mistake.
    ///
    /// # Errors
    /// A port is taken, or the system refuses for another reason.
    fn listen(&mut self) -> Result<(), Box<dyn Error>> {
        let mut missing = Vec::new();
        for ip in self.config.listen.clone() {
            if self.listening.contains(&ip) {
                continue;
            }
            let Err(error) = self.open_doors(ip) else { continue };
            // a kernel without IPv6 is no reason to serve nobody, and will not have it later
            let spare = ip.is_ipv6() && self.config.listen.len() > 1;
            if spare && error.1.raw_os_error() == Some(libc::EAFNOSUPPORT) {
                log::info!("no IPv6 here: {error}");
                self.listening.insert(ip);
                continue;
            }
            if error.1.kind() != io::ErrorKind::AddrNotAvailable && !spare {
                return Err(error.into());
            }
            missing.push(error.to_string());
        }
        self.trouble("not_listening", (!missing.is_empty()).then(|| missing.join("; ")));
        self.open_plain_doors()
    }

    fn open_doors(&mut self, ip: IpAddr) -> Result<(), listen::BindError> {
        let port = self.config.port;
        let door = listen::bind(SocketAddr::new(ip, port))?;
        let address = SocketAddr::new(ip, port);
        let bound = self.sockets.bind(address, self.events.clone());
        bound.map_err(|error| listen::BindError(address, error))?;
        spawn(listen::tls(door, self.doors.clone()));
        self.listening.insert(ip);
        Ok(())
    }

    /// Notes what is wrong, or that it is right again; the log has it once.
    fn trouble(&mut self, what: &'static str, why: Option<String>) {
        match why {
            Some(why) => {
                if self.troubles.get(what) != Some(&why) {
                    log::warn!("{why}");
                    self.troubles.insert(what, why);
                }
            }
            None => {
                if self.troubles.remove(what).is_some() {
                    log::info!("no longer: {what}");
                }
            }
        }
    }

    fn now(&self) -> Time {
        self.start.elapsed()
    }

    fn handle(&mut self, event: Option<Event>) {
        let now = self.now();
        let node = &mut self.node;
        match event {
            Some(Event::PageOpened { page, remote, local, out }) => {
                self.pages.insert(page, out);
                node.page_opened(page, remote, local);
            }
            Some(Event::PageText { page, text }) => node.page_text(now, page, &text),
            Some(Event::PageClosed { page, left }) => {
                self.pages.remove(&page);
                node.page_closed(now, page, left);
            }
            Some(Event::LinkOpened { link, point, remote, dialled, out }) => {
                self.links.insert(link, out);
                if dialled {
                    self.sources.outcome(remote, true);
                }
                node.link_opened(now, link, &point, remote, dialled);
            }
            Some(Event::LinkFrame { link, frame }) => node.link_frame(now, link, &frame),
            Some(Event::LinkClosed { link }) => {
                self.links.remove(&link);
                node.link_closed(now, link);
            }
            Some(Event::DialFailed { remote, why }) => {
                self.sources.outcome(remote, false);
                node.dial_failed(now, remote, &why);
            }
            Some(Event::Datagram { from, payload }) => node.handle_datagram(now, from, &payload),
            Some(Event::Candidate { address, id, source: "peer" }) => node.peer(now, address, id),
            // a member is there: it was found already, whatever else is said of its address
            Some(Event::Candidate { address, .. }) if is_member_at(node, address) => {}
            Some(Event::Candidate { address, id, source }) => node.candidate(now, address, id, source),
            Some(Event::Findings(findings)) => self.on_findings(findings),
            Some(Event::Saved(number, failed)) => {
                match failed {
                    None => node.saved(number),
                    Some(_) => node.save_failed(now),
                }
                self.trouble("state_not_saved", failed);
                self.writing.busy = false;
                if let Some(next) = self.writing.next.take() {
                    self.write(next);
                }
            }
            Some(Event::Ask { method, arguments, reply }) => {
                // who asked and left does not need an answer
                let _ = reply.send(self.administer(now, &method, arguments));
            }
            None => {}
        }
        self.sources.set_alone(self.node.alive().len() <= 1);
    }

    /// Carries out what the node wants. It never waits: who does not keep up is closed.
    fn carry_out(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Datagram { to, payload } => self.sockets.send(to, &payload),
                Output::Dial(address) => link::dial(address, &self.doors.links),
                Output::Page(page, out) => {
                    send(&mut self.pages, page, out, &self.doors.site.waiting, MAX_PAGES_WAIT);
                }
                Output::Link(link, out) => {
                    send(&mut self.links, link, out, &self.doors.links.waiting, MAX_LINKS_WAIT);
                }
                Output::News(news) => {
                    // in a large mesh it can wait until the next look around
                    if matches!(news, News::Member { alive, .. } if alive <= FEW) {
                        self.place_pages();
                        self.look_at_paths(false);
                    }
                    self.bus.tell(news);
                }
                Output::Expelled(session) => {
                    self.ice.end_session(session);
                    // it may still know what it was granted: that is good for nobody from now on
                    self.grants = None;
                    self.serve_turn();
                }
                Output::Save(saved) => {
                    self.writing.given += 1;
                    match self.writing.busy {
                        // two at once would write into one file
                        true => self.writing.next = Some(saved),
                        false => self.write(saved),
                    }
                }
            }
        }
    }

    /// Writes the state by a helper thread; [`Event::Saved`] tells how it went.
    fn write(&mut self, saved: Saved) {
        self.writing.busy = true;
        let (state, events, number) = (self.config.state.clone(), self.events.clone(), self.writing.given);
        spawn(async move {
            let at = state.clone();
            let written = task::spawn_blocking(move || store::save(&at, &saved)).await;
            let failed = match written {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("cannot write to {}: {error}", state.display())),
                // the helper thread is gone: the daemon stops
                Err(_) => return,
            };
            let _ = events.send(Event::Saved(number, failed)).await;
        });
    }

    /// Where pages are led to: other nodes may have come that tell an address of ours too.
    fn place_pages(&mut self) {
        let place = Place {
            community: self.config.community_host.clone(),
            shared: self.config.shared_hosts.clone(),
            shared_addresses: self.node.shared_addresses(),
            addresses: self.node.addresses().to_vec(),
        };
        self.doors.site.place.replace(place);
    }

    /// Says goodbye to everybody and writes the state.
    async fn close(mut self) {
        log::info!("stopping");
        let now = self.now();
        self.node.stop(now);
        let mut last = None;
        // the node's last word is what to save: written here, since nothing else is to be served any more
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Save(saved) => last = Some(saved),
                Output::Datagram { to, payload } => self.sockets.send(to, &payload),
                Output::Page(page, out) => {
                    if let Some(queue) = self.pages.get(&page) {
                        let _ = queue.try_send(out);
                    }
                }
                _ => {}
            }
        }
        // what is being written would come after the last word
        let written = async {
            while self.writing.busy {
                match self.inbox.recv().await {
                    Some(Event::Saved(..)) | None => self.writing.busy = false,
                    Some(Event::PageClosed { page, .. }) => drop(self.pages.remove(&page)),
                    Some(_) => {}
                }
            }
        };
        let _ = timeout(FLASH, written).await;
        if let Some(saved) = last
            && let Err(error) = store::save(&self.config.state, &saved)
        {
            log::error!("cannot write to {}: {error}", self.config.state.display());
        }
        self.links.clear();
        if let Some(mdns) = self.mdns.take() {
            mdns.stop();
        }
        let goodbyes = async {
            // the pages' tasks write what is queued and then tell that they are done
            while !self.pages.is_empty() {
                match self.inbox.recv().await {
                    Some(Event::PageClosed { page, .. }) => drop(self.pages.remove(&page)),
                    Some(_) => {}
                    None => return,
                }
            }
        };
        let _ = timeout(GOODBYE, goodbyes).await;
    }
}

/// Queues a message for a page or a link. Who does not take what it is sent is cut off: this one when its queue
/// is full, the fullest when all together hold more than `most` bytes.
fn send<Id: Ord + Copy, T: Weigh>(
    queues: &mut Map<Id, Outbox<T>>,
    to: Id,
    message: T,
    waiting: &Waiting,
    most: usize,
) {
    let Some(queue) = queues.get(&to) else { return };
    let full = matches!(queue.try_send(message), Err(TrySendError::Full(_))).then_some(to);
    let fullest = || queues.iter().max_by_key(|(_, queue)| queue.bytes()).map(|(id, _)| *id);
    let slow = full.or_else(|| (waiting.bytes() > most).then(fullest).flatten());
    if let Some(queue) = slow.and_then(|slow| queues.remove(&slow)) {
        log::debug!("somebody does not read what it is sent, and is cut off");
        queue.cut();
    }
}

/// Whether a member that is alive says that it is at this address.
fn is_member_at(node: &Node, address: SocketAddr) -> bool {
    let body = |id| node.directory().node(id).map(|record| &record.body);
    let mut members = node.alive().iter().filter(|id| **id != node.id()).filter_map(body);
    members.any(|body| body.port == address.port() && body.addresses.contains(&address.ip()))
}
