//! The least a UDP server can do: `recvfrom`, `sendto`, and nothing else. What STUN is measured against.

use std::{io, net::UdpSocket};

fn main() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    println!("ready {}", socket.local_addr()?);
    let mut datagram = [0; 1280];
    loop {
        let (length, source) = socket.recv_from(&mut datagram)?;
        socket.send_to(&datagram[..length], source)?;
    }
}
