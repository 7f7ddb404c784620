//! One property of the table at a time, single-threaded, with geometries chosen to provoke it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{
    Cause, Entry, FlowId, FlowTable, Geometry, InsertError, NewFlow, Reclaimed, Remaining, Shard,
    Side, TableConfig, TableError, Value,
};
use crate::direction::{DirFlags, Direction};
use crate::key::{Addr, FlowKey, Generation, Millis, Port, Proto, Tick, WorkerId};

const NEVER: Tick = Tick(u64::MAX);

fn key(client: u32, sport: u16) -> FlowKey {
    FlowKey {
        src: Addr::from_v4(u32::from(Ipv4Addr::new(10, 0, 0, 0)) + client),
        dst: Ipv4Addr::new(198, 51, 100, 7).into(),
        sport: Port(sport),
        dport: Port(443),
        proto: Proto::TCP,
    }
}

/// A flow of that client whose answers go to a pool address and a port that name the client too.
fn flow(client: u32) -> NewFlow {
    let original = key(client, 40_000);
    let translated = FlowKey { src: Addr::from_v4(0xcb00_7100 + (client >> 16)), ..original };
    let sport = Port(u16::try_from(client & 0xffff).expect("masked"));
    NewFlow {
        original,
        reply: FlowKey { sport, ..translated }.reversed(),
        original_value: Value([1, 2, 3, u64::from(client)]),
        reply_value: Value([5, 6, 7, u64::from(client)]),
        generation: Generation(9),
        rule: 77,
        mapping: u64::from(client) << 32,
        original_direction: Direction { packets: 1, bytes: 60, ..Direction::default() },
        reply_direction: Direction::default(),
        now: Tick(1000),
        expires: Millis(30_000),
    }
}

fn table(flows: u32, workers: u16) -> Arc<FlowTable> {
    Arc::new(FlowTable::new(TableConfig { flows, workers, seed: 1 }).expect("a small table"))
}

fn with_buckets(flows: u32, buckets: u32) -> Arc<FlowTable> {
    let geometry = Geometry { flows, workers: 1, buckets, chunk: 1 };
    Arc::new(FlowTable::with_geometry(geometry, 1).expect("a small table"))
}

fn shard(table: &Arc<FlowTable>, worker: u16) -> Shard {
    table.shard(WorkerId(worker)).expect("taken once")
}

fn find(table: &FlowTable, key: &FlowKey) -> Option<Entry> {
    table.find(table.hash(key), key)
}

/// Passes boundaries until everything killed is reclaimed.
fn drain(shard: &mut Shard, now: Tick) -> Vec<Reclaimed> {
    let mut gone = Vec::new();
    loop {
        shard.quiesce();
        let left = shard.maintain(now, 64, |_, _, _| NEVER, |reclaimed| gone.push(reclaimed));
        if left == Remaining::Nothing {
            return gone;
        }
    }
}

#[test]
fn a_flow_is_found_by_both_keys_with_all_it_carries() {
    let table = table(16, 1);
    let mut shard = shard(&table, 0);
    let new = flow(3);
    let entry = shard.insert(&new).expect("an empty table");
    assert_eq!(find(&table, &new.original), Some(entry));
    let reply = find(&table, &new.reply).expect("the reply key is found too");
    assert_eq!((entry.side(), reply.side()), (Side::Original, Side::Reply));
    assert_eq!((reply.peer(), reply.original(), reply.flow()), (entry, entry, entry.flow()));
    assert_eq!(table.key(entry), Some(new.original));
    assert_eq!(table.key(reply), Some(new.reply));
    assert_eq!(table.value(entry), Some(new.original_value));
    assert_eq!(table.value(reply), Some(new.reply_value));
    assert_eq!(table.generation(reply), Some(Generation(9)));
    assert_eq!(table.direction(entry), Some(new.original_direction));
    assert_eq!(table.peer_direction(reply), Some(new.original_direction));
    assert_eq!(find(&table, &key(4, 1)), None);
    assert_eq!(table.len(), 1);
}

#[test]
fn what_is_written_through_an_entry_is_read_back() {
    let table = table(16, 1);
    let mut shard = shard(&table, 0);
    let entry = shard.insert(&flow(3)).expect("an empty table");
    let direction = Direction {
        last_seen: Tick((1 << 48) - 1),
        packets: u64::MAX,
        bytes: u64::MAX - 1,
        flags: DirFlags(0xdead_beef),
        end: 0x8000_0001,
        max_end: 0x7fff_fffe,
        max_win: 65_535 << 14,
        ack: 0x0bad_cafe,
        scale: 14,
    };
    table.store_direction(entry, &direction);
    table.set_value(entry, Value([11, 12, 13, 14]));
    table.set_generation(entry, Generation(10));
    table.set_origin(entry, 78, 5);
    assert_eq!(table.direction(entry), Some(direction));
    assert_eq!(table.value(entry), Some(Value([11, 12, 13, 14])));
    assert_eq!(table.generation(entry), Some(Generation(10)));
    assert_eq!(table.generation(entry.peer()), Some(Generation(9)), "each side is judged itself");
    let snapshot = table.snapshot_flow(entry.flow()).expect("a live flow");
    assert_eq!((snapshot.rule, snapshot.name, snapshot.mapping), (78, 5, 3 << 32));
    assert_eq!(
        (snapshot.entry, snapshot.owner, snapshot.created),
        (entry, WorkerId(0), Tick(1000))
    );
    assert_eq!(snapshot.original.direction, direction);
    assert_eq!(snapshot.original.value, Value([11, 12, 13, 14]));
    assert_eq!(snapshot.reply.direction, Direction::default());
    assert_eq!(table.snapshot_flow(FlowId(entry.flow().0 ^ 1)), None);
    assert_eq!(table.snapshot_flow(FlowId(16)), None, "there is no such number");
}

#[test]
fn the_turn_of_a_value_wraps_without_touching_the_time_beside_it() {
    let table = table(16, 1);
    let mut shard = shard(&table, 0);
    let entry = shard.insert(&flow(3)).expect("an empty table");
    let direction = Direction { last_seen: Tick(0x1234_5678_9abc), ..Direction::default() };
    table.store_direction(entry, &direction);
    for round in 0..40_000 {
        table.set_value(entry, Value([round; 4]));
    }
    assert_eq!(table.value(entry), Some(Value([39_999; 4])));
    assert_eq!(table.direction(entry), Some(direction));
}

#[test]
fn a_window_that_no_tcp_has_is_kept_as_the_largest() {
    let table = table(16, 1);
    let entry = shard(&table, 0).insert(&flow(3)).expect("an empty table");
    let direction = Direction { max_win: u32::MAX, scale: 255, ..Direction::default() };
    table.store_direction(entry, &direction);
    let kept = table.direction(entry).expect("current");
    assert_eq!((kept.max_win, kept.scale), (((1 << 24) - 1) * 64, 255));
}

#[test]
fn a_killed_flow_is_gone_at_once_and_reported_once_after_the_grace_period() {
    let table = table(16, 2);
    let (mut owner, mut other) = (shard(&table, 0), shard(&table, 1));
    let new = flow(3);
    let entry = owner.insert(&new).expect("an empty table");
    assert!(table.is_live(entry));
    assert!(table.kill(entry.peer(), Cause::Revoked));
    assert!(!table.kill(entry, Cause::Closed), "it has ended already");
    assert!(!table.is_live(entry));
    assert_eq!(find(&table, &new.original), None);
    assert_eq!(find(&table, &new.reply), None);
    assert_eq!(table.snapshot_flow(entry.flow()), None);

    // The other worker still forwards a packet of it.
    let mut gone = Vec::new();
    for _ in 0..3 {
        owner.quiesce();
        let left = owner.maintain(Tick(2000), 64, |_, _, _| NEVER, |flow| gone.push(flow));
        assert_eq!(left, Remaining::Grace);
    }
    let last = Direction { packets: 2, bytes: 99, ..Direction::default() };
    table.store_direction(entry, &last);
    other.quiesce();
    let left = owner.maintain(Tick(2000), 64, |_, _, _| NEVER, |flow| gone.push(flow));
    assert_eq!(left, Remaining::Nothing);
    let [gone] = &gone[..] else { panic!("reported once: {gone:?}") };
    assert_eq!((gone.original, gone.reply), (new.original, new.reply));
    assert_eq!((gone.rule, gone.mapping, gone.cause), (77, 3 << 32, Cause::Revoked));
    assert_eq!(gone.original_direction, last, "the last packet is in the report");
    assert_eq!(drain(&mut owner, Tick(2000)), []);
    assert_eq!(table.len(), 0);

    // The same records, another flow: the old handle reads nothing of it.
    let next = owner.insert(&flow(4)).expect("room");
    assert_eq!(next.flow(), entry.flow());
    assert_eq!(table.key(entry), None);
    assert_eq!(table.value(entry), None);
    assert_eq!(table.generation(entry), None);
    assert_eq!(table.direction(entry), None);
    assert!(!table.is_live(entry) && table.is_live(next));
    assert!(!table.kill(entry, Cause::Cleared));
    table.store_direction(entry, &Direction::default());
    table.set_value(entry, Value::default());
    table.set_generation(entry, Generation(1));
    table.set_origin(entry, 0, 0);
    let snapshot = table.snapshot_flow(next.flow()).expect("live");
    assert_eq!(snapshot.original.value, flow(4).original_value);
    assert_eq!((snapshot.original.generation, snapshot.rule), (Generation(9), 77));
}

#[test]
fn a_key_is_in_the_table_once() {
    let table = table(16, 1);
    let mut shard = shard(&table, 0);
    let new = flow(3);
    shard.insert(&new).expect("an empty table");
    assert_eq!(shard.insert(&new), Err(InsertError::OriginalTaken));
    let same_reply = NewFlow { reply: new.reply, ..flow(4) };
    assert_eq!(shard.insert(&same_reply), Err(InsertError::ReplyTaken));
    let crossed = NewFlow { original: new.reply, ..flow(4) };
    assert_eq!(shard.insert(&crossed), Err(InsertError::OriginalTaken));
    let own_answer = NewFlow { reply: flow(4).original, ..flow(4) };
    assert_eq!(shard.insert(&own_answer), Err(InsertError::ReplyTaken));
    assert_eq!(find(&table, &flow(4).original), None, "a refused flow leaves nothing");
    assert_eq!((table.len(), table.stats().taken), (1, 4));
}

#[test]
fn one_worker_can_use_every_flow_whatever_others_had() {
    for workers in 1..=4 {
        for flows in [1, 2, 16, 100, 1000] {
            let table = table(flows, workers);
            let mut shards: Vec<_> = (0..workers).map(|worker| shard(&table, worker)).collect();
            // Everybody has had some, and has them back in hand.
            for (worker, shard) in (0..).zip(&mut shards) {
                for client in 0..flows / u32::from(workers) {
                    // The last one may find what is left in the hands of the others.
                    if let Ok(entry) = shard.insert(&flow(worker << 16 | client)) {
                        table.kill(entry, Cause::Closed);
                    }
                }
            }
            for _ in 0..3 {
                for shard in &mut shards {
                    shard.quiesce();
                    shard.maintain(Tick(0), 1000, |_, _, _| NEVER, |_| {});
                }
            }
            assert_eq!(table.len(), 0);
            let mut held = 0;
            for round in 0..3 {
                while let Ok(entry) = shards[0].insert(&flow(held)) {
                    assert_eq!(table.direction(entry), Some(flow(0).original_direction));
                    held += 1;
                }
                // Whoever has flows in hand sees that they are wanted.
                for shard in &mut shards {
                    shard.quiesce();
                    shard.maintain(Tick(0), 1000, |_, _, _| NEVER, |_| {});
                }
                assert!(round > 0 || held > 0);
            }
            assert_eq!(held, flows, "of {workers} workers");
            assert_eq!(table.stats().no_slot, 0);
            assert_eq!(shards[0].insert(&flow(flows)), Err(InsertError::Full));
            assert!((0..flows).all(|client| find(&table, &flow(client).original).is_some()));
        }
    }
}

#[test]
fn a_full_table_is_used_to_the_last_record_and_again() {
    let flows = 1 << 16;
    let table = table(flows, 1);
    let mut shard = shard(&table, 0);
    for client in 0..flows {
        shard.insert(&flow(client)).expect("half load leaves room in the buckets");
    }
    assert_eq!(shard.insert(&flow(flows)), Err(InsertError::Full));
    assert_eq!((table.stats().no_flow, table.stats().no_slot), (1, 0));
    for client in (0..flows).step_by(3) {
        let entry = find(&table, &flow(client).original).expect("held");
        assert!(table.kill(entry, Cause::Cleared));
    }
    let gone = drain(&mut shard, Tick(0));
    assert_eq!(gone.len(), flows.div_ceil(3) as usize);
    for client in (0..flows).step_by(3) {
        shard.insert(&flow(flows + client)).expect("room again");
    }
    for client in 0..flows {
        let present = find(&table, &flow(client).original).is_some();
        assert_eq!(present, client % 3 != 0);
    }
}

#[test]
fn keys_that_all_meet_in_the_same_buckets_are_refused_when_those_are_full() {
    for (buckets, fit) in [(1, 4), (2, 8)] {
        let table = with_buckets(64, buckets);
        let mut shard = shard(&table, 0);
        let held: Vec<_> = (0..fit)
            .map(|client| shard.insert(&flow(client)).expect("a slot for each key"))
            .collect();
        assert_eq!(shard.insert(&flow(fit)), Err(InsertError::Full));
        assert_eq!((table.stats().no_slot, table.len()), (1, u64::from(fit)));
        for (client, &entry) in (0..).zip(&held) {
            assert_eq!(find(&table, &flow(client).original), Some(entry));
            assert_eq!(find(&table, &flow(client).reply), Some(entry.peer()));
        }
        table.kill(held[1], Cause::Closed);
        let entry = shard.insert(&flow(fit)).expect("slots are free at once, records later");
        assert_eq!(find(&table, &flow(fit).original), Some(entry));
        assert_eq!(drain(&mut shard, Tick(0)).len(), 1);
    }
}

#[test]
fn keys_with_one_tag_are_told_apart() {
    let table = with_buckets(16, 2);
    let mut shard = shard(&table, 0);
    // Tags are 32 bits: among 200,000 keys some five pairs share one. Find such a pair.
    let mut tags = std::collections::HashMap::new();
    let (a, b) = (0..400_000)
        .find_map(|client| {
            let tag = table.hash(&flow(client).original).tag();
            tags.insert(tag, client).map(|other| (other, client))
        })
        .expect("a birthday");
    let first = shard.insert(&flow(a)).expect("room");
    assert_eq!(find(&table, &flow(b).original), None);
    let second = shard.insert(&flow(b)).expect("an equal tag is not an equal key");
    assert_eq!(find(&table, &flow(a).original), Some(first));
    assert_eq!(find(&table, &flow(b).original), Some(second));
    table.prefetch_buckets(table.hash(&flow(a).original));
    table.prefetch_record(table.hash(&flow(a).original));
    table.prefetch_record(table.hash(&flow(12).original));
}

#[test]
fn tables_that_cannot_be_are_refused_in_words() {
    let config = TableConfig { flows: 0, workers: 1, seed: 0 };
    let none = FlowTable::new(config).expect_err("no flows");
    assert_eq!(none, TableError::Flows(0));
    assert_eq!(none.to_string(), "0 flows; a table holds 1 to 268435456");
    let config = TableConfig { flows: 1, workers: 0, seed: 0 };
    assert_eq!(FlowTable::new(config).expect_err("no workers"), TableError::NoWorkers);
    let table = table(1, 1);
    let first = shard(&table, 0);
    assert_eq!(table.shard(WorkerId(0)).expect_err("taken"), TableError::ShardTaken(WorkerId(0)));
    assert_eq!(
        table.shard(WorkerId(1)).expect_err("made for one"),
        TableError::NoSuchWorker(WorkerId(1))
    );
    drop(first);
    assert!(table.shard(WorkerId(0)).is_ok(), "given back");
}
