//! `make bench`: what `trucad` costs beside the least that does the same.
//!
//! Every subject is a process of its own; the runs of the subjects alternate, and a ratio is the median of
//! the ratios of neighbouring runs, since machines are noisy. `BENCH_RUNS` (5), `BENCH_MESSAGES` (50,000),
//! `BENCH_REQUESTS` (400,000) and `BENCH_CLIENTS` (100) change the size; `TRUCA` names another daemon, and
//! `TRUCA_OPENWRT` one of profile `openwrt`, whose idle memory is measured too.

mod process;
mod relay;
mod report;
mod stun;

use std::{env, path::PathBuf, str::FromStr};

use process::Bare;
use report::{Metric, Report};
use truca_tests::{
    Result,
    daemon::{Daemon, Options},
};

const RELAY_CPU: Metric = Metric { bench: "relay", metric: "cpu_s_per_100k", unit: "s" };
const RELAY_MEMORY: Metric = Metric { bench: "relay", metric: "kib_per_idle_client", unit: "KiB" };
const STUN_CPU: Metric = Metric { bench: "stun", metric: "cpu_s_per_1m", unit: "s" };
const IDLE: Metric = Metric { bench: "daemon", metric: "idle_rss_kib", unit: "KiB" };

const PAIRS: [(&str, &str); 3] =
    [("trucad", "bare-relay"), ("trucad", "bare-relay-ok"), ("trucad", "bare-echo")];

/// What can be run alone, named as the first argument.
const ALL: [&str; 4] = ["relay", "memory", "stun", "idle"];

/// One page of the bench asks faster than a person ever does.
const NO_RATE: &str = "config limits\n\toption page_rate '0'\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let runs: u32 = setting("BENCH_RUNS", 5)?;
    let messages: usize = setting("BENCH_MESSAGES", 50_000)?;
    let requests: u32 = setting("BENCH_REQUESTS", 400_000)?;
    let clients: u32 = setting("BENCH_CLIENTS", 100)?;
    let only = env::args().nth(1);
    if let Some(name) = only.as_deref().filter(|name| !ALL.contains(name)) {
        return Err(format!("no benchmark '{name}': {}", ALL.join(", ")).into());
    }
    let wanted = |what| only.as_deref().is_none_or(|only| only == what);
    let mut report = Report::default();
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
        }
        if wanted("stun") {
            let bare = Bare::start("bare-echo", &[])?;
            report.add(STUN_CPU, "bare-echo", stun::cpu(bare.address, bare.pid(), requests)?);
            let node = daemon(None)?;
            report.add(STUN_CPU, "trucad", stun::cpu(node.stun(), node.pid(), requests)?);
        }
        if wanted("idle") {
            let node = daemon(None)?;
            report.add(IDLE, "trucad", relay::settled(node.pid()).await?);
            if let Some(program) = env::var_os("TRUCA_OPENWRT") {
                let node = daemon(Some(program.into()))?;
                report.add(IDLE, "trucad-openwrt", relay::settled(node.pid()).await?);
            }
        }
    }
    let target =
        env::var_os("BENCH_OUT").map_or_else(|| PathBuf::from("target/bench/results.jsonl"), PathBuf::from);
    report.close(&PAIRS, &target)
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
