//! Flows that go: once, and not before everybody has let go of them.

use std::sync::Arc;

use loom::thread;

use super::{direction, explore_all, find, flow, key, shard, table, upkeep};
use crate::table::{Cause, Remaining};

#[test]
fn of_two_ends_of_a_flow_one_counts_and_it_is_reclaimed_once() {
    explore_all(|| {
        let table = table(1, 1);
        let mut owner = shard(&table, 0);
        let entry = owner.insert(&flow(1, 2, 1)).expect("an empty table");
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || table.kill(entry.peer(), Cause::Revoked))
        };
        let first = table.kill(entry, Cause::Closed);
        let mut gone = Vec::new();
        upkeep(&mut owner, &mut gone);
        let second = other.join().expect("no panic");
        assert!(first != second, "one of them ended it");
        for _ in 0..3 {
            owner.quiesce();
            upkeep(&mut owner, &mut gone);
        }
        let cause = if first { Cause::Closed } else { Cause::Revoked };
        assert_eq!(gone.iter().map(|flow| flow.cause).collect::<Vec<_>>(), [cause]);
        assert_eq!((find(&table, 1), find(&table, 2), table.len()), (None, None, 0));
    });
}

#[test]
fn records_are_not_used_anew_while_a_worker_may_hold_them() {
    explore_all(|| {
        let table = table(1, 2);
        let (mut owner, mut other) = (shard(&table, 0), shard(&table, 1));
        let entry = owner.insert(&flow(1, 2, 1)).expect("an empty table");
        let worker = thread::spawn(move || {
            for n in [5, 6] {
                if let Some(found) = find(other.table(), 2) {
                    assert_eq!(found, entry.peer());
                    other.table().store_direction(found, &direction(n));
                    assert_eq!(other.table().direction(found), Some(direction(n)));
                    assert_eq!(other.table().key(found), Some(key(2)), "held within the batch");
                }
                other.quiesce();
            }
            other
        });
        assert!(table.kill(entry, Cause::Closed));
        let mut gone = Vec::new();
        for _ in 0..2 {
            upkeep(&mut owner, &mut gone);
            owner.quiesce();
        }
        if upkeep(&mut owner, &mut gone) == Remaining::Nothing {
            owner.insert(&flow(3, 4, 9)).expect("the records are free");
        }
        let _other = worker.join().expect("no panic");
        for flow in gone {
            assert_eq!(flow.original_direction, direction(1));
            let whole = [1, 5, 6].map(direction);
            assert!(whole.contains(&flow.reply_direction), "{:?}", flow.reply_direction);
        }
    });
}

#[test]
fn a_worker_that_comes_back_holds_nothing_old() {
    explore_all(|| {
        let table = table(1, 2);
        let (mut owner, mut other) = (shard(&table, 0), shard(&table, 1));
        let entry = owner.insert(&flow(1, 2, 1)).expect("an empty table");
        let worker = thread::spawn(move || {
            other.away(|| ());
            if let Some(found) = find(other.table(), 2) {
                assert_eq!(other.table().key(found), Some(key(2)), "held within the batch");
            }
            other
        });
        assert!(table.kill(entry, Cause::Closed));
        let mut gone = Vec::new();
        upkeep(&mut owner, &mut gone);
        owner.quiesce();
        if upkeep(&mut owner, &mut gone) == Remaining::Nothing {
            owner.insert(&flow(3, 4, 9)).expect("the records are free");
        }
        let _other = worker.join().expect("no panic");
    });
}
