//! Nodes to which there is no link yet, and what waits for one.
//!
//! Bounds: [`MAX_WAITING`] frames for a node that is being reached, [`MAX_WAITING_BYTES`] of frames for all.

use std::net::SocketAddr;

use truca_core::Time;
use truca_core::id::NodeId;
use truca_core::sorted::Set;
use truca_core::wire::node::Frame;

use super::super::ground::Ground;
use super::super::said::{Happened, Output, Said};
use super::dial::Dial;
use super::{Links, MAX_LINKS};

/// Most frames that wait for one node.
const MAX_WAITING: usize = 64;
/// Most bytes of frames that wait for all nodes. A frame for which there is no room is undeliverable.
const MAX_WAITING_BYTES: usize = 1024 * 1024;

/// Most nodes that are being reached when another one is to be compared with.
const MAX_REACHING: usize = 16;

/// A node to which frames wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) waiting: Vec<Frame>,
    pub(super) compare: bool,
}

impl Links {
    /// Whether another frame may wait until a node is reached.
    fn can_wait(&self, id: NodeId, frame: &Frame) -> bool {
        let waiting = self.reaching.values().flat_map(|reach| &reach.waiting);
        let bytes: usize = waiting.map(Frame::size).sum();
        let frames = self.reaching.get(&id).map_or(0, |reach| reach.waiting.len());
        frames < MAX_WAITING && bytes + frame.size() <= MAX_WAITING_BYTES
    }

    /// Whether another node may be reached for a comparison.
    pub(in super::super) fn may_reach(&self) -> bool {
        self.reaching.len() < MAX_REACHING
    }

    /// Nodes for which this address was tried.
    pub(super) fn reached_for(&self, address: SocketAddr, except: Option<NodeId>) -> Vec<NodeId> {
        let tried = |(id, reach): &(&NodeId, &Reach)| {
            reach.addresses.first() == Some(&address) && Some(**id) != except
        };
        self.reaching.iter().filter(tried).map(|(id, _)| *id).collect()
    }

    /// Sends a frame to a node, opening a link when there is none.
    pub(in super::super) fn deliver(&mut self, ground: &mut Ground, now: Time, id: NodeId, frame: Frame) {
        match self.to(id) {
            Some(link) => self.send_frame(ground, now, link, &frame),
            None => self.reach(ground, now, id, Some(frame), false),
        }
    }

    /// A node should be reached: for a frame, or to compare directories with it.
    pub(in super::super) fn reach(
        &mut self,
        ground: &mut Ground,
        now: Time,
        id: NodeId,
        mut frame: Option<Frame>,
        compare: bool,
    ) {
        let room = frame.as_ref().is_none_or(|frame| self.can_wait(id, frame));
        if let Some(reach) = self.reaching.get_mut(&id) {
            reach.compare |= compare;
            match frame {
                Some(frame) if room => reach.waiting.push(frame),
                Some(frame) => ground.say(Said::Undeliverable(id, frame)),
                None => {}
            }
            return;
        }
        if let Some(frame) = frame.take_if(|_| !room) {
            ground.say(Said::Undeliverable(id, frame));
            return;
        }
        ground.check_node(id);
        let mut addresses = ground.reachable_at(id);
        if let Some(best) = ground.gossip.address(id) {
            addresses.retain(|address| *address != best);
            addresses.insert(0, best);
        }
        let waiting = frame.into_iter().collect();
        self.reaching.insert(id, Reach { addresses, waiting, compare });
        self.reach_address(ground, now, id, false);
    }

    /// Reaches a node that a call depends on, unless there is a link to it.
    pub(in super::super) fn reach_for_call(&mut self, ground: &mut Ground, now: Time, id: NodeId) {
        if self.to(id).is_none() {
            self.reach(ground, now, id, None, false);
        }
    }

    /// Closes the link that nothing went over for longest and no call needs, and goes on to reach a node.
    pub(in super::super) fn make_room(
        &mut self,
        ground: &mut Ground,
        now: Time,
        id: NodeId,
        called: &Set<NodeId>,
    ) {
        if self.open.len() >= MAX_LINKS {
            let spare = self.open.iter().filter(|(_, link)| !called.contains(&link.id));
            let stalest = spare.min_by_key(|(_, link)| link.active).map(|(number, _)| *number);
            stalest.into_iter().for_each(|stalest| self.close_link(ground, now, stalest));
        }
        if self.reaching.contains_key(&id) {
            self.reach_address(ground, now, id, true);
        }
    }

    /// The first address failed: tries the next, or gives up.
    pub(super) fn reach_next(&mut self, ground: &mut Ground, now: Time, id: NodeId) {
        if let Some(reach) = self.reaching.get_mut(&id) {
            if !reach.addresses.is_empty() {
                reach.addresses.remove(0);
            }
            self.reach_address(ground, now, id, false);
        }
    }

    fn reach_address(&mut self, ground: &mut Ground, now: Time, id: NodeId, made_room: bool) {
        let reach = self.reaching.get(&id);
        let first = reach.and_then(|reach| reach.addresses.first().copied());
        let calls = reach.is_some_and(|reach| !reach.waiting.is_empty());
        if calls && first.is_some() && self.open.len() >= MAX_LINKS && !made_room {
            // a call goes before comparisons, and neighbours who hold all links must not keep people from ringing
            return ground.say(Said::MakeRoom(id));
        }
        let Some(address) = first.filter(|_| self.open.len() < MAX_LINKS) else {
            let given_up = self.reaching.remove(&id).unwrap_or_default();
            for frame in given_up.waiting {
                ground.say(Said::Undeliverable(id, frame));
            }
            ground.happened(Happened::Unreachable(id));
            return;
        };
        // an address that a call or a comparison needs is tried even when there is no room to remember it
        self.room_for(ground, address);
        let dial = self.dials.entry(address).or_insert(Dial::new("member", false, now));
        if !dial.under_way {
            dial.under_way = true;
            ground.put(Output::Dial(address));
        }
    }
}
