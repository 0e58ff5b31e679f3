//! Other nodes: which addresses to try, links as they open and close, and what goes over them.
//!
//! An address is only a hint: one rate-limited attempt, and what answers proves who it is. A link begins with
//! `Hello` both ways; then either side may compare directories (`compare.rs`), and calls are signalled. A link without
//! traffic is closed after [`LINK_IDLE`].
//!
//! Bounds: [`MAX_LINKS`], of which [`LINKS_A_NODE`] with one node; [`MAX_DIALS`] addresses remembered, of which
//! [`MAX_DIALLING`] are tried at once on a mere hint; [`MAX_WAITING`] frames for a node that is being reached,
//! [`MAX_WAITING_BYTES`] of frames for all of them.

use std::net::SocketAddr;
use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::Record;
use truca_core::id::NodeId;
use truca_core::sorted::{Map, Set};
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{Frame, VERSION};

use super::compare::Comparing;
use super::{Job, Node, Output};
use crate::event::{LinkId, LinkOut, NodePoint};

/// Most links at once.
pub(super) const MAX_LINKS: usize = 64;
/// Most links with one node: two that were opened from both sides at once are no mistake.
const LINKS_A_NODE: usize = 2;
/// Most addresses that are tried at once because somebody mentioned them.
const MAX_DIALLING: usize = 16;
/// Most addresses that are remembered.
const MAX_DIALS: usize = 256;
/// Most frames that wait for one node.
const MAX_WAITING: usize = 64;
/// Most bytes of frames that wait for all nodes. A frame for which there is no room is undeliverable.
const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// Most neighbours that are saved.
const MAX_NEIGHBOURS: usize = 16;
/// A link without traffic is closed after this.
const LINK_IDLE: Duration = Duration::from_secs(60);
/// A link on which no `Hello` came is closed after this.
const HELLO_WAIT: Duration = Duration::from_secs(10);
/// How long a node that a call depends on, and that could not be reached, is left alone.
const REACH_AGAIN: Duration = Duration::from_secs(5);
/// First and longest pause before an address is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long an address that led to ourselves, or that failed and nobody insists on, is left alone.
const FORGET: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Link {
    id: NodeId,
    remote: SocketAddr,
    dialled: bool,
    opened: Time,
    active: Time,
    /// Whether the other side has shown that it may be a member.
    admitted: bool,
    /// Whether the other side's `Hello` came.
    ready: bool,
    in_bytes: u32,
    out_bytes: u32,
    pub(super) comparing: Comparing,
    /// When its idleness is looked at next.
    idle_at: Time,
}

#[derive(Debug)]
struct Dial {
    source: &'static str,
    insistent: bool,
    /// Whom the owner expects there.
    expect: Option<NodeId>,
    /// Who answered there last.
    found: Option<NodeId>,
    under_way: bool,
    failures: u32,
    due: Time,
}

/// A node to which frames wait to be sent.
#[derive(Debug, Default)]
struct Reach {
    addresses: Vec<SocketAddr>,
    waiting: Vec<Frame>,
    compare: bool,
}

#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub(super) struct Counters {
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

#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) open: Map<LinkId, Link>,
    dials: Map<SocketAddr, Dial>,
    reaching: Map<NodeId, Reach>,
    /// Nodes that are tried again because a call depends on them.
    reaching_again: Set<NodeId>,
    /// By which hint a node was found: of nodes in the directory only, which bounds them.
    sources: Map<NodeId, &'static str>,
    pub(super) counters: Counters,
}

/// A link, for the control socket.
pub(super) struct LinkView {
    pub(super) id: NodeId,
    pub(super) remote: SocketAddr,
    pub(super) dialled: bool,
    pub(super) age: Duration,
    pub(super) in_bytes: u32,
    pub(super) out_bytes: u32,
}

impl Links {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn view(&self, now: Time) -> impl Iterator<Item = LinkView> {
        self.open.values().filter(|link| link.ready).map(move |link| LinkView {
            id: link.id,
            remote: link.remote,
            dialled: link.dialled,
            age: now.saturating_sub(link.opened),
            in_bytes: link.in_bytes,
            out_bytes: link.out_bytes,
        })
    }

    /// Whether another frame may wait until a node is reached.
    fn can_wait(&self, id: NodeId, frame: &Frame) -> bool {
        let waiting = self.reaching.values().flat_map(|reach| &reach.waiting);
        let bytes: usize = waiting.map(Frame::size).sum();
        let frames = self.reaching.get(&id).map_or(0, |reach| reach.waiting.len());
        frames < MAX_WAITING && bytes + frame.size() <= MAX_WAITING_BYTES
    }

    /// How many nodes are being reached.
    pub(super) fn reaching(&self) -> usize {
        self.reaching.len()
    }

    pub(super) fn source(&self, id: NodeId) -> &'static str {
        self.sources.get(&id).copied().unwrap_or("member")
    }

    /// Nodes for which this address was tried.
    fn reached_for(&self, address: SocketAddr, except: Option<NodeId>) -> Vec<NodeId> {
        let tried = |(id, reach): &(&NodeId, &Reach)| {
            reach.addresses.first() == Some(&address) && Some(**id) != except
        };
        self.reaching.iter().filter(tried).map(|(id, _)| *id).collect()
    }

    pub(super) fn to(&self, id: NodeId) -> Option<LinkId> {
        // the newest: an older one may be dead without our having noticed
        let links = self.open.iter().filter(|(_, link)| link.id == id && link.ready);
        links.max_by_key(|(number, link)| (link.opened, **number)).map(|(number, _)| *number)
    }
}

impl Node {
    /// Whether another address can be remembered; forgets the stalest that nobody insists on.
    fn room_for(&mut self, address: SocketAddr) -> bool {
        let dials = &mut self.links.dials;
        if dials.len() < MAX_DIALS || dials.contains_key(&address) {
            return true;
        }
        let idle = dials.iter().filter(|(_, dial)| !dial.insistent && !dial.under_way);
        let stalest = idle.min_by_key(|(_, dial)| dial.due).map(|(address, _)| *address);
        let Some((address, dial)) =
            stalest.and_then(|stalest| dials.remove(&stalest).map(|dial| (stalest, dial)))
        else {
            return false;
        };
        self.jobs.remove(&(dial.due, Job::Dial(address)));
        true
    }

    /// Somebody may be listening at this address.
    pub fn candidate(&mut self, now: Time, address: SocketAddr, id: Option<NodeId>, source: &'static str) {
        if id.is_some_and(|id| id == self.id || self.alive.contains(&id)) {
            return;
        }
        if self.links.open.values().any(|link| link.dialled && link.remote == address)
            || !self.room_for(address)
        {
            return;
        }
        // the owner's peers are mentioned again and again: a member that is spoken to there is found already
        let found = self.links.dials.get(&address).and_then(|dial| dial.found);
        if found.is_some_and(|id| self.alive.contains(&id) && self.gossip.address(id) == Some(address)) {
            return;
        }
        let insistent = source == "peer";
        let dial = self.links.dials.entry(address).or_insert(Dial {
            source,
            insistent,
            expect: None,
            found: None,
            under_way: false,
            failures: 0,
            due: now,
        });
        dial.insistent |= insistent;
        if !dial.under_way {
            dial.due = dial.due.max(now);
            self.jobs.insert((dial.due, Job::Dial(address)));
        }
    }

    /// The owner wants a link to this address, and to nobody else than `id` there.
    pub fn peer(&mut self, now: Time, address: SocketAddr, id: Option<NodeId>) {
        self.candidate(now, address, id, "peer");
        if let Some(dial) = self.links.dials.get_mut(&address) {
            dial.expect = id;
        }
    }

    pub(super) fn dial_due(&mut self, now: Time, address: SocketAddr) {
        let full = self.links.open.len() >= MAX_LINKS;
        let busy = self.links.dials.values().filter(|dial| dial.under_way).count() >= MAX_DIALLING;
        let reached = self.links.reaching.values().any(|reach| reach.addresses.contains(&address));
        let Some(dial) = self.links.dials.get_mut(&address) else { return };
        if dial.under_way || dial.due > now {
            return;
        }
        let invited = dial.insistent || reached;
        if !invited && dial.failures > 0 {
            // nobody insists, and it failed: the next hint starts anew
            self.links.dials.remove(&address);
            return;
        }
        if full || (busy && !invited) {
            dial.due = now + if full { RETRY.1 } else { RETRY.0 };
            self.jobs.insert((dial.due, Job::Dial(address)));
            return;
        }
        dial.under_way = true;
        self.outputs.push_back(Output::Dial(address));
    }

    /// A link that [`Output::Dial`] asked for could not be opened.
    pub fn dial_failed(&mut self, now: Time, remote: SocketAddr, why: &str) {
        self.links.counters.failed = self.links.counters.failed.wrapping_add(1);
        log::debug!("no node at {remote}: {why}");
        self.dial_over(now, remote, false);
        for id in self.links.reached_for(remote, None) {
            self.reach_next(now, id);
        }
        self.settle(now);
    }

    /// Who may be a member has changed: an address at which nobody could be linked with is tried again at once.
    pub(super) fn try_all_again(&mut self, now: Time) {
        for (address, dial) in self.links.dials.iter_mut().filter(|(_, dial)| !dial.under_way) {
            self.jobs.remove(&(dial.due, Job::Dial(*address)));
            (dial.failures, dial.due) = (0, now);
            self.jobs.insert((now, Job::Dial(*address)));
        }
    }

    fn dial_over(&mut self, now: Time, remote: SocketAddr, success: bool) {
        let Some(dial) = self.links.dials.get_mut(&remote) else { return };
        dial.under_way = false;
        if success {
            dial.failures = 0;
            dial.due = now + RETRY.0;
            return;
        }
        dial.failures = dial.failures.saturating_add(1);
        let pause = (RETRY.0 * (1 << dial.failures.min(6))).min(RETRY.1);
        let pause = if dial.insistent { pause } else { pause.max(RETRY.1) };
        dial.due = now + pause;
        self.jobs.insert((now + pause, Job::Dial(remote)));
    }

    /// A link is open; the other side has proven that it has the key `point`.
    pub fn link_opened(
        &mut self,
        now: Time,
        link: LinkId,
        point: &NodePoint,
        remote: SocketAddr,
        dialled: bool,
    ) {
        let id = NodeId::of_point(point);
        if dialled {
            self.dial_over(now, remote, true);
            // somebody else answers where a node was said to be
            for id in self.links.reached_for(remote, Some(id)) {
                self.reach_next(now, id);
            }
        }
        if let Some(dial) = self.links.dials.get_mut(&remote).filter(|_| dialled) {
            dial.found = Some(id);
        }
        let allowed = self.settings.admission.allows(id);
        if !allowed && id != self.id {
            self.not_admitted(id, "is not among those that are allowed");
        }
        if id == self.id || !allowed || self.owner.refuses_link(id) {
            if let Some(dial) = self.links.dials.get_mut(&remote) {
                dial.due = now + FORGET;
                dial.insistent = false;
            }
            self.outputs.push_back(Output::Link(link, LinkOut::Close));
            return;
        }
        let expected = self.links.dials.get(&remote).filter(|_| dialled).and_then(|dial| dial.expect);
        if expected.is_some_and(|expected| expected != id) {
            log::warn!("{id} answers at {remote}, where the configuration expects another node");
        }
        if self.links.open.len() >= MAX_LINKS || expected.is_some_and(|expected| expected != id) {
            self.links.counters.refused = self.links.counters.refused.wrapping_add(1);
            self.outputs.push_back(Output::Link(link, LinkOut::Close));
            if dialled {
                self.dial_over(now, remote, false);
                for id in self.links.reached_for(remote, None) {
                    self.reach_next(now, id);
                }
                self.settle(now);
            }
            return;
        }
        let same: Vec<LinkId> =
            self.links.open.iter().filter(|(_, link)| link.id == id).map(|(number, _)| *number).collect();
        if same.len() >= LINKS_A_NODE {
            // the ones before are likely to be dead, or it wants more than its share
            let oldest = same.into_iter().min_by_key(|number| self.links.open.get(number).map(|l| l.opened));
            oldest.into_iter().for_each(|oldest| self.close_link(now, oldest));
        }
        self.links.counters.opened = self.links.counters.opened.wrapping_add(1);
        let opened = Link {
            id,
            remote,
            dialled,
            opened: now,
            active: now,
            admitted: false,
            ready: false,
            in_bytes: 0,
            out_bytes: 0,
            comparing: Comparing::default(),
            idle_at: now + HELLO_WAIT,
        };
        self.links.open.insert(link, opened);
        self.jobs.insert((now + HELLO_WAIT, Job::LinkIdle(link)));
        match self.settings.admission.proof(self.id, id) {
            Some(proof) if dialled => self.introduce_ourselves(now, link, Some(proof)),
            // who cannot prove that it may be a member is told nothing
            Some(_) => {}
            None => {
                if let Some(open) = self.links.open.get_mut(&link) {
                    open.admitted = true;
                }
                self.introduce_ourselves(now, link, None);
            }
        }
        self.settle(now);
    }

    fn introduce_ourselves(&mut self, now: Time, link: LinkId, proof: Option<Bytes<32>>) {
        if let Some(proof) = proof {
            self.send_frame(now, link, &Frame::Prove(proof));
        }
        let hello = Frame::Hello {
            version: VERSION,
            node: Record::Node(self.record.clone()).encode(),
            generation: self.gossip.generation(),
        };
        self.send_frame(now, link, &hello);
    }

    /// The other side shows that it knows the secret of the community.
    fn on_prove(&mut self, now: Time, link: LinkId, shown: &Bytes<32>) -> bool {
        let Some(open) = self.links.open.get_mut(&link) else { return true };
        if !self.settings.admission.is_proof(self.id, open.id, shown) {
            return false;
        }
        let answers = !open.admitted && !open.dialled;
        open.admitted = true;
        let id = open.id;
        if answers {
            self.introduce_ourselves(now, link, self.settings.admission.proof(self.id, id));
        }
        true
    }

    /// A link is gone.
    pub fn link_closed(&mut self, now: Time, link: LinkId) {
        self.link_gone(now, link);
        self.settle(now);
    }

    /// Closes a link from here: what still comes over it is not heard.
    pub(super) fn close_link(&mut self, now: Time, link: LinkId) {
        self.outputs.push_back(Output::Link(link, LinkOut::Close));
        self.link_gone(now, link);
    }

    /// Closes what is open to a node that is kept out.
    pub(super) fn close_links_to(&mut self, now: Time, id: NodeId) {
        let links = self.links.open.iter().filter(|(_, link)| link.id == id);
        for link in links.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.close_link(now, link);
        }
    }

    /// Closes the link that nothing went over for longest and no call needs: a call goes before comparisons, and
    /// neighbours who hold all links must not keep people from ringing.
    fn close_stalest(&mut self, now: Time) {
        let called: Set<NodeId> = self.calls.peers().collect();
        let spare = self.links.open.iter().filter(|(_, link)| !called.contains(&link.id));
        let stalest = spare.min_by_key(|(_, link)| link.active).map(|(number, _)| *number);
        stalest.into_iter().for_each(|stalest| self.close_link(now, stalest));
    }

    fn link_gone(&mut self, now: Time, link: LinkId) {
        let Some(gone) = self.links.open.remove(&link) else { return };
        self.jobs.remove(&(gone.idle_at, Job::LinkIdle(link)));
        if !gone.ready && gone.dialled {
            // it speaks TLS but not our language: that is a failure too
            self.dial_over(now, gone.remote, false);
            for id in self.links.reached_for(gone.remote, None) {
                self.reach_next(now, id);
            }
        } else if gone.dialled && !self.alive.contains(&gone.id) {
            // it may have restarted: try again soon
            self.candidate(now, gone.remote, None, "link");
        }
        if self.calls.peers().any(|peer| peer == gone.id) && self.links.to(gone.id).is_none() {
            // a call depends on it: find out now whether the node is there
            self.reach(now, gone.id, None, false);
        }
    }

    pub(super) fn link_idle(&mut self, now: Time, link: LinkId) {
        let Some(open) = self.links.open.get(&link) else { return };
        let (id, ready) = (open.id, open.ready);
        let in_use = || self.links.to(id) == Some(link) && self.calls.peers().any(|peer| peer == id);
        let due = if ready { open.active + LINK_IDLE } else { open.opened + HELLO_WAIT };
        let due = if ready && due <= now && in_use() { now + LINK_IDLE } else { due };
        if due <= now {
            self.close_link(now, link);
        } else if let Some(open) = self.links.open.get_mut(&link) {
            open.idle_at = due;
            self.jobs.insert((due, Job::LinkIdle(link)));
        }
    }

    /// A frame came over a link. One that does not read closes it.
    pub fn link_frame(&mut self, now: Time, link: LinkId, bytes: &[u8]) {
        let Some(open) = self.links.open.get_mut(&link) else { return };
        self.traffic.links_in += bytes.len() as u64;
        open.active = now;
        open.in_bytes = open.in_bytes.wrapping_add(bytes.len() as u32);
        let (id, ready, admitted) = (open.id, open.ready, open.admitted);
        let understood = match Frame::decode(bytes) {
            Some(Frame::Prove(shown)) if !ready => self.on_prove(now, link, &shown),
            _ if !admitted => false,
            Some(Frame::Hello { version, node, generation }) if !ready => {
                self.on_hello(now, link, version, &node, generation)
            }
            Some(frame) if ready => self.on_frame(now, link, id, frame),
            _ => false,
        };
        let admitted = self.links.open.get(&link).is_none_or(|open| open.admitted);
        if !admitted {
            self.not_admitted(id, "does not show that it knows the community's secret");
            self.close_link(now, link);
        } else if !understood {
            self.bad_frame(id, "does not read; the link is closed");
            self.close_link(now, link);
        }
        self.settle(now);
    }

    /// Counts a refused frame, and logs the first.
    fn not_admitted(&mut self, id: NodeId, why: &str) {
        let count = &mut self.links.counters.not_admitted;
        *count = count.wrapping_add(1);
        if *count == 1 {
            log::warn!("the node {id} {why} (counted from now on, see `trucad ctl status`)");
        }
    }

    pub(super) fn bad_frame(&mut self, from: NodeId, what: &str) {
        let count = &mut self.links.counters.bad_frames;
        *count = count.wrapping_add(1);
        if *count == 1 {
            log::warn!("a frame from {from} {what} (counted from now on, see `trucad ctl status`)");
        }
    }

    fn on_hello(&mut self, now: Time, link: LinkId, version: u16, node: &[u8], generation: u16) -> bool {
        let Some(open) = self.links.open.get(&link) else { return true };
        let (id, remote, dialled) = (open.id, open.remote, open.dialled);
        // the record must be the one of the key that this link was opened with
        let port = match Record::decode(node) {
            Ok(Record::Node(record)) if record.id() == id && version == VERSION => record.body.port,
            _ => return false,
        };
        self.learn(now, node);
        if !self.check_node(id) {
            return false;
        }
        if let Some(open) = self.links.open.get_mut(&link) {
            open.ready = true;
        }
        if dialled {
            let source = self.links.dials.get(&remote).map_or("member", |dial| dial.source);
            self.links.sources.entry(id).or_insert(source);
        }
        let at = SocketAddr::new(remote.ip(), if dialled { remote.port() } else { port });
        self.gossip.reached(id, at);
        if !self.gossip.is_alive(id) {
            self.gossip.join(now, id, generation);
        }
        self.calls.node_back(id);
        let reach = self.links.reaching.remove(&id).unwrap_or_default();
        if reach.compare || (dialled && !self.alive.contains(&id)) {
            self.compare(now, link);
        }
        for frame in reach.waiting {
            self.send_frame(now, link, &frame);
        }
        true
    }

    fn on_frame(&mut self, now: Time, link: LinkId, from: NodeId, frame: Frame) -> bool {
        match frame {
            Frame::Hello { .. } | Frame::Prove(_) => return false,
            Frame::Digest(theirs) => return self.on_digest(now, link, &theirs),
            Frame::Items { buckets, items, more } => return self.on_items(now, link, &buckets, items, more),
            Frame::Want(hashes) => self.on_want(now, link, &hashes),
            Frame::Records(records) => self.on_records(now, link, from, records),
            Frame::Members { sum, roll, more } => return self.on_members(now, link, sum, &roll, more),
            Frame::Call(frame) => self.on_call_frame(now, from, *frame),
            Frame::Account(frame) => return self.on_account_frame(now, from, *frame),
        }
        true
    }

    pub(super) fn send_frame(&mut self, now: Time, link: LinkId, frame: &Frame) {
        let bytes = frame.encode();
        if let Some(open) = self.links.open.get_mut(&link) {
            open.active = now;
            open.out_bytes = open.out_bytes.wrapping_add(bytes.len() as u32);
        }
        self.outputs.push_back(Output::Link(link, LinkOut::Frame(bytes)));
    }

    /// Sends a frame to a node, opening a link when there is none.
    pub(super) fn deliver(&mut self, now: Time, id: NodeId, frame: Frame) {
        match self.links.to(id) {
            Some(link) => self.send_frame(now, link, &frame),
            None => self.reach(now, id, Some(frame), false),
        }
    }

    /// A frame could not be sent: whoever wanted it sent is told.
    fn undeliverable(&mut self, now: Time, id: NodeId, frame: Frame) {
        match frame {
            Frame::Call(frame) => self.calls.undeliverable(now, id, *frame),
            Frame::Account(frame) => self.account_undeliverable(id, &frame),
            // nothing else waits
            _ => {}
        }
    }

    pub(super) fn reach(&mut self, now: Time, id: NodeId, mut frame: Option<Frame>, compare: bool) {
        let room = frame.as_ref().is_none_or(|frame| self.links.can_wait(id, frame));
        if let Some(reach) = self.links.reaching.get_mut(&id) {
            reach.compare |= compare;
            match frame {
                Some(frame) if room => reach.waiting.push(frame),
                Some(frame) => self.undeliverable(now, id, frame),
                None => {}
            }
            return;
        }
        if let Some(frame) = frame.take_if(|_| !room) {
            self.undeliverable(now, id, frame);
            return;
        }
        self.check_node(id);
        let mut addresses = self.reachable_at(id);
        if let Some(best) = self.gossip.address(id) {
            addresses.retain(|address| *address != best);
            addresses.insert(0, best);
        }
        let waiting = frame.into_iter().collect();
        self.links.reaching.insert(id, Reach { addresses, waiting, compare });
        self.reach_address(now, id);
    }

    /// Tries again to reach a node that a call depends on.
    pub(super) fn reach_again(&mut self, now: Time, id: NodeId) {
        self.links.reaching_again.remove(&id);
        if self.calls.peers().any(|peer| peer == id) && self.links.to(id).is_none() {
            self.reach(now, id, None, false);
        }
    }

    /// The first address failed: tries the next, or gives up.
    fn reach_next(&mut self, now: Time, id: NodeId) {
        if let Some(reach) = self.links.reaching.get_mut(&id) {
            if !reach.addresses.is_empty() {
                reach.addresses.remove(0);
            }
            self.reach_address(now, id);
        }
    }

    fn reach_address(&mut self, now: Time, id: NodeId) {
        let reach = self.links.reaching.get(&id);
        let first = reach.and_then(|reach| reach.addresses.first().copied());
        let calls = reach.is_some_and(|reach| !reach.waiting.is_empty());
        if calls && first.is_some() && self.links.open.len() >= MAX_LINKS {
            self.close_stalest(now);
        }
        let Some(address) = first.filter(|_| self.links.open.len() < MAX_LINKS) else {
            let given_up = self.links.reaching.remove(&id).unwrap_or_default();
            for frame in given_up.waiting {
                self.undeliverable(now, id, frame);
            }
            self.calls.node_lost(now, id);
            if self.calls.peers().any(|peer| peer == id) && self.links.reaching_again.insert(id) {
                self.jobs.insert((now + REACH_AGAIN, Job::Reach(id)));
            }
            return;
        };
        // an address that a call or a comparison needs is tried even when there is no room to remember it
        self.room_for(address);
        let dial = self.links.dials.entry(address).or_insert(Dial {
            source: "member",
            insistent: false,
            expect: None,
            found: None,
            under_way: false,
            failures: 0,
            due: now,
        });
        if !dial.under_way {
            dial.under_way = true;
            self.outputs.push_back(Output::Dial(address));
        }
    }

    /// Where other nodes are now, for the next start.
    pub(super) fn neighbours(&self) -> Vec<SocketAddr> {
        let alive = self.alive.iter().filter(|id| **id != self.id);
        alive.filter_map(|id| self.gossip.address(*id)).take(MAX_NEIGHBOURS).collect()
    }
}
