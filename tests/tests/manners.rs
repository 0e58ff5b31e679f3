//! A router's manners, seen with a real `trucad`: a certificate that cannot be used costs the certificate and never the
//! telephone, and `--check` looks as the daemon's own user will.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;
use truca_tests::daemon::{Daemon, Options, program};
use truca_tests::namespace::{inside, sh};
use truca_tests::page::{Page, connector};
use trucad::tls::certificate::fingerprint;

/// A folder of a test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("truca-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What makes the daemon take `own.crt` and `own.key` here.
    fn config(&self) -> String {
        let (chain, key) = (self.file("own.crt"), self.file("own.key"));
        format!("config node\n\toption certificate '{}'\n\toption key '{}'\n", chain.display(), key.display())
    }

    /// Writes an owner's certificate of these years and its key; the certificate's fingerprint.
    fn put_certificate(&self, years: std::ops::RangeInclusive<i32>) -> String {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut asked = rcgen::CertificateParams::new(vec!["casa.example.net".to_owned()]).unwrap();
        asked.not_before = rcgen::date_time_ymd(*years.start(), 1, 31);
        asked.not_after = rcgen::date_time_ymd(*years.end(), 1, 31);
        let made = asked.self_signed(&key).unwrap();
        fs::write(self.file("own.crt"), made.pem()).unwrap();
        fs::write(self.file("own.key"), key.serialize_pem()).unwrap();
        fingerprint(made.der())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The fingerprint of what a browser is shown.
async fn shown(at: SocketAddr) -> String {
    let stream = TcpStream::connect(at).await.unwrap();
    let name = "truca.local".try_into().unwrap();
    let stream = connector().unwrap().connect(name, stream).await.unwrap();
    fingerprint(&stream.get_ref().1.peer_certificates().unwrap()[0])
}

/// What is said under this code.
fn warning(status: &Value, code: &str) -> Option<String> {
    let found = status["warnings"].as_array().unwrap().iter().find(|warning| warning["code"] == code)?;
    Some(found["text"].as_str().unwrap().to_owned())
}

/// Reloads until its status is as wanted; the status.
fn reload_until(casa: &Daemon, config: &str, enough: impl Fn(&Value) -> bool) -> Value {
    casa.reload(config).unwrap();
    casa.ctl_until("status", enough).unwrap()
}

#[tokio::test]
async fn a_bad_certificate_costs_the_certificate_and_never_the_telephone() {
    let folder = Folder::new("certificate");
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
    let cases = [
        ("nothing", None, "cannot read"),
        ("trash", Some("trash".to_owned()), "holds no PEM block"),
        ("half a file", Some(other[..60].to_owned()), "holds no PEM block"),
        ("another key", Some(other), "belongs to another key"),
        ("no end", Some("x".repeat(64 * 1024 + 1)), "it is too large"),
    ];
    let config = folder.config();
    let mut casa: Option<Daemon> = None;
    for (what, key, words) in cases {
        folder.put_certificate(2020..=2090);
        match key {
            Some(text) => fs::write(folder.file("own.key"), text).unwrap(),
            None => fs::remove_file(folder.file("own.key")).unwrap(),
        }
        let casa = casa.get_or_insert_with(|| {
            // the first one is met at the start
            Daemon::start(Options { config: config.clone(), ..Options::default() }).unwrap()
        });
        let status = reload_until(casa, &config, |status| {
            warning(status, "certificate").is_some_and(|said| said.contains(words))
        });
        let said = warning(&status, "certificate").unwrap();
        assert!(said.contains("the node's own is shown"), "{what}: {said}");
        assert_eq!(status["fingerprint"], shown(casa.page()).await, "{what}");
    }
    let casa = casa.unwrap();
    // a pipe would keep it waiting for ever
    let pipe = config.replace("own.key", "pipe");
    assert!(Command::new("mkfifo").arg(folder.file("pipe")).status().unwrap().success());
    reload_until(&casa, &pipe, |status| {
        warning(status, "certificate").is_some_and(|said| said.contains("it is not a file"))
    });
    // people telephone meanwhile
    Page::open(casa.page()).await.unwrap().sign_in("nuria").await.unwrap();
    let own = shown(casa.page()).await;
    let good = folder.put_certificate(2020..=2090);
    let status = reload_until(&casa, &config, |status| warning(status, "certificate").is_none());
    assert_eq!((shown(casa.page()).await, status["fingerprint"].as_str().unwrap()), (good.clone(), &*good));
    // it vanishes: the one before goes on, and a start without it shows the node's own again
    fs::remove_file(folder.file("own.crt")).unwrap();
    let status = reload_until(&casa, &config, |status| warning(status, "certificate").is_some());
    assert!(warning(&status, "certificate").unwrap().contains("the one before goes on"));
    assert_eq!(shown(casa.page()).await, good);
    // both options out
    reload_until(&casa, "", |status| warning(status, "certificate").is_none());
    assert_eq!(shown(casa.page()).await, own);
    // one that is over is shown, and said
    let over = folder.put_certificate(2019..=2020);
    let status = reload_until(&casa, &config, |status| warning(status, "certificate_expired").is_some());
    assert!(warning(&status, "certificate_expired").unwrap().contains("it was good until 2020-01-31"));
    assert_eq!(shown(casa.page()).await, over);
    assert!(warning(&status, "certificate").is_none());
}

#[tokio::test]
async fn who_signs_up_just_after_a_start_is_kept_within_five_seconds_and_told_so() {
    let mut casa = Daemon::start(Options::default()).unwrap();
    let mut pages = Vec::new();
    for n in 0..30 {
        let mut page = Page::open(casa.page()).await.unwrap();
        let answer = page.sign_in(&format!("p{n}")).await.unwrap();
        assert_eq!(answer["created"], true);
        pages.push((page, Instant::now()));
    }
    for (page, made) in &mut pages {
        page.event("kept").await.unwrap();
        assert!(made.elapsed() < Duration::from_secs(5), "{:?}", made.elapsed());
    }
    // one line for all that were written together; and the power cut
    let lines = casa.log().matches("new accounts were made").count();
    assert!((1..10).contains(&lines), "{}", casa.log());
    casa.kill().unwrap();
    casa.restart().unwrap();
    assert_eq!(casa.ctl("status").unwrap()["accounts"], 30);
    // who comes back has nothing to be told
    let (page, _) = pages.remove(0);
    let mut again = Page::open_with(casa.page(), page.device).await.unwrap();
    assert_eq!(again.sign_in("p0").await.unwrap()["created"], false);
    assert!(!again.heard("kept"));
}

#[tokio::test]
async fn nobody_is_told_of_an_account_that_flash_has_no_room_for() {
    if !inside("nobody_is_told_of_an_account_that_flash_has_no_room_for") {
        return;
    }
    let flash = Path::new("/mnt/flash");
    sh("mkdir /mnt/flash && mount -t tmpfs -o size=64k none /mnt/flash");
    let arguments = vec!["--state".into(), flash.into()];
    let mut casa = Daemon::start(Options { arguments, ..Options::default() }).unwrap();
    // once: a line and a warning, however often it fails
    sh("cat /dev/zero >/mnt/flash/filler 2>/dev/null || true");
    let mut pep = Page::open(casa.page()).await.unwrap();
    pep.sign_in("pep").await.unwrap();
    casa.ctl_until("status", |status| warning(status, "state_not_saved").is_some()).unwrap();
    pep.ask("profile", serde_json::json!({ "display": "Pep" })).await.unwrap();
    assert!(!pep.heard("kept"), "it is not");
    assert_eq!(casa.log().matches("cannot write to").count(), 1, "{}", casa.log());
    // and what was there before is as it was
    casa.kill().unwrap();
    sh("rm /mnt/flash/filler");
    casa.restart().unwrap();
    assert_eq!(casa.ctl("status").unwrap()["accounts"], 0);
    assert!(!casa.log().contains("broken"), "{}", casa.log());
}

/// What `--check` says of a configuration, and how it ends.
fn check(program: &Path, config: &Path) -> (i32, String) {
    let output = Command::new(program).arg("--check").arg("--config").arg(config).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn the_check_looks_as_the_daemons_user_and_follows_links() {
    if !inside("the_check_looks_as_the_daemons_user_and_follows_links") {
        return;
    }
    sh(
        "mkdir /mnt/etc && cp /etc/passwd /mnt/etc && echo truca:x:843:843::/:/bin/false >>/mnt/etc/passwd && mount --bind /mnt/etc/passwd /etc/passwd",
    );
    // as OpenWrt's acme lays it out
    let folder = Folder(PathBuf::from("/mnt/acme"));
    fs::create_dir_all("/mnt/acme/casa_ecc").unwrap();
    folder.put_certificate(2020..=2090);
    sh("cd /mnt/acme && mv own.crt own.key casa_ecc && ln -s casa_ecc/own.crt casa_ecc/own.key . && chmod 700 casa_ecc && chmod 600 casa_ecc/*
        mkdir /mnt/state && chown 843:843 /mnt/state");
    let config = Path::new("/mnt/truca");
    fs::write(config, folder.config() + "\toption state '/mnt/state'\n").unwrap();
    let program = program().unwrap();
    let (code, said) = check(&program, config);
    assert!(code == 3 && said.contains("the user truca cannot enter /mnt/acme/casa_ecc (mode 700"), "{said}");
    sh("chmod 755 /mnt/acme/casa_ecc");
    let (code, said) = check(&program, config);
    assert!(code == 3 && said.contains("the user truca cannot read /mnt/acme/casa_ecc/own.crt"), "{said}");
    // what it says to do is enough
    sh("chgrp -R 843 /mnt/acme/casa_ecc && chmod g+r /mnt/acme/casa_ecc/*");
    assert_eq!(check(&program, config), (0, "ok\n".into()));
    for (spoil, words) in [
        ("chown 0:0 /mnt/state; chmod 700 /mnt/state", "the user truca cannot write to /mnt/state"),
        (
            "chown 843:843 /mnt/state; touch /mnt/state/node.key; chmod 600 /mnt/state/node.key",
            "the user truca cannot read /mnt/state/node.key",
        ),
        (
            "rm /mnt/state/node.key; touch /mnt/state/state; chmod 0 /mnt/state/state",
            "the user truca cannot read /mnt/state/state",
        ),
        (
            "rm /mnt/state/state /mnt/acme/casa_ecc/own.key",
            "cannot read /mnt/acme/casa_ecc/own.key: No such file",
        ),
    ] {
        sh(spoil);
        let (code, said) = check(&program, config);
        assert!(code == 3 && said.contains(words), "{words}: {said}");
    }
    std::mem::forget(folder);
}

#[tokio::test]
async fn a_port_of_the_plain_page_that_is_taken_costs_that_page_alone() {
    if !inside("a_port_of_the_plain_page_that_is_taken_costs_that_page_alone") {
        return;
    }
    sh(
        "ip link add mesh0 type veth peer name far0 && ip link set far0 up && ip address add 10.99.0.1/24 dev mesh0 && ip link set mesh0 up",
    );
    let uhttpd = std::net::TcpListener::bind("0.0.0.0:8080").unwrap();
    let listen = Some("10.99.0.1".parse().unwrap());
    let arguments = ["--http-port", "8080"].map(Into::into).into();
    let casa = Daemon::start(Options { listen, arguments, ..Options::default() }).unwrap();
    let status = casa.ctl("status").unwrap();
    let said = warning(&status, "no_http").unwrap();
    assert!(said.contains("10.99.0.1:8080") && said.contains("http_port"), "{said}");
    Page::open(casa.page()).await.unwrap().sign_in("nuria").await.unwrap();
    // a reload looks again
    drop(uhttpd);
    reload_until(&casa, "", |status| warning(status, "no_http").is_none());
    assert!(std::net::TcpStream::connect("10.99.0.1:8080").is_ok());
}

#[tokio::test]
async fn nodes_and_pages_speak_ipv6_where_there_is_nothing_else() {
    if !inside("nodes_and_pages_speak_ipv6_where_there_is_nothing_else") {
        return;
    }
    sh("ip link add mesh0 type veth peer name far0 && ip link set far0 up && ip -6 address add fd99::1/64 dev mesh0 nodad && ip -6 address add fd99::2/64 dev mesh0 nodad && ip link set mesh0 up
        ip address flush dev lo scope host && ip -6 address add ::1/128 dev lo 2>/dev/null || true");
    let at = |ip: &str| Some(ip.parse().unwrap());
    let casa = Daemon::start(Options { listen: at("fd99::1"), ..Options::default() }).unwrap();
    let torre = Options {
        name: "torre".into(),
        listen: at("fd99::2"),
        peers: vec![casa.page()],
        ..Options::default()
    };
    let torre = Daemon::start(torre).unwrap();
    let status = casa.ctl_until("status", |status| status["members_alive"] == 2).unwrap();
    assert!(status["pages"][0].as_str().unwrap().starts_with("https://[fd99::1]:"), "{status}");
    assert!(
        warning(&status, "no_address").is_none() && warning(&status, "not_listening").is_none(),
        "{status}"
    );
    let mut nuria = Page::open(casa.page()).await.unwrap();
    let signed_in = nuria.sign_in("nuria").await.unwrap();
    assert!(signed_in["ice"][0]["urls"][0].as_str().unwrap().starts_with("stun:[fd99::1]:"), "{signed_in}");
    let mut pep = Page::open(torre.page()).await.unwrap();
    pep.sign_in("pep").await.unwrap();
    // until casa knows where pep is
    nuria.post("watch", serde_json::json!({ "text": "pep", "limit": 8 })).await.unwrap();
    let here = |told: &Value| told["here"] == 1;
    nuria.event_where("people", here).await.unwrap();
    nuria.invite(&pep.address, "audio").await.unwrap();
    pep.event("incoming").await.unwrap();
}
