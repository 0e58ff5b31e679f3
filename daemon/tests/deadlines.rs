//! Who says nothing at the one port: how long a node waits for a handshake, and after it for the first byte. Real
//! sockets, virtual time.

#![allow(clippy::unwrap_used)] // a test that cannot go on says where

mod house;

use std::{sync::Arc, time::Duration};

use house::{house, local};
use rustls::{ClientConfig, pki_types::ServerName, version::TLS13};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::TlsConnector;
use trucad::tls::provider;

/// Waits until the other side closes; how long that took.
async fn closed_after(stream: &mut (impl AsyncReadExt + Unpin)) -> Duration {
    let from = Instant::now();
    while stream.read(&mut [0; 64]).await.is_ok_and(|length| length > 0) {}
    from.elapsed()
}

fn is_about(seconds: u64, time: Duration) -> bool {
    (Duration::from_secs(seconds - 1)..Duration::from_secs(seconds + 1)).contains(&time)
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_begin_has_ten_seconds() {
    local(async {
        let house = house("casa");
        let mut silent = TcpStream::connect(house.tls).await.unwrap();
        let took = closed_after(&mut silent).await;
        assert!(is_about(10, took), "{took:?}");
        assert_eq!(house.shared.counters.failed_handshakes.get(), 1);
        assert_eq!(house.shared.counters.open.get(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_comes_drop_by_drop_has_ten_seconds() {
    local(async {
        let house = house("casa");
        // a record of 512 bytes of a handshake is announced
        let (mut reader, mut writer) = TcpStream::connect(house.tls).await.unwrap().into_split();
        let from = Instant::now();
        let drops = async {
            let _ = writer.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252]).await;
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if writer.write_all(&[3]).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = drops => {}
            _ = closed_after(&mut reader) => {}
        }
        assert!(is_about(10, from.elapsed()), "{:?}", from.elapsed());
        assert_eq!(house.shared.counters.failed_handshakes.get(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_after_the_handshake_has_ten_seconds() {
    local(async {
        let house = house("casa");
        let config = ClientConfig::builder_with_provider(Arc::new(provider::provider()))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(house::Anyone))
            .with_no_client_auth();
        let socket = TcpStream::connect(house.tls).await.unwrap();
        let name = ServerName::try_from("casa.local").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let took = closed_after(&mut stream).await;
        assert!(is_about(10, took), "{took:?}");
        assert_eq!(house.shared.counters.failed_handshakes.get(), 0);
    })
    .await;
}
