//! What other programs and the mesh say of where nodes are. The first byte chooses the parser.

use std::time::Duration;

use truca_core::discovery::advert::{Advert, MAX_SMS, MAX_TOLD};
use truca_core::discovery::candidates::{Candidates, MAX_CANDIDATES};
use truca_core::discovery::{
    Heard, MAX_ADDRESSES, MAX_HINTS, Source, babeld, bmx, olsr, shared_state, srv, umdns,
};
use truca_core::ubus::blobmsg;

/// One source's bytes, and what it hints at through the table of candidates.
pub fn discovery(data: &[u8]) {
    let Some((selector, data)) = data.split_first() else { return };
    let heard = match selector % 12 {
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
        _ => {
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
    assert!(*selector % 12 != 1 || heard.hints.len() <= MAX_ADDRESSES);
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
