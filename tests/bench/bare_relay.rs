//! The least a relay over TLS and WebSocket can do on the same runtime: what `trucad` is measured against.
//!
//! Connections are joined in pairs as they come (first with second, third with fourth); a text frame goes to
//! the other unread. With `--answer` the sender also gets an `ok`, so that as many frames cross the wire as
//! with the page protocol. Same suites, same small buffers as the daemon.

use std::{cell::RefCell, env, rc::Rc, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::{
    ServerConfig,
    crypto::ring as provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{LocalSet, spawn_local},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::Message;
use truca_tests::{Result, websocket};

/// Frames that may wait for one connection.
const QUEUE: usize = 128;

/// How much ciphertext rustls may hold back for a slow reader.
const TLS_BUFFER: usize = 4096;

type Outlet = mpsc::Sender<Message>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result {
    let answer = env::args().skip(1).any(|argument| argument == "--answer");
    let acceptor = TlsAcceptor::from(Arc::new(tls()?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ready {}", listener.local_addr()?);
    let outlets: Rc<RefCell<Vec<Outlet>>> = Rc::default();
    let serve = async {
        loop {
            let (stream, _) = listener.accept().await?;
            let (outlet, inlet) = mpsc::channel(QUEUE);
            let number = outlets.borrow().len();
            outlets.borrow_mut().push(outlet);
            let (acceptor, outlets) = (acceptor.clone(), Rc::clone(&outlets));
            spawn_local(async move {
                // A client that is gone needs no word: the benchmark knows what it asked for
                let _ = relay(stream, acceptor, number, inlet, outlets, answer).await;
            });
        }
    };
    LocalSet::new().run_until(serve).await
}

async fn relay(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    number: usize,
    mut inlet: mpsc::Receiver<Message>,
    outlets: Rc<RefCell<Vec<Outlet>>>,
    answer: bool,
) -> Result {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER));
    let mut socket = websocket::server(stream).await?;
    loop {
        tokio::select! {
            out = inlet.recv() => match out {
                Some(message) => socket.send(message).await?,
                None => return Ok(()),
            },
            message = socket.next() => match message.transpose()? {
                Some(text @ Message::Text(_)) => {
                    let other = outlets.borrow().get(number ^ 1).cloned();
                    if let Some(other) = other {
                        other.send(text).await?;
                    }
                    if answer {
                        socket.send(Message::text(r#"{"ok":{"id":10000}}"#)).await?;
                    }
                }
                Some(Message::Close(_)) | None => return Ok(()),
                Some(_) => {}
            },
        }
    }
}

fn tls() -> Result<ServerConfig> {
    use provider::cipher_suite::{
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256,
    };
    let mut suites = provider::default_provider();
    suites.cipher_suites = vec![
        TLS13_CHACHA20_POLY1305_SHA256,
        TLS13_AES_128_GCM_SHA256,
        TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    ];
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(Arc::new(suites))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ignore_client_order = true;
    config.send_tls13_tickets = 0;
    Ok(config)
}
