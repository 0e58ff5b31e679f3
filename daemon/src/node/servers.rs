//! The STUN servers for a page: our own, our own word on how the mesh sees it, and that of other nodes.
//!
//! Which other nodes are given is decided in [`truca_core::ice::choice`], from what membership measures and from
//! the ways that the driver has asked the kernel for ([`Node::set_sides`]); what clients of a LAN can be told, in
//! [`truca_core::ice::masquerade`] ([`Node::set_ways`]). TURN is added by `people.rs`.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use truca_core::Time;
use truca_core::directory::record::Key;
use truca_core::ice::choice::{Candidate, choose};
use truca_core::ice::masquerade::Verdict;
use truca_core::ice::{Lan, Side};
use truca_core::id::NodeId;
use truca_core::sorted::Map;

use super::Node;

/// How many nodes' ways the driver is asked for: the nearest, among which those on other sides are, since each
/// side begins with a neighbour.
pub const MAX_LOOKED_UP: usize = 32;

/// One way of a LAN into the mesh, and what was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The LAN.
    pub lan: Lan,
    /// Its interface.
    pub from: String,
    /// The interface that leads into the mesh.
    pub to: String,
    /// What becomes of packets.
    pub verdict: Verdict,
    /// Where clients of the LAN are told so, while they are.
    pub at: Option<SocketAddr>,
}

/// What pages are told of.
#[derive(Debug, Default)]
pub(super) struct Servers {
    sides: Map<IpAddr, Side>,
    names: Map<Side, String>,
    /// By kind of address.
    chosen: Map<Kind, Vec<(NodeId, SocketAddr)>>,
    /// Members, ways or distances are others than when it was chosen.
    stale: bool,
    /// `None`: the owner does not want clients to be told.
    ways: Option<Vec<Way>>,
}

impl Servers {
    /// A member may have another address.
    pub(super) fn stale(&mut self) {
        self.stale = true;
    }
}

/// Addresses that can reach one another: of one family, and both on loopback or both not.
type Kind = (bool, bool);

fn kind(ip: IpAddr) -> Kind {
    (ip.is_ipv6(), ip.is_loopback())
}

impl Node {
    /// STUN of other nodes to which the ways should be looked up, nearest first.
    pub fn stun_elsewhere(&self) -> Vec<SocketAddr> {
        let chosen = self.servers.chosen.values().flatten().map(|(_, at)| *at);
        let mut found: Vec<SocketAddr> = chosen.collect();
        let mut candidates: Vec<_> = self.stun_candidates().collect();
        candidates.sort_by_key(|(_, one)| (one.rtt_ms.unwrap_or(u32::MAX), one.server));
        for (_, Candidate { server: (_, at), .. }) in candidates {
            if found.len() >= MAX_LOOKED_UP {
                break;
            }
            if !found.contains(&at) {
                found.push(at);
            }
        }
        found
    }

    /// By which interfaces other nodes are reached, and what these are called.
    pub fn set_sides(&mut self, now: Time, sides: Map<IpAddr, Side>, names: Map<Side, String>) {
        (self.servers.sides, self.servers.names) = (sides, names);
        self.servers_changed(now);
    }

    /// What was found out of the ways of LANs into the mesh; `None`: the owner wants nobody to be told.
    pub fn set_ways(&mut self, now: Time, ways: Option<Vec<Way>>) {
        if self.servers.ways != ways {
            self.servers.ways = ways;
            self.windows_soon(now);
        }
    }

    /// Members came or went, or the ways to them are others: pages are told if that changes the choice.
    pub(super) fn servers_changed(&mut self, now: Time) {
        self.servers.stale = true;
        self.windows_soon(now);
    }

    /// Chooses anew, when something has changed.
    pub(super) fn choose_servers(&mut self) {
        if !std::mem::take(&mut self.servers.stale) {
            return;
        }
        let mut found: Map<Kind, Vec<Candidate<(NodeId, SocketAddr)>>> = Map::new();
        for (kind, candidate) in self.stun_candidates() {
            found.entry(kind).or_default().push(candidate);
        }
        let before = std::mem::take(&mut self.servers.chosen);
        let choose = |(kind, candidates): (Kind, Vec<_>)| {
            (kind, choose(&candidates, before.get(&kind).map_or(&[], Vec::as_slice)))
        };
        self.servers.chosen = found.into_iter().map(choose).collect();
    }

    /// Every member that offers STUN, for each kind of address that it has.
    fn stun_candidates(&self) -> impl Iterator<Item = (Kind, Candidate<(NodeId, SocketAddr)>)> {
        self.alive.iter().filter(|id| **id != self.id).flat_map(move |id| {
            let body = self.directory.node(id).map(|record| &record.body);
            let body = body.filter(|b| b.stun_port > 0 && self.directory.is_checked(&Key::Node(*id)));
            let at = body.and_then(|_| Some(self.gossip.address(*id)?.ip()));
            // where it was heard; and where it says that it is, for pages of the other family
            let mut others = body.into_iter().flat_map(|body| body.addresses.iter().copied());
            let usable = |ip: &IpAddr| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
            let other = at.and_then(|at| {
                let ours = &self.settings.addresses;
                others.find(|ip| ip.is_ipv6() != at.is_ipv6() && usable(ip) && !ours.contains(ip))
            });
            let (rtt_ms, loss_pct) = self.gossip.measures(*id);
            let port = body.map_or(0, |body| body.stun_port);
            [at, other].into_iter().flatten().filter(usable).map(move |ip| {
                let side = self.servers.sides.get(&ip).copied();
                (kind(ip), Candidate { server: (*id, SocketAddr::new(ip, port)), side, rtt_ms, loss_pct })
            })
        })
    }

    /// The STUN servers for a page at `client` that reached us at `local`: our own there, which makes browsers show
    /// real addresses; our own word on how the mesh sees it, where that is certain; and other nodes', which see the
    /// page from outside its router.
    pub(super) fn stun_for(&self, local: IpAddr, client: IpAddr) -> Vec<SocketAddr> {
        let ways = self.servers.ways.iter().flatten();
        let told = ways.filter_map(|way| match client {
            IpAddr::V4(client) if way.lan.has_client(client) => way.at,
            _ => None,
        });
        let chosen = self.servers.chosen.get(&kind(local)).into_iter().flatten().map(|(_, at)| *at);
        self.own_stun(local).into_iter().chain(told).chain(chosen).collect()
    }

    /// What was decided about other nodes' STUN and about reflexive addresses, in words.
    pub(super) fn decisions_on_servers(&self, decisions: &mut Vec<Value>) {
        let mut decide = |code: &str, addresses: &[String], text: String| {
            decisions.push(json!({"code": code, "addresses": addresses, "text": text}));
        };
        let servers = &self.servers;
        let mut chosen: Vec<&(NodeId, SocketAddr)> = servers.chosen.values().flatten().collect();
        chosen.sort_by_key(|(id, _)| *id);
        if chosen.is_empty() {
            decide(
                "no_remote_stun",
                &[],
                "No other node offers STUN now: a page behind this router's NAT cannot learn from elsewhere how the mesh sees it."
                    .into(),
            );
        } else {
            let addresses: Vec<String> = chosen.iter().map(|(_, at)| at.to_string()).collect();
            let why: Vec<String> = chosen.iter().map(|(id, at)| self.why_chosen(*id, at.ip())).collect();
            let text = format!(
                "Pages are given STUN of other nodes too: they see a page from outside this router's NAT. Near, and on different sides: {}.",
                why.join(", ")
            );
            decide("remote_stun", &addresses, text);
        }
        let Some(ways) = &servers.ways else {
            let text = "This router tells nobody which address they have towards the mesh: option `reflexive` of section `ice` is 0.";
            return decide("reflexive_off", &[], text.into());
        };
        if ways.is_empty() {
            let text = "No LAN, or no other node's STUN to ask how the mesh sees it.";
            decide("reflexive_nobody", &[], text.into());
        }
        for Way { lan, from, to, verdict, at } in ways {
            let lan = format!("{}/{}", lan.address, lan.prefix);
            let what = format!("What {lan} ({from}) sends by {to}");
            match (verdict, at) {
                (Verdict::Keeps(mapped), Some(at)) => decide(
                    "reflexive",
                    &[at.to_string()],
                    format!("{what} is masqueraded as {mapped} and keeps its port: pages there are told so."),
                ),
                (Verdict::Keeps(mapped), None) => decide(
                    "reflexive_no_port",
                    &[],
                    format!(
                        "{what} is masqueraded as {mapped} and keeps its port, but no port of `reflexive_ports` is free to tell so."
                    ),
                ),
                (Verdict::Waiting, _) => {
                    decide("reflexive_waiting", &[], format!("{what} is being looked at."));
                }
                (Verdict::Routed, _) => decide(
                    "reflexive_routed",
                    &[],
                    format!("{what} keeps its address: pages there need no other one."),
                ),
                (Verdict::Rewrites(mapped), _) => decide(
                    "reflexive_random",
                    &[],
                    format!(
                        "{what} is masqueraded as {mapped} with other ports: no address would be true, and calls are relayed. Without `random` in the masquerade rule they find a direct way."
                    ),
                ),
                (Verdict::Beyond(mapped), _) => decide(
                    "reflexive_beyond",
                    &[],
                    format!(
                        "{what} arrives as {mapped}: another router translates, and only others' STUN sees that."
                    ),
                ),
                (Verdict::Unsteady, _) => decide(
                    "reflexive_unsteady",
                    &[],
                    format!("{what} arrives now as one address, now as another: nobody is told any."),
                ),
                (Verdict::Silent, _) => decide(
                    "reflexive_silent",
                    &[],
                    format!(
                        "{what}: too few answers of other nodes, so nobody is told anything. Is UDP let through to their STUN?"
                    ),
                ),
            }
        }
    }

    fn why_chosen(&self, id: NodeId, ip: IpAddr) -> String {
        let by = self.servers.sides.get(&ip).and_then(|side| self.servers.names.get(side));
        let by = by.map_or("somewhere", String::as_str);
        let far = self.gossip.measures(id).0.map_or("not measured yet".into(), |ms| format!("{ms} ms"));
        format!("{} by {by} ({far})", self.directory.node_name(&id))
    }
}

#[cfg(test)]
mod tests;
