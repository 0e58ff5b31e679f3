//! Who is here: the sessions of this node's pages, by number and by device.

use truca_core::directory::record::{Attachment, Proven};
use truca_core::id::DeviceId;
use truca_core::name::{Address, Display};
use truca_core::signal::call::SessionId;
use truca_core::sorted::Map;
use truca_core::wire::bytes::Point;
use truca_core::wire::node::Device;

use crate::event::PageId;

/// A device that is attached here.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) own: Device,
    /// Its key.
    pub(super) key: Point,
    /// Its socket, when it has one now.
    pub(super) page: Option<PageId>,
}

/// What signing in has established.
pub(super) struct Signed {
    pub(super) own: Device,
    pub(super) display: Display,
    pub(super) created: bool,
    /// The attachment to publish now.
    pub(super) here: Proven<Attachment>,
    /// The attachment to publish when the session ends.
    pub(super) gone: Proven<Attachment>,
}

/// All of them; their number is bounded where somebody signs in (`people.rs`).
#[derive(Debug, Default)]
pub(super) struct Who {
    sessions: Map<SessionId, Session>,
    /// The session of each device.
    devices: Map<Device, SessionId>,
}

impl Who {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// A session has begun.
    pub(super) fn insert(&mut self, session: SessionId, who: Session) {
        self.devices.insert(who.own.clone(), session);
        self.sessions.insert(session, who);
    }

    /// A session is over.
    pub(super) fn remove(&mut self, session: SessionId) -> Option<Session> {
        let gone = self.sessions.remove(&session)?;
        self.devices.remove(&gone.own);
        Some(gone)
    }

    /// A session has another socket, or none.
    pub(super) fn at(&mut self, session: SessionId, page: Option<PageId>) {
        if let Some(known) = self.sessions.get_mut(&session) {
            known.page = page;
        }
    }

    /// Whose session it is.
    pub(super) fn session(&self, session: SessionId) -> Option<&Session> {
        self.sessions.get(&session)
    }

    /// The account of a session.
    pub(super) fn address(&self, session: SessionId) -> Option<&Address> {
        self.sessions.get(&session).map(|known| &known.own.address)
    }

    /// Its socket, when it has one now.
    pub(super) fn page(&self, session: SessionId) -> Option<PageId> {
        self.sessions.get(&session)?.page
    }

    /// The session of a device that is attached here.
    pub(super) fn session_of(&self, device: &Device) -> Option<SessionId> {
        self.devices.get(device).copied()
    }

    /// The sessions of an account.
    pub(super) fn of_account<'a>(&'a self, address: &'a Address) -> impl Iterator<Item = SessionId> + 'a {
        let first = Device { address: address.clone(), device: DeviceId([0; 16]) };
        let devices = self.devices.range(first..).take_while(|(device, _)| device.address == *address);
        devices.map(|(_, session)| *session)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(session, known)| (*session, known))
    }
}
