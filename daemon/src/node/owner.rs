//! What the owner of the router decides, and what people report to them: changes of accounts, bans, reports.
//!
//! Bans hold at this node only: an account that is kept out cannot sign in here nor ring anybody here, a node
//! that is kept out gets no link, and its accounts are kept out with it. Other nodes decide for themselves.
//!
//! Bounds: [`MAX_REPORTS`], of which [`REPORTS_A_PERSON`] by one person. All of it is in the
//! state file.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use truca_core::Time;
use truca_core::directory::record::{ADMIN, AccountBody, DELETED, PASSWORD};
use truca_core::name::{Address, Display};
use truca_core::signal::call::SessionId;
use truca_core::wire::page::request::Report as Asked;
use truca_core::wire::page::{ByeReason, Code, Failure};

use super::admin::{Answer, Arguments, Call, Refusal};
use super::bans::{Bans, Whom};
use super::ground::Ground;
use super::said::{Happened, Said};
use super::state::Saved;

/// Most reports; the oldest gives way.
const MAX_REPORTS: usize = 64;
/// Most reports by one person; their oldest gives way.
const REPORTS_A_PERSON: usize = 4;
/// Longest reason of a ban or a report, characters.
pub const MAX_REASON: usize = 120;

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

/// What was reported; bans are where others ask for them.
#[derive(Debug, Default)]
pub(super) struct Owner {
    reports: Vec<Report>,
}

impl Owner {
    /// What was kept: the bans, and this room with the reports.
    pub(super) fn new(kept: Kept) -> (Bans, Self) {
        let Kept { bans, mut reports } = kept;
        reports.truncate(MAX_REPORTS);
        (Bans::new(bans), Self { reports })
    }

    /// Adds what is to be saved.
    pub(super) fn save(&self, ground: &Ground, saved: &mut Saved) {
        saved.owner = Kept { bans: ground.bans.to_save(), reports: self.reports.clone() };
    }

    /// Does what a method says, when it is one of this room's.
    ///
    /// # Errors
    /// Why it was not done; then nothing has changed. [`Refusal::Method`] for what others answer.
    pub(super) fn administer(
        &mut self,
        ground: &mut Ground,
        now: Time,
        call: Call,
        arguments: &Arguments,
    ) -> Answer {
        match call {
            Call::AccountSet => self.account_set(ground, now, arguments),
            Call::AccountDelete => self.account_delete(ground, now, arguments),
            Call::Bans => Ok(ground.bans.list()),
            Call::Ban => self.ban(ground, now, arguments),
            Call::Unban => self.unban(ground, now, arguments),
            Call::Reports => Ok(self.reports(ground, now)),
            _ => Err(Refusal::Method),
        }
    }

    /// A page tells the owner something.
    pub(super) fn request(
        &mut self,
        ground: &mut Ground,
        now: Time,
        session: SessionId,
        request: Asked,
    ) -> Result<(), Failure> {
        match request {
            Asked::Report { address, reason } => self.on_report(ground, now, session, address, &reason),
        }
    }
}

/// A reason that fits its place.
fn reason(text: &str) -> Option<String> {
    let text = text.trim();
    (text.chars().count() <= MAX_REASON && !text.contains(char::is_control)).then(|| text.to_owned())
}

impl Owner {
    /// The account of this node that an argument names.
    fn own_account(&self, ground: &Ground, arguments: &Arguments) -> Result<AccountBody, Refusal> {
        let address = arguments.text("address").unwrap_or_default().parse::<Address>();
        let address = address.map_err(|_| Refusal::Argument("address", "must be name@node id"))?;
        let account = ground.directory.account(&address).filter(|_| address.home == ground.id);
        account.map(|account| account.body.clone()).ok_or(Refusal::Missing("account"))
    }

    fn account_set(&mut self, ground: &mut Ground, now: Time, arguments: &Arguments) -> Answer {
        let mut body = self.own_account(ground, arguments)?;
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
            ground.happened(Happened::Reset(body.name.clone()));
            // also when nothing but this has changed
            ground.save_early(now);
        }
        let address = Address { home: body.home, name: body.name.clone() };
        if body != before {
            body.counter += 1;
            self.publish_owned(ground, now, body)?;
            log::info!("the owner changed an account");
        }
        let account = ground.directory.account(&address).map(|account| ground.show_account(account));
        Ok(json!({ "account": account }))
    }

    fn account_delete(&mut self, ground: &mut Ground, now: Time, arguments: &Arguments) -> Answer {
        let mut body = self.own_account(ground, arguments)?;
        // later than every tombstone before it, so that all nodes forget the same ones first
        let tombstones = ground.directory.records_of(ground.id).filter(|account| account.body.is_deleted());
        let last = tombstones.map(|account| account.body.counter).max().unwrap_or(0);
        body.counter = body.counter.max(last) + 1;
        body.flags = DELETED;
        body.devices.clear();
        let address = Address { home: body.home, name: body.name.clone() };
        self.publish_owned(ground, now, body)?;
        ground.happened(Happened::Reset(address.name.clone()));
        self.reports.retain(|report| report.about != address);
        log::info!("the owner deleted an account");
        Ok(json!({}))
    }

    fn publish_owned(&mut self, ground: &mut Ground, now: Time, body: AccountBody) -> Result<(), Refusal> {
        match ground.publish_account(now, body) {
            true => Ok(()),
            false => Err(Refusal::Full("records")),
        }
    }

    fn ban(&mut self, ground: &mut Ground, now: Time, arguments: &Arguments) -> Answer {
        let whom = Whom::parse(arguments.text("id").unwrap_or_default().trim());
        let whom = whom.ok_or(Refusal::Argument("id", "must be name@node id, or a node id"))?;
        let reason = reason(arguments.text("reason").unwrap_or_default());
        let reason = reason.ok_or(Refusal::Argument("reason", "must be at most 120 visible characters"))?;
        if whom == Whom::Node(ground.id) {
            return Err(Refusal::Argument("id", "is this node itself"));
        }
        if !ground.bans.ban(whom.clone(), reason) {
            return Err(Refusal::Full("bans"));
        }
        log::info!("{whom} is kept out from now on");
        let banned = |of: &Address| ground.bans.of(of).is_some();
        let out = ground.who.all().filter(|(_, known)| banned(&known.own.address));
        for session in out.map(|(session, _)| session).collect::<Vec<SessionId>>() {
            ground.say(Said::Expel(session, ByeReason::Banned));
        }
        if let Whom::Node(id) = whom {
            ground.happened(Happened::Banned(id));
        }
        ground.save_early(now);
        Ok(json!({}))
    }

    fn unban(&mut self, ground: &mut Ground, now: Time, arguments: &Arguments) -> Answer {
        let whom = Whom::parse(arguments.text("id").unwrap_or_default().trim());
        let whom = whom.ok_or(Refusal::Argument("id", "must be name@node id, or a node id"))?;
        if !ground.bans.unban(&whom) {
            return Err(Refusal::Missing("ban"));
        }
        log::info!("{whom} is let in again");
        ground.save_early(now);
        Ok(json!({}))
    }

    /// A page reports an account.
    fn on_report(
        &mut self,
        ground: &mut Ground,
        now: Time,
        session: SessionId,
        about: Address,
        text: &str,
    ) -> Result<(), Failure> {
        let Some(by) = ground.who.address(session).cloned() else { return Ok(()) };
        let reason = reason(text).filter(|reason| !reason.is_empty());
        let reason = reason.ok_or_else(|| {
            Failure::new(0, Code::TooLong, "a reason has 1 to 120 characters, without control characters")
        })?;
        if about == by || ground.directory.account(&about).is_none() {
            return Err(Failure::new(0, Code::NoSuchPerson, "nobody else has this address"));
        }
        let report = Report { about, by, reason, boot: ground.own.boot(), at_s: now.as_secs() as u32 };
        let reports = &mut self.reports;
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
        ground.save_soon(now);
        Ok(())
    }

    fn reports(&self, ground: &Ground, now: Time) -> Value {
        let reports = self.reports.iter().rev().map(|report| {
            let this_life = report.boot == ground.own.boot();
            let age = this_life.then(|| now.as_secs().saturating_sub(u64::from(report.at_s)));
            let (about, by) = (report.about.to_string(), report.by.to_string());
            json!({"about": about, "by": by, "reason": report.reason, "age_s": age})
        });
        json!({ "reports": reports.collect::<Vec<_>>() })
    }
}

#[cfg(test)]
mod tests;
