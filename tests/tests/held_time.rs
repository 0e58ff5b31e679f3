//! Bounds that are times, in virtual time: how long a session outlives its socket, how often windows are told.

use std::time::Duration;

use serde_json::json;
use truca_tests::sim::Mesh;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_session_outlives_its_socket_by_30_seconds_and_that_of_a_page_that_left_by_3() {
    for (left, seconds) in [(false, 30), (true, 3)] {
        let mut mesh = Mesh::new(91, 1);
        mesh.start(0, &[]);
        let nuria = mesh.sign_in(0, "nuria");
        mesh.run(SECOND);
        mesh.close_page(&nuria, left);
        mesh.run(seconds * SECOND - SECOND / 2);
        assert_eq!((&mesh.status(0)["sessions"], &mesh.status(0)["here"]), (&1.into(), &1.into()), "{left}");
        mesh.run(SECOND);
        assert_eq!((&mesh.status(0)["sessions"], &mesh.status(0)["here"]), (&0.into(), &0.into()), "{left}");
    }
}

#[test]
fn a_window_is_told_of_changes_every_500_milliseconds_at_most_and_the_last_one_is_not_lost() {
    let mut mesh = Mesh::new(92, 1);
    mesh.start(0, &[]);
    let (mut anna, mut pep) = (mesh.sign_in(0, "anna"), mesh.sign_in(0, "pep"));
    mesh.ask(&mut anna, "watch", json!({ "text": "", "limit": 10 }));
    mesh.run(2 * SECOND);
    let before = mesh.told(&anna, "people").len();
    for number in 0..20 {
        mesh.ask(&mut pep, "profile", json!({ "display": format!("Pep {number}") }));
        mesh.run(Duration::from_millis(100));
    }
    mesh.run(SECOND);
    let told = mesh.told(&anna, "people");
    // two seconds of changes, at most every 500 ms
    assert!((2..=6).contains(&(told.len() - before)), "{} times", told.len() - before);
    assert!(told.last().is_some_and(|last| last.to_string().contains("Pep 19")), "{told:?}");
}
