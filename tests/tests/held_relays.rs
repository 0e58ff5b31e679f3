//! What STUN and TURN refuse, asked of a real daemon's sockets: requests too fast, a nonce made up, what an expelled
//! person had, itself. Each of these tests is red when its guard is taken out (`make guards`).

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use truca_core::stun::{BINDING, Message, Writer, attribute as stun};
use truca_core::turn::{attribute, method};
use truca_tests::asker::{Asker, Grant};
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page::Page;

fn start(config: &str) -> Daemon {
    Daemon::start(Options { config: config.into(), ..Options::default() }).unwrap()
}

async fn granted(node: &Daemon) -> (Page, Grant) {
    let mut page = Page::open(node.page()).await.unwrap();
    let signed_in = page.sign_in("anna").await.unwrap();
    (page, Grant::of(&signed_in).unwrap())
}

fn turn(node: &Daemon, counter: &str) -> Value {
    node.ctl("stun").unwrap()["turn"]["counters"][counter].clone()
}

fn udp(writer: &mut Writer<'_>) {
    writer.attribute(attribute::REQUESTED_TRANSPORT, &[&[17, 0, 0, 0]]);
}

#[tokio::test]
async fn a_source_that_asks_too_fast_meets_silence_over_stun_and_turn_alike() {
    // one a second, two at once: both kinds of question share them
    for method in [BINDING, method::ALLOCATE] {
        let casa = start("config limits\n\toption stun_rate '1'\n");
        let mut client = Asker::new(casa.stun()).await.unwrap();
        for _ in 0..40 {
            let request = client.request(method, None, udp).unwrap();
            client.socket.send(&request).await.unwrap();
        }
        let all = |stun: &Value| {
            let counters = &stun["counters"];
            let answered = counters["requests"].as_u64().unwrap()
                + stun["turn"]["counters"]["unauthorized"].as_u64().unwrap();
            answered + counters["too_fast"].as_u64().unwrap() >= 40
        };
        let stun = casa.ctl_until("stun", all).unwrap();
        let refused = stun["counters"]["too_fast"].as_u64().unwrap();
        // 40 questions take less than 20 s
        assert!((18..=38).contains(&refused), "method {method}: {stun}");
    }
}

#[tokio::test]
async fn a_nonce_that_was_made_up_is_refused_whoever_signs() {
    let casa = start("");
    let (_page, grant) = granted(&casa).await;
    let mut client = Asker::new(casa.stun()).await.unwrap();
    let stranger = Grant { user: grant.user.clone(), password: "guessed".into() };
    for who in [&grant, &stranger] {
        let answer = client.signed(method::ALLOCATE, who, Some(b"0123456789abcdef"), udp).await.unwrap();
        assert_eq!(answer.code, 438);
    }
    assert_eq!(turn(&casa, "stale_nonces"), 2);
    // with the nonce that came with the 438 only one of them is served
    assert_eq!(client.signed(method::ALLOCATE, &stranger, None, udp).await.unwrap().code, 401);
    assert_eq!(client.signed(method::ALLOCATE, &grant, None, udp).await.unwrap().code, 0);
}

#[tokio::test]
async fn what_seems_to_come_from_itself_meets_silence() {
    let casa = start("");
    let own = format!("127.0.0.2:{}", casa.stun().port());
    let mut itself = Asker::bound(&own, casa.stun()).await.unwrap();
    let request = itself.request(BINDING, None, |_| ()).unwrap();
    itself.socket.send(&request).await.unwrap();
    // whoever asks after it is answered after it
    Asker::new(casa.stun()).await.unwrap().binding().await.unwrap();
    assert!(itself.socket.try_recv(&mut [0; 64]).is_err(), "it was answered");
    assert_eq!(casa.ctl("stun").unwrap()["counters"]["bad_source"], 1);
}

#[tokio::test]
async fn over_tcp_an_answer_comes_from_where_it_was_asked_to() {
    let arguments = ["--listen", "127.0.0.2"].map(Into::into).to_vec();
    let casa = Daemon::start(Options { arguments, ..Options::default() }).unwrap();
    // the first of the daemon's ports is its own too, and nothing else has it for UDP
    let other = casa.stun().port() - 3;
    casa.reload(&format!("config node\n\toption stun_other_port '{other}'\n")).unwrap();
    casa.ctl_until("stun", |stun| stun.to_string().contains(&format!("127.0.0.2:{other}"))).unwrap();
    let mut client = Asker::new(casa.stun()).await.unwrap();
    let change = |writer: &mut Writer<'_>| writer.attribute(stun::CHANGE_REQUEST, &[&[0, 0, 0, 2]]);
    let request = client.request(BINDING, None, change).unwrap();
    let mut stream = TcpStream::connect(casa.stun()).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut head = [0; 20];
    stream.read_exact(&mut head).await.unwrap();
    let mut rest = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
    stream.read_exact(&mut rest).await.unwrap();
    let answer = [&head[..], &rest].concat();
    let answer = Message::parse(&answer).unwrap();
    assert_eq!(answer.attribute(stun::ERROR_CODE).map(|code| code[2..4].to_vec()), Some(vec![4, 20]));
    assert_eq!(casa.ctl("stun").unwrap()["counters"]["errors_420"], 1);
}

#[tokio::test]
async fn an_expelled_persons_relay_closes_and_their_grant_opens_no_other() {
    let casa = start("");
    let (mut anna, grant) = granted(&casa).await;
    let mut client = Asker::new(casa.stun()).await.unwrap();
    let relay = client.allocate(&grant).await.unwrap();
    let relayed = relay.relayed().unwrap_or_else(|| panic!("no relay: {}", relay.code));
    assert_eq!(casa.ctl("stun").unwrap()["turn"]["relays"], 1);
    casa.ctl_with("ban", &json!({ "id": anna.address, "reason": "noise" })).unwrap();
    assert_eq!(anna.event("bye").await.unwrap()["reason"], "banned");
    // its port is nobody's any more, and the client is told so
    tokio::net::UdpSocket::bind(relayed).await.unwrap();
    assert_eq!(casa.ctl("stun").unwrap()["turn"]["relays"], 0);
    let refreshed = client.signed(method::REFRESH, &grant, None, |_| ()).await.unwrap();
    assert_ne!(refreshed.code, 0);
    let mut again = Asker::new(casa.stun()).await.unwrap();
    assert_eq!(again.allocate(&grant).await.unwrap().code, 401);
}

#[tokio::test]
async fn who_asks_for_more_relays_than_their_share_or_for_none_that_there_are_is_counted() {
    let casa = start("config turn\n\toption relays_per_account '1'\n");
    let (_page, grant) = granted(&casa).await;
    let (mut one, mut two) = (Asker::new(casa.stun()).await.unwrap(), Asker::new(casa.stun()).await.unwrap());
    assert_eq!(one.allocate(&grant).await.unwrap().code, 0);
    assert_eq!(two.allocate(&grant).await.unwrap().code, 486);
    assert_eq!((turn(&casa, "over_quota"), turn(&casa, "bad_requests")), (1.into(), 0.into()));
    let over_tcp =
        |writer: &mut Writer<'_>| writer.attribute(attribute::REQUESTED_TRANSPORT, &[&[6, 0, 0, 0]]);
    assert_eq!(two.signed(method::ALLOCATE, &grant, None, over_tcp).await.unwrap().code, 442);
    assert_eq!((turn(&casa, "over_quota"), turn(&casa, "bad_requests")), (1.into(), 1.into()));
}

#[tokio::test]
async fn nothing_is_relayed_to_the_internet_nor_to_the_router_itself() {
    let casa = start("");
    let (_page, grant) = granted(&casa).await;
    let mut client = Asker::new(casa.stun()).await.unwrap();
    let relayed = client.allocate(&grant).await.unwrap().relayed().unwrap();
    let mut permitted = async |peer: &str| {
        let peer = format!("{peer}:40000").parse().unwrap();
        let named = |writer: &mut Writer<'_>| writer.xor_address(attribute::XOR_PEER_ADDRESS, peer);
        client.signed(method::CREATE_PERMISSION, &grant, None, named).await.unwrap().code
    };
    assert_eq!(permitted("10.1.2.3").await, 0);
    for peer in ["203.0.113.1", "127.0.0.2", "0.0.0.0", "224.0.0.1", "169.254.1.1"] {
        assert_eq!(permitted(peer).await, 403, "{peer}");
    }
    let mut bound = async |port: u16| {
        let peer = (relayed.ip(), port).into();
        let channel = |writer: &mut Writer<'_>| {
            writer.attribute(attribute::CHANNEL_NUMBER, &[&[0x40, 0, 0, 0]]);
            writer.xor_address(attribute::XOR_PEER_ADDRESS, peer);
        };
        client.signed(method::CHANNEL_BIND, &grant, None, channel).await.unwrap().code
    };
    // of this router only its relays: neither STUN nor the page
    for port in [casa.stun().port(), casa.page().port(), 22] {
        assert_eq!(bound(port).await, 403, "{port}");
    }
    assert_eq!(bound(relayed.port()).await, 0);
    assert_eq!(turn(&casa, "forbidden"), 8);
}
