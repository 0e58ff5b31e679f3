//! Discovery on the link: mDNS-SD, service `_truca._tcp` (RFC 6762, RFC 6763), by `mdns-sd`.
//!
//! `mdns-sd` has a thread of its own, which hands what it finds to a task here. What is found is only a hint
//! for the table of candidates: an address is tried, and who answers proves who it is. TXT: `id` (node id), `v`
//! (version of the node wire).

use std::time::Duration;

use mdns_sd::{ScopedIp, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::time::timeout;
use truca_core::discovery::{Heard, Hint, MAX_ADDRESSES};
use truca_core::id::NodeId;
use truca_core::sorted::Map;
use truca_core::wire::node::VERSION;

use crate::mesh::sources::Ear;

const SERVICE: &str = "_truca._tcp.local.";
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);
/// Most instances of a link that are remembered.
const MAX_INSTANCES: usize = 256;

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
    pub fn start(id: NodeId, name: &str, port: u16, ear: Ear) -> Result<Self, String> {
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
            let mut instances: Map<String, Vec<Hint>> = Map::new();
            while let Ok(event) = found.recv_async().await {
                match event {
                    ServiceEvent::ServiceResolved(service) => {
                        let their: Option<NodeId> =
                            service.get_property_val_str("id").and_then(|text| text.parse().ok());
                        let name = service.fullname;
                        let is_new = !instances.contains_key(&name);
                        if their == Some(id) || (is_new && instances.len() >= MAX_INSTANCES) {
                            continue;
                        }
                        let addresses = service.addresses.iter().filter(|ip| !ip.is_loopback());
                        let hints = addresses.take(MAX_ADDRESSES).map(|ip| hint(ip, service.port, their));
                        instances.insert(name, hints.collect());
                    }
                    ServiceEvent::ServiceRemoved(_, name) => drop(instances.remove(&name)),
                    _ => continue,
                }
                let hints = instances.values().flatten().cloned().collect();
                ear.heard(&Heard { hints, skipped: 0 });
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
fn hint(ip: &ScopedIp, port: u16, id: Option<NodeId>) -> Hint {
    let interface = match ip {
        ScopedIp::V6(v6) if v6.addr().is_unicast_link_local() => Some(v6.scope_id().name.as_str().into()),
        _ => None,
    };
    Hint { ip: ip.to_ip_addr(), interface, port: Some(port), id }
}
