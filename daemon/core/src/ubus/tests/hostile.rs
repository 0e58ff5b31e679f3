//! Bytes that nobody should send, and values of every kind.

use proptest::prelude::*;

use super::*;
use crate::ubus::Malformed;
use crate::ubus::client::{InvocationId, MAX_INVOCATIONS};

/// A client whose object is on the bus, and the frames of the bus that come after that.
fn serving() -> Replay {
    let mut replay = Replay::new("04-add-object-and-serve", Some(recorded_object()));
    for _ in 0..3 {
        replay.step();
    }
    replay
}

fn invocation(method: &str, data: Vec<u8>) -> Vec<u8> {
    let attributes =
        vec![Attribute::Object(0x02e4_3a95), Attribute::Method(method.into()), Attribute::Data(data)];
    Message { kind: Kind::Invoke, sequence: 9, peer: 7, attributes }.encode().unwrap()
}

/// The only message that the client sends, as its kind and status.
fn sent_status(client: &mut Client) -> u32 {
    let Output::Send(bytes) = only(client) else { panic!() };
    let message = decode(&bytes);
    assert_eq!((message.kind, message.sequence, message.peer), (Kind::Status, 9, 7));
    message.status()
}

#[test]
fn arguments_that_cannot_be_read_are_status_2_and_the_connection_stays() {
    let client = &mut serving().client;
    for data in [vec![1, 2, 3], vec![0x83, 0, 0, 9, 0, 1, b's', 0, b'x'], vec![0xff, 0, 0, 4]] {
        client.handle_bytes(Time::ZERO, &invocation("echo", data));
        assert_eq!(sent_status(client), status::INVALID_ARGUMENT);
    }
    assert!(client.serving());
}

#[test]
fn an_object_that_is_not_ours_is_status_4() {
    let client = &mut serving().client;
    let attributes = vec![Attribute::Object(1234), Attribute::Method("echo".into())];
    let message = Message { kind: Kind::Invoke, sequence: 9, peer: 7, attributes };
    client.handle_bytes(Time::ZERO, &message.encode().unwrap());
    assert_eq!(sent_status(client), status::NOT_FOUND);
}

#[test]
fn who_does_not_wait_for_an_answer_gets_none() {
    let client = &mut serving().client;
    let attributes =
        vec![Attribute::NoReply(true), Attribute::Object(0x02e4_3a95), Attribute::Method("changed".into())];
    let message = Message { kind: Kind::Invoke, sequence: 9, peer: 7, attributes };
    client.handle_bytes(Time::ZERO, &message.encode().unwrap());
    let Output::Invoked(invocation) = only(client) else { panic!() };
    client.reply(invocation.id, Ok(vec![0x85, 0, 0, 12, 0, 1, b'n', 0, 0, 0, 0, 1]));
    assert_eq!(outputs(client), []);
}

#[test]
fn only_so_many_invocations_wait_and_an_answer_counts_once() {
    let client = &mut serving().client;
    let mut ids: Vec<InvocationId> = Vec::new();
    for _ in 0..MAX_INVOCATIONS {
        client.handle_bytes(Time::ZERO, &invocation("echo", Vec::new()));
        let Output::Invoked(invocation) = only(client) else { panic!() };
        ids.push(invocation.id);
    }
    client.handle_bytes(Time::ZERO, &invocation("echo", Vec::new()));
    assert_eq!(sent_status(client), status::NO_MEMORY);
    for id in &ids {
        client.reply(*id, Err(status::NOT_FOUND));
        assert_eq!(sent_status(client), status::NOT_FOUND);
        client.reply(*id, Err(status::NOT_FOUND));
        assert_eq!(outputs(client), []);
    }
}

#[test]
fn an_answer_over_the_bus_limit_is_said_to_be_too_large() {
    let client = &mut serving().client;
    client.handle_bytes(Time::ZERO, &invocation("echo", Vec::new()));
    let Output::Invoked(invocation) = only(client) else { panic!() };
    let mut data = Vec::new();
    blobmsg::write(&mut data, &table(&[("s", Value::Text("x".repeat(MAX_MESSAGE)))]));
    client.reply(invocation.id, Ok(data));
    assert_eq!(sent_status(client), status::NO_MEMORY);
}

#[test]
fn what_is_no_message_ends_the_connection() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        // of a version, a type and lengths that there are not
        &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4],
        &[0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff],
        &[0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 4],
    ] {
        let client = &mut serving().client;
        client.handle_bytes(Time::ZERO, bytes);
        assert_eq!(outputs(client), [Output::Close], "{bytes:?}");
        assert!(!client.serving());
    }
}

#[test]
fn values_nest_only_so_deep_and_are_only_so_many() {
    let nest = |depth: usize| {
        let mut bytes = Vec::new();
        for _ in 0..depth {
            let mut outer = Vec::new();
            blobmsg::write_table(&mut outer, "t", &bytes);
            bytes = outer;
        }
        blobmsg::read(&bytes).map(drop)
    };
    assert_eq!(nest(blobmsg::MAX_DEPTH), Ok(()));
    assert_eq!(nest(blobmsg::MAX_DEPTH + 1), Err(Malformed));
    let flat = |count: usize| {
        let mut bytes = Vec::new();
        (0..count).for_each(|_| blob::put(&mut bytes, kind::INT8, &[1]));
        blobmsg::read(&bytes).map(|table| table.len())
    };
    assert_eq!(flat(blobmsg::MAX_VALUES), Ok(blobmsg::MAX_VALUES));
    assert_eq!(flat(blobmsg::MAX_VALUES + 1), Err(Malformed));
}

#[test]
fn a_text_that_is_not_utf_8_does_not_hide_the_others() {
    let mut bytes = Vec::new();
    blobmsg::write(&mut bytes, &table(&[("a", Value::Text("xyz".into())), ("b", Value::Int32(1))]));
    let at = bytes.iter().position(|byte| *byte == b'y').unwrap();
    bytes[at] = 0xff;
    let read = blobmsg::read(&bytes).unwrap();
    assert_eq!(read, table(&[("a", Value::Text("x\u{fffd}z".into())), ("b", Value::Int32(1))]));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Unspec),
        "[^\0]{0,20}".prop_map(Value::Text),
        any::<i64>().prop_map(Value::Int64),
        any::<i32>().prop_map(Value::Int32),
        any::<i16>().prop_map(Value::Int16),
        any::<i8>().prop_map(Value::Int8),
        (-1e300_f64..1e300).prop_map(Value::Double),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec(("[^\0]{0,9}", inner), 0..6).prop_map(Value::Table),
        ]
    })
}

proptest! {
    #[test]
    fn any_table_is_read_as_it_was_written(table in prop::collection::vec(("[^\0]{0,9}", any_value()), 0..8)) {
        let mut bytes = Vec::new();
        blobmsg::write(&mut bytes, &table);
        prop_assert_eq!(bytes.len() % 4, 0);
        prop_assert_eq!(&blobmsg::read(&bytes).unwrap(), &table);
        // as JSON it loses types, but neither members nor their order within a list
        let json = blobmsg::to_json(table);
        let mut bytes = Vec::new();
        blobmsg::write_json(&mut bytes, &json);
        prop_assert_eq!(blobmsg::to_json(blobmsg::read(&bytes).unwrap()), json);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(table) = blobmsg::read(&bytes) {
            let mut written = Vec::new();
            blobmsg::write(&mut written, &table);
            prop_assert_eq!(format!("{:?}", blobmsg::read(&written).unwrap()), format!("{table:?}"));
        }
    }
}
