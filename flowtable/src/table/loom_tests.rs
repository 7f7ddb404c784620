//! The table under every interleaving that loom finds, on tables of one to four flows.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p flowtable --release --lib loom`. Buckets have two slots
//! then and the wheel four. Where a bound on preemptions is given, all schedules with that many are tried.

mod admission;
mod ending;
mod reading;

use std::sync::Arc;

use loom::model::Builder;

use super::{Cause, Entry, FlowTable, Geometry, NewFlow, Reclaimed, Remaining, Shard, Value};
use crate::direction::Direction;
use crate::key::{Addr, FlowKey, Generation, Millis, Port, Proto, Tick, WorkerId};

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
