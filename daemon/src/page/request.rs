//! Reads one HTTP/1.1 request head (RFC 9112) into what the page server asks of it.
//!
//! Driven by `http.rs`, on bytes that end with an empty line. Refuses bodies: nothing here takes one.

use super::respond::Response;

/// Header lines of a request; browsers send about 20.
const MAX_HEADERS: usize = 64;

/// A request head, borrowed from the connection's buffer.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    /// Without the query.
    pub(super) path: &'a str,
    pub(super) host: Option<&'a str>,
    pub(super) origin: Option<&'a str>,
    pub(super) accept_encoding: Option<&'a str>,
    pub(super) accept_language: Option<&'a str>,
    pub(super) if_none_match: Option<&'a str>,
    pub(super) upgrade: Option<&'a str>,
    pub(super) websocket_key: Option<&'a str>,
    pub(super) websocket_version: Option<&'a str>,
    /// `Connection: upgrade` was said.
    pub(super) upgrades: bool,
    /// The connection may be used again.
    pub(super) keep_alive: bool,
}

/// Whether a comma-separated header value has this word.
pub(super) fn has_word(value: &str, word: &str) -> bool {
    value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word))
}

impl<'a> Request<'a> {
    /// Parses a head; the error is what to answer before closing.
    pub(super) fn parse(head: &'a [u8]) -> Result<Self, Response> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut raw = httparse::Request::new(&mut headers);
        match raw.parse(head) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Response::words(431, "The request has too many header lines."));
            }
            Err(httparse::Error::Version) => {
                return Err(Response::words(505, "Only HTTP/1.1 is spoken here."));
            }
            _ => return Err(Response::words(400, "The request is not HTTP.")),
        }
        let minor = raw.version.unwrap_or(0);
        let target = raw.path.unwrap_or_default();
        let mut request = Self {
            method: raw.method.unwrap_or_default(),
            path: path_of(target),
            keep_alive: minor == 1,
            ..Self::default()
        };
        for header in raw.headers.iter() {
            request.read_header(header)?;
        }
        if minor == 0 && request.upgrade.is_some() {
            // RFC 9110 section 7.8: a server ignores Upgrade over HTTP/1.0, and then nobody knows what is spoken
            return Err(Response::words(400, "Only HTTP/1.1 can become a WebSocket."));
        }
        if minor == 1 && request.host.is_none() {
            return Err(Response::words(400, "The request does not say which host it is for."));
        }
        Ok(request)
    }

    fn read_header(&mut self, header: &httparse::Header<'a>) -> Result<(), Response> {
        let name = header.name;
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        if is("transfer-encoding") {
            return Err(Response::words(400, "Nothing can be sent here."));
        }
        let slot = if is("host") {
            &mut self.host
        } else if is("origin") {
            &mut self.origin
        } else if is("accept-encoding") {
            &mut self.accept_encoding
        } else if is("accept-language") {
            &mut self.accept_language
        } else if is("if-none-match") {
            &mut self.if_none_match
        } else if is("upgrade") {
            &mut self.upgrade
        } else if is("sec-websocket-key") {
            &mut self.websocket_key
        } else if is("sec-websocket-version") {
            &mut self.websocket_version
        } else if is("connection") || is("content-length") {
            let value = text(header.value)?;
            if is("content-length") && value != "0" {
                return Err(match value.parse::<u64>() {
                    Ok(_) => Response::words(413, "Nothing can be sent here."),
                    Err(_) => Response::words(400, "The request's length is not a number."),
                });
            }
            if is("connection") {
                self.upgrades |= has_word(value, "upgrade");
                self.keep_alive &= !has_word(value, "close");
            }
            return Ok(());
        } else {
            return Ok(());
        };
        // Twice the same header is how requests are smuggled; lists in two lines are lawful, and rare enough.
        if slot.replace(text(header.value)?).is_some() && (is("host") || is("origin")) {
            return Err(Response::words(400, "The request names its host twice."));
        }
        Ok(())
    }
}

fn text(value: &[u8]) -> Result<&str, Response> {
    std::str::from_utf8(value).map(str::trim).map_err(|_| Response::words(400, "A header line is not text."))
}

/// The path of a target in origin-form or absolute-form (RFC 9112 section 3.2); anything else is found nowhere.
fn path_of(target: &str) -> &str {
    let target = match target.split_once("://") {
        Some((scheme, rest)) if scheme.bytes().all(|b| b.is_ascii_alphabetic()) => {
            rest.find('/').map_or("/", |at| &rest[at..])
        }
        _ => target,
    };
    target.split(['?', '#']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(head: &str) -> u16 {
        Request::parse(head.as_bytes()).err().map_or(200, |response| response.status)
    }

    #[test]
    fn a_browsers_request_is_read() {
        let head = b"GET /ws?x=1 HTTP/1.1\r\nhost: casa:8443\r\nConnection: keep-alive, Upgrade\r\n\
            Upgrade: websocket\r\nOrigin: https://casa:8443\r\nSec-WebSocket-Version: 13\r\n\r\n";
        let request = Request::parse(head).unwrap();
        assert_eq!((request.method, request.path), ("GET", "/ws"));
        assert_eq!(request.host, Some("casa:8443"));
        assert_eq!(request.origin, Some("https://casa:8443"));
        assert!(request.upgrades && request.keep_alive);
    }

    #[test]
    fn an_absolute_target_loses_its_host() {
        assert_eq!(path_of("http://casa:8443/a/b?c#d"), "/a/b");
        assert_eq!(path_of("https://casa"), "/");
        assert_eq!(path_of("/x?y=http://z/"), "/x");
        assert_eq!(path_of("*"), "*");
    }

    #[test]
    fn what_carries_a_body_or_no_host_is_refused() {
        assert_eq!(status("GET / HTTP/1.1\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.0\r\n\r\n"), 200);
        assert_eq!(
            status("GET /ws HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
            400
        );
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
        assert_eq!(status("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"), 200);
        assert_eq!(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"), 413);
        assert_eq!(status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n"), 400);
        assert_eq!(status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"), 400);
        assert_eq!(status("PRI * HTTP/2.0\r\n\r\n"), 505);
        assert_eq!(status("\u{16}\u{3}\u{1}\r\n\r\n"), 400);
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let head = b"GET /ws?x=1 HTTP/1.1\r\nhost: casa\r\nConnection: close\r\nOrigin: x\r\n\r\n";
        for at in 0..head.len() {
            for byte in [0, b'\n', b'\r', b' ', b':', b'/', 0x7f, 0xff] {
                let mut head = head.to_vec();
                head[at] = byte;
                let _ = Request::parse(&head);
            }
        }
    }
}
