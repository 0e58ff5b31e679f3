//! Real daemons that find each other through what a routing daemon's files say, and what lies cost them.
//!
//! [`Bmx6`] is a player: it writes files as bmx6 does, in place, with absent moments, and carries short messages
//! from one node's directory to the others'. The real bmx6 writes the same (tests/fixtures/bmx6).

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use truca_core::discovery::advert::Advert;
use truca_core::id::NodeId;
use truca_tests::daemon::{Daemon, Options};

/// The run-time directories of some nodes of a mesh of bmx6.
struct Bmx6 {
    root: PathBuf,
    nodes: usize,
}

impl Bmx6 {
    fn new(nodes: usize) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("truca-bmx6-{}-{count}", std::process::id()));
        let bmx6 = Self { root, nodes };
        for at in 0..nodes {
            for folder in ["json/originators", "json/descriptions", "sms/rcvdSms", "sms/sendSms"] {
                fs::create_dir_all(bmx6.directory(at).join(folder)).unwrap();
            }
            bmx6.write(
                at,
                "json/status",
                format!(r#"{{ "status": {{ "primaryIp": "fd66::{at}" }} }}"#).as_bytes(),
            );
            for of in 0..nodes {
                let originator = format!(r#"{{ "name": "n{of}", "blocked": 0, "primaryIp": "fd66::{of}" }}"#);
                bmx6.write(at, &format!("json/originators/{}", Self::id(of)), originator.as_bytes());
            }
        }
        bmx6
    }

    fn id(node: usize) -> String {
        format!("n{node}.{node:020X}")
    }

    fn directory(&self, node: usize) -> PathBuf {
        self.root.join(node.to_string())
    }

    /// In place and in two steps: who looks in between sees the first half.
    fn write(&self, node: usize, file: &str, bytes: &[u8]) {
        let mut file = fs::File::create(self.directory(node).join(file)).unwrap();
        let (first, second) = bytes.split_at(bytes.len() / 2);
        file.write_all(first).unwrap();
        file.flush().unwrap();
        file.write_all(second).unwrap();
    }

    /// A node's description has arrived: all its messages are deleted everywhere, and written again.
    fn flood(&self, from: usize) {
        for at in (0..self.nodes).filter(|at| *at != from) {
            self.forget(at, from);
            for message in fs::read_dir(self.directory(from).join("sms/sendSms")).unwrap() {
                let message = message.unwrap();
                let name = message.file_name().into_string().unwrap();
                let bytes = fs::read(message.path()).unwrap();
                self.write(at, &format!("sms/rcvdSms/{}:{name}", Self::id(from)), &bytes);
            }
        }
    }

    fn forget(&self, at: usize, whom: usize) {
        for file in fs::read_dir(self.directory(at).join("sms/rcvdSms")).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_str().unwrap().starts_with(&Self::id(whom)) {
                fs::remove_file(file.path()).unwrap();
            }
        }
    }

    fn options(&self, node: usize, name: &str) -> Options {
        Options { name: name.into(), config: self.config(node, true), ..Options::default() }
    }

    /// Only bmx6, and only announcements, so that nothing else explains what happens.
    fn config(&self, node: usize, on: bool) -> String {
        let directory = self.directory(node);
        format!(
            "config discovery\n option bmx6 {}\n option bmx6_dir {}\n option bmx7 0\n option babeld 0\n \
             option olsr 0\n option oonf 0\n option umdns 0\n option shared_state 0\n option probe 0\n",
            u8::from(on),
            directory.display()
        )
    }
}

impl Drop for Bmx6 {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

fn source<'v>(report: &'v Value, name: &str) -> &'v Value {
    report["sources"].as_array().unwrap().iter().find(|source| source["source"] == name).unwrap()
}

#[test]
fn nodes_find_each_other_by_bmx6s_short_messages_through_absent_moments() {
    let bmx6 = Bmx6::new(2);
    let casa = Daemon::start(bmx6.options(0, "casa")).unwrap();
    casa.ctl_until("discovery", |report| source(report, "bmx6")["state"] == "heard").unwrap();
    assert!(bmx6.directory(0).join("sms/sendSms/truca").exists(), "it has published its advert");
    bmx6.flood(0);
    let torre = Daemon::start(bmx6.options(1, "torre")).unwrap();
    for node in [&casa, &torre] {
        node.ctl_until("status", |status| status["members_alive"] == 2).unwrap();
    }
    let members = torre.ctl("members").unwrap();
    let found =
        members["members"].as_array().unwrap().iter().find(|member| member["name"] == "casa").unwrap();
    assert_eq!(found["source"], "bmx6");
    // a description comes anew, another is lost: nobody forgets anybody for that
    bmx6.flood(0);
    bmx6.forget(1, 0);
    let report = torre.ctl_until("discovery", |report| source(report, "bmx6")["addresses"] == 0).unwrap();
    assert_eq!(report["candidates"], serde_json::json!([]));
    assert_eq!(torre.ctl("status").unwrap()["members_alive"], 2);
}

#[test]
fn a_lie_costs_one_failed_handshake_and_then_a_pause() {
    let bmx6 = Bmx6::new(1);
    // it answers, and is no node
    let liar = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = liar.local_addr().unwrap().port();
    let handshakes = Arc::new(AtomicU32::new(0));
    let counted = handshakes.clone();
    std::thread::spawn(move || {
        for _ in liar.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    // ten of them say the same, each under the name of another node
    for of in 0..10 {
        let advert = Advert::new(NodeId([of; 16]), port, &[Ipv4Addr::LOCALHOST.into()]);
        bmx6.write(0, &format!("sms/rcvdSms/evil{of}:truca"), &advert.encode());
    }
    for (name, bytes) in [("long", &[0xff; 5_000][..]), ("empty", b""), ("text", b"{\"port\":1}")] {
        bmx6.write(0, &format!("sms/rcvdSms/{name}:truca"), bytes);
    }
    let casa = Daemon::start(bmx6.options(0, "casa")).unwrap();
    let report = casa.ctl_until("discovery", |report| report["candidates"][0]["failures"] == 1).unwrap();
    let lie = &report["candidates"][0];
    assert_eq!((&lie["id"], report["candidates"].as_array().unwrap().len()), (&Value::Null, 1), "{report}");
    assert!(lie["due_s"].as_u64() >= Some(20), "{lie}");
    assert_eq!(source(&report, "bmx6")["malformed"], 3);
    // what is said again is no news
    let read = source(&report, "bmx6")["read"].as_u64().unwrap();
    let report =
        casa.ctl_until("discovery", |report| source(report, "bmx6")["read"].as_u64() > Some(read)).unwrap();
    assert_eq!(report["counters"]["failed"], 1);
    assert_eq!(handshakes.load(Ordering::SeqCst), 1);
}

#[test]
fn a_source_is_switched_off_and_on_while_the_daemon_runs() {
    let bmx6 = Bmx6::new(1);
    let advert = Advert::new(NodeId([7; 16]), 1, &[Ipv4Addr::LOCALHOST.into()]);
    bmx6.write(0, "sms/rcvdSms/x:truca", &advert.encode());
    let casa = Daemon::start(bmx6.options(0, "casa")).unwrap();
    casa.ctl_until("discovery", |report| source(report, "bmx6")["addresses"] == 1).unwrap();
    casa.reload(&bmx6.config(0, false)).unwrap();
    let report = casa.ctl_until("discovery", |report| source(report, "bmx6")["state"] == "off").unwrap();
    assert_eq!(report["candidates"], serde_json::json!([]));
    casa.reload(&bmx6.config(0, true)).unwrap();
    casa.ctl_until("discovery", |report| source(report, "bmx6")["addresses"] == 1).unwrap();
}
