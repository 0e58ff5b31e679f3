//! What taking over a city costs a router, in instructions.
//!
//! An emulator that logs what runs is too slow for it: the signatures that a new node checks in the background come
//! faster than it gets through them. So the router's program for x86_64 does it under callgrind, which counts some
//! hundred million instructions a second, and a message of a call is counted there too: how many more instructions
//! that takes on mips ([`crate::mips`]) says how much more the rest does. Signatures are left out of this, since they
//! are counted by themselves, and on mips.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio::time::{Instant, sleep};
use truca_tests::{
    Result,
    daemon::{Daemon, Options},
    page,
    world::{self, City},
};
use trucad::node::state::Saved;

use crate::{NO_RATE, relay};

/// What counts.
const VALGRIND: &str = "valgrind";

/// The city that is taken over: 1,000 nodes and 10,000 people, 3,000 of them attached.
const CITY: City = City { homes: 1_000, people: 10_000, attached: 3_000 };

/// How many signatures more are checked to know what one costs.
const CHECKS: f64 = 40.0;

/// How long the program may take under callgrind for anything.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(100);

/// How many windows of messages: the difference is what counts.
const FEW: usize = 2;
const MANY: usize = 22;

/// Instructions of x86_64.
pub(crate) struct Costs {
    /// A new node takes over the records of a city from its first neighbour; without the signatures.
    pub(crate) join_city: f64,
    /// One chat message from one page to another, with its answer.
    pub(crate) relay_message: f64,
}

/// Counts them with the daemon `program`; `None` without valgrind.
pub(crate) async fn instructions(program: &Path) -> Result<Option<Costs>> {
    if !Command::new(VALGRIND).arg("--version").output().is_ok_and(|found| found.status.success()) {
        eprintln!(
            "valgrind is missing: what joining costs is not counted (Debian: apt-get install valgrind)"
        );
        return Ok(None);
    }
    let (alone, _) = join(program, Vec::new(), 0.0).await?;
    let city = world::records(81, CITY);
    let (joined, checked) = join(program, city.clone(), 0.0).await?;
    let (later, more_checked) = join(program, city, checked + CHECKS).await?;
    let check = (later - joined) / (more_checked - checked);
    let (few, many) = (talk(program, FEW).await?, talk(program, MANY).await?);
    Ok(Some(Costs {
        join_city: joined - alone - checked * check,
        relay_message: (many - few) / ((MANY - FEW) * relay::WINDOW) as f64,
    }))
}

/// From the start of a daemon until it has what its neighbour has and has checked so many signatures: what it took,
/// and how many they were.
async fn join(program: &Path, accounts: Vec<Vec<u8>>, checks: f64) -> Result<(f64, f64)> {
    let mut neighbour = Daemon::start(Options { name: "torre".into(), ..Options::default() })?;
    neighbour.stop()?;
    fs::write(neighbour.state().join("state"), Saved { accounts, ..Saved::default() }.encode())?;
    neighbour.restart()?;
    let all = neighbour.ctl("status")?["records"].as_u64();
    let counted = Counted::start(program, Options { peers: vec![neighbour.page()], ..Options::default() })?;
    let end = Instant::now() + PATIENCE;
    loop {
        // one that works does not always answer in time
        let status = counted.node.ctl("status").unwrap_or_default();
        let checked = status["counters"]["directory"]["checked"].as_f64();
        // its own record is one more, and the neighbour has that too by then
        if let Some(checked) =
            checked.filter(|checked| status["records"].as_u64() > all && *checked >= checks)
        {
            return Ok((counted.end()?, checked));
        }
        if Instant::now() > end {
            return Err(format!("the city was not there after {PATIENCE:?}: {status}").into());
        }
        sleep(LOOK).await;
    }
}

/// Two pages of one daemon write to each other so often.
async fn talk(program: &Path, times: usize) -> Result<f64> {
    let counted = Counted::start(program, Options::default())?;
    let at = counted.node.page();
    let (mut anna, mut pep, call) = page::talking(at, at).await?;
    for _ in 0..times {
        relay::chat(&mut anna, &mut pep, &call).await?;
        pep.confirm().await?;
    }
    drop((anna, pep));
    counted.end()
}

/// A daemon under callgrind.
struct Counted {
    node: Daemon,
    out: PathBuf,
}

impl Counted {
    fn start(program: &Path, options: Options) -> Result<Self> {
        let out = env::temp_dir().join(format!("truca-callgrind-{}", std::process::id()));
        let out_file = format!("--callgrind-out-file={}", out.display());
        let runner = [VALGRIND, "-q", "--tool=callgrind", &out_file].map(Into::into).into();
        let config = NO_RATE.into();
        let node = Daemon::start(Options { program: Some(program.into()), runner, config, ..options })?;
        Ok(Self { node, out })
    }

    /// Ends it, and says how many instructions ran.
    fn end(mut self) -> Result<f64> {
        self.node.stop()?;
        let text = fs::read_to_string(&self.out)?;
        fs::remove_file(&self.out)?;
        let total = text.lines().find_map(|line| line.strip_prefix("summary: ")?.trim().parse().ok());
        total.ok_or_else(|| "callgrind has no summary".into())
    }
}
