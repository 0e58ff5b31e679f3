//! Home, which alone can change the account, and passes on what the others say.
//!
//! Bounds: [`MAX_WISHES`], [`WISHES_AN_ACCOUNT`] for one account, each for [`PATIENCE`].

use truca_core::Time;
use truca_core::directory::record::{PASSWORD, Record, verify};
use truca_core::id::{DeviceId, NodeId};
use truca_core::name::Address;
use truca_core::sorted::Set;
use truca_core::wire::bytes::{Bytes, Point, Signature, Token};
use truca_core::wire::node::{DevicesBody as Body, DevicesFrame};
use truca_core::wire::page::LinkEnd;

use super::super::ground::Ground;
use super::super::said::Job;
use super::{Linking, PATIENCE, Part, Wish};

/// Most new devices that wait for an answer at one home.
const MAX_WISHES: usize = 64;
/// Of one account: two tries at once are one person who is confused.
const WISHES_AN_ACCOUNT: usize = 2;

impl Linking {
    pub(super) fn home_hears(&mut self, ground: &mut Ground, now: Time, from: NodeId, frame: DevicesFrame) {
        match &frame.body {
            Body::Ask { key, commit, at } if *at == from => {
                let (key, commit) = (*key, *commit);
                if let Err(reason) = self.wish(ground, now, from, &frame, key, commit) {
                    self.say(
                        ground,
                        now,
                        (from, Part::Visited),
                        frame.request,
                        frame.address,
                        Body::End(reason),
                    );
                }
            }
            Body::Revoke { device, counter, key, signature } => {
                let (device, counter, key, signature) = (*device, *counter, *key, *signature);
                self.revoke(ground, now, &frame.address, device, counter, (&key, &signature));
            }
            Body::Begin { key, client } => self.begin(ground, now, from, &frame, key, client),
            Body::Prove { key, client, server, proof } => {
                self.prove(ground, now, from, &frame, (key, client, server), proof);
            }
            Body::Password { counter, secret, key, signature } => {
                let set = self.set_password(
                    ground,
                    now,
                    &frame.address,
                    *counter,
                    secret.clone(),
                    (key, signature),
                );
                if let Err(reason) = set {
                    self.say(
                        ground,
                        now,
                        (from, Part::Witness),
                        frame.request,
                        frame.address,
                        Body::End(reason),
                    );
                }
            }
            _ => self.go_on(ground, now, from, frame),
        }
    }

    /// A new device wishes to be let in: its account's devices are asked.
    fn wish(
        &mut self,
        ground: &mut Ground,
        now: Time,
        from: NodeId,
        frame: &DevicesFrame,
        key: Point,
        commit: Bytes<32>,
    ) -> Result<(), LinkEnd> {
        let account = ground.directory.account(&frame.address).ok_or(LinkEnd::Refused)?;
        let devices = &account.body.devices;
        if devices.contains(&DeviceId::of_point(&key.0)) {
            let account = Record::Account(account.clone()).encode();
            let (request, address) = (frame.request, frame.address.clone());
            self.say(ground, now, (from, Part::Visited), request, address, Body::Linked(account));
            return Ok(());
        }
        let of_account = self.wishes.iter().filter(|wish| wish.address == frame.address).count();
        if devices.len() >= ground.directory.limits().devices
            || self.wishes.len() >= MAX_WISHES
            || of_account >= WISHES_AN_ACCOUNT
            || self.position(frame).is_some()
        {
            return Err(LinkEnd::Full);
        }
        let witnesses = self.nodes_of(ground, &frame.address);
        if witnesses.is_empty() {
            return Err(LinkEnd::Nobody);
        }
        let ends = now + PATIENCE;
        let (request, address) = (frame.request, frame.address.clone());
        self.wishes.push(Wish { request, address, key, visited: from, witness: None, ends });
        self.counters.asked = self.counters.asked.wrapping_add(1);
        ground.due(ends, Job::Wishes);
        for witness in witnesses {
            let (address, ask) = (frame.address.clone(), Body::Ask { key, commit, at: from });
            self.say(ground, now, (witness, Part::Witness), request, address, ask);
        }
        Ok(())
    }

    /// What the two ends say of a wish.
    fn go_on(&mut self, ground: &mut Ground, now: Time, from: NodeId, frame: DevicesFrame) {
        let Some(at) = self.position(&frame) else { return };
        let wish = &mut self.wishes[at];
        let (visited, witness) = (wish.visited, wish.witness);
        let DevicesFrame { request, address, body } = frame;
        match body {
            Body::Show(nonce) if witness.is_none() => {
                wish.witness = Some(from);
                for other in self.nodes_of(ground, &address).into_iter().filter(|other| *other != from) {
                    let end = Body::End(LinkEnd::Elsewhere);
                    self.say(ground, now, (other, Part::Witness), request, address.clone(), end);
                }
                self.say(ground, now, (visited, Part::Visited), request, address, Body::Show(nonce));
            }
            Body::Show(_) => {
                self.say(ground, now, (from, Part::Witness), request, address, Body::End(LinkEnd::Elsewhere));
            }
            Body::Open(nonce) if from == visited => {
                if let Some(witness) = witness {
                    self.say(ground, now, (witness, Part::Witness), request, address, Body::Open(nonce));
                }
            }
            Body::Confirm { key, signature } if witness == Some(from) => {
                let new = wish.key;
                match self.let_in(ground, now, &address, &request, &new, (&key, &signature)) {
                    Ok(account) => {
                        self.wishes.remove(at);
                        self.counters.linked = self.counters.linked.wrapping_add(1);
                        self.say(
                            ground,
                            now,
                            (visited, Part::Visited),
                            request,
                            address.clone(),
                            Body::Linked(account),
                        );
                        self.say(
                            ground,
                            now,
                            (from, Part::Witness),
                            request,
                            address,
                            Body::End(LinkEnd::Linked),
                        );
                    }
                    Err(reason) => self.wish_over(ground, now, at, reason),
                }
            }
            Body::Refuse if witness == Some(from) || self.nodes_of(ground, &address).contains(&from) => {
                self.counters.refused = self.counters.refused.wrapping_add(1);
                self.wish_over(ground, now, at, LinkEnd::Refused);
            }
            Body::End(LinkEnd::Cancelled) if from == visited => {
                self.wish_over(ground, now, at, LinkEnd::Cancelled);
            }
            _ => {}
        }
    }

    /// Adds a device to an account, when one of its devices has signed that it may.
    fn let_in(
        &mut self,
        ground: &mut Ground,
        now: Time,
        address: &Address,
        request: &Token,
        new: &Point,
        (key, signature): (&Point, &Signature),
    ) -> Result<Vec<u8>, LinkEnd> {
        let account = ground.directory.account(address).ok_or(LinkEnd::Refused)?;
        let known = account.body.devices.contains(&DeviceId::of_point(&key.0));
        let text = DevicesFrame::link_text(address, request, new);
        if !known || !verify(key, text.as_bytes(), signature) {
            self.counters.forged = self.counters.forged.wrapping_add(1);
            return Err(LinkEnd::Refused);
        }
        self.add_device(ground, now, address, new)
    }

    fn revoke(
        &mut self,
        ground: &mut Ground,
        now: Time,
        address: &Address,
        device: DeviceId,
        counter: u32,
        (key, signature): (&Point, &Signature),
    ) {
        let Some(account) = ground.directory.account(address) else { return };
        let mut body = account.body.clone();
        let text = DevicesFrame::revoke_text(address, &device, counter);
        // an old one, said again, would take out what was let in since
        if body.counter != counter || !body.devices.contains(&device) || body.devices.len() < 2 {
            return;
        }
        if !body.devices.contains(&DeviceId::of_point(&key.0)) || !verify(key, text.as_bytes(), signature) {
            self.counters.forged = self.counters.forged.wrapping_add(1);
            return;
        }
        body.devices.retain(|known| *known != device);
        if self.passwords.left(&address.name, device) {
            body.flags &= !PASSWORD;
        }
        body.counter += 1;
        if ground.publish_account(now, body) {
            self.counters.revoked = self.counters.revoked.wrapping_add(1);
            log::info!("an account has a device less");
        }
    }

    /// Ends a wish, and tells all who know of it.
    fn wish_over(&mut self, ground: &mut Ground, now: Time, at: usize, reason: LinkEnd) {
        let Wish { request, address, visited, witness, .. } = self.wishes.remove(at);
        let mut witnesses = self.nodes_of(ground, &address);
        witnesses.extend(witness);
        for witness in witnesses {
            self.say(ground, now, (witness, Part::Witness), request, address.clone(), Body::End(reason));
        }
        self.say(ground, now, (visited, Part::Visited), request, address, Body::End(reason));
    }

    pub(in super::super) fn wishes_due(&mut self, ground: &mut Ground, now: Time) {
        while let Some(at) = self.wishes.iter().position(|wish| wish.ends <= now) {
            self.wish_over(ground, now, at, LinkEnd::Expired);
        }
        self.give_up_asking(ground, LinkEnd::Expired, |asking| asking.ends <= now);
    }

    /// The nodes where devices of an account are now.
    fn nodes_of(&self, ground: &Ground, address: &Address) -> Set<NodeId> {
        ground.directory.here(address, |id| ground.alive.contains(id)).map(|at| at.node).collect()
    }

    /// Puts a device on the list of its account, unless it is there. The account's record.
    pub(super) fn add_device(
        &mut self,
        ground: &mut Ground,
        now: Time,
        address: &Address,
        new: &Point,
    ) -> Result<Vec<u8>, LinkEnd> {
        let account = ground.directory.account(address).ok_or(LinkEnd::Refused)?;
        let (mut body, new) = (account.body.clone(), DeviceId::of_point(&new.0));
        if !body.devices.contains(&new) {
            if body.devices.len() >= ground.directory.limits().devices {
                return Err(LinkEnd::Full);
            }
            body.devices.push(new);
            body.counter += 1;
            if !ground.publish_account(now, body) {
                return Err(LinkEnd::Full);
            }
            log::info!("an account has another device");
        }
        let account = ground.directory.account(address).cloned();
        account.map(|account| Record::Account(account).encode()).ok_or(LinkEnd::Refused)
    }
}
