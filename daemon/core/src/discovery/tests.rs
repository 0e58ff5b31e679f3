//! Every parser on what real daemons wrote (tests/fixtures), and on what they would never write.

use std::net::IpAddr;
use std::path::PathBuf;

use super::advert::{Advert, MAX_SMS, MAX_TOLD};
use super::babeld::{MAX_LINE, MAX_ROUTES, Monitor};
use super::*;
use crate::id::NodeId;

const ID: NodeId = NodeId([7; 16]);

fn fixture(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(folder);
    let names =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), fixture(&format!("{folder}/{name}")))).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ips(heard: &Heard) -> Vec<String> {
    heard.hints.iter().map(|hint| hint.ip.to_string()).collect()
}

fn own(address: &str) -> Hint {
    Hint { port: Some(8443), id: Some(ID), ..Hint::router(ip(address)) }
}

#[test]
fn bmx6_tells_every_router_and_the_networks_behind_it() {
    let routers: Vec<String> = files("bmx6/node2/json/originators")
        .iter()
        .map(|(_, file)| bmx::originator(file).unwrap().hint().unwrap().ip.to_string())
        .collect();
    assert_eq!(
        routers,
        [
            "fd66:66:66:2:200:ff:fe01:2",
            "fd66:66:66:2:200:ff:fe02:1",
            "fd66:66:66:2:200:ff:fe03:1",
            "fd66:66:66:2:200:ff:fe04:1"
        ]
    );
    let tunnels: Vec<Vec<String>> = files("bmx6/node2/json/descriptions")
        .iter()
        .map(|(_, file)| ips(&bmx::description(file).unwrap().tunnels))
        .collect();
    // node2 announces the default route too: nobody's address
    assert_eq!(tunnels, [["10.202.1.1"], ["10.202.2.1"], ["10.202.3.1"], ["10.202.4.1"]]);
    let status = fixture("bmx6/node2/json/status");
    assert_eq!(bmx::own_address(&status).unwrap(), ip("fd66:66:66:2:200:ff:fe02:1"));
}

#[test]
fn bmx7_tells_the_same_by_its_own_words() {
    for (name, file) in files("bmx7/node2/json/originators") {
        let IpAddr::V6(ip) = bmx::originator(&file).unwrap().hint().unwrap().ip else { panic!("{name}") };
        // its address is made of its id
        let id: String = ip.octets()[2..].iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(name.starts_with(&id), "{name} {ip}");
    }
    for (_, file) in files("bmx7/node2/json/descriptions") {
        assert_eq!(bmx::description(&file).unwrap(), bmx::Description::default());
    }
    let file =
        br#"{"descSha":"00","extensions":[{"DSC_TUN4IN6_NET":[{"networkLen":27,"network":"10.1.2.32"}]},
        {"DSC_SMS":[{"name":"chat"},{"name":"truca"}]}]}"#;
    let description = bmx::description(file).unwrap();
    assert_eq!((ips(&description.tunnels), description.advertises), (vec!["10.1.2.33".into()], true));
    assert_eq!(
        bmx::own_address(&fixture("bmx7/node2/json/status")).unwrap(),
        ip("fd70:a200:9a80:7462:baba:b383:e650:c807")
    );
}

#[test]
fn no_beginning_of_a_file_is_taken_for_the_file() {
    let file = fixture("bmx6/node2/json/originators/node4.7350B9767ABA59964D41");
    let end = file.iter().rposition(|byte| *byte == b'}').unwrap();
    for length in 0..=end {
        assert_eq!(bmx::originator(&file[..length]), Err(Bad::Syntax), "{length}");
    }
    let (_, file) = files("bmx7/node2/json/descriptions").remove(0);
    let end = file.iter().rposition(|byte| *byte == b'}').unwrap();
    for length in (0..=end).step_by(7) {
        assert_eq!(bmx::description(&file[..length]), Err(Bad::Syntax), "{length}");
    }
    // written over a longer one, in place
    assert_eq!(bmx::originator(br#"{"primaryIp":"fd00::1"}:1"}"#), Err(Bad::Syntax));
}

#[test]
fn a_router_whose_address_is_in_dispute_or_is_none_is_not_tried() {
    let originator = |text: &str| bmx::originator(text.as_bytes());
    assert_eq!(originator(r#"{"blocked":1,"primaryIp":"fd00::1"}"#).unwrap().hint(), None);
    for none in ["::", "ff02::1", "0.0.0.0", "255.255.255.255", "224.0.0.251"] {
        assert_eq!(originator(&format!(r#"{{"primaryIp":"{none}"}}"#)).unwrap().hint(), None, "{none}");
    }
    assert_eq!(originator(r#"{"primaryIp":"fe80::1%l2 ; reboot"}"#), Err(Bad::Foreign));
    assert_eq!(originator(r#"{"name":"fd00::1"}"#), Err(Bad::Foreign));
    assert_eq!(originator(&format!("{}{}", "[".repeat(9_000), "]".repeat(9_000))), Err(Bad::Syntax));
    assert_eq!(originator(&" ".repeat(bmx::MAX_FILE + 1)), Err(Bad::Long));
}

#[test]
fn a_description_with_a_thousand_tunnels_gives_a_few_and_a_count() {
    let nets: Vec<String> = (0..1000)
        .map(|n| format!(r#"{{"networklen":32,"network":"10.{}.{}.9"}}"#, n / 256, n % 256))
        .collect();
    let file = format!(
        r#"{{"descSha":"0","extensions":[{{"TUN4IN6_NET_EXTENSION":[{}]}}]}}"#,
        nets[..400].join(",")
    );
    let tunnels = bmx::description(file.as_bytes()).unwrap().tunnels;
    assert_eq!((tunnels.hints.len(), tunnels.skipped), (MAX_ADDRESSES, 396));
    // a network without its length, and one with a length that is none
    let file = br#"{"descSha":"0","extensions":[{"TUN4IN6_NET_EXTENSION":[{"network":"10.0.0.0"},{"networklen":999,"network":"10.0.0.0"}]}]}"#;
    assert_eq!(bmx::description(file).unwrap().tunnels, Heard { hints: vec![], skipped: 2 });
}

#[test]
fn only_files_with_our_name_are_ours() {
    for (name, _) in files("bmx6/node2/sms/rcvdSms") {
        assert_eq!(bmx::sms_sender(&name), None, "{name}");
    }
    assert_eq!(bmx::sms_sender("node1.C9644BF27A4CF3930701:truca"), Some("node1.C9644BF27A4CF3930701"));
    assert_eq!(bmx::sms_sender("a:b:truca"), Some("a:b"));
    for name in [":truca", "truca", "node1.C9:truca2", "node1.C9:xtruca", "../x:truca"] {
        assert_eq!(bmx::sms_sender(name), None, "{name}");
    }
    assert_eq!(bmx::sms_sender(&format!("{}:truca", "x".repeat(200))), None);
}

#[test]
fn an_advert_comes_back_as_it_was_and_fits_with_every_address() {
    let addresses: Vec<IpAddr> = (0..20).map(|n| ip(&format!("2001:db8::{n:x}"))).collect();
    let advert = Advert::new(ID, 65_535, &addresses);
    assert_eq!(advert.addresses.len(), MAX_TOLD);
    let message = advert.encode();
    assert_eq!(message.len(), 1 + 16 + 3 + 1 + MAX_TOLD * 17);
    assert!(message.len() <= MAX_SMS);
    assert_eq!(Advert::decode(&message).unwrap(), advert);
    assert_eq!(advert.hints().count(), MAX_ADDRESSES);
    // fixed: a changed byte is a change of the protocol
    let small = Advert::new(ID, 8443, &[ip("10.1.2.3")]).encode();
    assert_eq!(small, [&[1], &[7; 16][..], &[0xfb, 0x41, 1, 0, 10, 1, 2, 3]].concat());
}

#[test]
fn an_advert_that_is_cut_longer_or_of_another_version_is_refused() {
    let message = Advert::new(ID, 8443, &[ip("10.1.2.3"), ip("fd00::1")]).encode();
    for length in 0..message.len() {
        assert!(Advert::decode(&message[..length]).is_err(), "{length}");
    }
    assert_eq!(Advert::decode(&[&message[..], b"x"].concat()), Err(Bad::Foreign));
    assert_eq!(Advert::decode(&[&[2], &message[1..]].concat()), Err(Bad::Foreign));
    assert_eq!(Advert::decode(&[1; MAX_SMS + 1]), Err(Bad::Long));
    assert_eq!(Advert::decode(&Advert::new(ID, 0, &[ip("10.1.2.3")]).encode()), Err(Bad::Foreign));
    assert_eq!(Advert::decode(&Advert::new(ID, 8443, &[]).encode()), Err(Bad::Foreign));
    for (_, sms) in files("bmx6/node2/sms/rcvdSms") {
        assert_eq!(Advert::decode(&sms), Err(Bad::Foreign));
    }
}

#[test]
fn babeld_tells_routers_across_hops_and_the_neighbour_beside() {
    let mut monitor = Monitor::new();
    assert!(monitor.feed(&fixture("babeld/node1-dump.txt")));
    assert!(monitor.is_ready() && !monitor.is_refused());
    let heard = monitor.heard();
    assert_eq!(
        ips(&heard),
        ["fe80::ff:fe02:1", "10.13.0.2", "10.13.0.3", "fd0d:fe46:8ce8::2", "fd0d:fe46:8ce8::3"]
    );
    assert_eq!((heard.hints[0].interface.as_deref(), heard.skipped), (Some("r1"), 0));
    let lead = |hint: &Hint| hint.lead(8443, |name| (name == "r1").then_some(4));
    assert_eq!(lead(&heard.hints[0]).unwrap().address.to_string(), "[fe80::ff:fe02:1%4]:8443");
    assert_eq!(lead(&heard.hints[1]).unwrap().address.to_string(), "10.13.0.2:8443");
    // without its interface, a link-local address is none
    assert_eq!(heard.hints[0].lead(8443, |_| None), None);
}

#[test]
fn a_router_that_babeld_loses_is_gone_and_byte_by_byte_is_the_same() {
    let text = String::from_utf8(fixture("babeld/node1-monitor-node3-killed-t10.timestamped.txt")).unwrap();
    let (mut whole, mut bytewise) = (Monitor::new(), Monitor::new());
    let mut gone_at = None;
    for line in text.lines() {
        let (at, line) = line.trim_start().split_once(' ').unwrap();
        let line = format!("{line}\n");
        whole.feed(line.as_bytes());
        for byte in line.as_bytes().chunks(1) {
            bytewise.feed(byte);
        }
        assert_eq!(whole.heard(), bytewise.heard());
        let there = ips(&whole.heard()).contains(&"10.13.0.3".to_owned());
        if there {
            gone_at = None;
        } else if whole.is_ready() {
            gone_at = gone_at.or(Some(at.parse::<f32>().unwrap()));
        }
    }
    // killed after 10 s; its route has no finite metric ten seconds later
    assert!(gone_at.is_some_and(|at| (10.0..25.0).contains(&at)), "{gone_at:?}");
    assert_eq!(whole.heard().skipped, 0);
    assert!(ips(&whole.heard()).contains(&"10.13.0.2".to_owned()));
}

#[test]
fn a_babeld_that_refuses_and_one_that_is_none_are_seen() {
    let fed = |text: &[u8]| {
        let mut monitor = Monitor::new();
        monitor.feed(text);
        monitor
    };
    assert!(fed(b"SSH-2.0-dropbear\n").is_refused());
    assert!(fed(b"BABEL 1.0\nok\nno\n").is_refused());
    assert!(fed(b"BABEL 1.0\nversion x\nok\nbad\n").is_refused());
    assert!(!fed(b"BABEL 1.1\nsomething new\nok\n").is_refused());
    assert!(!fed(b"BABEL 1.0\nok\n").is_ready());
}

#[test]
fn hostile_lines_of_babeld_are_counted_and_bounded() {
    let mut monitor = Monitor::new();
    monitor.feed(b"BABEL 1.0\nok\nok\n");
    let lines: &[&[u8]] = &[
        b"add route x prefix 10.0.0.0/99999999999 from ::/0 installed yes metric 1\n",
        b"add route x prefix notanaddress/32 installed yes metric 1\n",
        b"add route x\n",
        b"add route\n",
        b"add\n",
        b"add neighbour x address fe80::1\n",
        b"add neighbour x address ff02::1 if r1\n",
        b"add route x prefix \xff\xfe/32 installed yes metric 1\n",
        &[b'a'; MAX_LINE + 1],
        b"more of it\n",
    ];
    for line in lines {
        assert!(!monitor.feed(line), "{}", line.escape_ascii());
    }
    assert_eq!(monitor.heard(), Heard { hints: vec![], skipped: 9 });
    for n in 0..MAX_ROUTES as u32 + 500 {
        let line = format!("add route r{n} prefix 10.{}.{}.1/32 installed yes metric 9\n", n / 250, n % 250);
        monitor.feed(line.as_bytes());
    }
    let heard = monitor.heard();
    assert_eq!(heard.hints.len(), MAX_HINTS);
    assert_eq!(heard.skipped as usize, 9 + 500 + (MAX_ROUTES - MAX_HINTS));
    // a flood of a key that is known takes no room, and the line after a flood is read
    assert!(monitor.feed(b"flush route r0 prefix 10.0.0.1/32\n"));
}

#[test]
fn a_default_route_and_a_wide_prefix_are_nobodys_address() {
    assert_eq!(router_of(ip("0.0.0.0"), 0), None);
    assert_eq!(router_of(ip("10.0.0.0"), 8), None);
    assert_eq!(router_of(ip("10.13.0.0"), 16), None);
    assert_eq!(router_of(ip("10.13.7.77"), 24), Some(ip("10.13.7.1")));
    assert_eq!(router_of(ip("10.13.7.77"), 32), Some(ip("10.13.7.77")));
    assert_eq!(router_of(ip("fd00:1:2:3::"), 64), Some(ip("fd00:1:2:3::1")));
    assert_eq!(router_of(ip("fd00::"), 48), None);
    assert_eq!(router_of(ip("255.255.255.255"), 32), None);
    assert_eq!(router_of(ip("10.0.0.1"), 31), None);
    assert_eq!(router_of(ip("10.0.0.1"), 200), None);
}

#[test]
fn shared_state_gives_back_what_was_inserted_and_nothing_of_others() {
    let entry = shared_state::entry(&Advert::new(ID, 8443, &[ip("10.13.0.1"), ip("fd00::1")]));
    let expected = vec![own("10.13.0.1"), own("fd00::1")];
    assert_eq!(
        shared_state::read_json(entry.as_bytes()).unwrap(),
        Heard { hints: expected.clone(), skipped: 0 }
    );
    // as the ubus object answers
    let answer = format!(r#"{{"data":{entry},"error":0}}"#);
    assert_eq!(shared_state::read_json(answer.as_bytes()).unwrap(), Heard { hints: expected, skipped: 0 });
    let others = shared_state::read_json(&fixture("shared-state/node1-get-mesh-users.json")).unwrap();
    assert_eq!(others, Heard { hints: vec![], skipped: 1 });
    assert_eq!(shared_state::read_json(br#"{"data": {} , "error": 1 }"#).unwrap(), Heard::default());
}

#[test]
fn hostile_entries_of_shared_state_are_counted() {
    let heard = |text: &str| shared_state::read_json(text.as_bytes());
    let id = ID.to_string();
    for (text, skipped) in [
        (format!(r#"{{"{id}":{{"v":1,"port":0,"at":["10.0.0.1"]}}}}"#), 1),
        (format!(r#"{{"{id}":{{"v":2,"port":1,"at":["10.0.0.1"]}}}}"#), 1),
        (format!(r#"{{"{id}":{{"v":1,"port":99999,"at":["10.0.0.1"]}}}}"#), 1),
        (format!(r#"{{"{id}":{{"v":1,"port":1,"at":["; reboot", 5, null]}}}}"#), 1),
        (r#"{"<script>":{"v":1,"port":1,"at":["10.0.0.1"]}}"#.into(), 1),
    ] {
        assert_eq!(heard(&text).unwrap(), Heard { hints: vec![], skipped }, "{text}");
    }
    // a key that comes twice: both are hints
    let twice = format!(
        r#"{{"{id}":{{"v":1,"port":1,"at":"10.0.0.1"}},"{id}":{{"v":1,"port":1,"at":["10.0.0.2"]}}}}"#
    );
    assert_eq!(ips(&heard(&twice).unwrap()), ["10.0.0.1", "10.0.0.2"]);
    let many: Vec<String> = (0..50).map(|n| format!("\"10.0.0.{n}\"")).collect();
    let many = format!(r#"{{"{id}":{{"v":1,"port":1,"at":[{}]}}}}"#, many.join(","));
    assert!(heard(&many).unwrap().hints.len() <= MAX_ADDRESSES);
    assert_eq!(heard("[1,2,"), Err(Bad::Syntax));
    assert_eq!(heard(&" ".repeat(MAX_DUMP + 1)), Err(Bad::Long));
}

#[test]
fn umdns_is_read_with_lists_and_with_repeated_keys_alike() {
    let read = |name: &str| {
        // the capture is of another service
        let text = String::from_utf8(fixture(name)).unwrap().replace("_meshdir._tcp", umdns::SERVICE);
        umdns::read_json(text.as_bytes()).unwrap()
    };
    let (plain, listed) = (read("umdns/ubus-browse.json"), read("umdns/ubus-browse-array.json"));
    assert_eq!(plain, listed);
    assert_eq!((plain.hints.len(), plain.skipped), (8, 0));
    let first = &plain.hints[0];
    assert_eq!((first.ip, first.port, first.interface.as_deref()), (ip("10.99.2.1"), Some(8449), Some("r2")));
    assert_eq!(umdns::read_json(&fixture("umdns/ubus-browse.json")).unwrap(), Heard::default());
}

#[test]
fn hostile_instances_of_umdns_are_counted_and_bounded() {
    let read = |instance: &str| umdns::read_json(format!(r#"{{"_truca._tcp":{{{instance}}}}}"#).as_bytes());
    let id = ID.to_string();
    let own = format!(
        r#""a\u0000\"x":{{"port":8443,"txt":["id={id}","id=zzz"],"ipv4":["127.0.0.1","10.0.0.1","10.0.0.1x"]}}"#
    );
    let heard = read(&own).unwrap();
    assert_eq!((heard.hints.len(), heard.hints[0].id), (1, Some(ID)));
    assert_eq!(
        read(r#""a":{"ipv4":["10.0.0.1"]},"b":{"port":1},"c":{"port":-1,"ipv4":"10.0.0.1"}"#)
            .unwrap()
            .skipped,
        3
    );
    assert_eq!(read(r#""a":{"port":1,"ipv4":{"x":1}},"b":7,"c":[[]]"#).unwrap().hints, []);
    let many: Vec<String> = (0..99).map(|n| format!("\"10.0.0.{n}\"")).collect();
    let many = format!(r#""a":{{"port":1,"ipv4":[{}]}}"#, many.join(","));
    assert_eq!(read(&many).unwrap().hints.len(), MAX_ADDRESSES);
    assert_eq!(umdns::read_json(b""), Err(Bad::Syntax));
}

#[test]
fn both_olsr_daemons_tell_their_routes() {
    let heard = olsr::jsoninfo(&fixture("olsr/jsoninfo-routes.http")).unwrap();
    let expected =
        ["10.77.0.2", "10.77.0.3", "10.77.1.2", "10.77.2.2", "10.77.2.3", "10.79.2.1", "10.79.3.1"];
    assert_eq!((ips(&heard), heard.skipped), (expected.map(String::from).to_vec(), 0));
    let heard = olsr::oonf(&fixture("olsr/olsrv2info-route.json")).unwrap();
    assert!(ips(&heard).contains(&"10.77.0.3".to_owned()), "{heard:?}");
    assert!(ips(&heard).contains(&"10.78.3.1".to_owned()), "{heard:?}");
    assert_eq!(heard.skipped, 0);
}

#[test]
fn what_is_no_olsr_is_refused() {
    assert_eq!(olsr::jsoninfo(b"HTTP/1.1 404 Not Found\r\n\r\n{}"), Err(Bad::Foreign));
    assert_eq!(olsr::jsoninfo(b"HTTP/1.1 200 OK\r\nx: y\r\n{}"), Err(Bad::Syntax));
    assert_eq!(olsr::jsoninfo(b"HTTP/1.1 200 OK\r\n\r\n<html>"), Err(Bad::Syntax));
    assert_eq!(olsr::jsoninfo(b"HTTP/1.1 200 OK\r\n\r\n[]"), Err(Bad::Foreign));
    assert_eq!(olsr::jsoninfo(b"200"), Err(Bad::Foreign));
    assert_eq!(olsr::oonf(b"Error, unknown command 'olsrv2info'\n"), Err(Bad::Syntax));
    let odd = br#"{"route":[{"route_dst":"10.0.0.0/x"},{"route_dst":"-"},{"route_dst":"10.0.0.9"},7,{}]}"#;
    assert_eq!(olsr::oonf(odd).unwrap(), Heard { hints: vec![Hint::router(ip("10.0.0.9"))], skipped: 3 });
}

/// An answer to `question` with these records, as a name server would write it.
fn dns_answer(question: &[u8], records: &[(u16, u16, &str)]) -> Vec<u8> {
    let mut message = question.to_vec();
    (message[2], message[3], message[7]) = (0x81, 0x80, records.len() as u8);
    for (priority, port, host) in records {
        let mut data = [&priority.to_be_bytes()[..], &[0, 9], &port.to_be_bytes()].concat();
        for label in host.split('.').filter(|label| !label.is_empty()) {
            data.push(label.len() as u8);
            data.extend(label.as_bytes());
        }
        data.push(0);
        message.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 1, 0, 0, data.len() as u8]);
        message.extend(data);
    }
    message
}

#[test]
fn dns_gives_the_best_target_first() {
    let question = srv::question(0x1234, "guifi.example.").unwrap();
    assert_eq!(question[12..], *b"\x06_truca\x04_tcp\x05guifi\x07example\x00\x00\x21\x00\x01");
    let answer = dns_answer(&question, &[(20, 8443, "b.example"), (10, 8444, "a.example"), (5, 1, "")]);
    let targets = srv::answer(&question, &answer).unwrap();
    let of = |priority, port, host: &str| srv::Target { priority, port, host: host.into() };
    assert_eq!(targets, [of(10, 8444, "a.example"), of(20, 8443, "b.example")]);
    // the target's name by a pointer into the question
    let mut pointed = dns_answer(&question, &[]);
    pointed[7] = 1;
    pointed.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 1, 0, 0, 10, 0, 1, 0, 0, 0, 80, 1, b'x', 0xc0, 24]);
    assert_eq!(srv::answer(&question, &pointed).unwrap(), [of(1, 80, "x.guifi.example")]);
    let mut none = dns_answer(&question, &[]);
    none[3] = 0x83;
    assert_eq!(srv::answer(&question, &none).unwrap(), []);
}

#[test]
fn forged_cut_and_looping_dns_answers_are_refused() {
    let question = srv::question(0x1234, "guifi.example").unwrap();
    let good = dns_answer(&question, &[(20, 8443, "b.example")]);
    for length in 0..good.len() {
        assert!(srv::answer(&question, &good[..length]).is_err(), "{length}");
    }
    let changed = |at: usize, value: u8| {
        let mut answer = good.clone();
        answer[at] = value;
        srv::answer(&question, &answer)
    };
    assert_eq!(changed(0, 0x99), Err(Bad::Foreign), "another id");
    assert_eq!(changed(2, 0x01), Err(Bad::Foreign), "a question");
    assert_eq!(changed(3, 0x82), Err(Bad::Foreign), "the server failed");
    assert_eq!(changed(14, b'x'), Err(Bad::Foreign), "another name");
    assert!(changed(14, b'T').is_ok_and(|targets| targets.len() == 1), "letters in another case");
    let mut looping = dns_answer(&question, &[]);
    looping[7] = 1;
    let at = looping.len() as u8;
    looping.extend([0xc0, at, 0, 33, 0, 1, 0, 0, 1, 0, 0, 7, 0, 1, 0, 0, 0, 80, 0]);
    assert_eq!(srv::answer(&question, &looping), Err(Bad::Syntax));
    let odd =
        dns_answer(&question, &[(1, 1, "a b"), (1, 1, "a/b"), (1, 0, "zero.example"), (1, 1, "ok.example")]);
    let hosts: Vec<String> =
        srv::answer(&question, &odd).unwrap().into_iter().map(|target| target.host).collect();
    assert_eq!(hosts, ["ok.example"]);
    assert_eq!(srv::question(1, "a..b"), None);
    assert_eq!(srv::question(1, &"a".repeat(64)), None);
    assert_eq!(srv::question(1, &"abcdefg.".repeat(40)), None);
    assert_eq!(srv::question(1, "x\nb"), None);
}

#[test]
fn a_host_has_the_addresses_that_dns_or_its_file_says() {
    let question = host::question(0x1234, "casa.guifi.example.", host::Family::V4).unwrap();
    assert_eq!(question[12..], *b"\x04casa\x05guifi\x07example\x00\x00\x01\x00\x01");
    let mut answer = dns_answer(&question, &[]);
    answer[7] = 4;
    // another name for it, by which the addresses are found; one of each family, and one that is neither
    answer.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 1, 0, 0, 4, 1, b'x', 0xc0, 17]);
    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 10, 1, 2, 3]);
    answer.extend([0xc0, 12, 0, 28, 0, 1, 0, 0, 1, 0, 0, 16]);
    answer.extend("fd00::7".parse::<std::net::Ipv6Addr>().unwrap().octets());
    answer.extend([0xc0, 12, 0, 1, 0, 3, 0, 0, 1, 0, 0, 4, 10, 9, 9, 9]);
    let found = host::answer(&question, &answer).unwrap();
    assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.1.2.3", "fd00::7"]);
    for length in 0..answer.len() {
        assert!(host::answer(&question, &answer[..length]).is_err(), "{length}");
    }
    let mut short = dns_answer(&question, &[]);
    short[7] = 1;
    short.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 3, 10, 1, 2]);
    assert_eq!(host::answer(&question, &short), Err(Bad::Syntax));
    let mut crowd = dns_answer(&question, &[]);
    crowd[7] = 9;
    (0..9).for_each(|n| crowd.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 0, 0, 4, 10, 0, 0, n]));
    assert_eq!(host::answer(&question, &crowd).unwrap().len(), MAX_ADDRESSES);
    assert_eq!(host::question(1, "", host::Family::V6), None);

    let file = "127.0.0.1 localhost\n# 10.0.0.9 casa\n10.0.0.1\tCasa casa.lan # not torre\nno.address casa\n";
    let of = |name: &str| host::of_hosts(file, name);
    assert_eq!(of("casa"), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(of("CASA.lan."), of("casa"));
    assert!(of("torre").is_empty() && of("no.address").is_empty());
}

#[test]
fn what_comes_by_ubus_reads_like_what_is_printed() {
    use crate::ubus::blobmsg::{self, Value};
    let table = |json: &str| {
        let serde_json::Value::Object(object) = serde_json::from_str(json).unwrap() else { panic!("{json}") };
        let mut bytes = Vec::new();
        blobmsg::write_json(&mut bytes, &object);
        blobmsg::read(&bytes).unwrap()
    };
    let text = String::from_utf8(fixture("umdns/ubus-browse-array.json")).unwrap();
    let text = text.replace("_meshdir._tcp", umdns::SERVICE);
    let (mut printed, mut came) = (umdns::read_json(text.as_bytes()).unwrap(), umdns::read(&table(&text)));
    printed.hints.sort();
    came.hints.sort();
    assert_eq!(printed, came);
    assert_eq!(came.hints.len(), 8);
    // an old umdns: the same name twice in one table
    let instance = vec![
        ("port".into(), Value::Int32(8443)),
        ("ipv4".into(), Value::Text("10.0.0.1".into())),
        ("ipv4".into(), Value::Text("10.0.0.2".into())),
        ("txt".into(), Value::Text(format!("id={ID}"))),
    ];
    let old = vec![(umdns::SERVICE.into(), Value::Table(vec![("a".into(), Value::Table(instance))]))];
    assert_eq!(umdns::read(&old).hints, [own("10.0.0.1"), own("10.0.0.2")]);
    let entry = shared_state::entry(&Advert::new(ID, 8443, &[ip("10.13.0.1")]));
    let answer = table(&format!(r#"{{"data":{entry},"error":0}}"#));
    assert_eq!(shared_state::read(&answer).hints, [own("10.13.0.1")]);
    assert!(shared_state::is_done(&answer) && !shared_state::is_done(&table(r#"{"data":{},"error":2}"#)));
}
