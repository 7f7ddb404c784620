//! Real threads on one small table: what each reads must be whole, and in the end nothing is missing.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;

use flowtable::direction::{DirFlags, Direction};
use flowtable::key::{Addr, FlowKey, Generation, Millis, Port, Proto, Tick, WorkerId};
use flowtable::rng::Rng;
use flowtable::table::{
    Cause, FlowId, FlowTable, InsertError, NewFlow, Remaining, Shard, TableConfig, Value,
};

const CLIENTS: u32 = 48;
const WORKERS: u16 = 2;
const ROUNDS: u32 = if cfg!(miri) { 300 } else { 1_000_000 };

/// A client's key; the reply's names the client too, so both sides of a record can be compared.
fn key(client: u32) -> FlowKey {
    FlowKey {
        src: Addr::from_v4(0x0a00_0000 + client),
        dst: Addr::from_v4(0xc633_6407),
        sport: Port(40_000),
        dport: Port(53),
        proto: Proto::UDP,
    }
}

/// A direction all of whose words follow from one number.
fn direction(n: u32) -> Direction {
    let word = u64::from(n) << 32 | u64::from(n);
    Direction {
        last_seen: Tick(u64::from(n)),
        packets: word,
        bytes: !word,
        flags: DirFlags(!n),
        end: n,
        max_end: n ^ 0xffff,
        max_win: (n & 0xffff) * 64,
        ack: n.wrapping_add(1),
        scale: n.to_le_bytes()[0],
    }
}

fn value(n: u64) -> Value {
    Value([n, !n, n.rotate_left(8), n ^ 0xff])
}

fn insert(shard: &mut Shard, client: u32, n: u32) -> Result<(), InsertError> {
    shard
        .insert(&NewFlow {
            original: key(client),
            reply: key(client).reversed(),
            original_value: value(u64::from(client)),
            reply_value: value(u64::from(client) << 32),
            generation: Generation(client),
            rule: u64::from(client),
            mapping: u64::from(client),
            original_direction: direction(n),
            reply_direction: direction(n),
            now: Tick(0),
            expires: Millis(1000),
        })
        .map(|_| ())
}

/// Everything a flow shows at this moment belongs to one client and one write of each direction.
fn check(table: &FlowTable, flow: FlowId) {
    let Some(snapshot) = table.snapshot_flow(flow) else { return };
    let client = u32::try_from(snapshot.mapping).expect("written so");
    assert_eq!(snapshot.rule, snapshot.mapping);
    assert_eq!(snapshot.original.key, key(client));
    assert_eq!(snapshot.reply.key, key(client).reversed());
    assert_eq!(snapshot.original.generation, Generation(client));
    assert_eq!(snapshot.original.value.0[0] & 0xffff_ffff, u64::from(client));
    for side in [snapshot.original, snapshot.reply] {
        assert_eq!(side.direction, direction(side.direction.end), "torn");
        assert_eq!(side.value, value(side.value.0[0]), "torn");
    }
}

struct Shared {
    table: Arc<FlowTable>,
    /// How often each client was admitted, less how often it was reclaimed.
    held: Vec<AtomicU32>,
    admitted: AtomicU64,
    working: AtomicU32,
}

/// A worker: it forwards the original direction of odd clients and the reply direction of even ones, or
/// the other way round, so each direction has one writer and its peer is read across threads.
fn work(shared: &Shared, mut shard: Shard, parity: u32) {
    let table = Arc::clone(&shared.table);
    let mut rng = Rng::from_seed(u64::from(parity));
    for n in 0..ROUNDS {
        let client = rng.below(CLIENTS);
        let own = if client % 2 == parity { key(client) } else { key(client).reversed() };
        match table.find(table.hash(&own), &own) {
            Some(entry) => {
                assert_eq!(table.key(entry), Some(own), "within a batch a record stays");
                let before = table.direction(entry).expect("its only writer is here");
                assert_eq!(before, direction(before.end), "torn");
                table.store_direction(entry, &direction(n));
                table.set_value(entry, value(u64::from(client) | u64::from(n) << 32));
                if let Some(peer) = table.peer_direction(entry) {
                    assert_eq!(peer, direction(peer.end), "torn");
                }
                assert_eq!(table.generation(entry), Some(Generation(client)));
                if rng.below(8) == 0 {
                    table.kill(entry, Cause::Closed);
                }
            }
            None => match insert(&mut shard, client, n) {
                Ok(()) => {
                    shared.admitted.fetch_add(1, Ordering::Relaxed);
                    shared.held[client as usize].fetch_add(1, Ordering::Relaxed);
                }
                // The reply's slot may be emptied later than the original's.
                Err(InsertError::OriginalTaken | InsertError::ReplyTaken) => {}
                Err(InsertError::Full | InsertError::Contended) => {}
            },
        }
        if n % 4 == 0 {
            batch(shared, &mut shard);
        }
        if n % 1024 == 0 {
            shard.away(thread::yield_now);
        }
    }
    shared.working.fetch_sub(1, Ordering::SeqCst);
    shard.away(|| {
        while shared.working.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
    });
    while batch(shared, &mut shard) != Remaining::Nothing {}
}

fn batch(shared: &Shared, shard: &mut Shard) -> Remaining {
    shard.quiesce();
    shard.maintain(
        Tick(0),
        8,
        |_, _, _| Tick(u64::MAX),
        |gone| {
            let client = u32::try_from(gone.mapping).expect("written so");
            assert_eq!(gone.original, key(client));
            assert_eq!(gone.original_direction, direction(gone.original_direction.end));
            shared.held[client as usize].fetch_sub(1, Ordering::Relaxed);
        },
    )
}

#[test]
fn threads_see_whole_flows_and_lose_none() {
    // Fewer flows than clients: it is full at times too.
    let config = TableConfig { flows: 40, workers: WORKERS, seed: 3 };
    let shared = Arc::new(Shared {
        table: Arc::new(FlowTable::new(config).expect("a small table")),
        held: (0..CLIENTS).map(|_| AtomicU32::new(0)).collect(),
        admitted: AtomicU64::new(0),
        working: AtomicU32::new(u32::from(WORKERS)),
    });
    let workers: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let shared = Arc::clone(&shared);
            let shard = shared.table.shard(WorkerId(worker)).expect("once");
            thread::spawn(move || work(&shared, shard, u32::from(worker)))
        })
        .collect();
    let watched = Arc::clone(&shared);
    let watcher = thread::spawn(move || {
        let table = &watched.table;
        while watched.working.load(Ordering::SeqCst) > 0 {
            for flow in 0..table.capacity() {
                check(table, FlowId(flow));
            }
            for client in 0..CLIENTS {
                let key = key(client);
                if let Some(entry) = table.find(table.hash(&key), &key) {
                    assert!(table.key(entry).is_none_or(|found| found == key));
                }
            }
            thread::yield_now();
        }
    });
    for thread in workers {
        thread.join().expect("a worker");
    }
    watcher.join().expect("the watcher");

    let table = &shared.table;
    let stats = table.stats();
    assert_eq!(stats.inserted, shared.admitted.load(Ordering::Relaxed));
    let live = u32::try_from(table.len()).expect("few");
    let held: u32 = shared.held.iter().map(|count| count.load(Ordering::Relaxed)).sum();
    assert_eq!(live, held, "every flow was reported once or is there: {stats:?}");
    for client in 0..CLIENTS {
        let found = [key(client), key(client).reversed()]
            .map(|key| u32::from(table.find(table.hash(&key), &key).is_some()));
        let held = shared.held[client as usize].load(Ordering::Relaxed);
        assert_eq!(
            found, [held; 2],
            "a key is there once, with its other direction, or not at all"
        );
    }
}
