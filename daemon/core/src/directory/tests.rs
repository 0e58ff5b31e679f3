//! Directories, merged in every order and from every kind of byte.

// the keys of a test may come from anywhere
#![allow(clippy::disallowed_types)]

use std::net::IpAddr;

use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};

use super::record::{AccountBody, DELETED, NodeBody};
use super::*;
use crate::wire::bytes::{Bytes, Point, Signature};

/// Somebody with a key: a node or a device.
struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap())
    }

    fn point(&self) -> Point {
        Bytes(self.0.public_key().as_ref().try_into().unwrap())
    }

    fn id(&self) -> NodeId {
        NodeId::of_point(&self.point().0)
    }

    fn device(&self) -> DeviceId {
        DeviceId::of_point(&self.point().0)
    }

    fn sign(&self, message: &[u8]) -> Signature {
        Bytes(self.0.sign(&SystemRandom::new(), message).unwrap().as_ref().try_into().unwrap())
    }

    fn node(&self, counter: u32, boot: u32) -> Vec<u8> {
        self.node_called("casa", counter, boot)
    }

    fn node_called(&self, name: &str, counter: u32, boot: u32) -> Vec<u8> {
        let body = NodeBody {
            point: self.point(),
            agreement: Bytes([7; 32]),
            counter,
            boot,
            name: name.parse().unwrap(),
            addresses: vec![IpAddr::from([10, 1, 1, 1])],
            port: 8443,
            stun_port: 3478,
            version: (0, 1, 0),
        };
        let signature = self.sign(&Node::to_sign(&body));
        Record::Node(Node { body, signature }).encode()
    }

    fn account(&self, name: &str, devices: &[&Signer], counter: u32) -> Vec<u8> {
        self.flagged(name, devices, counter, 0)
    }

    fn tombstone(&self, name: &str, counter: u32) -> Vec<u8> {
        self.flagged(name, &[], counter, DELETED)
    }

    fn flagged(&self, name: &str, devices: &[&Signer], counter: u32, flags: u8) -> Vec<u8> {
        let body = AccountBody {
            home: self.id(),
            name: name.parse().unwrap(),
            display: format!("{name} {counter}").parse().unwrap(),
            devices: devices.iter().map(|device| device.device()).collect(),
            counter,
            flags,
        };
        let signature = self.sign(&Account::to_sign(&body));
        Record::Account(Account { body, signature }).encode()
    }

    fn address(&self, name: &str) -> Address {
        Address { home: self.id(), name: name.parse().unwrap() }
    }

    fn attachment(&self, of: &Address, at: NodeId, boot: u32, counter: u32, status: Status) -> Vec<u8> {
        let text = Attachment::to_sign(of, at, boot, counter, status);
        let (address, signature) = (of.clone(), self.sign(text.as_bytes()));
        let attachment =
            Attachment { address, point: self.point(), node: at, boot, counter, status, signature };
        Record::Attachment(attachment).encode()
    }
}

fn directory() -> Directory {
    Directory::new(NodeId([0; 16]), Limits::default())
}

fn refusals(directory: &Directory) -> u32 {
    let c = directory.counters();
    c.malformed + c.bad_signature + c.orphan + c.wrong_device + c.full
}

#[test]
fn a_record_with_any_byte_changed_is_refused_counted_and_changes_nothing() {
    let (home, device) = (Signer::new(), Signer::new());
    let address = home.address("nuria");
    let records = [
        home.node(1, 1),
        home.account("nuria", &[&device], 1),
        device.attachment(&address, home.id(), 1, 1, Status::Here),
    ];
    for (known, record) in records.iter().enumerate() {
        let mut directory = directory();
        records[..known].iter().for_each(|record| assert!(directory.merge(record).is_ok()));
        let before = (directory.digest().clone(), directory.sizes(), directory.revision());
        let mut tried = 0;
        let mut refuse = |bytes: &[u8], what: &str| {
            assert!(directory.merge(bytes).is_err(), "record {known}: {what}");
            tried += 1;
            assert_eq!(refusals(&directory), tried, "it is counted");
            let after = (directory.digest().clone(), directory.sizes(), directory.revision());
            assert_eq!(after, before, "record {known}: {what}");
        };
        for at in 0..record.len() {
            for bit in 0..8 {
                let mut changed = record.clone();
                changed[at] ^= 1 << bit;
                refuse(&changed, &format!("byte {at}, bit {bit}"));
            }
            refuse(&record[..at], &format!("cut at {at}"));
        }
        refuse(&[&record[..], &[0]].concat(), "one byte more");
        assert_eq!(directory.merge(record).unwrap(), Merged::New(Record::decode(record).unwrap().key()));
    }
}

#[test]
fn of_nodes_that_are_not_wanted_any_more_nothing_is_left() {
    let (home, other, device, guest) = (Signer::new(), Signer::new(), Signer::new(), Signer::new());
    let of = |home: &Signer, name: &str, device: &Signer, at: &Signer| {
        let here = device.attachment(&home.address(name), at.id(), 1, 1, Status::Here);
        [home.node(1, 1), home.account(name, &[device], 1), here]
    };
    let ours = of(&home, "nuria", &device, &other);
    let theirs = of(&other, "pep", &guest, &home);
    let (mut all, mut some) = (directory(), directory());
    for record in &ours {
        all.merge(record).unwrap();
        some.merge(record).unwrap();
    }
    for record in &theirs {
        assert!(matches!(all.merge_lazily(record, NodeId([9; 16])), Ok(Merged::Unchecked(_))));
    }
    let before = all.revision();
    all.keep_nodes(|id| id == home.id());
    assert_eq!((all.digest(), all.sizes(), all.unchecked()), (some.digest(), some.sizes(), 0));
    assert!(all.namesakes().is_none() && all.revision() != before);
    // they may come again
    for record in &theirs {
        assert!(matches!(all.merge(record), Ok(Merged::New(_))));
    }
    let mut own = Directory::new(home.id(), Limits::default());
    ours.iter().for_each(|record| drop(own.merge(record).unwrap()));
    own.keep_nodes(|_| false);
    assert_eq!(own.sizes(), some.sizes(), "this node is always wanted");
}

#[test]
fn the_larger_counter_wins_and_an_old_record_says_nothing() {
    let (home, device) = (Signer::new(), Signer::new());
    let mut directory = directory();
    directory.merge(&home.node(1, 1)).unwrap();
    directory.merge(&home.account("nuria", &[&device], 5)).unwrap();
    assert_eq!(directory.merge(&home.account("nuria", &[&device], 4)), Ok(Merged::Known));
    let name = |directory: &Directory| {
        directory.account(&home.address("nuria")).unwrap().body.display.as_str().to_owned()
    };
    assert_eq!(name(&directory), "nuria 5");
    directory.merge(&home.account("nuria", &[&device], 6)).unwrap();
    assert_eq!(name(&directory), "nuria 6");
}

#[test]
fn two_records_with_one_counter_end_the_same_everywhere() {
    let (home, a, b) = (Signer::new(), Signer::new(), Signer::new());
    let (node, one, two) =
        (home.node(1, 1), home.account("nuria", &[&a], 1), home.account("nuria", &[&b], 1));
    let digest = |order: [&Vec<u8>; 3]| {
        let mut directory = directory();
        order.iter().for_each(|record| drop(directory.merge(record)));
        directory.digest().clone()
    };
    assert_eq!(digest([&node, &one, &two]), digest([&node, &two, &one]));
}

#[test]
fn nobody_speaks_for_somebody_else() {
    let (home, other, device, stranger) = (Signer::new(), Signer::new(), Signer::new(), Signer::new());
    let address = home.address("nuria");
    let mut directory = directory();
    let here = device.attachment(&address, home.id(), 1, 1, Status::Here);
    assert_eq!(directory.merge(&home.account("nuria", &[&device], 1)), Err(Refused::Orphan), "no home yet");
    directory.merge(&home.node(1, 1)).unwrap();
    directory.merge(&other.node(1, 1)).unwrap();
    assert_eq!(directory.merge(&here), Err(Refused::Orphan), "no account yet");
    directory.merge(&home.account("nuria", &[&device], 1)).unwrap();
    let theirs = stranger.attachment(&address, other.id(), 1, 9, Status::Here);
    assert_eq!(directory.merge(&theirs), Err(Refused::Device));

    // another node signs for an account of this home
    let body = match Record::decode(&home.account("nuria", &[&stranger], 9)).unwrap() {
        Record::Account(account) => account.body,
        _ => unreachable!(),
    };
    let signature = other.sign(&Account::to_sign(&body));
    let forged = Record::Account(Account { body, signature }).encode();
    assert_eq!(directory.merge(&forged), Err(Refused::Signature));
    assert!(directory.merge(&here).is_ok());
}

#[test]
fn an_attachment_counts_only_while_its_node_lives_and_was_not_restarted() {
    let (home, device) = (Signer::new(), Signer::new());
    let address = home.address("nuria");
    let mut directory = directory();
    directory.merge(&home.node(1, 1)).unwrap();
    directory.merge(&home.account("nuria", &[&device], 1)).unwrap();
    directory.merge(&device.attachment(&address, home.id(), 1, 1, Status::Here)).unwrap();
    let here = |directory: &Directory, alive: bool| directory.here(&address, |_| alive).count();
    assert_eq!((here(&directory, true), here(&directory, false)), (1, 0));
    directory.merge(&home.node(2, 2)).unwrap();
    assert_eq!(here(&directory, true), 0, "its session ended with the node");
    directory.merge(&device.attachment(&address, home.id(), 2, 3, Status::Here)).unwrap();
    assert_eq!(here(&directory, true), 1);
    directory.merge(&device.attachment(&address, home.id(), 2, 4, Status::Gone)).unwrap();
    assert_eq!(here(&directory, true), 0);
}

#[test]
fn a_device_that_the_account_has_no_more_is_forgotten() {
    let (home, phone, laptop) = (Signer::new(), Signer::new(), Signer::new());
    let address = home.address("nuria");
    let mut directory = directory();
    directory.merge(&home.node(1, 1)).unwrap();
    directory.merge(&home.account("nuria", &[&phone, &laptop], 1)).unwrap();
    let here = phone.attachment(&address, home.id(), 1, 1, Status::Here);
    directory.merge(&here).unwrap();
    directory.merge(&home.account("nuria", &[&laptop], 2)).unwrap();
    assert_eq!(directory.here(&address, |_| true).count(), 0);
    assert_eq!(directory.merge(&here), Err(Refused::Device));
}

#[test]
fn a_deleted_account_is_gone_with_its_devices_and_does_not_come_back() {
    let (home, phone) = (Signer::new(), Signer::new());
    let address = home.address("nuria");
    let mut directory = directory();
    directory.merge(&home.node(1, 1)).unwrap();
    let account = home.account("nuria", &[&phone], 1);
    let here = phone.attachment(&address, home.id(), 1, 1, Status::Here);
    directory.merge(&account).unwrap();
    directory.merge(&here).unwrap();
    directory.merge(&home.tombstone("nuria", 2)).unwrap();
    assert!(directory.account(&address).is_none() && directory.accounts().next().is_none());
    assert_eq!(directory.sizes(), (1, 1, 0), "the attachment is forgotten, the tombstone is kept");
    assert_eq!(directory.merge(&account), Ok(Merged::Known));
    assert_eq!(directory.merge(&here), Err(Refused::Device));
    // the name is free again, for whoever takes it next
    directory.merge(&home.account("nuria", &[&Signer::new()], 3)).unwrap();
    assert_eq!(directory.account(&address).unwrap().body.counter, 3);
}

#[test]
fn a_tombstone_with_devices_is_no_record_and_an_account_without_is_one() {
    let (home, phone) = (Signer::new(), Signer::new());
    let mut directory = directory();
    directory.merge(&home.node(1, 1)).unwrap();
    assert_eq!(directory.merge(&home.flagged("nuria", &[&phone], 1, DELETED)), Err(Refused::Malformed));
    directory.merge(&home.account("nuria", &[], 1)).unwrap();
    assert!(directory.account(&home.address("nuria")).unwrap().body.devices.is_empty());
}

#[test]
fn the_newest_tombstones_are_kept_in_whatever_order_they_come() {
    let home = Signer::new();
    let limits = Limits { tombstones_per_home: 3, ..Limits::default() };
    let stones: Vec<Vec<u8>> = (1..=6).map(|n| home.tombstone(&format!("p{n}"), n)).collect();
    let (node, mut digests) = (home.node(1, 1), Vec::new());
    for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [3, 0, 5, 1, 4, 2]] {
        let mut directory = Directory::new(NodeId([0; 16]), limits);
        directory.merge(&node).unwrap();
        for at in order {
            assert!(directory.merge(&stones[at]).is_ok());
        }
        let kept: Vec<u32> = directory.records_of(home.id()).map(|account| account.body.counter).collect();
        assert_eq!(kept, [4, 5, 6]);
        // tombstones take no place of the living
        assert_eq!(directory.accounts_of(home.id()).count(), 0);
        digests.push(directory.digest().to_bytes());
    }
    assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn what_is_over_a_bound_is_refused_and_what_is_known_stays() {
    let (home, device) = (Signer::new(), Signer::new());
    let limits = Limits {
        nodes: 1,
        accounts: 2,
        accounts_per_home: 1,
        tombstones_per_home: 1,
        attachments: 1,
        devices: 1,
    };
    let mut directory = Directory::new(NodeId([0; 16]), limits);
    directory.merge(&home.node(1, 1)).unwrap();
    assert_eq!(directory.merge(&Signer::new().node(1, 1)), Err(Refused::Full));
    directory.merge(&home.account("nuria", &[&device], 1)).unwrap();
    assert_eq!(directory.merge(&home.account("pep", &[&device], 1)), Err(Refused::Full));
    assert_eq!(directory.merge(&home.account("nuria", &[&device, &Signer::new()], 2)), Err(Refused::Full));
    assert!(directory.merge(&home.account("nuria", &[&device], 3)).is_ok(), "news of what is known has room");
    assert_eq!((directory.sizes(), directory.counters().full), ((1, 1, 0), 3));
}

#[test]
fn the_people_of_the_own_home_have_their_place_when_strangers_have_filled_the_rest() {
    let (own, strange, device) = (Signer::new(), Signer::new(), Signer::new());
    let limits = Limits { accounts: 2, attachments: 1, ..Limits::default() };
    let mut directory = Directory::new(own.id(), limits);
    let pep = strange.address("pep");
    for record in [
        own.node(1, 1),
        strange.node(1, 1),
        strange.account("pep", &[&device], 1),
        strange.account("anna", &[&device], 1),
        device.attachment(&pep, strange.id(), 1, 1, Status::Here),
    ] {
        directory.merge(&record).unwrap();
    }
    assert_eq!(directory.merge(&strange.account("biel", &[&device], 1)), Err(Refused::Full));
    let there = device.attachment(&strange.address("anna"), strange.id(), 1, 1, Status::Here);
    assert_eq!(directory.merge(&there), Err(Refused::Full));
    let nuria = own.address("nuria");
    assert!(directory.merge(&own.account("nuria", &[&device], 1)).is_ok());
    assert!(directory.merge(&device.attachment(&nuria, strange.id(), 1, 2, Status::Here)).is_ok());
    assert_eq!((directory.sizes(), directory.counters().full), ((2, 3, 2), 2));
}

#[test]
fn nodes_of_one_name_are_shown_with_letters_of_their_ids_while_there_are_several() {
    let (one, other) = (Signer::new(), Signer::new());
    let mut directory = directory();
    directory.merge(&one.node(1, 1)).unwrap();
    directory.merge(&one.node(2, 1)).unwrap();
    assert_eq!((directory.shown_name(&one.id()), directory.namesakes()), ("casa".to_owned(), None));
    directory.merge(&other.node(1, 1)).unwrap();
    for id in [one.id(), other.id()] {
        assert_eq!(directory.shown_name(&id), format!("casa·{}", &id.to_string()[..4]));
    }
    let (name, ids) = directory.namesakes().unwrap();
    assert_eq!((name.as_str(), ids.len()), ("casa", 2));
    directory.merge(&other.node_called("torre", 2, 1)).unwrap();
    assert_eq!((directory.shown_name(&one.id()), directory.namesakes()), ("casa".to_owned(), None));
    // a lie that is dropped leaves nothing behind
    let mut lie = Signer::new().node(1, 1);
    let last = lie.len() - 1;
    lie[last] ^= 1;
    directory.merge_lazily(&lie, NodeId([9; 16])).unwrap();
    assert!(directory.namesakes().is_some());
    directory.check_some(1);
    assert_eq!((directory.shown_name(&one.id()), directory.namesakes()), ("casa".to_owned(), None));
}

#[test]
fn a_node_hears_of_its_own_earlier_life() {
    let own = Signer::new();
    let mut directory = Directory::new(own.id(), Limits::default());
    directory.merge(&own.node(3, 2)).unwrap();
    let later = own.node(9, 7);
    assert_eq!(directory.merge(&later), Ok(Merged::Ahead { counter: 9, boot: 7 }));
    assert_eq!(directory.node(&own.id()).unwrap().body.counter, 3, "only the node itself writes its record");
    assert_eq!(directory.merge(&own.node(2, 1)), Ok(Merged::Known));
}

/// What one comparison over a link does: `left` asks.
fn compare(left: &mut Directory, right: &mut Directory) -> usize {
    let buckets = right.digest().differing(left.digest());
    let difference = left.compare(&buckets, &right.items(&buckets));
    let to_right: Vec<Vec<u8>> = difference.send.iter().filter_map(|key| left.encoded(key)).collect();
    let wanted = right.wanted(&difference.want);
    let to_left: Vec<Vec<u8>> = wanted.iter().filter_map(|key| right.encoded(key)).collect();
    to_right.iter().for_each(|record| drop(right.merge(record)));
    to_left.iter().for_each(|record| drop(left.merge(record)));
    to_right.len() + to_left.len()
}

/// Some of everything: two homes, five accounts in three versions, their devices here and there.
fn world() -> Vec<Vec<u8>> {
    let homes = [Signer::new(), Signer::new()];
    let devices: Vec<Signer> = (0..3).map(|_| Signer::new()).collect();
    let mut records: Vec<Vec<u8>> =
        homes.iter().flat_map(|home| [home.node(1, 1), home.node(2, 2)]).collect();
    for (n, home) in homes.iter().cycle().take(5).enumerate() {
        let name = format!("p{n}");
        let address = home.address(&name);
        records.push(home.account(&name, &[&devices[0]], 1));
        records.push(home.account(&name, &[&devices[0], &devices[1]], 2));
        records.push(home.account(&name, &[&devices[1], &devices[2]], 3));
        if n == 4 {
            records.push(home.tombstone(&name, 4));
        }
        for (counter, device) in devices.iter().enumerate() {
            let at = homes[counter % 2].id();
            records.push(device.attachment(&address, at, 2, counter as u32 + 1, Status::Here));
            records.push(device.attachment(&address, at, 2, counter as u32 + 2, Status::Gone));
        }
    }
    records
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// However records are shuffled, repeated and split between two nodes, comparing ends with one directory.
    #[test]
    fn in_any_order_and_by_any_way_the_end_is_the_same(order in Just(world()).prop_shuffle(), split in 0usize..40) {
        let (mut left, mut right, mut all) = (directory(), directory(), directory());
        let split = split.min(order.len());
        for _ in 0..3 {
            order.iter().for_each(|record| drop(all.merge(record)));
        }
        for _ in 0..3 {
            order[..split].iter().for_each(|record| drop(left.merge(record)));
            order[split..].iter().for_each(|record| drop(right.merge(record)));
            compare(&mut left, &mut right);
        }
        compare(&mut right, &mut left);
        prop_assert_eq!(left.digest(), right.digest());
        prop_assert_eq!(compare(&mut left, &mut right), 0, "equal directories have nothing to send");
        prop_assert_eq!(left.digest(), all.digest());
        let before = left.digest().clone();
        order.iter().for_each(|record| drop(left.merge(record)));
        prop_assert_eq!(left.digest(), &before, "what was merged says nothing new");
    }
}

mod compare;
mod edges;
mod lazy;
mod window;

/// An account, signed as its home would.
fn signed(home: &Signer, by: &Signer) -> Proven<Record> {
    let body = AccountBody {
        home: home.id(),
        name: "nuria".parse().unwrap(),
        display: "Núria".parse().unwrap(),
        devices: vec![],
        counter: 1,
        flags: 0,
    };
    Proven::<Account>::sign(body, |message| by.sign(message)).into()
}

#[test]
fn what_is_signed_or_checked_here_is_not_checked_again() {
    let (home, device) = (Signer::new(), Signer::new());
    let mut directory = Directory::new(home.id(), Limits::default());
    directory.merge(&home.node(1, 1)).unwrap();
    directory.merge(&home.account("pep", &[&device], 1)).unwrap();
    let checked = directory.counters().checked;
    assert!(matches!(directory.merge_proven(&signed(&home, &home)), Ok(Merged::New(_))));
    let encoded = device.attachment(&home.address("pep"), home.id(), 1, 1, Status::Here);
    let Ok(Record::Attachment(here)) = Record::decode(&encoded) else { panic!("an attachment") };
    let here = Proven::<Attachment>::check(here).unwrap();
    assert!(matches!(directory.merge_proven(&here.into()), Ok(Merged::New(_))));
    assert_eq!(directory.counters().checked, checked);
    assert_eq!(directory.unchecked(), 0);
}

#[test]
fn an_account_of_another_home_is_checked_whoever_claims_to_have_signed_it() {
    let (own, home) = (Signer::new(), Signer::new());
    let mut directory = Directory::new(own.id(), Limits::default());
    directory.merge(&home.node(1, 1)).unwrap();
    assert_eq!(directory.merge_proven(&signed(&home, &own)), Err(Refused::Signature));
    assert!(matches!(directory.merge_proven(&signed(&home, &home)), Ok(Merged::New(_))));
}

#[test]
fn an_attachment_that_another_key_signed_is_never_proven() {
    let (home, device, other) = (Signer::new(), Signer::new(), Signer::new());
    let encoded = device.attachment(&home.address("pep"), home.id(), 1, 1, Status::Here);
    let Ok(Record::Attachment(mut here)) = Record::decode(&encoded) else { panic!("an attachment") };
    here.point = other.point();
    assert!(Proven::<Attachment>::check(here).is_err());
}
