//! What the owner decides holds, and what people report is kept within its bounds.

use truca_core::id::{CallId, DeviceId};
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{CallBody, CallFrame, Device, Frame, Introduction, VERSION};
use truca_core::wire::page::{Description, Media, Reason};

use super::*;
use crate::event::{LinkId, LinkOut, PageId, PageOut};
use crate::fuzz::bench::{
    BenchKeys, OTHER, OWN, account_record, address, drain, id, node, node_record, sign_in, sign_in_text,
};
use crate::node::Keys;
use crate::node::bans::MAX_BANS;
use crate::node::state::Saved;
use crate::node::{Node, Output, admin};

const NOW: Time = Time::ZERO;

fn call(node: &mut Node, method: &str, arguments: Value) -> Answer {
    let method = admin::find(method).unwrap();
    let Value::Object(said) = arguments else { panic!() };
    node.administer(NOW, method.call, &Arguments::read(method, said)?)
}

/// What a page is told, and whether its socket is closed.
fn told(outputs: &[Output], page: PageId) -> (Vec<Value>, bool) {
    let texts = outputs.iter().filter_map(|output| match output {
        Output::Page(at, PageOut::Text(text)) if *at == page => Some(serde_json::from_str(text).unwrap()),
        _ => None,
    });
    let closed =
        outputs.iter().any(|output| matches!(output, Output::Page(at, PageOut::Close(_)) if *at == page));
    (texts.collect(), closed)
}

/// How a sign-in ends: `signed_in`, or the error's code.
fn outcome(node: &mut Node, person: usize, device: u8, counter: u32) -> String {
    let page = PageId(50 + counter);
    node.page_opened(page, address(OTHER), address(OWN));
    node.page_text(NOW, page, &sign_in_text(person, device, counter));
    let (texts, _) = told(&drain(node), page);
    let answer = texts.last().unwrap();
    answer["error"]["code"].as_str().map_or_else(
        || answer.as_object().and_then(|object| object.keys().next()).unwrap().clone(),
        str::to_owned,
    )
}

fn own(name: &str) -> String {
    format!("{name}@{}", id(OWN))
}

/// The link of another node, said hello to; whether it is closed.
fn link(node: &mut Node, number: u32) -> (LinkId, bool) {
    let link = LinkId(number);
    node.link_opened(NOW, link, &BenchKeys(OTHER).point(), address(OTHER), false);
    let hello = Frame::Hello { version: VERSION, node: node_record(OTHER, 1), generation: 1 };
    node.link_frame(NOW, link, &hello.encode());
    let closed = |output: &Output| matches!(output, Output::Link(at, LinkOut::Close) if *at == link);
    (link, drain(node).iter().any(closed))
}

/// The same node after a restart.
fn restarted(node: &Node) -> Node {
    let saved = Saved::decode(&node.to_save().encode()).unwrap();
    Node::new(NOW, Box::new(BenchKeys(OWN)), node.ground.settings.clone(), saved)
}

#[test]
fn a_banned_account_is_signed_out_and_stays_out_until_it_is_let_in_again() {
    let mut node = node();
    let page = sign_in(&mut node, 0);
    let ban = json!({"id": own("nuria"), "reason": "shouts"});
    assert_eq!(call(&mut node, "ban", ban), Ok(json!({})));
    let (texts, closed) = told(&drain(&mut node), page);
    assert_eq!((&texts[0]["bye"]["reason"], closed), (&json!("banned"), true));
    assert_eq!(outcome(&mut node, 0, 2, 4), "banned");

    let mut node = restarted(&node);
    assert_eq!(outcome(&mut node, 0, 2, 6), "banned", "it outlives a restart");
    let banned = json!({"bans": [{"id": own("nuria"), "reason": "shouts", "refused": 1}]});
    assert_eq!(call(&mut node, "bans", json!({})), Ok(banned));
    assert_eq!(call(&mut node, "unban", json!({"id": own("nuria")})), Ok(json!({})));
    assert_eq!(call(&mut node, "unban", json!({"id": own("nuria")})), Err(Refusal::Missing("ban")));
    // the node has started again, so that the attachments of the bench are of another life
    assert_eq!(outcome(&mut node, 0, 2, 8), "bad_signature");
}

#[test]
fn a_banned_account_rings_nobody_here() {
    let mut node = node();
    sign_in(&mut node, 0);
    let (link, _) = link(&mut node, 1);
    let caller = format!("pep@{}", id(OTHER));
    let ring = |node: &mut Node, call: u8| {
        let key = Bytes(BenchKeys(3).point());
        let description =
            Description { media: Media::Audio, number: 1, sdp: "v=0".into(), signature: Bytes([1; 64]) };
        let introduction = Introduction { display: "Pep".parse().unwrap(), key, description };
        let frame = Frame::Call(Box::new(CallFrame {
            call: CallId([call; 16]),
            from: Device { address: caller.parse().unwrap(), device: DeviceId::of_point(&key.0) },
            to: Device {
                address: own("nuria").parse().unwrap(),
                device: DeviceId::of_point(&BenchKeys(2).point()),
            },
            body: CallBody::Invite(introduction),
        }));
        node.link_frame(NOW, link, &frame.encode());
        drain(node).iter().find_map(|output| match output {
            Output::Link(_, LinkOut::Frame(frame)) => match Frame::decode(frame) {
                Some(Frame::Call(call)) => Some(call.body),
                _ => None,
            },
            _ => None,
        })
    };
    assert_eq!(ring(&mut node, 1), Some(CallBody::Ringing));
    call(&mut node, "ban", json!({"id": caller})).unwrap();
    assert_eq!(ring(&mut node, 2), Some(CallBody::Refuse(Reason::Unreachable)));
    assert_eq!(node.ground.bans.counters.calls, 1);
}

#[test]
fn a_banned_node_gets_no_link_and_its_people_are_kept_out_with_it() {
    let mut node = node();
    assert!(!link(&mut node, 1).1);
    call(&mut node, "ban", json!({"id": id(OTHER).to_string()})).unwrap();
    let closed =
        |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Link(LinkId(1), LinkOut::Close)));
    assert!(closed(&drain(&mut node)), "the open one is closed");
    assert!(link(&mut node, 2).1);
    assert_eq!(node.ground.bans.counters.links, 1);
    assert!(node.ground.bans.refuses_sign_in(&format!("pep@{}", id(OTHER)).parse().unwrap()));
    assert_eq!(
        call(&mut node, "ban", json!({"id": id(OWN).to_string()})),
        Err(Refusal::Argument("id", "is this node itself"))
    );
    call(&mut node, "unban", json!({"id": id(OTHER).to_string()})).unwrap();
    assert!(!link(&mut node, 3).1);
}

#[test]
fn a_deleted_account_is_gone_its_page_is_told_and_its_name_is_free() {
    let mut node = node();
    let page = sign_in(&mut node, 0);
    assert_eq!(call(&mut node, "account_delete", json!({"address": own("nuria")})), Ok(json!({})));
    let (texts, closed) = told(&drain(&mut node), page);
    assert_eq!((&texts[0]["bye"]["reason"], closed), (&json!("revoked"), true));
    assert_eq!(call(&mut node, "accounts", json!({})), Ok(json!({"accounts": [], "more": 0})));
    assert_eq!(
        call(&mut node, "account_delete", json!({"address": own("nuria")})),
        Err(Refusal::Missing("account"))
    );
    // somebody else takes the name; the old device is a stranger's
    assert_eq!(outcome(&mut node, 0, 3, 4), "signed_in");
    assert_eq!(outcome(&mut node, 0, 2, 6), "name_taken");
    let body = node.ground.directory.account(&own("nuria").parse().unwrap()).unwrap().body.clone();
    assert_eq!((body.counter, body.devices.len()), (3, 1));
}

#[test]
fn a_tombstone_outlives_a_restart_and_later_ones_are_newer() {
    let mut node = node();
    sign_in(&mut node, 0);
    sign_in(&mut node, 1);
    for display in ["One", "Two", "Three"] {
        call(&mut node, "account_set", json!({"address": own("nuria"), "display": display})).unwrap();
    }
    for name in ["nuria", "pep"] {
        call(&mut node, "account_delete", json!({"address": own(name)})).unwrap();
    }
    let node = restarted(&node);
    let counters: Vec<u32> =
        node.ground.directory.records_of(id(OWN)).map(|account| account.body.counter).collect();
    assert_eq!(counters, [5, 6]);
    assert_eq!(node.ground.directory.accounts_of(id(OWN)).count(), 0);
}

#[test]
fn an_account_whose_devices_are_reset_belongs_to_the_next_device() {
    let mut node = node();
    let page = sign_in(&mut node, 0);
    let set = json!({"address": own("nuria"), "reset_devices": true, "admin": true});
    let account = call(&mut node, "account_set", set).unwrap();
    assert_eq!((&account["account"]["devices"], &account["account"]["admin"]), (&json!(0), &json!(true)));
    assert_eq!(told(&drain(&mut node), page).0[0]["bye"]["reason"], "revoked");
    assert_eq!(outcome(&mut node, 0, 3, 4), "signed_in");
    assert_eq!(outcome(&mut node, 0, 2, 6), "name_taken");
    let account = call(&mut node, "accounts", json!({"filter": "NURI"})).unwrap();
    let account = &account["accounts"][0];
    assert_eq!((&account["devices"], &account["admin"]), (&json!(1), &json!(true)), "it is the same account");
}

#[test]
fn accounts_are_filtered_and_counted() {
    let mut node = node();
    sign_in(&mut node, 0);
    sign_in(&mut node, 1);
    let names = |answer: Answer| -> (Vec<String>, Value) {
        let answer = answer.unwrap();
        let rows = answer["accounts"].as_array().unwrap().iter();
        (rows.map(|row| row["display"].as_str().unwrap().to_owned()).collect(), answer["more"].clone())
    };
    assert_eq!(names(call(&mut node, "accounts", json!({}))), (vec!["nuria".into(), "pep".into()], json!(0)));
    assert_eq!(names(call(&mut node, "accounts", json!({"filter": "Pe"}))), (vec!["pep".into()], json!(0)));
    assert_eq!(names(call(&mut node, "accounts", json!({"limit": 1}))), (vec!["nuria".into()], json!(1)));
}

#[test]
fn reports_are_kept_within_bounds_and_outlive_a_restart() {
    let mut node = node();
    let page = sign_in(&mut node, 0);
    let (link, _) = link(&mut node, 1);
    for n in 0..6 {
        let record = account_record(OTHER, &format!("p{n}"), 3);
        node.link_frame(NOW, link, &Frame::Records(vec![record]).encode());
        node.handle_timeout(NOW);
    }
    let mut request = 10;
    let mut report = |node: &mut Node, about: &str, reason: &str| {
        request += 1;
        let body = json!({"report": {"id": request, "address": about, "reason": reason}});
        node.page_text(NOW, page, &body.to_string());
        let (texts, _) = told(&drain(node), page);
        let answer = texts.into_iter().find(|text| text.get("ok").or(text.get("error")).is_some()).unwrap();
        answer["error"]["code"].as_str().unwrap_or("ok").to_owned()
    };
    for n in 0..6 {
        assert_eq!(report(&mut node, &format!("p{n}@{}", id(OTHER)), "first"), "ok");
    }
    assert_eq!(report(&mut node, &format!("p5@{}", id(OTHER)), "again"), "ok");
    assert_eq!(report(&mut node, &own("nuria"), "oneself"), "no_such_person");
    assert_eq!(report(&mut node, &own("nobody"), "who"), "no_such_person");
    for reason in ["", " ", "two\nlines", &"x".repeat(MAX_REASON + 1)] {
        assert_eq!(report(&mut node, &format!("p0@{}", id(OTHER)), reason), "too_long", "{reason:?}");
    }
    let kept = |node: &mut Node| {
        let answer = call(node, "reports", json!({})).unwrap();
        let rows = answer["reports"].as_array().unwrap().clone();
        let what = |row: &Value| {
            let about = row["about"].as_str().unwrap().split('@').next().unwrap().to_owned();
            (about, row["reason"].as_str().unwrap().to_owned())
        };
        (rows.iter().map(what).collect::<Vec<_>>(), rows[0]["age_s"].clone())
    };
    let expected = [("p5", "again"), ("p4", "first"), ("p3", "first"), ("p2", "first")];
    let expected = expected.map(|(about, reason)| (about.to_owned(), reason.to_owned())).to_vec();
    assert_eq!(kept(&mut node), (expected.clone(), json!(0)));
    assert_eq!(kept(&mut restarted(&node)), (expected, Value::Null), "its age is of another life");
}

#[test]
fn bans_are_so_many_and_reasons_so_long() {
    let mut node = node();
    for n in 0..MAX_BANS {
        call(&mut node, "ban", json!({"id": own(&format!("p{n}"))})).unwrap();
    }
    assert_eq!(call(&mut node, "ban", json!({"id": own("more")})), Err(Refusal::Full("bans")));
    assert_eq!(call(&mut node, "ban", json!({"id": own("p0"), "reason": "new"})), Ok(json!({})));
    for wrong in ["casa", "", "nuria@casa", "*"] {
        let refused = call(&mut node, "ban", json!({"id": wrong}));
        assert!(matches!(refused, Err(Refusal::Argument("id", _))), "{wrong}");
    }
    let long = json!({"id": own("p0"), "reason": "x".repeat(MAX_REASON + 1)});
    assert!(matches!(call(&mut node, "ban", long), Err(Refusal::Argument("reason", _))));
    // the largest answer fits the bus
    let bans = call(&mut node, "bans", json!({})).unwrap();
    let Value::Object(bans) = bans else { panic!() };
    let mut bytes = Vec::new();
    truca_core::ubus::blobmsg::write_json(&mut bytes, &bans);
    assert!(bytes.len() < truca_core::ubus::MAX_MESSAGE / 8);
}
