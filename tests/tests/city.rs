//! What a directory of the size of a city does to one router: searching it as somebody types, and a home that
//! makes names without end: a million in an optimised build, ten thousand in a plain one.

use std::time::{Duration, Instant};

use truca_core::directory::record::{Account, AccountBody, Record};
use truca_core::directory::window::{Everybody, Window};
use truca_core::directory::{Directory, Limits, Refused};
use truca_core::id::{DeviceId, NodeId};
use truca_core::name::Address;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::page::Notice;
use truca_tests::figures::Run;
use truca_tests::world::{self, City};

/// A plain build signs and counts so slowly that it has a tenth of everything.
const PART: usize = if cfg!(debug_assertions) { 10 } else { 1 };

fn city(own: NodeId, seed: u64) -> (Directory, City) {
    let city = City { homes: 1_000 / PART, people: 10_000 / PART, attached: 3_000 / PART };
    let mut directory = Directory::new(own, Limits::default());
    directory.verify_by(|_, _, _| true);
    for record in world::records(seed, city) {
        assert!(directory.merge(&record).is_ok());
    }
    (directory, city)
}

#[test]
fn ten_thousand_people_are_searched_as_one_types() {
    let (directory, city) = city(NodeId([0; 16]), 73);
    let you: Address = format!("me@{}", NodeId([0; 16])).parse().expect("an address");
    let typed = "Person Núm. 12";
    let mut slowest = Duration::ZERO;
    for end in (0..=typed.len()).filter(|end| typed.is_char_boundary(*end)) {
        let text = &typed[..end];
        let began = Instant::now();
        let everybody = Everybody::gather(&directory, |_| true);
        let mut window = Window::new(1, text, 200).expect("it is short enough");
        let told = window.update(&everybody, &you, |_| true, |_| None);
        slowest = slowest.max(began.elapsed());
        let Some(Notice::People { total, people, .. }) = told else { panic!("nothing is told of {text:?}") };
        assert!(people.len() <= 200, "the page holds a window");
        let matching = (0..city.people).filter(|n| format!("Person Núm. {n}").contains(text)).count();
        assert_eq!(total as usize, matching, "{text:?}");
    }
    let run = Run { n: city.homes, loss_permille: 0, seed: 73 };
    run.figure("search_ms", slowest.as_secs_f64() * 1_000.0, "ms");
    // half of the time after which pages are told of changes at most, on a machine some twenty times as fast as a router
    assert!(cfg!(debug_assertions) || slowest < Duration::from_millis(25), "{slowest:?}");
}

#[test]
fn a_home_that_makes_names_without_end_gets_its_two_thousand_and_nobody_else_is_lost() {
    let own = NodeId([1; 16]);
    let (mut directory, city) = city(own, 74);
    let home = directory.nodes().next().expect("a node").id();
    let before = directory.accounts_of(home).count();
    let record = |home: NodeId, name: String| {
        let (name, display) = (name.parse().expect("a name"), "x".parse().expect("a display name"));
        let body =
            AccountBody { home, name, display, devices: vec![DeviceId([7; 16])], counter: 1, flags: 0 };
        Record::Account(Account { body, signature: Bytes([9; 64]) }).encode()
    };
    let names = 1_000_000 / PART / PART;
    let began = Instant::now();
    for n in 0..names {
        let merged = directory.merge(&record(home, format!("x{n}")));
        let room = before + n < 2_000;
        assert_eq!(merged.is_ok(), room, "{n}");
        assert!(room || merged == Err(Refused::Full));
    }
    let refusing = began.elapsed().as_secs_f64() * 1e6 / names as f64;
    Run { n: city.homes, loss_permille: 0, seed: 74 }.figure("name_too_many_us", refusing, "us");
    assert_eq!(directory.accounts_of(home).count(), 2_000);
    assert_eq!(directory.sizes().1, city.people - before + 2_000);
    assert_eq!(directory.counters().full as usize, names - (2_000 - before));
}
