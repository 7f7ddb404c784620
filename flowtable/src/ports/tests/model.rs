//! Random operations of several workers against a set of what is in use.

use std::collections::HashSet;

use super::{CLIENT, POOL, pools, spec, to};
use crate::key::{Port, WorkerId};
use crate::ports::{Destination, Mapping, PortShard, PortsError};
use crate::rng::Rng;

struct Model {
    shards: Vec<PortShard>,
    /// Flows with the worker that holds them.
    flows: Vec<(usize, Mapping, Destination)>,
    in_use: HashSet<(Port, Destination)>,
    rng: Rng,
    exhausted: u32,
}

impl Model {
    fn new(workers: u16, ports: std::ops::RangeInclusive<u16>, seed: u64) -> Self {
        let pools = pools(spec(1, ports), workers);
        let shards = (0..workers)
            .map(|worker| PortShard::new(pools.clone(), WorkerId(worker), 10_000))
            .collect();
        let rng = Rng::from_seed(seed);
        Self { shards, flows: Vec::new(), in_use: HashSet::new(), rng, exhausted: 0 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.below(u32::try_from(bound).expect("small")) as usize
    }

    fn allocate(&mut self, to: Destination, all: usize) {
        let worker = self.below(self.shards.len());
        match self.shards[worker].allocate(CLIENT, &to, POOL, &mut self.rng) {
            Ok(mapping) => {
                assert!(self.in_use.insert((mapping.port, to)), "{mapping:?} {to:?} twice");
                self.flows.push((worker, mapping, to));
            }
            Err(PortsError::Exhausted { .. }) => {
                self.exhausted += 1;
                if self.shards.len() == 1 {
                    // One worker has all lots: it fails only where nothing is left at all.
                    assert_eq!(self.in_use.iter().filter(|(_, used)| *used == to).count(), all);
                }
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn release(&mut self) {
        if self.flows.is_empty() {
            return;
        }
        let index = self.below(self.flows.len());
        let (worker, mapping, to) = self.flows.swap_remove(index);
        assert!(self.shards[worker].release(&mapping, &to));
        assert!(self.in_use.remove(&(mapping.port, to)));
    }

    fn check(&self) {
        let mappings: usize = self.shards.iter().map(|shard| shard.counts().mappings).sum();
        assert_eq!(mappings, self.in_use.len());
        let lots: u32 = self.shards.iter().map(|shard| shard.counts().lots).sum();
        assert!(lots <= self.shards[0].counts().all_lots);
    }
}

fn run(workers: u16, ports: std::ops::RangeInclusive<u16>, operations: u32) {
    let all = ports.clone().count();
    let mut model = Model::new(workers, ports, u64::from(workers));
    // The load swings, so that destinations become full and empty again.
    for round in 0..operations {
        let full = round / 4000 % 2 == 0;
        match model.rng.below(20) {
            0 => {
                let worker = model.below(model.shards.len());
                model.shards[worker].yield_unused();
            }
            draw if (draw < 14) == full => {
                let host = model.rng.below(6);
                model.allocate(to(host, 443), all);
            }
            _ => model.release(),
        }
        if round % 500 == 0 {
            model.check();
        }
    }
    assert!(model.exhausted > 0, "the model never ran out");
    while !model.flows.is_empty() {
        model.release();
    }
    assert!(model.shards.iter().all(|shard| shard.counts().words == 0));
}

#[test]
fn one_worker_agrees_with_a_set() {
    run(1, 1000..=1200, 200_000);
}

#[test]
fn three_workers_agree_with_a_set() {
    run(3, 1000..=1500, 200_000);
}

/// What asking and handing back amounts to: as long as anything is free or unused anywhere, whoever
/// wants it has it at the second attempt.
#[test]
fn nothing_unused_is_out_of_reach() {
    let mut model = Model::new(3, 2048..=2815, 11);
    for round in 0..400 {
        let to = to(round % 5, 443);
        let used = model.in_use.len();
        model.allocate(to, 768);
        if model.in_use.len() == used {
            for shard in &mut model.shards {
                shard.yield_unused();
            }
        }
        if round % 3 == 0 {
            model.release();
        }
    }
    while !model.flows.is_empty() {
        model.release();
    }
    // Everybody asks in turn, everybody gives: each can have all 768.
    for worker in 0..3 {
        let mut got = Vec::new();
        for _ in 0..4 {
            let shard = &mut model.shards[worker];
            while let Ok(mapping) = shard.allocate(CLIENT, &to(0, 1), POOL, &mut model.rng) {
                got.push(mapping);
            }
            model.shards.iter_mut().for_each(PortShard::yield_unused);
        }
        assert_eq!(got.len(), 768, "worker {worker}");
        for mapping in &got {
            assert!(model.shards[worker].release(mapping, &to(0, 1)));
        }
    }
}
