//! Another rule for who may be a member, while the node runs: whoever was a member then is one no longer, and proves
//! itself anew. It concerns all rooms, so it is a part of the switchboard.

use truca_core::Time;
use truca_core::id::NodeId;
use truca_core::wire::page::ByeReason;

use super::Node;
use super::admission::Admission;

impl Node {
    /// From now on these may be members. Unless everybody who is known may be one as before, all links are closed, and
    /// no member is believed before it has shown on a new one that it may be one. Calls wait for that, as they do
    /// when a link breaks.
    pub(super) fn admit_anew(&mut self, now: Time, admission: Admission) {
        let ground = &mut self.ground;
        let before = std::mem::replace(&mut ground.settings.admission, admission);
        let admission = &ground.settings.admission;
        let own = ground.id;
        let may_stay = |id: NodeId| id == own || admission.allows(id);
        if before.community() == admission.community()
            && ground.directory.nodes().all(|node| may_stay(node.id()))
        {
            log::info!("others may be members from now on");
            // what was refused of them is asked for again
            self.records.sync_soon(ground, now);
            self.links.try_all_again(ground, now);
            return;
        }
        log::info!("who may be a member has changed: every node proves anew that it may");
        let community = admission.community();
        let known = ground.alive.iter().chain(self.records.fallen()).copied();
        let members: Vec<NodeId> = known.filter(|id| admission.allows(*id)).collect();
        let seed = u64::from_be_bytes(ground.random());
        ground.gossip.begin_anew(now, community, seed);
        self.settle(now);
        self.forget_who_is_not_allowed(now);
        self.links.close_all(&mut self.ground, now);
        self.hear(now);
        let ground = &mut self.ground;
        for id in members {
            if let Some(address) = ground.gossip.address(id) {
                self.links.candidate(ground, now, address, None, "member");
            }
        }
        self.links.try_all_again(ground, now);
    }

    /// Nodes that are not on the list any more are unknown from now on, and so are their people.
    fn forget_who_is_not_allowed(&mut self, now: Time) {
        let ground = &mut self.ground;
        let admission = ground.settings.admission.clone();
        let own = ground.id;
        let allowed = |id: NodeId| id == own || admission.allows(id);
        let strangers = ground.who.all().filter(|(_, known)| !allowed(known.own.address.home));
        for session in strangers.map(|(session, _)| session).collect::<Vec<_>>() {
            self.pages.expel(ground, now, session, ByeReason::Banned);
        }
        let unwanted: Vec<NodeId> =
            ground.directory.nodes().map(|node| node.id()).filter(|id| !allowed(*id)).collect();
        for id in &unwanted {
            ground.gossip.forget(*id);
        }
        if !unwanted.is_empty() {
            ground.directory.keep_nodes(allowed);
            ground.nodes_moved(now);
        }
        ground.summarize(now);
        ground.windows_soon(now);
    }
}
