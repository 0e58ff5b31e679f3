//! mDNS with those that others run: avahi across a link, and the `mdns-sd` library beside us on the same one.
//!
//! In namespaces of their own, with an interface `mesh0`, whose other end is in the namespace `far`. Needs root.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mdns_sd::{ServiceDaemon, ServiceEvent, ServiceInfo};
use serde_json::Value;
use truca_tests::daemon::{Daemon, Options};
use truca_tests::namespace::{inside, sh};

/// How long neighbours may take to know each other: the second question is a second after the first.
const PATIENCE: Duration = Duration::from_secs(15);

/// A link of two ends with two addresses each.
fn lay_link() {
    sh(
        "mount -t tmpfs none /run && mkdir -p /run/netns /run/dbus
        ip netns add far && ip link add mesh0 type veth peer name mesh0 netns far
        ip addr add 10.77.0.1/24 dev mesh0 && ip link set mesh0 up
        ip -n far addr add 10.77.0.2/24 dev mesh0 && ip -n far link set mesh0 up && ip -n far link set lo up",
    );
}

/// A program that ends with the test.
struct Run(Child);

impl Run {
    fn far(command: &[&str]) -> Self {
        let mut far = Command::new("ip");
        far.args(["netns", "exec", "far"]).args(command);
        Self(far.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // SIGTERM, so that it says goodbye; it may have ended already
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < end, "{what}: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What avahi knows of our service, a line for each interface and family.
fn browse() -> String {
    let mut browse = Command::new("ip");
    browse.args(["netns", "exec", "far", "avahi-browse", "-rpt", "_truca._tcp"]);
    let output = browse.output().unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn start() -> Daemon {
    // only mDNS
    let config = ["umdns", "bmx6", "bmx7", "babeld", "olsr", "oonf", "shared_state", "probe"];
    let config = config.map(|option| format!(" option {option} 0\n")).concat();
    let config = format!("config discovery\n{config}");
    Daemon::start(Options { config, mdns: true, ..Options::default() }).unwrap()
}

fn candidates(daemon: &Daemon, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let of = |report: &Value| report["candidates"].as_array().unwrap().clone();
    of(&daemon.ctl_until("discovery", |report| enough(&of(report))).unwrap())
}

#[test]
fn avahi_and_a_daemon_find_each_other_and_notice_when_the_other_goes() {
    if !inside("avahi_and_a_daemon_find_each_other_and_notice_when_the_other_goes") {
        return;
    }
    for (tool, package) in
        [("avahi-daemon", "avahi-daemon"), ("avahi-browse", "avahi-utils"), ("dbus-daemon", "dbus-daemon")]
    {
        if !Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap().status.success()
        {
            truca_tests::skipped(&format!("{tool} is missing (Debian: apt-get install {package})"));
            return;
        }
    }
    lay_link();
    let bus = "/run/dbus/system_bus_socket";
    let _bus = Run::far(&["dbus-daemon", "--system", "--nofork", "--nopidfile"]);
    until("no bus", || Path::new(bus).exists().then_some(()).ok_or_else(String::new));
    let config = "[server]\nallow-interfaces=mesh0\nuse-ipv4=yes\nuse-ipv6=yes\n[rlimits]\n";
    std::fs::write("/mnt/avahi.conf", config).unwrap();
    let _avahi =
        Run::far(&["avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits", "-f", "/mnt/avahi.conf"]);
    until("no avahi", || {
        let said = browse();
        if said.is_empty() { Ok(()) } else { Err(said) }
    });
    // it is there first, and has announced its service before we listen
    let id = "aeaqcaibaeaqcaibaeaqcaibae";
    let torre = Run::far(&[
        "avahi-publish",
        "-s",
        "torre del Ñandú",
        "_truca._tcp",
        "4443",
        "v=1",
        &format!("ID={id}"),
    ]);
    until("avahi does not publish", || {
        let said = browse();
        if said.contains(";4443;") { Ok(()) } else { Err(said) }
    });
    let mut casa = start();
    let found = candidates(&casa, |found| {
        let has = |start: &str| {
            let starts = |c: &Value| c["address"].as_str().is_some_and(|address| address.starts_with(start));
            found.iter().any(starts)
        };
        has("10.77.0.2:4443") && has("[fe80::")
    });
    for candidate in &found {
        assert_eq!((&candidate["id"], &candidate["told"]), (&id.into(), &true.into()), "{candidate}");
    }
    // and avahi finds us, over both families, with all that there is to know
    let own = casa.ctl("status").unwrap()["node"]["id"].as_str().unwrap().to_owned();
    let port = casa.page().port();
    let said = until("avahi does not find us", || {
        let said = browse();
        let lines: Vec<&str> = said.lines().filter(|line| line.contains(&format!(";{port};"))).collect();
        let [v4, v6] = ["IPv4", "IPv6"].map(|family| lines.iter().any(|line| line.contains(family)));
        if v4 && v6 { Ok(said) } else { Err(said) }
    });
    let instance = format!(";casa\\032{};_truca._tcp;local;truca-{}.local;", &own[..6], &own[..10]);
    assert!(said.contains(&instance), "{instance} in {said}");
    assert!(said.contains(&format!("\"id={own}\"")) && said.contains("\"v=1\""), "{said}");
    assert!(said.contains(&format!(";10.77.0.1;{port};")), "{said}");
    // each says goodbye
    drop(torre);
    candidates(&casa, <[Value]>::is_empty);
    casa.stop().unwrap();
    until("avahi still knows us", || {
        let said = browse();
        if said.contains("casa") { Err(said) } else { Ok(()) }
    });
}

#[test]
fn the_library_mdns_sd_on_the_same_machine_finds_a_daemon_and_is_found() {
    if !inside("the_library_mdns_sd_on_the_same_machine_finds_a_daemon_and_is_found") {
        return;
    }
    lay_link();
    let casa = start();
    let own = casa.ctl("status").unwrap()["node"]["id"].as_str().unwrap().to_owned();
    let peer = ServiceDaemon::new().unwrap();
    let found = peer.browse("_truca._tcp.local.").unwrap();
    until("the library does not find us", || {
        loop {
            let event = found.recv_timeout(Duration::from_millis(100)).map_err(|error| error.to_string())?;
            if let ServiceEvent::ServiceResolved(service) = event
                && service.get_property_val_str("id") == Some(own.as_str())
                && service.port == casa.page().port()
                && service.addresses.iter().any(|ip| ip.to_ip_addr().to_string() == "10.77.0.1")
            {
                return Ok(());
            }
        }
    });
    let txt = [("id", "aeaqcaibaeaqcaibaeaqcaibae"), ("v", "1")];
    let info = ServiceInfo::new("_truca._tcp.local.", "torre x", "torre.local.", "10.77.0.9", 4443, &txt[..])
        .unwrap();
    let name = info.get_fullname().to_owned();
    peer.register(info).unwrap();
    candidates(&casa, |found| found.iter().any(|found| found["address"] == "10.77.0.9:4443"));
    let gone = peer.unregister(&name).unwrap();
    gone.recv_timeout(PATIENCE).unwrap();
    candidates(&casa, <[Value]>::is_empty);
    let _ = peer.shutdown();
}
