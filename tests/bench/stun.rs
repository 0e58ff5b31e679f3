//! Binding requests from one socket: CPU for each. Beside it Debian's `stund` (stun-server).

use std::{
    net::{SocketAddr, UdpSocket},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use truca_tests::Result;

use crate::{process, relay};

/// Requests under way at once: well inside a socket's receive buffer.
pub(crate) const WINDOW: u32 = 64;

/// stund on loopback, killed on drop.
pub(crate) struct Stund {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Stund {
    /// Starts it; `None` when it is not installed.
    pub(crate) fn start() -> Result<Option<Self>> {
        let free = || UdpSocket::bind("127.0.0.1:0")?.local_addr();
        let (address, other) = (free()?, free()?);
        let mut program = Command::new("stund");
        // it wants two addresses and two ports
        program.args(["-h", "127.0.0.1", "-a", "127.0.0.2"]);
        program.args(["-p", &address.port().to_string(), "-o", &other.port().to_string()]);
        let started = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = started else {
            eprintln!("stund is missing: nothing to compare with (Debian: apt-get install stun-server)");
            return Ok(None);
        };
        let stund = Self { child, address };
        wait(address)?;
        Ok(Some(stund))
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Stund {
    fn drop(&mut self) {
        // It is ours and may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Until a server answers.
pub(crate) fn wait(server: SocketAddr) -> Result {
    let end = Instant::now() + Duration::from_secs(10);
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    while Instant::now() < end {
        // refused until it listens
        let _ = socket.send_to(&request(0), server);
        if socket.recv(&mut [0; 256]).is_ok() {
            return Ok(());
        }
    }
    Err(format!("nobody answers at {server}").into())
}

/// CPU seconds for each million requests. They come from so many ports in turn: from one, their answers are a run
/// that the kernel takes as one; from as many as are under way, none are.
pub(crate) fn cpu(server: SocketAddr, pid: u32, requests: u32, ports: usize) -> Result<f64> {
    let sockets: Vec<UdpSocket> = (0..ports).map(|_| connected(server)).collect::<Result<_>>()?;
    let (mut from, mut lost) = (0.0, 0);
    let mut answer = [0; 256];
    for batch in 0..=requests / WINDOW {
        if batch == 1 {
            from = process::cpu_seconds(pid)?;
        }
        for (number, socket) in (0..WINDOW).zip(sockets.iter().cycle()) {
            socket.send(&request(batch * WINDOW + number))?;
        }
        for (_, socket) in (0..WINDOW).zip(sockets.iter().cycle()) {
            // What loopback drops is not asked for again, but counted
            if socket.recv(&mut answer).is_err() {
                lost += 1;
            }
        }
    }
    let sent = requests / WINDOW * WINDOW;
    if lost * 100 > sent {
        return Err(format!("{lost} of {sent} requests were not answered").into());
    }
    Ok((process::cpu_seconds(pid)? - from) * 1e6 / f64::from(sent - lost))
}

fn connected(server: SocketAddr) -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    Ok(socket)
}

/// KiB of resident memory that the first thousand client ports add.
pub(crate) async fn memory(server: SocketAddr, pid: u32) -> Result<f64> {
    let from = relay::settled(pid).await?;
    let mut answer = [0; 256];
    let mut sockets = Vec::new();
    for number in 0..1000 {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.send_to(&request(number), server)?;
        socket.recv(&mut answer)?;
        sockets.push(socket);
    }
    let to = relay::settled(pid).await?;
    drop(sockets);
    Ok(to - from)
}

/// A Binding request without attributes (RFC 8489 section 5).
fn request(number: u32) -> [u8; 20] {
    let mut request = [0; 20];
    request[1] = 1;
    request[4..8].copy_from_slice(&0x2112_a442_u32.to_be_bytes());
    request[16..].copy_from_slice(&number.to_be_bytes());
    request
}
