//! Listens to babeld's local socket. Without one, a connection is tried every [`RECONNECT`].

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use truca_core::discovery::babeld::{COMMAND, Monitor};

use super::{Ear, jittered};

/// How long after a connection ended, or was refused, the next is tried.
const RECONNECT: Duration = Duration::from_secs(20);
/// How long changes are gathered: a change of the topology comes as many lines.
const GATHER: Duration = Duration::from_millis(500);
/// How long connecting and the first answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Listens until the task is dropped.
pub async fn listen(ear: Ear, at: Vec<SocketAddr>) {
    loop {
        for address in &at {
            let connected = timeout(PATIENCE, TcpStream::connect(address)).await;
            if let Ok(Ok(stream)) = connected {
                match follow(&ear, stream).await {
                    Ok(()) => log::debug!("babeld at {address} has closed"),
                    Err(why) => ear.broken(why),
                }
            }
        }
        ear.absent();
        sleep(jittered(RECONNECT)).await;
    }
}

/// Follows one connection to its end.
async fn follow(ear: &Ear, mut stream: TcpStream) -> Result<(), String> {
    let mut monitor = Monitor::new();
    let mut buffer = [0; 2048];
    let (mut due, mut malformed) = (None::<Instant>, 0);
    let first = Instant::now() + PATIENCE;
    stream.write_all(COMMAND).await.map_err(|error| error.to_string())?;
    loop {
        let wake = if monitor.is_ready() { due } else { Some(first) };
        tokio::select! {
            read = stream.read(&mut buffer) => match read {
                Ok(0) | Err(_) => return Ok(()),
                Ok(length) => {
                    if monitor.feed(&buffer[..length]) {
                        due = due.or(Some(Instant::now() + GATHER));
                    }
                    if monitor.is_refused() {
                        return Err("it is no babeld, or its socket may not monitor".into());
                    }
                }
            },
            () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {
                if !monitor.is_ready() {
                    return Err("it does not greet as babeld does".into());
                }
                let heard = monitor.heard();
                ear.malformed(heard.skipped.saturating_sub(malformed));
                malformed = heard.skipped;
                ear.heard(&heard);
                due = None;
            }
        }
    }
}
