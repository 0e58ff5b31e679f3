//! Names of nodes, devices and calls: 16 bytes, written as 26 characters of lower-case base32.

use core::{fmt, str::FromStr};

use base32ct::{Base32Unpadded, Encoding as _};
use ring::digest;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// DER of a P-256 SubjectPublicKeyInfo up to the point (RFC 5480 section 2.1.1).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What is wrong with the text of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadId;

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id is 26 characters of lower-case base32")
    }
}

impl core::error::Error for BadId {}

fn write_id(bytes: &[u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // 26 characters are enough for 16 bytes
    f.write_str(Base32Unpadded::encode(bytes, &mut [0; 26]).unwrap_or_default())
}

fn read_id(text: &str) -> Result<[u8; 16], BadId> {
    let mut bytes = [0; 16];
    let decoded = Base32Unpadded::decode(text, &mut bytes).is_ok_and(|decoded| decoded.len() == 16);
    // one id has one text: two bits of the last character say nothing, and are zero
    let again = decoded && Base32Unpadded::encode(&bytes, &mut [0; 26]) == Ok(text);
    if again { Ok(bytes) } else { Err(BadId) }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 16]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_id(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                read_id(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    <[u8; 16]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

id! {
    /// A node: the first 16 bytes of SHA-256 of its key's SubjectPublicKeyInfo.
    NodeId
}
id! {
    /// A device: the first 16 bytes of SHA-256 of the 65 bytes of its public point.
    DeviceId
}
id! {
    /// A call: 16 random bytes chosen by the calling page.
    CallId
}

fn first_16_of_sha256(parts: &[&[u8]]) -> [u8; 16] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&context.finish().as_ref()[..16]);
    id
}

impl NodeId {
    /// The id of the node whose P-256 public point this is.
    pub fn of_point(point: &[u8; 65]) -> Self {
        Self(first_16_of_sha256(&[&P256_SPKI_PREFIX, point]))
    }
}

impl DeviceId {
    /// The id of the device whose P-256 public point this is.
    pub fn of_point(point: &[u8; 65]) -> Self {
        Self(first_16_of_sha256(&[point]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_text() {
        let id = NodeId(core::array::from_fn(|i| i as u8));
        assert_eq!(id.to_string(), "aaaqeayeaudaocajbifqydiob4");
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(serde_json::to_string(&id).unwrap().len(), 28);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "aaaa",
            "AAAQEAYEAUDAOCAJBIFQYDIOB4",
            "aaaqeayeaudaocajbifqydiob41",
            "aaaqeayeaudaocajbifqydio!4",
            "aaaqeayeaudaocajbifqydiob5",
        ] {
            assert_eq!(text.parse::<NodeId>(), Err(BadId), "{text}");
        }
    }
}
