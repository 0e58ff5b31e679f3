//! DNS SRV (RFC 2782, RFC 1035 section 4): one question, `_truca._tcp.<domain>`, and its answer.
//!
//! Own code, because one record type is all that is asked: `simple-dns` was 28.8 KB (gzip, x86_64) for the same.
//! Addresses of the targets are [`super::host`]'s. Over UDP only: a truncated answer is taken as far as it goes.
//! Bounds: [`MAX_ANSWER`], [`MAX_TARGETS`], names as RFC 1035 has them.

use super::Bad;
pub use super::dns::MAX_ANSWER;
use super::dns::{self, IN, SRV, is_name_byte};

/// What is looked up below a domain.
pub const SERVICE: &str = "_truca._tcp";
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
    dns::question(id, &[SERVICE, domain], SRV)
}

/// Reads the answer to `question`, best target first. That there is no such name is an answer too: no targets.
///
/// # Errors
/// [`Bad::Foreign`] when it answers something else or the server failed, [`Bad::Syntax`] when it does not read.
pub fn answer(question: &[u8], message: &[u8]) -> Result<Vec<Target>, Bad> {
    let mut targets = Vec::new();
    dns::answer(question, message, &mut |record| {
        if record.kind != SRV || record.class != IN {
            return Some(());
        }
        let (priority, port, host) = dns::target(message, &record.data)?;
        // a single dot: the service is decidedly not there (RFC 2782)
        let is_host = !host.is_empty() && host.bytes().all(|byte| byte == b'.' || is_name_byte(byte));
        if is_host && port != 0 && targets.len() < MAX_TARGETS {
            targets.push(Target { priority, port, host });
        }
        Some(())
    })?;
    targets.sort();
    Ok(targets)
}
