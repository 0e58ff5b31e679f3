//! Browsers: sockets as they open and close, the sessions that outlive them.
//!
//! A socket is given a challenge and becomes part of a session by `sign_in` or `resume`. When it goes the
//! session waits for another one, [`GRACE`], and then ends: its calls end and its `gone` is published.

use std::net::{IpAddr, SocketAddr};

use truca_core::Time;
use truca_core::directory::record::{Attachment, Proven};
use truca_core::directory::window::Window;
use truca_core::signal::call::SessionId;
use truca_core::signal::session::{Admission, GRACE, GRACE_LEFT, MAX_UNCONFIRMED_OF_ALL, Session};
use truca_core::sorted::Map;
use truca_core::wire::bytes::{Bytes, Challenge, Token};
use truca_core::wire::node::Device;
use truca_core::wire::page::request::Session as Request;
use truca_core::wire::page::{ByeReason, CallEvent, Code, Failure, HelloNode, Notice, VERSION};

use super::ground::Ground;
use super::said::{Happened, Job, Output};
use crate::event::{PageId, PageOut};

mod sessions;
mod windows;

/// How often a socket may try to sign in or to resume: the former costs three signature checks.
const MAX_ATTEMPTS: u8 = 8;
/// WebSocket close codes (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;
const POLICY: u16 = 1008;
const TRY_LATER: u16 = 1013;

#[derive(Debug)]
struct Page {
    local: IpAddr,
    client: IpAddr,
    challenge: Challenge,
    session: Option<SessionId>,
    attempts: u8,
}

/// An attached page.
#[derive(Debug)]
struct Attached {
    own: Device,
    gone: Proven<Attachment>,
    reliable: Session,
    token: Token,
    page: Option<PageId>,
    /// When it ends, while it has no socket.
    ends: Option<Time>,
    window: Option<Window>,
    nodes: u32,
    /// When it signed in.
    since: Time,
}

#[derive(Debug, Default)]
pub(super) struct Pages {
    open: Map<PageId, Page>,
    sessions: Map<SessionId, Attached>,
    last_session: u32,
    requests: u32,
    refusals: u32,
}

impl Pages {
    /// Whether a socket is open.
    pub(super) fn is_open(&self, page: PageId) -> bool {
        self.open.contains_key(&page)
    }

    /// The session of a socket, when it has one.
    pub(super) fn session(&self, page: PageId) -> Option<SessionId> {
        self.open.get(&page)?.session
    }

    /// For the owner: sockets, requests, refusals.
    pub(super) fn status(&self) -> (usize, u32, u32) {
        (self.open.len(), self.requests, self.refusals)
    }

    /// What others have said and done that matters here.
    pub(super) fn happened(&mut self, ground: &mut Ground, happened: &Happened) {
        if let Happened::Attached(device) = happened {
            self.attached_elsewhere(ground, device);
        }
    }

    /// A page's socket is open: it comes from `client`, and reached us at `local`.
    pub(super) fn page_opened(
        &mut self,
        ground: &mut Ground,
        page: PageId,
        client: SocketAddr,
        local: SocketAddr,
    ) {
        let challenge = Bytes(ground.random());
        let hello = Notice::Hello {
            version: VERSION,
            node: HelloNode {
                id: ground.id,
                name: ground.settings.name.as_str().to_owned(),
                boot: ground.own.boot(),
            },
            challenge,
            trucad: env!("CARGO_PKG_VERSION").to_owned(),
            resume_s: GRACE.as_secs() as u32,
        };
        ground.tell(page, &hello);
        let (client, local) = (client.ip().to_canonical(), local.ip().to_canonical());
        self.open.insert(page, Page { local, client, challenge, session: None, attempts: 0 });
    }

    /// A page has sent something.
    pub(super) fn heard(&mut self, ground: &mut Ground, bytes: usize) {
        self.requests = self.requests.wrapping_add(1);
        ground.traffic.pages_in += bytes as u64;
    }

    /// Whether a request of a session is to be answered now. A repeated one was told its answer.
    ///
    /// # Errors
    /// When they come too fast.
    pub(super) fn admit(
        &mut self,
        ground: &mut Ground,
        now: Time,
        (page, session): (PageId, SessionId),
        id: u32,
    ) -> Result<bool, Failure> {
        let Some(attached) = self.sessions.get_mut(&session) else { return Ok(false) };
        match attached.reliable.admit(now, id) {
            Admission::Fresh => return Ok(true),
            Admission::Repeated(None) => ground.tell(page, &Notice::Ok { id }),
            Admission::Repeated(Some(answer)) => ground.put(Output::Page(page, PageOut::Text(answer))),
            Admission::TooFast => return Err(Failure::new(id, Code::TooFast, "slower, please")),
        }
        Ok(false)
    }

    /// Tells a page that what it asked is not done.
    pub(super) fn refuse(&mut self, ground: &mut Ground, page: PageId, failure: Failure) {
        self.refusals = self.refusals.wrapping_add(1);
        let id = failure.id;
        let answer = serde_json::to_string(&Notice::Error(failure)).unwrap_or_default();
        if let Some(attached) = self.session_at(page).filter(|_| id > 0) {
            attached.reliable.refused(id, &answer);
        }
        ground.put(Output::Page(page, PageOut::Text(answer)));
    }

    /// What a session asks that concerns nothing but itself. `None` when it was told already.
    pub(super) fn request(
        &mut self,
        ground: &mut Ground,
        now: Time,
        (page, session): (PageId, SessionId),
        id: u32,
        request: Request,
    ) -> Result<Option<Notice>, Failure> {
        match request {
            Request::Ping {} => return Ok(Some(Notice::Ok { id })),
            Request::Ack { n } => {
                if let Some(attached) = self.sessions.get_mut(&session) {
                    attached.reliable.confirm(n);
                }
            }
            Request::Watch { text, limit } => self.watch(ground, now, session, id, (&text, limit))?,
            Request::SignOut {} => {
                ground.tell(page, &Notice::Ok { id });
                self.bye(ground, page, ByeReason::SignedOut, NORMAL);
                self.end_session(ground, now, session, true);
            }
            Request::SignIn(_) | Request::Resume { .. } => {
                return Err(Failure::new(id, Code::SignedIn, "this socket has signed in"));
            }
        }
        Ok(None)
    }

    /// Counts an attempt to become part of a session. After too many the socket is closed.
    pub(super) fn attempt(&mut self, ground: &mut Ground, page: PageId, id: u32) -> Result<(), Failure> {
        let Some(open) = self.open.get_mut(&page) else { return Ok(()) };
        open.attempts = open.attempts.saturating_add(1);
        if open.attempts <= MAX_ATTEMPTS {
            return Ok(());
        }
        self.bye(ground, page, ByeReason::Overflow, POLICY);
        Err(Failure::new(id, Code::TooFast, "too many attempts"))
    }

    /// A page's socket is gone; `left` when it said goodbye (the page was closed or reloaded).
    pub(super) fn page_closed(&mut self, ground: &mut Ground, now: Time, page: PageId, left: bool) {
        let Some(session) = self.open.remove(&page).and_then(|page| page.session) else { return };
        let Some(attached) = self.sessions.get_mut(&session).filter(|a| a.page == Some(page)) else {
            return;
        };
        attached.page = None;
        attached.window = None;
        ground.who.at(session, None);
        let ends = now + if left { GRACE_LEFT } else { GRACE };
        attached.ends = Some(ends);
        ground.due(ends, Job::Session(session));
        if left {
            // its calls lived in the page
            ground.happened(Happened::Left(session));
        } else {
            ground.happened(Happened::Away(session));
        }
        self.look_at_windows(ground, now);
    }

    pub(super) fn session_due(&mut self, ground: &mut Ground, now: Time, session: SessionId) {
        let due = self.sessions.get(&session).and_then(|attached| attached.ends).is_some_and(|at| at <= now);
        if due {
            self.end_session(ground, now, session, true);
        }
    }

    fn remove_session(&mut self, ground: &mut Ground, session: SessionId) -> Option<Attached> {
        let attached = self.sessions.remove(&session)?;
        ground.who.remove(session);
        if let Some(ends) = attached.ends {
            ground.not_due(ends, Job::Session(session));
        }
        Some(attached)
    }

    /// Ends a session; `publish` says so to everybody.
    fn end_session(&mut self, ground: &mut Ground, now: Time, session: SessionId, publish: bool) {
        let Some(attached) = self.remove_session(ground, session) else { return };
        ground.happened(Happened::Over(session));
        if publish {
            ground.learn_proven(now, attached.gone);
        }
    }

    /// Ends a session that may not be here any more, and says why.
    pub(super) fn expel(&mut self, ground: &mut Ground, now: Time, session: SessionId, reason: ByeReason) {
        let page = self.sessions.get(&session).and_then(|attached| attached.page);
        // nobody would take the `gone` of a device that its account has no more
        self.end_session(ground, now, session, reason != ByeReason::Revoked);
        ground.put(Output::Expelled(session.0));
        if let Some(page) = page {
            self.bye(ground, page, reason, POLICY);
        }
    }

    /// A device has said that it is attached somewhere else: a session of it here is over. Its calls are not
    /// hung up, since the page takes them up again where it is now.
    fn attached_elsewhere(&mut self, ground: &mut Ground, device: &Device) {
        let at = ground.directory.attachment(&device.address, device.device).map(|at| (at.node, at.counter));
        let Some(session) = ground.who.session_of(device) else { return };
        let newest = self.sessions.get(&session).map_or(0, |attached| attached.gone.counter);
        if !at.is_some_and(|(node, counter)| node != ground.id && counter > newest) {
            return;
        }
        if let Some(page) = self.remove_session(ground, session).and_then(|attached| attached.page) {
            self.bye(ground, page, ByeReason::Replaced, NORMAL);
        }
        ground.happened(Happened::Moved(session));
    }

    /// Ends all sessions: what their devices have signed does not hold any more.
    pub(super) fn end_sessions(&mut self, ground: &mut Ground, now: Time) {
        for session in self.sessions.keys().copied().collect::<Vec<_>>() {
            let page = self.sessions.get(&session).and_then(|attached| attached.page);
            self.end_session(ground, now, session, false);
            if let Some(page) = page {
                self.bye(ground, page, ByeReason::Stopping, TRY_LATER);
            }
        }
    }

    /// The node stops: pages are told, and come back or not.
    pub(super) fn stop(&mut self, ground: &mut Ground) {
        for page in self.open.keys().copied().collect::<Vec<_>>() {
            self.bye(ground, page, ByeReason::Stopping, TRY_LATER);
        }
    }

    /// Tells a session of a call; one that does not confirm what it is told ends.
    pub(super) fn tell_call(&mut self, ground: &mut Ground, now: Time, session: SessionId, event: CallEvent) {
        let Some(attached) = self.sessions.get_mut(&session) else { return };
        let Ok(text) = attached.reliable.push(event) else {
            self.overflow(ground, now, session);
            return;
        };
        // as long as nobody has more than an equal share, all have less than the whole
        let share = MAX_UNCONFIRMED_OF_ALL / ground.settings.max_sessions.max(1);
        let is_much = attached.reliable.unconfirmed_bytes() > share;
        if let Some(page) = attached.page {
            ground.put(Output::Page(page, PageOut::Text(text)));
        }
        if is_much {
            let kept = self.sessions.iter().map(|(id, at)| (at.reliable.unconfirmed_bytes(), *id));
            let fullest = kept.clone().max();
            if kept.map(|(bytes, _)| bytes).sum::<usize>() > MAX_UNCONFIRMED_OF_ALL
                && let Some((_, fullest)) = fullest
            {
                self.overflow(ground, now, fullest);
            }
        }
    }

    /// A page has not confirmed too much.
    fn overflow(&mut self, ground: &mut Ground, now: Time, session: SessionId) {
        if let Some(page) = self.sessions.get(&session).and_then(|attached| attached.page) {
            self.bye(ground, page, ByeReason::Overflow, POLICY);
        }
        self.end_session(ground, now, session, true);
    }

    fn bye(&mut self, ground: &mut Ground, page: PageId, reason: ByeReason, code: u16) {
        ground.tell(page, &Notice::Bye { reason });
        ground.put(Output::Page(page, PageOut::Close(code)));
        // what it still says is not heard
        self.open.remove(&page);
    }

    fn session_at(&mut self, page: PageId) -> Option<&mut Attached> {
        let session = self.open.get(&page)?.session?;
        self.sessions.get_mut(&session)
    }
}
