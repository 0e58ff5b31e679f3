//! ubus: the object `truca` with the methods of [`crate::node::admin`], and the events of
//! [`crate::node::news`].
//!
//! One task with one socket drives [`truca_core::ubus::client`], which decides everything: it connects again
//! when `ubusd` restarts, and without `ubusd` it costs one `stat` at every try, at most once a minute. An
//! invocation becomes an [`Event::Ask`], as a question of the control socket does; the node answers at once,
//! so one after the other is enough.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use truca_core::ubus::blobmsg::{self, Table, kind};
use truca_core::ubus::client::{Client, Invocation, Object, Output};
use truca_core::ubus::status;

use crate::event::Event;
use crate::node::admin::{Kind, METHODS, Refusal};
use crate::node::news::News;

/// Where `ubusd` listens: OpenWrt 21.02 and later, and before.
const SOCKETS: [&str; 2] = ["/var/run/ubus/ubus.sock", "/var/run/ubus.sock"];
/// Most events that wait to be sent; further ones are dropped.
const MAX_NEWS: usize = 64;
/// How long `ubusd` may take to read what it is sent; it never waits for anything.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes read at a time: an invocation has some hundred.
const CHUNK: usize = 2048;

/// The way to the bus.
#[derive(Debug, Clone)]
pub struct Bus(mpsc::Sender<News>);

impl Bus {
    /// Starts the task on the current thread's `LocalSet`. `socket` is where `ubusd` listens; `None`: where it
    /// does on OpenWrt.
    pub fn start(socket: Option<PathBuf>, events: mpsc::Sender<Event>) -> Self {
        let (sender, news) = mpsc::channel(MAX_NEWS);
        let sockets = match socket {
            Some(socket) => vec![socket],
            None => SOCKETS.iter().map(PathBuf::from).collect(),
        };
        let start = Instant::now();
        let client = Client::new(start.elapsed(), Some(object()));
        let driver = Driver { sockets, start, client, stream: None, news, events, complained: false };
        crate::task::spawn(driver.run());
        Self(sender)
    }

    /// Tells whoever listens. It never waits.
    pub fn tell(&self, news: News) {
        // full: nobody listens that fast
        let _ = self.0.try_send(news);
    }
}

/// The object as the table of methods describes it.
pub(crate) fn object() -> Object {
    let kind_of = |kind: Kind| {
        blobmsg::Value::Int32(i32::from(match kind {
            Kind::Text => kind::STRING,
            Kind::Number => kind::INT32,
            Kind::Flag => kind::INT8,
        }))
    };
    let arguments = |method: &crate::node::admin::Method| -> Table {
        method.arguments.iter().map(|argument| (argument.name.to_owned(), kind_of(argument.kind))).collect()
    };
    let methods = METHODS.iter().map(|m| (m.name.to_owned(), blobmsg::Value::Table(arguments(m))));
    Object { path: "truca".into(), signature: methods.collect() }
}

struct Driver {
    sockets: Vec<PathBuf>,
    start: Instant,
    client: Client,
    stream: Option<UnixStream>,
    news: mpsc::Receiver<News>,
    events: mpsc::Sender<Event>,
    /// Whether the log has it that the bus refuses us.
    complained: bool,
}

impl Driver {
    /// Runs until the daemon drops its [`Bus`].
    async fn run(mut self) {
        loop {
            self.client.handle_timeout(self.start.elapsed());
            self.carry_out().await;
            let due = self.client.poll_timeout().map(|at| self.start + at);
            let mut chunk = [0; CHUNK];
            tokio::select! {
                read = read(self.stream.as_ref(), &mut chunk) => match read {
                    Ok(length @ 1..) => self.client.handle_bytes(self.start.elapsed(), &chunk[..length]),
                    _ => self.lost(),
                },
                news = self.news.recv() => match news {
                    Some(news) => {
                        let (name, data) = news.event();
                        self.client.event(name, &encode(data));
                    }
                    None => return,
                },
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    async fn carry_out(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                Output::Connect => match connect(&self.sockets).await {
                    Ok(stream) => {
                        self.stream = Some(stream);
                        self.client.connected(self.start.elapsed());
                    }
                    Err(error) => {
                        if error.kind() != io::ErrorKind::NotFound {
                            log::debug!("ubus: {error}");
                        }
                        self.lost();
                    }
                },
                Output::Close => self.stream = None,
                Output::Send(bytes) => {
                    let Some(stream) = &mut self.stream else { continue };
                    if !matches!(timeout(PATIENCE, stream.write_all(&bytes)).await, Ok(Ok(()))) {
                        self.lost();
                    }
                }
                Output::Registered => {
                    self.complained = false;
                    log::info!("ubus: the object truca is there");
                }
                Output::Refused(status) => self.complain(status),
                Output::Invoked(invocation) => self.serve(invocation).await,
                // nothing is invoked from here
                Output::Answered(..) => {}
            }
        }
    }

    fn lost(&mut self) {
        self.stream = None;
        self.client.disconnected(self.start.elapsed());
    }

    /// Once, however often it is tried.
    fn complain(&mut self, status: u32) {
        if !std::mem::replace(&mut self.complained, true) {
            let why = match status {
                // ubusd has one answer for both (ubusd_handle_add_object)
                status::INVALID_ARGUMENT => {
                    "is /usr/share/acl.d/truca.json there? or does another trucad run here?"
                }
                _ => "it says no more",
            };
            log::warn!("ubus refuses the object truca with status {status} ({why}); it is tried again");
        }
    }

    async fn serve(&mut self, invocation: Invocation) {
        let Invocation { id, method, arguments } = invocation;
        let (reply, answer) = oneshot::channel();
        let ask = Event::Ask { method, arguments: blobmsg::to_json(arguments), reply };
        let answered = match self.events.send(ask).await {
            Ok(()) => answer.await.unwrap_or(Err(Refusal::Stopping)),
            Err(_) => Err(Refusal::Stopping),
        };
        let answered = answered.map(encode).map_err(|refusal| {
            log::debug!("ubus: {refusal}");
            match refusal {
                Refusal::Method => status::METHOD_NOT_FOUND,
                Refusal::Argument(..) => status::INVALID_ARGUMENT,
                Refusal::Missing(_) => status::NOT_FOUND,
                Refusal::Full(_) => status::NO_MEMORY,
                Refusal::Failed(_) | Refusal::Stopping => status::UNKNOWN_ERROR,
            }
        });
        self.client.reply(id, answered);
    }
}

/// An object as blobmsg; every answer and event is one.
fn encode(value: Value) -> Vec<u8> {
    let object = match value {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    let mut bytes = Vec::new();
    blobmsg::write_json(&mut bytes, &object);
    bytes
}

/// Opens the first socket that is there.
async fn connect(sockets: &[PathBuf]) -> io::Result<UnixStream> {
    match sockets.iter().find(|path| path.exists()) {
        Some(path) => UnixStream::connect(path).await,
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Reads what has come; without a connection, never ends.
async fn read(stream: Option<&UnixStream>, chunk: &mut [u8]) -> io::Result<usize> {
    let Some(stream) = stream else { return std::future::pending().await };
    loop {
        stream.readable().await?;
        match stream.try_read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read,
        }
    }
}
