//! Entries: handles on one direction of a flow, and what can be read and written through them.

use super::FlowTable;
use super::cold::{Cause, Status, cause_to_bits};
use super::index::SlotId;
use crate::direction::Direction;
use crate::key::{FlowKey, Generation, Tick, WorkerId};
use crate::record::Value;
use crate::sync::{Ordering, low};

/// A flow by its number. Numbers are used again; an [`Entry`] is not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FlowId(pub u32);

/// Which direction of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// That of the packet which opened it.
    Original,
    /// The other one.
    Reply,
}

/// A handle on one direction of one flow. It names this use of the record, so reading through a handle
/// that is out of date gives `None` and never another flow's data.
///
/// Writing through it is for workers, between the [`FlowTable::find`] that gave it and their next
/// [`quiesce`](super::Shard::quiesce): within that time the record cannot be used anew.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    record: u32,
    sequence: u32,
}

impl Entry {
    #[inline]
    pub(crate) const fn new(record: u32, sequence: u32) -> Self {
        Self { record, sequence }
    }

    /// The entry of a flow's original direction.
    pub(crate) const fn original_of(flow: FlowId, sequence: u32) -> Self {
        Self { record: flow.0 << 1, sequence }
    }

    /// The flow it is a direction of.
    #[must_use]
    pub const fn flow(self) -> FlowId {
        FlowId(self.record >> 1)
    }

    /// Which direction it is.
    #[must_use]
    pub const fn side(self) -> Side {
        if self.record & 1 == 0 { Side::Original } else { Side::Reply }
    }

    /// The same flow's other direction.
    #[must_use]
    pub const fn peer(self) -> Self {
        Self { record: self.record ^ 1, sequence: self.sequence }
    }

    /// The same flow's original direction.
    #[must_use]
    pub const fn original(self) -> Self {
        Self { record: self.record & !1, sequence: self.sequence }
    }
}

/// All there is to know about one direction of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SideSnapshot {
    /// Its key.
    pub key: FlowKey,
    /// Its value.
    pub value: Value,
    /// The policy it was last judged under.
    pub generation: Generation,
    /// What it remembers.
    pub direction: Direction,
}

/// All there is to know about a flow, at one moment for each of its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowSnapshot {
    /// A handle on its original direction.
    pub entry: Entry,
    /// The worker that admitted it and will reclaim it.
    pub owner: WorkerId,
    /// When it was admitted.
    pub created: Tick,
    /// The rule that decided it, as given at admission or since.
    pub rule: u64,
    /// Its translation, as given at admission.
    pub mapping: u64,
    /// The name that admitted it, 0 if none was noted.
    pub name: u64,
    /// The original direction.
    pub original: SideSnapshot,
    /// The reply direction.
    pub reply: SideSnapshot,
}

impl FlowTable {
    /// The key of an entry; `None` if its record is used anew.
    #[must_use]
    pub fn key(&self, entry: Entry) -> Option<FlowKey> {
        self.record(entry.record).key(entry.sequence)
    }

    /// The policy this direction was last judged under; `None` if the record is used anew.
    #[inline]
    #[must_use]
    pub fn generation(&self, entry: Entry) -> Option<Generation> {
        self.record(entry.record).generation(entry.sequence)
    }

    /// Notes that this direction has been judged under another policy. Any worker may, in its batch.
    pub fn set_generation(&self, entry: Entry, generation: Generation) {
        self.record(entry.record).store_generation(entry.sequence, generation);
    }

    /// The value as a whole; `None` if the record is used anew, or if the value's writer lost its CPU in
    /// the middle of replacing it.
    #[inline]
    #[must_use]
    pub fn value(&self, entry: Entry) -> Option<Value> {
        self.record(entry.record).value(entry.sequence)
    }

    /// Replaces the value. Only the worker that forwards this direction, in its batch.
    pub fn set_value(&self, entry: Entry, value: Value) {
        self.record(entry.record).store_value(entry.sequence, value);
    }

    /// What this direction remembers, as a whole; `None` if the record is used anew, or if another thread
    /// writes the direction and lost its CPU in the middle. Who writes it itself never gets the latter.
    #[inline]
    #[must_use]
    pub fn direction(&self, entry: Entry) -> Option<Direction> {
        self.record(entry.record).direction(entry.sequence)
    }

    /// What the flow's other direction remembers, as [`FlowTable::direction`].
    #[inline]
    #[must_use]
    pub fn peer_direction(&self, entry: Entry) -> Option<Direction> {
        self.direction(entry.peer())
    }

    /// Replaces what this direction remembers. Only the worker that forwards it, in its batch.
    #[inline]
    pub fn store_direction(&self, entry: Entry, direction: &Direction) {
        self.record(entry.record).store_direction(entry.sequence, direction);
    }

    /// Notes another deciding rule and admitting name after a new judgement. Any worker, in its batch.
    pub fn set_origin(&self, entry: Entry, rule: u64, name: u64) {
        let cold = self.cold(entry.flow());
        if cold.state().sequence == entry.sequence {
            cold.set_origin(rule, name);
        }
    }

    /// Whether the entry's flow lives: not killed, and its record not used anew.
    #[must_use]
    pub fn is_live(&self, entry: Entry) -> bool {
        let state = self.cold(entry.flow()).state();
        state.sequence == entry.sequence && state.status == Status::Live
    }

    /// Ends a flow, through either direction's entry, from any thread. True for the one caller that
    /// ended it: the flow was live and is found no more. Its owner reclaims it later, once.
    pub fn kill(&self, entry: Entry, cause: Cause) -> bool {
        let flow = entry.flow();
        let cold = self.cold(flow);
        let Some(owner) = cold.kill(entry.sequence) else {
            return false;
        };
        for slot in cold.slots() {
            self.index.empty(SlotId(slot));
        }
        let inbox = &self.inboxes[usize::from(owner.0)];
        let mut last = inbox.load(Ordering::Relaxed);
        loop {
            let next = low(last);
            cold.set_link(cause_to_bits(cause), next);
            // ORDERING: release pairs with the acquire swap of the owner, who then sees the link and the
            // emptied slots. The list is taken whole, so a flow that came back does no harm.
            match inbox.compare_exchange_weak(
                last,
                u64::from(flow.0) + 1,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => last = now,
            }
        }
    }

    /// All about the flow of that number, from any thread; `None` if there is none, if it ended
    /// meanwhile, or if a writer lost its CPU in the middle of a change.
    #[must_use]
    pub fn snapshot_flow(&self, flow: FlowId) -> Option<FlowSnapshot> {
        if flow.0 >= self.capacity() {
            return None;
        }
        let cold = self.cold(flow);
        let state = cold.state();
        if state.status != Status::Live {
            return None;
        }
        let origin = cold.origin();
        let entry = Entry::original_of(flow, state.sequence);
        let snapshot = FlowSnapshot {
            entry,
            owner: state.owner,
            created: origin.created,
            rule: origin.rule,
            mapping: origin.mapping,
            name: origin.name,
            original: self.snapshot_side(entry)?,
            reply: self.snapshot_side(entry.peer())?,
        };
        cold.is_still(state).then_some(snapshot)
    }

    fn snapshot_side(&self, entry: Entry) -> Option<SideSnapshot> {
        Some(SideSnapshot {
            key: self.key(entry)?,
            value: self.value(entry)?,
            generation: self.generation(entry)?,
            direction: self.direction(entry)?,
        })
    }
}
