//! One node on the bench, and what neighbours may not do to it.

use truca_core::id::{CallId, DeviceId};
use truca_core::wire::node::{CallBody, CallFrame, Frame, Introduction, Item, VERSION};
use truca_core::wire::page::{Description, Media, Reason};

use super::*;
use crate::fuzz::bench::{BenchKeys, OTHER, OWN, address, drain, id, node, node_record, sign_in};

/// Opens a link with the node whose key is `key`, up to its hello.
fn link(node: &mut Node<BenchKeys>, number: u32, key: u8, dialled: bool) -> LinkId {
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
    let description = Description { media: Media::Audio, sdp: "v=0".into(), signature: Bytes([1; 64]) };
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
