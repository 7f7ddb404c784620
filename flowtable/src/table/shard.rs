//! Shards: the part of the table that one worker writes, and how a flow gets in.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::FlowTable;
use super::cold::Origin;
use super::entry::{Entry, FlowId};
use super::hash::FlowHash;
use super::index::{Rival, SlotId};
use super::pool::Supply;
use super::reclaim::Limbo;
use super::stats::Counters;
use crate::direction::Direction;
use crate::expiry::Wheel;
use crate::key::{FlowKey, Generation, Millis, Tick, WorkerId};
use crate::record::{Contents, Value};
use crate::sync::{Ordering, fence, spin_loop};

/// How often an admission that meets another one of the same key starts over.
const ATTEMPTS: u32 = if cfg!(loom) { 2 } else { 8 };

/// A flow to be admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewFlow {
    /// The key of the packet that opens it, as it arrives.
    pub original: FlowKey,
    /// The key of its answers, as they arrive: with translation, not the original reversed.
    pub reply: FlowKey,
    /// The original direction's value.
    pub original_value: Value,
    /// The reply direction's value.
    pub reply_value: Value,
    /// The policy it was judged under.
    pub generation: Generation,
    /// The rule that decided, opaque to the table.
    pub rule: u64,
    /// The translation it uses, opaque to the table; comes back when the flow is reclaimed.
    pub mapping: u64,
    /// What the original direction remembers of its first packet.
    pub original_direction: Direction,
    /// What the reply direction starts with.
    pub reply_direction: Direction,
    /// The present.
    pub now: Tick,
    /// When to ask for its deadline first.
    pub expires: Millis,
}

/// Why a flow was not admitted. The table is as it was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum InsertError {
    /// No flow is free, or both buckets of a key are full.
    Full,
    /// The original key is in the table: look it up again.
    OriginalTaken,
    /// The reply key is in the table: the translation must be another one.
    ReplyTaken,
    /// Another worker is admitting the same key and did not finish.
    Contended,
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the flow table is full",
            Self::OriginalTaken => "the original key is in the flow table",
            Self::ReplyTaken => "the reply key is in the flow table",
            Self::Contended => "another worker is admitting the same flow",
        })
    }
}

impl std::error::Error for InsertError {}

/// What one worker uses to change the table. It moves with its worker's thread and is not shared.
///
/// A worker that has taken its shard must pass batch boundaries ([`Shard::quiesce`]) or be away
/// ([`Shard::away`]), or no flow of any worker is ever reclaimed.
#[derive(Debug)]
pub struct Shard {
    pub(super) table: Arc<FlowTable>,
    pub(super) worker: WorkerId,
    pub(super) supply: Supply,
    pub(super) wheel: Wheel,
    pub(super) limbo: Limbo,
    /// A shard may move to another thread but not be used by two.
    single_threaded: PhantomData<Cell<()>>,
}

/// One key of a flow on its way into the index.
#[derive(Clone, Copy)]
struct Claim {
    hash: FlowHash,
    key: [u64; 5],
    record: u32,
    taken: InsertError,
}

impl Shard {
    pub(super) fn new(table: Arc<FlowTable>, worker: WorkerId) -> Self {
        let limbo = Limbo::new(&table);
        table.quiescence.come(worker);
        Self {
            table,
            worker,
            supply: Supply::default(),
            wheel: Wheel::new(),
            limbo,
            single_threaded: PhantomData,
        }
    }

    /// The table it is a part of.
    #[inline]
    #[must_use]
    pub fn table(&self) -> &FlowTable {
        &self.table
    }

    /// The worker whose shard it is.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    pub(super) fn counters(&self) -> &Counters {
        self.table.counters.of(self.worker)
    }

    /// A batch boundary: the worker holds no [`Entry`] that it will still write through. Once per batch.
    #[inline]
    pub fn quiesce(&mut self) {
        self.table.quiescence.pass(self.worker);
    }

    /// Runs `sleep` with the worker away, so that nobody waits for it meanwhile. A batch boundary too.
    /// `sleep` looks nothing up as a worker does; flows in hand are lent to the others.
    pub fn away<R>(&mut self, sleep: impl FnOnce() -> R) -> R {
        self.supply.give_back(&self.table.pool, &self.table.cold);
        self.table.quiescence.go(self.worker);
        let result = sleep();
        self.table.quiescence.come(self.worker);
        result
    }

    /// Admits a flow: afterwards both keys are found by every thread, or neither. Never blocks and never
    /// evicts. The entry is that of the original direction.
    pub fn insert(&mut self, new: &NewFlow) -> Result<Entry, InsertError> {
        let result = self.try_insert(new);
        let counters = self.counters();
        match result {
            Ok(_) => counters.inserted.bump(),
            Err(InsertError::OriginalTaken | InsertError::ReplyTaken) => counters.taken.bump(),
            Err(InsertError::Contended) => counters.contended.bump(),
            // Counted where it is known which of the two was full.
            Err(InsertError::Full) => {}
        }
        result
    }

    fn try_insert(&mut self, new: &NewFlow) -> Result<Entry, InsertError> {
        if new.original == new.reply {
            return Err(InsertError::ReplyTaken);
        }
        let claim = |key: &FlowKey, taken| Claim {
            hash: self.table.hash(key),
            key: key.to_words(),
            record: 0,
            taken,
        };
        let mut claims = [
            claim(&new.original, InsertError::OriginalTaken),
            claim(&new.reply, InsertError::ReplyTaken),
        ];
        // The usual refusals, before anything is written.
        for claim in &claims {
            if self.table.rival(claim, None) == Rival::Published {
                return Err(claim.taken);
            }
        }
        let Some(flow) = self.supply.take(&self.table.pool, &self.table.cold) else {
            self.counters().no_flow.bump();
            return Err(InsertError::Full);
        };
        let sequence = self.table.prepare(FlowId(flow), self.worker, new);
        claims[0].record = flow << 1;
        claims[1].record = flow << 1 | 1;
        match self.publish(&claims) {
            Ok(slots) => {
                let entry = Entry::original_of(FlowId(flow), sequence);
                self.table.cold(entry.flow()).enliven(sequence, self.worker, slots);
                self.wheel.arm(&self.table.cold, flow, new.now, new.now.after(new.expires));
                Ok(entry)
            }
            Err(error) => {
                // Nobody read the records: they were behind tentative slots only. So no grace period.
                self.supply.put(&self.table.pool, &self.table.cold, flow);
                Err(error)
            }
        }
    }

    /// Gets both keys into the index, or neither.
    fn publish(&self, claims: &[Claim; 2]) -> Result<[u32; 2], InsertError> {
        for attempt in 0..ATTEMPTS {
            let slots = self.claim_slots(claims)?;
            // ORDERING: two workers that claim the same key each claim first and look for rivals second,
            // with this fence between: at least one of them sees the other's slot. (Without it both
            // could miss the other, their claims still on the way.)
            fence(Ordering::SeqCst);
            match self.table.judge(claims, slots) {
                Ok(Rival::None) => {
                    for slot in slots {
                        self.table.index.publish(slot);
                    }
                    return Ok(slots.map(|slot| slot.0));
                }
                outcome => {
                    for slot in slots {
                        self.table.index.empty(slot);
                    }
                    outcome?;
                }
            }
            self.counters().retried.bump();
            // Workers wait for different times, so that two of them do not meet again and again.
            for _ in 0..=(attempt * (1 + u32::from(self.worker.0))) {
                spin_loop();
            }
        }
        Err(InsertError::Contended)
    }

    fn claim_slots(&self, claims: &[Claim; 2]) -> Result<[SlotId; 2], InsertError> {
        let index = &self.table.index;
        let first = index.claim(claims[0].hash, claims[0].record);
        let second = first.and_then(|_| index.claim(claims[1].hash, claims[1].record));
        if let (Some(first), Some(second)) = (first, second) {
            return Ok([first, second]);
        }
        if let Some(first) = first {
            index.empty(first);
        }
        self.counters().no_slot.bump();
        Err(InsertError::Full)
    }
}

impl Drop for Shard {
    /// Goes away for good. Flows it owns stay; whoever takes the shard next finds no timers for them.
    fn drop(&mut self) {
        self.supply.give_back(&self.table.pool, &self.table.cold);
        self.table.quiescence.go(self.worker);
        // ORDERING: release pairs with the acquire exchange in `FlowTable::shard`.
        self.table.taken[usize::from(self.worker.0)].store(0, Ordering::Release);
    }
}

impl FlowTable {
    /// Fills the records and the cold line of a flow taken from the supply.
    fn prepare(&self, flow: FlowId, owner: WorkerId, new: &NewFlow) -> u32 {
        let origin = Origin { rule: new.rule, mapping: new.mapping, created: new.now, name: 0 };
        let sequence = self.cold(flow).prepare(owner, &origin);
        let generation = new.generation;
        let original = Contents {
            key: new.original,
            value: new.original_value,
            generation,
            direction: new.original_direction,
        };
        let reply = Contents {
            key: new.reply,
            value: new.reply_value,
            generation,
            direction: new.reply_direction,
        };
        self.record(flow.0 << 1).fill(sequence, &original);
        self.record(flow.0 << 1 | 1).fill(sequence, &reply);
        sequence
    }

    fn rival(&self, claim: &Claim, own: Option<SlotId>) -> Rival {
        self.index
            .rival(claim.hash, own, |slot, word| self.entry_of(slot, word, &claim.key).is_some())
    }

    /// What stands against a flow that holds these slots.
    fn judge(&self, claims: &[Claim; 2], slots: [SlotId; 2]) -> Result<Rival, InsertError> {
        let mut worst = Rival::None;
        for (claim, slot) in claims.iter().zip(slots) {
            match self.rival(claim, Some(slot)) {
                Rival::Published => return Err(claim.taken),
                Rival::Tentative => worst = Rival::Tentative,
                Rival::None => {}
            }
        }
        Ok(worst)
    }
}
