//! Flows that are read while their words change or their records are used anew.

use std::sync::Arc;

use loom::thread;

use super::{direction, explore_all, explore_within, find, flow, key, reuse, shard, table, value};
use crate::key::Generation;

#[test]
fn a_snapshot_is_of_one_flow_whatever_becomes_of_it() {
    explore_within(3, || {
        let table = table(1, 1);
        let mut owner = shard(&table, 0);
        let entry = owner.insert(&flow(1, 2, 1)).expect("an empty table");
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let Some(seen) = table.snapshot_flow(entry.flow()) else { return };
                let n = u8::try_from(seen.rule).expect("small");
                assert_eq!(seen.mapping, seen.rule);
                assert_eq!(seen.original.generation, Generation(u32::from(n)));
                assert_eq!(seen.original.key, key(if n == 1 { 1 } else { 3 }));
                assert_eq!(seen.reply.value, value(n));
                assert_eq!(seen.reply.direction, direction(n));
            })
        };
        reuse(&table, &mut owner, entry, &flow(3, 4, 9));
        reader.join().expect("no panic");
    });
}

#[test]
fn a_lookup_without_a_worker_never_gets_another_flows_words() {
    explore_within(3, || {
        let table = table(1, 1);
        let mut owner = shard(&table, 0);
        let entry = owner.insert(&flow(1, 2, 1)).expect("an empty table");
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                let Some(found) = find(&table, 1) else { return };
                assert_eq!(found, entry);
                assert!(table.value(found).is_none_or(|seen| seen == value(1)));
                assert!(table.direction(found).is_none_or(|seen| seen == direction(1)));
                assert!(table.key(found).is_none_or(|seen| seen == key(1)));
            })
        };
        reuse(&table, &mut owner, entry, &flow(3, 4, 9));
        reader.join().expect("no panic");
    });
}

#[test]
fn a_lookup_without_a_worker_never_finds_a_flow_before_it_is_published() {
    explore_within(3, || {
        let table = table(1, 1);
        let mut owner = shard(&table, 0);
        let entry = owner.insert(&flow(1, 2, 1)).expect("an empty table");
        let reader = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                if let Some(found) = find(&table, 1)
                    && found != entry
                {
                    assert_eq!(find(&table, 1), Some(found), "nobody ends the second flow");
                }
            })
        };
        reuse(&table, &mut owner, entry, &flow(1, 2, 1));
        reader.join().expect("no panic");
    });
}

#[test]
fn a_direction_is_read_whole_while_it_is_written() {
    explore_all(|| {
        let table = table(1, 1);
        let mut owner = shard(&table, 0);
        let entry = owner.insert(&flow(1, 2, 1)).expect("an empty table");
        let peer = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                if let Some(seen) = table.peer_direction(entry.peer()) {
                    assert_eq!(seen, direction(seen.scale), "torn");
                }
                assert_eq!(table.value(entry), Some(value(1)), "nobody writes it");
            })
        };
        for n in [2, 3] {
            table.store_direction(entry, &direction(n));
        }
        peer.join().expect("no panic");
        assert_eq!(table.direction(entry), Some(direction(3)));
    });
}

#[test]
fn a_value_is_read_whole_while_it_is_written() {
    explore_all(|| {
        let table = table(1, 1);
        let mut owner = shard(&table, 0);
        let entry = owner.insert(&flow(1, 2, 1)).expect("an empty table");
        let other = {
            let table = Arc::clone(&table);
            thread::spawn(move || {
                if let Some(seen) = table.value(entry) {
                    assert!([1, 2].map(value).contains(&seen), "torn");
                }
                assert_eq!(table.direction(entry), Some(direction(1)), "nobody writes it");
            })
        };
        table.set_value(entry, value(2));
        other.join().expect("no panic");
        assert_eq!(table.value(entry), Some(value(2)));
    });
}
