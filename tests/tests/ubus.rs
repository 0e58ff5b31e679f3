//! `trucad` on the bus: against OpenWrt's own `ubusd` and `ubus` where they are on PATH, and everywhere against a
//! bus that says what `ubusd` was recorded to say (`tests/fixtures/ubus`).

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use truca_core::ubus::{
    blobmsg::{self, Value as Blob},
    message::{Attribute, Kind, Message},
    status,
};
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page;

/// A directory of one test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("truca-ubus-{}-{count}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("ubus.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn daemon(socket: &Path) -> Daemon {
    let arguments = vec!["--ubus".into(), socket.into()];
    Daemon::start(Options { arguments, ..Options::default() }).unwrap()
}

// With OpenWrt's own programs

/// A `ubusd` of this test alone.
struct Bus {
    folder: Folder,
    child: Child,
}

impl Bus {
    /// `None`, and a word why, where it is not installed: it comes with OpenWrt, and Debian has no package.
    fn start() -> Option<Self> {
        let folder = Folder::new();
        match spawn(&folder.socket()) {
            Ok(child) => Some(Self { folder, child }),
            Err(error) => {
                println!("skipped: no ubusd on PATH ({error}); build openwrt/libubox and openwrt/ubus");
                None
            }
        }
    }

    fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.folder.socket()).unwrap();
    }

    /// The command line client, waiting for at most 15 s.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ubus");
        command.arg("-s").arg(self.folder.socket()).args(["-t", "15"]).args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Calls a method of the object; the client ends with the status.
    fn call(&self, method: &str, arguments: &Value) -> Result<Value, i32> {
        let output = self.run(&["call", "truca", method, &arguments.to_string()]);
        match output.status.code().unwrap() {
            0 if output.stdout.is_empty() => Ok(json!({})),
            0 => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            // a status of the method ends it with its negative
            code => Err(if code > 127 { 256 - code } else { code }),
        }
    }

    fn wait_for_object(&self) {
        let waited = self.run(&["wait_for", "truca"]);
        assert!(waited.status.success(), "{waited:?}");
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(socket: &Path) -> std::io::Result<Child> {
    let _ = fs::remove_file(socket);
    let child = Command::new("ubusd").arg("-s").arg(socket).stderr(Stdio::null()).spawn()?;
    until("ubusd has no socket", || UnixStream::connect(socket).is_ok());
    Ok(child)
}

fn until(otherwise: &str, so: impl Fn() -> bool) {
    for _ in 0..1_500 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{otherwise}");
}

/// Lines of `ubus listen`.
struct Listener(Child, BufReader<ChildStdout>);

impl Listener {
    fn start(bus: &Bus) -> Self {
        // it tells of itself when it registers for its own event, so that none of ours is missed
        let mut child = bus.command(&["listen", "truca.*", "ready"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut listener = Self(child, lines);
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // the pattern is registered when the event comes back
                while receiver.recv_timeout(Duration::from_millis(50)).is_err() {
                    bus.run(&["send", "ready", "{}"]);
                }
            });
            listener.next("ready");
            sender.send(()).unwrap();
        });
        listener
    }

    /// The next event of this name.
    fn next(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "the listener ended");
            let mut event: Value = serde_json::from_str(&line).unwrap();
            if let Some(data) = event.as_object_mut().unwrap().remove(name) {
                return data;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn ubus_serves_what_the_control_socket_serves() {
    let Some(bus) = Bus::start() else { return };
    let casa = daemon(&bus.folder.socket());
    bus.wait_for_object();
    let mut page = page::Page::open(casa.page()).await.unwrap();
    page.sign_in_as("nuria", "Núria").await.unwrap();
    for method in ["members", "accounts", "links", "stun", "ice", "bans", "reports"] {
        assert_eq!(bus.call(method, &json!({})), Ok(casa.ctl(method).unwrap()), "{method}");
    }
    let said = bus.call("status", &json!({})).unwrap();
    assert_eq!((&said["node"]["name"], &said["sessions"]), (&json!("casa"), &json!(1)));
    assert!(said["cpu_ms"].is_number() && said["traffic"]["pages"]["in_bytes"].as_u64().unwrap() > 100);

    // the signature is the table of methods
    let listed = String::from_utf8(bus.run(&["-v", "list", "truca"]).stdout).unwrap();
    let document = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ubus.json")).unwrap();
    let document: Value = serde_json::from_slice(&document).unwrap();
    for method in document["methods"].as_array().unwrap() {
        let arguments: Vec<String> = method["arguments"].as_array().unwrap().iter().map(shown).collect();
        let line = format!("\t\"{}\":{{{}}}", method["name"].as_str().unwrap(), arguments.join(","));
        assert!(listed.lines().any(|listed| listed == line), "{line}\n{listed}");
    }
}

/// An argument as `ubus -v list` shows it.
fn shown(argument: &Value) -> String {
    let kind = match argument["type"].as_str().unwrap() {
        "string" => "String",
        "number" => "Integer",
        _ => "Boolean",
    };
    format!("\"{}\":\"{kind}\"", argument["name"].as_str().unwrap())
}

#[tokio::test]
async fn ubus_tells_a_wrong_type_a_missing_thing_and_an_unknown_method_apart() {
    let Some(bus) = Bus::start() else { return };
    let casa = daemon(&bus.folder.socket());
    bus.wait_for_object();
    let mut page = page::Page::open(casa.page()).await.unwrap();
    let address = page.sign_in("nuria").await.unwrap()["address"].as_str().unwrap().to_owned();
    let (wrong, missing) = (status::INVALID_ARGUMENT as i32, status::NOT_FOUND as i32);
    for (method, arguments, expected) in [
        ("accounts", json!({"limit": "many"}), wrong),
        ("account_set", json!({}), wrong),
        ("account_set", json!({"address": 7}), wrong),
        ("account_set", json!({"address": address, "admin": 1}), wrong),
        ("account_set", json!({"address": address, "display": "\u{202e}"}), wrong),
        ("account_set", json!({"address": address.replace("nuria", "pep")}), missing),
        ("account_delete", json!({"address": address.replace("nuria", "pep")}), missing),
        ("unban", json!({"id": address}), missing),
        ("reboot", json!({}), status::METHOD_NOT_FOUND as i32),
    ] {
        assert_eq!(bus.call(method, &arguments), Err(expected), "{method} {arguments}");
    }
    // another object that is not there, and an argument that uhttpd adds
    assert_eq!(bus.run(&["call", "trucs", "status"]).status.code(), Some(missing));
    let said = bus.call("accounts", &json!({"limit": 0, "ubus_rpc_session": "0".repeat(32)})).unwrap();
    assert_eq!(said, json!({"accounts": [], "more": 1}));
    let said =
        bus.call("account_set", &json!({"address": address, "display": "Núria", "admin": true})).unwrap();
    assert_eq!((&said["account"]["display"], &said["account"]["admin"]), (&json!("Núria"), &json!(true)));
}

#[tokio::test]
async fn ubus_listeners_hear_of_members_and_calls() {
    let Some(bus) = Bus::start() else { return };
    let casa = daemon(&bus.folder.socket());
    bus.wait_for_object();
    let mut listener = Listener::start(&bus);
    let options = Options { name: "torre".into(), peers: vec![casa.page()], ..Options::default() };
    let mut torre = Daemon::start(options).unwrap();
    let came = listener.next("truca.member");
    assert_eq!((&came["name"], &came["state"], &came["alive"]), (&json!("torre"), &json!("up"), &json!(2)));

    let (mut caller, _callee, call) = page::talking(casa.page(), casa.page()).await.unwrap();
    assert!(listener.next("truca.call")["calls"].as_u64().unwrap() > 0);
    caller.ask("hang_up", json!({"call": call, "reason": "hung_up"})).await.unwrap();
    while listener.next("truca.call")["calls"] != 0 {}

    torre.stop().unwrap();
    assert_eq!(listener.next("truca.member")["state"], "down");
}

#[test]
fn ubus_has_the_object_again_when_ubusd_restarts() {
    let Some(mut bus) = Bus::start() else { return };
    let casa = daemon(&bus.folder.socket());
    bus.wait_for_object();
    for _ in 0..2 {
        bus.restart();
        bus.wait_for_object();
        assert_eq!(bus.call("status", &json!({})).unwrap()["node"]["name"], "casa");
    }
    assert_eq!(casa.log().matches("ubus: the object truca is there").count(), 3, "{}", casa.log());
}

// With a bus of recorded bytes

/// `ubusd`'s side of one connection.
struct Side(UnixStream, Vec<u8>);

/// The object's id in the recordings.
const OBJECT: u32 = 0x02e4_3a95;

impl Side {
    /// Takes the daemon's connection, up to its object's registration; with the methods that it offers.
    fn accept(listener: &UnixListener) -> (Self, Vec<String>) {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        let mut side = Self(stream, Vec::new());
        side.0.write_all(&recorded("01-hello.s2c.bin")).unwrap();
        let add = side.next();
        assert_eq!((add.kind, &add.attributes[0]), (Kind::AddObject, &Attribute::Path("truca".into())));
        let Attribute::Signature(signature) = &add.attributes[1] else { panic!("{add:?}") };
        let methods = blobmsg::read(signature).unwrap().into_iter().map(|(name, _)| name).collect();
        side.say(Kind::Data, add.sequence, 0, vec![Attribute::Object(OBJECT), Attribute::Type(1)]);
        side.say(Kind::Status, add.sequence, 0, vec![Attribute::Status(status::OK)]);
        (side, methods)
    }

    fn say(&mut self, kind: Kind, sequence: u16, peer: u32, attributes: Vec<Attribute>) {
        self.0.write_all(&Message { kind, sequence, peer, attributes }.encode().unwrap()).unwrap();
    }

    fn next(&mut self) -> Message {
        loop {
            if let Some((message, length)) = Message::decode(&self.1).unwrap() {
                self.1.drain(..length);
                return message;
            }
            let mut chunk = [0; 4096];
            let length = self.0.read(&mut chunk).unwrap();
            assert!(length > 0, "the daemon closed the connection");
            self.1.extend_from_slice(&chunk[..length]);
        }
    }

    fn invoke(&mut self, method: &str, arguments: &[(String, Blob)]) -> (u32, Value) {
        let mut data = Vec::new();
        blobmsg::write(&mut data, arguments);
        let attributes =
            vec![Attribute::Object(OBJECT), Attribute::Method(method.into()), Attribute::Data(data)];
        self.say(Kind::Invoke, 555, 0xf8a8_3b58, attributes);
        let mut answer = json!({});
        loop {
            let message = self.next();
            if message.kind == Kind::Invoke {
                // an event of ours, which came in between
                self.say(Kind::Status, message.sequence, 1, vec![Attribute::Status(status::OK)]);
                continue;
            }
            assert_eq!((message.sequence, message.peer, message.object()), (555, 0xf8a8_3b58, Some(OBJECT)));
            match message.kind {
                Kind::Data => {
                    answer = Value::Object(blobmsg::to_json(blobmsg::read(message.data()).unwrap()));
                }
                kind => {
                    assert_eq!(kind, Kind::Status);
                    return (message.status(), answer);
                }
            }
        }
    }
}

fn recorded(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ubus").join(name)).unwrap()
}

#[test]
fn the_daemon_serves_the_bus_and_comes_back_to_it() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let casa = daemon(&folder.socket());
    let (mut side, methods) = Side::accept(&listener);
    assert_eq!(methods.len(), 15, "{methods:?}");
    let session = [("ubus_rpc_session".to_owned(), Blob::Text("0".repeat(32)))];
    let (code, answer) = side.invoke("status", &session);
    assert_eq!((code, &answer["node"]["name"]), (status::OK, &json!("casa")));
    let limit = |value| [("limit".to_owned(), value)];
    assert_eq!(side.invoke("accounts", &limit(Blob::Text("7".into()))).0, status::INVALID_ARGUMENT);
    assert_eq!(side.invoke("accounts", &limit(Blob::Unspec)).0, status::OK, "LuCI says null for nothing");
    assert_eq!(
        side.invoke(
            "unban",
            &[("id".into(), Blob::Text(format!("pep@{}", answer["node"]["id"].as_str().unwrap())))]
        )
        .0,
        status::NOT_FOUND
    );
    assert_eq!(side.invoke("reboot", &[]).0, status::METHOD_NOT_FOUND);
    // what is no message ends the connection, as the end of the bus does; the object comes back each time
    side.0.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let (side, _) = Side::accept(&listener);
    drop(side);
    let (mut side, _) = Side::accept(&listener);
    assert_eq!(side.invoke("bans", &[]), (status::OK, json!({"bans": []})));
    drop(casa);
}

#[test]
fn without_a_bus_the_daemon_is_as_it_is() {
    let folder = Folder::new();
    let casa = daemon(&folder.socket());
    assert_eq!(casa.ctl("status").unwrap()["node"]["name"], "casa");
    // and one that appears later is found
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let (mut side, _) = Side::accept(&listener);
    assert_eq!(side.invoke("bans", &[]).0, status::OK);
    assert!(!casa.log().contains("ubus refuses"), "{}", casa.log());
}

#[test]
fn a_bus_that_does_not_let_us_is_said_once() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let casa = daemon(&folder.socket());
    for _ in 0..2 {
        let (stream, _) = listener.accept().unwrap();
        let mut side = Side(stream, Vec::new());
        side.0.write_all(&recorded("01-hello.s2c.bin")).unwrap();
        let add = side.next();
        side.say(Kind::Status, add.sequence, 0, vec![Attribute::Status(status::PERMISSION_DENIED)]);
    }
    let (mut side, _) = Side::accept(&listener);
    assert_eq!(side.invoke("bans", &[]).0, status::OK);
    assert_eq!(
        casa.log().matches("ubus refuses the object truca with status 6").count(),
        1,
        "{}",
        casa.log()
    );
}

/// The one other ubus client in Rust: what it writes is what we write, and what we say it reads.
#[test]
fn a_client_that_is_not_ours_speaks_the_same() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let path = folder.socket().to_str().unwrap().to_owned();
    let other = std::thread::spawn(move || {
        let mut client = ubus_rs::UbusClient::connect(&path).unwrap();
        let object = client.add_object("truca").unwrap();
        let fill = |data: &mut ubus_rs::BlobBuf| {
            data.blobmsg_add_string("why", "test");
            data.blobmsg_add_u32("count", 1);
        };
        client.notify(object, "changed", fill).unwrap();
        object
    });
    let (mut side, methods) = Side::accept(&listener);
    assert!(methods.is_empty());
    let notify = side.next();
    let data = [("why".to_owned(), Blob::Text("test".into())), ("count".to_owned(), Blob::Int32(1))];
    assert_eq!(
        (notify.kind, notify.method(), notify.object()),
        (Kind::Notify, Some("changed"), Some(OBJECT))
    );
    assert_eq!(blobmsg::read(notify.data()).unwrap(), data);
    assert_eq!(other.join().unwrap(), OBJECT);
}
