//! TLS for the one port: which configuration a connection gets, and what a finished handshake yields.
//!
//! `listen.rs` drives [`Tls::accept`], `mesh/link.rs` drives [`Tls::dial`]. The ClientHello is read before a
//! configuration is chosen (RFC 8446 section 4.1.2), because a browser must never be asked for a client
//! certificate, and a node must always be: ALPN `truca/1` (RFC 7301) is a node, everything else is a page.
//!
//! It does not decide whom to trust: it proves that the other side holds the key of the point that it
//! reports, and the node pins that. No certificate chain and no date is ever checked.

use std::{cell::RefCell, io, net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    server::{Acceptor, NoServerSessionStorage, ServerSessionMemoryCache},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};
use tokio::net::TcpStream;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

use crate::event::NodePoint;

pub mod certificate;
pub mod issue;
pub mod provider;
pub mod stream;
mod verify;

pub use stream::Stream;

/// ALPN of the page (and of everything that sends no ALPN).
pub const ALPN_PAGE: &[u8] = b"http/1.1";

/// ALPN of TURN over TLS (RFC 7443). Browsers send none for it.
pub const ALPN_TURN: &[u8] = b"stun.turn";

/// ALPN of a link between nodes.
pub const ALPN_LINK: &[u8] = b"truca/1";

/// TLS 1.2 sessions kept for resumption, which saves an old phone six sevenths of a handshake.
const TLS12_SESSIONS: usize = 32;

/// Largest record that we send: what a connection buffers while its socket is full.
const RECORD: usize = 4096 + 5;

/// Plain and sealed bytes that rustls may hold for one connection (its default is 64 KiB).
const BUFFER: usize = 8192;

/// What came in.
#[derive(Debug)]
pub enum Accepted {
    /// A browser, or anything else that is no node: it speaks HTTP, or TURN.
    Page(Stream),
    /// A node that has proven the key of this point.
    Link(Stream, NodePoint),
}

/// The TLS configurations of this node.
pub struct Tls {
    /// Replaced as a whole when the owner's certificate is reloaded.
    page: RefCell<Arc<ServerConfig>>,
    link: Arc<ServerConfig>,
    dialler: TlsConnector,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// `node` is shown on links; `page` to browsers (the same, unless the owner has a certificate).
    pub fn new(node: &Arc<CertifiedKey>, page: &Arc<CertifiedKey>) -> Result<Self, rustls::Error> {
        Ok(Self {
            page: RefCell::new(page_config(page)?),
            link: link_config(node)?,
            dialler: TlsConnector::from(dial_config(node)?),
        })
    }

    /// From now on, new page connections are shown this certificate.
    pub fn set_page(&self, page: &Arc<CertifiedKey>) -> Result<(), rustls::Error> {
        *self.page.borrow_mut() = page_config(page)?;
        Ok(())
    }

    /// The server's side of a handshake. Sets no deadline: the caller does.
    pub async fn accept(&self, socket: TcpStream) -> io::Result<Accepted> {
        let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
        let is_link =
            start.client_hello().alpn().is_some_and(|mut names| names.any(|name| name == ALPN_LINK));
        let config = if is_link { self.link.clone() } else { self.page.borrow().clone() };
        let tls = start.into_stream_with(config, |session| session.set_buffer_limit(Some(BUFFER))).await?;
        let stream = Stream::Tls(Box::new(tls.into()));
        if !is_link {
            return Ok(Accepted::Page(stream));
        }
        let point = stream.peer_point().ok_or_else(no_point)?;
        Ok(Accepted::Link(stream, point))
    }

    /// The client's side of a link. Sets no deadline: the caller does.
    pub async fn dial(&self, address: SocketAddr) -> io::Result<(Stream, NodePoint)> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let name = rustls::pki_types::ServerName::IpAddress(address.ip().into());
        let tls =
            self.dialler.connect_with(name, socket, |session| session.set_buffer_limit(Some(BUFFER))).await?;
        let stream = Stream::Tls(Box::new(tls.into()));
        // A server that ignores ALPN is not a node, whatever it would answer to our frames.
        if stream.alpn() != Some(ALPN_LINK) {
            return Err(io::Error::other("the other side does not speak truca/1"));
        }
        let point = stream.peer_point().ok_or_else(no_point)?;
        Ok((stream, point))
    }
}

fn no_point() -> io::Error {
    io::Error::other("the other side showed no P-256 certificate")
}

fn page_config(key: &Arc<CertifiedKey>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config =
        ServerConfig::builder_with_details(Arc::new(provider::provider()), provider::Uptime::shared())
            .with_protocol_versions(&[&TLS13, &TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone())));
    config.alpn_protocols = vec![ALPN_PAGE.to_vec(), ALPN_TURN.to_vec()];
    // ChaCha20 costs a router without AES instructions a quarter of what AES costs it.
    config.ignore_client_order = true;
    // Resumption saves the server nearly nothing in TLS 1.3, and each ticket is kept.
    config.send_tls13_tickets = 0;
    config.session_storage = ServerSessionMemoryCache::new(TLS12_SESSIONS);
    config.max_fragment_size = Some(RECORD);
    Ok(Arc::new(config))
}

fn link_config(key: &Arc<CertifiedKey>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config =
        ServerConfig::builder_with_details(Arc::new(provider::provider()), provider::Uptime::shared())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(verify::AnyNode))
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone())));
    config.alpn_protocols = vec![ALPN_LINK.to_vec()];
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    // A resumed session would carry a point that was proven another time.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.max_fragment_size = Some(RECORD);
    Ok(Arc::new(config))
}

fn dial_config(key: &Arc<CertifiedKey>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config =
        ClientConfig::builder_with_details(Arc::new(provider::provider()), provider::Uptime::shared())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verify::AnyNode))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key.clone())));
    config.alpn_protocols = vec![ALPN_LINK.to_vec()];
    config.enable_sni = false;
    config.resumption = Resumption::disabled();
    config.max_fragment_size = Some(RECORD);
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
