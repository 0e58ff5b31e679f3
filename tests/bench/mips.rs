//! Instructions that the daemon needs on a router's CPU, counted in an emulator and so the same on every machine.
//!
//! qemu-user logs the instructions of each block when it translates it and a line whenever one runs; the sum of
//! the lengths of the blocks that ran is the count, to the instruction what `-singlestep` gives with a line for
//! each. Kernel time is not in it. The figures are differences around one thing done, with the daemon at rest
//! before and after.

use std::{
    collections::HashMap,
    env,
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};
use tokio_rustls::client::TlsStream;
use truca_tests::{
    Result,
    daemon::{Daemon, Options},
    page::{self, Page},
};
use trucad::page::assets::ASSETS;

use crate::relay;

/// The emulator of a 24Kc, the core of mips_24kc.
const QEMU: &str = "qemu-mips-static";

/// Nothing has run for so long: what was asked for is done.
const REST: Duration = Duration::from_millis(500);

/// Instructions for each thing that a visitor does.
pub(crate) struct Costs {
    /// A TLS 1.3 handshake with the TCP connection around it, opened and closed.
    pub(crate) handshake: f64,
    /// All files of the page over one connection that is there.
    pub(crate) page_load: f64,
    /// A new account over a WebSocket that is there: three signatures checked.
    pub(crate) sign_in: f64,
    /// One chat message from one page to another, with its answer.
    pub(crate) relay_message: f64,
}

/// Starts the daemon `program`, built for mips, with what counts its instructions.
fn emulated(program: &Path) -> Result<(Daemon, Counter)> {
    let trace = env::temp_dir().join(format!("truca-trace-{}", std::process::id()));
    if !Command::new("mkfifo").arg(&trace).status()?.success() {
        return Err(format!("mkfifo {} failed", trace.display()).into());
    }
    let counter = Counter::follow(trace.clone());
    let mut runner: Vec<String> =
        [QEMU, "-cpu", "24Kc", "-d", "nochain,exec,in_asm", "-D"].map(Into::into).into();
    runner.push(trace.to_string_lossy().into_owned());
    let node = Daemon::start(Options { program: Some(program.into()), runner, ..Options::default() });
    // Both ends are open now, or never will be
    std::fs::remove_file(&trace)?;
    Ok((node?, counter))
}

/// Counts them with the daemon `program` built for mips.
pub(crate) async fn instructions(program: &Path) -> Result<Costs> {
    let (node, counter) = emulated(program)?;

    // The first of everything touches what is made once
    for _ in 0..2 {
        connect(&node).await?;
    }
    let mut from = counter.at_rest().await;
    connect(&node).await?.shutdown().await?;
    let handshake = counter.since(&mut from).await;

    let mut stream = connect(&node).await?;
    load(&mut stream, &node).await?;
    counter.since(&mut from).await;
    load(&mut stream, &node).await?;
    let page_load = counter.since(&mut from).await;

    let mut anna = Page::open(node.page()).await?;
    let mut pep = Page::open(node.page()).await?;
    pep.sign_in("pep").await?;
    counter.since(&mut from).await;
    anna.sign_in("anna").await?;
    let sign_in = counter.since(&mut from).await;

    let call = anna.invite(&pep.address, "audio").await?;
    pep.event("incoming").await?;
    pep.accept(&call, "audio").await?;
    anna.event("accepted").await?;
    let mut relay_message = 0.0;
    for _ in 0..2 {
        counter.since(&mut from).await;
        relay::chat(&mut anna, &mut pep, &call).await?;
        // Without the confirmation, which is one for many messages
        relay_message = counter.since(&mut from).await / relay::WINDOW as f64;
        pep.confirm().await?;
    }
    Ok(Costs { handshake, page_load, sign_in, relay_message })
}

async fn connect(node: &Daemon) -> Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(node.page()).await?;
    stream.set_nodelay(true)?;
    Ok(page::connector()?.connect(node.page().ip().into(), stream).await?)
}

/// Every file of the page, one after the other, as a browser does with an empty cache.
async fn load(stream: &mut TlsStream<TcpStream>, node: &Daemon) -> Result {
    for asset in ASSETS {
        let request =
            format!("GET {} HTTP/1.1\r\nHost: {}\r\nAccept-Encoding: br\r\n\r\n", asset.path, node.page());
        stream.write_all(request.as_bytes()).await?;
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(format!("{}: closed before the head was complete", asset.path).into());
            }
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        if !head.starts_with("HTTP/1.1 200 ") {
            return Err(format!("{}: {}", asset.path, head.lines().next().unwrap_or_default()).into());
        }
        let missing = (end + asset.brotli.len()).saturating_sub(bytes.len());
        stream.read_exact(&mut vec![0; missing]).await?;
    }
    Ok(())
}

/// Adds up what qemu writes into its log.
struct Counter(Arc<AtomicU64>);

impl Counter {
    fn follow(trace: PathBuf) -> Self {
        let total = Arc::new(AtomicU64::new(0));
        let counter = Self(Arc::clone(&total));
        thread::spawn(move || {
            // Ends with the emulator; what cannot be read shows as no instructions at all
            if let Ok(file) = File::open(trace) {
                count(BufReader::with_capacity(1 << 20, file), &total);
            }
        });
        counter
    }

    /// The count once nothing runs any more.
    async fn at_rest(&self) -> u64 {
        let mut last = self.0.load(Ordering::Relaxed);
        loop {
            sleep(REST).await;
            let now = self.0.load(Ordering::Relaxed);
            if now == last {
                return now;
            }
            last = now;
        }
    }

    /// What ran since `from`, which moves on.
    async fn since(&self, from: &mut u64) -> f64 {
        let before = std::mem::replace(from, self.at_rest().await);
        (*from - before) as f64
    }
}

/// A block as it is translated: `0x000847d0:  bal 0x847e4` for each instruction, then an empty line.
/// A block as it runs: `Trace 0: 0x7f3b480000c0 [00000000/000847d0/00000002/00000200]`, the second its address.
fn count(trace: impl BufRead, total: &AtomicU64) {
    let mut lengths: HashMap<u64, u64> = HashMap::new();
    let mut block = None;
    for line in trace.split(b'\n').map_while(std::result::Result::ok) {
        if line.starts_with(b"Trace ") {
            let address = line.split(|byte| *byte == b'/').nth(1).and_then(hexadecimal);
            total.fetch_add(
                address.map_or(0, |address| lengths.get(&address).copied().unwrap_or(0)),
                Ordering::Relaxed,
            );
        } else if let Some(rest) = line.strip_prefix(b"0x") {
            let address = rest.split(|byte| *byte == b':').next().and_then(hexadecimal);
            let (first, length) = block.unwrap_or((address.unwrap_or(0), 0));
            block = Some((first, length + 1));
            lengths.insert(first, length + 1);
        } else {
            block = None;
        }
    }
}

fn hexadecimal(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_counts_its_instructions_whenever_it_runs() {
        let trace = "----------------\nIN: \n0x000847d0:  bal\t0x847e4\n0x000847d4:  move\ts8,zero\n\n\
            Trace 0: 0x7f3b480000c0 [00000000/000847d0/00000002/00000200] \n----------------\nIN: \n\
            0x000847e4:  lw\tgp,0(ra)\n\nTrace 0: 0x7f3b480001c0 [00000000/000847e4/00000002/00000200] \n\
            Trace 0: 0x7f3b480000c0 [00000000/000847d0/00000002/00000200] \n";
        let total = AtomicU64::new(0);
        count(trace.as_bytes(), &total);
        assert_eq!(total.into_inner(), 5);
    }
}
