//! What the configuration means for the parts of the daemon: the node's settings, what the discovery sources are to
//! do, and the host that browsers may trust. Asked at the start, at every look around and at every reload.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use rustls::sign::CertifiedKey;
use truca_core::discovery::Source;
use truca_core::id::NodeId;

use crate::host::config::{Config, Overrides, Peer};
use crate::host::interfaces;
use crate::mesh::sources::{From, Plan};
use crate::node::Settings;
use crate::tls::certificate;

/// Where ubusd listens (OpenWrt 21.02 and later).
const UBUS: &str = "/var/run/ubus/ubus.sock";

/// What the node is to be.
pub(super) fn node(config: &Config, trusted: Option<String>) -> Result<Settings, Box<dyn Error>> {
    let peer = |peer: &Peer| Some((SocketAddr::new(peer.host.parse().ok()?, peer.port), peer.id));
    Ok(Settings {
        name: config.name.parse()?,
        addresses: interfaces::addresses(&config.addresses, &config.listen),
        port: config.port,
        stun_port: config.stun_port,
        trusted,
        peers: config.peers.iter().filter_map(peer).collect(),
        max_sessions: config.limits.sessions as usize,
        max_sessions_per_account: config.limits.sessions_per_account as usize,
        max_accounts: config.limits.accounts as usize,
        page_rate: config.limits.page_rate,
        admission: config.admission.clone(),
    })
}

/// The host for which browsers trust our certificate: never with the node's own, which no browser knows.
pub(super) fn trusted_host(config: &Config, page: &CertifiedKey) -> Option<String> {
    config.certificate.as_ref()?;
    let named = || certificate::host(page.end_entity_cert().ok()?).map(str::to_owned);
    config.community_host.clone().or_else(named)
}

/// What the discovery sources are to do.
pub(super) fn discovery(config: &Config, overrides: &Overrides, id: NodeId) -> Plan {
    let discovery = config.discovery.clone();
    let bus = |on: bool| on.then(|| From::Bus(overrides.ubus.clone().unwrap_or_else(|| UBUS.into())));
    let directory = |(on, path): (bool, PathBuf)| on.then_some(From::Directory(path));
    let sockets = |(on, at): (bool, Vec<SocketAddr>)| on.then_some(From::Sockets(at));
    let domains = (!discovery.dns_domains.is_empty())
        .then_some(From::Domains(discovery.dns_domains, discovery.dns_servers));
    let from = [
        (Source::Mdns, config.mdns.then_some(From::Itself)),
        (Source::Umdns, bus(discovery.umdns)),
        (Source::Bmx6, directory(discovery.bmx6)),
        (Source::Bmx7, directory(discovery.bmx7)),
        (Source::Babeld, sockets(discovery.babeld)),
        (Source::SharedState, bus(discovery.shared_state)),
        (Source::Olsr, sockets(discovery.olsr)),
        (Source::Oonf, sockets(discovery.oonf)),
        (Source::Dns, domains),
    ];
    Plan {
        id,
        port: config.port,
        addresses: interfaces::addresses(&config.addresses, &config.listen),
        loopback: config.listen.iter().all(IpAddr::is_loopback),
        from: from.into_iter().filter_map(|(source, from)| Some((source, from?))).collect(),
        publish: discovery.publish,
        probe: discovery.probe,
        avoid: discovery.avoid,
    }
}
