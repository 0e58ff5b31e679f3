//! Finds out what becomes of a LAN's packets on their way into the mesh: whether they are masqueraded, as which
//! address, and whether they keep their port.
//!
//! A router cannot read its own rules without rights, but it can send as a client does: a Binding request from its
//! own address *in the LAN* to another node's STUN meets the same source translation, and the answer says what came
//! of it. Two questions from two ports, each time two new ones, since a known flow keeps the translation it began
//! with. Only when both keep their port, and both come out as one address of ours, a client may be told so
//! ([`Verdict::Keeps`]); whatever is less certain is not told. Silence alone takes nothing back until it lasts.
//!
//! Driven by the daemon's `mesh/reflexive.rs`: [`Prober::set_topology`] at the start and at every change,
//! [`Prober::handle_answer`], [`Prober::handle_timeout`].

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use std::collections::VecDeque;

use super::{Lan, Side};
use crate::Time;

/// Most LANs that are looked at: more are rare on a router, and each costs questions.
pub const MAX_LANS: usize = 4;
/// Most sides of the mesh: a port for each must be open.
pub const MAX_SIDES: usize = 4;
/// Other nodes of a side that are asked: when one is silent or lies, the other does not.
pub const MAX_ASKED: usize = 2;
/// Ports that are asked from. One would be right by chance once in 65,536.
const PORTS: usize = 2;
/// How often it is looked again: two datagrams of 48 bytes each way for each LAN and side.
pub const PERIOD: Duration = Duration::from_secs(60);
/// First wait for an answer, doubled each time (RFC 8489 section 6.2.1).
const RTO: Duration = Duration::from_millis(500);
/// How often a question is said.
const TRIES: u8 = 4;
/// After a round without an answer; doubled up to [`PERIOD`].
const RETRY: Duration = Duration::from_secs(5);
/// Silent rounds that a verdict outlives.
const PATIENCE: u8 = 2;

/// What the questions of a LAN on one way come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is known yet.
    Waiting,
    /// Packets keep their address: the LAN is routed.
    Routed,
    /// Packets leave with this address of ours and their own port.
    Keeps(Ipv4Addr),
    /// Packets leave with an address of ours and another port.
    Rewrites(Ipv4Addr),
    /// Packets arrive with an address that is none of ours: somebody further on translates.
    Beyond(IpAddr),
    /// Two answers that do not fit together.
    Unsteady,
    /// Too few answers.
    Silent,
}

/// A verdict, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finding {
    /// Of which LAN's packets.
    pub lan: Lan,
    /// By which way.
    pub side: Side,
    /// What becomes of them.
    pub verdict: Verdict,
}

/// What there is to ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topology {
    /// The LANs; the first [`MAX_LANS`] count.
    pub lans: Vec<Lan>,
    /// All IPv4 addresses of this router.
    pub own: Vec<Ipv4Addr>,
    /// The ways into the mesh, and the STUN of nodes there, nearest first; the first [`MAX_SIDES`] count.
    pub sides: Vec<(Side, Vec<SocketAddr>)>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Send a question, from a socket that is this probe's alone and has a new port at this address.
    Ask {
        /// Names the socket; it is opened when it is named first.
        probe: u32,
        /// The router's address in the LAN.
        from: Ipv4Addr,
        /// Whom to ask.
        to: SocketAddr,
    },
    /// Close the socket.
    Close(u32),
    /// A verdict is another one, came or went.
    Changed,
}

/// The ways out of each LAN, and what is known of them.
#[derive(Debug, Default)]
pub struct Prober {
    topology: Topology,
    ways: Vec<Way>,
    last_probe: u32,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Way {
    found: Finding,
    asked: Vec<SocketAddr>,
    /// Silent rounds in a row.
    silent: u8,
    /// When the next round begins, or the questions of this one are said again.
    next: Time,
    round: Option<Round>,
}

#[derive(Debug)]
struct Round {
    tries: u8,
    probes: [Probe; PORTS],
}

#[derive(Debug, Clone, Copy)]
struct Probe {
    number: u32,
    /// The port asked from, and what the answer says.
    heard: Option<(u16, SocketAddr)>,
}

impl Prober {
    /// Nothing to ask yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what there is now. Ways that stay keep their verdict; all are looked at anew when an address or a way
    /// is another one than before.
    pub fn set_topology(&mut self, now: Time, mut topology: Topology) {
        topology.lans.truncate(MAX_LANS);
        topology.sides.truncate(MAX_SIDES);
        let sides = |topology: &Topology| topology.sides.iter().map(|(side, _)| *side).collect::<Vec<_>>();
        let anew = (&topology.lans, &topology.own, sides(&topology))
            != (&self.topology.lans, &self.topology.own, sides(&self.topology));
        let mut old = std::mem::take(&mut self.ways);
        let before = old.len();
        for (side, asked) in &topology.sides {
            for lan in &topology.lans {
                let asked = asked.iter().copied().filter(SocketAddr::is_ipv4).take(MAX_ASKED).collect();
                let same = |way: &Way| (way.found.lan, way.found.side) == (*lan, *side);
                self.ways.push(match old.iter().position(same) {
                    Some(at) => Way { asked, ..old.swap_remove(at) },
                    None => Way {
                        found: Finding { lan: *lan, side: *side, verdict: Verdict::Waiting },
                        asked,
                        silent: 0,
                        next: now,
                        round: None,
                    },
                });
            }
        }
        if !old.is_empty() || self.ways.len() != before {
            self.outputs.push_back(Output::Changed);
        }
        for gone in old {
            self.close(gone.round);
        }
        self.topology = topology;
        if anew {
            self.begin(now);
        }
    }

    /// Looks at all ways now, since rules may have changed: what is not confirmed at once counts no more.
    pub fn look_again(&mut self, now: Time) {
        self.begin(now);
        for way in &mut self.ways {
            way.silent = PATIENCE;
        }
    }

    fn begin(&mut self, now: Time) {
        for at in 0..self.ways.len() {
            let round = self.ways[at].round.take();
            self.close(round);
            self.ways[at].next = now;
        }
    }

    /// A question of this probe was answered: it was asked from `port`, and came out as `mapped`.
    pub fn handle_answer(&mut self, now: Time, probe: u32, port: u16, mapped: SocketAddr) {
        for at in 0..self.ways.len() {
            let Some(round) = &mut self.ways[at].round else { continue };
            let Some(asking) = round.probes.iter_mut().find(|asking| asking.number == probe) else {
                continue;
            };
            asking.heard.get_or_insert((port, mapped));
            if round.probes.iter().all(|asking| asking.heard.is_some()) {
                self.conclude(now, at);
            }
            return;
        }
    }

    /// Asks, asks again, or gives up, where it is due.
    pub fn handle_timeout(&mut self, now: Time) {
        for at in 0..self.ways.len() {
            let way = &mut self.ways[at];
            if way.next > now {
                continue;
            }
            match &mut way.round {
                None => {
                    let probes = [(); PORTS].map(|()| {
                        self.last_probe = self.last_probe.wrapping_add(1);
                        Probe { number: self.last_probe, heard: None }
                    });
                    way.round = Some(Round { tries: 0, probes });
                }
                Some(round) if round.tries == TRIES => {
                    self.conclude(now, at);
                    continue;
                }
                Some(_) => {}
            }
            self.ask(now, at);
        }
    }

    /// Says the questions of a round that are not answered yet; each time to another node, if there is one.
    fn ask(&mut self, now: Time, at: usize) {
        let way = &mut self.ways[at];
        let Some(round) = &mut way.round else { return };
        for (place, probe) in round.probes.iter().enumerate() {
            let turn = place + usize::from(round.tries);
            let to = way.asked.get(turn % way.asked.len().max(1));
            if let Some(to) = to.filter(|_| probe.heard.is_none()) {
                self.outputs.push_back(Output::Ask {
                    probe: probe.number,
                    from: way.found.lan.address,
                    to: *to,
                });
            }
        }
        way.next = now + RTO * (1 << round.tries);
        round.tries += 1;
    }

    fn conclude(&mut self, now: Time, at: usize) {
        let way = &mut self.ways[at];
        let Some(round) = way.round.take() else { return };
        let own = &self.topology.own;
        let judged = round
            .probes
            .map(|probe| probe.heard.map(|(port, mapped)| judge(way.found.lan.address, own, port, mapped)));
        let verdict = match judged {
            [Some(first), Some(second)] if first == second => first,
            // one that was rewritten is enough to know that ports are not kept
            [
                Some(Verdict::Keeps(one) | Verdict::Rewrites(one)),
                Some(Verdict::Keeps(other) | Verdict::Rewrites(other)),
            ] if one == other => Verdict::Rewrites(one),
            [Some(_), Some(_)] => Verdict::Unsteady,
            // what is never told needs no second word
            [Some(one), None] | [None, Some(one)] if !matches!(one, Verdict::Keeps(_)) => one,
            _ => Verdict::Silent,
        };
        way.silent = if verdict == Verdict::Silent { way.silent.saturating_add(1) } else { 0 };
        let pause = RETRY * (1 << way.silent.saturating_sub(1).min(4));
        way.next = now + if way.silent == 0 { PERIOD } else { pause.min(PERIOD) };
        let known = !matches!(way.found.verdict, Verdict::Waiting | Verdict::Silent);
        if verdict != way.found.verdict && !(known && (1..=PATIENCE).contains(&way.silent)) {
            way.found.verdict = verdict;
            self.outputs.push_back(Output::Changed);
        }
        self.close(Some(round));
    }

    fn close(&mut self, round: Option<Round>) {
        let probes = round.into_iter().flat_map(|round| round.probes);
        self.outputs.extend(probes.map(|probe| Output::Close(probe.number)));
    }

    /// What is known of every way.
    pub fn findings(&self) -> impl Iterator<Item = Finding> {
        self.ways.iter().map(|way| way.found)
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.ways.iter().map(|way| way.next).min()
    }
}

/// What one answer says.
fn judge(lan: Ipv4Addr, own: &[Ipv4Addr], port: u16, mapped: SocketAddr) -> Verdict {
    match mapped.ip() {
        IpAddr::V4(ip) if ip == lan && mapped.port() == port => Verdict::Routed,
        IpAddr::V4(ip) if own.contains(&ip) && mapped.port() == port => Verdict::Keeps(ip),
        IpAddr::V4(ip) if own.contains(&ip) => Verdict::Rewrites(ip),
        other => Verdict::Beyond(other),
    }
}

#[cfg(test)]
mod tests;
