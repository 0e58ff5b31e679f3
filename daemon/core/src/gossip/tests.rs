use super::*;
use crate::wire::page::Quality;

fn pair() -> (Gossip, Gossip, SocketAddr, SocketAddr) {
    let address = |n: u8| SocketAddr::from(([10, 0, 0, n], 8443));
    let (a, b) = (NodeId([1; 16]), NodeId([2; 16]));
    let mut left = Gossip::new(a, 1, [1; 32], 1, |_| Some(1));
    let mut right = Gossip::new(b, 1, [2; 32], 2, |_| Some(1));
    left.introduce(b, Gossip::agreement([2; 32]), vec![address(2)], true);
    right.introduce(a, Gossip::agreement([1; 32]), vec![address(1)], true);
    (left, right, address(1), address(2))
}

fn sent(gossip: &mut Gossip) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| gossip.poll_output())
        .filter_map(|output| match output {
            Output::Send { payload, .. } => Some(payload),
            _ => None,
        })
        .collect()
}

#[test]
fn two_nodes_that_know_each_other_become_members() {
    let (mut left, mut right, at_left, at_right) = pair();
    left.join(Time::ZERO, NodeId([2; 16]), 1);
    for datagram in sent(&mut left) {
        right.handle_datagram(Time::ZERO, at_left, &datagram);
    }
    assert_eq!(right.poll_output(), Some(Output::Up(NodeId([1; 16]))));
    for datagram in sent(&mut right) {
        left.handle_datagram(Time::ZERO, at_right, &datagram);
    }
    assert!(left.is_alive(NodeId([2; 16])) && right.is_alive(NodeId([1; 16])));
}

#[test]
fn a_node_that_was_reached_at_a_link_local_address_is_sent_datagrams_where_it_says_that_it_is() {
    let (mut left, _, _, at_right) = pair();
    let right = NodeId([2; 16]);
    left.reached(right, "[fe80::2]:8443".parse().unwrap());
    assert_eq!(left.address(right), Some(at_right));
    left.reached(right, "10.0.0.9:8443".parse().unwrap());
    assert_eq!(left.address(right), Some("10.0.0.9:8443".parse().unwrap()));
}

#[test]
fn a_datagram_with_any_byte_changed_is_dropped_and_counted() {
    let (mut left, mut right, at_left, _) = pair();
    left.join(Time::ZERO, NodeId([2; 16]), 1);
    let datagram = sent(&mut left).remove(0);
    for at in 0..datagram.len() {
        let mut changed = datagram.clone();
        changed[at] ^= 0x20;
        right.handle_datagram(Time::ZERO, at_left, &changed);
    }
    let counters = *right.counters();
    assert_eq!(counters.received, 0);
    assert_eq!(counters.malformed + counters.unknown_sender + counters.forged, datagram.len() as u32);
    assert!(right.is_empty());
}

/// What `left` is sent when `right` says this of others.
fn hearsay(members: &[foca::Member<Member>]) -> Vec<u8> {
    let member = |n: u8| Member { short: [n; 8], generation: 1 };
    let header = Header { src: member(2), src_incarnation: 0, dst: member(1), message: Message::Gossip };
    let mut payload = Vec::new();
    PostcardCodec.encode_header(&header, &mut payload).unwrap();
    payload.extend_from_slice(&(members.len() as u16).to_be_bytes());
    for member in members {
        PostcardCodec.encode_member(member, &mut payload).unwrap();
    }
    payload.extend_from_slice(&[0; SUMMARY]);
    PairKey::agree(&[2; 32].into(), Gossip::agreement([1; 32]), None).seal(seal::VERSION, &payload)
}

#[test]
fn a_member_that_buries_another_again_and_again_does_not_fill_the_memory() {
    let (mut left, _, _, at_right) = pair();
    let mut buried = 0;
    for generation in 0..2_000 {
        let dead = foca::Member::down(Member { short: [3; 8], generation });
        left.handle_datagram(Time::ZERO, at_right, &hearsay(&[dead]));
        buried = buried.max(left.timers.len());
    }
    assert_eq!((left.counters().received, left.counters().unreadable), (2_000, 0));
    assert_eq!(left.removals.len(), 1);
    assert!(buried < 10, "{buried} timers");
    left.handle_timeout(REMEMBER);
    assert!(left.removals.is_empty());
}

#[test]
fn of_members_without_a_record_only_so_many_are_let_in() {
    let (mut left, _, _, at_right) = pair();
    for block in 0..100u8 {
        let member = |n: u8| {
            foca::Member::new(
                Member { short: [9, block, n, 0, 0, 0, 0, 0], generation: 1 },
                0,
                foca::State::Alive,
            )
        };
        let members: Vec<_> = (0..10).map(member).collect();
        left.handle_datagram(Time::ZERO, at_right, &hearsay(&members));
    }
    assert_eq!(left.len(), MAX_STRANGERS + 1);
    assert_eq!(left.counters().strangers as usize, 1_000 - MAX_STRANGERS);
}

#[test]
fn an_announce_that_was_lost_is_sent_again() {
    let (mut left, mut right, at_left, _) = pair();
    left.join(Time::ZERO, NodeId([2; 16]), 1);
    assert_eq!(sent(&mut left).len(), 1, "and is lost");
    let again = left.poll_timeout().expect("it tries again");
    left.handle_timeout(again);
    for datagram in sent(&mut left) {
        right.handle_datagram(again, at_left, &datagram);
    }
    assert!(right.is_alive(NodeId([1; 16])));
}

#[test]
fn a_node_that_never_answers_is_not_announced_to_for_ever() {
    let (mut left, ..) = pair();
    left.join(Time::ZERO, NodeId([2; 16]), 1);
    let mut sends = 0;
    while let Some(at) = left.poll_timeout().filter(|at| *at < Duration::from_secs(3_600)) {
        left.handle_timeout(at);
        sends += sent(&mut left).len();
    }
    assert!((2..=6).contains(&sends), "{sends}");
}

#[test]
fn a_member_that_is_looked_at_is_measured_and_nobody_else() {
    let (mut left, mut right, at_left, at_right) = pair();
    let (other, mut now, mut echoes) = (NodeId([2; 16]), Time::ZERO, [0; 2]);
    let one_way = Duration::from_millis(40);
    for (turn, looked_at) in [Some(other), None].into_iter().enumerate() {
        left.look_at(now, looked_at.into_iter());
        let end = now + Duration::from_secs(60);
        while let Some(at) = left.poll_timeout().filter(|at| *at < end) {
            now = at;
            left.handle_timeout(now);
            for question in sent(&mut left) {
                echoes[turn] += usize::from(question[0] == seal::ECHO);
                right.handle_datagram(now + one_way, at_left, &question);
                for answer in sent(&mut right) {
                    assert_eq!(answer.len(), question.len(), "an answer is no more than its question");
                    left.handle_datagram(now + 2 * one_way, at_right, &answer);
                    // said twice, or by somebody else, it counts for nothing
                    left.handle_datagram(now + 50 * one_way, at_right, &answer);
                }
            }
        }
        now = end;
    }
    assert_eq!(echoes, [6, 0]);
    assert_eq!(left.measures(other), (Some(80), Some(0)));
    assert_eq!((left.quality(other), right.quality(NodeId([1; 16]))), (Some(Quality::Good), None));
}

/// Two members for ten minutes, with so much delay each way and one datagram of `lost` lost: what the left one
/// measures of the right one by its probes alone, and how many datagrams it sent.
fn by_probes(one_way: Duration, lost: u32) -> ((Option<u32>, Option<u32>), Option<Quality>, u32) {
    let (mut left, mut right, at_left, at_right) = pair();
    left.join(Time::ZERO, NodeId([2; 16]), 1);
    let (mut flying, mut number): (Vec<(Time, bool, Vec<u8>)>, u32) = (Vec::new(), 0);
    let mut now = Time::ZERO;
    while now < Duration::from_secs(600) {
        for (of_left, gossip) in [(true, &mut left), (false, &mut right)] {
            for datagram in sent(gossip) {
                number += 1;
                if lost == 0 || number % lost != 0 {
                    flying.push((now + one_way, of_left, datagram));
                }
            }
        }
        let arrives = flying.iter().map(|(at, ..)| *at).min();
        let due = [left.poll_timeout(), right.poll_timeout(), arrives].into_iter().flatten().min();
        now = now.max(due.expect("probes go on"));
        left.handle_timeout(now);
        right.handle_timeout(now);
        for (_, of_left, datagram) in flying.extract_if(.., |(at, ..)| *at <= now) {
            let (to, from) = if of_left { (&mut right, at_left) } else { (&mut left, at_right) };
            to.handle_datagram(now, from, &datagram);
        }
    }
    let other = NodeId([2; 16]);
    assert!(left.is_alive(other), "{one_way:?}");
    (left.measures(other), left.quality(other), left.counters().sent)
}

#[test]
fn delay_is_not_counted_as_loss() {
    let quick = by_probes(Duration::from_millis(5), 0);
    assert_eq!((quick.0, quick.1), ((Some(10), Some(0)), Some(Quality::Good)));
    for (one_way, quality) in [
        (240, Quality::Poor),
        (300, Quality::Poor),
        (450, Quality::Slow),
        (740, Quality::Slow),
        (1_400, Quality::Slow),
    ] {
        let slow = by_probes(Duration::from_millis(one_way), 0);
        assert_eq!((slow.0, slow.1), ((Some(2 * one_way as u32), Some(0)), Some(quality)), "{one_way} ms");
        // once the way is known, a slow one is not asked twice, as far as two questions fit between two probes
        if one_way < 750 {
            assert!(
                slow.2 <= quick.2 + quick.2 / 10,
                "{one_way} ms: {} datagrams instead of {}",
                slow.2,
                quick.2
            );
        }
    }
}

#[test]
fn loss_is_counted_on_a_slow_way_as_on_a_quick_one() {
    for one_way in [5, 300] {
        let ((round_trip, loss), quality, _) = by_probes(Duration::from_millis(one_way), 10);
        assert!(round_trip.is_some_and(|ms| ms.abs_diff(2 * one_way as u32) <= 2), "{round_trip:?}");
        assert!(loss.is_some_and(|percent| percent <= 10), "{loss:?}: what was sent again was answered");
        assert!(quality <= Some(Quality::Poor), "{quality:?}");
    }
}

#[test]
fn only_so_many_are_looked_at() {
    let (mut left, ..) = pair();
    left.look_at(Time::ZERO, (0..=u8::MAX).map(|n| NodeId([n; 16])));
    assert_eq!(left.echoes.len(), echo::MAX_LOOKED_AT);
}

mod members;
mod news;
mod roll;

/// Hands each other's datagrams over until both are quiet.
fn talk(left: &mut Gossip, right: &mut Gossip) {
    let at = |n: u8| SocketAddr::from(([10, 0, 0, n], 8443));
    loop {
        let (from_left, from_right) = (sent(left), sent(right));
        if from_left.is_empty() && from_right.is_empty() {
            return;
        }
        from_left.iter().for_each(|datagram| right.handle_datagram(Time::ZERO, at(1), datagram));
        from_right.iter().for_each(|datagram| left.handle_datagram(Time::ZERO, at(2), datagram));
    }
}

#[test]
fn who_begins_anew_under_another_key_has_no_members_and_hears_only_those_who_have_the_key() {
    let (mut left, mut right, at_left, at_right) = pair();
    let (left_id, right_id) = (NodeId([1; 16]), NodeId([2; 16]));
    left.join(Time::ZERO, right_id, 1);
    talk(&mut left, &mut right);
    assert!(left.is_alive(right_id) && right.is_alive(left_id));

    left.begin_anew(Time::ZERO, Some([9; 32]), 3);
    let outputs: Vec<Output> = std::iter::from_fn(|| left.poll_output()).collect();
    assert!(outputs.contains(&Output::Down(right_id)) && outputs.contains(&Output::Generation(2)));
    assert!(left.is_empty());
    for output in outputs {
        if let Output::Send { payload, .. } = output {
            right.handle_datagram(Time::ZERO, at_left, &payload);
        }
    }
    assert!(!right.is_alive(left_id), "it was said goodbye to");

    right.join(Time::ZERO, left_id, 2);
    for datagram in sent(&mut right) {
        left.handle_datagram(Time::ZERO, at_right, &datagram);
    }
    assert_eq!((left.counters().forged, left.is_empty()), (1, true));

    right.begin_anew(Time::ZERO, Some([9; 32]), 4);
    sent(&mut right);
    right.join(Time::ZERO, left_id, 2);
    talk(&mut left, &mut right);
    assert!(left.is_alive(right_id) && right.is_alive(left_id));
}
