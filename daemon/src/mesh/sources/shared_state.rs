//! LibreMesh's shared state, by its ubus object: tells our entry of the type `truca`, and reads those of others.
//!
//! The type must be registered by its configuration (docs/discovery.md); until it is, it refuses, and we say so.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use truca_core::discovery::advert::Advert;
use truca_core::discovery::shared_state;

use super::ask::Silence;
use super::{Ear, bus, jittered};

/// How often others' entries are read, while it is there.
const PERIOD: Duration = Duration::from_secs(60);
/// How often it is looked for.
const ABSENT: Duration = Duration::from_secs(5 * 60);
/// How often ours is inserted again: twice within the 1,200 s that its type lives for.
const INSERT: Duration = Duration::from_secs(8 * 60);
/// Its object.
const OBJECT: &str = "shared-state-async";

/// Asks until the task is dropped.
pub async fn listen(ear: Ear, path: PathBuf, mut advert: Option<watch::Receiver<Advert>>) {
    let mut inserted: Option<Instant> = None;
    loop {
        let answer = bus::call(&path, OBJECT, "get", &shared_state::get_arguments()).await;
        let there = match answer {
            Ok(answer) if shared_state::is_done(&answer) => {
                ear.heard(&shared_state::read(&answer));
                true
            }
            Ok(_) => {
                ear.broken("shared state does not know the data type `truca`: see docs/discovery.md");
                false
            }
            Err(Silence::Failed(why)) => {
                ear.broken(why);
                false
            }
            Err(Silence::Absent) => {
                ear.absent();
                false
            }
        };
        if let Some(advert) = advert.as_mut().filter(|_| there) {
            let changed = advert.has_changed().unwrap_or(false);
            if changed || inserted.is_none_or(|at| at.elapsed() >= INSERT) {
                let arguments = shared_state::insert_arguments(&advert.borrow_and_update());
                match bus::call(&path, OBJECT, "insert", &arguments).await {
                    Ok(answer) if shared_state::is_done(&answer) => inserted = Some(Instant::now()),
                    Ok(_) | Err(Silence::Absent) => {}
                    Err(Silence::Failed(why)) => ear.broken(why),
                }
            }
        }
        sleep(jittered(if there { PERIOD } else { ABSENT })).await;
    }
}
