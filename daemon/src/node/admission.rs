//! Which nodes may be members: any (`open`), those that know a secret (`secret`), or those on a list (`allow`).
//!
//! The secret is proved on each link before anything else is said, for this pair of nodes and this direction, so
//! a proof is worth nothing to anybody else; the dialler proves first, and who cannot is told nothing. It is part
//! of the keys of datagrams too, so membership cannot be had without it. Records come by links and datagrams
//! alone: a directory is as closed as these.
//!
//! The owner may change it while the node runs. Whoever was a member then is one no longer, and proves itself anew.

use ring::{digest, hmac};
use truca_core::Time;
use truca_core::directory::record::Record;
use truca_core::id::NodeId;
use truca_core::sorted::Set;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::page::ByeReason;

use super::{Node, SYNC_SOON};

/// Most nodes of a list.
pub const MAX_ALLOWED: usize = 1024;

/// Which nodes may be members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Admission {
    /// Any.
    #[default]
    Open,
    /// Those that know the secret with this key.
    Secret(CommunityKey),
    /// These.
    Allow(Set<NodeId>),
}

/// What a community's secret becomes. Not shown by `{:?}`.
#[derive(Clone, PartialEq, Eq)]
pub struct CommunityKey([u8; 32]);

impl std::fmt::Debug for CommunityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CommunityKey")
    }
}

impl CommunityKey {
    /// The key of a secret, as the owner writes it.
    pub fn of(secret: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"truca-community-1\n");
        context.update(secret.as_bytes());
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

impl Admission {
    /// What goes into the keys of datagrams.
    pub fn community(&self) -> Option<[u8; 32]> {
        match self {
            Self::Secret(key) => Some(key.0),
            _ => None,
        }
    }

    /// Whether a node may be a member, as far as its id says.
    pub(super) fn allows(&self, id: NodeId) -> bool {
        match self {
            Self::Allow(allowed) => allowed.contains(&id),
            _ => true,
        }
    }

    /// Whether a record belongs to nodes that may be members.
    pub(super) fn allows_record(&self, own: NodeId, encoded: &[u8]) -> bool {
        let Self::Allow(allowed) = self else { return true };
        let home = match Record::decode(encoded) {
            Ok(Record::Node(node)) => node.id(),
            Ok(Record::Account(account)) => account.body.home,
            Ok(Record::Attachment(attachment)) => attachment.address.home,
            // it is refused, and counted, where it is read
            Err(_) => return true,
        };
        home == own || allowed.contains(&home)
    }

    /// What `own` shows to `other` on a link, if anything.
    pub fn proof(&self, own: NodeId, other: NodeId) -> Option<Bytes<32>> {
        match self {
            Self::Secret(key) => {
                let mut proof = [0; 32];
                proof.copy_from_slice(hmac::sign(&key.key(), &statement(own, other)).as_ref());
                Some(Bytes(proof))
            }
            _ => None,
        }
    }

    /// Whether this is what `other` must show to `own`.
    pub(super) fn is_proof(&self, own: NodeId, other: NodeId, shown: &Bytes<32>) -> bool {
        match self {
            Self::Secret(key) => hmac::verify(&key.key(), &statement(other, own), &shown.0).is_ok(),
            _ => true,
        }
    }
}

impl Node {
    /// From now on these may be members. Unless everybody who is known may be one as before, all links are closed, and
    /// no member is believed before it has shown on a new one that it may be one. Calls wait for that, as they do
    /// when a link breaks.
    pub(super) fn admit_anew(&mut self, now: Time, admission: Admission) {
        let before = std::mem::replace(&mut self.settings.admission, admission);
        let admission = &self.settings.admission;
        let own = self.id;
        let may_stay = |id: NodeId| id == own || admission.allows(id);
        if before.community() == admission.community()
            && self.directory.nodes().all(|node| may_stay(node.id()))
        {
            log::info!("others may be members from now on");
            // what was refused of them is asked for again
            self.sync_later(now, SYNC_SOON);
            self.try_all_again(now);
            return;
        }
        log::info!("who may be a member has changed: every node proves anew that it may");
        let community = admission.community();
        let members: Vec<NodeId> =
            self.alive.iter().chain(&self.fallen).copied().filter(|id| admission.allows(*id)).collect();
        let seed = u64::from_be_bytes(self.random());
        self.gossip.begin_anew(now, community, seed);
        self.settle(now);
        self.forget_who_is_not_allowed(now);
        for link in self.links.open.keys().copied().collect::<Vec<_>>() {
            self.close_link(now, link);
        }
        for id in members {
            if let Some(address) = self.gossip.address(id) {
                self.candidate(now, address, None, "member");
            }
        }
        self.try_all_again(now);
    }

    /// Nodes that are not on the list any more are unknown from now on, and so are their people.
    fn forget_who_is_not_allowed(&mut self, now: Time) {
        let admission = self.settings.admission.clone();
        let own = self.id;
        let allowed = |id: NodeId| id == own || admission.allows(id);
        let sessions = self.pages.sessions.iter();
        let strangers = sessions.filter(|(_, attached)| !allowed(attached.own.address.home));
        for session in strangers.map(|(session, _)| *session).collect::<Vec<_>>() {
            self.expel(now, session, ByeReason::Banned);
        }
        let unwanted: Vec<NodeId> =
            self.directory.nodes().map(|node| node.id()).filter(|id| !allowed(*id)).collect();
        for id in &unwanted {
            self.gossip.forget(*id);
        }
        if !unwanted.is_empty() {
            self.directory.keep_nodes(allowed);
            self.servers_changed(now);
        }
        self.summarize(now);
        self.windows_soon(now);
    }
}

/// What a proof is over: who shows it to whom.
fn statement(prover: NodeId, other: NodeId) -> Vec<u8> {
    [b"truca-member-1\n".as_slice(), &prover.0, &other.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId([1; 16]);
    const B: NodeId = NodeId([2; 16]);

    #[test]
    fn a_proof_holds_for_one_pair_and_one_direction() {
        let admission = Admission::Secret(CommunityKey::of("correct horse battery"));
        let other = Admission::Secret(CommunityKey::of("correct horse batterz"));
        let proof = admission.proof(A, B).unwrap();
        assert!(admission.is_proof(B, A, &proof));
        assert!(!admission.is_proof(A, B, &proof), "shown back");
        assert!(!admission.is_proof(NodeId([3; 16]), A, &proof), "passed on");
        assert!(!other.is_proof(B, A, &proof));
        assert!(Admission::Open.is_proof(B, A, &proof), "who asks for none takes any");
    }
}
