//! What other programs and the mesh say of where nodes are. The first byte chooses the parser.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use truca_core::discovery::advert::{Advert, MAX_SMS, MAX_TOLD};
use truca_core::discovery::candidates::{Candidates, MAX_CANDIDATES};
use truca_core::discovery::{
    Heard, MAX_ADDRESSES, MAX_HINTS, Source, babeld, bmx, host, mdns, olsr, shared_state, srv, umdns,
};
use truca_core::id::NodeId;
use truca_core::ubus::blobmsg;

/// A neighbour's datagrams, each behind its length and its sender's port, and what they make a node say.
fn on_the_link(mut data: &[u8]) -> Heard {
    let Some(mut node) = mdns::Mdns::new(NodeId([7; 16]), "casa", 8443, 1, 1) else {
        return Heard::default();
    };
    let own = Ipv4Addr::new(10, 0, 0, 1).into();
    let interface = mdns::Interface { index: 2, name: "mesh0".into(), addresses: vec![(own, 24)] };
    node.set_interfaces(Duration::ZERO, vec![interface]);
    let mut now = Duration::ZERO;
    while let [length, port, rest @ ..] = data {
        let (datagram, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        data = behind;
        let port = if port % 2 == 0 { mdns::PORT } else { 40_000 };
        node.handle_datagram(now, 2, SocketAddr::new([10, 0, 0, 2].into(), port), datagram);
        now += Duration::from_millis(u64::from(*length));
        node.handle_timeout(now);
        while let Some(output) = node.poll_output() {
            assert!(!matches!(output, mdns::Output::Send { payload, .. } if payload.len() > 1_280));
        }
    }
    node.heard()
}

/// One source's bytes, and what it hints at through the table of candidates.
pub fn discovery(data: &[u8]) {
    let Some((selector, data)) = data.split_first() else { return };
    let heard = match selector % 13 {
        0 => bmx::originator(data)
            .ok()
            .map(|router| Heard { hints: router.hint().into_iter().collect(), skipped: 0 }),
        1 => bmx::description(data).ok().map(|description| description.tunnels),
        2 => {
            let _ = bmx::own_address(data);
            if let Ok(name) = std::str::from_utf8(data)
                && let Some(sender) = bmx::sms_sender(name)
            {
                assert!(!sender.is_empty() && !sender.contains('/'));
            }
            None
        }
        3 => Advert::decode(data).ok().map(|advert| {
            assert!(data.len() <= MAX_SMS && (1..=MAX_TOLD).contains(&advert.addresses.len()));
            assert_eq!(Advert::decode(&advert.encode()), Ok(advert.clone()));
            Heard { hints: advert.hints().collect(), skipped: 0 }
        }),
        4 => {
            let (mut whole, mut halves) = (babeld::Monitor::new(), babeld::Monitor::new());
            whole.feed(data);
            let (first, second) = data.split_at(data.len() / 2);
            halves.feed(first);
            halves.feed(second);
            assert_eq!(whole.heard(), halves.heard());
            Some(whole.heard())
        }
        5 => umdns::read_json(data).ok(),
        6 => shared_state::read_json(data).ok(),
        7 => olsr::jsoninfo(data).ok(),
        8 => olsr::oonf(data).ok(),
        9 => blobmsg::read(data).ok().map(|table| umdns::read(&table)),
        10 => blobmsg::read(data).ok().map(|table| shared_state::read(&table)),
        12 => Some(on_the_link(data)),
        _ => {
            let question = host::question(0x1234, "guifi.example", host::Family::V4).unwrap_or_default();
            if let Ok(found) = host::answer(&question, data) {
                assert!(found.len() <= MAX_ADDRESSES);
            }
            let question = srv::question(0x1234, "guifi.example").unwrap_or_default();
            if let Ok(targets) = srv::answer(&question, data) {
                assert!(targets.len() <= srv::MAX_TARGETS && targets.is_sorted());
                assert!(targets.iter().all(|target| target.host.len() <= 255 && target.port != 0));
            }
            None
        }
    };
    let Some(heard) = heard else { return };
    assert!(heard.hints.len() <= MAX_HINTS);
    assert!(*selector % 13 != 1 || heard.hints.len() <= MAX_ADDRESSES);
    let leads: Vec<_> = heard.hints.iter().filter_map(|hint| hint.lead(8443, |_| Some(2))).collect();
    let mut table = Candidates::new(1, false);
    table.heard(Duration::ZERO, Source::Bmx6, &leads);
    assert!(table.view().count() <= MAX_CANDIDATES);
    while let Some(probe) = table.poll(Duration::from_secs(60)) {
        let ip = probe.address.ip();
        assert!(!ip.is_unspecified() && !ip.is_multicast() && !ip.is_loopback() && probe.address.port() != 0);
        table.outcome(Duration::from_secs(60), probe.address, false);
    }
}
