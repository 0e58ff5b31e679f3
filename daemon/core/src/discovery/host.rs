//! Addresses of a host: what `hosts` says (hosts(5)), else DNS (RFC 1035, RFC 3596), one question for each family.
//!
//! In the place of `getaddrinfo`: that blocks, so it needs a thread, and with musl's resolver and sorting it was some
//! 17 KB of the mips package. Names are asked for as they stand, without a search list. Bound: [`MAX_ADDRESSES`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::dns::{self, IN};
use super::{Bad, MAX_ADDRESSES};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// An A record (RFC 1035 section 3.4.1).
    V4 = 1,
    /// An AAAA record (RFC 3596 section 2.1).
    V6 = 28,
}

/// The question; `None` when the host is no name.
pub fn question(id: u16, host: &str, family: Family) -> Option<Vec<u8>> {
    dns::question(id, &[host], family as u16)
}

/// Reads the answer to `question`: the addresses, by whatever other names they were found (CNAME).
///
/// # Errors
/// [`Bad::Foreign`] when it answers something else or the server failed, [`Bad::Syntax`] when it does not read.
pub fn answer(question: &[u8], message: &[u8]) -> Result<Vec<IpAddr>, Bad> {
    let mut found = Vec::new();
    dns::answer(question, message, &mut |record| {
        let data = message.get(record.data.clone())?;
        let address: Option<IpAddr> = match record.kind {
            _ if record.class != IN => None,
            1 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into()),
            28 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into()),
            _ => None,
        };
        if found.len() < MAX_ADDRESSES {
            found.extend(address);
        }
        Some(())
    })?;
    Ok(found)
}

/// What the file `hosts` says of a host.
pub fn of_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let host = host.trim_end_matches('.');
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|name| name.eq_ignore_ascii_case(host)).then_some(address)
    });
    lines.take(MAX_ADDRESSES).collect()
}
