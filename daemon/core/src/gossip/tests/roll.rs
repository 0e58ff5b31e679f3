//! What two nodes tell each other of everybody.

use foca::{Member as Known, State};

use super::super::roll::{DOUBT, MAX_DOUBTS};
use super::*;

fn member(n: u8, generation: u16) -> Member {
    Member { short: [n; 8], generation }
}

/// A roll of members in these states.
fn said(members: &[(u8, State)]) -> Vec<u8> {
    let mut roll = Vec::new();
    for (n, state) in members {
        PostcardCodec.encode_member(&Known::new(member(*n, 1), 0, *state), &mut roll).unwrap();
    }
    roll
}

fn state(gossip: &Gossip, n: u8) -> Option<State> {
    gossip.foca.iter_membership_state().find(|known| known.id().short == [n; 8]).map(Known::state)
}

#[test]
fn a_newcomer_learns_everybody_from_one_roll_and_then_the_sums_agree() {
    let (mut left, mut right, ..) = pair();
    let everybody: Vec<(u8, State)> = (3..=200).map(|n| (n, State::Alive)).collect();
    assert!(left.merge_roll(Time::ZERO, &said(&everybody)));
    assert_ne!(left.sum(), right.sum());
    for piece in left.roll() {
        assert!(right.merge_roll(Time::ZERO, &piece));
    }
    assert_eq!((left.len(), right.len()), (198, 199));
    for piece in right.roll() {
        assert!(left.merge_roll(Time::ZERO, &piece));
    }
    assert_eq!((left.sum(), left.summary()), (right.sum(), right.summary()));
}

#[test]
fn who_is_dead_to_somebody_else_is_doubted_and_buried_when_nothing_is_heard() {
    let (mut left, ..) = pair();
    left.merge_roll(Time::ZERO, &said(&[(3, State::Alive), (4, State::Alive)]));
    left.merge_roll(Time::ZERO, &said(&[(3, State::Down), (4, State::Down)]));
    assert_eq!((state(&left, 3), state(&left, 4)), (Some(State::Suspect), Some(State::Suspect)));
    // one of them objects
    let mut alive = Vec::new();
    PostcardCodec.encode_member(&Known::new(member(4, 1), 1, State::Alive), &mut alive).unwrap();
    left.merge_roll(Time::ZERO, &alive);
    assert_eq!(left.poll_timeout().map(|at| at <= DOUBT), Some(true));
    left.handle_timeout(DOUBT);
    assert_eq!((state(&left, 3), state(&left, 4)), (Some(State::Down), Some(State::Alive)));
}

#[test]
fn the_other_half_of_a_mesh_does_not_bury_this_one() {
    let (mut left, ..) = pair();
    let half = MAX_DOUBTS as u8 + 1;
    let all = |state| (10..10 + half).map(|n| (n, state)).collect::<Vec<_>>();
    left.merge_roll(Time::ZERO, &said(&all(State::Alive)));
    left.merge_roll(Time::ZERO, &said(&all(State::Down)));
    left.handle_timeout(DOUBT);
    assert!((10..10 + half).all(|n| state(&left, n) == Some(State::Alive)));
}

#[test]
fn who_is_taken_for_dead_itself_comes_back_at_once() {
    let (mut left, ..) = pair();
    left.merge_roll(Time::ZERO, &said(&[(3, State::Alive)]));
    left.merge_roll(Time::ZERO, &said(&[(1, State::Down)]));
    assert_eq!(left.generation(), 2);
    // what is said of an earlier life is old
    left.merge_roll(Time::ZERO, &said(&[(1, State::Down)]));
    assert_eq!(left.generation(), 2);
}

#[test]
fn a_roll_that_does_not_read_or_invents_members_without_end_changes_little() {
    let (mut left, ..) = pair();
    assert!(!left.merge_roll(Time::ZERO, &[7; 5]));
    let mut invented = Vec::new();
    for n in 0..2_000u16 {
        let mut short = [0xee; 8];
        short[..2].copy_from_slice(&n.to_be_bytes());
        PostcardCodec.encode_member(&Known::alive(Member { short, generation: 1 }), &mut invented).unwrap();
    }
    assert!(left.merge_roll(Time::ZERO, &invented));
    assert_eq!(left.len(), MAX_STRANGERS);
    assert_eq!(left.counters().strangers as usize, 2_000 - MAX_STRANGERS);
}

#[test]
fn a_probe_that_is_not_answered_is_sent_once_more_and_one_that_is_is_not() {
    // beside what is sent anyway
    let sent_again = [false, true].map(|answered| {
        let (mut left, mut right, at_left, at_right) = pair();
        left.join(Time::ZERO, NodeId([2; 16]), 1);
        sent(&mut left).iter().for_each(|datagram| right.handle_datagram(Time::ZERO, at_left, datagram));
        sent(&mut right).iter().for_each(|datagram| left.handle_datagram(Time::ZERO, at_right, datagram));
        sent(&mut left);
        let probing = PROBE_PERIOD + Duration::from_millis(1);
        left.handle_timeout(probing);
        for probe in sent(&mut left) {
            right.handle_datagram(probing, at_left, &probe);
        }
        let answers = sent(&mut right);
        if answered {
            answers.iter().for_each(|answer| left.handle_datagram(probing, at_right, answer));
        }
        sent(&mut left);
        let before = left.counters().sent;
        left.handle_timeout(probing + PROBE_AGAIN);
        left.counters().sent - before
    });
    assert_eq!(sent_again[0], sent_again[1] + 1);
}

/// A mesh of so many, all of whom `gossip` knows.
fn city(gossip: &mut Gossip, count: u16) -> Vec<u8> {
    let mut all = Vec::new();
    for n in 0..count {
        let mut short = [0xcc; 8];
        short[..2].copy_from_slice(&n.to_be_bytes());
        let mut id = [0; 16];
        id[..8].copy_from_slice(&short);
        gossip.introduce(NodeId(id), [0; 32], vec![SocketAddr::from(([10, 0, 0, 1], 1))], true);
        PostcardCodec.encode_member(&Known::alive(Member { short, generation: 1 }), &mut all).unwrap();
    }
    all
}

#[test]
fn the_roll_of_a_city_goes_in_pieces_that_fit_a_frame() {
    let (mut left, mut right, ..) = pair();
    let all = city(&mut left, 3_500);
    city(&mut right, 3_500);
    assert!(left.merge_roll(Time::ZERO, &all));
    assert_eq!(left.len(), 3_500);
    let pieces = left.roll();
    assert_eq!(pieces.len(), all.len().div_ceil(33 * 1024));
    assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() < 33 * 1024));
    for piece in &pieces {
        assert!(right.merge_roll(Time::ZERO, piece));
    }
    assert_eq!(right.len(), 3_501, "and the one who told it");
}

#[test]
fn what_a_small_roll_has_changed_is_told_on_and_what_a_newcomer_learns_is_not() {
    for (count, told) in [(64, true), (65, false)] {
        let (mut left, ..) = pair();
        let people: Vec<(u8, State)> = (10..10 + count).map(|n| (n, State::Alive)).collect();
        left.merge_roll(Time::ZERO, &said(&people));
        let waiting = left.foca.updates_backlog();
        assert_eq!(waiting >= usize::from(count), told, "{count} members: {waiting} are told on");
    }
}

#[test]
fn of_what_a_roll_says_only_what_is_news_is_taken_over() {
    let known = |generation, incarnation, state| Known::new(member(3, generation), incarnation, state);
    let (alive, suspect, down) = (State::Alive, State::Suspect, State::Down);
    for (ours, said, is_new) in [
        ((1, 1, alive), (1, 1, alive), false),
        ((1, 1, alive), (1, 2, alive), true),
        ((1, 1, alive), (1, 0, alive), false),
        ((1, 1, alive), (1, 1, suspect), true),
        ((1, 1, alive), (1, 0, suspect), false),
        ((1, 1, suspect), (1, 1, alive), false),
        ((1, 1, suspect), (1, 1, suspect), false),
        ((1, 1, suspect), (1, 2, alive), true),
        ((1, 1, down), (1, 9, alive), false),
        ((1, 1, down), (2, 0, alive), true),
        ((2, 0, alive), (1, 9, suspect), false),
        ((1, 0, alive), (2, 0, alive), true),
    ] {
        let (ours, said) = (known(ours.0, ours.1, ours.2), known(said.0, said.1, said.2));
        assert_eq!(super::super::roll::is_news(&ours, &said), is_new, "{ours:?}, {said:?}");
    }
}

#[test]
fn as_many_as_may_be_doubted_are_and_whoever_is_dead_already_is_not() {
    let (mut left, ..) = pair();
    let all = |count: u8, state| (10..10 + count).map(|n| (n, state)).collect::<Vec<_>>();
    let most = MAX_DOUBTS as u8;
    left.merge_roll(Time::ZERO, &said(&all(most, State::Alive)));
    left.merge_roll(Time::ZERO, &said(&all(most, State::Down)));
    assert!((10..10 + most).all(|n| state(&left, n) == Some(State::Suspect)));
    assert_eq!(left.doubt_due(), Some(DOUBT));
    left.handle_timeout(DOUBT - Duration::from_millis(1));
    assert_eq!(state(&left, 10), Some(State::Suspect), "not before");
    left.handle_timeout(DOUBT);
    assert!((10..10 + most).all(|n| state(&left, n) == Some(State::Down)));
    assert_eq!(left.doubt_due(), None);
    // who is dead to both, or unknown to us, is nobody to doubt
    left.merge_roll(DOUBT, &said(&all(most + 5, State::Down)));
    assert_eq!((left.doubt_due(), state(&left, 10 + most)), (None, None));
}

#[test]
fn who_has_said_something_since_is_not_buried_for_an_old_doubt() {
    let (mut left, ..) = pair();
    left.merge_roll(Time::ZERO, &said(&[(3, State::Alive)]));
    left.merge_roll(Time::ZERO, &said(&[(3, State::Down)]));
    // a later doubt of another life of it: the first one is void
    let mut later = Vec::new();
    PostcardCodec.encode_member(&Known::new(member(3, 1), 4, State::Suspect), &mut later).unwrap();
    left.merge_roll(Time::ZERO, &later);
    left.settle_doubts(DOUBT);
    assert_eq!(state(&left, 3), Some(State::Suspect), "of that it has not been asked yet");
}
