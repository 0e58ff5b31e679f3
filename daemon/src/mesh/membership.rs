//! The UDP sockets of the membership: datagrams in as events, datagrams out by address family.
//!
//! What a datagram means, and whether it is authentic, is decided in `truca_core::gossip`.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use truca_core::gossip::MAX_DATAGRAM;

use crate::event::Event;
use crate::mesh::batch;

/// The sockets that datagrams leave by.
#[derive(Debug, Default)]
pub struct Sockets(Vec<(SocketAddr, Rc<UdpSocket>)>);

impl Sockets {
    /// Binds another address, and reads from it in a task of its own. Must be called inside the runtime's
    /// `LocalSet`.
    ///
    /// # Errors
    /// What the system says.
    pub fn bind(&mut self, address: SocketAddr, events: mpsc::Sender<Event>) -> io::Result<()> {
        let socket = Rc::new(batch::bind(address)?);
        self.0.push((socket.local_addr()?, socket.clone()));
        crate::task::spawn(read(socket, events));
        Ok(())
    }

    /// Sends a datagram. One that cannot be sent now is lost, as it might be on the way.
    pub fn send(&self, to: SocketAddr, payload: &[u8]) {
        let fits = |own: &SocketAddr| {
            own.is_ipv4() == to.is_ipv4()
                && (own.ip().is_unspecified() || own.ip().is_loopback() == to.ip().is_loopback())
        };
        if let Some((_, socket)) = self.0.iter().find(|(own, _)| fits(own))
            && let Err(error) = socket.try_send_to(payload, to)
        {
            log::debug!("a datagram to {to} was not sent: {error}");
        }
    }
}

async fn read(socket: Rc<UdpSocket>, events: mpsc::Sender<Event>) {
    // one byte more than any datagram of ours, so that a longer one is seen to be longer
    let mut buffer = [0; MAX_DATAGRAM + 1];
    loop {
        // an error here is an ICMP message about something sent earlier: the socket itself is well
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let from = SocketAddr::new(from.ip().to_canonical(), from.port());
        let payload = buffer[..length].to_vec();
        if events.send(Event::Datagram { from, payload }).await.is_err() {
            return;
        }
    }
}
