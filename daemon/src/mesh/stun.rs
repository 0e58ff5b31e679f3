//! The UDP sockets that browsers ask: STUN (RFC 8489 section 6.2.1), and TURN on the same port.
//!
//! Each address has one task on the single-threaded runtime; what they share, and what becomes of a datagram, is in
//! [`Ice`]. A router with several addresses binds each of them: from a wildcard socket the kernel chooses the
//! answer's source by the route back, and a client's NAT drops an answer that comes from another address.

use std::{io, net::SocketAddr, rc::Rc};

use tokio::task;
use truca_core::turn::{Client, HEADROOM, Via};

use crate::mesh::batch::{Outgoing, Socket};
use crate::mesh::ice::Ice;

/// Serves on this socket until the task is dropped or the socket breaks.
pub async fn serve(socket: Rc<Socket>, via: Via, ice: Rc<Ice>) -> io::Result<()> {
    let own = socket.udp().local_addr()?;
    loop {
        socket.udp().readable().await?;
        if from_clients(&socket, own, via, &ice) {
            task::yield_now().await;
        }
    }
}

/// Does with what has come what it asks for. Whether more may be waiting.
fn from_clients(socket: &Rc<Socket>, own: SocketAddr, via: Via, ice: &Rc<Ice>) -> bool {
    let now = ice.now();
    let inbox = &mut *ice.inbox.borrow_mut();
    let answers = &mut *ice.answers.borrow_mut();
    let more = inbox.receive(socket);
    let path = ice.path(own);
    let mut outgoing = Outgoing::default();
    for ((source, slot, length), answer) in inbox.datagrams().zip(answers.iter_mut()) {
        if is_own(source, own) {
            ice.count(|seen| seen.bad_source = seen.bad_source.wrapping_add(1));
            continue;
        }
        let (client, packet) = (Client { via, address: source }, &slot[HEADROOM..HEADROOM + length]);
        let answered = ice.packet(now, client, packet, path.as_ref(), answer, &mut outgoing);
        if let Some((length, change)) = answered {
            let by = path.as_ref().and_then(|path| path.socket(change)).unwrap_or(socket);
            outgoing.push(by, source, &answer[..length]);
        }
    }
    ice.flush(&mut outgoing);
    more
}

/// Whether a datagram claims to come from this very socket, or from its port on loopback.
fn is_own(source: SocketAddr, own: SocketAddr) -> bool {
    let (source_ip, own_ip) = (source.ip().to_canonical(), own.ip().to_canonical());
    source.port() == own.port() && (source_ip == own_ip || source_ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv6Addr, time::Duration};

    use tokio::{net::UdpSocket, task::LocalSet, time::timeout};
    use truca_core::stun::{BINDING, Class, Message, Writer, attribute, read_xor_address};

    use super::*;
    use crate::mesh::batch::{BUDGET, bind};

    fn run<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        LocalSet::new().block_on(&runtime, future)
    }

    fn start(address: &str) -> Option<(SocketAddr, Rc<Ice>)> {
        let socket = Socket::new(bind(address.parse().unwrap()).ok()?);
        let ice = Ice::new(tokio::time::Instant::now(), 0, 0);
        let own = socket.udp().local_addr().unwrap();
        crate::task::spawn(serve(socket.clone(), ice.add_socket(socket), ice.clone()));
        Some((own, ice))
    }

    fn request() -> Vec<u8> {
        let mut buffer = [0; 64];
        let length = Writer::new(&mut buffer, Class::Request, BINDING, &[7; 12]).finish().unwrap();
        buffer[..length].to_vec()
    }

    async fn ask(client: &UdpSocket) -> SocketAddr {
        client.send(&request()).await.unwrap();
        let mut buffer = [0; 256];
        let length = timeout(Duration::from_secs(5), client.recv(&mut buffer)).await.unwrap().unwrap();
        let message = Message::parse(&buffer[..length]).unwrap();
        read_xor_address(message.attribute(attribute::XOR_MAPPED_ADDRESS).unwrap(), &[7; 12]).unwrap()
    }

    #[test]
    fn a_client_learns_where_it_is_over_either_family() {
        run(async {
            for address in ["127.0.0.1:0", "[::1]:0"] {
                // A machine without IPv6 tests IPv4 only
                let Some((server, ice)) = start(address) else { continue };
                let client = UdpSocket::bind(address).await.unwrap();
                client.connect(server).await.unwrap();
                assert_eq!(ask(&client).await, client.local_addr().unwrap());
                assert_eq!(ice.counters.get().answered, 1);
            }
        });
    }

    #[test]
    fn both_wildcards_share_a_port() {
        run(async {
            let v4 = bind("0.0.0.0:0".parse().unwrap()).unwrap();
            let port = v4.local_addr().unwrap().port();
            if let Ok(v6) = bind("[::]:0".parse().unwrap()) {
                drop(v6);
                bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)).unwrap();
            }
        });
    }

    #[test]
    fn a_burst_larger_than_the_budget_is_answered_whole_and_noise_is_not() {
        run(async {
            let (server, ice) = start("127.0.0.1:0").unwrap();
            let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            client.connect(server).await.unwrap();
            for _ in 0..BUDGET * 3 {
                client.send(&request()).await.unwrap();
                client.send(b"noise").await.unwrap();
            }
            let mut buffer = [0; 256];
            for _ in 0..BUDGET * 3 {
                timeout(Duration::from_secs(5), client.recv(&mut buffer)).await.unwrap().unwrap();
            }
            // The noise that came last may not have been read yet
            ask(&client).await;
            let seen = ice.counters.get();
            assert_eq!((seen.requests, seen.malformed), (BUDGET as u32 * 3 + 1, BUDGET as u32 * 3));
        });
    }

    #[test]
    fn it_does_not_answer_itself() {
        let own = "0.0.0.0:3478".parse().unwrap();
        assert!(is_own("127.0.0.1:3478".parse().unwrap(), own));
        assert!(!is_own("127.0.0.1:50000".parse().unwrap(), own));
        assert!(!is_own("10.13.1.100:3478".parse().unwrap(), own));
        assert!(is_own("[::ffff:10.13.1.1]:3478".parse().unwrap(), "10.13.1.1:3478".parse().unwrap()));
    }
}
