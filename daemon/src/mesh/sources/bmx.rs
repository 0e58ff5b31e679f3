//! Looks at the run-time directory of bmx6 or bmx7, and publishes our advert there.
//!
//! It looks every [`PERIOD`], as often as the daemons write, and watches nothing: they write in place, so an event
//! comes with half a file, they delete and rewrite all of a node's messages when one changes, and they make the
//! directory anew when they start. A look is a list of names and a `stat` each; only what changed is read.
//!
//! The advert is the file `truca` of `sms/sendSms`, put there under another name and renamed; the daemon takes it
//! up once it was told `syncSms=truca`, as `bmx6 -c` does it: by its control socket. Whether it has shows in its own
//! description, and it is told again until it does, more and more rarely. Other messages are left alone.

use std::fs;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use truca_core::discovery::advert::{self, Advert, MAX_SMS};
use truca_core::discovery::bmx::{self, Description, MAX_FILE, MAX_NAME};
use truca_core::discovery::{Bad, Heard, Hint};
use truca_core::sorted::Map;

use super::ask::{self, Silence};
use super::{Ear, jittered};

/// How often (bmx6's `DEF_JSON_UPDATE`).
const PERIOD: Duration = Duration::from_secs(10);
/// How often it is looked for while it is not there.
const ABSENT: Duration = Duration::from_secs(30);
/// How long after it was told of our message, in vain, it is told again; doubles up to the second.
const TELL: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(60 * 60));
/// Most files of one kind.
const MAX_FILES: usize = 2048;
/// What it is told, as `bmx6 -c syncSms=truca` writes it (`CHR_QUIT` ends it).
const COMMAND: &[u8] = b"syncSms=truca #";
/// The longest answer; an error explains itself.
const MAX_ANSWER: usize = 16 * 1024;
/// What a refusal has in it: the SMS plugin is not loaded, most likely.
const ERROR: &[u8] = b"ERROR";

/// Looks until the task is dropped.
pub async fn listen(ear: Ear, path: PathBuf, advert: Option<watch::Receiver<Advert>>) {
    let mut teller = Teller { socket: path.join("sock"), next: None, pause: TELL.0 };
    let mut look = Look::new(path);
    loop {
        // files, not sockets: on the helper thread
        let message = advert.as_ref().map(|advert| advert.borrow().encode());
        let looked = spawn_blocking(move || {
            let there = look.look();
            let written = message.map_or_else(|| look.withdraw(), |message| look.write(&message));
            (look, there, written)
        });
        // the task is not cancelled and does not panic
        let Ok((next, there, written)) = looked.await else { return };
        look = next;
        ear.malformed(look.take_bad());
        if !there {
            ear.absent();
            teller.next = None;
        } else {
            ear.heard(&look.heard());
            match written {
                Ok(true) => teller.tell(&ear, look.advertises()).await,
                Ok(false) => {}
                Err(error) => ear.broken(format_args!("the advert cannot be written: {error}")),
            }
        }
        sleep(jittered(if there { PERIOD } else { ABSENT })).await;
    }
}

/// Tells the daemon that there is a message of ours.
struct Teller {
    socket: PathBuf,
    next: Option<Instant>,
    pause: Duration,
}

impl Teller {
    async fn tell(&mut self, ear: &Ear, advertised: bool) {
        if advertised {
            (self.next, self.pause) = (None, TELL.0);
            return;
        }
        if self.next.is_some_and(|next| Instant::now() < next) {
            return;
        }
        match ask::local(&self.socket, COMMAND, MAX_ANSWER).await {
            // whether it did what it was told shows in its description; what it says is for people
            Ok(answer) if answer.windows(ERROR.len()).any(|part| part == ERROR) => {
                ear.broken(format_args!("syncSms: {}", answer.escape_ascii()));
            }
            Ok(_) => {}
            Err(Silence::Failed(why)) => ear.broken(format_args!("{}: {why}", self.socket.display())),
            Err(Silence::Absent) => {}
        }
        self.next = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(TELL.1);
    }
}

/// What tells one state of a file from another. Not its age: clocks jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp(i64, i64, u64, u64);

/// The files of one directory, as they were last read.
struct Files<T> {
    path: PathBuf,
    /// `None`: it could not be read; the next look tries again whatever its stamp.
    read: Map<String, (Stamp, Option<T>)>,
    /// Files that could not be read, or were too many, at the last look.
    bad: u32,
}

impl<T> Files<T> {
    fn new(path: PathBuf) -> Self {
        Self { path, read: Map::new(), bad: 0 }
    }

    /// Reads what is new or has changed. Whether there is such a directory.
    fn look(&mut self, ours: impl Fn(&str) -> bool, parse: impl Fn(&[u8]) -> Result<T, Bad>) -> bool {
        self.bad = 0;
        let Ok(entries) = fs::read_dir(&self.path) else {
            self.read.clear();
            return false;
        };
        let mut old = std::mem::take(&mut self.read);
        for entry in entries.flatten() {
            let name = entry.file_name().into_string().ok().filter(|name| name.len() <= MAX_NAME);
            let Some(name) = name.filter(|name| ours(name)) else { continue };
            let Ok(about) = entry.metadata() else { continue };
            if !about.is_file() {
                continue;
            }
            if self.read.len() >= MAX_FILES {
                self.bad += 1;
                continue;
            }
            let stamp = Stamp(about.mtime(), about.mtime_nsec(), about.len(), about.ino());
            let known = old.remove(&name).filter(|(seen, value)| *seen == stamp && value.is_some());
            let value = match known {
                Some((_, value)) => value,
                None => read(&entry.path()).and_then(|bytes| parse(&bytes).ok()),
            };
            self.bad += u32::from(value.is_none());
            self.read.insert(name, (stamp, value));
        }
        true
    }

    fn values(&self) -> impl Iterator<Item = &T> {
        self.read.values().filter_map(|(_, value)| value.as_ref())
    }
}

/// What the directory says now.
struct Look {
    path: PathBuf,
    own: Option<IpAddr>,
    originators: Files<bmx::Originator>,
    descriptions: Files<Description>,
    adverts: Files<Advert>,
}

impl Look {
    fn new(path: PathBuf) -> Self {
        Self {
            own: None,
            originators: Files::new(path.join("json/originators")),
            descriptions: Files::new(path.join("json/descriptions")),
            adverts: Files::new(path.join("sms/rcvdSms")),
            path,
        }
    }

    /// Whether the daemon's directory is there.
    fn look(&mut self) -> bool {
        let json = self.originators.look(|_| true, bmx::originator);
        self.descriptions.look(|_| true, bmx::description);
        let sms = self.adverts.look(|name| bmx::sms_sender(name).is_some(), Advert::decode);
        if let Some(own) = read(&self.path.join("json/status")).and_then(|file| bmx::own_address(&file).ok())
        {
            self.own = Some(own);
        }
        json || sms
    }

    fn take_bad(&mut self) -> u32 {
        std::mem::take(&mut self.originators.bad)
            + std::mem::take(&mut self.descriptions.bad)
            + std::mem::take(&mut self.adverts.bad)
    }

    fn heard(&self) -> Heard {
        let mut heard = Heard::default();
        heard.hints.extend(self.adverts.values().flat_map(|advert| advert.hints().collect::<Vec<Hint>>()));
        let originators = self.originators.read.iter();
        for (name, originator) in originators.filter_map(|(name, (_, value))| Some((name, value.as_ref()?))) {
            if Some(originator.ip) == self.own {
                continue;
            }
            heard.hints.extend(originator.hint());
            let description = self.descriptions.read.get(name).and_then(|(_, value)| value.as_ref());
            if let Some(description) = description.filter(|_| !originator.blocked) {
                heard.hints.extend(description.tunnels.hints.iter().cloned());
                heard.skipped += description.tunnels.skipped;
            }
        }
        heard
    }

    /// Whether the daemon's own description carries our message. Without the JSON plugin nobody knows.
    fn advertises(&self) -> bool {
        let own =
            self.originators.read.iter().find(|(_, (_, value))| {
                value.as_ref().is_some_and(|originator| Some(originator.ip) == self.own)
            });
        let description = own.and_then(|(name, _)| self.descriptions.read.get(name));
        description.and_then(|(_, value)| value.as_ref()).is_some_and(|description| description.advertises)
    }

    /// Takes the advert away, if there is one. Nothing is to be told of.
    fn withdraw(&self) -> std::io::Result<bool> {
        match fs::remove_file(self.path.join("sms/sendSms").join(advert::NAME)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(false),
        }
    }

    /// Puts the advert where the daemon looks for it, unless it is there. Whether there is such a place.
    fn write(&self, message: &[u8]) -> std::io::Result<bool> {
        let folder = self.path.join("sms/sendSms");
        if !folder.is_dir() {
            return Ok(false);
        }
        let file = folder.join(advert::NAME);
        if read(&file).is_some_and(|old| old == message) {
            return Ok(true);
        }
        debug_assert!(message.len() <= MAX_SMS, "an advert fits");
        // the daemon reads only names that it was told of
        let fresh = folder.join("truca.new");
        fs::write(&fresh, message)?;
        fs::rename(&fresh, &file)?;
        Ok(true)
    }
}

/// A file, if it can be read and is not too long.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() <= MAX_FILE).then_some(bytes)
}
