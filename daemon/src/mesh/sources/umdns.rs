//! Asks OpenWrt's umdns, by ubus, what it has heard: on a host where it runs, some answers reach only it.

use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;
use truca_core::discovery::{MAX_DUMP, umdns};

use super::ask::{self, Silence};
use super::{Ear, jittered};

/// How often, while umdns is there.
const PERIOD: Duration = Duration::from_secs(60);
/// How often it is looked for.
const ABSENT: Duration = Duration::from_secs(5 * 60);
/// Where ubusd listens; without it there is nobody to ask (OpenWrt 21.02 and later; earlier).
const SOCKETS: [&str; 2] = ["/var/run/ubus/ubus.sock", "/var/run/ubus.sock"];

/// Asks until the task is dropped.
pub async fn listen(ear: Ear) {
    loop {
        let pause = if look(&ear).await { PERIOD } else { ABSENT };
        sleep(jittered(pause)).await;
    }
}

/// Whether it is there.
async fn look(ear: &Ear) -> bool {
    if !SOCKETS.iter().any(|path| Path::new(path).exists()) {
        ear.absent();
        return false;
    }
    // it asks the link, so that the next look finds what has come
    let updated = ask::program("ubus", &["call", "umdns", "update"], "", MAX_DUMP).await;
    if updated.is_err() {
        ear.absent();
        return false;
    }
    match ask::program("ubus", &["call", "umdns", "browse", umdns::ARGUMENT], "", MAX_DUMP).await {
        Ok(answer) => match umdns::read(&answer) {
            Ok(heard) => ear.heard(&heard),
            Err(why) => ear.broken(why),
        },
        Err(Silence::Failed(why)) => ear.broken(why),
        Err(Silence::Absent) => ear.absent(),
    }
    true
}
