//! A page without a browser: the client side of `docs/protocol.md`, over TLS, with a device key of its own.
//!
//! It accepts any certificate, as a person does who pressed "go on". It confirms what has an `n` by itself,
//! and remembers what came while it waited for something else.

use std::{
    collections::{HashMap, VecDeque},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
        UnparsedPublicKey,
    },
};
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use serde_json::{Map, Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::WebSocketStream;

use crate::{Result, websocket};

/// How long anything may take that a test waits for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// After so many unconfirmed messages an `ack` goes out at once; fewer are confirmed when the page comes to rest.
const ACK_EVERY: u64 = 16;

/// How long a page rests before it confirms; the protocol allows a second.
const REST: Duration = Duration::from_millis(200);

/// A device: the key that a browser keeps in IndexedDB.
pub struct Device {
    pair: EcdsaKeyPair,
    counter: u64,
}

impl Device {
    /// A device with a new key.
    pub fn new() -> Result<Self> {
        let random = SystemRandom::new();
        let error = |_| "no P-256 key could be made";
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).map_err(error)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.as_ref(), &random)
            .map_err(|_| "ring refuses its own key")?;
        Ok(Self { pair, counter: 0 })
    }

    /// The device key as it is written on the wire.
    pub fn key(&self) -> String {
        BASE64URL_NOPAD.encode(self.pair.public_key().as_ref())
    }

    /// The device id.
    pub fn id(&self) -> String {
        base32(&digest(&SHA256, self.pair.public_key().as_ref()).as_ref()[..16])
    }

    /// Forgets what it has counted, as a browser does that lost all but the key.
    pub fn count_from(&mut self, counter: u64) {
        self.counter = counter;
    }

    /// Signs the lines, each ended by LF (section 4).
    pub fn sign(&self, lines: &[&str]) -> Result<String> {
        let text: String = lines.iter().flat_map(|line| [*line, "\n"]).collect();
        let signature =
            self.pair.sign(&SystemRandom::new(), text.as_bytes()).map_err(|_| "signing failed")?;
        Ok(BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// The attachment to `node` since its start number `boot`, with its `gone`; the counter is used up.
    pub fn attachment(&mut self, address: &str, node: &str, boot: u64) -> Result<Value> {
        let here = self.counter + 2;
        self.counter = here;
        let sign = |counter: u64, state| {
            self.sign(&["truca-attachment-1", address, node, &boot.to_string(), &counter.to_string(), state])
        };
        Ok(json!({ "counter": here, "here": sign(here, "here")?, "gone": sign(here + 1, "gone")? }))
    }
}

/// The other end of a call, for what is signed in it.
struct Other {
    address: String,
    /// Its device's key, once it has said something.
    key: Option<String>,
    /// The number of this page's last description.
    said: AtomicU32,
    /// The number of the other's last one.
    heard: u64,
}

impl Other {
    fn new(address: String) -> Self {
        Self { address, key: None, said: AtomicU32::new(0), heard: 0 }
    }
}

/// A page with its socket.
pub struct Page {
    socket: WebSocketStream<TlsStream<TcpStream>>,
    /// Which device this is; move it out to open another page with it.
    pub device: Device,
    /// The node that answered, from its `hello`.
    pub node: String,
    boot: u64,
    /// The address of the person, once signed in.
    pub address: String,
    /// What brings the session back.
    pub token: String,
    challenge: String,
    last_id: u64,
    seen: u64,
    confirmed: u64,
    waiting: VecDeque<(String, Value)>,
    calls: HashMap<String, Other>,
}

impl Page {
    /// Opens the page's socket at a node and reads its `hello`.
    pub async fn open(node: SocketAddr) -> Result<Self> {
        Self::open_with(node, Device::new()?).await
    }

    /// The same with a device that has been here before.
    pub async fn open_with(node: SocketAddr, device: Device) -> Result<Self> {
        Self::greeted(TcpStream::connect(node).await?, node, device).await
    }

    /// The same from this address of ours: the daemon bounds the connections of one address, and all of
    /// 127.0.0.0/8 is ours.
    pub async fn open_from(source: Ipv4Addr, node: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        Self::greeted(socket.connect(node).await?, node, Device::new()?).await
    }

    /// The same over this connection.
    pub async fn open_over(stream: TcpStream, node: SocketAddr) -> Result<Self> {
        Self::greeted(stream, node, Device::new()?).await
    }

    async fn greeted(stream: TcpStream, node: SocketAddr, device: Device) -> Result<Self> {
        stream.set_nodelay(true)?;
        let stream = connector()?.connect(ServerName::IpAddress(node.ip().into()), stream).await?;
        let socket = websocket::client(stream, &node.to_string()).await?;
        let mut page = Self {
            socket,
            device,
            node: String::new(),
            boot: 0,
            address: String::new(),
            token: String::new(),
            challenge: String::new(),
            last_id: 0,
            seen: 0,
            confirmed: 0,
            waiting: VecDeque::new(),
            calls: HashMap::new(),
        };
        let hello = page.event("hello").await?;
        page.node = text(&hello["node"]["id"])?;
        page.boot = hello["node"]["boot"].as_u64().ok_or("hello without boot")?;
        page.challenge = text(&hello["challenge"])?;
        Ok(page)
    }

    /// Signs in under `name` at this node as home.
    pub async fn sign_in(&mut self, name: &str) -> Result<Value> {
        self.sign_in_as(name, name).await
    }

    /// Signs in with a display name that differs.
    pub async fn sign_in_as(&mut self, name: &str, display: &str) -> Result<Value> {
        let mut fields = self.sign_in_fields(&format!("{name}@{}", self.node))?;
        fields["display"] = display.into();
        let signed_in = self.ask("sign_in", fields).await?;
        self.address = text(&signed_in["address"])?;
        self.token = text(&signed_in["token"])?;
        Ok(signed_in)
    }

    /// What a good page asks `sign_in` with, for an address `name@home`; a counter of the device is used up.
    pub fn sign_in_fields(&mut self, address: &str) -> Result<Value> {
        let (name, home) = address.split_once('@').ok_or("an address has an @")?;
        let signature = self.device.sign(&["truca-sign-in-1", &self.node, &self.challenge, address])?;
        let attachment = self.device.attachment(address, &self.node, self.boot)?;
        let key = self.device.key();
        let mut fields = json!({ "name": name, "display": name, "key": key, "signature": signature, "attachment": attachment });
        if home != self.node {
            fields["home"] = home.into();
        }
        Ok(fields)
    }

    /// Brings back the session of `token`, of which messages up to `seen` have arrived and requests up to
    /// `last_id` were sent.
    pub async fn resume(&mut self, token: &str, seen: u64, last_id: u64) -> Result<Value> {
        self.last_id = last_id;
        (self.seen, self.confirmed) = (seen, seen);
        let resumed = self.ask("resume", json!({ "token": token, "seen": seen })).await?;
        self.token = text(&resumed["token"])?;
        Ok(resumed)
    }

    /// What a later page needs for [`resume`](Self::resume): the token, the largest `n` seen and the largest `id`.
    pub fn bookmark(&self) -> (String, u64, u64) {
        (self.token.clone(), self.seen, self.last_id)
    }

    /// Sends a request and waits for its answer: the fields of `ok` or of the reply. An `error` is an `Err`
    /// that begins with its code.
    pub async fn ask(&mut self, name: &str, fields: Value) -> Result<Value> {
        let id = self.post(name, fields).await?;
        let (reply, fields) = self
            .take(|name, fields| fields["id"] == id && is_answer(name))
            .await
            .map_err(|error| format!("no answer to {name}: {error}"))?;
        if reply == "error" {
            let (code, message) = (text(&fields["code"])?, fields["message"].as_str().unwrap_or_default());
            return Err(format!("{code}: {message} (asked: {name})").into());
        }
        Ok(fields)
    }

    /// Sends a request and does not wait; its id.
    pub async fn post(&mut self, name: &str, fields: Value) -> Result<u64> {
        self.last_id += 1;
        let Value::Object(mut fields) = fields else { return Err("fields are an object".into()) };
        fields.insert("id".into(), self.last_id.into());
        let mut message = Map::new();
        message.insert(name.into(), Value::Object(fields));
        websocket::send(&mut self.socket, Value::Object(message).to_string()).await?;
        Ok(self.last_id)
    }

    /// Sends these bytes as they are: for what a good page would never say.
    pub async fn send_raw(&mut self, text: &str) -> Result {
        websocket::send(&mut self.socket, text.into()).await
    }

    /// Whether a message of this name has come, among what was read so far, that nobody took.
    pub fn heard(&self, name: &str) -> bool {
        self.waiting.iter().any(|(found, _)| found == name)
    }

    /// Waits for the next message of this name.
    pub async fn event(&mut self, name: &str) -> Result<Value> {
        let (_, fields) =
            self.take(|found, _| found == name).await.map_err(|error| format!("no {name}: {error}"))?;
        Ok(fields)
    }

    /// Waits for a message of this name whose fields are as wanted.
    pub async fn event_where(&mut self, name: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let (_, fields) = self
            .take(|found, fields| found == name && wanted(fields))
            .await
            .map_err(|error| format!("no such {name}: {error}"))?;
        Ok(fields)
    }

    /// Confirms everything that has come so far.
    pub async fn confirm(&mut self) -> Result {
        if self.confirmed < self.seen {
            self.confirmed = self.seen;
            self.post("ack", json!({ "n": self.seen })).await?;
        }
        Ok(())
    }

    /// An invitation with a dummy description; the call id.
    pub async fn invite(&mut self, to: &str, media: &str) -> Result<String> {
        let mut call = [0; 16];
        SystemRandom::new().fill(&mut call).map_err(|_| "no randomness")?;
        let call = base32(&call);
        self.calls.insert(call.clone(), Other::new(to.into()));
        let fields = self.described(&call, "offer", media)?;
        self.ask("invite", merged(fields, json!({ "to": to }))?).await?;
        Ok(call)
    }

    /// Accepts with a dummy description.
    pub async fn accept(&mut self, call: &str, media: &str) -> Result<Value> {
        let fields = self.described(call, "answer", media)?;
        self.ask("accept", fields).await
    }

    /// The fields `call`, `media`, `number`, `sdp` and `signature` of a description of this kind.
    pub fn described(&self, call: &str, kind: &str, media: &str) -> Result<Value> {
        self.described_as(call, kind, media, &sdp())
    }

    /// The same of this SDP. In a call that is not known here it is for nobody.
    pub fn described_as(&self, call: &str, kind: &str, media: &str, sdp: &str) -> Result<Value> {
        let (to, number) = match self.calls.get(call) {
            Some(other) => (other.address.as_str(), other.said.fetch_add(1, Ordering::Relaxed) + 1),
            None => ("", 1),
        };
        let lines = ["truca-media-2", call, kind, &number.to_string(), &self.address, to, &hash(sdp)];
        let signature = self.device.sign(&lines)?;
        Ok(json!({ "call": call, "media": media, "number": number, "sdp": sdp, "signature": signature }))
    }

    /// Checks what an `incoming`, `accepted` or `describe` says, as section 4 has it.
    pub fn check(&mut self, kind: &str, fields: &Value) -> Result {
        let call = text(&fields["call"])?;
        let other = self.calls.get_mut(&call).ok_or("no such call here")?;
        let number =
            fields["number"].as_u64().filter(|number| *number > other.heard).ok_or("an old number")?;
        let key = unwritten(other.key.as_deref().ok_or("nobody has answered")?)?;
        let signature = unwritten(&text(&fields["signature"])?)?;
        let signed = [
            "truca-media-2",
            &call,
            kind,
            &number.to_string(),
            &other.address,
            &self.address,
            &hash(&text(&fields["sdp"])?),
        ];
        let signed: String = signed.iter().flat_map(|line| [*line, "\n"]).collect();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key);
        key.verify(signed.as_bytes(), &signature).map_err(|_| "the other device has not signed this")?;
        other.heard = number;
        Ok(())
    }

    async fn take(&mut self, wanted: impl Fn(&str, &Value) -> bool) -> Result<(String, Value)> {
        if let Some(at) = self.waiting.iter().position(|(name, fields)| wanted(name, fields)) {
            return self.waiting.remove(at).ok_or_else(|| "what was there is gone".into());
        }
        timeout(PATIENCE, async {
            loop {
                let (name, fields) = self.read().await?;
                if wanted(&name, &fields) {
                    return Ok((name, fields));
                }
                self.waiting.push_back((name, fields));
            }
        })
        .await
        .map_err(|_| format!("nothing in {PATIENCE:?}; came: {:?}", self.waiting))?
    }

    async fn read(&mut self) -> Result<(String, Value)> {
        let said = if self.confirmed < self.seen {
            match timeout(REST, websocket::receive(&mut self.socket)).await {
                Ok(said) => said?,
                Err(_) => {
                    self.confirm().await?;
                    websocket::receive(&mut self.socket).await?
                }
            }
        } else {
            websocket::receive(&mut self.socket).await?
        };
        let Value::Object(message) = serde_json::from_str(&said)? else {
            return Err(format!("not an object: {said}").into());
        };
        let mut members = message.into_iter();
        let (Some((name, fields)), None) = (members.next(), members.next()) else {
            return Err(format!("not exactly one member: {said}").into());
        };
        if name == "incoming" {
            let from = &fields["from"];
            let other = Other { key: Some(text(&from["key"])?), ..Other::new(text(&from["address"])?) };
            self.calls.insert(text(&fields["call"])?, other);
        } else if name == "accepted"
            && let Some(other) = fields["call"].as_str().and_then(|call| self.calls.get_mut(call))
        {
            other.key = Some(text(&fields["by"]["key"])?);
        }
        if let Some(n) = fields["n"].as_u64() {
            if n > self.seen + 1 {
                return Err(format!("after message {} came {n}", self.seen).into());
            }
            self.seen = self.seen.max(n);
            if self.seen - self.confirmed >= ACK_EVERY {
                self.confirm().await?;
            }
        }
        Ok((name, fields))
    }
}

/// Two pages with a call between them that is accepted: `(caller, callee, call id)`.
pub async fn talking(caller: SocketAddr, callee: SocketAddr) -> Result<(Page, Page, String)> {
    let (mut anna, mut pep) = (Page::open(caller).await?, Page::open(callee).await?);
    anna.sign_in("anna").await?;
    pep.sign_in("pep").await?;
    let call = anna.invite(&pep.address, "audio").await?;
    let incoming = pep.event("incoming").await?;
    if incoming["call"] != call.as_str() {
        return Err(format!("rung for another call: {incoming}").into());
    }
    pep.accept(&call, "audio").await?;
    anna.event("accepted").await?;
    Ok((anna, pep, call))
}

/// A description that says nothing but a fingerprint.
pub fn sdp() -> String {
    format!("v=0\r\na=fingerprint:{}\r\n", fingerprint())
}

fn fingerprint() -> String {
    format!("sha-256 {}", ["AB"; 32].join(":"))
}

/// The hash of an SDP as it is signed.
fn hash(sdp: &str) -> String {
    BASE64URL_NOPAD.encode(digest(&SHA256, sdp.as_bytes()).as_ref())
}

fn unwritten(text: &str) -> Result<Vec<u8>> {
    BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|error| format!("no base64url: {error}").into())
}

fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

fn is_answer(name: &str) -> bool {
    matches!(name, "ok" | "error" | "signed_in" | "resumed")
}

fn text(value: &Value) -> Result<String> {
    value.as_str().map(Into::into).ok_or_else(|| format!("not a text: {value}").into())
}

fn merged(one: Value, other: Value) -> Result<Value> {
    let (Value::Object(mut one), Value::Object(other)) = (one, other) else {
        return Err("fields are an object".into());
    };
    one.extend(other);
    Ok(Value::Object(one))
}

/// A TLS client that believes every certificate, but checks that the server has its key.
pub fn connector() -> Result<TlsConnector> {
    let provider = Arc::new(provider::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[derive(Debug)]
pub(crate) struct Anyone(pub(crate) Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
