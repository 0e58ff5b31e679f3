//! The server: requests in, answers and relays out. What is relayed goes through [`super::relay`].
//!
//! Errors come in the order of RFC 8489 section 9.2.4: 401, 400, 438, 401; then 420; then those of the method.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::{Range, RangeInclusive};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use ring::hmac;

use super::allocation::{Allocation, Opening, RelayId, Unbound};
use super::credentials::{Grant, NONCE, Nonces, REALM, Secrets};
use super::policy::LOWEST_PORT;
use super::quota::{Accounts, Bucket};
use super::{Limits, Policy, attribute, method};
use crate::Time;
use crate::stun::{
    self, Check, Class, MAX_UNKNOWN, Message, TransactionId, Writer, amplifies, can_be_answered,
    read_xor_address,
};

/// The largest answer: a 420 with reason-less ERROR-CODE, UNKNOWN-ATTRIBUTES, MESSAGE-INTEGRITY, FINGERPRINT.
pub const MAX_ANSWER: usize = 160;

/// How long an allocation lasts when nobody asks for more (RFC 8656 section 3.2), and at most (section 7.2).
const DEFAULT_LIFE: u32 = 600;
const MAX_LIFE: u32 = 3600;

/// How many ports are tried when others are in use by somebody else.
const ATTEMPTS: u8 = 8;

/// How many addresses one CreatePermission may name.
const MAX_PEERS: usize = super::MAX_PERMISSIONS;

/// UDP, as REQUESTED-TRANSPORT names it.
const UDP: u8 = 17;

/// How a client reaches us: with its address, RFC 8656's 5-tuple.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// A UDP socket of ours, by a number that the driver gives.
    Udp(u16),
    /// A TCP connection, by a number that the driver gives.
    Tcp(u32),
}

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    /// How it reaches us.
    pub via: Via,
    /// From where.
    pub address: SocketAddr,
}

impl Client {
    /// Feeds everything that tells one client from another.
    pub(super) fn each_byte(&self, mut feed: impl FnMut(&[u8])) {
        match self.via {
            Via::Udp(number) => feed(&number.to_be_bytes()),
            Via::Tcp(number) => feed(&number.to_be_bytes()),
        }
        match self.address.ip() {
            IpAddr::V4(ip) => feed(&ip.octets()),
            IpAddr::V6(ip) => feed(&ip.octets()),
        }
        feed(&self.address.port().to_be_bytes());
    }
}

/// What the driver does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing.
    Silence,
    /// Send so many bytes of the buffer back to the client.
    Reply(Client, usize),
    /// Send these bytes of the client's packet from the relay's socket.
    Relay {
        /// Whose socket.
        relay: RelayId,
        /// To whom.
        peer: SocketAddr,
        /// Which bytes.
        payload: Range<usize>,
    },
    /// Open a UDP socket at this address and tell [`Server::opened`].
    Open {
        /// For which relay.
        relay: RelayId,
        /// Where.
        address: SocketAddr,
    },
}

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
    secrets: Secrets,
    nonces: Nonces,
    pub(super) rng: SmallRng,
    /// By [`RelayId`].
    pub(super) allocations: Vec<Option<Box<Allocation>>>,
    pub(super) clients: BTreeMap<Client, RelayId>,
    ports: BTreeSet<u16>,
    pub(super) accounts: Accounts,
    pub(super) bucket: Bucket,
    closed: VecDeque<RelayId>,
    pub(super) counters: Counters,
}

/// An error, as RFC 8489 section 14.8 numbers it.
type Code = u16;

/// A request that is being answered.
struct Question<'a> {
    now: Time,
    client: Client,
    message: Message<'a>,
    size: usize,
    fingerprint: bool,
}

/// Who asks, and with which key.
struct Asker {
    grant: Grant,
    key: hmac::Key,
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
            clients: BTreeMap::new(),
            ports: BTreeSet::new(),
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

    /// The client of a relay, to send to.
    pub fn client(&self, relay: RelayId) -> Option<Client> {
        self.allocation(relay).map(|allocation| allocation.client)
    }

    /// A packet from a client: one datagram, or one message of a stream. `out` has [`MAX_ANSWER`] bytes or more.
    pub fn handle_client(&mut self, now: Time, client: Client, packet: &[u8], out: &mut [u8]) -> Action {
        if let Some(0x40..=0x4f) = packet.first() {
            return self.handle_channel_data(now, client, packet);
        }
        let Ok(message) = Message::parse(packet) else {
            bump(&mut self.counters.ignored);
            return Action::Silence;
        };
        let fingerprint = message.fingerprint();
        let fits = fingerprint != Check::Bad && can_be_answered(client.address);
        match (message.class(), message.method()) {
            (Class::Indication, method::SEND) if fits => self.handle_send(now, client, packet, &message),
            (
                Class::Request,
                method::ALLOCATE | method::REFRESH | method::CREATE_PERMISSION | method::CHANNEL_BIND,
            ) if fits => {
                let fingerprint = fingerprint == Check::Good;
                let question = Question { now, client, message, size: packet.len(), fingerprint };
                self.handle_request(&question, out)
            }
            _ => {
                bump(&mut self.counters.ignored);
                Action::Silence
            }
        }
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

    fn is_relay_ip(&self, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(ip) => self.settings.ipv4 == Some(ip),
            IpAddr::V6(ip) => self.settings.ipv6 == Some(ip),
        }
    }

    fn handle_request(&mut self, question: &Question<'_>, out: &mut [u8]) -> Action {
        let told = question.told();
        let asker = match self.authenticate(question) {
            Ok(asker) => asker,
            Err(code) => {
                let nonce = (code != 400).then(|| self.nonces.make(question.now, &question.client));
                self.count(code);
                return told.error(code, &[], None, nonce, question.size, out);
            }
        };
        let mut unknown = [0; 2 * MAX_UNKNOWN];
        let unknown = question.message.unknown(is_known, &mut unknown);
        let done = if unknown.is_empty() { self.carry_out(question, &asker, out) } else { Err(420) };
        done.unwrap_or_else(|code| {
            self.count(code);
            told.error(code, unknown, Some(&asker.key), None, question.size, out)
        })
    }

    /// RFC 8489 section 9.2.4.
    fn authenticate(&self, question: &Question<'_>) -> Result<Asker, Code> {
        let message = &question.message;
        if message.attribute(stun::attribute::MESSAGE_INTEGRITY).is_none() {
            return Err(401);
        }
        let value = |kind| message.attribute(kind).ok_or(400_u16);
        let user = value(stun::attribute::USERNAME)?;
        let realm = value(stun::attribute::REALM)?;
        let nonce = value(stun::attribute::NONCE)?;
        if !self.nonces.check(question.now, &question.client, nonce) {
            return Err(438);
        }
        let known = self.clients.get(&question.client).and_then(|relay| self.allocation(*relay));
        let cached = known
            .filter(|allocation| Grant::parse(user) == Some(allocation.grant))
            .map(|allocation| (allocation.grant, allocation.key.clone()));
        let found = cached.or_else(|| self.secrets.check(question.now, user));
        let (grant, key) = found.filter(|_| realm == REALM.as_bytes()).ok_or(401_u16)?;
        if message.integrity(&key) == Check::Good { Ok(Asker { grant, key }) } else { Err(401) }
    }

    fn carry_out(&mut self, question: &Question<'_>, asker: &Asker, out: &mut [u8]) -> Result<Action, Code> {
        let known = self.clients.get(&question.client).copied();
        if question.message.method() == method::ALLOCATE {
            return match known {
                Some(relay) => self.allocate_again(question, relay, out),
                None => self.allocate(question, asker),
            };
        }
        let relay = known.ok_or(437_u16)?;
        let allocation = self.allocation(relay).filter(|a| a.opening.is_none()).ok_or(437_u16)?;
        if allocation.grant != asker.grant {
            return Err(441);
        }
        match question.message.method() {
            method::REFRESH => self.refresh(question, relay, out),
            method::CREATE_PERMISSION => self.create_permission(question, relay, out),
            _ => self.bind_channel(question, relay, out),
        }
    }

    /// RFC 8656 section 7.2, last paragraphs: a repeated request is answered as the first one was.
    fn allocate_again(
        &self,
        question: &Question<'_>,
        relay: RelayId,
        out: &mut [u8],
    ) -> Result<Action, Code> {
        let allocation = self.allocation(relay).ok_or(437_u16)?;
        if allocation.transaction != question.message.transaction() {
            return Err(437);
        }
        if allocation.opening.is_some() {
            return Ok(Action::Silence);
        }
        Ok(self.tell_allocated(question.now, relay, question.fingerprint, out))
    }

    /// RFC 8656 section 7.2.
    fn allocate(&mut self, question: &Question<'_>, asker: &Asker) -> Result<Action, Code> {
        let value = |kind| question.message.attribute(kind);
        match value(attribute::REQUESTED_TRANSPORT) {
            Some([UDP, _, _, _]) => {}
            Some([_, _, _, _]) => return Err(442),
            _ => return Err(400),
        }
        let family = value(attribute::REQUESTED_ADDRESS_FAMILY);
        let additional = value(attribute::ADDITIONAL_ADDRESS_FAMILY);
        let even = value(attribute::EVEN_PORT);
        if value(attribute::RESERVATION_TOKEN).is_some() {
            let alone = family.is_none() && additional.is_none() && even.is_none();
            return Err(if alone { 508 } else { 400 });
        }
        if family.is_some() && additional.is_some() {
            return Err(400);
        }
        let even = match even {
            None => false,
            Some([bits]) if bits & 0x80 == 0 => true,
            Some([_]) if additional.is_some() => return Err(400),
            Some([_]) => return Err(508),
            Some(_) => return Err(400),
        };
        let ip = match family {
            None | Some([1, _, _, _]) => self.settings.ipv4.map(IpAddr::V4),
            Some([2, _, _, _]) => self.settings.ipv6.map(IpAddr::V6),
            Some([_, _, _, _]) => None,
            Some(_) => return Err(400),
        };
        let ip = ip.ok_or(440_u16)?;
        let life = lifetime(question)?.unwrap_or(DEFAULT_LIFE).clamp(DEFAULT_LIFE, MAX_LIFE);
        let Limits { allocations, per_account, account_rate, .. } = self.settings.limits;
        if self.clients.len() >= allocations {
            return Err(508);
        }
        let port = self.free_port(even).ok_or(508_u16)?;
        let tag = asker.grant.account;
        let account = self.accounts.join(question.now, tag, per_account, account_rate).ok_or(486_u16)?;
        let address = SocketAddr::new(ip, port);
        let opening =
            Opening { attempts: ATTEMPTS, even, fingerprint: question.fingerprint, question: question.size };
        let allocation = Allocation::new(
            question.client,
            asker.grant,
            asker.key.clone(),
            question.message.transaction(),
            (address, account),
            (question.now + Duration::from_secs(life.into()), opening),
        );
        let place = self.allocations.iter().position(Option::is_none).unwrap_or_else(|| {
            self.allocations.push(None);
            self.allocations.len() - 1
        });
        // there are no more places than ports
        let relay = RelayId(place as u16);
        self.allocations[place] = Some(Box::new(allocation));
        self.clients.insert(question.client, relay);
        self.ports.insert(port);
        Ok(Action::Open { relay, address })
    }

    /// A port of a relay that no relay has; by chance, so that strangers cannot tell which is the next.
    fn free_port(&mut self, even: bool) -> Option<u16> {
        let (first, last) = (*self.settings.ports.start(), *self.settings.ports.end());
        let count = u32::from(last.checked_sub(first)?) + 1;
        let start = self.rng.random_range(0..count);
        (0..count)
            // within the range, whose ends are 16 bits
            .map(|n| first + ((start + n) % count) as u16)
            .find(|port| !(self.ports.contains(port) || even && port % 2 == 1))
    }

    /// RFC 8656 section 8.2.
    fn refresh(&mut self, question: &Question<'_>, relay: RelayId, out: &mut [u8]) -> Result<Action, Code> {
        let life = lifetime(question)?.unwrap_or(DEFAULT_LIFE);
        let allocation = self.allocation_mut(relay).ok_or(437_u16)?;
        match question.message.attribute(attribute::REQUESTED_ADDRESS_FAMILY) {
            None => {}
            Some([family, _, _, _]) if *family == if allocation.relayed.is_ipv4() { 1 } else { 2 } => {}
            Some([_, _, _, _]) => return Err(443),
            Some(_) => return Err(400),
        }
        let life = if life == 0 { 0 } else { life.clamp(DEFAULT_LIFE, MAX_LIFE) };
        allocation.ends = question.now + Duration::from_secs(life.into());
        let key = allocation.key.clone();
        if life == 0 {
            self.end_all(|allocation| allocation.client == question.client);
        }
        Ok(question.told().success(&key, out, |w| {
            w.attribute(attribute::LIFETIME, &[&life.to_be_bytes()]);
        }))
    }

    /// RFC 8656 section 10.2.
    fn create_permission(
        &mut self,
        question: &Question<'_>,
        relay: RelayId,
        out: &mut [u8],
    ) -> Result<Action, Code> {
        let mut peers = [IpAddr::V4(Ipv4Addr::UNSPECIFIED); MAX_PEERS];
        let mut count = 0;
        let transaction = question.message.transaction();
        for found in question.message.attributes().filter(|a| a.kind == attribute::XOR_PEER_ADDRESS) {
            let peer = read_xor_address(found.value, &transaction).ok_or(400_u16)?;
            self.check_peer(relay, peer.ip())?;
            *peers.get_mut(count).ok_or(508_u16)? = peer.ip();
            count += 1;
        }
        if count == 0 {
            return Err(400);
        }
        let allocation = self.allocation_mut(relay).ok_or(437_u16)?;
        allocation.permit(question.now, &peers[..count]).map_err(|_| 508_u16)?;
        Ok(question.told().success(&allocation.key, out, |_| ()))
    }

    /// RFC 8656 section 12.2.
    fn bind_channel(
        &mut self,
        question: &Question<'_>,
        relay: RelayId,
        out: &mut [u8],
    ) -> Result<Action, Code> {
        let value = |kind| question.message.attribute(kind).ok_or(400_u16);
        let number = match value(attribute::CHANNEL_NUMBER)? {
            [high @ 0x40..=0x4f, low, _, _] => u16::from_be_bytes([*high, *low]),
            _ => return Err(400),
        };
        let transaction = question.message.transaction();
        let peer = read_xor_address(value(attribute::XOR_PEER_ADDRESS)?, &transaction).ok_or(400_u16)?;
        self.check_peer(relay, peer.ip())?;
        if peer.port() < LOWEST_PORT
            || self.is_relay_ip(peer.ip()) && !self.settings.ports.contains(&peer.port())
        {
            return Err(403);
        }
        let allocation = self.allocation_mut(relay).ok_or(437_u16)?;
        allocation.bind(question.now, number, peer).map_err(|why| match why {
            Unbound::Taken => 400_u16,
            Unbound::NoRoom => 508,
        })?;
        Ok(question.told().success(&allocation.key, out, |_| ()))
    }

    /// Whether a relay may send to an address: 443 for another family, 403 by policy.
    fn check_peer(&self, relay: RelayId, peer: IpAddr) -> Result<(), Code> {
        let relayed = self.allocation(relay).ok_or(437_u16)?.relayed;
        if relayed.is_ipv4() != peer.is_ipv4() {
            return Err(443);
        }
        if self.is_relay_ip(peer) || self.settings.policy.permits(peer) { Ok(()) } else { Err(403) }
    }

    fn tell_allocated(&self, now: Time, relay: RelayId, fingerprint: bool, out: &mut [u8]) -> Action {
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

    fn end_all(&mut self, which: impl Fn(&Allocation) -> bool) {
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

    fn count(&mut self, code: Code) {
        bump(match code {
            401 => &mut self.counters.unauthorized,
            403 => &mut self.counters.forbidden,
            438 => &mut self.counters.stale_nonces,
            486 | 508 => &mut self.counters.over_quota,
            _ => &mut self.counters.bad_requests,
        });
    }
}

/// LIFETIME, when there is one.
fn lifetime(question: &Question<'_>) -> Result<Option<u32>, Code> {
    match question.message.attribute(attribute::LIFETIME) {
        None => Ok(None),
        Some(value) => value.try_into().map(|bytes| Some(u32::from_be_bytes(bytes))).map_err(|_| 400),
    }
}

/// Everything comprehension-required that some request of ours may carry.
fn is_known(kind: u16) -> bool {
    matches!(
        kind,
        stun::attribute::USERNAME
            | stun::attribute::MESSAGE_INTEGRITY
            | stun::attribute::REALM
            | stun::attribute::NONCE
            | stun::attribute::MESSAGE_INTEGRITY_SHA256
            | attribute::CHANNEL_NUMBER
            | attribute::LIFETIME
            | attribute::XOR_PEER_ADDRESS
            | attribute::REQUESTED_ADDRESS_FAMILY
            | attribute::EVEN_PORT
            | attribute::REQUESTED_TRANSPORT
            | attribute::RESERVATION_TOKEN
    )
}

impl Question<'_> {
    fn told(&self) -> Told {
        Told {
            client: self.client,
            transaction: self.message.transaction(),
            method: self.message.method(),
            fingerprint: self.fingerprint,
        }
    }
}

/// What of a question its answer repeats.
struct Told {
    client: Client,
    transaction: TransactionId,
    method: u16,
    fingerprint: bool,
}

impl Told {
    fn success(&self, key: &hmac::Key, out: &mut [u8], more: impl FnOnce(&mut Writer<'_>)) -> Action {
        let mut answer = Writer::new(out, Class::Success, self.method, &self.transaction);
        more(&mut answer);
        answer.integrity(key);
        self.finish(answer)
    }

    /// Without a reason: it is for people, and would make a 401 more than twice its question.
    fn error(
        &self,
        code: Code,
        unknown: &[u8],
        key: Option<&hmac::Key>,
        nonce: Option<[u8; NONCE]>,
        question: usize,
        out: &mut [u8],
    ) -> Action {
        let mut answer = Writer::new(out, Class::Error, self.method, &self.transaction);
        answer.error(code, "");
        if let Some(nonce) = nonce {
            answer.attribute(stun::attribute::REALM, &[REALM.as_bytes()]);
            answer.attribute(stun::attribute::NONCE, &[&nonce]);
        }
        if !unknown.is_empty() {
            answer.attribute(stun::attribute::UNKNOWN_ATTRIBUTES, &[unknown]);
        }
        if let Some(key) = key {
            answer.integrity(key);
        }
        match self.finish(answer) {
            // who has shown a key is no forged source
            Action::Reply(client, length)
                if key.is_none()
                    && matches!(client.via, Via::Udp(_))
                    && amplifies(question, length, client.address) =>
            {
                Action::Silence
            }
            action => action,
        }
    }

    fn finish(&self, mut answer: Writer<'_>) -> Action {
        if self.fingerprint {
            answer.fingerprint();
        }
        answer.finish().map_or(Action::Silence, |length| Action::Reply(self.client, length))
    }
}

pub(super) fn bump(counter: &mut u32) {
    *counter = counter.wrapping_add(1);
}
