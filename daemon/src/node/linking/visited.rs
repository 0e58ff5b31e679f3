//! The visited node, where the page of the new device is: it asks home, and tells the page what comes of it.
//!
//! Bounds: one [`Asking`] for each socket, and [`MAX_FINDS`] searches.

use std::time::Duration;

use truca_core::Time;
use truca_core::directory::window::find;
use truca_core::id::NodeId;
use truca_core::name::Address;
use truca_core::wire::bytes::{Bytes, Token};
use truca_core::wire::node::{DevicesBody as Body, DevicesFrame};
use truca_core::wire::page::{Code, Failure, LinkEnd, Notice};

use super::super::ground::Ground;
use super::super::said::Job;
use super::{Asking, Linking, PATIENCE, Part, password};
use crate::event::PageId;

/// How much longer a visited node waits: home says first that it is over.
const HOMES_ANSWER: Duration = Duration::from_secs(15);
/// How often a socket may look somebody up before it signs in.
const MAX_FINDS: u8 = 32;
/// How many people one look finds.
const MAX_FOUND: usize = 8;

impl Linking {
    /// Who has a name, for one who has not signed in.
    pub(super) fn on_find(
        &mut self,
        ground: &mut Ground,
        page: PageId,
        id: u32,
        text: &str,
    ) -> Result<Notice, Failure> {
        if text.chars().count() > truca_core::wire::page::MAX_SEARCH {
            return Err(Failure::new(id, Code::TooLong, "a search has at most 48 characters"));
        }
        let finds = self.finds.entry(page).or_default();
        *finds = finds.saturating_add(1);
        if *finds > MAX_FINDS {
            return Err(Failure::new(id, Code::TooFast, "too many searches before signing in"));
        }
        let people = find(&ground.directory, text, MAX_FOUND, |id| ground.alive.contains(id));
        Ok(Notice::Found { id, people })
    }

    /// Asks home for a page that has not signed in.
    pub(super) fn ask_home(
        &mut self,
        ground: &mut Ground,
        now: Time,
        page: PageId,
        id: u32,
        address: Address,
        ask: Body,
    ) -> Result<(), Failure> {
        let patience = match ask {
            Body::Begin { .. } => password::PATIENCE,
            _ => PATIENCE + HOMES_ANSWER,
        };
        if self.asking.contains_key(&page) {
            return Err(Failure::new(id, Code::WrongState, "this socket is asking already"));
        }
        if ground.bans.refuses_sign_in(&address) {
            return Err(Failure::new(id, Code::Banned, "this account is kept out of this node"));
        }
        if ground.directory.account(&address).is_none() {
            return Err(Failure::new(id, Code::NoSuchPerson, "nobody has this address"));
        }
        let request = Bytes(ground.random());
        let ends = now + patience;
        self.asking.insert(page, Asking { request, address: address.clone(), ends, proved: false });
        ground.due(ends, Job::Wishes);
        // before what comes of it, which may be known at once
        ground.tell(page, &Notice::Ok { id });
        self.say(ground, now, (address.home, Part::Home), request, address, ask);
        Ok(())
    }

    /// A page shows the nonce behind its `commit`.
    pub(super) fn on_link_open(
        &mut self,
        ground: &mut Ground,
        now: Time,
        page: PageId,
        id: u32,
        nonce: Token,
    ) -> Result<Notice, Failure> {
        let Some(asking) = self.asking.get(&page) else {
            return Err(Failure::new(id, Code::WrongState, "this socket asks nothing"));
        };
        let (request, address) = (asking.request, asking.address.clone());
        self.say(ground, now, (address.home, Part::Home), request, address, Body::Open(nonce));
        Ok(Notice::Ok { id })
    }

    /// A page asks no more, or is gone.
    pub(super) fn stop_asking(&mut self, ground: &mut Ground, now: Time, page: PageId) {
        if let Some(Asking { request, address, .. }) = self.asking.remove(&page) {
            self.say(
                ground,
                now,
                (address.home, Part::Home),
                request,
                address,
                Body::End(LinkEnd::Cancelled),
            );
        }
    }

    pub(super) fn visited_hears(&mut self, ground: &mut Ground, now: Time, frame: DevicesFrame) {
        let Some(page) = self.page(&frame) else { return };
        let reason = match frame.body {
            Body::Show(nonce) => return ground.tell(page, &Notice::LinkShown { nonce }),
            Body::Linked(account) => {
                // at once, so that the page can sign in as soon as it is told
                ground.learn(now, &account);
                LinkEnd::Linked
            }
            Body::Salt { server, salt, iterations } => {
                return ground.tell(page, &Notice::LinkSalt { server, salt, iterations });
            }
            Body::Proved { account, signature } => {
                ground.learn(now, &account);
                self.asking.remove(&page);
                return ground.tell(page, &Notice::LinkProved { signature });
            }
            Body::End(reason) => reason,
            _ => return,
        };
        self.asking.remove(&page);
        ground.tell(page, &Notice::LinkEnded { request: None, reason });
    }

    /// A page shows that it knows the password.
    pub(super) fn on_link_prove(
        &mut self,
        ground: &mut Ground,
        now: Time,
        page: PageId,
        id: u32,
        body: Body,
    ) -> Result<(), Failure> {
        let Some(asking) = self.asking.get_mut(&page).filter(|asking| !asking.proved) else {
            return Err(Failure::new(id, Code::WrongState, "this socket asks nothing"));
        };
        asking.proved = true;
        let (request, address) = (asking.request, asking.address.clone());
        // before what comes of it, which may be known at once
        ground.tell(page, &Notice::Ok { id });
        self.say(ground, now, (address.home, Part::Home), request, address, body);
        Ok(())
    }

    /// A node is down: what was asked of it will not be answered.
    pub(super) fn home_lost(&mut self, ground: &mut Ground, home: NodeId) {
        self.give_up_asking(ground, LinkEnd::HomeAway, |asking| asking.address.home == home);
    }

    pub(super) fn give_up_asking(
        &mut self,
        ground: &mut Ground,
        reason: LinkEnd,
        of: impl Fn(&Asking) -> bool,
    ) {
        let asking = self.asking.iter().filter(|(_, asking)| of(asking));
        for page in asking.map(|(page, _)| *page).collect::<Vec<_>>() {
            self.asking.remove(&page);
            ground.tell(page, &Notice::LinkEnded { request: None, reason });
        }
    }
}
