//! Asks olsrd's jsoninfo plugin or OONF's olsrd2 for their routes, every [`PERIOD`].

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::sleep;
use truca_core::discovery::{Bad, Heard, MAX_DUMP, olsr};

use super::ask::{self, Silence};
use super::{Ear, jittered};

/// How often.
const PERIOD: Duration = Duration::from_secs(60);

/// What is asked, and how the answer is read.
pub struct Kind {
    question: &'static [u8],
    read: fn(&[u8]) -> Result<Heard, Bad>,
}

/// olsrd with its jsoninfo plugin.
pub static JSONINFO: Kind = Kind { question: olsr::REQUEST, read: olsr::jsoninfo };
/// OONF's olsrd2.
pub static OLSRD2: Kind = Kind { question: olsr::COMMAND, read: olsr::oonf };

/// Asks until the task is dropped.
pub async fn listen(ear: Ear, at: Vec<SocketAddr>, kind: &'static Kind) {
    loop {
        look(&ear, &at, kind).await;
        sleep(jittered(PERIOD)).await;
    }
}

/// The first who answers is the one.
async fn look(ear: &Ear, at: &[SocketAddr], kind: &Kind) {
    for address in at {
        match ask::socket(*address, kind.question, MAX_DUMP).await {
            Ok(answer) => match (kind.read)(&answer) {
                Ok(heard) => return ear.heard(&heard),
                Err(why) => return ear.broken(format_args!("what answers at {address}: {why}")),
            },
            Err(Silence::Failed(why)) => return ear.broken(format_args!("{address}: {why}")),
            Err(Silence::Absent) => {}
        }
    }
    ear.absent();
}
