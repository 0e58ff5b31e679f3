//! A node that a test writes the words of: a real key, a real link or datagram, and whatever it likes to say.
//!
//! It opens TLS as nodes do, with the daemon's own keys and frames, and keeps none of the rules behind them: what a
//! daemon refuses is tried by somebody who does say it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustls::ClientConfig;
use rustls::crypto::ring as provider;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, client::TlsStream};
use truca_core::directory::record::{Account, AccountBody, Node, NodeBody, Record};
use truca_core::gossip::Gossip;
use truca_core::gossip::seal::{self, OVERHEAD, PairKey, Secret};
use truca_core::id::{DeviceId, NodeId};
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::{Frame, VERSION};
use trucad::host::identity::Identity;

use crate::Result;
use crate::page::{Anyone, PATIENCE};

/// A node with a key of its own.
#[derive(Debug)]
pub struct Rogue {
    identity: Identity,
    body: NodeBody,
    connector: TlsConnectorOf,
    datagrams: UdpSocket,
}

/// `TlsConnector` has no `Debug`.
struct TlsConnectorOf(TlsConnector);

impl std::fmt::Debug for TlsConnectorOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsConnector")
    }
}

impl Rogue {
    /// A node called `name`, which says that it is at 127.0.0.1, where it hears datagrams and takes no links. Must be
    /// called inside a runtime.
    pub fn new(name: &str) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let state: PathBuf = std::env::temp_dir().join(format!("truca-rogue-{}-{count}", std::process::id()));
        let identity = Identity::load_or_create(&state, name)?;
        fs::remove_dir_all(&state)?;
        let key = identity.certified_key();
        let provider = Arc::new(provider::default_provider());
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = vec![b"truca/1".to_vec()];
        config.enable_sni = false;
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let datagrams = UdpSocket::from_std(socket)?;
        let body = NodeBody {
            point: Bytes(identity.point()),
            agreement: Bytes(Gossip::agreement(identity.agreement_secret())),
            counter: 1,
            boot: 1,
            name: name.parse()?,
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
            port: datagrams.local_addr()?.port(),
            stun_port: 0,
            version: (0, 0, 1),
        };
        let connector = TlsConnectorOf(TlsConnector::from(Arc::new(config)));
        Ok(Self { identity, body, connector, datagrams })
    }

    /// Its id.
    pub fn id(&self) -> NodeId {
        self.identity.id()
    }

    /// Says from now on that it has so many addresses.
    pub fn tell_addresses(&mut self, count: u8) {
        self.body.addresses = (1..=count).map(|n| IpAddr::V4(Ipv4Addr::new(10, 0, 0, n))).collect();
    }

    /// What it says of itself, signed.
    pub fn record(&self) -> Vec<u8> {
        let signature = Bytes(self.identity.sign(&Node::to_sign(&self.body)));
        Record::Node(Node { body: self.body.clone(), signature }).encode()
    }

    /// An account at this node, signed by it.
    pub fn account(&self, name: &str, display: &str, devices: &[DeviceId]) -> Result<Vec<u8>> {
        self.signs(self.id(), name, display, devices)
    }

    /// An account at another node, signed by this one.
    pub fn account_at(&self, home: NodeId, name: &str) -> Result<Vec<u8>> {
        self.signs(home, name, name, &[DeviceId([1; 16])])
    }

    fn signs(&self, home: NodeId, name: &str, display: &str, devices: &[DeviceId]) -> Result<Vec<u8>> {
        let (name, display) = (name.parse()?, display.parse()?);
        let body = AccountBody { home, name, display, devices: devices.to_vec(), counter: 1, flags: 0 };
        let signature = Bytes(self.identity.sign(&Account::to_sign(&body)));
        Ok(Record::Account(Account { body, signature }).encode())
    }

    /// What it begins a link with.
    pub fn hello(&self) -> Frame {
        Frame::Hello { version: VERSION, node: self.record(), generation: 1 }
    }

    /// A link from this address of ours, on which nothing was said.
    pub async fn link_from(&self, source: Ipv4Addr, to: SocketAddr) -> Result<Link> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let stream = timeout(PATIENCE, socket.connect(to)).await??;
        self.link_over(stream, to).await
    }

    /// A link over this connection, on which nothing was said.
    pub async fn link_over(&self, stream: TcpStream, to: SocketAddr) -> Result<Link> {
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(to.ip().into());
        let stream = timeout(PATIENCE, self.connector.0.connect(name, stream)).await??;
        Ok(Link { stream })
    }

    /// A link on which nothing was said.
    pub async fn link(&self, to: SocketAddr) -> Result<Link> {
        self.link_from(Ipv4Addr::LOCALHOST, to).await
    }

    /// A link on which both have said who they are; and what the other said of itself.
    pub async fn greeted(&self, to: SocketAddr) -> Result<(Link, NodeBody)> {
        self.greeted_from(Ipv4Addr::LOCALHOST, to).await
    }

    /// The same from this address of ours.
    pub async fn greeted_from(&self, source: Ipv4Addr, to: SocketAddr) -> Result<(Link, NodeBody)> {
        self.greets(self.link_from(source, to).await?).await
    }

    /// Says on a link who it is, and hears what the other says of itself.
    pub async fn greets(&self, mut link: Link) -> Result<(Link, NodeBody)> {
        link.send(&self.hello()).await?;
        loop {
            if let Frame::Hello { node, .. } = link.next().await? {
                let Ok(Record::Node(record)) = Record::decode(&node) else {
                    return Err("a hello with something else than a node".into());
                };
                return Ok((link, record.body));
            }
        }
    }

    /// Where it hears and sends datagrams.
    pub fn datagrams(&self) -> &UdpSocket {
        &self.datagrams
    }

    /// The number of the next echo that is answered; what else comes is left.
    pub async fn echo(&self) -> Result<u32> {
        timeout(PATIENCE, async {
            loop {
                let mut buffer = [0; 2048];
                let length = self.datagrams.recv(&mut buffer).await?;
                // the envelope, a short id, a one, the number
                if let ([seal::ECHO, ..], Some([1, number @ ..])) =
                    (&buffer[..], buffer.get(OVERHEAD + 8..length))
                {
                    return Ok(u32::from_be_bytes(number.try_into()?));
                }
            }
        })
        .await?
    }

    /// The key that seals datagrams between this node and another, in a community with this key or in none.
    pub fn pair_key(&self, other: &NodeBody, community: Option<&[u8; 32]>) -> PairKey {
        PairKey::agree(&Secret::from(self.identity.agreement_secret()), other.agreement.0, community)
    }
}

/// A connection whose kernels take little: what is not read waits with the daemon, as over a bad line.
pub async fn narrow(to: SocketAddr) -> Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.set_recv_buffer_size(4096)?;
    // the sender's buffer grows with the size of a segment
    socket.set_tcp_mss(536)?;
    socket.connect(&to.into())?;
    socket.set_nonblocking(true)?;
    Ok(TcpStream::from_std(socket.into())?)
}

/// A link of a [`Rogue`].
#[derive(Debug)]
pub struct Link {
    stream: TlsStream<TcpStream>,
}

impl Link {
    /// Sends a frame.
    pub async fn send(&mut self, frame: &Frame) -> Result {
        self.send_bytes(&frame.encode()).await
    }

    /// Sends these bytes as a frame.
    pub async fn send_bytes(&mut self, frame: &[u8]) -> Result {
        let framed = [&(frame.len() as u32).to_be_bytes(), frame].concat();
        self.stream.write_all(&framed).await?;
        Ok(self.stream.flush().await?)
    }

    /// The next frame; that the other side closed is an error.
    pub async fn next(&mut self) -> Result<Frame> {
        timeout(PATIENCE, self.read()).await?
    }

    /// The next frame of some kind.
    pub async fn next_where<T>(&mut self, wanted: impl Fn(Frame) -> Option<T>) -> Result<T> {
        timeout(PATIENCE, async {
            loop {
                if let Some(found) = wanted(self.read().await?) {
                    return Ok(found);
                }
            }
        })
        .await?
    }

    /// Waits until the other side has closed it, whatever it still says; an error when it is open after [`PATIENCE`].
    pub async fn ended(&mut self) -> Result {
        timeout(PATIENCE, async { while self.read().await.is_ok() {} })
            .await
            .map_err(|_| format!("the link is still open after {PATIENCE:?}").into())
    }

    /// Whether the other side still answers on it: asks for its members.
    pub async fn answers(&mut self) -> bool {
        let ask = Frame::Members { sum: 0, roll: Vec::new(), more: false };
        let told = |frame| matches!(frame, Frame::Members { .. }).then_some(());
        self.send(&ask).await.is_ok() && self.next_where(told).await.is_ok()
    }

    async fn read(&mut self) -> Result<Frame> {
        let length = self.stream.read_u32().await? as usize;
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await?;
        Frame::decode(&frame).ok_or_else(|| "a frame that does not read".into())
    }
}
