//! Fixed-size byte strings: base64url without padding in JSON, plain bytes in postcard.

use core::fmt;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes<const N: usize>(pub [u8; N]);

/// An uncompressed P-256 public point (SEC 1 section 2.3.3).
pub type Point = Bytes<65>;

/// An ECDSA P-256 signature, r‖s (what WebCrypto and ring's `FIXED` algorithms give).
pub type Signature = Bytes<64>;

/// A resume token.
pub type Token = Bytes<16>;

/// A sign-in challenge.
pub type Challenge = Bytes<32>;

impl<const N: usize> Bytes<N> {
    /// Reads base64url without padding, of exactly these many bytes.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; N];
        decode(text, &mut bytes).then_some(Self(bytes))
    }
}

/// Once for all lengths.
fn decode(text: &str, bytes: &mut [u8]) -> bool {
    let length = bytes.len();
    Base64UrlUnpadded::decode(text, bytes).is_ok_and(|decoded| decoded.len() == length)
}

impl<const N: usize> fmt::Display for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64UrlUnpadded::encode_string(&self.0))
    }
}

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.serialize_str(&Base64UrlUnpadded::encode_string(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

struct Visitor<const N: usize>;

impl<const N: usize> de::Visitor<'_> for Visitor<N> {
    type Value = Bytes<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{N} bytes, in base64url")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes<N>, E> {
        Bytes::from_text(text).ok_or_else(|| E::invalid_value(de::Unexpected::Other("text"), &self))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes<N>, E> {
        bytes.try_into().map(Bytes).map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Visitor)
        } else {
            deserializer.deserialize_bytes(Visitor)
        }
    }
}
