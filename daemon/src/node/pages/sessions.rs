//! How sessions of pages begin and come back.

use std::net::IpAddr;

use serde_json::{Value, json};
use truca_core::Time;
use truca_core::name::Address;
use truca_core::signal::call::SessionId;
use truca_core::signal::session::Session;
use truca_core::wire::bytes::{Bytes, Challenge, Token};
use truca_core::wire::page::{ByeReason, Code, Failure, IceServer, Notice};

use super::super::ground::Ground;
use super::super::report::MAX_ROWS;
use super::super::said::{Happened, Job, Output};
use super::super::who::{self, Signed};
use super::{Attached, NORMAL, Pages};
use crate::event::{PageId, PageOut};

impl Pages {
    /// What a page that signs in must have signed, and the session that it gets.
    ///
    /// # Errors
    /// When its socket is gone.
    pub(in super::super) fn challenge(&self, page: PageId) -> Result<(Challenge, SessionId), Failure> {
        let open = self.open.get(&page).ok_or(Failure::new(0, Code::NoSession, "the socket is gone"))?;
        Ok((open.challenge, SessionId(self.last_session.wrapping_add(1))))
    }

    /// The address of ours that a page reached, and its own.
    ///
    /// # Errors
    /// When its socket is gone.
    pub(in super::super) fn reached(&self, page: PageId) -> Result<(IpAddr, IpAddr), Failure> {
        let open = self.open.get(&page).ok_or(Failure::new(0, Code::NoSession, "the socket is gone"))?;
        Ok((open.local, open.client))
    }

    /// A page has signed in.
    pub(in super::super) fn sign_in(
        &mut self,
        ground: &mut Ground,
        now: Time,
        (page, session): (PageId, SessionId),
        id: u32,
        (signed, ice): (Signed, Vec<IceServer>),
    ) -> Notice {
        if let Some(before) = ground.who.session_of(&signed.own) {
            // the same device again: its new attachment is newer than the old one's `gone`
            if let Some(old) = ground.who.page(before) {
                self.bye(ground, old, ByeReason::Replaced, NORMAL);
            }
            self.end_session(ground, now, before, false);
        }
        self.last_session = session.0;
        let token = Bytes(ground.random());
        let key = signed.gone.point;
        let attached = Attached {
            own: signed.own.clone(),
            gone: signed.gone,
            reliable: Session::new(now, ground.settings.page_rate, id),
            token,
            page: Some(page),
            ends: None,
            window: None,
            nodes: 0,
            since: now,
        };
        ground.who.insert(session, who::Session { own: signed.own.clone(), key, page: Some(page) });
        self.sessions.insert(session, attached);
        if let Some(open) = self.open.get_mut(&page) {
            open.session = Some(session);
        }
        ground.learn_proven(now, signed.here);
        ground.windows_soon(now);
        Notice::SignedIn {
            id,
            display: signed.display,
            device: signed.own.device,
            address: signed.own.address,
            token,
            created: signed.created,
            ice,
        }
    }

    /// The session that a page may take up again.
    ///
    /// # Errors
    /// When it is over.
    pub(in super::super) fn resumable(&self, token: Token) -> Result<(SessionId, Address), Failure> {
        // tokens are random: finding one by the time of a comparison takes longer than it lives
        let found = self.sessions.iter().find(|(_, attached)| attached.token == token);
        let gone = Failure::new(0, Code::NoSession, "this session is over");
        found.map(|(session, attached)| (*session, attached.own.address.clone())).ok_or(gone)
    }

    /// A page has taken up its session.
    pub(in super::super) fn resume(
        &mut self,
        ground: &mut Ground,
        now: Time,
        (page, session): (PageId, SessionId),
        (id, seen): (u32, u32),
        ice: Vec<IceServer>,
    ) {
        let Some(attached) = self.sessions.get_mut(&session) else { return };
        let before = attached.page.replace(page);
        if let Some(ends) = attached.ends.take() {
            ground.not_due(ends, Job::Session(session));
        }
        attached.nodes = 0;
        let (token, handled) = (attached.token, attached.reliable.handled());
        let missed: Vec<String> = attached.reliable.replay(seen).map(str::to_owned).collect();
        if let Some(open) = self.open.get_mut(&page) {
            open.session = Some(session);
        }
        ground.who.at(session, Some(page));
        if let Some(before) = before {
            self.bye(ground, before, ByeReason::Replaced, NORMAL);
        } else {
            ground.happened(Happened::Back(session));
        }
        ground.tell(page, &Notice::Resumed { id, token, handled, ice });
        for text in missed {
            ground.put(Output::Page(page, PageOut::Text(text)));
        }
        ground.windows_soon(now);
    }

    /// Every session, for the owner.
    pub(in super::super) fn sessions(&self, ground: &Ground, now: Time) -> Value {
        let display = |address: &Address| {
            let account = ground.directory.account(address);
            account.map(|account| account.body.display.as_str())
        };
        let sessions: Vec<Value> = self
            .sessions
            .iter()
            .take(MAX_ROWS)
            .map(|(session, attached)| {
                json!({
                    "id": session.0,
                    "address": attached.own.address.to_string(),
                    "display": display(&attached.own.address),
                    "age_s": now.saturating_sub(attached.since).as_secs(),
                    "attached": attached.page.is_some(),
                })
            })
            .collect();
        let more = self.sessions.len() - sessions.len();
        json!({ "sessions": sessions, "more": more })
    }
}
