//! A password, as the account's home knows it: the server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677).
//!
//! Pure. It keeps no exchange: what both ends have said so far is an argument, and the stretching
//! (PBKDF2) is the browser's, so that a check costs a router two HMACs, 0.06 ms. The messages travel as
//! fields of both wires (`docs/protocol.md` section 5) and are put together here as RFC 5802 section 3 writes them.

use base64ct::{Base64, Encoding as _};
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::name::Address;
use crate::wire::bytes::{Bytes, Point, Token};

/// Fewest iterations that a home takes: what OWASP's Password Storage Cheat Sheet asks of PBKDF2-HMAC-SHA-256.
/// A guess costs who has seen an exchange as many.
pub const MIN_ITERATIONS: u32 = 600_000;
/// Most: what an old phone still does in a minute or two.
pub const MAX_ITERATIONS: u32 = 10_000_000;

/// What is kept of a password. Not the password, and nothing that lets its owner in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Salt of the stretching.
    pub salt: Bytes<16>,
    /// Its iterations.
    pub iterations: u32,
    /// `StoredKey`.
    pub stored: Bytes<32>,
    /// `ServerKey`.
    pub server: Bytes<32>,
}

/// What an exchange is about, and what makes it unlike every other.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// Whose password.
    pub address: &'a Address,
    /// The node where the new device is.
    pub at: NodeId,
    /// The new device's key: the channel that the exchange is bound to.
    pub key: &'a Point,
    /// The page's nonce.
    pub client: &'a Token,
    /// Home's.
    pub server: &'a Token,
}

impl Secret {
    /// Whether it is worth anything.
    pub fn is_stretched(&self) -> bool {
        (MIN_ITERATIONS..=MAX_ITERATIONS).contains(&self.iterations)
    }

    /// `AuthMessage` of an exchange (RFC 5802 section 3), which both ends sign.
    pub fn auth_message(&self, of: &Exchange<'_>) -> String {
        let Exchange { address, at, key, client, server } = of;
        let binding = format!("p=truca-device,,{address}\n{at}\n{key}\n");
        let (salt, binding) =
            (Base64::encode_string(&self.salt.0), Base64::encode_string(binding.as_bytes()));
        let iterations = self.iterations;
        format!(
            "n={address},r={client},r={client}{server},s={salt},i={iterations},c={binding},r={client}{server}"
        )
    }

    /// Checks a `ClientProof`. When its maker knows the password, the `ServerSignature` that proves to them
    /// that we do.
    pub fn check(&self, auth_message: &str, proof: &Bytes<32>) -> Option<Bytes<32>> {
        let signature = mac(&self.stored, auth_message);
        let mut key = proof.0;
        key.iter_mut().zip(signature.0).for_each(|(byte, mask)| *byte ^= mask);
        let hash = digest::digest(&digest::SHA256, &key);
        // constant time: every byte is compared
        let difference = hash.as_ref().iter().zip(self.stored.0).fold(0, |sum, (a, b)| sum | (a ^ b));
        (difference == 0).then(|| mac(&self.server, auth_message))
    }
}

fn mac(key: &Bytes<32>, text: &str) -> Bytes<32> {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key.0), text.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    Bytes(bytes)
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use ring::pbkdf2;

    use super::*;

    fn bytes<const N: usize>(base64: &str) -> Bytes<N> {
        Bytes(Base64::decode_vec(base64).unwrap().try_into().unwrap())
    }

    fn stretched(password: &str, salt: &Bytes<16>, iterations: u32) -> Bytes<32> {
        let mut salted = [0; 32];
        let count = NonZeroU32::new(iterations).unwrap();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, &salt.0, password.as_bytes(), &mut salted);
        Bytes(salted)
    }

    fn secret(password: &str, salt: Bytes<16>, iterations: u32) -> Secret {
        let salted = stretched(password, &salt, iterations);
        let key = mac(&salted, "Client Key");
        let stored = digest::digest(&digest::SHA256, &key.0).as_ref().try_into().unwrap();
        Secret { salt, iterations, stored: Bytes(stored), server: mac(&salted, "Server Key") }
    }

    #[test]
    fn the_example_of_rfc_7677_is_believed_and_answered_as_it_stands_there() {
        let secret = secret("pencil", bytes("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096);
        let message = "n=user,r=rOprNGfwEbeRWgbNEkqO,\
            r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,\
            c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let proof = bytes("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let answer = bytes("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        assert_eq!(secret.check(message, &proof), Some(answer));
        assert_eq!(secret.check(&message.replace("user", "usor"), &proof), None);
        assert!(!secret.is_stretched(), "4,096 iterations are not enough any more");
    }

    #[test]
    fn a_proof_with_any_bit_changed_is_not_believed() {
        let secret = secret("pencil", Bytes([1; 16]), 1);
        let message = "whatever";
        let key = mac(&stretched("pencil", &secret.salt, 1), "Client Key");
        let mut proof = mac(&secret.stored, message);
        proof.0.iter_mut().zip(key.0).for_each(|(a, b)| *a ^= b);
        assert!(secret.check(message, &proof).is_some());
        for bit in 0..256 {
            let mut changed = proof;
            changed.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(secret.check(message, &changed), None);
        }
    }

    #[test]
    fn an_exchange_is_bound_to_address_place_key_and_both_nonces() {
        let secret = secret("pencil", Bytes([1; 16]), 1);
        let address = |name: &str| Address { home: NodeId([1; 16]), name: name.parse().unwrap() };
        let (nuria, pep) = (address("nuria"), address("pep"));
        let (key, client, server) = (Bytes([4; 65]), Bytes([5; 16]), Bytes([6; 16]));
        let one =
            Exchange { address: &nuria, at: NodeId([2; 16]), key: &key, client: &client, server: &server };
        let others = [
            Exchange { address: &pep, ..one },
            Exchange { at: NodeId([3; 16]), ..one },
            Exchange { key: &Bytes([7; 65]), ..one },
            Exchange { client: &server, ..one },
            Exchange { server: &client, ..one },
        ];
        for other in others {
            assert_ne!(secret.auth_message(&one), secret.auth_message(&other));
        }
    }
}
