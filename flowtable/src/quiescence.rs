//! When nobody can hold a reference any more: quiescent-state-based reclamation.
//!
//! A worker takes handles only between two of its batch boundaries. What was unlinked before every worker
//! passed a boundary (or was away) is held by nobody afterwards. Each worker has one counter on a
//! cache line of its own, even while it works, odd while it is away, and changed by itself alone; whoever
//! wants to reclaim looks at all of them twice.
//!
//! Readers that are no workers have no counter. They hold no references in this sense: what they read is
//! checked against the sequence of the record.

use crossbeam::utils::CachePadded;

use crate::key::WorkerId;
use crate::sync::{AtomicU64, Ordering, fence};

/// The counters of all workers.
#[derive(Debug)]
pub(crate) struct Quiescence {
    counters: Box<[CachePadded<AtomicU64>]>,
}

/// Every counter as it was at some moment.
#[derive(Debug)]
pub(crate) struct Grace {
    counters: Box<[u64]>,
    /// Workers below this one are known to have passed a boundary since.
    passed: usize,
}

impl Quiescence {
    /// Counters for so many workers, all away.
    pub(crate) fn new(workers: u16) -> Self {
        let counters = (0..workers).map(|_| CachePadded::new(AtomicU64::new(1))).collect();
        Self { counters }
    }

    /// Room for a look at the counters, so that looking allocates nothing.
    pub(crate) fn grace(&self) -> Grace {
        Grace { counters: self.counters.iter().map(|_| 0).collect(), passed: 0 }
    }

    fn counter(&self, worker: WorkerId) -> &AtomicU64 {
        &self.counters[usize::from(worker.0)]
    }

    /// The worker holds nothing at this moment and goes on: a batch boundary.
    #[inline]
    pub(crate) fn pass(&self, worker: WorkerId) {
        let counter = self.counter(worker);
        let now = counter.load(Ordering::Relaxed);
        // ORDERING: release pairs with the acquire loads in `start` and `is_over`: what this worker did
        // with its handles happened before anything the reclaimer does next.
        counter.store(now.wrapping_add(2), Ordering::Release);
        // ORDERING: pairs with the fence in `start`. If the reclaimer's first look missed the store above,
        // its fence came before this one, so the loads of the coming batch see what it had unlinked.
        // Without the fence they could be satisfied before the store is visible.
        fence(Ordering::SeqCst);
    }

    /// The worker holds nothing and will look nothing up until [`Quiescence::come`].
    pub(crate) fn go(&self, worker: WorkerId) {
        let counter = self.counter(worker);
        let now = counter.load(Ordering::Relaxed);
        // ORDERING: release as in `pass`. No loads follow that would need the fence.
        counter.store(now | 1, Ordering::Release);
    }

    /// The worker is back.
    pub(crate) fn come(&self, worker: WorkerId) {
        let counter = self.counter(worker);
        let now = counter.load(Ordering::Relaxed);
        counter.store((now | 1).wrapping_add(1), Ordering::Relaxed);
        // ORDERING: as in `pass`: a reclaimer that still saw the worker away unlinked before this fence.
        fence(Ordering::SeqCst);
    }

    /// Starts waiting for all workers to be past what they may hold now. Whatever the caller means to
    /// reclaim is already unlinked, by itself or by threads it has synchronised with.
    pub(crate) fn start(&self, grace: &mut Grace) {
        // ORDERING: pairs with the fences in `pass` and `come`; see there.
        fence(Ordering::SeqCst);
        for (seen, counter) in grace.counters.iter_mut().zip(&self.counters) {
            *seen = counter.load(Ordering::Acquire);
        }
        grace.passed = 0;
    }

    /// Whether every worker has passed a boundary, or was away, since [`Quiescence::start`].
    pub(crate) fn is_over(&self, grace: &mut Grace) -> bool {
        let workers = self.counters.iter().zip(&grace.counters).skip(grace.passed);
        for (counter, &seen) in workers {
            let away = seen & 1 == 1;
            // ORDERING: acquire pairs with the release stores in `pass` and `go`.
            if !away && counter.load(Ordering::Acquire) == seen {
                return false;
            }
            grace.passed += 1;
        }
        true
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Quiescence;
    use crate::key::WorkerId;

    #[test]
    fn a_grace_period_needs_a_boundary_of_everyone_present() {
        let (a, b) = (WorkerId(0), WorkerId(1));
        let workers = Quiescence::new(3);
        let mut grace = workers.grace();
        workers.start(&mut grace);
        assert!(workers.is_over(&mut grace), "nobody is there");
        workers.come(a);
        workers.come(b);
        workers.start(&mut grace);
        workers.pass(a);
        assert!(!workers.is_over(&mut grace), "the other one may still hold something");
        workers.pass(a);
        assert!(!workers.is_over(&mut grace));
        workers.go(b);
        assert!(workers.is_over(&mut grace), "going away is a boundary");
        workers.start(&mut grace);
        workers.come(b);
        assert!(!workers.is_over(&mut grace));
        workers.pass(a);
        assert!(workers.is_over(&mut grace), "who was away held nothing");
    }
}
