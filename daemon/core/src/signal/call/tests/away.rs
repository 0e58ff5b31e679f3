//! Ends that are away: what their peers are told, what is kept for them, and where calls go on.

use super::*;

/// A frame of the callee's device to the caller's.
fn frame(call: CallId, body: CallBody) -> CallFrame {
    CallFrame { call, from: device(2), to: device(1), body }
}

#[test]
fn a_page_is_told_once_that_the_other_node_is_lost_and_that_it_is_back() {
    let (mut world, call) = World::answered();
    let now = world.now;
    world.cut = vec![2];
    world.at(1).node_lost(now, node(2));
    world.at(1).node_lost(now, node(2));
    world.at(1).node_lost(now, node(3));
    world.settle();
    assert_eq!(world.took(1), [What::Peer(Presence::Lost)]);
    world.cut.clear();
    world.at(1).node_back(node(3));
    world.settle();
    assert_eq!(world.took(1), [], "another node is no news");
    world.at(1).node_back(node(2));
    world.settle();
    assert_eq!(world.took(1), [What::Peer(Presence::Back)], "its node still had the call");
    assert_eq!(world.took(2), [], "which never missed anybody");
    world.at(1).node_back(node(2));
    world.settle();
    assert_eq!((world.took(1), world.took(2)), (vec![], vec![]), "who is here is not asked");
    // and the call does not end after the grace
    world.wait(2 * NODE_GRACE);
    assert_eq!((world.took(1), world.at(1).len(), world.at(1).poll_timeout()), (vec![], 1, None));
    let _ = call;
}

#[test]
fn a_page_that_goes_and_comes_is_told_to_the_other_one_of_an_answered_call() {
    let (mut world, _) = World::answered();
    for presence in [Presence::Lost, Presence::Back] {
        world.at(2).session_presence(S, presence);
        world.settle();
        assert_eq!((world.took(1), world.took(2)), (vec![What::Peer(presence)], vec![]));
    }
    // of one that only rings nothing is said
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.told.clear();
    world.at(2).session_presence(S, Presence::Lost);
    world.at(1).session_presence(S, Presence::Lost);
    world.settle();
    assert!(world.told.is_empty(), "{:?}", world.told);
}

#[test]
fn a_node_that_stays_away_is_waited_for_to_the_end_of_its_minute_and_no_longer() {
    let (mut world, _) = World::answered();
    world.cut = vec![2];
    let now = world.now;
    world.at(1).node_lost(now, node(2));
    world.settle();
    world.took(1);
    assert_eq!(world.at(1).poll_timeout(), Some(NODE_GRACE));
    world.wait(NODE_GRACE - Duration::from_millis(1));
    assert_eq!(world.took(1), []);
    world.wait(Duration::from_millis(1));
    assert_eq!(world.took(1), [What::Ended(Reason::Left)]);
    assert_eq!(world.at(1).poll_timeout(), None);
}

#[test]
fn a_node_that_has_forgotten_the_call_is_given_twenty_seconds_from_then_on() {
    let (mut world, call) = World::answered();
    world.cut = vec![2];
    let now = world.now;
    world.at(1).node_lost(now, node(2));
    world.settle();
    world.took(1);
    // it restarted and does not know the call; its page may still come
    world.wait(Duration::from_secs(10));
    let now = world.now;
    world.at(1).handle_frame(now, node(2), frame(call, CallBody::NoSuchCall), Some(S), true);
    assert_eq!(world.at(1).poll_timeout(), Some(Duration::from_secs(30)));
    // said again, it does not wait longer
    world.wait(Duration::from_secs(5));
    let now = world.now;
    world.at(1).handle_frame(now, node(2), frame(call, CallBody::NoSuchCall), Some(S), true);
    world.wait(Duration::from_secs(14));
    assert_eq!(world.took(1), []);
    world.wait(Duration::from_secs(1));
    assert_eq!(world.took(1), [What::Ended(Reason::Left)]);
    // nor longer than the minute that it had
    let (mut world, call) = World::answered();
    world.at(1).node_lost(Time::ZERO, node(2));
    let late = Duration::from_secs(55);
    world.at(1).handle_frame(late, node(2), frame(call, CallBody::NoSuchCall), Some(S), true);
    assert_eq!(world.at(1).poll_timeout(), Some(NODE_GRACE));
}

#[test]
fn a_node_that_is_here_and_has_not_the_call_has_ended_it() {
    let (mut world, call) = World::answered();
    world.at(1).handle_frame(Time::ZERO, node(2), frame(call, CallBody::NoSuchCall), Some(S), true);
    world.settle();
    assert_eq!(world.took(1), [What::Ended(Reason::Left)]);
}

#[test]
fn what_could_not_be_sent_is_kept_for_the_node_to_which_it_was_sent() {
    let (mut world, call) = World::answered();
    let said =
        |text: &str| CallFrame { call, from: device(1), to: device(2), body: CallBody::Message(text.into()) };
    let kept = |world: &mut World| world.at(1).ends.values().map(|end| end.backlog.len()).sum::<usize>();
    world.at(1).undeliverable(Time::ZERO, node(2), said("hola"));
    assert_eq!(kept(&mut world), 1);
    // what says only who is there is worth nothing later
    for body in [CallBody::Restore, CallBody::Restored, CallBody::Presence(Presence::Back)] {
        let frame = CallFrame { body, ..said("") };
        world.at(1).undeliverable(Time::ZERO, node(2), frame);
    }
    assert_eq!(kept(&mut world), 1);
    // of a call that is not, or of a device that is not here, nothing is kept
    let before = world.at(1).len();
    world.at(1).undeliverable(Time::ZERO, node(2), CallFrame { call: CallId([7; 16]), ..said("") });
    world.at(1).undeliverable(Time::ZERO, node(2), CallFrame { from: device(3), ..said("") });
    assert_eq!((kept(&mut world), world.at(1).len()), (1, before));
    let now = world.now;
    world.at(1).handle_frame(now, node(2), frame(call, CallBody::Restored), Some(S), true);
    world.settle();
    assert_eq!(world.took(1), [What::Peer(Presence::Lost), What::Peer(Presence::Back)]);
    assert_eq!(world.took(2), [What::Message("hola".into())]);
    assert!(world.at(1).ends.values().all(|end| end.kept == 0 && end.backlog.is_empty()));
}

#[test]
fn what_was_for_the_node_that_the_peer_has_left_goes_after_it_and_nobody_is_lost() {
    let (mut world, call) = World::answered();
    // it was on its way to node 3 when the device came to node 2, and node 3 is gone
    let body = CallBody::Message("hola".into());
    let late = CallFrame { call, from: device(1), to: device(2), body };
    world.at(1).undeliverable(Time::ZERO, node(3), late.clone());
    for body in [CallBody::Restore, CallBody::Presence(Presence::Lost)] {
        world.at(1).undeliverable(Time::ZERO, node(3), CallFrame { body, ..late.clone() });
    }
    world.settle();
    assert_eq!((world.took(1), world.took(2)), (vec![], vec![What::Message("hola".into())]));
    world.wait(2 * NODE_GRACE);
    assert!(world.told.is_empty() && world.at(1).len() == 1, "{:?}", world.told);
}

#[test]
fn what_is_kept_counts_towards_its_bounds_and_the_last_that_fits_is_kept() {
    let mut calls = Calls::new();
    let call = CallId([1; 16]);
    calls.restore(Time::ZERO, S, device(1), call, (device(2), node(2))).unwrap();
    let size = CallBody::Message(String::new()).size();
    let first = CallBody::Message("x".repeat(MAX_BACKLOG_BYTES - 2 * size - 10));
    calls.talk(S, call, first).unwrap();
    let kept = |calls: &Calls| calls.ends.values().map(|end| (end.backlog.len(), end.kept)).next().unwrap();
    assert_eq!(kept(&calls), (1, MAX_BACKLOG_BYTES - size - 10));
    calls.talk(S, call, CallBody::Message("x".repeat(11))).unwrap();
    assert_eq!(kept(&calls).0, 1, "a byte too much");
    calls.talk(S, call, CallBody::Message("x".repeat(10))).unwrap();
    assert_eq!(kept(&calls), (2, MAX_BACKLOG_BYTES));
    // and by number, whatever their size
    let mut calls = Calls::new();
    calls.restore(Time::ZERO, S, device(1), call, (device(2), node(2))).unwrap();
    for _ in 0..=MAX_BACKLOG {
        calls.talk(S, call, CallBody::Message(String::new())).unwrap();
    }
    assert_eq!(kept(&calls).0, MAX_BACKLOG);
}

#[test]
fn a_call_goes_on_at_the_node_to_which_the_other_device_has_walked() {
    let (mut world, call) = World::answered();
    // the device has signed that it is at node 3 now: what is said goes there
    world.at(1).peer_moved(Time::ZERO, &device(2), node(3));
    let mut sent = Vec::new();
    while let Some(output) = world.at(1).poll_output() {
        match output {
            Output::Send { node, frame } => sent.push((node, frame.to, frame.body)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(sent, [(node(3), device(2), CallBody::Restored)]);
    world.at(1).talk(S, call, CallBody::Message("hola".into())).unwrap();
    let Some(Output::Send { node: to, .. }) = world.at(1).poll_output() else { panic!("a frame") };
    assert_eq!(to, node(3));
    assert_eq!(world.at(1).peers().collect::<Vec<_>>(), [node(3)]);
    // what comes from where it was is heard no more
    world.at(1).handle_frame(Time::ZERO, node(2), frame(call, CallBody::Connected), Some(S), true);
    assert_eq!(world.at(1).poll_output(), None);
    // said again, or of somebody else, it is no news
    world.at(1).peer_moved(Time::ZERO, &device(2), node(3));
    world.at(1).peer_moved(Time::ZERO, &device(3), node(2));
    assert_eq!(world.at(1).poll_output(), None);
}

#[test]
fn a_walk_ends_the_wait_for_the_node_that_was_left() {
    let (mut world, call) = World::answered();
    world.cut = vec![2];
    world.at(1).node_lost(Time::ZERO, node(2));
    world.at(1).talk(S, call, CallBody::Message("where are you?".into())).unwrap();
    world.settle();
    world.took(1);
    let now = world.now;
    world.at(3).restore(now, S, device(2), call, (device(1), node(1))).unwrap();
    // its Restore may come before it is known that it is there
    while let Some(output) = world.at(3).poll_output() {
        let Output::Send { frame, .. } = output else { panic!("{output:?}") };
        world.at(1).handle_frame(now, node(3), frame, Some(S), false);
    }
    world.settle();
    assert_eq!(world.took(1), [], "nobody has said yet that the device is there");
    world.at(1).peer_moved(now, &device(2), node(3));
    world.settle();
    assert_eq!(world.took(1), [What::Peer(Presence::Back)]);
    assert_eq!(world.took(3), [What::Peer(Presence::Back), What::Message("where are you?".into())]);
    world.wait(2 * NODE_GRACE);
    assert!(world.told.is_empty());
}

#[test]
fn a_restore_from_where_the_device_says_that_it_is_takes_the_call_there() {
    let (mut world, call) = World::answered();
    // of other frames alone nobody's place is changed
    world.at(1).handle_frame(Time::ZERO, node(3), frame(call, CallBody::Connected), Some(S), true);
    assert_eq!(world.at(1).poll_output(), None);
    world.at(1).handle_frame(Time::ZERO, node(3), frame(call, CallBody::Restore), Some(S), true);
    let Some(Output::Send { node: to, frame }) = world.at(1).poll_output() else { panic!("a frame") };
    assert_eq!((to, frame.body), (node(3), CallBody::Restored));
}

#[test]
fn a_session_that_walks_takes_its_calls_along_and_nobody_is_told() {
    let (mut world, _) = World::answered();
    world.at(2).session_moved(S);
    world.settle();
    assert!(world.told.is_empty() && world.at(2).is_empty() && world.at(1).len() == 1);
}

#[test]
fn a_caller_whose_answer_waited_for_it_is_told_that_the_call_is_there() {
    let mut world = World::new();
    world.ring(1, &[2], 9);
    world.settle();
    world.told.clear();
    let call = CallId([9; 16]);
    world.at(1).handle_frame(Time::ZERO, node(2), frame(call, CallBody::Restore), Some(S), true);
    let Some(Output::Send { node: to, frame }) = world.at(1).poll_output() else { panic!("a frame") };
    assert_eq!((to, frame.to, frame.body), (node(2), device(2), CallBody::Restored));
}

#[test]
fn who_asks_for_a_call_that_nobody_has_is_told_so() {
    let mut calls = Calls::new();
    let call = CallId([9; 16]);
    for (session, body, answer) in [
        (None, CallBody::Restore, Some(CallBody::NoSuchCall)),
        (Some(S), CallBody::Restore, Some(CallBody::NoSuchCall)),
        (None, CallBody::Invite(introduction(2)), Some(CallBody::Refuse(Reason::Unreachable))),
        (None, CallBody::Message("x".into()), None),
        (Some(S), CallBody::Message("x".into()), None),
    ] {
        calls.handle_frame(Time::ZERO, node(2), frame(call, body.clone()), session, true);
        let said = calls.poll_output().map(|output| match output {
            Output::Send { node: to, frame } => {
                assert_eq!((to, frame.from, frame.to), (node(2), device(1), device(2)));
                frame.body
            }
            other => panic!("{other:?}"),
        });
        assert_eq!(said, answer, "{body:?}");
    }
}
