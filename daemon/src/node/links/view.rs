//! What the owner is shown of nodes and links.

use std::net::SocketAddr;

use serde_json::{Value, json};
use truca_core::Time;
use truca_core::id::NodeId;

use super::super::ground::Ground;
use super::super::report::MAX_ROWS;
use super::Links;

impl Links {
    /// By which hint a node was found.
    fn source(&self, id: NodeId) -> &'static str {
        self.sources.get(&id).copied().unwrap_or("member")
    }

    /// Every node that is known.
    pub(in super::super) fn members(&self, ground: &Ground) -> Value {
        let members: Vec<Value> = ground
            .directory
            .nodes()
            .take(MAX_ROWS)
            .map(|node| {
                let id = node.id();
                let state = match id {
                    id if id == ground.id => "self",
                    id if ground.alive.contains(&id) => "alive",
                    _ => "down",
                };
                let own =
                    ground.settings.addresses.first().map(|ip| SocketAddr::new(*ip, ground.settings.port));
                let address = if id == ground.id { own } else { ground.gossip.address(id) };
                let (major, minor, patch) = node.body.version;
                let (rtt, loss) = ground.gossip.measures(id);
                json!({
                    "id": id.to_string(),
                    "name": ground.directory.shown_name(&id),
                    "state": state,
                    "address": address.map(|address| address.to_string()),
                    "version": format!("{major}.{minor}.{patch}"),
                    "source": if id == ground.id { "self" } else { self.source(id) },
                    "rtt_ms": rtt,
                    "loss_pct": loss,
                    "people": ground.directory.accounts_of(id).count(),
                })
            })
            .collect();
        let more = ground.directory.nodes().count() - members.len();
        json!({ "members": members, "more": more })
    }

    /// Every link that is open.
    pub(in super::super) fn view(&self, ground: &Ground, now: Time) -> Value {
        let links: Vec<Value> = self
            .open
            .values()
            .filter(|link| link.ready)
            .map(|link| {
                let (rtt, loss) = ground.gossip.measures(link.id);
                json!({
                    "id": link.id.to_string(),
                    "name": ground.directory.shown_name(&link.id),
                    "remote": link.remote.to_string(),
                    "dialled": link.dialled,
                    "age_s": now.saturating_sub(link.opened).as_secs(),
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
