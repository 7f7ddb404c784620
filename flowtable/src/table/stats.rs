//! What the table counts. Each worker counts on its own cache line; sums are made by who asks.

use crossbeam::utils::CachePadded;

use crate::key::WorkerId;
use crate::sync::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of the table: of one worker, or summed over all.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct TableStats {
            $($(#[$doc])* pub $name: u64,)*
        }

        /// The live counters of one worker.
        #[derive(Debug)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            fn new() -> Self {
                Self { $($name: Counter(AtomicU64::new(0)),)* }
            }

            fn read(&self) -> TableStats {
                TableStats { $($name: self.$name.read(),)* }
            }
        }

        impl TableStats {
            fn add(&mut self, other: &Self) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counters! {
    /// Flows admitted.
    inserted,
    /// Flows whose records were freed after the grace period.
    reclaimed,
    /// Admissions refused: no free flow.
    no_flow,
    /// Admissions refused: both buckets of a key full.
    no_slot,
    /// Admissions refused: one of the keys is in the table.
    taken,
    /// Admissions given up: another worker kept trying the same key.
    contended,
    /// Times an admission met another one of the same key and tried again.
    retried,
    /// Of the reclaimed, those whose deadline had passed.
    expired,
    /// Flows the timer looked at.
    visited,
    /// Of the visited, those that were not over and were armed again.
    rearmed,
    /// Of the rearmed, those whose writer was caught in the middle, so that they could not be judged.
    busy,
}

/// A number that one thread adds to and every thread reads.
#[derive(Debug)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// Adds one. Only the owner: this is a load and a store.
    #[inline]
    pub(crate) fn bump(&self) {
        // ORDERING: relaxed on both sides: a counter orders nothing.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of all workers.
#[derive(Debug)]
pub(crate) struct AllCounters(Box<[CachePadded<Counters>]>);

impl AllCounters {
    pub(crate) fn new(workers: u16) -> Self {
        Self((0..workers).map(|_| CachePadded::new(Counters::new())).collect())
    }

    pub(crate) fn of(&self, worker: WorkerId) -> &Counters {
        &self.0[usize::from(worker.0)]
    }

    pub(crate) fn read(&self, worker: WorkerId) -> TableStats {
        self.of(worker).read()
    }

    pub(crate) fn sum(&self) -> TableStats {
        let mut sum = TableStats::default();
        for worker in &self.0 {
            sum.add(&worker.read());
        }
        sum
    }

    /// Flows inserted and not yet reclaimed.
    pub(crate) fn held(&self) -> u64 {
        // Reclaimed first: a flow that ends between the two sums is counted rather than missed, so the
        // difference is never below zero.
        let reclaimed: u64 = self.0.iter().map(|worker| worker.reclaimed.read()).sum();
        let inserted: u64 = self.0.iter().map(|worker| worker.inserted.read()).sum();
        inserted.saturating_sub(reclaimed)
    }
}
