//! The page server: HTTP/1.1 (RFC 9112) for one connection, as little of it as a browser needs.
//!
//! `listen.rs` drives [`serve`]. It answers GET and HEAD from the files in the binary, hands `/ws` to `ws.rs`, and
//! on the plain port gives every visitor to `explain.rs`. Bounded in every way: 8 KiB of head, 10 s to send it,
//! 30 s between requests, 100 requests. It takes no body, keeps no log of visitors and knows no session.

use std::{io, net::IpAddr, rc::Rc, time::Duration};

use bytes::BufMut;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout, timeout_at},
};

use super::{
    assets, explain,
    request::Request,
    respond::Response,
    site::{Door, Site, Visit},
    ws::{self, Upgraded},
};
use crate::tls::Stream;

/// Largest request head.
const MAX_HEAD: usize = 8192;

/// From the first byte of a head to its last.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// Between two requests.
const IDLE_DEADLINE: Duration = Duration::from_secs(30);

/// One connection's requests.
const MAX_REQUESTS: u32 = 100;

/// What is written at once, and how long that may take: 4 kb/s is slower than any link that carries a call.
const CHUNK: usize = 16 * 1024;
const WRITE_DEADLINE: Duration = Duration::from_secs(30);

/// Serves one connection until it ends, or until it is a WebSocket.
pub async fn serve(mut stream: Stream, visit: Visit, site: Rc<Site>) -> Option<Upgraded> {
    match serve_requests(&mut stream, &visit, &site).await {
        Some((seat, early)) => Some(Upgraded { stream, early, visit, seat }),
        None => {
            stream.close_gently().await;
            None
        }
    }
}

enum Answer {
    Response { response: Response, keep_alive: bool, only_head: bool },
    WebSocket { accept: String, seat: ws::Seat },
}

/// Answers requests until the connection ends (`None`) or becomes a WebSocket, whose first bytes may have come
/// along with the request.
async fn serve_requests(stream: &mut Stream, visit: &Visit, site: &Rc<Site>) -> Option<(ws::Seat, Vec<u8>)> {
    let mut buffer = Vec::new();
    for turn in 1..=MAX_REQUESTS {
        let end = match read_head(stream, &mut buffer, turn == 1).await {
            Ok(end) => end,
            Err(response) => {
                let _ = send(stream, &response?, false, false).await;
                return None;
            }
        };
        let answer = answer(&buffer[..end], visit, site);
        site.counters.requests.set(site.counters.requests.get().wrapping_add(1));
        buffer.drain(..end);
        match answer {
            Answer::WebSocket { accept, seat } => {
                let head = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                write(stream, head.as_bytes()).await.ok()?;
                // it becomes the socket's buffer, which stays
                buffer.shrink_to_fit();
                return Some((seat, buffer));
            }
            Answer::Response { response, keep_alive, only_head } => {
                let keep_alive = keep_alive && turn < MAX_REQUESTS;
                send(stream, &response, keep_alive, only_head).await.ok()?;
                keep_alive.then_some(())?;
            }
        }
    }
    None
}

/// Reads until `buffer` starts with a whole head, and says where it ends. The error is what to answer, if anything.
async fn read_head(
    stream: &mut Stream,
    buffer: &mut Vec<u8>,
    mut begun: bool,
) -> Result<usize, Option<Response>> {
    begun |= !buffer.is_empty();
    let mut deadline = Instant::now() + if begun { HEAD_DEADLINE } else { IDLE_DEADLINE };
    let mut scanned = 0;
    loop {
        // RFC 9112 section 2.2: empty lines before a request are ignored.
        let empty = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        buffer.drain(..empty);
        if let Some(end) = end_of_head(buffer, scanned) {
            return Ok(end);
        }
        // A TLS ClientHello on the plain port would otherwise wait for its empty line until the deadline.
        if buffer.first().is_some_and(|byte| !byte.is_ascii_alphabetic()) {
            return Err(Some(Response::words(400, "The request is not HTTP.")));
        }
        scanned = buffer.len();
        let room = MAX_HEAD - buffer.len();
        if room == 0 {
            return Err(Some(Response::words(431, "The request is too long.")));
        }
        if buffer.len() == buffer.capacity() {
            buffer.reserve_exact(room.min(buffer.len().max(1024)));
        }
        match timeout_at(deadline, stream.read_buf(&mut (&mut *buffer).limit(room))).await {
            Ok(Ok(0) | Err(_)) => return Err(None),
            Ok(Ok(_)) if begun => {}
            Ok(Ok(_)) => {
                begun = true;
                deadline = Instant::now() + HEAD_DEADLINE;
            }
            Err(_) if buffer.is_empty() => return Err(None),
            Err(_) => return Err(Some(Response::words(408, "The request took too long."))),
        }
    }
}

/// Where the empty line ends. `scanned` bytes have been looked at before, so that a request which comes byte by
/// byte does not cost its square.
fn end_of_head(buffer: &[u8], scanned: usize) -> Option<usize> {
    let from = scanned.saturating_sub(2);
    buffer[from..].iter().enumerate().filter(|(_, byte)| **byte == b'\n').find_map(|(at, _)| {
        let end = from + at + 1;
        let before = &buffer[..end - 1];
        (before.ends_with(b"\n") || before.ends_with(b"\n\r")).then_some(end)
    })
}

fn answer(head: &[u8], visit: &Visit, site: &Rc<Site>) -> Answer {
    let request = match Request::parse(head) {
        Ok(request) => request,
        // What follows a head that could not be read cannot be read either.
        Err(response) => return Answer::Response { response, keep_alive: false, only_head: false },
    };
    let only_head = request.method == "HEAD";
    let response = if request.method != "GET" && !only_head {
        Response::words(405, "Pages can be read here, nothing else.").with("Allow: GET, HEAD\r\n")
    } else if visit.door == Door::Explain {
        explain::answer(&request, site)
    } else if visit.door == Door::Loopback && !request.host.is_some_and(is_this_machine) {
        // A stranger's name that leads to 127.0.0.1 must not become a page of ours (DNS rebinding).
        Response::words(421, "On this machine the page is called localhost.")
    } else if request.path == "/ws" {
        match ws::upgrade(&request, visit.door, site) {
            Ok((accept, seat)) => return Answer::WebSocket { accept, seat },
            Err(response) => response,
        }
    } else if let Some(better) = better_place(&request, visit, site) {
        let to = format!("Location: https://{better}:{}/\r\n", site.https_port);
        Response::words(307, "This address is another router elsewhere. The page is at this router's own.")
            .with(&to)
    } else if let Some(asset) = assets::find(request.path) {
        Response::asset(asset, request.accept_encoding, request.if_none_match)
    } else {
        Response::words(404, "There is nothing at this address.")
    };
    Answer::Response { response, keep_alive: request.keep_alive, only_head }
}

/// Where the page is led to from an address that is another router elsewhere. Its files and its socket are served
/// there all the same: a page that is open stays.
fn better_place(request: &Request<'_>, visit: &Visit, site: &Site) -> Option<String> {
    let host = explain::host_name(request.host?)?;
    let asks = visit.door == Door::Https && matches!(request.path, "/" | "/index.html");
    asks.then(|| site.place.borrow().better(host)).flatten()
}

/// Whether a `Host` can only mean the machine itself (RFC 6761 section 6.3).
fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(host, |(name, _)| name);
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    match bare.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

async fn send(stream: &mut Stream, response: &Response, keep_alive: bool, only_head: bool) -> io::Result<()> {
    let mut head = response.head(keep_alive).into_bytes();
    let body: &[u8] = if only_head { &[] } else { &response.body };
    // The head and a small body leave in one packet.
    let (small, rest) = body.split_at(body.len().min(2048));
    head.extend_from_slice(small);
    write(stream, &head).await?;
    for chunk in rest.chunks(CHUNK) {
        write(stream, chunk).await?;
    }
    Ok(())
}

async fn write(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    timeout(WRITE_DEADLINE, async {
        stream.write_all(bytes).await?;
        stream.flush().await
    })
    .await?
}

#[cfg(test)]
mod tests;
