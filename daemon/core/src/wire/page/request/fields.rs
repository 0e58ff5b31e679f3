//! The fields of a request, read one by one from JSON.

use core::fmt::Display;
use core::str::FromStr;

use serde_json::{Map, Value};

use crate::wire::bytes::Bytes;

/// The fields of one request.
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

pub(super) type Read<T> = Result<T, String>;

fn wrong(field: &str, what: impl Display) -> String {
    format!("`{field}` {what}")
}

impl<'a> Fields<'a> {
    /// What is there; `null` is as good as nothing.
    pub(super) fn found(&self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    pub(super) fn has(&self, field: &str) -> Read<&'a Value> {
        self.found(field).ok_or_else(|| wrong(field, "is missing"))
    }

    pub(super) fn str(&self, field: &str) -> Read<&'a str> {
        self.has(field)?.as_str().ok_or_else(|| wrong(field, "is no text"))
    }

    pub(super) fn text(&self, field: &str) -> Read<String> {
        self.str(field).map(str::to_owned)
    }

    pub(super) fn number(&self, field: &str) -> Read<u32> {
        let number = self.has(field)?.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| wrong(field, "is no number from 0 to 2^32-1"))
    }

    pub(super) fn short(&self, field: &str) -> Read<u16> {
        self.number(field)?.try_into().map_err(|_| wrong(field, "is over 65535"))
    }

    pub(super) fn truth(&self, field: &str) -> Read<bool> {
        self.has(field)?.as_bool().ok_or_else(|| wrong(field, "is neither true nor false"))
    }

    /// An id or an address.
    pub(super) fn noun<T: FromStr>(&self, field: &str) -> Read<T> {
        self.str(field)?.parse().map_err(|_| wrong(field, "is not written as it should be"))
    }

    pub(super) fn bytes<const N: usize>(&self, field: &str) -> Read<Bytes<N>> {
        let wanted = || wrong(field, format_args!("is not {N} bytes in base64url"));
        Bytes::from_text(self.str(field)?).ok_or_else(wanted)
    }

    pub(super) fn one_of<T: Copy>(&self, field: &str, words: &[(&str, T)]) -> Read<T> {
        let word = self.str(field)?;
        let found = words.iter().find(|(known, _)| *known == word);
        found.map(|(_, meant)| *meant).ok_or_else(|| wrong(field, "is none of its words"))
    }

    pub(super) fn inner(&self, field: &str) -> Read<Self> {
        self.has(field)?.as_object().map(Self).ok_or_else(|| wrong(field, "is no object"))
    }

    pub(super) fn optional<T>(&self, field: &str, read: impl FnOnce() -> Read<T>) -> Read<Option<T>> {
        self.found(field).map(|_| read()).transpose()
    }
}
