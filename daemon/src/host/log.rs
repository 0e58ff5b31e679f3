//! Writes log messages, one line each: to standard error, or, with `--syslog`, to the system's log.
//!
//! Installed once by `main`. The time is left to syslog; only a terminal sees seconds since the start. A
//! message is cut at [`MAX_MESSAGE`] bytes and its control characters are replaced, since it may quote what
//! the network sent. A reader that is gone is no reason to stop: write errors are ignored.
//!
//! procd gives all that a program says on standard error one level, *err*, and all that it says on standard output
//! another, *info* (its `service/instance.c`). So under procd a line goes to syslog as a datagram that says its level
//! (RFC 3164 section 4.1.1), and only when nobody takes it there to standard output or error.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal as _, Write as _},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Instant,
};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// The longest line, in bytes.
pub const MAX_MESSAGE: usize = 512;

/// Where syslogd listens on every Linux.
pub const SYSLOG: &str = "/dev/log";

/// The facility of daemons, as it stands in a priority (RFC 3164 section 4.1.1).
const DAEMON: u8 = 3 << 3;

/// Since when, where the reader is a terminal.
static START: OnceLock<Option<Instant>> = OnceLock::new();
/// The way to syslog, where it is asked for.
static WAY: OnceLock<Option<Way>> = OnceLock::new();

struct Logger;

/// A socket that is bound to nothing, and where it sends to: a syslogd that is restarted has another socket there.
struct Way(UnixDatagram, PathBuf);

impl Way {
    fn open(to: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // a log that does not keep up holds nobody up
        socket.set_nonblocking(true)?;
        Ok(Self(socket, to.into()))
    }

    fn send(&self, datagram: &str) -> bool {
        self.0.send_to(datagram.as_bytes(), &self.1).is_ok()
    }
}

/// Begins to log messages of this level and those above it, to the system's log at `syslog` or to standard error.
/// Later calls change the level only.
pub fn start(level: LevelFilter, syslog: Option<&Path>) {
    START.get_or_init(|| io::stderr().is_terminal().then(Instant::now));
    WAY.get_or_init(|| syslog.and_then(|to| Way::open(to).ok()));
    // Refused when a logger is there already: then it is this one, or a test's
    let _ = log::set_logger(&Logger);
    log::set_max_level(level);
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // What other crates say below a warning is about themselves
        metadata.target().starts_with("truca") || metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let way = WAY.get().and_then(Option::as_ref);
            if way.is_some_and(|way| way.send(&datagram(record.level(), record.args()))) {
                return;
            }
            let since = START.get().copied().flatten().map(|start| start.elapsed().as_secs());
            let line = line(since, record.level(), record.args());
            // One write for each line, so that lines do not mix
            let _ = match way {
                // to procd this is no error
                Some(_) if record.level() > Level::Warn => io::stdout().write_all(line.as_bytes()),
                _ => io::stderr().write_all(line.as_bytes()),
            };
        }
    }

    fn flush(&self) {}
}

/// A message as syslog takes it: `<30>trucad: ready`.
fn datagram(level: Level, message: &fmt::Arguments<'_>) -> String {
    let severity = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    let mut line = Line(String::new());
    let _ = write!(line, "<{}>trucad: {message}", DAEMON | severity);
    line.0
}

/// A message as it is written, with its end of line.
fn line(since: Option<u64>, level: Level, message: &fmt::Arguments<'_>) -> String {
    let mut line = Line(String::new());
    if let Some(seconds) = since {
        let _ = write!(line, "{seconds:>6} ");
    }
    let level = match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    let _ = write!(line, "{level}: {message}");
    line.0.push('\n');
    line.0
}

/// Takes text up to [`MAX_MESSAGE`] bytes.
struct Line(String);

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.len() + c.len_utf8() >= MAX_MESSAGE {
                return Err(fmt::Error);
            }
            self.0.push(if c.is_control() { ' ' } else { c });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_level_and_on_a_terminal_its_time() {
        assert_eq!(line(None, Level::Warn, &format_args!("{} left", "casa")), "warning: casa left\n");
        assert_eq!(line(Some(75), Level::Info, &format_args!("ready")), "    75 info: ready\n");
    }

    #[test]
    fn syslog_is_told_the_level_and_one_that_is_started_again_hears_the_next_line() {
        let file = std::env::temp_dir().join(format!("truca-log-{}", std::process::id()));
        let _ = std::fs::remove_file(&file);
        let way = Way::open(&file).unwrap();
        let ready = datagram(Level::Info, &format_args!("ready"));
        assert!(!way.send(&ready), "nobody is there");
        for (level, priority) in
            [(Level::Error, 27), (Level::Warn, 28), (Level::Info, 30), (Level::Debug, 31), (Level::Trace, 31)]
        {
            let syslogd = UnixDatagram::bind(&file).unwrap();
            assert!(way.send(&datagram(level, &format_args!("a\nb"))));
            let mut heard = [0; 64];
            let length = syslogd.recv(&mut heard).unwrap();
            assert_eq!(str::from_utf8(&heard[..length]).unwrap(), format!("<{priority}>trucad: a b"));
            drop(syslogd);
            std::fs::remove_file(&file).unwrap();
        }
        assert!(datagram(Level::Info, &format_args!("{}", "ñ".repeat(1000))).len() <= MAX_MESSAGE);
    }

    #[test]
    fn a_message_from_the_network_is_one_bounded_line() {
        assert_eq!(line(None, Level::Error, &format_args!("a\nb\x1b[31m")), "error: a b [31m\n");
        let long = line(None, Level::Error, &format_args!("{}", "ñ".repeat(1000)));
        assert!(long.len() <= MAX_MESSAGE && long.ends_with("ñ\n"));
    }
}
