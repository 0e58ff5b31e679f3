//! The configuration: from what UCI and the command line say to a [`Config`] that is valid as a whole.
//!
//! Driven by `main`, once at the start and at every reload. The options, their defaults and their words are
//! rows of [`options::TABLE`], from which this reading, `--help` and the reference come. An unknown option is
//! a warning; a wrong value is an error, and nothing is started with half a configuration.

use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
};

use log::LevelFilter;
use truca_core::id::NodeId;

use super::uci;

pub mod options;
#[cfg(test)]
mod tests;

use options::{Row, TABLE};

/// Where the configuration is when the command line does not say.
pub const DEFAULT_FILE: &str = "/etc/config/truca";

/// What the daemon is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The node's name.
    pub name: String,
    /// The addresses of ours to listen on.
    pub listen: Vec<IpAddr>,
    /// The addresses of ours that others are told; empty: those of the interfaces.
    pub addresses: Vec<IpAddr>,
    /// TCP: page and node links; UDP: membership.
    pub port: u16,
    /// TCP: the page that leads to HTTPS; 0 for none.
    pub http_port: u16,
    /// UDP: STUN; 0 for none.
    pub stun_port: u16,
    /// The directory that survives a restart of the router.
    pub state: PathBuf,
    /// The directory of the control socket.
    pub run_dir: PathBuf,
    /// How much is logged.
    pub log_level: LevelFilter,
    /// A certificate chain (PEM) to show instead of our own, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Whether to look for nodes by mDNS.
    pub mdns: bool,
    /// How much of everything.
    pub limits: Limits,
    /// Nodes to link to, whether discovery finds them or not. Disabled ones are left out.
    pub peers: Vec<Peer>,
}

/// How much of everything there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Sessions at this node.
    pub sessions: u32,
    /// Accounts whose home is this node.
    pub accounts: u32,
    /// Sessions of one account.
    pub sessions_per_account: u32,
    /// Requests a second from one page; 0 for as many as it likes.
    pub page_rate: u32,
}

/// A node to link to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// An address or a host name.
    pub host: String,
    /// Its TCP port.
    pub port: u16,
    /// Whom to expect there; `None`: whoever it is.
    pub id: Option<NodeId>,
}

/// What the command line says beside or instead of the file.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The file to read; it must exist, unlike the default one.
    pub file: Option<PathBuf>,
    /// Options set by a flag.
    pub settings: Vec<Setting>,
    /// Nodes added by `--peer`.
    pub peers: Vec<String>,
}

/// An option set by a flag.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The flag, without its dashes.
    pub flag: &'static str,
    /// What it sets.
    pub row: &'static Row,
    /// To what.
    pub value: String,
}

/// Something in the file that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub line: u32,
    /// What.
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// Why there is no configuration.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// The file is not UCI.
    Syntax(PathBuf, uci::Error),
    /// An option has a value that it cannot have.
    Value {
        /// Where: `/etc/config/truca line 3` or `--port`.
        origin: String,
        /// The section's type.
        section: &'static str,
        /// The option.
        option: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: &'static str,
    },
}

impl Error {
    /// What the process ends with: 2, as for a wrong command line.
    pub fn exit_code(&self) -> u8 {
        2
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Syntax(path, error) => write!(f, "{} {error}", path.display()),
            Self::Value { origin, section, option, value, allowed } => write!(
                f,
                "{origin}: section `{section}`, option `{option}`: `{value}` is not allowed; it takes {allowed}"
            ),
        }
    }
}

impl std::error::Error for Error {}

impl Config {
    /// Reads the file and puts the command line over it.
    pub fn load(overrides: &Overrides) -> Result<(Self, Vec<Warning>), Error> {
        let path = overrides.file.as_deref().unwrap_or(Path::new(DEFAULT_FILE));
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && overrides.file.is_none() => Vec::new(),
            Err(error) => return Err(Error::Read(path.into(), error)),
        };
        Self::read(path, &text, overrides)
    }

    /// As [`Config::load`], with the file's text in hand.
    pub fn read(path: &Path, text: &[u8], overrides: &Overrides) -> Result<(Self, Vec<Warning>), Error> {
        let sections = uci::parse(text).map_err(|error| Error::Syntax(path.into(), error))?;
        let mut draft = Draft::new();
        let mut warnings = Vec::new();
        for section in &sections {
            draft.add_section(path, section, &mut warnings)?;
        }
        draft.add_overrides(overrides)?;
        Ok((draft.finish(path)?, warnings))
    }
}

/// A configuration while it is being read.
#[derive(Debug)]
pub struct Draft {
    config: Config,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    peer: PeerDraft,
}

/// A `peer` section while it is being read.
#[derive(Debug, Default)]
struct PeerDraft {
    host: Option<String>,
    port: u16,
    id: Option<NodeId>,
    enabled: bool,
}

impl Draft {
    fn new() -> Self {
        let mut draft = Self {
            config: Config {
                name: String::new(),
                listen: Vec::new(),
                addresses: Vec::new(),
                port: 0,
                http_port: 0,
                stun_port: 0,
                state: PathBuf::new(),
                run_dir: PathBuf::new(),
                log_level: LevelFilter::Info,
                certificate: None,
                mdns: false,
                limits: Limits { sessions: 0, accounts: 0, sessions_per_account: 0, page_rate: 0 },
                peers: Vec::new(),
            },
            certificate: None,
            key: None,
            peer: PeerDraft::default(),
        };
        for row in TABLE {
            draft.set_default(row);
        }
        draft
    }

    fn set_default(&mut self, row: &Row) {
        if row.list {
            (row.clear)(self);
        }
        for value in row.default.split_whitespace() {
            // That every default is allowed is a test of the table
            let _ = (row.put)(self, value);
        }
    }

    fn add_section(
        &mut self,
        path: &Path,
        section: &uci::Section,
        warnings: &mut Vec<Warning>,
    ) -> Result<(), Error> {
        let Some(first) = TABLE.iter().find(|row| row.section == section.kind) else {
            let what = format!("unknown section `{}`", section.kind);
            warnings.push(Warning { line: section.line, what });
            return Ok(());
        };
        let origin = |line| format!("{} line {line}", path.display());
        let is_peer = first.section == "peer";
        if is_peer {
            self.new_peer();
        }
        let mut listed: Vec<&str> = Vec::new();
        for entry in &section.entries {
            let row = TABLE.iter().find(|row| row.section == section.kind && row.option == entry.name);
            let Some(row) = row else {
                let what = format!("section `{}` has no option `{}`", section.kind, entry.name);
                warnings.push(Warning { line: entry.line, what });
                continue;
            };
            // The first item of a list replaces the default, and an `option` whatever came before
            if row.list && !(entry.list && listed.contains(&row.option)) {
                (row.clear)(self);
                listed.push(row.option);
            }
            if (row.put)(self, &entry.value).is_none() {
                return Err(row.refuse(origin(entry.line), &entry.value));
            }
        }
        if is_peer && !self.finish_peer() {
            return Err(options::find("peer", "address").refuse(origin(section.line), ""));
        }
        Ok(())
    }

    fn add_overrides(&mut self, overrides: &Overrides) -> Result<(), Error> {
        let mut cleared: Vec<&str> = Vec::new();
        for Setting { flag, row, value } in &overrides.settings {
            if row.list && !cleared.contains(&row.option) {
                (row.clear)(self);
                cleared.push(row.option);
            }
            if (row.put)(self, value).is_none() {
                return Err(row.refuse(format!("--{flag}"), value));
            }
        }
        for peer in &overrides.peers {
            self.new_peer();
            let (host, port) = split_host_port(peer);
            let row = options::find("peer", "address");
            if (row.put)(self, host).is_none() {
                return Err(row.refuse("--peer".into(), peer));
            }
            let row = options::find("peer", "port");
            if port.is_some_and(|port| (row.put)(self, port).is_none()) {
                return Err(row.refuse("--peer".into(), peer));
            }
            self.finish_peer();
        }
        Ok(())
    }

    fn new_peer(&mut self) {
        self.peer = PeerDraft::default();
        for row in TABLE.iter().filter(|row| row.section == "peer") {
            self.set_default(row);
        }
    }

    /// False when the peer has no address.
    fn finish_peer(&mut self) -> bool {
        let peer = std::mem::take(&mut self.peer);
        match peer.host {
            Some(host) if peer.enabled => self.config.peers.push(Peer { host, port: peer.port, id: peer.id }),
            Some(_) => (),
            None => return !peer.enabled,
        }
        true
    }

    /// What no option can say alone.
    fn finish(mut self, path: &Path) -> Result<Config, Error> {
        let refuse = |option, value: String, allowed| {
            Err(Error::Value { origin: path.display().to_string(), section: "node", option, value, allowed })
        };
        let config = &mut self.config;
        if config.http_port == config.port {
            return refuse("http_port", config.http_port.to_string(), "another port than `port`");
        }
        if config.stun_port == config.port {
            return refuse("stun_port", config.stun_port.to_string(), "another port than `port`");
        }
        config.certificate = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return refuse("key", String::new(), "the file of the certificate's key"),
            (None, Some(_)) => {
                return refuse("certificate", String::new(), "the file of the key's certificate");
            }
        };
        if config.name.is_empty() {
            let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            config.name = node_name(&hostname);
        }
        Ok(self.config)
    }
}

/// A node name from a host name: `[a-z0-9._-]{1,32}`, or `truca` when nothing of it is left.
pub fn node_name(hostname: &str) -> String {
    let mut name: String = hostname
        .trim()
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c if options::is_name_char(c) => c,
            _ => '-',
        })
        .take(32)
        .collect();
    name.truncate(name.trim_end_matches('-').len());
    let name = name.trim_start_matches('-');
    if name.is_empty() { "truca".into() } else { name.into() }
}

/// Splits `host:port`, `[v6]:port`, `host` and `v6`.
fn split_host_port(text: &str) -> (&str, Option<&str>) {
    if text.parse::<IpAddr>().is_ok() {
        return (text, None);
    }
    match text.rsplit_once(':') {
        Some((host, port)) => {
            (host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host), Some(port))
        }
        None => (text, None),
    }
}

/// Reads a file, but not much more than the parser takes.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut text = Vec::new();
    fs::File::open(path)?.take(uci::MAX_FILE as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

/// Whether an address can be listened on or told to others.
fn is_own_address(ip: IpAddr) -> bool {
    !ip.is_multicast() && ip != IpAddr::V4(Ipv4Addr::BROADCAST)
}
