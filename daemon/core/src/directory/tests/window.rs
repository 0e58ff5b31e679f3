//! What one page is shown of the directory, and what it is told when that changes.

use super::*;
use crate::directory::record::PASSWORD;
use crate::directory::window::{Everybody, Window, find, node_info};
use crate::wire::page::{MAX_SEARCH, MAX_WINDOW, Notice, Person, Quality};

/// A home called *casa* with these people, and a device of each.
struct Village {
    directory: Directory,
    home: Signer,
    other: Signer,
    phone: Signer,
}

impl Village {
    fn of(names: &[&str]) -> Self {
        let (home, other, phone) = (Signer::new(), Signer::new(), Signer::new());
        let mut directory = directory();
        directory.merge(&home.node(1, 1)).unwrap();
        directory.merge(&other.node_called("torre", 1, 1)).unwrap();
        for name in names {
            directory.merge(&home.account(name, &[&phone], 1)).unwrap();
        }
        Self { directory, home, other, phone }
    }

    fn attach(&mut self, name: &str, at: NodeId, counter: u32, status: Status) {
        let record = self.phone.attachment(&self.home.address(name), at, 1, counter, status);
        self.directory.merge(&record).unwrap();
    }

    fn look(&self, window: &mut Window) -> Option<Told> {
        let everybody = Everybody::gather(&self.directory, |_| true);
        told(window.update(&everybody, &self.home.address("me"), |_| true, |_| None))
    }

    fn found(&self, text: &str) -> Vec<String> {
        find(&self.directory, text, 8, |_| true).into_iter().map(|person| person.name).collect()
    }
}

/// A notice of people, in parts.
#[derive(Debug, PartialEq)]
struct Told {
    reset: bool,
    /// How many match, and how many of them are here.
    counts: (u32, u32),
    people: Vec<String>,
    gone: Vec<String>,
    order: Option<Vec<String>>,
}

fn told(notice: Option<Notice>) -> Option<Told> {
    let Notice::People { watch, reset, total, here, people, gone, order } = notice? else { panic!("people") };
    assert_eq!(watch, 7);
    let names = |addresses: Vec<Address>| addresses.iter().map(|a| a.name.to_string()).collect::<Vec<_>>();
    Some(Told {
        reset,
        counts: (total, here),
        people: people.into_iter().map(|person| person.name).collect(),
        gone: names(gone),
        order: order.map(names),
    })
}

fn window(text: &str, limit: u16) -> Window {
    Window::new(7, text, limit).unwrap()
}

fn names(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_first_look_shows_all_with_those_who_are_here_before_the_others() {
    let mut village = Village::of(&["anna", "biel", "clara"]);
    let home = village.home.id();
    village.attach("clara", home, 1, Status::Here);
    let mut window = window("", 10);
    let all = names("clara anna biel");
    let first = Told { reset: true, counts: (3, 1), people: all.clone(), gone: vec![], order: Some(all) };
    assert_eq!(village.look(&mut window), Some(first));
    assert_eq!(village.look(&mut window), None, "nothing has changed");
}

#[test]
fn afterwards_only_what_has_changed_is_told() {
    let mut village = Village::of(&["anna", "biel", "clara"]);
    let home = village.home.id();
    let mut window = window("", 10);
    village.look(&mut window);
    // a new name of somebody who stays where she is
    village.directory.merge(&village.home.account("biel", &[&village.phone], 2)).unwrap();
    let renamed = Told { reset: false, counts: (3, 0), people: names("biel"), gone: vec![], order: None };
    assert_eq!(village.look(&mut window), Some(renamed));
    // somebody comes
    village.attach("clara", home, 1, Status::Here);
    let order = Some(names("clara anna biel"));
    let came = Told { reset: false, counts: (3, 1), people: names("clara"), gone: vec![], order };
    assert_eq!(village.look(&mut window), Some(came));
    // and is gone for good
    village.directory.merge(&village.home.tombstone("clara", 2)).unwrap();
    let order = Some(names("anna biel"));
    let left = Told { reset: false, counts: (2, 0), people: vec![], gone: names("clara"), order };
    assert_eq!(village.look(&mut window), Some(left));
    assert_eq!(village.look(&mut window), None);
}

#[test]
fn who_comes_outside_of_the_window_changes_its_counts_alone() {
    let mut village = Village::of(&["anna", "biel"]);
    let home = village.home.id();
    village.attach("anna", home, 1, Status::Here);
    let mut window = window("", 1);
    village.look(&mut window);
    let nothing = |counts| Told { reset: false, counts, people: vec![], gone: vec![], order: None };
    village.attach("biel", home, 1, Status::Here);
    assert_eq!(village.look(&mut window), Some(nothing((2, 2))), "the number of those here");
    village.directory.merge(&village.home.account("zoe", &[], 1)).unwrap();
    assert_eq!(village.look(&mut window), Some(nothing((3, 2))), "the number of all");
}

#[test]
fn a_window_is_as_wide_as_was_asked_within_its_bounds() {
    let people: Vec<String> = (0..MAX_WINDOW + 2).map(|n| format!("p{n:03}")).collect();
    let village = Village::of(&people.iter().map(String::as_str).collect::<Vec<_>>());
    for (asked, shown) in [(0, 1), (1, 1), (3, 3), (MAX_WINDOW, MAX_WINDOW), (u16::MAX, MAX_WINDOW)] {
        let first = village.look(&mut window("", asked)).unwrap();
        assert_eq!(first.people, people[..usize::from(shown)], "asked for {asked}");
        assert_eq!(first.counts.0 as usize, people.len());
    }
    // characters are counted, not bytes
    assert!(Window::new(7, &"ñ".repeat(MAX_SEARCH), 1).is_some());
    assert!(Window::new(7, &"ñ".repeat(MAX_SEARCH + 1), 1).is_none());
}

#[test]
fn a_search_looks_at_names_display_names_and_homes_whatever_the_case() {
    let village = Village::of(&["anna", "biel"]);
    // what is displayed is the name and the counter
    for (text, expected) in [
        ("nn", "anna"),
        (" ANNA ", "anna"),
        ("biel 1", "biel"),
        ("cas", "anna biel"),
        ("torre", ""),
        ("nobody", ""),
    ] {
        let shown = village.look(&mut window(text, 10)).unwrap();
        assert_eq!(shown.people, names(expected), "{text}");
        assert_eq!(shown.counts.0 as usize, shown.people.len(), "{text}");
    }
}

/// What is shown of one person.
fn person(village: &Village, you: &Address, quality: impl Fn(&NodeId) -> Option<Quality>) -> Person {
    let everybody = Everybody::gather(&village.directory, |_| true);
    let home = village.home.id();
    match window("", 10).update(&everybody, you, |id| *id == home, quality) {
        Some(Notice::People { mut people, .. }) => people.remove(0),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_person_is_shown_with_home_places_devices_and_the_best_way_there() {
    let mut village = Village::of(&[]);
    let (home, other) = (village.home.id(), village.other.id());
    let laptop = Signer::new();
    let account = village.home.flagged("anna", &[&village.phone, &laptop], 1, PASSWORD);
    village.directory.merge(&account).unwrap();
    let address = village.home.address("anna");
    village.attach("anna", home, 1, Status::Here);
    village.directory.merge(&laptop.attachment(&address, home, 1, 1, Status::Here)).unwrap();
    let anna = person(&village, &address, |_| None);
    assert_eq!((anna.name.as_str(), anna.display.as_str()), ("anna", "anna 1"));
    assert_eq!(anna.devices, [village.phone.device(), laptop.device()]);
    assert!(anna.you && anna.password);
    assert_eq!((anna.home.id, anna.home.name.as_str(), anna.home.alive), (home, "casa", true));
    assert_eq!(anna.at.iter().map(|node| node.id).collect::<Vec<_>>(), [home], "once for both devices");
    assert_eq!(anna.quality, None);
    assert!(!person(&village, &village.home.address("biel"), |_| None).you);

    // one device goes to a node that is alive to nobody here: it counts for nothing
    village.attach("anna", other, 2, Status::Here);
    assert_eq!(person(&village, &address, |_| None).at.len(), 1);
    let ways = |id: &NodeId| Some(if *id == home { Quality::Poor } else { Quality::Good });
    assert_eq!(person(&village, &address, ways).quality, Some(Quality::Poor));
    let everybody = Everybody::gather(&village.directory, |_| true);
    let Some(Notice::People { people, .. }) = window("", 10).update(&everybody, &address, |_| true, ways)
    else {
        panic!("people")
    };
    assert_eq!((people[0].at.len(), people[0].quality), (2, Some(Quality::Good)), "the best of two");
    let shown = node_info(&village.directory, other, |id| *id == home);
    assert_eq!((shown.id, shown.name.as_str(), shown.alive), (other, "torre", false));
}

#[test]
fn a_window_says_at_which_nodes_its_people_are_and_each_once() {
    let mut village = Village::of(&["anna", "biel", "clara"]);
    let (home, other) = (village.home.id(), village.other.id());
    for (name, at) in [("anna", other), ("biel", home), ("clara", other)] {
        village.attach(name, at, 1, Status::Here);
    }
    let mut window = window("", 10);
    village.look(&mut window);
    assert_eq!(window.at(), [other, home], "in the order of the people");
    village.attach("anna", other, 2, Status::Gone);
    village.look(&mut window);
    assert_eq!(window.at(), [home, other]);
    village.attach("biel", home, 2, Status::Gone);
    village.look(&mut window);
    assert_eq!(window.at(), [other]);
}

#[test]
fn nobody_is_shown_before_all_that_is_known_of_them_is_checked() {
    let (home, other, phone) = (Signer::new(), Signer::new(), Signer::new());
    let neighbour = NodeId([9; 16]);
    let address = home.address("anna");
    let records = [
        home.node(1, 1),
        other.node_called("torre", 1, 1),
        home.account("anna", &[&phone], 1),
        phone.attachment(&address, other.id(), 1, 1, Status::Here),
    ];
    for unchecked in 0..records.len() {
        let mut directory = directory();
        for (at, record) in records.iter().enumerate() {
            let from = if at == unchecked { Some(neighbour) } else { None };
            directory.merge_from(record, from).unwrap();
        }
        assert_eq!(directory.unchecked(), 1);
        let mut window = window("", 1);
        let look = |directory: &Directory, window: &mut Window| {
            let everybody = Everybody::gather(directory, |_| true);
            told(window.update(&everybody, &home.address("me"), |_| true, |_| None)).unwrap()
        };
        let shown = look(&directory, &mut window);
        assert!(shown.people.is_empty(), "record {unchecked} is unchecked");
        assert_eq!(shown.counts, (1, 1), "and counted already");
        let waiting = window.unchecked();
        assert_eq!(waiting, std::slice::from_ref(&address));
        assert!(window.unchecked().is_empty(), "said once");
        assert!(directory.check_person(&waiting[0]));
        assert_eq!(look(&directory, &mut window).people, ["anna"], "record {unchecked}");
        assert!(window.unchecked().is_empty());
    }
}

#[test]
fn those_who_wait_to_be_checked_take_their_places_in_the_window() {
    let (home, neighbour) = (Signer::new(), NodeId([9; 16]));
    let mut directory = directory();
    directory.merge(&home.node(1, 1)).unwrap();
    for (name, from) in [("a", Some(neighbour)), ("b", None), ("c", Some(neighbour)), ("d", None)] {
        directory.merge_from(&home.account(name, &[], 1), from).unwrap();
    }
    let everybody = Everybody::gather(&directory, |_| true);
    let mut window = window("", 3);
    let shown = told(window.update(&everybody, &home.address("me"), |_| true, |_| None)).unwrap();
    assert_eq!((shown.people, shown.counts), (names("b"), (4, 0)));
    assert_eq!(window.unchecked(), [home.address("a"), home.address("c")]);
}

#[test]
fn somebody_is_found_by_name_by_display_name_and_at_the_home_that_was_said() {
    let mut village = Village::of(&["anna"]);
    let (home, other) = (village.home.id(), village.other.id());
    village.directory.merge(&village.other.account("anna", &[], 3)).unwrap();
    village.directory.merge(&village.home.account("biel", &[], 5)).unwrap();
    for (text, expected) in [
        ("anna", "anna anna"),
        (" ANNA ", "anna anna"),
        ("anna@", "anna anna"),
        ("biel 5", "biel"),
        ("Biel 5@casa", "biel"),
        ("biel@torre", ""),
        ("nn", ""),
        ("", ""),
    ] {
        assert_eq!(village.found(text), names(expected), "{text}");
    }
    for (text, at) in [
        ("anna@casa".to_owned(), home),
        ("anna@torre".to_owned(), other),
        (format!("anna@{other}"), other),
        (format!("anna 1@{home}"), home),
    ] {
        let found = find(&village.directory, &text, 8, |_| true);
        assert_eq!(found.iter().map(|person| person.home.id).collect::<Vec<_>>(), [at], "{text}");
    }
    assert_eq!(find(&village.directory, "anna", 1, |_| true).len(), 1, "no more than were asked for");
    // of two homes with one name each is found by the name that is shown
    village.directory.merge(&village.other.node_called("casa", 2, 1)).unwrap();
    assert_eq!(village.found("anna@casa").len(), 2);
    let shown = village.directory.shown_name(&other);
    let found = find(&village.directory, &format!("anna@{shown}"), 8, |_| true);
    assert_eq!(found.iter().map(|person| person.home.id).collect::<Vec<_>>(), [other]);
}
