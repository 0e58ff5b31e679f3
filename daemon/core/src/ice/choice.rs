//! Which other nodes' STUN a page is given: two or three, on different sides of the mesh, near ones first.
//!
//! A page behind masquerade has another address on each side that its router reaches the mesh by, and only a server
//! there can tell it. A pure function of what is known now and of what was chosen before: who was chosen stays until
//! another is clearly nearer, since every change is told to every page. Called by the daemon's `node/servers.rs`.

use super::Side;

/// Most other nodes whose STUN a page is given, each on a side of its own: browsers gather from all of them, and
/// their candidates go over the wire.
pub const MAX_REMOTE: usize = 3;
/// As many even on one side: one may die, or be silent.
pub const MIN_REMOTE: usize = 2;

/// What a node is taken for that was not measured yet, in milliseconds: worse than most of a mesh.
const UNKNOWN_MS: u32 = 500;
/// What each percent of loss counts for, in milliseconds: a lost question is asked again after 500.
const LOSS_MS: u32 = 10;
/// By how much another must be nearer than one that was chosen, in milliseconds, and that by a half.
const MARGIN_MS: u32 = 20;

/// A node whose STUN could be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate<T> {
    /// What it is called.
    pub server: T,
    /// By which way it is reached, when that is known.
    pub side: Option<Side>,
    /// Measured round trip in milliseconds.
    pub rtt_ms: Option<u32>,
    /// Measured loss of round trips, in percent.
    pub loss_pct: Option<u32>,
}

impl<T: Copy + Ord> Candidate<T> {
    /// How far it is; those chosen before count as nearer than they are.
    fn distance(&self, before: &[T]) -> (u32, T) {
        let loss = self.loss_pct.unwrap_or(0).min(100) * LOSS_MS;
        let far = self.rtt_ms.unwrap_or(UNKNOWN_MS).saturating_add(loss);
        let stays = before.contains(&self.server);
        // the name decides between equals, so that all turns come to the same
        (if stays { (far / 2).saturating_sub(MARGIN_MS) } else { far }, self.server)
    }
}

/// The servers to give, the nearest first.
pub fn choose<T: Copy + Ord>(candidates: &[Candidate<T>], before: &[T]) -> Vec<T> {
    let mut near: Vec<&Candidate<T>> = candidates.iter().collect();
    near.sort_by_key(|one| (one.distance(before), one.side));
    let mut chosen: Vec<&Candidate<T>> = Vec::new();
    // one for each side that is known, then whoever is near
    for one in &near {
        let new = one.side.is_some() && chosen.iter().all(|other| other.side != one.side);
        if new && chosen.len() < MAX_REMOTE {
            chosen.push(one);
        }
    }
    for one in &near {
        if chosen.len() < MIN_REMOTE && chosen.iter().all(|other| other.server != one.server) {
            chosen.push(one);
        }
    }
    chosen.into_iter().map(|one| one.server).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(server: char, side: Side, rtt_ms: u32) -> Candidate<char> {
        Candidate { server, side: Some(side), rtt_ms: Some(rtt_ms), loss_pct: Some(0) }
    }

    fn text(chosen: &[char]) -> String {
        chosen.iter().collect()
    }

    #[test]
    fn each_side_has_its_nearest_and_three_are_enough() {
        let mesh = [node('a', 1, 9), node('b', 1, 5), node('c', 2, 40), node('d', 3, 30), node('e', 4, 99)];
        assert_eq!(text(&choose(&mesh, &[])), "bdc");
        assert_eq!(text(&choose(&mesh[..3], &[])), "bc");
    }

    #[test]
    fn on_one_side_there_are_two_and_of_one_node_there_is_one() {
        let mesh = [node('a', 1, 9), node('b', 1, 5), node('c', 1, 7)];
        assert_eq!(text(&choose(&mesh, &[])), "bc");
        assert_eq!(text(&choose(&mesh[..1], &[])), "a");
        assert_eq!(text(&choose::<char>(&[], &['a'])), "");
    }

    #[test]
    fn who_loses_half_or_was_never_measured_comes_last() {
        let lossy = Candidate { loss_pct: Some(50), ..node('a', 1, 5) };
        let unknown = Candidate { rtt_ms: None, loss_pct: None, ..node('b', 1, 0) };
        assert_eq!(text(&choose(&[lossy, unknown, node('c', 1, 90), node('d', 1, 80)], &[])), "dc");
    }

    #[test]
    fn a_side_that_is_not_known_counts_only_when_there_is_room() {
        let unknown = |server| Candidate { side: None, ..node(server, 0, 1) };
        let mesh = [unknown('a'), unknown('b'), unknown('c'), node('d', 1, 50), node('e', 2, 60)];
        assert_eq!(text(&choose(&mesh, &[])), "de");
        assert_eq!(text(&choose(&mesh[..4], &[])), "da");
        assert_eq!(text(&choose(&mesh[..3], &[])), "ab");
    }

    #[test]
    fn a_choice_does_not_flicker_but_follows_what_is_clearly_nearer() {
        let mesh = |a, b| [node('a', 1, a), node('b', 1, b), node('c', 2, 5)];
        let mut chosen = choose(&mesh(40, 50), &[]);
        assert_eq!(text(&chosen), "ca");
        for (a, b) in [(60, 40), (45, 90), (80, 30), (90, 26)] {
            chosen = choose(&mesh(a, b), &chosen);
            assert!(chosen.contains(&'a') && chosen.len() == 2, "a stays at {a} ms beside {b}");
        }
        assert_eq!(text(&choose(&mesh(160, 20), &chosen)), "cb");
    }
}
