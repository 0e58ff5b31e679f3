//! A router's rules in a few lines, and what the prober makes of them.

use super::*;

const LAN: Lan = Lan { address: Ipv4Addr::new(192, 168, 1, 1), prefix: 24 };
const WEST: Ipv4Addr = Ipv4Addr::new(10, 99, 101, 2);
const EAST: Ipv4Addr = Ipv4Addr::new(10, 99, 102, 2);

/// What a node on a side sees of a question from the LAN's address and a port; `None`: no answer.
type Rules = fn(Side, u16) -> Option<(Ipv4Addr, u16)>;

struct Rig {
    prober: Prober,
    now: Time,
    rules: Rules,
    /// Datagrams sent.
    asked: usize,
    /// Sockets open now.
    open: Vec<u32>,
    changes: usize,
}

fn topology() -> Topology {
    let at = |text: &str| text.parse().unwrap();
    Topology {
        lans: vec![LAN],
        own: vec![LAN.address, WEST, EAST],
        sides: vec![(3, vec![at("10.99.0.1:3478")]), (4, vec![at("10.99.0.3:3478"), at("10.99.0.4:3478")])],
    }
}

impl Rig {
    fn new(rules: Rules) -> Self {
        let mut prober = Prober::new();
        prober.set_topology(Time::ZERO, topology());
        let mut rig = Self { prober, now: Time::ZERO, rules, asked: 0, open: Vec::new(), changes: 0 };
        rig.run(Duration::from_millis(1));
        rig
    }

    /// Lets time pass; answers come at once.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            while let Some(output) = self.prober.poll_output() {
                match output {
                    Output::Ask { probe, from, to } => {
                        assert_eq!(from, LAN.address);
                        self.asked += 1;
                        if !self.open.contains(&probe) {
                            self.open.push(probe);
                        }
                        let side = if to.ip() == IpAddr::from([10, 99, 0, 1]) { 3 } else { 4 };
                        // a port of its own for each probe
                        let port = 40_000 + (probe % 20_000) as u16;
                        if let Some(mapped) = (self.rules)(side, port) {
                            self.prober.handle_answer(self.now, probe, port, mapped.into());
                        }
                    }
                    Output::Close(probe) => self.open.retain(|open| *open != probe),
                    Output::Changed => self.changes += 1,
                }
            }
            match self.prober.poll_timeout() {
                Some(at) if at <= end => {
                    self.now = self.now.max(at);
                    self.prober.handle_timeout(self.now);
                }
                _ => break,
            }
        }
        self.now = end;
    }

    fn verdicts(&self) -> Vec<Verdict> {
        self.prober.findings().map(|found| found.verdict).collect()
    }
}

fn out(side: Side) -> Ipv4Addr {
    if side == 3 { WEST } else { EAST }
}

fn keeps(side: Side, port: u16) -> Option<(Ipv4Addr, u16)> {
    Some((out(side), port))
}

fn routed(_: Side, port: u16) -> Option<(Ipv4Addr, u16)> {
    Some((LAN.address, port))
}

fn silent(_: Side, _: u16) -> Option<(Ipv4Addr, u16)> {
    None
}

#[test]
fn each_side_has_the_address_that_its_masquerade_uses() {
    let rig = Rig::new(keeps);
    assert_eq!(rig.verdicts(), [Verdict::Keeps(WEST), Verdict::Keeps(EAST)]);
    assert_eq!((rig.asked, rig.open.len()), (4, 0), "two questions a side, and no socket stays open");
}

#[test]
fn a_routed_lan_is_never_taken_for_a_masqueraded_one() {
    assert_eq!(Rig::new(routed).verdicts(), [Verdict::Routed; 2]);
}

#[test]
fn ports_that_are_not_kept_are_noticed_even_when_one_is_by_chance() {
    let rig = Rig::new(|side, port| Some((out(side), port ^ 0x40)));
    assert_eq!(rig.verdicts(), [Verdict::Rewrites(WEST), Verdict::Rewrites(EAST)]);
    let rig = Rig::new(|side, port| Some((out(side), if port % 2 == 0 { port } else { port + 7 })));
    assert_eq!(rig.verdicts(), [Verdict::Rewrites(WEST), Verdict::Rewrites(EAST)]);
}

#[test]
fn an_address_that_is_none_of_ours_is_somebody_elses_translation() {
    let rig = Rig::new(|_, port| Some((Ipv4Addr::new(10, 99, 103, 4), port)));
    assert_eq!(rig.verdicts(), [Verdict::Beyond([10, 99, 103, 4].into()); 2]);
}

#[test]
fn two_answers_that_do_not_fit_are_not_believed() {
    let rig = Rig::new(|_, port| Some((if port % 2 == 0 { WEST } else { EAST }, port)));
    assert_eq!(rig.verdicts(), [Verdict::Unsteady; 2]);
    let rig = Rig::new(|_, port| Some((if port % 2 == 0 { WEST } else { LAN.address }, port)));
    assert_eq!(rig.verdicts(), [Verdict::Unsteady; 2]);
}

#[test]
fn one_answer_is_too_few_to_tell_anybody() {
    let mut rig = Rig::new(|side, port| (port % 2 == 0).then_some((out(side), port)));
    rig.run(Duration::from_secs(10));
    assert_eq!(rig.verdicts(), [Verdict::Silent; 2]);
}

#[test]
fn a_silent_node_is_asked_four_times_and_another_one_beside_it() {
    let mut rig = Rig::new(silent);
    rig.run(Duration::from_millis(7_600));
    assert_eq!(rig.verdicts(), [Verdict::Silent; 2]);
    assert_eq!((rig.asked, rig.open.len()), (2 * 2 * usize::from(TRIES), 0));
    // of two nodes on a side one is enough
    fn one(side: Side, port: u16) -> Option<(Ipv4Addr, u16)> {
        if side == 3 { None } else { keeps(side, port) }
    }
    assert_eq!(Rig::new(one).verdicts(), [Verdict::Waiting, Verdict::Keeps(EAST)]);
}

#[test]
fn a_mesh_that_does_not_answer_is_asked_ever_more_slowly() {
    let mut rig = Rig::new(silent);
    rig.run(Duration::from_secs(600));
    let before = rig.asked;
    rig.run(Duration::from_secs(600));
    // a round of 16 questions every 67.5 s
    assert!(rig.asked - before <= 9 * 16, "{}", rig.asked - before);
    assert_eq!(rig.changes, 3, "the ways are there; each is silent, once");
}

#[test]
fn what_is_known_is_looked_at_every_minute_with_new_ports() {
    let mut rig = Rig::new(keeps);
    rig.run(PERIOD * 10);
    assert_eq!(rig.asked, 4 * 11);
    assert_eq!(rig.prober.last_probe, 4 * 11, "no port is asked from twice");
}

#[test]
fn a_masquerade_that_comes_or_goes_is_noticed_within_a_minute() {
    let mut rig = Rig::new(routed);
    rig.rules = keeps;
    rig.run(PERIOD);
    assert_eq!(rig.verdicts(), [Verdict::Keeps(WEST), Verdict::Keeps(EAST)]);
    rig.rules = |side, port| Some((out(side), port.wrapping_mul(3)));
    rig.run(PERIOD);
    assert_eq!(rig.verdicts(), [Verdict::Rewrites(WEST), Verdict::Rewrites(EAST)]);
    rig.rules = routed;
    rig.prober.look_again(rig.now);
    rig.run(Duration::ZERO);
    assert_eq!(rig.verdicts(), [Verdict::Routed; 2], "at once, when the owner says so");
}

#[test]
fn a_moment_of_silence_takes_nothing_back_but_a_long_one_and_one_after_a_reload_do() {
    let mut rig = Rig::new(keeps);
    let known = rig.verdicts();
    rig.rules = silent;
    rig.run(PERIOD + Duration::from_secs(15));
    assert_eq!(rig.verdicts(), known);
    rig.rules = keeps;
    rig.run(PERIOD);
    assert_eq!((rig.verdicts(), rig.changes), (known, 3), "nobody heard of it");
    rig.rules = silent;
    rig.run(PERIOD * 2);
    assert_eq!(rig.verdicts(), [Verdict::Silent; 2]);
    // nor does one when the owner says that rules are others
    let mut rig = Rig::new(keeps);
    rig.rules = silent;
    rig.prober.look_again(rig.now);
    rig.run(Duration::from_secs(8));
    assert_eq!(rig.verdicts(), [Verdict::Silent; 2]);
}

#[test]
fn a_side_that_goes_takes_its_verdict_along_and_leaves_no_socket() {
    let mut rig = Rig::new(silent);
    assert_eq!(rig.open.len(), 4);
    let mut less = topology();
    less.sides.remove(0);
    rig.rules = keeps;
    rig.prober.set_topology(rig.now, less);
    rig.run(Duration::ZERO);
    assert_eq!((rig.verdicts(), rig.open.len()), (vec![Verdict::Keeps(EAST)], 0));
    rig.prober.set_topology(rig.now, Topology::default());
    rig.run(PERIOD);
    assert_eq!((rig.verdicts().len(), rig.prober.poll_timeout()), (0, None));
}

#[test]
fn the_same_again_asks_nothing_and_another_address_asks_at_once() {
    let mut rig = Rig::new(keeps);
    rig.prober.set_topology(rig.now, topology());
    rig.run(Duration::ZERO);
    assert_eq!(rig.asked, 4);
    let mut other = topology();
    other.own.push(Ipv4Addr::new(10, 99, 0, 2));
    rig.prober.set_topology(rig.now, other);
    rig.run(Duration::ZERO);
    assert_eq!(rig.asked, 8);
}

#[test]
fn lans_sides_and_those_who_are_asked_are_bounded() {
    let mut prober = Prober::new();
    let lan = |n| Lan { address: Ipv4Addr::new(192, 168, n, 1), prefix: 24 };
    let asked: Vec<SocketAddr> = (1..99).map(|n| SocketAddr::from(([10, 0, 0, n], 3478))).collect();
    let topology = Topology {
        lans: (0..99).map(lan).collect(),
        own: Vec::new(),
        sides: (0..99).map(|side| (side, asked.clone())).collect(),
    };
    prober.set_topology(Time::ZERO, topology);
    assert_eq!(prober.findings().count(), MAX_LANS * MAX_SIDES);
    assert!(prober.ways.iter().all(|way| way.asked.len() == MAX_ASKED));
}
