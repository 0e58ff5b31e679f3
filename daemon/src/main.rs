//! The daemon's entry: arguments, configuration, run.

use std::{fmt::Display, io::Write as _, path::Path, process::ExitCode};

use serde_json::{Map, Value};
use trucad::host::{
    args::{self, Command},
    config::{Config, DEFAULT_FILE, Overrides},
    ctl, fault, log, look,
};

/// Where libc is musl: with another, tools that watch its allocator keep it.
#[cfg(target_env = "musl")]
#[global_allocator]
static MEMORY: trucad::host::memory::Memory = trucad::host::memory::Memory::new();

fn main() -> ExitCode {
    fault::watch();
    match args::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(overrides)) => match load(&overrides, |warning| ::log::warn!("{warning}")) {
            Ok(config) => trucad::run::run(config, &overrides),
            Err(code) => code,
        },
        Ok(Command::Check(overrides)) => match load(&overrides, complain) {
            Ok(config) => check(&config),
            Err(code) => code,
        },
        Ok(Command::Ctl { overrides, json, command, arguments }) => match load(&overrides, complain) {
            Ok(config) => ask(&config.run_dir, &command, &arguments, json),
            Err(code) => code,
        },
        Ok(Command::Help) => say(&args::help()),
        Ok(Command::Version) => say(&args::version()),
        Err(error) => fail(&error, error.exit_code()),
    }
}

/// Reads the configuration and shows its warnings.
fn load(overrides: &Overrides, warn: fn(&dyn Display)) -> Result<Config, ExitCode> {
    let file = overrides.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
    match Config::load(overrides) {
        Ok((config, warnings)) => {
            log::start(config.log_level, overrides.syslog.then_some(Path::new(log::SYSLOG)));
            for warning in warnings {
                warn(&format_args!("{} {warning}", file.display()));
            }
            Ok(config)
        }
        Err(error) => Err(fail(&error, error.exit_code())),
    }
}

/// Says what the daemon's user cannot use of what the configuration names.
fn check(config: &Config) -> ExitCode {
    let faults = look::faults(config, look::User::of_daemon().as_ref());
    if faults.is_empty() {
        return say("ok\n");
    }
    for fault in faults {
        complain(&fault);
    }
    ExitCode::from(look::EXIT_CODE)
}

fn ask(run_dir: &Path, command: &str, arguments: &Map<String, Value>, json: bool) -> ExitCode {
    match ctl::ask(run_dir, command, arguments) {
        Ok(answer) if json => say(&(ctl::line(&answer) + "\n")),
        Ok(answer) => say(&ctl::print(command, &answer)),
        Err(error) => fail(&error, 1),
    }
}

fn say(text: &str) -> ExitCode {
    // `trucad ctl accounts | head` is no failure
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(error: &dyn Display, code: u8) -> ExitCode {
    complain(error);
    ExitCode::from(code)
}

fn complain(what: &dyn Display) {
    let _ = writeln!(std::io::stderr(), "trucad: {what}");
}
