//! The end of a flow: the timer that finds it over, the wait until nobody can hold it, its last report.

use super::FlowTable;
use super::cold::{Cause, Status, cause_from_bits};
use super::entry::{Entry, FlowId};
use super::shard::Shard;
use crate::direction::Direction;
use crate::expiry::Due;
use crate::key::{FlowKey, Generation, Millis, Tick};
use crate::quiescence::Grace;
use crate::sync::{Ordering, low};

/// How soon a flow is looked at again that its writer was changing.
const SOON: Millis = Millis(256);

/// A flow that is over and that no worker can be using: the last words about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reclaimed {
    /// Its number, free from now on.
    pub flow: FlowId,
    /// Its original key.
    pub original: FlowKey,
    /// Its reply key.
    pub reply: FlowKey,
    /// The policy its original direction was last judged under.
    pub generation: Generation,
    /// The rule that decided it.
    pub rule: u64,
    /// The translation it used, to be released.
    pub mapping: u64,
    /// The name that admitted it, 0 if none was noted.
    pub name: u64,
    /// When it was admitted.
    pub created: Tick,
    /// What its original direction did, complete.
    pub original_direction: Direction,
    /// What its reply direction did, complete.
    pub reply_direction: Direction,
    /// Why it ended.
    pub cause: Cause,
}

/// What a call of [`Shard::maintain`] left undone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remaining {
    /// Nothing.
    Nothing,
    /// Flows wait for workers to pass a batch boundary; call again after one.
    Grace,
    /// The budget is used up; call again.
    Work,
}

/// Killed flows of one worker on their way to be free.
#[derive(Debug)]
pub(super) struct Limbo {
    grace: Grace,
    /// The first flow plus one; all of them were killed before `grace` was started.
    head: u32,
    over: GraceIs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum GraceIs {
    Running,
    Over,
}

impl Limbo {
    pub(super) fn new(table: &FlowTable) -> Self {
        Self { grace: table.quiescence.grace(), head: 0, over: GraceIs::Over }
    }
}

impl Shard {
    /// The upkeep of this worker's flows, at most `budget` visits of the timer and `budget` flows
    /// reclaimed. `deadline` says from both directions and the original key when a flow is over;
    /// `sink` gets each flow that is over and used by nobody, exactly once.
    ///
    /// Time may jump: what is due is then worked off by later calls, and no flow is skipped.
    pub fn maintain(
        &mut self,
        now: Tick,
        budget: u32,
        deadline: impl FnMut(&Direction, &Direction, &FlowKey) -> Tick,
        mut sink: impl FnMut(Reclaimed),
    ) -> Remaining {
        if self.table.pool.is_wanted() && self.supply.len() > 0 {
            self.supply.give_back(&self.table.pool, &self.table.cold);
        }
        let timers = self.run_timers(now, budget, deadline);
        let reclaim = self.reclaim(budget, &mut sink);
        match (timers, reclaim) {
            (Remaining::Nothing, remaining) => remaining,
            _ => Remaining::Work,
        }
    }

    fn run_timers(
        &mut self,
        now: Tick,
        budget: u32,
        mut deadline: impl FnMut(&Direction, &Direction, &FlowKey) -> Tick,
    ) -> Remaining {
        for _ in 0..budget {
            match self.wheel.step(&self.table.cold, now) {
                Due::Done => return Remaining::Nothing,
                Due::Nothing => {}
                Due::Flow(flow) => self.visit(FlowId(flow), now, &mut deadline),
            }
        }
        Remaining::Work
    }

    fn visit(
        &mut self,
        flow: FlowId,
        now: Tick,
        deadline: &mut impl FnMut(&Direction, &Direction, &FlowKey) -> Tick,
    ) {
        self.counters().visited.bump();
        let state = self.table.cold(flow).state();
        if state.status != Status::Live {
            // Killed by somebody, and on its way here through the inbox.
            return;
        }
        let entry = Entry::original_of(flow, state.sequence);
        let due = match (
            self.table.direction(entry),
            self.table.peer_direction(entry),
            self.table.key(entry),
        ) {
            (Some(original), Some(reply), Some(key)) => deadline(&original, &reply, &key),
            _ => {
                self.counters().busy.bump();
                now.after(SOON)
            }
        };
        if due > now {
            self.counters().rearmed.bump();
            self.wheel.arm(&self.table.cold, flow.0, now, due);
        } else {
            // Whether this call or another thread's ends the flow, it comes through the inbox.
            self.table.kill(entry, Cause::Expired);
        }
    }

    fn reclaim(&mut self, budget: u32, sink: &mut impl FnMut(Reclaimed)) -> Remaining {
        let mut left = budget;
        loop {
            if self.limbo.head == 0 && !self.collect() {
                return Remaining::Nothing;
            }
            if self.limbo.over == GraceIs::Running {
                if !self.table.quiescence.is_over(&mut self.limbo.grace) {
                    return Remaining::Grace;
                }
                self.limbo.over = GraceIs::Over;
            }
            while let Some(flow) = self.limbo.head.checked_sub(1) {
                if left == 0 {
                    return Remaining::Work;
                }
                left -= 1;
                self.free(FlowId(flow), sink);
            }
        }
    }

    /// Takes what was killed and starts a grace period for it; false if there is nothing.
    fn collect(&mut self) -> bool {
        let inbox = &self.table.inboxes[usize::from(self.worker.0)];
        // Looked at before it is written: most calls find it empty and must not take the line.
        if inbox.load(Ordering::Relaxed) == 0 {
            return false;
        }
        // ORDERING: acquire pairs with the release exchange in `kill`: the links are seen, and the slots
        // were emptied before the fence of the grace period that starts below.
        self.limbo.head = low(inbox.swap(0, Ordering::Acquire));
        self.table.quiescence.start(&mut self.limbo.grace);
        self.limbo.over = GraceIs::Running;
        true
    }

    /// Reports the first flow of the limbo and frees its records.
    fn free(&mut self, flow: FlowId, sink: &mut impl FnMut(Reclaimed)) {
        let table = &self.table;
        let cold = table.cold(flow);
        let (cause, next) = cold.link();
        let cause = cause_from_bits(cause);
        self.limbo.head = next;
        self.wheel.disarm(&table.cold, flow.0);
        let origin = cold.origin();
        let original = table.record(flow.0 << 1).contents();
        let reply = table.record(flow.0 << 1 | 1).contents();
        cold.free();
        self.supply.put(&table.pool, &table.cold, flow.0);
        let counters = self.counters();
        counters.reclaimed.bump();
        if cause == Cause::Expired {
            counters.expired.bump();
        }
        sink(Reclaimed {
            flow,
            original: original.key,
            reply: reply.key,
            generation: original.generation,
            rule: origin.rule,
            mapping: origin.mapping,
            name: origin.name,
            created: origin.created,
            original_direction: original.direction,
            reply_direction: reply.direction,
            cause,
        });
    }
}
