//! Binding requests from one socket: CPU for each.

use std::{
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use truca_tests::Result;

use crate::{process, relay};

/// Requests under way at once: well inside a socket's receive buffer.
const WINDOW: u32 = 64;

/// CPU seconds for each million requests.
pub(crate) fn cpu(server: SocketAddr, pid: u32, requests: u32) -> Result<f64> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    let (mut from, mut lost) = (0.0, 0);
    let mut answer = [0; 256];
    for batch in 0..=requests / WINDOW {
        if batch == 1 {
            from = process::cpu_seconds(pid)?;
        }
        for number in 0..WINDOW {
            socket.send(&request(batch * WINDOW + number))?;
        }
        for _ in 0..WINDOW {
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
