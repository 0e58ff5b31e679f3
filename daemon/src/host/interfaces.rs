//! The addresses of this machine that other nodes can be told.
//!
//! Order matters: others try the first one first. A main address on `lo`, as bmx6 and babel set it, is
//! reachable whatever interface is up; a LAN's address comes last, because with masquerade every LAN has the
//! same one.

use std::net::IpAddr;

use if_addrs::{IfAddr, Ifv4Addr, Interface};
use truca_core::directory::record::MAX_ADDRESSES;
use truca_core::ice::{Lan, Side};
use truca_core::sorted::Map;

/// Most addresses that STUN is answered on.
const MAX_SOCKETS: usize = 32;

/// Interfaces that LAN clients are on, by the names that OpenWrt gives them.
fn is_lan(name: &str) -> bool {
    name.starts_with("br-lan")
        || name.starts_with("lan")
        || name.starts_with("docker")
        || name.starts_with("virbr")
}

/// Whether an address means the same machine everywhere in the mesh.
fn is_global(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            !ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified() && !ip.is_multicast()
        }
        IpAddr::V6(ip) => {
            !ip.is_loopback() && !ip.is_unicast_link_local() && !ip.is_unspecified() && !ip.is_multicast()
        }
    }
}

/// The addresses to answer STUN on, one socket each: from a wildcard socket the kernel would choose the answer's
/// source by the route back, and a client's NAT drops an answer that comes from another address.
pub fn stun_addresses(listen: &[IpAddr]) -> Vec<IpAddr> {
    if listen.iter().all(|ip| !ip.is_unspecified()) {
        return listen.to_vec();
    }
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let listened = |ip: &IpAddr| listen.iter().any(|own| own.is_ipv4() == ip.is_ipv4());
    let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    found.iter().map(Interface::ip).filter(|ip| listened(ip) && !link_local(ip)).take(MAX_SOCKETS).collect()
}

/// Every address of this machine: nothing is relayed to them.
pub fn own_addresses() -> Vec<IpAddr> {
    if_addrs::get_if_addrs().unwrap_or_default().iter().map(Interface::ip).collect()
}

/// The interfaces by their numbers, and the IPv4 LANs that may have clients: those behind which nothing of `mesh`
/// is, with OpenWrt's names of LANs first.
pub fn lans(listen: &[IpAddr], mesh: &[Side]) -> (Map<Side, String>, Vec<(Lan, Side)>) {
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    let names =
        found.iter().filter_map(|interface| Some((interface.index?, interface.name.clone()))).collect();
    (names, lans_of(found, listen, mesh))
}

fn lans_of(mut found: Vec<Interface>, listen: &[IpAddr], mesh: &[Side]) -> Vec<(Lan, Side)> {
    found.sort_by_key(|interface| (!is_lan(&interface.name), interface.name.clone()));
    let lan = |interface: &Interface| {
        let IfAddr::V4(Ifv4Addr { ip, prefixlen, .. }) = interface.addr else { return None };
        let side = interface.index.filter(|index| !mesh.contains(index))?;
        let listened = listen.iter().any(|own| *own == ip || own.is_ipv4() && own.is_unspecified());
        // no client has an address of its own in a network of one or two
        let is = listened && is_global(&ip.into()) && (1..=30).contains(&prefixlen) && !interface.is_p2p();
        is.then_some((Lan { address: ip, prefix: prefixlen }, side))
    };
    found.iter().filter_map(lan).collect()
}

/// What to tell others: what the owner says, else the addresses listened on, else those of the interfaces.
pub fn addresses(told: &[IpAddr], listen: &[IpAddr]) -> Vec<IpAddr> {
    if !told.is_empty() {
        return told.iter().copied().take(MAX_ADDRESSES).collect();
    }
    if listen.iter().all(|ip| !ip.is_unspecified()) {
        return listen.iter().copied().take(MAX_ADDRESSES).collect();
    }
    let found = if_addrs::get_if_addrs().unwrap_or_default();
    order(found.into_iter().map(|interface| (interface.ip(), interface.name)).collect())
}

fn order(mut found: Vec<(IpAddr, String)>) -> Vec<IpAddr> {
    found.retain(|(ip, _)| is_global(ip));
    found.sort_by_key(|(ip, name)| {
        let place = if name == "lo" { 0 } else { 1 + u8::from(is_lan(name)) };
        (place, ip.is_ipv6(), name.clone(), *ip)
    });
    found.dedup_by_key(|(ip, _)| *ip);
    found.into_iter().map(|(ip, _)| ip).take(MAX_ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_address_comes_first_and_a_lan_last() {
        let found = [
            ("192.168.1.1", "br-lan"),
            ("127.0.0.1", "lo"),
            ("fe80::1", "mesh0"),
            ("10.99.12.1", "mesh0"),
            ("fd99::1", "mesh0"),
            ("10.99.0.1", "lo"),
        ];
        let found = found.iter().map(|(ip, name)| (ip.parse().unwrap(), (*name).to_owned())).collect();
        let told: Vec<String> = order(found).iter().map(IpAddr::to_string).collect();
        assert_eq!(told, ["10.99.0.1", "10.99.12.1", "fd99::1", "192.168.1.1"]);
    }

    #[test]
    fn a_lan_is_what_no_other_node_is_behind() {
        let interface = |name: &str, index, ip: &str, prefixlen| Interface {
            name: name.into(),
            addr: IfAddr::V4(Ifv4Addr {
                ip: ip.parse().unwrap(),
                netmask: [255, 255, 255, 0].into(),
                prefixlen,
                broadcast: None,
            }),
            index: Some(index),
            oper_status: if_addrs::IfOperStatus::Up,
            is_p2p: false,
        };
        let found = [
            interface("lo", 1, "127.0.0.1", 8),
            interface("lo", 1, "10.99.0.2", 32),
            interface("eth7", 7, "192.168.7.1", 24),
            interface("br-lan", 2, "192.168.1.1", 24),
            interface("mesh0", 3, "10.99.101.2", 24),
        ];
        let found_by = |listen: &str, mesh: &[u32]| {
            let lans = lans_of(found.to_vec(), &[listen.parse().unwrap()], mesh);
            lans.into_iter().map(|(lan, side)| (lan.address.to_string(), side)).collect::<Vec<_>>()
        };
        let lan = || ("192.168.1.1".to_owned(), 2);
        assert_eq!(found_by("0.0.0.0", &[3]), [lan(), ("192.168.7.1".into(), 7)]);
        assert_eq!(found_by("0.0.0.0", &[3, 7]), [lan()]);
        assert_eq!(found_by("192.168.1.1", &[3]), [lan()]);
        assert_eq!(found_by("::", &[3]), []);
    }

    #[test]
    fn what_the_owner_says_goes_first_and_what_is_listened_on_second() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(addresses(&[ip("10.1.1.1")], &[ip("0.0.0.0")]), [ip("10.1.1.1")]);
        assert_eq!(addresses(&[], &[ip("127.0.0.1")]), [ip("127.0.0.1")]);
    }
}
