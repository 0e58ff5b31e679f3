//! A client of STUN and TURN over UDP that writes each message itself, also those that no browser would send.

use std::net::SocketAddr;

use ring::hmac;
use serde_json::Value;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use truca_core::stun::{Class, Message, Writer, attribute as stun, long_term_key, read_xor_address};
use truca_core::turn::{attribute, method};

use crate::Result;
use crate::page::PATIENCE;

/// UDP, as REQUESTED-TRANSPORT names it.
const UDP: u8 = 17;

/// What somebody is granted at sign-in.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The user name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl Grant {
    /// The grant in a `signed_in`.
    pub fn of(signed_in: &Value) -> Result<Self> {
        let servers = signed_in["ice"].as_array().ok_or("no servers")?;
        let turn = servers.iter().find(|server| server.get("credential").is_some()).ok_or("no grant")?;
        let text = |name: &str| turn[name].as_str().map(str::to_owned).ok_or("a grant has texts");
        Ok(Self { user: text("username")?, password: text("credential")? })
    }

    fn key(&self, realm: &[u8]) -> hmac::Key {
        long_term_key(self.user.as_bytes(), realm, self.password.as_bytes())
    }
}

/// An answer: its error code, or 0, and all of it.
#[derive(Debug, Clone)]
pub struct Answer {
    /// 0: success.
    pub code: u16,
    /// The message.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// The value of an attribute.
    pub fn attribute(&self, kind: u16) -> Option<Vec<u8>> {
        Some(Message::parse(&self.bytes).ok()?.attribute(kind)?.to_vec())
    }

    /// Where the relay is, when there is one.
    pub fn relayed(&self) -> Option<SocketAddr> {
        let message = Message::parse(&self.bytes).ok()?;
        read_xor_address(message.attribute(attribute::XOR_RELAYED_ADDRESS)?, &message.transaction())
    }
}

/// A client with a socket of its own.
#[derive(Debug)]
pub struct Asker {
    /// Its socket, connected to the server.
    pub socket: UdpSocket,
    last: u8,
    /// Realm and nonce of the last answer that had them.
    pub known: Option<(Vec<u8>, Vec<u8>)>,
}

impl Asker {
    /// A client of this server.
    pub async fn new(server: SocketAddr) -> Result<Self> {
        Self::bound("127.0.0.1:0", server).await
    }

    /// The same at this address of ours.
    pub async fn bound(own: &str, server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(own).await?;
        socket.connect(server).await?;
        Ok(Self { socket, last: 0, known: None })
    }

    /// A request with what `fill` puts into it, signed when there is a key.
    pub fn request(
        &mut self,
        method: u16,
        key: Option<&hmac::Key>,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Result<Vec<u8>> {
        self.last = self.last.wrapping_add(1);
        let mut buffer = [0; 1024];
        let mut writer = Writer::new(&mut buffer, Class::Request, method, &[self.last; 12]);
        fill(&mut writer);
        if let Some(key) = key {
            writer.integrity(key);
        }
        let length = writer.finish().ok_or("the request does not fit")?;
        Ok(buffer[..length].to_vec())
    }

    /// Sends a request and waits for its answer.
    pub async fn ask(&mut self, request: &[u8]) -> Result<Answer> {
        self.socket.send(request).await?;
        let transaction = Message::parse(request).map_err(|_| "not STUN")?.transaction();
        timeout(PATIENCE, async {
            loop {
                let mut buffer = [0; 2048];
                let length = self.socket.recv(&mut buffer).await?;
                let Ok(message) = Message::parse(&buffer[..length]) else { continue };
                if message.transaction() != transaction {
                    continue;
                }
                let code = match message.attribute(stun::ERROR_CODE) {
                    Some([_, _, hundreds, rest, ..]) => u16::from(*hundreds) * 100 + u16::from(*rest),
                    _ => 0,
                };
                let pair = message.attribute(stun::REALM).zip(message.attribute(stun::NONCE));
                if let Some((realm, nonce)) = pair {
                    self.known = Some((realm.to_vec(), nonce.to_vec()));
                }
                return Ok(Answer { code, bytes: buffer[..length].to_vec() });
            }
        })
        .await?
    }

    /// Asks for its own address.
    pub async fn binding(&mut self) -> Result<Answer> {
        let request = self.request(truca_core::stun::BINDING, None, |_| ())?;
        self.ask(&request).await
    }

    /// A request with credentials, with the realm and nonce that the server told, or with these.
    pub async fn signed(
        &mut self,
        method: u16,
        grant: &Grant,
        nonce: Option<&[u8]>,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Result<Answer> {
        let (realm, told) = self.known.clone().unwrap_or((b"mesh".to_vec(), Vec::new()));
        let nonce = nonce.map_or(told, <[u8]>::to_vec);
        let request = self.request(method, Some(&grant.key(&realm)), |writer| {
            fill(writer);
            writer.attribute(stun::USERNAME, &[grant.user.as_bytes()]);
            writer.attribute(stun::REALM, &[&realm]);
            writer.attribute(stun::NONCE, &[&nonce]);
        })?;
        self.ask(&request).await
    }

    /// Asks for a relay as a browser does: without credentials first, which tells the nonce.
    pub async fn allocate(&mut self, grant: &Grant) -> Result<Answer> {
        let transport = |writer: &mut Writer<'_>| {
            writer.attribute(attribute::REQUESTED_TRANSPORT, &[&[UDP, 0, 0, 0]]);
        };
        let first = self.request(method::ALLOCATE, None, transport)?;
        let first = self.ask(&first).await?;
        if first.code != 401 {
            return Err(format!("without credentials: {}", first.code).into());
        }
        self.signed(method::ALLOCATE, grant, None, transport).await
    }
}
