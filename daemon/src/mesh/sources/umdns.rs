//! Asks OpenWrt's umdns, by ubus, what it has heard: on a host where it runs, some answers reach only it.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;
use truca_core::discovery::umdns;

use super::ask::Silence;
use super::{Ear, bus, jittered};

/// How often, while umdns is there.
const PERIOD: Duration = Duration::from_secs(60);
/// How often it is looked for.
const ABSENT: Duration = Duration::from_secs(5 * 60);
/// Its object.
const OBJECT: &str = "umdns";

/// Asks until the task is dropped.
pub async fn listen(ear: Ear, path: PathBuf) {
    loop {
        let there = match bus::call(&path, OBJECT, "browse", &umdns::arguments()).await {
            Ok(answer) => {
                ear.heard(&umdns::read(&answer));
                // it asks the link, for the next look; that it may not is no harm, it hears announcements too
                let _ = bus::call(&path, OBJECT, "update", &Vec::new()).await;
                true
            }
            Err(Silence::Failed(why)) => {
                ear.broken(why);
                true
            }
            Err(Silence::Absent) => {
                ear.absent();
                false
            }
        };
        sleep(jittered(if there { PERIOD } else { ABSENT })).await;
    }
}
