//! Other nodes: which addresses to try ([`dial`]), nodes that are being reached ([`reach`]), links as they open and
//! close, and their first frames.
//!
//! A link begins with `Hello` both ways; then either side may compare directories, and calls are signalled: such
//! frames come out of here, for whom they are. A link without traffic is closed after [`LINK_IDLE`].
//!
//! Bounds: [`MAX_LINKS`], of which [`LINKS_A_NODE`] with one node.

use std::net::SocketAddr;
use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::Record;
use truca_core::id::NodeId;
use truca_core::sorted::Map;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{Frame, VERSION};

use super::ground::Ground;
use super::said::{Happened, Job, Output, Said};
use crate::event::{LinkId, LinkOut, NodePoint};

mod dial;
mod reach;
mod view;

use dial::{Dial, FORGET};
use reach::Reach;

/// Most links at once.
pub(super) const MAX_LINKS: usize = 64;
/// Most links with one node: two that were opened from both sides at once are no mistake.
const LINKS_A_NODE: usize = 2;
/// Most neighbours that are saved.
const MAX_NEIGHBOURS: usize = 16;
/// A link without traffic is closed after this.
const LINK_IDLE: Duration = Duration::from_secs(60);
/// A link on which no `Hello` came is closed after this.
const HELLO_WAIT: Duration = Duration::from_secs(10);

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
    /// When its idleness is looked at next.
    idle_at: Time,
}

#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) open: Map<LinkId, Link>,
    dials: Map<SocketAddr, Dial>,
    reaching: Map<NodeId, Reach>,
    /// By which hint a node was found: of nodes in the directory only, which bounds them.
    sources: Map<NodeId, &'static str>,
}

impl Links {
    /// What others have said and done that matters here.
    pub(super) fn happened(&mut self, ground: &mut Ground, now: Time, happened: &Happened) {
        match happened {
            Happened::Alone => self.peers(ground, now),
            Happened::Banned(id) => self.close_links_to(ground, now, *id),
            _ => {}
        }
    }

    /// The owner's peers are tried.
    pub(super) fn peers(&mut self, ground: &mut Ground, now: Time) {
        for (peer, id) in ground.settings.peers.clone() {
            self.peer(ground, now, peer, id);
        }
    }

    /// The newest link with a node: an older one may be dead without our having noticed.
    pub(super) fn to(&self, id: NodeId) -> Option<LinkId> {
        let links = self.open.iter().filter(|(_, link)| link.id == id && link.ready);
        links.max_by_key(|(number, link)| (link.opened, **number)).map(|(number, _)| *number)
    }

    /// How many links are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// A link is open; the other side has proven that it has the key `point`.
    pub(super) fn link_opened(
        &mut self,
        ground: &mut Ground,
        now: Time,
        link: LinkId,
        point: &NodePoint,
        remote: SocketAddr,
        dialled: bool,
    ) {
        let id = NodeId::of_point(point);
        if dialled {
            self.dial_over(ground, now, remote, true);
            // somebody else answers where a node was said to be
            for id in self.reached_for(remote, Some(id)) {
                self.reach_next(ground, now, id);
            }
        }
        if let Some(dial) = self.dials.get_mut(&remote).filter(|_| dialled) {
            dial.found = Some(id);
        }
        let allowed = ground.settings.admission.allows(id);
        if !allowed && id != ground.id {
            self.not_admitted(ground, id, "is not among those that are allowed");
        }
        if id == ground.id || !allowed || ground.bans.refuses_link(id) {
            if let Some(dial) = self.dials.get_mut(&remote) {
                dial.due = now + FORGET;
                dial.insistent = false;
            }
            ground.put(Output::Link(link, LinkOut::Close));
            return;
        }
        let expected = self.dials.get(&remote).filter(|_| dialled).and_then(|dial| dial.expect);
        if expected.is_some_and(|expected| expected != id) {
            log::warn!("{id} answers at {remote}, where the configuration expects another node");
        }
        if self.open.len() >= MAX_LINKS || expected.is_some_and(|expected| expected != id) {
            ground.counters.refused = ground.counters.refused.wrapping_add(1);
            ground.put(Output::Link(link, LinkOut::Close));
            if dialled {
                self.dial_over(ground, now, remote, false);
                for id in self.reached_for(remote, None) {
                    self.reach_next(ground, now, id);
                }
            }
            return;
        }
        let same: Vec<LinkId> =
            self.open.iter().filter(|(_, link)| link.id == id).map(|(number, _)| *number).collect();
        if same.len() >= LINKS_A_NODE {
            // the ones before are likely to be dead, or it wants more than its share
            let oldest = same.into_iter().min_by_key(|number| self.open.get(number).map(|l| l.opened));
            oldest.into_iter().for_each(|oldest| self.close_link(ground, now, oldest));
        }
        ground.counters.opened = ground.counters.opened.wrapping_add(1);
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
            idle_at: now + HELLO_WAIT,
        };
        self.open.insert(link, opened);
        ground.due(now + HELLO_WAIT, Job::LinkIdle(link));
        match ground.settings.admission.proof(ground.id, id) {
            Some(proof) if dialled => self.introduce_ourselves(ground, now, link, Some(proof)),
            // who cannot prove that it may be a member is told nothing
            Some(_) => {}
            None => {
                if let Some(open) = self.open.get_mut(&link) {
                    open.admitted = true;
                }
                self.introduce_ourselves(ground, now, link, None);
            }
        }
    }

    fn introduce_ourselves(
        &mut self,
        ground: &mut Ground,
        now: Time,
        link: LinkId,
        proof: Option<Bytes<32>>,
    ) {
        if let Some(proof) = proof {
            self.send_frame(ground, now, link, &Frame::Prove(proof));
        }
        let hello = Frame::Hello {
            version: VERSION,
            node: ground.own.encoded(),
            generation: ground.gossip.generation(),
        };
        self.send_frame(ground, now, link, &hello);
    }

    /// The other side shows that it knows the secret of the community.
    fn on_prove(&mut self, ground: &mut Ground, now: Time, link: LinkId, shown: &Bytes<32>) -> bool {
        let Some(open) = self.open.get_mut(&link) else { return true };
        if !ground.settings.admission.is_proof(ground.id, open.id, shown) {
            return false;
        }
        let answers = !open.admitted && !open.dialled;
        open.admitted = true;
        let id = open.id;
        if answers {
            self.introduce_ourselves(ground, now, link, ground.settings.admission.proof(ground.id, id));
        }
        true
    }

    /// A link is gone.
    pub(super) fn link_closed(&mut self, ground: &mut Ground, now: Time, link: LinkId) {
        self.link_gone(ground, now, link);
    }

    /// Closes a link from here: what still comes over it is not heard.
    pub(super) fn close_link(&mut self, ground: &mut Ground, now: Time, link: LinkId) {
        ground.put(Output::Link(link, LinkOut::Close));
        self.link_gone(ground, now, link);
    }

    /// Closes all links.
    pub(super) fn close_all(&mut self, ground: &mut Ground, now: Time) {
        for link in self.open.keys().copied().collect::<Vec<_>>() {
            self.close_link(ground, now, link);
        }
    }

    /// Closes what is open to a node that is kept out.
    pub(super) fn close_links_to(&mut self, ground: &mut Ground, now: Time, id: NodeId) {
        let links = self.open.iter().filter(|(_, link)| link.id == id);
        for link in links.map(|(number, _)| *number).collect::<Vec<_>>() {
            self.close_link(ground, now, link);
        }
    }

    fn link_gone(&mut self, ground: &mut Ground, now: Time, link: LinkId) {
        let Some(gone) = self.open.remove(&link) else { return };
        ground.not_due(gone.idle_at, Job::LinkIdle(link));
        if !gone.ready && gone.dialled {
            // it speaks TLS but not our language: that is a failure too
            self.dial_over(ground, now, gone.remote, false);
            for id in self.reached_for(gone.remote, None) {
                self.reach_next(ground, now, id);
            }
        } else if gone.dialled && !ground.alive.contains(&gone.id) {
            // it may have restarted: try again soon
            self.candidate(ground, now, gone.remote, None, "link");
        }
        // a call may depend on it: then it is found out now whether the node is there
        ground.happened(Happened::Unlinked(link, gone.id));
    }

    /// With whom a link is.
    pub(super) fn other(&self, link: LinkId) -> Option<NodeId> {
        self.open.get(&link).map(|open| open.id)
    }

    /// Closes a link that is idle, unless a call needs it.
    pub(super) fn link_idle(&mut self, ground: &mut Ground, now: Time, link: LinkId, needed: bool) {
        let Some(open) = self.open.get(&link) else { return };
        let (id, ready) = (open.id, open.ready);
        let in_use = || needed && self.to(id) == Some(link);
        let due = if ready { open.active + LINK_IDLE } else { open.opened + HELLO_WAIT };
        let due = if ready && due <= now && in_use() { now + LINK_IDLE } else { due };
        if due <= now {
            self.close_link(ground, now, link);
        } else if let Some(open) = self.open.get_mut(&link) {
            open.idle_at = due;
            ground.due(due, Job::LinkIdle(link));
        }
    }

    /// A frame came over a link. What is not for this room comes out, with its sender.
    pub(super) fn link_frame(
        &mut self,
        ground: &mut Ground,
        now: Time,
        link: LinkId,
        bytes: &[u8],
    ) -> Option<(NodeId, Frame)> {
        let open = self.open.get_mut(&link)?;
        ground.traffic.links_in += bytes.len() as u64;
        open.active = now;
        open.in_bytes = open.in_bytes.wrapping_add(bytes.len() as u32);
        let (id, ready, admitted) = (open.id, open.ready, open.admitted);
        let understood = match Frame::decode(bytes) {
            Some(Frame::Prove(shown)) if !ready => self.on_prove(ground, now, link, &shown),
            _ if !admitted => false,
            Some(Frame::Hello { version, node, generation }) if !ready => {
                self.on_hello(ground, now, link, version, &node, generation)
            }
            Some(frame) if ready => return Some((id, frame)),
            _ => false,
        };
        let admitted = self.open.get(&link).is_none_or(|open| open.admitted);
        if !admitted {
            self.not_admitted(ground, id, "does not show that it knows the community's secret");
            self.close_link(ground, now, link);
        } else if !understood {
            self.misread(ground, now, link, id);
        }
        None
    }

    /// A frame makes no sense: its link is closed.
    pub(super) fn misread(&mut self, ground: &mut Ground, now: Time, link: LinkId, from: NodeId) {
        ground.bad_frame(from, "does not read; the link is closed");
        self.close_link(ground, now, link);
    }

    /// Counts a refused frame, and logs the first.
    fn not_admitted(&self, ground: &mut Ground, id: NodeId, why: &str) {
        let count = &mut ground.counters.not_admitted;
        *count = count.wrapping_add(1);
        if *count == 1 {
            log::warn!("the node {id} {why} (counted from now on, see `trucad ctl status`)");
        }
    }

    fn on_hello(
        &mut self,
        ground: &mut Ground,
        now: Time,
        link: LinkId,
        version: u16,
        node: &[u8],
        generation: u16,
    ) -> bool {
        let Some(open) = self.open.get(&link) else { return true };
        let (id, remote, dialled) = (open.id, open.remote, open.dialled);
        // the record must be the one of the key that this link was opened with
        let port = match Record::decode(node) {
            Ok(Record::Node(record)) if record.id() == id && version == VERSION => record.body.port,
            _ => return false,
        };
        ground.learn(now, node);
        if !ground.check_node(id) {
            return false;
        }
        if let Some(open) = self.open.get_mut(&link) {
            open.ready = true;
        }
        if dialled {
            let source = self.dials.get(&remote).map_or("member", |dial| dial.source);
            self.sources.entry(id).or_insert(source);
        }
        let at = SocketAddr::new(remote.ip(), if dialled { remote.port() } else { port });
        ground.gossip.reached(id, at);
        if !ground.gossip.is_alive(id) {
            ground.gossip.join(now, id, generation);
        }
        ground.happened(Happened::Linked(id));
        let reach = self.reaching.remove(&id).unwrap_or_default();
        if reach.compare || (dialled && !ground.alive.contains(&id)) {
            ground.say(Said::CompareOver(link));
        }
        for frame in reach.waiting {
            self.send_frame(ground, now, link, &frame);
        }
        true
    }

    pub(super) fn send_frame(&mut self, ground: &mut Ground, now: Time, link: LinkId, frame: &Frame) {
        let bytes = frame.encode();
        if let Some(open) = self.open.get_mut(&link) {
            open.active = now;
            open.out_bytes = open.out_bytes.wrapping_add(bytes.len() as u32);
        }
        ground.put(Output::Link(link, LinkOut::Frame(bytes)));
    }

    /// Where other nodes are now, for the next start.
    pub(super) fn neighbours(&self, ground: &Ground) -> Vec<SocketAddr> {
        let alive = ground.alive.iter().filter(|id| **id != ground.id);
        alive.filter_map(|id| ground.gossip.address(*id)).take(MAX_NEIGHBOURS).collect()
    }
}
