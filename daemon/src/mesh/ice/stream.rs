//! STUN and TURN over TCP (RFC 8489 section 6.2.2, RFC 8656 section 3.1), for zones that let no UDP through.
//!
//! Each stream has a task that reads, and an [`Outlet`] through which relays write. An outlet never waits: a
//! packet that the kernel takes only in part is finished later, and what comes meanwhile is lost.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task;
use tokio::time::{sleep, timeout};
use truca_core::stun::{Frame, frame};
use truca_core::turn::{Client, Via};

use super::{ANSWER, Ice, MAX_DATAGRAM};
use crate::mesh::batch::Outgoing;
use crate::mesh::stun::BUDGET;
use crate::task::spawn;

/// Streams at once.
const MAX_STREAMS: usize = 64;

/// Streams of one address: a LAN behind masquerade is one.
const MAX_A_SOURCE: usize = 16;

/// How long a stream may go on without a relay.
const IDLE: Duration = Duration::from_secs(60);

/// The kernel's buffer of what waits to be sent: more would only be late.
const SEND_BUFFER: usize = 64 * 1024;

/// The longest message: ChannelData or a Send indication around the largest datagram.
const MAX_MESSAGE: usize = MAX_DATAGRAM + 64;

/// The writing side of a stream.
#[derive(Debug)]
pub(super) struct Outlet {
    stream: TcpStream,
    from: IpAddr,
    /// The end of a message whose beginning is sent.
    rest: RefCell<Vec<u8>>,
}

impl Outlet {
    /// Sends a message, whole or not at all.
    pub(super) fn send(self: &Rc<Self>, message: &[u8]) {
        let mut rest = self.rest.borrow_mut();
        if !rest.is_empty() {
            return;
        }
        let sent = match self.stream.try_write(message) {
            Ok(sent) => sent,
            // nothing of it is on the way; a broken stream is found by its reader
            Err(_) => return,
        };
        if sent < message.len() {
            rest.extend_from_slice(&message[sent..]);
            drop(rest);
            spawn(finish(self.clone()));
        }
    }
}

/// Sends the end of a message.
async fn finish(outlet: Rc<Outlet>) {
    while outlet.stream.writable().await.is_ok() {
        let mut rest = outlet.rest.borrow_mut();
        match outlet.stream.try_write(&rest) {
            Ok(sent) => drop(rest.drain(..sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // its reader finds the same
            Err(_) => return,
        }
        if rest.is_empty() {
            return;
        }
    }
}

/// Takes streams until the task is dropped.
pub async fn listen(listener: TcpListener, ice: Rc<Ice>) -> io::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => admit(stream, from, &ice),
            // no more descriptors, or a client that left at once: neither ends the listening
            Err(error) => {
                log::debug!("TURN over TCP: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn admit(stream: TcpStream, from: SocketAddr, ice: &Rc<Ice>) {
    let state = &mut *ice.state.borrow_mut();
    let ip = from.ip();
    let same = state.streams.values().filter(|outlet| outlet.from == ip).count();
    if state.streams.len() >= MAX_STREAMS || same >= MAX_A_SOURCE {
        return;
    }
    // each packet goes at once, and few of them wait
    let _ = stream.set_nodelay(true);
    let _ = socket2::SockRef::from(&stream).set_send_buffer_size(SEND_BUFFER);
    let number = loop {
        state.last_stream = state.last_stream.wrapping_add(1);
        if !state.streams.contains_key(&state.last_stream) {
            break state.last_stream;
        }
    };
    let outlet = Rc::new(Outlet { stream, from: ip, rest: RefCell::default() });
    state.streams.insert(number, outlet.clone());
    let ice = ice.clone();
    spawn(async move {
        let client = Client { via: Via::Tcp(number), address: from };
        // however it ends, it is over
        let _ = read(&ice, client, &outlet).await;
        ice.remove(client.via);
    });
}

/// Reads messages until the stream ends, is broken, or has had no relay for [`IDLE`].
async fn read(ice: &Rc<Ice>, client: Client, outlet: &Rc<Outlet>) -> io::Result<()> {
    let mut buffer = vec![0; 2 * MAX_MESSAGE];
    let mut answer = [0; ANSWER];
    let mut end = 0;
    let mut ends = ice.now() + IDLE;
    loop {
        let ready = timeout(ends.saturating_sub(ice.now()), outlet.stream.readable()).await;
        let now = ice.now();
        if now >= ends {
            if !ice.has_relay(&client) {
                return Ok(());
            }
            ends = now + IDLE;
        }
        let Ok(ready) = ready else { continue };
        ready?;
        for _ in 0..BUDGET {
            match outlet.stream.try_read(&mut buffer[end..]) {
                Ok(0) => return Ok(()),
                Ok(read) => end += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            let mut start = 0;
            let mut outgoing = Outgoing::default();
            loop {
                match frame(&buffer[start..end], MAX_MESSAGE) {
                    Frame::Whole { length, total } => {
                        let message = &buffer[start..start + length];
                        if let Some(length) = ice.packet(now, client, message, &mut answer, &mut outgoing) {
                            outlet.send(&answer[..length]);
                        }
                        start += total;
                    }
                    Frame::Incomplete => break,
                    Frame::Broken => return Ok(()),
                }
            }
            ice.flush(&mut outgoing);
            buffer.copy_within(start..end, 0);
            end -= start;
        }
        task::yield_now().await;
    }
}
