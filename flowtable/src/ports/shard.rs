//! One worker's part in the pools: the lots it owns, and which of their ports are in use towards whom.

use std::sync::Arc;

use super::block::{Block, WORDS, nth_bit, pick};
use super::pools::{Pools, Slice};
use super::uses::{Hashed, Part, Uses};
use super::{Destination, Mapping, PoolAddressId, PoolId, PortsError};
use crate::key::{Addr, Port, WorkerId};
use crate::rng::Rng;

/// How often a port is drawn blindly from all the worker's ports before only free ones are looked at.
/// With half of the ports in use towards the destination one in sixteen allocations needs the look.
const DRAWS: u32 = 4;

/// How many lots are borrowed at once: enough that the ports of one are not seen in a row.
const BORROWED: u32 = 8;

/// The bit that makes a part number that of a summary: bits for blocks all 64 ports of which are in use.
/// It is what makes "none left" as cheap an answer as any: sixteen words say it, until a release.
const SUMMARY: u32 = 0x8000;

/// A worker's ports. Only its worker touches it.
#[derive(Debug)]
pub struct PortShard {
    pools: Arc<Pools>,
    worker: WorkerId,
    /// Bits of owned lots, for each slice.
    owned: Vec<[u64; WORDS]>,
    /// How many mappings each lot is in use for, 64 × [`WORDS`] lots for each slice.
    mappings_of: Vec<u32>,
    uses: Uses,
    mappings: usize,
    most: usize,
}

/// How much of the pools a worker uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PortCounts {
    /// Mappings in use.
    pub mappings: usize,
    /// The most mappings the worker has room for.
    pub most_mappings: usize,
    /// Pairs of block and destination in use: what the table of uses holds.
    pub words: usize,
    /// Lots the worker owns.
    pub lots: u32,
    /// Lots there are, of all workers and free.
    pub all_lots: u32,
}

impl PortShard {
    /// The part of that worker, with room for so many mappings. It takes its share of the lots now; a
    /// worker has one part for as long as the pools live.
    #[must_use]
    pub fn new(pools: Arc<Pools>, worker: WorkerId, most_mappings: usize) -> Self {
        let slices = pools.slices();
        // A summary stands for a block with 64 mappings, every other word for one.
        let uses = Uses::new(most_mappings + most_mappings / 64, pools.hasher());
        let mut rng = pools.rng_of(worker);
        let owned = (0..slices)
            .map(|slice| {
                let mut words = [0; WORDS];
                for _ in 0..pools.share(pools.lots(Slice(slice))) {
                    let Some(block) = pools.borrow_lot(Slice(slice), &mut rng) else { break };
                    words[block.word()] |= 1 << block.bit();
                }
                words
            })
            .collect();
        let mappings_of = vec![0; slices * WORDS * 64];
        Self { pools, worker, owned, mappings_of, uses, mappings: 0, most: most_mappings }
    }

    /// A port of the client's address that is not in use towards the destination.
    ///
    /// # Errors
    /// Why there is none.
    pub fn allocate(
        &mut self,
        client: Addr,
        to: &Destination,
        pool: PoolId,
        rng: &mut Rng,
    ) -> Result<Mapping, PortsError> {
        if self.mappings >= self.most {
            return Err(PortsError::TooManyMappings);
        }
        let address = self.pools.address_for(client, pool).ok_or(PortsError::NoAddress { pool })?;
        let to = self.uses.hashed(to);
        let slice = self.pools.slice(address, to.hash);
        let port = self
            .draw(address, slice, &to, rng)
            .or_else(|| self.draw_free(address, slice, &to, rng))
            .or_else(|| self.borrow_and_draw(address, slice, &to, rng));
        let Some(port) = port else {
            self.pools.ask(self.worker, slice);
            return Err(PortsError::Exhausted { address });
        };
        self.take(address, slice, &to, port);
        let external = self.pools.addresses()[usize::from(address.0)].external;
        Ok(Mapping { address, external, port })
    }

    /// Frees a port towards a destination. Answers whether it was in use; if not, nothing is changed.
    pub fn release(&mut self, mapping: &Mapping, to: &Destination) -> bool {
        let Mapping { address, port, .. } = *mapping;
        if usize::from(address.0) >= self.pools.addresses().len() {
            return false;
        }
        let to = self.uses.hashed(to);
        let slice = self.pools.slice(address, to.hash);
        let block = Block::of(port);
        let bit = u32::from(port.0 & 63);
        let before = self.uses.clear(&to, ports_of(address, block), bit);
        if before >> bit & 1 == 0 {
            return false;
        }
        if before == u64::MAX {
            self.uses.clear(&to, summary_of(address, block.word()), block.bit());
        }
        self.mappings_of[lot(slice, block)] -= 1;
        self.mappings -= 1;
        true
    }

    /// Hands back the lots that others have asked for and this worker does not use. To be called between
    /// two batches; costs a few loads when nobody has asked.
    #[inline]
    pub fn yield_unused(&mut self) {
        let Self { pools, owned, mappings_of, .. } = self;
        pools.requests(self.worker, |slice| {
            for (number, word) in owned[slice.0].iter_mut().enumerate() {
                let mut left = *word;
                while left != 0 {
                    let block = Block::at(number, left.trailing_zeros());
                    left &= left - 1;
                    if mappings_of[lot(slice, block)] == 0 {
                        *word &= !(1 << block.bit());
                        pools.return_lot(slice, block);
                    }
                }
            }
        });
    }

    /// How much is in use.
    #[must_use]
    pub fn counts(&self) -> PortCounts {
        let lots = self.owned.iter().flatten().map(|word| word.count_ones()).sum();
        let all_lots = (0..self.pools.slices()).map(|slice| self.pools.lots(Slice(slice))).sum();
        PortCounts {
            mappings: self.mappings,
            most_mappings: self.most,
            words: self.uses.len(),
            lots,
            all_lots,
        }
    }

    /// The pools this is a part of.
    #[must_use]
    pub const fn pools(&self) -> &Arc<Pools> {
        &self.pools
    }

    fn mask(&self, address: PoolAddressId, block: Block) -> u64 {
        self.pools.addresses()[usize::from(address.0)].mask(block)
    }

    /// Draws from all ports of the worker, and hopes.
    fn draw(
        &self,
        address: PoolAddressId,
        slice: Slice,
        to: &Hashed,
        rng: &mut Rng,
    ) -> Option<Port> {
        for _ in 0..DRAWS {
            let block = pick(&self.owned[slice.0], rng)?;
            let bit = rng.below(64);
            let taken = self.uses.bits(to, ports_of(address, block));
            if self.mask(address, block) & !taken & 1 << bit != 0 {
                return Some(port(block, bit));
            }
        }
        None
    }

    /// Draws from the worker's ports that are free, if there are any.
    fn draw_free(
        &self,
        address: PoolAddressId,
        slice: Slice,
        to: &Hashed,
        rng: &mut Rng,
    ) -> Option<Port> {
        let mut open = self.owned[slice.0];
        for (number, word) in open.iter_mut().enumerate().filter(|(_, word)| **word != 0) {
            *word &= !self.uses.bits(to, summary_of(address, number));
        }
        // Ends in the third round at the latest: at most two blocks, at the ends of the range, are partial,
        // and those have no bit in a summary.
        loop {
            let block = pick(&open, rng)?;
            let free = self.mask(address, block) & !self.uses.bits(to, ports_of(address, block));
            match free.count_ones() {
                0 => open[block.word()] &= !(1 << block.bit()),
                count => return Some(port(block, nth_bit(free, rng.below(count)))),
            }
        }
    }

    /// Borrows lots, if any are free, and draws from those.
    fn borrow_and_draw(
        &mut self,
        address: PoolAddressId,
        slice: Slice,
        to: &Hashed,
        rng: &mut Rng,
    ) -> Option<Port> {
        for _ in 0..BORROWED {
            let Some(block) = self.pools.borrow_lot(slice, rng) else { break };
            self.owned[slice.0][block.word()] |= 1 << block.bit();
        }
        self.draw_free(address, slice, to, rng)
    }

    fn take(&mut self, address: PoolAddressId, slice: Slice, to: &Hashed, port: Port) {
        let block = Block::of(port);
        let taken = self.uses.set(to, ports_of(address, block), u32::from(port.0 & 63));
        if taken == u64::MAX {
            self.uses.set(to, summary_of(address, block.word()), block.bit());
        }
        self.mappings_of[lot(slice, block)] += 1;
        self.mappings += 1;
    }
}

fn port(block: Block, bit: u32) -> Port {
    Port(block.0 << 6 | u16::try_from(bit).unwrap_or(0))
}

fn lot(slice: Slice, block: Block) -> usize {
    slice.0 * WORDS * 64 + usize::from(block.0)
}

/// The word of the block's ports in use.
fn ports_of(address: PoolAddressId, block: Block) -> Part {
    Part(u32::from(address.0) << 16 | u32::from(block.0))
}

/// The word of the blocks with 64 ports in use.
fn summary_of(address: PoolAddressId, word: usize) -> Part {
    Part(u32::from(address.0) << 16 | SUMMARY | u32::try_from(word).unwrap_or(0))
}
