//! A configuration while it is being read: what the rows of the table put, each for itself.

use std::path::PathBuf;

use log::LevelFilter;
use truca_core::id::NodeId;
use truca_core::sorted::Set;
use truca_core::turn;

use super::{Config, Discovery, Ice, Limits, Turn};
use crate::node::admission::Admission;

/// A configuration while it is being read.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) admission: &'static str,
    pub(super) secret: Option<String>,
    pub(super) allowed: Set<NodeId>,
    pub(super) peer: PeerDraft,
}

/// A `peer` section while it is being read.
#[derive(Debug, Default)]
pub(super) struct PeerDraft {
    pub(super) host: Option<String>,
    pub(super) port: u16,
    pub(super) id: Option<NodeId>,
    pub(super) enabled: bool,
}

impl Draft {
    /// Without a value anywhere: the table has the defaults.
    pub(super) fn empty() -> Self {
        Self {
            config: Config {
                name: String::new(),
                listen: Vec::new(),
                addresses: Vec::new(),
                port: 0,
                http_port: 0,
                stun_port: 0,
                stun_other_port: 0,
                state: PathBuf::new(),
                run_dir: PathBuf::new(),
                log_level: LevelFilter::Info,
                certificate: None,
                community_host: None,
                shared_hosts: Vec::new(),
                admission: Admission::Open,
                mdns: false,
                discovery: Discovery::default(),
                limits: Limits {
                    sessions: 0,
                    accounts: 0,
                    sessions_per_account: 0,
                    page_rate: 0,
                    stun_rate: 0,
                },
                turn: Turn {
                    enabled: false,
                    ports: (0, 0),
                    allow: Vec::new(),
                    deny: Vec::new(),
                    limits: turn::Limits { allocations: 0, per_account: 0, rate: 0, account_rate: 0 },
                },
                ice: Ice { reflexive: false, ports: (0, 0) },
                peers: Vec::new(),
            },
            certificate: None,
            key: None,
            admission: "",
            secret: None,
            allowed: Set::new(),
            peer: PeerDraft::default(),
        }
    }
}
