//! The atomics of the table: the standard library's, or loom's in a model-checking build.
//!
//! Everything shared is a word, an [`AtomicU64`], so that the same layout can later lie in a shared
//! mapping. This file makes such words; what they mean is said in [`crate::record`] and in the table.

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering, fence},
};
#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicU64, Ordering, fence},
};

use std::ops::Range;

/// Words of a cache line: 64 bytes.
pub(crate) const LINE: usize = 8;

/// One cache line.
pub(crate) type Line = [AtomicU64; LINE];

/// How often a reader looks again at words that their writer is changing before it gives up. A writer
/// needs some ten stores, so more than a few rounds mean that it lost its CPU in the middle.
pub(crate) const PATIENCE: u32 = if cfg!(loom) { 1 } else { 64 };

/// Stores a word that nobody is meant to act on before a later release.
#[inline]
pub(crate) fn put(word: &AtomicU64, value: u64) {
    // For loom every store is one more that each racing load may see: one that changes nothing is left
    // out, so that a model is as large as the words that differ in it.
    if !cfg!(loom) || word.load(Ordering::Relaxed) != value {
        word.store(value, Ordering::Relaxed);
    }
}

/// The low half of a word.
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
pub(crate) const fn low(word: u64) -> u32 {
    word as u32
}

/// The high half of a word.
pub(crate) const fn high(word: u64) -> u32 {
    low(word >> 32)
}

/// The word of two halves.
pub(crate) const fn pair(high: u32, low: u32) -> u64 {
    (high as u64) << 32 | low as u64
}

/// An index into memory. Exact: the table runs on machines of at least 32 bits.
pub(crate) const fn at(index: u32) -> usize {
    index as usize
}

/// Cache lines of zeros that cost no memory until they are written.
#[derive(Debug)]
pub(crate) struct Lines {
    words: Box<[AtomicU64]>,
    /// Words before the first one that starts a cache line. Asking the allocator for the alignment would
    /// make it write the zeros itself, and an idle table would be resident in full.
    skip: usize,
}

/// The allocator has no room for so many lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoMemory;

impl Lines {
    /// So many lines, or `Err` if memory is short.
    pub(crate) fn zeroed(lines: usize) -> Result<Self, NoMemory> {
        let len =
            lines.checked_mul(LINE).and_then(|len| len.checked_add(LINE - 1)).ok_or(NoMemory)?;
        let words = zeroed_words(len)?;
        let skip = words.as_ptr().align_offset(LINE * size_of::<u64>()).min(LINE - 1);
        Ok(Self { words, skip })
    }

    /// The line of that number.
    #[inline]
    pub(crate) fn line(&self, number: usize) -> &Line {
        self.words[self.skip + number * LINE..]
            .first_chunk()
            .expect("lines are counted when they are made")
    }

    /// The addresses they take.
    pub(crate) fn memory(&self) -> Range<*const u8> {
        let Range { start, end } = self.words.as_ptr_range();
        start.cast()..end.cast()
    }
}

#[cfg(not(loom))]
fn zeroed_words(len: usize) -> Result<Box<[AtomicU64]>, NoMemory> {
    bytemuck::allocation::try_zeroed_slice_box(len).map_err(|()| NoMemory)
}

#[cfg(loom)]
fn zeroed_words(len: usize) -> Result<Box<[AtomicU64]>, NoMemory> {
    Ok((0..len).map(|_| AtomicU64::new(0)).collect())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{LINE, Lines, Ordering, high, low, pair};

    #[test]
    fn lines_start_at_cache_lines_and_do_not_overlap() {
        for count in [1, 3, 1000, 100_000] {
            let lines = Lines::zeroed(count).expect("small");
            for number in [0, count / 2, count - 1] {
                let line = lines.line(number);
                assert_eq!(line.as_ptr().addr() % 64, 0);
                assert!(line.iter().all(|word| word.load(Ordering::Relaxed) == 0 || number == 0));
                line[LINE - 1].store(7, Ordering::Relaxed);
            }
        }
        assert!(Lines::zeroed(usize::MAX / 64).is_err());
    }

    #[test]
    fn a_word_is_its_halves() {
        let word = pair(0xdead_beef, 0x0bad_cafe);
        assert_eq!((high(word), low(word)), (0xdead_beef, 0x0bad_cafe));
    }
}
