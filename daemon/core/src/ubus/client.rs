//! A client of `ubusd`, without the socket: it keeps one object on the bus, serves its invocations, sends
//! and hears events, and invokes others.
//!
//! The driver opens a connection when [`Output::Connect`] says so and reports what became of it by
//! [`Client::connected`] and [`Client::disconnected`]. Without a bus the client asks again after a pause that
//! doubles up to [`RETRY`]'s end, and keeps nothing: events are dropped and calls fail at once.
//!
//! Order on the wire, as `libubus` has it: `ubusd` says hello; `ADD_OBJECT` is answered with the object's id
//! and a status; then invocations come. An answer is `DATA` and `STATUS`, with sequence and peer of the
//! invocation. To invoke another object its path is looked up first.

use std::collections::VecDeque;
use std::time::Duration;

use super::blobmsg::{self, Table, Value};
use super::message::{Attribute, EVENT_OBJECT, Kind, Message};
use super::{Malformed, status};
use crate::Time;
use crate::sorted::Map;

/// First and longest pause before the bus is tried again.
pub const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// How long `ubusd` may take to say hello or to take the object; it answers in microseconds.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Most invocations that wait for their answer.
pub const MAX_INVOCATIONS: usize = 64;
/// Most calls of ours that wait for theirs.
pub const MAX_CALLS: usize = 16;

/// An object that is put on the bus.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its name. Empty: it has none, and is there to hear events.
    pub path: String,
    /// Its methods, each a table of its arguments: name → type ([`blobmsg::kind`]).
    pub signature: Table,
}

/// Names an invocation until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvocationId(u32);

/// Names a call of ours until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallId(u32);

/// Somebody invokes a method of the object.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// For [`Client::reply`].
    pub id: InvocationId,
    /// Which method.
    pub method: String,
    /// With what.
    pub arguments: Table,
}

/// What the client wants done, or has to tell.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Open a connection.
    Connect,
    /// Close the connection: what comes over it makes no sense, or nothing comes. It counts as disconnected.
    Close,
    /// Send this.
    Send(Vec<u8>),
    /// The object is on the bus, or, without one, the bus is there.
    Registered,
    /// The bus does not take the object, for this reason ([`status`]). It is tried again.
    Refused(u32),
    /// Answer this.
    Invoked(Invocation),
    /// What became of a call: its data, or why there is none.
    Answered(CallId, Result<Table, u32>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// No connection; [`Output::Connect`] at this time.
    Away(Time),
    /// The driver is connecting.
    Connecting,
    /// Connected; hello must come until then.
    Greeting(Time),
    /// `ADD_OBJECT` is on its way with this sequence; its id, once it is known.
    Registering { until: Time, sequence: u16, object: Option<u32> },
    /// The object is on the bus under this id; 0 without one.
    Serving(u32),
}

/// Somebody who waits for an answer of ours.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    sequence: u16,
    peer: u32,
    object: u32,
    no_reply: bool,
}

/// A call of ours that waits for its answer.
#[derive(Debug)]
struct Calling {
    id: CallId,
    until: Time,
    /// What to invoke when the path is found; nothing once it is invoked.
    then: Option<(String, Vec<u8>)>,
    object: Option<u32>,
    data: Option<Table>,
}

/// The client.
#[derive(Debug)]
pub struct Client {
    object: Option<Object>,
    state: State,
    failures: u32,
    received: Vec<u8>,
    sequence: u16,
    last_id: u32,
    waiting: Map<InvocationId, Waiting>,
    calling: Map<u16, Calling>,
    outputs: VecDeque<Output>,
}

impl Client {
    /// A client that wants a connection at once, with an object or without.
    pub fn new(now: Time, object: Option<Object>) -> Self {
        Self {
            object,
            state: State::Away(now),
            failures: 0,
            received: Vec::new(),
            sequence: 0,
            last_id: 0,
            waiting: Map::new(),
            calling: Map::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Whether the object is on the bus.
    pub fn serving(&self) -> bool {
        matches!(self.state, State::Serving(_))
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        let own = match self.state {
            State::Away(at) | State::Greeting(at) | State::Registering { until: at, .. } => Some(at),
            State::Connecting | State::Serving(_) => None,
        };
        self.calling.values().map(|call| call.until).chain(own).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::Away(at) if at <= now => {
                self.state = State::Connecting;
                self.outputs.push_back(Output::Connect);
            }
            State::Greeting(at) | State::Registering { until: at, .. } if at <= now => self.give_up(now),
            _ => {}
        }
        let late: Vec<u16> = self
            .calling
            .iter()
            .filter(|(_, call)| call.until <= now)
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in late {
            self.answered(sequence, Err(status::TIMEOUT));
        }
    }

    /// The connection is open.
    pub fn connected(&mut self, now: Time) {
        self.received = Vec::new();
        self.state = State::Greeting(now + PATIENCE);
    }

    /// The connection could not be opened, or is gone.
    pub fn disconnected(&mut self, now: Time) {
        if matches!(self.state, State::Away(_)) {
            return;
        }
        // what was received and not read is of no use any more, and neither is its memory
        self.received = Vec::new();
        self.waiting.clear();
        let pause = (RETRY.0 * (1 << self.failures.min(6))).min(RETRY.1);
        self.failures = self.failures.saturating_add(1);
        self.state = State::Away(now + pause);
        while let Some((&sequence, _)) = self.calling.first_key_value() {
            self.answered(sequence, Err(status::CONNECTION_FAILED));
        }
    }

    fn give_up(&mut self, now: Time) {
        self.outputs.push_back(Output::Close);
        self.disconnected(now);
    }

    /// Bytes came.
    pub fn handle_bytes(&mut self, now: Time, bytes: &[u8]) {
        self.received.extend_from_slice(bytes);
        let mut read = 0;
        loop {
            match Message::decode(&self.received[read..]) {
                Ok(Some((message, length))) => {
                    read += length;
                    if self.handle(now, &message).is_err() {
                        return self.give_up(now);
                    }
                    if matches!(self.state, State::Away(_)) {
                        return;
                    }
                }
                Ok(None) => break,
                Err(Malformed) => return self.give_up(now),
            }
        }
        self.received.drain(..read);
        if self.received.is_empty() {
            self.received = Vec::new();
        }
    }

    fn handle(&mut self, now: Time, message: &Message) -> Result<(), Malformed> {
        match (self.state, message.kind) {
            (State::Greeting(_), Kind::Hello) => self.greeted(now),
            (State::Greeting(_), _) => return Err(Malformed),
            (State::Registering { until, sequence, .. }, Kind::Data) if message.sequence == sequence => {
                self.state = State::Registering { until, sequence, object: message.object() };
            }
            (State::Registering { sequence, object, .. }, Kind::Status) if message.sequence == sequence => {
                match (message.status(), object) {
                    (status::OK, Some(object)) => self.serve(object),
                    (status::OK, None) => return Err(Malformed),
                    (status, _) => {
                        self.outputs.push_back(Output::Refused(status));
                        self.give_up(now);
                    }
                }
            }
            (State::Serving(object), Kind::Invoke) => self.invoked(object, message),
            (State::Serving(_), Kind::Data | Kind::Status) => self.on_answer(now, message),
            // subscribers come and go; a newer bus may say more
            _ => {}
        }
        Ok(())
    }

    fn greeted(&mut self, now: Time) {
        let Some(object) = &self.object else { return self.serve(0) };
        let mut attributes = Vec::new();
        if !object.path.is_empty() {
            let mut signature = Vec::new();
            blobmsg::write(&mut signature, &object.signature);
            attributes = vec![Attribute::Path(object.path.clone()), Attribute::Signature(signature)];
        }
        let sequence = self.next_sequence();
        self.state = State::Registering { until: now + PATIENCE, sequence, object: None };
        self.send(Kind::AddObject, sequence, 0, attributes);
    }

    fn serve(&mut self, object: u32) {
        self.state = State::Serving(object);
        self.failures = 0;
        self.outputs.push_back(Output::Registered);
    }

    fn invoked(&mut self, object: u32, message: &Message) {
        let no_reply = message.no_reply();
        let waiting = Waiting { sequence: message.sequence, peer: message.peer, object, no_reply };
        let refused = if message.object() != Some(object) {
            Some(status::NOT_FOUND)
        } else if self.waiting.len() >= MAX_INVOCATIONS {
            Some(status::NO_MEMORY)
        } else {
            None
        };
        let arguments = blobmsg::read(message.data()).map_err(|_| status::INVALID_ARGUMENT);
        let read = refused.map_or(arguments, Err).and_then(|arguments| {
            let method = message.method().ok_or(status::METHOD_NOT_FOUND)?;
            Ok((method.to_owned(), arguments))
        });
        match read {
            Ok((method, arguments)) => {
                let id = InvocationId(self.next_id());
                self.waiting.insert(id, waiting);
                self.outputs.push_back(Output::Invoked(Invocation { id, method, arguments }));
            }
            Err(status) => self.send_status(waiting, status),
        }
    }

    /// Answers an invocation: with data (blobmsg; empty for none), or with why it was not done. Of one that is
    /// not waited for any more nothing is sent.
    pub fn reply(&mut self, id: InvocationId, answer: Result<Vec<u8>, u32>) {
        let Some(waiting) = self.waiting.remove(&id) else { return };
        let status = match answer {
            Ok(data) if waiting.no_reply || data.is_empty() => status::OK,
            Ok(data) => {
                let attributes = vec![Attribute::Object(waiting.object), Attribute::Data(data)];
                let sent = self.send(Kind::Data, waiting.sequence, waiting.peer, attributes);
                if sent { status::OK } else { status::NO_MEMORY }
            }
            Err(status) => status,
        };
        self.send_status(waiting, status);
    }

    fn send_status(&mut self, waiting: Waiting, status: u32) {
        if !waiting.no_reply {
            let attributes = vec![Attribute::Status(status), Attribute::Object(waiting.object)];
            self.send(Kind::Status, waiting.sequence, waiting.peer, attributes);
        }
    }

    /// Tells whoever listens, with data (blobmsg). Without a bus it is dropped.
    pub fn event(&mut self, name: &str, data: &[u8]) {
        if !self.serving() {
            return;
        }
        let mut bytes = Vec::new();
        blobmsg::write(&mut bytes, &[("id".into(), Value::Text(name.into()))]);
        blobmsg::write_table(&mut bytes, "data", data);
        let sequence = self.next_sequence();
        self.send_invoke(sequence, EVENT_OBJECT, "send", bytes);
    }

    /// Wants the events of a pattern (`name` or `prefix*`): they come as [`Output::Invoked`] with the event's
    /// name as method, while this connection lasts.
    pub fn listen(&mut self, pattern: &str) {
        let State::Serving(object) = self.state else { return };
        let arguments =
            [("object".into(), Value::Int32(object as i32)), ("pattern".into(), Value::Text(pattern.into()))];
        let mut bytes = Vec::new();
        blobmsg::write(&mut bytes, &arguments);
        let sequence = self.next_sequence();
        self.send_invoke(sequence, EVENT_OBJECT, "register", bytes);
    }

    /// Invokes a method of another object; [`Output::Answered`] says what became of it.
    pub fn invoke(&mut self, now: Time, path: &str, method: &str, arguments: &Table) -> CallId {
        let id = CallId(self.next_id());
        let refused = match self.state {
            State::Serving(_) if self.calling.len() < MAX_CALLS => None,
            State::Serving(_) => Some(status::NO_MEMORY),
            _ => Some(status::CONNECTION_FAILED),
        };
        if let Some(status) = refused {
            self.outputs.push_back(Output::Answered(id, Err(status)));
            return id;
        }
        let mut data = Vec::new();
        blobmsg::write(&mut data, arguments);
        let sequence = self.next_sequence();
        let then = Some((method.to_owned(), data));
        let call = Calling { id, until: now + PATIENCE, then, object: None, data: None };
        self.calling.insert(sequence, call);
        self.send(Kind::Lookup, sequence, 0, vec![Attribute::Path(path.to_owned())]);
        id
    }

    fn on_answer(&mut self, now: Time, message: &Message) {
        let Some(call) = self.calling.get_mut(&message.sequence) else { return };
        let looked_up = call.then.is_none();
        match message.kind {
            Kind::Data if looked_up => match blobmsg::read(message.data()) {
                Ok(data) => call.data = Some(data),
                Err(Malformed) => self.answered(message.sequence, Err(status::PARSE_ERROR)),
            },
            Kind::Data => call.object = message.object(),
            _ => match (message.status(), call.object, call.then.take()) {
                (status::OK, Some(object), Some((method, data))) => {
                    call.until = now + PATIENCE;
                    let Some(call) = self.calling.remove(&message.sequence) else { return };
                    let sequence = self.next_sequence();
                    self.calling.insert(sequence, call);
                    self.send_invoke(sequence, object, &method, data);
                }
                (status::OK, None, Some(_)) => self.answered(message.sequence, Err(status::NOT_FOUND)),
                (status::OK, _, None) => {
                    let data = call.data.take().unwrap_or_default();
                    self.answered(message.sequence, Ok(data));
                }
                (status, ..) => self.answered(message.sequence, Err(status)),
            },
        }
    }

    fn answered(&mut self, sequence: u16, answer: Result<Table, u32>) {
        if let Some(call) = self.calling.remove(&sequence) {
            self.outputs.push_back(Output::Answered(call.id, answer));
        }
    }

    fn send_invoke(&mut self, sequence: u16, object: u32, method: &str, data: Vec<u8>) {
        let attributes =
            vec![Attribute::Object(object), Attribute::Method(method.into()), Attribute::Data(data)];
        if !self.send(Kind::Invoke, sequence, object, attributes) {
            self.answered(sequence, Err(status::NO_MEMORY));
        }
    }

    /// Whether it fits the bus.
    fn send(&mut self, kind: Kind, sequence: u16, peer: u32, attributes: Vec<Attribute>) -> bool {
        let encoded = Message { kind, sequence, peer, attributes }.encode();
        encoded.map(|bytes| self.outputs.push_back(Output::Send(bytes))).is_some()
    }

    /// Not zero, and not one that waits for an answer.
    fn next_sequence(&mut self) -> u16 {
        loop {
            self.sequence = self.sequence.wrapping_add(1);
            if self.sequence != 0 && !self.calling.contains_key(&self.sequence) {
                return self.sequence;
            }
        }
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }
}
