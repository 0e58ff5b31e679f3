//! `make bench`: what `trucad` costs beside the least that does the same.
//!
//! Every subject is a process of its own; the runs of the subjects alternate, and a ratio is the median of
//! the ratios of neighbouring runs, since machines are noisy. `BENCH_RUNS` (5), `BENCH_MESSAGES` (50,000),
//! `BENCH_REQUESTS` (400,000), `BENCH_PACKETS` (200,000) and `BENCH_CLIENTS` (200) change the size; `TRUCA` names
//! another daemon. `gossip` runs meshes of `BENCH_NODES` (50) processes of ours and of Serf once, as root.
//! `TRUCA_OPENWRT` names one as it goes on a router but for this machine's CPU: its memory and its start are held
//! to their budgets. `TRUCA_MIPS` names one for mips, whose instructions are counted.

mod allocations;
mod gossip;
mod join;
mod mips;
mod process;
mod relay;
mod report;
mod stun;
mod turn;

use std::{
    env, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use process::Bare;
use report::{Metric, Report};
use truca_tests::{
    Result,
    daemon::{Daemon, Options},
};

const RELAY_CPU: Metric = Metric { bench: "relay", metric: "cpu_s_per_100k", unit: "s" };
const RELAY_MEMORY: Metric = Metric { bench: "relay", metric: "kib_per_idle_client", unit: "KiB" };
const STUN_CPU: Metric = Metric { bench: "stun", metric: "cpu_s_per_1m", unit: "s" };
const STUN_PORTS: Metric = Metric { bench: "stun", metric: "cpu_s_per_1m_64_ports", unit: "s" };
const STUN_MEMORY: Metric = Metric { bench: "stun", metric: "rss_growth_kib_1000_clients", unit: "KiB" };
const TURN_CPU: Metric = Metric { bench: "turn", metric: "cpu_s_per_gb", unit: "s" };
const TURN_ALLOCS: Metric = Metric { bench: "turn", metric: "allocs_per_packet", unit: "" };
const TURN_MEMORY: Metric = Metric { bench: "turn", metric: "kib_per_relay", unit: "KiB" };
const IDLE: Metric = Metric { bench: "daemon", metric: "idle_rss_kib", unit: "KiB" };
const START: Metric = Metric { bench: "daemon", metric: "start_ms", unit: "ms" };
const INSTRUCTIONS: Metric = Metric { bench: "mips", metric: "instructions", unit: "" };

/// What the daemon may cost on a router, at most (the issue "On the router").
const BUDGETS: [(Metric, f64); 3] = [(IDLE, 3072.0), (RELAY_MEMORY, 24.0), (START, 300.0)];

/// The subject that the budgets are for.
const ROUTER: &str = "trucad-openwrt";

const PAIRS: [(&str, &str); 5] = [
    ("trucad", "bare-relay"),
    ("trucad", "bare-relay-ok"),
    ("trucad", "bare-echo"),
    ("trucad", "coturn"),
    ("trucad", "stund"),
];

/// What can be run alone, named as the first argument.
const ALL: [&str; 7] = ["relay", "memory", "stun", "turn", "idle", "mips", "gossip"];

/// One page of the bench asks faster than a person ever does, and one account has all relays.
const NO_RATE: &str = "config limits\n\toption page_rate '0'\n\toption stun_rate '0'\n\
    config turn\n\toption rate '0'\n\toption rate_per_account '0'\n\toption relays '512'\n\toption relays_per_account '512'\n\
    \toption ports '54000-54999'\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let runs: u32 = setting("BENCH_RUNS", 5)?;
    let messages: usize = setting("BENCH_MESSAGES", 50_000)?;
    let requests: u32 = setting("BENCH_REQUESTS", 400_000)?;
    let clients: u32 = setting("BENCH_CLIENTS", 200)?;
    let packets: u32 = setting("BENCH_PACKETS", 200_000)?;
    let only = env::args().nth(1);
    if let Some(name) = only.as_deref().filter(|name| !ALL.contains(name)) {
        return Err(format!("no benchmark '{name}': {}", ALL.join(", ")).into());
    }
    let wanted = |what| only.as_deref().is_none_or(|only| only == what);
    let openwrt: Option<PathBuf> = env::var_os("TRUCA_OPENWRT").map(Into::into);
    let mut report = Report::default();
    let target =
        env::var_os("BENCH_OUT").map_or_else(|| PathBuf::from("target/bench/results.jsonl"), PathBuf::from);
    if gossip::is_inside() {
        return meshes(report, setting("BENCH_NODES", 50)?, openwrt, &target).await;
    }
    let runs = if only.as_deref() == Some("gossip") { 0 } else { runs };
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        if wanted("relay") {
            let bare = Bare::start("bare-relay", &[])?;
            report.add(
                RELAY_CPU,
                "bare-relay",
                relay::bare_cpu(bare.address, bare.pid(), messages, false).await?,
            );
            let bare = Bare::start("bare-relay", &["--answer"])?;
            report.add(
                RELAY_CPU,
                "bare-relay-ok",
                relay::bare_cpu(bare.address, bare.pid(), messages, true).await?,
            );
            let node = daemon(None)?;
            report.add(RELAY_CPU, "trucad", relay::trucad_cpu(node.page(), node.pid(), messages).await?);
        }
        if wanted("memory") {
            let bare = Bare::start("bare-relay", &[])?;
            report.add(
                RELAY_MEMORY,
                "bare-relay",
                relay::bare_memory(bare.address, bare.pid(), clients).await?,
            );
            let node = daemon(None)?;
            report.add(RELAY_MEMORY, "trucad", relay::trucad_memory(node.page(), node.pid(), clients).await?);
            if let Some(program) = &openwrt {
                let node = daemon(Some(program.clone()))?;
                report.add(
                    RELAY_MEMORY,
                    ROUTER,
                    relay::trucad_memory(node.page(), node.pid(), clients).await?,
                );
            }
        }
        if wanted("stun") {
            let mut cpu = |subject, at, pid| -> Result {
                report.add(STUN_CPU, subject, stun::cpu(at, pid, requests, 1)?);
                report.add(STUN_PORTS, subject, stun::cpu(at, pid, requests, stun::WINDOW as usize)?);
                Ok(())
            };
            let bare = Bare::start("bare-echo", &[])?;
            cpu("bare-echo", bare.address, bare.pid())?;
            let node = daemon(None)?;
            cpu("trucad", node.stun(), node.pid())?;
            let coturn = turn::Coturn::start()?;
            if let Some(coturn) = &coturn {
                cpu("coturn", coturn.address, coturn.pid())?;
            }
            let stund = stun::Stund::start()?;
            if let Some(stund) = &stund {
                cpu("stund", stund.address, stund.pid())?;
            }
            report.add(STUN_MEMORY, "trucad", stun::memory(node.stun(), node.pid()).await?);
            if let Some(coturn) = &coturn {
                report.add(STUN_MEMORY, "coturn", stun::memory(coturn.address, coturn.pid()).await?);
            }
            if let Some(stund) = &stund {
                report.add(STUN_MEMORY, "stund", stun::memory(stund.address, stund.pid()).await?);
            }
        }
        if wanted("turn") {
            if let Some(coturn) = turn::Coturn::start()? {
                let (at, pid, granted) = (coturn.address, coturn.pid(), &coturn.credentials);
                report.add(TURN_CPU, "coturn", turn::cpu(at, pid, granted, packets)?);
                report.add(TURN_MEMORY, "coturn", turn::memory(at, pid, granted, clients).await?);
            }
            let node = daemon(None)?;
            let granted = turn::Credentials::of(node.page()).await?;
            let (at, pid) = (node.stun(), node.pid());
            report.add(TURN_CPU, "trucad", turn::cpu(at, pid, &granted, packets)?);
            report.add(TURN_MEMORY, "trucad", turn::memory(at, pid, &granted, clients).await?);
        }
        if wanted("idle") {
            for (subject, program) in [("trucad", None), (ROUTER, openwrt.clone())] {
                if subject == "trucad" || program.is_some() {
                    let node = daemon(program)?;
                    report.add(START, subject, node.started().as_secs_f64() * 1e3);
                    report.add(IDLE, subject, relay::settled(node.pid()).await?);
                }
            }
        }
    }
    let mut wrong = Vec::new();
    if wanted("turn") && runs > 0 {
        // The same at every run: counted once
        report.add(TURN_ALLOCS, "trucad", allocations::per_packet(NO_RATE, packets).await?);
    }
    if let Some(program) = env::var_os("TRUCA_MIPS").filter(|_| wanted("mips")) {
        // The same at every run: counted once. Where it fails, what has been measured before is kept
        if let Err(why) = instructions(&mut report, program.as_ref(), openwrt.as_deref()).await {
            wrong.push(format!("mips: {why}"));
        }
    }
    report.close(&PAIRS, &target)?;
    if wanted("gossip") {
        let lines = target.with_extension("gossip");
        match gossip::enter(&lines) {
            Ok(()) => {
                let all = fs::read(&target)?.into_iter().chain(fs::read(&lines)?).collect::<Vec<_>>();
                fs::write(&target, all)?;
                fs::remove_file(lines)?;
            }
            Err(why) => println!("gossip: skipped: {why}"),
        }
    }
    wrong.extend(report.over(&BUDGETS, ROUTER));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ").into()) }
}

/// What a router executes, by its own program and, for what takes too long in an emulator, by that for x86_64.
async fn instructions(report: &mut Report, mips: &Path, x86: Option<&Path>) -> Result {
    let costs = mips::instructions(mips).await?;
    report.add(INSTRUCTIONS, "handshake", costs.handshake);
    report.add(INSTRUCTIONS, "page_load", costs.page_load);
    report.add(INSTRUCTIONS, "sign_in", costs.sign_in);
    report.add(INSTRUCTIONS, "relay_message", costs.relay_message);
    let Some(x86) = x86 else { return Ok(()) };
    if let Some(counted) = join::instructions(x86).await? {
        let more = costs.relay_message / counted.relay_message;
        report.add(INSTRUCTIONS, "join_city", counted.join_city * more);
    }
    Ok(())
}

/// A mesh of ours and one of Serf's.
async fn meshes(mut report: Report, count: usize, router: Option<PathBuf>, target: &Path) -> Result {
    let metric = |metric, unit| Metric { bench: "gossip", metric, unit };
    gossip::count()?;
    // what goes on a router, where it was built
    let ours = if router.is_some() { ROUTER } else { "trucad" };
    for (subject, costs) in [("serf", gossip::serf(count)?), (ours, gossip::trucad(count, router).await?)] {
        report.add(metric("idle_udp_bytes_per_s", "B/s"), subject, costs.udp);
        report.add(metric("idle_tcp_bytes_per_s", "B/s"), subject, costs.tcp);
        report.add(metric("idle_bytes_per_s", "B/s"), subject, costs.udp + costs.tcp);
        report.add(metric("rss_kib", "KiB"), subject, costs.rss_kib);
        report.add(metric("news_ms", "ms"), subject, costs.news_ms);
        report.add(metric("death_s", "s"), subject, costs.death_s);
    }
    report.close(&[("trucad", "serf"), (ROUTER, "serf")], target)
}

fn daemon(program: Option<PathBuf>) -> Result<Daemon> {
    Daemon::start(Options { config: NO_RATE.into(), program, ..Options::default() })
}

fn setting<T: FromStr>(name: &str, default: T) -> Result<T> {
    match env::var(name) {
        Ok(text) => text.parse().map_err(|_| format!("{name} is a number, not '{text}'").into()),
        Err(_) => Ok(default),
    }
}
