//! STUN and TURN over TCP and TLS (RFC 8489 section 6.2.2, RFC 8656 section 3.1), for zones that let no UDP through,
//! or nothing but the page's port.
//!
//! Each stream has a task that reads and writes, and an [`Outlet`] through which relays write. An outlet never waits:
//! what is more than a reader may lag behind is lost.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpListener;
use tokio::task;
use tokio::time::{sleep, timeout};
use truca_core::Time;
use truca_core::stun::{Frame, frame};
use truca_core::turn::{Client, Via};

use super::{ANSWER, Ice};
use crate::mesh::batch::{BUDGET, MAX_DATAGRAM, Outgoing};
use crate::task::spawn;
use crate::tls::Stream;

/// Streams at once.
const MAX_STREAMS: usize = 64;

/// Streams of one address: a LAN behind masquerade is one.
const MAX_A_SOURCE: usize = 16;

/// How long a stream may go on without a relay.
const IDLE: Duration = Duration::from_secs(60);

/// What waits here to be sent, and in the kernel: more would only be late.
const MAX_WAITING: usize = 16 * 1024;
const SEND_BUFFER: usize = 64 * 1024;

/// The longest message: ChannelData or a Send indication around the largest datagram.
const MAX_MESSAGE: usize = MAX_DATAGRAM + 64;

/// The writing side of a stream.
#[derive(Debug)]
pub(super) struct Outlet {
    from: IpAddr,
    waiting: RefCell<Vec<u8>>,
    /// Who writes it.
    writer: RefCell<Option<Waker>>,
}

impl Outlet {
    /// Sends a message, whole or not at all. Whether there was room.
    pub(super) fn send(&self, message: &[u8]) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let fits = waiting.len() + message.len() <= MAX_WAITING;
        if fits {
            waiting.extend_from_slice(message);
            if let Some(writer) = &*self.writer.borrow() {
                writer.wake_by_ref();
            }
        }
        fits
    }

    /// Writes as much as the stream takes now.
    fn write(&self, stream: &mut Stream, cx: &mut Context<'_>) -> io::Result<()> {
        let waiting = &mut *self.waiting.borrow_mut();
        let mut sent = 0;
        while sent < waiting.len() {
            match Pin::new(&mut *stream).poll_write(cx, &waiting[sent..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(more) => sent += more,
                Poll::Pending => break,
            }
        }
        waiting.drain(..sent);
        // what TLS has sealed and the kernel did not take; nothing, when there is nothing
        let _ = Pin::new(stream).poll_flush(cx)?;
        self.writer.replace(Some(cx.waker().clone()));
        Ok(())
    }
}

/// Takes streams until the task is dropped.
pub async fn listen(listener: TcpListener, ice: Rc<Ice>) -> io::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                // each packet goes at once
                let _ = stream.set_nodelay(true);
                if let Some(serving) = admit(Stream::Plain(stream), from, &ice) {
                    spawn(serving);
                }
            }
            // no more descriptors, or a client that left at once: neither ends the listening
            Err(error) => {
                log::debug!("TURN over TCP: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves a stream that came to another door, until it ends.
pub async fn serve(stream: Stream, from: SocketAddr, ice: Rc<Ice>) {
    if let Some(serving) = admit(stream, from, &ice) {
        serving.await;
    }
}

/// What serves a stream, when there is room for it.
fn admit(stream: Stream, from: SocketAddr, ice: &Rc<Ice>) -> Option<impl Future<Output = ()> + use<>> {
    let state = &mut *ice.state.borrow_mut();
    let ip = from.ip();
    let same = state.streams.values().filter(|outlet| outlet.from == ip).count();
    // who answers nobody over UDP does not by another door
    let off = state.sockets.iter().all(Option::is_none);
    if off || state.streams.len() >= MAX_STREAMS || same >= MAX_A_SOURCE {
        return None;
    }
    if let Some(tcp) = stream.tcp() {
        // few packets wait
        let _ = socket2::SockRef::from(tcp).set_send_buffer_size(SEND_BUFFER);
    }
    let number = loop {
        state.last_stream = state.last_stream.wrapping_add(1);
        if !state.streams.contains_key(&state.last_stream) {
            break state.last_stream;
        }
    };
    let outlet = Rc::new(Outlet { from: ip, waiting: RefCell::default(), writer: RefCell::default() });
    state.streams.insert(number, outlet.clone());
    let ice = ice.clone();
    Some(async move {
        let client = Client { via: Via::Tcp(number), address: from };
        // however it ends, it is over
        let _ = follow(&ice, client, stream, &outlet).await;
        ice.remove(client.via);
    })
}

/// Reads messages until the stream ends, is broken, or has had no relay for [`IDLE`]; and writes meanwhile.
async fn follow(ice: &Rc<Ice>, client: Client, mut stream: Stream, outlet: &Outlet) -> io::Result<()> {
    let mut buffer = vec![0; 2 * MAX_MESSAGE];
    let mut end = 0;
    let mut ends = ice.now() + IDLE;
    loop {
        for _ in 0..BUDGET {
            let read = poll_fn(|cx| {
                outlet.write(&mut stream, cx)?;
                let mut room = ReadBuf::new(&mut buffer[end..]);
                Pin::new(&mut stream).poll_read(cx, &mut room).map_ok(|()| room.filled().len())
            });
            let read = timeout(ends.saturating_sub(ice.now()), read).await;
            let now = ice.now();
            if now >= ends {
                if !ice.has_relay(&client) {
                    return Ok(());
                }
                ends = now + IDLE;
            }
            match read {
                Ok(Ok(0)) => return Ok(()),
                Ok(read) => end += read?,
                Err(_) => continue,
            }
            let Some(done) = messages(ice, now, client, &buffer[..end], outlet) else { return Ok(()) };
            buffer.copy_within(done..end, 0);
            end -= done;
        }
        task::yield_now().await;
    }
}

/// Does what whole messages ask for; how many bytes they are, or nothing when the stream cannot be followed.
fn messages(ice: &Rc<Ice>, now: Time, client: Client, bytes: &[u8], outlet: &Outlet) -> Option<usize> {
    let mut answer = [0; ANSWER];
    let mut outgoing = Outgoing::default();
    let mut start = 0;
    let whole = loop {
        match frame(&bytes[start..], MAX_MESSAGE) {
            Frame::Whole { length, total } => {
                let message = &bytes[start..start + length];
                if let Some((length, _)) = ice.packet(now, client, message, None, &mut answer, &mut outgoing)
                    && !outlet.send(&answer[..length])
                {
                    ice.lost(1);
                }
                start += total;
            }
            Frame::Incomplete => break Some(start),
            Frame::Broken => break None,
        }
    };
    ice.flush(&mut outgoing);
    whole
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    use super::*;
    use crate::mesh::batch::{Socket, bind};

    const QUESTION: [u8; 20] = [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
    const ANSWERED: usize = 32;

    /// A stream that is served, and who serves it; in virtual time.
    async fn served(pipe: usize) -> (DuplexStream, Rc<Ice>) {
        let ice = Ice::new(Instant::now(), 0, 0);
        ice.add_socket(Socket::new(bind("127.0.0.1:0".parse().unwrap()).unwrap()));
        let (ours, theirs) = duplex(pipe);
        spawn(serve(Stream::Memory(ours), "10.13.1.100:5000".parse().unwrap(), ice.clone()));
        (theirs, ice)
    }

    fn run<F: Future>(future: F) -> F::Output {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        task::LocalSet::new().block_on(&runtime, future)
    }

    #[test]
    fn a_stream_without_a_relay_is_closed_after_a_minute() {
        run(async {
            let (mut client, _ice) = served(4096).await;
            let begun = Instant::now();
            client.write_all(&QUESTION).await.unwrap();
            client.read_exact(&mut [0; ANSWERED]).await.unwrap();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
            assert_eq!(begun.elapsed().as_secs(), IDLE.as_secs());
        });
    }

    #[test]
    fn what_a_reader_does_not_take_is_lost_and_counted() {
        run(async {
            let (mut client, ice) = served(1024).await;
            for _ in 0..2000 {
                client.write_all(&QUESTION).await.unwrap();
            }
            while ice.counters.get().answered < 2000 {
                task::yield_now().await;
            }
            let kept = 2000 - ice.counters.get().unsent as usize;
            assert!((MAX_WAITING / ANSWERED..=(MAX_WAITING + 2048) / ANSWERED).contains(&kept), "{kept}");
            let mut answers = vec![0; kept * ANSWERED];
            client.read_exact(&mut answers).await.unwrap();
            assert!(answers.chunks(ANSWERED).all(|answer| answer[..4] == [1, 1, 0, 12]), "each is whole");
            // who reads again is answered again
            client.write_all(&QUESTION).await.unwrap();
            client.read_exact(&mut answers[..ANSWERED]).await.unwrap();
        });
    }

    #[test]
    fn what_cannot_be_followed_is_closed_at_once() {
        run(async {
            let (mut client, _ice) = served(1024).await;
            client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        });
    }
}
