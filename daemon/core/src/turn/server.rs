//! The server: its clients and their relays as they come and go. [`super::request`] takes what clients send and
//! carries out requests, [`super::relay`] relays; both stand on this.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;
use std::collections::VecDeque;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::allocation::{Allocation, Opening};
use super::answer::{Code, Told};
use super::client::{Action, Client, RelayId, Via};
use super::credentials::{Nonces, Secrets};
use super::quota::{Accounts, Bucket};
use super::{Limits, Policy, attribute, method};
use crate::Time;
use crate::sorted::{Map, Set};
use crate::stun;

/// What the owner decides.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The address that peers reach relays at.
    pub ipv4: Option<Ipv4Addr>,
    /// The same for IPv6.
    pub ipv6: Option<Ipv6Addr>,
    /// The ports of relays.
    pub ports: RangeInclusive<u16>,
    /// To whom they may send.
    pub policy: Policy,
    /// How much.
    pub limits: Limits,
}

/// What a server has seen. They wrap.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Allocations made.
    pub allocated: u32,
    /// Packets from clients to peers.
    pub to_peers: u32,
    /// Packets from peers to clients.
    pub to_clients: u32,
    /// Packets dropped for a quota of bandwidth.
    pub over_rate: u32,
    /// Packets dropped because nobody permitted them: no allocation, permission or channel, or a peer that
    /// may not be sent to.
    pub not_permitted: u32,
    /// Requests without credentials, with wrong or expired ones: 401.
    pub unauthorized: u32,
    /// Requests with a stale or foreign nonce: 438.
    pub stale_nonces: u32,
    /// Requests for peers that the policy refuses: 403.
    pub forbidden: u32,
    /// Requests over a quota or a bound: 486 and 508.
    pub over_quota: u32,
    /// Requests refused for another reason: 400, 420, 437, 440 to 443.
    pub bad_requests: u32,
    /// Datagrams that are neither STUN nor ChannelData, or none that a server is sent.
    pub ignored: u32,
}

impl Counters {
    /// Names and values, for whoever shows them.
    pub fn each(&self) -> [(&'static str, u32); 11] {
        [
            ("allocated", self.allocated),
            ("to_peers", self.to_peers),
            ("to_clients", self.to_clients),
            ("over_rate", self.over_rate),
            ("not_permitted", self.not_permitted),
            ("unauthorized", self.unauthorized),
            ("stale_nonces", self.stale_nonces),
            ("forbidden", self.forbidden),
            ("over_quota", self.over_quota),
            ("bad_requests", self.bad_requests),
            ("ignored", self.ignored),
        ]
    }
}

/// A TURN server.
#[derive(Debug)]
pub struct Server {
    pub(super) settings: Settings,
    pub(super) secrets: Secrets,
    pub(super) nonces: Nonces,
    pub(super) rng: SmallRng,
    /// By [`RelayId`].
    pub(super) allocations: Vec<Option<Box<Allocation>>>,
    pub(super) clients: Map<Client, RelayId>,
    pub(super) ports: Set<u16>,
    pub(super) accounts: Accounts,
    pub(super) bucket: Bucket,
    closed: VecDeque<RelayId>,
    pub(super) counters: Counters,
}

impl Server {
    /// A server without clients. `seed` is random and secret: nonces and ports come from it.
    pub fn new(now: Time, settings: Settings, secrets: Secrets, seed: [u8; 32]) -> Self {
        let mut low = [0; 8];
        low.copy_from_slice(&seed[..8]);
        Self {
            bucket: Bucket::new(now, settings.limits.rate),
            settings,
            secrets,
            nonces: Nonces::new(&seed),
            rng: SmallRng::seed_from_u64(u64::from_be_bytes(low)),
            allocations: Vec::new(),
            clients: Map::new(),
            ports: Set::new(),
            accounts: Accounts::default(),
            closed: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// What it has seen.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// How many relays are open.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    /// Whether no relay is open.
    pub fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The secret changed.
    pub fn set_secrets(&mut self, secrets: Secrets) {
        self.secrets = secrets;
    }

    /// The owner changed their mind, or the router its addresses. Relays that are open stay.
    pub fn set_settings(&mut self, settings: Settings) {
        self.bucket.set_rate(settings.limits.rate);
        self.accounts.set_rate(settings.limits.account_rate);
        self.settings = settings;
    }

    /// The next relay whose socket is to be closed.
    pub fn poll_closed(&mut self) -> Option<RelayId> {
        self.closed.pop_front()
    }

    /// When [`Self::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        self.allocations.iter().flatten().map(|allocation| allocation.ends).min()
    }

    /// Ends what has not been refreshed.
    pub fn handle_timeout(&mut self, now: Time) {
        self.end_all(|allocation| allocation.ends <= now);
    }

    /// A session is over, and so are its relays.
    pub fn end_session(&mut self, session: u32) {
        self.end_all(|allocation| allocation.grant.session == session);
    }

    /// A socket or connection of ours is gone, and so are the relays of those who came by it.
    pub fn end_via(&mut self, via: Via) {
        self.end_all(|allocation| allocation.client.via == via);
    }

    /// Whether a client has a relay.
    pub fn serves(&self, client: &Client) -> bool {
        self.clients.contains_key(client)
    }

    /// The socket that [`Action::Open`] asked for is open, or could not be opened.
    pub fn opened(&mut self, now: Time, relay: RelayId, open: bool, out: &mut [u8]) -> Action {
        let Some(allocation) = self.allocation(relay) else { return Action::Silence };
        let Some(opening) = allocation.opening else { return Action::Silence };
        let (ip, port) = (allocation.relayed.ip(), allocation.relayed.port());
        if !open {
            let another = self.free_port(opening.even).filter(|_| opening.attempts > 0);
            self.ports.remove(&port);
            if let (Some(port), Some(allocation)) = (another, self.allocation_mut(relay)) {
                allocation.relayed = SocketAddr::new(ip, port);
                allocation.opening = Some(Opening { attempts: opening.attempts - 1, ..opening });
                let address = allocation.relayed;
                self.ports.insert(port);
                return Action::Open { relay, address };
            }
        }
        let Some(allocation) = self.allocation_mut(relay) else { return Action::Silence };
        allocation.opening = None;
        let (client, transaction, key) = (allocation.client, allocation.transaction, allocation.key.clone());
        let question =
            Told { client, transaction, method: method::ALLOCATE, fingerprint: opening.fingerprint };
        if open {
            bump(&mut self.counters.allocated);
            return self.tell_allocated(now, relay, opening.fingerprint, out);
        }
        self.end_all(|allocation| allocation.client == client);
        // its socket was never opened
        self.closed.retain(|closed| *closed != relay);
        bump(&mut self.counters.over_quota);
        question.error(508, &[], Some(&key), None, opening.question, out)
    }

    pub(super) fn allocation(&self, relay: RelayId) -> Option<&Allocation> {
        self.allocations.get(usize::from(relay.0))?.as_deref()
    }

    pub(super) fn allocation_mut(&mut self, relay: RelayId) -> Option<&mut Allocation> {
        self.allocations.get_mut(usize::from(relay.0))?.as_deref_mut()
    }

    /// Whether one of our relays has this address: the one place of the router that may be sent to.
    pub(super) fn is_relay(&self, address: SocketAddr) -> bool {
        self.is_relay_ip(address.ip()) && self.ports.contains(&address.port())
    }

    pub(super) fn is_relay_ip(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.settings.ipv4 == Some(ip),
            IpAddr::V6(ip) => self.settings.ipv6 == Some(ip),
        }
    }

    /// A port of a relay that no relay has; by chance, so that strangers cannot tell which is the next.
    pub(super) fn free_port(&mut self, even: bool) -> Option<u16> {
        let (first, last) = (*self.settings.ports.start(), *self.settings.ports.end());
        let count = u32::from(last.checked_sub(first)?) + 1;
        let start = self.rng.random_range(0..count);
        (0..count)
            // within the range, whose ends are 16 bits
            .map(|n| first + ((start + n) % count) as u16)
            .find(|port| !(self.ports.contains(port) || even && port % 2 == 1))
    }

    pub(super) fn tell_allocated(
        &self,
        now: Time,
        relay: RelayId,
        fingerprint: bool,
        out: &mut [u8],
    ) -> Action {
        let Some(allocation) = self.allocation(relay) else { return Action::Silence };
        let (client, transaction) = (allocation.client, allocation.transaction);
        let told = Told { client, transaction, method: method::ALLOCATE, fingerprint };
        // an hour at most
        let life = allocation.ends.saturating_sub(now).as_secs() as u32;
        let mapped = SocketAddr::new(client.address.ip().to_canonical(), client.address.port());
        told.success(&allocation.key, out, |w| {
            w.xor_address(attribute::XOR_RELAYED_ADDRESS, allocation.relayed);
            w.attribute(attribute::LIFETIME, &[&life.to_be_bytes()]);
            w.xor_address(stun::attribute::XOR_MAPPED_ADDRESS, mapped);
        })
    }

    pub(super) fn end_all(&mut self, which: impl Fn(&Allocation) -> bool) {
        for place in 0..self.allocations.len() {
            let Some(allocation) = self.allocations[place].take_if(|allocation| which(allocation)) else {
                continue;
            };
            self.clients.remove(&allocation.client);
            self.ports.remove(&allocation.relayed.port());
            self.accounts.leave(allocation.account);
            // as many places as ports at most
            self.closed.push_back(RelayId(place as u16));
        }
    }

    pub(super) fn count(&mut self, code: Code) {
        bump(match code {
            401 => &mut self.counters.unauthorized,
            403 => &mut self.counters.forbidden,
            438 => &mut self.counters.stale_nonces,
            486 | 508 => &mut self.counters.over_quota,
            _ => &mut self.counters.bad_requests,
        });
    }
}

pub(super) fn bump(counter: &mut u32) {
    *counter = counter.wrapping_add(1);
}
