//! Names and records of DNS messages (RFC 1035 section 4.1), for [`super::srv`], [`super::host`] and [`super::mdns`].

use super::Bad;

/// The longest answer over UDP without EDNS (RFC 1035 section 2.3.4).
pub const MAX_ANSWER: usize = 512;

/// Most bytes of a name (RFC 1035 section 2.3.4).
pub(super) const MAX_NAME: usize = 255;
/// Bytes of a message before its first question (RFC 1035 section 4.1.1).
pub(super) const HEADER: usize = 12;
/// The Internet, the only class there is.
pub(super) const IN: u16 = 1;
/// A service at a host and a port (RFC 2782).
pub(super) const SRV: u16 = 33;

/// A question for records of this kind, of a name that is these names one after the other; `None` when it is no name.
pub(super) fn question(id: u16, names: &[&str], kind: u16) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(64);
    message.extend(id.to_be_bytes());
    // recursion desired, one question
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in names.iter().flat_map(|name| name.trim_end_matches('.').split('.')) {
        if label.is_empty() || label.len() > 63 || !label.bytes().all(is_name_byte) {
            return None;
        }
        message.push(label.len() as u8);
        message.extend(label.as_bytes());
    }
    message.push(0);
    if message.len() > HEADER + MAX_NAME {
        return None;
    }
    message.extend(kind.to_be_bytes());
    message.extend(IN.to_be_bytes());
    Some(message)
}

/// Reads the records of the answer to `question`, one after the other, until `take` says that one does not read.
/// That there is no such name is an answer too: none.
pub(super) fn answer(
    question: &[u8],
    message: &[u8],
    take: &mut dyn FnMut(&Record) -> Option<()>,
) -> Result<(), Bad> {
    if message.len() > MAX_ANSWER {
        return Err(Bad::Long);
    }
    let header = message.get(..HEADER).ok_or(Bad::Syntax)?;
    let (flags, code) = (header[2], header[3] & 0x0f);
    let echoed = message.get(HEADER..question.len()).ok_or(Bad::Foreign)?;
    // a response to a query of ours: same id, same question (resolvers may change the case of letters)
    let ours = header[..2] == question[..2] && echoed.eq_ignore_ascii_case(&question[HEADER..]);
    if !ours || flags & 0xf8 != 0x80 || header[4..6] != [0, 1] || !matches!(code, 0 | 3) {
        return Err(Bad::Foreign);
    }
    let truncated = flags & 2 != 0;
    let mut at = question.len();
    for _ in 0..u16::from_be_bytes([header[6], header[7]]) {
        match record(message, &mut at).and_then(|record| take(&record)) {
            Some(()) => {}
            None if truncated => break,
            None => return Err(Bad::Syntax),
        }
    }
    Ok(())
}

/// A record of a message: its name, and where its data are.
pub(super) struct Record {
    pub(super) name: String,
    pub(super) kind: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data: core::ops::Range<usize>,
}

/// The record at `at`, which moves behind it.
pub(super) fn record(message: &[u8], at: &mut usize) -> Option<Record> {
    let name = name(message, at)?;
    let (kind, class) = (short(message, at)?, short(message, at)?);
    let ttl = u32::from(short(message, at)?) << 16 | u32::from(short(message, at)?);
    let length = usize::from(short(message, at)?);
    let data = *at..*at + length;
    *at = data.end;
    message.get(data.clone())?;
    Some(Record { name, kind, class, ttl, data })
}

/// Two bytes at `at`, which moves behind them.
pub(super) fn short(message: &[u8], at: &mut usize) -> Option<u16> {
    let bytes = message.get(*at..*at + 2)?;
    *at += 2;
    Some(u16::from_be_bytes([bytes[0], bytes[1]]))
}

/// Where an SRV record's data lead: priority, port and host.
pub(super) fn target(message: &[u8], data: &core::ops::Range<usize>) -> Option<(u16, u16, String)> {
    let mut at = data.start;
    let (priority, _weight, port) =
        (short(message, &mut at)?, short(message, &mut at)?, short(message, &mut at)?);
    let host = name(message, &mut at)?;
    (at == data.end).then_some((priority, port, host))
}

/// The name at `at`, which moves behind it, as RFC 4343 section 2.1 writes it: bytes that no host name has are
/// `\` and three digits, so that different names are different texts. A pointer leads backwards only, so that
/// following them ends.
pub(super) fn name(message: &[u8], at: &mut usize) -> Option<String> {
    let (mut text, mut from, mut behind, mut bytes) = (String::new(), *at, None, 0);
    loop {
        let length = usize::from(*message.get(from)?);
        match length {
            0 => break,
            1..=63 => {
                let label = message.get(from + 1..from + 1 + length)?;
                bytes += 1 + length;
                if bytes > MAX_NAME {
                    return None;
                }
                if !text.is_empty() {
                    text.push('.');
                }
                for byte in label {
                    if is_name_byte(*byte) {
                        text.push(char::from(*byte));
                    } else {
                        text.push('\\');
                        text.extend(
                            [byte / 100, byte / 10 % 10, byte % 10].map(|digit| char::from(b'0' + digit)),
                        );
                    }
                }
                from += 1 + length;
            }
            192.. => {
                let to = (length & 63) << 8 | usize::from(*message.get(from + 1)?);
                behind = behind.or(Some(from + 2));
                if to >= from {
                    return None;
                }
                from = to;
            }
            _ => return None,
        }
    }
    *at = behind.unwrap_or(from + 1);
    Some(text)
}

/// Whether a byte stands in names of hosts, and of services.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}
