//! One node on the bench, and what neighbours may not do to it.

use std::time::Duration;

use truca_core::id::{CallId, DeviceId};
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{CallBody, CallFrame, Device, Frame, Introduction, Item, VERSION};
use truca_core::wire::page::{Description, Media, Reason};

use super::admission::{Admission, CommunityKey};
use super::*;
use crate::event::{LinkOut, PageOut};
use crate::fuzz::bench::{
    BenchKeys, OTHER, OWN, account_record as account, address, attachment, drain, id, node, node_record,
    sign_in,
};

/// Opens a link with the node whose key is `key`, up to its hello.
fn link(node: &mut Node, number: u32, key: u8, dialled: bool) -> LinkId {
    let link = LinkId(number);
    node.link_opened(Time::ZERO, link, &BenchKeys(key).point(), address(key), dialled);
    let hello = Frame::Hello { version: VERSION, node: node_record(key, 1), generation: 1 };
    node.link_frame(Time::ZERO, link, &hello.encode());
    link
}

fn frames(outputs: &[Output], to: LinkId) -> Vec<Frame> {
    let frame = |output: &Output| match output {
        Output::Link(link, LinkOut::Frame(frame)) if *link == to => Frame::decode(frame),
        _ => None,
    };
    outputs.iter().filter_map(frame).collect()
}

fn closed(outputs: &[Output], link: LinkId) -> bool {
    outputs.iter().any(|output| matches!(output, Output::Link(at, LinkOut::Close) if *at == link))
}

/// Núria (device key 2) and Pep (3) are attached to the node; the other node rings Núria as `from`, whose device
/// it says is that with the key `device`.
fn rung(from: &str, device: u8) -> (Vec<Frame>, bool) {
    let mut node = node();
    let pages = [sign_in(&mut node, 0), sign_in(&mut node, 1)];
    let link = link(&mut node, 1, OTHER, false);
    drain(&mut node);
    let device_of = |key| DeviceId::of_point(&BenchKeys(key).point());
    let description =
        Description { media: Media::Audio, number: 1, sdp: "v=0".into(), signature: Bytes([1; 64]) };
    let key = Bytes(BenchKeys(device).point());
    let introduction = Introduction { display: "Pep".parse().unwrap(), key, description };
    let frame = Frame::Call(Box::new(CallFrame {
        call: CallId([9; 16]),
        from: Device { address: from.parse().unwrap(), device: device_of(device) },
        to: Device { address: format!("nuria@{}", id(OWN)).parse().unwrap(), device: device_of(2) },
        body: CallBody::Invite(introduction),
    }));
    node.link_frame(Time::ZERO, link, &frame.encode());
    let outputs = drain(&mut node);
    let told = |output: &Output| matches!(output, Output::Page(page, PageOut::Text(text)) if *page == pages[0] && text.starts_with("{\"incoming\""));
    (frames(&outputs, link), outputs.iter().any(told))
}

fn bodies(frames: &[Frame]) -> Vec<&CallBody> {
    let calls =
        frames.iter().filter_map(|frame| if let Frame::Call(call) = frame { Some(call) } else { None });
    calls.map(|call| &call.body).collect()
}

#[test]
fn nobody_rings_in_the_name_of_somebody_whose_device_it_is_not() {
    let (answer, incoming) = rung(&format!("pep@{}", id(OWN)), 1);
    assert_eq!(bodies(&answer), [&CallBody::Refuse(Reason::Unreachable)]);
    assert!(!incoming);
}

#[test]
fn somebody_whose_account_has_not_come_yet_may_ring_already() {
    let (answer, incoming) = rung(&format!("pep@{}", id(OTHER)), 3);
    assert_eq!(bodies(&answer), [&CallBody::Ringing]);
    assert!(incoming);
}

#[test]
fn who_fills_the_room_for_comparisons_makes_room_for_the_next() {
    let mut node = node();
    let links = [link(&mut node, 1, OTHER, true), link(&mut node, 2, 3, true)];
    for link in links {
        assert!(node.links.open.contains_key(&link));
    }
    drain(&mut node);
    let items = |bucket: u8, count: u64| {
        let item = |n: u64| Item { key: (u64::from(bucket) << 56) | n, version: n };
        Frame::Items { buckets: vec![bucket], items: (0..count).map(item).collect(), more: true }.encode()
    };
    for bucket in 0..21 {
        node.link_frame(Time::ZERO, links[0], &items(bucket, 3_000));
    }
    assert!(!closed(&drain(&mut node), links[0]));
    node.link_frame(Time::ZERO, links[1], &items(0, 3_000));
    let outputs = drain(&mut node);
    assert!(closed(&outputs, links[0]) && !closed(&outputs, links[1]));
    // and alone it cannot go over the bound either
    for bucket in 1..22 {
        node.link_frame(Time::ZERO, links[1], &items(bucket, 3_000));
    }
    assert!(closed(&drain(&mut node), links[1]));
}

#[test]
fn a_call_finds_a_link_also_when_all_are_taken() {
    let mut node = node();
    let page = sign_in(&mut node, 0);
    // Pep is attached to the node with key 3, and the link over which that was said is gone
    let link = link(&mut node, 1, 3, false);
    let here = attachment(3, 3, "pep");
    for record in [account(3, "pep", 3), here] {
        node.link_frame(Time::ZERO, link, &Frame::Records(vec![record]).encode());
        node.handle_timeout(Time::ZERO);
    }
    node.link_closed(Time::ZERO, link);
    node.ground.alive.insert(id(3));
    for number in 0..links::MAX_LINKS as u32 {
        let mut point = BenchKeys(OTHER).point();
        point[1..5].copy_from_slice(&number.to_be_bytes());
        let remote = SocketAddr::from(([10, 1, 0, number as u8], 8443));
        node.link_opened(Duration::from_secs(u64::from(number)), LinkId(100 + number), &point, remote, false);
    }
    drain(&mut node);
    let now = Duration::from_secs(100);
    let signature = "A".repeat(86);
    let text = format!(
        r#"{{"invite":{{"id":2,"call":"{}","to":"pep@{}","media":"audio","number":1,"sdp":"v=0","signature":"{signature}"}}}}"#,
        CallId([9; 16]),
        id(3)
    );
    node.page_text(now, page, &text);
    let outputs = drain(&mut node);
    assert!(closed(&outputs, LinkId(100)), "the oldest made room: {outputs:?}");
    assert!(outputs.iter().any(|output| matches!(output, Output::Dial(at) if *at == address(3))));
}

/// A node with a neighbour that is a member: the node, their link, and the neighbour's membership.
fn with_member() -> (Node, LinkId, Gossip) {
    let mut node = node();
    let link = link(&mut node, 1, OTHER, true);
    let mut other = Gossip::new(id(OTHER), 1, BenchKeys(OTHER).agreement_secret(), 1, |_| Some(1));
    let agreement = Gossip::agreement(BenchKeys(OWN).agreement_secret());
    other.introduce(id(OWN), agreement, vec![address(OWN)], true);
    while !datagrams(&mut node, &mut other).is_empty() {}
    assert!(node.ground.alive.contains(&id(OTHER)));
    (node, link, other)
}

/// One exchange of datagrams; what the node has put out.
fn datagrams(node: &mut Node, other: &mut Gossip) -> Vec<Output> {
    let outputs = drain(node);
    for output in &outputs {
        if let Output::Datagram { payload, .. } = output {
            other.handle_datagram(Time::ZERO, address(OWN), payload);
        }
    }
    while let Some(output) = other.poll_output() {
        if let truca_core::gossip::Output::Send { payload, .. } = output {
            node.handle_datagram(Time::ZERO, address(OTHER), &payload);
        }
    }
    outputs
}

fn admits(node: &mut Node, admission: Admission) -> Vec<Output> {
    node.set_settings(Time::ZERO, Settings { admission, ..node.ground.settings.clone() });
    drain(node)
}

fn secret(words: &str) -> Admission {
    Admission::Secret(CommunityKey::of(words))
}

#[test]
fn a_community_that_is_closed_while_it_runs_believes_nobody_who_has_not_shown_the_secret() {
    let (mut node, first, mut other) = with_member();
    for (number, admission) in
        [(10, secret("correct horse battery")), (20, secret("something else entirely"))]
    {
        let outputs = admits(&mut node, admission.clone());
        assert!(number > 10 || closed(&outputs, first));
        assert_eq!(node.ground.alive, [id(OWN)].into_iter().collect());
        let forged = node.ground.gossip.counters().forged;
        other.join(Time::ZERO, id(OWN), node.ground.gossip.generation());
        datagrams(&mut node, &mut other);
        assert!(node.ground.gossip.counters().forged > forged);
        assert_eq!(node.ground.alive.len(), 1, "what it says by datagrams is not heard");
        let stranger = link(&mut node, number, OTHER, false);
        assert!(closed(&drain(&mut node), stranger), "and a link without a proof is closed");

        let link = LinkId(number + 1);
        node.link_opened(Time::ZERO, link, &BenchKeys(OTHER).point(), address(OTHER), false);
        let proof = admission.proof(id(OTHER), id(OWN)).expect("a proof");
        node.link_frame(Time::ZERO, link, &Frame::Prove(proof).encode());
        let hello = Frame::Hello { version: VERSION, node: node_record(OTHER, 1), generation: 1 };
        node.link_frame(Time::ZERO, link, &hello.encode());
        assert_eq!(node.links.to(id(OTHER)), Some(link));
        assert!(!closed(&admits(&mut node, admission), link), "what is as it was closes nothing");
    }
    let open = node.links.to(id(OTHER)).expect("a link");
    assert!(closed(&admits(&mut node, Admission::Open), open), "the key of datagrams is another one");
    let link = link(&mut node, 30, OTHER, false);
    assert_eq!(node.links.to(id(OTHER)), Some(link));
}

#[test]
fn who_is_taken_from_the_list_is_let_go_and_may_come_back() {
    let (mut node, first, mut other) = with_member();
    let pep = sign_in(&mut node, 1);
    let list = |keys: &[u8]| Admission::Allow(keys.iter().map(|key| id(*key)).collect());
    assert!(!closed(&admits(&mut node, list(&[OTHER, 3])), first), "all who are known are on it");
    assert!(node.ground.alive.contains(&id(OTHER)));

    let outputs = admits(&mut node, list(&[3]));
    assert!(closed(&outputs, first));
    assert!(node.ground.directory.node(&id(OTHER)).is_none() && node.ground.alive.len() == 1);
    assert_eq!(node.ground.directory.accounts_of(id(OWN)).count(), 1, "people of this home stay");
    assert!(node.pages.is_open(pep));
    other.join(Time::ZERO, id(OWN), node.ground.gossip.generation());
    datagrams(&mut node, &mut other);
    assert_eq!(node.ground.alive.len(), 1);
    let refused = link(&mut node, 10, OTHER, false);
    assert!(closed(&drain(&mut node), refused));

    for (number, admission) in [(20, list(&[3, OTHER])), (30, Admission::Open)] {
        admits(&mut node, admission);
        let link = link(&mut node, number, OTHER, false);
        assert_eq!(node.links.to(id(OTHER)), Some(link));
    }
}

#[test]
fn a_sign_in_leaves_nothing_to_check_for_the_directory() {
    let mut node = node();
    drain(&mut node);
    let before = node.directory().counters().checked;
    let page = sign_in(&mut node, 0);
    let (_, accounts, attachments) = node.directory().sizes();
    assert_eq!((accounts, attachments), (1, 1), "the account is made, and she is here");
    node.page_closed(Time::ZERO, page, true);
    node.handle_timeout(Time::ZERO + Duration::from_secs(600));
    let nuria: truca_core::name::Address = format!("nuria@{}", id(OWN)).parse().unwrap();
    let device = DeviceId::of_point(&BenchKeys(2).point());
    assert_eq!(
        node.directory().attachment(&nuria, device).map(|at| at.status),
        Some(truca_core::directory::record::Status::Gone)
    );
    assert_eq!(node.directory().counters().checked, before, "all was checked at the door or signed here");
}
