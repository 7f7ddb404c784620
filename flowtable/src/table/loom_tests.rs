//! The table under every interleaving that loom finds, on tables of one to four flows.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p flowtable --release --lib loom`. Buckets have two slots
//! then and the wheel four. Where a bound on preemptions is given, all schedules with that many are tried.

use std::sync::Arc;

use loom::model::Builder;
use loom::thread;

use super::pool::{Pool, Supply};
use super::{
    Cause, Entry, FlowTable, Geometry, InsertError, NewFlow, Reclaimed, Remaining, Shard, Side,
    Value,
};
use crate::direction::Direction;
use crate::key::{Addr, FlowKey, Generation, Millis, Port, Proto, Tick, WorkerId};
use crate::sync::Lines;

/// All schedules.
fn explore_all(model: impl Fn() + Sync + Send + 'static) {
    explore(None, model);
}

/// All schedules with at most so many preemptions.
fn explore_within(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    explore(Some(preemptions), model);
}

fn explore(preemption_bound: Option<usize>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = preemption_bound;
    builder.max_branches = 10_000;
    builder.check(model);
}

/// Keys differ in two words, and directions in the same number: what differs decides how long loom takes.
fn key(n: u8) -> FlowKey {
    let (src, dst) = (Addr::from_v4(u32::from(n)), Addr::from_v4(1));
    FlowKey { src, dst, sport: Port(u16::from(n)), dport: Port(7), proto: Proto::UDP }
}

fn direction(n: u8) -> Direction {
    Direction { packets: u64::from(n), end: u32::from(n), scale: n, ..Direction::default() }
}

fn value(n: u8) -> Value {
    Value([u64::from(n), 0, 0, u64::from(n)])
}

/// A flow whose words say `n`, between two given keys.
fn flow(original: u8, reply: u8, n: u8) -> NewFlow {
    NewFlow {
        original: key(original),
        reply: key(reply),
        original_value: value(n),
        reply_value: value(n),
        generation: Generation(u32::from(n)),
        rule: u64::from(n),
        mapping: u64::from(n),
        original_direction: direction(n),
        reply_direction: direction(n),
        now: Tick(0),
        expires: Millis(0),
    }
}

fn table(flows: u32, workers: u16) -> Arc<FlowTable> {
    let geometry = Geometry { flows, workers, buckets: 2, chunk: 1 };
    Arc::new(FlowTable::with_geometry(geometry, 1).expect("a tiny table"))
}

fn shard(table: &Arc<FlowTable>, worker: u16) -> Shard {
    table.shard(WorkerId(worker)).expect("taken once")
}

fn find(table: &FlowTable, n: u8) -> Option<Entry> {
    table.find(table.hash(&key(n)), &key(n))
}

fn upkeep(shard: &mut Shard, gone: &mut Vec<Reclaimed>) -> Remaining {
    shard.maintain(Tick(0), 4, |_, _, _| Tick(u64::MAX), |flow| gone.push(flow))
}

#[test]
fn of_two_admissions_of_one_key_at_most_one_succeeds() {
    explore_within(2, || {
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
    explore_within(2, || {
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
fn a_snapshot_is_of_one_flow_whatever_becomes_of_it() {
    explore_within(2, || {
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

/// Ends the only flow and puts another one into its records.
fn reuse(table: &FlowTable, owner: &mut Shard, entry: Entry, next: &NewFlow) {
    assert!(table.kill(entry, Cause::Closed));
    let mut gone = Vec::new();
    assert_eq!(upkeep(owner, &mut gone), Remaining::Grace);
    owner.quiesce();
    assert_eq!(upkeep(owner, &mut gone), Remaining::Nothing);
    assert_eq!(gone.len(), 1);
    let next = owner.insert(next).expect("the records are free");
    assert_eq!(next.flow(), entry.flow());
}

#[test]
fn a_lookup_without_a_worker_never_gets_another_flows_words() {
    explore_within(2, || {
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
    explore_within(2, || {
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
