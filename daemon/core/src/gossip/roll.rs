//! The roll: everything that one node believes of members, handed to another over a link.
//!
//! Datagrams carry changes, each a few times, to members chosen by chance: somebody always misses one, and who is
//! new gets a handful at a time. So nodes compare the sum of their active members ([`Gossip::summary`] is in
//! every datagram), and where it differs one sends its whole roll. What it says of the living is taken over. Of
//! the dead it is taken over only as a doubt, and only when there are few: foca's *down* is final, and after a
//! partition each half would bury the other.
//!
//! Bounds: [`MAX_DOUBTS`]; members without a record as in datagrams ([`super::MAX_STRANGERS`]).

use std::time::Duration;

use foca::{Codec, Member as Known, PostcardCodec, State};

use super::{Effects, Gossip, Member, Short};
use crate::Time;
use crate::sorted::Map;

/// Most members that are doubted because of one roll: where more are missed, the mesh was in parts.
pub const MAX_DOUBTS: usize = 8;
/// How long who is dead to somebody else may still refute it: it was suspected for [`super::SUSPECT`] already, so
/// its answer has only to reach us too.
pub const DOUBT: Duration = Duration::from_secs(3);
/// What a roll changes is passed on in datagrams when it is no more than this: a newcomer has nothing to tell.
const TOLD_ON: usize = 64;
/// About how many bytes of a roll go into one frame.
const PIECE: usize = 32 * 1024;

/// A member that is dead to somebody else: if it says nothing until then, it is dead to us.
#[derive(Debug)]
pub(super) struct Doubt {
    due: Time,
    member: Member,
    incarnation: u16,
}

impl Gossip {
    /// The sum of the short ids of all active members and of ourselves.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// Sum and directory's digest in 32 bits, as every datagram of ours ends.
    pub(super) fn summary(&self) -> u32 {
        self.summary ^ (self.sum >> 32) as u32 ^ self.sum as u32
    }

    /// The roll, in pieces that fit a frame.
    pub fn roll(&self) -> Vec<Vec<u8>> {
        let mut pieces = vec![Vec::new()];
        let own = Known::alive(*self.foca.identity());
        for member in self.foca.iter_membership_state().chain([&own]) {
            if pieces.last().is_none_or(|piece| piece.len() > PIECE) {
                pieces.push(Vec::new());
            }
            if let Some(piece) = pieces.last_mut() {
                // writing to a growing vector does not fail
                let _ = PostcardCodec.encode_member(member, piece);
            }
        }
        pieces
    }

    /// Takes over a piece of somebody's roll. Whether it could be read.
    pub fn merge_roll(&mut self, now: Time, mut piece: &[u8]) -> bool {
        let known: Map<Short, Known<Member>> =
            self.foca.iter_membership_state().map(|member| (member.id().short, member.clone())).collect();
        let (mut news, mut doubted) = (Vec::new(), Vec::new());
        while !piece.is_empty() {
            let Ok(said): Result<Known<Member>, _> = PostcardCodec.decode_member(&mut piece) else {
                return false;
            };
            let (member, ours) = (*said.id(), known.get(&said.id().short));
            if member.short == self.foca.identity().short {
                // taken for dead: foca refutes it
                if said.state() == State::Down && member == *self.foca.identity() {
                    news.push(said);
                }
            } else if said.state() == State::Down {
                if let Some(ours) = ours.filter(|ours| *ours.id() == member && ours.state() != State::Down) {
                    doubted.push((member, ours.incarnation()));
                }
            } else if ours.is_none_or(|ours| is_news(ours, &said)) {
                if self.admits(now, member.short) {
                    news.push(said);
                } else {
                    self.counters.strangers = self.counters.strangers.wrapping_add(1);
                }
            }
        }
        if doubted.len() <= MAX_DOUBTS {
            for (member, incarnation) in doubted {
                news.push(Known::new(member, incarnation, State::Suspect));
                let due = now + DOUBT;
                self.doubts.entry(member.short).or_insert(Doubt { due, member, incarnation });
            }
        }
        let told_on = news.len() <= TOLD_ON;
        self.apply(now, news, told_on);
        true
    }

    /// Buries those of whom nothing was heard.
    pub(super) fn settle_doubts(&mut self, now: Time) {
        let due: Vec<Short> =
            self.doubts.iter().filter(|(_, d)| d.due <= now).map(|(short, _)| *short).collect();
        for short in due {
            let Some(doubt) = self.doubts.remove(&short) else { continue };
            let unrefuted = self.foca.iter_members().any(|member| {
                *member.id() == doubt.member
                    && (member.state(), member.incarnation()) == (State::Suspect, doubt.incarnation)
            });
            if unrefuted {
                self.apply(now, vec![Known::new(doubt.member, doubt.incarnation, State::Down)], true);
            }
        }
    }

    /// When the next doubt is settled.
    pub(super) fn doubt_due(&self) -> Option<Time> {
        self.doubts.values().map(|doubt| doubt.due).min()
    }

    fn apply(&mut self, now: Time, members: Vec<Known<Member>>, told_on: bool) {
        let before = self.generation();
        let mut effects = Effects::default();
        // the only errors are those of writing to a growing vector
        let _ = self.foca.apply_many(members.into_iter(), told_on, &mut effects);
        self.own_generation(before);
        self.carry_out(now, effects);
    }
}

/// Whether foca would learn from it: what says nothing new is not handed on, since foca looks through all members
/// for each.
pub(super) fn is_news(ours: &Known<Member>, said: &Known<Member>) -> bool {
    use foca::Identity as _;
    if ours.id() != said.id() {
        return !ours.id().win_addr_conflict(said.id());
    }
    ours.state() != State::Down
        && (said.incarnation() > ours.incarnation()
            || (said.incarnation() == ours.incarnation()
                && (ours.state(), said.state()) == (State::Alive, State::Suspect)))
}
