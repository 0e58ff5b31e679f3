//! Attributes (libubox `blob.h`): a length with an id, a payload, and padding to four bytes, all big-endian.
//!
//! The length counts its own four bytes and the payload, without the padding. Its top byte holds the id in
//! seven bits; the eighth says that the payload begins with a name ([`super::blobmsg`]).

use super::Malformed;

/// Length of an attribute's header.
pub const HEADER: usize = 4;
/// The bit that says that a name follows (`BLOB_ATTR_EXTENDED`).
const EXTENDED: u32 = 0x8000_0000;
/// The bits of the length (`BLOB_ATTR_LEN_MASK`).
const LENGTH: u32 = 0x00ff_ffff;

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Which one.
    pub id: u8,
    /// Whether the payload begins with a name.
    pub extended: bool,
    /// The payload, without padding.
    pub payload: &'a [u8],
}

/// Takes the first attribute off some bytes.
///
/// # Errors
/// It is shorter than its header says. Padding may be missing at the very end, as in libubox.
pub fn take<'a>(bytes: &mut &'a [u8]) -> Result<Attribute<'a>, Malformed> {
    let (header, _) = bytes.split_first_chunk::<HEADER>().ok_or(Malformed)?;
    let header = u32::from_be_bytes(*header);
    let length = (header & LENGTH) as usize;
    let payload = bytes.get(HEADER..length).ok_or(Malformed)?;
    let padded = length.next_multiple_of(4).min(bytes.len());
    *bytes = &bytes[padded..];
    Ok(Attribute { id: (header >> 24 & 0x7f) as u8, extended: header & EXTENDED != 0, payload })
}

/// All attributes of some bytes, up to the first that is wrong.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, Malformed>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let taken = take(&mut bytes);
        if taken.is_err() {
            bytes = &[];
        }
        Some(taken)
    })
}

/// Begins an attribute whose payload is what is written next; [`end`] wants the place back.
pub fn begin(out: &mut Vec<u8>, id: u8, extended: bool) -> usize {
    let start = out.len();
    let header = u32::from(id & 0x7f) << 24 | if extended { EXTENDED } else { 0 };
    out.extend_from_slice(&header.to_be_bytes());
    start
}

/// Ends an attribute: fills in its length and pads.
pub fn end(out: &mut Vec<u8>, start: usize) {
    // a message is at most 1 MiB, which its writer checks, so the length fits 24 bits
    let length = (out.len() - start) as u32 & LENGTH;
    for (byte, more) in out[start..].iter_mut().zip(length.to_be_bytes()) {
        *byte |= more;
    }
    out.resize(out.len().next_multiple_of(4), 0);
}

/// Writes a whole attribute.
pub fn put(out: &mut Vec<u8>, id: u8, payload: &[u8]) {
    let start = begin(out, id, false);
    out.extend_from_slice(payload);
    end(out, start);
}
