//! What a node refuses pages, asked of a real daemon over TLS by somebody who does ask: sign-in, limits, the ends of
//! sessions. Each of these tests is red when its guard is taken out (`make guards`).

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use truca_core::id::DeviceId;
use truca_core::wire::node::Frame;
use truca_tests::Result;
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page::{Device, Page, sdp, talking};
use truca_tests::rogue::{Link, Rogue};

fn start(config: &str) -> Daemon {
    Daemon::start(Options { config: config.into(), ..Options::default() }).unwrap()
}

/// The code of what must be refused.
fn code(answer: Result<Value>) -> String {
    let why = answer.expect_err("it must be refused").to_string();
    why.split(':').next().unwrap_or_default().to_owned()
}

async fn signed_in(node: &Daemon, name: &str) -> Page {
    let mut page = Page::open(node.page()).await.unwrap();
    page.sign_in(name).await.unwrap();
    page
}

/// Another node, home of an account with these devices, which `node` knows of; and its link.
async fn home_of(node: &Daemon, name: &str, devices: &[&Device]) -> (Rogue, Link) {
    let rogue = Rogue::new("torre").unwrap();
    let (mut link, _) = rogue.greeted(node.page()).await.unwrap();
    let devices: Vec<DeviceId> = devices.iter().map(|device| device.id().parse().unwrap()).collect();
    let account = rogue.account(name, name, &devices).unwrap();
    let people = node.ctl("status").unwrap()["people"].as_u64().unwrap();
    link.send(&Frame::Records(vec![account])).await.unwrap();
    node.ctl_until("status", |status| status["people"] == people + 1).unwrap();
    (rogue, link)
}

#[tokio::test]
async fn a_sign_in_that_was_overheard_is_good_for_no_other_socket() {
    let casa = start("");
    let (mut hers, mut his) =
        (Page::open(casa.page()).await.unwrap(), Page::open(casa.page()).await.unwrap());
    let fields = hers.sign_in_fields(&format!("nuria@{}", hers.node)).unwrap();
    assert_eq!(code(his.ask("sign_in", fields.clone()).await), "bad_signature");
    hers.ask("sign_in", fields).await.unwrap();
}

#[tokio::test]
async fn a_sign_in_with_a_farewell_that_its_device_has_not_signed_is_refused() {
    let casa = start("");
    let mut page = Page::open(casa.page()).await.unwrap();
    for part in ["here", "gone"] {
        let mut fields = page.sign_in_fields(&format!("nuria@{}", page.node)).unwrap();
        fields["attachment"][part] = fields["signature"].clone();
        assert_eq!(code(page.ask("sign_in", fields).await), "bad_signature", "{part}");
    }
    page.sign_in("nuria").await.unwrap();
}

#[tokio::test]
async fn a_device_that_counts_anew_is_told_where_it_was() {
    let casa = start("");
    let mut page = signed_in(&casa, "nuria").await;
    page.ask("sign_out", json!({})).await.unwrap();
    let mut page = Page::open_with(casa.page(), page.device).await.unwrap();
    page.device.count_from(0);
    let fields = page.sign_in_fields(&format!("nuria@{}", page.node)).unwrap();
    page.post("sign_in", fields).await.unwrap();
    let refused = page.event("error").await.unwrap();
    // 2 was signed in with, and 3 is its farewell
    assert_eq!((&refused["code"], &refused["counter"]), (&"stale_counter".into(), &3.into()), "{refused}");
    page.device.count_from(3);
    page.sign_in("nuria").await.unwrap();
}

#[tokio::test]
async fn the_ninth_attempt_of_a_socket_is_its_last() {
    let casa = start("");
    let mut page = Page::open(casa.page()).await.unwrap();
    let guess = json!({ "token": "A".repeat(22), "seen": 0 });
    for _ in 0..8 {
        assert_eq!(code(page.ask("resume", guess.clone()).await), "no_session");
    }
    page.post("resume", guess).await.unwrap();
    page.post("ping", json!({})).await.unwrap();
    let said = page.event_where("bye", |_| true).await.unwrap();
    assert_eq!(said["reason"], "overflow");
}

#[tokio::test]
async fn a_page_that_asks_too_fast_is_refused_after_forty_requests() {
    let casa = start("config limits\n\toption page_rate '1'\n");
    let mut page = signed_in(&casa, "nuria").await;
    for _ in 0..80 {
        page.post("devices", json!({})).await.unwrap();
    }
    let refused = page.event("error").await.unwrap();
    assert_eq!(refused["code"], "too_fast");
    // the first request was the sign-in
    assert!(refused["id"].as_u64().unwrap() >= 42, "{refused}");
}

#[tokio::test]
async fn who_has_not_signed_in_is_told_nothing_and_changes_nothing() {
    let casa = start("");
    let pep = signed_in(&casa, "pep").await;
    let mut page = Page::open(casa.page()).await.unwrap();
    let call = "b2qeayeaudaocajbifqydiob4a";
    let mut invite = page.described(call, "offer", "audio").unwrap();
    invite["to"] = pep.address.as_str().into();
    for (name, fields) in [
        ("watch", json!({ "text": "", "limit": 5 })),
        ("devices", json!({})),
        ("profile", json!({ "display": "Anna" })),
        ("sign_out", json!({})),
        ("hang_up", json!({ "call": call, "reason": "hung_up" })),
        ("invite", invite),
    ] {
        assert_eq!(code(page.ask(name, fields).await), "not_signed_in", "{name}");
    }
}

#[tokio::test]
async fn a_node_has_as_many_accounts_as_its_owner_allows() {
    let casa = start("config limits\n\toption accounts '2'\n");
    let (_anna, pep) = (signed_in(&casa, "anna").await, signed_in(&casa, "pep").await);
    let mut page = Page::open(casa.page()).await.unwrap();
    assert_eq!(code(page.sign_in("marta").await), "full");
    assert_eq!(casa.ctl("status").unwrap()["accounts"], 2);
    // who has one comes in all the same
    drop(page);
    Page::open_with(casa.page(), pep.device).await.unwrap().sign_in("pep").await.unwrap();
}

#[tokio::test]
async fn a_node_has_as_many_sessions_as_its_owner_allows() {
    let casa = start("config limits\n\toption sessions '2'\n");
    let (mut anna, _pep) = (signed_in(&casa, "anna").await, signed_in(&casa, "pep").await);
    let mut page = Page::open(casa.page()).await.unwrap();
    assert_eq!(code(page.sign_in("marta").await), "full");
    // no account was made that could not be used
    assert_eq!(casa.ctl("status").unwrap()["accounts"], 2);
    anna.ask("sign_out", json!({})).await.unwrap();
    page.sign_in("marta").await.unwrap();
}

#[tokio::test]
async fn one_account_has_as_many_sessions_as_its_owner_allows() {
    let casa = start("config limits\n\toption sessions_per_account '1'\n");
    let (phone, tablet) = (Device::new().unwrap(), Device::new().unwrap());
    let (rogue, _link) = home_of(&casa, "nuria", &[&phone, &tablet]).await;
    let address = format!("nuria@{}", rogue.id());
    let mut first = Page::open_with(casa.page(), phone).await.unwrap();
    let fields = first.sign_in_fields(&address).unwrap();
    first.ask("sign_in", fields).await.unwrap();
    let mut second = Page::open_with(casa.page(), tablet).await.unwrap();
    let fields = second.sign_in_fields(&address).unwrap();
    assert_eq!(code(second.ask("sign_in", fields).await), "full");
    signed_in(&casa, "pep").await;
    first.ask("sign_out", json!({})).await.unwrap();
    let fields = second.sign_in_fields(&address).unwrap();
    second.ask("sign_in", fields).await.unwrap();
}

#[tokio::test]
async fn what_a_page_says_in_a_call_has_its_bounds() {
    let casa = start("");
    let (mut anna, mut pep, call) = talking(casa.page(), casa.page()).await.unwrap();
    let with_sdp = |page: &Page, call: &str, sdp: String| {
        let mut fields = page.described(call, "offer", "audio").unwrap();
        fields["sdp"] = sdp.into();
        fields
    };
    let long = sdp() + &"a".repeat(32_769 - sdp().len());
    let other = "b2qeayeaudaocajbifqydiob4a";
    for (what, sdp) in [("32,769 bytes", long.clone()), ("not SDP", "hello".to_owned())] {
        let mut invite = with_sdp(&anna, other, sdp.clone());
        invite["to"] = pep.address.as_str().into();
        assert_eq!(code(anna.ask("invite", invite).await), "bad_sdp", "{what}");
        let mut describe = with_sdp(&anna, &call, sdp);
        describe["kind"] = "offer".into();
        assert_eq!(code(anna.ask("describe", describe).await), "bad_sdp", "{what}");
    }
    let candidate = |length: usize, mid: usize| json!({ "call": call, "candidate": "c".repeat(length), "mid": "m".repeat(mid) });
    for (name, fields) in [
        ("candidate", candidate(513, 1)),
        ("candidate", candidate(1, 33)),
        ("message", json!({ "call": call, "text": "à".repeat(2_001) })),
    ] {
        assert_eq!(code(anna.ask(name, fields).await), "too_long", "{name}");
    }
    // the longest of all pass, and nothing of the others has come before them
    anna.ask("candidate", candidate(512, 32)).await.unwrap();
    anna.ask("message", json!({ "call": call, "text": "à".repeat(2_000) })).await.unwrap();
    let mut describe = with_sdp(&anna, &call, long[..32_768].to_owned());
    describe["kind"] = "offer".into();
    anna.ask("describe", describe).await.unwrap();
    assert_eq!(pep.event("candidate").await.unwrap()["candidate"], "c".repeat(512));
    assert_eq!(pep.event("message").await.unwrap()["text"], "à".repeat(2_000));
    assert_eq!(pep.event("describe").await.unwrap()["sdp"], long[..32_768]);
}

#[tokio::test]
async fn a_new_display_name_is_seen_by_others_and_is_there_at_the_next_sign_in() {
    let casa = start("");
    let mut nuria = signed_in(&casa, "nuria").await;
    let mut pep = signed_in(&casa, "pep").await;
    pep.ask("watch", json!({ "text": "nuria", "limit": 5 })).await.unwrap();
    nuria.ask("profile", json!({ "display": "Núria Ç" })).await.unwrap();
    let seen =
        |people: &Value| people["people"].as_array().unwrap().iter().any(|who| who["display"] == "Núria Ç");
    pep.event_where("people", seen).await.unwrap();
    let mut again = Page::open_with(casa.page(), nuria.device).await.unwrap();
    assert_eq!(again.sign_in("nuria").await.unwrap()["display"], "Núria Ç");
}

#[tokio::test]
async fn a_visited_node_changes_nobodys_display_name() {
    let casa = start("");
    let phone = Device::new().unwrap();
    let (rogue, _link) = home_of(&casa, "nuria", &[&phone]).await;
    let mut page = Page::open_with(casa.page(), phone).await.unwrap();
    let fields = page.sign_in_fields(&format!("nuria@{}", rogue.id())).unwrap();
    page.ask("sign_in", fields).await.unwrap();
    assert_eq!(code(page.ask("profile", json!({ "display": "Anna" })).await), "not_home");
}

#[tokio::test]
async fn who_signs_out_is_not_brought_back_and_not_shown_as_here() {
    let casa = start("");
    let mut nuria = signed_in(&casa, "nuria").await;
    let token = nuria.token.clone();
    nuria.ask("sign_out", json!({})).await.unwrap();
    assert_eq!(nuria.event("bye").await.unwrap()["reason"], "signed_out");
    let mut again = Page::open(casa.page()).await.unwrap();
    assert_eq!(code(again.resume(&token, 0, 1).await), "no_session");
    let status = casa.ctl("status").unwrap();
    assert_eq!((&status["sessions"], &status["here"]), (&0.into(), &0.into()), "{status}");
}

#[tokio::test]
async fn who_is_kept_out_does_not_sign_in_and_is_counted() {
    let casa = start("");
    let mut nuria = signed_in(&casa, "nuria").await;
    casa.ctl_with("ban", &json!({ "id": nuria.address, "reason": "noise" })).unwrap();
    assert_eq!(nuria.event("bye").await.unwrap()["reason"], "banned");
    let mut again = Page::open_with(casa.page(), nuria.device).await.unwrap();
    assert_eq!(code(again.sign_in("nuria").await), "banned");
    let status = casa.ctl("status").unwrap();
    assert_eq!((&status["counters"]["kept_out"]["sign_ins"], &status["sessions"]), (&1.into(), &0.into()));
}

#[tokio::test]
async fn each_mistake_of_a_page_has_its_own_code() {
    let casa = start("");
    let mut page = Page::open(casa.page()).await.unwrap();
    for (raw, code, id) in [
        ("nonsense", "bad_message", 0),
        ("{\"ping\":{\"id\":1},\"pong\":{}}", "bad_message", 0),
        ("{\"ping\":7}", "bad_message", 0),
        ("{\"watch\":{\"id\":5,\"text\":7,\"limit\":1}}", "bad_message", 5),
        ("{\"dance\":{\"id\":6}}", "unknown_message", 6),
        ("{\"ping\":{\"id\":0}}", "bad_id", 0),
        ("{\"ping\":{\"id\":2147483648}}", "bad_id", 0),
    ] {
        page.send_raw(raw).await.unwrap();
        let refused = page.event("error").await.unwrap();
        assert_eq!((&refused["code"], &refused["id"]), (&code.into(), &id.into()), "{raw}: {refused}");
    }
    let mut named = async |name: &str, display: &str| {
        let mut fields = page.sign_in_fields(&format!("{name}@{}", page.node)).unwrap();
        fields["display"] = display.into();
        code(page.ask("sign_in", fields).await)
    };
    // a socket has eight attempts
    for name in ["N", "a b", &"a".repeat(32 + 1)] {
        assert_eq!(named(name, "Anna").await, "bad_name", "{name}");
    }
    for display in ["", "An\u{202e}na", &"a".repeat(48 + 1)] {
        assert_eq!(named("anna", display).await, "bad_display", "{display:?}");
    }
    page.sign_in("anna").await.unwrap();
    assert_eq!(code(page.sign_in("anna").await), "signed_in");
    assert_eq!(code(page.ask("profile", json!({ "display": "\u{0}" })).await), "bad_display");

    let mut pep = signed_in(&casa, "pep").await;
    let away = signed_in(&casa, "marta").await;
    let (address, mut away) = (away.address.clone(), away);
    away.ask("sign_out", json!({})).await.unwrap();
    assert_eq!(code(page.invite(&address, "audio").await.map(Value::from)), "not_here");
    assert_eq!(
        code(page.invite(&format!("nobody@{}", page.node), "audio").await.map(Value::from)),
        "no_such_person"
    );
    let mut others = Vec::new();
    let first = page.invite(&pep.address, "audio").await.unwrap();
    pep.event("incoming").await.unwrap();
    let mut twice = page.described(&first, "offer", "audio").unwrap();
    twice["to"] = pep.address.as_str().into();
    assert_eq!(code(page.ask("invite", twice).await), "bad_call");
    assert_eq!(
        code(page.ask("connected", json!({ "call": "b2qeayeaudaocajbifqydiob4a" })).await),
        "no_such_call"
    );
    assert_eq!(code(page.accept(&first, "audio").await), "wrong_state");
    for name in ["joan", "jordi", "laia"] {
        let other = signed_in(&casa, name).await;
        page.invite(&other.address, "audio").await.unwrap();
        others.push(other);
    }
    assert_eq!(1 + others.len(), 4, "calls of this page");
    assert_eq!(code(page.invite(&pep.address, "audio").await.map(Value::from)), "too_many_calls");
    let revoke = json!({ "device": pep.device.id(), "counter": 1, "signature": "A".repeat(86) });
    assert_eq!(code(page.ask("revoke", revoke).await), "no_such_device");
}
