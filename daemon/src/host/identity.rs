//! The node's own key and certificate: made at first start, kept for ever.
//!
//! Loaded once by `run.rs`. Browsers remember an exception for one certificate and other nodes remember the
//! key, so neither is ever replaced while it can be read; a key that cannot be read stops the daemon instead of
//! making the router a stranger. The certificate (RFC 5280) names no date that a router without a clock could
//! contradict. It does not load the owner's own certificate: `tls::certificate::load` does.

use std::{
    fmt, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use base64ct::{Base64, Encoding as _};
use ring::{
    digest,
    rand::{SecureRandom, SystemRandom},
};
use rustls::{
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use truca_core::id::NodeId;

use crate::{
    event::NodePoint,
    tls::{
        certificate,
        issue::self_signed,
        provider::{P256Key, signing_key},
    },
};

/// The file of the node's key, in the state directory.
pub const KEY_FILE: &str = "node.key";
const CERTIFICATE_FILE: &str = "node.crt";

/// Why there is no identity. Nothing was changed on disk unless `Write` says so.
#[derive(Debug)]
pub enum Error {
    /// The file cannot be read.
    Read(PathBuf, io::Error),
    /// The file or directory cannot be written; what was there before is still there.
    Write(PathBuf, io::Error),
    /// The key is there and is not a key.
    CorruptKey(PathBuf),
    /// The system has no random numbers, or the certificate cannot be made.
    Make(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, why) => write!(f, "cannot read {}: {why}", path.display()),
            Self::Write(path, why) => {
                write!(
                    f,
                    "cannot write {}: {why} (is the state directory writable, and is there space?)",
                    path.display()
                )
            }
            Self::CorruptKey(path) => write!(
                f,
                "{0} is not an ECDSA P-256 key in PKCS#8 PEM. It is this node's identity, so it is not replaced: \
                 restore it from a backup, or remove it to become a new node (`rm {0}`)",
                path.display()
            ),
            Self::Make(what) => write!(f, "cannot make {what}: the system gives no random numbers"),
        }
    }
}

impl std::error::Error for Error {}

/// Who this node is.
#[derive(Debug)]
pub struct Identity {
    key: Arc<P256Key>,
    certificate: CertificateDer<'static>,
    agreement: [u8; 32],
}

impl Identity {
    /// Reads the identity from `state_dir`, or makes what is missing. `name` goes into a new certificate only:
    /// renaming the node does not make its certificate another one.
    pub fn load_or_create(state_dir: &Path, name: &str) -> Result<Self, Error> {
        if !state_dir.is_dir() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(state_dir)
                .map_err(|why| Error::Write(state_dir.into(), why))?;
        }
        let pkcs8 = load_or_create_key(&state_dir.join(KEY_FILE))?;
        let key = P256Key::from_pkcs8(&pkcs8).map_err(|_| Error::CorruptKey(state_dir.join(KEY_FILE)))?;
        let certificate = load_or_create_certificate(&state_dir.join(CERTIFICATE_FILE), &key, name)?;
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"truca agreement 1");
        context.update(&pkcs8);
        let mut agreement = [0; 32];
        agreement.copy_from_slice(context.finish().as_ref());
        Ok(Self { key: Arc::new(key), certificate, agreement })
    }

    /// The node id.
    pub fn id(&self) -> NodeId {
        NodeId::of_point(self.key.point())
    }

    /// The public point, as records and other nodes know it.
    pub fn point(&self) -> NodePoint {
        *self.key.point()
    }

    /// Signs a record: ECDSA P-256 with SHA-256, r‖s.
    ///
    /// # Panics
    /// When the kernel stops giving random numbers: no signature, session or token would be safe any more.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign_fixed(message).expect("random numbers")
    }

    /// The static X25519 secret for the pairwise keys of membership datagrams. Derived from the key, so that no
    /// second file has to be kept.
    pub fn agreement_secret(&self) -> [u8; 32] {
        self.agreement
    }

    /// SHA-256 of the certificate, `AB:CD:…`.
    pub fn fingerprint(&self) -> String {
        certificate::fingerprint(&self.certificate)
    }

    /// Certificate and key for TLS.
    pub fn certified_key(&self) -> Arc<CertifiedKey> {
        Arc::new(CertifiedKey::new(vec![self.certificate.clone()], signing_key(self.key.clone())))
    }
}

fn load_or_create_key(path: &Path) -> Result<Vec<u8>, Error> {
    match fs::read(path) {
        Ok(pem) => {
            let der =
                PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| Error::CorruptKey(path.to_owned()))?;
            let mode = fs::metadata(path).map_err(|why| Error::Read(path.into(), why))?.permissions().mode();
            if mode & 0o077 != 0 {
                log::warn!("{} was readable by others (mode {:o}): now 600", path.display(), mode & 0o777);
                // flash that is read-only is no reason to serve nobody
                if let Err(why) = fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
                    log::error!("it still is: {why}");
                }
            }
            Ok(der.secret_pkcs8_der().to_vec())
        }
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let der = P256Key::generate_pkcs8().map_err(|_| Error::Make("the node's key"))?;
            write_atomically(path, pem("PRIVATE KEY", &der).as_bytes(), 0o600)?;
            log::info!("made the node's key, {}", path.display());
            Ok(der)
        }
        Err(why) => Err(Error::Read(path.into(), why)),
    }
}

fn load_or_create_certificate(
    path: &Path,
    key: &P256Key,
    name: &str,
) -> Result<CertificateDer<'static>, Error> {
    match fs::read(path) {
        Ok(pem) => match CertificateDer::from_pem_slice(&pem) {
            Ok(der) if certificate::point(&der).as_ref() == Some(key.point()) => return Ok(der),
            _ => log::warn!("{} does not fit the node's key: making it again", path.display()),
        },
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            log::info!("making the node's certificate, {}", path.display());
        }
        // browsers will warn once more; but a certificate that cannot be read costs nobody the telephone
        Err(why) => log::error!("cannot read {}: {why}; making the node's certificate again", path.display()),
    }
    // Firefox refuses, without appeal, a certificate that has another's issuer and serial number: a certificate
    // that is made again needs a new one.
    let mut serial = [0; 16];
    let random = SystemRandom::new().fill(&mut serial);
    serial[0] = serial[0] & 0x3f | 0x40;
    let subject = format!("Truca node {}", NodeId::of_point(key.point()));
    let der = random.ok().and_then(|()| self_signed(key, &serial, &subject, &[name, "truca.local"]));
    let der = CertificateDer::from(der.ok_or(Error::Make("the node's certificate"))?);
    if let Err(error) = write_atomically(path, pem("CERTIFICATE", &der).as_bytes(), 0o644) {
        log::error!("{error}; the certificate is good until the next start");
    }
    Ok(der)
}

fn pem(kind: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {kind}-----\n");
    for line in der.chunks(48) {
        text.push_str(&Base64::encode_string(line));
        text.push('\n');
    }
    text.push_str(&format!("-----END {kind}-----\n"));
    text
}

/// Temporary file, fsync, rename, fsync of the directory: a power cut leaves the old file or the new one.
fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let temporary = path.with_extension("new");
    let write = || {
        // One that a power cut left behind may have another mode.
        match fs::remove_file(&temporary) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|why| Error::Write(path.into(), why))
}

#[cfg(test)]
mod tests;
