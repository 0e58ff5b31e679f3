//! Names that people type and read: account names, display names, node names, addresses.
//!
//! The rules need no Unicode table: the page composes to NFC before it sends, the node refuses what could
//! deceive (controls, bidi overrides, invisible characters) by range.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::NodeId;

/// Longest account or node name, bytes.
pub const MAX_NAME: usize = 32;
/// Longest display name, characters.
pub const MAX_DISPLAY: usize = 48;

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadName {
    /// Not `[a-z0-9._-]{1,32}`.
    Name,
    /// Empty, too long, or with characters that cannot be seen.
    Display,
    /// Not `name@node id`.
    Address,
}

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a name is 1 to 32 of a-z 0-9 . _ -",
            Self::Display => "a display name is 1 to 48 visible characters",
            Self::Address => "an address is name@node id",
        })
    }
}

impl core::error::Error for BadName {}

macro_rules! as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

/// The name part of an address, or a node's name: `[a-z0-9._-]{1,32}`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Box<str>);
as_text!(Name);

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let fits = (1..=MAX_NAME).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        if fits { Ok(Self(text.into())) } else { Err(BadName::Name) }
    }
}

impl Name {
    /// Sorts before every name: the start of a range, never a name itself.
    pub(crate) fn before_all() -> Self {
        Self("".into())
    }
}

/// What people read: free text without anything that hides or reorders.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Display(Box<str>);
as_text!(Display);

/// Characters that cannot be seen or that change the order of others (Unicode 15.1, general categories Cc
/// and Cf, line and paragraph separators, and the blank Hangul fillers and Braille blank).
fn deceives(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

impl FromStr for Display {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        // the length in bytes bounds the work before characters are counted
        let fits = text.len() <= MAX_DISPLAY * 4
            && (1..=MAX_DISPLAY).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(deceives);
        if fits { Ok(Self(text.into())) } else { Err(BadName::Display) }
    }
}

/// What identifies a person everywhere: a name at its home node.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The node where the account lives.
    pub home: NodeId,
    /// The name there.
    pub name: Name,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.home)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (name, home) = text.split_once('@').ok_or(BadName::Address)?;
        let (Ok(name), Ok(home)) = (name.parse(), home.parse()) else { return Err(BadName::Address) };
        Ok(Self { home, name })
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (&self.home, &self.name).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
            text.parse().map_err(de::Error::custom)
        } else {
            let (home, name) = Deserialize::deserialize(deserializer)?;
            Ok(Self { home, name })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_can_be_typed_anywhere() {
        for good in ["nuria", "a", "jan-2.b_c", &"x".repeat(32)] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "Nuria", "núria", "a b", "a@b", &"x".repeat(33)] {
            assert_eq!(bad.parse::<Name>(), Err(BadName::Name), "{bad}");
        }
    }

    #[test]
    fn a_display_name_hides_nothing() {
        for good in [
            "Núria",
            "Жанна",
            "李",
            "👩‍🦱".trim_end_matches('\u{200d}').split('\u{200d}').next().unwrap(),
            &"é".repeat(48),
        ] {
            assert!(good.parse::<Display>().is_ok(), "{good}");
        }
        for bad in ["", " a", "a ", "a\u{202e}b", "a\u{200b}b", "a\nb", "\u{3164}", &"é".repeat(49)] {
            assert_eq!(bad.parse::<Display>(), Err(BadName::Display), "{bad:?}");
        }
    }

    #[test]
    fn an_address_survives_its_text() {
        let text = "nuria@aaaqeayeaudaocajbifqydiob4";
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        for bad in ["nuria", "@aaaqeayeaudaocajbifqydiob4", "nuria@", "nuria@casa"] {
            assert_eq!(bad.parse::<Address>(), Err(BadName::Address), "{bad}");
        }
    }
}
