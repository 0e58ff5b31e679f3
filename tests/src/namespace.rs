//! A test in namespaces of its own (mounts and network), which leaves nothing behind. Needs root.

// Clippy's allowance for tests does not reach the furniture of one
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::{env, process::Command};

/// Says to a test that it is inside already.
const INSIDE: &str = "TRUCA_TEST_INSIDE";
/// What namespaces need of a shell before a test: loopback, and a place that is nobody else's.
const PREPARE: &str = "ip link set lo up && mount -t tmpfs -o size=16m none /mnt && exec \"$@\"";

/// Whether this is the test `name` in namespaces of its own, where `/mnt` is empty; runs it there otherwise.
pub fn inside(name: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    let unshare = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-mn", "sh", "-c", PREPARE, "sh", program]);
        command.args(arguments).env(INSIDE, "1");
        command
    };
    if !unshare("true", &[]).output().is_ok_and(|output| output.status.success()) {
        crate::skipped(
            "no namespaces here: they need root, util-linux and iproute2 (apt-get install iproute2)",
        );
        return false;
    }
    let this = env::current_exe().unwrap();
    // kept from the console, where its "1 passed" would be counted twice
    let output = unshare(this.to_str().unwrap(), &["--exact", name, "--nocapture"]).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "inside: {}{}", said(&output.stdout), said(&output.stderr));
    assert!(said(&output.stdout).contains("1 passed"), "{name} is not its name");
    let skipped = said(&output.stdout);
    skipped.lines().filter(|line| line.starts_with("skipped: ")).for_each(crate::say_skipped);
    false
}

/// Runs a line of shell that must succeed.
pub fn sh(command: &str) {
    let status = Command::new("sh").args(["-ec", command]).status().unwrap();
    assert!(status.success(), "{command}");
}
