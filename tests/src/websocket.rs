//! The few lines of RFC 6455 section 4 that tungstenite leaves to us: the HTTP upgrade of both sides.

use data_encoding::BASE64;
use futures_util::{SinkExt as _, StreamExt as _};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{Role, WebSocketConfig},
    },
};

use crate::Result;

/// The longest head of a request or an answer that is read.
const MAX_HEAD: usize = 4096;

/// Buffers of 2 KiB and nothing held back: what the daemon uses too.
pub fn small_buffers() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(2048)
        .write_buffer_size(0)
        .max_message_size(Some(1 << 20))
        .max_frame_size(Some(1 << 20))
}

/// Asks for `/ws` as a page of `host` does.
pub async fn client<S>(mut stream: S, host: &str) -> Result<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    const KEY: &str = "dHJ1Y2EgdHJ1Y2EgdHJ1YQ==";
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nOrigin: https://{host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let (head, rest) = head(&mut stream).await?;
    let lower = head.to_ascii_lowercase();
    if !lower.starts_with("http/1.1 101 ") {
        return Err(format!("no upgrade: {}", head.lines().next().unwrap_or_default()).into());
    }
    if !head.contains(&accept(KEY)) {
        return Err("the upgrade's Sec-WebSocket-Accept does not answer our key".into());
    }
    Ok(WebSocketStream::from_partially_read(stream, rest, Role::Client, Some(small_buffers())).await)
}

/// Accepts any request for an upgrade.
pub async fn server<S>(mut stream: S) -> Result<WebSocketStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (head, rest) = head(&mut stream).await?;
    let key = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"))
        .map(|(_, value)| value.trim())
        .ok_or("no Sec-WebSocket-Key")?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        accept(key)
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    Ok(WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(small_buffers())).await)
}

/// Sends one text frame.
pub async fn send<S>(socket: &mut WebSocketStream<S>, text: String) -> Result
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    Ok(socket.send(Message::text(text)).await?)
}

/// The next text frame. That the other side closed is an error.
pub async fn receive<S>(socket: &mut WebSocketStream<S>) -> Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
            Some(Ok(Message::Close(frame))) => return Err(format!("the socket was closed: {frame:?}").into()),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err("the socket is gone".into()),
        }
    }
}

async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8(bytes)?, rest));
        }
        if bytes.len() > MAX_HEAD {
            return Err("the head is too long".into());
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err("closed before the head was complete".into());
        }
    }
}

fn accept(key: &str) -> String {
    let text = format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_6455_section_1_3_holds() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn both_sides_understand_each_other() {
        let (near, far) = tokio::io::duplex(4096);
        let (client, server) = tokio::join!(client(near, "localhost:1"), server(far));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        send(&mut client, "hola".into()).await.unwrap();
        assert_eq!(receive(&mut server).await.unwrap(), "hola");
    }
}
