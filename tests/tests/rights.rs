//! Who may do what, as OpenWrt's own programs grant it: `ubusd` to the daemon's user by the package's rules, and
//! `rpcd` to a login of LuCI by those of `luci-app-truca`, which `uhttpd` asks for each call that a view makes. Where
//! they are not on PATH (they come with OpenWrt), or without root, these tests say so and are skipped.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use truca_core::ubus::blobmsg::{self, Value as Blob};
use truca_core::ubus::client::{Client, Object, Output};
use truca_tests::bus::{Bus, Listener};
use truca_tests::daemon::{Daemon, Options, program};
use truca_tests::namespace::{inside, sh};
use truca_tests::page::Page;

/// A user who is not root and on every system; stands for `truca`.
const USER: (&str, u32) = ("nobody", 65_534);

fn tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A daemon of [`USER`]'s on this bus; its program is copied to where that user finds it.
fn start(bus: &Bus) -> Daemon {
    let own = bus.folder.path().join("own");
    let program_here = own.join("trucad");
    if !own.exists() {
        fs::create_dir_all(&own).unwrap();
        fs::copy(program().unwrap(), &program_here).unwrap();
        sh(&format!(
            "chmod 755 {0} && mkdir {0}/state {0}/run && chown {1} {0}/state {0}/run",
            own.display(),
            USER.0
        ));
    }
    let user = USER.1.to_string();
    let runner = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"].map(Into::into).into();
    let argument = |flag: &str, path: PathBuf| [flag.into(), path.into()];
    let arguments = [
        argument("--ubus", bus.folder.socket()),
        argument("--state", own.join("state")),
        argument("--run-dir", own.join("run")),
    ];
    let program = Some(program_here);
    Daemon::start(Options { runner, program, arguments: arguments.concat(), ..Options::default() }).unwrap()
}

/// What `discovery` says of umdns to root, who may ask.
fn umdns(bus: &Bus) -> Value {
    let said = bus.call("discovery", &json!({})).unwrap();
    said["sources"].as_array().unwrap().iter().find(|row| row["source"] == "umdns").unwrap().clone()
}

/// Puts an object called `umdns` on the bus, which answers everything with one node, until the bus goes.
fn play_umdns(socket: &Path) {
    let mut stream = UnixStream::connect(socket).unwrap();
    let (ready, serving) = mpsc::channel();
    let object = Object {
        path: "umdns".into(),
        signature: ["browse", "update"].map(|name| (name.into(), Blob::Table(Vec::new()))).into(),
    };
    let heard = json!({"_truca._tcp": {"torre": {"iface": "lan", "port": 8443, "ipv4": ["10.99.1.2"]}}});
    thread::spawn(move || {
        let mut answer = Vec::new();
        blobmsg::write_json(&mut answer, heard.as_object().unwrap());
        let mut client = Client::new(Duration::ZERO, Some(object));
        client.handle_timeout(Duration::ZERO);
        let mut chunk = [0; 2048];
        loop {
            while let Some(output) = client.poll_output() {
                match output {
                    Output::Connect => client.connected(Duration::ZERO),
                    Output::Send(bytes) => stream.write_all(&bytes).unwrap(),
                    Output::Invoked(invocation) => client.reply(invocation.id, Ok(answer.clone())),
                    Output::Registered => ready.send(()).unwrap(),
                    other => panic!("{other:?}"),
                }
            }
            match stream.read(&mut chunk) {
                Ok(length @ 1..) => client.handle_bytes(Duration::ZERO, &chunk[..length]),
                _ => return,
            }
        }
    });
    serving.recv_timeout(Duration::from_secs(15)).unwrap();
}

#[tokio::test]
async fn its_user_may_do_on_the_bus_what_the_package_asks_for() {
    if !inside("its_user_may_do_on_the_bus_what_the_package_asks_for") {
        return;
    }
    let Some(mut bus) = Bus::start() else { return };
    play_umdns(&bus.folder.socket());
    // without the package's rules: no object, and nobody else's either; the daemon serves all the same
    let casa = start(&bus);
    truca_tests::bus::until("the bus takes it", || {
        casa.log()
            .contains("ubus refuses the object truca with status 2 (is /usr/share/acl.d/truca.json there?")
    });
    Page::open(casa.page()).await.unwrap().sign_in("nuria").await.unwrap();
    drop(casa);

    let rules = fs::read_to_string(tree("openwrt-feed/truca/files/acl.json")).unwrap();
    let mut rules: Value = serde_json::from_str(&rules).unwrap();
    assert_eq!(rules["user"], "truca");
    rules["user"] = USER.0.into();
    let acl = bus.folder.path().join("acl");
    fs::create_dir(&acl).unwrap();
    fs::write(acl.join("truca.json"), rules.to_string()).unwrap();
    fs::set_permissions(acl.join("truca.json"), fs::Permissions::from_mode(0o644)).unwrap();
    bus.restart();
    play_umdns(&bus.folder.socket());
    let casa = start(&bus);
    bus.wait_for_object();
    assert_eq!(bus.call("status", &json!({})).unwrap()["node"]["name"], "casa");
    // it asks umdns
    truca_tests::bus::until("umdns is not heard", || umdns(&bus)["state"] == "heard");
    assert_eq!(umdns(&bus)["addresses"], 1);
    // its events are passed on
    let mut listener = Listener::start(&bus);
    let torre = Options { name: "torre".into(), peers: vec![casa.page()], ..Options::default() };
    let _torre = Daemon::start(torre).unwrap();
    assert_eq!(listener.next("truca.member")["name"], "torre");
}

/// What LuCI's package asks of rpcd.
const RULES: &str = "luci-app/luci-app-truca/root/usr/share/rpcd/acl.d/luci-app-truca.json";

/// `openssl passwd -1 -salt truca truca`
const PASSWORD: &str = "$1$truca$T4AdytEpn2bYXmsBvyw5J.";

/// A program of OpenWrt's; ended when it is dropped.
struct Ended(Child);

impl Ended {
    /// Starts it; says what is missing otherwise.
    fn start(command: &mut Command) -> Option<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let started = command.spawn().ok().map(Self);
        if started.is_none() {
            truca_tests::skipped(&format!(
                "no {name} on PATH; build openwrt/{name} (with libubox and ubus; rpcd: uci)"
            ));
        }
        started
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ubus(bus: &Bus, object: &str, method: &str, arguments: &Value) -> Value {
    let output = bus.run(&["call", object, method, &arguments.to_string()]);
    assert!(output.status.success(), "{object} {method}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A bus with rpcd, whose fixed places are this test's own: an owner, marta who may look, and a stranger.
fn rpcd() -> Option<(Bus, Ended)> {
    let bus = Bus::start()?;
    sh("mkdir /mnt/etc && cp -a /etc/passwd /etc/group /etc/shadow /etc/nsswitch.conf /etc/ld.so.cache /mnt/etc/
        mount --bind /mnt/etc /etc && mkdir /etc/config
        mount -t tmpfs none /usr/share && mkdir -p /usr/share/rpcd/acl.d && mount -t tmpfs none /run");
    fs::copy(tree(RULES), "/usr/share/rpcd/acl.d/luci-app-truca.json").unwrap();
    let login = |name: &str, more: &str| {
        format!("config login\n\toption username '{name}'\n\toption password '{PASSWORD}'\n{more}")
    };
    let reads = "\tlist read 'luci-app-truca'\n";
    let writes = "\tlist read 'luci-app-truca'\n\tlist write 'luci-app-truca'\n";
    let logins = [login("owner", writes), login("marta", reads), login("stranger", "")].concat();
    fs::write("/etc/config/rpcd", logins).unwrap();
    let rpcd = Ended::start(Command::new("rpcd").arg("-s").arg(bus.folder.socket()))?;
    assert!(bus.run(&["wait_for", "session"]).status.success());
    Some((bus, rpcd))
}

/// Logs in; the session.
fn log_in(bus: &Bus, name: &str) -> Value {
    ubus(bus, "session", "login", &json!({"username": name, "password": "truca"}))["ubus_rpc_session"].clone()
}

#[test]
fn a_login_of_luci_may_look_or_change_as_its_rights_say() {
    if !inside("a_login_of_luci_may_look_or_change_as_its_rights_say") {
        return;
    }
    let Some((bus, _rpcd)) = rpcd() else { return };
    let rules: Value = serde_json::from_slice(&fs::read(tree(RULES)).unwrap()).unwrap();
    let rules = &rules["luci-app-truca"];
    let methods = fs::read_to_string(tree("docs/ubus.json")).unwrap();
    let methods: Value = serde_json::from_str(&methods).unwrap();
    let listed = |way: &str, name: &Value| rules[way]["ubus"]["truca"].as_array().unwrap().contains(name);
    for (name, may_read, may_write) in
        [("owner", true, true), ("marta", true, false), ("stranger", false, false)]
    {
        let session = log_in(&bus, name);
        let may = |scope: &str, object: &str, function: &Value| {
            let asked =
                json!({"ubus_rpc_session": session, "scope": scope, "object": object, "function": function});
            ubus(&bus, "session", "access", &asked)["access"] == true
        };
        let mut granted = 0;
        for method in methods["methods"].as_array().unwrap() {
            let expected =
                may_read && listed("read", &method["name"]) || may_write && listed("write", &method["name"]);
            assert_eq!(may("ubus", "truca", &method["name"]), expected, "{name}: {}", method["name"]);
            assert!(
                may_write || !expected || method["access"] == "read",
                "{name} changes by {}",
                method["name"]
            );
            granted += u32::from(expected);
        }
        assert_eq!(granted > 0, may_read);
        // the file has secrets in it
        assert_eq!(may("uci", "truca", &"read".into()), may_write);
        assert_eq!(may("uci", "truca", &"write".into()), may_write);
        assert_eq!(may("file", "/etc/init.d/truca restart", &"exec".into()), may_write);
        assert_eq!(may("file", "/usr/sbin/trucad --check", &"exec".into()), may_read);
        // and nothing of anybody else's
        assert!(!may("file", "/usr/sbin/trucad", &"exec".into()) && !may("uci", "network", &"read".into()));
        assert!(!may("ubus", "system", &"reboot".into()));
    }
}

/// Beside the tests with OpenWrt's own programs: what they would be given.
#[test]
fn who_may_only_look_is_granted_no_method_that_changes_something() {
    let rules: Value = serde_json::from_slice(&fs::read(tree(RULES)).unwrap()).unwrap();
    let methods = fs::read_to_string(tree("docs/ubus.json")).unwrap();
    let methods: Value = serde_json::from_str(&methods).unwrap();
    let granted = |way: &str| -> Vec<String> {
        let names = rules["luci-app-truca"][way]["ubus"]["truca"].as_array().unwrap();
        names.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let access = |name: &String| {
        let method =
            methods["methods"].as_array().unwrap().iter().find(|method| method["name"] == name.as_str());
        method.unwrap_or_else(|| panic!("there is no method {name}"))["access"].clone()
    };
    assert!(granted("read").iter().all(|name| access(name) == "read"), "{:?}", granted("read"));
    assert!(granted("write").iter().any(|name| access(name) == "write"));
}

/// Asks as a view does, by JSON-RPC over HTTP; the result, or the error's code.
fn call(session: &Value, method: &str, arguments: &Value) -> Result<Value, i64> {
    let question =
        json!({"jsonrpc": "2.0", "id": 7, "method": "call", "params": [session, "truca", method, arguments]})
            .to_string();
    let mut stream = TcpStream::connect("127.0.0.1:8008").unwrap();
    let head = "POST /ubus HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: ";
    write!(stream, "{head}{}\r\n\r\n{question}", question.len()).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said}"));
    answer["error"]["code"].as_i64().map_or_else(|| Ok(answer["result"].clone()), Err)
}

#[tokio::test]
async fn a_view_asks_through_uhttpd_and_gets_what_the_daemon_says() {
    if !inside("a_view_asks_through_uhttpd_and_gets_what_the_daemon_says") {
        return;
    }
    let Some((bus, _rpcd)) = rpcd() else { return };
    let casa = Daemon::start(Options {
        arguments: vec!["--ubus".into(), bus.folder.socket().into()],
        ..Options::default()
    })
    .unwrap();
    bus.wait_for_object();
    fs::create_dir("/mnt/www").unwrap();
    let mut uhttpd = Command::new("uhttpd");
    uhttpd
        .args(["-f", "-p", "127.0.0.1:8008", "-h", "/mnt/www", "-u", "/ubus", "-U"])
        .arg(bus.folder.socket());
    let Some(_uhttpd) = Ended::start(&mut uhttpd) else { return };
    truca_tests::bus::until("uhttpd does not listen", || TcpStream::connect("127.0.0.1:8008").is_ok());
    let mut page = Page::open(casa.page()).await.unwrap();
    page.sign_in_as("nuria", "Núria <b>").await.unwrap();

    let (owner, marta) = (log_in(&bus, "owner"), log_in(&bus, "marta"));
    let everything = json!({"filter": null, "limit": null});
    for session in [&owner, &marta] {
        let accounts = casa.ctl("accounts").unwrap();
        assert_eq!(call(session, "accounts", &everything), Ok(json!([0, accounts])));
    }
    // LuCI's code for a right that is missing
    let denied = -32_002;
    let delete = json!({"address": page.address});
    for (session, method) in
        [(&marta, "account_delete"), (&owner, "reboot"), (&json!("0".repeat(32)), "status")]
    {
        assert_eq!(call(session, method, &delete), Err(denied), "{method}");
    }
    let rename =
        |display: Value| call(&owner, "account_set", &json!({"address": page.address, "display": display}));
    assert_eq!(rename(json!(7)), Ok(json!([2])), "a wrong type");
    assert_eq!(rename(json!("Núria")).unwrap()[1]["account"]["display"], "Núria");
    assert_eq!(
        call(&owner, "account_delete", &delete),
        Ok(json!([0])),
        "no data where there is nothing to say"
    );
    assert_eq!(call(&owner, "account_delete", &delete), Ok(json!([4])), "it is gone");
}
