//! Records that ride along, and what datagrams say of the directory.

use super::*;

const LEFT: NodeId = NodeId([1; 16]);
const RIGHT: NodeId = NodeId([2; 16]);

/// Which record another replaces: by its first two bytes.
fn key_of(record: &[u8]) -> Option<u64> {
    Some(u64::from(u16::from_be_bytes([*record.first()?, *record.get(1)?])))
}

/// Two members of each other.
fn members() -> (Gossip, Gossip) {
    let at = |n: u8| SocketAddr::from(([10, 0, 0, n], 8443));
    let mut left = Gossip::new(LEFT, 1, [1; 32], 1, key_of);
    let mut right = Gossip::new(RIGHT, 1, [2; 32], 2, key_of);
    left.introduce(RIGHT, Gossip::agreement([2; 32]), vec![at(2)], true);
    right.introduce(LEFT, Gossip::agreement([1; 32]), vec![at(1)], true);
    left.join(Time::ZERO, RIGHT, 1);
    for _ in 0..3 {
        hand(Time::ZERO, &mut left, &mut right);
        hand(Time::ZERO, &mut right, &mut left);
    }
    (left, right)
}

/// Takes the datagrams of one to the other, and says what came of them.
fn hand(now: Time, from: &mut Gossip, to: &mut Gossip) -> Vec<Output> {
    let at = SocketAddr::from(([10, 0, 0, 9], 8443));
    for datagram in sent(from) {
        assert!(datagram.len() <= MAX_DATAGRAM, "{} bytes", datagram.len());
        to.handle_datagram(now, at, &datagram);
    }
    let said: Vec<Output> = std::iter::from_fn(|| to.poll_output()).collect();
    // what it answers goes back later
    let (answers, rest) = said.into_iter().partition(|output| matches!(output, Output::Send { .. }));
    to.outputs.extend::<Vec<Output>>(answers);
    rest
}

fn arrived(said: &[Output]) -> Vec<Vec<u8>> {
    let record = |output: &Output| match output {
        Output::Arrived(record) => Some(record.clone()),
        _ => None,
    };
    said.iter().filter_map(record).collect()
}

#[test]
fn a_record_goes_to_members_at_once_and_arrives_as_it_was() {
    let (mut left, mut right) = members();
    let mut now = Duration::from_secs(1);
    left.handle_timeout(now);
    hand(now, &mut left, &mut right);
    left.spread(now, b"news of somebody");
    let due = left.news_at.unwrap();
    assert_eq!(due, now + NEWS_DELAY.0);
    assert!(left.poll_timeout() <= Some(due));
    left.handle_timeout(due - Duration::from_millis(1));
    assert!(left.news_at.is_some(), "not before");
    left.handle_timeout(due);
    assert_eq!(arrived(&hand(due, &mut left, &mut right)), [b"news of somebody".to_vec()]);
    assert_eq!(left.news_at, None);
    // more news waits for the next round
    now = due + Duration::from_millis(1);
    left.spread(now, b"more");
    assert_eq!(left.news_at, Some(due + NEWS_DELAY.1));
    left.spread(now, b"still more");
    assert_eq!(left.news_at, Some(due + NEWS_DELAY.1), "one round for all");
    left.handle_timeout(due + NEWS_DELAY.1);
    // what was told before is told on for a while
    let came = arrived(&hand(now, &mut left, &mut right));
    assert!(
        [&b"more"[..], b"still more"].iter().all(|news| came.iter().any(|record| record == news)),
        "{came:?}"
    );
    // long after the last round it is only a moment again
    now += Duration::from_secs(10);
    left.spread(now, b"later");
    assert_eq!(left.news_at, Some(now + NEWS_DELAY.0));
}

#[test]
fn what_is_too_large_or_too_much_does_not_ride_along_and_is_counted() {
    let (mut left, mut right) = members();
    left.spread(Time::ZERO, &[7; MAX_ITEM + 1]);
    assert_eq!((left.counters().not_spread, left.news_at), (1, None));
    left.spread(Time::ZERO, &[7; MAX_ITEM]);
    assert_eq!(left.counters().not_spread, 1);
    left.handle_timeout(left.news_at.unwrap());
    let said = hand(NEWS_DELAY.0, &mut left, &mut right);
    assert_eq!(arrived(&said), [vec![7; MAX_ITEM]], "the largest one fits a datagram");

    let (mut left, _) = members();
    for n in 0..MAX_BACKLOG as u16 {
        left.spread(Time::ZERO, &n.to_be_bytes());
    }
    assert_eq!(left.counters().not_spread, 0);
    left.spread(Time::ZERO, &[0xff, 0xff]);
    assert_eq!(left.counters().not_spread, 1);
}

#[test]
fn newer_news_of_one_record_takes_the_place_of_the_older() {
    let (mut left, mut right) = members();
    left.spread(Time::ZERO, &[0, 1, 1]);
    left.spread(Time::ZERO, &[0, 1, 2]);
    left.spread(Time::ZERO, &[0, 2, 1]);
    left.handle_timeout(left.news_at.unwrap());
    let mut records = arrived(&hand(NEWS_DELAY.0, &mut left, &mut right));
    records.sort();
    assert_eq!(records, [vec![0, 1, 2], vec![0, 2, 1]]);
}

#[test]
fn datagrams_show_whether_two_nodes_know_the_same() {
    let (mut left, mut right) = members();
    let mut differs = |ours: u32, theirs: u32| {
        left.set_summary(ours);
        right.set_summary(theirs);
        left.join(Time::ZERO, RIGHT, 1);
        hand(Time::ZERO, &mut left, &mut right).contains(&Output::Differs(LEFT))
    };
    assert!(!differs(0, 0));
    assert!(differs(0, 1));
    assert!(differs(0x8000_0000, 0));
    assert!(!differs(0xdead_beef, 0xdead_beef));
    // who knows the same records and other members differs too, in either half of the sum
    for short in [[0, 0, 0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 1]] {
        let (mut left, mut right) = members();
        left.sum = left.sum.wrapping_add(u64::from_be_bytes(short));
        left.join(Time::ZERO, RIGHT, 1);
        assert!(hand(Time::ZERO, &mut left, &mut right).contains(&Output::Differs(LEFT)));
    }
}

#[test]
fn a_quiet_mesh_says_nothing_of_records() {
    let (mut left, mut right) = members();
    let end = Duration::from_secs(30);
    let mut now = Time::ZERO;
    while let Some(due) = left.poll_timeout().filter(|due| *due < end) {
        now = due;
        left.handle_timeout(now);
        assert!(arrived(&hand(now, &mut left, &mut right)).is_empty());
        hand(now, &mut right, &mut left);
    }
    assert!(now > end - PROBE_PERIOD);
    // one probe and one answer in three seconds, and an announce or two
    assert!(left.counters().sent < 20, "{}", left.counters().sent);
}
