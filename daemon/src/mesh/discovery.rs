//! Discovery on the link: mDNS-SD, service `_truca._tcp` (RFC 6762, RFC 6763), by `mdns-sd`.
//!
//! `mdns-sd` has a thread of its own, which hands what it finds to a task here. What is found is only a hint:
//! the node tries the address once and asks whoever answers for its key. TXT: `id` (node id), `v` (version of
//! the node wire).

use std::net::{SocketAddr, SocketAddrV6};
use std::time::Duration;

use mdns_sd::{ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::sync::mpsc;
use tokio::time::timeout;
use truca_core::id::NodeId;
use truca_core::wire::node::VERSION;

use crate::event::Event;

const SERVICE: &str = "_truca._tcp.local.";
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// Most addresses tried of one announcement: a hostile one must not make us dial the whole world.
const MAX_HINTS: usize = 4;

/// mDNS while it runs.
pub struct Mdns {
    daemon: ServiceDaemon,
    fullname: String,
}

impl Mdns {
    /// Announces this node and listens for others. Must be called inside the runtime's `LocalSet`.
    ///
    /// # Errors
    /// In words: there is no socket to be had, or the name cannot be announced.
    pub fn start(id: NodeId, name: &str, port: u16, events: mpsc::Sender<Event>) -> Result<Self, String> {
        let daemon = ServiceDaemon::new().map_err(|error| error.to_string())?;
        // names need not be unique in a mesh, but must be on a link
        let id_text = id.to_string();
        let (host, instance) =
            (format!("truca-{}.local.", &id_text[..10]), format!("{name} {}", &id_text[..6]));
        let version = VERSION.to_string();
        let txt = [("id", id_text.as_str()), ("v", version.as_str())];
        let info = ServiceInfo::new(SERVICE, &instance, &host, "", port, &txt[..])
            .map_err(|error| error.to_string())?
            .enable_addr_auto();
        let fullname = info.get_fullname().to_owned();
        daemon.register(info).map_err(|error| error.to_string())?;
        let found = daemon.browse(SERVICE).map_err(|error| error.to_string())?;
        tokio::task::spawn_local(async move {
            while let Ok(event) = found.recv_async().await {
                let ServiceEvent::ServiceResolved(service) = event else { continue };
                let their: Option<NodeId> =
                    service.get_property_val_str("id").and_then(|text| text.parse().ok());
                if their == Some(id) {
                    continue;
                }
                let addresses = service.addresses.iter().filter(|ip| !ip.is_loopback());
                for address in addresses.take(MAX_HINTS).map(|ip| with_scope(ip, service.port)) {
                    let hint = Event::Candidate { address, id: their, source: "mdns" };
                    if events.send(hint).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Self { daemon, fullname })
    }

    /// Says goodbye, so that others need not wait for the announcement to expire.
    pub async fn stop(self) {
        if let Ok(done) = self.daemon.unregister(&self.fullname) {
            let _ = timeout(GOODBYE, done.recv_async()).await;
        }
        if let Ok(done) = self.daemon.shutdown() {
            let _ = timeout(GOODBYE, done.recv_async()).await;
        }
    }
}

/// A link-local address is reached through the interface that it was heard on.
fn with_scope(ip: &ScopedIp, port: u16) -> SocketAddr {
    match ip {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => {
            SocketAddr::V6(SocketAddrV6::new(*v6.addr(), port, 0, v6.scope_id().index))
        }
        other => SocketAddr::new(other.to_ip_addr(), port),
    }
}
