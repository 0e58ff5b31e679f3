//! A real `trucad` as a child process, on loopback and free ports, with state of its own. Dropped: killed.

use std::{
    env,
    ffi::OsString,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Map, Value};

use crate::Result;

/// How long a daemon may take to be ready, or to end when asked.
const PATIENCE: Duration = Duration::from_secs(15);

/// How often we look; what `started` says is that coarse.
const LOOK: Duration = Duration::from_millis(2);

/// Without relays a daemon on loopback need not know the addresses of the machine.
const NO_TURN: &str = "\nconfig turn\n\toption enabled '0'\n";

/// What a daemon is started with.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The node's name; empty: `casa`.
    pub name: String,
    /// The UCI configuration; empty: all defaults.
    pub config: String,
    /// Static peers.
    pub peers: Vec<SocketAddr>,
    /// The address to listen on; `None`: 127.0.0.1.
    pub listen: Option<IpAddr>,
    /// The program; `None`: see [`program`].
    pub program: Option<PathBuf>,
    /// Further arguments.
    pub arguments: Vec<OsString>,
    /// Whether it listens on every address and speaks mDNS there, which only namespaces of a test keep to itself.
    pub mdns: bool,
    /// The command before it: an emulator with its options, for another machine's program.
    pub runner: Vec<String>,
}

impl Options {
    fn ip(&self) -> IpAddr {
        self.listen.unwrap_or(Ipv4Addr::LOCALHOST.into())
    }

    /// qemu 7.2 leaves the last attribute of a list of interfaces in this machine's byte order, over which a
    /// big-endian `getifaddrs` of musl never comes to an end.
    fn cannot_list_addresses(&self) -> bool {
        self.runner.first().is_some_and(|runner| runner.ends_with("qemu-mips-static"))
    }

    /// The program with nothing after it yet.
    fn command(&self) -> Result<Command> {
        let program = self.program.clone().map_or_else(program, Ok)?;
        Ok(match self.runner.split_first() {
            None => Command::new(program),
            Some((runner, options)) => {
                let mut command = Command::new(runner);
                command.args(options).arg(program);
                command
            }
        })
    }
}

/// A running daemon.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    options: Options,
    directory: PathBuf,
    ports: Ports,
    started: Duration,
}

/// The daemon's program: what `TRUCA` names, or the one beside this test in the target directory.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = env::var_os("TRUCA") {
        return Ok(path.into());
    }
    let this = env::current_exe()?;
    let found =
        this.ancestors().skip(1).take(3).map(|folder| folder.join("trucad")).find(|path| path.is_file());
    found.ok_or_else(|| {
        format!("no trucad near {}: cargo build -p trucad, or set TRUCA", this.display()).into()
    })
}

impl Daemon {
    /// Starts a daemon and waits until it says that it is ready.
    pub fn start(options: Options) -> Result<Self> {
        let directory = new_directory()?;
        let ports = Ports::take(options.ip())?;
        let from = Instant::now();
        let child = launch(&options, &directory, ports.three())?;
        let mut daemon = Self { child, options, directory, ports, started: Duration::ZERO };
        daemon.wait_ready(0)?;
        daemon.started = from.elapsed();
        Ok(daemon)
    }

    /// Starts it again with the same state, configuration and ports.
    pub fn restart(&mut self) -> Result {
        self.kill()?;
        let from = self.log().len();
        self.child = launch(&self.options, &self.directory, self.ports.three())?;
        self.wait_ready(from)
    }

    /// Where pages and links connect.
    pub fn page(&self) -> SocketAddr {
        (self.options.ip(), self.ports.three()[0]).into()
    }

    /// Where plain HTTP is.
    pub fn http(&self) -> SocketAddr {
        (self.options.ip(), self.ports.three()[1]).into()
    }

    /// Where STUN answers.
    pub fn stun(&self) -> SocketAddr {
        (self.options.ip(), self.ports.three()[2]).into()
    }

    /// From its launch with no state until it said that it serves.
    pub fn started(&self) -> Duration {
        self.started
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its state is.
    pub fn state(&self) -> PathBuf {
        self.directory.join("state")
    }

    /// Where its control socket is.
    pub fn run_dir(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// Everything it has logged.
    pub fn log(&self) -> String {
        fs::read(self.directory.join("log"))
            .map(|log| String::from_utf8_lossy(&log).into_owned())
            .unwrap_or_default()
    }

    /// What the control socket says.
    pub fn ctl(&self, command: &str) -> Result<Value> {
        self.ctl_with(command, &Value::Object(Map::new()))
    }

    /// What the control socket says to a command with arguments.
    pub fn ctl_with(&self, command: &str, arguments: &Value) -> Result<Value> {
        let output = self
            .options
            .command()?
            .args(["ctl", "--json", "--run-dir"])
            .arg(self.run_dir())
            .arg(command)
            .arg(arguments.to_string())
            .output()?;
        if !output.status.success() {
            return Err(format!("ctl {command}: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Asks the control socket until `enough` holds.
    pub fn ctl_until(&self, command: &str, enough: impl Fn(&Value) -> bool) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.ctl(command)?;
            if enough(&answer) {
                return Ok(answer);
            }
            if Instant::now() > end {
                return Err(format!("ctl {command} after {PATIENCE:?}: {answer}\n{}", self.log()).into());
            }
            sleep(LOOK);
        }
    }

    /// Another configuration, and SIGHUP.
    pub fn reload(&self, config: &str) -> Result {
        fs::write(self.directory.join("config"), config)?;
        let status = Command::new("kill").args(["-HUP", &self.pid().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err("kill failed".into()) }
    }

    /// As a power cut does it.
    pub fn kill(&mut self) -> Result {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// SIGTERM, and how it ended.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        // std sends SIGKILL only
        let status = Command::new("kill").arg(self.pid().to_string()).status()?;
        if !status.success() {
            return Err("kill failed".into());
        }
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > end {
                return Err(format!("still running {PATIENCE:?} after SIGTERM\n{}", self.log()).into());
            }
            sleep(LOOK);
        }
    }

    fn wait_ready(&mut self, from: usize) -> Result {
        let end = Instant::now() + PATIENCE;
        loop {
            let log = self.log();
            if log.get(from..).is_some_and(|new| new.contains("info: ready:")) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("trucad ended at once ({status}):\n{log}").into());
            }
            if Instant::now() > end {
                return Err(format!("trucad is not ready after {PATIENCE:?}:\n{log}").into());
            }
            sleep(LOOK);
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end and nobody to tell
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("-- log of {} in {}\n{}", self.options.name, self.directory.display(), self.log());
        } else {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

fn launch(options: &Options, directory: &Path, [port, http, stun]: [u16; 3]) -> Result<Child> {
    let log = fs::OpenOptions::new().create(true).append(true).open(directory.join("log"))?;
    let turn = if options.cannot_list_addresses() { NO_TURN } else { "" };
    fs::write(directory.join("config"), format!("{}{turn}", options.config))?;
    let name = if options.name.is_empty() { "casa" } else { &options.name };
    let mut command = options.command()?;
    let own = options.ip().to_string();
    let listen: &[&str] = if options.mdns {
        &["--listen", "0.0.0.0", "--listen", "::"]
    } else {
        &["--listen", &own, "--no-mdns"]
    };
    command.args(listen).args(["--log", "info", "--name", name]);
    command.arg("--config").arg(directory.join("config"));
    command.arg("--state").arg(directory.join("state")).arg("--run-dir").arg(directory.join("run"));
    for (option, port) in [("--port", port), ("--http-port", http), ("--stun-port", stun)] {
        command.arg(option).arg(port.to_string());
    }
    command.args(&options.arguments);
    for peer in &options.peers {
        command.arg("--peer").arg(peer.to_string());
    }
    let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
    child.map_err(|error| format!("{}: {error}", command.get_program().display()).into())
}

fn new_directory() -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = env::temp_dir().join(format!("truca-{}-{count}", std::process::id()));
    for folder in ["state", "run"] {
        fs::create_dir_all(directory.join(folder))?;
    }
    Ok(directory)
}

/// Where the ports of tests begin and end: below those of relays and of whoever asks the kernel for any, so that no
/// connection of another test takes one between our look and the daemon's `bind`.
const FIRST_PORT: u16 = 16_384;
const LAST_PORT: u16 = 24_575;

/// Four ports in a row that belong to one daemon of one test, whichever process it runs in: who listens on the
/// first of them has the other three, from before the daemon starts until after it was killed.
#[derive(Debug)]
struct Ports {
    first: u16,
    _held: TcpListener,
}

impl Ports {
    fn take(ip: IpAddr) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let rows = u32::from((LAST_PORT - FIRST_PORT) / 4);
        // processes begin apart, so that they rarely ask for the same
        let from = std::process::id().wrapping_mul(97);
        for _ in 0..rows {
            let row = from.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % rows;
            let first = FIRST_PORT + row as u16 * 4;
            let Ok(_held) = TcpListener::bind((ip, first)) else { continue };
            let free = |port| TcpListener::bind((ip, port)).is_ok() && UdpSocket::bind((ip, port)).is_ok();
            let ports = Self { first, _held };
            if ports.three().into_iter().all(free) {
                return Ok(ports);
            }
        }
        Err(format!("no four free ports in a row at {ip} from {FIRST_PORT} to {LAST_PORT}").into())
    }

    /// For the page, for plain HTTP, for STUN.
    fn three(&self) -> [u16; 3] {
        [1, 2, 3].map(|n| self.first + n)
    }
}
