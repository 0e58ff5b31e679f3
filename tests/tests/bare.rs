//! The bare servers of the benchmarks do what they are compared for.

use std::{
    io::{BufRead as _, BufReader},
    net::{SocketAddr, UdpSocket},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::net::TcpStream;
use truca_tests::{Result, page, websocket};

struct Server(Child, SocketAddr);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(program: &str, arguments: &[&str]) -> Result<Server> {
    let mut child = Command::new(program).args(arguments).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("no pipe")?).read_line(&mut line)?;
    let address = line.trim().strip_prefix("ready ").ok_or("not ready")?.parse()?;
    Ok(Server(child, address))
}

#[tokio::test]
async fn the_relay_joins_its_connections_in_pairs_and_answers_when_told_to() {
    let server = start(env!("CARGO_BIN_EXE_bare-relay"), &["--answer"]).unwrap();
    let mut sockets = Vec::new();
    for _ in 0..2 {
        let stream = TcpStream::connect(server.1).await.unwrap();
        let stream = page::connector().unwrap().connect(server.1.ip().into(), stream).await.unwrap();
        sockets.push(websocket::client(stream, "localhost").await.unwrap());
    }
    websocket::send(&mut sockets[0], "hola".into()).await.unwrap();
    assert_eq!(websocket::receive(&mut sockets[1]).await.unwrap(), "hola");
    assert_eq!(websocket::receive(&mut sockets[0]).await.unwrap(), r#"{"ok":{"id":10000}}"#);
}

#[test]
fn the_echo_echoes() {
    let server = start(env!("CARGO_BIN_EXE_bare-echo"), &[]).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket.send_to(b"hola", server.1).unwrap();
    let mut answer = [0; 16];
    let (length, from) = socket.recv_from(&mut answer).unwrap();
    assert_eq!((&answer[..length], from), (b"hola".as_slice(), server.1));
}
