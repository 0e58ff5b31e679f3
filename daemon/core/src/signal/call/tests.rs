//! Two or three nodes with one page each, and every frame between them delivered, kept or lost at will.

use super::*;
use crate::id::DeviceId;
use crate::name::Address;
use crate::wire::bytes::Bytes;
use crate::wire::page::Media;

mod away;
mod edges;

const S: SessionId = SessionId(1);

fn device(n: u8) -> Device {
    let address: Address = format!("p{n}@{}", NodeId([n; 16])).parse().unwrap();
    Device { address, device: DeviceId([n; 16]) }
}

fn node(n: u8) -> NodeId {
    NodeId([n; 16])
}

fn introduction(n: u8) -> Introduction {
    let description =
        Description { media: Media::Audio, number: 1, sdp: format!("sdp of {n}"), signature: Bytes([n; 64]) };
    Introduction { display: format!("P{n}").parse().unwrap(), key: Bytes([n; 65]), description }
}

/// Nodes 1, 2, 3 with one attached page each.
struct World {
    nodes: Vec<Calls>,
    now: Time,
    cut: Vec<u8>,
    told: Vec<(u8, What)>,
}

impl World {
    fn new() -> Self {
        Self { nodes: (0..3).map(|_| Calls::new()).collect(), now: Time::ZERO, cut: vec![], told: vec![] }
    }

    fn at(&mut self, n: u8) -> &mut Calls {
        &mut self.nodes[usize::from(n) - 1]
    }

    fn ring(&mut self, from: u8, to: &[u8], call: u8) {
        let now = self.now;
        let legs = to.iter().map(|n| (device(*n), node(*n))).collect();
        self.at(from).invite(now, S, device(from), CallId([call; 16]), legs, &introduction(from)).unwrap();
    }

    fn settle(&mut self) -> &mut Self {
        loop {
            let mut quiet = true;
            for from in 1..=3u8 {
                while let Some(output) = self.at(from).poll_output() {
                    quiet = false;
                    match output {
                        Output::Event { what, .. } => self.told.push((from, what)),
                        Output::Send { node: to, frame } => {
                            let (n, now) = (to.0[0], self.now);
                            if self.cut.contains(&n) || self.cut.contains(&from) {
                                self.at(from).undeliverable(now, to, frame);
                            } else {
                                self.at(n).handle_frame(now, node(from), frame, Some(S), true);
                            }
                        }
                    }
                }
            }
            if quiet {
                return self;
            }
        }
    }

    fn wait(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        for n in 1..=3 {
            let now = self.now;
            self.at(n).handle_timeout(now);
        }
        self.settle()
    }

    fn took(&mut self, n: u8) -> Vec<What> {
        let (mine, rest) = core::mem::take(&mut self.told).into_iter().partition(|(of, _)| *of == n);
        self.told = rest;
        mine.into_iter().map(|(_, what)| what).collect()
    }

    fn answered() -> (Self, CallId) {
        let mut world = Self::new();
        world.ring(1, &[2], 9);
        world.settle();
        world.at(2).accept(S, CallId([9; 16]), introduction(2)).unwrap();
        world.settle();
        world.took(1);
        world.took(2);
        (world, CallId([9; 16]))
    }
}

#[test]
fn a_call_rings_is_answered_talks_and_is_hung_up() {
    let mut world = World::new();
    let call = CallId([9; 16]);
    world.ring(1, &[2], 9);
    world.settle();
    assert_eq!(world.took(1), [What::Ringing]);
    let incoming = world.took(2);
    assert!(matches!(&incoming[..], [What::Incoming { from, glare: false, .. }] if *from == device(1)));
    world.at(2).accept(S, call, introduction(2)).unwrap();
    world.settle();
    assert!(matches!(&world.took(1)[..], [What::Accepted { by, .. }] if *by == device(2)));
    world.at(1).talk(S, call, CallBody::Message("hola".into())).unwrap();
    world.at(2).talk(S, call, CallBody::Connected).unwrap();
    world.settle();
    assert_eq!(world.took(2), [What::Message("hola".into())]);
    assert_eq!(world.took(1), [What::Connected]);
    world.at(2).hang_up(S, call, Reason::HungUp).unwrap();
    world.settle();
    assert_eq!(world.took(1), [What::Ended(Reason::HungUp)]);
    assert!(world.at(1).is_empty() && world.at(2).is_empty());
}

#[test]
fn nobody_answers_for_45_seconds() {
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.took(1);
    world.took(2);
    world.wait(RING - Duration::from_millis(1));
    assert!(world.told.is_empty());
    world.wait(Duration::from_millis(1));
    assert_eq!(world.took(1), [What::Ended(Reason::TimedOut)]);
    assert_eq!(world.took(2), [What::Ended(Reason::TimedOut)]);
}

#[test]
fn the_first_device_that_answers_has_the_call() {
    let mut world = World::new();
    world.ring(1, &[2, 3], 9);
    world.settle();
    assert_eq!(world.took(1), [What::Ringing], "ringing is said once");
    world.took(2);
    world.took(3);
    world.at(3).accept(S, CallId([9; 16]), introduction(3)).unwrap();
    world.settle();
    assert_eq!(world.took(2), [What::Ended(Reason::AnsweredElsewhere)]);
    assert!(matches!(&world.took(1)[..], [What::Accepted { by, .. }] if *by == device(3)));
}

#[test]
fn declining_on_one_device_declines_on_all() {
    let mut world = World::new();
    world.ring(1, &[2, 3], 9);
    world.settle();
    world.told.clear();
    world.at(2).reject(S, CallId([9; 16]), Reason::Rejected).unwrap();
    world.settle();
    assert_eq!(world.took(1), [What::Ended(Reason::Rejected)]);
    assert_eq!(world.took(3), [What::Ended(Reason::AnsweredElsewhere)]);
}

#[test]
fn a_device_in_a_call_is_busy_and_another_one_still_rings() {
    let (mut world, _) = World::answered();
    world.ring(3, &[2], 8);
    world.settle();
    assert_eq!(world.took(3), [What::Ended(Reason::Busy)]);
    assert_eq!(world.took(2), []);
}

#[test]
fn two_people_who_ring_each_other_at_once_have_one_call() {
    for (mine, theirs) in [(4, 5), (5, 4)] {
        let mut world = World::new();
        world.ring(1, &[2], mine);
        world.ring(2, &[1], theirs);
        world.settle();
        let (keeps, loses) = if mine < theirs { (1, 2) } else { (2, 1) };
        let kept = world.took(keeps);
        assert_eq!(kept, [What::Ringing], "the smaller id rings on");
        let lost = world.took(loses);
        assert_eq!(lost[0], What::Ended(Reason::Glare));
        assert!(matches!(&lost[1], What::Incoming { glare: true, .. }), "{lost:?}");
        assert_eq!((world.at(1).len(), world.at(2).len()), (1, 1));
    }
}

#[test]
fn an_unreachable_node_is_said_at_once() {
    let mut world = World::new();
    world.cut = vec![2];
    world.ring(1, &[2], 9);
    world.settle();
    assert_eq!(world.took(1), [What::Ended(Reason::Unreachable)]);
}

#[test]
fn a_node_that_dies_with_all_devices_of_the_callee_is_said_at_once() {
    let mut world = World::new();
    let legs = vec![(device(2), node(2)), (device(3), node(2))];
    world.at(1).invite(Time::ZERO, S, device(1), CallId([9; 16]), legs, &introduction(1)).unwrap();
    world.at(1).node_lost(Time::ZERO, node(2));
    world.cut = vec![2];
    world.settle();
    assert_eq!(world.took(1), [What::Ended(Reason::Unreachable)]);
}

#[test]
fn the_callees_page_closes_while_it_rings() {
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.told.clear();
    world.at(2).session_ended(S);
    world.settle();
    assert_eq!(world.took(1), [What::Ended(Reason::Unreachable)]);
}

#[test]
fn a_restarted_node_takes_its_call_up_and_what_was_said_meanwhile_arrives() {
    let (mut world, call) = World::answered();
    world.cut = vec![2];
    *world.at(2) = Calls::new();
    world.at(1).talk(S, call, CallBody::Message("are you there?".into())).unwrap();
    world.settle();
    assert_eq!(world.took(1), [What::Peer(Presence::Lost)]);
    world.cut.clear();
    let now = world.now;
    world.at(1).node_back(node(2));
    world.settle();
    assert_eq!(world.took(1), [], "the node is back, its page is not yet");
    world.at(2).restore(now, S, device(2), call, (device(1), node(1))).unwrap();
    world.settle();
    assert_eq!(world.took(1), [What::Peer(Presence::Back)]);
    assert_eq!(world.took(2), [What::Peer(Presence::Back), What::Message("are you there?".into())]);
    world.wait(NODE_GRACE);
    assert!(world.told.is_empty(), "{:?}", world.told);
}

#[test]
fn what_pages_say_to_ends_that_are_away_is_kept_up_to_a_bound() {
    let mut calls = Calls::new();
    for n in 0..200u32 {
        for call in 0..MAX_CALLS as u8 {
            let (session, call) = (SessionId(n), CallId([call; 16]));
            calls.restore(Time::ZERO, session, device(1), call, (device(2), node(2))).unwrap();
            for _ in 0..MAX_BACKLOG {
                calls.talk(session, call, CallBody::Message("x".repeat(20_000))).unwrap();
            }
        }
    }
    let kept: Vec<usize> = calls.ends.values().map(|end| end.kept).collect();
    assert!(kept.iter().all(|kept| *kept <= MAX_BACKLOG_BYTES) && kept[0] > MAX_BACKLOG_BYTES / 2);
    let all = kept.iter().sum::<usize>();
    assert!(all <= MAX_BACKLOGS_BYTES && all > MAX_BACKLOGS_BYTES / 2, "{all} bytes");
}

#[test]
fn a_node_that_stays_away_ends_the_call_after_a_minute() {
    let (mut world, _) = World::answered();
    world.cut = vec![2];
    let now = world.now;
    world.at(1).node_lost(now, node(2));
    world.settle();
    assert_eq!(world.took(1), [What::Peer(Presence::Lost)]);
    world.wait(NODE_GRACE);
    assert_eq!(world.took(1), [What::Ended(Reason::Left)]);
}

#[test]
fn a_stranger_cannot_speak_in_somebody_elses_call() {
    let (mut world, call) = World::answered();
    let now = world.now;
    for body in [CallBody::HangUp(Reason::HungUp), CallBody::Message("x".into()), CallBody::Restore] {
        let frame = CallFrame { call, from: device(3), to: device(1), body };
        world.at(1).handle_frame(now, node(3), frame, Some(S), true);
        let frame = CallFrame { call, from: device(2), to: device(1), body: CallBody::Message("y".into()) };
        world.at(1).handle_frame(now, node(3), frame, Some(S), false);
    }
    world.settle();
    assert_eq!(world.took(1), []);
}

#[test]
fn requests_in_the_wrong_state_change_nothing() {
    let (mut world, call) = World::answered();
    assert_eq!(world.at(1).accept(S, call, introduction(1)), Err(Code::WrongState));
    assert_eq!(world.at(1).cancel(S, call), Err(Code::WrongState));
    assert_eq!(world.at(2).reject(S, call, Reason::Rejected), Err(Code::WrongState));
    assert_eq!(world.at(2).hang_up(S, CallId([1; 16]), Reason::HungUp), Err(Code::NoSuchCall));
    world.settle();
    assert!(world.told.is_empty());
}
