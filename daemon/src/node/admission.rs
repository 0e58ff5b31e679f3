//! Which nodes may be members: any (`open`), those that know a secret (`secret`), or those on a list (`allow`).
//!
//! The secret is proved on each link before anything else is said, for this pair of nodes and this direction, so
//! a proof is worth nothing to anybody else; the dialler proves first, and who cannot is told nothing. It is part
//! of the keys of datagrams too, so membership cannot be had without it. Records come by links and datagrams
//! alone: a directory is as closed as these.

use ring::{digest, hmac};
use truca_core::directory::record::Record;
use truca_core::id::NodeId;
use truca_core::sorted::Set;
use truca_core::wire::bytes::Bytes;

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
