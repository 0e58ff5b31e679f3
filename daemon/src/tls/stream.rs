//! One byte stream for pages and links, so that each protocol is compiled once: a generic parameter would put
//! tungstenite twice into the binary.
//!
//! Driven by `page/` and `mesh/link.rs`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use rustls::CommonState;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsStream;

use super::certificate;
use crate::event::NodePoint;

/// A connection, with TLS or (on loopback, and for the explaining page) without.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS over TCP, either side.
    Tls(Box<TlsStream<TcpStream>>),
    /// The test's own end of a pipe, for tests in virtual time.
    #[cfg(test)]
    Memory(tokio::io::DuplexStream),
}

/// The P-256 point that the other side of a handshake has proven, if it showed a certificate.
pub fn peer_point(state: &CommonState) -> Option<NodePoint> {
    certificate::point(state.peer_certificates()?.first()?)
}

impl Stream {
    /// The point that the other side has proven.
    pub fn peer_point(&self) -> Option<NodePoint> {
        match self {
            Self::Tls(tls) => peer_point(tls.get_ref().1),
            _ => None,
        }
    }

    /// The protocol that was agreed on.
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Self::Tls(tls) => tls.get_ref().1.alpn_protocol(),
            _ => None,
        }
    }

    /// The connection beneath.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(tcp) => Some(tcp),
            Self::Tls(tls) => Some(tls.get_ref().0),
            #[cfg(test)]
            Self::Memory(_) => None,
        }
    }

    /// The first byte that the other side says, which stays to be read; `None` at the end.
    pub async fn first_byte(&mut self) -> io::Result<Option<u8>> {
        match self {
            Self::Plain(tcp) => {
                let mut byte = [0];
                Ok((tcp.peek(&mut byte).await? > 0).then_some(byte[0]))
            }
            Self::Tls(tls) => Ok(tls.fill_buf().await?.first().copied()),
            #[cfg(test)]
            Self::Memory(_) => Ok(None),
        }
    }

    /// Says goodbye, then reads and forgets what still comes for a moment: closing a socket with unread bytes
    /// resets it, and the other side would never see our last words.
    pub async fn close_gently(&mut self) {
        const PATIENCE: Duration = Duration::from_secs(2);
        const UNREAD: usize = 128 * 1024;
        let goodbye = async {
            self.shutdown().await?;
            let mut sink = [0; 512];
            let mut seen = 0;
            while seen < UNREAD {
                match self.read(&mut sink).await? {
                    0 => break,
                    n => seen += n,
                }
            }
            io::Result::Ok(())
        };
        // Whatever went wrong, the connection is over.
        let _ = timeout(PATIENCE, goodbye).await;
    }
}

macro_rules! each {
    ($self:expr, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Plain($stream) => $call,
            Self::Tls($stream) => $call,
            #[cfg(test)]
            Self::Memory($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        each!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        each!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}
