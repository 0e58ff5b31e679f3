use super::*;

fn pair() -> (Gossip, Gossip, SocketAddr, SocketAddr) {
    let address = |n: u8| SocketAddr::from(([10, 0, 0, n], 8443));
    let (a, b) = (NodeId([1; 16]), NodeId([2; 16]));
    let mut left = Gossip::new(a, 1, [1; 32], 1, |_| Some(1));
    let mut right = Gossip::new(b, 1, [2; 32], 2, |_| Some(1));
    left.introduce(b, Gossip::agreement([2; 32]), vec![address(2)]);
    right.introduce(a, Gossip::agreement([1; 32]), vec![address(1)]);
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
