//! Records that are kept unchecked, and what a lie can do: keep a place until something depends on it.

use super::*;
use crate::directory::lazy::MAX_SOURCES;

const NEIGHBOUR: NodeId = NodeId([9; 16]);

/// A record with another signature than its own.
fn lie(mut encoded: Vec<u8>) -> Vec<u8> {
    *encoded.last_mut().unwrap() ^= 1;
    encoded
}

fn checked(directory: &Directory) -> u32 {
    directory.counters().checked
}

#[test]
fn what_a_neighbour_sends_is_kept_unchecked_until_it_is_needed() {
    let (home, device) = (Signer::new(), Signer::new());
    let address = home.address("nuria");
    let mut directory = directory();
    for record in [
        home.node(1, 1),
        home.account("nuria", &[&device], 1),
        device.attachment(&address, home.id(), 1, 1, Status::Here),
    ] {
        assert!(matches!(directory.merge_lazily(&record, NEIGHBOUR), Ok(Merged::Unchecked(_))));
        assert_eq!(directory.merge_lazily(&record, NEIGHBOUR), Ok(Merged::Known));
    }
    assert_eq!((checked(&directory), directory.unchecked()), (0, 3));
    assert_eq!(directory.here(&address, |_| true).count(), 1);
    assert!(directory.check_person(&address));
    assert_eq!((checked(&directory), directory.unchecked()), (3, 0));
    assert!(directory.check_person(&address) && checked(&directory) == 3, "once is enough");
}

#[test]
fn a_lie_of_the_largest_counter_gives_way_to_the_truth() {
    let (home, device, thief) = (Signer::new(), Signer::new(), Signer::new());
    let address = home.address("nuria");
    let mut directory = directory();
    directory.merge(&home.node(1, 1)).unwrap();
    let false_account = lie(home.account("nuria", &[&thief], u32::MAX));
    directory.merge_lazily(&false_account, NEIGHBOUR).unwrap();
    assert_eq!(directory.account(&address).unwrap().body.devices, [thief.device()]);
    let truth = home.account("nuria", &[&device], 1);
    assert!(matches!(directory.merge(&truth), Ok(Merged::New(_))));
    assert_eq!(directory.account(&address).unwrap().body.devices, [device.device()]);
    assert_eq!(directory.merge_lazily(&false_account, NEIGHBOUR), Err(Refused::Signature));
    // and a false node, by which the true one could not be reached
    let other = Signer::new();
    directory.merge_lazily(&lie(other.node(u32::MAX, 9)), NodeId([8; 16])).unwrap();
    assert!(matches!(directory.merge_lazily(&other.node(1, 1), NodeId([7; 16])), Ok(Merged::Unchecked(_))));
    assert_eq!(directory.node(&other.id()).unwrap().body.boot, 1);
    assert_eq!((directory.unchecked(), directory.counters().bad_signature), (1, 3));
}

#[test]
fn a_lie_is_dropped_with_all_that_hangs_on_it_and_its_teller_is_believed_no_more() {
    let (home, thief) = (Signer::new(), Signer::new());
    let address = home.address("nuria");
    let (mut directory, mut other, node) = (directory(), directory(), home.node(1, 1));
    for known in [&mut directory, &mut other] {
        known.merge(&node).unwrap();
    }
    directory.merge_lazily(&lie(home.account("nuria", &[&thief], 1)), NEIGHBOUR).unwrap();
    directory.merge_lazily(&thief.attachment(&address, home.id(), 1, 1, Status::Here), NEIGHBOUR).unwrap();
    assert!(!directory.check_person(&address));
    assert_eq!((directory.sizes(), directory.unchecked()), ((1, 0, 0), 0));
    assert_eq!(directory.digest(), other.digest());
    // what else it sends is checked at once, also when it is true
    assert!(matches!(directory.merge_lazily(&home.account("pep", &[], 1), NEIGHBOUR), Ok(Merged::New(_))));
    let other = directory.merge_lazily(&home.account("joan", &[], 1), NodeId([8; 16]));
    assert!(matches!(other, Ok(Merged::Unchecked(_))));
}

#[test]
fn the_background_ends_with_everything_checked_and_the_lies_gone() {
    let (home, liar) = (Signer::new(), Signer::new());
    let mut directory = directory();
    directory.merge_lazily(&home.node(1, 1), NEIGHBOUR).unwrap();
    directory.merge_lazily(&lie(liar.node(1, 1)), NEIGHBOUR).unwrap();
    for n in 0..20 {
        let account = home.account(&format!("p{n}"), &[], 1);
        directory.merge_lazily(&if n % 5 == 0 { lie(account) } else { account }, NEIGHBOUR).unwrap();
    }
    // of a home whose record is a lie
    directory.merge_lazily(&liar.account("pep", &[], 1), NEIGHBOUR).unwrap();
    let mut dropped = Vec::new();
    for _ in 0..6 {
        dropped.extend(directory.check_some(4));
    }
    assert_eq!((directory.sizes(), directory.unchecked()), ((1, 16, 0), 0));
    assert_eq!((dropped, checked(&directory)), (vec![liar.id()], 23));
}

#[test]
fn no_lie_keeps_a_place_that_somebody_else_needs() {
    let (home, device, thief) = (Signer::new(), Signer::new(), Signer::new());
    let limits = Limits { accounts_per_home: 2, ..Limits::default() };
    let mut directory = Directory::new(NodeId([0; 16]), limits);
    directory.merge(&home.node(1, 1)).unwrap();
    for name in ["a", "b"] {
        directory.merge_lazily(&lie(home.account(name, &[&thief], 1)), NEIGHBOUR).unwrap();
    }
    for name in ["c", "d"] {
        assert!(matches!(directory.merge(&home.account(name, &[&device], 1)), Ok(Merged::New(_))), "{name}");
    }
    assert_eq!(directory.merge(&home.account("e", &[&device], 1)), Err(Refused::Full));
    // an account that is a lie does not keep a true attachment out for long
    let mut directory = Directory::new(NodeId([0; 16]), limits);
    directory.merge(&home.node(1, 1)).unwrap();
    directory.merge_lazily(&lie(home.account("nuria", &[&thief], 7)), NEIGHBOUR).unwrap();
    let here = device.attachment(&home.address("nuria"), home.id(), 1, 1, Status::Here);
    assert_eq!(directory.merge(&here), Err(Refused::Orphan), "and a comparison follows");
    directory.merge(&home.account("nuria", &[&device], 1)).unwrap();
    assert!(directory.merge(&here).is_ok());
}

#[test]
fn tombstones_and_what_is_at_home_here_are_checked_at_once() {
    let (own, home) = (Signer::new(), Signer::new());
    let mut directory = Directory::new(own.id(), Limits::default());
    directory.merge(&own.node(1, 1)).unwrap();
    directory.merge(&home.node(1, 1)).unwrap();
    let refused = Err(Refused::Signature);
    assert_eq!(directory.merge_lazily(&lie(own.account("nuria", &[], 1)), NEIGHBOUR), refused);
    assert_eq!(directory.merge_lazily(&lie(home.tombstone("nuria", 1)), NEIGHBOUR), refused);
    assert!(matches!(directory.merge_lazily(&home.tombstone("nuria", 1), NEIGHBOUR), Ok(Merged::New(_))));
}

#[test]
fn only_so_many_neighbours_are_taken_at_their_word() {
    let mut directory = directory();
    let words: Vec<bool> = (0..=MAX_SOURCES as u8)
        .map(|n| {
            let merged = directory.merge_lazily(&Signer::new().node(1, 1), NodeId([n; 16])).unwrap();
            matches!(merged, Merged::Unchecked(_))
        })
        .collect();
    assert!(words[..MAX_SOURCES].iter().all(|unchecked| *unchecked));
    assert!(!words[MAX_SOURCES]);
    // when all is checked there is room again
    assert!(directory.check_some(100).is_empty() && directory.unchecked() == 0);
    let merged = directory.merge_lazily(&Signer::new().node(1, 1), NodeId([0xff; 16])).unwrap();
    assert!(matches!(merged, Merged::Unchecked(_)));
}
