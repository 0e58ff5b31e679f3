//! What the control socket shows: the shapes are described in `host/ctl.rs`, which prints them.

use serde_json::{Value, json};
use truca_core::Time;

use super::{Keys, Node};

impl<K: Keys> Node<K> {
    /// Answers a control command, when the node is the one to answer it.
    pub fn report(&self, now: Time, command: &str) -> Option<Value> {
        match command {
            "status" => Some(self.status(now)),
            "members" => Some(self.members()),
            "accounts" => Some(self.accounts()),
            "links" => Some(self.links_now(now)),
            _ => None,
        }
    }

    fn status(&self, now: Time) -> Value {
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
            "people": accounts,
            "here": here,
            "calls": self.calls.len(),
            "links": self.links.len(),
            "records": nodes + accounts + attachments,
            "counters": {
                "page_requests": self.pages.requests,
                "page_refusals": self.pages.refusals,
                "records_dropped": self.inbox.dropped,
                "directory": self.directory.counters(),
                "gossip": self.gossip.counters(),
                "links": self.links.counters,
            },
        })
    }

    fn members(&self) -> Value {
        let members: Vec<Value> = self
            .directory
            .nodes()
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
                json!({
                    "id": id.to_string(),
                    "name": node.body.name.as_str(),
                    "state": state,
                    "address": address.map(|address| address.to_string()),
                    "version": format!("{major}.{minor}.{patch}"),
                    "source": if id == self.id { "self" } else { self.links.source(id) },
                    "people": self.directory.accounts_of(id).count(),
                })
            })
            .collect();
        json!({ "members": members })
    }

    fn accounts(&self) -> Value {
        let accounts: Vec<Value> = self
            .directory
            .accounts_of(self.id)
            .map(|account| {
                let address = account.address();
                let at: Vec<String> = self
                    .directory
                    .here(&address, |id| self.alive.contains(id))
                    .map(|attachment| self.directory.node_name(&attachment.node).to_owned())
                    .collect();
                json!({
                    "address": address.to_string(),
                    "display": account.body.display.as_str(),
                    "devices": account.body.devices.len(),
                    "here": !at.is_empty(),
                    "at": at,
                })
            })
            .collect();
        json!({ "accounts": accounts })
    }

    fn links_now(&self, now: Time) -> Value {
        let links: Vec<Value> = self
            .links
            .view(now)
            .map(|link| {
                json!({
                    "id": link.id.to_string(),
                    "name": self.directory.node_name(&link.id),
                    "remote": link.remote.to_string(),
                    "dialled": link.dialled,
                    "age_s": link.age.as_secs(),
                    "in_bytes": link.in_bytes,
                    "out_bytes": link.out_bytes,
                })
            })
            .collect();
        json!({ "links": links })
    }
}
