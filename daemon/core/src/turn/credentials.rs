//! Credentials that expire by themselves, and nonces that need no memory.
//!
//! A user is `<expires>:<session>:<account>`, and the password is an HMAC of it under a secret that only this
//! process knows: the server checks without looking anybody up. *expires* counts seconds since the daemon
//! started, not a date, because routers boot in 1970 and their clocks jump. The secret changes every
//! [`PERIOD`]; the one before stays good until what was granted under it has expired.
//!
//! A nonce is the second it was made in and an HMAC over that and the client (RFC 8489 section 9.2.1): one that
//! was overheard is of no use to another client.

use core::{fmt::Write as _, time::Duration};

use base64ct::{Base64UrlUnpadded, Encoding as _};
use ring::hmac;

use super::client::Client;
use crate::{Time, stun::long_term_key};

/// The realm: short, so that the first 401 is not more than twice the question (8 bytes with its header).
pub const REALM: &str = "mesh";

/// How often the secret changes. A grant lives for one to two of it.
pub const PERIOD: Duration = Duration::from_secs(6 * 3600);

/// How long a nonce is good: RFC 8489 section 9.2.1 leaves it open, RFC 8656 section 5 asks for an hour at most.
pub(super) const NONCE_LIFE: u32 = 3600;

/// Bytes of a nonce as text.
pub(super) const NONCE: usize = 16;

/// The longest user name: two numbers of ten digits, sixteen of hexadecimal, two colons.
const MAX_USER: usize = 10 + 1 + 10 + 1 + 16;

/// Whom credentials stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// When they stop to be good for a new allocation, in seconds since the daemon started.
    pub expires: u32,
    /// The session that they were made for.
    pub session: u32,
    /// Stands for the account, for its quota.
    pub account: u64,
}

impl Grant {
    pub(super) fn parse(user: &[u8]) -> Option<Self> {
        let mut parts = core::str::from_utf8(user).ok()?.splitn(3, ':');
        let expires = parts.next()?.parse().ok()?;
        let session = parts.next()?.parse().ok()?;
        let account = u64::from_str_radix(parts.next()?, 16).ok()?;
        let grant = Self { expires, session, account };
        // only what we write ourselves: `+1` and `01` are numbers too
        (grant.user().as_bytes() == user).then_some(grant)
    }

    fn user(self) -> User {
        let mut user = User { text: [0; MAX_USER], len: 0 };
        // it fits: see MAX_USER
        let _ = write!(user, "{}:{}:{:x}", self.expires, self.session, self.account);
        user
    }
}

/// A user name, without allocation.
struct User {
    text: [u8; MAX_USER],
    len: usize,
}

impl User {
    fn as_bytes(&self) -> &[u8] {
        &self.text[..self.len]
    }
}

impl core::fmt::Write for User {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let place = self.text.get_mut(self.len..self.len + text.len()).ok_or(core::fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

/// The secret of now and the one before.
#[derive(Debug, Clone)]
pub struct Secrets {
    epoch: u32,
    current: hmac::Key,
    previous: Option<hmac::Key>,
}

impl Secrets {
    /// Starts with this random secret.
    pub fn new(now: Time, secret: &[u8; 32]) -> Self {
        Self { epoch: epoch(now), current: hmac::Key::new(hmac::HMAC_SHA256, secret), previous: None }
    }

    /// When [`Self::rotate`] wants to be called.
    pub fn rotates_at(&self) -> Time {
        PERIOD * (self.epoch + 1)
    }

    /// Begins a period with this random secret. Does nothing within the period of the last one.
    pub fn rotate(&mut self, now: Time, secret: &[u8; 32]) {
        let epoch = epoch(now);
        if epoch == self.epoch {
            return;
        }
        let before = core::mem::replace(&mut self.current, hmac::Key::new(hmac::HMAC_SHA256, secret));
        // a machine that slept through a whole period has nothing to remember
        self.previous = (epoch == self.epoch + 1).then_some(before);
        self.epoch = epoch;
    }

    /// User and password for a session of an account: the same until the secret changes.
    pub fn grant(&self, session: u32, account: u64) -> (String, String) {
        let expires = (PERIOD * (self.epoch + 2)).as_secs() as u32;
        let user = Grant { expires, session, account }.user();
        let password = password(&self.current, user.as_bytes());
        // both are ASCII
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(user.as_bytes()), text(&password))
    }

    /// Whom a user name stands for and the key of its MESSAGE-INTEGRITY; `None` when it has expired or was
    /// never granted, as far as can be told before the integrity is checked.
    pub(super) fn check(&self, now: Time, user: &[u8]) -> Option<(Grant, hmac::Key)> {
        let grant = Grant::parse(user)?;
        let epoch = u64::from(grant.expires) / PERIOD.as_secs();
        let secret = match u64::from(self.epoch) + 2 {
            this if epoch == this => &self.current,
            this if epoch + 1 == this => self.previous.as_ref()?,
            _ => return None,
        };
        if now.as_secs() >= u64::from(grant.expires) {
            return None;
        }
        Some((grant, long_term_key(user, REALM.as_bytes(), &password(secret, user))))
    }
}

fn epoch(now: Time) -> u32 {
    (now.as_secs() / PERIOD.as_secs()) as u32
}

/// 120 bits, as 20 characters.
fn password(secret: &hmac::Key, user: &[u8]) -> [u8; 20] {
    let mut text = [0; 20];
    write(&hmac::sign(secret, user).as_ref()[..15], &mut text);
    text
}

/// base64url into just as many characters as it takes.
fn write(bytes: &[u8], text: &mut [u8]) {
    let written = Base64UrlUnpadded::encode(bytes, text).map_or(0, str::len);
    debug_assert_eq!(written, bytes.len().div_ceil(3) * 4);
}

/// Makes and checks nonces.
#[derive(Debug)]
pub(super) struct Nonces(hmac::Key);

impl Nonces {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// A nonce for this client, made now.
    pub(super) fn make(&self, now: Time, client: &Client) -> [u8; NONCE] {
        self.of(now.as_secs() as u32, client)
    }

    /// Whether this is a nonce that we made for this client, less than [`NONCE_LIFE`] ago.
    pub(super) fn check(&self, now: Time, client: &Client, nonce: &[u8]) -> bool {
        let mut raw = [0; 12];
        if nonce.len() != NONCE || Base64UrlUnpadded::decode(nonce, &mut raw).is_err() {
            return false;
        }
        let made = u32::from_be_bytes([0, raw[0], raw[1], raw[2]]);
        let age = (now.as_secs() as u32).wrapping_sub(made) & 0x00ff_ffff;
        let right = self.of(made, client);
        age < NONCE_LIFE && right.iter().zip(nonce).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }

    fn of(&self, second: u32, client: &Client) -> [u8; NONCE] {
        let second = second.to_be_bytes();
        let mut context = hmac::Context::with_key(&self.0);
        context.update(&second[1..]);
        client.each_byte(|bytes| context.update(bytes));
        let mut raw = [0; 12];
        raw[..3].copy_from_slice(&second[1..]);
        raw[3..].copy_from_slice(&context.sign().as_ref()[..9]);
        let mut text = [0; NONCE];
        write(&raw, &mut text);
        text
    }
}
