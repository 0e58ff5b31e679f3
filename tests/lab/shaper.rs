//! A bad link of the lab: two TAP interfaces, and between them what `truca_tests::shape` says. For kernels without
//! `netem`, and since a link that a test worsens and heals wants the same hand on rate, delay and loss at once.
//!
//! ```text
//! shaper run NAME NAME [rate=300] [queue=300] [delay=100] [jitter=20] [loss=5] [seed=1]
//! shaper set [rate=…] …
//! ```
//!
//! `run` makes both interfaces in its own namespace; `lab.sh` then gives the second to another router. `set`,
//! in the same namespace, changes what is named, puts the rest back to nothing, and prints what the link is like
//! and what it has carried; without a word it only prints. kb/s, ms and percent.

use std::{
    env,
    fs::{File, OpenOptions},
    io::{ErrorKind, Read as _, Write as _},
    net::UdpSocket as Plain,
    os::{fd::AsRawFd as _, unix::fs::OpenOptionsExt as _},
    time::Duration,
};

use tokio::{
    io::unix::{AsyncFd, AsyncFdReadyGuard},
    net::UdpSocket,
    time::{Instant, sleep_until},
};
use truca_tests::{
    Result,
    shape::{Link, Shape},
};

/// Where a running shaper is told, in its own namespace.
const CONTROL: &str = "127.0.0.1:7070";

/// A frame of Ethernet with a VLAN tag, or more should the MTU be raised.
const MAX_FRAME: usize = 2_048;

/// Frames read of one interface before the other has its turn.
const BATCH: usize = 64;

fn main() -> Result {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", west, east, how @ ..] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(run(west, east, how))
        }
        ["set", how @ ..] => set(&how.join(" ")),
        _ => Err("usage: shaper run NAME NAME [WORD=NUMBER…] | shaper set [WORD=NUMBER…]".into()),
    }
}

async fn run(west: &str, east: &str, how: &[&str]) -> Result {
    let (mut shape, mut seed) = (Shape::default(), 1);
    for word in how {
        match word.strip_prefix("seed=") {
            Some(number) => seed = number.parse()?,
            None => shape.set(word)?,
        }
    }
    let (mut west, mut east) = (Side::open(west, shape, seed)?, Side::open(east, shape, !seed)?);
    let control = UdpSocket::bind(CONTROL).await?;
    println!("ready");
    let start = Instant::now();
    let mut asked = [0; 256];
    loop {
        let next = [west.out.next(), east.out.next()].into_iter().flatten().min();
        let until = start + next.unwrap_or(Duration::from_secs(3_600));
        tokio::select! {
            ready = west.tap.readable() => take(ready?, &mut west.out, start.elapsed())?,
            ready = east.tap.readable() => take(ready?, &mut east.out, start.elapsed())?,
            question = control.recv_from(&mut asked) => {
                let (length, from) = question?;
                let answer = answer(&asked[..length], &mut west.out, &mut east.out);
                control.send_to(answer.as_bytes(), from).await?;
            }
            () = sleep_until(until), if next.is_some() => {}
        }
        let now = start.elapsed();
        while let Some(frame) = west.out.arrived(now) {
            east.write(&frame)?;
        }
        while let Some(frame) = east.out.arrived(now) {
            west.write(&frame)?;
        }
    }
}

/// What was asked for is so in both directions, or nothing has changed.
fn answer(question: &[u8], west: &mut Link, east: &mut Link) -> String {
    let question = String::from_utf8_lossy(question);
    if !question.is_empty() {
        let mut shape = Shape::default();
        if let Err(error) = question.split_whitespace().try_for_each(|word| shape.set(word)) {
            return format!("error: {error}");
        }
        (west.shape, east.shape) = (shape, shape);
    }
    let told = |link: &Link| {
        let counted = link.counters;
        serde_json::json!({ "frames": counted.frames, "bytes": counted.bytes, "lost": counted.lost, "full": counted.full })
    };
    let Shape { rate, queue, delay, jitter, loss } = west.shape;
    serde_json::json!({
        "rate": rate, "queue": queue.as_millis(), "delay": delay.as_millis(), "jitter": jitter.as_millis(),
        "loss": loss * 100.0, "from_west": told(west), "from_east": told(east),
    })
    .to_string()
}

fn set(how: &str) -> Result {
    let socket = Plain::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.send_to(how.as_bytes(), CONTROL)?;
    let mut answer = [0; 1_024];
    let length =
        socket.recv(&mut answer).map_err(|error| format!("no shaper answers in this namespace: {error}"))?;
    let answer = String::from_utf8_lossy(&answer[..length]);
    if let Some(error) = answer.strip_prefix("error: ") {
        return Err(error.into());
    }
    println!("{answer}");
    Ok(())
}

/// An end of the link, and what leaves by it.
struct Side {
    tap: AsyncFd<File>,
    out: Link,
}

impl Side {
    fn open(name: &str, shape: Shape, seed: u64) -> Result<Self> {
        let tap = open_tap(name).map_err(|error| format!("no TAP interface {name}: {error}"))?;
        #[allow(unsafe_code)]
        // the file lives as long as what it is registered with, and nobody closes it before
        let tap = unsafe { AsyncFd::register(tap)? };
        Ok(Side { tap, out: Link::new(shape, seed) })
    }

    /// An interface that is down, or whose queue is full, loses the frame.
    fn write(&self, frame: &[u8]) -> Result {
        match self.tap.get_ref().write(frame) {
            Err(error) if !matches!(error.raw_os_error(), Some(libc::EIO | libc::EAGAIN | libc::ENOBUFS)) => {
                Err(error.into())
            }
            _ => Ok(()),
        }
    }
}

/// Takes what an interface sends.
fn take(mut ready: AsyncFdReadyGuard<'_, File>, out: &mut Link, now: Duration) -> Result {
    for _ in 0..BATCH {
        let mut frame = vec![0; MAX_FRAME];
        match ready.get_inner().read(&mut frame) {
            Ok(length) => {
                frame.truncate(length);
                out.send(now, frame);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ready.clear_ready();
                break;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A TAP interface of this name: Ethernet, so that multicast and ARP work as on a cable.
fn open_tap(name: &str) -> Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")?;
    let mut request = [0_u8; 40]; // struct ifreq: the name, then the flags
    if name.len() >= libc::IFNAMSIZ {
        return Err("the name is too long".into());
    }
    request[..name.len()].copy_from_slice(name.as_bytes());
    let flags = (libc::IFF_TAP | libc::IFF_NO_PI) as u16;
    request[libc::IFNAMSIZ..][..2].copy_from_slice(&flags.to_ne_bytes());
    #[allow(unsafe_code)]
    // an ioctl that nobody wraps; the request is as large as the kernel's struct, and outlives it
    let done = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, request.as_mut_ptr()) };
    if done < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(file)
}
