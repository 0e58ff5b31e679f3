//! Our STUN and TURN as Debian's coturn sees them: `turnutils_stunclient` asks for its address, and
//! `turnutils_uclient` relays between clients of its own, with what a page is granted at sign-in.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page::Page;

/// More relays than a page ever has, and no bound of their rate: the tool asks for everything at once.
const CONFIG: &str = "config turn\n\toption relays_per_account '64'\n\toption rate '0'\n\toption rate_per_account '0'\nconfig limits\n\toption stun_rate '0'\n";

/// Whether a tool is here; says what to do if not.
fn has(tool: &str) -> bool {
    let found = Command::new(tool).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !found {
        truca_tests::skipped(&format!("{tool} is missing (Debian: apt-get install coturn)"));
    }
    found
}

/// What a page is granted: URLs, user, password.
async fn granted(node: &Daemon) -> (Page, Value) {
    let mut page = Page::open(node.page()).await.unwrap();
    let signed_in = page.sign_in("anna").await.unwrap();
    let servers = signed_in["ice"].as_array().unwrap();
    let turn = servers.iter().find(|server| server.get("credential").is_some()).unwrap().clone();
    (page, turn)
}

/// Runs the tool; what it says is in the answer.
fn uclient(stun: SocketAddr, turn: &Value, arguments: &[&str]) -> String {
    let mut tool = Command::new("turnutils_uclient");
    tool.args(["-u", turn["username"].as_str().unwrap(), "-w", turn["credential"].as_str().unwrap()]);
    tool.args(["-p", &stun.port().to_string()]).args(arguments).arg(stun.ip().to_string());
    let done = tool.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{arguments:?}: {}\n{said}", done.status);
    said
}

/// How many messages were sent and received, by the tool's last word.
fn delivered(said: &str) -> (u32, u32) {
    let number = |after: &str| -> u32 {
        let (_, rest) = said.rsplit_once(after).unwrap_or_else(|| panic!("no '{after}' in\n{said}"));
        rest.trim_start().split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    (number("tot_send_msgs="), number("tot_recv_msgs="))
}

#[tokio::test]
async fn coturns_client_relays_over_udp_tcp_and_tls_by_channels_and_by_indications() {
    if !has("turnutils_uclient") {
        return;
    }
    let node = Daemon::start(Options { config: CONFIG.into(), ..Options::default() }).unwrap();
    let (_page, turn) = granted(&node).await;
    let by = |transport: &str| format!("turn:{}?transport={transport}", node.stun());
    assert_eq!(turn["urls"], serde_json::json!([by("udp"), by("tcp")]));
    // both ends are the tool's, each behind a relay of ours; without RTCP, whose second port must be reserved
    for ways in [&["-y", "-c"][..], &["-y", "-c", "-s"], &["-y", "-c", "-t"], &["-y", "-c", "-t", "-s"]] {
        let said = uclient(node.stun(), &turn, &[ways, &["-n", "50", "-m", "4", "-l", "1000"]].concat());
        assert_eq!(delivered(&said), (200, 200), "{ways:?}: {said}");
    }
    // through the page's port: nothing but the first byte tells it from a page
    for ways in [&["-y", "-c", "-t", "-S"][..], &["-y", "-c", "-t", "-S", "-s"]] {
        let said = uclient(node.page(), &turn, &[ways, &["-n", "50", "-m", "4", "-l", "1000"]].concat());
        // the tool takes one message of each TLS record; that we have sent all of them is counted below
        assert!(matches!(delivered(&said), (200, 100..)), "{ways:?}: {said}");
    }
    let stun = node.ctl("stun").unwrap();
    assert_eq!(stun["turn"]["counters"]["forbidden"], 0, "{stun:#}");
    assert_eq!(stun["counters"]["unsent"], 0, "we have sent all of them: {stun:#}");
    assert_eq!(stun["turn"]["counters"]["to_peers"], stun["turn"]["counters"]["to_clients"], "{stun:#}");
    assert!(stun["turn"]["counters"]["allocated"].as_u64().unwrap() >= 16, "{stun:#}");
    assert!(stun["turn"]["relayed_bytes"].as_u64().unwrap() > 800_000, "{stun:#}");
}

#[tokio::test]
async fn nobody_else_is_relayed_for_and_nothing_goes_to_the_router_itself() {
    if !has("turnutils_uclient") {
        return;
    }
    let node = Daemon::start(Options { config: CONFIG.into(), ..Options::default() }).unwrap();
    let (_page, mut turn) = granted(&node).await;
    let refused = |turn: &Value, arguments: &[&str]| {
        let mut tool = Command::new("timeout");
        tool.args(["20", "turnutils_uclient", "-u", turn["username"].as_str().unwrap()]);
        tool.args(["-w", turn["credential"].as_str().unwrap(), "-p", &node.stun().port().to_string()]);
        let done = tool.args(["-c", "-n", "1"]).args(arguments).arg("127.0.0.1").output().unwrap();
        assert!(!done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stdout));
    };
    // its own STUN port, and a place in the Internet
    refused(&turn, &["-e", "127.0.0.1", "-r", &node.stun().port().to_string()]);
    refused(&turn, &["-e", "203.0.113.1", "-r", "40000"]);
    turn["credential"] = "guessed".into();
    refused(&turn, &["-y"]);
    let counters = node.ctl("stun").unwrap()["turn"]["counters"].clone();
    assert!(counters["forbidden"].as_u64().unwrap() > 0, "{counters:#}");
    assert!(counters["unauthorized"].as_u64().unwrap() > 0, "{counters:#}");
    assert_eq!(counters["to_peers"], 0, "{counters:#}");
}

#[test]
fn coturns_client_finds_out_how_its_nat_behaves() {
    if !has("turnutils_natdiscovery") {
        return;
    }
    let ask = |node: &Daemon| {
        let port = node.stun().port().to_string();
        let done = Command::new("turnutils_natdiscovery")
            .args(["-m", "-f", "-p", &port, "127.0.0.1"])
            .output()
            .unwrap();
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr)
    };
    let arguments = ["--listen", "127.0.0.2"].map(Into::into).to_vec();
    let node = Daemon::start(Options { arguments, ..Options::default() }).unwrap();
    let said = ask(&node);
    assert!(!said.contains("Filtering!"), "it is not offered: {said}");

    // the first of the daemon's ports is its own too, and nothing else has it for UDP
    let other = node.stun().port() - 3;
    node.reload(&format!("config node\n\toption stun_other_port '{other}'\n")).unwrap();
    let both = |stun: &Value| stun.to_string().contains(&format!("127.0.0.2:{other}"));
    node.ctl_until("stun", both).unwrap();
    let said = ask(&node);
    for found in ["Endpoint Independent Mapping", "Endpoint Independent Filtering"] {
        assert!(said.contains(found), "{said}");
    }
}

#[test]
fn coturns_client_learns_its_address() {
    if !has("turnutils_stunclient") {
        return;
    }
    let node = Daemon::start(Options::default()).unwrap();
    let port = node.stun().port().to_string();
    let done = Command::new("turnutils_stunclient").args(["-p", &port, "127.0.0.1"]).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(said.contains("UDP reflexive addr: 127.0.0.1:"), "{said}");
}
