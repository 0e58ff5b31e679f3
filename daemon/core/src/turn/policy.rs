//! To whom a relay may send: the mesh and its LANs, never the router itself, never the Internet.
//!
//! What must never be is decided here and cannot be configured: loopback, link-local, multicast, unspecified,
//! the router's own addresses (but for relays of its own, which [`super::Server`] knows), and the ports below
//! 1024, where services listen and no browser sends from. What may be is a list of prefixes.

use core::{fmt, net::IpAddr, str::FromStr};

/// The lowest port that is relayed to. Masquerade keeps source ports of 1024 and above there.
pub(super) const LOWEST_PORT: u16 = 1024;

/// A network: `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    ip: IpAddr,
    length: u8,
}

/// A text is not a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPrefix;

impl Prefix {
    /// Whether an address lies in it. An IPv4 address lies in no IPv6 network.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let shift = |bits: u8| u32::from(bits - self.length);
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (u32::from(own) ^ u32::from(ip)).checked_shr(shift(32)).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (u128::from(own) ^ u128::from(ip)).checked_shr(shift(128)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    /// An address alone is a prefix of its own.
    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let (ip, length) = text.split_once('/').map_or((text, None), |(ip, length)| (ip, Some(length)));
        let ip: IpAddr = ip.parse().map_err(|_| BadPrefix)?;
        let most = if ip.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => most,
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|length| *length <= most).ok_or(BadPrefix)?
            }
            Some(_) => return Err(BadPrefix),
        };
        Ok(Self { ip, length })
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.length)
    }
}

/// To whom a relay may send.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Networks of peers.
    pub allowed: Vec<Prefix>,
    /// Exceptions from these.
    pub refused: Vec<Prefix>,
    /// The addresses of this router.
    pub own: Vec<IpAddr>,
}

impl Policy {
    /// Whether a peer at this address may be sent to.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let never = ip.is_loopback()
            || ip.is_unspecified()
            || ip.is_multicast()
            || match ip {
                IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast() || ip.octets()[0] == 0,
                // an IPv4 address in disguise would pass by the list of the other family
                IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.to_ipv4().is_some(),
            };
        let within = |list: &[Prefix]| list.iter().any(|prefix| prefix.contains(ip));
        !never && !self.own.contains(&ip) && within(&self.allowed) && !within(&self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_holds_what_begins_with_it() {
        let holds = |prefix: &str, ip: &str| prefix.parse::<Prefix>().unwrap().contains(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.1.2") && !holds("10.0.0.0/8", "11.0.0.0"));
        assert!(holds("172.16.0.0/12", "172.31.0.1") && !holds("172.16.0.0/12", "172.32.0.1"));
        assert!(holds("0.0.0.0/0", "203.0.113.1") && !holds("0.0.0.0/0", "fd00::1"));
        assert!(holds("fc00::/7", "fd12::1") && !holds("fc00::/7", "2001:db8::1"));
        assert!(
            holds("::/0", "2001:db8::1") && holds("10.1.2.3", "10.1.2.3") && !holds("10.1.2.3", "10.1.2.2")
        );
    }

    #[test]
    fn what_is_no_prefix_is_refused() {
        for text in
            ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "fc00::/129", "mesh"]
        {
            assert_eq!(text.parse::<Prefix>(), Err(BadPrefix), "{text}");
        }
        assert_eq!("10.0.0.0/8".parse::<Prefix>().unwrap().to_string(), "10.0.0.0/8");
    }

    #[test]
    fn even_a_list_of_everything_never_leads_to_the_router_itself() {
        let everything = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()];
        let own = vec![ip("10.99.0.1"), ip("fd99::1")];
        let policy = Policy { allowed: everything, refused: vec!["10.66.0.0/16".parse().unwrap()], own };
        for never in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.1.1",
            "224.0.0.1",
            "255.255.255.255",
            "10.99.0.1",
            "10.66.1.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.1.1.1",
            "::10.1.1.1",
            "fe80::1",
            "ff02::1",
            "fd99::1",
        ] {
            assert!(!policy.permits(ip(never)), "{never}");
        }
        assert!(policy.permits(ip("10.99.0.2")) && policy.permits(ip("fd99::2")));
        assert!(!Policy::default().permits(ip("10.99.0.2")), "nothing is allowed that is not listed");
    }
}
