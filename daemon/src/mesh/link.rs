//! The transport of a node link: frames over mutual TLS, until one side has had enough.
//!
//! `listen.rs` drives [`serve`], the node drives [`dial`]. A frame is its length (u32, big-endian) and that many
//! bytes, at most 65,536 (docs/protocol.md, node wire). What a frame says, which peer is welcome, and when a link
//! is idle, is the node's business.
//!
//! Events of one link come in this order: `LinkOpened`, any number of `LinkFrame`, `LinkClosed` once.

use std::{cell::Cell, io, net::SocketAddr, rc::Rc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
    time::timeout,
};

use crate::{
    event::{Event, LinkId, LinkOut, NodePoint},
    outbox::{self, Inlet, Waiting},
    tls::{Stream, Tls},
};

/// The largest frame.
pub const MAX_FRAME: usize = 65_536;

/// TCP and TLS together, when we dial.
const DIAL_DEADLINE: Duration = Duration::from_secs(10);

/// A peer that takes nothing for so long is gone.
const WRITE_DEADLINE: Duration = Duration::from_secs(20);

/// A frame's buffer grows by what has arrived, and starts with this.
const FIRST_READ: usize = 2048;

/// What of a frame is written together with its length: a TLS record holds 16 KiB (RFC 8446 section 5.1).
const FIRST_WRITE: usize = 16 * 1024 - 4;

/// What links have done, for the control socket.
#[derive(Debug, Default)]
pub struct Counters {
    /// Links that are open now.
    pub open: Cell<u32>,
    /// Bytes of frames received, lengths included.
    pub bytes_in: Cell<u64>,
    /// Bytes of frames sent, lengths included.
    pub bytes_out: Cell<u64>,
    /// Links closed because a frame was announced as too large.
    pub oversize: Cell<u32>,
    /// Links that broke off: bytes that do not authenticate, or an end in the middle.
    pub broken: Cell<u32>,
}

/// What every link needs. One for the daemon, shared as `Rc`.
#[derive(Debug)]
pub struct Links {
    /// Where events go.
    pub events: mpsc::Sender<Event>,
    /// For dialling.
    pub tls: Rc<Tls>,
    /// What links have done.
    pub counters: Counters,
    /// Bytes of frames that wait to be written.
    pub waiting: Waiting,
    last: Cell<u32>,
}

impl Links {
    /// No links yet.
    pub fn new(events: mpsc::Sender<Event>, tls: Rc<Tls>) -> Self {
        Self { events, tls, counters: Counters::default(), waiting: Waiting::default(), last: Cell::new(0) }
    }
}

/// Dials in a task of its own: `LinkOpened` with `dialled`, or `DialFailed`.
pub fn dial(address: SocketAddr, links: &Rc<Links>) {
    let links = links.clone();
    crate::task::spawn(async move {
        // Boxed, so that an open link does not carry the room for a handshake.
        let attempt = Box::pin(timeout(DIAL_DEADLINE, links.tls.dial(address))).await;
        let why = match attempt {
            Ok(Ok((stream, point))) => return serve(stream, point, address, true, links).await,
            Ok(Err(why)) => why.to_string(),
            Err(_) => format!("no answer within {} s", DIAL_DEADLINE.as_secs()),
        };
        let _ = links.events.send(Event::DialFailed { remote: address, why }).await;
    });
}

/// Carries frames until either side closes.
pub async fn serve(stream: Stream, point: NodePoint, remote: SocketAddr, dialled: bool, links: Rc<Links>) {
    links.last.set(links.last.get().wrapping_add(1));
    let link = LinkId(links.last.get());
    let (out, queue) = outbox::open(&links.waiting);
    let cut_off = queue.cut_off();
    // An error means that the node is gone, and the process with it.
    if links.events.send(Event::LinkOpened { link, point, remote, dialled, out }).await.is_err() {
        return;
    }
    let open = &links.counters.open;
    open.set(open.get() + 1);
    // Both at once: two nodes that send each other much must not wait for each other to read.
    let (reader, writer) = tokio::io::split(stream);
    let ended = tokio::select! {
        ended = read_frames(reader, link, &links) => ended,
        ended = write_frames(writer, queue, &links.counters) => ended,
        () = cut_off => Ok(()),
    };
    if let Err(why) = ended {
        log::debug!("link {} to {remote}: {why}", link.0);
        note_broken(remote, &why, &links.counters);
    }
    open.set(open.get() - 1);
    let _ = links.events.send(Event::LinkClosed { link }).await;
}

/// Counts a link that did not end as links end, and logs the first whose bytes are not what was sent.
fn note_broken(remote: SocketAddr, why: &io::Error, counters: &Counters) {
    if !matches!(why.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) {
        return;
    }
    counters.broken.set(counters.broken.get().wrapping_add(1));
    if counters.broken.get() == 1 {
        log::warn!("a link to {remote} was changed on the way or cut off: {why} (counted from now on)");
    }
}

async fn read_frames(mut stream: impl AsyncRead + Unpin, link: LinkId, links: &Links) -> io::Result<()> {
    while let Some(frame) = read_frame(&mut stream, &links.counters).await? {
        if links.events.send(Event::LinkFrame { link, frame }).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// The next frame; `None` when the other side has closed between frames.
async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    counters: &Counters,
) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let mut filled = 0;
    while filled < length.len() {
        match stream.read(&mut length[filled..]).await? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_FRAME {
        counters.oversize.set(counters.oversize.get().wrapping_add(1));
        return Err(io::Error::other(format!("a frame of {length} bytes was announced")));
    }
    let mut frame = Vec::new();
    let mut rest = stream.take(length as u64);
    while frame.len() < length {
        if frame.len() == frame.capacity() {
            // Never more than twice what has arrived: an announced length costs the peer nothing.
            frame.reserve_exact((length - frame.len()).min(frame.len().max(FIRST_READ)));
        }
        if rest.read_buf(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    counters.bytes_in.set(counters.bytes_in.get() + 4 + length as u64);
    Ok(Some(frame))
}

async fn write_frames(
    mut stream: impl AsyncWrite + Unpin,
    mut queue: Inlet<LinkOut>,
    counters: &Counters,
) -> io::Result<()> {
    // A dropped outbox is the node's way to close a link.
    while let Some(LinkOut::Frame(frame)) = queue.recv().await {
        if frame.len() > MAX_FRAME {
            log::error!("a frame of {} bytes was not sent: the limit is {MAX_FRAME}", frame.len());
            continue;
        }
        // The length goes with the first bytes: alone it would cost a TLS record of its own, 22 bytes more.
        let (first, rest) = frame.split_at(frame.len().min(FIRST_WRITE));
        let first = [&(frame.len() as u32).to_be_bytes(), first].concat();
        timeout(WRITE_DEADLINE, async {
            stream.write_all(&first).await?;
            stream.write_all(rest).await?;
            stream.flush().await
        })
        .await??;
        counters.bytes_out.set(counters.bytes_out.get() + 4 + frame.len() as u64);
    }
    timeout(Duration::from_secs(2), stream.shutdown()).await?
}

#[cfg(test)]
mod tests;
