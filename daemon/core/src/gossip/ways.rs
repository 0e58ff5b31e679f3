//! How far members are: what probes and echoes say of the way to them ([`super::echo`] judges it).
//!
//! A probe is lost when its answer never comes, not when it comes late. One that was sent twice says that the member
//! answers, not after how long (Karn's algorithm): then one echo asks.

use foca::ProbeNumber;

use super::echo::{self, Distance, Echoes, Outcome};
use super::{Gossip, Output, PROBE_AGAIN, PROBE_AGAIN_AT_MOST, PROBE_LOST, Short, seal, short};
use crate::Time;
use crate::id::NodeId;
use crate::wire::page::Quality;

/// A probe without an answer.
pub(super) struct Probe {
    to: Short,
    /// What its answer repeats.
    number: ProbeNumber,
    pub(super) sent: Time,
    /// When it is sent again; `None`: it was.
    again: Option<Time>,
    data: Vec<u8>,
}

impl Probe {
    pub(super) fn timeout(&self) -> Time {
        self.again.unwrap_or(self.sent + PROBE_LOST)
    }
}

impl Gossip {
    /// Members that somebody looks at from now on, and no others: how far they are is measured. Those beyond
    /// [`echo::MAX_LOOKED_AT`] are not.
    pub fn look_at(&mut self, now: Time, members: impl Iterator<Item = NodeId>) {
        let mut wanted: Vec<Short> = Vec::new();
        for member in members.map(short) {
            if wanted.len() < echo::MAX_LOOKED_AT && !wanted.contains(&member) {
                wanted.push(member);
            }
        }
        self.echoes.retain(|member, _| wanted.contains(member));
        for member in wanted {
            if !self.echoes.contains_key(&member) {
                self.echoes.insert(member, Echoes::new(now));
            }
        }
    }

    /// What a call with a member would be like; `None` while too little is known.
    pub fn quality(&self, id: NodeId) -> Option<Quality> {
        self.distance(id)?.quality()
    }

    /// Round trip to a member in milliseconds, and loss of round trips in percent, as far as they are known.
    pub fn measures(&self, id: NodeId) -> (Option<u32>, Option<u32>) {
        self.distance(id).map_or((None, None), |distance| (distance.rtt_ms(), distance.loss_percent()))
    }

    pub(super) fn distance(&self, id: NodeId) -> Option<&Distance> {
        self.peers.get(&short(id)).filter(|peer| peer.id == id).map(|peer| &peer.distance)
    }

    /// A probe was sent: the one before it had its time.
    pub(super) fn probed(&mut self, now: Time, to: Short, number: ProbeNumber, data: Vec<u8>) {
        if let Some(before) = self.probe.take() {
            self.measured(before.to, Outcome::Lost);
        }
        let known = self.peers.get(&to).and_then(|peer| peer.distance.patience());
        let again = now + known.unwrap_or_default().clamp(PROBE_AGAIN, PROBE_AGAIN_AT_MOST);
        self.probe = Some(Probe { to, number, sent: now, again: Some(again), data });
    }

    /// Sends the probe again, or gives it up.
    pub(super) fn probe_due(&mut self, now: Time) {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.timeout() <= now) else { return };
        let to = probe.to;
        if probe.again.take().is_none() {
            self.probe = None;
            self.measured(to, Outcome::Lost);
            return;
        }
        let data = core::mem::take(&mut probe.data);
        if let Some(peer) = self.peers.get(&to) {
            self.send(peer.id, &data);
        }
    }

    /// The member answered: it is not lost, however late it is.
    pub(super) fn probe_answered(&mut self, now: Time, from: Short, number: ProbeNumber) {
        let Some(probe) = self.probe.take_if(|probe| (probe.to, probe.number) == (from, number)) else {
            return;
        };
        if probe.again.is_some() {
            self.measured(from, Outcome::After(now.saturating_sub(probe.sent)));
            return;
        }
        self.measured(from, Outcome::Answered);
        if self.echoes.contains_key(&from) || self.asked.is_some_and(|(_, _, at)| at + PROBE_LOST > now) {
            return;
        }
        self.echo_count = self.echo_count.wrapping_add(1);
        self.asked = Some((from, self.echo_count, now));
        self.send_echo(from, false, self.echo_count);
    }

    /// What came of a question to a member.
    pub(super) fn measured(&mut self, member: Short, outcome: Outcome) {
        let Some(peer) = self.peers.get_mut(&member) else { return };
        let before = peer.distance.quality();
        peer.distance.outcome(outcome);
        if peer.distance.quality() != before {
            self.outputs.push_back(Output::Quality(peer.id));
        }
    }

    pub(super) fn echo_due(&mut self, now: Time) {
        let due: Vec<Short> = self
            .echoes
            .iter()
            .filter(|(_, echoes)| echoes.timeout() <= now)
            .map(|(member, _)| *member)
            .collect();
        for member in due {
            let Some(echoes) = self.echoes.get_mut(&member) else { continue };
            let due = echoes.due(now);
            let alone = due.lost == 1;
            if alone {
                echoes.look_closer(now);
            }
            if due.send && self.peers.get(&member).is_some_and(|peer| peer.checked) {
                self.echo_count = self.echo_count.wrapping_add(1);
                echoes.sent(self.echo_count, now);
                self.send_echo(member, false, self.echo_count);
            }
            (0..due.lost).for_each(|_| self.measured(member, Outcome::Lost));
        }
    }

    /// `short id ‖ 0 or 1: an answer ‖ number`.
    pub(super) fn send_echo(&mut self, to: Short, answer: bool, number: u32) {
        let own = self.foca.identity().short;
        let payload = [&own[..], &[u8::from(answer)], &number.to_be_bytes()].concat();
        self.send_sealed(to, seal::ECHO, &payload);
    }

    pub(super) fn echoed(&mut self, now: Time, from: Short, payload: &[u8]) {
        let (Some((_, &[kind, ref number @ ..])), true) =
            (payload.split_first_chunk::<8>(), payload.len() == 13)
        else {
            self.counters.unreadable = self.counters.unreadable.wrapping_add(1);
            return;
        };
        self.counters.received = self.counters.received.wrapping_add(1);
        let number = number.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        match kind {
            0 => self.send_echo(from, true, number),
            _ => {
                let asked = self.asked.take_if(|(whom, asked, _)| (*whom, *asked) == (from, number));
                let took = match asked {
                    Some((.., at)) => Some(now.saturating_sub(at)),
                    None => self.echoes.get_mut(&from).and_then(|echoes| echoes.back(number, now)),
                };
                if let Some(took) = took {
                    self.measured(from, Outcome::After(took));
                }
            }
        }
    }
}
