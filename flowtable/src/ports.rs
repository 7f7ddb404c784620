//! SNAT ports with endpoint-dependent mapping: one external port serves any number of flows, as long as
//! no two of them go to the same remote address, port and protocol.
//!
//! A pool is a list of addresses and a range of ports. Ports come in *blocks* of 64, destinations in
//! *classes* by a keyed hash. One block for one class is a *lot*, and lots are what workers own: whoever
//! owns a lot gives out its ports towards the destinations of its class, and nobody else does. So no
//! allocation needs another worker's word, and yet
//!
//! - one worker can come to own every lot of a class, so one client can use every port of its address
//!   towards one destination;
//! - whoever uses up all ports towards one destination takes nothing from other workers but in that
//!   destination's class.
//!
//! A worker starts with lots drawn at random from all over the range and draws each port at random from
//! all of them (RFC 6056 section 3.3.1), so that neither the next port nor where blocks begin can be told
//! from those seen. When it runs out it borrows free lots, several at a time and at random; when there
//! are none it asks the other workers, who hand back at their next batch what they do not use.
//!
//! Which ports are in use towards whom is kept per worker in a table of fixed size, one 64-bit word for
//! each pair of block and destination in use. Nothing is allocated after construction, and an answer
//! costs a bounded number of look-ups, the answer "none left" too.
//!
//! A client keeps one address of the pool for all its flows (RFC 4787 REQ-2, RFC 6888 REQ-2). If that
//! one's ports are used up towards a destination, the next flow fails; it does not move.

mod block;
mod pools;
mod shard;
mod uses;

#[cfg(all(test, loom))]
mod concurrent;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;

pub use pools::{PoolSpec, Pools, PoolsError};
pub use shard::{PortCounts, PortShard};

use crate::key::{Addr, Port, Proto};

/// A pool, by its place in the list that [`Pools::new`] was given.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PoolId(pub u16);

/// An address of a pool, counted over all pools.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PoolAddressId(pub u16);

/// The remote end of a flow: what an external port must be unique towards.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Destination {
    /// The protocol.
    pub proto: Proto,
    /// The remote address.
    pub remote: Addr,
    /// The remote port; 0 where the protocol has none, as for ICMP echo, whose identifier is what is
    /// translated.
    pub remote_port: Port,
}

/// What a flow's source is translated to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Mapping {
    /// The pool's address, by number.
    pub address: PoolAddressId,
    /// The same address.
    pub external: Addr,
    /// The port, or echo identifier.
    pub port: Port,
}

impl Mapping {
    /// The mapping in one word, never 0. [`Pools::mapping`] reads it.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        MAPPED | (self.address.0 as u64) << 16 | self.port.0 as u64
    }
}

/// The bit that is set in the word of every mapping, so that a word of zeros is none.
const MAPPED: u64 = 1 << 63;

/// Why there is no port for a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortsError {
    /// Every port of the client's address that this worker can have is in use towards the destination.
    /// The other workers have been asked for theirs.
    Exhausted {
        /// The address.
        address: PoolAddressId,
    },
    /// The pool has no address of the client's family.
    NoAddress {
        /// The pool.
        pool: PoolId,
    },
    /// The worker has as many mappings as it was made for.
    TooManyMappings,
}

impl fmt::Display for PortsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted { address } => {
                write!(f, "no port of pool address {} is free towards this destination", address.0)
            }
            Self::NoAddress { pool } => {
                write!(f, "pool {} has no address of the client's family", pool.0)
            }
            Self::TooManyMappings => f.write_str("the worker has no room for another mapping"),
        }
    }
}

impl std::error::Error for PortsError {}
