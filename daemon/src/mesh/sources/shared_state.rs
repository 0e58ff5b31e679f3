//! LibreMesh's shared state: tells our entry of the type `truca`, and reads those of others.
//!
//! By its command where there is one, else by its ubus object. The type is registered when it is not known: an
//! entry lives for [`TTL`] after it was last inserted, and is spread at most every [`SPREAD`].

use std::path::Path;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use truca_core::discovery::advert::Advert;
use truca_core::discovery::{MAX_DUMP, shared_state};

use super::ask::{self, Silence};
use super::{Ear, jittered};

/// How often others' entries are read, while it is there.
const PERIOD: Duration = Duration::from_secs(60);
/// How often it is looked for.
const ABSENT: Duration = Duration::from_secs(5 * 60);
/// How often ours is inserted again: twice within its life, so that one lost time is no harm.
const INSERT: Duration = Duration::from_secs(5 * 60);
/// The life of an entry, and how often the daemons exchange them at most, in seconds.
const TTL: &str = "720";
/// See [`TTL`].
const SPREAD: &str = "30";
/// The command.
const COMMAND: &str = "shared-state-async";

/// Asks until the task is dropped.
pub async fn listen(ear: Ear, mut advert: Option<watch::Receiver<Advert>>) {
    let mut inserted: Option<Instant> = None;
    loop {
        let there = look(&ear).await;
        if let Some(advert) = advert.as_mut().filter(|_| there) {
            let changed = advert.has_changed().unwrap_or(false);
            if changed || inserted.is_none_or(|at| at.elapsed() >= INSERT) {
                let entry = shared_state::entry(&advert.borrow_and_update());
                match insert(&entry).await {
                    Ok(_) => inserted = Some(Instant::now()),
                    Err(Silence::Failed(why)) => ear.broken(why),
                    Err(Silence::Absent) => {}
                }
            }
        }
        sleep(jittered(if there { PERIOD } else { ABSENT })).await;
    }
}

/// Whether it is there.
async fn look(ear: &Ear) -> bool {
    let answer = match ask::program(COMMAND, &["get", shared_state::TYPE], "", MAX_DUMP).await {
        // most likely it does not know the type yet; of a type that it knows nothing changes
        Err(Silence::Failed(_)) => {
            let register = ["register", shared_state::TYPE, "community", SPREAD, TTL];
            let _ = ask::program(COMMAND, &register, "", MAX_DUMP).await;
            ask::program(COMMAND, &["get", shared_state::TYPE], "", MAX_DUMP).await
        }
        Err(Silence::Absent) => by_ubus("get", &serde_json::json!({ "data_type": shared_state::TYPE })).await,
        answer => answer,
    };
    match answer {
        Ok(answer) => match shared_state::read(&answer) {
            Ok(heard) => ear.heard(&heard),
            Err(why) => ear.broken(why),
        },
        Err(Silence::Failed(why)) => ear.broken(why),
        Err(Silence::Absent) => {
            ear.absent();
            return false;
        }
    }
    true
}

async fn insert(entry: &str) -> Result<Vec<u8>, Silence> {
    match ask::program(COMMAND, &["insert", shared_state::TYPE], entry, MAX_DUMP).await {
        Err(Silence::Absent) => {
            by_ubus("insert", &serde_json::json!({ "data_type": shared_state::TYPE, "json": entry })).await
        }
        done => done,
    }
}

async fn by_ubus(method: &str, argument: &serde_json::Value) -> Result<Vec<u8>, Silence> {
    if !Path::new("/usr/libexec/rpcd/shared-state-async").exists() {
        return Err(Silence::Absent);
    }
    ask::program("ubus", &["call", COMMAND, method, &argument.to_string()], "", MAX_DUMP).await
}
