//! From a flow key to its tag and its two buckets.
//!
//! The hash is keyed: who does not know the seed cannot choose keys that share buckets (Crosby and Wallach,
//! "Denial of Service via Algorithmic Complexity Attacks"). Nothing else of the table hashes.

use std::hash::{BuildHasher, Hasher};

use ahash::RandomState;

use crate::key::FlowKey;
use crate::rng::Rng;
use crate::sync::{high, low};

/// The keyed hash of a flow key. It means something only to the table that made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlowHash(pub(crate) u64);

impl FlowHash {
    /// The tag: 32 bits of the hash that are never zero, for zero is an empty slot.
    #[inline]
    pub(crate) fn tag(self) -> u32 {
        low(self.0) | u32::from(low(self.0) == 0)
    }

    /// The two buckets among so many; they differ unless there is only one.
    #[inline]
    pub(crate) fn buckets(self, buckets: u32) -> [u32; 2] {
        // A number below n from 32 random bits is their product's high half: no division, and the
        // number of buckets need not be a power of two.
        let below = |bits: u32| high(u64::from(bits) * u64::from(buckets));
        let first = below(high(self.0));
        // Multiplying by 2^64 / phi carries every bit of the hash to the top, so keys that share a first
        // bucket are spread over all second ones.
        let second = below(high(self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        if second != first {
            return [first, second];
        }
        [first, if first + 1 == buckets { 0 } else { first + 1 }]
    }
}

/// The keyed hash function of one table.
#[derive(Clone, Debug)]
pub(crate) struct FlowHasher(RandomState);

impl FlowHasher {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut rng = Rng::from_seed(seed);
        let mut key = || rng.next_u64();
        Self(RandomState::with_seeds(key(), key(), key(), key()))
    }

    #[inline]
    pub(crate) fn hash(&self, key: &FlowKey) -> FlowHash {
        let mut hasher = self.0.build_hasher();
        hasher.write_u128(key.src.bits());
        hasher.write_u128(key.dst.bits());
        hasher.write_u64(key.to_words()[4]);
        FlowHash(hasher.finish())
    }
}
