//! One client's relay: its address, and the permissions and channels in it (RFC 8656 sections 6, 9 and 12).

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use ring::hmac;

use super::client::Client;
use super::credentials::Grant;
use super::quota::AccountId;
use crate::Time;
use crate::stun::TransactionId;

/// Permissions of one allocation: a browser asks for one for each address in the other's candidates.
pub const MAX_PERMISSIONS: usize = 32;

/// Channels of one allocation.
pub const MAX_CHANNELS: usize = 32;

/// How long a permission lasts (section 9).
pub(super) const PERMISSION_LIFE: Duration = Duration::from_secs(300);

/// How long a channel lasts (section 12).
pub(super) const CHANNEL_LIFE: Duration = Duration::from_secs(600);

/// One channel.
#[derive(Debug, Clone, Copy)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    ends: Time,
}

/// There is no room for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoRoom;

/// Why a channel cannot be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unbound {
    /// The number belongs to another peer, or the peer has another number.
    Taken,
    /// There is no room for another one.
    NoRoom,
}

/// One relay.
#[derive(Debug)]
pub(super) struct Allocation {
    pub(super) client: Client,
    pub(super) grant: Grant,
    /// Of MESSAGE-INTEGRITY: kept, so that it outlives the secret that it was made with.
    pub(super) key: hmac::Key,
    /// Of the Allocate request, to know a repeated one by.
    pub(super) transaction: TransactionId,
    /// Where peers reach it. While [`Self::opening`], where it shall be.
    pub(super) relayed: SocketAddr,
    /// Attempts that are left while the driver opens its socket.
    pub(super) opening: Option<Opening>,
    pub(super) ends: Time,
    pub(super) account: AccountId,
    permissions: Vec<(IpAddr, Time)>,
    channels: Vec<Channel>,
}

/// What must be remembered until the socket is open.
#[derive(Debug, Clone, Copy)]
pub(super) struct Opening {
    pub(super) attempts: u8,
    pub(super) even: bool,
    pub(super) fingerprint: bool,
    pub(super) question: usize,
}

impl Allocation {
    pub(super) fn new(
        client: Client,
        grant: Grant,
        key: hmac::Key,
        transaction: TransactionId,
        (relayed, account): (SocketAddr, AccountId),
        (ends, opening): (Time, Opening),
    ) -> Self {
        Self {
            client,
            grant,
            key,
            transaction,
            relayed,
            opening: Some(opening),
            ends,
            account,
            permissions: Vec::new(),
            channels: Vec::new(),
        }
    }

    /// Whether datagrams from and to this address pass.
    pub(super) fn permits(&self, now: Time, peer: IpAddr) -> bool {
        self.permissions.iter().any(|(ip, ends)| *ip == peer && *ends > now)
    }

    /// Gives permission to all of these, or to none.
    pub(super) fn permit(&mut self, now: Time, peers: &[IpAddr]) -> Result<(), NoRoom> {
        self.permissions.retain(|(_, ends)| *ends > now);
        let fresh = peers.iter().enumerate().filter(|(at, ip)| {
            !peers[..*at].contains(ip) && !self.permissions.iter().any(|(known, _)| known == *ip)
        });
        if self.permissions.len() + fresh.count() > MAX_PERMISSIONS {
            return Err(NoRoom);
        }
        let until = now + PERMISSION_LIFE;
        for peer in peers {
            match self.permissions.iter_mut().find(|(ip, _)| ip == peer) {
                Some((_, ends)) => *ends = until,
                None => self.permissions.push((*peer, until)),
            }
        }
        Ok(())
    }

    /// The peer of a channel.
    pub(super) fn peer_of(&self, now: Time, number: u16) -> Option<SocketAddr> {
        self.channels.iter().find(|c| c.number == number && c.ends > now).map(|channel| channel.peer)
    }

    /// The channel of a peer.
    pub(super) fn channel_of(&self, now: Time, peer: SocketAddr) -> Option<u16> {
        self.channels.iter().find(|c| c.peer == peer && c.ends > now).map(|channel| channel.number)
    }

    /// Binds a channel to a peer, or renews it, and gives permission to the peer's address.
    pub(super) fn bind(&mut self, now: Time, number: u16, peer: SocketAddr) -> Result<(), Unbound> {
        self.channels.retain(|channel| channel.ends > now);
        let known = self.channels.iter().position(|c| c.number == number || c.peer == peer);
        match known.map(|at| &self.channels[at]) {
            Some(channel) if channel.number != number || channel.peer != peer => return Err(Unbound::Taken),
            None if self.channels.len() >= MAX_CHANNELS => return Err(Unbound::NoRoom),
            _ => {}
        }
        self.permit(now, &[peer.ip()]).map_err(|NoRoom| Unbound::NoRoom)?;
        let ends = now + CHANNEL_LIFE;
        match known {
            Some(at) => self.channels[at].ends = ends,
            None => self.channels.push(Channel { number, peer, ends }),
        }
        Ok(())
    }
}
