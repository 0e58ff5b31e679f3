//! The control socket: `RUN_DIR/ctl.sock`, one question and one answer for each connection, both JSON.
//!
//! The server runs as a task beside the node and asks it by [`Event::Ask`]; the client is `trucad ctl`. The
//! socket is 0600: whoever can open it may ask and change what the owner may. It serves the methods of
//! [`crate::node::admin`], as ubus does.
//!
//! A question is one line of at most [`MAX_QUESTION`] bytes, `{"command":"status"}` or
//! `{"command":"accounts","arguments":{"limit":10}}`. An answer is an object, or
//! `{"error":{"code","message"}}`: `bad_request`, `too_long`, or why the method refuses
//! ([`crate::node::admin::Refusal::code`]).

use std::{
    fmt, fs, io,
    io::{Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream as BlockingStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    time,
};

use crate::event::Event;
use crate::node::admin::Refusal;

mod print;
#[cfg(test)]
mod tests;

pub use print::print;

/// The longest question.
pub const MAX_QUESTION: usize = 4096;
/// How many may ask at once; the others wait.
const MAX_ASKING: usize = 8;
/// How long a question, its answer, or the wait for either may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest answer that the client takes.
const MAX_ANSWER: u64 = 8 * 1024 * 1024;

/// Why the socket cannot be opened, or a question has no answer.
#[derive(Debug)]
pub enum Error {
    /// Another daemon answers on this socket.
    InUse(PathBuf),
    /// No daemon answers on this socket.
    NotRunning(PathBuf),
    /// The socket is there, but not for this user.
    Denied(PathBuf),
    /// The system refuses something else.
    Io(PathBuf, io::Error),
    /// What came is no answer.
    BadAnswer,
    /// The daemon refuses the question.
    Refused(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => {
                write!(
                    f,
                    "another trucad runs here already ({}): stop it, or give this one another --run-dir",
                    path.display()
                )
            }
            Self::NotRunning(path) => {
                write!(
                    f,
                    "trucad is not running here (nobody answers on {}); is it another --run-dir?",
                    path.display()
                )
            }
            Self::Denied(path) => write!(f, "{} is not for this user: try as root", path.display()),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::BadAnswer => f.write_str("the daemon's answer cannot be read: is it of another version?"),
            Self::Refused(message) => write!(f, "the daemon refuses: {message}"),
        }
    }
}

impl std::error::Error for Error {}

/// Where the socket of a run-time directory is.
pub fn path(run_dir: &Path) -> PathBuf {
    run_dir.join("ctl.sock")
}

/// The control socket while it is open. It is removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
}

impl Server {
    /// Opens the socket, and makes the directory when it is missing. What a dead daemon left is replaced.
    ///
    /// Must be called inside the runtime.
    pub fn bind(run_dir: &Path) -> Result<Self, Error> {
        let path = path(run_dir);
        if BlockingStream::connect(&path).is_ok() {
            return Err(Error::InUse(path));
        }
        let open = || {
            fs::create_dir_all(run_dir)?;
            // Under another name until it is 0600, then in place of the old one: never open to others
            let fresh = run_dir.join("ctl.sock.new");
            match fs::remove_file(&fresh) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => (),
            }
            let listener = UnixListener::bind(&fresh)?;
            fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
            fs::rename(&fresh, &path)?;
            Ok(listener)
        };
        match open() {
            Ok(listener) => Ok(Self { listener, path }),
            Err(error) => Err(Error::Io(path, error)),
        }
    }

    /// Answers until it is dropped. Runs on the current thread's `LocalSet`.
    pub async fn serve(self, events: mpsc::Sender<Event>) {
        let places = Arc::new(Semaphore::new(MAX_ASKING));
        loop {
            // The semaphore is never closed
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let events = events.clone();
                    crate::task::spawn(async move {
                        // One who asks too slowly or goes away harms nobody
                        let _ = time::timeout(PATIENCE, converse(stream, events)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    log::warn!("control socket: {error}");
                    // Out of descriptors, most likely: let somebody finish
                    time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn converse(mut stream: UnixStream, events: mpsc::Sender<Event>) -> io::Result<()> {
    let answer = match read_question(&mut stream).await? {
        Ok((method, arguments)) => ask_node(&events, method, arguments).await,
        Err(refusal) => refusal,
    };
    let mut text = line(&answer);
    text.push('\n');
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Reads the line and finds the command and its arguments in it.
async fn read_question(stream: &mut UnixStream) -> io::Result<Result<(String, Map<String, Value>), Value>> {
    let mut line = [0; MAX_QUESTION];
    let mut length = 0;
    let end = loop {
        match stream.read(&mut line[length..]).await? {
            0 if length == line.len() => {
                return Ok(Err(refusal("too_long", "a question is at most 4096 bytes")));
            }
            0 => break length,
            read => length += read,
        }
        if let Some(end) = line[..length].iter().position(|byte| *byte == b'\n') {
            break end;
        }
        if length == line.len() {
            return Ok(Err(refusal("too_long", "a question is at most 4096 bytes")));
        }
    };
    Ok(parse(&line[..end]).ok_or_else(|| refusal("bad_request", "a question is {\"command\":\"…\"}")))
}

fn parse(line: &[u8]) -> Option<(String, Map<String, Value>)> {
    let mut question: Value = serde_json::from_str(str::from_utf8(line).ok()?).ok()?;
    let question = question.as_object_mut()?;
    let command = question.get("command")?.as_str()?.to_owned();
    match question.remove("arguments") {
        None => Some((command, Map::new())),
        Some(Value::Object(arguments)) => Some((command, arguments)),
        Some(_) => None,
    }
}

async fn ask_node(events: &mpsc::Sender<Event>, method: String, arguments: Map<String, Value>) -> Value {
    let (reply, answer) = oneshot::channel();
    let answered = match events.send(Event::Ask { method, arguments, reply }).await {
        Ok(()) => answer.await.unwrap_or(Err(Refusal::Stopping)),
        Err(_) => Err(Refusal::Stopping),
    };
    answered.unwrap_or_else(|why| refusal(why.code(), &why.to_string()))
}

/// JSON in one line. `Display` would be a second copy of serde_json's writer in the program.
pub fn line(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn refusal(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

/// Asks the daemon of this run-time directory; blocks for at most some seconds.
pub fn ask(run_dir: &Path, command: &str, arguments: &Map<String, Value>) -> Result<Value, Error> {
    let path = path(run_dir);
    let bytes = match exchange(&path, command, arguments) {
        Ok(bytes) => bytes,
        Err(error) => {
            return Err(match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Error::NotRunning(path),
                io::ErrorKind::PermissionDenied => Error::Denied(path),
                _ => Error::Io(path, error),
            });
        }
    };
    let text = str::from_utf8(&bytes).map_err(|_| Error::BadAnswer)?;
    let answer: Value = serde_json::from_str(text).map_err(|_| Error::BadAnswer)?;
    match answer["error"]["message"].as_str() {
        Some(message) => Err(Error::Refused(message.into())),
        None if answer.is_object() => Ok(answer),
        None => Err(Error::BadAnswer),
    }
}

fn exchange(path: &Path, command: &str, arguments: &Map<String, Value>) -> io::Result<Vec<u8>> {
    let mut stream = BlockingStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let question = json!({"command": command, "arguments": arguments});
    stream.write_all((line(&question) + "\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut bytes)?;
    Ok(bytes)
}
