//! What a node holds for those who take nothing, how many it lets in, and how it writes its state: a real daemon, and
//! peers that do not read. Each of these tests is red when its guard is taken out (`make guards`).

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use truca_core::directory::record::Key;
use truca_core::directory::sync::Digest;
use truca_core::id::DeviceId;
use truca_core::name::Address;
use truca_core::wire::node::Frame;
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page::Page;
use truca_tests::rogue::{Link, Rogue, narrow};

fn start(config: &str) -> Daemon {
    Daemon::start(Options { config: config.into(), ..Options::default() }).unwrap()
}

async fn connect(source: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((source, 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// Lets this process, and what it starts, have so many files; false where it may not.
fn may_have(files: u32) -> bool {
    let limit = format!("--nofile={files}:");
    let done = Command::new("prlimit").args(["--pid", &std::process::id().to_string(), &limit]).status();
    done.is_ok_and(|status| status.success())
}

#[tokio::test]
async fn the_1025th_connection_is_closed_at_once_and_counted() {
    assert!(may_have(4096), "prlimit (util-linux) lets this process have 4096 files");
    let casa = start("");
    let mut open = Vec::new();
    for number in 0..1024_u16 {
        // one address may have 64
        let source = Ipv4Addr::new(127, 0, 1, 1 + (number / 64) as u8);
        open.push(connect(source, casa.http()).await);
    }
    let doors = |status: &Value| status["counters"]["doors"].clone();
    casa.ctl_until("status", |status| doors(status)["open"] == 1024).unwrap();
    let stranger = Ipv4Addr::new(127, 0, 2, 1);
    let mut one_more = connect(stranger, casa.http()).await;
    assert_eq!(one_more.read(&mut [0]).await.unwrap_or(0), 0);
    let status = casa.ctl("status").unwrap();
    assert_eq!((&doors(&status)["refused"], &doors(&status)["open"]), (&1.into(), &1024.into()));
    open.truncate(1000);
    casa.ctl_until("status", |status| doors(status)["open"] == 1000).unwrap();
    let mut welcome = connect(stranger, casa.http()).await;
    welcome.write_all(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(welcome.read_u8().await.unwrap(), b'H');
}

/// Asks a busy node until `enough` holds.
fn until(node: &Daemon, enough: impl Fn(&Value) -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    // a node with much to do may answer later than `ctl` waits
    while !node.ctl("status").is_ok_and(|status| enough(&status)) {
        assert!(Instant::now() < end, "{}", node.log());
    }
}

/// Accounts at a stranger's node, as long as they can be, that `node` knows of.
async fn many_people(node: &Daemon, count: usize) -> (Rogue, Link) {
    let rogue = Rogue::new("torre").unwrap();
    let (mut link, _) = rogue.greeted(node.page()).await.unwrap();
    let devices: Vec<DeviceId> = (0..8).map(|n| DeviceId([n; 16])).collect();
    let display = "à".repeat(48);
    let account = |n: usize| rogue.account(&name(n), &display, &devices).unwrap();
    let accounts: Vec<Vec<u8>> = (0..count).map(account).collect();
    // so few at once that each is checked when it comes
    let mut known = 0;
    for some in accounts.chunks(60) {
        link.send(&Frame::Records(some.to_vec())).await.unwrap();
        known += some.len();
        node.ctl_until("status", |status| status["people"] == known).unwrap();
    }
    assert_eq!(node.ctl("status").unwrap()["records_unchecked"], 0);
    (rogue, link)
}

fn name(n: usize) -> String {
    format!("{}{n:04}", "x".repeat(28))
}

#[tokio::test]
async fn pages_that_read_nothing_hold_eight_mebibytes_together_and_no_more() {
    const ASKED: usize = 25;
    let casa = start("config limits\n\toption page_rate '0'\n");
    let (_rogue, _link) = many_people(&casa, 200).await;
    let mut pep = Page::open(casa.page()).await.unwrap();
    pep.sign_in("pep").await.unwrap();
    let mut hoarders = Vec::new();
    for name in ["anna", "marta", "nuria"] {
        let stream = narrow(casa.page()).await.unwrap();
        let mut page = Page::open_over(stream, casa.page()).await.unwrap();
        page.sign_in(name).await.unwrap();
        hoarders.push(page);
    }
    // fewer messages than one queue may hold, of more than 120 KB each
    let before = casa.ctl("status").unwrap()["counters"]["page_requests"].as_u64().unwrap();
    for page in &mut hoarders {
        for _ in 0..ASKED {
            page.post("watch", json!({ "text": "torre", "limit": 200 })).await.unwrap();
        }
    }
    let asked = before + (hoarders.len() * ASKED) as u64;
    // who is cut off is not heard to the end
    until(&casa, |status| {
        let requests = status["counters"]["page_requests"].as_u64().unwrap();
        requests >= asked || status["sockets"].as_u64().unwrap() < 4
    });
    let mut whole = 0;
    for page in &mut hoarders {
        let mut answers = 0;
        while answers < ASKED && page.event("people").await.is_ok() {
            answers += 1;
        }
        whole += usize::from(answers == ASKED);
    }
    assert!((1..3).contains(&whole), "{whole} of 3 got all that they had let wait");
    pep.ask("ping", json!({})).await.unwrap();
}

#[tokio::test]
async fn links_that_read_nothing_hold_four_mebibytes_together_and_no_more() {
    /// Frames of 32 KiB: fewer than one queue may hold.
    const WANTED: usize = 16;
    const PEOPLE: usize = 500;
    let casa = start("");
    let (rogue, mut good) = many_people(&casa, PEOPLE).await;
    let key = |n| Key::Account(Address { home: rogue.id(), name: name(n).parse().unwrap() }).hash();
    let hashes: Vec<u64> = (0..500).map(key).collect();
    let mut hoarders = Vec::new();
    for _ in 0..3 {
        let hoarder = Rogue::new("font").unwrap();
        let stream = narrow(casa.page()).await.unwrap();
        let (link, _) = hoarder.greets(hoarder.link_over(stream, casa.page()).await.unwrap()).await.unwrap();
        hoarders.push((hoarder, link));
    }
    let sent = |status: &Value| status["counters"]["links"]["records_sent"].as_u64().unwrap();
    let before = sent(&casa.ctl("status").unwrap());
    // the digest of an empty directory is answered with records, and then so many may be wanted
    for (_, link) in &mut hoarders {
        link.send(&Frame::Digest(Digest::default().to_bytes())).await.unwrap();
        for _ in 0..WANTED {
            link.send(&Frame::Want(hashes.clone())).await.unwrap();
        }
    }
    let all = before + 3 * WANTED as u64 * 500;
    until(&casa, |status| sent(status) >= all || status["links"].as_u64().unwrap() < 4);
    let mut whole = 0;
    for (_, link) in &mut hoarders {
        let mut records = 0;
        let count = |frame| match frame {
            Frame::Records(records) => Some(records.len()),
            _ => None,
        };
        while records < WANTED * 500
            && let Ok(more) = link.next_where(count).await
        {
            records += more;
        }
        whole += usize::from(records >= WANTED * 500);
    }
    assert!((1..3).contains(&whole), "{whole} of 3 got all that they had let wait");
    assert!(good.answers().await);
}

#[tokio::test]
async fn the_state_is_replaced_and_never_written_in_place() {
    let mut casa = start("");
    let (state, kept) = (casa.state().join("state"), casa.state().join("kept"));
    // the first of a life is written before anybody is served; this name holds on to it
    casa.ctl_until("status", |_| state.exists()).unwrap();
    fs::hard_link(&state, &kept).unwrap();
    let before = fs::read(&state).unwrap();
    Page::open(casa.page()).await.unwrap().sign_in("nuria").await.unwrap();
    assert!(casa.stop().unwrap().success());
    assert_ne!(fs::read(&state).unwrap(), before, "the account is in it");
    assert_eq!(fs::read(&kept).unwrap(), before, "what a power cut would have left is whole");
    assert_ne!(fs::metadata(&state).unwrap().ino(), fs::metadata(&kept).unwrap().ino());
    assert!(!casa.state().join("state.new").exists());
    casa.restart().unwrap();
    assert_eq!(casa.ctl("status").unwrap()["accounts"], 1);
}
