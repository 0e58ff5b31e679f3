//! What was decided for getting through NAT, and why, in words for the owner.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use truca_core::ice::masquerade::Verdict;
use truca_core::id::NodeId;

use super::super::ground::Ground;
use super::{Servers, Way};

impl Servers {
    /// What pages are told for getting through NAT, and why.
    pub(in super::super) fn decisions(&mut self, ground: &mut Ground) -> Value {
        self.choose_servers(ground);
        let mut decisions = Vec::new();
        let mut decide = |code: &str, addresses: &[String], text: &str| {
            decisions.push(json!({"code": code, "addresses": addresses, "text": text}));
        };
        let addresses: Vec<String> = ground.settings.addresses.iter().map(IpAddr::to_string).collect();
        match ground.settings.stun_port {
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
        self.decisions_on_servers(ground, &mut decisions);
        json!({ "decisions": decisions })
    }

    /// What was decided about other nodes' STUN and about reflexive addresses, in words.
    fn decisions_on_servers(&self, ground: &Ground, decisions: &mut Vec<Value>) {
        let mut decide = |code: &str, addresses: &[String], text: String| {
            decisions.push(json!({"code": code, "addresses": addresses, "text": text}));
        };
        let servers = self;
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
            let why: Vec<String> =
                chosen.iter().map(|(id, at)| self.why_chosen(ground, *id, at.ip())).collect();
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

    fn why_chosen(&self, ground: &Ground, id: NodeId, ip: IpAddr) -> String {
        let by = self.sides.get(&ip).and_then(|side| self.names.get(side));
        let by = by.map_or("somewhere", String::as_str);
        let far = ground.gossip.measures(id).0.map_or("not measured yet".into(), |ms| format!("{ms} ms"));
        format!("{} by {by} ({far})", ground.directory.node_name(&id))
    }
}
