//! What foca sees of members, and what it is told of us: identities, the mailbox of records, effects, configuration.

use std::cell::RefCell;
use std::num::{NonZeroU8, NonZeroUsize};
use std::rc::Rc;
use std::time::Duration;

use foca::{
    BroadcastHandler, Config, Foca, Identity, Invalidates, OwnedNotification, PeriodicParams, PostcardCodec,
    Timer,
};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use serde::{Deserialize, Serialize};

use super::seal::OVERHEAD;
use super::{MAX_DATAGRAM, PROBE_PERIOD, PROBE_RTT, REMEMBER, SUMMARY, SUSPECT, Short, TRANSMISSIONS};

/// A member, as foca sees it: `generation` grows when it was declared dead and was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub(super) short: Short,
    pub(super) generation: u16,
}

impl Identity for Member {
    type Addr = Short;

    fn renew(&self) -> Option<Self> {
        Some(Self { generation: self.generation.wrapping_add(1), ..*self })
    }

    fn addr(&self) -> Short {
        self.short
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        // RFC 1982 serial number arithmetic: the generation may wrap
        (self.generation.wrapping_sub(adversary.generation) as i16) > 0
    }
}

/// Hands arrived records to the node; foca's own opinion of what is new is not asked.
#[derive(Clone)]
pub(super) struct Mailbox {
    pub(super) arrived: Rc<RefCell<Vec<Vec<u8>>>>,
    pub(super) key_of: fn(&[u8]) -> Option<u64>,
}

/// Which record a queued one replaces.
pub(super) struct ItemKey(u64);

impl Invalidates for ItemKey {
    fn invalidates(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl BroadcastHandler<Member> for Mailbox {
    type Key = ItemKey;
    type Error = core::fmt::Error;

    fn receive_item(&mut self, data: &[u8], sender: Option<&Member>) -> Result<Option<ItemKey>, Self::Error> {
        if sender.is_some() {
            self.arrived.borrow_mut().push(data.to_vec());
            return Ok(None);
        }
        Ok((self.key_of)(data).map(ItemKey))
    }
}

#[derive(Default)]
pub(super) struct Effects {
    pub(super) sends: Vec<(Member, Vec<u8>)>,
    pub(super) timers: Vec<(Duration, Timer<Member>)>,
    pub(super) changes: Vec<OwnedNotification<Member>>,
}

impl foca::Runtime<Member> for &mut Effects {
    fn notify(&mut self, notification: foca::Notification<'_, Member>) {
        self.changes.push(notification.to_owned());
    }

    fn send_to(&mut self, to: Member, data: &[u8]) {
        self.sends.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Member>, after: Duration) {
        self.timers.push((after, event));
    }
}

/// How often each node tells a change on. With every doubling of the mesh there are twice as many who could miss it,
/// so that the chance that anybody does stays below one in a hundred at 5 % loss.
pub(super) fn transmissions(members: usize) -> NonZeroU8 {
    let doublings = members.max(1).ilog2() as u8;
    NonZeroU8::MIN.saturating_add(doublings.saturating_add(4).max(TRANSMISSIONS - 1))
}

/// A member that knows no other. `seed` only chooses whom to probe.
pub(super) fn alone(
    own: Member,
    seed: u64,
    mailbox: Mailbox,
) -> Foca<Member, PostcardCodec, SmallRng, Mailbox> {
    let rng = SmallRng::seed_from_u64(seed);
    Foca::with_custom_broadcast(own, config(transmissions(1)), rng, PostcardCodec, mailbox)
}

pub(super) fn config(max_transmissions: NonZeroU8) -> Config {
    let some = |seconds_ms, members| {
        NonZeroUsize::new(members)
            .map(|num_members| PeriodicParams { frequency: Duration::from_millis(seconds_ms), num_members })
    };
    Config {
        probe_period: PROBE_PERIOD,
        probe_rtt: PROBE_RTT,
        num_indirect_probes: NonZeroUsize::MIN.saturating_add(3),
        max_transmissions,
        suspect_to_down_after: SUSPECT,
        remove_down_after: Some(REMEMBER),
        max_packet_size: NonZeroUsize::MIN.saturating_add(MAX_DATAGRAM - OVERHEAD - SUMMARY - 1),
        notify_down_members: true,
        periodic_announce: some(120_000, 1),
        periodic_announce_to_down_members: some(15_000, 2),
        periodic_gossip: some(300, 3),
    }
}
