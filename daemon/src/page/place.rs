//! At which of a router's names a page should be.
//!
//! A gateway address that every router of a mesh answers to (qMp's 172.30.22.1, LibreMesh's `thisnode.info`) is
//! another router after a walk, with another certificate, and a socket gets no prompt for that. So a page is led
//! from there to the node's own address, which stays reachable from everywhere; or to the host of a community
//! whose nodes all have one certificate, where it stays whichever router is nearest.

use std::net::IpAddr;

/// The names by which pages reach this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The host that all nodes of the community serve with one certificate.
    pub community: Option<String>,
    /// Hosts that are other routers elsewhere, in lower case.
    pub shared: Vec<String>,
    /// Addresses of ours that are told by other nodes too.
    pub shared_addresses: Vec<IpAddr>,
    /// Addresses of ours, best first.
    pub addresses: Vec<IpAddr>,
}

impl Place {
    /// The host to lead to from this one (without its port), when it is another router elsewhere.
    pub(super) fn better(&self, host: &str) -> Option<String> {
        let host = host.to_ascii_lowercase();
        if self.community.as_ref() == Some(&host) {
            return None;
        }
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host);
        let address = bare.parse::<IpAddr>().ok();
        let is_shared =
            self.shared.contains(&host) || address.is_some_and(|address| self.is_shared_address(address));
        if !is_shared {
            return None;
        }
        let own = || {
            let own = self.addresses.iter().filter(|own| !self.is_shared_address(**own));
            // of the kind that the visitor can reach, as far as that is known
            let same = |own: &&&IpAddr| address.is_none_or(|address| address.is_ipv4() == own.is_ipv4());
            own.clone().find(|own| same(&own)).map(|own| match own {
                IpAddr::V4(own) => own.to_string(),
                IpAddr::V6(own) => format!("[{own}]"),
            })
        };
        self.community.clone().or_else(own)
    }

    fn is_shared_address(&self, address: IpAddr) -> bool {
        self.shared_addresses.contains(&address) || self.shared.contains(&address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            community: None,
            shared: vec!["thisnode.info".to_owned(), "172.30.22.1".to_owned()],
            shared_addresses: vec!["192.168.1.1".parse().unwrap()],
            addresses: ["192.168.1.1", "172.30.22.1", "fd99::1", "10.99.0.1"]
                .map(|ip| ip.parse().unwrap())
                .into(),
        }
    }

    #[test]
    fn what_every_router_answers_to_leads_to_an_address_of_its_own() {
        for host in ["192.168.1.1", "172.30.22.1"] {
            assert_eq!(place().better(host).as_deref(), Some("10.99.0.1"), "{host}");
        }
        assert_eq!(place().better("ThisNode.info").as_deref(), Some("[fd99::1]"), "the best one");
        for host in ["10.99.0.1", "[fd99::1]", "casa.mesh"] {
            assert_eq!(place().better(host), None, "{host}");
        }
        let nowhere = Place { addresses: vec!["192.168.1.1".parse().unwrap()], ..place() };
        assert_eq!(nowhere.better("192.168.1.1"), None, "there is no better one");
    }

    #[test]
    fn with_one_certificate_for_all_the_page_is_at_their_common_name() {
        let place = Place { community: Some("truca.mesh".to_owned()), ..place() };
        assert_eq!(place.better("192.168.1.1").as_deref(), Some("truca.mesh"));
        assert_eq!(place.better("truca.mesh"), None);
        assert_eq!(place.better("10.99.0.1"), None, "who asks for this very node gets it");
    }
}
