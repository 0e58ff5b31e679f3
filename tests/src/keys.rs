//! P-256 keys from a seed, with signatures that are the same in every run (RFC 6979), for nodes and devices
//! of the simulation and for page clients.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use truca_core::id::DeviceId;

/// A device's or node's P-256 key.
#[derive(Clone)]
pub struct TestKey(SigningKey);

impl TestKey {
    /// The key of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = SmallRng::seed_from_u64(seed);
        loop {
            let mut secret = [0; 32];
            rng.fill_bytes(&mut secret);
            // all but one in 2^32 of these are in the field
            if let Ok(key) = SigningKey::from_slice(&secret) {
                return Self(key);
            }
        }
    }

    /// The uncompressed public point.
    pub fn point(&self) -> [u8; 65] {
        let encoded = self.0.verifying_key().to_sec1_point(false);
        encoded.as_bytes().try_into().expect("an uncompressed point has 65 bytes")
    }

    /// The device id of the key.
    pub fn device(&self) -> DeviceId {
        DeviceId::of_point(&self.point())
    }

    /// r‖s over SHA-256.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        let signature: Signature = self.0.sign(message);
        signature.to_bytes().into()
    }
}
