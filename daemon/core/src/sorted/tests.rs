use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// One call of the map.
#[derive(Debug, Clone)]
enum Step {
    Insert(u8, u16),
    Remove(u8),
    Entry(u8, u16),
    Modify(u8),
    PopFirst,
    Retain(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Step::Insert(key, value)),
        2 => any::<u8>().prop_map(Step::Remove),
        2 => (any::<u8>(), any::<u16>()).prop_map(|(key, value)| Step::Entry(key, value)),
        1 => any::<u8>().prop_map(Step::Modify),
        1 => Just(Step::PopFirst),
        1 => (2..8_u8).prop_map(Step::Retain),
    ]
}

proptest! {
    #[test]
    fn it_is_what_a_b_tree_is(steps in prop::collection::vec(step(), 0..64), from in any::<u8>(), to in any::<u8>()) {
        let (mut ours, mut std) = (Map::new(), BTreeMap::new());
        for step in steps {
            match step {
                Step::Insert(key, value) => prop_assert_eq!(ours.insert(key, value), std.insert(key, value)),
                Step::Remove(key) => prop_assert_eq!(ours.remove(&key), std.remove(&key)),
                Step::Entry(key, value) => {
                    prop_assert_eq!(ours.entry(key).or_insert(value), std.entry(key).or_insert(value));
                }
                Step::Modify(key) => {
                    ours.entry(key).and_modify(|value| *value ^= 1).or_default();
                    std.entry(key).and_modify(|value| *value ^= 1).or_default();
                }
                Step::PopFirst => prop_assert_eq!(ours.pop_first(), std.pop_first()),
                Step::Retain(every) => {
                    ours.retain(|key, _| key % every != 0);
                    std.retain(|key, _| key % every != 0);
                }
            }
            prop_assert!(ours.iter().eq(std.iter()));
            prop_assert_eq!(ours.len(), std.len());
        }
        prop_assert_eq!(ours.get(&from), std.get(&from));
        prop_assert_eq!(ours.first_key_value(), std.first_key_value());
        let (from, to) = (from.min(to), from.max(to));
        prop_assert!(ours.range(from..to).eq(std.range(from..to)));
        prop_assert!(ours.range(from..=to).rev().eq(std.range(from..=to).rev()));
        prop_assert!(ours.range(..from).eq(std.range(..from)));
        let after = (Bound::Excluded(from), Bound::Unbounded);
        prop_assert!(ours.range(after).eq(std.range(after)));
        prop_assert!(ours.into_iter().eq(std));
    }

    #[test]
    fn a_set_is_what_a_b_tree_is(keys in prop::collection::vec(any::<u8>(), 0..64), out in any::<u8>()) {
        let (mut ours, mut std): (Set<u8>, BTreeSet<u8>) = (keys.iter().copied().collect(), keys.into_iter().collect());
        prop_assert_eq!(ours.contains(&out), std.contains(&out));
        prop_assert_eq!(ours.insert(out), std.insert(out));
        prop_assert_eq!(ours.insert(out), std.insert(out));
        prop_assert_eq!(ours.remove(&out), std.remove(&out));
        prop_assert_eq!(ours.remove(&out), std.remove(&out));
        prop_assert_eq!(ours.pop_first(), std.pop_first());
        prop_assert!(ours.iter().eq(std.iter()));
    }
}

#[test]
fn an_empty_range_is_empty_and_one_turned_round_too() {
    let map: Map<u8, u8> = [(1, 1), (5, 5)].into_iter().collect();
    assert_eq!(map.range(2..5).count(), 0);
    assert_eq!(map.range((Bound::Excluded(5), Bound::Excluded(1))).count(), 0);
}
