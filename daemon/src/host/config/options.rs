//! The one table of options: what `/etc/config/truca` may say, what it means when it says nothing, and how
//! it is explained. Reading, `--help` and the reference in the documentation all come from it.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use log::LevelFilter;

use super::{Config, Error, draft::Draft};
use crate::node::admission::MAX_ALLOWED;

/// One option.
#[derive(Debug)]
pub struct Row {
    /// The type of its section.
    pub section: &'static str,
    /// Its name.
    pub option: &'static str,
    /// The flag that sets it, and the word that stands for its value in `--help`.
    pub flag: Option<(&'static str, &'static str)>,
    /// Whether it is a list.
    pub list: bool,
    /// What it is when nothing is said; items of a list are separated by spaces.
    pub default: &'static str,
    /// What it takes, in words.
    pub allowed: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Whether it is masked wherever it is shown.
    pub secret: bool,
    /// Puts a value; `None` when it is not allowed.
    pub(super) put: fn(&mut Draft, &str) -> Option<()>,
    /// Empties a list.
    pub(super) clear: fn(&mut Draft),
    /// For what is opened once, at the start: puts the old value back into a new configuration, and says whether
    /// that changes it. The rest is taken over while the daemon runs.
    keep: Option<fn(&Config, &mut Config) -> bool>,
}

impl Row {
    /// Whether a change is taken over only by a restart.
    pub fn restarts(&self) -> bool {
        self.keep.is_some()
    }

    /// The error for a value that is not allowed.
    pub(super) fn refuse(&self, origin: String, value: &str) -> Error {
        // A value can be 4 KiB; its beginning is enough to find it
        let value = value.chars().take(64).collect();
        Error::Value { origin, section: self.section, option: self.option, value, allowed: self.allowed }
    }
}

/// Expands to a row; the parts in brackets are for options with a flag, for lists, for secrets, and for what a
/// restart alone takes over: its field in [`Config`].
macro_rules! row {
    ($section:literal $option:literal $([$flag:literal $word:literal])? = $default:literal, $allowed:literal, $help:literal, $put:expr $(, clear $clear:expr)? $(, secret $secret:literal)? $(, restart $field:ident)?) => {
        Row {
            section: $section,
            option: $option,
            flag: row!(@flag $($flag $word)?),
            list: row!(@list $($clear)?),
            default: $default,
            allowed: $allowed,
            help: $help,
            secret: false $(|| $secret)?,
            put: $put,
            clear: row!(@clear $($clear)?),
            keep: row!(@keep $($field)?),
        }
    };
    (@flag) => { None };
    (@flag $flag:literal $word:literal) => { Some(($flag, $word)) };
    (@list) => { false };
    (@list $clear:expr) => { true };
    (@clear) => { |_| () };
    (@clear $clear:expr) => { $clear };
    (@keep) => { None };
    (@keep $field:ident) => { Some(|old, new| {
        let changed = old.$field != new.$field;
        new.$field.clone_from(&old.$field);
        changed
    }) };
}

/// All options.
pub static TABLE: &[Row] = &[
    row!("node" "name" ["name" "NAME"] = "", "1 to 32 of a-z 0-9 . _ -", "the node's name (default: the host name)",
        |d, v| name(v).map(|v| d.config.name = v)),
    row!("node" "listen" ["listen" "ADDR"] = "0.0.0.0 ::", "an IPv4 or IPv6 address", "address of ours to listen on",
        |d, v| address(v).map(|v| d.config.listen.push(v)), clear |d| d.config.listen.clear(), restart listen),
    row!("node" "address" ["address" "ADDR"] = "", "an IPv4 or IPv6 address", "address to tell others (default: those of the interfaces)",
        |d, v| address(v).filter(|v| !v.is_unspecified()).map(|v| d.config.addresses.push(v)), clear |d| d.config.addresses.clear()),
    row!("node" "port" ["port" "N"] = "8443", "a port from 1 to 65535", "TCP port of page and links, UDP port of membership",
        |d, v| number(v, 1, 65535).map(|v| d.config.port = v as u16), restart port),
    row!("node" "http_port" ["http-port" "N"] = "8080", "a port from 1 to 65535, or 0 for none", "TCP port of the page that leads to HTTPS",
        |d, v| number(v, 0, 65535).map(|v| d.config.http_port = v as u16), restart http_port),
    row!("node" "stun_port" ["stun-port" "N"] = "3478", "a port from 1 to 65535, or 0 for none", "UDP and TCP port of STUN and TURN",
        |d, v| number(v, 0, 65535).map(|v| d.config.stun_port = v as u16), restart stun_port),
    row!("node" "stun_other_port" = "0", "a port from 1 to 65535, or 0 for none", "second UDP port of STUN: with two addresses, programs can ask how their NAT behaves (RFC 5780)",
        |d, v| number(v, 0, 65535).map(|v| d.config.stun_other_port = v as u16)),
    row!("node" "state" ["state" "DIR"] = "/etc/truca", "a directory", "directory that keeps key, certificate and accounts",
        |d, v| path(v).map(|v| d.config.state = v), restart state),
    row!("node" "run_dir" ["run-dir" "DIR"] = "/var/run/truca", "a directory", "directory of the control socket",
        |d, v| path(v).map(|v| d.config.run_dir = v), restart run_dir),
    row!("node" "log_level" ["log" "LEVEL"] = "info", "error, warn, info, debug or trace", "how much to log",
        |d, v| level(v).map(|v| d.config.log_level = v)),
    row!("node" "certificate" = "", "a file (PEM)", "certificate to show instead of the node's own",
        |d, v| path(v).map(|v| d.certificate = Some(v))),
    row!("node" "key" = "", "a file (PEM)", "key of that certificate",
        |d, v| path(v).map(|v| d.key = Some(v))),
    row!("node" "community_host" = "", "a host name", "name that every node of the community serves with that one certificate",
        |d, v| host(v).map(|v| d.config.community_host = Some(v.to_ascii_lowercase()))),
    row!("node" "shared_host" = "thisnode.info 172.30.22.1", "an address or a host name", "what is another router elsewhere: pages are led from there to this node's own address",
        |d, v| host(v).map(|v| d.config.shared_hosts.push(v.to_ascii_lowercase())), clear |d| d.config.shared_hosts.clear()),
    row!("federation" "admission" = "open", "open, secret or allow", "which nodes may be members: any, those that know the secret, those on the list",
        |d, v| ["open", "secret", "allow"].into_iter().find(|word| *word == v).map(|word| d.admission = word)),
    row!("federation" "secret" = "", "16 to 128 characters", "what all nodes of the community know, with admission secret",
        |d, v| (16..=128).contains(&v.chars().count()).then(|| d.secret = Some(v.into())), secret true),
    row!("federation" "allow" = "", "a node id: 26 characters of lower-case base32", "a node that may be a member, with admission allow",
        |d, v| v.parse().ok().filter(|_| d.allowed.len() < MAX_ALLOWED).map(|id| { d.allowed.insert(id); }), clear |d| d.allowed.clear()),
    row!("discovery" "mdns" = "1", "1 or 0", "look for nodes by mDNS",
        |d, v| boolean(v).map(|v| d.config.mdns = v), restart mdns),
    row!("discovery" "umdns" = "1", "1 or 0", "ask OpenWrt's umdns what it has heard",
        |d, v| boolean(v).map(|v| d.config.discovery.umdns = v)),
    row!("discovery" "bmx6" = "1", "1 or 0", "look for routers and adverts at bmx6",
        |d, v| boolean(v).map(|v| d.config.discovery.bmx6.0 = v)),
    row!("discovery" "bmx6_dir" = "/var/run/bmx6", "a directory", "bmx6's run-time directory",
        |d, v| path(v).map(|v| d.config.discovery.bmx6.1 = v)),
    row!("discovery" "bmx7" = "1", "1 or 0", "look for routers and adverts at bmx7",
        |d, v| boolean(v).map(|v| d.config.discovery.bmx7.0 = v)),
    row!("discovery" "bmx7_dir" = "/var/run/bmx7", "a directory", "bmx7's run-time directory",
        |d, v| path(v).map(|v| d.config.discovery.bmx7.1 = v)),
    row!("discovery" "babeld" = "1", "1 or 0", "listen to babeld for routers",
        |d, v| boolean(v).map(|v| d.config.discovery.babeld.0 = v)),
    row!("discovery" "babeld_socket" = "[::1]:30003 [::1]:33123", "an address with a port", "where babeld's local socket may be",
        |d, v| socket(v, None).map(|v| d.config.discovery.babeld.1.push(v)), clear |d| d.config.discovery.babeld.1.clear()),
    row!("discovery" "shared_state" = "1", "1 or 0", "look for adverts in LibreMesh's shared state",
        |d, v| boolean(v).map(|v| d.config.discovery.shared_state = v)),
    row!("discovery" "olsr" = "1", "1 or 0", "ask olsrd (jsoninfo) for routers",
        |d, v| boolean(v).map(|v| d.config.discovery.olsr.0 = v)),
    row!("discovery" "olsr_socket" = "127.0.0.1:9090 [::1]:9090", "an address with a port", "where jsoninfo may be",
        |d, v| socket(v, None).map(|v| d.config.discovery.olsr.1.push(v)), clear |d| d.config.discovery.olsr.1.clear()),
    row!("discovery" "oonf" = "1", "1 or 0", "ask OONF's olsrd2 for routers",
        |d, v| boolean(v).map(|v| d.config.discovery.oonf.0 = v)),
    row!("discovery" "oonf_socket" = "127.0.0.1:2009 [::1]:2009", "an address with a port", "where olsrd2's telnet may be",
        |d, v| socket(v, None).map(|v| d.config.discovery.oonf.1.push(v)), clear |d| d.config.discovery.oonf.1.clear()),
    row!("discovery" "dns_domain" = "", "a domain name", "domain whose DNS names nodes (SRV `_truca._tcp`)",
        |d, v| host(v).map(|v| d.config.discovery.dns_domains.push(v)), clear |d| d.config.discovery.dns_domains.clear()),
    row!("discovery" "dns_server" = "", "an address, and its port if that is not 53", "name server to ask (default: those of the system)",
        |d, v| socket(v, Some(53)).map(|v| d.config.discovery.dns_servers.push(v)), clear |d| d.config.discovery.dns_servers.clear()),
    row!("discovery" "publish" = "1", "1 or 0", "tell others by bmx6, bmx7 and shared state",
        |d, v| boolean(v).map(|v| d.config.discovery.publish = v)),
    row!("discovery" "probe" = "1", "1 or 0", "try routers that do not say that they run Truca",
        |d, v| boolean(v).map(|v| d.config.discovery.probe = v)),
    row!("discovery" "avoid" = "", "an address or a network (10.1.0.0/16)", "network in which no node is ever looked for",
        |d, v| network(v).map(|v| d.config.discovery.avoid.push(v)), clear |d| d.config.discovery.avoid.clear()),
    row!("limits" "sessions" = "512", "a number from 1 to 4096", "sessions at this node",
        |d, v| number(v, 1, 4096).map(|v| d.config.limits.sessions = v)),
    row!("limits" "accounts" = "2000", "a number from 1 to 20000", "accounts of this node",
        |d, v| number(v, 1, 20000).map(|v| d.config.limits.accounts = v)),
    row!("limits" "sessions_per_account" = "8", "a number from 1 to 64", "sessions of one account",
        |d, v| number(v, 1, 64).map(|v| d.config.limits.sessions_per_account = v)),
    row!("limits" "page_rate" = "20", "a number from 1 to 10000, or 0 for no limit", "requests a second from one page",
        |d, v| number(v, 0, 10000).map(|v| d.config.limits.page_rate = v)),
    row!("limits" "stun_rate" = "50", "a number from 1 to 10000, or 0 for no limit", "STUN and TURN requests a second from one address",
        |d, v| number(v, 0, 10000).map(|v| d.config.limits.stun_rate = v)),
    row!("ice" "reflexive" = "1", "1 or 0", "tell clients of a masqueraded LAN which address they have in the mesh, where it is certain",
        |d, v| boolean(v).map(|v| d.config.ice.reflexive = v)),
    row!("ice" "reflexive_ports" = "3480-3483", "a first and a last port above 1023, as 3480-3483", "UDP ports to tell them on, one for each side of the mesh, which the firewall must let in from the LAN",
        |d, v| ports(v).map(|v| d.config.ice.ports = v)),
    row!("turn" "enabled" = "1", "1 or 0", "relay calls that no other path reaches",
        |d, v| boolean(v).map(|v| d.config.turn.enabled = v)),
    row!("turn" "ports" = "24576-24831", "a first and a last port above 1023, as 24576-24831", "UDP ports of relays, which the firewall must let in",
        |d, v| ports(v).map(|v| d.config.turn.ports = v)),
    row!("turn" "allow" = "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7", "an address or a network (10.1.0.0/16)", "network that is relayed to",
        |d, v| v.parse().ok().map(|v| d.config.turn.allow.push(v)), clear |d| d.config.turn.allow.clear()),
    row!("turn" "deny" = "", "an address or a network (10.1.0.0/16)", "network within these that is not relayed to",
        |d, v| v.parse().ok().map(|v| d.config.turn.deny.push(v)), clear |d| d.config.turn.deny.clear()),
    row!("turn" "relays" = "64", "a number from 1 to 1024", "relays at once; a call needs one or two",
        |d, v| number(v, 1, 1024).map(|v| d.config.turn.limits.allocations = v as usize)),
    row!("turn" "relays_per_account" = "16", "a number from 1 to 1024", "relays of one account",
        |d, v| number(v, 1, 1024).map(|v| d.config.turn.limits.per_account = v as usize)),
    row!("turn" "rate" = "16000", "a number from 64 to 4000000, or 0 for no limit", "kbit/s that all relays together may carry",
        |d, v| kbits(v).map(|v| d.config.turn.limits.rate = v)),
    row!("turn" "rate_per_account" = "6000", "a number from 64 to 4000000, or 0 for no limit", "kbit/s that the relays of one account may carry",
        |d, v| kbits(v).map(|v| d.config.turn.limits.account_rate = v)),
    // for the init script, which tells the firewall; the daemon only says whether it is right
    row!("firewall" "reject_stray" = "1", "1 or 0", "reject UDP that nobody asked for to ports of masqueraded clients, since to accept it spoils their calls' ways",
        |_, v| boolean(v).map(drop)),
    row!("peer" "address" = "", "an address or a host name", "where a node listens",
        |d, v| host(v).map(|v| d.peer.host = Some(v))),
    row!("peer" "port" = "8443", "a port from 1 to 65535", "its port",
        |d, v| number(v, 1, 65535).map(|v| d.peer.port = v as u16)),
    row!("peer" "id" = "", "a node id: 26 characters of lower-case base32", "who is expected there (default: anybody)",
        |d, v| v.parse().ok().map(|v| d.peer.id = Some(v))),
    row!("peer" "enabled" = "1", "1 or 0", "whether to link to it",
        |d, v| boolean(v).map(|v| d.peer.enabled = v)),
];

/// The row of an option that is known to exist.
pub(in crate::host) fn find(section: &str, option: &str) -> &'static Row {
    TABLE.iter().find(|row| row.section == section && row.option == option).unwrap_or(&TABLE[0])
}

/// Puts back into a new configuration what only a restart takes over. The options that are to change with one, as
/// `section.option`.
pub fn keep_until_restart(old: &Config, new: &mut Config) -> Vec<String> {
    let kept = TABLE.iter().filter(|row| row.keep.is_some_and(|keep| keep(old, new)));
    kept.map(|row| format!("{}.{}", row.section, row.option)).collect()
}

/// The row that a flag sets.
pub fn of_flag(flag: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.flag.is_some_and(|(name, _)| name == flag))
}

/// The table as Markdown, for the documentation.
pub fn reference() -> String {
    let mut text =
        String::from("| section | option | default | takes | what for |\n| --- | --- | --- | --- | --- |\n");
    for row @ Row { section, option, list, default, allowed, help, .. } in TABLE {
        let list = if *list { " (list)" } else { "" };
        let restart = if row.restarts() { "; changes with a restart" } else { "" };
        let _ =
            writeln!(text, "| `{section}` | `{option}`{list} | {default} | {allowed} | {help}{restart} |");
    }
    text
}

pub(super) fn is_name_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-')
}

fn name(text: &str) -> Option<String> {
    ((1..=32).contains(&text.len()) && text.chars().all(is_name_char)).then(|| text.into())
}

fn address(text: &str) -> Option<IpAddr> {
    // What can be listened on or told to others
    text.parse().ok().filter(|ip: &IpAddr| !ip.is_multicast() && *ip != IpAddr::V4(Ipv4Addr::BROADCAST))
}

fn number(text: &str, least: u32, most: u32) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| plain && (least..=most).contains(n))
}

/// Bytes a second, from kbit/s.
fn kbits(text: &str) -> Option<u32> {
    number(text, 0, 4_000_000).filter(|n| *n == 0 || *n >= 64).map(|n| n * 125)
}

/// A range of ports, below which services listen.
fn ports(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first, 1024, 65535)?, number(last, 1024, 65535)?);
    (first <= last).then_some((first as u16, last as u16))
}

/// What libuci's readers take for a boolean.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "yes" | "on" | "true" | "enabled" => Some(true),
        "0" | "no" | "off" | "false" | "disabled" => Some(false),
        _ => None,
    }
}

/// An address with a port; without one, `port` when there is a usual one.
fn socket(text: &str, port: Option<u16>) -> Option<SocketAddr> {
    let usual = || Some(SocketAddr::new(address(text)?, port?));
    text.parse().ok().or_else(usual).filter(|at: &SocketAddr| at.port() != 0)
}

/// An address, or one with a prefix length.
fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (ip, length) = text.split_once('/').map_or((text, None), |(ip, length)| (ip, Some(length)));
    let ip: IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let length = length.map_or(Some(most), |length| number(length, 0, most))?;
    Some((ip, length as u8))
}

fn path(text: &str) -> Option<PathBuf> {
    (!text.is_empty()).then(|| text.into())
}

fn level(text: &str) -> Option<LevelFilter> {
    text.parse().ok().filter(|level| *level != LevelFilter::Off)
}

fn host(text: &str) -> Option<String> {
    let is_name = (1..=253).contains(&text.len())
        && !text.starts_with(['-', '.'])
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    (is_name || text.parse::<IpAddr>().is_ok()).then(|| text.into())
}
