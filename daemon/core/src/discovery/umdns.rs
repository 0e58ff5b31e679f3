//! What OpenWrt's umdns has heard by mDNS: the answer of its ubus method `browse`, with `array:true` or, from
//! versions that know no such argument, with names that come twice.
//!
//! `{"_truca._tcp":{"<instance>":{"iface","port","txt":[…],"ipv4":[…],"ipv6":[…]}}}`

use std::net::IpAddr;

use super::json::{Scalar, Sink, walk, walk_table};
use super::{Bad, Heard, Hint, MAX_ADDRESSES, MAX_DUMP, is_host};
use crate::id::NodeId;
use crate::ubus::blobmsg::{Table, Value};

/// The service, as umdns calls it.
pub const SERVICE: &str = "_truca._tcp";
/// The arguments of `browse`.
pub fn arguments() -> Table {
    vec![("service".into(), Value::Text(SERVICE.into())), ("array".into(), Value::Int8(1))]
}

/// Reads the answer of `browse`.
pub fn read(answer: &Table) -> Heard {
    let mut found = Found::default();
    walk_table(answer, &mut Vec::new(), &mut found);
    found.heard
}

/// Reads it as `ubus call` prints it.
///
/// # Errors
/// When it does not read.
pub fn read_json(answer: &[u8]) -> Result<Heard, Bad> {
    let mut found = Found::default();
    walk(answer, MAX_DUMP, &mut found)?;
    Ok(found.heard)
}

#[derive(Default)]
struct Found {
    heard: Heard,
    port: Option<u16>,
    interface: Option<Box<str>>,
    id: Option<NodeId>,
    addresses: Vec<IpAddr>,
}
impl Sink for Found {
    fn value(&mut self, way: &[String], value: Scalar<'_>) {
        let [service, _, field] = way else { return };
        if service != SERVICE {
            return;
        }
        match field.as_str() {
            "port" => self.port = value.number(),
            "iface" => self.interface = value.text().map(Box::from),
            "txt" => {
                let id =
                    value.text().and_then(|text| text.strip_prefix("id=")).and_then(|id| id.parse().ok());
                self.id = self.id.or(id);
            }
            "ipv4" | "ipv6" if self.addresses.len() < MAX_ADDRESSES => {
                let ip: Option<IpAddr> = value.text().and_then(|ip| ip.parse().ok());
                // a host resolves its own service to loopback too
                self.addresses.extend(ip.filter(|ip| is_host(*ip) && !ip.is_loopback()));
            }
            _ => {}
        }
    }

    fn leave(&mut self, way: &[String]) {
        let [service, _] = way else { return };
        if service != SERVICE {
            return;
        }
        let (interface, id) = (self.interface.take(), self.id.take());
        let addresses = std::mem::take(&mut self.addresses);
        match self.port.take().filter(|port| *port != 0) {
            Some(port) if !addresses.is_empty() => {
                for ip in addresses {
                    self.heard.add(Hint { ip, interface: interface.clone(), port: Some(port), id });
                }
            }
            // known by name, and not resolved yet
            _ => self.heard.skip(),
        }
    }
}
