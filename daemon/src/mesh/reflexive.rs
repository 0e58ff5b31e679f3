//! The own router's word on how the mesh sees its clients: it finds out what becomes of a LAN's packets, and where
//! that is certain it answers Binding requests with "my address on that side : your port".
//!
//! What is asked, and what it comes to, is decided in [`truca_core::ice::masquerade`]; here are the sockets. A
//! question has a socket of its own at the router's LAN address, closed when its round is over. An answering socket
//! is bound at the LAN's address, on a port of its own for each side, only while the verdict holds, and answers
//! nobody but clients of that LAN. STUN at its own port stays what it is: it says what it sees.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use socket2::SockRef;
use tokio::io::ReadBuf;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use truca_core::Time;
use truca_core::ice::masquerade::{Finding, Output, Prober, Topology, Verdict};
use truca_core::ice::{Lan, Side, answer, question};
use truca_core::sorted::Map;
use truca_core::stun::{MAX_ANSWER, Rate, TransactionId, respond};

use crate::event::Event;
use crate::mesh::batch;
use crate::mesh::ice::Ice;
use crate::task::spawn;

/// The largest Binding message that is read: what a browser asks, and what a node answers, is below 100 bytes.
const MAX_MESSAGE: usize = 576;

/// Ports that are tried for a side: those of the other sides, and some that other programs have.
const MAX_TRIED: usize = 8;

/// Looks at what becomes of LANs' packets, in a task of its own.
#[derive(Debug)]
pub struct Watch {
    shared: Rc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    start: Instant,
    prober: RefCell<Prober>,
    /// By the numbers in [`Output::Ask`].
    asking: RefCell<Map<u32, Asking>>,
    /// There is something to do.
    wake: Notify,
}

#[derive(Debug)]
struct Asking {
    socket: Rc<UdpSocket>,
    transaction: TransactionId,
    reading: JoinHandle<()>,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    /// Nothing to look at yet. Findings come as [`Event::Findings`]. Must be called inside the runtime's `LocalSet`.
    pub fn start(start: Instant, events: mpsc::Sender<Event>) -> Self {
        let shared = Rc::new(Shared {
            start,
            prober: RefCell::default(),
            asking: RefCell::default(),
            wake: Notify::new(),
        });
        let task = spawn(run(shared.clone(), events));
        Self { shared, task }
    }

    /// What there is to look at now; `again`: all of it at once, since rules may have changed.
    pub fn look(&self, topology: Topology, again: bool) {
        let now = self.shared.start.elapsed();
        let mut prober = self.shared.prober.borrow_mut();
        prober.set_topology(now, topology);
        if again {
            prober.look_again(now);
        }
        self.shared.wake.notify_one();
    }
}

async fn run(shared: Rc<Shared>, events: mpsc::Sender<Event>) {
    loop {
        if carry_out(&shared) {
            let findings = shared.prober.borrow().findings().collect();
            if events.send(Event::Findings(findings)).await.is_err() {
                return;
            }
        }
        let due = shared.prober.borrow().poll_timeout().unwrap_or(Time::MAX / 2);
        // an hour is far: what is due never is later than that by itself
        let due = due.min(shared.start.elapsed() + Duration::from_secs(3_600));
        tokio::select! {
            () = shared.wake.notified() => {}
            () = sleep_until(shared.start + due) => {}
        }
        shared.prober.borrow_mut().handle_timeout(shared.start.elapsed());
    }
}

/// Whether a finding is another one.
fn carry_out(shared: &Rc<Shared>) -> bool {
    let mut changed = false;
    loop {
        // not held while sockets are opened: their tasks borrow it
        let Some(output) = shared.prober.borrow_mut().poll_output() else { return changed };
        match output {
            Output::Ask { probe, from, to } => {
                if let Err(error) = ask(shared, probe, from, to) {
                    // it counts as silence
                    log::debug!("{to} is not asked from {from}: {error}");
                }
            }
            Output::Close(probe) => drop(shared.asking.borrow_mut().remove(&probe)),
            Output::Changed => changed = true,
        }
    }
}

fn ask(shared: &Rc<Shared>, probe: u32, from: Ipv4Addr, to: SocketAddr) -> io::Result<()> {
    let mut asking = shared.asking.borrow_mut();
    if !asking.contains_key(&probe) {
        let socket = Rc::new(batch::bind(SocketAddr::from((from, 0)))?);
        let port = socket.local_addr()?.port();
        let mut transaction = TransactionId::default();
        // guessed, an answer could be forged: then better none
        SystemRandom::new().fill(&mut transaction).map_err(|_| io::ErrorKind::Other)?;
        let reading = spawn(read(shared.clone(), probe, port, socket.clone(), transaction));
        asking.insert(probe, Asking { socket, transaction, reading });
    }
    if let Some(Asking { socket, transaction, .. }) = asking.get(&probe) {
        // not through the runtime, for which a new socket cannot be written to yet
        SockRef::from(&**socket).send_to(&question(transaction), &to.into())?;
    }
    Ok(())
}

async fn read(shared: Rc<Shared>, probe: u32, port: u16, socket: Rc<UdpSocket>, transaction: TransactionId) {
    let mut buffer = [0; MAX_MESSAGE];
    loop {
        let mapped = match socket.recv_from(&mut buffer).await {
            Ok((length, _)) => answer(&buffer[..length], &transaction),
            // an ICMP error: nobody listens there, which is silence
            Err(_) => None,
        };
        if let Some(mapped) = mapped {
            let now = shared.start.elapsed();
            shared.prober.borrow_mut().handle_answer(now, probe, port, mapped);
            shared.wake.notify_one();
            return;
        }
    }
}

/// Where clients of LANs are answered.
#[derive(Debug)]
pub struct Answers {
    ice: Rc<Ice>,
    rate: Rc<RefCell<Rate>>,
    open: Vec<Answering>,
}

#[derive(Debug)]
struct Answering {
    lan: Lan,
    side: Side,
    mapped: Ipv4Addr,
    at: SocketAddrV4,
    /// Its task has a weak one, so that the port is free at once when this is dropped.
    _socket: Rc<UdpSocket>,
    task: JoinHandle<()>,
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Answers {
    /// Answers so many questions a second of one source (0: all); they are counted where STUN's are.
    pub fn new(ice: Rc<Ice>, rate: u32, salt: u64) -> Self {
        Self { ice, rate: Rc::new(RefCell::new(Rate::new(rate, salt))), open: Vec::new() }
    }

    /// From now on so many questions a second of one source are answered (0: all).
    pub fn set_rate(&self, rate: u32) {
        self.rate.borrow_mut().set(rate);
    }

    /// Answers where ports are kept, and nowhere else. A side keeps its port; a new one takes the first that is free.
    ///
    /// # Errors
    /// In words: that too few ports are free. The sides that have one are answered for.
    pub fn set(&mut self, findings: &[Finding], ports: RangeInclusive<u16>) -> Result<(), String> {
        let holds = |open: &Answering| {
            findings.iter().any(|found| {
                let same = (found.lan, found.side) == (open.lan, open.side);
                same && found.verdict == Verdict::Keeps(open.mapped) && ports.contains(&open.at.port())
            })
        };
        self.open.retain(holds);
        let mut failed = Vec::new();
        for found in findings {
            let Verdict::Keeps(mapped) = found.verdict else { continue };
            if self.at(found.lan, found.side).is_some() {
                continue;
            }
            let (lan, side) = (found.lan, found.side);
            let bound = ports.clone().take(MAX_TRIED).find_map(|port| {
                let at = SocketAddrV4::new(lan.address, port);
                Some((at, Rc::new(batch::bind(at.into()).ok()?)))
            });
            let Some((at, socket)) = bound else {
                let (first, last) = (ports.start(), ports.end());
                failed.push(format!("no UDP port of {first}-{last} is free at {}", lan.address));
                continue;
            };
            let shared = (self.ice.clone(), self.rate.clone());
            let task = spawn(serve(Rc::downgrade(&socket), lan, mapped, shared));
            self.open.push(Answering { lan, side, mapped, at, _socket: socket, task });
        }
        if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
    }

    /// Where clients of a LAN are told their address on a side.
    pub fn at(&self, lan: Lan, side: Side) -> Option<SocketAddr> {
        self.open.iter().find(|open| (open.lan, open.side) == (lan, side)).map(|open| open.at.into())
    }
}

/// Tells clients of a LAN the address that they have on the other side of the masquerade.
async fn serve(
    socket: Weak<UdpSocket>,
    lan: Lan,
    mapped: Ipv4Addr,
    (ice, rate): (Rc<Ice>, Rc<RefCell<Rate>>),
) {
    let mut buffer = [0; MAX_MESSAGE];
    let mut answer = [0; MAX_ANSWER];
    loop {
        let received = poll_fn(|context| {
            let Some(socket) = socket.upgrade() else { return Poll::Ready(None) };
            let mut filled = ReadBuf::new(&mut buffer);
            let from = std::task::ready!(socket.poll_recv_from(context, &mut filled));
            Poll::Ready(Some(from.map(|from| (filled.filled().len(), from))))
        });
        let Some(received) = received.await else { return };
        // an error is an ICMP message for somebody who is gone: the socket itself is well
        let Ok((length, from)) = received else { continue };
        let now = ice.now();
        let mut seen = ice.counters.get();
        seen.in_bytes += length as u64;
        let is_client = matches!(from, SocketAddr::V4(from) if lan.has_client(*from.ip()));
        let out = if !is_client {
            // its packets go another way: what is said here would not be true
            seen.bad_source = seen.bad_source.wrapping_add(1);
            None
        } else if !rate.borrow_mut().admits(now, from.ip()) {
            seen.too_fast = seen.too_fast.wrapping_add(1);
            None
        } else {
            respond(&buffer[..length], SocketAddr::from((mapped, from.port())), &mut answer, &mut seen)
        };
        if let Some(length) = out {
            match socket.upgrade().map(|socket| socket.try_send_to(&answer[..length], from)) {
                Some(Ok(sent)) => seen.out_bytes += sent as u64,
                _ => seen.unsent = seen.unsent.wrapping_add(1),
            }
        }
        ice.counters.set(seen);
    }
}

#[cfg(test)]
mod tests;
