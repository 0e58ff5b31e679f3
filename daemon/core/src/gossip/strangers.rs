//! Members without a record: how many foca may hear of. It has no bound of its own.

use std::borrow::Cow;

use foca::{Codec, Header, Message, PostcardCodec};

use super::{Gossip, MAX_STRANGERS, Member, STRANGER, SWEEP, Short};
use crate::Time;

impl Gossip {
    /// Takes those members out of a payload of which there are too many already. What does not read is left
    /// to foca, which refuses it.
    pub(super) fn without_strangers<'a>(&mut self, now: Time, payload: &'a [u8]) -> Cow<'a, [u8]> {
        let mut rest = payload;
        let Ok(header): Result<Header<Member>, _> = PostcardCodec.decode_header(&mut rest) else {
            return payload.into();
        };
        if let Message::Ack(number) = header.message {
            self.probe_answered(now, header.src.short, number);
        }
        let head = &payload[..payload.len() - rest.len()];
        let Some((count, mut rest)) = rest.split_first_chunk::<2>() else { return payload.into() };
        if header.message == Message::Broadcast {
            return payload.into();
        }
        let (mut kept, mut members) = (0u16, Vec::new());
        for _ in 0..u16::from_be_bytes(*count) {
            let before = rest;
            let Ok(member): Result<foca::Member<Member>, _> = PostcardCodec.decode_member(&mut rest) else {
                return payload.into();
            };
            if self.admits(now, member.id().short) {
                kept += 1;
                members.extend_from_slice(&before[..before.len() - rest.len()]);
            } else {
                self.counters.strangers = self.counters.strangers.wrapping_add(1);
            }
        }
        if kept == u16::from_be_bytes(*count) {
            return payload.into();
        }
        [head, &kept.to_be_bytes(), &members, rest].concat().into()
    }

    /// Whether foca may hear of a member.
    pub(super) fn admits(&mut self, now: Time, member: Short) -> bool {
        if member == self.foca.identity().short || self.peers.contains_key(&member) {
            return true;
        }
        if self.strangers.len() >= MAX_STRANGERS && now >= self.strangers_swept + SWEEP {
            self.strangers_swept = now;
            self.strangers.retain(|_, spoken_of| *spoken_of + STRANGER > now);
        }
        if self.strangers.len() < MAX_STRANGERS || self.strangers.contains_key(&member) {
            self.strangers.insert(member, now);
            return true;
        }
        false
    }
}
