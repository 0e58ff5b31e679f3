//! Asks other programs of this router: by a socket, or by their command. Bounded in time and length.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::process::Command;
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

/// Runs a program with an input, and takes its output. It is killed when it takes too long.
pub(super) async fn program(name: &str, args: &[&str], input: &str, most: usize) -> Result<Vec<u8>, Silence> {
    if !is_there(name) {
        return Err(Silence::Absent);
    }
    let ran = timeout(PATIENCE, async {
        let mut command = Command::new(name);
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // a program that does not read its input has closed it
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = match child.stdout.take() {
            Some(stdout) => read_all(stdout, most).await?,
            None => Vec::new(),
        };
        let status = child.wait().await?;
        if status.success() { Ok(output) } else { Err(Silence::Failed(format!("{name}: {status}"))) }
    });
    ran.await.unwrap_or_else(|_| Err(Silence::Failed(format!("{name} does not end in time"))))
}

/// Whether there is such a program: a look at some directories, where starting one costs a fork.
fn is_there(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| Path::new(&folder).join(name).is_file())
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
