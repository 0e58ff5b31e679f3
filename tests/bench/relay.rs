//! Chat through a call between two pages over TLS: CPU for each message, memory for each page that idles.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::json;
use tokio::{net::TcpStream, time::sleep};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use truca_tests::{
    Result,
    page::{self, Page},
    websocket,
};

use crate::process;

/// Messages under way at once: a page may leave 64 unconfirmed.
pub(crate) const WINDOW: usize = 32;

/// Clients that are there before memory is looked at: the first ones touch code and fill pools.
const WARM: u32 = 4;

/// What is said. The bare relay carries the same bytes as the daemon.
const TEXT: &str = "Bon dia! Ens veiem a la plaça a les set?";

/// CPU seconds for each 100,000 messages between two pages in a call.
pub(crate) async fn trucad_cpu(node: SocketAddr, pid: u32, messages: usize) -> Result<f64> {
    let (mut anna, mut pep, call) = page::talking(node, node).await?;
    let mut from = 0.0;
    for batch in 0..=messages / WINDOW {
        if batch == 1 {
            from = process::cpu_seconds(pid)?; // the first batch warmed up
        }
        chat(&mut anna, &mut pep, &call).await?;
    }
    Ok(per_100k(process::cpu_seconds(pid)? - from, messages))
}

/// A window of messages from one page to the other of a call, with their answers.
pub(crate) async fn chat(from: &mut Page, to: &mut Page, call: &str) -> Result {
    for _ in 0..WINDOW {
        from.post("message", json!({ "call": call, "text": TEXT })).await?;
    }
    for _ in 0..WINDOW {
        to.event("message").await?;
        from.event("ok").await?;
    }
    Ok(())
}

/// The same through the bare relay, with or without an answer to each message.
pub(crate) async fn bare_cpu(relay: SocketAddr, pid: u32, messages: usize, answer: bool) -> Result<f64> {
    let (mut one, mut other) = (bare(relay).await?, bare(relay).await?);
    let mut from = 0.0;
    let mut id = 0;
    for batch in 0..=messages / WINDOW {
        if batch == 1 {
            from = process::cpu_seconds(pid)?;
        }
        for _ in 0..WINDOW {
            id += 1;
            let call = "b2qeayeaudaocajbifqydiob4a";
            let text = json!({ "message": { "id": id, "call": call, "text": TEXT } }).to_string();
            websocket::send(&mut one, text).await?;
        }
        for _ in 0..WINDOW {
            websocket::receive(&mut other).await?;
            if answer {
                websocket::receive(&mut one).await?;
            }
        }
    }
    Ok(per_100k(process::cpu_seconds(pid)? - from, messages))
}

/// KiB that each further signed-in page adds to the daemon.
pub(crate) async fn trucad_memory(node: SocketAddr, pid: u32, clients: u32) -> Result<f64> {
    let mut pages = Vec::new();
    for number in 0..WARM {
        pages.push(signed_in(node, number).await?);
    }
    let from = settled(pid).await?;
    for number in WARM..WARM + clients {
        pages.push(signed_in(node, number).await?);
    }
    let to = settled(pid).await?;
    drop(pages);
    Ok((to - from) / f64::from(clients))
}

/// The same of the bare relay.
pub(crate) async fn bare_memory(relay: SocketAddr, pid: u32, clients: u32) -> Result<f64> {
    let mut sockets = Vec::new();
    for _ in 0..WARM {
        sockets.push(bare(relay).await?);
    }
    let from = settled(pid).await?;
    for _ in 0..clients {
        sockets.push(bare(relay).await?);
    }
    let to = settled(pid).await?;
    drop(sockets);
    Ok((to - from) / f64::from(clients))
}

/// Resident memory once nothing is being done any more.
pub(crate) async fn settled(pid: u32) -> Result<f64> {
    sleep(Duration::from_secs(1)).await;
    process::rss_kib(pid)
}

/// Each from an address of its own, as in a mesh.
async fn signed_in(node: SocketAddr, number: u32) -> Result<Page> {
    let source = Ipv4Addr::from_bits(Ipv4Addr::new(127, 0, 1, 0).to_bits() + number);
    let mut page = Page::open_from(source, node).await?;
    page.sign_in(&format!("idle{number}")).await?;
    Ok(page)
}

async fn bare(relay: SocketAddr) -> Result<WebSocketStream<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(relay).await?;
    stream.set_nodelay(true)?;
    let stream = page::connector()?.connect(relay.ip().into(), stream).await?;
    websocket::client(stream, &relay.to_string()).await
}

fn per_100k(seconds: f64, messages: usize) -> f64 {
    let whole = messages / WINDOW * WINDOW;
    seconds * 100_000.0 / f64::from(u32::try_from(whole).unwrap_or(u32::MAX))
}
