//! The owner's methods, as far as they need what only the running daemon knows: sockets, memory, settings.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value, json};
use truca_core::Time;

use super::Running;
use crate::host::config::shown::shown;
use crate::host::interfaces;
use crate::node::admin::{self, Answer, Arguments, Call, Refusal};
use crate::node::report::warning;

impl Running {
    /// Does what a method of [`admin::METHODS`] says.
    pub(super) fn administer(&mut self, now: Time, method: &str, said: Map<String, Value>) -> Answer {
        let method = admin::find(method).ok_or(Refusal::Method)?;
        let arguments = Arguments::read(method, said)?;
        match method.call {
            Call::Reload => self.reload().map(|()| json!({})).map_err(Refusal::Failed),
            Call::Settings => shown(&self.overrides).map_err(Refusal::Failed),
            Call::Stun => Ok(self.stun_report()),
            Call::Discovery => Ok(self.sources.report()),
            Call::Status => {
                let mut status = self.node.administer(now, Call::Status, &arguments)?;
                self.complete(&mut status);
                Ok(status)
            }
            call => self.node.administer(now, call, &arguments),
        }
    }

    fn stun_report(&self) -> Value {
        let counters = self.ice.counters.get();
        let counters: Map<String, Value> =
            counters.each().iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect();
        let addresses: Vec<String> = self.stun.keys().map(SocketAddr::to_string).collect();
        json!({ "addresses": addresses, "counters": counters, "turn": self.turn_report() })
    }

    /// What relaying has seen; null while nothing is relayed.
    fn turn_report(&self) -> Value {
        let Some((counters, relays, streams, bytes)) = self.ice.turn_report() else { return Value::Null };
        let counters: Map<String, Value> =
            counters.each().iter().map(|(name, count)| ((*name).to_owned(), Value::from(*count))).collect();
        json!({ "relays": relays, "streams": streams, "relayed_bytes": bytes, "counters": counters })
    }

    /// Adds what the node does not know to its status.
    fn complete(&self, status: &mut Value) {
        status["fingerprint"] = self.fingerprint.as_str().into();
        status["pages"] = self.pages_at().into();
        let (rss_kib, cpu_ms) = usage();
        status["rss_kib"] = rss_kib.into();
        status["cpu_ms"] = cpu_ms.into();
        let stun = self.ice.counters.get();
        let traffic = &mut status["traffic"];
        traffic["stun"] = json!({"in_bytes": stun.in_bytes, "out_bytes": stun.out_bytes});
        // what is relayed comes and goes
        let relayed = self.ice.turn_report().map_or(0, |(.., bytes)| bytes);
        traffic["turn"] = json!({"in_bytes": relayed, "out_bytes": relayed});
        let sum = |way: &str| -> u64 {
            let each = traffic.as_object().into_iter().flat_map(Map::values);
            each.filter_map(|kind| kind[way].as_u64()).sum()
        };
        let (incoming, outgoing) = (sum("in_bytes"), sum("out_bytes"));
        traffic["in_bytes"] = incoming.into();
        traffic["out_bytes"] = outgoing.into();
        let (doors, links, pages) =
            (&self.doors.counters, &self.doors.links.counters, &self.doors.site.counters);
        let counters = &mut status["counters"];
        counters["doors"] = json!({
            "open": doors.open.get(),
            "refused": doors.refused.get(),
            "failed_handshakes": doors.failed_handshakes.get(),
            "requests": pages.requests.get(),
            "sockets_refused": pages.refused.get(),
        });
        counters["links"]["oversize"] = links.oversize.get().into();
        counters["links"]["broken"] = links.broken.get().into();
        if let Some(warnings) = status["warnings"].as_array_mut() {
            for (code, why) in &self.troubles {
                let (level, advice) = advice(code);
                warnings.push(warning(code, level, &format!("{advice} ({why})")));
            }
            // the most urgent first
            warnings.sort_by_key(|warning| match warning["level"].as_str() {
                Some("error") => 0,
                Some("warning") => 1,
                _ => 2,
            });
        }
    }

    /// Where the page is.
    pub(super) fn pages_at(&self) -> Vec<String> {
        let loopback = self.config.listen.iter().all(IpAddr::is_loopback);
        if loopback && self.config.http_port != 0 {
            return vec![format!("http://localhost:{}/", self.config.http_port)];
        }
        let addresses = interfaces::addresses(&self.config.addresses, &self.config.listen);
        addresses.iter().map(|ip| format!("https://{}/", SocketAddr::new(*ip, self.config.port))).collect()
    }
}

/// How bad a trouble is, and what to do about it.
fn advice(trouble: &str) -> (&'static str, &'static str) {
    match trouble {
        "state_not_saved" => {
            ("error", "What changes is lost at the next start: free space in option `state`'s directory.")
        }
        "settings" => {
            ("error", "The settings on disk have a mistake; the old ones go on until it is put right.")
        }
        "not_listening" => ("warning", "An address of option `listen` is not there; it is tried again."),
        "no_http" => (
            "warning",
            "The page that leads to HTTPS is not served: choose another `http_port`, or 0 for none.",
        ),
        "no_stun" => ("warning", "STUN does not answer everywhere: choose another `stun_port`."),
        "no_reflexive" => (
            "warning",
            "Some pages are not told their address in the mesh: free `reflexive_ports`, or choose others.",
        ),
        "no_mdns" => ("warning", "Nodes on the same link are not found: switch mDNS off, or add a `peer`."),
        "no_control_socket" => {
            ("warning", "`trucad ctl` does not work: free space in `run_dir`'s directory.")
        }
        "certificate" => {
            ("warning", "The certificate of option `certificate` cannot be used; it is tried again.")
        }
        "certificate_expired" => {
            ("warning", "The certificate of option `certificate` is out of date: renew it.")
        }
        "state_set_aside" => {
            ("error", "What was kept of accounts, bans and passwords cannot be read, and lies beside.")
        }
        _ => ("warning", "Something is wrong."),
    }
}

/// Resident memory in KiB and processor time in milliseconds of this process: second field of
/// `/proc/self/statm`, in pages, and fields 14 and 15 of `/proc/self/stat` (proc(5)).
fn usage() -> (u64, u64) {
    let read = |name| std::fs::read_to_string(name).unwrap_or_default();
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let pages = number(read("/proc/self/statm").split_whitespace().nth(1));
    let stat = read("/proc/self/stat");
    // the program's name may hold anything, but ends with the last parenthesis
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let mut fields = fields.split_whitespace().skip(11);
    let ticks = number(fields.next()) + number(fields.next());
    // every Linux that OpenWrt runs on has pages of 4 KiB here, and 100 ticks a second (USER_HZ)
    (pages * 4, ticks * 10)
}
