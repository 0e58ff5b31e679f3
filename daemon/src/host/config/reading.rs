//! Reading a configuration: defaults, then the file, then the command line, then what only the whole can say.
//! Driven by [`Config::read`]; what each option takes stands in [`options`].

use std::{fs, net::IpAddr, path::Path};

use super::draft::{Draft, PeerDraft};
use super::{
    Config, Error, Overrides, Peer, Setting, Warning, node_name,
    options::{self, Row, TABLE},
};
use crate::host::uci;
use crate::node::admission::{Admission, CommunityKey};

impl Draft {
    /// The defaults.
    pub(super) fn new() -> Self {
        let mut draft = Self::empty();
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

    /// Takes what a section says.
    pub(super) fn add_section(
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

    /// Takes what the command line says.
    pub(super) fn add_overrides(&mut self, overrides: &Overrides) -> Result<(), Error> {
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
    pub(super) fn finish(mut self, path: &Path) -> Result<Config, Error> {
        let error = |section, option, value: String, allowed| {
            Err(Error::Value { origin: path.display().to_string(), section, option, value, allowed })
        };
        let refuse = |option, value, allowed| error("node", option, value, allowed);
        let refuse_in = |section, option, allowed| error(section, option, String::new(), allowed);
        let config = &mut self.config;
        if config.http_port == config.port {
            return refuse("http_port", config.http_port.to_string(), "another port than `port`");
        }
        if config.stun_port == config.port {
            return refuse("stun_port", config.stun_port.to_string(), "another port than `port`");
        }
        if config.stun_other_port != 0 && [config.port, config.stun_port].contains(&config.stun_other_port) {
            let allowed = "another port than `port` and `stun_port`";
            return refuse("stun_other_port", config.stun_other_port.to_string(), allowed);
        }
        config.certificate = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(_), None) => return refuse("key", String::new(), "the file of the certificate's key"),
            (None, Some(_)) => {
                return refuse("certificate", String::new(), "the file of the key's certificate");
            }
        };
        config.admission = match self.admission {
            "secret" => match self.secret {
                Some(secret) => Admission::Secret(CommunityKey::of(&secret)),
                None => {
                    return refuse_in("federation", "secret", "16 to 128 characters, with admission secret");
                }
            },
            "allow" if self.allowed.is_empty() => {
                return refuse_in("federation", "allow", "ids of nodes, with admission allow");
            }
            "allow" => Admission::Allow(self.allowed),
            _ => Admission::Open,
        };
        if let Some(host) = config.community_host.clone().filter(|_| config.certificate.is_none()) {
            return refuse(
                "community_host",
                host,
                "a host name, with `certificate` and `key` of the community",
            );
        }
        if config.name.is_empty() {
            let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
            config.name = node_name(&hostname);
        }
        Ok(self.config)
    }
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
