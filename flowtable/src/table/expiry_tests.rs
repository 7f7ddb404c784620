//! Time: what the timer visits, when, and how much of it one call does.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::{Cause, FlowTable, NewFlow, Reclaimed, Remaining, Shard, TableConfig, Value};
use crate::direction::Direction;
use crate::key::{Addr, FlowKey, Generation, Millis, Port, Proto, Tick, WorkerId};

const TIMEOUT: Millis = Millis(30_000);

fn flow(client: u32, now: Tick) -> NewFlow {
    let original = FlowKey {
        src: Addr::from_v4(0x0a00_0000 + client),
        dst: Ipv4Addr::new(198, 51, 100, 7).into(),
        sport: Port(40_000),
        dport: Port(53),
        proto: Proto::UDP,
    };
    NewFlow {
        original,
        reply: original.reversed(),
        original_value: Value::default(),
        reply_value: Value::default(),
        generation: Generation(0),
        rule: 0,
        mapping: u64::from(client),
        original_direction: Direction { last_seen: now, ..Direction::default() },
        reply_direction: Direction::default(),
        now,
        expires: TIMEOUT,
    }
}

fn table(flows: u32) -> (Arc<FlowTable>, Shard) {
    let config = TableConfig { flows, workers: 1, seed: 1 };
    let table = Arc::new(FlowTable::new(config).expect("a small table"));
    let shard = table.shard(WorkerId(0)).expect("the only one");
    (table, shard)
}

fn idle_since(original: &Direction, reply: &Direction, _: &FlowKey) -> Tick {
    original.last_seen.max(reply.last_seen).after(TIMEOUT)
}

/// One call a batch until nothing is left; how many calls it took.
fn drain(shard: &mut Shard, now: Tick, budget: u32, gone: &mut Vec<Reclaimed>) -> u32 {
    for calls in 1.. {
        shard.quiesce();
        if shard.maintain(now, budget, idle_since, |flow| gone.push(flow)) == Remaining::Nothing {
            return calls;
        }
    }
    unreachable!("the loop ends when nothing is left")
}

#[test]
fn a_flow_expires_within_one_slot_after_its_deadline_and_not_before() {
    for start in [0, 1, 255, 256, 1_000_003] {
        let (table, mut shard) = table(16);
        shard.insert(&flow(1, Tick(start))).expect("room");
        let mut gone = Vec::new();
        drain(&mut shard, Tick(start + TIMEOUT.0 - 1), 64, &mut gone);
        assert_eq!((gone.len(), table.len()), (0, 1));
        drain(&mut shard, Tick(start + TIMEOUT.0 + 256), 64, &mut gone);
        assert_eq!(gone.iter().map(|flow| flow.cause).collect::<Vec<_>>(), [Cause::Expired]);
        assert_eq!((table.len(), table.stats().expired), (0, 1));
    }
}

#[test]
fn traffic_in_either_direction_keeps_a_flow_and_costs_no_visits() {
    let (table, mut shard) = table(16);
    let entry = shard.insert(&flow(1, Tick(0))).expect("room");
    let mut gone = Vec::new();
    let mut direction = Direction::default();
    for second in 1..=600 {
        direction.last_seen = Tick(second * 1000);
        direction.packets += 1;
        let side = if second % 2 == 0 { entry } else { entry.peer() };
        table.store_direction(side, &direction);
        drain(&mut shard, Tick(second * 1000), 64, &mut gone);
    }
    assert_eq!(gone, []);
    let visits = table.stats().visited;
    assert!((19..=22).contains(&visits), "600 s at 30 s each: {visits} visits");
    drain(&mut shard, Tick(600_000 + TIMEOUT.0 + 256), 64, &mut gone);
    assert_eq!(gone.len(), 1);
}

#[test]
fn deadlines_past_the_reach_of_the_wheel_are_met() {
    let (table, mut shard) = table(16);
    let two_hours = Millis::from_secs(7440);
    shard.insert(&NewFlow { expires: two_hours, ..flow(1, Tick(0)) }).expect("room");
    for second in (0..7440).step_by(10) {
        shard.quiesce();
        let left = shard.maintain(
            Tick(second * 1000),
            100_000,
            |original, _, _| original.last_seen.after(two_hours),
            |flow| panic!("{flow:?} at {second} s"),
        );
        assert_eq!(left, Remaining::Nothing);
    }
    let visits = table.stats().visited;
    assert!((14..=15).contains(&visits), "one for each turn of the wheel: {visits}");
    drain(&mut shard, Tick(7440 * 1000 + 256), 100_000, &mut Vec::new());
    assert_eq!(table.len(), 0);
}

#[test]
fn a_jump_of_hours_is_worked_off_in_bounded_calls_and_skips_no_flow() {
    let (table, mut shard) = table(4096);
    let mut kept = Vec::new();
    for client in 0..4096_u32 {
        // Spread over more than the wheel reaches.
        let entry = shard.insert(&flow(client, Tick(u64::from(client) * 150))).expect("room");
        kept.push(entry);
    }
    let later = Tick(9 * 3_600_000 + 77);
    for entry in kept.iter().step_by(4) {
        table.store_direction(*entry, &Direction { last_seen: later, ..Direction::default() });
    }
    let mut gone = Vec::new();
    let budget = 100;
    loop {
        shard.quiesce();
        let (visited, reclaimed) = (table.stats().visited, gone.len());
        let left = shard.maintain(later, budget, idle_since, |flow| gone.push(flow));
        assert!(table.stats().visited - visited <= u64::from(budget));
        assert!(gone.len() - reclaimed <= budget as usize);
        if left == Remaining::Nothing {
            break;
        }
    }
    let mut ended: Vec<_> = gone.iter().map(|flow| flow.mapping).collect();
    ended.sort_unstable();
    let expected: Vec<_> = (0..4096).filter(|client| client % 4 != 0).collect();
    assert_eq!(ended, expected, "each idle flow once, no busy one");
    assert!(table.stats().visited < 3 * 4096, "at most one more turn for those that stay");
    drain(&mut shard, later.after(Millis(31_000)), budget, &mut gone);
    assert_eq!(table.len(), 0);
}

#[test]
fn a_mass_expiry_is_spread_over_calls() {
    let (table, mut shard) = table(10_000);
    for client in 0..10_000 {
        shard.insert(&flow(client, Tick(0))).expect("room");
    }
    let mut gone = Vec::new();
    let calls = drain(&mut shard, Tick(TIMEOUT.0 + 300), 50, &mut gone);
    assert_eq!(gone.len(), 10_000);
    assert!(calls >= 200, "10,000 flows in {calls} calls of 50");
    assert!(table.is_empty());
}

#[test]
fn a_flow_killed_in_a_wheel_slot_leaves_its_neighbours_armed() {
    for victim in 0..5 {
        let (table, mut shard) = table(16);
        let entries: Vec<_> =
            (0..5).map(|client| shard.insert(&flow(client, Tick(0))).expect("room")).collect();
        assert!(table.kill(entries[victim], Cause::Closed));
        let mut gone = Vec::new();
        drain(&mut shard, Tick(10), 64, &mut gone);
        assert_eq!(gone.len(), 1);
        // Its records are used again while the others still wait in the old slot.
        shard.insert(&flow(9, Tick(10_000))).expect("room");
        drain(&mut shard, Tick(TIMEOUT.0 + 256), 64, &mut gone);
        assert_eq!(gone.len(), 5);
        drain(&mut shard, Tick(10_000 + TIMEOUT.0 + 256), 64, &mut gone);
        assert_eq!((gone.len(), table.len()), (6, 0));
    }
}

#[test]
fn a_deadline_that_says_now_ends_the_flow_and_one_in_the_past_too() {
    for deadline in [Tick(0), Tick(40_000)] {
        let (table, mut shard) = table(4);
        shard.insert(&flow(1, Tick(0))).expect("room");
        let mut ended = 0;
        for _ in 0..3 {
            shard.quiesce();
            shard.maintain(Tick(40_000), 64, |_, _, _| deadline, |_| ended += 1);
        }
        assert_eq!((ended, table.len()), (1, 0));
    }
}
