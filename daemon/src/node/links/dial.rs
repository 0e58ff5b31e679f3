//! Which addresses are tried, and when. An address is only a hint: one rate-limited attempt, and what answers
//! proves who it is.
//!
//! Bounds: [`MAX_DIALS`] addresses remembered, of which [`MAX_DIALLING`] are tried at once on a mere hint.

use std::net::SocketAddr;
use std::time::Duration;

use truca_core::Time;
use truca_core::id::NodeId;

use super::super::ground::Ground;
use super::super::said::{Job, Output};
use super::{Links, MAX_LINKS};

/// Most addresses that are tried at once because somebody mentioned them.
const MAX_DIALLING: usize = 16;
/// Most addresses that are remembered.
const MAX_DIALS: usize = 256;
/// First and longest pause before an address is tried again.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How long an address that led to ourselves, or that failed and nobody insists on, is left alone.
pub(super) const FORGET: Duration = Duration::from_secs(300);

#[derive(Debug)]
pub(super) struct Dial {
    pub(super) source: &'static str,
    pub(super) insistent: bool,
    /// Whom the owner expects there.
    pub(super) expect: Option<NodeId>,
    /// Who answered there last.
    pub(super) found: Option<NodeId>,
    pub(super) under_way: bool,
    failures: u32,
    pub(super) due: Time,
}

impl Dial {
    /// One that nobody has mentioned before.
    pub(super) fn new(source: &'static str, insistent: bool, due: Time) -> Self {
        Self { source, insistent, expect: None, found: None, under_way: false, failures: 0, due }
    }
}

impl Links {
    /// Whether another address can be remembered; forgets the stalest that nobody insists on.
    pub(super) fn room_for(&mut self, ground: &mut Ground, address: SocketAddr) -> bool {
        let dials = &mut self.dials;
        if dials.len() < MAX_DIALS || dials.contains_key(&address) {
            return true;
        }
        let idle = dials.iter().filter(|(_, dial)| !dial.insistent && !dial.under_way);
        let stalest = idle.min_by_key(|(_, dial)| dial.due).map(|(address, _)| *address);
        let Some((address, dial)) =
            stalest.and_then(|stalest| dials.remove(&stalest).map(|dial| (stalest, dial)))
        else {
            return false;
        };
        ground.not_due(dial.due, Job::Dial(address));
        true
    }

    /// Somebody may be listening at this address.
    pub(in super::super) fn candidate(
        &mut self,
        ground: &mut Ground,
        now: Time,
        address: SocketAddr,
        id: Option<NodeId>,
        source: &'static str,
    ) {
        if id.is_some_and(|id| id == ground.id || ground.alive.contains(&id)) {
            return;
        }
        if self.open.values().any(|link| link.dialled && link.remote == address)
            || !self.room_for(ground, address)
        {
            return;
        }
        // the owner's peers are mentioned again and again: a member that is spoken to there is found already
        let found = self.dials.get(&address).and_then(|dial| dial.found);
        if found.is_some_and(|id| ground.alive.contains(&id) && ground.gossip.address(id) == Some(address)) {
            return;
        }
        let insistent = source == "peer";
        let dial = self.dials.entry(address).or_insert(Dial::new(source, insistent, now));
        dial.insistent |= insistent;
        if !dial.under_way {
            dial.due = dial.due.max(now);
            ground.due(dial.due, Job::Dial(address));
        }
    }

    /// The owner wants a link to this address, and to nobody else than `id` there.
    pub(in super::super) fn peer(
        &mut self,
        ground: &mut Ground,
        now: Time,
        address: SocketAddr,
        id: Option<NodeId>,
    ) {
        self.candidate(ground, now, address, id, "peer");
        if let Some(dial) = self.dials.get_mut(&address) {
            dial.expect = id;
        }
    }

    pub(in super::super) fn dial_due(&mut self, ground: &mut Ground, now: Time, address: SocketAddr) {
        let full = self.open.len() >= MAX_LINKS;
        let busy = self.dials.values().filter(|dial| dial.under_way).count() >= MAX_DIALLING;
        let reached = self.reaching.values().any(|reach| reach.addresses.contains(&address));
        let Some(dial) = self.dials.get_mut(&address) else { return };
        if dial.under_way || dial.due > now {
            return;
        }
        let invited = dial.insistent || reached;
        if !invited && dial.failures > 0 {
            // nobody insists, and it failed: the next hint starts anew
            self.dials.remove(&address);
            return;
        }
        if full || (busy && !invited) {
            dial.due = now + if full { RETRY.1 } else { RETRY.0 };
            ground.due(dial.due, Job::Dial(address));
            return;
        }
        dial.under_way = true;
        ground.put(Output::Dial(address));
    }

    /// A link that [`Output::Dial`] asked for could not be opened.
    pub(in super::super) fn dial_failed(
        &mut self,
        ground: &mut Ground,
        now: Time,
        remote: SocketAddr,
        why: &str,
    ) {
        ground.counters.failed = ground.counters.failed.wrapping_add(1);
        log::debug!("no node at {remote}: {why}");
        self.dial_over(ground, now, remote, false);
        for id in self.reached_for(remote, None) {
            self.reach_next(ground, now, id);
        }
    }

    /// Who may be a member has changed: an address at which nobody could be linked with is tried again at once.
    pub(in super::super) fn try_all_again(&mut self, ground: &mut Ground, now: Time) {
        for (address, dial) in self.dials.iter_mut().filter(|(_, dial)| !dial.under_way) {
            ground.not_due(dial.due, Job::Dial(*address));
            (dial.failures, dial.due) = (0, now);
            ground.due(now, Job::Dial(*address));
        }
    }

    pub(super) fn dial_over(&mut self, ground: &mut Ground, now: Time, remote: SocketAddr, success: bool) {
        let Some(dial) = self.dials.get_mut(&remote) else { return };
        dial.under_way = false;
        if success {
            dial.failures = 0;
            dial.due = now + RETRY.0;
            return;
        }
        dial.failures = dial.failures.saturating_add(1);
        let pause = (RETRY.0 * (1 << dial.failures.min(6))).min(RETRY.1);
        let pause = if dial.insistent { pause } else { pause.max(RETRY.1) };
        dial.due = now + pause;
        ground.due(now + pause, Job::Dial(remote));
    }
}
