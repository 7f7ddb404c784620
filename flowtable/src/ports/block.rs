//! Blocks of 64 ports as bits, and random choice among set bits.

use crate::key::Port;
use crate::rng::Rng;

/// Words of lots of one slice: 2¹⁶ ports, 64 ports a block, 64 blocks a word. A model has the lowest 4,096
/// ports only: its checker follows every word.
pub(super) const WORDS: usize = if cfg!(loom) { 1 } else { 16 };

/// A block of 64 ports, by the upper ten bits of a port number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Block(pub(super) u16);

impl Block {
    pub(super) const fn of(port: Port) -> Self {
        Self(port.0 >> 6)
    }

    #[expect(clippy::cast_possible_truncation, reason = "words and bits of a block fit ten bits")]
    pub(super) const fn at(word: usize, bit: u32) -> Self {
        Self((word as u16) << 6 | bit as u16)
    }

    pub(super) fn word(self) -> usize {
        usize::from(self.0 >> 6)
    }

    pub(super) fn bit(self) -> u32 {
        u32::from(self.0 & 63)
    }
}

/// One of the set bits of these words, each as likely as the others.
#[inline]
pub(super) fn pick(words: &[u64; WORDS], rng: &mut Rng) -> Option<Block> {
    let set: u32 = words.iter().map(|word| word.count_ones()).sum();
    if set == 0 {
        return None;
    }
    let mut skip = rng.below(set);
    for (number, &word) in words.iter().enumerate() {
        if skip < word.count_ones() {
            return Some(Block::at(number, nth_bit(word, skip)));
        }
        skip -= word.count_ones();
    }
    None
}

/// The place of the set bit that has `skip` set bits below it.
#[inline]
pub(super) const fn nth_bit(mut word: u64, mut skip: u32) -> u32 {
    while skip > 0 {
        word &= word.wrapping_sub(1);
        skip -= 1;
    }
    word.trailing_zeros()
}
