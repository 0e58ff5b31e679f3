//! The parts of a comparison: sums, items, and what each side sends and asks for.

use super::*;
use crate::directory::sync::{BUCKETS, Difference, Digest, gossip_key};
use crate::wire::node::Item;

/// A home with some people and a device that is attached: enough records for several buckets.
fn village() -> (Directory, Vec<Key>) {
    let (home, phone) = (Signer::new(), Signer::new());
    let mut records = vec![home.node(1, 1)];
    records.extend((0..20).map(|n| home.account(&format!("p{n:02}"), &[&phone], 1)));
    records.push(phone.attachment(&home.address("p07"), home.id(), 1, 1, Status::Here));
    let mut directory = directory();
    let key = |record: &Vec<u8>| Record::decode(record).unwrap().key();
    records.iter().for_each(|record| assert!(directory.merge(record).is_ok()));
    (directory, records.iter().map(key).collect())
}

fn bucket(key: &Key) -> u8 {
    (key.hash() >> 56) as u8
}

fn item(directory: &Directory, key: &Key) -> Item {
    let version = Record::decode(&directory.encoded(key).unwrap()).unwrap().version();
    Item { key: key.hash(), version }
}

const ALL: [u8; BUCKETS] = {
    let mut all = [0; BUCKETS];
    let mut n = 0;
    while n < BUCKETS {
        all[n] = n as u8;
        n += 1;
    }
    all
};

#[test]
fn a_digest_sums_versions_where_the_first_byte_of_the_key_says() {
    let (mut digest, empty) = (Digest::default(), Digest::default());
    digest.replace(0x05ff_0000_0000_0000, None, 0x0000_0006_0000_0003);
    assert_eq!(digest.differing(&empty), [5]);
    assert_eq!(digest.summary(), 6 ^ 3, "both halves count");
    digest.replace(0xffff_0000_0000_0000, None, 0x0000_0001_ffff_fffe);
    assert_eq!(digest.differing(&empty), [5, 255]);
    // 6·2³² + 3 and 1·2³² + 0xffff_fffe carry over
    assert_eq!(digest.summary(), 8 ^ 1);
    let bytes = digest.to_bytes();
    assert_eq!(bytes.len(), 2_048);
    assert_eq!(bytes[40..48], [0, 0, 0, 6, 0, 0, 0, 3]);
    assert_eq!(bytes[2_040..], [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe]);
    assert_eq!(Digest::from_bytes(&bytes), Some(digest.clone()));
    for wrong in [&bytes[..2_047], &bytes[..2_040], &[&bytes[..], &[0]].concat(), &[]] {
        assert_eq!(Digest::from_bytes(wrong), None, "{} bytes", wrong.len());
    }
    // what goes out of it leaves what was there before
    digest.replace(0xffff_0000_0000_0000, Some(0x0000_0001_ffff_fffe), 0);
    digest.replace(0x05ff_0000_0000_0000, Some(0x0000_0006_0000_0003), 7);
    assert_eq!((digest.differing(&empty), digest.summary()), (vec![5], 7));
}

#[test]
fn everything_is_told_in_an_order_that_can_be_merged() {
    let (directory, keys) = village();
    assert_eq!(directory.keys(), keys);
    let items: Vec<Item> = keys.iter().map(|key| item(&directory, key)).collect();
    assert_eq!(directory.items(&ALL), items);
    assert!(directory.items(&[]).is_empty());
    let mut other = super::directory();
    for key in directory.keys() {
        other.merge(&directory.encoded(&key).unwrap()).unwrap();
    }
    assert_eq!(other.digest(), directory.digest());
}

#[test]
fn of_some_buckets_only_their_records_are_told_sent_and_asked_for() {
    let (directory, keys) = village();
    let some = [bucket(&keys[3]), bucket(&keys[7])];
    let (inside, outside): (Vec<Key>, Vec<Key>) =
        keys.iter().cloned().partition(|key| some.contains(&bucket(key)));
    assert!(inside.len() >= 2 && !outside.is_empty());
    let items = directory.items(&some);
    assert_eq!(items, inside.iter().map(|key| item(&directory, key)).collect::<Vec<_>>());
    // the other side has nothing there
    assert_eq!(directory.compare(&some, &[]), Difference { send: inside, want: vec![] });
    // it has the same
    assert_eq!(directory.compare(&some, &items), Difference::default());
    assert_eq!(directory.compare(&[], &[]), Difference::default());
}

#[test]
fn what_differs_goes_both_ways_what_one_side_lacks_goes_one_way() {
    let (directory, keys) = village();
    let mut theirs = directory.items(&ALL);
    let other = theirs.iter_mut().find(|item| item.key == keys[5].hash()).unwrap();
    other.version ^= 1;
    theirs.retain(|item| item.key != keys[2].hash() && item.key != keys[21].hash());
    // told in an order of theirs
    let unknown = [Item { key: 9, version: 1 }, Item { key: 3, version: 1 }];
    theirs.splice(0..0, unknown);
    theirs.reverse();
    let difference = directory.compare(&ALL, &theirs);
    assert_eq!(difference.send, [keys[2].clone(), keys[5].clone(), keys[21].clone()]);
    assert_eq!(difference.want, [keys[5].hash(), 3, 9], "what was told last is asked for last");
}

#[test]
fn what_is_asked_for_is_found_and_nothing_else() {
    let (directory, keys) = village();
    let hashes = [keys[9].hash(), 1, keys[0].hash(), keys[21].hash(), u64::MAX];
    assert_eq!(directory.wanted(&hashes), [keys[0].clone(), keys[9].clone(), keys[21].clone()]);
    assert!(directory.wanted(&[]).is_empty());
}

#[test]
fn gossip_knows_a_record_by_the_hash_of_its_key() {
    let (directory, keys) = village();
    for key in &keys {
        assert_eq!(gossip_key(&directory.encoded(key).unwrap()), Some(key.hash()));
    }
    assert_eq!(gossip_key(b"no record"), None);
    assert_eq!(gossip_key(&[]), None);
}
