//! Names that people type and read: account names, display names, node names, addresses.
//!
//! The rules need no Unicode library: the page composes to NFC before it sends, the node refuses what could
//! deceive (controls, bidi overrides, invisible characters, towers of combining marks) by range.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::id::NodeId;

/// Longest account or node name, bytes.
pub const MAX_NAME: usize = 32;
/// Longest display name, characters.
pub const MAX_DISPLAY: usize = 48;
/// Most combining marks on one character (UTS 39 section 5.4: no more than four nonspacing marks in a row).
pub const MAX_MARKS: usize = 4;

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
            Self::Display => "a display name is 1 to 48 visible characters, with at most 4 marks on each",
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
/// and Cf, line and paragraph separators, and the blank Hangul fillers and Braille blank). Joiners have a rule of
/// their own.
fn deceives(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0e}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Zero width (non-)joiner: Persian, the scripts of India and families of emoji are written with them.
fn joins(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

/// What a joiner may stand between: letters and marks of Arabic, Syriac, the scripts of India and Mongolia, and emoji
/// with what modifies them. Nowhere else does it change what is seen (RFC 5892 appendix A, UTS 51 section 2.2).
fn may_be_joined(c: char) -> bool {
    matches!(c,
        '\u{600}'..='\u{8ff}' | '\u{900}'..='\u{dff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}'
        | '\u{1820}'..='\u{18aa}' | '\u{1900}'..='\u{1cff}' | '\u{2190}'..='\u{2bff}' | '\u{a840}'..='\u{abff}'
        | '\u{fb50}'..='\u{fdff}' | '\u{fe0f}' | '\u{fe70}'..='\u{fefc}' | '\u{11000}'..='\u{11fff}'
        | '\u{1f000}'..='\u{1faff}')
}

/// Nonspacing and enclosing marks (Unicode 15.1, Mn and Me) of the scripts that people write here, and those that
/// go with any letter: they take no place of their own, so they can pile up.
fn marks(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c2}'
        | '\u{5c4}'..='\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}'..='\u{6e8}' | '\u{6ea}'..='\u{6ed}' | '\u{711}'
        | '\u{730}'..='\u{74a}' | '\u{7a6}'..='\u{7b0}' | '\u{7eb}'..='\u{7f3}' | '\u{816}'..='\u{82d}'
        | '\u{859}'..='\u{85b}' | '\u{898}'..='\u{89f}' | '\u{8ca}'..='\u{902}' | '\u{93a}' | '\u{93c}'
        | '\u{941}'..='\u{948}' | '\u{94d}' | '\u{951}'..='\u{957}' | '\u{962}'..='\u{963}' | '\u{981}' | '\u{9bc}'
        | '\u{9c1}'..='\u{9c4}' | '\u{9cd}' | '\u{a01}'..='\u{a02}' | '\u{a3c}'..='\u{a51}' | '\u{a70}'..='\u{a71}'
        | '\u{abc}' | '\u{ac1}'..='\u{ac8}' | '\u{acd}' | '\u{b01}' | '\u{b3c}' | '\u{b4d}' | '\u{bcd}'
        | '\u{c4d}' | '\u{ccd}' | '\u{d4d}' | '\u{dca}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}'
        | '\u{eb1}' | '\u{eb4}'..='\u{ebc}' | '\u{ec8}'..='\u{ece}' | '\u{f71}'..='\u{f7e}' | '\u{f80}'..='\u{f84}'
        | '\u{f8d}'..='\u{fbc}' | '\u{135d}'..='\u{135f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{2cef}'..='\u{2cf1}' | '\u{2de0}'..='\u{2dff}' | '\u{302a}'..='\u{302d}'
        | '\u{3099}'..='\u{309a}' | '\u{a66f}'..='\u{a672}' | '\u{a674}'..='\u{a67d}' | '\u{fe0f}'
        | '\u{fe20}'..='\u{fe2f}')
}

/// Whether every joiner joins something, and no character carries a tower of marks, nor are there marks on nothing.
fn stands(text: &str) -> bool {
    let (mut before, mut on_it) = (' ', None);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if joins(c) {
            let after = rest.peek().copied().unwrap_or(' ');
            if !(may_be_joined(before) && may_be_joined(after)) {
                return false;
            }
        } else if marks(c) {
            match &mut on_it {
                Some(count) if *count < MAX_MARKS => *count += 1,
                _ => return false,
            }
        } else {
            on_it = (!c.is_whitespace()).then_some(0);
        }
        before = c;
    }
    true
}

impl FromStr for Display {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        // the length in bytes bounds the work before characters are counted
        let fits = text.len() <= MAX_DISPLAY * 4
            && (1..=MAX_DISPLAY).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(deceives)
            && stands(text);
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
        for good in ["Núria", "Жанна", "李", "👩\u{200d}🦱", "Iu\u{301}", &"é".repeat(48)] {
            assert!(good.parse::<Display>().is_ok(), "{good}");
        }
        for bad in ["", " a", "a ", "a\u{202e}b", "a\u{200b}b", "a\nb", "\u{3164}", &"é".repeat(49)] {
            assert_eq!(bad.parse::<Display>(), Err(BadName::Display), "{bad:?}");
        }
    }

    #[test]
    fn joiners_stay_where_a_script_needs_them_and_nowhere_else() {
        // Persian (mi-khaham), Hindi (a half form), Sinhala (śrī), a family, somebody with red hair, a flag
        for good in [
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "ශ්\u{200d}රී",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "👩🏽\u{200d}🦰",
            "🏳\u{fe0f}\u{200d}🌈",
            "❤\u{fe0f}\u{200d}🔥",
        ] {
            assert!(good.parse::<Display>().is_ok(), "{good}");
        }
        for bad in [
            "a\u{200d}b",
            "a\u{200c}b",
            "\u{200d}👩",
            "👩\u{200d}",
            "👩\u{200d}\u{200d}👩",
            "Р\u{200c}ер",
            "م\u{200c} خ",
            "نو\u{200c}a",
        ] {
            assert_eq!(bad.parse::<Display>(), Err(BadName::Display), "{bad:?}");
        }
    }

    #[test]
    fn marks_are_on_something_and_few() {
        // Vietnamese taken apart, Hebrew with points, Thai, Zalgo of the most that is allowed
        for good in ["Ê\u{323}\u{301}", "שׁ\u{5b8}לוֹם", "ที่รัก", "a\u{300}\u{301}\u{302}\u{303}b\u{300}"]
        {
            assert!(good.parse::<Display>().is_ok(), "{good}");
        }
        let tower = format!("a{}", "\u{301}".repeat(MAX_MARKS + 1));
        let nothing = "\u{301}".repeat(48);
        for bad in [&nothing, &tower, "\u{301}a", "a \u{301}", "\u{20dd}", "\u{fe0f}"] {
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
