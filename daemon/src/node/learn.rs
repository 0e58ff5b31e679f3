//! What the node learns: records that go into the directory, and members that come and go.

use std::net::{IpAddr, SocketAddr};

use truca_core::Time;
use truca_core::directory::record::{AccountBody, Key, Proven, Record};
use truca_core::directory::{Merged, Refused};
use truca_core::gossip;
use truca_core::id::NodeId;
use truca_core::name::Address;
use truca_core::signal::call::SessionId;
use truca_core::wire::bytes::Bytes;
use truca_core::wire::node::Device;
use truca_core::wire::page::{ByeReason, Notice};

use super::ground::Ground;
use super::news::News;
use super::said::{Happened, Output, Said};

/// What a record was to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Learnt {
    /// Nothing new, or nothing that is right.
    Nothing,
    /// News.
    News,
    /// News that are checked later.
    Unchecked,
}

impl Ground {
    /// Merges a record; what is news goes on to the others. Whether it was news.
    pub(super) fn learn(&mut self, now: Time, encoded: &[u8]) -> bool {
        self.learn_from(now, encoded, None) != Learnt::Nothing
    }

    /// The same for one that the neighbour `from` answered a comparison with, if it may be checked later.
    pub(super) fn learn_from(&mut self, now: Time, encoded: &[u8], from: Option<NodeId>) -> Learnt {
        if !self.settings.admission.allows_record(self.id, encoded) {
            self.counters.not_admitted = self.counters.not_admitted.wrapping_add(1);
            return Learnt::Nothing;
        }
        let merged = match from {
            Some(from) => self.directory.merge_lazily(encoded, from),
            None => self.directory.merge(encoded),
        };
        self.learnt(now, merged, encoded)
    }

    /// The same for one whose signature was made or checked here: it is not checked again. Whether it was news.
    pub(super) fn learn_proven(&mut self, now: Time, proven: impl Into<Proven<Record>>) -> bool {
        let proven = proven.into();
        let merged = self.directory.merge_proven(&proven);
        self.learnt(now, merged, &proven.encode()) != Learnt::Nothing
    }

    /// What follows from a record that was merged or refused.
    fn learnt(&mut self, now: Time, merged: Result<Merged, Refused>, encoded: &[u8]) -> Learnt {
        match merged {
            Ok(Merged::Unchecked(key)) => {
                self.summarize(now);
                if let Key::Node(id) = key {
                    self.introduce(id);
                }
                self.windows_soon(now);
                Learnt::Unchecked
            }
            Ok(Merged::New(key)) => {
                self.gossip.spread(now, encoded);
                self.summarize(now);
                match key {
                    Key::Node(id) if id != self.id => self.introduce(id),
                    Key::Account(address) => {
                        if address.home == self.id {
                            self.save_early(now);
                        }
                        self.account_changed(&address);
                    }
                    Key::Attachment(address, device) => {
                        self.happened(Happened::Attached(Device { address, device }));
                    }
                    _ => {}
                }
                self.windows_soon(now);
                Learnt::News
            }
            Ok(Merged::Known) => Learnt::Nothing,
            Ok(Merged::Ahead { counter, boot }) => {
                self.outdone(now, counter, boot);
                Learnt::Nothing
            }
            Err(why) => {
                if why == Refused::Orphan {
                    self.happened(Happened::Missed);
                } else if self.logged.insert(why) {
                    log::warn!("refused a record: {why:?} (counted from now on, see `trucad ctl status`)");
                }
                Learnt::Nothing
            }
        }
    }

    /// The directory or the members changed: datagrams say so from now on.
    pub(super) fn summarize(&mut self, now: Time) {
        self.gossip.set_summary(self.directory.digest().summary());
        self.changed = (now, self.changed.1.wrapping_add(1));
    }

    /// An account changed: sessions of devices that it has no more end, the others are told.
    fn account_changed(&mut self, address: &Address) {
        let devices = self.directory.account(address).map(|account| account.body.devices.as_slice());
        let devices = devices.unwrap_or_default();
        let (mut gone, mut told) = (Vec::new(), Vec::new());
        for session in self.who.of_account(address) {
            let Some(known) = self.who.session(session) else { continue };
            match devices.contains(&known.own.device) {
                true => told.extend(known.page),
                false => gone.push(session),
            }
        }
        gone.into_iter().for_each(|session: SessionId| self.say(Said::Expel(session, ByeReason::Revoked)));
        let notice = Notice::AccountChanged { counter: self.counter_of(address) };
        told.into_iter().for_each(|page| self.tell(page, &notice));
    }

    /// Signs and publishes an account of this home. Whether the directory took it.
    pub(super) fn publish_account(&mut self, now: Time, body: AccountBody) -> bool {
        let account = Proven::sign(body, |message| Bytes(self.keys.sign(message)));
        self.learn_proven(now, account)
    }

    /// The counter of what is known of an account, deleted or not.
    pub(super) fn counter_of(&self, address: &Address) -> u32 {
        self.directory.account_record(address).map_or(0, |account| account.body.counter)
    }

    // Members.

    /// Tells gossip how to reach a node whose record is known.
    fn introduce(&mut self, id: NodeId) {
        let Some(record) = self.directory.node(&id) else { return };
        let agreement = record.body.agreement.0;
        let (addresses, checked) = (self.reachable_at(id), self.directory.is_checked(&Key::Node(id)));
        self.gossip.introduce(id, agreement, addresses, checked);
        self.moved = true;
    }

    /// Where a node says it can be reached, without addresses that are ours.
    pub(super) fn reachable_at(&self, id: NodeId) -> Vec<SocketAddr> {
        let Some(record) = self.directory.node(&id) else { return Vec::new() };
        let ours = |address: &IpAddr| {
            self.settings.addresses.contains(address) && record.body.port == self.settings.port
        };
        let port = record.body.port;
        record.body.addresses.iter().filter(|a| !ours(a)).map(|a| SocketAddr::new(*a, port)).collect()
    }

    /// Checks a node's record before it is believed. Whether there is one.
    pub(super) fn check_node(&mut self, id: NodeId) -> bool {
        let right = self.directory.check(&Key::Node(id));
        if right {
            self.introduce(id);
        } else {
            self.gossip.forget(id);
        }
        right
    }

    /// A membership datagram came in.
    pub(super) fn datagram(&mut self, now: Time, from: SocketAddr, payload: &[u8]) {
        self.traffic.datagrams_in += payload.len() as u64;
        if let Some(sender) = self.gossip.unchecked_sender(payload) {
            self.check_node(sender);
        }
        let before = self.refused_datagrams();
        self.gossip.handle_datagram(now, from, payload);
        if before == 0 && self.refused_datagrams() > 0 {
            log::warn!(
                "refused a membership datagram from {from} (counted from now on, see `trucad ctl status`)"
            );
        }
    }

    fn refused_datagrams(&self) -> u32 {
        let counters = self.gossip.counters();
        counters.malformed | counters.forged | counters.unreadable
    }

    /// Does what membership wants.
    pub(super) fn on_gossip(&mut self, now: Time, output: gossip::Output) {
        match output {
            gossip::Output::Send { to, payload } => self.put(Output::Datagram { to, payload }),
            gossip::Output::Up(id) => {
                if self.alive.insert(id) {
                    log::info!("{} ({id}) is up", self.directory.node_name(&id));
                    self.tell_of_member(id, true);
                    self.summarize(now);
                    self.happened(Happened::Up(id));
                    self.nodes_moved(now);
                }
            }
            gossip::Output::Down(id) => {
                if self.alive.remove(&id) {
                    log::info!("{} ({id}) is down", self.directory.node_name(&id));
                    self.tell_of_member(id, false);
                    self.summarize(now);
                    self.deaths = self.deaths.wrapping_add(1);
                    self.happened(Happened::Down(id));
                    self.nodes_moved(now);
                }
                if self.alive.len() == 1 {
                    self.happened(Happened::Alone);
                }
            }
            gossip::Output::Check(id, data) => {
                if self.check_node(id) {
                    self.gossip.send(id, &data);
                }
            }
            gossip::Output::Arrived(record) => self.say(Said::Arrived(record)),
            gossip::Output::Unknown(from) => match from {
                Some(from) => self.say(Said::Candidate(from, "datagram")),
                None => self.happened(Happened::Missed),
            },
            gossip::Output::Differs(id) => self.happened(Happened::Differs(id)),
            gossip::Output::Quality(_) => self.windows_soon(now),
            gossip::Output::Generation(_) => self.save_soon(now),
        }
    }

    fn tell_of_member(&mut self, id: NodeId, up: bool) {
        let (name, alive) = (self.directory.node_name(&id).to_owned(), self.alive.len());
        self.put(Output::News(News::Member { id, name, up, alive }));
    }
}
