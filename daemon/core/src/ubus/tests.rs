//! The recorded exchanges, both ways: what we read is what was decoded, what we write is what libubus wrote.

use std::time::Duration;

use serde_json::Value as Json;

use super::blobmsg::{Table, Value, kind};
use super::client::{Client, Object, Output, PATIENCE, RETRY};
use super::message::{Attribute, Kind, Message};
use super::{MAX_MESSAGE, blob, blobmsg, status};
use crate::Time;

mod hostile;

/// Names of the recorded exchanges.
const EXCHANGES: [&str; 20] = [
    "01-hello",
    "02-lookup-all",
    "03-lookup-one",
    "04-add-object-and-serve",
    "05-invoke-reply",
    "05b-invoke-cli",
    "06-invoke-missing-object-lookup",
    "07-invoke-missing-object-id",
    "08-invoke-missing-method",
    "09-invoke-invalid-argument",
    "09b-invoke-permission-denied",
    "10-add-object-duplicate-path",
    "10b-lookup-wildcard",
    "11-notify-owner",
    "12-subscriber",
    "13-poke",
    "14-event-listen",
    "15-event-send",
    "16-monitor",
    "17-invoke-via-uhttpd",
];

fn file(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/ubus/");
    std::fs::read(format!("{folder}{name}")).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// One recorded frame.
struct Frame {
    to_bus: bool,
    bytes: Vec<u8>,
    decoded: Json,
}

fn frames(exchange: &str) -> Vec<Frame> {
    let recorded: Json = serde_json::from_slice(&file(&format!("{exchange}.frames.json"))).unwrap();
    let frames = recorded["frames"].as_array().unwrap();
    let frame = |frame: &Json| Frame {
        to_bus: frame["dir"] == "c2s",
        bytes: data_encoding::HEXLOWER.decode(frame["hex"].as_str().unwrap().as_bytes()).unwrap(),
        decoded: frame.clone(),
    };
    frames.iter().map(frame).collect()
}

fn decode(bytes: &[u8]) -> Message {
    let (message, length) = Message::decode(bytes).unwrap().unwrap();
    assert_eq!(length, bytes.len());
    message
}

#[test]
fn every_recorded_frame_is_read_and_written_back_byte_for_byte() {
    let mut count = 0;
    for exchange in EXCHANGES {
        for frame in frames(exchange) {
            assert_eq!(decode(&frame.bytes).encode().unwrap(), frame.bytes, "{exchange}");
            count += 1;
        }
    }
    assert_eq!(count, 137);
}

/// A value as the recording shows it.
fn same(recorded: &Json, name: &str, value: &Value) {
    assert_eq!(recorded["name"], name);
    let (kind, shown): (&str, Json) = match value {
        Value::Unspec => ("unspec", Json::Null),
        Value::Text(text) => ("string", text.as_str().into()),
        Value::Int64(number) => ("int64", (*number).into()),
        Value::Int32(number) => ("int32", (*number).into()),
        Value::Int16(number) => ("int16", (*number).into()),
        Value::Int8(number) => ("bool/int8", (*number).into()),
        Value::Double(number) => ("double", (*number).into()),
        Value::Array(items) => {
            let recorded = recorded["value"].as_array().unwrap();
            assert_eq!(recorded.len(), items.len());
            recorded.iter().zip(items).for_each(|(recorded, item)| same(recorded, "", item));
            return;
        }
        Value::Table(table) => return same_table(&recorded["value"], table),
    };
    assert_eq!((&recorded["type"], &recorded["value"]), (&kind.into(), &shown), "{recorded}");
}

fn same_table(recorded: &Json, table: &Table) {
    let recorded = recorded.as_array().unwrap();
    assert_eq!(recorded.len(), table.len());
    recorded.iter().zip(table).for_each(|(recorded, (name, value))| same(recorded, name, value));
}

#[test]
fn what_is_read_is_what_was_recorded() {
    let mut tables = 0;
    for exchange in EXCHANGES {
        for frame in frames(exchange) {
            let (message, recorded) = (decode(&frame.bytes), &frame.decoded);
            assert_eq!(recorded["type"], message.kind as u8);
            assert_eq!(recorded["seq"], message.sequence);
            assert_eq!(recorded["peer"], format!("{:#010x}", message.peer));
            let attributes = recorded["attrs"].as_array().unwrap();
            assert_eq!(attributes.len(), message.attributes.len(), "{exchange}");
            for (recorded, attribute) in attributes.iter().zip(&message.attributes) {
                let id = |number: &u32| Json::from(format!("{number:#010x}"));
                let (name, shown) = match attribute {
                    Attribute::Status(number) => ("STATUS", id(number)),
                    Attribute::Path(text) => ("OBJPATH", text.as_str().into()),
                    Attribute::Object(number) => ("OBJID", id(number)),
                    Attribute::Method(text) => ("METHOD", text.as_str().into()),
                    Attribute::Type(number) => ("OBJTYPE", id(number)),
                    Attribute::Target(number) => ("TARGET", id(number)),
                    Attribute::Active(flag) => ("ACTIVE", u8::from(*flag).into()),
                    Attribute::NoReply(flag) => ("NO_REPLY", u8::from(*flag).into()),
                    Attribute::User(text) => ("USER", text.as_str().into()),
                    Attribute::Group(text) => ("GROUP", text.as_str().into()),
                    // what the monitor is told to do is no blobmsg
                    Attribute::Data(_) if exchange == "16-monitor" => continue,
                    Attribute::Signature(bytes) | Attribute::Data(bytes) => {
                        same_table(&recorded["value"], &blobmsg::read(bytes).unwrap());
                        tables += 1;
                        continue;
                    }
                    Attribute::Other(..) => {
                        assert_eq!(message.kind, Kind::Monitor);
                        continue;
                    }
                };
                assert_eq!((&recorded["attr"], &recorded["value"]), (&name.into(), &shown), "{exchange}");
            }
        }
    }
    assert!(tables > 30, "{tables} tables");
}

#[test]
fn a_stream_cut_anywhere_gives_the_same_messages() {
    for exchange in EXCHANGES {
        for (direction, to_bus) in [("c2s", true), ("s2c", false)] {
            let stream = file(&format!("{exchange}.{direction}.bin"));
            let recorded: Vec<Vec<u8>> =
                frames(exchange).into_iter().filter(|f| f.to_bus == to_bus).map(|f| f.bytes).collect();
            for step in [1, 7, 64] {
                let (mut held, mut found) = (Vec::new(), Vec::new());
                for piece in stream.chunks(step) {
                    held.extend_from_slice(piece);
                    while let Some((message, length)) = Message::decode(&held).unwrap() {
                        found.push(message.encode().unwrap());
                        held.drain(..length);
                    }
                }
                assert!(held.is_empty());
                assert_eq!(found, recorded, "{exchange}");
            }
        }
    }
}

// The client against the recordings

fn table(entries: &[(&str, Value)]) -> Table {
    entries.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// The object of the recordings.
fn recorded_object() -> Object {
    let echo = [
        ("s", kind::STRING),
        ("n", kind::INT32),
        ("b", kind::INT8),
        ("list", kind::ARRAY),
        ("table", kind::TABLE),
    ];
    let echo = echo.iter().map(|(name, kind)| (*name, Value::Int32(i32::from(*kind)))).collect::<Vec<_>>();
    let signature = table(&[("echo", Value::Table(table(&echo))), ("fail", Value::Table(Vec::new()))]);
    Object { path: "h2.test".into(), signature }
}

/// What the recorded owner does with an invocation.
fn recorded_owner(method: &str, mut arguments: Table) -> Result<Vec<u8>, u32> {
    match method {
        "echo" if arguments.is_empty() => Err(status::INVALID_ARGUMENT),
        "echo" => {
            arguments.extend(table(&[
                ("i64", Value::Int64(0x1122_3344_5566_7788)),
                ("i16", Value::Int16(0x201)),
                ("dbl", Value::Double(1.5)),
            ]));
            let mut bytes = Vec::new();
            blobmsg::write(&mut bytes, &arguments);
            Ok(bytes)
        }
        "fail" => Err(status::PERMISSION_DENIED),
        "h2.event" => Ok(Vec::new()),
        _ => Err(status::METHOD_NOT_FOUND),
    }
}

/// Plays a recording's bus against a client, and holds every byte that it sends against the recorded ones.
struct Replay {
    client: Client,
    bus: Vec<Vec<u8>>,
    expected: Vec<Vec<u8>>,
    told: Vec<Output>,
}

impl Replay {
    fn new(exchange: &str, object: Option<Object>) -> Self {
        let mut client = Client::new(Time::ZERO, object);
        client.handle_timeout(Time::ZERO);
        assert_eq!(client.poll_output(), Some(Output::Connect));
        client.connected(Time::ZERO);
        let (mut bus, mut expected) = (Vec::new(), Vec::new());
        for frame in frames(exchange).into_iter().rev() {
            // our object lives as long as the connection
            if !frame.to_bus {
                bus.push(frame.bytes);
            } else if decode(&frame.bytes).kind != Kind::RemoveObject {
                expected.push(frame.bytes);
            }
        }
        Self { client, bus, expected, told: Vec::new() }
    }

    /// The bus says its next frame; the client says what it has to, which must be what was recorded.
    fn step(&mut self) -> bool {
        let Some(frame) = self.bus.pop() else { return false };
        self.client.handle_bytes(Time::ZERO, &frame);
        self.settle();
        true
    }

    fn settle(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Send(bytes) => {
                    let expected = self.expected.pop().expect("nothing more was sent");
                    assert_eq!(decode(&bytes), decode(&expected));
                    assert_eq!(bytes, expected);
                }
                Output::Invoked(invocation) => {
                    self.told.push(Output::Invoked(invocation.clone()));
                    let answer = recorded_owner(&invocation.method, invocation.arguments);
                    self.client.reply(invocation.id, answer);
                }
                output => self.told.push(output),
            }
        }
    }

    fn run(&mut self) {
        while self.step() {}
        assert!(self.expected.is_empty(), "more was recorded");
    }
}

#[test]
fn an_object_is_put_on_the_bus_and_served_as_libubus_does() {
    for exchange in ["04-add-object-and-serve", "17-invoke-via-uhttpd"] {
        let mut replay = Replay::new(exchange, Some(recorded_object()));
        replay.run();
        assert_eq!(replay.told[0], Output::Registered);
        assert!(replay.client.serving());
    }
}

#[test]
fn a_call_that_comes_from_luci_has_one_argument_more() {
    let mut replay = Replay::new("17-invoke-via-uhttpd", Some(recorded_object()));
    replay.run();
    let Output::Invoked(invocation) = &replay.told[1] else { panic!("{:?}", replay.told) };
    let names: Vec<&str> = invocation.arguments.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((invocation.method.as_str(), names), ("echo", vec!["s", "n", "ubus_rpc_session"]));
}

#[test]
fn a_path_that_is_taken_is_refused_and_tried_again() {
    let mut replay = Replay::new("10-add-object-duplicate-path", Some(recorded_object()));
    replay.run();
    assert_eq!(replay.told, [Output::Refused(status::INVALID_ARGUMENT), Output::Close]);
    assert_eq!(replay.client.poll_timeout(), Some(RETRY.0));
}

/// The arguments in the recorded invocation of `echo`.
fn recorded_arguments(exchange: &str) -> Table {
    let invoke = frames(exchange).into_iter().find(|frame| frame.decoded["type_name"] == "INVOKE").unwrap();
    blobmsg::read(decode(&invoke.bytes).data()).unwrap()
}

#[test]
fn another_object_is_invoked_as_libubus_does() {
    for (exchange, method, outcome) in [
        ("05-invoke-reply", "echo", None),
        ("05b-invoke-cli", "echo", None),
        ("08-invoke-missing-method", "nosuch", Some(status::METHOD_NOT_FOUND)),
        ("09-invoke-invalid-argument", "echo", Some(status::INVALID_ARGUMENT)),
        ("09b-invoke-permission-denied", "fail", Some(status::PERMISSION_DENIED)),
    ] {
        let mut replay = Replay::new(exchange, None);
        replay.step();
        let call = replay.client.invoke(Time::ZERO, "h2.test", method, &recorded_arguments(exchange));
        replay.settle();
        replay.run();
        assert_eq!(replay.told[0], Output::Registered);
        match (&replay.told[1], outcome) {
            (Output::Answered(answered, Ok(data)), None) => {
                assert_eq!(*answered, call);
                assert_eq!(data.last(), Some(&("dbl".to_owned(), Value::Double(1.5))));
            }
            (answered, Some(status)) => assert_eq!(*answered, Output::Answered(call, Err(status))),
            (other, None) => panic!("{other:?}"),
        }
        assert_eq!(replay.client.poll_timeout(), None, "nothing waits any more");
    }
}

#[test]
fn an_object_that_is_not_there_is_status_4() {
    let mut replay = Replay::new("06-invoke-missing-object-lookup", None);
    replay.step();
    let call = replay.client.invoke(Time::ZERO, "no.such.object", "echo", &Table::new());
    replay.settle();
    replay.run();
    assert_eq!(replay.told[1], Output::Answered(call, Err(status::NOT_FOUND)));
}

#[test]
fn an_event_is_sent_as_the_command_line_sends_it() {
    let mut replay = Replay::new("15-event-send", None);
    replay.step();
    let arguments = recorded_arguments("15-event-send");
    let Value::Table(data) = &arguments[1].1 else { panic!("{arguments:?}") };
    let mut bytes = Vec::new();
    blobmsg::write(&mut bytes, data);
    replay.client.event("h2.event", &bytes);
    replay.settle();
    replay.run();
}

#[test]
fn an_event_is_heard() {
    let listener = Object { path: String::new(), signature: Table::new() };
    let mut replay = Replay::new("14-event-listen", Some(listener));
    for _ in 0..3 {
        replay.step();
    }
    assert_eq!(replay.told, [Output::Registered]);
    replay.client.listen("h2.*");
    replay.settle();
    replay.run();
    let Output::Invoked(event) = &replay.told[1] else { panic!("{:?}", replay.told) };
    assert_eq!(event.method, "h2.event");
    assert_eq!(event.arguments[0].0, "key");
}

// Time

fn outputs(client: &mut Client) -> Vec<Output> {
    std::iter::from_fn(|| client.poll_output()).collect()
}

/// The one thing that the client has to say.
fn only(client: &mut Client) -> Output {
    let mut all = outputs(client);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn without_a_bus_it_asks_again_after_longer_and_longer_and_keeps_nothing() {
    let mut client = Client::new(Time::ZERO, Some(recorded_object()));
    let (mut now, mut pauses) = (Time::ZERO, Vec::new());
    for _ in 0..9 {
        client.handle_timeout(now);
        assert_eq!(outputs(&mut client), [Output::Connect]);
        client.event("truca.member", b"");
        client.disconnected(now);
        let due = client.poll_timeout().unwrap();
        client.handle_timeout(due - Duration::from_millis(1));
        assert_eq!(outputs(&mut client), []);
        pauses.push((due - now).as_secs());
        now = due;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    let call = client.invoke(now, "umdns", "browse", &Table::new());
    assert_eq!(outputs(&mut client), [Output::Answered(call, Err(status::CONNECTION_FAILED))]);
}

#[test]
fn a_bus_that_restarts_has_the_object_again_after_a_second() {
    let mut replay = Replay::new("04-add-object-and-serve", Some(recorded_object()));
    for _ in 0..3 {
        replay.step();
    }
    let client = &mut replay.client;
    let call = client.invoke(Time::ZERO, "umdns", "browse", &Table::new());
    client.disconnected(Time::ZERO);
    assert!(outputs(client).contains(&Output::Answered(call, Err(status::CONNECTION_FAILED))));
    assert_eq!(client.poll_timeout(), Some(RETRY.0));
    client.handle_timeout(RETRY.0);
    assert_eq!(outputs(client), [Output::Connect]);
    client.connected(RETRY.0);
    client.handle_bytes(RETRY.0, &file("01-hello.s2c.bin"));
    let Output::Send(bytes) = only(client) else { panic!() };
    assert_eq!(decode(&bytes).kind, Kind::AddObject);
}

#[test]
fn a_bus_that_says_nothing_is_given_up() {
    let mut client = Client::new(Time::ZERO, Some(recorded_object()));
    client.handle_timeout(Time::ZERO);
    client.connected(Time::ZERO);
    outputs(&mut client);
    client.handle_timeout(PATIENCE);
    assert_eq!(outputs(&mut client), [Output::Close]);
    assert_eq!(client.poll_timeout(), Some(PATIENCE + RETRY.0));
}

#[test]
fn a_call_that_nobody_answers_ends() {
    let mut replay = Replay::new("05-invoke-reply", None);
    replay.step();
    let call = replay.client.invoke(Time::ZERO, "h2.test", "echo", &Table::new());
    replay.client.handle_timeout(PATIENCE);
    assert!(outputs(&mut replay.client).contains(&Output::Answered(call, Err(status::TIMEOUT))));
    assert_eq!(replay.client.poll_timeout(), None);
}
