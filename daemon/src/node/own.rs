//! The node's own record: signed anew when something in it changes or when an earlier life has said something
//! newer, and written to flash with what only this node knows, when `saving.rs` says so.

use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::{Node as NodeRecord, NodeBody, Record};
use truca_core::wire::bytes::Bytes;
use truca_core::wire::page::Notice;

use super::ground::{Ground, Keys, Settings};
use super::said::Job;
use super::saving::Saving;
use super::state::Saved;

/// How often at most this node outdoes a record of its own that it does not know. Two machines with one key
/// would otherwise do nothing else.
const RENEW_PERIOD: Duration = Duration::from_secs(10);

/// The node's own record, and when it was written.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) record: NodeRecord,
    /// The newest counter and boot that an earlier life of this node, or a copy of it, is known to have used.
    ahead: (u32, u32),
    /// Whether it waits to be outdone.
    renewing: bool,
    renewed_at: Option<Time>,
    pub(super) saving: Saving,
}

impl Own {
    /// That of a node that starts now: newer than all that it remembers to have said.
    pub(super) fn new(
        now: Time,
        keys: &dyn Keys,
        settings: &Settings,
        saved: &Saved,
        agreement: [u8; 32],
    ) -> Self {
        let body = NodeBody {
            point: Bytes(keys.point()),
            agreement: Bytes(agreement),
            counter: saved.counter.wrapping_add(1),
            boot: saved.boot.wrapping_add(1),
            name: settings.name.clone(),
            addresses: settings.addresses.clone(),
            port: settings.port,
            stun_port: settings.stun_port,
            version: version(),
        };
        let record = sign(keys, body);
        // the new boot must be on flash before anybody signs an attachment with it: that is the first output
        Self { record, ahead: (0, 0), renewing: false, renewed_at: None, saving: Saving::new(now) }
    }

    /// How often this node has started.
    pub(super) fn boot(&self) -> u32 {
        self.record.body.boot
    }

    /// The record as it goes over wires.
    pub(super) fn encoded(&self) -> Vec<u8> {
        Record::Node(self.record.clone()).encode()
    }
}

impl Ground {
    /// Signs this node's record anew, newer than `counter`.
    pub(super) fn renew_record(&mut self, now: Time, counter: u32) {
        let counter = counter.max(self.own.record.body.counter).wrapping_add(1);
        let body = NodeBody {
            counter,
            name: self.settings.name.clone(),
            addresses: self.settings.addresses.clone(),
            port: self.settings.port,
            stun_port: self.settings.stun_port,
            ..self.own.record.body.clone()
        };
        self.own.record = sign(&*self.keys, body);
        if self.directory.replace_own_node(self.own.record.clone()) {
            self.gossip.spread(now, &self.own.encoded());
            self.summarize(now);
        }
        self.save_soon(now);
        self.windows_soon(now);
    }

    /// Somebody knows a newer record of this node than it has signed.
    pub(super) fn outdone(&mut self, now: Time, counter: u32, boot: u32) {
        let own = &mut self.own;
        own.ahead = (own.ahead.0.max(counter), own.ahead.1.max(boot));
        if !own.renewing {
            own.renewing = true;
            let at = own.renewed_at.map_or(now, |at| now.max(at + RENEW_PERIOD));
            self.jobs.insert((at, Job::Renew));
        }
    }

    /// Whether an earlier life may have used this boot, so that its attachments would be taken for ours: then this
    /// node counts as started anew, and its pages sign in again.
    pub(super) fn restarts(&mut self) -> bool {
        let (_, boot) = self.own.ahead;
        let restarts = boot >= self.own.boot();
        if restarts {
            log::warn!("this node is known with a later start than it remembers: was its flash lost?");
            self.own.record.body.boot = boot.wrapping_add(1);
        }
        restarts
    }

    /// Outdoes what an earlier life of this node has said.
    pub(super) fn renew_due(&mut self, now: Time) {
        self.own.renewing = false;
        self.own.renewed_at = Some(now);
        self.renew_record(now, self.own.ahead.0);
    }

    // Writing to flash.

    /// Something changed by itself.
    pub(super) fn save_soon(&mut self, now: Time) {
        self.jobs.extend(self.own.saving.soon(now).map(|at| (at, Job::Save)));
    }

    /// Somebody did something, and counts on it.
    pub(super) fn save_early(&mut self, now: Time) {
        self.jobs.extend(self.own.saving.early(now).map(|at| (at, Job::Save)));
    }

    /// Whether there is something to be written now.
    pub(super) fn save_due(&mut self, now: Time) -> bool {
        let due = self.own.saving.is_due(now);
        if due {
            // one line for all of them: a town that signs up must not fill the log
            match self.own.saving.new_accounts() {
                0 => {}
                1 => log::info!("a new account was made"),
                many => log::info!("{many} new accounts were made"),
            }
        }
        due
    }

    /// The states that were given out are on flash, up to the one of this number.
    pub(super) fn saved(&mut self, number: u32) {
        for address in self.own.saving.kept(number) {
            self.tell_devices(&address, None, &Notice::Kept {});
        }
    }

    /// What is saved of the ground; rooms add theirs.
    pub(super) fn to_save(&self) -> Saved {
        let accounts = self.directory.records_of(self.id).cloned();
        Saved {
            boot: self.own.boot(),
            counter: self.own.record.body.counter,
            generation: self.gossip.generation(),
            accounts: accounts.map(|account| Record::Account(account).encode()).collect(),
            ..Saved::default()
        }
    }
}

fn version() -> (u8, u8, u8) {
    let part = |text: &str| text.parse().unwrap_or(0);
    (
        part(env!("CARGO_PKG_VERSION_MAJOR")),
        part(env!("CARGO_PKG_VERSION_MINOR")),
        part(env!("CARGO_PKG_VERSION_PATCH")),
    )
}

fn sign(keys: &dyn Keys, body: NodeBody) -> NodeRecord {
    let signature = Bytes(keys.sign(&NodeRecord::to_sign(&body)));
    NodeRecord { body, signature }
}
