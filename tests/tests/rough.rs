//! A router in a bad state, and a real `trucad` on it: flash that is full or read-only, no room for run-time
//! files, interfaces that are not there, no IPv6, a clock in 1970 that jumps by fifty years, strangers at the
//! doors. What each comes to is stated in `docs/operations.md` (When the router itself is in trouble).
//!
//! Tests that mount or make interfaces run once more in namespaces of their own (`unshare`, which needs root), and
//! leave nothing behind.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use truca_tests::daemon::{self, Daemon, Options};
use truca_tests::namespace::{inside, sh};
use truca_tests::page::Page;
use trucad::host::identity::Identity;
use trucad::tls::Tls;

/// A file system of its own with little room.
fn small(options: &str) -> PathBuf {
    let at = PathBuf::from("/mnt/small");
    fs::create_dir_all(&at).unwrap();
    sh(&format!("mount -t tmpfs -o {options} none {}", at.display()));
    at
}

/// Writes until there is no room.
fn fill(directory: &Path) {
    let mut file = fs::File::create(directory.join("filler")).unwrap();
    while file.write_all(&[7; 1024]).is_ok() {}
}

fn with_state(state: &Path) -> Options {
    Options { arguments: vec!["--state".into(), state.into()], ..Options::default() }
}

/// The level of the warning of this code, if there is one.
fn warning(status: &Value, code: &str) -> Option<String> {
    let warnings = status["warnings"].as_array().unwrap();
    let found = warnings.iter().find(|warning| warning["code"] == code)?;
    Some(found["level"].as_str().unwrap().to_owned())
}

async fn sign_in(daemon: &Daemon, name: &str) -> Page {
    let mut page = Page::open(daemon.page()).await.unwrap();
    page.sign_in(name).await.unwrap();
    page
}

/// How a daemon that cannot start ends: its last words.
fn refusal(options: Options) -> String {
    Daemon::start(options).expect_err("it started").to_string()
}

#[tokio::test]
async fn flash_that_is_full_is_said_and_nothing_is_lost_once_there_is_room() {
    if !inside("flash_that_is_full_is_said_and_nothing_is_lost_once_there_is_room") {
        return;
    }
    let flash = small("size=256k");
    let mut casa = Daemon::start(with_state(&flash)).unwrap();
    casa.stop().unwrap();
    fill(&flash);
    casa.restart().unwrap();
    let mut nuria = sign_in(&casa, "nuria").await;
    let status = casa.ctl_until("status", |status| warning(status, "state_not_saved").is_some()).unwrap();
    assert_eq!(warning(&status, "state_not_saved").unwrap(), "error");
    assert!(casa.log().contains("No space left on device"), "{}", casa.log());
    // people do not notice
    let mut pep = sign_in(&casa, "pep").await;
    nuria.invite(&pep.address, "audio").await.unwrap();
    pep.event("incoming").await.unwrap();
    // a power cut now would lose the two; with room again, and a proper end, it does not
    fs::remove_file(flash.join("filler")).unwrap();
    assert!(casa.stop().unwrap().success());
    casa.restart().unwrap();
    assert_eq!(casa.ctl("accounts").unwrap()["accounts"].as_array().unwrap().len(), 2);
    assert_eq!(warning(&casa.ctl("status").unwrap(), "state_not_saved"), None);
}

#[tokio::test]
async fn flash_that_is_read_only_keeps_nobody_from_calling() {
    if !inside("flash_that_is_read_only_keeps_nobody_from_calling") {
        return;
    }
    let flash = small("size=256k");
    let mut casa = Daemon::start(with_state(&flash)).unwrap();
    let id = casa.ctl("status").unwrap()["node"]["id"].clone();
    let _ = sign_in(&casa, "marta").await;
    casa.stop().unwrap();
    // restored by somebody's tar, with a mode that cannot be mended now
    sh(&format!("chmod 644 {0}/node.key && mount -o remount,ro {0}", flash.display()));
    casa.restart().unwrap();
    assert!(casa.log().contains("was readable by others"), "{}", casa.log());
    let (mut nuria, mut pep) = (sign_in(&casa, "nuria").await, sign_in(&casa, "pep").await);
    nuria.invite(&pep.address, "audio").await.unwrap();
    pep.event("incoming").await.unwrap();
    let status = casa.ctl_until("status", |status| warning(status, "state_not_saved").is_some()).unwrap();
    assert_eq!((&status["node"]["id"], &status["accounts"]), (&id, &Value::from(3)));
    assert!(casa.stop().unwrap().success(), "it ends as ever");
}

#[test]
fn without_room_for_a_first_key_it_ends_and_says_why() {
    if !inside("without_room_for_a_first_key_it_ends_and_says_why") {
        return;
    }
    let flash = small("size=64k");
    fill(&flash);
    let said = refusal(with_state(&flash));
    assert!(said.contains("node.key: No space left on device"), "{said}");
    assert!(said.contains("is the state directory writable, and is there space?"), "{said}");
    sh(&format!("rm {0}/filler && mount -o remount,ro {0}", flash.display()));
    let said = refusal(with_state(&flash));
    assert!(said.contains("Read-only file system"), "{said}");
    // what it left behind does not keep the next start from making a key
    sh(&format!("mount -o remount,rw {}", flash.display()));
    let casa = Daemon::start(with_state(&flash)).unwrap();
    assert!(casa.log().contains("made the node's key"), "{}", casa.log());
}

#[tokio::test]
async fn without_room_for_run_time_files_it_serves_and_the_control_socket_comes_later() {
    if !inside("without_room_for_run_time_files_it_serves_and_the_control_socket_comes_later") {
        return;
    }
    // no file more than the directory itself
    let var = small("size=64k,nr_inodes=1");
    let casa = Daemon::start(Options {
        arguments: vec!["--run-dir".into(), var.clone().into()],
        ..Options::default()
    })
    .unwrap();
    assert!(casa.log().contains("no control socket: "), "{}", casa.log());
    let _ = sign_in(&casa, "nuria").await;
    sh(&format!("mount -o remount,nr_inodes=10 {}", var.display()));
    casa.reload("").unwrap();
    let ctl = || {
        let mut command = Command::new(daemon::program().unwrap());
        command.args(["ctl", "--json", "--run-dir"]).arg(&var).arg("status").output().unwrap()
    };
    let mut tries = 0..1_000;
    let status: Value = loop {
        let output = ctl();
        if output.status.success() {
            break serde_json::from_slice(&output.stdout).unwrap();
        }
        tries.next().unwrap_or_else(|| panic!("no control socket\n{}", casa.log()));
        thread::sleep(Duration::from_millis(10));
    };
    assert_eq!((&status["sessions"], warning(&status, "no_control_socket")), (&Value::from(1), None));
}

#[tokio::test]
async fn an_interface_that_is_missing_is_waited_for() {
    if !inside("an_interface_that_is_missing_is_waited_for") {
        return;
    }
    let arguments = vec!["--listen".into(), "10.99.7.1".into(), "--listen".into(), "fd99::7:1".into()];
    let casa = Daemon::start(Options { arguments, ..Options::default() }).unwrap();
    let status = casa.ctl("status").unwrap();
    assert_eq!(warning(&status, "not_listening").unwrap(), "warning");
    let words = status["warnings"].to_string();
    assert!(words.contains("10.99.7.1") && words.contains("fd99::7:1"), "{words}");
    assert!(casa.log().contains("no interface of this machine has this address"), "{}", casa.log());
    let _ = sign_in(&casa, "nuria").await;
    // the cable is plugged in; netifd's event is a reload
    sh("ip link add mesh0 type veth peer name far0 && ip link set mesh0 up && ip link set far0 up &&
        ip address add 10.99.7.1/24 dev mesh0 && ip address add fd99::7:1/64 dev mesh0 nodad");
    casa.reload("").unwrap();
    casa.ctl_until("status", |status| warning(status, "not_listening").is_none()).unwrap();
    let mesh = (std::net::Ipv4Addr::new(10, 99, 7, 1), casa.page().port()).into();
    Page::open(mesh).await.unwrap().sign_in("pep").await.unwrap();
    let stun = casa.ctl("stun").unwrap()["addresses"].to_string();
    assert!(stun.contains("10.99.7.1:") && stun.contains("[fd99::7:1]:"), "{stun}");
    // and pulled out
    sh("ip link delete mesh0");
    let _ = sign_in(&casa, "marta").await;
}

#[tokio::test]
async fn no_interface_at_all_is_a_warning_that_says_what_to_do() {
    if !inside("no_interface_at_all_is_a_warning_that_says_what_to_do") {
        return;
    }
    let arguments = vec!["--listen".into(), "::".into()];
    let casa = Daemon::start(Options { arguments, ..Options::default() }).unwrap();
    assert_eq!(warning(&casa.ctl("status").unwrap(), "no_address").unwrap(), "error");
    sh("ip link add mesh0 type veth peer name far0 && ip link set mesh0 up && ip link set far0 up &&
        ip address add fd99::8:1/64 dev mesh0 nodad");
    casa.reload("").unwrap();
    let status = casa.ctl_until("status", |status| warning(status, "no_address").is_none()).unwrap();
    assert!(status["pages"].to_string().contains("https://[fd99::8:1]:"), "{status}");
}

#[tokio::test]
async fn ipv6_that_is_switched_off_is_no_trouble() {
    if !inside("ipv6_that_is_switched_off_is_no_trouble") {
        return;
    }
    sh("echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/lo/disable_ipv6");
    let arguments = vec!["--listen".into(), "::".into()];
    let casa = Daemon::start(Options { arguments, ..Options::default() }).unwrap();
    let _ = sign_in(&casa, "nuria").await;
    assert_eq!(warning(&casa.ctl("status").unwrap(), "not_listening"), None);
}

/// On this thread, and in what it starts, the kernel knows no IPv6 (`ipv6.disable=1`).
fn forget_ipv6() {
    let family = |family: i32| {
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family as u64).unwrap()
    };
    let rules =
        BTreeMap::from([(libc::SYS_socket, vec![SeccompRule::new(vec![family(libc::AF_INET6)]).unwrap()])]);
    let refuse = SeccompAction::Errno(libc::EAFNOSUPPORT as u32);
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, refuse, env::consts::ARCH.try_into().unwrap())
            .unwrap();
    seccompiler::apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

#[test]
fn a_kernel_without_ipv6_is_no_trouble() {
    let started = thread::spawn(|| {
        forget_ipv6();
        let arguments = vec!["--listen".into(), "::".into()];
        Daemon::start(Options { arguments, ..Options::default() })
    });
    let casa = started.join().unwrap().unwrap();
    assert_eq!(warning(&casa.ctl("status").unwrap(), "not_listening"), None);
    assert!(casa.log().contains("no IPv6 here"), "{}", casa.log());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(sign_in(&casa, "nuria"));
}

/// A clock that a test sets; what is started under it follows.
struct Clock(PathBuf, String);

impl Clock {
    fn new(at: &str) -> Option<Self> {
        // Debian's place; other systems have it elsewhere
        let debian = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", env::consts::ARCH);
        let library = env::var("TRUCA_FAKETIME").unwrap_or(debian);
        if !Path::new(&library).exists() {
            truca_tests::skipped(&format!(
                "no libfaketime at {library}: apt-get install faketime, or TRUCA_FAKETIME names it"
            ));
            return None;
        }
        let clock = Self(env::temp_dir().join(format!("truca-clock-{}", std::process::id())), library);
        clock.set(at);
        Some(clock)
    }

    fn set(&self, at: &str) {
        fs::write(&self.0, format!("@{at}\n")).unwrap();
    }

    fn runner(&self) -> Vec<String> {
        let file = self.0.display();
        ["env".into(), format!("LD_PRELOAD={}", self.1), format!("FAKETIME_TIMESTAMP_FILE={file}")]
            .into_iter()
            // the file is read at each look at the clock; since the start of the kernel, time goes on as it does
            .chain(["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"].map(Into::into))
            .collect()
    }

    /// What a program under it takes for the year.
    fn year(&self) -> String {
        let runner = self.runner();
        let output =
            Command::new(&runner[0]).args(&runner[1..]).args(["date", "-u", "+%Y"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_clock_in_1970_that_jumps_by_fifty_years_changes_nothing() {
    let Some(clock) = Clock::new("1970-01-01 00:00:07") else { return };
    assert_eq!(clock.year(), "1970");
    let mut casa = Daemon::start(Options { runner: clock.runner(), ..Options::default() }).unwrap();
    let loaded = fs::read_to_string(format!("/proc/{}/maps", casa.pid())).unwrap();
    assert!(
        loaded.contains("libfaketime"),
        "a static trucad keeps the real clock: this test needs a dynamic one"
    );
    let torre =
        Daemon::start(Options { name: "torre".into(), peers: vec![casa.page()], ..Options::default() })
            .unwrap();
    let both = |status: &Value| status["members_alive"] == 2;
    casa.ctl_until("status", both).unwrap();
    let (mut nuria, mut pep) = (sign_in(&casa, "nuria").await, sign_in(&torre, "pep").await);
    for node in [&casa, &torre] {
        node.ctl_until("status", |status| status["here"] == 2).unwrap();
    }
    for (n, at) in
        ["2026-06-01 12:00:00", "2076-06-01 12:00:00", "1970-01-01 00:00:09"].into_iter().enumerate()
    {
        clock.set(at);
        assert_eq!(clock.year(), at[..4]);
        // who is in stays in, a call goes through, whoever comes is let in, and nobody was lost
        let call = nuria.invite(&pep.address, "audio").await.unwrap();
        assert_eq!(pep.event("incoming").await.unwrap()["call"], call.as_str());
        pep.accept(&call, "audio").await.unwrap();
        nuria.event("accepted").await.unwrap();
        nuria.ask("hang_up", serde_json::json!({"call": call, "reason": "hung_up"})).await.unwrap();
        pep.event("ended").await.unwrap();
        let _ = sign_in(&casa, &format!("after{n}")).await;
        let status = torre.ctl("status").unwrap();
        assert!(both(&status) && status["deaths"] == 0, "{at}: {status}");
    }
    // back in 1970 it starts again: the same node, with its people, and its neighbour takes it for newer
    let id = casa.ctl("status").unwrap()["node"]["id"].clone();
    assert!(casa.stop().unwrap().success());
    casa.restart().unwrap();
    let status = casa.ctl_until("status", |status| both(status) && status["people"] == 5).unwrap();
    assert_eq!((&status["node"]["id"], &status["accounts"]), (&id, &Value::from(4)));
    let _ = sign_in(&casa, "last").await;
    torre.ctl_until("status", |status| both(status) && status["people"] == 6).unwrap();
}

#[tokio::test]
async fn what_strangers_do_at_the_doors_is_counted() {
    let casa = Daemon::start(Options::default()).unwrap();
    let counted = |name: &'static str, field: &'static str| {
        casa.ctl_until("status", |status| status["counters"][name][field] == 1).unwrap()
    };
    TcpStream::connect(casa.page()).unwrap().write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    counted("doors", "failed_handshakes");
    // a node that announces more than a frame may have, and one that is cut off in the middle of one
    let state = env::temp_dir().join(format!("truca-stranger-{}", std::process::id()));
    let key = Identity::load_or_create(&state, "stranger").unwrap().certified_key();
    fs::remove_dir_all(&state).unwrap();
    let tls = Tls::new(&key, &key).unwrap();
    let (mut stream, _) = tls.dial(casa.page()).await.unwrap();
    stream.write_all(&65_537_u32.to_be_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    counted("links", "oversize");
    let (mut stream, _) = tls.dial(casa.page()).await.unwrap();
    stream.write_all(b"\0\0\0\x09half").await.unwrap();
    stream.shutdown().await.unwrap();
    let status = counted("links", "broken");
    assert_eq!(
        (&status["counters"]["links"]["oversize"], &status["counters"]["doors"]["refused"]),
        (&1.into(), &0.into())
    );
    assert!(casa.log().contains("was changed on the way or cut off"), "{}", casa.log());
}
