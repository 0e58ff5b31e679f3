//! The run-time files of bmx6 and bmx7: the JSON plugin's `originators/ID` and `descriptions/ID`, and the names
//! of the SMS plugin's files.
//!
//! Both daemons write their files in place, so one that does not read is read again at the next look. An
//! originator is a router: its primary address may be one of ours. A description adds the networks that it
//! announces tunnels for, at whose first address the router is, and the names of its short messages.

use std::net::IpAddr;

use super::json::{Scalar, Sink, walk};
use super::{Bad, Heard, Hint, MAX_ADDRESSES, advert, is_host, router_of};

/// The longest file that is read. A description of bmx7 with three keys takes 4.5 KB.
pub const MAX_FILE: usize = 32 * 1024;
/// The longest name of a file: bmx7's id has 56 characters, and bmx6's 21 after a host name.
pub const MAX_NAME: usize = 128;

/// A router, as `originators/ID` tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Originator {
    /// Its primary address.
    pub ip: IpAddr,
    /// Whether its address is in dispute: bmx6 does not route to it now.
    pub blocked: bool,
}

impl Originator {
    /// What it hints at.
    pub fn hint(self) -> Option<Hint> {
        (!self.blocked && is_host(self.ip)).then(|| Hint::router(self.ip))
    }
}

/// Reads `originators/ID`.
///
/// # Errors
/// When it does not read, or has no primary address.
pub fn originator(file: &[u8]) -> Result<Originator, Bad> {
    #[derive(Default)]
    struct Found {
        ip: Option<IpAddr>,
        blocked: bool,
    }
    impl Sink for Found {
        fn value(&mut self, way: &[String], value: Scalar<'_>) {
            match way {
                [key] if key == "primaryIp" => self.ip = value.text().and_then(|ip| ip.parse().ok()),
                [key] if key == "blocked" => self.blocked = value != Scalar::Number(0),
                _ => {}
            }
        }
    }
    let mut found = Found::default();
    walk(file, MAX_FILE, &mut found)?;
    found.ip.map(|ip| Originator { ip, blocked: found.blocked }).ok_or(Bad::Foreign)
}

/// Reads the primary address of the daemon's own node from `status`.
///
/// # Errors
/// When it does not read, or has no primary address.
pub fn own_address(file: &[u8]) -> Result<IpAddr, Bad> {
    struct Found(Option<IpAddr>);
    impl Sink for Found {
        fn value(&mut self, way: &[String], value: Scalar<'_>) {
            if matches!(way, [outer, key] if outer == "status" && key == "primaryIp") {
                self.0 = value.text().and_then(|ip| ip.parse().ok());
            }
        }
    }
    let mut found = Found(None);
    walk(file, MAX_FILE, &mut found)?;
    found.0.ok_or(Bad::Foreign)
}

/// What of `descriptions/ID` matters to us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Routers of the networks that it announces, at most [`MAX_ADDRESSES`].
    pub tunnels: Heard,
    /// Whether it carries a short message of ours.
    pub advertises: bool,
}

/// Reads `descriptions/ID`.
///
/// # Errors
/// When it does not read, or is no description.
pub fn description(file: &[u8]) -> Result<Description, Bad> {
    #[derive(Default)]
    struct Found {
        is_one: bool,
        network: Option<IpAddr>,
        length: Option<u8>,
        description: Description,
    }
    fn is(way: &[String], name: &str) -> bool {
        way.last().is_some_and(|key| key == name)
    }
    impl Sink for Found {
        fn value(&mut self, way: &[String], value: Scalar<'_>) {
            let Some((key, outer)) = way.split_last() else { return };
            match key.as_str() {
                "descSha" => self.is_one = true,
                "network" => self.network = value.text().and_then(|ip| ip.parse().ok()),
                // bmx6 and bmx7 spell it differently
                "networklen" | "networkLen" => self.length = value.number(),
                "name" if is(outer, "SMS_EXTENSION") || is(outer, "DSC_SMS") => {
                    self.description.advertises |= value.text() == Some(advert::NAME);
                }
                _ => {}
            }
        }

        fn leave(&mut self, way: &[String]) {
            let (network, length) = (self.network.take(), self.length.take());
            // TUN4IN6_NET_EXTENSION, TUN6IN6_NET_EXTENSION; DSC_TUN4IN6_NET, DSC_TUN6IN6_NET
            if !way.last().is_some_and(|key| key.contains("IN6_NET")) {
                return;
            }
            let tunnels = &mut self.description.tunnels;
            match network.zip(length) {
                Some((network, length)) => {
                    if let Some(router) = router_of(network, length) {
                        if tunnels.hints.len() < MAX_ADDRESSES {
                            tunnels.add(Hint::router(router));
                        } else {
                            tunnels.skip();
                        }
                    }
                }
                None => tunnels.skip(),
            }
        }
    }
    let mut found = Found::default();
    walk(file, MAX_FILE, &mut found)?;
    if found.is_one { Ok(found.description) } else { Err(Bad::Foreign) }
}

/// Whose short message a file of `rcvdSms` is, when it is one of ours: `ID:truca`.
pub fn sms_sender(file_name: &str) -> Option<&str> {
    let sender = file_name.strip_suffix(advert::NAME)?.strip_suffix(':')?;
    (!sender.is_empty() && file_name.len() <= MAX_NAME && !sender.contains(['/', '\0'])).then_some(sender)
}
