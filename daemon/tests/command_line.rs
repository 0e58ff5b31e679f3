//! The program as its owner meets it: what it prints, what it ends with, and how it stops.

// Clippy's allowance for tests does not reach the helpers of an integration test
#![allow(clippy::unwrap_used)]
// This is not the runtime's thread
#![allow(clippy::disallowed_methods)]

use std::{
    fs,
    io::Read as _,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A directory of this test alone.
fn directory(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("truca-cli-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn trucad() -> Command {
    Command::new(env!("CARGO_BIN_EXE_trucad"))
}

/// Exit code, standard output, standard error.
fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A daemon on loopback that disturbs no other.
fn start(dir: &std::path::Path, port: u16) -> Child {
    start_with(dir, port, &["--no-mdns"])
}

fn start_with(dir: &std::path::Path, port: u16, arguments: &[&str]) -> Child {
    let file = dir.join("truca");
    if !file.exists() {
        fs::write(&file, "").unwrap();
    }
    let mut command = trucad();
    command.args(["--listen", "127.0.0.1", "--http-port", "0"]).args(arguments);
    command.arg("--config").arg(&file);
    command.args(["--port", &port.to_string(), "--stun-port", &(port + 1).to_string()]);
    command.arg("--state").arg(dir.join("state")).arg("--run-dir").arg(dir.join("run"));
    command.stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end; a daemon that does not end is killed, and the test fails.
fn end(mut child: Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    panic!("it does not end");
}

/// Looks until it is so.
fn wait(otherwise: &str, so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{otherwise}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn signal(name: &str, daemon: &Child) {
    Command::new("kill").arg(name).arg(daemon.id().to_string()).status().unwrap();
}

#[test]
fn a_check_says_ok_and_warns() {
    let file = directory("check").join("truca");
    fs::write(&file, "config node\n\toption name casa\n\toption colour red\n").unwrap();
    let (code, out, err) = output(trucad().arg("--config").arg(&file).arg("--check"));
    assert_eq!((code, out.as_str()), (0, "ok\n"));
    assert_eq!(err, format!("trucad: {} line 3: section `node` has no option `colour`\n", file.display()));
}

#[test]
fn a_wrong_value_ends_with_2_and_what_is_allowed() {
    let file = directory("wrong").join("truca");
    fs::write(&file, "config node\n\toption port 99999\n").unwrap();
    let (code, _, err) = output(trucad().arg("--config").arg(&file));
    assert_eq!(code, 2);
    assert!(err.ends_with("`99999` is not allowed; it takes a port from 1 to 65535\n"), "{err}");
    let (code, _, err) = output(trucad().args(["--config", "/nonexistent"]));
    assert!(code == 2 && err.contains("cannot read /nonexistent"), "{err}");
    let (code, _, err) = output(trucad().arg("--prot"));
    assert!(code == 2 && err.contains("see trucad --help"), "{err}");
}

#[test]
fn a_daemon_answers_ctl_refuses_a_second_and_ends_with_0_at_sigterm() {
    let dir = directory("run");
    let ctl = |command| output(trucad().arg("ctl").arg("--run-dir").arg(dir.join("run")).arg(command));
    let (code, _, err) = ctl("status");
    assert!(code == 1 && err.contains("trucad is not running here"), "{err}");

    let daemon = start(&dir, 28443);
    wait("it does not start", || ctl("status").0 == 0);
    assert!(ctl("stun").1.contains("counters requests"));
    assert_eq!(end(start(&dir, 28446)), Some(1), "a second daemon on the same run directory");
    assert_eq!(ctl("status").0, 0, "the first goes on");

    signal("-TERM", &daemon);
    assert_eq!(end(daemon), Some(0));
    assert!(!dir.join("run/ctl.sock").exists());
}

#[test]
fn sighup_takes_over_what_changed_and_keeps_what_is_wrong_out() {
    let dir = directory("reload");
    let status =
        || output(trucad().args(["ctl", "--json", "--run-dir"]).arg(dir.join("run")).arg("status")).1;
    fs::write(dir.join("truca"), "config node\n\toption name before\n").unwrap();
    let daemon = start(&dir, 28450);
    wait("it does not start", || status().contains("\"before\""));

    fs::write(dir.join("truca"), "config node\n\toption name 'Not A Name'\n").unwrap();
    signal("-HUP", &daemon);
    fs::write(dir.join("truca"), "config node\n\toption name after\n").unwrap();
    signal("-HUP", &daemon);
    wait("it is not reloaded", || status().contains("\"after\""));
    signal("-TERM", &daemon);
    assert_eq!(end(daemon), Some(0));
}

#[test]
fn what_only_a_restart_takes_over_is_said_at_every_sighup() {
    let dir = directory("restart");
    let status =
        || output(trucad().args(["ctl", "--json", "--run-dir"]).arg(dir.join("run")).arg("status")).1;
    fs::write(dir.join("truca"), "config discovery\n\toption mdns 0\n").unwrap();
    let mut daemon = start_with(&dir, 28454, &[]);
    let mut log = daemon.stderr.take().unwrap();
    wait("it does not start", || status().contains("\"node\""));
    for name in ["once", "twice"] {
        let config = format!("config node\n\toption name {name}\nconfig discovery\n\toption mdns 1\n");
        fs::write(dir.join("truca"), config).unwrap();
        signal("-HUP", &daemon);
        wait("it is not reloaded", || status().contains(&format!("\"{name}\"")));
    }
    signal("-TERM", &daemon);
    assert_eq!(end(daemon), Some(0));
    let mut said = String::new();
    log.read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("until a restart as before: discovery.mdns\n").count(), 2, "{said}");
}

#[test]
fn a_trap_is_told_in_one_line_before_the_end() {
    let dir = directory("trap");
    let daemon = start(&dir, 28449);
    wait("it does not answer", || dir.join("run/ctl.sock").exists());
    signal("-ILL", &daemon);
    let log = daemon.wait_with_output().unwrap();
    assert_eq!(log.status.signal(), Some(6), "{:?}", log.status); // SIGABRT
    let said = String::from_utf8(log.stderr).unwrap();
    let line = said.lines().last().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(line.starts_with(&format!("error: a bug in trucad {version} for ")), "{said}");
    assert!(line.ends_with("; please report this line"), "{said}");
}
