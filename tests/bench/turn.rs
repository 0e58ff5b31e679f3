//! Channel data through two relays of one server, from one client to another: CPU for each gigabyte that arrives,
//! memory for each relay. Beside it Debian's `turnserver` (coturn), set to do no more than that.

use std::{
    net::{SocketAddr, UdpSocket},
    process::{Child, Command, Stdio},
    time::Duration,
};

use truca_core::{
    stun::{Class, Message, Writer, attribute as stun_attribute, long_term_key, read_xor_address},
    turn::{attribute, method},
};
use truca_tests::{Result, page::Page};

use crate::{process, relay, stun};

/// Packets under way at once: well inside a socket's receive buffer.
const WINDOW: u32 = 32;

/// What a packet of video carries.
const PAYLOAD: usize = 1000;

/// The channel of every client here.
const CHANNEL: u16 = 0x4000;

/// User, password and realm.
pub(crate) struct Credentials {
    user: String,
    password: String,
    realm: String,
}

impl Credentials {
    /// What a page is granted at sign-in.
    pub(crate) async fn of(page: SocketAddr) -> Result<Self> {
        let signed_in = Page::open(page).await?.sign_in("bench").await?;
        let servers = signed_in["ice"].as_array().ok_or("no servers")?;
        let turn = servers.iter().find(|server| server["credential"].is_string()).ok_or("no TURN")?;
        let text = |name: &str| turn[name].as_str().unwrap_or_default().to_owned();
        Ok(Self { user: text("username"), password: text("credential"), realm: "mesh".into() })
    }
}

/// coturn on loopback, killed on drop.
pub(crate) struct Coturn {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it takes.
    pub(crate) credentials: Credentials,
}

impl Coturn {
    /// Starts it; `None` when it is not installed.
    pub(crate) fn start() -> Result<Option<Self>> {
        let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
        let mut program = Command::new("turnserver");
        // -n: no configuration file; one thread, as the daemon has; no log, no TLS, no control port
        program.args(["-n", "--relay-threads", "1", "--log-file", "/dev/null", "--no-stdout-log"]);
        program.args(["--no-tls", "--no-dtls", "--no-cli", "--allow-loopback-peers", "--no-multicast-peers"]);
        program.args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"]);
        program.args(["--listening-port", &address.port().to_string()]);
        program.args(["--min-port", "50000", "--max-port", "53000", "--pidfile", "/dev/null"]);
        program.args(["--lt-cred-mech", "--realm", "bench", "--user", "bench:bench"]);
        let started = program.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = started else {
            eprintln!("turnserver is missing: nothing to compare with (Debian: apt-get install coturn)");
            return Ok(None);
        };
        let credentials =
            Credentials { user: "bench".into(), password: "bench".into(), realm: "bench".into() };
        let coturn = Self { child, address, credentials };
        stun::wait(address)?;
        Ok(Some(coturn))
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // It is ours and may have ended already
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client with a relay.
struct Client {
    socket: UdpSocket,
    relayed: SocketAddr,
    nonce: Vec<u8>,
}

impl Client {
    fn new(server: SocketAddr, credentials: &Credentials) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let mut client = Self { socket, relayed: server, nonce: Vec::new() };
        let udp =
            |request: &mut Writer<'_>| request.attribute(attribute::REQUESTED_TRANSPORT, &[&[17, 0, 0, 0]]);
        // the first one is for the nonce
        if client.ask(method::ALLOCATE, None, udp)? {
            return Err("relays for anybody".into());
        }
        if !client.ask(method::ALLOCATE, Some(credentials), udp)? {
            return Err("no relay".into());
        }
        Ok(client)
    }

    /// Binds the channel to a peer.
    fn bind(&mut self, peer: SocketAddr, credentials: &Credentials) -> Result {
        let bound = self.ask(method::CHANNEL_BIND, Some(credentials), |request| {
            let [high, low] = CHANNEL.to_be_bytes();
            request.attribute(attribute::CHANNEL_NUMBER, &[&[high, low, 0, 0]]);
            request.xor_address(attribute::XOR_PEER_ADDRESS, peer);
        })?;
        if bound { Ok(()) } else { Err("no channel".into()) }
    }

    /// Whether the answer is a success.
    fn ask(
        &mut self,
        kind: u16,
        credentials: Option<&Credentials>,
        more: impl FnOnce(&mut Writer<'_>),
    ) -> Result<bool> {
        let mut buffer = [0; 512];
        let transaction = [kind as u8; 12];
        let mut request = Writer::new(&mut buffer, Class::Request, kind, &transaction);
        more(&mut request);
        if let Some(Credentials { user, password, realm }) = credentials {
            request.attribute(stun_attribute::USERNAME, &[user.as_bytes()]);
            request.attribute(stun_attribute::REALM, &[realm.as_bytes()]);
            request.attribute(stun_attribute::NONCE, &[&self.nonce]);
            request.integrity(&long_term_key(user.as_bytes(), realm.as_bytes(), password.as_bytes()));
        }
        let length = request.finish().ok_or("no room")?;
        self.socket.send(&buffer[..length])?;
        let length = self.socket.recv(&mut buffer)?;
        let answer = Message::parse(&buffer[..length]).map_err(|_| "no message")?;
        if let Some(nonce) = answer.attribute(stun_attribute::NONCE) {
            self.nonce = nonce.to_vec();
        }
        if let Some(relayed) = answer.attribute(attribute::XOR_RELAYED_ADDRESS) {
            self.relayed = read_xor_address(relayed, &transaction).ok_or("no address")?;
        }
        Ok(answer.class() == Class::Success)
    }
}

/// CPU seconds for each gigabyte of payload that went through two relays.
pub(crate) fn cpu(server: SocketAddr, pid: u32, credentials: &Credentials, packets: u32) -> Result<f64> {
    let (seconds, arrived) = relayed(server, credentials, packets, || process::cpu_seconds(pid))?;
    Ok(seconds / (arrived * PAYLOAD as f64 / 1e9))
}

/// By how much a measure grows while packets go through two relays, and how many of them arrive.
pub(crate) fn relayed(
    server: SocketAddr,
    credentials: &Credentials,
    packets: u32,
    measure: impl Fn() -> Result<f64>,
) -> Result<(f64, f64)> {
    let mut one = Client::new(server, credentials)?;
    let mut other = Client::new(server, credentials)?;
    one.bind(other.relayed, credentials)?;
    other.bind(one.relayed, credentials)?;
    let mut packet = [7; 4 + PAYLOAD];
    packet[..2].copy_from_slice(&CHANNEL.to_be_bytes());
    packet[2..4].copy_from_slice(&(PAYLOAD as u16).to_be_bytes());
    let mut buffer = [0; 2048];
    let (mut from, mut lost) = (0.0, 0);
    for batch in 0..=packets / WINDOW {
        if batch == 1 {
            from = measure()?;
        }
        for _ in 0..WINDOW {
            one.socket.send(&packet)?;
        }
        for _ in 0..WINDOW {
            match other.socket.recv(&mut buffer) {
                Ok(length) if buffer[..length] == packet => {}
                Ok(length) => return Err(format!("{length} other bytes have arrived").into()),
                // what loopback drops is not said again, but counted
                Err(_) => lost += 1,
            }
        }
    }
    let sent = packets / WINDOW * WINDOW;
    if lost * 100 > sent {
        return Err(format!("{lost} of {sent} packets did not arrive").into());
    }
    Ok((measure()? - from, f64::from(sent - lost)))
}

/// KiB of resident memory that each further relay adds.
pub(crate) async fn memory(
    server: SocketAddr,
    pid: u32,
    credentials: &Credentials,
    relays: u32,
) -> Result<f64> {
    let warm = Client::new(server, credentials)?;
    let from = relay::settled(pid).await?;
    let clients: Vec<Client> =
        (0..relays).map(|_| Client::new(server, credentials)).collect::<Result<_>>()?;
    let to = relay::settled(pid).await?;
    drop((warm, clients));
    Ok((to - from) / f64::from(relays))
}
