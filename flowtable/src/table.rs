//! The flow table: found by either direction's key from any thread without waiting, changed by the
//! workers without a lock.
//!
//! # What lies where
//!
//! Three arrays of words, addressed by number alone, so that they can live in a mapping that others share:
//!
//! ```text
//! index    buckets of 8 slots     a slot is (tag, record number), 8 bytes; two buckets per key
//! records  2 per flow, 128 bytes  record 2f is flow f's original direction, 2f + 1 its reply
//! cold     1 per flow, 64 bytes   touched only when a flow comes, changes or goes
//! ```
//!
//! A lookup reads the line of a bucket (seldom both), then the line of one record: two lines, whose
//! addresses follow from the hash and from the tag, so a batch can ask for all of them beforehand.
//!
//! # Life of a flow
//!
//! 1. [`Shard::insert`] takes a free flow, fills both records, claims a slot for each key *tentatively*,
//!    makes sure that no other worker holds the same key, then publishes both tags. Lookups ignore
//!    tentative slots. Of several workers that admit the same key at most one succeeds.
//! 2. [`FlowTable::find`] gives an [`Entry`]: the record's number and its *sequence*, which names this use
//!    of the record. Reading through an entry tells whether the record still holds that flow.
//! 3. [`FlowTable::kill`] ends a flow. One caller wins; it empties the slots and hands the flow to its owner,
//!    the shard that inserted it.
//! 4. The owner waits until every worker has passed a batch boundary ([`Shard::quiesce`]), so nobody is
//!    still forwarding a packet of that flow, reports it [`Reclaimed`] exactly once, and frees it.
//!
//! # Who writes what
//!
//! Every word has one writer at a time. A direction, its counters and its value are written by whoever
//! forwards that direction; all others read them as a consistent whole. Nothing is ever evicted: a full
//! table refuses new flows ([`InsertError::Full`]) and keeps the old ones.
//!
//! The table knows no verdicts, clock, translation or timeouts: rules, mappings and values are opaque
//! words, deadlines are asked for.

pub(crate) mod cold;
mod entry;
#[cfg(all(test, not(loom)))]
mod expiry_tests;
mod find;
mod hash;
mod header;
mod index;
#[cfg(all(test, loom))]
mod loom_tests;
mod pool;
mod prefetch;
mod reclaim;
mod shard;
mod stats;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use self::cold::Cause;
pub use self::entry::{Entry, FlowId, FlowSnapshot, Side, SideSnapshot};
pub use self::hash::FlowHash;
pub use self::header::{Header, HeaderError};
pub use self::reclaim::{Reclaimed, Remaining};
pub use self::shard::{InsertError, NewFlow, Shard};
pub use self::stats::TableStats;
pub use crate::record::Value;

use self::cold::Cold;
use self::hash::FlowHasher;
use self::index::Index;
use self::pool::Pool;
use self::stats::AllCounters;
use crate::key::WorkerId;
use crate::quiescence::Quiescence;
use crate::record::Record;
use crate::sync::{AtomicU64, Line, Lines, NoMemory, Ordering, at};
use crossbeam::utils::CachePadded;

/// What a table is made from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableConfig {
    /// How many flows fit.
    pub flows: u32,
    /// How many workers there will be; each takes one [`Shard`].
    pub workers: u16,
    /// What the hash is keyed with. Whoever knows it can choose keys that share buckets.
    pub seed: u64,
}

/// Why a table or a shard could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TableError {
    /// The number of flows is 0 or more than [`TableConfig::MAX_FLOWS`].
    Flows(u32),
    /// A table without workers.
    NoWorkers,
    /// Memory for so many flows is not to be had.
    Memory(u32),
    /// The table was made for fewer workers.
    NoSuchWorker(WorkerId),
    /// That worker's shard is taken.
    ShardTaken(WorkerId),
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flows(flows) => {
                write!(f, "{flows} flows; a table holds 1 to {}", TableConfig::MAX_FLOWS)
            }
            Self::NoWorkers => write!(f, "a flow table needs at least one worker"),
            Self::Memory(flows) => {
                write!(f, "no memory for {flows} flows ({} bytes)", TableConfig::bytes(*flows))
            }
            Self::NoSuchWorker(worker) => {
                write!(f, "worker {} is more than the table was made for", worker.0)
            }
            Self::ShardTaken(worker) => write!(f, "the shard of worker {} is taken", worker.0),
        }
    }
}

impl std::error::Error for TableError {}

impl TableConfig {
    /// The most flows a table can hold.
    pub const MAX_FLOWS: u32 = 1 << 28;

    /// The memory of a table of so many flows once all of it has been used, in bytes.
    #[must_use]
    pub const fn bytes(flows: u32) -> u64 {
        flows as u64 * (2 * 128 + 64) + Geometry::buckets(flows) as u64 * 64
    }
}

/// The sizes of a table. Tests choose smaller ones than follow from a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Geometry {
    pub(crate) flows: u32,
    pub(crate) workers: u16,
    pub(crate) buckets: u32,
    /// Flows that move between the pool and a worker at once.
    pub(crate) chunk: u32,
}

impl Geometry {
    /// Two tags per flow in buckets of eight slots at half load; see [`index`] for what load does.
    const fn buckets(flows: u32) -> u32 {
        if flows < 16 { 8 } else { flows.div_ceil(2) }
    }

    fn of(config: &TableConfig) -> Result<Self, TableError> {
        let TableConfig { flows, workers, .. } = *config;
        if flows == 0 || flows > TableConfig::MAX_FLOWS {
            return Err(TableError::Flows(flows));
        }
        if workers == 0 {
            return Err(TableError::NoWorkers);
        }
        // Workers keep up to two chunks in hand each; of a small table that must not be much.
        let chunk = (flows / (u32::from(workers) * 16)).clamp(1, 64);
        Ok(Self { flows, workers, buckets: Self::buckets(flows), chunk })
    }
}

/// The table that all workers and the control plane share.
#[derive(Debug)]
pub struct FlowTable {
    header: Header,
    hasher: FlowHasher,
    index: Index,
    records: Lines,
    cold: Lines,
    pool: Pool,
    quiescence: Quiescence,
    /// Per worker: 1 while its shard is taken.
    taken: Box<[AtomicU64]>,
    /// Per worker: the last flow killed and not yet collected by its owner, plus one.
    inboxes: Box<[CachePadded<AtomicU64>]>,
    counters: AllCounters,
}

impl FlowTable {
    /// An empty table. All memory it will ever use is reserved here; pages are touched on use.
    pub fn new(config: TableConfig) -> Result<Self, TableError> {
        Self::with_geometry(Geometry::of(&config)?, config.seed)
    }

    pub(crate) fn with_geometry(geometry: Geometry, seed: u64) -> Result<Self, TableError> {
        let Geometry { flows, workers, buckets, chunk } = geometry;
        let memory = |_: NoMemory| TableError::Memory(flows);
        let per_flow = at(flows);
        Ok(Self {
            header: Header::new(flows, buckets, workers),
            hasher: FlowHasher::from_seed(seed),
            index: Index::new(buckets).map_err(memory)?,
            records: Lines::zeroed(per_flow.saturating_mul(4)).map_err(memory)?,
            cold: Lines::zeroed(per_flow).map_err(memory)?,
            pool: Pool::new(flows, chunk),
            quiescence: Quiescence::new(workers),
            taken: (0..workers).map(|_| AtomicU64::new(0)).collect(),
            inboxes: (0..workers).map(|_| CachePadded::new(AtomicU64::new(0))).collect(),
            counters: AllCounters::new(workers),
        })
    }

    /// The part of the table that one worker writes. It can be taken once at a time, and counts as away
    /// until its first [`Shard::quiesce`].
    pub fn shard(self: &Arc<Self>, worker: WorkerId) -> Result<Shard, TableError> {
        let taken =
            self.taken.get(usize::from(worker.0)).ok_or(TableError::NoSuchWorker(worker))?;
        // ORDERING: acquire pairs with the release store when a shard is dropped, so that the next owner
        // of its counters reads what the last one stored.
        if taken.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return Err(TableError::ShardTaken(worker));
        }
        Ok(Shard::new(Arc::clone(self), worker))
    }

    /// What the table is, as its shared form would say at its front.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// How many flows fit.
    #[must_use]
    pub const fn capacity(&self) -> u32 {
        self.header.flows
    }

    /// Where the index, the records and the cold lines lie, so that whoever knows the system can ask it
    /// for huge pages before the first flow comes.
    #[must_use]
    pub fn regions(&self) -> [Range<*const u8>; 3] {
        [self.index.memory(), self.records.memory(), self.cold.memory()]
    }

    /// How many flows the table holds. A killed flow counts until its records are free.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.counters.held()
    }

    /// Whether the table holds no flow.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The counters summed over all workers.
    #[must_use]
    pub fn stats(&self) -> TableStats {
        self.counters.sum()
    }

    /// The counters of one worker, `None` if the table was made for fewer.
    #[must_use]
    pub fn worker_stats(&self, worker: WorkerId) -> Option<TableStats> {
        (worker.0 < self.header.workers).then(|| self.counters.read(worker))
    }

    #[inline]
    fn record(&self, number: u32) -> Record<'_> {
        let line = at(number) * 2;
        Record { a: self.records.line(line), b: self.records.line(line + 1) }
    }

    /// The first line of a record: its key and sequence.
    #[inline]
    fn record_key(&self, number: u32) -> &Line {
        self.records.line(at(number) * 2)
    }

    fn cold(&self, flow: FlowId) -> Cold<'_> {
        Cold(self.cold.line(at(flow.0)))
    }
}
