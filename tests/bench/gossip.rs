//! A mesh of real processes beside Serf, whose membership and events are the same kind of protocol (SWIM): bytes of
//! a quiet mesh, memory, how long news and deaths take.
//!
//! Everything runs in a network namespace of its own, one mesh after the other, each process at its own address of
//! 127.0.0.0/8; nftables count what they send, with IP and UDP or TCP. Serf is Debian's, with its profile for LANs.
//! When an agent hears of something is told by its event handler, a shell that writes the time; our nodes are asked
//! by their control sockets, all of them every 20 ms at most.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value};
use truca_tests::{
    Result,
    daemon::{Daemon, Options},
    page::Page,
};
use trucad::host::ctl;

use crate::process::rss_kib;

/// Says to the benchmark that it is in its namespace already.
const INSIDE: &str = "TRUCA_BENCH_INSIDE";
/// What must be there, and Debian's package of it.
const TOOLS: [(&str, &str); 3] = [("serf", "serf"), ("nft", "nftables"), ("ip", "iproute2")];
/// What counts: everything that is sent, by protocol.
const RULES: &str =
    "table inet bench { counter over_udp {} ; counter over_tcp {} ; chain out { type filter hook output priority 0 ;
    meta l4proto udp counter name over_udp ; meta l4proto tcp counter name over_tcp ; } ; }";

/// How long a mesh may take to find itself, or to hear of something.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a mesh that is complete goes on telling of its own start, before bytes are counted: news is passed on for
/// some seconds by everybody, and Serf exchanges all state once in 30 s.
const SETTLE: Duration = Duration::from_secs(35);
/// How long bytes are counted: longer than the periods of both, 30 s for Serf's exchange of all state, and 60 s after
/// which a link of ours that is not needed closes.
const QUIET: Duration = Duration::from_secs(90);
/// How often news are told, and processes killed.
const TIMES: usize = 3;
const LOOK: Duration = Duration::from_millis(20);

/// What was measured of a mesh.
pub(crate) struct Costs {
    /// Bytes each process sends a second in a quiet mesh, over UDP and over TCP.
    pub(crate) udp: f64,
    pub(crate) tcp: f64,
    /// Resident memory of a process, the median.
    pub(crate) rss_kib: f64,
    /// Until the last process has heard of something new: median.
    pub(crate) news_ms: f64,
    /// Until the last one knows of a death: median.
    pub(crate) death_s: f64,
}

/// Whether the benchmark can run here, and runs in a namespace of its own already; `Err` says what is missing, in
/// words.
pub(crate) fn is_inside() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Runs this program again for this benchmark in a namespace of its own, with its lines in the file `out`.
pub(crate) fn enter(out: &Path) -> Result {
    for (tool, package) in TOOLS {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output()?;
        if !found.status.success() {
            return Err(format!("{tool} is missing (Debian: apt-get install {package})").into());
        }
    }
    let mut command = Command::new("unshare");
    command
        .args(["-n", "sh", "-ec", "ip link set lo up; exec \"$@\"", "sh"])
        .arg(env::current_exe()?)
        .arg("gossip");
    let status = command.env(INSIDE, "1").env("BENCH_OUT", out).status()?;
    if status.success() {
        Ok(())
    } else {
        Err("it failed, or there is no network namespace here, which needs root".into())
    }
}

/// Starts counting.
pub(crate) fn count() -> Result {
    run(Command::new("nft").arg(RULES))
}

fn run(command: &mut Command) -> Result {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Bytes sent so far over UDP and TCP.
fn sent() -> Result<[f64; 2]> {
    let output = Command::new("nft").args(["-j", "list", "counters"]).output()?;
    let listed: Value = serde_json::from_slice(&output.stdout)?;
    let of = |name: &str| {
        let mut counters = listed["nftables"].as_array()?.iter().map(|entry| &entry["counter"]);
        counters.find(|counter| counter["name"] == name)?["bytes"].as_f64()
    };
    of("over_udp").zip(of("over_tcp")).map(|(udp, tcp)| [udp, tcp]).ok_or_else(|| "nft counts nothing".into())
}

/// Bytes a second of each of `count` processes, over UDP and TCP.
fn quiet(count: usize) -> Result<[f64; 2]> {
    sleep(SETTLE);
    let (before, from) = (sent()?, Instant::now());
    sleep(QUIET);
    let (after, took) = (sent()?, from.elapsed().as_secs_f64());
    Ok([0, 1].map(|at| (after[at] - before[at]) / took / count as f64))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn memory(pids: impl Iterator<Item = u32>) -> Result<f64> {
    Ok(median(pids.map(rss_kib).collect::<Result<_>>()?))
}

fn address(process: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, 1 + (process / 250) as u8, 1 + (process % 250) as u8).into()
}

/// How long until `all` holds.
fn until(what: &str, from: Instant, mut all: impl FnMut() -> Result<bool>) -> Result<Duration> {
    loop {
        if all()? {
            return Ok(from.elapsed());
        }
        if from.elapsed() > PATIENCE {
            return Err(format!("{what} takes longer than {PATIENCE:?}").into());
        }
        sleep(LOOK);
    }
}

/// A number of the status of a daemon.
fn status(daemon: &Daemon, of: &str) -> Result<u64> {
    let status = ctl::ask(&daemon.run_dir(), "status", &Map::new())?;
    status[of].as_u64().ok_or_else(|| format!("status has no {of}").into())
}

/// Our daemons.
pub(crate) async fn trucad(count: usize, program: Option<PathBuf>) -> Result<Costs> {
    let mut daemons: Vec<Daemon> = Vec::new();
    for process in 0..count {
        let peers: Vec<SocketAddr> = daemons.first().map(Daemon::page).into_iter().collect();
        let options = Options {
            name: format!("node{process}"),
            listen: Some(address(process)),
            program: program.clone(),
            peers,
            ..Options::default()
        };
        daemons.push(Daemon::start(options)?);
    }
    let all = |daemons: &[Daemon], of: &str, value: u64| {
        let looked: Result<Vec<u64>> = daemons.iter().map(|daemon| status(daemon, of)).collect();
        looked.map(|looked| looked.iter().all(|found| *found == value))
    };
    until("the mesh", Instant::now(), || all(&daemons, "members_alive", count as u64))?;
    until("its directory", Instant::now(), || all(&daemons, "members_known", count as u64))?;
    let [udp, tcp] = quiet(count)?;
    let rss_kib = memory(daemons.iter().map(Daemon::pid))?;
    let mut news = Vec::new();
    for time in 0..TIMES {
        let mut page = Page::open(daemons[0].page()).await?;
        let from = Instant::now();
        page.sign_in(&format!("person{time}")).await?;
        let took = until("news", from, || all(&daemons, "people", time as u64 + 1))?;
        news.push(took.as_secs_f64() * 1e3);
    }
    let mut deaths = Vec::new();
    for _ in 0..TIMES {
        let from = Instant::now();
        daemons.pop().ok_or("nobody is left")?.kill()?;
        let took = until("a death", from, || all(&daemons, "members_alive", daemons.len() as u64))?;
        deaths.push(took.as_secs_f64());
    }
    Ok(Costs { udp, tcp, rss_kib, news_ms: median(news), death_s: median(deaths) })
}

/// Serf's agents; killed on drop.
struct Agents {
    children: Vec<Child>,
    directory: PathBuf,
}

impl Drop for Agents {
    fn drop(&mut self) {
        for child in &mut self.children {
            // it may have been killed already
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Agents {
    fn start(count: usize) -> Result<Self> {
        let directory = env::temp_dir().join(format!("truca-serf-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let handler = directory.join("handler");
        // $1: which agent; the event's kind and payload or members are told by Serf
        fs::write(
            &handler,
            "#!/bin/sh\nread -r who rest\necho \"$(date +%s%N) $SERF_EVENT ${SERF_USER_EVENT:-$who}\" >>\"$1\"\n",
        )?;
        run(Command::new("chmod").arg("755").arg(&handler))?;
        let mut agents = Self { children: Vec::new(), directory };
        for process in 0..count {
            let ip = address(process);
            let mut agent = Command::new("serf");
            agent.args(["agent", "-profile=lan", "-log-level=err"]);
            agent.arg(format!("-node=node{process}")).arg(format!("-bind={ip}:7946"));
            agent.arg(format!("-rpc-addr={ip}:7373"));
            let heard = agents.heard_at(process);
            agent.arg(format!("-event-handler={} {}", handler.display(), heard.display()));
            if process > 0 {
                agent.arg(format!("-retry-join={}:7946", address(0)));
            }
            agent.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            agents.children.push(agent.spawn()?);
        }
        Ok(agents)
    }

    fn heard_at(&self, process: usize) -> PathBuf {
        self.directory.join(format!("heard{process}"))
    }

    /// When the last of the agents that live has heard of this; `None` when not all have.
    fn last_heard(&self, event: &str, of: &str) -> Option<Duration> {
        let heard = (0..self.children.len()).map(|process| {
            let text = fs::read_to_string(self.heard_at(process)).ok()?;
            text.lines().find_map(|line| {
                let (at, rest) = line.split_once(' ')?;
                let nanos = (rest == format!("{event} {of}")).then(|| at.parse().ok())??;
                Some(Duration::from_nanos(nanos))
            })
        });
        heard.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    fn members(&self, process: usize) -> Result<usize> {
        let rpc = format!("-rpc-addr={}:7373", address(process));
        let output = Command::new("serf").args(["members", "-status=alive", &rpc]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).lines().count())
    }

    /// How long after `from` the last agent heard of it.
    fn until_heard(&self, event: &str, of: &str, from: Duration) -> Result<Duration> {
        until(event, Instant::now(), || Ok(self.last_heard(event, of).is_some()))?;
        Ok(self.last_heard(event, of).unwrap_or_default().saturating_sub(from))
    }
}

/// The date, as the handler has it.
fn date() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

/// Serf's.
pub(crate) fn serf(count: usize) -> Result<Costs> {
    let mut agents = Agents::start(count)?;
    for process in [0, count / 2, count - 1] {
        until("Serf's mesh", Instant::now(), || Ok(agents.members(process)? == count))?;
    }
    let [udp, tcp] = quiet(count)?;
    let rss_kib = memory(agents.children.iter().map(Child::id))?;
    let mut news = Vec::new();
    for time in 0..TIMES {
        let (name, rpc) = (format!("news{time}"), format!("-rpc-addr={}:7373", address(0)));
        let from = date()?;
        run(Command::new("serf").args(["event", "-coalesce=false", &rpc, &name]))?;
        news.push(agents.until_heard("user", &name, from)?.as_secs_f64() * 1e3);
    }
    let mut deaths = Vec::new();
    for _ in 0..TIMES {
        let name = format!("node{}", agents.children.len() - 1);
        let mut last = agents.children.pop().ok_or("nobody is left")?;
        let from = date()?;
        last.kill()?;
        last.wait()?;
        deaths.push(agents.until_heard("member-failed", &name, from)?.as_secs_f64());
    }
    Ok(Costs { udp, tcp, rss_kib, news_ms: median(news), death_s: median(deaths) })
}
