//! What workers share: the pools' addresses, and which lots are free.
//!
//! A free lot is a set bit. Whoever clears it owns the lot; whoever owns it may set it again. There is
//! one more bit per worker and slice (an address and a class of destinations): "please hand back what you
//! do not use".

use std::fmt;
use std::ops::RangeInclusive;

use ahash::RandomState;

use super::block::{Block, WORDS, pick};
use super::{Mapping, PoolAddressId, PoolId};
use crate::key::{Addr, Port, WorkerId};
use crate::rng::Rng;
use crate::sync::{AtomicU64, Ordering};

/// The most classes of destinations, and the most slices that are made for the sake of classes: a lot
/// costs each worker four bytes.
const MOST_CLASSES: usize = if cfg!(loom) { 1 } else { 64 };
const SLICES: usize = 1024;

/// What the operator says of a pool.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PoolSpec {
    /// Its name, for errors.
    pub name: String,
    /// Its addresses, of either family or both.
    pub addresses: Vec<Addr>,
    /// The ports that may be used of each.
    pub ports: RangeInclusive<u16>,
}

/// Why pools cannot be made as they were asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PoolsError {
    /// A pool has no addresses.
    NoAddresses {
        /// Its name.
        pool: String,
    },
    /// A pool's range of ports is empty or begins with port 0, which is none.
    Ports {
        /// Its name.
        pool: String,
        /// The range.
        ports: RangeInclusive<u16>,
    },
    /// An address stands twice, in one pool or in two.
    Repeated {
        /// The address.
        address: Addr,
    },
    /// There are more addresses or pools than have numbers.
    TooMany,
}

impl fmt::Display for PoolsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddresses { pool } => write!(f, "pool {pool} has no addresses"),
            Self::Ports { pool, ports } => {
                let (first, last) = (ports.start(), ports.end());
                write!(f, "pool {pool}: ports {first}-{last} must go up and begin with 1 or more")
            }
            Self::Repeated { address } => write!(f, "address {address} stands in pools twice"),
            Self::TooMany => f.write_str("pools have 65535 addresses at most"),
        }
    }
}

impl std::error::Error for PoolsError {}

/// One address of a pool.
#[derive(Clone, Debug)]
pub(super) struct PoolAddress {
    pub(super) external: Addr,
    pub(super) ports: RangeInclusive<u16>,
}

impl PoolAddress {
    /// Which ports of a block may be used, one bit each.
    #[inline]
    pub(super) fn mask(&self, block: Block) -> u64 {
        let first = u32::from(block.0) * 64;
        let (low, high) = (u32::from(*self.ports.start()), u32::from(*self.ports.end()));
        let from = low.saturating_sub(first);
        let beyond = (first + 63).saturating_sub(high);
        let reach = |cut: u32| if cut < 64 { u64::MAX >> cut } else { 0 };
        if from < 64 { reach(beyond) & u64::MAX << from } else { 0 }
    }
}

/// An address and a class of destinations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Slice(pub(super) usize);

/// Which addresses of one family a pool has.
type Family = std::ops::Range<usize>;

/// What pairs clients with addresses; see [`Pools::external_for`].
const PAIRING: RandomState = RandomState::with_seeds(
    0x243f_6a88_85a3_08d3,
    0x1319_8a2e_0370_7344,
    0xa409_3822_299f_31d0,
    0x082e_fa98_ec4e_6c89,
);

/// All pools, shared by the workers.
pub struct Pools {
    addresses: Vec<PoolAddress>,
    /// For each pool its IPv4 and its IPv6 addresses.
    families: Vec<[Family; 2]>,
    /// Addresses with their numbers, in order.
    by_address: Vec<(Addr, PoolAddressId)>,
    classes: usize,
    workers: usize,
    seed: u64,
    hasher: RandomState,
    /// Bits of free lots, [`WORDS`] for each slice.
    free: Box<[AtomicU64]>,
    /// Bits of slices that somebody wants more of, for each worker.
    wanted: Box<[AtomicU64]>,
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither the seed nor the lots: whoever knew them could tell ports.
        f.debug_struct("Pools").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Pools {
    /// The pools for so many workers. Everything random about them follows from `seed`.
    ///
    /// # Errors
    /// What is wrong with the pools.
    pub fn new(specs: &[PoolSpec], workers: u16, seed: u64) -> Result<Self, PoolsError> {
        let mut addresses = Vec::new();
        let mut families = Vec::new();
        for spec in specs {
            families.push(add(spec, &mut addresses)?);
        }
        if u16::try_from(addresses.len()).is_err() || u16::try_from(specs.len()).is_err() {
            return Err(PoolsError::TooMany);
        }
        let mut by_address: Vec<_> =
            addresses.iter().zip(0..).map(|(a, id)| (a.external, PoolAddressId(id))).collect();
        by_address.sort_unstable_by_key(|&(address, _)| address);
        if let Some(pair) = by_address.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(PoolsError::Repeated { address: pair[0].0 });
        }
        let classes = classes(addresses.len());
        let slices = addresses.len() * classes;
        let free = (0..slices * WORDS)
            .map(|index| {
                let address = &addresses[index / WORDS / classes];
                AtomicU64::new(usable(address, index % WORDS))
            })
            .collect();
        let wanted =
            (0..usize::from(workers) * slices.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let mut rng = Rng::from_seed(seed);
        let mut draw = || rng.next_u64();
        let hasher = RandomState::with_seeds(draw(), draw(), draw(), draw());
        let workers = usize::from(workers);
        let seed = draw();
        Ok(Self { addresses, families, by_address, classes, workers, seed, hasher, free, wanted })
    }

    /// The number of a pool's address, `None` for any other address.
    #[must_use]
    pub fn is_pool_address(&self, address: Addr) -> Option<PoolAddressId> {
        let found = self.by_address.binary_search_by_key(&address, |&(address, _)| address);
        found.ok().map(|index| self.by_address[index].1)
    }

    /// The address of that number.
    #[must_use]
    pub fn address(&self, id: PoolAddressId) -> Option<Addr> {
        self.addresses.get(usize::from(id.0)).map(|address| address.external)
    }

    /// The mapping of a word that [`Mapping::to_word`] gave, `None` for 0 and for other pools' words.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "fields are cut out of the packed word")]
    pub fn mapping(&self, word: u64) -> Option<Mapping> {
        let address = PoolAddressId((word >> 16) as u16);
        let port = Port(word as u16);
        let found = self.addresses.get(usize::from(address.0))?;
        let mapping = Mapping { address, external: found.external, port };
        (mapping.to_word() == word && found.ports.contains(&port.0)).then_some(mapping)
    }

    /// The address that all flows of a client get. It does not depend on the seed: which of a pool's
    /// addresses a client has is no secret, and whoever asks offline gets the running gateway's answer.
    #[must_use]
    pub fn external_for(&self, client: Addr, pool: PoolId) -> Option<Addr> {
        self.address_for(client, pool).and_then(|id| self.address(id))
    }

    /// The number of that address.
    pub(super) fn address_for(&self, client: Addr, pool: PoolId) -> Option<PoolAddressId> {
        let families = self.families.get(usize::from(pool.0))?;
        let family = &families[usize::from(client.v4().is_none())];
        let among = u64::try_from(family.len()).ok().filter(|&len| len > 0)?;
        let pick = ((PAIRING.hash_one(client.bits()) >> 32) * among) >> 32;
        let index = family.start + usize::try_from(pick).ok()?;
        u16::try_from(index).ok().map(PoolAddressId)
    }

    pub(super) fn addresses(&self) -> &[PoolAddress] {
        &self.addresses
    }

    pub(super) const fn slices(&self) -> usize {
        self.addresses.len() * self.classes
    }

    /// The slice of an address for destinations of that hash.
    #[inline]
    pub(super) fn slice(&self, address: PoolAddressId, hash: u64) -> Slice {
        // There is a power of two of classes.
        let class = hash & (self.classes as u64 - 1);
        Slice(usize::from(address.0) * self.classes + usize::try_from(class).unwrap_or(0))
    }

    pub(super) const fn address_of(&self, slice: Slice) -> usize {
        slice.0 / self.classes
    }

    pub(super) fn hasher(&self) -> RandomState {
        self.hasher.clone()
    }

    /// What a worker draws its first lots with.
    pub(super) fn rng_of(&self, worker: WorkerId) -> Rng {
        Rng::from_seed(self.seed.wrapping_add(u64::from(worker.0)))
    }

    /// How many of `lots` a worker starts with. One share is left for whoever runs out first.
    pub(super) const fn share(&self, lots: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "workers are counted in 16 bits")]
        let workers = self.workers as u32;
        if workers <= 1 { lots } else { lots / (workers + 1) }
    }

    /// How many lots a slice has.
    pub(super) fn lots(&self, slice: Slice) -> u32 {
        let address = &self.addresses[self.address_of(slice)];
        (0..WORDS).map(|word| usable(address, word).count_ones()).sum()
    }

    fn free(&self, slice: Slice) -> &[AtomicU64] {
        &self.free[slice.0 * WORDS..][..WORDS]
    }

    /// Takes a free lot of the slice, each as likely as the others; `None` if there is none.
    pub(super) fn borrow_lot(&self, slice: Slice, rng: &mut Rng) -> Option<Block> {
        let free = self.free(slice);
        // Once more for each time that somebody else took the lot first, which makes their number less.
        loop {
            let words: [u64; WORDS] =
                std::array::from_fn(|word| free[word].load(Ordering::Relaxed));
            let block = pick(&words, rng)?;
            let bit = 1 << block.bit();
            // ORDERING: acquire pairs with the release in `return_lot`: the last owner was done with
            // the lot. (Its uses are in the owner's own table and all gone; nothing else goes with a lot.)
            if free[block.word()].fetch_and(!bit, Ordering::Acquire) & bit != 0 {
                return Some(block);
            }
        }
    }

    /// Gives back a lot that the caller owns and does not use.
    pub(super) fn return_lot(&self, slice: Slice, block: Block) {
        // ORDERING: release pairs with the acquire in `borrow_lot`.
        self.free(slice)[block.word()].fetch_or(1 << block.bit(), Ordering::Release);
    }

    fn wanted(&self, worker: usize) -> &[AtomicU64] {
        let words = self.slices().div_ceil(64);
        &self.wanted[worker * words..][..words]
    }

    /// Asks all workers but one for lots of the slice.
    pub(super) fn ask(&self, asking: WorkerId, slice: Slice) {
        let bit = 1 << (slice.0 % 64);
        for worker in (0..self.workers).filter(|&worker| worker != usize::from(asking.0)) {
            let word = &self.wanted(worker)[slice.0 / 64];
            // A request that stands is not repeated: exhaustion must not make workers write to each
            // other for every packet.
            // ORDERING: relaxed, here and in `requests`: a request is a hint. Lots travel by their own
            // bits.
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    /// Takes the requests made to a worker, and hands each to `answer`.
    #[inline]
    pub(super) fn requests(&self, worker: WorkerId, mut answer: impl FnMut(Slice)) {
        if usize::from(worker.0) >= self.workers {
            return;
        }
        for (number, word) in self.wanted(usize::from(worker.0)).iter().enumerate() {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut asked = word.swap(0, Ordering::Relaxed);
            while asked != 0 {
                answer(Slice(number * 64 + usize::try_from(asked.trailing_zeros()).unwrap_or(0)));
                asked &= asked - 1;
            }
        }
    }
}

/// Adds a pool's addresses, IPv4 first, and says where they are.
fn add(spec: &PoolSpec, addresses: &mut Vec<PoolAddress>) -> Result<[Family; 2], PoolsError> {
    let PoolSpec { name, ports, .. } = spec;
    if spec.addresses.is_empty() {
        return Err(PoolsError::NoAddresses { pool: name.clone() });
    }
    if ports.is_empty() || *ports.start() == 0 {
        return Err(PoolsError::Ports { pool: name.clone(), ports: ports.clone() });
    }
    let mut add = |is_v4: fn(&Addr) -> bool| {
        let start = addresses.len();
        addresses.extend(
            spec.addresses
                .iter()
                .filter(|address| is_v4(address))
                .map(|&external| PoolAddress { external, ports: ports.clone() }),
        );
        start..addresses.len()
    };
    Ok([add(|address| address.v4().is_some()), add(|address| address.v4().is_none())])
}

/// A power of two: as many classes as are worth their memory.
fn classes(addresses: usize) -> usize {
    let mut classes = MOST_CLASSES;
    while classes > 1 && classes * addresses > SLICES {
        classes /= 2;
    }
    classes
}

/// The blocks of a word that have ports of the address.
fn usable(address: &PoolAddress, word: usize) -> u64 {
    (0..64)
        .filter(|&bit| address.mask(Block::at(word, bit)) != 0)
        .fold(0, |bits, bit| bits | 1 << bit)
}
