//! Writes log messages to standard error, one line each, for procd and syslog to take.
//!
//! Installed once by `main`. The time is left to syslog; only a terminal sees seconds since the start. A
//! message is cut at [`MAX_MESSAGE`] bytes and its control characters are replaced, since it may quote what
//! the network sent. A reader that is gone is no reason to stop: write errors are ignored.

use std::{
    fmt::{self, Write as _},
    io::{self, IsTerminal as _, Write as _},
    sync::OnceLock,
    time::Instant,
};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// The longest line, in bytes.
pub const MAX_MESSAGE: usize = 512;

/// Since when, where the reader is a terminal.
static START: OnceLock<Option<Instant>> = OnceLock::new();

struct Logger;

/// Begins to log messages of this level and those above it. Later calls change the level only.
pub fn start(level: LevelFilter) {
    START.get_or_init(|| io::stderr().is_terminal().then(Instant::now));
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
            let since = START.get().copied().flatten().map(|start| start.elapsed().as_secs());
            let line = line(since, record.level(), record.args());
            // One write for each line, so that lines do not mix
            let _ = io::stderr().write_all(line.as_bytes());
        }
    }

    fn flush(&self) {}
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
    fn a_message_from_the_network_is_one_bounded_line() {
        assert_eq!(line(None, Level::Error, &format_args!("a\nb\x1b[31m")), "error: a b [31m\n");
        let long = line(None, Level::Error, &format_args!("{}", "ñ".repeat(1000)));
        assert!(long.len() <= MAX_MESSAGE && long.ends_with("ñ\n"));
    }
}
