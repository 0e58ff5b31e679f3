//! The devices of a person: a new one is let in from whatever node it is at, by another of them or by the
//! [`password`], and one is taken out.
//!
//! Three parts, which one node may play at once: *visited*, where the page of the new device is; *home*, which
//! alone can change the account, and passes on what the others say; *witness*, where devices of the account
//! are, one of which says yes or no. What proves that the two people are one is a number that both pages work
//! out from nonces of both (`docs/protocol.md` section 5): no node between them can make two numbers equal.
//!
//! Bounds are where each part is.

use std::time::Duration;

use truca_core::Time;
use truca_core::id::NodeId;
use truca_core::name::{Address, Name};
use truca_core::signal::call::SessionId;
use truca_core::sorted::Map;
use truca_core::wire::bytes::{Point, Token};
use truca_core::wire::node::{DevicesBody as Body, DevicesFrame, Frame};
use truca_core::wire::page::request::{Devices, NewDevice};
use truca_core::wire::page::{Failure, LinkEnd, Notice};

use super::ground::Ground;
use super::said::Happened;
use super::state::Saved;
use crate::event::PageId;

mod home;
pub(super) mod password;
mod visited;
mod witness;

use password::Password;

/// How long a new device waits: time to find the other phone.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a new device wants, at home.
#[derive(Debug)]
struct Wish {
    request: Token,
    address: Address,
    key: Point,
    visited: NodeId,
    /// The node with the device that has taken it up.
    witness: Option<NodeId>,
    ends: Time,
}

/// What came of wishes at this home.
#[derive(Debug, Default, Clone, Copy, serde::Serialize)]
pub(super) struct Counters {
    asked: u32,
    linked: u32,
    refused: u32,
    /// Signatures that do not verify, or by a device that the account does not have.
    forged: u32,
    revoked: u32,
    by_password: u32,
    wrong_passwords: u32,
    too_often: u32,
}

#[derive(Debug, Default)]
pub(super) struct Linking {
    wishes: Vec<Wish>,
    /// What pages of this node ask of the devices of accounts.
    asking: Map<PageId, Asking>,
    /// How often sockets looked somebody up.
    finds: Map<PageId, u8>,
    pub(super) passwords: password::Passwords,
    pub(super) counters: Counters,
}

/// What a page of this node asks.
#[derive(Debug)]
struct Asking {
    request: Token,
    address: Address,
    ends: Time,
    /// Whether it has shown a proof: each costs home a look.
    proved: bool,
}

/// Which of the three parts a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Visited,
    Home,
    Witness,
}

impl Linking {
    pub(super) fn new(passwords: Vec<(Name, Password)>) -> Self {
        Self { passwords: password::Passwords::new(passwords), ..Self::default() }
    }

    fn position(&self, frame: &DevicesFrame) -> Option<usize> {
        self.wishes.iter().position(|wish| wish.request == frame.request && wish.address == frame.address)
    }

    fn page(&self, frame: &DevicesFrame) -> Option<PageId> {
        let mut asking = self.asking.iter();
        let found = asking.find(|(_, it)| it.request == frame.request && it.address == frame.address);
        found.map(|(page, _)| *page)
    }
}

impl Linking {
    /// A page asks that has not signed in. `None` when it was told already.
    pub(super) fn stranger(
        &mut self,
        ground: &mut Ground,
        now: Time,
        page: PageId,
        id: u32,
        request: NewDevice,
    ) -> Result<Option<Notice>, Failure> {
        match request {
            NewDevice::Find { text } => self.on_find(ground, page, id, &text).map(Some),
            NewDevice::Link { address, key, commit } => {
                let ask = Body::Ask { key, commit, at: ground.id };
                self.ask_home(ground, now, page, id, address, ask).map(|()| None)
            }
            NewDevice::Open { nonce } => self.on_link_open(ground, now, page, id, nonce).map(Some),
            NewDevice::Password { address, key, client } => {
                self.ask_home(ground, now, page, id, address, Body::Begin { key, client }).map(|()| None)
            }
            NewDevice::Prove { key, client, server, proof } => {
                let body = Body::Prove { key, client, server, proof };
                self.on_link_prove(ground, now, page, id, body).map(|()| None)
            }
            NewDevice::GiveUp {} => {
                self.stop_asking(ground, now, page);
                Ok(Some(Notice::Ok { id }))
            }
        }
    }

    /// A device of an account asks. `None` when it was told already.
    pub(super) fn request(
        &mut self,
        ground: &mut Ground,
        now: Time,
        (page, session): (PageId, SessionId),
        id: u32,
        request: Devices,
    ) -> Result<Option<Notice>, Failure> {
        match request {
            Devices::List {} => return Ok(self.own_devices(ground, session, id)),
            Devices::Revoke { device, counter, signature } => {
                let wish = self.on_revoke(ground, session, device, counter, signature)?;
                // before what comes of it, which may be known at once
                ground.tell(page, &Notice::Ok { id });
                self.say_home(ground, now, wish);
                return Ok(None);
            }
            Devices::Password { counter, secret, signature } => {
                ground.tell(page, &Notice::Ok { id });
                if let Some(wish) = self.on_password(ground, session, counter, secret, signature) {
                    self.say_home(ground, now, wish);
                }
                return Ok(None);
            }
            Devices::Show { request, nonce } => self.on_link_show(ground, now, session, request, nonce),
            Devices::Confirm { request, signature } => {
                self.on_link_confirm(ground, now, session, request, signature);
            }
            Devices::Refuse { request } => self.on_link_refuse(ground, now, session, request),
        }
        Ok(Some(Notice::Ok { id }))
    }

    /// What others have said and done that matters here.
    pub(super) fn happened(&mut self, ground: &mut Ground, happened: &Happened) {
        match happened {
            Happened::Down(id) => self.home_lost(ground, *id),
            Happened::Reset(name) => self.passwords.forget(name),
            _ => {}
        }
    }

    /// A page's socket is gone.
    pub(super) fn page_closed(&mut self, ground: &mut Ground, now: Time, page: PageId) {
        self.finds.remove(&page);
        self.stop_asking(ground, now, page);
    }

    /// Adds what is to be saved.
    pub(super) fn save(&self, saved: &mut Saved) {
        saved.passwords = self.passwords.to_save();
    }

    /// What came of it, for the owner.
    pub(super) fn status(&self) -> Counters {
        self.counters
    }

    /// Says something to the node that plays a part, which may be this one.
    fn say(
        &mut self,
        ground: &mut Ground,
        now: Time,
        (to, part): (NodeId, Part),
        request: Token,
        address: Address,
        body: Body,
    ) {
        let frame = DevicesFrame { request, address, body };
        if to != ground.id {
            return ground.deliver(to, Frame::Devices(Box::new(frame)));
        }
        match part {
            Part::Home => self.home_hears(ground, now, to, frame),
            Part::Visited => self.visited_hears(ground, now, frame),
            Part::Witness => self.witness_hears(ground, &frame),
        }
    }

    /// A frame about an account came over a link. Whether it makes sense.
    pub(super) fn frame(
        &mut self,
        ground: &mut Ground,
        now: Time,
        from: NodeId,
        frame: DevicesFrame,
    ) -> bool {
        if frame.address.home == ground.id {
            self.home_hears(ground, now, from, frame);
            return true;
        }
        if frame.address.home != from {
            return false;
        }
        match frame.body {
            Body::Ask { .. } | Body::Open(_) => self.witness_hears(ground, &frame),
            Body::Show(_) | Body::Linked(_) | Body::Salt { .. } | Body::Proved { .. } => {
                self.visited_hears(ground, now, frame);
            }
            // one node may be both
            Body::End(_) if self.page(&frame).is_some() => self.visited_hears(ground, now, frame),
            Body::End(_) => self.witness_hears(ground, &frame),
            _ => return false,
        }
        true
    }

    /// A frame about an account could not be sent.
    pub(super) fn undeliverable(&mut self, ground: &mut Ground, to: NodeId, frame: &DevicesFrame) {
        // what home cannot say to others ends by itself
        if to != frame.address.home {
            return;
        }
        let reason = LinkEnd::HomeAway;
        if let Some(page) = self.page(frame) {
            self.asking.remove(&page);
            ground.tell(page, &Notice::LinkEnded { request: None, reason });
        } else if !matches!(frame.body, Body::End(_)) {
            ground.tell_devices(
                &frame.address,
                None,
                &Notice::LinkEnded { request: Some(frame.request), reason },
            );
        }
    }
}
