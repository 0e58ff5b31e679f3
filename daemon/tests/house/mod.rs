//! What the tests of the doors share: a node's listeners, and a place for their tasks.

#![allow(dead_code)] // each test needs a part of it

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    sync::mpsc,
    task::{LocalSet, spawn_local},
    time::{Instant, timeout},
};
use trucad::{
    event::Event,
    host::identity::Identity,
    listen::{self, Shared},
    mesh::{ice::Ice, link::Links},
    page::site::Site,
    tls::Tls,
};

/// A node's doors, with nobody behind them but the test.
pub(crate) struct House {
    pub(crate) identity: Identity,
    pub(crate) shared: Rc<Shared>,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) tls: SocketAddr,
    pub(crate) loopback: SocketAddr,
    pub(crate) explain: SocketAddr,
}

/// A node on free ports of loopback.
pub(crate) fn house(name: &str) -> House {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let state = std::env::temp_dir().join(format!("truca-house-{}-{number}", std::process::id()));
    let identity = Identity::load_or_create(&state, name).unwrap();
    std::fs::remove_dir_all(&state).unwrap();
    let (sender, events) = mpsc::channel(16);
    let key = identity.certified_key();
    let tls = Rc::new(Tls::new(&key, &key).unwrap());
    let site = Rc::new(Site::new(sender.clone(), 8443, identity.fingerprint()));
    let links = Rc::new(Links::new(sender, tls.clone()));
    let ice = Ice::new(Instant::now(), 0, 0);
    let shared = Rc::new(Shared::new(tls, site, links, ice));
    let [one, two, three] = [0; 3].map(|port| listen::bind(([127, 0, 0, 1], port).into()).unwrap());
    let [tls, loopback, explain] = [&one, &two, &three].map(|listener| listener.local_addr().unwrap());
    spawn_local(listen::tls(one, shared.clone()));
    spawn_local(listen::plain(two, true, shared.clone()));
    spawn_local(listen::plain(three, false, shared.clone()));
    House { identity, shared, events, tls, loopback, explain }
}

/// A test in which tasks may be spawned.
pub(crate) async fn local(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(async { timeout(Duration::from_secs(20), test).await.expect("in time") }).await;
}

/// A browser's person who takes every certificate.
#[derive(Debug)]
pub(crate) struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// Says that a test is skipped, in the line that `.ci/run` counts; past the harness, which would not show it.
pub(crate) fn skipped(name: &str, why: &str) {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(format!("\nskipped: {name}: {why}\n").as_bytes());
}
