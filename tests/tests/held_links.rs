//! What a node refuses other nodes, said to a real daemon over real links and datagrams by one that does say it. What
//! depends on time alone is asked of the node itself, in virtual time. Each of these tests is red when its guard is
//! taken out (`make guards`).

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use truca_core::Time;
use truca_core::directory::record::Record;
use truca_core::gossip::seal;
use truca_core::id::{CallId, DeviceId};
use truca_core::name::Address;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{CallBody, CallFrame, Device, Frame, Introduction, VERSION};
use truca_core::wire::page::{Candidate, Description, Kind, Media};
use truca_tests::daemon::{Daemon, Options};
use truca_tests::keys::TestKey;
use truca_tests::page::{Page, sdp};
use truca_tests::rogue::{Link, Rogue};
use trucad::event::{LinkId, LinkOut};
use trucad::host::identity::Identity;
use trucad::node::admission::{Admission, CommunityKey};
use trucad::node::state::Saved;
use trucad::node::{Node, Output, Settings};

fn start(config: &str) -> Daemon {
    Daemon::start(Options { config: config.into(), ..Options::default() }).unwrap()
}

fn links(node: &Daemon) -> Value {
    node.ctl("status").unwrap()["counters"]["links"].clone()
}

/// A stranger's device at a rogue node, and whom it rings.
struct Caller {
    key: TestKey,
    from: Device,
    to: Device,
}

impl Caller {
    fn new(rogue: &Rogue, callee: &Page) -> Self {
        let key = TestKey::new(7);
        let address = Address { home: rogue.id(), name: "nuria".parse().unwrap() };
        let to =
            Device { address: callee.address.parse().unwrap(), device: callee.device.id().parse().unwrap() };
        Self { from: Device { address, device: key.device() }, key, to }
    }

    fn frame(&self, call: u8, body: CallBody) -> Frame {
        let (from, to) = (self.from.clone(), self.to.clone());
        Frame::Call(Box::new(CallFrame { call: CallId([call; 16]), from, to, body }))
    }

    fn invite(&self, call: u8, description: Description) -> Frame {
        let introduction =
            Introduction { display: "Núria".parse().unwrap(), key: Bytes(self.key.point()), description };
        self.frame(call, CallBody::Invite(introduction))
    }
}

fn description(sdp: String) -> Description {
    Description { media: Media::Audio, number: 1, sdp, signature: Bytes([7; 64]) }
}

fn long_sdp() -> String {
    sdp() + &"a".repeat(32_769 - sdp().len())
}

async fn callee(node: &Daemon) -> Page {
    let mut pep = Page::open(node.page()).await.unwrap();
    pep.sign_in("pep").await.unwrap();
    pep
}

fn call(number: u8) -> Value {
    CallId([number; 16]).to_string().into()
}

#[tokio::test]
async fn a_node_speaks_only_for_devices_whose_key_it_shows() {
    let casa = start("");
    let mut pep = callee(&casa).await;
    let rogue = Rogue::new("torre").unwrap();
    let (mut link, _) = rogue.greeted(casa.page()).await.unwrap();
    let mut caller = Caller::new(&rogue, &pep);
    caller.from.device = DeviceId([9; 16]);
    link.send(&caller.invite(1, description(sdp()))).await.unwrap();
    caller.from.device = caller.key.device();
    link.send(&caller.invite(2, description(sdp()))).await.unwrap();
    // frames of a link come in their order
    assert_eq!(pep.event("incoming").await.unwrap()["call"], call(2));
    assert_eq!(links(&casa)["bad_frames"], 1);
}

#[tokio::test]
async fn what_another_node_says_in_a_call_has_its_bounds() {
    let casa = start("");
    let mut pep = callee(&casa).await;
    let rogue = Rogue::new("torre").unwrap();
    let (mut link, _) = rogue.greeted(casa.page()).await.unwrap();
    let caller = Caller::new(&rogue, &pep);
    link.send(&caller.invite(1, description(long_sdp()))).await.unwrap();
    link.send(&caller.invite(2, description("hello".into()))).await.unwrap();
    link.send(&caller.invite(3, description(sdp()))).await.unwrap();
    assert_eq!(pep.event("incoming").await.unwrap()["call"], call(3));
    assert_eq!(links(&casa)["bad_frames"], 2);

    let id = CallId([3; 16]).to_string();
    pep.accept(&id, "audio").await.unwrap();
    link.next_where(|frame| match frame {
        Frame::Call(frame) => matches!(frame.body, CallBody::Accept(_)).then_some(()),
        _ => None,
    })
    .await
    .unwrap();
    let candidate = |length: usize, mid: usize| {
        CallBody::Candidate(Candidate {
            candidate: "c".repeat(length),
            mid: Some("m".repeat(mid)),
            mline: None,
        })
    };
    for body in [
        candidate(513, 1),
        candidate(1, 33),
        candidate(2, 2),
        CallBody::Message("x".repeat(8_001)),
        CallBody::Message("hola".into()),
        CallBody::Describe(Kind::Offer, description(long_sdp())),
        CallBody::Describe(Kind::Offer, description("v=0\r\n".into())),
    ] {
        link.send(&caller.frame(3, body)).await.unwrap();
    }
    assert_eq!(pep.event("candidate").await.unwrap()["candidate"], "cc");
    assert_eq!(pep.event("message").await.unwrap()["text"], "hola");
    assert_eq!(pep.event("describe").await.unwrap()["sdp"], "v=0\r\n");
    assert_eq!(links(&casa)["bad_frames"], 6);
}

#[tokio::test]
async fn a_hello_with_the_record_of_another_node_closes_the_link() {
    let casa = start("");
    let (rogue, other) = (Rogue::new("torre").unwrap(), Rogue::new("font").unwrap());
    let mut link = rogue.link(casa.page()).await.unwrap();
    link.send(&other.hello()).await.unwrap();
    link.ended().await.unwrap();
    assert_eq!(casa.ctl("status").unwrap()["members_known"], 1);
    let (mut link, _) = rogue.greeted(casa.page()).await.unwrap();
    assert!(link.answers().await);
}

#[tokio::test]
async fn a_hello_of_another_version_closes_the_link() {
    let casa = start("");
    let rogue = Rogue::new("torre").unwrap();
    for version in [0, VERSION + 1] {
        let mut link = rogue.link(casa.page()).await.unwrap();
        link.send(&Frame::Hello { version, node: rogue.record(), generation: 1 }).await.unwrap();
        link.ended().await.unwrap();
    }
    assert_eq!(links(&casa)["bad_frames"], 2);
}

#[tokio::test]
async fn nothing_is_heard_on_a_link_before_its_hello() {
    let casa = start("");
    let rogue = Rogue::new("torre").unwrap();
    let mut link = rogue.link(casa.page()).await.unwrap();
    let account = rogue.account("nuria", "Núria", &[DeviceId([1; 16])]).unwrap();
    link.send(&Frame::Records(vec![rogue.record(), account])).await.unwrap();
    link.ended().await.unwrap();
    let status = casa.ctl("status").unwrap();
    assert_eq!((&status["people"], &status["members_known"]), (&0.into(), &1.into()));
}

#[tokio::test]
async fn a_record_that_its_home_has_not_signed_is_refused_and_counted() {
    let casa = start("");
    let (rogue, other) = (Rogue::new("torre").unwrap(), Rogue::new("font").unwrap());
    let (mut link, _) = rogue.greeted(casa.page()).await.unwrap();
    let Record::Account(mut account) =
        Record::decode(&rogue.account("nuria", "Núria", &[DeviceId([1; 16])]).unwrap()).unwrap()
    else {
        panic!("an account")
    };
    account.body.flags = 1;
    link.send(&Frame::Records(vec![Record::Account(account).encode()])).await.unwrap();
    // one of a home that casa knows, signed by somebody else
    let (_other_link, _) = other.greeted(casa.page()).await.unwrap();
    let forged = rogue.account_at(other.id(), "pep").unwrap();
    link.send(&Frame::Records(vec![forged])).await.unwrap();
    let bad = |status: &Value| status["counters"]["directory"]["bad_signature"] == 2;
    let status = casa.ctl_until("status", |status| bad(status) || status["people"] != 0).unwrap();
    assert_eq!(status["people"], 0);
    link.send(&Frame::Records(vec![rogue.account("nuria", "Núria", &[DeviceId([1; 16])]).unwrap()]))
        .await
        .unwrap();
    casa.ctl_until("status", |status| status["people"] == 1).unwrap();
}

#[tokio::test]
async fn a_third_link_of_a_node_closes_its_oldest() {
    let casa = start("");
    let rogue = Rogue::new("torre").unwrap();
    let mut open: Vec<Link> = Vec::new();
    for _ in 0..3 {
        open.push(rogue.greeted(casa.page()).await.unwrap().0);
    }
    open[0].ended().await.unwrap();
    assert!(open[1].answers().await && open[2].answers().await);
    assert_eq!(casa.ctl("status").unwrap()["links"], 2);
}

#[tokio::test]
async fn the_65th_link_is_closed_and_counted() {
    let casa = start("");
    let mut open = Vec::new();
    for number in 0..64_u8 {
        // the doors bound the connections of one address
        let source = Ipv4Addr::new(127, 0, 0, 2 + number / 32);
        let rogue = Rogue::new("torre").unwrap();
        let (link, _) = rogue.greeted_from(source, casa.page()).await.unwrap();
        open.push((rogue, link));
    }
    casa.ctl_until("status", |status| status["links"] == 64).unwrap();
    let mut one_more =
        Rogue::new("font").unwrap().link_from(Ipv4Addr::new(127, 0, 0, 9), casa.page()).await.unwrap();
    one_more.ended().await.unwrap();
    let status = casa.ctl_until("status", |status| status["counters"]["links"]["refused"] == 1).unwrap();
    assert_eq!(status["links"], 64);
}

/// A node that nobody drives but the test, and a link that a stranger has opened to it.
fn with_a_link() -> (Node, LinkId) {
    let state = std::env::temp_dir().join(format!("truca-held-{}", std::process::id()));
    let identity = Identity::load_or_create(&state, "casa").unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    let settings = Settings {
        name: "casa".parse().unwrap(),
        addresses: vec![Ipv4Addr::LOCALHOST.into()],
        port: 8443,
        stun_port: 0,
        trusted: None,
        peers: Vec::new(),
        max_sessions: 8,
        max_sessions_per_account: 8,
        max_accounts: 8,
        page_rate: 0,
        admission: Admission::Open,
    };
    (Node::new(Time::ZERO, Box::new(identity), settings, Saved::default()), LinkId(1))
}

/// Lets time pass until the node closes the link; when that was.
fn closed_at(node: &mut Node, link: LinkId, until: Duration) -> Option<Time> {
    loop {
        let at = node.poll_timeout().filter(|at| *at <= until)?;
        node.handle_timeout(at);
        while let Some(output) = node.poll_output() {
            if matches!(output, Output::Link(which, LinkOut::Close) if which == link) {
                return Some(at);
            }
        }
    }
}

#[tokio::test]
async fn a_link_without_a_hello_is_closed_after_ten_seconds_and_a_silent_one_after_a_minute() {
    let rogue = Rogue::new("torre").unwrap();
    let Record::Node(record) = Record::decode(&rogue.record()).unwrap() else { panic!("a node") };
    let remote: SocketAddr = "127.0.0.1:9".parse().unwrap();
    let end = Duration::from_secs(200);

    let (mut node, link) = with_a_link();
    node.link_opened(Time::ZERO, link, &record.body.point.0, remote, false);
    assert_eq!(closed_at(&mut node, link, end), Some(Duration::from_secs(10)));

    let (mut node, link) = with_a_link();
    node.link_opened(Time::ZERO, link, &record.body.point.0, remote, false);
    let said = Duration::from_secs(5);
    node.link_frame(said, link, &rogue.hello().encode());
    // what it sends itself is traffic too: it asks nothing of a member that never answers
    let closed = closed_at(&mut node, link, end).expect("a silent link is closed");
    assert_eq!(closed, said + Duration::from_secs(60));
}

#[tokio::test]
async fn who_does_not_show_the_secret_gets_no_word_and_is_counted() {
    let casa =
        start("config federation\n\toption admission 'secret'\n\toption secret 'correct horse battery'\n");
    let rogue = Rogue::new("torre").unwrap();
    let mut link = rogue.link(casa.page()).await.unwrap();
    link.send(&rogue.hello()).await.unwrap();
    assert!(link.next().await.is_err(), "not even its hello");
    let status = casa.ctl("status").unwrap();
    assert_eq!(
        (&status["counters"]["links"]["not_admitted"], &status["members_known"]),
        (&1.into(), &1.into())
    );
}

#[tokio::test]
async fn who_is_not_on_the_list_gets_no_link_and_is_counted() {
    let (friend, stranger) = (Rogue::new("torre").unwrap(), Rogue::new("font").unwrap());
    let list = format!("config federation\n\toption admission 'allow'\n\tlist allow '{}'\n", friend.id());
    let casa = start(&list);
    let (mut welcome, _) = friend.greeted(casa.page()).await.unwrap();
    let mut link = stranger.link(casa.page()).await.unwrap();
    assert!(link.next().await.is_err(), "not even its hello");
    assert!(welcome.answers().await);
    assert_eq!(links(&casa)["not_admitted"], 1);
}

#[tokio::test]
async fn a_datagram_under_a_key_without_the_communitys_secret_is_forged() {
    let words = "correct horse battery";
    let casa = start(&format!("config federation\n\toption admission 'secret'\n\toption secret '{words}'\n"));
    let admission = Admission::Secret(CommunityKey::of(words));
    let rogue = Rogue::new("torre").unwrap();
    // on links it knows the secret, so that the node knows it; in datagrams it does without
    let mut link = rogue.link(casa.page()).await.unwrap();
    let id = casa.ctl("status").unwrap()["node"]["id"].as_str().unwrap().parse().unwrap();
    link.send(&Frame::Prove(admission.proof(rogue.id(), id).unwrap())).await.unwrap();
    link.send(&rogue.hello()).await.unwrap();
    let node = link
        .next_where(|frame| match frame {
            Frame::Hello { node, .. } => Some(node),
            _ => None,
        })
        .await
        .unwrap();
    let Record::Node(node) = Record::decode(&node).unwrap() else { panic!("a node") };
    let echo = |number: u32| [&rogue.id().0[..8], &[0], &number.to_be_bytes()].concat();
    let forged = rogue.pair_key(&node.body, None).seal(seal::ECHO, &echo(1));
    let right = rogue.pair_key(&node.body, admission.community().as_ref()).seal(seal::ECHO, &echo(2));
    for datagram in [&forged, &right] {
        rogue.datagrams().send_to(datagram, casa.page()).await.unwrap();
    }
    assert_eq!(rogue.echo().await.unwrap(), 2, "the first one is not answered");
    assert_eq!(casa.ctl("status").unwrap()["counters"]["gossip"]["forged"], 1);
}
