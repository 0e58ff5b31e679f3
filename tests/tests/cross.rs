//! One node as it goes on a router, beside one of this machine: everything a visitor of either needs.
//!
//! `TRUCA_DAEMON` names the router's program and `TRUCA_RUNNER` the emulator before it (`make cross-test` sets
//! both); without them both nodes are this machine's, and the same must hold.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::{
    env,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use serde_json::json;
use stun_rs::{
    DecoderContextBuilder, MessageClass, MessageDecoderBuilder, MessageEncoderBuilder, StunMessageBuilder,
    attributes::stun::{Fingerprint, XorMappedAddress},
    methods::BINDING,
};
use truca_tests::{
    Result,
    daemon::{Daemon, Options},
    page::Page,
    visit::{converse, get, sees},
};

/// The router's node.
fn router(name: &str, peers: Vec<SocketAddr>) -> Daemon {
    let runner = env::var("TRUCA_RUNNER").unwrap_or_default();
    let options = Options {
        name: name.into(),
        peers,
        program: env::var_os("TRUCA_DAEMON").map(Into::into),
        runner: runner.split_whitespace().map(Into::into).collect(),
        ..Options::default()
    };
    Daemon::start(options).unwrap()
}

/// This machine's node.
fn native(name: &str, peers: Vec<SocketAddr>) -> Daemon {
    Daemon::start(Options { name: name.into(), peers, ..Options::default() }).unwrap()
}

#[tokio::test]
async fn the_page_loads_over_tls() {
    let casa = router("casa", Vec::new());
    let (head, body) = get(casa.page(), "/").await.unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("Content-Encoding: br\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    assert_eq!(length.parse::<usize>().unwrap(), body.len());
    // Every file that this machine's own page has is the router's too, byte for byte
    let torre = native("torre", Vec::new());
    for asset in trucad::page::assets::ASSETS {
        let (ours, theirs) =
            (get(torre.page(), asset.path).await.unwrap(), get(casa.page(), asset.path).await.unwrap());
        assert_eq!(ours.1, theirs.1, "{}", asset.path);
    }
}

#[tokio::test]
async fn two_people_at_one_router_talk() {
    let casa = router("casa", Vec::new());
    let (mut anna, mut pep) =
        (Page::open(casa.page()).await.unwrap(), Page::open(casa.page()).await.unwrap());
    assert_eq!(anna.sign_in_as("anna", "Anna Núñez").await.unwrap()["created"], true);
    pep.sign_in("pep").await.unwrap();
    sees(&mut pep, &anna).await.unwrap();
    converse(&mut anna, &mut pep).await.unwrap();
    converse(&mut pep, &mut anna).await.unwrap();
}

#[test]
fn stun_tells_a_browser_its_address() {
    let casa = router("casa", Vec::new());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(casa.stun()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = StunMessageBuilder::new(BINDING, MessageClass::Request)
        .with_attribute(Fingerprint::default())
        .build();
    let mut buffer = [0; 128];
    let size = MessageEncoderBuilder::default().build().encode(&mut buffer, &request).unwrap();
    socket.send(&buffer[..size]).unwrap();
    let size = socket.recv(&mut buffer).unwrap();
    let context = DecoderContextBuilder::default().with_validation().build();
    let (answer, _) =
        MessageDecoderBuilder::default().with_context(context).build().decode(&buffer[..size]).unwrap();
    assert_eq!(answer.class(), MessageClass::SuccessResponse);
    assert_eq!(answer.transaction_id(), request.transaction_id());
    let mapped = answer.get::<XorMappedAddress>().unwrap().as_xor_mapped_address().unwrap();
    assert_eq!(*mapped.socket_address(), socket.local_addr().unwrap());
}

#[tokio::test]
async fn a_router_that_dials_another_machine_is_one_mesh_with_it() {
    let torre = native("torre", Vec::new());
    let casa = router("casa", vec![torre.page()]);
    one_mesh(&casa, &torre).await.unwrap();
}

#[tokio::test]
async fn another_machine_that_dials_a_router_is_one_mesh_with_it() {
    let casa = router("casa", Vec::new());
    let torre = native("torre", vec![casa.page()]);
    one_mesh(&casa, &torre).await.unwrap();
}

/// People of two nodes see each other and call, each way.
async fn one_mesh(casa: &Daemon, torre: &Daemon) -> Result {
    let (mut anna, mut pep) = (Page::open(casa.page()).await?, Page::open(torre.page()).await?);
    anna.sign_in("anna").await?;
    pep.sign_in("pep").await?;
    sees(&mut anna, &pep).await?;
    sees(&mut pep, &anna).await?;
    converse(&mut anna, &mut pep).await?;
    converse(&mut pep, &mut anna).await
}

#[tokio::test]
async fn a_router_that_restarts_knows_itself_and_its_people() {
    let mut casa = router("casa", Vec::new());
    let mut anna = Page::open(casa.page()).await.unwrap();
    anna.sign_in_as("anna", "Anna Núñez").await.unwrap();
    let accounts = casa.ctl("accounts").unwrap();
    let node = anna.node.clone();
    assert_eq!(casa.stop().unwrap().code(), Some(0), "{}", casa.log());
    casa.restart().unwrap();
    let mut again = Page::open_with(casa.page(), anna.device).await.unwrap();
    assert_eq!(again.node, node);
    assert_eq!(again.sign_in("anna").await.unwrap()["created"], false);
    assert_eq!(again.ask("watch", json!({ "text": "nú", "limit": 1 })).await.unwrap(), json!({ "id": 2 }));
    assert_eq!(casa.ctl("accounts").unwrap(), accounts);
}
