//! What the node wire signs, how large it takes its frames to be, and where it stops reading.

use super::bytes::{Bytes, Point, Token};
use super::node::{CallBody, CallFrame, Device, DevicesBody, DevicesFrame, Frame, Introduction, MAX_FRAME};
use super::page::{Candidate, Description, Kind, Media, Presence, Reason};
use crate::directory::record::MAX_RECORD;
use crate::id::{CallId, DeviceId, NodeId};
use crate::name::Address;
use crate::scram::{MIN_ITERATIONS, Secret};

fn address() -> Address {
    Address { home: NodeId([1; 16]), name: "nuria".parse().unwrap() }
}

fn description(sdp: &str) -> Description {
    Description { media: Media::Audio, number: 1, sdp: sdp.into(), signature: Bytes([0; 64]) }
}

fn introduction(sdp: &str) -> Introduction {
    Introduction { display: "Núria".parse().unwrap(), key: Bytes([4; 65]), description: description(sdp) }
}

#[test]
fn a_device_signs_the_texts_that_the_document_prints() {
    let (address, request, key): (Address, Token, Point) = (address(), Bytes([7; 16]), Bytes([4; 65]));
    let device = DeviceId([9; 16]);
    assert_eq!(
        DevicesFrame::link_text(&address, &request, &key),
        format!("truca-link-1\n{address}\n{request}\n{key}\n")
    );
    assert_eq!(
        DevicesFrame::revoke_text(&address, &device, 300),
        format!("truca-revoke-1\n{address}\n{device}\n300\n")
    );
    assert_eq!(
        DevicesFrame::password_text(&address, 300, None),
        format!("truca-password-1\n{address}\n300\n")
    );
    let (salt, stored, server) = (Bytes([1; 16]), Bytes([2; 32]), Bytes([3; 32]));
    let secret = Secret { salt, iterations: MIN_ITERATIONS, stored, server };
    assert_eq!(
        DevicesFrame::password_text(&address, 300, Some(&secret)),
        format!("truca-password-1\n{address}\n300\n{salt}\n600000\n{stored}\n{server}\n")
    );
}

#[test]
fn what_is_kept_of_a_call_counts_with_its_text() {
    let base = CallBody::Ringing.size();
    assert!(base >= size_of::<CallBody>());
    let candidate = |mid: Option<&str>| {
        CallBody::Candidate(Candidate { candidate: "12345".into(), mid: mid.map(Into::into), mline: Some(0) })
    };
    for (body, text) in [
        (CallBody::Invite(introduction("v=0")), 3),
        (CallBody::Accept(introduction("v=0\r\n")), 5),
        (CallBody::Describe(Kind::Offer, description("v=0\r\n")), 5),
        (candidate(None), 5),
        (candidate(Some("mid")), 8),
        (CallBody::Message("hola".into()), 4),
        (CallBody::Connected, 0),
        (CallBody::HangUp(Reason::HungUp), 0),
        (CallBody::Presence(Presence::Lost), 0),
    ] {
        assert_eq!(body.size(), base + text, "{body:?}");
        let device = Device { address: address(), device: DeviceId([1; 16]) };
        let frame = CallFrame { call: CallId([1; 16]), from: device.clone(), to: device, body };
        assert_eq!(Frame::Call(Box::new(frame)).size(), base + text);
    }
}

#[test]
fn a_frame_about_an_account_counts_with_the_record_that_it_may_hold() {
    let body = DevicesBody::Linked(vec![0; MAX_RECORD]);
    let frame = Frame::Devices(Box::new(DevicesFrame { request: Bytes([0; 16]), address: address(), body }));
    assert!(frame.size() >= MAX_RECORD + size_of::<DevicesFrame>(), "{}", frame.size());
    assert!(frame.size() >= frame.encode().len());
}

#[test]
fn the_largest_frame_is_read_and_one_that_is_a_byte_larger_is_not() {
    let of = |length: usize| {
        let frame = Frame::Records(vec![vec![7; length]]);
        (frame.encode().len(), frame)
    };
    let around = of(60_000).0 - 60_000;
    let (length, frame) = of(MAX_FRAME - around);
    assert_eq!(length, MAX_FRAME);
    assert_eq!(Frame::decode(&frame.encode()), Some(frame));
    let (length, frame) = of(MAX_FRAME - around + 1);
    assert_eq!((length, Frame::decode(&frame.encode())), (MAX_FRAME + 1, None));
    assert_eq!(Frame::decode(&[]), None);
}
