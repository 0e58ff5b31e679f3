//! Where a bound is met exactly, and what a node does with records of its own.

use super::*;

const NEIGHBOUR: NodeId = NodeId([9; 16]);

fn lie(mut encoded: Vec<u8>) -> Vec<u8> {
    *encoded.last_mut().unwrap() ^= 1;
    encoded
}

fn node_of(encoded: &[u8]) -> Node {
    match Record::decode(encoded).unwrap() {
        Record::Node(node) => node,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_tombstone_that_was_forgotten_does_not_return() {
    let home = Signer::new();
    let limits = Limits { tombstones_per_home: 2, ..Limits::default() };
    let mut directory = Directory::new(NodeId([0; 16]), limits);
    directory.merge(&home.node(1, 1)).unwrap();
    for n in [3, 4] {
        assert!(matches!(directory.merge(&home.tombstone(&format!("p{n}"), n)), Ok(Merged::New(_))));
    }
    let before = (directory.digest().clone(), directory.revision(), *directory.counters());
    for (name, counter) in [("p1", 1), ("p2", 2), ("a", 3)] {
        // or it would be told on, forgotten and learned again for ever
        assert_eq!(directory.merge(&home.tombstone(name, counter)), Ok(Merged::Known), "{name}");
    }
    assert_eq!((directory.digest(), directory.revision()), (&before.0, before.1));
    assert_eq!(directory.counters().checked, before.2.checked, "and no signature is checked for it");
    // one that is newer than one of the two is news, and takes its place
    assert!(matches!(directory.merge(&home.tombstone("z", 3)), Ok(Merged::New(_))));
    let kept: Vec<&str> = directory.records_of(home.id()).map(|a| a.body.name.as_str()).collect();
    assert_eq!(kept, ["p4", "z"]);
}

#[test]
fn another_home_has_its_own_tombstones() {
    let (one, other) = (Signer::new(), Signer::new());
    let limits = Limits { tombstones_per_home: 1, ..Limits::default() };
    let mut directory = Directory::new(NodeId([0; 16]), limits);
    for home in [&one, &other] {
        directory.merge(&home.node(1, 1)).unwrap();
        assert!(matches!(directory.merge(&home.tombstone("p", 1)), Ok(Merged::New(_))));
    }
    assert_eq!(directory.sizes(), (2, 2, 0));
}

#[test]
fn of_its_own_record_a_node_knows_only_the_one_that_it_signed() {
    let own = Signer::new();
    let mut directory = Directory::new(own.id(), Limits::default());
    let current = own.node(3, 2);
    directory.merge(&current).unwrap();
    let before = directory.digest().clone();
    assert_eq!(directory.merge(&current), Ok(Merged::Known));
    // of an earlier life, with the same counter
    let same = own.node_called("torre", 3, 2);
    assert_eq!(directory.merge(&same), Ok(Merged::Ahead { counter: 3, boot: 2 }));
    assert_eq!(directory.merge(&own.node_called("torre", 2, 2)), Ok(Merged::Known), "an older one");
    assert_eq!(directory.digest(), &before);
    // another's record with its counter is no life of ours
    let other = Signer::new();
    let (one, two) = (other.node(1, 1), other.node_called("torre", 1, 1));
    directory.merge(&one).unwrap();
    assert!(!matches!(directory.merge(&two), Ok(Merged::Ahead { .. })));
    // a lie about our own changes nothing either
    assert_eq!(directory.merge(&lie(own.node(9, 9))), Err(Refused::Signature));
}

#[test]
fn a_node_replaces_its_own_record_by_a_newer_one_and_no_other() {
    let (own, other) = (Signer::new(), Signer::new());
    let mut directory = Directory::new(own.id(), Limits::default());
    assert!(directory.replace_own_node(node_of(&own.node(2, 1))), "the first");
    let (revision, digest) = (directory.revision(), directory.digest().clone());
    assert!(!directory.replace_own_node(node_of(&own.node(2, 5))), "the same counter");
    assert!(!directory.replace_own_node(node_of(&own.node(1, 5))), "an older one");
    assert!(!directory.replace_own_node(node_of(&other.node(9, 1))), "somebody else's");
    assert_eq!((directory.revision(), directory.digest()), (revision, &digest));
    assert_eq!(directory.node(&own.id()).unwrap().body.boot, 1);
    let newer = own.node_called("torre", 3, 2);
    assert!(directory.replace_own_node(node_of(&newer)));
    assert_eq!(directory.revision(), revision + 1);
    let mut same = super::directory();
    same.merge(&newer).unwrap();
    assert_eq!(directory.digest(), same.digest(), "nothing is left of the one before");
    assert_eq!(directory.shown_name(&own.id()), "torre");
}

#[test]
fn what_is_put_off_is_counted_until_it_is_gone() {
    let (home, phone, laptop) = (Signer::new(), Signer::new(), Signer::new());
    let address = home.address("nuria");
    let (node, tombstone) = (home.node(1, 1), home.tombstone("nuria", 3));
    let mut directory = directory();
    directory.merge(&node).unwrap();
    directory.merge(&home.account("nuria", &[&phone, &laptop], 1)).unwrap();
    for (counter, device) in [(1, &phone), (1, &laptop)] {
        let here = device.attachment(&address, home.id(), 1, counter, Status::Here);
        directory.merge_lazily(&here, NEIGHBOUR).unwrap();
    }
    assert_eq!((directory.unchecked(), directory.sizes().2), (2, 2));
    // a device that the account has no more takes its unchecked attachment with it
    directory.merge(&home.account("nuria", &[&laptop], 2)).unwrap();
    assert_eq!((directory.unchecked(), directory.sizes().2), (1, 1));
    directory.merge(&tombstone).unwrap();
    assert_eq!((directory.unchecked(), directory.sizes().2), (0, 0));
    // and the sums are those of who never heard of it
    let mut other = super::directory();
    other.merge(&node).unwrap();
    other.merge(&tombstone).unwrap();
    assert_eq!(directory.digest(), other.digest());
}

#[test]
fn every_kind_of_record_makes_room_when_what_keeps_its_place_is_a_lie() {
    let (home, device) = (Signer::new(), Signer::new());
    let limits = Limits { nodes: 2, accounts: 2, attachments: 1, ..Limits::default() };
    let full = Err(Refused::Full);
    // nodes
    let mut directory = Directory::new(NodeId([0; 16]), limits);
    directory.merge(&home.node(1, 1)).unwrap();
    directory.merge_lazily(&lie(Signer::new().node(1, 1)), NEIGHBOUR).unwrap();
    let other = Signer::new();
    assert!(matches!(directory.merge(&other.node(1, 1)), Ok(Merged::New(_))));
    assert_eq!(directory.merge(&Signer::new().node(1, 1)), full, "all of them are true now");
    // accounts, also when the lie is of another home
    directory.merge(&home.account("anna", &[&device], 1)).unwrap();
    directory.merge_lazily(&lie(other.account("biel", &[], 1)), NodeId([8; 16])).unwrap();
    assert!(matches!(directory.merge(&home.account("clara", &[], 1)), Ok(Merged::New(_))));
    assert_eq!(directory.merge(&home.account("dani", &[], 1)), full);
    // attachments
    let (anna, clara) = (home.address("anna"), home.address("clara"));
    directory.merge(&home.account("clara", &[&device], 2)).unwrap();
    let here = |of: &Address| device.attachment(of, home.id(), 1, 1, Status::Here);
    directory.merge_lazily(&lie(here(&anna)), NodeId([7; 16])).unwrap();
    assert!(matches!(directory.merge(&here(&clara)), Ok(Merged::New(_))));
    assert_eq!(directory.merge(&here(&anna)), full);
    assert_eq!((directory.sizes(), directory.unchecked()), ((2, 2, 1), 0));
}

#[test]
fn what_is_unchecked_and_true_keeps_its_place_and_is_checked_then() {
    let home = Signer::new();
    let mut directory = Directory::new(NodeId([0; 16]), Limits { nodes: 1, ..Limits::default() });
    directory.merge_lazily(&home.node(1, 1), NEIGHBOUR).unwrap();
    let key = Key::Node(home.id());
    assert!(!directory.is_checked(&key));
    assert_eq!(directory.merge(&Signer::new().node(1, 1)), Err(Refused::Full));
    assert!(directory.is_checked(&key));
    assert_eq!((directory.sizes().0, directory.unchecked()), (1, 0));
    assert!(!directory.is_checked(&Key::Node(NodeId([1; 16]))), "what is not known is not checked");
}

#[test]
fn each_refusal_has_its_counter_and_each_check_is_counted() {
    let (home, device) = (Signer::new(), Signer::new());
    let mut directory = Directory::new(NodeId([0; 16]), Limits { nodes: 1, ..Limits::default() });
    let count = |directory: &Directory| {
        let c = directory.counters();
        (c.merged, c.checked, c.malformed, c.bad_signature, c.orphan, c.wrong_device, c.full)
    };
    directory.merge(&home.node(1, 1)).unwrap();
    assert_eq!(count(&directory), (1, 1, 0, 0, 0, 0, 0));
    let _ = directory.merge(b"no record");
    assert_eq!(count(&directory), (1, 1, 1, 0, 0, 0, 0));
    let _ = directory.merge(&lie(home.node(2, 1)));
    assert_eq!(count(&directory), (1, 2, 1, 1, 0, 0, 0));
    let _ = directory.merge(&Signer::new().account("pep", &[], 1));
    assert_eq!(count(&directory), (1, 2, 1, 1, 1, 0, 0));
    directory.merge(&home.account("anna", &[], 1)).unwrap();
    let stranger = device.attachment(&home.address("anna"), home.id(), 1, 1, Status::Here);
    let _ = directory.merge(&stranger);
    assert_eq!(count(&directory), (2, 3, 1, 1, 1, 1, 0));
    let _ = directory.merge(&Signer::new().node(1, 1));
    assert_eq!(count(&directory), (2, 3, 1, 1, 1, 1, 1));
    assert_eq!(directory.revision(), 2, "only what was merged is a change");
}
