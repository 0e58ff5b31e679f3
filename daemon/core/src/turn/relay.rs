//! The path of what is relayed (RFC 8656 sections 11 and 12): no copy, no allocation, no answer.
//!
//! From a client: ChannelData or a Send indication; what stands in it goes to the peer. From a peer: the
//! driver reads behind [`HEADROOM`], and a header of four bytes (a channel) or of a Data indication is written
//! before it.

use core::net::SocketAddr;
use core::ops::Range;

use rand::Rng;

use super::client::{Action, Client, RelayId, Via};
use super::server::{Server, bump};
use super::{HEADROOM, TAILROOM, attribute, method, policy};
use crate::Time;
use crate::stun::{Class, MAX_UNKNOWN, Message, Writer, read_xor_address};

/// Bytes for a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToClient {
    /// Which client.
    pub client: Client,
    /// Which bytes of the buffer.
    pub bytes: Range<usize>,
}

impl Server {
    /// A datagram of `length` bytes from a peer, in `buffer` behind [`HEADROOM`] and before [`TAILROOM`].
    pub fn handle_peer(
        &mut self,
        now: Time,
        relay: RelayId,
        peer: SocketAddr,
        buffer: &mut [u8],
        length: usize,
    ) -> Option<ToClient> {
        if buffer.len() < HEADROOM + length + TAILROOM || length > usize::from(u16::MAX) - HEADROOM {
            return None;
        }
        let allocation = self.allocation(relay)?;
        let (client, account) = (allocation.client, allocation.account);
        if !allocation.permits(now, peer.ip()) {
            bump(&mut self.counters.not_permitted);
            return None;
        }
        let channel = allocation.channel_of(now, peer);
        if !self.may_pass(now, account, length) {
            return None;
        }
        bump(&mut self.counters.to_clients);
        let end = HEADROOM + length;
        let padded = HEADROOM + length.next_multiple_of(4);
        let bytes = match channel {
            Some(number) => {
                let start = HEADROOM - 4;
                buffer[start..start + 2].copy_from_slice(&number.to_be_bytes());
                // bounded above
                buffer[start + 2..HEADROOM].copy_from_slice(&(length as u16).to_be_bytes());
                // section 12.5: padded in a stream, as it is in a datagram
                start..if matches!(client.via, Via::Tcp(_)) { padded } else { end }
            }
            None => {
                let size = if peer.is_ipv4() { HEADROOM - 12 } else { HEADROOM };
                let start = HEADROOM - size;
                let mut transaction = [0; 12];
                self.rng.fill_bytes(&mut transaction);
                let mut head =
                    Writer::new(&mut buffer[start..HEADROOM], Class::Indication, method::DATA, &transaction);
                head.xor_address(attribute::XOR_PEER_ADDRESS, peer);
                head.open(attribute::DATA, length);
                head.finish()?;
                start..padded
            }
        };
        // what was in the buffer before is nobody's business
        buffer[end..padded].fill(0);
        Some(ToClient { client, bytes })
    }

    /// RFC 8656 section 12.6.
    pub(super) fn handle_channel_data(&mut self, now: Time, client: Client, packet: &[u8]) -> Action {
        let &[high, low, size_high, size_low, ref rest @ ..] = packet else {
            bump(&mut self.counters.ignored);
            return Action::Silence;
        };
        let size = usize::from(u16::from_be_bytes([size_high, size_low]));
        // a datagram may be padded, or not
        if size > rest.len() || rest.len() > size.next_multiple_of(4) {
            bump(&mut self.counters.ignored);
            return Action::Silence;
        }
        let number = u16::from_be_bytes([high, low]);
        let found = self.clients.get(&client).and_then(|relay| {
            let peer = self.allocation(*relay)?.peer_of(now, number)?;
            Some((*relay, peer))
        });
        self.send(now, found, 4..4 + size)
    }

    /// RFC 8656 section 11.2.
    pub(super) fn handle_send(
        &mut self,
        now: Time,
        client: Client,
        packet: &[u8],
        message: &Message<'_>,
    ) -> Action {
        let peer = message
            .attribute(attribute::XOR_PEER_ADDRESS)
            .and_then(|value| read_xor_address(value, &message.transaction()));
        let data = message.attribute(attribute::DATA);
        let mut unknown = [0; 2 * MAX_UNKNOWN];
        // DONT-FRAGMENT among them: section 11.2 lets a server that cannot set the bit drop it
        let known = |kind| matches!(kind, attribute::XOR_PEER_ADDRESS | attribute::DATA);
        let (Some(peer), Some(data), true) = (peer, data, message.unknown(known, &mut unknown).is_empty())
        else {
            bump(&mut self.counters.ignored);
            return Action::Silence;
        };
        let found = self.clients.get(&client).filter(|relay| {
            self.allocation(**relay).is_some_and(|allocation| allocation.permits(now, peer.ip()))
        });
        // the value lies within the packet
        let start = data.as_ptr() as usize - packet.as_ptr() as usize;
        self.send(now, found.map(|relay| (*relay, peer)), start..start + data.len())
    }

    fn send(&mut self, now: Time, found: Option<(RelayId, SocketAddr)>, payload: Range<usize>) -> Action {
        let allowed = found.filter(|(relay, peer)| {
            let own = self.settings.ipv4.map(Into::into) == Some(peer.ip())
                || self.settings.ipv6.map(Into::into) == Some(peer.ip());
            peer.port() >= policy::LOWEST_PORT
                && if own { self.is_relay(*peer) } else { !self.settings.policy.own.contains(&peer.ip()) }
                && self.allocation(*relay).is_some_and(|a| a.opening.is_none())
        });
        let Some((relay, peer)) = allowed else {
            bump(&mut self.counters.not_permitted);
            return Action::Silence;
        };
        let account = self.allocation(relay).map_or(0, |allocation| allocation.account);
        if !self.may_pass(now, account, payload.len()) {
            return Action::Silence;
        }
        bump(&mut self.counters.to_peers);
        Action::Relay { relay, peer, payload }
    }

    /// Takes so many bytes from both buckets, or from none.
    fn may_pass(&mut self, now: Time, account: u16, bytes: usize) -> bool {
        // a datagram's length fits
        let bytes = bytes as u32;
        let Some(own) = self.accounts.bucket(account) else { return false };
        let passes = own.has(now, bytes) && self.bucket.has(now, bytes);
        if passes {
            own.take(bytes);
            self.bucket.take(bytes);
        } else {
            bump(&mut self.counters.over_rate);
        }
        passes
    }
}
