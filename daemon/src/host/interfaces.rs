//! The addresses of this machine that other nodes can be told.
//!
//! Order matters: others try the first one first. A main address on `lo`, as bmx6 and babel set it, is
//! reachable whatever interface is up; a LAN's address comes last, because with masquerade every LAN has the
//! same one.

use std::net::IpAddr;

use truca_core::directory::record::MAX_ADDRESSES;

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
    found
        .iter()
        .map(if_addrs::Interface::ip)
        .filter(|ip| listened(ip) && !link_local(ip))
        .take(MAX_SOCKETS)
        .collect()
}

/// Every address of this machine: nothing is relayed to them.
pub fn own_addresses() -> Vec<IpAddr> {
    if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect()
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
    fn what_the_owner_says_goes_first_and_what_is_listened_on_second() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(addresses(&[ip("10.1.1.1")], &[ip("0.0.0.0")]), [ip("10.1.1.1")]);
        assert_eq!(addresses(&[], &[ip("127.0.0.1")]), [ip("127.0.0.1")]);
    }
}
