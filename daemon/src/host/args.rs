//! The command line: what is asked, with nothing read or done yet.
//!
//! Driven by `main`. Flags that set an option are rows of [`options::TABLE`]; a test holds the usage below
//! against it. Values are checked when the configuration is put together, so that a flag and a file are
//! refused in the same words.

use std::{ffi::OsString, fmt, fmt::Write as _};

use lexopt::{Arg, Parser};
use serde_json::{Map, Value};

use super::config::{
    Overrides, Setting,
    options::{self, TABLE},
};
use crate::node::admin::{self, Method};

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    /// Run the daemon.
    Run(Overrides),
    /// Read the configuration, say what is wrong with it, and stop.
    Check(Overrides),
    /// Ask a running daemon.
    Ctl {
        /// Where it is.
        overrides: Overrides,
        /// Whether to print the answer as it comes.
        json: bool,
        /// What to ask.
        command: String,
        /// With what.
        arguments: Map<String, Value>,
    },
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// A command line that means nothing. The message ends with where to look.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        2
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (see trucad --help)", self.0)
    }
}

impl std::error::Error for Error {}

impl From<lexopt::Error> for Error {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads the arguments, without the program's name.
pub fn parse(args: impl Iterator<Item = OsString>) -> Result<Command, Error> {
    let mut parser = Parser::from_args(args.collect::<Vec<_>>());
    let mut overrides = Overrides::default();
    let (mut check, mut ctl, mut json) = (false, false, false);
    let (mut command, mut arguments) = (None, None);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("version") | Arg::Short('V') => return Ok(Command::Version),
            Arg::Long("config") => overrides.file = Some(parser.value()?.into()),
            Arg::Long("json") if ctl => json = true,
            Arg::Long("check") if !ctl => check = true,
            Arg::Long("peer") if !ctl => overrides.peers.push(text(parser.value()?)?),
            Arg::Long("syslog") if !ctl => overrides.syslog = true,
            Arg::Long("ubus") if !ctl => overrides.ubus = Some(parser.value()?.into()),
            Arg::Long("no-mdns") if !ctl => {
                let row = options::find("discovery", "mdns");
                overrides.settings.push(Setting { flag: "no-mdns", row, value: "0".into() });
            }
            Arg::Long(name) => match options::of_flag(name).filter(|row| !ctl || row.option == "run_dir") {
                Some(row) => {
                    let value = text(parser.value()?)?;
                    let flag = row.flag.map_or("", |(flag, _)| flag);
                    overrides.settings.push(Setting { flag, row, value });
                }
                None => return Err(Error(format!("there is no --{name} here"))),
            },
            Arg::Value(word) if ctl && command.is_none() => command = Some(ctl_command(&text(word)?)?),
            Arg::Value(word) if ctl && arguments.is_none() => {
                let Ok(Value::Object(read)) = serde_json::from_str(&text(word)?) else {
                    let wrong = "the arguments of a command are a JSON object: {\"limit\":10}";
                    return Err(Error(wrong.into()));
                };
                arguments = Some(read);
            }
            Arg::Value(word) if !ctl && word == "ctl" => ctl = true,
            other => return Err(other.unexpected().into()),
        }
    }
    match (ctl, command) {
        (true, Some(command)) if !check => {
            Ok(Command::Ctl { overrides, json, command, arguments: arguments.unwrap_or_default() })
        }
        (true, _) => Err(Error(format!("ctl wants one of {}", ctl_names()))),
        (false, _) if check => Ok(Command::Check(overrides)),
        (false, _) => Ok(Command::Run(overrides)),
    }
}

fn text(value: OsString) -> Result<String, Error> {
    value.into_string().map_err(|value| Error(format!("not UTF-8: {}", value.to_string_lossy())))
}

fn ctl_command(word: &str) -> Result<String, Error> {
    match admin::find(word) {
        Some(_) => Ok(word.into()),
        None => Err(Error(format!("ctl knows no `{word}`, only {}", ctl_names()))),
    }
}

fn ctl_names() -> String {
    admin::METHODS.iter().map(|method| method.name).collect::<Vec<_>>().join(", ")
}

/// What `--help` prints.
pub fn help() -> String {
    let mut text = String::from(
        "The phone exchange of a community mesh\n\nUsage: trucad [OPTION]...\n       trucad ctl [--config FILE] [--run-dir DIR] [--json] COMMAND [ARGUMENTS]\n\nOptions:\n",
    );
    let mut line = |flag: &str, help: &str, default: &str| {
        let _ = match default {
            "" => writeln!(text, "  {flag:<18} {help}"),
            _ => writeln!(text, "  {flag:<18} {help} [{default}]"),
        };
    };
    line("--config FILE", "configuration (UCI)", super::config::DEFAULT_FILE);
    for row in TABLE {
        if let Some((flag, word)) = row.flag {
            line(&format!("--{flag} {word}"), row.help, row.default);
        }
    }
    line("--peer HOST:PORT", "link to this node too", "");
    line("--no-mdns", "do not look for nodes by mDNS", "");
    line("--syslog", "log to the system's log (/dev/log), each line at its level", "");
    line("--check", "say whether the configuration is right, and stop", "");
    line("--help", "print this", "");
    line("--version", "print the version", "");
    text.push_str("\nCommands of ctl, for the daemon that runs here:\n");
    for Method { name, help, .. } in admin::METHODS {
        let _ = writeln!(text, "  {name:<18} {help}");
    }
    text.push_str(
        "\nARGUMENTS are a JSON object, such as '{\"filter\":\"pep\",\"limit\":10}' (see docs/ubus.json).\n",
    );
    text.push_str("\n--listen, --address and --peer can be given several times.\n");
    text
}

/// What `--version` prints.
pub fn version() -> String {
    format!("trucad {}\n", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn no_argument_runs_with_the_default_file() {
        let Ok(Command::Run(overrides)) = read("") else { panic!() };
        assert!(overrides.file.is_none() && overrides.settings.is_empty() && overrides.peers.is_empty());
    }

    #[test]
    fn every_flag_of_the_usage_is_understood() {
        let line = "--config f --state s --run-dir r --listen 127.0.0.1 --listen ::1 --address 10.0.0.1 --port 1 \
                    --http-port 2 --stun-port=3 --name n --peer a:1 --peer b:2 --no-mdns --log debug";
        let Ok(Command::Run(overrides)) = read(line) else { panic!() };
        let set: Vec<(&str, &str)> =
            overrides.settings.iter().map(|s| (s.row.option, s.value.as_str())).collect();
        assert_eq!(
            set,
            [
                ("state", "s"),
                ("run_dir", "r"),
                ("listen", "127.0.0.1"),
                ("listen", "::1"),
                ("address", "10.0.0.1"),
                ("port", "1"),
                ("http_port", "2"),
                ("stun_port", "3"),
                ("name", "n"),
                ("mdns", "0"),
                ("log_level", "debug"),
            ]
        );
        assert_eq!(overrides.peers, ["a:1", "b:2"]);
        assert!(!overrides.syslog);
        assert!(matches!(read("--syslog"), Ok(Command::Run(Overrides { syslog: true, .. }))));
        assert!(matches!(read("--check --port 1"), Ok(Command::Check(_))));
        assert!(matches!(read("--port 1 --help"), Ok(Command::Help)));
        assert!(matches!(read("--version"), Ok(Command::Version)));
    }

    #[test]
    fn ctl_takes_one_command_and_its_own_flags() {
        let Ok(Command::Ctl { overrides, json, command, arguments }) = read("ctl --run-dir r --json members")
        else {
            panic!()
        };
        assert_eq!((overrides.settings.len(), json, command.as_str()), (1, true, "members"));
        assert!(arguments.is_empty());
        let Ok(Command::Ctl { arguments, .. }) = read(r#"ctl accounts {"limit":3}"#) else { panic!() };
        assert_eq!(arguments["limit"], 3);
        assert!(matches!(read("ctl status --config f"), Ok(Command::Ctl { json: false, .. })));
        for line in [
            "ctl",
            "ctl reboot",
            "ctl status links",
            "ctl accounts [1]",
            "ctl accounts {} {}",
            "ctl --port 1 status",
            "ctl --check status",
            "--check ctl status",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
        let refused = read("ctl reboot").unwrap_err();
        assert!(refused.starts_with("ctl knows no `reboot`, only status, members, "), "{refused}");
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for line in ["--prot 1", "--port", "run", "-x", "--json", "--check=1"] {
            assert!(read(line).unwrap_err().ends_with("(see trucad --help)"), "{line}");
        }
    }

    #[test]
    fn the_help_names_every_flag_and_fits_a_terminal() {
        let help = help();
        for flag in TABLE.iter().filter_map(|row| row.flag) {
            assert!(help.contains(&format!("--{} {}", flag.0, flag.1)), "{flag:?}");
        }
        assert!(help.lines().all(|line| line.len() <= 100), "{help}");
    }
}
