//! What comes late, too often or in the wrong state.

use super::*;

const CALL: CallId = CallId([9; 16]);

fn frame(body: CallBody) -> CallFrame {
    CallFrame { call: CALL, from: device(1), to: device(2), body }
}

fn candidate(n: usize) -> Candidate {
    Candidate { candidate: format!("candidate {n}"), mid: None, mline: Some(0) }
}

#[test]
fn a_cancel_that_comes_after_the_answer_does_not_end_the_call() {
    let (mut world, _) = World::answered();
    let late = frame(CallBody::Cancel(Reason::Cancelled));
    world.at(2).handle_frame(Time::ZERO, node(1), late, Some(S), true);
    // nor does anything else that belongs before the answer
    for body in [CallBody::Ringing, CallBody::Accept(introduction(1)), CallBody::Refuse(Reason::Rejected)] {
        world.at(2).handle_frame(Time::ZERO, node(1), frame(body), Some(S), true);
    }
    world.settle();
    assert!(world.told.is_empty(), "{:?}", world.told);
    assert_eq!(world.at(2).len(), 1);
}

#[test]
fn a_caller_who_gives_up_is_heard_wherever_it_rings() {
    let mut world = World::new();
    world.ring(1, &[2, 3], 9);
    world.settle();
    world.told.clear();
    world.at(1).cancel(S, CALL).unwrap();
    world.settle();
    for n in 1..=3 {
        assert_eq!(world.took(n), [What::Ended(Reason::Cancelled)], "at {n}");
    }
    assert!((1..=3).all(|n| world.at(n).is_empty()));
}

#[test]
fn what_belongs_to_answered_calls_is_not_shown_while_it_rings() {
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.told.clear();
    let description = introduction(1).description;
    for body in [
        CallBody::Connected,
        CallBody::Describe(Kind::Offer, description),
        CallBody::Message("x".into()),
        CallBody::HangUp(Reason::HungUp),
        CallBody::Presence(Presence::Lost),
        CallBody::Restore,
        CallBody::Restored,
        CallBody::NoSuchCall,
    ] {
        world.at(2).handle_frame(Time::ZERO, node(1), frame(body.clone()), Some(S), true);
        world.settle();
        assert!(world.told.is_empty(), "{body:?}: {:?}", world.told);
    }
    assert_eq!(world.at(2).accept(S, CALL, introduction(2)), Ok(()), "it rings on");
}

#[test]
fn only_so_many_candidates_are_shown_before_the_answer() {
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.told.clear();
    for n in 0..usize::from(MAX_EARLY) + 5 {
        world.at(1).candidate(S, CALL, candidate(n)).unwrap();
    }
    world.settle();
    let shown = world.took(2);
    assert_eq!(shown.len(), usize::from(MAX_EARLY));
    assert_eq!(shown[0], What::Candidate(candidate(0)));
    world.at(2).accept(S, CALL, introduction(2)).unwrap();
    world.settle();
    world.told.clear();
    for n in 0..100 {
        world.at(1).candidate(S, CALL, candidate(n)).unwrap();
    }
    world.settle();
    assert_eq!(world.took(2).len(), 100, "afterwards they are what the session makes of them");
}

#[test]
fn candidates_go_to_all_devices_that_ring_and_not_to_one_that_has_refused() {
    let mut world = World::new();
    world.ring(1, &[2, 3], 9);
    world.settle();
    world.told.clear();
    world.at(1).handle_frame(
        Time::ZERO,
        node(3),
        CallFrame { from: device(3), to: device(1), ..frame(CallBody::Refuse(Reason::Busy)) },
        Some(S),
        true,
    );
    world.at(1).candidate(S, CALL, candidate(1)).unwrap();
    assert_eq!(world.at(2).candidate(S, CALL, candidate(2)), Err(Code::WrongState), "it has not answered");
    let Some(Output::Send { node: to, frame }) = world.at(1).poll_output() else { panic!("a frame") };
    assert_eq!((to, frame.to, frame.body), (node(2), device(2), CallBody::Candidate(candidate(1))));
    assert_eq!(world.at(1).poll_output(), None, "the other one rings no more");
}

#[test]
fn renegotiation_and_candidates_of_an_answered_call_arrive_at_the_other_page() {
    let (mut world, call) = World::answered();
    let description = introduction(2).description;
    world.at(2).talk(S, call, CallBody::Describe(Kind::Answer, description.clone())).unwrap();
    world.at(2).candidate(S, call, candidate(1)).unwrap();
    world.settle();
    assert_eq!(world.took(1), [What::Describe(Kind::Answer, description), What::Candidate(candidate(1))]);
}

#[test]
fn a_call_that_is_connected_can_be_taken_up_ended_and_talked_in() {
    let (mut world, call) = World::answered();
    world.at(1).talk(S, call, CallBody::Connected).unwrap();
    world.settle();
    assert_eq!(world.took(2), [What::Connected]);
    for n in [1, 2] {
        let end = world.at(n).ends.values().next().unwrap();
        assert!(matches!(end.state, State::Connected), "at {n}");
    }
    world.at(2).hang_up(S, call, Reason::Failed).unwrap();
    world.settle();
    assert_eq!(
        (world.took(1), world.took(2)),
        (vec![What::Ended(Reason::Failed)], vec![What::Ended(Reason::Failed)])
    );
}

#[test]
fn nobody_rings_longer_than_the_guard_of_its_own_end() {
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.told.clear();
    // the caller is cut off and can cancel nothing
    world.cut = vec![1];
    assert_eq!(world.at(2).poll_timeout(), Some(RING_GUARD));
    world.now = RING_GUARD - Duration::from_millis(1);
    let now = world.now;
    world.at(2).handle_timeout(now);
    world.settle();
    assert_eq!(world.took(2), []);
    world.at(2).handle_timeout(RING_GUARD);
    world.settle();
    assert_eq!(world.took(2), [What::Ended(Reason::TimedOut)]);
}

#[test]
fn an_answer_stops_the_clock_at_both_ends() {
    let (mut world, _) = World::answered();
    assert_eq!((world.at(1).poll_timeout(), world.at(2).poll_timeout()), (None, None));
    world.wait(2 * RING_GUARD);
    assert!(world.told.is_empty());
}

#[test]
fn a_session_has_only_so_many_calls_and_rings_only_so_many_devices() {
    let mut calls = Calls::new();
    let legs = |count: u8| (2..2 + count).map(|n| (device(n), node(n))).collect::<Vec<_>>();
    for n in 0..MAX_CALLS as u8 {
        assert_eq!(
            calls.invite(Time::ZERO, S, device(1), CallId([n; 16]), legs(1), &introduction(1)),
            Ok(())
        );
    }
    let more = |calls: &mut Calls, n: u8| {
        calls.invite(Time::ZERO, S, device(1), CallId([n; 16]), legs(1), &introduction(1))
    };
    assert_eq!(more(&mut calls, 200), Err(Code::TooManyCalls));
    assert_eq!(more(&mut calls, 0), Err(Code::BadCall), "the id is in use");
    let restored = calls.restore(Time::ZERO, S, device(1), CallId([200; 16]), (device(2), node(2)));
    assert_eq!(restored, Err(Code::TooManyCalls));
    // of another session that says nothing
    let other = SessionId(2);
    let many = legs(MAX_LEGS as u8 + 3);
    while calls.poll_output().is_some() {}
    assert_eq!(calls.invite(Time::ZERO, other, device(1), CallId([0; 16]), many, &introduction(1)), Ok(()));
    let mut rung = 0;
    while let Some(output) = calls.poll_output() {
        assert!(matches!(output, Output::Send { frame, .. } if matches!(frame.body, CallBody::Invite(_))));
        rung += 1;
    }
    assert_eq!((rung, calls.len()), (MAX_LEGS, MAX_CALLS + 1));
}

#[test]
fn a_busy_device_says_so_only_when_all_have_refused() {
    let mut world = World::new();
    world.ring(1, &[2, 3], 9);
    world.settle();
    world.told.clear();
    let refuse = |n: u8, reason| CallFrame {
        call: CALL,
        from: device(n),
        to: device(1),
        body: CallBody::Refuse(reason),
    };
    world.at(1).handle_frame(Time::ZERO, node(2), refuse(2, Reason::Busy), Some(S), true);
    world.settle();
    assert_eq!(world.took(1), []);
    world.at(1).handle_frame(Time::ZERO, node(3), refuse(3, Reason::Unreachable), Some(S), true);
    world.settle();
    assert_eq!(world.took(1), [What::Ended(Reason::Busy)], "which says more than that one was not reached");
}

#[test]
fn a_refusal_counts_from_the_device_and_the_node_that_ring() {
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.told.clear();
    for (n, from) in [(3, 3), (3, 2), (2, 3)] {
        let body = CallBody::Refuse(Reason::Rejected);
        let frame = CallFrame { call: CALL, from: device(n), to: device(1), body };
        world.at(1).handle_frame(Time::ZERO, node(from), frame, Some(S), true);
    }
    world.settle();
    assert_eq!(world.took(1), []);
}

#[test]
fn a_node_that_dies_takes_only_the_devices_with_it_that_were_there() {
    let mut world = World::new();
    world.ring(1, &[2, 3], 9);
    world.settle();
    world.told.clear();
    world.at(1).node_lost(Time::ZERO, node(2));
    world.settle();
    assert_eq!(world.took(1), [], "the other one still rings");
    world.at(3).accept(S, CALL, introduction(3)).unwrap();
    world.settle();
    assert!(matches!(&world.took(1)[..], [What::Accepted { .. }]));
    assert_eq!(world.took(2), [], "who was lost is told nothing");
}

#[test]
fn a_page_that_leaves_an_answered_call_ends_it_and_one_that_rang_out_cancels() {
    let (mut world, _) = World::answered();
    world.at(2).session_ended(S);
    world.settle();
    assert_eq!(world.took(1), [What::Ended(Reason::Left)]);
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.told.clear();
    world.at(1).session_ended(S);
    world.settle();
    assert_eq!(world.took(2), [What::Ended(Reason::Left)]);
    assert!(world.at(1).is_empty() && world.at(2).is_empty());
}

#[test]
fn requests_of_a_call_that_rings_out_are_refused_where_they_mean_nothing() {
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    let wrong = Err(Code::WrongState);
    assert_eq!(world.at(1).talk(S, CALL, CallBody::Message("x".into())), wrong);
    assert_eq!(world.at(1).hang_up(S, CALL, Reason::HungUp), wrong);
    assert_eq!(world.at(1).accept(S, CALL, introduction(1)), wrong);
    assert_eq!(world.at(1).reject(S, CALL, Reason::Rejected), wrong);
    assert_eq!(world.at(2).cancel(S, CALL), wrong);
    let none = Err(Code::NoSuchCall);
    let other = CallId([1; 16]);
    assert_eq!(world.at(1).accept(S, other, introduction(1)), none);
    assert_eq!(world.at(1).reject(S, other, Reason::Rejected), none);
    assert_eq!(world.at(1).cancel(S, other), none);
    assert_eq!(world.at(1).candidate(S, other, candidate(1)), none);
    assert_eq!(world.at(1).talk(S, other, CallBody::Connected), none);
}
