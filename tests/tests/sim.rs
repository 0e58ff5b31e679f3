//! The mesh in virtual time: what must hold of many nodes, whatever the network does.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::RngExt;
use serde_json::json;
use truca_core::id::CallId;
use truca_tests::figures::{Run, documented, goal};
use truca_tests::sim::{Mesh, Person};
use truca_tests::world::{self, City};

const SECOND: Duration = Duration::from_secs(1);

/// A mesh of `count` nodes that were started one after the other, each knowing the one before.
fn grown(seed: u64, count: usize, loss_permille: u32) -> Mesh {
    let mut mesh = Mesh::new(seed, count);
    mesh.weather.loss_permille = loss_permille;
    for host in 0..count {
        let peers: Vec<usize> = host.checked_sub(1).into_iter().collect();
        mesh.start(host, &peers);
        mesh.run(SECOND / 5);
    }
    mesh
}

#[test]
fn two_nodes_find_each_other_and_agree() {
    let mut mesh = grown(1, 2, 0);
    let took = mesh.run_until(10 * SECOND, Mesh::agrees);
    assert!(took.is_some());
}

#[test]
fn people_of_two_nodes_see_each_other_and_talk() {
    let mut mesh = grown(2, 2, 0);
    mesh.run_until(10 * SECOND, Mesh::agrees).expect("agreement");
    let mut nuria = mesh.sign_in(0, "nuria");
    let mut pep = mesh.sign_in(1, "pep");
    mesh.ask(&mut nuria, "watch", json!({ "text": "", "limit": 100 }));
    mesh.run(5 * SECOND);
    let seen = mesh.told(&nuria, "people").last().unwrap()["here"].as_u64();
    assert_eq!(seen, Some(2));

    let call = "b2qeayeaudaocajbifqydiob4a";
    let sdp = json!({ "call": call, "to": pep.address, "media": "audio", "number": 1, "sdp": "v=0\r\n", "signature": "A".repeat(86) });
    mesh.ask(&mut nuria, "invite", sdp.clone());
    mesh.run(SECOND);
    assert_eq!(mesh.told(&nuria, "ringing").len(), 1);
    assert_eq!(mesh.told(&pep, "incoming")[0]["from"]["address"], json!(nuria.address));
    mesh.ask(&mut pep, "accept", sdp);
    mesh.run(SECOND);
    assert_eq!(mesh.told(&nuria, "accepted")[0]["by"]["address"], json!(pep.address));
    mesh.ask(&mut nuria, "message", json!({ "call": call, "text": "hola" }));
    mesh.run(SECOND);
    assert_eq!(mesh.told(&pep, "message")[0]["text"], json!("hola"));
    mesh.close_page(&nuria, true);
    mesh.run(SECOND);
    assert_eq!(mesh.told(&pep, "ended")[0]["reason"], json!("left"));
}

#[test]
fn a_page_is_told_what_a_call_to_somebody_would_be_like() {
    // one way in milliseconds, datagrams lost in a thousand, and what that comes to
    let weathers = [
        ((2, 10), 0, "good"),
        ((100, 130), 20, "good"),
        ((200, 260), 0, "poor"),
        ((2, 10), 150, "poor"),
        // a satellite behind three radio hops, and beyond: slow is not lost
        ((290, 310), 25, "poor"),
        ((600, 700), 0, "slow"),
        ((1_000, 1_100), 0, "slow"),
        ((2, 10), 900, "unreachable"),
    ];
    for (seed, ((shortest, longest), loss_permille, quality)) in weathers.into_iter().enumerate() {
        let mut mesh = grown(seed as u64, 2, 0);
        mesh.run_until(10 * SECOND, Mesh::agrees).expect("agreement");
        let mut nuria = mesh.sign_in(0, "nuria");
        let (pep, beside) = (mesh.sign_in(1, "pep"), mesh.sign_in(0, "anna"));
        mesh.run(2 * SECOND);
        mesh.weather.delay = (Duration::from_millis(shortest), Duration::from_millis(longest));
        mesh.weather.loss_permille = loss_permille;
        mesh.ask(&mut nuria, "watch", json!({ "text": "", "limit": 100 }));
        // a mark is there within seconds, and the right one when there is enough to know it by
        let told = |mesh: &Mesh, of: &Person| {
            let all =
                mesh.told(&nuria, "people").into_iter().flat_map(|told| told["people"].as_array().unwrap());
            let of: Vec<_> = all.filter(|person| person["address"] == json!(of.address)).collect();
            of.last().unwrap()["quality"].clone()
        };
        mesh.run(6 * SECOND);
        assert!(told(&mesh, &pep).is_string(), "{quality}");
        mesh.run_until(120 * SECOND, |mesh| told(mesh, &pep) == json!(quality)).expect(quality);
        assert!(told(&mesh, &beside).is_null(), "the same router");
    }
}

#[test]
fn pages_that_confirm_nothing_cannot_fill_a_router_together() {
    let mut mesh = grown(3, 1, 0);
    let pages = 24;
    // each has 240 KB to confirm in the end, which alone would be let pass
    let mut mute = Vec::new();
    for n in 0..pages {
        let mut speaker = mesh.sign_in(0, &format!("speaker{n}"));
        let mut silent = mesh.sign_in(0, &format!("silent{n}"));
        let call = CallId([n; 16]).to_string();
        let sdp = json!({ "call": call, "to": silent.address, "media": "audio", "number": 1, "sdp": "v=0\r\n", "signature": "A".repeat(86) });
        mesh.ask(&mut speaker, "invite", sdp.clone());
        mesh.ask(&mut silent, "accept", sdp);
        for _ in 0..30 {
            mesh.run(SECOND / 10);
            mesh.ask(&mut speaker, "message", json!({ "call": call, "text": "🕭".repeat(2_000) }));
        }
        mute.push(silent);
    }
    mesh.run(SECOND);
    let heard = |person: &Person| mesh.told(person, "message").len();
    assert!(
        mute.iter().all(|person| heard(person) == 30),
        "{:?}",
        mute.iter().map(heard).collect::<Vec<_>>()
    );
    let ended = mute.iter().filter(|person| !mesh.told(person, "bye").is_empty()).count();
    // 4 MiB are 17 times as much
    assert_eq!(ended, usize::from(pages) - 17);
}

#[test]
fn fifty_nodes_with_joins_deaths_and_loss_end_with_the_same_directory() {
    for seed in [11, 12, 13] {
        let mut mesh = grown(seed, 50, 50);
        for person in 0..100 {
            let host = mesh.rng().random_range(0..50);
            mesh.sign_in(host, &format!("p{person}"));
            mesh.run(SECOND / 10);
        }
        // ten nodes die at random moments, five come back
        let mut dead = Vec::new();
        for _ in 0..10 {
            let running = mesh.running();
            let host = running[mesh.rng().random_range(0..running.len())];
            mesh.kill(host);
            dead.push(host);
            let pause = mesh.rng().random_range(500..3_000);
            mesh.run(Duration::from_millis(pause));
        }
        for host in dead.into_iter().take(5) {
            mesh.start(host, &[]);
            mesh.run(SECOND);
        }
        let took = mesh.run_until(120 * SECOND, Mesh::agrees);
        assert!(took.is_some(), "seed {seed}: the directories differ");
        let run = Run { n: 50, loss_permille: 50, seed };
        run.figure("agreed_after_change_s", took.unwrap_or_default().as_secs_f64(), "s");
        let most = mesh.running().iter().map(|host| mesh.node(*host).directory().sizes()).max();
        let missing: usize = mesh
            .running()
            .iter()
            .map(|host| {
                let (most, own) = (most.unwrap_or_default(), mesh.node(*host).directory().sizes());
                (most.0 - own.0) + (most.1 - own.1) + (most.2 - own.2)
            })
            .sum();
        run.figure("records_missing", missing as f64, "");
        assert_eq!(missing, 0);
    }
}

/// How many nodes the stories of [`sizes`] have: 50 unless `SIM_NODES` says otherwise (`make sim` says 50 and 100).
fn sizes() -> Vec<usize> {
    let sizes = std::env::var("SIM_NODES").unwrap_or_else(|_| "50".to_owned());
    sizes.split_whitespace().map(|n| n.parse().expect("SIM_NODES is a list of numbers")).collect()
}

/// The seeds of a story that is told several times: a city takes its time.
fn seeds(first: u64, n: usize) -> std::ops::Range<u64> {
    first..first + if n <= 100 { 3 } else { 2 }
}

/// A grown mesh that agrees, and what its figures are printed with.
fn settled(seed: u64, n: usize, loss_permille: u32) -> (Mesh, Run) {
    let mut mesh = grown(seed, n, loss_permille);
    mesh.run_until(300 * SECOND, Mesh::agrees).expect("agreement");
    (mesh, Run { n, loss_permille, seed })
}

/// The stated bound on detection for a mesh of this size, in seconds: the document and the code state one.
fn detection(n: usize) -> f64 {
    use truca_core::gossip::{DETECTION, DETECTION_CITY};
    let stated = goal("a death known to all, worst of 9", n);
    assert_eq!(stated, if n <= 100 { DETECTION } else { DETECTION_CITY }.as_secs_f64());
    stated
}

fn all_know_who_lives(mesh: &Mesh) -> bool {
    let running = mesh.running();
    running.iter().all(|host| mesh.node(*host).alive().len() == running.len())
}

#[test]
fn a_death_is_known_everywhere_within_the_stated_time() {
    for n in sizes() {
        let (mut mesh, run) = settled(21, n, 50);
        let mut times: Vec<f64> = (0..9)
            .map(|death| {
                mesh.kill(n / 2 + death);
                let took = mesh.run_until(120 * SECOND, all_know_who_lives).expect("the death is known");
                took.as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        run.figure("death_known_s", times[4], "s");
        run.figure("death_known_worst_s", times[8], "s");
        assert!(times[8] <= detection(n), "{times:?}");
    }
}

#[test]
fn news_of_a_person_is_everywhere_within_seconds() {
    for n in sizes() {
        let (mut mesh, run) = settled(41, n, 50);
        let mut times: Vec<f64> = (0..9)
            .map(|person| {
                mesh.sign_in(person * n / 9, &format!("p{person}"));
                let took = mesh.run_until(60 * SECOND, Mesh::agrees).expect("everybody knows");
                mesh.run(SECOND);
                took.as_secs_f64()
            })
            .collect();
        times.sort_by(f64::total_cmp);
        run.figure("record_to_all_s", times[4], "s");
        run.figure("record_to_all_worst_s", times[8], "s");
        assert!(times[4] <= goal("a new record at everyone", n), "{times:?}");
    }
}

/// One virtual hour in an optimised build, five minutes in a plain one.
const LONG: Duration = Duration::from_secs(if cfg!(debug_assertions) { 300 } else { 3_600 });

#[test]
fn an_idle_mesh_costs_little_and_nobody_is_declared_dead_who_lives() {
    for n in sizes() {
        for seed in seeds(51, n) {
            let (mut mesh, run) = settled(seed, n, 50);
            mesh.run(60 * SECOND);
            let sent = |mesh: &Mesh| (0..n).map(|host| mesh.sent(host).1).sum::<u64>() as f64;
            let linked = |mesh: &Mesh| (0..n).map(|host| mesh.over_links(host)).sum::<u64>() as f64 / 2.0;
            let deaths = |mesh: &Mesh| (0..n).map(|host| mesh.node(host).deaths()).sum::<u32>();
            let before = (sent(&mesh), linked(&mesh), deaths(&mesh));
            let checks = |mesh: &Mesh| -> u64 {
                (0..n).map(|host| u64::from(mesh.node(host).directory().counters().checked)).sum()
            };
            let cpu = (0..n).map(|host| mesh.spent(host)).sum::<Duration>().as_secs_f64();
            let checked = checks(&mesh);
            mesh.run(LONG);
            let per = |total: f64| total / LONG.as_secs_f64() / n as f64;
            let worked = |mesh: &Mesh| (0..n).map(|host| mesh.spent(host)).sum::<Duration>().as_secs_f64();
            run.figure("cpu_ms_per_s", per(worked(&mesh) - cpu) * 1_000.0, "ms/s");
            let checks = (checks(&mesh) - checked) as f64;
            run.figure("checks_per_s_node", per(checks), "signatures/s");
            let (datagrams, frames) = (per(sent(&mesh) - before.0), per(linked(&mesh) - before.1));
            run.figure("idle_bytes_per_s_node", datagrams, "B/s");
            run.figure("idle_link_bytes_per_s_node", frames, "B/s");
            // what is promised, and that the document's figures are still those of this code: a quarter more is
            // another mesh (what links carry in five minutes is less even than in an hour)
            let (quiet, links) = ("membership and news of a quiet mesh", "the same over links");
            assert!(datagrams <= goal(quiet, n), "{datagrams} B/s");
            for (row, measured, more) in [(quiet, datagrams, 1.25), (links, frames, 1.5)] {
                let figure = documented(row, n).unwrap_or(measured);
                assert!(measured <= figure * more, "{row}: {measured} B/s, docs/scale.md says {figure}");
            }
            let died = deaths(&mesh) - before.2;
            run.figure("false_deaths", f64::from(died), "");
            assert_eq!(died, 0, "nobody has died");
        }
    }
}

#[test]
fn a_mesh_that_was_cut_in_two_heals() {
    for n in sizes() {
        let (mut mesh, run) = settled(31, n, 50);
        mesh.partition(Some((0..n).map(|host| (host % 2) as u8).collect()));
        mesh.run(120 * SECOND);
        for apart in 0..20 {
            mesh.sign_in(apart * n / 20, &format!("apart{apart}"));
        }
        mesh.run(30 * SECOND);
        mesh.partition(None);
        let took = mesh.run_until(180 * SECOND, Mesh::agrees).expect("it heals");
        run.figure("heal_s", took.as_secs_f64(), "s");
        assert!(took.as_secs_f64() <= goal("after a partition of two minutes", n), "{took:?}");
    }
}

/// All records that any running node has, by hash of key and version; and how many copies of them are missing.
fn missing(mesh: &Mesh) -> usize {
    let buckets: Vec<u8> = (0..=255).collect();
    let items = |host: &usize| -> BTreeSet<(u64, u64)> {
        let items = mesh.node(*host).directory().items(&buckets);
        items.iter().map(|item| (item.key, item.version)).collect()
    };
    let each: Vec<_> = mesh.running().iter().map(items).collect();
    let all: BTreeSet<(u64, u64)> = each.iter().flatten().copied().collect();
    each.iter().map(|own| all.len() - own.len()).sum()
}

#[test]
fn after_a_storm_of_loss_restarts_and_partitions_nothing_is_missing_anywhere() {
    for n in sizes() {
        for seed in seeds(61, n) {
            let run = Run { n, loss_permille: 200, seed };
            let mut mesh = grown(seed, n, 200);
            let mut persons: Vec<(Person, Duration)> = Vec::new();
            let mut newcomers = 0;
            // ten partitions, in each of which ten nodes are started anew and ten people come
            for round in 0..10 {
                let sides = (0..n).map(|_| mesh.rng().random_range(0..2)).collect();
                mesh.partition(Some(sides));
                for _ in 0..10 {
                    let host = mesh.rng().random_range(0..n);
                    mesh.kill(host);
                    let now = mesh.now();
                    // flash is written a minute after it was written: who came later may be forgotten
                    persons.retain(|(person, at)| person.host != host || now > *at + 66 * SECOND);
                    let away = mesh.rng().random_range(0..6_000);
                    mesh.run(Duration::from_millis(away));
                    mesh.start(host, &[]);
                    let home = mesh.rng().random_range(0..n);
                    newcomers += 1;
                    let name = format!("p{round}x{newcomers}");
                    persons.push((mesh.sign_in(home, &name), mesh.now()));
                }
                let apart = mesh.rng().random_range(0..40_000);
                mesh.run(Duration::from_millis(apart));
                mesh.partition(None);
                let together = mesh.rng().random_range(0..20_000);
                mesh.run(Duration::from_millis(if round < 9 { together } else { 0 }));
            }
            let took = mesh.run_until(300 * SECOND, Mesh::agrees);
            run.figure("records_missing", missing(&mesh) as f64, "");
            assert_eq!(missing(&mesh), 0, "seed {seed}");
            let took = took.unwrap_or_else(|| panic!("seed {seed}: not all are taken for alive"));
            run.figure("heal_after_storm_s", took.as_secs_f64(), "s");
            let known = |address: &str| {
                mesh.node(0).directory().accounts().any(|a| a.address().to_string() == address)
            };
            assert!(persons.len() > 20, "seed {seed}: the storm spared {}", persons.len());
            for (person, _) in &persons {
                assert!(known(&person.address), "seed {seed}: {} is forgotten", person.address);
            }
        }
    }
}

/// The city that somebody joins: all of it in an optimised build, a village in a plain one.
const CITY: City = if cfg!(debug_assertions) {
    City { homes: 30, people: 300, attached: 90 }
} else {
    City { homes: 980, people: 10_000, attached: 3_000 }
};

#[test]
fn who_joins_a_city_knows_it_within_seconds_and_checks_later() {
    let (near, seed) = (20, 81);
    let records = world::records(seed, CITY);
    let mut mesh = Mesh::new(seed, near + 1);
    mesh.weather.loss_permille = 50;
    for host in 0..near {
        mesh.give(host, &records);
        mesh.start(host, &[host.saturating_sub(1)]);
    }
    mesh.run_until(300 * SECOND, Mesh::agrees).expect("agreement");
    mesh.run(60 * SECOND);

    let run = Run { n: CITY.homes + near, loss_permille: 50, seed };
    mesh.start(near, &[0]);
    let took = mesh.run_until(60 * SECOND, Mesh::agrees).expect("it knows what the others know");
    let bytes = mesh.over_links(near) + mesh.sent(near).1 + mesh.heard(near);
    let checks = mesh.node(near).directory().counters().checked;
    let unchecked = mesh.node(near).directory().unchecked();
    let at_10_mbps = took.as_secs_f64() + bytes as f64 * 8.0 / 10e6;
    run.figure("join_bytes", bytes as f64, "bytes");
    run.figure("join_s", at_10_mbps, "s");
    run.figure("join_checks", f64::from(checks), "signatures");
    run.figure("join_cpu_ms", mesh.spent(near).as_secs_f64() * 1_000.0, "ms");
    assert!(unchecked * 10 > records.len() * 9, "only {unchecked} wait to be checked");
    assert!(bytes <= 3 << 20, "{bytes} bytes");
    assert!(at_10_mbps <= 5.0, "{at_10_mbps} s");

    // in the background all are checked in the end
    let proven = |mesh: &Mesh| mesh.node(near).directory().unchecked() == 0;
    let took = mesh.run_until(2 * 3_600 * SECOND, proven).expect("all is checked");
    run.figure("join_all_checked_s", took.as_secs_f64(), "s");
    assert!(mesh.agrees());
}
