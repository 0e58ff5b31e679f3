//! What clients send: where it goes, and how requests are carried out.
//!
//! Errors come in the order of RFC 8489 section 9.2.4: 401, 400, 438, 401; then 420; then those of the method.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use ring::hmac;

use super::allocation::{Allocation, Opening, Unbound};
use super::answer::{Code, Told};
use super::client::{Action, Client, RelayId};
use super::credentials::{Grant, REALM};
use super::policy::LOWEST_PORT;
use super::server::{Server, bump};
use super::{Limits, attribute, method};
use crate::Time;
use crate::stun::{self, Check, Class, MAX_UNKNOWN, Message, can_be_answered, read_xor_address};

/// How long an allocation lasts when nobody asks for more (RFC 8656 section 3.2), and at most (section 7.2).
const DEFAULT_LIFE: u32 = 600;
const MAX_LIFE: u32 = 3600;

/// How many addresses one CreatePermission may name.
const MAX_PEERS: usize = super::MAX_PERMISSIONS;

/// UDP, as REQUESTED-TRANSPORT names it.
const UDP: u8 = 17;

/// How many ports are tried when others are in use by somebody else.
const ATTEMPTS: u8 = 8;

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
    /// A packet from a client: one datagram, or one message of a stream. `out` has [`super::MAX_ANSWER`] bytes or more.
    pub fn handle_client(&mut self, now: Time, client: Client, packet: &[u8], out: &mut [u8]) -> Action {
        if let Some(0x40..=0x7f) = packet.first() {
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
            [high @ 0x40..=0x7f, low, _, _] => u16::from_be_bytes([*high, *low]),
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
