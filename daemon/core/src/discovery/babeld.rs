//! babeld's local socket (`man babeld`, "local interface"): lines that add, change and flush routes and
//! neighbours, after the command `monitor`.
//!
//! A host route is a router's main address; of a network its first address is tried; a neighbour's link-local
//! address is one too. A route is of use while it is installed with a finite metric.
//!
//! Bounds: [`MAX_LINE`], [`MAX_ROUTES`], [`MAX_NEIGHBOURS`]; what is over is counted. It speaks to a process of
//! this router, which is honest; the prefixes come from the whole mesh, which is not.

use std::net::IpAddr;

use super::{Heard, Hint, is_host, router_of};
use crate::sorted::{Map, Set};

/// What to send after connecting.
pub const COMMAND: &[u8] = b"monitor\n";
/// The longest line (babeld writes from a buffer of 512).
pub const MAX_LINE: usize = 512;
/// Most routes that are remembered.
pub const MAX_ROUTES: usize = 2048;
/// Most neighbours that are remembered.
pub const MAX_NEIGHBOURS: usize = 256;
/// Most bytes of a handle or an interface's name (`%lx` of a pointer; IFNAMSIZ).
const MAX_KEY: usize = 32;
/// The metric of a route that leads nowhere (RFC 8966 section 3.5.1).
const INFINITY: u32 = 65_535;

/// What the daemon has told, on one connection.
#[derive(Debug, Default)]
pub struct Monitor {
    line: Vec<u8>,
    /// Whether the rest of an overlong line is being thrown away.
    skipping: bool,
    greeted: bool,
    /// How many commands were accepted; the greeting counts as one.
    oks: u32,
    refused: bool,
    routes: Map<Box<str>, IpAddr>,
    neighbours: Map<Box<str>, (IpAddr, Box<str>)>,
    own: Map<Box<str>, IpAddr>,
    skipped: u32,
}

impl Monitor {
    /// Nothing told yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came; whether it changed anything in [`Self::heard`].
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        let mut changed = false;
        for byte in bytes {
            match byte {
                b'\n' if self.skipping => self.skipping = false,
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    changed |= match std::str::from_utf8(&line) {
                        Ok(text) => self.line(text),
                        Err(_) => self.skip(),
                    };
                    self.line = line;
                    self.line.clear();
                }
                _ if self.skipping => {}
                byte if self.line.len() < MAX_LINE => self.line.push(*byte),
                _ => {
                    self.line.clear();
                    self.skipping = true;
                    self.skip();
                }
            }
        }
        changed
    }

    /// Whether everything that there was has been told.
    pub fn is_ready(&self) -> bool {
        self.oks >= 2
    }

    /// Whether the other side is no babeld, or does not let us look.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// The addresses that are known now.
    pub fn heard(&self) -> Heard {
        let own: Set<IpAddr> = self.own.values().copied().collect();
        let routers: Set<IpAddr> = self.routes.values().copied().filter(|ip| !own.contains(ip)).collect();
        let mut heard = Heard { hints: Vec::new(), skipped: self.skipped };
        for (ip, interface) in self.neighbours.values() {
            heard.add(Hint { interface: Some(interface.clone()), ..Hint::router(*ip) });
        }
        routers.into_iter().for_each(|ip| heard.add(Hint::router(ip)));
        heard
    }

    fn skip(&mut self) -> bool {
        self.skipped = self.skipped.wrapping_add(1);
        false
    }

    fn line(&mut self, line: &str) -> bool {
        if !self.greeted {
            // "BABEL 1.0": later minor versions only add
            self.greeted = true;
            self.refused = !line.starts_with("BABEL 1.");
            return false;
        }
        let mut words = line.trim_end_matches('\r').split(' ').filter(|word| !word.is_empty());
        match words.next() {
            Some("ok") => {
                self.oks = self.oks.saturating_add(1);
                // the end of the first dump is news even when it was empty
                self.oks == 2
            }
            Some("no" | "bad") => {
                self.refused = true;
                false
            }
            Some(verb @ ("add" | "change" | "flush")) => {
                let (kind, key) = (words.next(), words.next());
                match (kind, key) {
                    (Some("route" | "xroute" | "neighbour"), Some(key)) if key.len() > 2 * MAX_KEY + 64 => {
                        self.skip()
                    }
                    (Some("route"), Some(key)) => self.route(verb, key, words),
                    (Some("neighbour"), Some(key)) => self.neighbour(verb, key, words),
                    (Some("xroute"), Some(key)) => self.own_route(verb, key, words),
                    (Some("interface"), Some(_)) => false,
                    _ => self.skip(),
                }
            }
            // version, host, my-id, and whatever a later version adds
            _ => false,
        }
    }

    fn route<'l>(&mut self, verb: &str, key: &str, words: impl Iterator<Item = &'l str>) -> bool {
        if verb == "flush" {
            return self.routes.remove(key).is_some();
        }
        let [prefix, installed, metric] = values(words, ["prefix", "installed", "metric"]);
        let (Some(prefix), Some(installed), Some(metric)) =
            (prefix.and_then(parse_prefix), installed, metric.and_then(|metric| metric.parse::<u32>().ok()))
        else {
            return self.skip();
        };
        match router_of(prefix.0, prefix.1) {
            Some(router) if installed == "yes" && metric < INFINITY => {
                if self.routes.len() >= MAX_ROUTES && !self.routes.contains_key(key) {
                    return self.skip();
                }
                self.routes.insert(key.into(), router) != Some(router)
            }
            _ => self.routes.remove(key).is_some(),
        }
    }

    fn own_route<'l>(&mut self, verb: &str, key: &str, words: impl Iterator<Item = &'l str>) -> bool {
        if verb == "flush" {
            return self.own.remove(key).is_some();
        }
        let [prefix] = values(words, ["prefix"]);
        let Some(prefix) = prefix.and_then(parse_prefix) else { return self.skip() };
        let Some(router) = router_of(prefix.0, prefix.1) else { return false };
        if self.own.len() >= MAX_NEIGHBOURS && !self.own.contains_key(key) {
            return self.skip();
        }
        self.own.insert(key.into(), router) != Some(router)
    }

    fn neighbour<'l>(&mut self, verb: &str, key: &str, words: impl Iterator<Item = &'l str>) -> bool {
        if verb == "flush" {
            return self.neighbours.remove(key).is_some();
        }
        let [address, interface] = values(words, ["address", "if"]);
        let address = address.and_then(|text| text.parse().ok()).filter(|ip| is_host(*ip));
        let interface = interface.filter(|name| name.len() <= MAX_KEY);
        let (Some(address), Some(interface)) = (address, interface) else { return self.skip() };
        if self.neighbours.len() >= MAX_NEIGHBOURS && !self.neighbours.contains_key(key) {
            return self.skip();
        }
        let value = (address, Box::from(interface));
        self.neighbours.insert(key.into(), value.clone()) != Some(value)
    }
}

/// The values of these names, in a line of names and values.
fn values<'l, const N: usize>(
    mut words: impl Iterator<Item = &'l str>,
    names: [&str; N],
) -> [Option<&'l str>; N] {
    let mut found = [None; N];
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        if let Some(at) = names.iter().position(|wanted| *wanted == name) {
            found[at] = found[at].or(Some(value));
        }
    }
    found
}

fn parse_prefix(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = text.split_once('/')?;
    Some((ip.parse().ok()?, length.parse().ok()?))
}
