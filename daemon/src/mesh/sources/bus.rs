//! Invokes one method of another program's object on ubus: a connection for each, since it happens once a minute.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep_until, timeout};
use truca_core::Time;
use truca_core::ubus::blobmsg::Table;
use truca_core::ubus::client::{Client, Output};
use truca_core::ubus::status;

use super::ask::Silence;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// Invokes; there may be no bus, or no such object on it.
pub(super) async fn call(bus: &Path, path: &str, method: &str, arguments: &Table) -> Result<Table, Silence> {
    let Ok(stream) = UnixStream::connect(bus).await else { return Err(Silence::Absent) };
    let conversation = converse(stream, path, method, arguments);
    timeout(PATIENCE, conversation)
        .await
        .unwrap_or_else(|_| Err(Silence::Failed("ubus does not answer".into())))
}

async fn converse(
    mut stream: UnixStream,
    path: &str,
    method: &str,
    arguments: &Table,
) -> Result<Table, Silence> {
    let start = Instant::now();
    let mut client = Client::new(Time::ZERO, None);
    client.handle_timeout(Time::ZERO);
    let mut buffer = [0; 2048];
    loop {
        while let Some(output) = client.poll_output() {
            match output {
                Output::Connect => client.connected(start.elapsed()),
                Output::Registered => drop(client.invoke(start.elapsed(), path, method, arguments)),
                Output::Send(bytes) => stream.write_all(&bytes).await?,
                Output::Answered(_, Ok(answer)) => return Ok(answer),
                Output::Answered(_, Err(status::NOT_FOUND)) => return Err(Silence::Absent),
                Output::Answered(_, Err(why)) => {
                    return Err(Silence::Failed(format!("ubus: {path} {method}: status {why}")));
                }
                Output::Close | Output::Refused(_) | Output::Invoked(_) => {
                    return Err(Silence::Failed("ubus: what it says makes no sense".into()));
                }
            }
        }
        let due = client.poll_timeout().map_or_else(|| start + PATIENCE, |at| start + at);
        tokio::select! {
            read = stream.read(&mut buffer) => match read? {
                0 => return Err(Silence::Failed("ubus has closed".into())),
                length => client.handle_bytes(start.elapsed(), &buffer[..length]),
            },
            () = sleep_until(due) => client.handle_timeout(start.elapsed()),
        }
    }
}
