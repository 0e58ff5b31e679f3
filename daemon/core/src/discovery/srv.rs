//! DNS SRV (RFC 2782, RFC 1035 section 4): one question, `_truca._tcp.<domain>`, and its answer.
//!
//! Own code, because one record type is all that is asked: `simple-dns` was 28.8 KB (gzip, x86_64) for the same.
//! Addresses of the targets come from the system's resolver. Over UDP only: a truncated answer is taken as far as
//! it goes. Bounds: [`MAX_ANSWER`], [`MAX_TARGETS`], names as RFC 1035 has them.

use super::Bad;
use super::dns::{self, HEADER, IN, MAX_NAME, SRV, is_name_byte};

/// What is looked up below a domain.
pub const SERVICE: &str = "_truca._tcp";
/// The longest answer over UDP without EDNS (RFC 1035 section 2.3.4).
pub const MAX_ANSWER: usize = 512;
/// Most targets that are taken, best first.
pub const MAX_TARGETS: usize = 8;

/// Where a service is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// Lower is tried first.
    pub priority: u16,
    /// Its TCP port.
    pub port: u16,
    /// Its host name.
    pub host: String,
}

/// The question; `None` when the domain is none.
pub fn question(id: u16, domain: &str) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(64);
    message.extend(id.to_be_bytes());
    // recursion desired, one question
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in SERVICE.split('.').chain(domain.trim_end_matches('.').split('.')) {
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
    message.extend(SRV.to_be_bytes());
    message.extend(IN.to_be_bytes());
    Some(message)
}

/// Reads the answer to `question`, best target first. That there is no such name is an answer too: no targets.
///
/// # Errors
/// [`Bad::Foreign`] when it answers something else or the server failed, [`Bad::Syntax`] when it does not read.
pub fn answer(question: &[u8], message: &[u8]) -> Result<Vec<Target>, Bad> {
    if message.len() > MAX_ANSWER {
        return Err(Bad::Long);
    }
    let header = message.get(..12).ok_or(Bad::Syntax)?;
    let (flags, code) = (header[2], header[3] & 0x0f);
    let echoed = message.get(12..question.len()).ok_or(Bad::Foreign)?;
    // a response to a query of ours: same id, same question (resolvers may change the case of letters)
    let ours = header[..2] == question[..2] && echoed.eq_ignore_ascii_case(&question[12..]);
    if !ours || flags & 0xf8 != 0x80 || header[4..6] != [0, 1] || !matches!(code, 0 | 3) {
        return Err(Bad::Foreign);
    }
    let truncated = flags & 2 != 0;
    let mut at = question.len();
    let mut targets = Vec::new();
    for _ in 0..u16::from_be_bytes([header[6], header[7]]) {
        match record(message, &mut at) {
            Some(Some(target)) if targets.len() < MAX_TARGETS => targets.push(target),
            Some(_) => {}
            None if truncated => break,
            None => return Err(Bad::Syntax),
        }
    }
    targets.sort();
    Ok(targets)
}

/// One record, and where the next begins; `Some(None)` for one that is no target.
fn record(message: &[u8], at: &mut usize) -> Option<Option<Target>> {
    let record = dns::record(message, at)?;
    if record.kind != SRV || record.class != IN {
        return Some(None);
    }
    let (priority, port, host) = dns::target(message, &record.data)?;
    // a single dot: the service is decidedly not there (RFC 2782)
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte == b'.' || is_name_byte(byte));
    Some((is_host && port != 0).then_some(Target { priority, port, host }))
}
