//! The cryptography that rustls is given: four suites, two groups, one kind of key, all of them ring's.
//!
//! rustls' `default_provider()` names every suite and RSA, and what is named stays in the binary; so nothing
//! here may call it. [`P256Key`] is the only private key that this daemon knows: it signs handshakes
//! (RFC 8446 section 4.4.3), records and its own certificate.
//!
//! An RSA or P-384 page certificate is refused with words: no browser that has WebRTC needs one.

use std::{fmt, sync::Arc, time::Instant};

use ring::{
    rand::{SecureRandom as _, SystemRandom},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use rustls::{
    SignatureAlgorithm, SignatureScheme,
    crypto::{
        CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms,
        ring::{cipher_suite, kx_group},
    },
    pki_types::{PrivateKeyDer, UnixTime},
    sign::{Signer, SigningKey},
    time_provider::TimeProvider,
};

use crate::event::NodePoint;

/// The suites, groups and keys of pages and links.
pub fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1],
        // Handshake signatures are checked in `verify.rs`; no chain is, so webpki falls out of the binary.
        signature_verification_algorithms: WebPkiSupportedAlgorithms { all: &[], mapping: &[] },
        secure_random: &Ring,
        key_provider: &Ring,
    }
}

#[derive(Debug)]
struct Ring;

impl SecureRandom for Ring {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        SystemRandom::new().fill(buffer).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Ring {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        match P256Key::from_der(&key) {
            Ok(key) => Ok(signing_key(Arc::new(key))),
            Err(why) => Err(rustls::Error::General(why.to_string())),
        }
    }
}

/// Time for the age of TLS 1.2 sessions: an arbitrary date plus the time since the first call, because the
/// router's own clock may stand in 1970 and jump by fifty years.
#[derive(Debug)]
pub struct Uptime(Instant);

impl Uptime {
    /// A new clock.
    pub fn shared() -> Arc<dyn TimeProvider> {
        Arc::new(Self(Instant::now()))
    }
}

impl TimeProvider for Uptime {
    fn current_time(&self) -> Option<UnixTime> {
        const ANY_DATE: u64 = 1_600_000_000;
        Some(UnixTime::since_unix_epoch(core::time::Duration::from_secs(ANY_DATE) + self.0.elapsed()))
    }
}

/// Why a private key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadKey;

impl fmt::Display for BadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an ECDSA P-256 private key (PKCS#8 or SEC1)")
    }
}

impl std::error::Error for BadKey {}

/// An ECDSA P-256 private key.
pub struct P256Key {
    /// For records: r‖s, what WebCrypto gives too.
    fixed: EcdsaKeyPair,
    /// For TLS and X.509: DER.
    asn1: EcdsaKeyPair,
    point: NodePoint,
}

impl P256Key {
    /// A new key as PKCS#8, from the system's random source.
    pub fn generate_pkcs8() -> Result<Vec<u8>, ring::error::Unspecified> {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
        Ok(der.as_ref().to_vec())
    }

    /// Reads PKCS#8 (RFC 5958) that holds the public point too, as ring and OpenSSL write it.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, BadKey> {
        let random = SystemRandom::new();
        let fixed = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random);
        let asn1 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &random);
        let (Ok(fixed), Ok(asn1)) = (fixed, asn1) else { return Err(BadKey) };
        let point = fixed.public_key().as_ref().try_into().map_err(|_| BadKey)?;
        Ok(Self { fixed, asn1, point })
    }

    /// Reads PKCS#8 or SEC1 (RFC 5915, what ACME clients write).
    pub fn from_der(der: &PrivateKeyDer<'_>) -> Result<Self, BadKey> {
        match der {
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Sec1(der) => {
                Self::from_pkcs8(&pkcs8_of_sec1(der.secret_sec1_der()).ok_or(BadKey)?)
            }
            _ => Err(BadKey),
        }
    }

    /// The public point, uncompressed.
    pub fn point(&self) -> &NodePoint {
        &self.point
    }

    /// Signs with SHA-256; r‖s. Fails only when the system's random source does.
    pub fn sign_fixed(&self, message: &[u8]) -> Result<[u8; 64], ring::error::Unspecified> {
        let signature = self.fixed.sign(&SystemRandom::new(), message)?;
        signature.as_ref().try_into().map_err(|_| ring::error::Unspecified)
    }

    /// Signs with SHA-256; DER.
    pub fn sign_der(&self, message: &[u8]) -> Result<Vec<u8>, ring::error::Unspecified> {
        Ok(self.asn1.sign(&SystemRandom::new(), message)?.as_ref().to_vec())
    }
}

impl fmt::Debug for P256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P256Key")
    }
}

/// Wraps an ECPrivateKey into a PrivateKeyInfo for id-ecPublicKey with prime256v1.
fn pkcs8_of_sec1(sec1: &[u8]) -> Option<Vec<u8>> {
    const VERSION_AND_ALGORITHM: [u8; 24] = [
        0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
        0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ];
    // A P-256 key with its point is about 120 bytes: one length byte, or two that start with 0x81.
    fn header(tag: u8, length: usize) -> Option<Vec<u8>> {
        match length {
            0..0x80 => Some(vec![tag, length as u8]),
            0x80..0x100 => Some(vec![tag, 0x81, length as u8]),
            _ => None,
        }
    }
    let key = header(0x04, sec1.len())?;
    let mut der = header(0x30, VERSION_AND_ALGORITHM.len() + key.len() + sec1.len())?;
    der.extend_from_slice(&VERSION_AND_ALGORITHM);
    der.extend_from_slice(&key);
    der.extend_from_slice(sec1);
    Some(der)
}

/// rustls wants a signer that it owns, for a key that it shares.
#[derive(Debug)]
struct Handshake(Arc<P256Key>);

/// What goes into a rustls `CertifiedKey`.
pub fn signing_key(key: Arc<P256Key>) -> Arc<dyn SigningKey> {
    Arc::new(Handshake(key))
}

impl SigningKey for Handshake {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered
            .contains(&SignatureScheme::ECDSA_NISTP256_SHA256)
            .then(|| Box::new(Self(self.0.clone())) as Box<dyn Signer>)
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }
}

impl Signer for Handshake {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        self.0.sign_der(message).map_err(|_| rustls::Error::FailedToGetRandomBytes)
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ECDSA_NISTP256_SHA256
    }
}
