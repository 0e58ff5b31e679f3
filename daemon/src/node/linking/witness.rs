//! The witness, where devices of the account are: one of them says yes or no. And what a device that is in asks of
//! the others.

use truca_core::Time;
use truca_core::directory::record::verify;
use truca_core::directory::window::node_info;
use truca_core::id::DeviceId;
use truca_core::scram::Secret;
use truca_core::signal::call::SessionId;
use truca_core::sorted::Set;
use truca_core::wire::bytes::{Bytes, Signature, Token};
use truca_core::wire::node::{DevicesBody as Body, DevicesFrame};
use truca_core::wire::page::{Code, Failure, LinkEnd, Notice, OwnDevice};

use super::super::ground::Ground;
use super::{Linking, Part};

impl Linking {
    /// A device takes up what a new one asks: others of the account need not.
    pub(super) fn on_link_show(
        &mut self,
        ground: &mut Ground,
        now: Time,
        session: SessionId,
        request: Token,
        nonce: Token,
    ) {
        let Some(address) = ground.who.address(session).cloned() else { return };
        ground.tell_devices(
            &address,
            Some(session),
            &Notice::LinkEnded { request: Some(request), reason: LinkEnd::Elsewhere },
        );
        self.say(ground, now, (address.home, Part::Home), request, address, Body::Show(nonce));
    }

    /// A device lets the new one in.
    pub(super) fn on_link_confirm(
        &mut self,
        ground: &mut Ground,
        now: Time,
        session: SessionId,
        request: Token,
        signature: Signature,
    ) {
        let Some(known) = ground.who.session(session) else { return };
        let (address, key) = (known.own.address.clone(), known.key);
        self.say(ground, now, (address.home, Part::Home), request, address, Body::Confirm { key, signature });
    }

    /// A device does not let the new one in.
    pub(super) fn on_link_refuse(
        &mut self,
        ground: &mut Ground,
        now: Time,
        session: SessionId,
        request: Token,
    ) {
        let Some(address) = ground.who.address(session).cloned() else { return };
        self.say(ground, now, (address.home, Part::Home), request, address, Body::Refuse);
    }

    pub(super) fn witness_hears(&mut self, ground: &mut Ground, frame: &DevicesFrame) {
        let request = frame.request;
        let notice = match frame.body {
            Body::Ask { key, commit, at } => {
                let at = node_info(&ground.directory, at, |id| ground.alive.contains(id));
                Notice::LinkAsked { request, at, key, commit }
            }
            Body::Open(nonce) => Notice::LinkOpened { request, nonce },
            Body::End(reason) => Notice::LinkEnded { request: Some(request), reason },
            _ => return,
        };
        ground.tell_devices(&frame.address, None, &notice);
    }

    /// What a page is told of the devices of its account.
    pub(super) fn own_devices(&self, ground: &Ground, session: SessionId, id: u32) -> Option<Notice> {
        let address = ground.who.address(session)?.clone();
        let account = ground.directory.account(&address)?;
        let here: Set<DeviceId> = ground
            .directory
            .here(&address, |id| ground.alive.contains(id))
            .map(truca_core::directory::record::Attachment::device)
            .collect();
        let devices = account.body.devices.iter().map(|device| OwnDevice {
            device: *device,
            at: ground
                .directory
                .attachment(&address, *device)
                .map(|last| node_info(&ground.directory, last.node, |id| ground.alive.contains(id))),
            here: here.contains(device),
        });
        let (counter, password) = (account.body.counter, account.body.has_password());
        Some(Notice::Devices { id, counter, devices: devices.collect(), password })
    }

    /// A device takes another of its account, or itself, out: what home is told.
    pub(super) fn on_revoke(
        &mut self,
        ground: &mut Ground,
        session: SessionId,
        device: DeviceId,
        counter: u32,
        signature: Signature,
    ) -> Result<DevicesFrame, Failure> {
        let Some(known) = ground.who.session(session) else {
            return Err(Failure::new(0, Code::NoSession, "the session is over"));
        };
        let (address, key) = (known.own.address.clone(), known.key);
        let known = ground.directory.account(&address);
        if known.is_none_or(|account| !account.body.devices.contains(&device)) {
            return Err(Failure::new(0, Code::NoSuchDevice, "the account has no such device"));
        }
        if known.is_some_and(|account| account.body.devices.len() == 1) {
            // the name would be anybody's
            return Err(Failure::new(0, Code::WrongState, "it is the account's only device"));
        }
        if !verify(&key, DevicesFrame::revoke_text(&address, &device, counter).as_bytes(), &signature) {
            return Err(Failure::new(0, Code::BadSignature, "the signature does not verify"));
        }
        let body = Body::Revoke { device, counter, key, signature };
        Ok(DevicesFrame { request: Bytes(ground.random()), address, body })
    }

    /// A device sets the password of its account, or takes it away: what home is told.
    pub(super) fn on_password(
        &mut self,
        ground: &mut Ground,
        session: SessionId,
        counter: u32,
        secret: Option<Secret>,
        signature: Signature,
    ) -> Option<DevicesFrame> {
        let known = ground.who.session(session)?;
        let (address, key) = (known.own.address.clone(), known.key);
        let body = Body::Password { counter, secret, key, signature };
        Some(DevicesFrame { request: Bytes(ground.random()), address, body })
    }

    /// Says to home what a device of the account wants; the page has had its `ok` before what comes of it.
    pub(super) fn say_home(
        &mut self,
        ground: &mut Ground,
        now: Time,
        DevicesFrame { request, address, body }: DevicesFrame,
    ) {
        self.say(ground, now, (address.home, Part::Home), request, address, body);
    }
}
