//! The mesh in virtual time: what must hold of many nodes, whatever the network does.

use std::time::Duration;

use rand::RngExt;
use serde_json::json;
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
        println!("seed {seed}: agreed {took:?} after the last change");
        assert!(took.is_some(), "seed {seed}: the directories differ");
    }
}

#[test]
fn a_death_is_known_everywhere_within_the_stated_time() {
    let mut mesh = grown(21, 50, 50);
    mesh.run_until(60 * SECOND, Mesh::agrees).expect("agreement");
    mesh.kill(25);
    let took = mesh.run_until(60 * SECOND, |mesh| {
        let running = mesh.running();
        running.iter().all(|host| mesh.node(*host).alive().len() == running.len())
    });
    println!("known everywhere after {took:?}");
    assert!(took.expect("the death is known") <= truca_core::gossip::DETECTION);
}

#[test]
fn a_mesh_that_was_cut_in_two_heals() {
    let mut mesh = grown(31, 20, 50);
    mesh.run_until(60 * SECOND, Mesh::agrees).expect("agreement");
    mesh.partition(Some((0..20).map(|host| (host % 2) as u8).collect()));
    mesh.run(120 * SECOND);
    let person = mesh.sign_in(3, "apart");
    assert!(person.address.starts_with("apart@"));
    mesh.run(30 * SECOND);
    mesh.partition(None);
    let took = mesh.run_until(120 * SECOND, Mesh::agrees);
    println!("healed after {took:?}");
    assert!(took.is_some());
}
