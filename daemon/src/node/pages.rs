//! Browsers: sockets as they open and close, the sessions that outlive them, and the dispatch of requests.
//!
//! A socket is given a challenge and becomes part of a session by `sign_in` or `resume`. When it goes the
//! session waits for another one, [`GRACE`], and then ends: its calls end and its `gone` is published.

use std::net::{IpAddr, SocketAddr};

use truca_core::Time;
use truca_core::directory::record::{Attachment, Record};
use truca_core::directory::window::{Everybody, Window};
use truca_core::id::{DeviceId, NodeId};
use truca_core::name::Address;
use truca_core::signal::call::SessionId;
use truca_core::signal::session::{Admission, GRACE, GRACE_LEFT, MAX_UNCONFIRMED_OF_ALL, Session};
use truca_core::sorted::Map;
use truca_core::wire::bytes::{Challenge, Token};
use truca_core::wire::node::{AccountBody as Body, Device};
use truca_core::wire::page::{
    ByeReason, CallEvent, Code, Failure, HelloNode, IceServer, Notice, Presence, Request, SignIn, VERSION,
};

use super::{Job, Node, Output, WINDOW_PERIOD};
use crate::event::{PageId, PageOut};

/// How often a socket may try to sign in or to resume: the former costs three signature checks.
const MAX_ATTEMPTS: u8 = 8;
/// WebSocket close codes (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;
const POLICY: u16 = 1008;
const TRY_LATER: u16 = 1013;

#[derive(Debug)]
pub(super) struct Page {
    local: IpAddr,
    client: IpAddr,
    challenge: Challenge,
    session: Option<SessionId>,
    attempts: u8,
    /// How often it looked somebody up before signing in.
    pub(super) finds: u8,
}

/// An attached page.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) own: Device,
    pub(super) gone: Attachment,
    pub(super) reliable: Session,
    token: Token,
    page: Option<PageId>,
    /// When it ends, while it has no socket.
    ends: Option<Time>,
    window: Option<Window>,
    /// The address of ours that the page reached, from which it can reach our STUN too.
    pub(super) local: IpAddr,
    /// Its own address, as we see it.
    client: IpAddr,
    /// The servers that it was told of.
    stun: Vec<SocketAddr>,
    /// [`Node::turn_grants`] when it was granted relaying.
    granted: u32,
    nodes: u32,
    /// When it signed in.
    pub(super) since: Time,
}

impl Attached {
    /// Its socket, when it has one now.
    pub(super) fn page(&self) -> Option<PageId> {
        self.page
    }

    /// Whether it has a socket now.
    pub(super) fn is_open(&self) -> bool {
        self.page.is_some()
    }
}

#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) open: Map<PageId, Page>,
    pub(super) sessions: Map<SessionId, Attached>,
    /// The session of each device that is attached here.
    devices: Map<Device, SessionId>,
    last_session: u32,
    pub(super) requests: u32,
    pub(super) refusals: u32,
}

impl Pages {
    pub(super) fn sockets(&self) -> usize {
        self.open.len()
    }

    pub(super) fn of_account(&self, address: &Address) -> usize {
        let first = Device { address: address.clone(), device: DeviceId([0; 16]) };
        self.devices.range(first..).take_while(|(device, _)| device.address == *address).count()
    }

    /// The session of a device that is attached here.
    pub(super) fn session_of(&self, device: &Device) -> Option<SessionId> {
        self.devices.get(device).copied()
    }
}

fn text_of(notice: &Notice) -> PageOut {
    // these types hold nothing that JSON cannot write
    PageOut::Text(serde_json::to_string(notice).unwrap_or_default())
}

impl Node {
    /// A page's socket is open: it comes from `client`, and reached us at `local`.
    pub fn page_opened(&mut self, page: PageId, client: SocketAddr, local: SocketAddr) {
        let challenge = truca_core::wire::bytes::Bytes(self.random());
        let hello = Notice::Hello {
            version: VERSION,
            node: HelloNode {
                id: self.id,
                name: self.settings.name.as_str().to_owned(),
                boot: self.record.body.boot,
            },
            challenge,
            trucad: env!("CARGO_PKG_VERSION").to_owned(),
            resume_s: GRACE.as_secs() as u32,
        };
        self.tell(page, &hello);
        let (client, local) = (client.ip().to_canonical(), local.ip().to_canonical());
        self.pages.open.insert(page, Page { local, client, challenge, session: None, attempts: 0, finds: 0 });
    }

    /// A page sent a message.
    pub fn page_text(&mut self, now: Time, page: PageId, text: &str) {
        if !self.pages.open.contains_key(&page) {
            return;
        }
        self.pages.requests = self.pages.requests.wrapping_add(1);
        self.traffic.pages_in += text.len() as u64;
        let result = match Request::parse(text) {
            Ok(request) => {
                let id = request.id();
                self.on_request(now, page, request).map_err(|mut failure| {
                    failure.id = id;
                    failure
                })
            }
            Err(failure) => Err(failure),
        };
        match result {
            Ok(Some(notice)) => self.tell(page, &notice),
            Ok(None) => {}
            Err(failure) => {
                self.pages.refusals = self.pages.refusals.wrapping_add(1);
                let id = failure.id;
                let answer = serde_json::to_string(&Notice::Error(failure)).unwrap_or_default();
                if let Some(attached) = self.session_at(page).filter(|_| id > 0) {
                    attached.reliable.refused(id, &answer);
                }
                self.outputs.push_back(Output::Page(page, PageOut::Text(answer)));
            }
        }
        self.settle(now);
    }

    /// A page's socket is gone; `left` when it said goodbye (the page was closed or reloaded).
    pub fn page_closed(&mut self, now: Time, page: PageId, left: bool) {
        self.stop_asking(now, page);
        let Some(session) = self.pages.open.remove(&page).and_then(|page| page.session) else { return };
        let Some(attached) = self.pages.sessions.get_mut(&session).filter(|a| a.page == Some(page)) else {
            return;
        };
        attached.page = None;
        attached.window = None;
        let ends = now + if left { GRACE_LEFT } else { GRACE };
        attached.ends = Some(ends);
        self.jobs.insert((ends, Job::Session(session)));
        if left {
            // its calls lived in the page
            self.calls.session_ended(session);
        } else {
            self.calls.session_presence(session, Presence::Lost);
        }
        self.look_at_windows(now);
        self.settle(now);
    }

    pub(super) fn session_due(&mut self, now: Time, session: SessionId) {
        let due =
            self.pages.sessions.get(&session).and_then(|attached| attached.ends).is_some_and(|at| at <= now);
        if due {
            self.end_session(now, session, true);
        }
    }

    fn remove_session(&mut self, session: SessionId) -> Option<Attached> {
        let attached = self.pages.sessions.remove(&session)?;
        self.pages.devices.remove(&attached.own);
        if let Some(ends) = attached.ends {
            self.jobs.remove(&(ends, Job::Session(session)));
        }
        Some(attached)
    }

    /// Ends a session; `publish` says so to everybody.
    fn end_session(&mut self, now: Time, session: SessionId, publish: bool) {
        let Some(attached) = self.remove_session(session) else { return };
        self.calls.session_ended(session);
        if publish {
            self.learn(now, &Record::Attachment(attached.gone).encode());
        }
    }

    /// Ends a session that may not be here any more, and says why.
    pub(super) fn expel(&mut self, now: Time, session: SessionId, reason: ByeReason) {
        let page = self.pages.sessions.get(&session).and_then(|attached| attached.page);
        // nobody would take the `gone` of a device that its account has no more
        self.end_session(now, session, reason != ByeReason::Revoked);
        self.outputs.push_back(Output::Expelled(session.0));
        if let Some(page) = page {
            self.bye(page, reason, POLICY);
        }
    }

    /// A device has said that it is attached somewhere else: a session of it here is over. Its calls are not
    /// hung up, since the page takes them up again where it is now.
    pub(super) fn attached_elsewhere(&mut self, device: &Device) {
        let at = self.directory.attachment(&device.address, device.device).map(|at| (at.node, at.counter));
        let Some(session) = self.pages.session_of(device) else { return };
        let newest = self.pages.sessions.get(&session).map_or(0, |attached| attached.gone.counter);
        if !at.is_some_and(|(node, counter)| node != self.id && counter > newest) {
            return;
        }
        if let Some(page) = self.remove_session(session).and_then(|attached| attached.page) {
            self.bye(page, ByeReason::Replaced, NORMAL);
        }
        self.calls.session_moved(session);
    }

    /// Ends all sessions: what their devices have signed does not hold any more.
    pub(super) fn end_sessions(&mut self, now: Time) {
        for session in self.pages.sessions.keys().copied().collect::<Vec<_>>() {
            let page = self.pages.sessions.get(&session).and_then(|attached| attached.page);
            self.end_session(now, session, false);
            if let Some(page) = page {
                self.bye(page, ByeReason::Stopping, TRY_LATER);
            }
        }
    }

    /// The node stops: pages are told, and come back or not.
    pub(super) fn pages_stop(&mut self) {
        for page in self.pages.open.keys().copied().collect::<Vec<_>>() {
            self.bye(page, ByeReason::Stopping, TRY_LATER);
        }
    }

    fn on_request(&mut self, now: Time, page: PageId, request: Request) -> Result<Option<Notice>, Failure> {
        let id = request.id();
        let Some(open) = self.pages.open.get(&page) else { return Ok(None) };
        let (session, request) = match (open.session, request) {
            (_, Request::Ping { id }) => return Ok(Some(Notice::Ok { id })),
            (None, Request::SignIn(sign_in)) => {
                self.attempt(page, id)?;
                return self.on_sign_in(now, page, &sign_in).map(Some);
            }
            (None, Request::Find { id, text }) => return self.on_find(page, id, &text).map(Some),
            (None, Request::Link { id, address, key, commit }) => {
                self.attempt(page, id)?;
                return self.on_link(now, page, id, address, key, commit).map(|()| None);
            }
            (None, Request::LinkOpen { id, nonce }) => {
                return self.on_link_open(now, page, id, nonce).map(Some);
            }
            (None, Request::LinkPassword { id, address, key, client }) => {
                self.attempt(page, id)?;
                return self.on_link_password(now, page, id, address, key, client).map(|()| None);
            }
            (None, Request::LinkProve { id, key, client, server, proof }) => {
                let body = Body::Prove { key, client, server, proof };
                return self.on_link_prove(now, page, id, body).map(|()| None);
            }
            (None, Request::LinkRefuse { id, .. }) => {
                self.stop_asking(now, page);
                return Ok(Some(Notice::Ok { id }));
            }
            (None, Request::Resume { id, token, seen }) => {
                self.attempt(page, id)?;
                return self.on_resume(now, page, id, token, seen).map(|()| None);
            }
            (None, _) => return Err(Failure::new(id, Code::NotSignedIn, "sign in first")),
            (Some(_), Request::SignIn(_) | Request::Resume { .. }) => {
                return Err(Failure::new(id, Code::SignedIn, "this socket has signed in"));
            }
            (Some(session), request) => (session, request),
        };
        let Some(attached) = self.pages.sessions.get_mut(&session) else { return Ok(None) };
        match attached.reliable.admit(now, id) {
            Admission::Fresh => {}
            Admission::Repeated(None) => return Ok(Some(Notice::Ok { id })),
            Admission::Repeated(Some(answer)) => {
                self.outputs.push_back(Output::Page(page, PageOut::Text(answer)));
                return Ok(None);
            }
            Admission::TooFast => return Err(Failure::new(id, Code::TooFast, "slower, please")),
        }
        match request {
            Request::Ack { n, .. } => {
                attached.reliable.confirm(n);
                return Ok(None);
            }
            Request::Watch { text, limit, .. } => {
                let Some(window) = Window::new(id, &text, limit) else {
                    return Err(Failure::new(id, Code::TooLong, "a search has at most 48 characters"));
                };
                attached.window = Some(window);
                self.tell(page, &Notice::Ok { id });
                self.update_windows_of(now, Some(session));
                return Ok(None);
            }
            Request::Profile { display, .. } => self.on_profile(now, session, &display)?,
            Request::Devices { id } => return Ok(self.own_devices(session, id)),
            Request::Revoke { device, counter, signature, .. } => {
                let wish = self.on_revoke(session, device, counter, signature)?;
                self.tell(page, &Notice::Ok { id });
                self.say_home(now, wish);
                return Ok(None);
            }
            Request::Password { counter, secret, signature, .. } => {
                self.tell(page, &Notice::Ok { id });
                if let Some(wish) = self.on_password(session, counter, secret, signature) {
                    self.say_home(now, wish);
                }
                return Ok(None);
            }
            Request::LinkShow { request, nonce, .. } => self.on_link_show(now, session, request, nonce),
            Request::LinkConfirm { request, signature, .. } => {
                self.on_link_confirm(now, session, request, signature);
            }
            Request::LinkRefuse { request: Some(request), .. } => self.on_link_refuse(now, session, request),
            Request::Find { .. }
            | Request::Link { .. }
            | Request::LinkOpen { .. }
            | Request::LinkPassword { .. }
            | Request::LinkProve { .. } => {
                return Err(Failure::new(id, Code::SignedIn, "this socket has signed in"));
            }
            Request::Report { address, reason, .. } => self.on_report(now, session, address, &reason)?,
            Request::SignOut { .. } => {
                self.tell(page, &Notice::Ok { id });
                self.bye(page, ByeReason::SignedOut, NORMAL);
                self.end_session(now, session, true);
                return Ok(None);
            }
            other => self.on_call_request(now, session, other)?,
        }
        Ok(Some(Notice::Ok { id }))
    }

    /// Counts an attempt to become part of a session. After too many the socket is closed.
    fn attempt(&mut self, page: PageId, id: u32) -> Result<(), Failure> {
        let Some(open) = self.pages.open.get_mut(&page) else { return Ok(()) };
        open.attempts = open.attempts.saturating_add(1);
        if open.attempts <= MAX_ATTEMPTS {
            return Ok(());
        }
        self.bye(page, ByeReason::Overflow, POLICY);
        Err(Failure::new(id, Code::TooFast, "too many attempts"))
    }

    fn on_sign_in(&mut self, now: Time, page: PageId, request: &SignIn) -> Result<Notice, Failure> {
        let Some(open) = self.pages.open.get(&page) else {
            return Err(Failure::new(request.id, Code::NoSession, "the socket is gone"));
        };
        let (challenge, local, client) = (open.challenge, open.local, open.client);
        let signed = self.check_sign_in(now, request, &challenge)?;
        if let Some(before) = self.pages.session_of(&signed.own) {
            // the same device again: its new attachment is newer than the old one's `gone`
            if let Some(old) = self.pages.sessions.get(&before).and_then(|attached| attached.page) {
                self.bye(old, ByeReason::Replaced, NORMAL);
            }
            self.end_session(now, before, false);
        }
        let token = truca_core::wire::bytes::Bytes(self.random());
        self.pages.last_session = self.pages.last_session.wrapping_add(1);
        let session = SessionId(self.pages.last_session);
        self.choose_servers();
        let stun = self.stun_for(local, client);
        let ice = self.ice_for(&stun, local, session, &signed.own.address);
        let attached = Attached {
            own: signed.own.clone(),
            gone: signed.gone,
            reliable: Session::new(now, self.settings.page_rate, request.id),
            token,
            page: Some(page),
            ends: None,
            window: None,
            local,
            client,
            stun,
            granted: self.turn_grants,
            nodes: 0,
            since: now,
        };
        self.pages.devices.insert(attached.own.clone(), session);
        self.pages.sessions.insert(session, attached);
        if let Some(open) = self.pages.open.get_mut(&page) {
            open.session = Some(session);
        }
        self.learn(now, &signed.here);
        self.windows_soon(now);
        Ok(Notice::SignedIn {
            id: request.id,
            display: signed.display,
            device: signed.own.device,
            address: signed.own.address,
            token,
            created: signed.created,
            ice,
        })
    }

    fn on_resume(
        &mut self,
        now: Time,
        page: PageId,
        id: u32,
        token: Token,
        seen: u32,
    ) -> Result<(), Failure> {
        // tokens are random: finding one by the time of a comparison takes longer than it lives
        let found = self.pages.sessions.iter().find(|(_, attached)| attached.token == token).map(|(s, _)| *s);
        let reached = self.pages.open.get(&page).map(|open| (open.local, open.client));
        let (Some(session), Some((local, client))) = (found, reached) else {
            return Err(Failure::new(id, Code::NoSession, "this session is over"));
        };
        let Some(own) = self.pages.sessions.get(&session).map(|attached| attached.own.address.clone()) else {
            return Ok(());
        };
        self.choose_servers();
        let (stun, granted) = (self.stun_for(local, client), self.turn_grants);
        let ice = self.ice_for(&stun, local, session, &own);
        let Some(attached) = self.pages.sessions.get_mut(&session) else { return Ok(()) };
        let before = attached.page.replace(page);
        if let Some(ends) = attached.ends.take() {
            self.jobs.remove(&(ends, Job::Session(session)));
        }
        (attached.local, attached.client) = (local, client);
        attached.stun = stun;
        attached.granted = granted;
        attached.nodes = 0;
        let resumed = Notice::Resumed { id, token, handled: attached.reliable.handled(), ice };
        let missed: Vec<String> = attached.reliable.replay(seen).map(str::to_owned).collect();
        if let Some(open) = self.pages.open.get_mut(&page) {
            open.session = Some(session);
        }
        if let Some(before) = before {
            self.bye(before, ByeReason::Replaced, NORMAL);
        } else {
            self.calls.session_presence(session, Presence::Back);
        }
        self.tell(page, &resumed);
        for text in missed {
            self.outputs.push_back(Output::Page(page, PageOut::Text(text)));
        }
        self.windows_soon(now);
        Ok(())
    }

    /// Tells a session of a call; one that does not confirm what it is told ends.
    pub(super) fn tell_call(&mut self, now: Time, session: SessionId, event: CallEvent) {
        let Some(attached) = self.pages.sessions.get_mut(&session) else { return };
        let Ok(text) = attached.reliable.push(event) else {
            self.overflow(now, session);
            return;
        };
        // as long as nobody has more than an equal share, all have less than the whole
        let share = MAX_UNCONFIRMED_OF_ALL / self.settings.max_sessions.max(1);
        let is_much = attached.reliable.unconfirmed_bytes() > share;
        if let Some(page) = attached.page {
            self.outputs.push_back(Output::Page(page, PageOut::Text(text)));
        }
        if is_much {
            let kept = self.pages.sessions.iter().map(|(id, at)| (at.reliable.unconfirmed_bytes(), *id));
            let fullest = kept.clone().max();
            if kept.map(|(bytes, _)| bytes).sum::<usize>() > MAX_UNCONFIRMED_OF_ALL
                && let Some((_, fullest)) = fullest
            {
                self.overflow(now, fullest);
            }
        }
    }

    /// A page has not confirmed too much.
    fn overflow(&mut self, now: Time, session: SessionId) {
        if let Some(page) = self.pages.sessions.get(&session).and_then(|attached| attached.page) {
            self.bye(page, ByeReason::Overflow, POLICY);
        }
        self.end_session(now, session, true);
    }

    pub(super) fn tell(&mut self, page: PageId, notice: &Notice) {
        self.outputs.push_back(Output::Page(page, text_of(notice)));
    }

    fn bye(&mut self, page: PageId, reason: ByeReason, code: u16) {
        self.tell(page, &Notice::Bye { reason });
        self.outputs.push_back(Output::Page(page, PageOut::Close(code)));
        // what it still says is not heard
        self.pages.open.remove(&page);
    }

    fn session_at(&mut self, page: PageId) -> Option<&mut Attached> {
        let session = self.pages.open.get(&page)?.session?;
        self.pages.sessions.get_mut(&session)
    }

    /// Something changed that pages show: they are told together, not more often than [`WINDOW_PERIOD`].
    pub(super) fn windows_soon(&mut self, now: Time) {
        if self.windows_at.is_none() {
            let at = now.max(self.windows_last + WINDOW_PERIOD);
            self.windows_at = Some(at);
            self.jobs.insert((at, Job::Windows));
        }
    }

    pub(super) fn update_windows(&mut self, now: Time) {
        self.windows_at = None;
        self.windows_last = now;
        self.update_windows_of(now, None);
    }

    /// Tells one session, or all, what is new in what they look at.
    fn update_windows_of(&mut self, now: Time, only: Option<SessionId>) {
        let of_interest = |(session, attached): &(&SessionId, &Attached)| {
            attached.page.is_some() && only.is_none_or(|only| only == **session)
        };
        if !self.pages.sessions.iter().any(|session| of_interest(&session)) {
            return;
        }
        self.choose_servers();
        let sessions = || self.pages.sessions.iter().filter(of_interest);
        // what is granted is computed for those only for whom something is new
        let ices: Vec<(SessionId, Vec<SocketAddr>, Vec<IceServer>)> = sessions()
            .filter_map(|(id, attached)| {
                let stun = self.stun_for(attached.local, attached.client);
                if stun == attached.stun && attached.granted == self.turn_grants {
                    return None;
                }
                let ice = self.ice_for(&stun, attached.local, *id, &attached.own.address);
                Some((*id, stun, ice))
            })
            .collect();
        let granted = self.turn_grants;
        let alive_count = self.alive.len() as u32;
        let alive = |id: &NodeId| self.alive.contains(id);
        let watched = sessions().any(|(_, attached)| attached.window.is_some());
        let everybody = watched.then(|| Everybody::gather(&self.directory, alive));
        let mut unchecked = Vec::new();
        for (session, attached) in &mut self.pages.sessions {
            let Some(page) = attached.page.filter(|_| only.is_none_or(|only| only == *session)) else {
                continue;
            };
            let mut news = Vec::new();
            if attached.nodes != alive_count {
                attached.nodes = alive_count;
                news.push(Notice::Nodes { alive: alive_count });
            }
            if let Ok(place) = ices.binary_search_by_key(session, |(id, ..)| *id) {
                let (_, stun, ice) = &ices[place];
                (attached.stun, attached.granted) = (stun.clone(), granted);
                news.push(Notice::Ice { servers: ice.clone() });
            }
            if let Some((window, everybody)) = attached.window.as_mut().zip(everybody.as_ref()) {
                let quality = |id: &NodeId| self.gossip.quality(*id);
                news.extend(window.update(everybody, &attached.own.address, alive, quality));
                unchecked.extend(window.unchecked());
            }
            self.outputs.extend(news.iter().map(|notice| Output::Page(page, text_of(notice))));
        }
        unchecked.into_iter().for_each(|address| self.prove_person(now, address));
        self.look_at_windows(now);
    }

    /// The ways to the nodes of people whom somebody sees are measured.
    fn look_at_windows(&mut self, now: Time) {
        let windows = self.pages.sessions.values().filter_map(|attached| attached.window.as_ref());
        let at = windows.flat_map(|window| window.at().iter().copied());
        self.gossip.look_at(now, at.filter(|id| *id != self.id && self.alive.contains(id)));
    }
}
