//! A worker thread: it owns a driver and a part of the data plane, and runs batches until told to stop.
//!
//! It shares three things with the control plane: the snapshots that come in, its published counts, and a
//! few flags. It logs nothing and allocates nothing once it runs.

use crate::io::PacketIo;
use crate::pipeline::ledger::Cells;
use crate::pipeline::{self, Batch, Worker};
use crate::snapshot::Snapshot;
use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use flowtable::key::{Addr, Tick};
use flowtable::table::Remaining;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Empty looks at the rings before a worker sleeps: a few microseconds, less than a wake-up costs.
const SPINS: u32 = 16;
/// How long an idle worker sleeps at most: expiry and new snapshots wait that long.
const IDLE: Duration = Duration::from_millis(20);
/// Snapshots on their way to a worker at once.
const INBOX: usize = 4;
/// Neighbours a worker may ask for between two looks of the control plane.
const WANTED: usize = 64;

/// A snapshot with its place in the order of publication.
#[derive(Clone, Debug)]
pub struct Published {
    /// Counts publications.
    pub serial: u64,
    /// What is in force.
    pub snapshot: Arc<Snapshot>,
}

/// What a worker and the control plane share.
#[derive(Debug)]
pub struct Link {
    inbox: ArrayQueue<Published>,
    /// Snapshots the worker no longer uses come back here, to be freed elsewhere.
    retired: ArrayQueue<Published>,
    /// The serial of the snapshot in use.
    serial: CachePadded<AtomicU64>,
    stop: AtomicBool,
    /// The worker's counts.
    pub cells: Cells,
    /// Destinations whose neighbour is not known.
    pub wanted: ArrayQueue<Addr>,
}

impl Link {
    /// A link to a worker with so many interfaces.
    #[must_use]
    pub fn new(interfaces: usize) -> Self {
        Self {
            inbox: ArrayQueue::new(INBOX),
            retired: ArrayQueue::new(INBOX + 1),
            serial: CachePadded::new(AtomicU64::new(0)),
            stop: AtomicBool::new(false),
            cells: Cells::new(interfaces),
            wanted: ArrayQueue::new(WANTED),
        }
    }

    /// Sends a snapshot; gives it back if the worker has not taken the last few yet.
    ///
    /// # Errors
    /// The snapshot itself.
    pub fn publish(&self, published: Published) -> Result<(), Published> {
        while self.retired.pop().is_some() {}
        self.inbox.push(published)
    }

    /// The serial of the snapshot the worker uses: once it is `n`, no packet is judged by an older one.
    #[must_use]
    pub fn serial(&self) -> u64 {
        // ORDERING: acquire pairs with the worker's release store, so that whoever sees the serial also
        // sees every effect the worker's earlier batches had on shared counters.
        self.serial.load(Ordering::Acquire)
    }

    /// Asks the worker to finish its batch and end.
    pub fn stop(&self) {
        // ORDERING: nothing else is handed over by this flag.
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// The newest snapshot sent, if there is one the worker does not have; the old one goes back.
    fn next(&self, current: Published) -> Published {
        let mut current = current;
        // The queue of retired ones is emptied before each publication and has room for all in the inbox.
        while let Some(next) = self.inbox.pop() {
            let serial = next.serial;
            let old = std::mem::replace(&mut current, next);
            if let Err(old) = self.retired.push(old) {
                drop(old);
            }
            // ORDERING: release pairs with `serial`.
            self.serial.store(serial, Ordering::Release);
        }
        current
    }
}

/// The data plane's clock: milliseconds since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Tick {
        Tick(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// Runs batches until the link says stop. `wait` sleeps until a frame arrives, at most the time given.
pub fn work<I: PacketIo>(
    io: &mut I,
    worker: &mut Worker,
    link: &Link,
    first: Published,
    clock: Clock,
    mut wait: impl FnMut(&mut I, Duration),
) {
    let mut batch = Batch::default();
    let mut current = first;
    link.serial.store(current.serial, Ordering::Release);
    let mut empty = 0;
    while !link.is_stopped() {
        current = link.next(current);
        let count = pipeline::run(io, &mut batch, worker, &current.snapshot, clock.now());
        if let Some(addr) = worker.unresolved.take() {
            link.wanted.push(addr).unwrap_or_default();
        }
        if count > 0 {
            empty = 0;
            link.cells.publish(&worker.ledger);
            continue;
        }
        empty += 1;
        if empty > SPINS && pipeline::finish(worker, clock.now()) != Remaining::Work {
            link.cells.publish(&worker.ledger);
            worker.shard.away(|| wait(io, IDLE));
        }
    }
    io.flush();
    link.cells.publish(&worker.ledger);
}
