//! Routes of the two OLSR daemons: olsrd's jsoninfo plugin (`GET /routes`, HTTP on port 9090) and OONF's olsrd2
//! (telnet on port 2009, `/olsrv2info json route`).
//!
//! A host route is a router's address; of a network that somebody announces, its first address is tried.

use std::net::IpAddr;

use super::json::{Scalar, Sink, walk};
use super::{Bad, Heard, Hint, MAX_DUMP, router_of};
use crate::sorted::Set;

/// What to ask jsoninfo. It closes after the answer.
pub const REQUEST: &[u8] = b"GET /routes HTTP/1.0\r\n\r\n";
/// What to ask olsrd2. A command that begins with a slash is answered once, without a prompt, and then it closes.
pub const COMMAND: &[u8] = b"/olsrv2info json route\n";

#[derive(Default)]
struct Found {
    /// Whether there was a list of routes at all.
    is_one: bool,
    destination: Option<(IpAddr, Option<u8>)>,
    length: Option<u8>,
    routers: Set<IpAddr>,
    heard: Heard,
}

impl Found {
    fn finish(mut self) -> Result<Heard, Bad> {
        for ip in std::mem::take(&mut self.routers) {
            self.heard.add(Hint::router(ip));
        }
        if self.is_one { Ok(self.heard) } else { Err(Bad::Foreign) }
    }
}

impl Sink for Found {
    fn value(&mut self, way: &[String], value: Scalar<'_>) {
        let [list, key] = way else { return };
        match (list.as_str(), key.as_str()) {
            // olsrd: `routes`, or `route` in old versions
            ("routes" | "route", "destination") | ("route", "route_dst") => {
                self.destination = value.text().and_then(parse_destination);
            }
            ("routes" | "route", "genmask") => self.length = value.number(),
            _ => {}
        }
    }

    fn leave(&mut self, way: &[String]) {
        match way {
            // the whole answer
            [] => self.is_one = true,
            [list] if list == "routes" || list == "route" => {
                let length = self.length.take();
                match self.destination.take() {
                    Some((ip, own)) => {
                        let whole = if ip.is_ipv4() { 32 } else { 128 };
                        self.routers.extend(router_of(ip, own.or(length).unwrap_or(whole)));
                    }
                    None => self.heard.skip(),
                }
            }
            _ => {}
        }
    }
}

/// `10.0.0.1`, `10.0.0.0/24`.
fn parse_destination(text: &str) -> Option<(IpAddr, Option<u8>)> {
    match text.split_once('/') {
        Some((ip, length)) => Some((ip.parse().ok()?, Some(length.parse().ok()?))),
        None => Some((text.parse().ok()?, None)),
    }
}

/// Reads jsoninfo's answer, with its HTTP head.
///
/// # Errors
/// When it does not read, or is no such answer.
pub fn jsoninfo(answer: &[u8]) -> Result<Heard, Bad> {
    if !answer.starts_with(b"HTTP/1.") || answer.get(8..13) != Some(b" 200 ") {
        return Err(Bad::Foreign);
    }
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").ok_or(Bad::Syntax)?;
    let mut found = Found::default();
    walk(&answer[head + 4..], MAX_DUMP, &mut found)?;
    found.finish()
}

/// Reads olsrd2's answer.
///
/// # Errors
/// When it does not read, or is no such answer.
pub fn oonf(answer: &[u8]) -> Result<Heard, Bad> {
    let mut found = Found::default();
    walk(answer, MAX_DUMP, &mut found)?;
    found.finish()
}
