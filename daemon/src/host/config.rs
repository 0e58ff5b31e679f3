//! The configuration: from what UCI and the command line say to a [`Config`] that is valid as a whole.
//!
//! Driven by `main`, once at the start and at every reload. The options, their defaults and their words are
//! rows of [`options::TABLE`], from which this reading, `--help` and the reference come. An unknown option is
//! a warning; a wrong value is an error, and nothing is started with half a configuration.

use std::{
    fmt, fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use log::LevelFilter;
use truca_core::id::NodeId;
use truca_core::turn::{self, Prefix};

use super::uci;
use crate::node::admission::Admission;

mod draft;
pub mod options;
mod reading;
pub mod shown;
#[cfg(test)]
mod tests;

use draft::Draft;
use options::Row;

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
    /// UDP and TCP: STUN and TURN; 0 for none.
    pub stun_port: u16,
    /// The second port of RFC 5780; 0 for none.
    pub stun_other_port: u16,
    /// The directory that survives a restart of the router.
    pub state: PathBuf,
    /// The directory of the control socket.
    pub run_dir: PathBuf,
    /// How much is logged.
    pub log_level: LevelFilter,
    /// A certificate chain (PEM) to show instead of our own, and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The host name that all nodes of the community serve with that certificate.
    pub community_host: Option<String>,
    /// Hosts that are another router elsewhere.
    pub shared_hosts: Vec<String>,
    /// Which nodes may be members.
    pub admission: Admission,
    /// Whether to look for nodes by mDNS.
    pub mdns: bool,
    /// How else to look for nodes.
    pub discovery: Discovery,
    /// How much of everything.
    pub limits: Limits,
    /// Relaying of calls that no other path reaches.
    pub turn: Turn,
    /// The router's word to its clients on how the mesh sees them.
    pub ice: Ice,
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
    /// STUN and TURN requests a second of one source; 0 for as many as it likes.
    pub stun_rate: u32,
}

/// How calls are relayed (TURN).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Whether they are.
    pub enabled: bool,
    /// The first and the last port of relays.
    pub ports: (u16, u16),
    /// Networks that relays may send to.
    pub allow: Vec<Prefix>,
    /// Exceptions from these.
    pub deny: Vec<Prefix>,
    /// How much.
    pub limits: turn::Limits,
}

/// How clients of a masqueraded LAN are told the address that they have in the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ice {
    /// Whether they are, where it is true.
    pub reflexive: bool,
    /// The first and the last port that they are told it on: one for each side of the mesh.
    pub ports: (u16, u16),
}

/// How to look for nodes beside mDNS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Whether to ask umdns.
    pub umdns: bool,
    /// Whether to look at bmx6, and its run-time directory.
    pub bmx6: (bool, PathBuf),
    /// The same for bmx7.
    pub bmx7: (bool, PathBuf),
    /// Whether to listen to babeld, and where its local socket may be.
    pub babeld: (bool, Vec<SocketAddr>),
    /// Whether to use LibreMesh's shared state.
    pub shared_state: bool,
    /// Whether to ask olsrd, and where its jsoninfo plugin may be.
    pub olsr: (bool, Vec<SocketAddr>),
    /// Whether to ask OONF's olsrd2, and where its telnet may be.
    pub oonf: (bool, Vec<SocketAddr>),
    /// Domains to ask DNS for.
    pub dns_domains: Vec<String>,
    /// Servers to ask; empty: those of the system.
    pub dns_servers: Vec<SocketAddr>,
    /// Whether to tell others by bmx6, bmx7 and shared state.
    pub publish: bool,
    /// Whether to try routers that nobody says run Truca.
    pub probe: bool,
    /// Networks that are never tried, as address and prefix length.
    pub avoid: Vec<(IpAddr, u8)>,
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
    /// Where `ubusd` listens, when not where it does on OpenWrt: `--ubus`, for tests.
    pub ubus: Option<PathBuf>,
    /// Whether to log to the system's log: `--syslog`, for procd.
    pub syslog: bool,
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

/// Reads a file, but not much more than the parser takes.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let mut text = Vec::new();
    fs::File::open(path)?.take(uci::MAX_FILE as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}
