//! What the owner is shown of the node: the shapes are described in [`super::admin`].

use serde_json::{Value, json};
use truca_core::Time;
use truca_core::directory::record::Account;
use truca_core::id::NodeId;

use super::ground::Ground;

/// Most rows of one answer: with the longest of all, half of what a message of ubus may have.
pub(super) const MAX_ROWS: usize = 1_000;
/// How many accounts when nobody says.
const SOME_ROWS: usize = 100;
/// From how full on a bound is worth a warning, in tenths.
const NEARLY: usize = 9;

/// What the owner should know, and what to do about it.
pub(crate) fn warning(code: &str, level: &str, text: &str) -> Value {
    json!({"code": code, "level": level, "text": text})
}

impl Ground {
    /// What there is to say without asking the rooms; they add theirs.
    pub(super) fn status(&self, now: Time) -> Value {
        let (nodes, accounts, attachments) = self.directory.sizes();
        let here = self
            .directory
            .accounts()
            .filter(|account| {
                self.directory.here(&account.address(), |id| self.alive.contains(id)).next().is_some()
            })
            .count();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "node": { "id": self.id.to_string(), "name": self.settings.name.as_str() },
            "uptime_s": now.as_secs(),
            "members_alive": self.alive.len(),
            "members_known": nodes,
            "deaths": self.deaths,
            "sessions": self.who.len(),
            "accounts": self.directory.accounts_of(self.id).count(),
            "people": self.directory.accounts().count(),
            "here": here,
            "records": nodes + accounts + attachments,
            "records_unchecked": self.directory.unchecked(),
            "limits": { "sessions": self.settings.max_sessions, "accounts": self.settings.max_accounts },
            "traffic": {
                "links": { "in_bytes": self.traffic.links_in, "out_bytes": self.traffic.links_out },
                "pages": { "in_bytes": self.traffic.pages_in, "out_bytes": self.traffic.pages_out },
                "membership": { "in_bytes": self.traffic.datagrams_in, "out_bytes": self.traffic.datagrams_out },
            },
            "warnings": self.warnings(),
            "counters": {
                "directory": self.directory.counters(),
                "gossip": self.gossip.counters(),
                "links": self.counters,
                "kept_out": self.bans.counters,
            },
        })
    }

    fn warnings(&self) -> Vec<Value> {
        let mut found = Vec::new();
        let nearly = |used: usize, bound: usize| used * 10 >= bound * NEARLY;
        if self.settings.addresses.is_empty() {
            found.push(warning(
                "no_address",
                "error",
                "No interface has an address that others can reach. Check the network, or set option `address`.",
            ));
        }
        if nearly(self.directory.accounts_of(self.id).count(), self.settings.max_accounts) {
            found.push(warning(
                "accounts_nearly_full",
                "warning",
                "Nearly as many people have an account here as may. Delete old accounts, or raise `accounts`.",
            ));
        }
        if nearly(self.who.len(), self.settings.max_sessions) {
            found.push(warning(
                "sessions_nearly_full",
                "warning",
                "Nearly as many pages are signed in as may. Raise option `sessions` if the router has memory.",
            ));
        }
        if self.directory.counters().full > 0 {
            found.push(warning(
                "directory_full",
                "warning",
                "Records of the mesh were refused because a bound is reached: some people are not shown here.",
            ));
        }
        if let Some((name, ids)) = self.directory.namesakes() {
            let ids: Vec<String> = ids.iter().take(4).map(NodeId::to_string).collect();
            found.push(warning(
                "same_name",
                "warning",
                &format!(
                    "Several nodes are called {name}: {}. They are shown with letters of their ids. If one is new, ask whose it is.",
                    ids.join(", ")
                ),
            ));
        }
        if self.settings.stun_port == 0 {
            found.push(warning(
                "stun_off",
                "warning",
                "STUN is off, so browsers hide their addresses and calls may fail. Set option `stun_port`.",
            ));
        }
        if self.alive.len() == 1 {
            found.push(warning(
                "alone",
                "info",
                "No other node is known. If one should be, check the firewalls, or add it as a `peer`.",
            ));
        }
        found
    }

    pub(super) fn accounts(&self, filter: Option<&str>, limit: Option<usize>) -> Value {
        let filter = filter.unwrap_or_default().to_lowercase();
        let fits = |account: &&Account| {
            account.body.display.as_str().to_lowercase().contains(&filter)
                || account.address().to_string().contains(&filter)
        };
        let limit = limit.unwrap_or(SOME_ROWS).min(MAX_ROWS);
        let mut found: Vec<&Account> = self.directory.accounts_of(self.id).filter(fits).collect();
        let more = found.len().saturating_sub(limit);
        found.truncate(limit);
        let accounts: Vec<Value> = found.into_iter().map(|account| self.show_account(account)).collect();
        json!({ "accounts": accounts, "more": more })
    }

    pub(super) fn show_account(&self, account: &Account) -> Value {
        let address = account.address();
        let at: Vec<String> = self
            .directory
            .here(&address, |id| self.alive.contains(id))
            .map(|attachment| self.directory.shown_name(&attachment.node))
            .collect();
        json!({
            "address": address.to_string(),
            "display": account.body.display.as_str(),
            "admin": account.body.is_admin(),
            "password": account.body.has_password(),
            "devices": account.body.devices.len(),
            "here": !at.is_empty(),
            "at": at,
        })
    }
}
