//! Who may be a member of a mesh, in virtual time.

use std::time::Duration;

use truca_core::id::NodeId;
use truca_tests::sim::Mesh;
use trucad::node::admission::{Admission, CommunityKey};

const SECOND: Duration = Duration::from_secs(1);

fn secret(words: &str) -> Admission {
    Admission::Secret(CommunityKey::of(words))
}

/// Four nodes, each of which knows all the others' addresses, a minute after their start.
fn mesh(seed: u64, admissions: [Admission; 4]) -> Mesh {
    let mut mesh = Mesh::new(seed, 4);
    mesh.admissions = admissions.into_iter().enumerate().collect();
    for host in 0..4 {
        mesh.start(host, &[0, 1, 2, 3].map(|peer| if peer == host { (host + 1) % 4 } else { peer }));
    }
    for host in 0..4 {
        mesh.sign_in(host, &format!("p{host}"));
    }
    mesh.run(60 * SECOND);
    mesh
}

/// How many members a host sees, and how many people.
fn seen(mesh: &Mesh, host: usize) -> (usize, usize) {
    (mesh.node(host).alive().len(), mesh.node(host).directory().accounts().count())
}

#[test]
fn those_that_know_the_secret_are_a_mesh_of_which_others_learn_nothing() {
    let (ours, theirs) = (secret("correct horse battery"), secret("something else entirely"));
    let mesh = mesh(71, [ours.clone(), ours, theirs, Admission::Open]);
    for host in [0, 1] {
        assert_eq!(seen(&mesh, host), (2, 2), "host {host}");
    }
    for host in [2, 3] {
        assert_eq!(seen(&mesh, host), (1, 1), "host {host}");
    }
}

#[test]
fn those_on_the_list_are_a_mesh_and_nobody_else_gets_into_its_directory() {
    // ids come from the seed, so a first mesh tells those of the second
    let ids: Vec<NodeId> = {
        let mesh = mesh(72, [const { Admission::Open }; 4]);
        assert_eq!(seen(&mesh, 0), (4, 4));
        (0..4).map(|host| mesh.node(host).id()).collect()
    };
    let allow = |hosts: &[usize]| Admission::Allow(hosts.iter().map(|host| ids[*host]).collect());
    // the last one is open: it would bring everybody's records to everybody
    let mesh = mesh(72, [allow(&[1, 3]), allow(&[0, 3]), Admission::Open, Admission::Open]);
    for host in [0, 1] {
        assert_eq!(mesh.node(host).directory().accounts().count(), 3, "host {host}");
        assert!(mesh.node(host).directory().node(&ids[2]).is_none());
    }
    assert_eq!(seen(&mesh, 3), (4, 4));
}
