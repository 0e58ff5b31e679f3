//! Whom the owner keeps out of this node; the owner's room decides, and whoever lets in asks here.
//!
//! Bounds: [`MAX_BANS`].

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use truca_core::id::NodeId;
use truca_core::name::Address;
use truca_core::sorted::Map;

/// Most bans.
pub(super) const MAX_BANS: usize = 256;

/// Who is kept out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Whom {
    Account(Address),
    Node(NodeId),
}

impl Whom {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(address) => Some(Self::Account(address)),
            Err(_) => text.parse().ok().map(Self::Node),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(address) => address.fmt(f),
            Self::Node(id) => id.fmt(f),
        }
    }
}

/// What bans have refused, of which kind.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub(super) struct Counters {
    pub(super) sign_ins: u32,
    pub(super) links: u32,
    pub(super) calls: u32,
}

/// All bans.
#[derive(Debug, Default)]
pub(super) struct Bans {
    kept: Vec<(Whom, String)>,
    pub(super) counters: Counters,
    refused: Map<Whom, u32>,
}

impl Bans {
    pub(super) fn new(mut kept: Vec<(Whom, String)>) -> Self {
        kept.truncate(MAX_BANS);
        Self { kept, ..Self::default() }
    }

    /// What is saved.
    pub(super) fn to_save(&self) -> Vec<(Whom, String)> {
        self.kept.clone()
    }

    /// Keeps somebody out, or says another reason. Whether there was room.
    pub(super) fn ban(&mut self, whom: Whom, reason: String) -> bool {
        let count = self.kept.len();
        match self.kept.iter_mut().find(|(banned, _)| *banned == whom) {
            Some((_, old)) => *old = reason,
            None if count >= MAX_BANS => return false,
            None => self.kept.push((whom, reason)),
        }
        true
    }

    /// Lets somebody in again. Whether they were kept out.
    pub(super) fn unban(&mut self, whom: &Whom) -> bool {
        let before = self.kept.len();
        self.kept.retain(|(banned, _)| banned != whom);
        self.refused.remove(whom);
        self.kept.len() != before
    }

    fn has(&self, whom: &Whom) -> bool {
        self.kept.iter().any(|(banned, _)| banned == whom)
    }

    /// The ban that keeps an account out: its own or that of its home.
    pub(super) fn of(&self, address: &Address) -> Option<Whom> {
        if self.kept.is_empty() {
            return None;
        }
        [Whom::Account(address.clone()), Whom::Node(address.home)].into_iter().find(|whom| self.has(whom))
    }

    fn count(&mut self, whom: Whom) {
        let refused = self.refused.entry(whom).or_default();
        *refused = refused.wrapping_add(1);
    }

    /// Whether this account is kept out; counts it.
    pub(super) fn refuses_sign_in(&mut self, address: &Address) -> bool {
        let Some(whom) = self.of(address) else { return false };
        self.counters.sign_ins = self.counters.sign_ins.wrapping_add(1);
        self.count(whom);
        true
    }

    /// Whether a call by this account is kept out; counts it.
    pub(super) fn refuses_call(&mut self, address: &Address) -> bool {
        let Some(whom) = self.of(address) else { return false };
        self.counters.calls = self.counters.calls.wrapping_add(1);
        self.count(whom);
        true
    }

    /// Whether this node is kept out; counts it.
    pub(super) fn refuses_link(&mut self, id: NodeId) -> bool {
        if !self.has(&Whom::Node(id)) {
            return false;
        }
        self.counters.links = self.counters.links.wrapping_add(1);
        self.count(Whom::Node(id));
        true
    }

    /// For the control socket.
    pub(super) fn list(&self) -> Value {
        let bans = self.kept.iter().map(|(whom, reason)| {
            let refused = self.refused.get(whom).copied().unwrap_or(0);
            json!({"id": whom.to_string(), "reason": reason, "refused": refused})
        });
        json!({ "bans": bans.collect::<Vec<_>>() })
    }
}
