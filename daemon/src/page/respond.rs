//! One HTTP response: status, the headers that keep a page safe, and a body that is in the binary or made of words.
//!
//! Driven by `http.rs`, `explain.rs` and `ws.rs`. There is no `Date` (a router's clock may be in 1970, and RFC
//! 9110 section 6.6.1 forbids guessing) and no HSTS (it would take the owner's way back from him when his
//! certificate changes).

use std::borrow::Cow;

use super::assets::Asset;

/// What the page may do. Nothing from anywhere else, no inline script, no framing.
const PAGE_HEADERS: &str = "\
Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
frame-ancestors 'none'\r\n\
X-Content-Type-Options: nosniff\r\n\
Referrer-Policy: no-referrer\r\n\
Permissions-Policy: camera=(self), microphone=(self), display-capture=(self)\r\n\
Cross-Origin-Opener-Policy: same-origin\r\n\
Cross-Origin-Resource-Policy: same-origin\r\n";

const HTML: &str = "text/html; charset=utf-8";

/// What is answered.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    /// Whole header lines.
    pub(super) headers: String,
    pub(super) body: Cow<'static, [u8]>,
}

impl Response {
    /// A small page that says one thing.
    pub(super) fn words(status: u16, words: &str) -> Self {
        let body = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\">\
             <title>Truca: {status}</title>\n<h1>{}</h1>\n<p>{words}\n<p><a href=\"/\">Truca</a>\n",
            reason(status)
        );
        Self::html(status, body)
    }

    pub(super) fn html(status: u16, body: String) -> Self {
        Self {
            status,
            content_type: HTML,
            headers: "Cache-Control: no-store\r\n".to_owned(),
            body: Cow::Owned(body.into_bytes()),
        }
    }

    pub(super) fn with(mut self, line: &str) -> Self {
        self.headers.push_str(line);
        self
    }

    /// A file of the page, or that the browser has it already; what it says are its `Accept-Encoding` and
    /// `If-None-Match`.
    pub(super) fn asset(
        asset: &'static Asset,
        accept_encoding: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Self {
        if !accept_encoding.is_none_or(accepts_brotli) {
            return Self::words(
                406,
                "This router keeps its page compressed, and your program does not say that it reads br \
                 (curl: add --compressed).",
            );
        }
        let cache = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
        let headers =
            format!("Cache-Control: {cache}\r\nETag: \"{}\"\r\nVary: Accept-Encoding\r\n", asset.etag);
        if if_none_match.is_some_and(|tags| names_tag(tags, asset.etag)) {
            return Self { status: 304, content_type: "", headers, body: Cow::Borrowed(&[]) };
        }
        let headers = headers + "Content-Encoding: br\r\n";
        Self { status: 200, content_type: asset.content_type, headers, body: Cow::Borrowed(asset.brotli) }
    }

    /// Status line and headers, with the empty line.
    pub(super) fn head(&self, keep_alive: bool) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        head.push_str(PAGE_HEADERS);
        head.push_str(&self.headers);
        if self.status != 304 {
            head.push_str(&format!(
                "Content-Type: {}\r\nContent-Length: {}\r\n",
                self.content_type,
                self.body.len()
            ));
        }
        head.push_str(if keep_alive {
            "Connection: keep-alive\r\n\r\n"
        } else {
            "Connection: close\r\n\r\n"
        });
        head
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Error",
    }
}

/// RFC 9110 section 12.5.3: `br` or `*`, unless its weight is 0. The name is more telling than the star.
fn accepts_brotli(value: &str) -> bool {
    let mut star = false;
    for part in value.split(',') {
        let mut pieces = part.split(';');
        let name = pieces.next().unwrap_or_default().trim();
        let refused =
            pieces.filter_map(|piece| piece.trim().strip_prefix("q=")).any(|q| thousandths(q) == Some(0));
        if name.eq_ignore_ascii_case("br") {
            return !refused;
        }
        star |= name == "*" && !refused;
    }
    star
}

/// A weight in thousandths: at most 1, with up to three digits behind the point (RFC 9110 section 12.4.2).
/// Reading any floating-point number would cost 17 KB of the package.
pub(crate) fn thousandths(weight: &str) -> Option<u16> {
    let (whole, behind) = weight.trim().split_once('.').unwrap_or((weight.trim(), ""));
    if behind.len() > 3
        || !(whole == "0" || whole == "1")
        || !behind.bytes().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let behind: u16 = format!("{behind:0<3}").parse().ok()?;
    Some(if whole == "1" { 1000 } else { behind })
}

/// RFC 9110 section 13.1.2, weak comparison.
fn names_tag(value: &str, etag: &str) -> bool {
    value
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brotli_is_accepted_by_name_or_by_star() {
        for (value, accepted) in [
            ("gzip, deflate, br", true),
            ("gzip, *", true),
            ("BR;q=0.5", true),
            ("br;q=0, *", false),
            ("br; q=0.000", false),
            ("br;q=0.001", true),
            ("*;q=0", false),
            ("gzip, deflate", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_brotli(value), accepted, "{value}");
        }
    }

    #[test]
    fn a_weight_has_three_digits_at_most() {
        for (weight, found) in [
            ("1", Some(1000)),
            ("1.000", Some(1000)),
            ("0", Some(0)),
            ("0.", Some(0)),
            (" 0.8", Some(800)),
            ("0.85", Some(850)),
            ("0.001", Some(1)),
            ("0.0001", None),
            ("2", None),
            ("-1", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(thousandths(weight), found, "{weight}");
        }
    }

    #[test]
    fn an_etag_matches_in_a_list_and_weakly() {
        for (value, matches) in
            [("\"ab\"", true), ("\"x\", W/\"ab\"", true), ("*", true), ("\"abc\"", false), ("", false)]
        {
            assert_eq!(names_tag(value, "ab"), matches, "{value}");
        }
    }
}
