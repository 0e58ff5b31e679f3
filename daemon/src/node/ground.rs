//! The ground on which the rooms stand: what all of them may use, and the only thing that they share.
//!
//! It has the node's keys and record, the directory, the membership, who is here, what is due and what is to be
//! done. It knows no room: what another room should do is [`Said`], and the switchboard (`mod.rs`) sees to it.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::{self, Verify};
use truca_core::directory::{Directory, Refused};
use truca_core::gossip::Gossip;
use truca_core::gossip::seal::{Agree, PairKey};
use truca_core::id::NodeId;
use truca_core::name::{Address, Name};
use truca_core::signal::call::SessionId;
use truca_core::sorted::Set;
use truca_core::wire::node::Frame;
use truca_core::wire::page::Notice;

use std::net::SocketAddr;

use super::admission::Admission;
use super::bans::Bans;
use super::own::Own;
use super::said::{Happened, Job, Output, Said};
use super::who::Who;
use crate::event::{LinkId, LinkOut, NodePoint, PageId, PageOut};

/// How often pages are told of changes at most.
const WINDOW_PERIOD: Duration = Duration::from_millis(500);

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

/// Bytes that came and went, as they are before TLS, WebSocket and IP add theirs.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Traffic {
    pub(super) links_in: u64,
    pub(super) links_out: u64,
    pub(super) pages_in: u64,
    pub(super) pages_out: u64,
    pub(super) datagrams_in: u64,
    pub(super) datagrams_out: u64,
}

impl Traffic {
    pub(super) fn count(&mut self, output: &Output) {
        match output {
            Output::Page(_, PageOut::Text(text)) => self.pages_out += text.len() as u64,
            Output::Link(_, LinkOut::Frame(frame)) => self.links_out += frame.len() as u64,
            Output::Datagram { payload, .. } => self.datagrams_out += payload.len() as u64,
            _ => {}
        }
    }
}

/// What has come of links and of what goes over them.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub(super) struct LinkCounters {
    pub(super) opened: u32,
    pub(super) failed: u32,
    pub(super) refused: u32,
    /// Nodes that may not be members, and their records.
    pub(super) not_admitted: u32,
    pub(super) bad_frames: u32,
    /// Comparisons and wants that came too often.
    pub(super) too_often: u32,
    pub(super) comparisons: u32,
    pub(super) records_sent: u32,
}

/// What all rooms may use.
pub(super) struct Ground {
    pub(super) keys: Box<dyn Keys>,
    pub(super) settings: Settings,
    pub(super) id: NodeId,
    pub(super) own: Own,
    pub(super) directory: Directory,
    pub(super) gossip: Gossip,
    /// The members that are alive, this node included.
    pub(super) alive: Set<NodeId>,
    /// How often a member was declared dead.
    pub(super) deaths: u32,
    pub(super) who: Who,
    pub(super) bans: Bans,
    pub(super) traffic: Traffic,
    pub(super) counters: LinkCounters,
    /// When the directory or the members changed last, and how often they did.
    pub(super) changed: (Time, u32),
    /// Whether nodes came, went or moved since it was asked.
    pub(super) moved: bool,
    /// Reasons for refusing records that were logged already: a flood must not fill the log.
    pub(super) logged: Set<Refused>,
    pub(super) jobs: Set<(Time, Job)>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) said: VecDeque<Said>,
    windows_at: Option<Time>,
    windows_last: Time,
}

impl Ground {
    /// The ground of a node that has just started; its own record is in no directory yet.
    pub(super) fn new(
        keys: Box<dyn Keys>,
        settings: Settings,
        id: NodeId,
        own: Own,
        (mut directory, mut gossip): (Directory, Gossip),
        bans: Bans,
    ) -> Self {
        directory.verify_by(keys.verify());
        gossip.agree_by(keys.agree());
        Self {
            keys,
            settings,
            id,
            own,
            directory,
            gossip,
            alive: [id].into_iter().collect(),
            deaths: 0,
            who: Who::default(),
            bans,
            traffic: Traffic::default(),
            counters: LinkCounters::default(),
            changed: (Time::ZERO, 0),
            moved: false,
            logged: Set::new(),
            jobs: Set::new(),
            outputs: VecDeque::new(),
            said: VecDeque::new(),
            windows_at: None,
            windows_last: Time::ZERO,
        }
    }

    /// The addresses or the name of this node changed.
    pub(super) fn set_settings(&mut self, now: Time, settings: Settings) {
        let changed = (&settings.name, &settings.addresses, settings.port, settings.stun_port)
            != (&self.settings.name, &self.settings.addresses, self.settings.port, self.settings.stun_port);
        self.settings = settings;
        if changed {
            self.renew_record(now, self.own.record.body.counter);
        }
    }

    // What is to be done.

    /// What the runtime should do.
    pub(super) fn put(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// What another room should do.
    pub(super) fn say(&mut self, said: Said) {
        self.said.push_back(said);
    }

    /// What another room may want to know.
    pub(super) fn happened(&mut self, happened: Happened) {
        self.said.push_back(Said::Happened(happened));
    }

    /// Sends a frame to a node, opening a link when there is none.
    pub(super) fn deliver(&mut self, id: NodeId, frame: Frame) {
        self.said.push_back(Said::Deliver(id, frame));
    }

    /// Sends a frame over a link.
    pub(super) fn send(&mut self, link: LinkId, frame: Frame) {
        self.said.push_back(Said::Send(link, frame));
    }

    /// Tells a page.
    pub(super) fn tell(&mut self, page: PageId, notice: &Notice) {
        self.outputs.push_back(text(page, notice));
    }

    /// Tells the pages of an account that are here.
    pub(super) fn tell_devices(&mut self, address: &Address, except: Option<SessionId>, notice: &Notice) {
        let sessions = self.who.of_account(address).filter(|session| Some(*session) != except);
        let pages: Vec<PageId> = sessions.filter_map(|session| self.who.page(session)).collect();
        for page in pages {
            self.tell(page, notice);
        }
    }

    /// Counts a refused frame, and logs the first.
    pub(super) fn bad_frame(&mut self, from: NodeId, what: &str) {
        let count = &mut self.counters.bad_frames;
        *count = count.wrapping_add(1);
        if *count == 1 {
            log::warn!("a frame from {from} {what} (counted from now on, see `trucad ctl status`)");
        }
    }

    // When it is to be done.

    /// Something is due.
    pub(super) fn due(&mut self, at: Time, job: Job) {
        self.jobs.insert((at, job));
    }

    /// It is not due any more.
    pub(super) fn not_due(&mut self, at: Time, job: Job) {
        self.jobs.remove(&(at, job));
    }

    /// Something changed that pages show: they are told together, not more often than [`WINDOW_PERIOD`].
    pub(super) fn windows_soon(&mut self, now: Time) {
        if self.windows_at.is_none() {
            let at = now.max(self.windows_last + WINDOW_PERIOD);
            self.windows_at = Some(at);
            self.jobs.insert((at, Job::Windows));
        }
    }

    /// Pages are told now.
    pub(super) fn windows_due(&mut self, now: Time) {
        self.windows_at = None;
        self.windows_last = now;
    }

    /// Nodes came, went or moved: what pages are told may be another choice.
    pub(super) fn nodes_moved(&mut self, now: Time) {
        self.moved = true;
        self.windows_soon(now);
    }

    // Chance.

    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.keys.random(&mut bytes);
        bytes
    }

    /// A time between three and five quarters of `period` from now, so that nodes that started together do
    /// not stay together.
    pub(super) fn jittered(&self, now: Time, period: Duration) -> Time {
        let [spread] = self.random();
        now + period * 3 / 4 + period * u32::from(spread) / 512
    }
}

/// What tells a page.
pub(super) fn text(page: PageId, notice: &Notice) -> Output {
    // these types hold nothing that JSON cannot write
    Output::Page(page, PageOut::Text(serde_json::to_string(notice).unwrap_or_default()))
}
