//! Random operations on the table and on a plain map, which must agree after each of them.
#![cfg(not(loom))]

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use flowtable::direction::{DirFlags, Direction};
use flowtable::key::{Addr, FlowKey, Generation, Millis, Port, Proto, Tick, WorkerId};
use flowtable::rng::Rng;
use flowtable::table::{
    Cause, Entry, FlowTable, InsertError, NewFlow, Reclaimed, Remaining, Shard, Side, TableConfig,
    Value,
};

const TIMEOUT: Millis = Millis(20_000);
const CAUSES: [Cause; 3] = [Cause::Closed, Cause::Revoked, Cause::Cleared];

/// What the model knows of a live flow.
#[derive(Clone, Debug)]
struct Known {
    entry: Entry,
    keys: [FlowKey; 2],
    values: [Value; 2],
    generations: [Generation; 2],
    directions: [Direction; 2],
    rule: u64,
}

/// Both tables and what is needed to compare them.
struct World {
    table: Arc<FlowTable>,
    shards: Vec<Shard>,
    rng: Rng,
    now: Tick,
    /// Live flows by mapping, which is a serial number here.
    live: BTreeMap<u64, Known>,
    by_key: HashMap<FlowKey, u64>,
    /// Killed and not yet reported, with what the report must say.
    dying: HashMap<u64, (Known, Option<Cause>)>,
    stale: Vec<Entry>,
    serial: u64,
    refused: u64,
}

fn index(side: Side) -> usize {
    usize::from(side == Side::Reply)
}

fn deadline(original: &Direction, reply: &Direction, _: &FlowKey) -> Tick {
    original.last_seen.max(reply.last_seen).after(TIMEOUT)
}

impl World {
    fn new(flows: u32, workers: u16, seed: u64) -> Self {
        let table =
            Arc::new(FlowTable::new(TableConfig { flows, workers, seed }).expect("a small table"));
        let shards =
            (0..workers).map(|worker| table.shard(WorkerId(worker)).expect("once")).collect();
        Self {
            table,
            shards,
            rng: Rng::from_seed(seed),
            now: Tick(0),
            live: BTreeMap::new(),
            by_key: HashMap::new(),
            dying: HashMap::new(),
            stale: Vec::new(),
            serial: 0,
            refused: 0,
        }
    }

    /// One of a few keys, so that keys meet, of both families.
    fn key(&mut self) -> FlowKey {
        let address = |rng: &mut Rng| match rng.below(2) {
            0 => Addr::from_v4(0x0a00_0000 | rng.below(4)),
            _ => Addr::from_bits(0x2001_0db8 << 96 | u128::from(rng.below(4))),
        };
        let (src, dst) = (address(&mut self.rng), address(&mut self.rng));
        let port = |rng: &mut Rng| Port(u16::try_from(rng.below(2)).expect("small"));
        let (sport, dport) = (port(&mut self.rng), port(&mut self.rng));
        FlowKey { src, dst, sport, dport, proto: Proto::UDP }
    }

    fn direction(&mut self) -> Direction {
        let word = self.rng.next_u64();
        let [end, max_end, ack] = [(); 3].map(|()| self.rng.below(u32::MAX));
        Direction {
            last_seen: self.now,
            packets: word,
            bytes: word.rotate_left(7),
            flags: DirFlags(end ^ ack),
            end,
            max_end,
            max_win: self.rng.below(1 << 24) * 64,
            ack,
            scale: word.to_le_bytes()[3],
        }
    }

    fn value(&mut self) -> Value {
        Value([(); 4].map(|()| self.rng.next_u64()))
    }

    fn shard(&mut self) -> &mut Shard {
        let count = u32::try_from(self.shards.len()).expect("few");
        let worker = self.rng.below(count) as usize;
        &mut self.shards[worker]
    }

    fn any_live(&mut self) -> Option<u64> {
        let count = u32::try_from(self.live.len()).expect("few");
        let chosen = self.rng.below(count.max(1)) as usize;
        self.live.keys().nth(chosen).copied()
    }

    fn insert(&mut self) {
        self.serial += 1;
        let new = NewFlow {
            original: self.key(),
            reply: self.key(),
            original_value: self.value(),
            reply_value: self.value(),
            generation: Generation(self.rng.below(5)),
            rule: self.rng.next_u64(),
            mapping: self.serial,
            original_direction: self.direction(),
            reply_direction: self.direction(),
            now: self.now,
            expires: Millis(u64::from(self.rng.below(40_000))),
        };
        let result = self.shard().insert(&new);
        let expected = if new.original == new.reply {
            Err(InsertError::ReplyTaken)
        } else if self.by_key.contains_key(&new.original) {
            Err(InsertError::OriginalTaken)
        } else if self.by_key.contains_key(&new.reply) {
            Err(InsertError::ReplyTaken)
        } else {
            Ok(())
        };
        if result == Err(InsertError::Full) && expected.is_ok() {
            self.refused += 1;
            return;
        }
        assert_eq!(result.map(|_| ()), expected, "{new:?}");
        let Ok(entry) = result else { return };
        let known = Known {
            entry,
            keys: [new.original, new.reply],
            values: [new.original_value, new.reply_value],
            generations: [new.generation; 2],
            directions: [new.original_direction, new.reply_direction],
            rule: new.rule,
        };
        for key in known.keys {
            assert_eq!(self.by_key.insert(key, new.mapping), None);
        }
        self.live.insert(new.mapping, known);
    }

    fn find(&mut self) {
        let key = self.key();
        let hash = self.table.hash(&key);
        self.table.prefetch_buckets(hash);
        self.table.prefetch_record(hash);
        let found = self.table.find(hash, &key);
        let expected = self.by_key.get(&key).map(|mapping| {
            let known = &self.live[mapping];
            if known.keys[0] == key { known.entry } else { known.entry.peer() }
        });
        assert_eq!(found, expected);
    }

    fn write(&mut self) {
        let Some(mapping) = self.any_live() else { return };
        let (direction, value) = (self.direction(), self.value());
        let (what, generation) = (self.rng.below(8), Generation(self.rng.below(100)));
        let known = self.live.get_mut(&mapping).expect("chosen among them");
        let entry = if what & 1 == 0 { known.entry } else { known.entry.peer() };
        let side = index(entry.side());
        match what >> 1 {
            0 | 1 => {
                self.table.store_direction(entry, &direction);
                known.directions[side] = direction;
            }
            2 => {
                self.table.set_value(entry, value);
                known.values[side] = value;
            }
            _ => {
                self.table.set_generation(entry, generation);
                known.generations[side] = generation;
            }
        }
        self.check(mapping);
    }

    fn check(&self, mapping: u64) {
        let known = &self.live[&mapping];
        let snapshot = self.table.snapshot_flow(known.entry.flow()).expect("live");
        assert_eq!((snapshot.rule, snapshot.mapping), (known.rule, mapping));
        for (side, snapshot) in [snapshot.original, snapshot.reply].into_iter().enumerate() {
            assert_eq!(snapshot.key, known.keys[side]);
            assert_eq!(snapshot.value, known.values[side]);
            assert_eq!(snapshot.generation, known.generations[side]);
            assert_eq!(snapshot.direction, known.directions[side]);
        }
    }

    fn kill(&mut self) {
        let Some(mapping) = self.any_live() else { return };
        let cause = CAUSES[self.rng.below(3) as usize];
        let known = self.bury(mapping, Some(cause));
        assert!(self.table.kill(known.peer(), cause));
        assert!(!self.table.kill(known, cause));
    }

    fn bury(&mut self, mapping: u64, cause: Option<Cause>) -> Entry {
        let known = self.live.remove(&mapping).expect("live");
        for key in known.keys {
            self.by_key.remove(&key);
        }
        let entry = known.entry;
        self.dying.insert(mapping, (known, cause));
        entry
    }

    fn maintain(&mut self) {
        self.now = self.now.after(Millis(u64::from(self.rng.below(900))));
        let budget = 1 + self.rng.below(40);
        let now = self.now;
        let mut gone = Vec::new();
        let shard = self.shard();
        shard.quiesce();
        shard.maintain(now, budget, deadline, |flow| gone.push(flow));
        // What the timer ended is found no more; the model hears of it by asking.
        let ended: Vec<_> = self
            .live
            .iter()
            .filter(|(_, known)| !self.table.is_live(known.entry))
            .map(|(&mapping, _)| mapping)
            .collect();
        for mapping in ended {
            let [original, reply] = &self.live[&mapping].directions;
            assert!(deadline(original, reply, &self.live[&mapping].keys[0]) <= now, "too early");
            self.bury(mapping, None);
        }
        for flow in gone {
            self.report(&flow);
        }
    }

    fn report(&mut self, flow: &Reclaimed) {
        let (known, cause) = self.dying.remove(&flow.mapping).expect("killed, and reported once");
        assert_eq!(flow.cause, cause.unwrap_or(Cause::Expired));
        assert_eq!([flow.original, flow.reply], known.keys);
        assert_eq!([flow.original_direction, flow.reply_direction], known.directions);
        assert_eq!((flow.rule, flow.flow), (known.rule, known.entry.flow()));
        self.stale.push(known.entry);
    }

    fn check_all(&mut self) {
        for &mapping in self.live.keys() {
            self.check(mapping);
        }
        assert_eq!(self.table.len(), (self.live.len() + self.dying.len()) as u64);
        for entry in self.stale.drain(..) {
            assert!(!self.table.is_live(entry));
        }
        let listed = (0..self.table.capacity())
            .filter_map(|flow| self.table.snapshot_flow(flowtable::table::FlowId(flow)))
            .count();
        assert_eq!(listed, self.live.len());
    }

    fn run(&mut self, operations: u32) {
        for operation in 0..operations {
            match self.rng.below(16) {
                0..5 => self.insert(),
                5..9 => self.find(),
                9..12 => self.write(),
                12 => self.kill(),
                _ => self.maintain(),
            }
            if operation % 1024 == 0 {
                self.check_all();
            }
        }
    }

    /// Lets everything expire.
    fn drain(&mut self) {
        self.now = self.now.after(Millis::from_secs(100_000));
        loop {
            let mut left = Remaining::Nothing;
            let mut gone = Vec::new();
            for shard in &mut self.shards {
                shard.quiesce();
                if shard.maintain(self.now, 64, deadline, |flow| gone.push(flow))
                    != Remaining::Nothing
                {
                    left = Remaining::Work;
                }
            }
            let live: Vec<_> = self.live.keys().copied().collect();
            for mapping in live {
                if !self.table.is_live(self.live[&mapping].entry) {
                    self.bury(mapping, None);
                }
            }
            for flow in gone {
                self.report(&flow);
            }
            if left == Remaining::Nothing {
                break;
            }
        }
        assert!(self.live.is_empty() && self.dying.is_empty() && self.table.is_empty());
    }
}

#[test]
fn the_table_and_a_map_agree() {
    for (flows, workers, seed) in [(200, 1, 1), (200, 3, 2), (24, 2, 3), (1, 1, 4), (7, 4, 5)] {
        let mut world = World::new(flows, workers, seed);
        world.run(60_000);
        let stats = world.table.stats();
        assert_eq!(stats.contended + stats.busy + stats.retried, 0, "one thread");
        assert_eq!(stats.no_flow + stats.no_slot, world.refused);
        assert!(stats.inserted > 500 && stats.taken + world.refused > 100, "{stats:?}");
        world.drain();
        let stats = world.table.stats();
        assert_eq!(stats.inserted, stats.reclaimed);
    }
}
