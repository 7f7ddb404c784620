//! The tag index: buckets of eight slots, one cache line each.
//!
//! A slot is one word, `tag << 32 | record << 1 | tentative`, zero when empty. It is claimed by exchange
//! from empty to tentative and from then on belongs to the inserter, who publishes or withdraws it; a
//! published slot belongs to the flow and is emptied by whoever kills it. So every slot has one writer at
//! a time, and a reader never waits for one.
//!
//! This file knows tags and record numbers. What a record holds is the caller's to check.

use std::ops::Range;

use super::hash::FlowHash;
use crate::sync::{AtomicU64, LINE, Line, Lines, NoMemory, Ordering, at, high, low, pair};

/// Slots of a bucket that are used: all of the line, but two where loom explores every interleaving.
pub(crate) const SLOTS: usize = if cfg!(loom) { 2 } else { LINE };

/// A key goes to its first bucket while that holds fewer tags than this, else to the emptier of the two.
/// At half load this puts 87 % of all keys into their first bucket (the only line a hit reads then)
/// and failed to place none of 8 million; always taking the emptier one would put 50 % there.
const CROWDED: usize = SLOTS - SLOTS / 4;

/// The bit of a slot that hides it from lookups.
const TENTATIVE: u64 = 1;

/// The slots of a table.
#[derive(Debug)]
pub(crate) struct Index {
    lines: Lines,
    buckets: u32,
}

/// The number of a slot, `bucket * 8 + place`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SlotId(pub(crate) u32);

/// What an inserter finds of its key beside its own slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rival {
    /// Nothing.
    None,
    /// Another inserter's tentative slot with the same tag.
    Tentative,
    /// A published slot with the same key.
    Published,
}

/// The record number in the word of a slot.
#[inline]
pub(crate) fn record_of(word: u64) -> u32 {
    low(word) >> 1
}

impl Index {
    pub(crate) fn new(buckets: u32) -> Result<Self, NoMemory> {
        Ok(Self { lines: Lines::zeroed(at(buckets))?, buckets })
    }

    /// The addresses it takes.
    pub(crate) fn memory(&self) -> Range<*const u8> {
        self.lines.memory()
    }

    /// The two lines where a key of that hash may be.
    #[inline]
    pub(crate) fn candidates(&self, hash: FlowHash) -> [&Line; 2] {
        hash.buckets(self.buckets).map(|bucket| self.lines.line(at(bucket)))
    }

    /// The places of a line whose slot has that tag, one bit each.
    #[inline]
    pub(crate) fn places(line: &Line, tag: u32) -> u32 {
        // All eight are compared without a branch: where a tag stands is random, so stopping at it would
        // mispredict. Relaxed, as each hit is loaded again with acquire.
        let wanted = pair(tag, 0);
        line[..SLOTS].iter().rev().fold(0, |places, slot| {
            let differs = (slot.load(Ordering::Relaxed) ^ wanted) < 1 << 32;
            places << 1 | u32::from(differs)
        })
    }

    /// The slot's word if it is published under that tag.
    #[inline]
    pub(crate) fn published(slot: &AtomicU64, tag: u32) -> Option<u64> {
        // ORDERING: acquire pairs with the release store in `publish`: the record it names is filled.
        let word = slot.load(Ordering::Acquire);
        (high(word) == tag && word & TENTATIVE == 0).then_some(word)
    }

    fn slot(&self, id: SlotId) -> &AtomicU64 {
        let place = at(id.0) % LINE;
        &self.lines.line(at(id.0) / LINE)[place]
    }

    /// Claims an empty slot for a key of that hash, tentatively; `None` if both buckets are full.
    pub(crate) fn claim(&self, hash: FlowHash, record: u32) -> Option<SlotId> {
        let buckets = hash.buckets(self.buckets);
        let used = buckets.map(|bucket| {
            let line = self.lines.line(at(bucket));
            line.iter().take(SLOTS).filter(|slot| slot.load(Ordering::Relaxed) != 0).count()
        });
        let order = if used[0] < CROWDED || used[0] <= used[1] {
            buckets
        } else {
            [buckets[1], buckets[0]]
        };
        let word = pair(hash.tag(), record << 1) | TENTATIVE;
        for bucket in order {
            for (place, slot) in (0..).zip(self.lines.line(at(bucket)).iter().take(SLOTS)) {
                // ORDERING: relaxed suffices for the claim itself: nobody reads the record through a
                // tentative slot, and the fence in the caller orders it before the search for rivals.
                // Acquire on success pairs with the release store in `empty`.
                if slot.load(Ordering::Relaxed) == 0
                    && slot.compare_exchange(0, word, Ordering::Acquire, Ordering::Relaxed).is_ok()
                {
                    return Some(SlotId(bucket * 8 + place));
                }
            }
        }
        None
    }

    /// Looks for the key in both buckets, leaving out `own`. `same_key` says whether the record that a
    /// published word names holds the key.
    pub(crate) fn rival(
        &self,
        hash: FlowHash,
        own: Option<SlotId>,
        same_key: impl Fn(&AtomicU64, u64) -> bool,
    ) -> Rival {
        let mut found = Rival::None;
        for bucket in hash.buckets(self.buckets) {
            for (place, slot) in (0..).zip(self.lines.line(at(bucket)).iter().take(SLOTS)) {
                // ORDERING: acquire as in `published`.
                let word = slot.load(Ordering::Acquire);
                if high(word) != hash.tag() || own == Some(SlotId(bucket * 8 + place)) {
                    continue;
                }
                // A tentative slot of the same tag counts as the same key: its record must not be
                // read, and one wrong guess in 2^32 only costs a retry.
                if word & TENTATIVE != 0 {
                    found = Rival::Tentative;
                } else if same_key(slot, word) {
                    return Rival::Published;
                }
            }
        }
        found
    }

    /// Shows a claimed slot to lookups.
    pub(crate) fn publish(&self, id: SlotId) {
        let slot = self.slot(id);
        let word = slot.load(Ordering::Relaxed) & !TENTATIVE;
        // ORDERING: release pairs with the acquire loads in `published` and `rival`: who sees the tag
        // sees the record. A plain store, since a claimed slot has one writer.
        slot.store(word, Ordering::Release);
    }

    /// Empties a slot: a claimed one by its inserter, a published one by who killed the flow.
    pub(crate) fn empty(&self, id: SlotId) {
        // ORDERING: release pairs with the acquire of the exchange in `claim`: whoever takes the slot
        // next comes after this flow's end.
        self.slot(id).store(0, Ordering::Release);
    }
}
