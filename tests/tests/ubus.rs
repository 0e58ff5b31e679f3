//! `trucad` on the bus: against OpenWrt's own `ubusd` and `ubus` where they are on PATH, and everywhere against a
//! bus that says what `ubusd` was recorded to say (`tests/fixtures/ubus`).

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::Duration,
};

use serde_json::{Value, json};
use truca_core::ubus::{
    blobmsg::{self, Value as Blob},
    message::{Attribute, Kind, Message},
    status,
};
use truca_tests::bus::{Bus, Folder, Listener};
use truca_tests::daemon::{Daemon, Options};
use truca_tests::page;

fn daemon(socket: &Path) -> Daemon {
    let arguments = vec!["--ubus".into(), socket.into()];
    // nothing but its object: whoever plays the bus here expects one connection
    let config = "config discovery\n\toption umdns 0\n\toption shared_state 0\n".into();
    Daemon::start(Options { arguments, config, ..Options::default() }).unwrap()
}

// With OpenWrt's own programs

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

    /// The next event that the daemon sends, of this name.
    fn event(&mut self, name: &str) -> Value {
        loop {
            let message = self.next();
            assert_eq!((message.kind, message.method()), (Kind::Invoke, Some("send")), "{message:?}");
            let said = Value::Object(blobmsg::to_json(blobmsg::read(message.data()).unwrap()));
            self.say(Kind::Status, message.sequence, 1, vec![Attribute::Status(status::OK)]);
            if said["id"] == name {
                return said["data"].clone();
            }
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
    let folder = Folder::default();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let casa = daemon(&folder.socket());
    let (mut side, methods) = Side::accept(&listener);
    assert_eq!(methods.len(), 16, "{methods:?}");
    for method in ["members", "accounts", "links", "stun", "ice", "bans", "reports"] {
        assert_eq!(side.invoke(method, &[]), (status::OK, casa.ctl(method).unwrap()), "{method}");
    }
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

#[tokio::test]
async fn the_bus_is_told_of_members_and_calls() {
    let folder = Folder::default();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let casa = daemon(&folder.socket());
    let (mut side, _) = Side::accept(&listener);
    let options = Options { name: "torre".into(), peers: vec![casa.page()], ..Options::default() };
    let mut torre = Daemon::start(options).unwrap();
    let came = side.event("truca.member");
    assert_eq!((&came["name"], &came["state"], &came["alive"]), (&json!("torre"), &json!("up"), &json!(2)));
    let (mut caller, _callee, call) = page::talking(casa.page(), casa.page()).await.unwrap();
    assert!(side.event("truca.call")["calls"].as_u64().unwrap() > 0);
    caller.ask("hang_up", json!({"call": call, "reason": "hung_up"})).await.unwrap();
    while side.event("truca.call")["calls"] != 0 {}
    torre.stop().unwrap();
    assert_eq!(side.event("truca.member")["state"], "down");
}

#[test]
fn without_a_bus_the_daemon_is_as_it_is() {
    let folder = Folder::default();
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
    let folder = Folder::default();
    let listener = UnixListener::bind(folder.socket()).unwrap();
    let casa = daemon(&folder.socket());
    for _ in 0..2 {
        let (stream, _) = listener.accept().unwrap();
        let mut side = Side(stream, Vec::new());
        side.0.write_all(&recorded("01-hello.s2c.bin")).unwrap();
        let add = side.next();
        side.say(Kind::Status, add.sequence, 0, vec![Attribute::Status(status::INVALID_ARGUMENT)]);
    }
    let (mut side, _) = Side::accept(&listener);
    assert_eq!(side.invoke("bans", &[]).0, status::OK);
    assert_eq!(
        casa.log().matches("ubus refuses the object truca with status 2").count(),
        1,
        "{}",
        casa.log()
    );
}

/// The one other ubus client in Rust: what it writes is what we write, and what we say it reads.
#[test]
fn a_client_that_is_not_ours_speaks_the_same() {
    let folder = Folder::default();
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
