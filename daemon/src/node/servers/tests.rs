//! Which servers pages are given, on a bench of one node: who is on which side is said, as the driver would.

use std::net::Ipv4Addr;

use serde_json::{Map as Object, Value};

use super::*;
use crate::event::{LinkId, PageId, PageOut};
use crate::fuzz::bench::{BenchKeys, OTHER, address, drain, id, node, node_record, sign_in};
use crate::node::Keys;
use crate::node::admin::{self, Arguments};
use crate::node::{Node, Output};
use truca_core::directory::record::{self, Record};
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{Frame, VERSION};

const NOW: Time = Time::ZERO;
const LAN: Lan = Lan { address: Ipv4Addr::new(192, 168, 1, 1), prefix: 24 };
const MEMBERS: [u8; 3] = [OTHER, 3, 4];

/// A node that knows three others as members.
fn with_members() -> Node {
    let mut node = node();
    for key in MEMBERS {
        let link = LinkId(u32::from(key));
        node.link_opened(NOW, link, &BenchKeys(key).point(), address(key), false);
        let hello = Frame::Hello { version: VERSION, node: node_record(key, 1), generation: 1 };
        node.link_frame(NOW, link, &hello.encode());
        node.ground.alive.insert(id(key));
    }
    node.ground.nodes_moved(NOW);
    drain(&mut node);
    node
}

/// As the driver says it: each node's interface.
fn sides(of: [(u8, Side); 3]) -> (Map<IpAddr, Side>, Map<Side, String>) {
    let sides = of.iter().map(|(key, side)| (address(*key).ip(), *side)).collect();
    (sides, (0..9).map(|side| (side, format!("mesh{side}"))).collect())
}

fn way(side: u16, verdict: Verdict) -> Way {
    let keeps = matches!(verdict, Verdict::Keeps(_));
    let at = keeps.then(|| SocketAddr::from((LAN.address, 3480 + side)));
    Way { lan: LAN, from: "br-lan".into(), to: format!("mesh{side}"), verdict, at }
}

fn keeps(side: u16) -> Way {
    way(side, Verdict::Keeps(Ipv4Addr::new(10, 99, side as u8, 2)))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn stun(node: &mut Node, local: &str, client: &str) -> Vec<String> {
    node.servers.choose_servers(&mut node.ground);
    node.servers.stun_for(&node.ground, ip(local), ip(client)).iter().map(SocketAddr::to_string).collect()
}

/// What a page is told of servers from now on, after the pause between two words to it.
fn told(node: &mut Node, page: PageId) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(at) = node.poll_timeout().filter(|at| at.as_secs() < 2) {
        node.handle_timeout(at);
        texts.extend(drain(node));
    }
    let ice = texts.into_iter().filter_map(|output| match output {
        Output::Page(to, PageOut::Text(text)) if to == page && text.starts_with("{\"ice\"") => Some(text),
        _ => None,
    });
    ice.collect()
}

fn decisions(node: &mut Node) -> Vec<(String, String)> {
    let method = admin::find("ice").unwrap();
    let arguments = Arguments::read(method, Object::new()).unwrap();
    let answer = node.administer(NOW, method.call, &arguments).unwrap();
    let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
    answer["decisions"].as_array().unwrap().iter().map(|row| (text(row, "code"), text(row, "text"))).collect()
}

#[test]
fn a_page_is_given_a_node_of_each_side_beside_its_own() {
    let mut node = with_members();
    let (at, names) = sides([(OTHER, 3), (3, 3), (4, 5)]);
    node.set_sides(NOW, at, names);
    let given = stun(&mut node, "10.0.0.1", "10.0.0.99");
    assert_eq!(given.len(), 3, "{given:?}");
    assert_eq!(given[0], "10.0.0.1:3478");
    assert!(given.contains(&"10.0.0.4:3478".to_owned()), "the only one on its side: {given:?}");
    let (_, text) = decisions(&mut node).into_iter().find(|(code, _)| code == "remote_stun").unwrap();
    assert!(text.contains("other by mesh3") && text.contains("other by mesh5"), "{text}");
}

#[test]
fn a_choice_stays_when_members_come_and_follows_when_one_goes() {
    let mut node = with_members();
    node.ground.alive.remove(&id(4));
    let (at, names) = sides([(OTHER, 3), (3, 3), (4, 3)]);
    node.set_sides(NOW, at, names);
    let before = stun(&mut node, "10.0.0.1", "10.0.0.99");
    node.ground.alive.insert(id(4));
    node.ground.nodes_moved(NOW);
    assert_eq!(stun(&mut node, "10.0.0.1", "10.0.0.99"), before);
    node.ground.alive.remove(&id(OTHER));
    node.ground.nodes_moved(NOW);
    let after = stun(&mut node, "10.0.0.1", "10.0.0.99");
    assert!(!after.contains(&format!("{}:3478", address(OTHER).ip())), "{after:?}");
    assert_eq!(after.len(), 3);
}

#[test]
fn a_page_of_the_other_family_and_one_on_loopback_are_given_nothing_that_they_cannot_reach() {
    let mut node = with_members();
    assert_eq!(stun(&mut node, "fd00::1", "fd00::99"), ["[fd00::1]:3478"]);
    assert_eq!(stun(&mut node, "127.0.0.1", "127.0.0.1"), ["127.0.0.1:3478"]);
    assert_eq!(stun(&mut node, "10.0.0.1", "10.0.0.99").len(), 3);
    // one of the others has an address of the other family too
    let keys = BenchKeys(3);
    let mut record = node.ground.directory.node(&id(3)).unwrap().clone();
    record.body.addresses.extend([ip("fe80::3"), ip("fd00::3")]);
    record.body.counter += 1;
    record.signature = Bytes(keys.sign(&record::Node::to_sign(&record.body)));
    assert!(node.ground.learn(NOW, &Record::Node(record).encode()));
    assert_eq!(stun(&mut node, "fd00::1", "fd00::99"), ["[fd00::1]:3478", "[fd00::3]:3478"]);
}

#[test]
fn clients_of_a_masqueraded_lan_are_told_on_every_side_and_nobody_else_is() {
    let mut node = with_members();
    node.set_ways(NOW, Some(vec![keeps(3), keeps(4), way(5, Verdict::Routed)]));
    let own = |client| {
        let mut node = with_members();
        node.set_ways(NOW, Some(vec![keeps(3), keeps(4), way(5, Verdict::Routed)]));
        let given = stun(&mut node, "10.0.0.1", client);
        given.into_iter().filter(|at| at.starts_with("192.168")).collect::<Vec<_>>()
    };
    assert_eq!(own("192.168.1.101"), ["192.168.1.1:3483", "192.168.1.1:3484"]);
    for elsewhere in ["192.168.2.101", "192.168.1.1", "10.99.3.1", "fd00::99"] {
        assert!(own(elsewhere).is_empty(), "{elsewhere}");
    }
    for verdict in [Verdict::Routed, Verdict::Rewrites(LAN.address), Verdict::Silent, Verdict::Unsteady] {
        node.set_ways(NOW, Some(vec![way(3, verdict)]));
        assert_eq!(stun(&mut node, "10.0.0.1", "192.168.1.101").len(), 3, "{verdict:?}");
    }
}

#[test]
fn a_page_is_told_when_the_ways_are_others_and_only_then() {
    let mut node = with_members();
    node.set_ways(NOW, Some(Vec::new()));
    // its address is 10.0.0.2 on the bench
    let page = sign_in(&mut node, 0);
    told(&mut node, page);
    let lan = Lan { address: Ipv4Addr::new(10, 0, 0, 1), prefix: 24 };
    let way = Way { lan, ..keeps(3) };
    node.set_ways(NOW, Some(vec![way.clone()]));
    let said = told(&mut node, page);
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("stun:192.168.1.1:3483"), "{said:?}");
    node.set_ways(NOW, Some(vec![way]));
    assert!(told(&mut node, page).is_empty());
    node.set_ways(NOW, None);
    let said = told(&mut node, page);
    assert!(said.len() == 1 && !said[0].contains("3483"), "{said:?}");
}

#[test]
fn every_verdict_is_said_in_words_that_name_lan_and_interface() {
    let mut node = with_members();
    let mapped = Ipv4Addr::new(10, 99, 1, 2);
    let cases = [
        (keeps(3), "reflexive", "masqueraded as 10.99.3.2 and keeps its port"),
        (Way { at: None, ..keeps(3) }, "reflexive_no_port", "reflexive_ports"),
        (way(3, Verdict::Waiting), "reflexive_waiting", "looked at"),
        (way(3, Verdict::Routed), "reflexive_routed", "keeps its address"),
        (way(3, Verdict::Rewrites(mapped)), "reflexive_random", "random"),
        (way(3, Verdict::Beyond(mapped.into())), "reflexive_beyond", "10.99.1.2"),
        (way(3, Verdict::Unsteady), "reflexive_unsteady", "nobody"),
        (way(3, Verdict::Silent), "reflexive_silent", "few answers"),
    ];
    for (way, code, words) in cases {
        node.set_ways(NOW, Some(vec![way]));
        let said = decisions(&mut node);
        let (_, text) =
            said.iter().find(|(said, _)| said == code).unwrap_or_else(|| panic!("{code}: {said:?}"));
        assert!(text.contains("192.168.1.1/24 (br-lan) sends by mesh3") && text.contains(words), "{text}");
    }
    for (ways, code) in [(None, "reflexive_off"), (Some(Vec::new()), "reflexive_nobody")] {
        node.set_ways(NOW, ways);
        assert!(decisions(&mut node).iter().any(|(said, _)| said == code));
    }
}

#[test]
fn only_so_many_ways_are_asked_for_and_the_chosen_are_among_them() {
    let mut node = with_members();
    node.servers.choose_servers(&mut node.ground);
    let asked = node.stun_elsewhere();
    assert_eq!(asked.len(), MEMBERS.len());
    let chosen = node.servers.chosen.values().flatten();
    assert!(chosen.map(|(_, at)| *at).all(|at| asked.contains(&at)));
}
