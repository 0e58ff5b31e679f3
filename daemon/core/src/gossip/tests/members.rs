//! Who is a member, who is believed, and what the node is told of it.

use foca::{Member as Known, State};

use foca::Identity;

use super::super::echo::Outcome;
use super::super::seal::OVERHEAD;
use super::*;

const LEFT: NodeId = NodeId([1; 16]);
const RIGHT: NodeId = NodeId([2; 16]);
const THIRD: NodeId = NodeId([3; 16]);

fn at(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, n], 8443))
}

fn member(n: u8, generation: u16) -> Member {
    Member { short: [n; 8], generation }
}

fn outputs(gossip: &mut Gossip) -> Vec<Output> {
    std::iter::from_fn(|| gossip.poll_output()).collect()
}

/// Takes the datagrams of one to the other.
fn hand(now: Time, from: &mut Gossip, at: SocketAddr, to: &mut Gossip) {
    for datagram in sent(from) {
        to.handle_datagram(now, at, &datagram);
    }
}

/// Two nodes that are members of each other, with nothing left to say.
fn members() -> (Gossip, Gossip) {
    let (mut left, mut right, ..) = pair();
    left.join(Time::ZERO, RIGHT, 1);
    for _ in 0..3 {
        hand(Time::ZERO, &mut left, at(1), &mut right);
        hand(Time::ZERO, &mut right, at(2), &mut left);
    }
    outputs(&mut left);
    outputs(&mut right);
    (left, right)
}

#[test]
fn of_two_lives_of_a_member_the_later_one_counts_also_when_the_number_wraps() {
    for (later, earlier) in [(2, 1), (0, u16::MAX), (5, u16::MAX - 5), (i16::MAX as u16, 0)] {
        let (later, earlier) = (member(1, later), member(1, earlier));
        assert!(later.win_addr_conflict(&earlier) && !earlier.win_addr_conflict(&later), "{later:?}");
    }
    assert!(!member(1, 7).win_addr_conflict(&member(1, 7)));
    assert_eq!(member(1, u16::MAX).renew(), Some(member(1, 0)));
}

#[test]
fn a_change_is_told_on_the_more_often_the_larger_the_mesh_is() {
    for (size, times) in [(0, 10), (1, 10), (63, 10), (64, 11), (100, 11), (1_000, 14), (4_096, 17)] {
        assert_eq!(transmissions(size).get(), times, "{size} members");
    }
}

#[test]
fn a_node_whose_record_was_a_lie_is_forgotten_and_heard_no_more() {
    let (mut left, mut right) = members();
    // of another id with the same short form nothing is forgotten
    let mut same = RIGHT;
    same.0[15] ^= 1;
    left.forget(same);
    assert_eq!(left.address(RIGHT), Some(at(2)));
    left.forget(RIGHT);
    assert_eq!((left.address(RIGHT), left.alive().count()), (None, 0));
    right.join(Time::ZERO, LEFT, 1);
    let datagram = sent(&mut right).remove(0);
    let before = left.counters().received;
    left.handle_datagram(Time::ZERO, at(2), &datagram);
    assert_eq!((left.counters().unknown_sender, left.counters().received), (1, before));
    assert_eq!(outputs(&mut left), [Output::Unknown(Some(at(2)))]);
}

#[test]
fn to_a_node_whose_record_is_not_checked_nothing_is_sent_before_it_is() {
    let (mut left, mut right, ..) = pair();
    let agreement = Gossip::agreement([2; 32]);
    left.introduce(RIGHT, agreement, vec![at(2)], false);
    right.join(Time::ZERO, LEFT, 1);
    let datagram = sent(&mut right).remove(0);
    assert_eq!(left.unchecked_sender(&datagram), Some(RIGHT));
    left.join(Time::ZERO, RIGHT, 1);
    let said = outputs(&mut left);
    let [Output::Check(RIGHT, data)] = &said[..] else { panic!("{said:?}") };
    // it is checked now
    left.introduce(RIGHT, agreement, vec![at(2)], true);
    assert_eq!(left.unchecked_sender(&datagram), None);
    left.send(RIGHT, data);
    hand(Time::ZERO, &mut left, at(1), &mut right);
    assert!(right.is_alive(LEFT), "what waited has arrived");
    // nor an echo: looking at somebody is no reason to check
    left.introduce(RIGHT, agreement, vec![at(2)], false);
    left.look_at(Time::ZERO, [RIGHT].into_iter());
    left.handle_timeout(Time::ZERO);
    assert!(sent(&mut left).is_empty());
    assert_eq!(left.unchecked_sender(b"short"), None);
    assert_eq!(left.unchecked_sender(&[0; 40]), None, "no datagram of ours");
}

#[test]
fn what_is_sent_names_its_receiver_and_is_counted() {
    let (mut left, mut right, ..) = pair();
    left.join(Time::ZERO, RIGHT, 1);
    let said = outputs(&mut left);
    let [Output::Send { to, payload }] = &said[..] else { panic!("{said:?}") };
    assert_eq!(*to, at(2));
    assert_eq!((left.counters().sent, left.counters().sent_bytes), (1, payload.len() as u32));
    // to another id of the same short form nothing is sent
    let mut same = RIGHT;
    same.0[15] ^= 1;
    left.send(same, b"data");
    left.send(THIRD, b"data");
    assert!(outputs(&mut left).is_empty());
    right.handle_datagram(Time::ZERO, at(1), payload);
    assert_eq!(right.counters().received, 1);
}

#[test]
fn a_member_of_whom_others_speak_is_reported_and_is_up_when_its_record_comes() {
    let (mut left, _) = members();
    let said = |state| hearsay(&[Known::new(member(3, 1), 0, state)]);
    left.handle_datagram(Time::ZERO, at(2), &said(State::Alive));
    assert!(outputs(&mut left).contains(&Output::Unknown(None)));
    assert!(left.is_alive(THIRD));
    assert_eq!(left.alive().collect::<Vec<_>>(), [RIGHT], "without a record it is nobody");
    let third = Gossip::agreement([3; 32]);
    left.introduce(THIRD, third, vec![], true);
    assert!(outputs(&mut left).is_empty(), "a record without an address is none");
    left.introduce(THIRD, third, vec![at(3)], true);
    assert_eq!(outputs(&mut left), [Output::Up(THIRD)]);
    assert!(left.strangers.is_empty());
    left.introduce(THIRD, third, vec![at(3)], true);
    assert!(outputs(&mut left).is_empty(), "said once");
    // its death is told too, and taken out of the sum
    let sum = left.sum();
    left.handle_datagram(Time::ZERO, at(2), &said(State::Down));
    assert!(outputs(&mut left).contains(&Output::Down(THIRD)));
    assert_eq!(left.sum(), sum.wrapping_sub(u64::from_be_bytes([3; 8])));
    // one who was not alive is not up because of a record
    let fourth = NodeId([4; 16]);
    left.introduce(fourth, Gossip::agreement([4; 32]), vec![at(4)], true);
    assert!(!outputs(&mut left).contains(&Output::Up(fourth)));
}

#[test]
fn a_goodbye_is_heard_at_once() {
    let (mut left, mut right) = members();
    left.leave(Time::ZERO);
    hand(Time::ZERO, &mut left, at(1), &mut right);
    assert!(outputs(&mut right).contains(&Output::Down(LEFT)));
    assert!(!right.is_alive(LEFT) && right.is_empty());
}

#[test]
fn who_is_taken_for_dead_says_so_with_a_new_generation_once() {
    let (mut left, _) = members();
    let dead = hearsay(&[Known::down(member(1, 1))]);
    left.handle_datagram(Time::ZERO, at(2), &dead);
    assert!(outputs(&mut left).contains(&Output::Generation(2)));
    left.handle_datagram(Time::ZERO, at(2), &dead);
    assert!(!outputs(&mut left).iter().any(|output| matches!(output, Output::Generation(_))));
    assert_eq!(left.generation(), 2);
}

#[test]
fn a_new_key_of_a_node_replaces_the_old_one() {
    let (mut left, mut right) = members();
    right.join(Time::ZERO, LEFT, 1);
    let datagram = sent(&mut right).remove(0);
    let heard = |left: &mut Gossip| {
        let before = (left.counters().received, left.counters().forged);
        left.handle_datagram(Time::ZERO, at(2), &datagram);
        (left.counters().received - before.0, left.counters().forged - before.1)
    };
    assert_eq!(heard(&mut left), (1, 0));
    left.introduce(RIGHT, Gossip::agreement([9; 32]), vec![at(2)], true);
    assert_eq!(heard(&mut left), (0, 1), "the key is computed anew");
    left.introduce(RIGHT, Gossip::agreement([2; 32]), vec![at(2)], true);
    assert_eq!(heard(&mut left), (1, 0));
    // of two ids with one short form the first stays
    let mut same = RIGHT;
    same.0[15] ^= 1;
    left.introduce(same, Gossip::agreement([9; 32]), vec![at(9)], true);
    assert_eq!((heard(&mut left), left.address(RIGHT), left.address(same)), ((1, 0), Some(at(2)), None));
}

#[test]
fn datagrams_go_where_a_node_was_heard_last_if_it_said_so_itself() {
    let (mut left, mut right) = members();
    let agreement = Gossip::agreement([2; 32]);
    left.introduce(RIGHT, agreement, vec![at(7), at(8)], true);
    assert_eq!(left.address(RIGHT), Some(at(7)), "the old address is not among its own any more");
    let mut heard_from = |left: &mut Gossip, from: SocketAddr| {
        right.join(Time::ZERO, LEFT, 1);
        hand(Time::ZERO, &mut right, from, left);
        left.address(RIGHT)
    };
    assert_eq!(heard_from(&mut left, at(8)), Some(at(8)));
    assert_eq!(heard_from(&mut left, at(99)), Some(at(8)), "anybody could have sent it from there");
    left.introduce(RIGHT, agreement, vec![at(7), at(8)], true);
    assert_eq!(left.address(RIGHT), Some(at(8)), "which it still has");
    let mut same = RIGHT;
    same.0[15] ^= 1;
    left.reached(same, at(50));
    assert_eq!(left.address(RIGHT), Some(at(8)));
}

#[test]
fn a_community_hears_nobody_who_has_not_its_key() {
    for (ours, theirs, heard) in [(Some(1), Some(1), 1), (Some(1), Some(2), 0), (Some(1), None, 0)] {
        let (left, right, ..) = pair();
        let key = |n: Option<u8>| n.map(|n| [n; 32]);
        let (mut left, mut right) = (left.of_community(key(ours)), right.of_community(key(theirs)));
        left.join(Time::ZERO, RIGHT, 1);
        hand(Time::ZERO, &mut left, at(1), &mut right);
        assert_eq!((right.counters().received, right.counters().forged), (heard, 1 - heard));
    }
}

#[test]
fn a_datagram_is_as_long_as_it_may_be_and_no_longer() {
    let (mut left, ..) = pair();
    let key = PairKey::agree(&[2; 32].into(), Gossip::agreement([1; 32]), None);
    let sealed = |length: usize| {
        let payload = [&[2; 8][..], &vec![0xff; length - OVERHEAD - 8]].concat();
        key.seal(seal::VERSION, &payload)
    };
    left.handle_datagram(Time::ZERO, at(2), &sealed(MAX_DATAGRAM + 1));
    assert_eq!((left.counters().malformed, left.counters().received), (1, 0));
    left.handle_datagram(Time::ZERO, at(2), &sealed(MAX_DATAGRAM));
    assert_eq!((left.counters().malformed, left.counters().received), (1, 1));
    assert_eq!(left.counters().unreadable, 1, "authentic, and nonsense");
    // without room for the summary it is nothing
    let short = PairKey::agree(&[2; 32].into(), Gossip::agreement([1; 32]), None).seal(seal::ECHO, &[2; 8]);
    left.handle_datagram(Time::ZERO, at(2), &short);
    assert_eq!((left.counters().unreadable, left.counters().received), (2, 1));
}

#[test]
fn an_echo_is_answered_with_its_number_and_one_of_another_length_is_not() {
    let (mut left, ..) = pair();
    let key = PairKey::agree(&[2; 32].into(), Gossip::agreement([1; 32]), None);
    let echo = |rest: &[u8]| key.seal(seal::ECHO, &[&[2; 8][..], rest].concat());
    left.handle_datagram(Time::ZERO, at(2), &echo(&[0, 1, 2, 3, 4]));
    let answers = sent(&mut left);
    assert_eq!(answers.len(), 1);
    assert_eq!(key.open(&answers[0]), Some(&[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4][..]));
    assert_eq!(left.counters().received, 1);
    for wrong in [&[0, 1, 2, 3][..], &[0, 1, 2, 3, 4, 5], &[]] {
        left.handle_datagram(Time::ZERO, at(2), &echo(wrong));
    }
    assert_eq!((left.counters().unreadable, left.counters().received), (3, 1));
    // an answer to nothing is not answered in turn
    left.handle_datagram(Time::ZERO, at(2), &echo(&[1, 1, 2, 3, 4]));
    assert!(sent(&mut left).is_empty());
    assert_eq!(left.measures(RIGHT), (None, None));
}

#[test]
fn only_so_many_are_announced_to_again() {
    let (mut left, ..) = pair();
    for n in 0..=MAX_JOINING as u8 + 8 {
        left.join(Time::ZERO, NodeId([100 + n; 16]), 1);
    }
    assert_eq!(left.joining.len(), MAX_JOINING);
    // one of them may ask again
    left.join(Duration::from_secs(1), NodeId([100; 16]), 2);
    assert_eq!(left.joining.get(&[100; 8]).map(|(at, ..)| *at), Some(Duration::from_secs(3)));
}

#[test]
fn an_announce_is_sent_again_after_twice_the_time_and_not_to_who_has_come() {
    let (mut left, ..) = pair();
    left.join(Time::ZERO, RIGHT, 1);
    sent(&mut left);
    let mut times = Vec::new();
    let due = |left: &Gossip| left.joining.values().next().map(|(at, ..)| *at);
    while let Some(due) = due(&left) {
        left.handle_timeout(due);
        if sent(&mut left).len() == 1 {
            times.push(due.as_secs());
        }
    }
    assert_eq!(times, [2, 6, 14, 30, 62], "two seconds, then four, eight …");

    let (mut left, _) = members();
    assert_eq!(left.joining.len(), 1, "until it is looked at");
    left.join_again(Duration::from_secs(2));
    assert!(left.joining.is_empty() && sent(&mut left).is_empty());
}

#[test]
fn a_stranger_of_whom_nobody_speaks_makes_room_after_two_hours() {
    let (mut left, ..) = pair();
    let stranger = |n: u16| {
        let [high, low] = n.to_be_bytes();
        Known::alive(Member { short: [9, high, low, 0, 0, 0, 0, 0], generation: 1 })
    };
    for n in 0..MAX_STRANGERS as u16 {
        left.handle_datagram(Time::ZERO, at(2), &hearsay(&[stranger(n)]));
    }
    assert_eq!((left.strangers.len(), left.counters().strangers), (MAX_STRANGERS, 0));
    let mut spoken = |now: Time, n: u16| {
        let before = left.counters().strangers;
        left.handle_datagram(now, at(2), &hearsay(&[stranger(n)]));
        (left.counters().strangers - before, left.strangers.len())
    };
    let half = STRANGER / 2;
    assert_eq!(spoken(half, 7), (0, MAX_STRANGERS), "one who is known is let in");
    assert_eq!(spoken(half, 600), (1, MAX_STRANGERS));
    assert_eq!(spoken(STRANGER, 600), (0, 2), "all but the one of whom was spoken have gone");
    assert_eq!(spoken(STRANGER, 601), (0, 3));
}

/// Lets the two go on until `left` probes: when it does.
fn next_probe(left: &mut Gossip, right: &mut Gossip) -> Time {
    loop {
        let due = left.poll_timeout().unwrap();
        left.handle_timeout(due);
        if left.probe.as_ref().is_some_and(|probe| probe.sent == due) {
            return due;
        }
        hand(due, left, at(1), right);
        hand(due, right, at(2), left);
    }
}

#[test]
fn the_way_to_a_member_is_known_from_its_answers_to_probes() {
    let (mut left, mut right) = members();
    let took = Duration::from_millis(80);
    for answers in 1..=4 {
        let probed = next_probe(&mut left, &mut right);
        hand(probed, &mut left, at(1), &mut right);
        hand(probed + took, &mut right, at(2), &mut left);
        assert!(left.probe.is_none());
        assert_eq!(left.measures(RIGHT), (Some(80), Some(0)), "{answers} answers");
    }
    // one is lost, and so is its repetition
    let probed = next_probe(&mut left, &mut right);
    assert!(!sent(&mut left).is_empty());
    left.handle_timeout(probed + PROBE_AGAIN - Duration::from_millis(1));
    sent(&mut left);
    left.handle_timeout(probed + PROBE_AGAIN);
    assert!(!sent(&mut left).is_empty(), "sent again");
    assert_eq!(left.measures(RIGHT), (Some(80), Some(0)), "it may still be answered");
    left.handle_timeout(probed + PROBE_LOST);
    assert_eq!(left.measures(RIGHT), (Some(80), Some(20)));
    // to another the answer comes after the repetition: of which of the two nobody knows, so an echo asks
    let probed = next_probe(&mut left, &mut right);
    hand(probed, &mut left, at(1), &mut right);
    left.handle_timeout(probed + PROBE_AGAIN);
    sent(&mut left);
    hand(probed + 2 * PROBE_AGAIN, &mut right, at(2), &mut left);
    assert_eq!(left.measures(RIGHT), (Some(80), Some(16)));
    assert_eq!(sent(&mut left).iter().filter(|datagram| datagram[0] == seal::ECHO).count(), 1);
    assert_eq!((left.quality(THIRD), left.measures(THIRD)), (None, (None, None)));
}

#[test]
fn a_way_that_has_become_another_is_told_once() {
    let (mut left, _) = members();
    let mut told = |took: Option<u64>| {
        let outcome = took.map_or(Outcome::Lost, |ms| Outcome::After(Duration::from_millis(ms)));
        left.measured(short(RIGHT), outcome);
        left.measured(short(THIRD), outcome);
        outputs(&mut left)
    };
    assert_eq!((told(Some(10)), told(Some(10))), (vec![], vec![]), "too little is known");
    assert_eq!(told(Some(10)), [Output::Quality(RIGHT)]);
    assert_eq!(told(Some(10)), []);
    assert_eq!(told(None), [Output::Quality(RIGHT)], "one of five is lost");
}
