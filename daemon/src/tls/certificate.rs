//! Reads the public point out of an X.509 certificate (RFC 5280 section 4.1), and loads certificate files.
//!
//! Driven by the handshake (`verify.rs`), by `host/identity.rs` and by the configuration. It looks at the
//! structure and at the key, and at nothing else: names, dates, extensions and the certificate's own signature
//! say nothing that a node would believe. Only of the owner's own certificate it reads for which host it is, and until
//! when. Holding the key is proven by the handshake.

use std::{
    fmt, fs,
    io::{self, Read as _},
    path::Path,
    sync::Arc,
};

use ring::digest;
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::provider::{P256Key, signing_key};
use crate::event::NodePoint;

/// Content of a P-256 SubjectPublicKeyInfo up to the point (RFC 5480 section 2.1.1).
pub(super) const P256: [u8; 24] = [
    0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A node's certificate has some 450 bytes; more is nobody we know.
const MAX_CERTIFICATE: usize = 4096;

/// A chain of certificates has some 4 KiB; a file that is larger is something else.
const MAX_FILE: u64 = 64 * 1024;

const SEQUENCE: u8 = 0x30;

/// The extension with the names of hosts (RFC 5280 section 4.2.1.6), as an object identifier.
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// The rest of a DER value that is being read.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, when it has this tag and a definite length in its shortest form.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (header, length) = match *self.0 {
            [t, n @ 0..=0x7f, ..] if t == tag => (2, usize::from(n)),
            [t, 0x81, n @ 0x80..=0xff, ..] if t == tag => (3, usize::from(n)),
            [t, 0x82, high @ 1..=0xff, low, ..] if t == tag => (4, usize::from(high) << 8 | usize::from(low)),
            _ => return None,
        };
        let content = self.0.get(header..header + length)?;
        self.0 = &self.0[header + length..];
        Some(content)
    }

    fn whole(der: &'a [u8], tag: u8) -> Option<&'a [u8]> {
        let mut outer = Self(der);
        let content = outer.take(tag)?;
        outer.0.is_empty().then_some(content)
    }
}

/// The P-256 point in a certificate; `None` when it has another key, or is not a certificate.
pub fn point(certificate: &[u8]) -> Option<NodePoint> {
    let key = key_and_rest(certificate)?.take(SEQUENCE)?.strip_prefix(&P256)?;
    (key.first() == Some(&4)).then_some(())?;
    key.try_into().ok()
}

/// The first host name that a certificate is for (RFC 5280 section 4.2.1.6).
pub fn host(certificate: &[u8]) -> Option<&str> {
    let mut rest = key_and_rest(certificate)?;
    let _key = rest.take(SEQUENCE)?;
    let _identifiers = (rest.take(0x81), rest.take(0x82));
    let mut extensions = Der(Der::whole(rest.take(0xa3)?, SEQUENCE)?);
    loop {
        let mut extension = Der(extensions.take(SEQUENCE)?);
        if extension.take(0x06)? != SUBJECT_ALT_NAME {
            continue;
        }
        let _critical = extension.take(0x01);
        let mut names = Der(Der::whole(extension.take(0x04)?, SEQUENCE)?);
        loop {
            let tag = *names.0.first()?;
            let name = str::from_utf8(names.take(tag)?).unwrap_or_default();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
            if tag == 0x82 && !name.is_empty() && name.bytes().all(plain) {
                return Some(name);
            }
        }
    }
}

/// The day after which a certificate is out of date (RFC 5280 section 4.1.2.5), as `20260131`.
pub fn last_day(certificate: &[u8]) -> Option<u32> {
    let mut validity = Der(validity_and_rest(certificate)?.take(SEQUENCE)?);
    let _from = validity.take(0x17).or_else(|| validity.take(0x18))?;
    let (century, date) = match validity.take(0x17) {
        // two digits of a year, from 1950 to 2049
        Some(date) => (if date.first()? < &b'5' { "20" } else { "19" }, date.get(..6)?),
        None => ("", validity.take(0x18)?.get(..8)?),
    };
    format!("{century}{}", str::from_utf8(date).ok()?).parse().ok()
}

/// What stands in a certificate from its key on.
fn key_and_rest(certificate: &[u8]) -> Option<Der<'_>> {
    let mut rest = validity_and_rest(certificate)?;
    let _validity = rest.take(SEQUENCE)?;
    let _subject = rest.take(SEQUENCE)?;
    Some(rest)
}

/// What stands in a certificate from its dates on.
fn validity_and_rest(certificate: &[u8]) -> Option<Der<'_>> {
    if certificate.len() > MAX_CERTIFICATE {
        return None;
    }
    let mut outer = Der(Der::whole(certificate, SEQUENCE)?);
    let mut to_be_signed = Der(outer.take(SEQUENCE)?);
    let (_algorithm, _signature) = (outer.take(SEQUENCE)?, outer.take(0x03)?);
    if !outer.0.is_empty() {
        return None;
    }
    let _version = to_be_signed.take(0xa0)?;
    let _serial = to_be_signed.take(0x02)?;
    let _algorithm = to_be_signed.take(SEQUENCE)?;
    let _issuer = to_be_signed.take(SEQUENCE)?;
    Some(to_be_signed)
}

/// SHA-256 of a certificate as browsers show it: `AB:CD:…`.
pub fn fingerprint(certificate: &[u8]) -> String {
    let digest = digest::digest(&digest::SHA256, certificate);
    let mut text = String::with_capacity(95);
    for byte in digest.as_ref() {
        if !text.is_empty() {
            text.push(':');
        }
        for half in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
        }
    }
    text
}

/// Why the owner's certificate cannot be used.
#[derive(Debug)]
pub enum LoadError {
    /// A file cannot be read.
    Read(Box<Path>, io::Error),
    /// The file holds no PEM of the kind that is wanted.
    NoPem(Box<Path>),
    /// The key is not one that this daemon can use.
    Key(Box<Path>),
    /// The certificate has another kind of key.
    Certificate(Box<Path>),
    /// Certificate and key do not belong together.
    Mismatch(Box<Path>),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, why) => write!(f, "cannot read {}: {why}", path.display()),
            Self::NoPem(path) => write!(f, "{} holds no PEM block of the wanted kind", path.display()),
            Self::Key(path) => write!(
                f,
                "{} is not an ECDSA P-256 key: ask for one (acme.sh: --keylength ec-256)",
                path.display()
            ),
            Self::Certificate(path) => {
                write!(
                    f,
                    "{} is not a certificate for an ECDSA P-256 key (acme.sh: --keylength ec-256)",
                    path.display()
                )
            }
            Self::Mismatch(path) => write!(f, "{} belongs to another key", path.display()),
        }
    }
}

impl std::error::Error for LoadError {}

/// Loads the owner's own certificate (chain, leaf first) and key for the page. ECDSA P-256 only.
pub fn load(certificate: &Path, key: &Path) -> Result<Arc<CertifiedKey>, LoadError> {
    let pem = read(certificate)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| LoadError::NoPem(certificate.into()))?;
    let leaf = chain.first().ok_or_else(|| LoadError::NoPem(certificate.into()))?;
    let shown = point(leaf).ok_or_else(|| LoadError::Certificate(certificate.into()))?;
    let pem = read(key)?;
    let der = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| LoadError::NoPem(key.into()))?;
    let private = P256Key::from_der(&der).map_err(|_| LoadError::Key(key.into()))?;
    if *private.point() != shown {
        return Err(LoadError::Mismatch(certificate.into()));
    }
    Ok(Arc::new(CertifiedKey::new(chain, signing_key(Arc::new(private)))))
}

/// Reads a file that may be anything: a pipe would keep the daemon waiting, a device never end.
fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    let read = || {
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut content = Vec::new();
        fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut content)?;
        if content.len() as u64 > MAX_FILE {
            return Err(io::Error::other("it is too large"));
        }
        Ok(content)
    };
    read().map_err(|why| LoadError::Read(path.into(), why))
}
