//! Typed values with names (libubox `blobmsg.h`), and how they stand for JSON.
//!
//! A value's attribute has its type as id; its payload is the name (two bytes of length, the name, a NUL,
//! padding to four) and then the value. Tables hold named values in their order, arrays values whose names
//! are empty. A boolean is an `Int8`.
//!
//! Bounds: [`MAX_DEPTH`], [`MAX_VALUES`], and the size of a message. A text that is not UTF-8 is read with
//! replacement characters: what a neighbour calls itself must not stop the reading of all others.

use serde_json::{Map, Number};

use super::{Malformed, blob};

/// How deep values may nest. libubox has no bound; the deepest known message of OpenWrt has 6.
pub const MAX_DEPTH: usize = 16;
/// How many values a message may have: 50 bytes each of the largest message.
pub const MAX_VALUES: usize = 20_000;

/// The types (`enum blobmsg_type`).
pub mod kind {
    /// Nothing: JSON's `null`.
    pub const UNSPEC: u8 = 0;
    /// Values without names.
    pub const ARRAY: u8 = 1;
    /// Values with names.
    pub const TABLE: u8 = 2;
    /// A text that ends with a NUL.
    pub const STRING: u8 = 3;
    /// Eight bytes, signed.
    pub const INT64: u8 = 4;
    /// Four bytes, signed.
    pub const INT32: u8 = 5;
    /// Two bytes, signed.
    pub const INT16: u8 = 6;
    /// One byte; also a boolean.
    pub const INT8: u8 = 7;
    /// IEEE 754, eight bytes.
    pub const DOUBLE: u8 = 8;
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Unspec,
    /// Values without names.
    Array(Vec<Self>),
    /// Values with names, in their order.
    Table(Table),
    /// A text.
    Text(String),
    /// A number of 64 bits.
    Int64(i64),
    /// A number of 32 bits.
    Int32(i32),
    /// A number of 16 bits.
    Int16(i16),
    /// A boolean, or a small number.
    Int8(i8),
    /// A number with a fraction.
    Double(f64),
}

/// Values with names, in their order.
pub type Table = Vec<(String, Value)>;

/// Reads a list of values: the payload of a message's data.
///
/// # Errors
/// Something is shorter than it says, of an unknown type, not ended, too deep or too much.
pub fn read(bytes: &[u8]) -> Result<Table, Malformed> {
    let mut left = MAX_VALUES;
    list(bytes, 0, &mut left)
}

fn list(bytes: &[u8], depth: usize, left: &mut usize) -> Result<Table, Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    let mut table = Vec::new();
    for attribute in blob::attributes(bytes) {
        let attribute = attribute?;
        *left = left.checked_sub(1).ok_or(Malformed)?;
        let (name, payload) =
            if attribute.extended { split_name(attribute.payload)? } else { (&b""[..], attribute.payload) };
        let value = match attribute.id {
            kind::UNSPEC => Value::Unspec,
            kind::ARRAY => {
                let items = list(payload, depth + 1, left)?;
                Value::Array(items.into_iter().map(|(_, value)| value).collect())
            }
            kind::TABLE => Value::Table(list(payload, depth + 1, left)?),
            kind::STRING => Value::Text(text(payload)?),
            kind::INT64 => Value::Int64(i64::from_be_bytes(fixed(payload)?)),
            kind::INT32 => Value::Int32(i32::from_be_bytes(fixed(payload)?)),
            kind::INT16 => Value::Int16(i16::from_be_bytes(fixed(payload)?)),
            kind::INT8 => Value::Int8(i8::from_be_bytes(fixed(payload)?)),
            kind::DOUBLE => Value::Double(f64::from_be_bytes(fixed(payload)?)),
            _ => return Err(Malformed),
        };
        // as C reads it: up to the first NUL
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        table.push((String::from_utf8_lossy(name).into_owned(), value));
    }
    Ok(table)
}

fn split_name(payload: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let (length, rest) = payload.split_first_chunk::<2>().ok_or(Malformed)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let value = payload.get((2 + length + 1).next_multiple_of(4)..).ok_or(Malformed)?;
    match rest.split_at_checked(length) {
        Some((name, [0, ..])) => Ok((name, value)),
        _ => Err(Malformed),
    }
}

/// A text as C reads it: up to the first NUL, and the last byte must be one (`blob_check_type`).
fn text(payload: &[u8]) -> Result<String, Malformed> {
    if payload.last() != Some(&0) {
        return Err(Malformed);
    }
    let length = payload.iter().position(|byte| *byte == 0).ok_or(Malformed)?;
    Ok(String::from_utf8_lossy(&payload[..length]).into_owned())
}

fn fixed<const N: usize>(payload: &[u8]) -> Result<[u8; N], Malformed> {
    payload.try_into().map_err(|_| Malformed)
}

/// Writes a list of values.
pub fn write(out: &mut Vec<u8>, table: &[(String, Value)]) {
    for (name, value) in table {
        put(out, name, value);
    }
}

/// Writes a table whose values are written already.
pub fn write_table(out: &mut Vec<u8>, name: &str, values: &[u8]) {
    let start = begin(out, kind::TABLE, name);
    out.extend_from_slice(values);
    blob::end(out, start);
}

fn put(out: &mut Vec<u8>, name: &str, value: &Value) {
    let start = match value {
        Value::Unspec => begin(out, kind::UNSPEC, name),
        Value::Array(_) => begin(out, kind::ARRAY, name),
        Value::Table(_) => begin(out, kind::TABLE, name),
        Value::Text(_) => begin(out, kind::STRING, name),
        Value::Int64(_) => begin(out, kind::INT64, name),
        Value::Int32(_) => begin(out, kind::INT32, name),
        Value::Int16(_) => begin(out, kind::INT16, name),
        Value::Int8(_) => begin(out, kind::INT8, name),
        Value::Double(_) => begin(out, kind::DOUBLE, name),
    };
    match value {
        Value::Unspec => {}
        Value::Array(items) => items.iter().for_each(|item| put(out, "", item)),
        Value::Table(table) => write(out, table),
        Value::Text(text) => put_text(out, text),
        Value::Int64(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Int32(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Int16(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Int8(number) => out.extend_from_slice(&number.to_be_bytes()),
        Value::Double(number) => out.extend_from_slice(&number.to_be_bytes()),
    }
    blob::end(out, start);
}

/// Begins a value: its header and its name.
fn begin(out: &mut Vec<u8>, kind: u8, name: &str) -> usize {
    let start = blob::begin(out, kind, true);
    // C ends a name at a NUL, and two bytes count it
    let name = name.split('\0').next().unwrap_or_default().as_bytes();
    let name = &name[..name.len().min(usize::from(u16::MAX))];
    out.extend_from_slice(&(name.len() as u16).to_be_bytes());
    out.extend_from_slice(name);
    out.push(0);
    // everything before it is padded, so the place in `out` tells what is missing
    out.resize(out.len().next_multiple_of(4), 0);
    start
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.split('\0').next().unwrap_or_default().as_bytes());
    out.push(0);
}

/// Writes the members of a JSON object as libubox's `blobmsg_add_json_element` does: a number as `Int32` when
/// it fits, else `Int64`, else `Double`; nothing here has a fraction.
pub fn write_json(out: &mut Vec<u8>, object: &Map<String, serde_json::Value>) {
    for (name, value) in object {
        put_json(out, name, value);
    }
}

fn put_json(out: &mut Vec<u8>, name: &str, value: &serde_json::Value) {
    use serde_json::Value as Json;
    let start = match value {
        Json::Null => begin(out, kind::UNSPEC, name),
        Json::Bool(value) => {
            let start = begin(out, kind::INT8, name);
            out.push(u8::from(*value));
            start
        }
        Json::Number(number) => put_number(out, name, number),
        Json::String(text) => {
            let start = begin(out, kind::STRING, name);
            put_text(out, text);
            start
        }
        Json::Array(items) => {
            let start = begin(out, kind::ARRAY, name);
            items.iter().for_each(|item| put_json(out, "", item));
            start
        }
        Json::Object(object) => {
            let start = begin(out, kind::TABLE, name);
            write_json(out, object);
            start
        }
    };
    blob::end(out, start);
}

fn put_number(out: &mut Vec<u8>, name: &str, number: &Number) -> usize {
    match number.as_i64() {
        Some(whole) => match i32::try_from(whole) {
            Ok(small) => {
                let start = begin(out, kind::INT32, name);
                out.extend_from_slice(&small.to_be_bytes());
                start
            }
            Err(_) => {
                let start = begin(out, kind::INT64, name);
                out.extend_from_slice(&whole.to_be_bytes());
                start
            }
        },
        None => {
            let start = begin(out, kind::DOUBLE, name);
            out.extend_from_slice(&(number.as_u64().unwrap_or_default() as f64).to_be_bytes());
            start
        }
    }
}

/// A table as a JSON object. Of two members with one name the last counts.
pub fn to_json(table: Table) -> Map<String, serde_json::Value> {
    table.into_iter().map(|(name, value)| (name, value.into_json())).collect()
}

impl Value {
    /// The value as JSON. An `Int8` of 0 or 1 is a boolean, since nothing else tells them apart.
    pub fn into_json(self) -> serde_json::Value {
        use serde_json::Value as Json;
        match self {
            Self::Unspec => Json::Null,
            Self::Array(items) => items.into_iter().map(Self::into_json).collect(),
            Self::Table(table) => Json::Object(to_json(table)),
            Self::Text(text) => text.into(),
            Self::Int64(number) => number.into(),
            Self::Int32(number) => number.into(),
            Self::Int16(number) => number.into(),
            Self::Int8(number @ (0 | 1)) => (number == 1).into(),
            Self::Int8(number) => number.into(),
            // no method takes one: an empty list is refused where a number, a text or a truth value is wanted
            Self::Double(_) => Json::Array(Vec::new()),
        }
    }
}
