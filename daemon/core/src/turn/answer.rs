//! Answers: what of a question they repeat, and how success and errors are written.

use ring::hmac;

use super::client::{Action, Client, Via};
use super::credentials::{NONCE, REALM};
use crate::stun::{self, Class, TransactionId, Writer, amplifies};

/// The largest answer: a 420 with reason-less ERROR-CODE, UNKNOWN-ATTRIBUTES, MESSAGE-INTEGRITY, FINGERPRINT.
pub const MAX_ANSWER: usize = 160;

/// An error, as RFC 8489 section 14.8 numbers it.
pub(super) type Code = u16;

/// What of a question its answer repeats.
pub(super) struct Told {
    pub(super) client: Client,
    pub(super) transaction: TransactionId,
    pub(super) method: u16,
    pub(super) fingerprint: bool,
}

impl Told {
    pub(super) fn success(
        &self,
        key: &hmac::Key,
        out: &mut [u8],
        more: impl FnOnce(&mut Writer<'_>),
    ) -> Action {
        let mut answer = Writer::new(out, Class::Success, self.method, &self.transaction);
        more(&mut answer);
        answer.integrity(key);
        self.finish(answer)
    }

    /// Without a reason: it is for people, and would make a 401 more than twice its question.
    pub(super) fn error(
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
