//! What the owner of the router decides, and what people report to them: changes of accounts, bans, reports.
//!
//! Bans hold at this node only: an account that is kept out cannot sign in here nor ring anybody here, a node
//! that is kept out gets no link, and its accounts are kept out with it. Other nodes decide for themselves.
//!
//! Bounds: [`MAX_BANS`], [`MAX_REPORTS`], of which [`REPORTS_A_PERSON`] by one person. All of it is in the
//! state file.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use truca_core::Time;
use truca_core::directory::record::{ADMIN, AccountBody, DELETED, PASSWORD};
use truca_core::id::NodeId;
use truca_core::name::{Address, Display};
use truca_core::signal::call::SessionId;
use truca_core::sorted::Map;
use truca_core::wire::page::{ByeReason, Code, Failure, Notice};

use super::Node;
use super::admin::{Answer, Arguments, Call, Refusal};

/// Most bans.
const MAX_BANS: usize = 256;
/// Most reports; the oldest gives way.
const MAX_REPORTS: usize = 64;
/// Most reports by one person; their oldest gives way.
const REPORTS_A_PERSON: usize = 4;
/// Longest reason of a ban or a report, characters.
pub const MAX_REASON: usize = 120;

/// Who is kept out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Whom {
    Account(Address),
    Node(NodeId),
}

impl Whom {
    fn parse(text: &str) -> Option<Self> {
        match text.parse() {
            Ok(address) => Some(Self::Account(address)),
            Err(_) => text.parse().ok().map(Self::Node),
        }
    }
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(address) => address.fmt(f),
            Self::Node(id) => id.fmt(f),
        }
    }
}

/// What somebody reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Report {
    about: Address,
    by: Address,
    reason: String,
    /// In which life of the node, and when in it: there is no clock that outlives a restart.
    boot: u32,
    at_s: u32,
}

/// What of it is saved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    bans: Vec<(Whom, String)>,
    reports: Vec<Report>,
}

/// What bans have refused, of which kind.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub(super) struct Counters {
    sign_ins: u32,
    links: u32,
    calls: u32,
}

/// The owner's decisions.
#[derive(Debug, Default)]
pub(super) struct Owner {
    pub(super) kept: Kept,
    pub(super) counters: Counters,
    refused: Map<Whom, u32>,
}

impl Owner {
    pub(super) fn new(mut kept: Kept) -> Self {
        kept.bans.truncate(MAX_BANS);
        kept.reports.truncate(MAX_REPORTS);
        Self { kept, ..Self::default() }
    }

    fn bans(&self, whom: &Whom) -> bool {
        self.kept.bans.iter().any(|(banned, _)| banned == whom)
    }

    /// The ban that keeps an account out: its own or that of its home.
    fn ban_of(&self, address: &Address) -> Option<Whom> {
        if self.kept.bans.is_empty() {
            return None;
        }
        [Whom::Account(address.clone()), Whom::Node(address.home)].into_iter().find(|whom| self.bans(whom))
    }

    fn count(&mut self, whom: Whom) {
        let refused = self.refused.entry(whom).or_default();
        *refused = refused.wrapping_add(1);
    }

    /// Whether this account is kept out; counts it.
    pub(super) fn refuses_sign_in(&mut self, address: &Address) -> bool {
        let Some(whom) = self.ban_of(address) else { return false };
        self.counters.sign_ins = self.counters.sign_ins.wrapping_add(1);
        self.count(whom);
        true
    }

    /// Whether a call by this account is kept out; counts it.
    pub(super) fn refuses_call(&mut self, address: &Address) -> bool {
        let Some(whom) = self.ban_of(address) else { return false };
        self.counters.calls = self.counters.calls.wrapping_add(1);
        self.count(whom);
        true
    }

    /// Whether this node is kept out; counts it.
    pub(super) fn refuses_link(&mut self, id: NodeId) -> bool {
        if !self.bans(&Whom::Node(id)) {
            return false;
        }
        self.counters.links = self.counters.links.wrapping_add(1);
        self.count(Whom::Node(id));
        true
    }

    fn list(&self) -> Value {
        let bans = self.kept.bans.iter().map(|(whom, reason)| {
            let refused = self.refused.get(whom).copied().unwrap_or(0);
            json!({"id": whom.to_string(), "reason": reason, "refused": refused})
        });
        json!({ "bans": bans.collect::<Vec<_>>() })
    }
}

/// A reason that fits its place.
fn reason(text: &str) -> Option<String> {
    let text = text.trim();
    (text.chars().count() <= MAX_REASON && !text.contains(char::is_control)).then(|| text.to_owned())
}

impl Node {
    /// Does what a method says, when the node is the one to do it.
    ///
    /// # Errors
    /// Why it was not done; then nothing has changed. [`Refusal::Method`] for what the runtime answers.
    pub fn administer(&mut self, now: Time, call: Call, arguments: &Arguments) -> Answer {
        let answer = match call {
            Call::Status => self.status(now),
            Call::Members => self.members(),
            Call::Accounts => self.accounts(arguments.text("filter"), arguments.number("limit")),
            Call::AccountSet => self.account_set(now, arguments)?,
            Call::AccountDelete => self.account_delete(now, arguments)?,
            Call::Sessions => self.sessions(now),
            Call::Links => self.links_now(now),
            Call::Ice => self.ice_decisions(),
            Call::Bans => self.owner.list(),
            Call::Ban => self.ban(now, arguments)?,
            Call::Unban => self.unban(now, arguments)?,
            Call::Reports => self.reports(now),
            Call::Discovery | Call::Stun | Call::Reload => return Err(Refusal::Method),
        };
        self.settle(now);
        Ok(answer)
    }

    /// The account of this node that an argument names.
    fn own_account(&self, arguments: &Arguments) -> Result<AccountBody, Refusal> {
        let address = arguments.text("address").unwrap_or_default().parse::<Address>();
        let address = address.map_err(|_| Refusal::Argument("address", "must be name@node id"))?;
        let account = self.directory.account(&address).filter(|_| address.home == self.id);
        account.map(|account| account.body.clone()).ok_or(Refusal::Missing("account"))
    }

    fn account_set(&mut self, now: Time, arguments: &Arguments) -> Answer {
        let mut body = self.own_account(arguments)?;
        let before = body.clone();
        if let Some(display) = arguments.text("display") {
            let display = display.trim().parse::<Display>();
            body.display =
                display.map_err(|_| Refusal::Argument("display", "must be 1 to 48 visible characters"))?;
        }
        if let Some(admin) = arguments.flag("admin") {
            body.flags = if admin { body.flags | ADMIN } else { body.flags & !ADMIN };
        }
        if arguments.flag("reset_devices") == Some(true) {
            body.devices.clear();
            body.flags &= !PASSWORD;
            self.linking.passwords.forget(&body.name);
            // also when nothing but this has changed
            self.save_soon(now);
        }
        let address = Address { home: body.home, name: body.name.clone() };
        if body != before {
            body.counter += 1;
            self.publish_owned(now, body)?;
            log::info!("the owner changed an account");
        }
        let account = self.directory.account(&address).map(|account| self.show_account(account));
        Ok(json!({ "account": account }))
    }

    fn account_delete(&mut self, now: Time, arguments: &Arguments) -> Answer {
        let mut body = self.own_account(arguments)?;
        // later than every tombstone before it, so that all nodes forget the same ones first
        let tombstones = self.directory.records_of(self.id).filter(|account| account.body.is_deleted());
        let last = tombstones.map(|account| account.body.counter).max().unwrap_or(0);
        body.counter = body.counter.max(last) + 1;
        body.flags = DELETED;
        body.devices.clear();
        let address = Address { home: body.home, name: body.name.clone() };
        self.publish_owned(now, body)?;
        self.linking.passwords.forget(&address.name);
        self.owner.kept.reports.retain(|report| report.about != address);
        log::info!("the owner deleted an account");
        Ok(json!({}))
    }

    fn publish_owned(&mut self, now: Time, body: AccountBody) -> Result<(), Refusal> {
        match self.publish_account(now, body) {
            true => Ok(()),
            false => Err(Refusal::Full("records")),
        }
    }

    /// An account changed: sessions of devices that it has no more end, the others are told.
    pub(super) fn account_changed(&mut self, now: Time, address: &Address) {
        let devices = self.directory.account(address).map(|account| account.body.devices.as_slice());
        let devices = devices.unwrap_or_default();
        let attached = self.pages.sessions.iter();
        let gone: Vec<SessionId> = attached
            .filter(|(_, a)| a.own.address == *address && !devices.contains(&a.own.device))
            .map(|(session, _)| *session)
            .collect();
        for session in gone {
            self.expel(now, session, ByeReason::Revoked);
        }
        let counter = self.counter_of(address);
        self.tell_devices(address, None, &Notice::AccountChanged { counter });
    }

    fn ban(&mut self, now: Time, arguments: &Arguments) -> Answer {
        let whom = Whom::parse(arguments.text("id").unwrap_or_default().trim());
        let whom = whom.ok_or(Refusal::Argument("id", "must be name@node id, or a node id"))?;
        let reason = reason(arguments.text("reason").unwrap_or_default());
        let reason = reason.ok_or(Refusal::Argument("reason", "must be at most 120 visible characters"))?;
        if whom == Whom::Node(self.id) {
            return Err(Refusal::Argument("id", "is this node itself"));
        }
        let bans = &mut self.owner.kept.bans;
        let count = bans.len();
        match bans.iter_mut().find(|(banned, _)| *banned == whom) {
            Some((_, old)) => *old = reason,
            None if count >= MAX_BANS => return Err(Refusal::Full("bans")),
            None => bans.push((whom.clone(), reason)),
        }
        log::info!("{whom} is kept out from now on");
        let sessions = self.pages.sessions.iter();
        let out: Vec<SessionId> = sessions
            .filter(|(_, attached)| self.owner.ban_of(&attached.own.address).is_some())
            .map(|(session, _)| *session)
            .collect();
        for session in out {
            self.expel(now, session, ByeReason::Banned);
        }
        if let Whom::Node(id) = whom {
            self.close_links_to(now, id);
        }
        self.save_soon(now);
        Ok(json!({}))
    }

    fn unban(&mut self, now: Time, arguments: &Arguments) -> Answer {
        let whom = Whom::parse(arguments.text("id").unwrap_or_default().trim());
        let whom = whom.ok_or(Refusal::Argument("id", "must be name@node id, or a node id"))?;
        let before = self.owner.kept.bans.len();
        self.owner.kept.bans.retain(|(banned, _)| *banned != whom);
        if self.owner.kept.bans.len() == before {
            return Err(Refusal::Missing("ban"));
        }
        self.owner.refused.remove(&whom);
        log::info!("{whom} is let in again");
        self.save_soon(now);
        Ok(json!({}))
    }

    /// A page reports an account.
    pub(super) fn on_report(
        &mut self,
        now: Time,
        session: SessionId,
        about: Address,
        text: &str,
    ) -> Result<(), Failure> {
        let Some(attached) = self.pages.sessions.get(&session) else { return Ok(()) };
        let by = attached.own.address.clone();
        let reason = reason(text).filter(|reason| !reason.is_empty());
        let reason = reason.ok_or_else(|| {
            Failure::new(0, Code::TooLong, "a reason has 1 to 120 characters, without control characters")
        })?;
        if about == by || self.directory.account(&about).is_none() {
            return Err(Failure::new(0, Code::NoSuchPerson, "nobody else has this address"));
        }
        let report = Report { about, by, reason, boot: self.record.body.boot, at_s: now.as_secs() as u32 };
        let reports = &mut self.owner.kept.reports;
        // one person says one thing about another
        reports.retain(|old| (&old.about, &old.by) != (&report.about, &report.by));
        let own = reports.iter().filter(|old| old.by == report.by).count();
        if own >= REPORTS_A_PERSON {
            let oldest = reports.iter().position(|old| old.by == report.by);
            oldest.map(|oldest| reports.remove(oldest));
        } else if reports.len() >= MAX_REPORTS {
            reports.remove(0);
        }
        log::info!("a person was reported (see `trucad ctl reports`)");
        reports.push(report);
        self.save_soon(now);
        Ok(())
    }

    fn reports(&self, now: Time) -> Value {
        let reports = self.owner.kept.reports.iter().rev().map(|report| {
            let this_life = report.boot == self.record.body.boot;
            let age = this_life.then(|| now.as_secs().saturating_sub(u64::from(report.at_s)));
            let (about, by) = (report.about.to_string(), report.by.to_string());
            json!({"about": about, "by": by, "reason": report.reason, "age_s": age})
        });
        json!({ "reports": reports.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests;
