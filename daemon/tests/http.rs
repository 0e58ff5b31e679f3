//! The one port and the plain port over real sockets on loopback: what a browser, an old phone, curl and another
//! node get. Deadlines are tested beside the code, in virtual time.

#![allow(clippy::unwrap_used)] // a test that cannot go on says where

mod house;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use house::{house, local};
use rustls::{
    ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme,
    client::{
        ResolvesClientCert,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::Role},
};
use trucad::{
    event::{Event, LinkOut, PageOut},
    listen,
    mesh::{
        batch::{self, Socket},
        link,
    },
    page::assets::ASSETS,
    tls::provider,
};

/// A browser that takes every certificate, and notes whether it is asked for its own.
#[derive(Debug)]
struct Browser {
    asked: AtomicU32,
    shows: Option<Arc<CertifiedKey>>,
}

impl ServerCertVerifier for Browser {
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

impl ResolvesClientCert for Browser {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.shows.clone()
    }

    fn has_certs(&self) -> bool {
        true
    }
}

async fn connect(
    address: SocketAddr,
    alpn: &[&[u8]],
    versions: &[&'static rustls::SupportedProtocolVersion],
    shows: Option<Arc<CertifiedKey>>,
) -> (std::io::Result<TlsStream<TcpStream>>, Arc<Browser>) {
    let browser = Arc::new(Browser { asked: AtomicU32::new(0), shows });
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider::provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(browser.clone())
        .with_client_cert_resolver(browser.clone());
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    let socket = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("casa.local").unwrap();
    (TlsConnector::from(Arc::new(config)).connect(name, socket).await, browser)
}

async fn page(address: SocketAddr) -> TlsStream<TcpStream> {
    connect(address, &[b"h2", b"http/1.1"], &[&TLS13, &TLS12], None).await.0.unwrap()
}

/// Sends `request` and gives all that comes until the end.
async fn ask(address: SocketAddr, request: &str) -> (String, Vec<u8>) {
    let mut stream = page(address).await;
    ask_over(&mut stream, request).await
}

async fn ask_over(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    timeout(Duration::from_secs(5), async {
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        // A peer that closes TLS with its socket open is fine here.
        let _ = stream.read_to_end(&mut bytes).await;
    })
    .await
    .expect("the server closes");
    let end = bytes.windows(4).position(|at| at == b"\r\n\r\n").expect("a head") + 4;
    let body = bytes.split_off(end);
    (String::from_utf8(bytes).unwrap(), body)
}

fn get(path: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: casa\r\nConnection: close\r\n{more}\r\n")
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

#[tokio::test]
async fn every_file_of_the_page_comes_compressed_with_its_type_and_tag() {
    local(async {
        let house = house("casa");
        assert!(!ASSETS.is_empty());
        for asset in ASSETS {
            let (head, body) = ask(house.tls, &get(asset.path, "Accept-Encoding: gzip, br\r\n")).await;
            assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
            assert_eq!(header(&head, "content-type"), Some(asset.content_type));
            assert_eq!(header(&head, "content-encoding"), Some("br"));
            assert_eq!(header(&head, "content-length"), Some(body.len().to_string().as_str()));
            assert_eq!(header(&head, "etag"), Some(format!("\"{}\"", asset.etag).as_str()));
            let cache = header(&head, "cache-control").unwrap();
            assert_eq!(cache.contains("immutable"), asset.path.starts_with("/assets/"), "{head}");
            assert_eq!(body, asset.brotli);
        }
    })
    .await;
}

#[tokio::test]
async fn the_page_is_kept_safe_by_its_headers() {
    local(async {
        let (head, _) = ask(house("casa").tls, &get("/", "")).await;
        let policy = header(&head, "content-security-policy").unwrap();
        for rule in
            ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"]
        {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"));
        assert_eq!(header(&head, "x-content-type-options"), Some("nosniff"));
        assert_eq!(header(&head, "referrer-policy"), Some("no-referrer"));
        assert_eq!(header(&head, "cross-origin-opener-policy"), Some("same-origin"));
        assert!(header(&head, "permissions-policy").unwrap().contains("microphone=(self)"));
        assert_eq!(header(&head, "strict-transport-security"), None);
        assert_eq!(header(&head, "date"), None);
    })
    .await;
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    local(async {
        let house = house("casa");
        let (head, _) = ask(house.tls, &get("/", "")).await;
        let tag = header(&head, "etag").unwrap();
        let (head, body) = ask(house.tls, &get("/", &format!("If-None-Match: {tag}\r\n"))).await;
        assert!(head.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{head}");
        assert_eq!((header(&head, "etag"), body.len()), (Some(tag), 0));
        let (head, _) = ask(house.tls, &get("/", "If-None-Match: \"another\"\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    })
    .await;
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    local(async {
        let house = house("casa");
        let (get_head, _) = ask(house.tls, &get("/", "")).await;
        let (head, body) = ask(house.tls, &get("/", "").replace("GET", "HEAD")).await;
        assert_eq!((head, body.len()), (get_head, 0));
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_said_in_words() {
    local(async {
        let house = house("casa");
        for (request, status) in [
            (get("/none", ""), 404),
            (get("/../etc/passwd", ""), 404),
            (get("/", "").replace("GET", "DELETE"), 405),
            (get("/", "Accept-Encoding: gzip\r\n"), 406),
            (get("/ws", ""), 426),
            (get("/", "Content-Length: 9\r\n").replace("GET", "POST"), 413),
            (get("/", "Transfer-Encoding: chunked\r\n"), 400),
            (get("/", "").replace("Host: casa\r\n", ""), 400),
            (get("/", &format!("X: {}\r\n", "x".repeat(9000))), 431),
            (get("/", &"X: y\r\n".repeat(70)), 431),
            ("nonsense\r\n\r\n".to_owned(), 400),
        ] {
            let (head, body) = ask(house.tls, &request).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {head}");
            assert!(String::from_utf8(body).unwrap().contains("<p>"));
            assert_eq!(header(&head, "allow"), (status == 405).then_some("GET, HEAD"));
        }
    })
    .await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    local(async {
        let house = house("casa");
        let first = "HEAD /one HTTP/1.1\r\nHost: casa\r\n\r\nHEAD / HTTP/1.1\r\nHost: casa\r\n\r\n";
        let (head, rest) = ask(house.tls, &format!("{first}{}", get("/two", ""))).await;
        let text = head + &String::from_utf8(rest).unwrap();
        let statuses: Vec<_> = text.matches("HTTP/1.1 ").collect();
        assert_eq!(statuses.len(), 3, "{text}");
        let at = |what| text.find(what).expect("is there");
        assert!(at("404") < at("200 OK") && text.rfind("404") > text.find("200 OK"));
        // HTTP/1.0 ends after one answer.
        let (head, _) = ask(house.tls, "HEAD / HTTP/1.0\r\n\r\nHEAD / HTTP/1.0\r\n\r\n").await;
        assert_eq!(header(&head, "connection"), Some("close"));
    })
    .await;
}

async fn websocket<S>(stream: S, more: &str) -> Result<WebSocketStream<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    websocket_at("casa:8443", stream, more).await
}

async fn websocket_at<S>(host: &str, mut stream: S, more: &str) -> Result<WebSocketStream<S>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(head);
    }
    assert_eq!(header(&head, "sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
}

#[tokio::test]
async fn a_page_talks_with_the_node_over_its_socket() {
    local(async {
        let mut house = house("casa");
        let mut socket = websocket(page(house.tls).await, "Origin: https://casa:8443\r\n").await.unwrap();
        let Some(Event::PageOpened { page, remote, local, out }) = house.events.recv().await else {
            panic!()
        };
        assert!(remote.ip().is_loopback());
        assert_eq!(local, house.tls);
        socket.send(Message::text("hola")).await.unwrap();
        let Some(Event::PageText { page: from, text }) = house.events.recv().await else { panic!() };
        assert_eq!((from, text.as_str()), (page, "hola"));
        out.try_send(PageOut::Text("adéu".repeat(10_000))).unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("adéu".repeat(10_000)));
        assert_eq!(house.shared.site.counters.sockets.get(), 1);
        socket.close(None).await.unwrap();
        let Some(Event::PageClosed { page: gone, .. }) = house.events.recv().await else { panic!() };
        assert_eq!(gone, page);
        while house.shared.counters.open.get() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(house.shared.site.counters.sockets.get(), 0);
    })
    .await;
}

#[tokio::test]
async fn a_socket_is_given_to_the_own_page_only() {
    local(async {
        let mut house = house("casa");
        for (more, status) in [
            ("Origin: https://evil.example\r\n", "403"),
            ("Origin: http://casa:8443\r\n", "403"),
            ("Origin: null\r\n", "403"),
        ] {
            let head = websocket(page(house.tls).await, more).await.unwrap_err();
            assert!(head.contains(status), "{head}");
        }
        let head = websocket(page(house.tls).await, "Sec-WebSocket-Version: 8\r\n").await.unwrap_err();
        assert!(head.contains(" 426 "), "{head}");
        assert_eq!(header(&head, "sec-websocket-version"), Some("13"));
        assert!(house.events.try_recv().is_err());
        // Programs that are not browsers send no origin.
        websocket(page(house.tls).await, "").await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn on_loopback_the_page_and_its_socket_need_no_tls() {
    local(async {
        let mut house = house("casa");
        let mut plain = TcpStream::connect(house.loopback).await.unwrap();
        let here = get("/", "").replace("Host: casa", "Host: localhost:8080");
        let (head, _) = ask_over(&mut plain, &here).await;
        assert_eq!(header(&head, "content-encoding"), Some("br"), "{head}");
        let plain = async || TcpStream::connect(house.loopback).await.unwrap();
        let ask = async |host, more| websocket_at(host, plain().await, more).await;
        let head = ask("localhost:8080", "Origin: https://localhost:8080\r\n").await.unwrap_err();
        assert!(head.contains(" 403 "), "{head}");
        // a name of somebody else's that was made to lead here
        let head = ask("evil.example", "Origin: http://evil.example\r\n").await.unwrap_err();
        assert!(head.contains(" 421 "), "{head}");
        let socket = ask("localhost:8080", "Origin: http://localhost:8080\r\n").await.unwrap();
        assert!(matches!(house.events.recv().await, Some(Event::PageOpened { .. })));
        drop(socket);
    })
    .await;
}

#[tokio::test]
async fn the_plain_port_explains_and_shows_the_way() {
    local(async {
        let house = house("casa");
        let ask = async |request: &str| {
            let mut plain = TcpStream::connect(house.explain).await.unwrap();
            let (head, body) = ask_over(&mut plain, request).await;
            (head, String::from_utf8(body).unwrap())
        };
        let (head, body) = ask(&get("/", "Accept-Language: ca\r\n")).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(body.contains("href=\"https://casa:8443/\"") && body.contains("lang=\"ca\""), "{body}");
        assert!(body.replace("<wbr>", "").contains(&house.identity.fingerprint()));
        assert!(!body.contains("<script") && !body.contains("<style") && !body.contains("style="));
        assert!(ask(&get("/style", "")).await.1.contains("prefers-color-scheme"));
        let evil = get("/", "").replace("Host: casa", "Host: casa\"><b>");
        assert!(ask(&evil).await.0.starts_with("HTTP/1.1 400 "));
        assert!(ask(&get("/ws", "")).await.0.starts_with("HTTP/1.1 404 "));
    })
    .await;
}

#[tokio::test]
async fn a_page_connection_is_never_asked_for_a_certificate() {
    local(async {
        let house = house("casa");
        for alpn in [&[b"http/1.1" as &[u8]] as &[&[u8]], &[], &[b"h2", b"http/1.1"]] {
            for version in [&TLS13, &TLS12] {
                let shows = Some(house.identity.certified_key());
                let (stream, browser) = connect(house.tls, alpn, &[version], shows).await;
                let mut stream = stream.unwrap();
                let suite = stream.get_ref().1.negotiated_cipher_suite().unwrap().suite();
                assert!(format!("{suite:?}").contains("CHACHA20"), "{suite:?}");
                let (head, _) = ask_over(&mut stream, &get("/", "")).await;
                assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
                assert_eq!(browser.asked.load(Ordering::Relaxed), 0);
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_old_phone_resumes_its_tls_1_2_session() {
    local(async {
        let house = house("casa");
        let browser = Arc::new(Browser { asked: AtomicU32::new(0), shows: None });
        let config = ClientConfig::builder_with_provider(Arc::new(provider::provider()))
            .with_protocol_versions(&[&TLS12])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(browser)
            .with_no_client_auth();
        let connector = TlsConnector::from(Arc::new(config));
        for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let socket = TcpStream::connect(house.tls).await.unwrap();
            let name = ServerName::try_from("casa.local").unwrap();
            let mut stream = connector.connect(name, socket).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind));
            ask_over(&mut stream, &get("/", "")).await;
        }
    })
    .await;
}

#[tokio::test]
async fn stun_goes_through_the_pages_port_with_its_alpn_or_without_unless_it_is_switched_off() {
    let question = [[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42], [7; 8], [7; 8]].concat()[..20].to_vec();
    local(async {
        let house = house("casa");
        let alpns: [&[&[u8]]; 3] = [&[], &[b"stun.turn"], &[b"http/1.1"]];
        for (on, alpn) in [false, true].into_iter().flat_map(|on| alpns.map(|alpn| (on, alpn))) {
            if on && house.shared.ice.counters.get().answered == 0 {
                let udp = batch::bind(([127, 0, 0, 1], 0).into()).unwrap();
                house.shared.ice.add_socket(Socket::new(udp));
            }
            let (stream, browser) = connect(house.tls, alpn, &[&TLS13, &TLS12], None).await;
            let mut stream = stream.unwrap();
            stream.write_all(&question).await.unwrap();
            let mut answer = [0; 32];
            let answered = stream.read_exact(&mut answer).await.is_ok();
            assert_eq!((answered, browser.asked.load(Ordering::Relaxed)), (on, 0), "{alpn:?}");
            assert_eq!(&answer[..2], if on { &[1, 1] } else { &[0, 0] });
        }
        assert_eq!(house.shared.ice.counters.get().answered, 3);
    })
    .await;
}

#[tokio::test]
async fn a_link_without_a_certificate_or_with_tls_1_2_is_refused() {
    local(async {
        let mut house = house("casa");
        let (stream, browser) = connect(house.tls, &[b"truca/1"], &[&TLS13], None).await;
        // In TLS 1.3 the client is done before the server has looked.
        let mut byte = [0];
        assert!(stream.unwrap().read_exact(&mut byte).await.is_err());
        assert_eq!(browser.asked.load(Ordering::Relaxed), 1);
        let key = house.identity.certified_key();
        assert!(connect(house.tls, &[b"truca/1"], &[&TLS12], Some(key)).await.0.is_err());
        while house.shared.counters.failed_handshakes.get() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(house.events.try_recv().is_err());
    })
    .await;
}

#[tokio::test]
async fn a_stolen_certificate_without_its_key_opens_no_link() {
    local(async {
        let (mut house, victim, thief) = (house("casa"), house("torre"), house("lladre"));
        let (shown, held) = (victim.identity.certified_key(), thief.identity.certified_key());
        let forged = Arc::new(CertifiedKey::new(shown.cert.clone(), held.key.clone()));
        let (stream, _) = connect(house.tls, &[b"truca/1"], &[&TLS13], Some(forged)).await;
        let mut byte = [0];
        assert!(stream.unwrap().read_exact(&mut byte).await.is_err());
        assert!(house.events.try_recv().is_err());
    })
    .await;
}

#[tokio::test]
async fn two_nodes_link_and_each_knows_the_others_key() {
    local(async {
        let (mut casa, mut torre) = (house("casa"), house("torre"));
        link::dial(torre.tls, &casa.shared.links);
        let Some(Event::LinkOpened { link: ours, point, dialled: true, out, remote }) =
            casa.events.recv().await
        else {
            panic!("casa dialled")
        };
        assert_eq!((point, remote), (torre.identity.point(), torre.tls));
        let Some(Event::LinkOpened { link: theirs, point, dialled: false, out: back, .. }) =
            torre.events.recv().await
        else {
            panic!("torre was dialled")
        };
        assert_eq!(point, casa.identity.point());
        out.try_send(LinkOut::Frame(vec![5; 65_536])).unwrap();
        let Some(Event::LinkFrame { link, frame }) = torre.events.recv().await else { panic!() };
        assert_eq!((link, frame.len()), (theirs, 65_536));
        back.try_send(LinkOut::Frame(b"hola".to_vec())).unwrap();
        back.try_send(LinkOut::Close).unwrap();
        let Some(Event::LinkFrame { link, frame }) = casa.events.recv().await else { panic!() };
        assert_eq!((link, frame.as_slice()), (ours, &b"hola"[..]));
        assert!(matches!(casa.events.recv().await, Some(Event::LinkClosed { link }) if link == ours));
        assert!(matches!(torre.events.recv().await, Some(Event::LinkClosed { link }) if link == theirs));
    })
    .await;
}

#[tokio::test]
async fn dialling_something_that_is_no_node_fails_with_words() {
    local(async {
        let mut house = house("casa");
        link::dial(house.loopback, &house.shared.links);
        let Some(Event::DialFailed { remote, why }) = house.events.recv().await else { panic!() };
        assert_eq!(remote, house.loopback);
        assert!(!why.is_empty());
    })
    .await;
}

#[tokio::test]
async fn new_connections_see_a_reloaded_certificate() {
    local(async {
        let (house, other) = (house("casa"), house("torre"));
        let shown = async |address| {
            let stream = page(address).await;
            stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
        };
        let before = shown(house.tls).await;
        assert_eq!(before, shown(house.tls).await);
        house.shared.tls.set_page(&other.identity.certified_key()).unwrap();
        assert_eq!(shown(house.tls).await, other.identity.certified_key().cert[0]);
    })
    .await;
}

#[tokio::test]
async fn one_neighbour_cannot_take_all_the_places() {
    local(async {
        let mut house = house("casa");
        let mut mine = Vec::new();
        for _ in 0..64 {
            mine.push(TcpStream::connect(house.loopback).await.unwrap());
        }
        while house.shared.counters.open.get() < 64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut one_more = TcpStream::connect(house.loopback).await.unwrap();
        assert_eq!(one_more.read(&mut [0]).await.unwrap_or(0), 0);
        assert_eq!(house.shared.counters.refused.get(), 1);
        drop(mine);
        while house.shared.counters.open.get() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // And handshakes have a smaller bound of their own.
        let slow: Vec<_> =
            futures_util::future::join_all((0..20).map(|_| TcpStream::connect(house.tls))).await;
        while house.shared.counters.refused.get() < 5 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(house.shared.counters.open.get(), 16);
        drop(slow);
        assert!(house.events.try_recv().is_err());
    })
    .await;
}

#[tokio::test]
async fn ipv6_and_ipv4_share_a_port() {
    local(async {
        let Ok(six) = listen::bind("[::]:0".parse().unwrap()) else {
            house::skipped("ipv6_and_ipv4_share_a_port", "this machine has no IPv6");
            return;
        };
        let port = six.local_addr().unwrap().port();
        listen::bind(([0, 0, 0, 0], port).into()).unwrap();
        let words = listen::bind(([203, 0, 113, 1], port).into()).unwrap_err().to_string();
        assert!(words.contains("no interface"), "{words}");
    })
    .await;
}
