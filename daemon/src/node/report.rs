//! What the owner is shown of the node: the shapes are described in [`super::admin`].

use std::net::IpAddr;

use serde_json::{Value, json};
use truca_core::Time;
use truca_core::directory::record::Account;
use truca_core::id::NodeId;
use truca_core::name::Address;

use super::Node;

/// Most rows of one answer: with the longest of all, half of what a message of ubus may have.
const MAX_ROWS: usize = 1_000;
/// How many accounts when nobody says.
const SOME_ROWS: usize = 100;
/// From how full on a bound is worth a warning, in tenths.
const NEARLY: usize = 9;

/// What the owner should know, and what to do about it.
pub(crate) fn warning(code: &str, level: &str, text: &str) -> Value {
    json!({"code": code, "level": level, "text": text})
}

impl Node {
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
            "sockets": self.pages.sockets(),
            "sessions": self.pages.sessions.len(),
            "accounts": self.directory.accounts_of(self.id).count(),
            "people": self.directory.accounts().count(),
            "here": here,
            "calls": self.calls.len(),
            "links": self.links.len(),
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
                "page_requests": self.pages.requests,
                "page_refusals": self.pages.refusals,
                "records_dropped": self.inbox.dropped,
                "directory": self.directory.counters(),
                "gossip": self.gossip.counters(),
                "links": self.links.counters,
                "kept_out": self.owner.counters,
                "devices": self.linking.counters,
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
        if nearly(self.pages.sessions.len(), self.settings.max_sessions) {
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

    pub(super) fn members(&self) -> Value {
        let members: Vec<Value> = self
            .directory
            .nodes()
            .take(MAX_ROWS)
            .map(|node| {
                let id = node.id();
                let state = match id {
                    id if id == self.id => "self",
                    id if self.alive.contains(&id) => "alive",
                    _ => "down",
                };
                let own = self
                    .settings
                    .addresses
                    .first()
                    .map(|ip| std::net::SocketAddr::new(*ip, self.settings.port));
                let address = if id == self.id { own } else { self.gossip.address(id) };
                let (major, minor, patch) = node.body.version;
                let (rtt, loss) = self.gossip.measures(id);
                json!({
                    "id": id.to_string(),
                    "name": self.directory.shown_name(&id),
                    "state": state,
                    "address": address.map(|address| address.to_string()),
                    "version": format!("{major}.{minor}.{patch}"),
                    "source": if id == self.id { "self" } else { self.links.source(id) },
                    "rtt_ms": rtt,
                    "loss_pct": loss,
                    "people": self.directory.accounts_of(id).count(),
                })
            })
            .collect();
        let more = self.directory.nodes().count() - members.len();
        json!({ "members": members, "more": more })
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

    pub(super) fn sessions(&self, now: Time) -> Value {
        let display = |address: &Address| {
            let account = self.directory.account(address);
            account.map(|account| account.body.display.as_str())
        };
        let sessions: Vec<Value> = self
            .pages
            .sessions
            .iter()
            .take(MAX_ROWS)
            .map(|(session, attached)| {
                json!({
                    "id": session.0,
                    "address": attached.own.address.to_string(),
                    "display": display(&attached.own.address),
                    "age_s": now.saturating_sub(attached.since).as_secs(),
                    "attached": attached.is_open(),
                })
            })
            .collect();
        let more = self.pages.sessions.len() - sessions.len();
        json!({ "sessions": sessions, "more": more })
    }

    /// What pages are told for getting through NAT, and why.
    pub(super) fn ice_decisions(&mut self) -> Value {
        self.choose_servers();
        let mut decisions = Vec::new();
        let mut decide = |code: &str, addresses: &[String], text: &str| {
            decisions.push(json!({"code": code, "addresses": addresses, "text": text}));
        };
        let addresses: Vec<String> = self.settings.addresses.iter().map(IpAddr::to_string).collect();
        match self.settings.stun_port {
            0 => decide("no_own_stun", &[], "This node offers no STUN: option `stun_port` is 0."),
            _ => decide(
                "own_stun",
                &addresses,
                "Pages are given this node's STUN at the address that they reached: any answer makes browsers show real addresses instead of hidden ones.",
            ),
        }
        match &self.turn {
            Some(_) => decide(
                "own_turn",
                &addresses,
                "Pages are granted relaying by this node, over UDP and TCP, for calls that no other path carries.",
            ),
            None => decide(
                "no_turn",
                &[],
                "This node relays nothing (option `enabled` of section `turn`): some calls through NAT do not connect.",
            ),
        }
        self.decisions_on_servers(&mut decisions);
        json!({ "decisions": decisions })
    }

    pub(super) fn links_now(&self, now: Time) -> Value {
        let links: Vec<Value> = self
            .links
            .view(now)
            .map(|link| {
                let (rtt, loss) = self.gossip.measures(link.id);
                json!({
                    "id": link.id.to_string(),
                    "name": self.directory.shown_name(&link.id),
                    "remote": link.remote.to_string(),
                    "dialled": link.dialled,
                    "age_s": link.age.as_secs(),
                    "in_bytes": link.in_bytes,
                    "out_bytes": link.out_bytes,
                    "rtt_ms": rtt,
                    "loss_pct": loss,
                })
            })
            .collect();
        json!({ "links": links })
    }
}
