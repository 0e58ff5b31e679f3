//! Asks other programs of this router by their sockets. Bounded in time and length.
//!
//! Sockets only: in its jail the daemon can start no program.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// How long a question and its answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// There is nobody to ask.
    Absent,
    /// Somebody is there, and says no or nothing.
    Failed(String),
}

/// Connects, sends a question, reads until the other side closes.
pub(super) async fn socket(at: SocketAddr, question: &[u8], most: usize) -> Result<Vec<u8>, Silence> {
    let asked = timeout(PATIENCE, async {
        let mut stream = TcpStream::connect(at).await.map_err(|_| Silence::Absent)?;
        stream.write_all(question).await?;
        read_all(stream, most).await
    });
    asked.await.unwrap_or_else(|_| Err(Silence::Failed("it does not answer in time".into())))
}

/// As [`socket`], in the file system.
pub(super) async fn local(at: &Path, question: &[u8], most: usize) -> Result<Vec<u8>, Silence> {
    let asked = timeout(PATIENCE, async {
        let mut stream = match UnixStream::connect(at).await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error.into()),
            Err(_) => return Err(Silence::Absent),
        };
        stream.write_all(question).await?;
        read_all(stream, most).await
    });
    asked.await.unwrap_or_else(|_| Err(Silence::Failed("it does not answer in time".into())))
}

async fn read_all(stream: impl AsyncRead + Unpin, most: usize) -> Result<Vec<u8>, Silence> {
    let mut answer = Vec::new();
    stream.take(most as u64 + 1).read_to_end(&mut answer).await?;
    if answer.len() > most {
        return Err(Silence::Failed(format!("its answer has more than {most} bytes")));
    }
    Ok(answer)
}

impl From<io::Error> for Silence {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}
