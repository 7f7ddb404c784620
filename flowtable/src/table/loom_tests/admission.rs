//! Flows that come: at most one of the same key, seen whole or not at all, each in records of its own.

use std::sync::Arc;

use loom::thread;

use super::{direction, explore_all, explore_within, find, flow, key, shard, table, value};
use crate::key::Generation;
use crate::sync::Lines;
use crate::table::pool::{Pool, Supply};
use crate::table::{Cause, Entry, InsertError, Side};

#[test]
fn of_two_admissions_of_one_key_at_most_one_succeeds() {
    explore_within(3, || {
        let table = table(2, 2);
        let (mut a, mut b) = (shard(&table, 0), shard(&table, 1));
        let other = thread::spawn(move || (b.insert(&flow(1, 3, 3)), b));
        let first = a.insert(&flow(1, 2, 2));
        let (second, _b) = other.join().expect("no panic");
        for (result, rival) in [(first, second), (second, first)] {
            match result {
                Ok(entry) => {
                    assert!(rival.is_err());
                    assert_eq!(find(&table, 1), Some(entry));
                }
                Err(InsertError::OriginalTaken) => assert!(rival.is_ok()),
                // A slot that the other one has emptied may still look full for a moment.
                Err(error) => assert!([InsertError::Contended, InsertError::Full].contains(&error)),
            }
        }
        assert_eq!(find(&table, 2), first.ok().map(Entry::peer), "both keys or neither");
        assert_eq!(find(&table, 3), second.ok().map(Entry::peer), "both keys or neither");
        assert_eq!(table.len(), u64::from(first.is_ok()) + u64::from(second.is_ok()));
    });
}

#[test]
fn two_admissions_do_not_miss_each_other_over_an_emptied_slot() {
    explore_within(1, || {
        let table = table(3, 2);
        let (mut a, mut b) = (shard(&table, 0), shard(&table, 1));
        // Both flows want the same slot first. One worker finds it empty; the other may still see it
        // full and claim the next one, so neither learns of the other by claiming.
        let mut in_front = (1..).filter(|&n| table.hash(&key(n)).buckets(2) == [0, 1]);
        let [old, new] = [(); 2].map(|()| in_front.next().expect("half of all keys"));
        let entry = a.insert(&flow(old, 200, 1)).expect("an empty table");
        let other = thread::spawn(move || (b.insert(&flow(new, 203, 3)), b));
        assert!(table.kill(entry, Cause::Closed));
        let first = a.insert(&flow(new, 202, 2));
        let (second, _b) = other.join().expect("no panic");
        assert!(first.is_err() || second.is_err(), "{first:?} {second:?}");
        assert_eq!(find(&table, new), first.or(second).ok());
    });
}

#[test]
fn two_admissions_that_share_no_key_both_succeed() {
    explore_within(3, || {
        let table = table(2, 2);
        let (mut a, mut b) = (shard(&table, 0), shard(&table, 1));
        let other = thread::spawn(move || (b.insert(&flow(3, 4, 2)), b));
        let first = a.insert(&flow(1, 2, 1)).expect("four slots for four keys");
        let (second, _b) = other.join().expect("no panic");
        let second = second.expect("four slots for four keys");
        assert_eq!([1, 2].map(|n| find(&table, n)), [Some(first), Some(first.peer())]);
        assert_eq!([3, 4].map(|n| find(&table, n)), [Some(second), Some(second.peer())]);
    });
}

#[test]
fn a_lookup_sees_all_of_an_admission_or_nothing() {
    explore_all(|| {
        let table = table(1, 1);
        let mut owner = shard(&table, 0);
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                for n in [1, 2] {
                    let Some(entry) = find(&table, n) else { continue };
                    assert_eq!(entry.side(), if n == 1 { Side::Original } else { Side::Reply });
                    assert_eq!(table.key(entry), Some(key(n)));
                    assert_eq!(table.value(entry), Some(value(7)));
                    assert_eq!(table.generation(entry), Some(Generation(7)));
                    assert_eq!(table.direction(entry), Some(direction(7)));
                    assert_eq!(table.peer_direction(entry), Some(direction(7)));
                }
            })
        };
        owner.insert(&flow(1, 2, 7)).expect("an empty table");
        reader.join().expect("no panic");
    });
}

#[test]
fn the_pool_gives_no_flow_to_two_workers() {
    explore_all(|| {
        let shared = Arc::new((Pool::new(2, 1), Lines::zeroed(2).expect("tiny")));
        let take_and_return = |shared: &(Pool, Lines)| {
            let (pool, cold) = shared;
            let mut supply = Supply::default();
            let first = supply.take(pool, cold).expect("two flows, two workers");
            supply.put(pool, cold, first);
            supply.give_back(pool, cold);
            supply.take(pool, cold)
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || take_and_return(&shared))
        };
        let first = take_and_return(&shared).expect("one of two flows is free");
        let second = other.join().expect("no panic").expect("one of two flows is free");
        assert_ne!(first, second);
    });
}

#[test]
fn the_pool_notices_a_top_that_left_and_came_back() {
    explore_all(|| {
        let shared = Arc::new((Pool::new(2, 1), Lines::zeroed(2).expect("tiny")));
        let take = |shared: &(Pool, Lines)| {
            let mut supply = Supply::default();
            let flow = supply.take(&shared.0, &shared.1);
            (flow, supply)
        };
        // Two lists of one flow each.
        let [first, second] = [take(&shared), take(&shared)];
        for (flow, mut supply) in [first, second] {
            supply.put(&shared.0, &shared.1, flow.expect("two flows"));
            supply.give_back(&shared.0, &shared.1);
        }
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let (top, mut supply) = take(&shared);
                let (below, _) = take(&shared);
                if let Some(top) = top {
                    supply.put(&shared.0, &shared.1, top);
                    supply.give_back(&shared.0, &shared.1);
                }
                below
            })
        };
        let mut held = [take(&shared).0, take(&shared).0, other.join().expect("no panic")]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>();
        held.sort_unstable();
        assert!(held.is_sorted_by(|a, b| a < b), "given twice: {held:?}");
    });
}
