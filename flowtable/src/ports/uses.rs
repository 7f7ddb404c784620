//! Which bits of which 64-bit words are set, for words named by a part of a pool address and a
//! destination: an open-addressing table of fixed size that holds the words with any bit set.
//!
//! It does not know what the bits mean. The hash is keyed, so nobody outside can choose destinations that
//! collide; probing is linear, and removal moves later entries back, so that nothing is left behind.

use ahash::RandomState;

use super::Destination;
use crate::key::Port;
use crate::sync::high;

/// One word's name and the word: remote address (two halves), part and destination, bits.
type Slot = [u64; 4];

/// Where the bits stand.
const BITS: usize = 3;

/// Which word of a destination: a number that the caller gives meaning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Part(pub(super) u32);

/// A destination with its hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hashed {
    high: u64,
    low: u64,
    /// Remote port and protocol, the low half of a key.
    rest: u64,
    pub(super) hash: u64,
}

/// The table.
pub(super) struct Uses {
    slots: Vec<Slot>,
    len: usize,
    hasher: RandomState,
}

impl Uses {
    /// A table for so many words.
    pub(super) fn new(words: usize, hasher: RandomState) -> Self {
        // Three quarters full at most: probes stay short, at the price of a third more memory.
        let slots = vec![[0; 4]; words + words / 3 + 8];
        Self { slots, len: 0, hasher }
    }

    /// How many words have a bit set.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn hashed(&self, to: &Destination) -> Hashed {
        let Port(port) = to.remote_port;
        self.rehashed(to.remote.bits(), u64::from(port) << 8 | u64::from(to.proto.0))
    }

    fn rehashed(&self, remote: u128, rest: u64) -> Hashed {
        let hash = self.hasher.hash_one((remote, rest));
        let [high, low] = halves(remote);
        Hashed { high, low, rest, hash }
    }

    /// The word.
    #[inline]
    pub(super) fn bits(&self, to: &Hashed, part: Part) -> u64 {
        match self.find(to, part) {
            Ok(slot) => self.slots[slot][BITS],
            Err(_) => 0,
        }
    }

    /// Sets a bit, and answers with the word. The caller keeps count: there is room.
    pub(super) fn set(&mut self, to: &Hashed, part: Part, bit: u32) -> u64 {
        let slot = self.find(to, part).unwrap_or_else(|free| {
            self.len += 1;
            self.slots[free] = [to.high, to.low, key(to, part), 0];
            free
        });
        self.slots[slot][BITS] |= 1 << bit;
        self.slots[slot][BITS]
    }

    /// Clears a bit, and answers with the word as it was.
    pub(super) fn clear(&mut self, to: &Hashed, part: Part, bit: u32) -> u64 {
        let Ok(slot) = self.find(to, part) else { return 0 };
        let bits = self.slots[slot][BITS];
        self.slots[slot][BITS] = bits & !(1 << bit);
        if self.slots[slot][BITS] == 0 {
            self.remove(slot);
        }
        bits
    }

    /// The slot of a word, or the free one where it would stand.
    #[inline]
    fn find(&self, to: &Hashed, part: Part) -> Result<usize, usize> {
        let key = key(to, part);
        let mut slot = self.home(to.hash, part);
        // Ends: a quarter of the slots is free.
        loop {
            let [high, low, other, bits] = self.slots[slot];
            if bits == 0 {
                return Err(slot);
            }
            if other == key && high == to.high && low == to.low {
                return Ok(slot);
            }
            slot = self.next(slot);
        }
    }

    /// Where the word would stand if nothing else did.
    #[inline]
    fn home(&self, hash: u64, part: Part) -> usize {
        let mixed = hash ^ u64::from(part.0).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        scaled(mixed, self.slots.len())
    }

    const fn next(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// Empties a slot and closes the gap.
    fn remove(&mut self, slot: usize) {
        self.len -= 1;
        let mut gap = slot;
        let mut next = self.next(gap);
        while self.slots[next][BITS] != 0 {
            let home = self.home_of(next);
            // The entry may move if its home is not behind the gap, on the way round to it.
            let len = self.slots.len();
            let from_home = (next + len - home) % len;
            let from_gap = (next + len - gap) % len;
            if from_home >= from_gap {
                self.slots[gap] = self.slots[next];
                gap = next;
            }
            next = self.next(next);
        }
        self.slots[gap] = [0; 4];
    }

    fn home_of(&self, slot: usize) -> usize {
        let [high, low, key, _] = self.slots[slot];
        let remote = u128::from(high) << 64 | u128::from(low);
        let hashed = self.rehashed(remote, key & u64::from(u32::MAX));
        self.home(hashed.hash, part_of(key))
    }
}

impl std::fmt::Debug for Uses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the slots: there are millions.
        f.debug_struct("Uses").field("len", &self.len).field("room", &self.slots.len()).finish()
    }
}

const fn key(to: &Hashed, part: Part) -> u64 {
    (part.0 as u64) << 32 | to.rest
}

const fn part_of(key: u64) -> Part {
    Part(high(key))
}

#[expect(clippy::cast_possible_truncation, reason = "an address is split into its two halves")]
const fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

/// A number below `len`, in proportion to the high half of `hash`.
const fn scaled(hash: u64, len: usize) -> usize {
    (((hash >> 32) * len as u64) >> 32) as usize
}
