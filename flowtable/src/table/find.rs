//! Lookups: from a key to the entry that holds it, from any thread, in bounded time, writing nothing.

use super::FlowTable;
use super::entry::Entry;
use super::hash::FlowHash;
use super::index::{Index, record_of};
use super::prefetch::prefetch;
use crate::key::FlowKey;
use crate::record::{is_current, sequence_of};
use crate::sync::{AtomicU64, Line, Ordering};

impl FlowTable {
    /// The hash of a key, for the calls below.
    #[inline]
    #[must_use]
    pub fn hash(&self, key: &FlowKey) -> FlowHash {
        self.hasher.hash(key)
    }

    /// Asks for the lines where the tag of a key can be. First stage of a batch.
    #[inline]
    pub fn prefetch_buckets(&self, hash: FlowHash) {
        for line in self.index.candidates(hash) {
            prefetch(line);
        }
    }

    /// Asks for the record that the tag names, both lines. Second stage of a batch, when the buckets
    /// have come.
    #[inline]
    pub fn prefetch_record(&self, hash: FlowHash) {
        for line in self.index.candidates(hash) {
            let places = Index::places(line, hash.tag());
            if let Some(slot) = line.get(places.trailing_zeros() as usize) {
                let record = self.record(record_of(slot.load(Ordering::Relaxed)));
                prefetch(record.a);
                prefetch(record.b);
                return;
            }
        }
    }

    /// The entry of a key, `hash` being that of the same key. Wait-free: at most sixteen tags are looked
    /// at, and a lookup that meets a change goes on as if it had come later.
    #[inline]
    #[must_use]
    pub fn find(&self, hash: FlowHash, key: &FlowKey) -> Option<Entry> {
        let words = key.to_words();
        let [first, second] = self.index.candidates(hash);
        self.find_in(first, hash.tag(), &words).or_else(|| self.find_in(second, hash.tag(), &words))
    }

    #[inline]
    fn find_in(&self, line: &Line, tag: u32, key: &[u64; 5]) -> Option<Entry> {
        let mut places = Index::places(line, tag);
        while let Some(slot) = line.get(places.trailing_zeros() as usize) {
            if let Some(word) = Index::published(slot, tag)
                && let Some(entry) = self.entry_of(slot, word, key)
            {
                return Some(entry);
            }
            places &= places - 1;
        }
        None
    }

    /// The entry that a published slot's word names, if it holds that key.
    ///
    /// A thread that is no worker may be overtaken by the end of the flow and the next use of the record.
    /// So the slot is read again between two readings of the sequence: had the record been used anew for
    /// the same key, but not yet published, the slot would be empty or tentative by then; had it been
    /// used anew after the slot was read, the sequence would differ.
    #[inline]
    pub(crate) fn entry_of(&self, slot: &AtomicU64, word: u64, key: &[u64; 5]) -> Option<Entry> {
        let record = record_of(word);
        let line = self.record_key(record);
        let sequence = sequence_of(line, key)?;
        // ORDERING: acquire pairs with the release store in `publish`; a word of a later use brings
        // that use's sequence, which the next line then finds different.
        let still = slot.load(Ordering::Acquire) == word;
        (still && is_current(line, sequence)).then(|| Entry::new(record, sequence))
    }
}
