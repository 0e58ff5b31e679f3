use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn address(n: u32) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n)), 8443)
}

fn router(n: u32) -> Lead {
    Lead { address: address(n), id: None, told: false }
}

fn told(n: u32, id: u8) -> Lead {
    Lead { address: address(n), id: Some(NodeId([id; 16])), told: true }
}

/// Lets time go by until `end`; every probe has this outcome. When each address was tried.
fn run(
    table: &mut Candidates,
    end: Time,
    reached: impl Fn(SocketAddr) -> bool,
) -> BTreeMap<SocketAddr, Vec<Time>> {
    let mut tried: BTreeMap<SocketAddr, Vec<Time>> = BTreeMap::new();
    while let Some(now) = table.poll_timeout().filter(|at| *at < end) {
        let probe = table.poll(now).expect("what is due can be had");
        tried.entry(probe.address).or_default().push(now);
        table.outcome(now, probe.address, reached(probe.address));
    }
    tried
}

#[test]
fn a_lie_costs_a_few_handshakes_a_day_and_the_table_never_hurries() {
    let mut table = Candidates::new(1, false);
    let lies: Vec<Lead> = (1..=200).map(router).chain((1001..=1200).map(|n| told(n, 9))).collect();
    table.heard(Time::ZERO, Source::Babeld, &lies);
    let tried = run(&mut table, HOUR * 24, |_| false);
    let most = |of: std::ops::RangeInclusive<u32>| of.map(|n| tried[&address(n)].len()).max().unwrap();
    // 5 min, doubling to 6 h: 0, 5, 15, 35, 75, 155, 315, 635, 995, 1355 min, sooner by a quarter at most
    assert!((5..=13).contains(&most(1..=200)), "{}", most(1..=200));
    // 30 s, doubling to 30 min
    assert!((40..=72).contains(&most(1001..=1200)), "{}", most(1001..=1200));
    for kind in [1..=200, 1001..=1200] {
        let manners = if *kind.start() == 1 { &ROUTER } else { &TOLD };
        let mut all: Vec<Time> = kind.flat_map(|n| tried[&address(n)].clone()).collect();
        all.sort();
        // no more than the burst and what the pace allows, in any window
        for (at, first) in all.iter().enumerate() {
            let window = Duration::from_secs(60);
            let within = all[at..].iter().take_while(|time| **time < *first + window).count();
            let allowed = manners.burst as usize
                + (window.as_secs_f32() / (manners.alone.as_secs_f32() * 0.75)) as usize;
            assert!(within <= allowed + 1, "{within} of {allowed}");
        }
    }
}

#[test]
fn a_flickering_lie_costs_no_more_than_one_that_stays() {
    let mut table = Candidates::new(2, false);
    let mut tries = 0;
    // comes and goes every ten seconds, for a day
    for n in 0..8640 {
        let now = Duration::from_secs(10 * n);
        let there = [router(1)];
        table.heard(now, Source::Bmx6, &there[..1 - n as usize % 2]);
        while let Some(probe) = table.poll(now) {
            tries += 1;
            table.outcome(now, probe.address, false);
        }
    }
    assert!((3..=14).contains(&tries), "{tries}");
}

#[test]
fn an_endless_choice_of_lies_is_tried_at_the_same_slow_pace() {
    let mut table = Candidates::new(3, false);
    table.set_alone(false);
    let mut tries = 0;
    // a new address every second, for an hour
    for n in 0..3600 {
        let now = Duration::from_secs(u64::from(n));
        table.heard(now, Source::Babeld, &[router(n)]);
        while let Some(probe) = table.poll(now) {
            tries += 1;
            table.outcome(now, probe.address, false);
        }
    }
    assert!(tries <= 4 + 3600 * 4 / 30, "{tries}");
    assert!(table.entries.len() <= MAX_CANDIDATES);
}

#[test]
fn an_announcement_goes_before_mere_routers() {
    let mut table = Candidates::new(4, false);
    let routers: Vec<Lead> = (1..400).map(router).collect();
    table.heard(Time::ZERO, Source::Olsr, &routers);
    table.heard(Time::ZERO, Source::Bmx6, &[told(1000, 1)]);
    let tried = run(&mut table, Duration::from_secs(2), |_| true);
    assert!(tried.contains_key(&address(1000)), "{tried:?}");
}

#[test]
fn what_all_hear_at_once_is_not_tried_by_all_at_once() {
    // a thousand nodes learn of a newcomer from babeld in the same second
    let mut seconds = [0; 60];
    for seed in 0..1000 {
        let mut table = Candidates::new(seed, false);
        table.heard(Time::ZERO, Source::Babeld, &[]);
        table.heard(HOUR, Source::Babeld, &[router(1)]);
        let at = table.poll_timeout().unwrap() - HOUR;
        seconds[at.as_secs() as usize] += 1;
    }
    assert!(*seconds.iter().max().unwrap() < 50, "{seconds:?}");
}

#[test]
fn one_address_of_many_sources_is_one_candidate_until_the_last_forgets_it() {
    let mut table = Candidates::new(5, false);
    table.heard(Time::ZERO, Source::Babeld, &[router(1)]);
    table.heard(Time::ZERO, Source::Mdns, &[told(1, 7)]);
    let view: Vec<View> = table.view().collect();
    assert_eq!(view.len(), 1);
    assert_eq!((view[0].sources.as_slice(), view[0].told), (&[Source::Mdns, Source::Babeld][..], true));
    assert_eq!(view[0].id, Some(NodeId([7; 16])));
    table.lost(Time::ZERO, Source::Mdns);
    assert_eq!(table.view().next().map(|view| (view.told, view.id)), Some((false, None)));
    table.lost(Time::ZERO, Source::Babeld);
    assert_eq!(table.view().count(), 0);
    assert_eq!(table.poll_timeout(), None);
}

#[test]
fn nobody_hides_an_address_behind_the_id_of_another() {
    let mut table = Candidates::new(6, false);
    table.heard(Time::ZERO, Source::Bmx6, &[told(1, 7)]);
    table.heard(Time::ZERO, Source::SharedState, &[told(1, 8)]);
    assert_eq!(table.poll(HOUR).unwrap().id, None);
    table.heard(HOUR, Source::Dns, &[told(2, 7), told(2, 8)]);
    table.heard(HOUR, Source::Bmx7, &[Lead { id: None, ..told(3, 7) }]);
    table.heard(HOUR, Source::Umdns, &[told(3, 7)]);
    assert!(table.view().all(|view| view.id.is_none()));
    // that a router is there too contradicts nothing
    table.heard(HOUR, Source::Bmx6, &[router(4), told(4, 7), router(4)]);
    let four = table.view().find(|view| view.address == address(4));
    assert_eq!(four.unwrap().id, Some(NodeId([7; 16])));
}

#[test]
fn one_source_does_not_take_the_room_of_the_others() {
    let mut table = Candidates::new(7, false);
    let flood: Vec<Lead> = (0..100_000).map(router).collect();
    table.heard(Time::ZERO, Source::Babeld, &flood);
    assert_eq!(table.view().count(), MAX_A_SOURCE);
    assert_eq!(table.counters().full, 100_000 - MAX_A_SOURCE as u32);
    let others: Vec<Lead> = (200_000..201_000).map(router).collect();
    table.heard(Time::ZERO, Source::Olsr, &others);
    assert_eq!(table.view().count(), MAX_CANDIDATES);
    // full: an announcement takes the place of a router, a router finds none
    table.heard(Time::ZERO, Source::Bmx6, &[router(2_000_000), told(2_000_001, 1)]);
    let there = |table: &Candidates, n| table.view().any(|view| view.address == address(n));
    assert!(!there(&table, 2_000_000) && there(&table, 2_000_001));
    assert_eq!(table.view().count(), MAX_CANDIDATES);
    // what has vanished makes room first
    table.heard(Time::ZERO, Source::Olsr, &[]);
    table.heard(Time::ZERO, Source::Bmx6, &[router(2_000_000)]);
    assert!(there(&table, 2_000_000));
}

#[test]
fn a_node_that_was_reached_is_left_alone_and_one_that_failed_is_tried_again() {
    let mut table = Candidates::new(8, false);
    table.heard(Time::ZERO, Source::SharedState, &[told(1, 1), told(2, 2)]);
    let good = address(1);
    let tried = run(&mut table, Duration::from_secs(400), |address| address == good);
    assert_eq!(tried[&good].len(), 1);
    assert!(tried[&address(2)].len() >= 3, "{tried:?}");
    // it comes back: reached at the next try, and its failures are forgotten
    run(&mut table, HOUR * 2, |_| true);
    assert!(table.view().all(|view| view.failures == 0 && view.reached));
}

#[test]
fn a_router_that_begins_to_announce_is_tried_soon() {
    let mut table = Candidates::new(9, false);
    table.heard(Time::ZERO, Source::Bmx6, &[router(1)]);
    run(&mut table, HOUR * 12, |_| false);
    table.heard(HOUR * 12, Source::Bmx6, &[told(1, 1)]);
    assert!(table.poll_timeout().unwrap() <= HOUR * 12 + TOLD.later);
}

#[test]
fn own_avoided_and_loopback_addresses_are_never_tried() {
    let mut table = Candidates::new(10, false);
    let local = Lead { address: "127.0.0.1:8443".parse().unwrap(), id: None, told: true };
    table.set_avoided(
        vec![address(1)],
        vec![("10.0.1.0".parse().unwrap(), 24), ("fd00::".parse().unwrap(), 8)],
    );
    let v6 = Lead { address: "[fd12::1]:8443".parse().unwrap(), id: None, told: true };
    table.heard(
        Time::ZERO,
        Source::Babeld,
        &[router(1), router(2), router(256), router(511), router(512), local, v6],
    );
    let there: Vec<SocketAddr> = table.view().map(|view| view.address).collect();
    assert_eq!(there, [address(2), address(512)]);
    assert_eq!(table.counters().avoided, 5);
    // an owner who changes his mind
    table.set_avoided(Vec::new(), vec![("0.0.0.0".parse().unwrap(), 0)]);
    assert_eq!(table.view().count(), 0);
    let mut table = Candidates::new(10, true);
    table.heard(Time::ZERO, Source::Dns, &[local]);
    assert_eq!(table.view().count(), 1);
}

#[test]
fn the_same_seed_gives_the_same_times() {
    let times = |seed| {
        let mut table = Candidates::new(seed, false);
        table.heard(Time::ZERO, Source::Olsr, &(0..50).map(router).collect::<Vec<_>>());
        run(&mut table, HOUR, |_| false)
    };
    assert_eq!(times(11), times(11));
    assert_ne!(times(11), times(12));
}

#[test]
fn of_too_many_routers_every_one_gets_its_turn() {
    let mut table = Candidates::new(13, false);
    let mut leads: Vec<Lead> = (0..700).map(router).collect();
    leads.push(told(5_000, 1));
    let mut tried = std::collections::BTreeSet::new();
    for epoch in 0..8 {
        table.heard(EPOCH * epoch, Source::Babeld, &leads);
        assert!(table.view().any(|view| view.told), "an announcement is always taken");
        tried.extend(run(&mut table, EPOCH * epoch + HOUR, |_| false).into_keys());
    }
    assert!(tried.len() > 690, "{}", tried.len());
}
