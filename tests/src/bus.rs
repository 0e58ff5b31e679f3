//! OpenWrt's own bus for one test, where `ubusd` and `ubus` are on PATH: Debian has no package of them.

// Clippy's allowance for tests does not reach the furniture of one
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

/// A directory of one test.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Default for Folder {
    fn default() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("truca-ubus-{}-{count}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Folder {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where its bus listens.
    pub fn socket(&self) -> PathBuf {
        self.0.join("ubus.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A `ubusd` of this test alone.
#[derive(Debug)]
pub struct Bus {
    /// Where its socket is, and the directory `acl` with rights, if there are any.
    pub folder: Folder,
    child: Child,
}

impl Bus {
    /// `None`, and a word why, where it is not installed: it comes with OpenWrt, and Debian has no package.
    pub fn start() -> Option<Self> {
        let folder = Folder::default();
        match spawn(&folder.socket()) {
            Ok(child) => Some(Self { folder, child }),
            Err(error) => {
                crate::skipped(&format!(
                    "no ubusd on PATH ({error}); build openwrt/libubox and openwrt/ubus"
                ));
                None
            }
        }
    }

    /// Ends it and starts it again.
    pub fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(&self.folder.socket()).unwrap();
    }

    /// The command line client, waiting for at most 15 s.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("ubus");
        command.arg("-s").arg(self.folder.socket()).args(["-t", "15"]).args(arguments);
        command
    }

    /// What the client answers.
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Calls a method of the object; the client ends with the status.
    pub fn call(&self, method: &str, arguments: &Value) -> Result<Value, i32> {
        let output = self.run(&["call", "truca", method, &arguments.to_string()]);
        match output.status.code().unwrap() {
            0 if output.stdout.is_empty() => Ok(json!({})),
            0 => Ok(serde_json::from_slice(&output.stdout).unwrap()),
            // a status of the method ends it with its negative
            code => Err(if code > 127 { 256 - code } else { code }),
        }
    }

    /// Until the daemon is on the bus.
    pub fn wait_for_object(&self) {
        let waited = self.run(&["wait_for", "truca"]);
        assert!(waited.status.success(), "{waited:?}");
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(socket: &Path) -> std::io::Result<Child> {
    let _ = fs::remove_file(socket);
    // never this machine's rights
    let rights = socket.with_file_name("acl");
    let child =
        Command::new("ubusd").arg("-s").arg(socket).arg("-A").arg(rights).stderr(Stdio::null()).spawn()?;
    until("ubusd has no socket", || UnixStream::connect(socket).is_ok());
    Ok(child)
}

/// Waits until it is so.
pub fn until(otherwise: &str, so: impl Fn() -> bool) {
    for _ in 0..1_500 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{otherwise}");
}

/// Lines of `ubus listen`.
#[derive(Debug)]
pub struct Listener(Child, BufReader<ChildStdout>);

impl Listener {
    /// Listens for the events of Truca, from the return on.
    pub fn start(bus: &Bus) -> Self {
        // it tells of itself when it registers for its own event, so that none of ours is missed
        let mut child = bus.command(&["listen", "truca.*", "ready"]).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut listener = Self(child, lines);
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // the pattern is registered when the event comes back
                while receiver.recv_timeout(Duration::from_millis(50)).is_err() {
                    bus.run(&["send", "ready", "{}"]);
                }
            });
            listener.next("ready");
            sender.send(()).unwrap();
        });
        listener
    }

    /// The next event of this name.
    pub fn next(&mut self, name: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.1.read_line(&mut line).unwrap() > 0, "the listener ended");
            let mut event: Value = serde_json::from_str(&line).unwrap();
            if let Some(data) = event.as_object_mut().unwrap().remove(name) {
                return data;
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
