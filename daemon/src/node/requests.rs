//! What pages ask: which room answers it. A family that nobody answers does not compile.

use std::net::SocketAddr;

use truca_core::Time;
use truca_core::wire::page::request::{Asked, NewDevice, Request, Session};
use truca_core::wire::page::{Code, Failure, Notice};

use super::{Node, people, telephones};
use crate::event::PageId;

impl Node {
    /// A page's socket is open: it comes from `client`, and reached us at `local`.
    pub fn page_opened(&mut self, page: PageId, client: SocketAddr, local: SocketAddr) {
        self.pages.page_opened(&mut self.ground, page, client, local);
    }

    /// A page sent a message.
    pub fn page_text(&mut self, now: Time, page: PageId, text: &str) {
        if !self.pages.is_open(page) {
            return;
        }
        self.pages.heard(&mut self.ground, text.len());
        let answer = Asked::parse(text).and_then(|Asked { id, what }| {
            self.on_request(now, page, id, what).map_err(|failure| Failure { id, ..failure })
        });
        match answer {
            Ok(Some(notice)) => self.ground.tell(page, &notice),
            Ok(None) => {}
            Err(failure) => self.pages.refuse(&mut self.ground, page, failure),
        }
        self.settle(now);
    }

    /// A page's socket is gone; `left` when it said goodbye (the page was closed or reloaded).
    pub fn page_closed(&mut self, now: Time, page: PageId, left: bool) {
        self.linking.page_closed(&mut self.ground, now, page);
        self.pages.page_closed(&mut self.ground, now, page, left);
        self.settle(now);
    }

    /// Lets a room answer. `None` when the page was told already.
    fn on_request(
        &mut self,
        now: Time,
        page: PageId,
        id: u32,
        what: Request,
    ) -> Result<Option<Notice>, Failure> {
        let Some(session) = self.pages.session(page) else {
            return self.on_strangers_request(now, page, id, what);
        };
        let ground = &mut self.ground;
        let at = (page, session);
        let begins_again = matches!(what, Request::Session(Session::SignIn(_) | Session::Resume { .. }));
        let counts = !begins_again && !matches!(what, Request::Session(Session::Ping {}));
        if counts && !self.pages.admit(ground, now, at, id)? {
            return Ok(None);
        }
        match what {
            Request::Session(asked) => return self.pages.request(ground, now, at, id, asked),
            Request::Devices(asked) => return self.linking.request(ground, now, at, id, asked),
            Request::Account(asked) => people::request(ground, now, session, asked)?,
            Request::Report(asked) => self.owner.request(ground, now, session, asked)?,
            Request::Call(asked) => self.calls.request(ground, now, session, asked)?,
            Request::Telephones(asked) => return Ok(telephones::request(ground, session, id, &asked)),
            Request::NewDevice(_) => {
                return Err(Failure::new(id, Code::SignedIn, "this socket has signed in"));
            }
        }
        Ok(Some(Notice::Ok { id }))
    }

    /// The same for a page that has not signed in.
    fn on_strangers_request(
        &mut self,
        now: Time,
        page: PageId,
        id: u32,
        what: Request,
    ) -> Result<Option<Notice>, Failure> {
        let ground = &mut self.ground;
        let tries = matches!(
            what,
            Request::Session(Session::SignIn(_) | Session::Resume { .. })
                | Request::NewDevice(NewDevice::Link { .. } | NewDevice::Password { .. })
        );
        if tries {
            self.pages.attempt(ground, page, id)?;
        }
        match what {
            Request::Session(Session::Ping {}) => Ok(Some(Notice::Ok { id })),
            Request::Session(Session::SignIn(asked)) => {
                let (challenge, session) = self.pages.challenge(page)?;
                let signed = people::sign_in(ground, now, &asked, &challenge)?;
                let reached = self.pages.reached(page)?;
                let ice = self.servers.enter(ground, session, reached, &signed.own.address);
                Ok(Some(self.pages.sign_in(ground, now, (page, session), id, (signed, ice))))
            }
            Request::Session(Session::Resume { token, seen }) => {
                let (session, account) = self.pages.resumable(token)?;
                let reached = self.pages.reached(page)?;
                let ice = self.servers.enter(ground, session, reached, &account);
                self.pages.resume(ground, now, (page, session), (id, seen), ice);
                Ok(None)
            }
            Request::NewDevice(asked) => self.linking.stranger(ground, now, page, id, asked),
            Request::Session(_)
            | Request::Devices(_)
            | Request::Account(_)
            | Request::Report(_)
            | Request::Call(_)
            | Request::Telephones(_) => Err(Failure::new(id, Code::NotSignedIn, "sign in first")),
        }
    }
}
