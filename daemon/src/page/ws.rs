//! The page's WebSocket (RFC 6455): the upgrade, and the pump between socket and node.
//!
//! Driven by `http.rs` once a request asks for `/ws`. Text goes to the node as it is; JSON, sessions and who may
//! say what are the node's business. Events of one page come in this order: `PageOpened`, any number of
//! `PageText`, `PageClosed` once.
//!
//! Memory: tungstenite keeps its buffers at the largest message they have held, so text is written in frames of
//! [`PIECE`] bytes; a list of all people would otherwise stay in every connection.

use std::{rc::Rc, time::Duration};

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use ring::digest;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

use super::{
    request::{Request, has_word},
    respond::Response,
    site::{Door, Site, Visit},
};
use crate::{
    event::{Event, PageId, PageOut},
    outbox::{self, Inlet},
    tls::Stream,
};

/// Largest message from a page (docs/protocol.md section 3).
pub const MAX_MESSAGE: usize = 65_536;

/// WebSockets at once.
pub const MAX_SOCKETS: u32 = 512;

/// Largest frame that we write. This and the next are somewhat less than a power of two, since musl's allocator needs
/// some bytes of each page: of 1,024 only three fit into one.
const PIECE: usize = 2000;

/// What is read at once.
const READ: usize = 1000;

/// We ask whether the page is still there, and give up when nothing has come for so long.
const PING: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(45);

/// One message has to leave within this.
const WRITE_DEADLINE: Duration = Duration::from_secs(20);

/// Counts an open WebSocket for as long as it lives.
#[derive(Debug)]
pub(super) struct Seat(Rc<Site>);

impl Seat {
    fn take(site: &Rc<Site>) -> Option<Self> {
        let sockets = &site.counters.sockets;
        if sockets.get() >= MAX_SOCKETS {
            site.counters.refused.set(site.counters.refused.get().wrapping_add(1));
            return None;
        }
        sockets.set(sockets.get() + 1);
        Some(Self(site.clone()))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.counters.sockets.set(self.0.counters.sockets.get() - 1);
    }
}

/// Checks a request for `/ws` (RFC 6455 section 4.2.1); gives the value of `Sec-WebSocket-Accept`.
pub(super) fn upgrade(
    request: &Request<'_>,
    door: Door,
    site: &Rc<Site>,
) -> Result<(String, Seat), Response> {
    let asks = request.upgrades && request.upgrade.is_some_and(|value| has_word(value, "websocket"));
    if request.method != "GET" || !asks || request.websocket_version != Some("13") {
        return Err(Response::words(426, "Only a WebSocket, version 13, is answered here.")
            .with("Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"));
    }
    let key = request.websocket_key.unwrap_or_default();
    if Base64::decode(key, &mut [0; 16]).map_or(0, <[u8]>::len) != 16 {
        return Err(Response::words(400, "The WebSocket's key is not one."));
    }
    // A page of another origin must not use this one's visitor. Browsers always say where a page is from.
    if request.origin.is_some_and(|origin| !is_own(origin, request.host, door)) {
        return Err(Response::words(403, "Another site's page may not connect here."));
    }
    let seat = Seat::take(site)
        .ok_or_else(|| Response::words(503, "Too many people are connected to this router."))?;
    Ok((accept_key(key), seat))
}

fn is_own(origin: &str, host: Option<&str>, door: Door) -> bool {
    let scheme = if door == Door::Https { "https://" } else { "http://" };
    origin.strip_prefix(scheme).zip(host).is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host))
}

fn accept_key(key: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key.as_bytes());
    context.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    Base64::encode_string(context.finish().as_ref())
}

/// A connection that has become a WebSocket.
#[derive(Debug)]
pub struct Upgraded {
    pub(super) stream: Stream,
    /// What came along with the request.
    pub(super) early: Vec<u8>,
    pub(super) visit: Visit,
    pub(super) seat: Seat,
}

impl Upgraded {
    /// Pumps until either side closes.
    pub async fn run(self) {
        let Self { stream, early, visit, seat } = self;
        let site = &seat.0;
        site.last.set(site.last.get().wrapping_add(1));
        let page = PageId(site.last.get());
        let (out, queue) = outbox::open(&site.waiting);
        let opened = Event::PageOpened { page, remote: visit.remote, local: visit.local, out };
        // An error means that the node is gone, and the process with it.
        if site.events.send(opened).await.is_err() {
            return;
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ)
            .write_buffer_size(0)
            .max_write_buffer_size(8 * PIECE)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let mut socket =
            WebSocketStream::from_partially_read(stream, early, Role::Server, Some(config)).await;
        let mut left = false;
        let cut_off = queue.cut_off();
        let code = tokio::select! {
            code = pump(&mut socket, queue, page, site, &mut left) => code,
            () = cut_off => Some(CloseCode::Again),
        };
        let _ = site.events.send(Event::PageClosed { page, left }).await;
        if let Some(code) = code {
            let frame = CloseFrame { code, reason: "".into() };
            let _ = timeout(Duration::from_secs(2), socket.close(Some(frame))).await;
        }
        socket.into_inner().close_gently().await;
    }
}

/// Ends with the code to close with, or `None` when there is nobody to tell.
async fn pump(
    socket: &mut WebSocketStream<Stream>,
    mut queue: Inlet<PageOut>,
    page: PageId,
    site: &Site,
    left: &mut bool,
) -> Option<CloseCode> {
    let mut heard = Instant::now();
    let mut next_ping = heard + PING;
    let mut timer = std::pin::pin!(sleep(PING));
    loop {
        tokio::select! {
            message = socket.next() => {
                heard = Instant::now();
                match message? {
                    Ok(Message::Text(text)) => {
                        // Waits while the node is busy, and so do TCP and the page.
                        let text = text.as_str().to_owned();
                        site.events.send(Event::PageText { page, text }).await.ok()?;
                    }
                    Ok(Message::Binary(_)) => return Some(CloseCode::Unsupported),
                    // A browser says so when its page is closed or reloaded, and cannot when its radio is gone.
                    Ok(Message::Close(frame)) => {
                        *left = frame.is_some_and(|frame| matches!(frame.code, CloseCode::Normal | CloseCode::Away));
                    }
                    // Pings and closes are answered by tungstenite while we read on.
                    Ok(_) => {}
                    Err(Error::Capacity(_)) => return Some(CloseCode::Size),
                    Err(Error::Utf8(_)) => return Some(CloseCode::Invalid),
                    Err(Error::Protocol(_)) => return Some(CloseCode::Protocol),
                    Err(_) => return None,
                }
            }
            asked = queue.recv() => match asked {
                Some(PageOut::Text(text)) => {
                    timeout(WRITE_DEADLINE, send_text(socket, text)).await.ok()?.ok()?;
                }
                Some(PageOut::Close(code)) => return Some(code.into()),
                // The node has nothing more to say to this page.
                None => return Some(CloseCode::Again),
            },
            () = &mut timer => {
                let now = Instant::now();
                if now >= heard + SILENCE {
                    return None;
                }
                if now >= next_ping {
                    next_ping = now + PING;
                    timeout(WRITE_DEADLINE, socket.send(Message::Ping(Bytes::new()))).await.ok()?.ok()?;
                }
                timer.as_mut().reset(next_ping.min(heard + SILENCE));
            }
        }
    }
}

async fn send_text(socket: &mut WebSocketStream<Stream>, text: String) -> Result<(), Error> {
    let mut rest = Bytes::from(text);
    let mut kind = Data::Text;
    loop {
        let piece = rest.split_to(rest.len().min(PIECE));
        let last = rest.is_empty();
        socket.send(Message::Frame(Frame::message(piece, OpCode::Data(kind), last))).await?;
        if last {
            return Ok(());
        }
        kind = Data::Continue;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_that_of_rfc_6455_section_1_3() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn only_the_pages_own_origin_is_own() {
        let host = Some("casa.local:8443");
        assert!(is_own("https://casa.local:8443", host, Door::Https));
        assert!(is_own("https://Casa.local:8443", host, Door::Https));
        assert!(!is_own("http://casa.local:8443", host, Door::Https));
        assert!(!is_own("https://casa.local", host, Door::Https));
        assert!(!is_own("null", host, Door::Https));
        assert!(!is_own("https://", None, Door::Https));
        assert!(is_own("http://localhost:8080", Some("localhost:8080"), Door::Loopback));
    }
}
