//! The devices of a person: a new one is let in from whatever node it is at, by another of them or by the
//! [`password`], and one is taken out.
//!
//! Three parts, which one node may play at once: *visited*, where the page of the new device is; *home*, which
//! alone can change the account, and passes on what the others say; *witness*, where devices of the account
//! are, one of which says yes or no. What proves that the two people are one is a number that both pages work
//! out from nonces of both (`docs/protocol.md` section 5): no node between them can make two numbers equal.
//!
//! Bounds: [`MAX_WISHES`] at home, [`WISHES_AN_ACCOUNT`] for one account, each for [`PATIENCE`]; one for each
//! socket of a visited node, and [`MAX_FINDS`] searches.

use std::time::Duration;

use truca_core::Time;
use truca_core::directory::record::{PASSWORD, Record, verify};
use truca_core::directory::window::{find, node_info};
use truca_core::id::{DeviceId, NodeId};
use truca_core::name::{Address, Name};
use truca_core::signal::call::SessionId;
use truca_core::sorted::{Map, Set};
use truca_core::wire::bytes::{Bytes, Point, Signature, Token};
use truca_core::wire::node::{AccountBody as Body, AccountFrame, Frame};
use truca_core::wire::page::{Code, Failure, LinkEnd, Notice, OwnDevice};

use super::{Job, Node};
use crate::event::PageId;

pub(super) mod password;

use password::Password;

/// Most new devices that wait for an answer at one home.
const MAX_WISHES: usize = 64;
/// Of one account: two tries at once are one person who is confused.
const WISHES_AN_ACCOUNT: usize = 2;
/// How long one waits: time to find the other phone.
const PATIENCE: Duration = Duration::from_secs(300);
/// How much longer a visited node waits: home says first that it is over.
const HOMES_ANSWER: Duration = Duration::from_secs(15);
/// How often a socket may look somebody up before it signs in.
const MAX_FINDS: u8 = 32;
/// How many people one look finds.
const MAX_FOUND: usize = 8;

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

    fn position(&self, frame: &AccountFrame) -> Option<usize> {
        self.wishes.iter().position(|wish| wish.request == frame.request && wish.address == frame.address)
    }

    fn page(&self, frame: &AccountFrame) -> Option<PageId> {
        let mut asking = self.asking.iter();
        let found = asking.find(|(_, it)| it.request == frame.request && it.address == frame.address);
        found.map(|(page, _)| *page)
    }
}

impl Node {
    /// Who has a name, for one who has not signed in.
    pub(super) fn on_find(&mut self, page: PageId, id: u32, text: &str) -> Result<Notice, Failure> {
        if text.chars().count() > truca_core::wire::page::MAX_SEARCH {
            return Err(Failure::new(id, Code::TooLong, "a search has at most 48 characters"));
        }
        let finds = self.pages.open.get_mut(&page).map(|open| {
            open.finds = open.finds.saturating_add(1);
            open.finds
        });
        if finds.is_none_or(|finds| finds > MAX_FINDS) {
            return Err(Failure::new(id, Code::TooFast, "too many searches before signing in"));
        }
        let people = find(&self.directory, text, MAX_FOUND, |id| self.alive.contains(id));
        Ok(Notice::Found { id, people })
    }

    // The visited node.

    /// A page wants to be a device of an account.
    pub(super) fn on_link(
        &mut self,
        now: Time,
        page: PageId,
        id: u32,
        address: Address,
        key: Point,
        commit: Bytes<32>,
    ) -> Result<(), Failure> {
        let ask = Body::Ask { key, commit, at: self.id };
        self.ask_home(now, page, id, address, PATIENCE + HOMES_ANSWER, ask)
    }

    /// Asks home for a page that has not signed in.
    fn ask_home(
        &mut self,
        now: Time,
        page: PageId,
        id: u32,
        address: Address,
        patience: Duration,
        ask: Body,
    ) -> Result<(), Failure> {
        if self.linking.asking.contains_key(&page) {
            return Err(Failure::new(id, Code::WrongState, "this socket is asking already"));
        }
        if self.owner.refuses_sign_in(&address) {
            return Err(Failure::new(id, Code::Banned, "this account is kept out of this node"));
        }
        if self.directory.account(&address).is_none() {
            return Err(Failure::new(id, Code::NoSuchPerson, "nobody has this address"));
        }
        let request = Bytes(self.random());
        let ends = now + patience;
        self.linking.asking.insert(page, Asking { request, address: address.clone(), ends, proved: false });
        self.jobs.insert((ends, Job::Wishes));
        // before what comes of it, which may be known at once
        self.tell(page, &Notice::Ok { id });
        self.say(now, address.home, Part::Home, request, address, ask);
        Ok(())
    }

    /// A page shows the nonce behind its `commit`.
    pub(super) fn on_link_open(
        &mut self,
        now: Time,
        page: PageId,
        id: u32,
        nonce: Token,
    ) -> Result<Notice, Failure> {
        let Some(asking) = self.linking.asking.get(&page) else {
            return Err(Failure::new(id, Code::WrongState, "this socket asks nothing"));
        };
        let (request, address) = (asking.request, asking.address.clone());
        self.say(now, address.home, Part::Home, request, address, Body::Open(nonce));
        Ok(Notice::Ok { id })
    }

    /// A page asks no more, or is gone.
    pub(super) fn stop_asking(&mut self, now: Time, page: PageId) {
        if let Some(Asking { request, address, .. }) = self.linking.asking.remove(&page) {
            self.say(now, address.home, Part::Home, request, address, Body::End(LinkEnd::Cancelled));
        }
    }

    fn visited_hears(&mut self, now: Time, frame: AccountFrame) {
        let Some(page) = self.linking.page(&frame) else { return };
        let reason = match frame.body {
            Body::Show(nonce) => return self.tell(page, &Notice::LinkShown { nonce }),
            Body::Linked(account) => {
                // at once, so that the page can sign in as soon as it is told
                self.learn(now, &account);
                LinkEnd::Linked
            }
            Body::Salt { server, salt, iterations } => {
                return self.tell(page, &Notice::LinkSalt { server, salt, iterations });
            }
            Body::Proved { account, signature } => {
                self.learn(now, &account);
                self.linking.asking.remove(&page);
                return self.tell(page, &Notice::LinkProved { signature });
            }
            Body::End(reason) => reason,
            _ => return,
        };
        self.linking.asking.remove(&page);
        self.tell(page, &Notice::LinkEnded { request: None, reason });
    }

    // The witness.

    /// A device takes up what a new one asks: others of the account need not.
    pub(super) fn on_link_show(&mut self, now: Time, session: SessionId, request: Token, nonce: Token) {
        let Some(address) = self.address_of(session) else { return };
        self.tell_devices(
            &address,
            Some(session),
            &Notice::LinkEnded { request: Some(request), reason: LinkEnd::Elsewhere },
        );
        self.say(now, address.home, Part::Home, request, address, Body::Show(nonce));
    }

    /// A device lets the new one in.
    pub(super) fn on_link_confirm(
        &mut self,
        now: Time,
        session: SessionId,
        request: Token,
        signature: Signature,
    ) {
        let Some(attached) = self.pages.sessions.get(&session) else { return };
        let (address, key) = (attached.own.address.clone(), attached.gone.point);
        self.say(now, address.home, Part::Home, request, address, Body::Confirm { key, signature });
    }

    /// A device does not let the new one in.
    pub(super) fn on_link_refuse(&mut self, now: Time, session: SessionId, request: Token) {
        let Some(address) = self.address_of(session) else { return };
        self.say(now, address.home, Part::Home, request, address, Body::Refuse);
    }

    fn address_of(&self, session: SessionId) -> Option<Address> {
        self.pages.sessions.get(&session).map(|attached| attached.own.address.clone())
    }

    fn witness_hears(&mut self, frame: &AccountFrame) {
        let request = frame.request;
        let notice = match frame.body {
            Body::Ask { key, commit, at } => {
                let at = node_info(&self.directory, at, |id| self.alive.contains(id));
                Notice::LinkAsked { request, at, key, commit }
            }
            Body::Open(nonce) => Notice::LinkOpened { request, nonce },
            Body::End(reason) => Notice::LinkEnded { request: Some(request), reason },
            _ => return,
        };
        self.tell_devices(&frame.address, None, &notice);
    }

    /// Tells the pages of an account that are here.
    pub(super) fn tell_devices(&mut self, address: &Address, except: Option<SessionId>, notice: &Notice) {
        let sessions = self.pages.sessions.iter();
        let pages: Vec<PageId> = sessions
            .filter(|(session, attached)| attached.own.address == *address && Some(**session) != except)
            .filter_map(|(_, attached)| attached.page())
            .collect();
        for page in pages {
            self.tell(page, notice);
        }
    }

    // The devices of a session's account.

    /// What a page is told of the devices of its account.
    pub(super) fn own_devices(&self, session: SessionId, id: u32) -> Option<Notice> {
        let address = self.address_of(session)?;
        let account = self.directory.account(&address)?;
        let here: Set<DeviceId> = self
            .directory
            .here(&address, |id| self.alive.contains(id))
            .map(truca_core::directory::record::Attachment::device)
            .collect();
        let devices = account.body.devices.iter().map(|device| OwnDevice {
            device: *device,
            at: self
                .directory
                .attachment(&address, *device)
                .map(|last| node_info(&self.directory, last.node, |id| self.alive.contains(id))),
            here: here.contains(device),
        });
        let (counter, password) = (account.body.counter, account.body.has_password());
        Some(Notice::Devices { id, counter, devices: devices.collect(), password })
    }

    /// A device takes another of its account, or itself, out: what home is told.
    pub(super) fn on_revoke(
        &mut self,
        session: SessionId,
        device: DeviceId,
        counter: u32,
        signature: Signature,
    ) -> Result<AccountFrame, Failure> {
        let Some(attached) = self.pages.sessions.get(&session) else {
            return Err(Failure::new(0, Code::NoSession, "the session is over"));
        };
        let (address, key) = (attached.own.address.clone(), attached.gone.point);
        let known = self.directory.account(&address);
        if known.is_none_or(|account| !account.body.devices.contains(&device)) {
            return Err(Failure::new(0, Code::NoSuchDevice, "the account has no such device"));
        }
        if known.is_some_and(|account| account.body.devices.len() == 1) {
            // the name would be anybody's
            return Err(Failure::new(0, Code::WrongState, "it is the account's only device"));
        }
        if !verify(&key, AccountFrame::revoke_text(&address, &device, counter).as_bytes(), &signature) {
            return Err(Failure::new(0, Code::BadSignature, "the signature does not verify"));
        }
        let body = Body::Revoke { device, counter, key, signature };
        Ok(AccountFrame { request: Bytes(self.random()), address, body })
    }

    // Home.

    fn home_hears(&mut self, now: Time, from: NodeId, frame: AccountFrame) {
        match &frame.body {
            Body::Ask { key, commit, at } if *at == from => {
                let (key, commit) = (*key, *commit);
                if let Err(reason) = self.wish(now, from, &frame, key, commit) {
                    self.say(now, from, Part::Visited, frame.request, frame.address, Body::End(reason));
                }
            }
            Body::Revoke { device, counter, key, signature } => {
                let (device, counter, key, signature) = (*device, *counter, *key, *signature);
                self.revoke(now, &frame.address, device, counter, &key, &signature);
            }
            Body::Begin { key, client } => self.begin(now, from, &frame, key, client),
            Body::Prove { key, client, server, proof } => {
                self.prove(now, from, &frame, (key, client, server), proof);
            }
            Body::Password { counter, secret, key, signature } => {
                let set = self.set_password(now, &frame.address, *counter, secret.clone(), key, signature);
                if let Err(reason) = set {
                    self.say(now, from, Part::Witness, frame.request, frame.address, Body::End(reason));
                }
            }
            _ => self.go_on(now, from, frame),
        }
    }

    /// A new device wishes to be let in: its account's devices are asked.
    fn wish(
        &mut self,
        now: Time,
        from: NodeId,
        frame: &AccountFrame,
        key: Point,
        commit: Bytes<32>,
    ) -> Result<(), LinkEnd> {
        let account = self.directory.account(&frame.address).ok_or(LinkEnd::Refused)?;
        let devices = &account.body.devices;
        if devices.contains(&DeviceId::of_point(&key.0)) {
            let account = Record::Account(account.clone()).encode();
            let (request, address) = (frame.request, frame.address.clone());
            self.say(now, from, Part::Visited, request, address, Body::Linked(account));
            return Ok(());
        }
        let of_account = self.linking.wishes.iter().filter(|wish| wish.address == frame.address).count();
        if devices.len() >= self.directory.limits().devices
            || self.linking.wishes.len() >= MAX_WISHES
            || of_account >= WISHES_AN_ACCOUNT
            || self.linking.position(frame).is_some()
        {
            return Err(LinkEnd::Full);
        }
        let witnesses = self.nodes_of(&frame.address);
        if witnesses.is_empty() {
            return Err(LinkEnd::Nobody);
        }
        let ends = now + PATIENCE;
        let (request, address) = (frame.request, frame.address.clone());
        self.linking.wishes.push(Wish { request, address, key, visited: from, witness: None, ends });
        self.linking.counters.asked = self.linking.counters.asked.wrapping_add(1);
        self.jobs.insert((ends, Job::Wishes));
        for witness in witnesses {
            let (address, ask) = (frame.address.clone(), Body::Ask { key, commit, at: from });
            self.say(now, witness, Part::Witness, request, address, ask);
        }
        Ok(())
    }

    /// What the two ends say of a wish.
    fn go_on(&mut self, now: Time, from: NodeId, frame: AccountFrame) {
        let Some(at) = self.linking.position(&frame) else { return };
        let wish = &mut self.linking.wishes[at];
        let (visited, witness) = (wish.visited, wish.witness);
        let AccountFrame { request, address, body } = frame;
        match body {
            Body::Show(nonce) if witness.is_none() => {
                wish.witness = Some(from);
                for other in self.nodes_of(&address).into_iter().filter(|other| *other != from) {
                    let end = Body::End(LinkEnd::Elsewhere);
                    self.say(now, other, Part::Witness, request, address.clone(), end);
                }
                self.say(now, visited, Part::Visited, request, address, Body::Show(nonce));
            }
            Body::Show(_) => {
                self.say(now, from, Part::Witness, request, address, Body::End(LinkEnd::Elsewhere));
            }
            Body::Open(nonce) if from == visited => {
                if let Some(witness) = witness {
                    self.say(now, witness, Part::Witness, request, address, Body::Open(nonce));
                }
            }
            Body::Confirm { key, signature } if witness == Some(from) => {
                let new = wish.key;
                match self.let_in(now, &address, &request, &new, &key, &signature) {
                    Ok(account) => {
                        self.linking.wishes.remove(at);
                        self.linking.counters.linked = self.linking.counters.linked.wrapping_add(1);
                        self.say(
                            now,
                            visited,
                            Part::Visited,
                            request,
                            address.clone(),
                            Body::Linked(account),
                        );
                        self.say(now, from, Part::Witness, request, address, Body::End(LinkEnd::Linked));
                    }
                    Err(reason) => self.wish_over(now, at, reason),
                }
            }
            Body::Refuse if witness == Some(from) || self.nodes_of(&address).contains(&from) => {
                self.linking.counters.refused = self.linking.counters.refused.wrapping_add(1);
                self.wish_over(now, at, LinkEnd::Refused);
            }
            Body::End(LinkEnd::Cancelled) if from == visited => {
                self.wish_over(now, at, LinkEnd::Cancelled);
            }
            _ => {}
        }
    }

    /// Adds a device to an account, when one of its devices has signed that it may.
    fn let_in(
        &mut self,
        now: Time,
        address: &Address,
        request: &Token,
        new: &Point,
        key: &Point,
        signature: &Signature,
    ) -> Result<Vec<u8>, LinkEnd> {
        let account = self.directory.account(address).ok_or(LinkEnd::Refused)?;
        let known = account.body.devices.contains(&DeviceId::of_point(&key.0));
        let text = AccountFrame::link_text(address, request, new);
        if !known || !verify(key, text.as_bytes(), signature) {
            self.linking.counters.forged = self.linking.counters.forged.wrapping_add(1);
            return Err(LinkEnd::Refused);
        }
        self.add_device(now, address, new)
    }

    fn revoke(
        &mut self,
        now: Time,
        address: &Address,
        device: DeviceId,
        counter: u32,
        key: &Point,
        signature: &Signature,
    ) {
        let Some(account) = self.directory.account(address) else { return };
        let mut body = account.body.clone();
        let text = AccountFrame::revoke_text(address, &device, counter);
        // an old one, said again, would take out what was let in since
        if body.counter != counter || !body.devices.contains(&device) || body.devices.len() < 2 {
            return;
        }
        if !body.devices.contains(&DeviceId::of_point(&key.0)) || !verify(key, text.as_bytes(), signature) {
            self.linking.counters.forged = self.linking.counters.forged.wrapping_add(1);
            return;
        }
        body.devices.retain(|known| *known != device);
        if self.linking.passwords.left(&address.name, device) {
            body.flags &= !PASSWORD;
        }
        body.counter += 1;
        if self.publish_account(now, body) {
            self.linking.counters.revoked = self.linking.counters.revoked.wrapping_add(1);
            log::info!("an account has a device less");
        }
    }

    /// Ends a wish, and tells all who know of it.
    fn wish_over(&mut self, now: Time, at: usize, reason: LinkEnd) {
        let Wish { request, address, visited, witness, .. } = self.linking.wishes.remove(at);
        let mut witnesses = self.nodes_of(&address);
        witnesses.extend(witness);
        for witness in witnesses {
            self.say(now, witness, Part::Witness, request, address.clone(), Body::End(reason));
        }
        self.say(now, visited, Part::Visited, request, address, Body::End(reason));
    }

    pub(super) fn wishes_due(&mut self, now: Time) {
        while let Some(at) = self.linking.wishes.iter().position(|wish| wish.ends <= now) {
            self.wish_over(now, at, LinkEnd::Expired);
        }
        self.give_up_asking(LinkEnd::Expired, |asking| asking.ends <= now);
    }

    /// A node is down: what was asked of it will not be answered.
    pub(super) fn home_lost(&mut self, home: NodeId) {
        self.give_up_asking(LinkEnd::HomeAway, |asking| asking.address.home == home);
    }

    fn give_up_asking(&mut self, reason: LinkEnd, of: impl Fn(&Asking) -> bool) {
        let asking = self.linking.asking.iter().filter(|(_, asking)| of(asking));
        for page in asking.map(|(page, _)| *page).collect::<Vec<_>>() {
            self.linking.asking.remove(&page);
            self.tell(page, &Notice::LinkEnded { request: None, reason });
        }
    }

    /// The nodes where devices of an account are now.
    fn nodes_of(&self, address: &Address) -> Set<NodeId> {
        self.directory.here(address, |id| self.alive.contains(id)).map(|at| at.node).collect()
    }

    // Between nodes.

    /// Says something to the node that plays a part, which may be this one.
    fn say(&mut self, now: Time, to: NodeId, part: Part, request: Token, address: Address, body: Body) {
        let frame = AccountFrame { request, address, body };
        if to != self.id {
            return self.deliver(now, to, Frame::Account(Box::new(frame)));
        }
        match part {
            Part::Home => self.home_hears(now, to, frame),
            Part::Visited => self.visited_hears(now, frame),
            Part::Witness => self.witness_hears(&frame),
        }
    }

    /// A frame about an account came over a link. Whether it makes sense.
    pub(super) fn on_account_frame(&mut self, now: Time, from: NodeId, frame: AccountFrame) -> bool {
        if frame.address.home == self.id {
            self.home_hears(now, from, frame);
            return true;
        }
        if frame.address.home != from {
            return false;
        }
        match frame.body {
            Body::Ask { .. } | Body::Open(_) => self.witness_hears(&frame),
            Body::Show(_) | Body::Linked(_) | Body::Salt { .. } | Body::Proved { .. } => {
                self.visited_hears(now, frame);
            }
            // one node may be both
            Body::End(_) if self.linking.page(&frame).is_some() => self.visited_hears(now, frame),
            Body::End(_) => self.witness_hears(&frame),
            _ => return false,
        }
        true
    }

    /// A frame about an account could not be sent.
    pub(super) fn account_undeliverable(&mut self, to: NodeId, frame: &AccountFrame) {
        // what home cannot say to others ends by itself
        if to != frame.address.home {
            return;
        }
        let reason = LinkEnd::HomeAway;
        if let Some(page) = self.linking.page(frame) {
            self.linking.asking.remove(&page);
            self.tell(page, &Notice::LinkEnded { request: None, reason });
        } else if !matches!(frame.body, Body::End(_)) {
            self.tell_devices(
                &frame.address,
                None,
                &Notice::LinkEnded { request: Some(frame.request), reason },
            );
        }
    }
}
