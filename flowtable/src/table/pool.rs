//! Where free flows are: in the pool that all workers share, or in a worker's own supply.
//!
//! Flows move between the two in lists of about a chunk, so workers meet here once in a chunk of
//! admissions, and one worker alone can use every flow. The pool is a stack of lists linked through the
//! flows' own cold lines, with a version beside its top against a top that came back (the "ABA" problem);
//! flows that were never used are a counter, so that making the table touches none of them.

use std::ops::Range;

use super::cold::Cold;
use crate::sync::{AtomicU64, Lines, Ordering, at, high, low, pair};

/// No flow, where a flow's number plus one is stored.
pub(crate) const NONE: u32 = 0;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Pool {
    /// Version above, the head of the topmost list plus one below.
    top: AtomicU64,
    /// The first flow that was never handed out.
    fresh: AtomicU64,
    /// Not zero while some worker finds nothing: the others give back what they do not need.
    wanted: AtomicU64,
    flows: u32,
    chunk: u32,
}

/// Free flows linked through their cold lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct List {
    /// The first flow plus one.
    head: u32,
    len: u32,
}

/// What one worker has in hand.
#[derive(Debug, Default)]
pub(crate) struct Supply {
    fresh: Range<u32>,
    current: List,
    /// A full chunk or nothing: between it and `current` a worker that frees and takes in turns never
    /// goes to the pool.
    spare: List,
}

impl List {
    fn push(&mut self, cold: &Lines, flow: u32) {
        Cold(cold.line(at(flow))).set_link(NONE, self.head);
        self.head = flow + 1;
        self.len += 1;
    }

    fn pop(&mut self, cold: &Lines) -> Option<u32> {
        let flow = self.head.checked_sub(1)?;
        self.head = Cold(cold.line(at(flow))).link().1;
        self.len = self.len.saturating_sub(1);
        Some(flow)
    }
}

impl Pool {
    pub(crate) fn new(flows: u32, chunk: u32) -> Self {
        Self {
            top: AtomicU64::new(0),
            fresh: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            flows,
            chunk,
        }
    }

    fn push(&self, cold: &Lines, list: List) {
        let Some(head) = list.head.checked_sub(1).map(|flow| Cold(cold.line(at(flow)))) else {
            return;
        };
        head.set_list_len(list.len);
        let (_, next) = head.link();
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            // The head's link word holds the list below in the pool, and its own list's next flow.
            head.set_link(low(top), next);
            let new = pair(high(top).wrapping_add(1), list.head);
            // ORDERING: release pairs with the acquire in `pop`: who takes the list sees its links, and
            // comes after whatever was done with its flows.
            match self.top.compare_exchange_weak(top, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }

    fn pop(&self, cold: &Lines) -> Option<List> {
        // ORDERING: acquire, here and on failure, pairs with the release in `push`, so the link read
        // below is the one pushed, or belongs to a newer use and the exchange fails by its version.
        let mut top = self.top.load(Ordering::Acquire);
        loop {
            let head = Cold(cold.line(at(low(top).checked_sub(1)?)));
            let (below, _) = head.link();
            let new = pair(high(top).wrapping_add(1), below);
            match self.top.compare_exchange_weak(top, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(List { head: low(top), len: head.list_len() }),
                Err(now) => top = now,
            }
        }
    }

    fn pop_fresh(&self) -> Option<Range<u32>> {
        let mut start = self.fresh.load(Ordering::Relaxed);
        loop {
            if start >= u64::from(self.flows) {
                return None;
            }
            let end = (start + u64::from(self.chunk)).min(u64::from(self.flows));
            // ORDERING: relaxed, as flows never used carry nothing from one thread to another.
            match self.fresh.compare_exchange_weak(start, end, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Some(low(start)..low(end)),
                Err(now) => start = now,
            }
        }
    }

    /// Whether some worker has found the pool empty.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed) != 0
    }
}

impl Supply {
    /// A free flow, from the own supply or the pool.
    pub(crate) fn take(&mut self, pool: &Pool, cold: &Lines) -> Option<u32> {
        if let Some(flow) = self.current.pop(cold) {
            return Some(flow);
        }
        if let Some(flow) = self.fresh.next() {
            return Some(flow);
        }
        if self.spare.len > 0 {
            self.current = std::mem::take(&mut self.spare);
        } else if let Some(list) = pool.pop(cold) {
            self.current = list;
            // Whoever finds nothing next says so again.
            if pool.is_wanted() {
                pool.wanted.store(0, Ordering::Relaxed);
            }
        } else if let Some(fresh) = pool.pop_fresh() {
            self.fresh = fresh;
            return self.fresh.next();
        } else {
            // ORDERING: relaxed: a hint that others read now and then. Stored only on change.
            if !pool.is_wanted() {
                pool.wanted.store(1, Ordering::Relaxed);
            }
            return None;
        }
        self.current.pop(cold)
    }

    /// Puts a flow back whose grace period is over.
    pub(crate) fn put(&mut self, pool: &Pool, cold: &Lines, flow: u32) {
        if self.current.len >= pool.chunk {
            let full = std::mem::replace(&mut self.spare, std::mem::take(&mut self.current));
            pool.push(cold, full);
        }
        self.current.push(cold, flow);
    }

    /// Gives everything to the pool, for a worker that sleeps or that others wait for.
    pub(crate) fn give_back(&mut self, pool: &Pool, cold: &Lines) {
        for flow in self.fresh.by_ref() {
            self.current.push(cold, flow);
        }
        pool.push(cold, std::mem::take(&mut self.current));
        pool.push(cold, std::mem::take(&mut self.spare));
    }

    /// Flows in hand.
    pub(crate) fn len(&self) -> u32 {
        self.current.len + self.spare.len + (self.fresh.end - self.fresh.start)
    }
}
