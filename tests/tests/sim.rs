//! The mesh in virtual time: what must hold of many nodes, whatever the network does.

use std::time::Duration;

use rand::RngExt;
use serde_json::json;
use truca_tests::figures::Run;
use truca_tests::sim::Mesh;

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
    let sdp = json!({ "call": call, "to": pep.address, "media": "audio", "sdp": "v=0\r\n", "signature": "A".repeat(86) });
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

/// A grown mesh that agrees, and what its figures are printed with.
fn settled(seed: u64, n: usize, loss_permille: u32) -> (Mesh, Run) {
    let mut mesh = grown(seed, n, loss_permille);
    mesh.run_until(300 * SECOND, Mesh::agrees).expect("agreement");
    (mesh, Run { n, loss_permille, seed })
}

/// The stated bound on detection for a mesh of this size.
fn detection(n: usize) -> Duration {
    if n <= 100 { truca_core::gossip::DETECTION } else { truca_core::gossip::DETECTION_CITY }
}

fn all_know_who_lives(mesh: &Mesh) -> bool {
    let running = mesh.running();
    running.iter().all(|host| mesh.node(*host).alive().len() == running.len())
}

#[test]
fn a_death_is_known_everywhere_within_the_stated_time() {
    for n in sizes() {
        let (mut mesh, run) = settled(21, n, 50);
        mesh.kill(n / 2);
        let took = mesh.run_until(120 * SECOND, all_know_who_lives).expect("the death is known");
        run.figure("death_known_s", took.as_secs_f64(), "s");
        assert!(took <= detection(n), "{took:?}");
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
        assert!(times[4] <= if n <= 100 { 1.5 } else { 3.0 }, "{times:?}");
    }
}

/// One virtual hour in an optimised build, five minutes in a plain one.
const LONG: Duration = Duration::from_secs(if cfg!(debug_assertions) { 300 } else { 3_600 });

#[test]
fn an_idle_mesh_costs_little_and_nobody_is_declared_dead_who_lives() {
    for n in sizes() {
        for seed in [51, 52, 53] {
            let (mut mesh, run) = settled(seed, n, 50);
            mesh.run(60 * SECOND);
            let sent = |mesh: &Mesh| (0..n).map(|host| mesh.sent(host).1).sum::<u64>() as f64;
            let linked = |mesh: &Mesh| (0..n).map(|host| mesh.over_links(host)).sum::<u64>() as f64 / 2.0;
            let deaths = |mesh: &Mesh| (0..n).map(|host| mesh.node(host).deaths()).sum::<u32>();
            let before = (sent(&mesh), linked(&mesh), deaths(&mesh));
            mesh.run(LONG);
            let per = |bytes: f64| bytes / LONG.as_secs_f64() / n as f64;
            run.figure("idle_bytes_per_s_node", per(sent(&mesh) - before.0), "B/s");
            run.figure("idle_link_bytes_per_s_node", per(linked(&mesh) - before.1), "B/s");
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
        assert!(took <= 30 * SECOND, "{took:?}");
    }
}
