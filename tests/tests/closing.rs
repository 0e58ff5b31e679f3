//! Who may be a member is changed while daemons run: by their configuration and SIGHUP, over real sockets.

use std::time::{Duration, Instant};

use serde_json::Value;
use truca_tests::Result;
use truca_tests::daemon::{Daemon, Options};

/// How soon nobody is believed any more. A death would be known after 8 s at the earliest.
const AT_ONCE: Duration = Duration::from_secs(4);

fn closed_by(words: &str) -> String {
    format!("config federation\n option admission secret\n option secret '{words}'\n")
}

fn list(id: &str) -> String {
    format!("config federation\n option admission allow\n list allow {id}\n")
}

/// The other nodes that are believed to be alive.
fn others(members: &Value) -> usize {
    let rows = members["members"].as_array().into_iter().flatten();
    rows.filter(|member| member["state"] == "alive").count()
}

fn until_alone(daemon: &Daemon) -> Result<Duration> {
    let from = Instant::now();
    daemon.ctl_until("members", |members| others(members) == 0)?;
    Ok(from.elapsed())
}

fn until_together(daemons: [&Daemon; 2]) -> Result {
    for daemon in daemons {
        daemon.ctl_until("members", |members| others(members) == 1)?;
    }
    Ok(())
}

#[test]
fn a_community_is_closed_and_opened_again_at_once_by_sighup() -> Result {
    let casa = Daemon::start(Options { name: "casa".into(), ..Options::default() })?;
    let peers = vec![casa.page()];
    let torre = Daemon::start(Options { name: "torre".into(), peers, ..Options::default() })?;
    until_together([&casa, &torre])?;
    let id = torre.ctl("status")?["node"]["id"].as_str().ok_or("no id")?.to_owned();

    // casa is a peer of torre, which tries again and again
    casa.reload(&closed_by("correct horse battery"))?;
    assert!(until_alone(&casa)? < AT_ONCE);
    let refused = |status: &Value| status["counters"]["links"]["not_admitted"].as_u64() >= Some(2);
    casa.ctl_until("status", refused)?;
    assert_eq!(others(&casa.ctl("members")?), 0, "and stays closed");
    torre.reload(&closed_by("correct horse battery"))?;
    until_together([&casa, &torre])?;

    casa.reload(&closed_by("something else entirely"))?;
    assert!(until_alone(&casa)? < AT_ONCE);
    torre.reload(&closed_by("something else entirely"))?;
    until_together([&casa, &torre])?;

    casa.reload(&list(&id))?;
    torre.reload("")?;
    until_together([&casa, &torre])?;
    casa.reload(&list("aaaqeayeaudaocajbifqydiob4"))?;
    assert!(until_alone(&casa)? < AT_ONCE);
    let known = casa.ctl("members")?["members"].as_array().map(Vec::len);
    assert_eq!(known, Some(1), "who is not on the list is not even known");
    casa.reload("")?;
    until_together([&casa, &torre])
}
