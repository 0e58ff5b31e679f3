//! What the kernel says of a server's process, and the bare servers as child processes.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use truca_tests::Result;

/// Ticks a second in /proc/PID/stat: USER_HZ, which is 100 on every Linux that we know.
const TICKS: f64 = 100.0;

/// CPU time of a process in user and kernel space, in seconds.
pub(crate) fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold spaces; utime and stime are the 14th and 15th field
    let rest = stat.rsplit_once(") ").ok_or("no name in /proc/PID/stat")?.1;
    let ticks: Vec<f64> =
        rest.split(' ').skip(11).take(2).map(str::parse).collect::<std::result::Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / TICKS)
}

/// Resident memory of a process in KiB.
pub(crate) fn rss_kib(pid: u32) -> Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no Rss in smaps_rollup")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}

/// One of our bare servers, killed on drop.
pub(crate) struct Bare {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Bare {
    /// Starts the program of this name that lies beside this one.
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Result<Self> {
        let program = env::current_exe()?.with_file_name(name);
        let mut child = Command::new(&program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", program.display()))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("ready ").ok_or("the bare server is not ready")?.parse()?;
        Ok(Self { child, address })
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // It is ours and may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
