//! What a neighbour may say to a node of calls, of devices and of its directory, and what it may not.

use serde_json::{Value, json};
use std::time::Duration;
use truca_core::directory::sync::Digest;
use truca_core::id::CallId;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{
    CallBody, CallFrame, Device, DevicesBody, DevicesFrame, Frame, Introduction, Item,
};
use truca_core::wire::page::{
    Candidate, Description, Kind, LinkEnd, MAX_CANDIDATE, MAX_SDP, MAX_TEXT, Media, Presence, Reason,
};
use truca_tests::keys::TestKey;
use truca_tests::sim::{Mesh, Neighbour, Person};

const SECOND: Duration = Duration::from_secs(1);
const CALL: CallId = CallId([9; 16]);

fn alone(seed: u64) -> Mesh {
    let mut mesh = Mesh::new(seed, 1);
    mesh.start(0, &[]);
    mesh
}

fn description(sdp: impl Into<String>) -> Description {
    Description { media: Media::Audio, number: 1, sdp: sdp.into(), signature: Bytes([5; 64]) }
}

fn introduction(key: &TestKey, sdp: impl Into<String>) -> Introduction {
    let display = "Pep, says the neighbour".parse().expect("a display name");
    Introduction { display, key: Bytes(key.point()), description: description(sdp) }
}

/// SDP of so many bytes.
fn sdp(length: usize) -> String {
    format!("v=0{}", "x".repeat(length - 3))
}

/// Pep, who is at home at a neighbour and attached there, and Núria, whose page is at the node.
struct Story {
    mesh: Mesh,
    there: Neighbour,
    pep: TestKey,
    nuria: Person,
}

impl Story {
    fn new(seed: u64) -> Self {
        let mut mesh = alone(seed);
        let nuria = mesh.sign_in(0, "nuria");
        let there = mesh.neighbour(0, false);
        let pep = TestKey::new(77);
        let records = vec![there.account("pep", &pep), there.attachment(&pep, &there.address("pep"), 1)];
        mesh.neighbour_says(&there, &Frame::Records(records));
        mesh.run(SECOND);
        mesh.neighbour_hears(&there);
        Self { mesh, there, pep, nuria }
    }

    fn frame(&self, call: CallId, body: CallBody) -> Frame {
        let from = Device { address: self.there.address("pep"), device: self.pep.device() };
        let to = Device { address: self.nuria.at_home(), device: self.nuria.key.device() };
        Frame::Call(Box::new(CallFrame { call, from, to, body }))
    }

    fn says(&mut self, body: CallBody) {
        let frame = self.frame(CALL, body);
        let there = self.there.clone();
        self.mesh.neighbour_says(&there, &frame);
    }

    /// What is said in the call to Pep's device.
    fn hears(&mut self) -> Vec<CallBody> {
        let there = self.there.clone();
        let body = |frame| if let Frame::Call(frame) = frame { Some(frame.body) } else { None };
        self.mesh.neighbour_hears(&there).into_iter().filter_map(body).collect()
    }

    fn told(&self, name: &str) -> Vec<Value> {
        self.mesh.told(&self.nuria, name).into_iter().cloned().collect()
    }

    fn bad_frames(&mut self) -> u64 {
        self.mesh.counter(0, "/counters/links/bad_frames")
    }

    fn answered(seed: u64) -> Self {
        let mut story = Self::new(seed);
        let offer = introduction(&story.pep, "v=0\r\n");
        story.says(CallBody::Invite(offer));
        assert_eq!(story.hears(), [CallBody::Ringing]);
        let accept = json!({ "call": CALL.to_string(), "media": "audio", "number": 1, "sdp": "v=0\r\n", "signature": "A".repeat(86) });
        story.mesh.ask(&mut story.nuria, "accept", accept);
        assert!(matches!(&story.hears()[..], [CallBody::Accept(_)]));
        story
    }
}

#[test]
fn a_neighbours_call_rings_with_what_home_says_of_its_people() {
    let mut story = Story::new(1);
    let offer = introduction(&story.pep, "v=0\r\n");
    story.says(CallBody::Invite(offer));
    assert_eq!(story.hears(), [CallBody::Ringing]);
    let incoming = story.told("incoming");
    assert_eq!(incoming.len(), 1);
    let from = &incoming[0]["from"];
    assert_eq!(from["address"], json!(story.there.address("pep").to_string()));
    // the account's own record goes before what the other node says
    assert_eq!(from["display"], json!("pep"));
    assert_eq!(from["device"], json!(story.pep.device().to_string()));
    assert_eq!(from["key"], json!(Bytes(story.pep.point()).to_string()));
    assert_eq!((&from["node"]["name"], &from["home"]["name"]), (&json!("neighbour1"), &json!("neighbour1")));
    assert_eq!(incoming[0]["sdp"], json!("v=0\r\n"));
}

#[test]
fn a_node_speaks_only_for_a_device_whose_key_it_shows() {
    let mut story = Story::new(2);
    let offer = introduction(&TestKey::new(78), "v=0\r\n");
    story.says(CallBody::Invite(offer.clone()));
    assert_eq!((story.hears(), story.told("incoming").len(), story.bad_frames()), (vec![], 0, 1));
    // nor in an answer
    let invite = json!({ "call": CALL.to_string(), "to": story.there.address("pep").to_string(), "media": "audio", "number": 1, "sdp": "v=0\r\n", "signature": "A".repeat(86) });
    story.mesh.ask(&mut story.nuria, "invite", invite);
    story.says(CallBody::Accept(offer));
    assert_eq!((story.told("accepted").len(), story.bad_frames()), (0, 2));
}

#[test]
fn what_a_neighbour_says_in_a_call_is_as_long_as_it_may_be_and_no_longer() {
    let candidate = |length: usize, mid: usize| {
        let candidate = "c".repeat(length);
        CallBody::Candidate(Candidate { candidate, mid: Some("m".repeat(mid)), mline: None })
    };
    let mut story = Story::answered(3);
    for (name, good, bad) in [
        ("candidate", candidate(MAX_CANDIDATE, 32), vec![candidate(MAX_CANDIDATE + 1, 1), candidate(1, 33)]),
        (
            "message",
            CallBody::Message("x".repeat(MAX_TEXT * 4)),
            vec![CallBody::Message("x".repeat(MAX_TEXT * 4 + 1))],
        ),
        (
            "describe",
            CallBody::Describe(Kind::Offer, description(sdp(MAX_SDP))),
            vec![
                CallBody::Describe(Kind::Offer, description(sdp(MAX_SDP + 1))),
                CallBody::Describe(Kind::Offer, description("o=0\r\n")),
            ],
        ),
    ] {
        let before = story.bad_frames();
        story.says(good);
        assert_eq!((story.told(name).len(), story.bad_frames()), (1, before), "{name}");
        for (n, bad) in bad.into_iter().enumerate() {
            story.says(bad);
            assert_eq!(
                (story.told(name).len(), story.bad_frames()),
                (1, before + n as u64 + 1),
                "{name} {n}"
            );
        }
    }
    // offers and answers have the bound of a description
    for (sdp, rings) in [(sdp(MAX_SDP), true), (sdp(MAX_SDP + 1), false), ("o=0".to_owned(), false)] {
        let mut story = Story::new(4);
        let offer = introduction(&story.pep, sdp);
        story.says(CallBody::Invite(offer));
        assert_eq!(story.told("incoming").len(), usize::from(rings));
    }
}

#[test]
fn everything_that_happens_in_a_call_is_told_to_its_page() {
    let mut story = Story::answered(5);
    story.says(CallBody::Connected);
    story.says(CallBody::Candidate(Candidate {
        candidate: "c".into(),
        mid: Some("0".into()),
        mline: Some(0),
    }));
    story.says(CallBody::Describe(Kind::Answer, description("v=0\r\n")));
    story.says(CallBody::Message("hola".into()));
    story.says(CallBody::Presence(Presence::Lost));
    story.says(CallBody::HangUp(Reason::Failed));
    let only = |name: &str| {
        let told = story.told(name);
        assert_eq!(told.len(), 1, "{name}");
        assert_eq!(told[0]["call"], json!(CALL.to_string()), "{name}");
        told[0].clone()
    };
    only("connected");
    assert_eq!(only("candidate")["mid"], json!("0"));
    assert_eq!((&only("describe")["kind"], &only("describe")["sdp"]), (&json!("answer"), &json!("v=0\r\n")));
    assert_eq!(only("message")["text"], json!("hola"));
    assert_eq!(only("peer")["state"], json!("lost"));
    assert_eq!(only("ended")["reason"], json!("failed"));
}

#[test]
fn somebody_who_is_kept_out_rings_nobody_and_is_answered_as_if_nobody_were_here() {
    let mut story = Story::new(6);
    let pep = story.there.address("pep").to_string();
    story.mesh.administer(0, "ban", &json!({ "id": pep }));
    let offer = introduction(&story.pep, "v=0\r\n");
    story.says(CallBody::Invite(offer));
    assert_eq!(story.hears(), [CallBody::Refuse(Reason::Unreachable)]);
    assert_eq!((story.told("incoming").len(), story.bad_frames()), (0, 0));
}

#[test]
fn nobody_rings_with_a_device_that_the_account_has_not() {
    let mut story = Story::new(7);
    let other = TestKey::new(79);
    let from = Device { address: story.there.address("pep"), device: other.device() };
    let to = Device { address: story.nuria.at_home(), device: story.nuria.key.device() };
    let body = CallBody::Invite(introduction(&other, "v=0\r\n"));
    let there = story.there.clone();
    story.mesh.neighbour_says(&there, &Frame::Call(Box::new(CallFrame { call: CALL, from, to, body })));
    assert_eq!(story.hears(), [CallBody::Refuse(Reason::Unreachable)]);
    assert!(story.told("incoming").is_empty());
    // in a call that there is, what came first counts
    let mut story = Story::answered(8);
    story.says(CallBody::Message("hola".into()));
    assert_eq!(story.told("message").len(), 1);
}

#[test]
fn a_call_goes_on_where_its_device_has_signed_that_it_is_and_nowhere_else() {
    let mut story = Story::answered(9);
    let elsewhere = story.mesh.neighbour(0, false);
    story.mesh.neighbour_hears(&elsewhere);
    let restore = story.frame(CALL, CallBody::Restore);
    let answers = |mesh: &mut Mesh| {
        let frames = mesh.neighbour_hears(&elsewhere);
        let body = |frame| if let Frame::Call(frame) = frame { Some(frame.body) } else { None };
        frames.into_iter().filter_map(body).collect::<Vec<_>>()
    };
    // another node says that it has the device now
    story.mesh.neighbour_says(&elsewhere, &restore);
    assert_eq!(answers(&mut story.mesh), []);
    let message = story.frame(CALL, CallBody::Message("from elsewhere".into()));
    story.mesh.neighbour_says(&elsewhere, &message);
    assert!(story.told("message").is_empty());
    // now the device itself has said so
    let attached = elsewhere.attachment(&story.pep, &story.there.address("pep"), 2);
    story.mesh.neighbour_says(&elsewhere, &Frame::Records(vec![attached]));
    story.mesh.run(SECOND);
    assert_eq!(
        answers(&mut story.mesh),
        [CallBody::Restored],
        "the Restore that came too early is answered now"
    );
    story.mesh.neighbour_says(&elsewhere, &message);
    assert_eq!(story.told("message").len(), 1);
    story.mesh.neighbour_says(&elsewhere, &restore);
    assert_eq!(answers(&mut story.mesh), [CallBody::Restored]);
    story.says(CallBody::Message("from where it was".into()));
    assert_eq!(story.told("message").len(), 1);
}

#[test]
fn a_page_that_asks_what_cannot_be_done_in_a_call_is_told_why() {
    let mut story = Story::new(10);
    let nobody = format!("nobody@{}", story.there.id());
    let pep = story.there.address("pep").to_string();
    let call = CALL.to_string();
    let invite = |to: &str, sdp: &str| json!({ "call": call, "to": to, "media": "audio", "number": 1, "sdp": sdp, "signature": "A".repeat(86) });
    let mut code = |name: &str, body: Value| {
        let answer = story.mesh.ask(&mut story.nuria, name, body);
        answer["error"]["code"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(code("invite", invite(&nobody, "v=0\r\n")), "no_such_person");
    // Pep's node is no member: nobody is there
    assert_eq!(code("invite", invite(&pep, "v=0\r\n")), "not_here");
    assert_eq!(code("invite", invite(&pep, "o=0\r\n")), "bad_sdp");
    assert_eq!(code("invite", invite(&pep, &sdp(MAX_SDP + 1))), "bad_sdp");
    let of_call = |more: Value| {
        let mut body = json!({ "call": CALL.to_string() });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let answer = json!({ "media": "audio", "number": 1, "sdp": "v=0\r\n", "signature": "A".repeat(86) });
    assert_eq!(code("accept", of_call(answer.clone())), "no_such_call");
    assert_eq!(
        code(
            "accept",
            of_call(json!({ "media": "audio", "number": 1, "sdp": "", "signature": "A".repeat(86) }))
        ),
        "bad_sdp"
    );
    assert_eq!(code("reject", of_call(json!({ "reason": "rejected" }))), "no_such_call");
    assert_eq!(code("cancel", of_call(json!({}))), "no_such_call");
    assert_eq!(code("hang_up", of_call(json!({ "reason": "hung_up" }))), "no_such_call");
    assert_eq!(code("connected", of_call(json!({}))), "no_such_call");
    let candidate = |length: usize, mid: usize| {
        of_call(json!({ "candidate": "c".repeat(length), "mid": "m".repeat(mid), "mline": null }))
    };
    assert_eq!(code("candidate", candidate(MAX_CANDIDATE, 32)), "no_such_call");
    assert_eq!(code("candidate", candidate(MAX_CANDIDATE + 1, 1)), "too_long");
    assert_eq!(code("candidate", candidate(1, 33)), "too_long");
    assert_eq!(code("message", of_call(json!({ "text": "ñ".repeat(MAX_TEXT) }))), "no_such_call");
    assert_eq!(code("message", of_call(json!({ "text": "ñ".repeat(MAX_TEXT + 1) }))), "too_long");
    let mut describe = answer;
    describe["kind"] = json!("offer");
    assert_eq!(code("describe", of_call(describe.clone())), "no_such_call");
    describe["sdp"] = json!("o=0");
    assert_eq!(code("describe", of_call(describe)), "bad_sdp");
}

#[test]
fn a_page_ends_calls_with_its_own_reasons_and_no_others() {
    for (given, said) in [("failed", Reason::Failed), ("hung_up", Reason::HungUp), ("busy", Reason::HungUp)] {
        let mut story = Story::answered(11);
        story.mesh.ask(&mut story.nuria, "hang_up", json!({ "call": CALL.to_string(), "reason": given }));
        assert_eq!(story.hears(), [CallBody::HangUp(said)], "{given}");
    }
    for (given, said) in
        [("no_media", Reason::NoMedia), ("rejected", Reason::Rejected), ("busy", Reason::Rejected)]
    {
        let mut story = Story::new(12);
        let offer = introduction(&story.pep, "v=0\r\n");
        story.says(CallBody::Invite(offer));
        story.hears();
        story.mesh.ask(&mut story.nuria, "reject", json!({ "call": CALL.to_string(), "reason": given }));
        assert_eq!(story.hears(), [CallBody::Refuse(said)], "{given}");
    }
}

/// What a neighbour asks for a new device of Núria's.
fn about(nuria: &Person, body: DevicesBody) -> Frame {
    Frame::Devices(Box::new(DevicesFrame { request: Bytes([3; 16]), address: nuria.at_home(), body }))
}

#[test]
fn what_a_new_device_asks_is_taken_back_and_gone_on_with_by_its_own_node_alone() {
    let mut story = Story::new(13);
    let (there, other) = (story.there.clone(), story.mesh.neighbour(0, false));
    let ask = DevicesBody::Ask { key: Bytes([4; 65]), commit: Bytes([6; 32]), at: there.id() };
    let request = json!(Bytes([3; 16]).to_string());
    // nobody asks in another node's name
    story.mesh.neighbour_says(&other, &about(&story.nuria, ask.clone()));
    assert!(story.told("link_asked").is_empty());
    story.mesh.neighbour_says(&there, &about(&story.nuria, ask));
    assert_eq!(story.told("link_asked").len(), 1);
    assert_eq!(story.told("link_asked")[0]["request"], request);
    for body in [
        DevicesBody::End(LinkEnd::Cancelled),
        DevicesBody::End(LinkEnd::Linked),
        DevicesBody::Refuse,
        DevicesBody::Open(Bytes([8; 16])),
        DevicesBody::Confirm { key: Bytes([4; 65]), signature: Bytes([5; 64]) },
    ] {
        story.mesh.neighbour_says(&other, &about(&story.nuria, body.clone()));
        assert!(story.told("link_ended").is_empty() && story.told("link_opened").is_empty(), "{body:?}");
    }
    // one of the account's devices takes it up
    let show = json!({ "request": request, "nonce": Bytes([9; 16]).to_string() });
    story.mesh.ask(&mut story.nuria, "link_show", show);
    let shown =
        |frame: &Frame| matches!(frame, Frame::Devices(frame) if matches!(frame.body, DevicesBody::Show(_)));
    assert_eq!(story.mesh.neighbour_hears(&there).iter().filter(|frame| shown(frame)).count(), 1);
    story.mesh.neighbour_says(&other, &about(&story.nuria, DevicesBody::Open(Bytes([8; 16]))));
    assert!(story.told("link_opened").is_empty(), "the nonce of another node says nothing");
    story.mesh.neighbour_says(&there, &about(&story.nuria, DevicesBody::Open(Bytes([8; 16]))));
    assert_eq!(story.told("link_opened")[0]["nonce"], json!(Bytes([8; 16]).to_string()));
    // and takes it back
    story.mesh.neighbour_says(&there, &about(&story.nuria, DevicesBody::End(LinkEnd::Cancelled)));
    let ended = story.told("link_ended");
    assert_eq!((ended.len(), &ended[0]["reason"]), (1, &json!("cancelled")));
    assert_eq!(story.mesh.counter(0, "/counters/devices/linked"), 0);
}

fn wants(frames: &[Frame]) -> Vec<Vec<u64>> {
    let want = |frame: &Frame| if let Frame::Want(hashes) = frame { Some(hashes.clone()) } else { None };
    frames.iter().filter_map(want).collect()
}

#[test]
fn what_a_comparison_has_shown_is_asked_for_in_its_order_and_in_pieces() {
    let mut mesh = alone(14);
    // the node dialled, and nobody is a member yet: it compares
    let there = mesh.neighbour(0, true);
    let said = mesh.neighbour_hears(&there);
    assert!(said.iter().any(|frame| matches!(frame, Frame::Digest(_))), "{said:?}");
    assert!(said.iter().any(|frame| matches!(frame, Frame::Members { roll, .. } if roll.is_empty())));
    let buckets: Vec<u8> = (0..=255).collect();
    let unknown: Vec<u64> = (0..1_200u64).map(|n| n << 48 | 7).rev().collect();
    let items = |range: std::ops::Range<usize>| -> Vec<Item> {
        unknown[range].iter().map(|key| Item { key: *key, version: 1 }).collect()
    };
    let first = Frame::Items { buckets: buckets.clone(), items: items(0..700), more: true };
    mesh.neighbour_says(&there, &first);
    assert!(wants(&mesh.neighbour_hears(&there)).is_empty(), "more follows");
    mesh.neighbour_says(&there, &Frame::Items { buckets, items: items(700..1_200), more: false });
    let said = mesh.neighbour_hears(&there);
    assert_eq!(wants(&said), [unknown[..500].to_vec()]);
    // what the neighbour has not is sent: the node's own record at least
    assert!(said.iter().any(|frame| matches!(frame, Frame::Records(records) if !records.is_empty())));
    let junk = |count: usize| Frame::Records(vec![vec![0; 3]; count]);
    mesh.neighbour_says(&there, &junk(249));
    assert!(wants(&mesh.neighbour_hears(&there)).is_empty(), "half of it has not come yet");
    mesh.neighbour_says(&there, &junk(1));
    assert_eq!(wants(&mesh.neighbour_hears(&there)), [unknown[500..1_000].to_vec()]);
    mesh.neighbour_says(&there, &junk(500));
    assert_eq!(wants(&mesh.neighbour_hears(&there)), [unknown[1_000..].to_vec()]);
    assert!(!mesh.is_closed(&there));
    // nothing of that was asked for again
    mesh.neighbour_says(&there, &Frame::Items { buckets: vec![0], items: vec![], more: false });
    assert!(mesh.is_closed(&there), "items that nobody asked for");
}

#[test]
fn a_comparison_is_answered_once_a_second_and_with_what_differs() {
    let mut mesh = alone(15);
    mesh.sign_in(0, "nuria");
    let there = mesh.neighbour(0, false);
    mesh.run(SECOND);
    mesh.neighbour_hears(&there);
    let own = mesh.node(0).directory().digest().to_bytes();
    // who has nothing yet is given everything
    mesh.neighbour_says(&there, &Frame::Digest(Digest::default().to_bytes()));
    let said = mesh.neighbour_hears(&there);
    let records: usize =
        said.iter().map(|frame| if let Frame::Records(all) = frame { all.len() } else { 0 }).sum();
    let sizes = mesh.node(0).directory().sizes();
    assert_eq!(records, sizes.0 + sizes.1 + sizes.2);
    mesh.neighbour_says(&there, &Frame::Digest(own.clone()));
    assert!(mesh.neighbour_hears(&there).is_empty(), "too soon");
    assert_eq!(mesh.counter(0, "/counters/links/too_often"), 1);
    mesh.run(SECOND);
    mesh.neighbour_hears(&there);
    mesh.neighbour_says(&there, &Frame::Digest(own.clone()));
    let said = mesh.neighbour_hears(&there);
    assert!(
        matches!(&said[..], [Frame::Items { buckets, items, more: false }] if buckets.is_empty() && items.is_empty()),
        "{said:?}"
    );
    mesh.run(SECOND);
    mesh.neighbour_hears(&there);
    let mut other = own;
    other[7] ^= 1;
    mesh.neighbour_says(&there, &Frame::Digest(other));
    let said = mesh.neighbour_hears(&there);
    let in_bucket = mesh.node(0).directory().items(&[0]);
    assert!(
        matches!(&said[..], [Frame::Items { buckets, items, .. }] if buckets[..] == [0] && *items == in_bucket),
        "{said:?}"
    );
    // what does not read closes the link
    mesh.run(SECOND);
    mesh.neighbour_says(&there, &Frame::Digest(vec![0; 7]));
    assert!(mesh.is_closed(&there));
}

#[test]
fn only_so_much_is_asked_for_after_one_comparison() {
    let mut mesh = alone(16);
    let there = mesh.neighbour(0, false);
    mesh.run(SECOND);
    let everything: Vec<u64> = mesh.node(0).directory().keys().iter().map(|key| key.hash()).collect();
    mesh.neighbour_hears(&there);
    let want = Frame::Want(everything);
    mesh.neighbour_says(&there, &want);
    assert!(mesh.neighbour_hears(&there).is_empty(), "without a comparison nothing is sent");
    let own = mesh.node(0).directory().digest().to_bytes();
    mesh.neighbour_says(&there, &Frame::Digest(own));
    mesh.neighbour_hears(&there);
    for n in 0..96 {
        mesh.neighbour_says(&there, &want);
        let said = mesh.neighbour_hears(&there);
        assert!(matches!(&said[..], [Frame::Records(records)] if records.len() == 2), "{n}: {said:?}");
    }
    mesh.neighbour_says(&there, &want);
    assert!(mesh.neighbour_hears(&there).is_empty());
    assert_eq!(mesh.counter(0, "/counters/links/too_often"), 2);
}
