//! The least a UDP server can do on the same runtime: what STUN is measured against.

use std::io;

use tokio::net::UdpSocket;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    println!("ready {}", socket.local_addr()?);
    let mut datagram = [0; 1280];
    loop {
        let (length, source) = socket.recv_from(&mut datagram).await?;
        socket.send_to(&datagram[..length], source).await?;
    }
}
