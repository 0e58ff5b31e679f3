//! The ways to other nodes: by which interface each is reached, and what becomes of the LAN's packets there.

use std::net::{IpAddr, SocketAddr};

use truca_core::ice::Side;
use truca_core::ice::masquerade::{Finding, MAX_SIDES, Topology};
use truca_core::sorted::Map;

use super::Running;
use crate::host::interfaces;
use crate::host::route::Routes;
use crate::node::servers::Way;

/// An address that is nobody's (RFC 5737): the way to it is the way to everywhere.
const ANYWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

impl Running {
    /// Looks by which interfaces other nodes are reached, and has the ways of LANs looked at; `again`: all at once,
    /// since the firewall may be another one.
    pub(super) fn look_at_paths(&mut self, again: bool) {
        let now = self.now();
        if self.config.listen.iter().all(IpAddr::is_loopback) {
            // all on one machine: no LAN, and one side
            return self.node.set_ways(now, Some(Vec::new()));
        }
        let mut sides: Map<IpAddr, Side> = Map::new();
        let mut asked: Vec<(Side, Vec<SocketAddr>)> = Vec::new();
        let mut mesh = Vec::new();
        match Routes::open() {
            Ok(routes) => {
                // what leads to the Internet is no LAN, also when no node is there
                mesh.extend(routes.interface_to(ANYWHERE));
                for at in self.node.stun_elsewhere() {
                    let Some(side) = routes.interface_to(at.ip()) else { continue };
                    sides.insert(at.ip(), side);
                    mesh.push(side);
                    if at.is_ipv4() {
                        match asked.iter_mut().find(|(known, _)| *known == side) {
                            Some((_, asked)) => asked.push(at),
                            None => asked.push((side, vec![at])),
                        }
                    }
                }
            }
            Err(error) => log::debug!("ways to other nodes are not known: {error}"),
        }
        let (names, lans) = interfaces::lans(&self.config.listen, &mesh);
        self.node.set_sides(now, sides, names.clone());
        (self.names, self.lans) = (names, lans);
        let topology = if self.config.ice.reflexive && self.config.stun_port != 0 {
            let own = interfaces::own_addresses().into_iter().filter_map(|ip| match ip {
                IpAddr::V4(ip) => Some(ip),
                IpAddr::V6(_) => None,
            });
            // those that are looked at go on, then the nearest; in an order that does not change with who is near
            asked.sort_by_key(|(side, _)| !self.findings.iter().any(|found| found.side == *side));
            asked.truncate(MAX_SIDES);
            asked.sort_by_key(|(side, _)| *side);
            Topology {
                lans: self.lans.iter().map(|(lan, _)| *lan).collect(),
                own: own.collect(),
                sides: asked,
            }
        } else {
            Topology::default()
        };
        self.watch.look(topology, again);
        self.tell_ways();
    }

    /// What becomes of LANs' packets is another thing than before.
    pub(super) fn on_findings(&mut self, findings: Vec<Finding>) {
        self.findings = findings;
        self.tell_ways();
    }

    /// Answers clients as it was found out, and lets pages know.
    fn tell_ways(&mut self) {
        let now = self.now();
        let (first, last) = self.config.ice.ports;
        let on = self.config.ice.reflexive && self.config.stun_port != 0;
        let findings: &[Finding] = if on { &self.findings } else { &[] };
        let failed = self.answers.set(findings, first..=last).err();
        let name = |side: Side| self.names.get(&side).cloned().unwrap_or_else(|| format!("interface {side}"));
        let way = |found: &Finding| Way {
            lan: found.lan,
            from: self
                .lans
                .iter()
                .find(|(lan, _)| *lan == found.lan)
                .map_or_else(String::new, |(_, at)| name(*at)),
            to: name(found.side),
            verdict: found.verdict,
            at: self.answers.at(found.lan, found.side),
        };
        let ways = on.then(|| findings.iter().map(way).collect());
        self.node.set_ways(now, ways);
        self.trouble("no_reflexive", failed);
    }
}
