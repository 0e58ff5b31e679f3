//! What browsers ask on the way to each other: STUN answered (RFC 8489), and calls relayed (TURN, RFC 8656).
//!
//! Each address of ours has a UDP socket ([`crate::mesh::stun`]) and a TCP listener ([`stream`]), and streams come
//! over TLS by the page's port; each relay has a UDP socket of its own. Every socket has one task, and all share one [`Ice`]. Who is answered, and what goes
//! where, is decided in [`truca_core::stun`] and [`truca_core::turn`]. Nothing here waits for a receiver: what a
//! full buffer does not take is lost, as the network might have lost it.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::net::UdpSocket;
use tokio::task::{self, JoinHandle};
use tokio::time::Instant;
use truca_core::Time;
use truca_core::sorted::Map;
use truca_core::stun::{self, Change, Discovery, Rate, respond_from};
use truca_core::turn::{Action, Client, Counters, RelayId, Secrets, Server, Settings, Via};

use crate::mesh::batch::{BUDGET, Inbox, Outgoing, Socket, bind};
use crate::task::spawn;

pub mod stream;

use stream::Outlet;

/// The kernel's buffer of a relay: a picture of video comes as a burst of packets.
const RELAY_BUFFER: usize = 128 * 1024;

/// Room for the largest answer of STUN or TURN.
pub const ANSWER: usize = if stun::MAX_ANSWER > truca_core::turn::MAX_ANSWER {
    stun::MAX_ANSWER
} else {
    truca_core::turn::MAX_ANSWER
};

/// Everything that the sockets share.
#[derive(Debug)]
pub struct Ice {
    start: Instant,
    /// What STUN has seen.
    pub counters: Cell<stun::Counters>,
    /// What comes over UDP is read here.
    pub(super) inbox: RefCell<Inbox>,
    /// And answered here, each datagram in a place of its own.
    pub(super) answers: RefCell<Box<[[u8; ANSWER]; BUDGET]>>,
    /// Where RFC 5780 is offered.
    paths: RefCell<Map<SocketAddr, Path>>,
    state: RefCell<State>,
}

/// What one of our addresses offers to those who want to know their NAT.
#[derive(Debug, Clone)]
pub struct Path {
    /// What is told.
    pub discovery: Discovery,
    /// The sockets at the other address, at the other port, and at both.
    pub others: [Rc<Socket>; 3],
}

impl Path {
    /// The socket that an answer goes by, if another one.
    pub(super) fn socket(&self, change: Change) -> Option<&Rc<Socket>> {
        let place = usize::from(change.ip) + 2 * usize::from(change.port);
        self.others.get(place.checked_sub(1)?)
    }
}

#[derive(Debug)]
struct State {
    rate: Rate,
    /// Absent while nothing is relayed.
    turn: Option<Server>,
    /// By the numbers in [`Via::Udp`].
    sockets: Vec<Option<Rc<Socket>>>,
    /// By the numbers in [`Via::Tcp`].
    streams: Map<u32, Rc<Outlet>>,
    last_stream: u32,
    /// By [`RelayId`].
    relays: Vec<Option<Relay>>,
    /// Bytes that went through relays.
    relayed: u64,
}

#[derive(Debug)]
struct Relay {
    socket: Rc<Socket>,
    reading: JoinHandle<()>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Ice {
    /// Answers so many requests a second of one source (0: all), and relays nothing yet. `start` is the daemon's:
    /// credentials count from it.
    pub fn new(start: Instant, rate: u32, salt: u64) -> Rc<Self> {
        Rc::new(Self {
            start,
            counters: Cell::default(),
            inbox: RefCell::default(),
            answers: RefCell::new(Box::new([[0; ANSWER]; BUDGET])),
            paths: RefCell::default(),
            state: RefCell::new(State {
                rate: Rate::new(rate, salt),
                turn: None,
                sockets: Vec::new(),
                streams: Map::new(),
                last_stream: 0,
                relays: Vec::new(),
                relayed: 0,
            }),
        })
    }

    /// From now on so many requests a second of one source are answered (0: all).
    pub fn set_rate(&self, rate: u32) {
        self.state.borrow_mut().rate.set(rate);
    }

    /// The time of the cores.
    pub fn now(&self) -> Time {
        self.start.elapsed()
    }

    /// Counts something.
    pub(super) fn count(&self, what: fn(&mut stun::Counters)) {
        let mut seen = self.counters.get();
        what(&mut seen);
        self.counters.set(seen);
    }

    /// Whether a client has a relay.
    fn has_relay(&self, client: &Client) -> bool {
        self.state.borrow().turn.as_ref().is_some_and(|server| server.serves(client))
    }

    /// Relays, or with `None` does not any more. `seed` is random and secret.
    pub fn set_turn(&self, wanted: Option<(Settings, Secrets)>, seed: [u8; 32]) {
        let now = self.now();
        let state = &mut *self.state.borrow_mut();
        match (&mut state.turn, wanted) {
            (Some(server), Some((settings, secrets))) => {
                server.set_settings(settings);
                server.set_secrets(secrets);
            }
            (turn @ None, Some((settings, secrets))) => {
                *turn = Some(Server::new(now, settings, secrets, seed));
            }
            (turn, None) => {
                *turn = None;
                state.relays.clear();
            }
        }
    }

    /// Takes a UDP socket that clients send to.
    pub fn add_socket(&self, socket: Rc<Socket>) -> Via {
        let sockets = &mut self.state.borrow_mut().sockets;
        let place = sockets.iter().position(Option::is_none).unwrap_or_else(|| {
            sockets.push(None);
            sockets.len() - 1
        });
        sockets[place] = Some(socket);
        // there are as many as addresses at most
        Via::Udp(place as u16)
    }

    /// Offers RFC 5780 at these addresses, and at no other.
    pub fn set_paths(&self, paths: impl Iterator<Item = (SocketAddr, Path)>) {
        self.paths.replace(paths.collect());
    }

    /// What is offered at one of our addresses.
    pub(super) fn path(&self, own: SocketAddr) -> Option<Path> {
        self.paths.borrow().get(&own).cloned()
    }

    /// A socket or a stream is gone, and so are the relays of those who came by it.
    pub fn remove(&self, via: Via) {
        let state = &mut *self.state.borrow_mut();
        match via {
            Via::Udp(number) => drop(state.sockets.get_mut(usize::from(number)).and_then(Option::take)),
            Via::Tcp(number) => drop(state.streams.remove(&number)),
        }
        if let Some(server) = &mut state.turn {
            server.end_via(via);
        }
        state.close_relays();
    }

    /// The sessions are over, and so are their relays.
    pub fn end_session(&self, session: u32) {
        let state = &mut *self.state.borrow_mut();
        if let Some(server) = &mut state.turn {
            server.end_session(session);
        }
        state.close_relays();
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.state.borrow().turn.as_ref().and_then(Server::poll_timeout)
    }

    /// Ends the relays that nobody has refreshed.
    pub fn handle_timeout(&self) {
        let now = self.now();
        let state = &mut *self.state.borrow_mut();
        if let Some(server) = state.turn.as_mut().filter(|s| s.poll_timeout().is_some_and(|at| at <= now)) {
            server.handle_timeout(now);
            state.close_relays();
        }
    }

    /// What relaying has seen, how many relays are open, how many streams, and how many bytes went through; absent
    /// while nothing is relayed.
    pub fn turn_report(&self) -> Option<(Counters, usize, usize, u64)> {
        let state = self.state.borrow();
        let server = state.turn.as_ref()?;
        Some((server.counters(), server.len(), state.streams.len(), state.relayed))
    }

    /// Does with a client's packet what it asks for: what it relays goes to `outgoing`; the answer is in `out`, with
    /// this length, and may have to go from another address.
    pub(super) fn packet<'a>(
        self: &Rc<Self>,
        now: Time,
        client: Client,
        packet: &'a [u8],
        path: Option<&Path>,
        out: &mut [u8],
        outgoing: &mut Outgoing<'a>,
    ) -> Option<(usize, Change)> {
        let state = &mut *self.state.borrow_mut();
        let stays = |length| (length, Change::default());
        let relays = state.turn.is_some();
        // channel data, and a Send indication: what a rate of requests would not be right for
        if let [0x40..=0x7f, ..] | [0x00, 0x16, ..] = packet
            && relays
        {
            return self.relay_packet(state, now, client, packet, out, outgoing).map(stays);
        }
        let mut seen = self.counters.get();
        seen.in_bytes += packet.len() as u64;
        let answer = match packet {
            _ if !state.rate.admits(now, client.address.ip()) => {
                seen.too_fast = seen.too_fast.wrapping_add(1);
                None
            }
            // Allocate, Refresh, CreatePermission and ChannelBind
            [0x00, 0x03 | 0x04 | 0x08 | 0x09, ..] if relays => {
                self.relay_packet(state, now, client, packet, out, outgoing).map(stays)
            }
            _ => respond_from(packet, client.address, path.map(|path| &path.discovery), out, &mut seen),
        };
        seen.out_bytes += answer.map_or(0, |(length, _)| length as u64);
        self.counters.set(seen);
        answer
    }

    fn relay_packet<'a>(
        self: &Rc<Self>,
        state: &mut State,
        now: Time,
        client: Client,
        packet: &'a [u8],
        out: &mut [u8],
        outgoing: &mut Outgoing<'a>,
    ) -> Option<usize> {
        let server = state.turn.as_mut()?;
        let mut action = server.handle_client(now, client, packet, out);
        while let Action::Open { relay, address } = action {
            let opened = open(address);
            action = server.opened(now, relay, opened.is_ok(), out);
            if let Ok(socket) = opened {
                let socket = Socket::new(socket);
                let reading = spawn(read_relay(self.clone(), relay, socket.clone()));
                let place = usize::from(relay.0);
                if state.relays.len() <= place {
                    state.relays.resize_with(place + 1, || None);
                }
                state.relays[place] = Some(Relay { socket, reading });
            }
        }
        match action {
            Action::Relay { relay, peer, payload } => {
                let socket = &state.relays.get(usize::from(relay.0))?.as_ref()?.socket;
                state.relayed += payload.len() as u64;
                outgoing.push(socket, peer, &packet[payload]);
                None
            }
            Action::Reply(_, length) => {
                state.close_relays();
                Some(length)
            }
            _ => None,
        }
    }

    /// Hands on what has come to a relay. Whether more may be waiting.
    fn peers_sent(&self, relay: RelayId, socket: &Socket) -> bool {
        let now = self.now();
        let inbox = &mut *self.inbox.borrow_mut();
        let more = inbox.receive(socket);
        let State { turn, sockets, streams, relayed, .. } = &mut *self.state.borrow_mut();
        let Some(server) = turn else { return false };
        let mut outgoing = Outgoing::default();
        for (peer, slot, length) in inbox.datagrams() {
            let Some(to) = server.handle_peer(now, relay, peer, slot, length) else { continue };
            *relayed += length as u64;
            let bytes = &slot[to.bytes];
            match to.client.via {
                Via::Udp(number) => {
                    if let Some(Some(socket)) = sockets.get(usize::from(number)) {
                        outgoing.push(socket, to.client.address, bytes);
                    }
                }
                Via::Tcp(number) => {
                    if streams.get(&number).is_some_and(|outlet| !outlet.send(bytes)) {
                        self.lost(1);
                    }
                }
            }
        }
        self.flush(&mut outgoing);
        more
    }

    /// Sends what waits.
    pub(super) fn flush(&self, outgoing: &mut Outgoing<'_>) {
        self.lost(outgoing.flush());
    }

    /// Counts what a full buffer has lost, as the network might have: clients ask again, media goes on.
    pub(super) fn lost(&self, datagrams: u32) {
        let mut seen = self.counters.get();
        seen.unsent = seen.unsent.wrapping_add(datagrams);
        self.counters.set(seen);
    }
}

impl State {
    fn close_relays(&mut self) {
        while let Some(relay) = self.turn.as_mut().and_then(Server::poll_closed) {
            if let Some(place) = self.relays.get_mut(usize::from(relay.0)) {
                *place = None;
            }
        }
    }
}

fn open(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = bind(address)?;
    let options = socket2::SockRef::from(&socket);
    // what the kernel does not give is no reason to relay nothing
    let _ = options.set_recv_buffer_size(RELAY_BUFFER);
    let _ = options.set_send_buffer_size(RELAY_BUFFER);
    Ok(socket)
}

async fn read_relay(ice: Rc<Ice>, relay: RelayId, socket: Rc<Socket>) {
    while socket.udp().readable().await.is_ok() {
        if ice.peers_sent(relay, &socket) {
            task::yield_now().await;
        }
    }
}

/// The first address of each family, among those that peers know, that relays can have.
pub fn relay_addresses(known: &[IpAddr]) -> (Option<std::net::Ipv4Addr>, Option<std::net::Ipv6Addr>) {
    let (mut v4, mut v6) = (None, None);
    for ip in known {
        let wanted = if ip.is_ipv4() { v4.is_none() } else { v6.is_none() };
        // what the owner tells others may be another machine's: a gateway in front of this one
        if wanted && std::net::UdpSocket::bind((*ip, 0)).is_ok() {
            match ip {
                IpAddr::V4(ip) => v4 = Some(*ip),
                IpAddr::V6(ip) => v6 = Some(*ip),
            }
        }
    }
    (v4, v6)
}
