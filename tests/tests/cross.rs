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

use serde_json::{Value, json};
use stun_rs::{
    DecoderContextBuilder, MessageClass, MessageDecoderBuilder, MessageEncoderBuilder, StunMessageBuilder,
    attributes::stun::{Fingerprint, XorMappedAddress},
    methods::BINDING,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use truca_tests::{
    Result,
    daemon::{Daemon, Options},
    page::{self, PATIENCE, Page},
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

/// What a browser gets: the head and the body.
async fn get(node: SocketAddr, path: &str) -> Result<(String, Vec<u8>)> {
    let stream = TcpStream::connect(node).await?;
    let mut stream = page::connector()?.connect(node.ip().into(), stream).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {node}\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await??;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").ok_or("no head")? + 4;
    let body = bytes.split_off(end);
    Ok((String::from_utf8(bytes)?, body))
}

/// A call from the first to the second with something of every kind in it, ended by the second.
async fn converse(caller: &mut Page, callee: &mut Page) -> Result {
    let call = caller.invite(&callee.address, "video").await?;
    let incoming = callee.event_where("incoming", |incoming| incoming["call"] == call.as_str()).await?;
    assert_eq!(incoming["from"]["address"], caller.address.as_str());
    assert_eq!(incoming["from"]["key"], caller.device.key());
    callee.check("offer", &incoming)?;
    caller.event("ringing").await?;
    callee.accept(&call, "video").await?;
    let accepted = caller.event("accepted").await?;
    assert_eq!(accepted["by"]["device"], callee.device.id());
    caller.check("answer", &accepted)?;
    exchange(caller, callee, &call).await?;
    exchange(callee, caller, &call).await?;
    callee.ask("hang_up", json!({ "call": call, "reason": "hung_up" })).await?;
    assert_eq!(caller.event("ended").await?["reason"], "hung_up");
    assert_eq!(callee.event("ended").await?["reason"], "hung_up");
    Ok(())
}

/// An SDP in which whatever sits between two pages might want to tidy up.
const STRANGE: &str = concat!(
    "v=0\r\n o=- 1 1 IN IP4 0.0.0.0  \r\n\r\ns=\u{feff}Nu\u{301}ria\u{a0}\n\ns=N\u{fa}ria\r\r\n\ta=x:\u{0}\u{1}\u{1b}\u{7f}",
    "\u{85}\u{2028}\u{ffff}\u{10ffff}\u{1f4de}\n a=\\u0041\\n\\/\"'<>&\r\na=fingerprint:sha-256 aB\r\nA=b\r\n\r\n  \n",
);

/// What one page of a call sends the other.
async fn exchange(from: &mut Page, to: &mut Page, call: &str) -> Result {
    let candidate = "candidate:1 1 udp 2122260223 10.13.1.100 50000 typ host";
    let fields = json!({ "call": call, "candidate": candidate, "mid": "0", "mline": 0 });
    from.ask("candidate", fields).await?;
    assert_eq!(to.event("candidate").await?["candidate"], candidate);
    from.ask("connected", json!({ "call": call })).await?;
    to.event("connected").await?;
    from.ask("message", json!({ "call": call, "text": "Bon dia, Núria!" })).await?;
    assert_eq!(to.event("message").await?["text"], "Bon dia, Núria!");
    // not a byte of it is another one at the other end, or its signature would not be right
    for kind in ["offer", "answer"] {
        let mut offer = from.described_as(call, kind, "video", STRANGE)?;
        offer["kind"] = kind.into();
        from.ask("describe", offer).await?;
        let describe = to.event("describe").await?;
        assert_eq!(describe["sdp"], STRANGE);
        to.check(kind, &describe)?;
        assert!(to.check(kind, &describe).is_err(), "a number counts once");
    }
    Ok(())
}

/// Waits until the page sees this person attached at `node`.
async fn sees(page: &mut Page, person: &Page) -> Result {
    let is_here =
        |one: &Value| one["address"] == person.address.as_str() && one["at"][0]["id"] == person.node.as_str();
    page.ask("watch", json!({ "text": "", "limit": 100 })).await?;
    let here = |people: &Value| people["people"].as_array().is_some_and(|all| all.iter().any(is_here));
    page.event_where("people", here).await?;
    Ok(())
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
