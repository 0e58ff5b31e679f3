//! The other way to let a new device in: by a password (SCRAM-SHA-256, `docs/protocol.md` section 5).
//!
//! Home keeps no exchange. Its nonce is an HMAC over what the exchange is about, the account's counter and the
//! time, so that a proof is good once and not for long, and nobody can fill a table by beginning. What is kept is
//! when an account, and a node through which it was tried, has been guessed at too often.
//!
//! Bounds: [`GUESSES`] of an account, [`NODE_GUESSES`] by way of a node, of which [`MAX_NODES`] are remembered;
//! as many passwords as there are accounts at home.

use std::time::Duration;

use ring::hmac;
use serde::{Deserialize, Serialize};
use truca_core::Time;
use truca_core::directory::record::{Account, PASSWORD, verify};
use truca_core::id::{DeviceId, NodeId};
use truca_core::name::{Address, Name};
use truca_core::scram::{Exchange, Secret};
use truca_core::sorted::Map;
use truca_core::wire::bytes::{Bytes, Point, Signature, Token};
use truca_core::wire::node::{DevicesBody as Body, DevicesFrame};
use truca_core::wire::page::LinkEnd;

use super::super::ground::Ground;
use super::{Linking, Part};

/// A nonce of home is good for one to two of these, seconds: an old phone stretches for some ten.
const NONCE_LIFE: u64 = 64;
/// How long a visited node waits for what comes of it: longer than a nonce is good for.
pub(super) const PATIENCE: Duration = Duration::from_secs(2 * NONCE_LIFE + 15);
/// Wrong passwords of one account at once, and how often one more after that: 35,000 a year.
const GUESSES: Guesses = Guesses { at_once: 5, period: Duration::from_secs(900) };
/// By way of one node, where many people may mistype.
const NODE_GUESSES: Guesses = Guesses { at_once: 20, period: Duration::from_secs(30) };
/// Nodes of which wrong passwords are remembered: as many as there are links.
const MAX_NODES: usize = 64;

/// The password of an account of this home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Password {
    /// What is kept of it.
    secret: Secret,
    /// The device that set it, and with which it goes: it may have been stolen.
    by: DeviceId,
}

/// A bucket that leaks (GCRA): one time says how full it is.
struct Guesses {
    at_once: u32,
    period: Duration,
}

impl Guesses {
    /// Whether there is room for one more, when the bucket will be empty at `empty`.
    fn may(&self, now: Time, empty: Option<&Time>) -> bool {
        empty.is_none_or(|empty| *empty + self.period <= now + self.period * self.at_once)
    }

    /// When the bucket will be empty after one more.
    fn more(&self, now: Time, empty: Option<&Time>) -> Time {
        empty.map_or(now, |empty| now.max(*empty)) + self.period
    }
}

/// Passwords, and wrong ones.
#[derive(Debug, Default)]
pub(in super::super) struct Passwords {
    of: Map<Name, Password>,
    guessed: Map<Name, Time>,
    guessed_through: Map<NodeId, Time>,
    /// Of nonces. Made at the first exchange.
    key: Option<[u8; 32]>,
}

impl Passwords {
    pub(in super::super) fn new(kept: Vec<(Name, Password)>) -> Self {
        Self { of: kept.into_iter().collect(), ..Self::default() }
    }

    pub(in super::super) fn to_save(&self) -> Vec<(Name, Password)> {
        self.of.iter().map(|(name, password)| (name.clone(), password.clone())).collect()
    }

    /// The account has none any more.
    pub(in super::super) fn forget(&mut self, name: &Name) {
        self.of.remove(name);
        self.guessed.remove(name);
    }

    /// A device is taken out. Whether the account's password went with it.
    pub(super) fn left(&mut self, name: &Name, device: DeviceId) -> bool {
        let set_by_it = self.of.get(name).is_some_and(|password| password.by == device);
        if set_by_it {
            self.forget(name);
        }
        set_by_it
    }

    fn may_guess(&self, now: Time, name: &Name, through: NodeId) -> bool {
        GUESSES.may(now, self.guessed.get(name)) && NODE_GUESSES.may(now, self.guessed_through.get(&through))
    }

    fn was_wrong(&mut self, now: Time, name: &Name, through: NodeId) {
        let empty = GUESSES.more(now, self.guessed.get(name));
        self.guessed.insert(name.clone(), empty);
        let empty = NODE_GUESSES.more(now, self.guessed_through.get(&through));
        self.guessed_through.retain(|_, empty| *empty > now);
        if self.guessed_through.len() >= MAX_NODES && !self.guessed_through.contains_key(&through) {
            let emptiest = self.guessed_through.iter().min_by_key(|(_, empty)| **empty).map(|(id, _)| *id);
            emptiest.map(|id| self.guessed_through.remove(&id));
        }
        self.guessed_through.insert(through, empty);
    }
}

impl Linking {
    pub(super) fn begin(
        &mut self,
        ground: &mut Ground,
        now: Time,
        from: NodeId,
        frame: &DevicesFrame,
        key: &Point,
        client: &Token,
    ) {
        let answer = self.salt(ground, now, from, &frame.address, key, client).unwrap_or_else(Body::End);
        self.say(ground, now, (from, Part::Visited), frame.request, frame.address.clone(), answer);
    }

    fn salt(
        &mut self,
        ground: &mut Ground,
        now: Time,
        from: NodeId,
        address: &Address,
        key: &Point,
        client: &Token,
    ) -> Result<Body, LinkEnd> {
        let Secret { salt, iterations, .. } = self.secret_for(ground, now, from, address)?;
        let server = self.nonce(ground, now.as_secs() / NONCE_LIFE, from, address, key, client);
        Ok(Body::Salt { server, salt, iterations })
    }

    /// What a proof is checked against, when one may be shown.
    fn secret_for(
        &mut self,
        ground: &mut Ground,
        now: Time,
        from: NodeId,
        address: &Address,
    ) -> Result<Secret, LinkEnd> {
        let account = ground.directory.account(address).ok_or(LinkEnd::Refused)?;
        let mut body = account.body.clone();
        let Some(password) = self.passwords.of.get(&address.name) else {
            if body.has_password() {
                // the state file was lost, and the account came back from the mesh
                body.flags &= !PASSWORD;
                body.counter += 1;
                ground.publish_account(now, body);
            }
            return Err(LinkEnd::NoPassword);
        };
        if !self.passwords.may_guess(now, &address.name, from) {
            self.counters.too_often = self.counters.too_often.wrapping_add(1);
            return Err(LinkEnd::TooOften);
        }
        if body.devices.len() >= ground.directory.limits().devices {
            return Err(LinkEnd::Full);
        }
        Ok(password.secret.clone())
    }

    /// Home's nonce of an exchange that began in this part of time.
    fn nonce(
        &mut self,
        ground: &mut Ground,
        part: u64,
        at: NodeId,
        address: &Address,
        key: &Point,
        client: &Token,
    ) -> Token {
        let secret = match self.passwords.key {
            Some(secret) => secret,
            None => *self.passwords.key.insert(ground.random()),
        };
        let counter = ground.counter_of(address);
        let text = format!("truca-nonce-1\n{part}\n{counter}\n{address}\n{at}\n{key}\n{client}\n");
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), text.as_bytes());
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&tag.as_ref()[..16]);
        Bytes(nonce)
    }

    pub(super) fn prove(
        &mut self,
        ground: &mut Ground,
        now: Time,
        from: NodeId,
        frame: &DevicesFrame,
        exchange: (&Point, &Token, &Token),
        proof: &Bytes<32>,
    ) {
        let answer =
            self.proved(ground, now, from, &frame.address, exchange, proof).unwrap_or_else(Body::End);
        self.say(ground, now, (from, Part::Visited), frame.request, frame.address.clone(), answer);
    }

    fn proved(
        &mut self,
        ground: &mut Ground,
        now: Time,
        from: NodeId,
        address: &Address,
        (key, client, server): (&Point, &Token, &Token),
        proof: &Bytes<32>,
    ) -> Result<Body, LinkEnd> {
        let secret = self.secret_for(ground, now, from, address)?;
        let part = now.as_secs() / NONCE_LIFE;
        let ours = [Some(part), part.checked_sub(1)].into_iter().flatten();
        if !ours.into_iter().any(|part| self.nonce(ground, part, from, address, key, client) == *server) {
            return Err(LinkEnd::Expired);
        }
        let exchange = Exchange { address, at: from, key, client, server };
        let Some(signature) = secret.check(&secret.auth_message(&exchange), proof) else {
            self.passwords.was_wrong(now, &address.name, from);
            self.counters.wrong_passwords = self.counters.wrong_passwords.wrapping_add(1);
            return Err(LinkEnd::WrongPassword);
        };
        self.passwords.guessed.remove(&address.name);
        let account = self.add_device(ground, now, address, key)?;
        self.counters.by_password = self.counters.by_password.wrapping_add(1);
        Ok(Body::Proved { account, signature })
    }

    /// A device sets the password, or takes it away.
    pub(super) fn set_password(
        &mut self,
        ground: &mut Ground,
        now: Time,
        address: &Address,
        counter: u32,
        secret: Option<Secret>,
        (key, signature): (&Point, &Signature),
    ) -> Result<(), LinkEnd> {
        let account: &Account = ground.directory.account(address).ok_or(LinkEnd::Refused)?;
        let mut body = account.body.clone();
        let by = DeviceId::of_point(&key.0);
        // an old one, said again, would bring an old password back
        let fits = body.counter == counter && secret.as_ref().is_none_or(Secret::is_stretched);
        if !fits || !body.devices.contains(&by) {
            return Err(LinkEnd::Refused);
        }
        let text = DevicesFrame::password_text(address, counter, secret.as_ref());
        if !verify(key, text.as_bytes(), signature) {
            self.counters.forged = self.counters.forged.wrapping_add(1);
            return Err(LinkEnd::Refused);
        }
        body.flags = if secret.is_some() { body.flags | PASSWORD } else { body.flags & !PASSWORD };
        body.counter += 1;
        if !ground.publish_account(now, body) {
            return Err(LinkEnd::Full);
        }
        self.passwords.forget(&address.name);
        if let Some(secret) = secret {
            self.passwords.of.insert(address.name.clone(), Password { secret, by });
        }
        log::info!("an account has another password, or none");
        Ok(())
    }
}
