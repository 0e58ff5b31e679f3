//! Bounds of what is asked: windows, searches, devices, comparisons. A real daemon, a page or a node that asks for one
//! more than there may be.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use truca_core::directory::sync::Digest;
use truca_core::id::DeviceId;
use truca_core::wire::node::Frame;
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page::Page;
use truca_tests::rogue::{Link, Rogue};

fn start() -> Daemon {
    Daemon::start(Options::default()).unwrap()
}

fn code(answer: truca_tests::Result<Value>) -> String {
    let why = answer.expect_err("it must be refused").to_string();
    why.split(':').next().unwrap_or_default().to_owned()
}

fn devices(count: u8) -> Vec<DeviceId> {
    (0..count).map(|n| DeviceId([n; 16])).collect()
}

/// Accounts at a stranger's node that `node` knows of.
async fn people(node: &Daemon, count: usize) -> (Rogue, Link) {
    let rogue = Rogue::new("torre").unwrap();
    let (mut link, _) = rogue.greeted(node.page()).await.unwrap();
    let account =
        |n: usize| rogue.account(&format!("{}{n:04}", "x".repeat(28)), &"à".repeat(48), &devices(8)).unwrap();
    let accounts: Vec<Vec<u8>> = (0..count).map(account).collect();
    let mut known = 0;
    // so few at once that each is checked when it comes
    for some in accounts.chunks(60) {
        link.send(&Frame::Records(some.to_vec())).await.unwrap();
        known += some.len();
        node.ctl_until("status", |status| status["people"] == known).unwrap();
    }
    (rogue, link)
}

#[tokio::test]
async fn a_window_shows_two_hundred_people_and_a_search_has_48_characters() {
    let casa = start();
    let (_rogue, _link) = people(&casa, 210).await;
    let mut page = Page::open(casa.page()).await.unwrap();
    page.sign_in("anna").await.unwrap();
    page.ask("watch", json!({ "text": "torre", "limit": 1000 })).await.unwrap();
    let shown = page.event("people").await.unwrap();
    assert_eq!((shown["people"].as_array().unwrap().len(), &shown["total"]), (200, &210.into()));
    page.ask("watch", json!({ "text": "à".repeat(48), "limit": 5 })).await.unwrap();
    assert_eq!(code(page.ask("watch", json!({ "text": "à".repeat(48 + 1), "limit": 5 })).await), "too_long");
}

#[tokio::test]
async fn who_has_not_signed_in_looks_up_eight_people_thirty_two_times() {
    let casa = start();
    let (_rogue, _link) = people(&casa, 60).await;
    let mut page = Page::open(casa.page()).await.unwrap();
    let name = json!({ "text": "à".repeat(48) });
    for _ in 0..32 {
        page.post("find", name.clone()).await.unwrap();
        let found = page.event("found").await.unwrap();
        assert_eq!(found["people"].as_array().unwrap().len(), 8);
    }
    assert_eq!(code(page.ask("find", name).await), "too_fast");
}

#[tokio::test]
async fn an_account_has_eight_devices_and_a_node_tells_four_addresses() {
    let casa = start();
    let rogue = Rogue::new("torre").unwrap();
    let (mut link, _) = rogue.greeted(casa.page()).await.unwrap();
    for (name, count) in [("anna", 8 + 1), ("pep", 8)] {
        link.send(&Frame::Records(vec![rogue.account(name, name, &devices(count)).unwrap()])).await.unwrap();
    }
    let status = casa.ctl_until("status", |status| status["people"] != 0).unwrap();
    // records of a link are merged in their order
    assert_eq!(
        (&status["people"], &status["counters"]["directory"]["full"]),
        (&1.into(), &1.into()),
        "{status}"
    );

    for (addresses, known) in [(4 + 1, false), (4, true)] {
        let mut other = Rogue::new("font").unwrap();
        other.tell_addresses(addresses);
        let mut link = other.link(casa.page()).await.unwrap();
        link.send(&other.hello()).await.unwrap();
        assert_eq!(link.answers().await, known, "{addresses} addresses");
    }
}

#[tokio::test]
async fn a_link_asks_for_one_comparison_a_second_96_times_for_records_and_four_times_for_members() {
    let casa = start();
    let rogue = Rogue::new("torre").unwrap();
    let (mut link, _) = rogue.greeted(casa.page()).await.unwrap();
    let too_often = |status: &Value| status["counters"]["links"]["too_often"].as_u64().unwrap();
    let digest = Frame::Digest(Digest::default().to_bytes());
    link.send(&digest).await.unwrap();
    for _ in 0..96 {
        link.send(&Frame::Want(Vec::new())).await.unwrap();
    }
    for _ in 0..4 {
        assert!(link.answers().await);
    }
    assert_eq!(too_often(&casa.ctl("status").unwrap()), 0);
    // one more of each within the same second
    let (mut link, _) = Rogue::new("font").unwrap().greeted(casa.page()).await.unwrap();
    let members = Frame::Members { sum: 0, roll: Vec::new(), more: false };
    for frame in [&digest, &digest] {
        link.send(frame).await.unwrap();
    }
    for _ in 0..=96 {
        link.send(&Frame::Want(Vec::new())).await.unwrap();
    }
    for _ in 0..=4 {
        link.send(&members).await.unwrap();
    }
    casa.ctl_until("status", |status| too_often(status) == 3).unwrap();
}

#[tokio::test]
async fn an_answer_has_256_kib_of_records_in_frames_of_32() {
    let casa = start();
    let (_rogue, _link) = people(&casa, 900).await;
    let (mut link, _) = Rogue::new("font").unwrap().greeted(casa.page()).await.unwrap();
    link.send(&Frame::Digest(Digest::default().to_bytes())).await.unwrap();
    link.send(&Frame::Members { sum: 0, roll: Vec::new(), more: false }).await.unwrap();
    let (mut bytes, mut came) = (0, 0);
    // the answer to the second question comes after all of the first
    while let Some(records) = link
        .next_where(|frame| match frame {
            Frame::Records(records) => Some(Some(records)),
            Frame::Members { .. } => Some(None),
            _ => None,
        })
        .await
        .unwrap()
    {
        let frame: usize = records.iter().map(Vec::len).sum();
        assert!(frame <= 32 * 1024 + 700, "a frame of {frame} bytes");
        bytes += frame;
        came += records.len();
    }
    assert!((250 * 1024..=256 * 1024).contains(&bytes), "{bytes} bytes");
    assert_eq!(casa.ctl("status").unwrap()["counters"]["links"]["records_sent"], came);
}

#[tokio::test]
async fn two_new_devices_of_an_account_wait_at_home_and_a_third_is_told_that_it_is_full() {
    let casa = start();
    let mut nuria = Page::open(casa.page()).await.unwrap();
    nuria.sign_in("nuria").await.unwrap();
    let mut waiting = Vec::new();
    for number in 0..=2 {
        let mut page = Page::open(casa.page()).await.unwrap();
        let wish = json!({ "address": nuria.address, "key": page.device.key(), "commit": "A".repeat(43) });
        page.ask("link", wish).await.unwrap();
        if number < 2 {
            nuria.event("link_asked").await.unwrap();
        } else {
            assert_eq!(page.event("link_ended").await.unwrap()["reason"], "full");
        }
        waiting.push(page);
    }
}

#[tokio::test]
async fn of_candidates_before_the_answer_thirty_two_are_shown() {
    let casa = start();
    let (mut anna, mut pep) =
        (Page::open(casa.page()).await.unwrap(), Page::open(casa.page()).await.unwrap());
    anna.sign_in("anna").await.unwrap();
    pep.sign_in("pep").await.unwrap();
    let call = anna.invite(&pep.address, "audio").await.unwrap();
    pep.event("incoming").await.unwrap();
    let candidate = |text: String| json!({ "call": call, "candidate": text });
    for number in 0..=32 {
        anna.ask("candidate", candidate(format!("c{number}"))).await.unwrap();
    }
    pep.accept(&call, "audio").await.unwrap();
    anna.event("accepted").await.unwrap();
    anna.ask("candidate", candidate("later".into())).await.unwrap();
    for number in 0..32 {
        assert_eq!(pep.event("candidate").await.unwrap()["candidate"], format!("c{number}"));
    }
    assert_eq!(pep.event("candidate").await.unwrap()["candidate"], "later");
}

#[tokio::test]
async fn eight_refusals_are_remembered_for_a_page_that_asks_again() {
    let casa = start();
    let mut page = Page::open(casa.page()).await.unwrap();
    page.sign_in("anna").await.unwrap();
    let nothing = json!({ "call": "b2qeayeaudaocajbifqydiob4a" });
    let mut ids = Vec::new();
    for _ in 0..8 + 1 {
        ids.push(page.post("connected", nothing.clone()).await.unwrap());
        assert_eq!(page.event("error").await.unwrap()["code"], "no_such_call");
    }
    let mut again = async |id: u64, answer: &str| {
        let mut fields = nothing.clone();
        fields["id"] = id.into();
        page.send_raw(&json!({ "connected": fields }).to_string()).await.unwrap();
        page.event_where(answer, |answer| answer["id"] == id).await.unwrap()
    };
    assert_eq!(again(ids[1], "error").await["code"], "no_such_call");
    again(ids[0], "ok").await;
}
