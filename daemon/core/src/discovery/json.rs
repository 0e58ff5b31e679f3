//! Walks through JSON, and its like on ubus, that others write, without building a tree of it: each scalar and the end of each object,
//! with the keys that lead there.
//!
//! Arrays add nothing to the way, and a key that comes twice is visited twice: so a list and umdns' repeated keys
//! look the same. Memory: the keys of one way; depth: serde_json's 128.

use core::fmt;
use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::Bad;
use crate::ubus::blobmsg::{Table, Value};

/// A value that is no object and no array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    Number(u64),
    /// A negative or broken number, a truth value, nothing.
    Other,
}

impl<'a> Scalar<'a> {
    pub(super) fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that fits, also when it is written as text.
    pub(super) fn number<N: TryFrom<u64>>(self) -> Option<N> {
        match self {
            Self::Number(number) => N::try_from(number).ok(),
            Self::Text(text) => text.parse::<u64>().ok().and_then(|number| N::try_from(number).ok()),
            Self::Other => None,
        }
    }
}

/// Takes what is found.
pub(super) trait Sink {
    /// A scalar at the end of this way.
    fn value(&mut self, way: &[String], value: Scalar<'_>);
    /// An object at the end of this way is over.
    fn leave(&mut self, _way: &[String]) {}
}

/// Walks through all of it. With an error, what the sink has seen is only a part.
pub(super) fn walk(input: &[u8], most: usize, sink: &mut dyn Sink) -> Result<(), Bad> {
    if input.len() > most {
        return Err(Bad::Long);
    }
    // as text, as everything else: serde_json's reader of bytes would be a second copy of its parser
    let text = str::from_utf8(input).map_err(|_| Bad::Syntax)?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let walked = Walk { sink, way: &mut Vec::new() }.deserialize(&mut reader);
    walked.and_then(|()| reader.end()).map_err(|_| Bad::Syntax)
}

/// As [`walk`], through what came by ubus.
pub(super) fn walk_table(table: &Table, way: &mut Vec<String>, sink: &mut dyn Sink) {
    for (name, value) in table {
        way.push(name.clone());
        walk_value(value, way, sink);
        way.pop();
    }
    sink.leave(way);
}

fn walk_value(value: &Value, way: &mut Vec<String>, sink: &mut dyn Sink) {
    let number = |number: i64| u64::try_from(number).map_or(Scalar::Other, Scalar::Number);
    let scalar = match value {
        Value::Table(table) => return walk_table(table, way, sink),
        Value::Array(items) => return items.iter().for_each(|item| walk_value(item, way, sink)),
        Value::Text(text) => Scalar::Text(text),
        Value::Int64(value) => number(*value),
        Value::Int32(value) => number((*value).into()),
        Value::Int16(value) => number((*value).into()),
        Value::Int8(value) => number((*value).into()),
        Value::Unspec | Value::Double(_) => Scalar::Other,
    };
    sink.value(way, scalar);
}

/// How serde_json hands out a number that it has left as it was written (its feature `arbitrary_precision`).
const NUMBER: &str = "$serde_json::private::Number";

struct Walk<'s> {
    sink: &'s mut dyn Sink,
    way: &'s mut Vec<String>,
}

impl Walk<'_> {
    fn again(&mut self) -> Walk<'_> {
        Walk { sink: &mut *self.sink, way: &mut *self.way }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == NUMBER {
                let number = map.next_value::<Cow<'_, str>>()?;
                self.sink.value(self.way, number.parse().map_or(Scalar::Other, Scalar::Number));
                return Ok(());
            }
            self.way.push(key.into_owned());
            map.next_value_seed(self.again())?;
            self.way.pop();
        }
        self.sink.leave(self.way);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.sink.value(self.way, Scalar::Text(text));
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.sink.value(self.way, Scalar::Number(number));
        Ok(())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.visit_unit()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.sink.value(self.way, Scalar::Other);
        Ok(())
    }
}
