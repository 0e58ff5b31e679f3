//! The doors: binds the TCP ports, lets in as many as there is room for, and sends each to its wing.
//!
//! `run.rs` spawns [`tls`] or [`plain`] for each listener. A connection is bounded before it costs anything: by
//! number, by network, by handshakes at once and by time. It knows nothing of HTTP or frames.

use std::{
    cell::{Cell, RefCell},
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use truca_core::sorted::Map;

use crate::{
    mesh::{
        ice::{Ice, stream},
        link::{self, Links},
    },
    page::{
        http,
        site::{Door, Site, Visit},
        ws::Upgraded,
    },
    tls::{Accepted, Stream, Tls},
};

/// Connections in all.
const MAX_CONNECTIONS: usize = 1024;

/// Connections of one address (IPv6: of one /64). Generous, because a mesh may masquerade a whole LAN.
const MAX_PER_NETWORK: u16 = 64;

/// Handshakes at once; a 24Kc does some 40 a second, so more would only wait in memory instead of in the backlog.
const MAX_HANDSHAKES: usize = 64;

/// Handshakes at once of one network, so that one neighbour cannot hold all of them.
const MAX_HANDSHAKES_PER_NETWORK: u16 = 16;

const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);

/// From the handshake until something is said.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// What everything behind the doors needs. One for the daemon, shared as `Rc`.
#[derive(Debug)]
pub struct Shared {
    /// TLS configurations.
    pub tls: Rc<Tls>,
    /// For the page wing.
    pub site: Rc<Site>,
    /// For the mesh wing.
    pub links: Rc<Links>,
    /// For those who want TURN through the page's port.
    pub ice: Rc<Ice>,
    /// What the doors have seen.
    pub counters: Counters,
    seats: RefCell<Map<IpAddr, Count>>,
    handshakes: Semaphore,
}

/// What the doors have seen, for the control socket.
#[derive(Debug, Default)]
pub struct Counters {
    /// Connections that are open now.
    pub open: Cell<usize>,
    /// Connections refused because there was no room.
    pub refused: Cell<u32>,
    /// Handshakes that failed or took too long. Browsers that do not trust the certificate yet count here.
    pub failed_handshakes: Cell<u32>,
}

/// One network's connections.
#[derive(Debug, Default)]
struct Count {
    open: u16,
    handshakes: u16,
}

impl Shared {
    /// Nobody is here yet.
    pub fn new(tls: Rc<Tls>, site: Rc<Site>, links: Rc<Links>, ice: Rc<Ice>) -> Self {
        Self {
            tls,
            site,
            links,
            ice,
            counters: Counters::default(),
            seats: RefCell::default(),
            handshakes: Semaphore::new(MAX_HANDSHAKES),
        }
    }
}

/// One connection's place, until it is dropped.
#[derive(Debug)]
struct Seat {
    shared: Rc<Shared>,
    network: IpAddr,
    in_handshake: bool,
}

impl Seat {
    fn take(shared: &Rc<Shared>, remote: IpAddr, in_handshake: bool) -> Option<Self> {
        let network = network(remote);
        let open = &shared.counters.open;
        if open.get() >= MAX_CONNECTIONS {
            return None;
        }
        let mut seats = shared.seats.borrow_mut();
        let count = seats.entry(network).or_default();
        if count.open >= MAX_PER_NETWORK || in_handshake && count.handshakes >= MAX_HANDSHAKES_PER_NETWORK {
            return None;
        }
        count.open += 1;
        count.handshakes += u16::from(in_handshake);
        open.set(open.get() + 1);
        Some(Self { shared: shared.clone(), network, in_handshake })
    }

    fn end_handshake(&mut self) {
        if std::mem::take(&mut self.in_handshake)
            && let Some(count) = self.shared.seats.borrow_mut().get_mut(&self.network)
        {
            count.handshakes -= 1;
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.end_handshake();
        self.shared.counters.open.set(self.shared.counters.open.get() - 1);
        let mut seats = self.shared.seats.borrow_mut();
        if let Some(count) = seats.get_mut(&self.network) {
            count.open -= 1;
            if count.open == 0 {
                seats.remove(&self.network);
            }
        }
    }
}

/// A client has a whole /64, and takes a new address in it every day.
fn network(remote: IpAddr) -> IpAddr {
    match remote {
        IpAddr::V4(_) => remote,
        IpAddr::V6(address) => IpAddr::from((u128::from(address) >> 64 << 64).to_be_bytes()),
    }
}

/// An address that cannot be listened on.
#[derive(Debug)]
pub struct BindError(pub SocketAddr, pub io::Error);

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address, why) = self;
        write!(f, "cannot listen on TCP {address}: {why}")?;
        match why.kind() {
            ErrorKind::AddrInUse => f.write_str(" (is another trucad or uhttpd there? choose another port)"),
            ErrorKind::AddrNotAvailable => f.write_str(" (no interface of this machine has this address)"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for BindError {}

/// Listens on an address. IPv6 sockets take IPv6 only, so `[::]` and `0.0.0.0` can both be given.
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let listen = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // A daemon that restarts finds its port, whatever connections are still closing.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(128)?;
        TcpListener::from_std(socket.into())
    };
    listen().map_err(|why| BindError(address, why))
}

/// Serves the one port: pages and links over TLS. Never returns; drop it to stop accepting.
pub async fn tls(listener: TcpListener, shared: Rc<Shared>) {
    let mut pause = Pause::default();
    loop {
        let (socket, remote) = accept(&listener, &mut pause).await;
        let Some(seat) = take_seat(&shared, remote, true) else { continue };
        crate::task::spawn(async move {
            // Boxed, so that a page that stays for a day carries neither the room for its handshake nor for its requests.
            if let Some((socket, seat)) = Box::pin(enter(socket, remote, seat)).await {
                socket.run().await;
                drop(seat);
            }
        });
    }
}

/// From the handshake until the connection ends, or until it is a page's WebSocket.
async fn enter(socket: TcpStream, remote: SocketAddr, seat: Seat) -> Option<(Upgraded, Seat)> {
    let shared = seat.shared.clone();
    let (accepted, local, seat) = Box::pin(shake_hands(socket, seat)).await?;
    match accepted {
        Accepted::Page(mut stream) => match first_byte(&mut stream).await {
            // RFC 8489 section 5: the first two bits of STUN are zeros, and a request's next six too
            Some(0) => stream::serve(stream, remote, shared.ice.clone()).await,
            Some(_) => {
                let visit = Visit { remote, local, door: Door::Https };
                return http::serve(stream, visit, shared.site.clone()).await.map(|socket| (socket, seat));
            }
            None => stream.close_gently().await,
        },
        Accepted::Link(stream, point) => {
            link::serve(stream, point, remote, false, shared.links.clone()).await;
        }
    }
    None
}

/// Serves the plain port: the page itself when only this machine reaches it (`loopback`), otherwise the way to it.
/// Never returns; drop it to stop accepting.
pub async fn plain(listener: TcpListener, loopback: bool, shared: Rc<Shared>) {
    let door = if loopback { Door::Loopback } else { Door::Explain };
    let mut pause = Pause::default();
    loop {
        let (socket, remote) = accept(&listener, &mut pause).await;
        let Some(seat) = take_seat(&shared, remote, false) else { continue };
        let Ok(local) = prepare(&socket) else { continue };
        let site = shared.site.clone();
        crate::task::spawn(async move {
            let requests = http::serve(Stream::Plain(socket), Visit { remote, local, door }, site);
            if let Some(socket) = Box::pin(requests).await {
                socket.run().await;
            }
            drop(seat);
        });
    }
}

/// What a browser says first: a letter of HTTP's, or the zero of a STUN request, for which browsers have no ALPN.
async fn first_byte(stream: &mut Stream) -> Option<u8> {
    timeout(FIRST_BYTE, stream.first_byte()).await.ok()?.ok()?
}

fn take_seat(shared: &Rc<Shared>, remote: SocketAddr, in_handshake: bool) -> Option<Seat> {
    let seat = Seat::take(shared, remote.ip(), in_handshake);
    if seat.is_none() {
        let refused = &shared.counters.refused;
        refused.set(refused.get().wrapping_add(1));
        log::debug!("no room for {remote}");
    }
    seat
}

/// Messages are small and should not wait for each other (Nagle).
fn prepare(socket: &TcpStream) -> io::Result<SocketAddr> {
    socket.set_nodelay(true)?;
    socket.local_addr()
}

async fn shake_hands(socket: TcpStream, mut seat: Seat) -> Option<(Accepted, SocketAddr, Seat)> {
    let shared = seat.shared.clone();
    let handshake = async {
        let local = prepare(&socket)?;
        // The semaphore is never closed.
        let _turn = shared.handshakes.acquire().await.map_err(io::Error::other)?;
        io::Result::Ok((shared.tls.accept(socket).await?, local))
    };
    let why = match timeout(HANDSHAKE_DEADLINE, handshake).await {
        Ok(Ok((accepted, local))) => {
            seat.end_handshake();
            return Some((accepted, local, seat));
        }
        Ok(Err(why)) => why,
        Err(_) => ErrorKind::TimedOut.into(),
    };
    let failed = &shared.counters.failed_handshakes;
    failed.set(failed.get().wrapping_add(1));
    log::debug!("TLS handshake with {}: {why}", seat.network);
    None
}

/// How long to leave the listener alone after an error.
#[derive(Debug, Default)]
struct Pause(Duration);

impl Pause {
    /// 50 ms, then doubled, up to a second.
    fn next(&mut self) -> Duration {
        self.0 = (self.0 * 2).clamp(Duration::from_millis(50), Duration::from_secs(1));
        self.0
    }
}

/// The next connection. Without file descriptors, `accept` fails at once and would for ever: it waits instead.
async fn accept(listener: &TcpListener, pause: &mut Pause) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                *pause = Pause::default();
                return accepted;
            }
            // The client's fault, and over.
            Err(why) if matches!(why.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => {}
            Err(why) => {
                if pause.0.is_zero() {
                    log::warn!("cannot accept connections: {why}");
                }
                sleep(pause.next()).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_counted_by_its_64_bit_network() {
        let network_of = |address: &str| network(address.parse().unwrap()).to_string();
        assert_eq!(network_of("fd00:1:2:3:aaaa::1"), "fd00:1:2:3::");
        assert_eq!(network_of("10.1.2.3"), "10.1.2.3");
    }

    #[test]
    fn the_pause_after_errors_grows_to_a_second() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..7).map(|_| pause.next().as_millis()).collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }
}
