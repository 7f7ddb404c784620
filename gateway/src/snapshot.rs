//! What the packet path reads: interfaces, routes, neighbours, pool and policy, as one immutable whole.
//!
//! The control plane builds a snapshot and publishes it; a worker looks at one snapshot for a whole batch.
//! Nothing here changes after it is built, and nothing here knows where it came from.

use crate::io::{InterfaceId, Side};
use crate::pipeline::drop_reason::DropReason;
use crate::wire::ether::Mac;
use flowtable::key::{Addr, Generation};
use flowtable::ports::PoolId;
use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;
use rules::Policy;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// What to do with TCP and UDP checksums that the sender left unfinished.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalChecksums {
    /// A local peer over veth leaves the pseudo-header sum in the field: finish it.
    Complete,
    /// Frames come off a wire: a field like that is just wrong.
    Refuse,
}

/// Whether traffic that leaves by an outside interface is translated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NetworkMode {
    /// Inside addresses mean nothing outside: source addresses become a pool's.
    Overlay,
    /// Inside addresses are routed outside: source addresses stay.
    Flat,
}

/// An interface of the gateway.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its position among the interfaces.
    pub id: InterfaceId,
    /// The device's name.
    pub name: String,
    /// Which way it faces.
    pub side: Side,
    /// Its hardware address.
    pub mac: Mac,
    /// Largest IP packet it sends, in bytes.
    pub mtu: u16,
    /// Unfinished checksums from this side.
    pub checksums: LocalChecksums,
    /// Inside: the sources allowed here. Outside: empty.
    pub networks: Vec<Ipv4Net>,
}

impl Interface {
    /// Whether `addr` lies in this interface's networks.
    #[must_use]
    #[inline]
    pub fn has(&self, addr: u32) -> bool {
        let addr = Ipv4Addr::from_bits(addr);
        self.networks.iter().any(|network| network.contains(&addr))
    }
}

/// A neighbour to hand packets to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextHop {
    /// The interface it is reached by.
    pub egress: InterfaceId,
    /// Our hardware address there.
    pub source: Mac,
    /// The neighbour's hardware address.
    pub destination: Mac,
    /// Largest IP packet that way, in bytes.
    pub mtu: u16,
}

/// A place in the snapshot's list of next hops; good for one [`HopGeneration`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NextHopId(pub u16);

/// Counts changes of routes and neighbours; a flow that cached its next hop under another one looks it up
/// again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HopGeneration(pub u32);

/// A route: where packets to a prefix go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The interface.
    pub egress: InterfaceId,
    /// The router, or `None` where the destination itself is the neighbour.
    pub via: Option<u32>,
}

/// The parts of a snapshot that come from the machine or the configuration's `static` section.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topology {
    /// Every interface, at the index its id says.
    pub interfaces: Vec<Interface>,
    /// The machine's own addresses, and the broadcast addresses of its networks.
    pub host_addresses: Vec<u32>,
    /// Routes, the connected ones included; of two to one prefix the later counts. `None`: packets there do
    /// not leave by an interface of the gateway.
    pub routes: Vec<(Ipv4Net, Option<Route>)>,
    /// Neighbours.
    pub neighbors: Vec<(InterfaceId, u32, Mac)>,
}

/// One consistent view for a batch.
#[derive(Debug)]
pub struct Snapshot {
    /// Policy generation; flows judged under another one are judged anew.
    pub generation: Generation,
    /// Route and neighbour generation.
    pub hop_generation: HopGeneration,
    /// Who may reach whom.
    pub policy: Arc<Policy>,
    /// How IPv4 leaves.
    pub mode: NetworkMode,
    /// The pool, where there is one, and its addresses.
    pub pool: Option<PoolId>,
    pool_addresses: Vec<u32>,
    interfaces: Vec<Interface>,
    host_addresses: Vec<u32>,
    routes: PrefixMap<Ipv4Net, Option<Route>>,
    neighbors: HashMap<(InterfaceId, u32), NextHopId>,
    next_hops: Vec<NextHop>,
}

/// What a snapshot is made of beside its topology.
#[derive(Debug)]
pub struct Parts {
    /// Policy generation.
    pub generation: Generation,
    /// Route and neighbour generation.
    pub hop_generation: HopGeneration,
    /// The compiled policy.
    pub policy: Arc<Policy>,
    /// How IPv4 leaves.
    pub mode: NetworkMode,
    /// The pool that leaving traffic uses, with its addresses.
    pub pool: Option<(PoolId, Vec<u32>)>,
}

impl Snapshot {
    /// Builds the tables the packet path reads.
    ///
    /// # Panics
    /// If there are more than 65,535 neighbours, which the caller limits.
    #[must_use]
    pub fn new(parts: Parts, topology: Topology) -> Self {
        let mut next_hops = Vec::with_capacity(topology.neighbors.len());
        let mut neighbors = HashMap::new();
        for &(egress, addr, destination) in &topology.neighbors {
            let Some(interface) = topology.interfaces.get(egress.index()) else { continue };
            let id = u16::try_from(next_hops.len()).expect("the caller limits neighbours");
            neighbors.insert((egress, addr), NextHopId(id));
            next_hops.push(NextHop {
                egress,
                source: interface.mac,
                destination,
                mtu: interface.mtu,
            });
        }
        let (pool, mut pool_addresses) = match parts.pool {
            Some((pool, addresses)) => (Some(pool), addresses),
            None => (None, Vec::new()),
        };
        pool_addresses.sort_unstable();
        let mut host_addresses = topology.host_addresses;
        host_addresses.sort_unstable();
        Self {
            generation: parts.generation,
            hop_generation: parts.hop_generation,
            policy: parts.policy,
            mode: parts.mode,
            pool,
            pool_addresses,
            interfaces: topology.interfaces,
            host_addresses,
            routes: topology.routes.into_iter().collect(),
            neighbors,
            next_hops,
        }
    }

    /// Every interface, at the index its id says.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The interface of that id.
    #[must_use]
    #[inline]
    pub fn interface(&self, id: InterfaceId) -> &Interface {
        &self.interfaces[id.index()]
    }

    /// Whether `addr` is the machine's own.
    #[must_use]
    #[inline]
    pub fn is_host(&self, addr: u32) -> bool {
        self.host_addresses.binary_search(&addr).is_ok()
    }

    /// Whether `addr` is an address of the SNAT pool.
    #[must_use]
    #[inline]
    pub fn is_pool(&self, addr: u32) -> bool {
        self.pool_addresses.binary_search(&addr).is_ok()
    }

    /// Whether `addr` lies behind any inside interface.
    #[must_use]
    #[inline]
    pub fn is_inside(&self, addr: u32) -> bool {
        self.interfaces.iter().any(|interface| interface.has(addr))
    }

    /// The route for packets to `addr`: the longest prefix that holds it.
    ///
    /// # Errors
    /// [`DropReason::RouteNone`].
    pub fn route(&self, addr: Addr) -> Result<Route, DropReason> {
        let bits = addr.v4().ok_or(DropReason::RouteNone)?;
        let host = Ipv4Net::from(Ipv4Addr::from_bits(bits));
        self.routes.get_lpm(&host).and_then(|(_, route)| *route).ok_or(DropReason::RouteNone)
    }

    /// The neighbour that packets to `addr` go to.
    ///
    /// # Errors
    /// [`DropReason::RouteNone`] or [`DropReason::NeighborUnresolved`].
    pub fn resolve(&self, addr: Addr) -> Result<NextHopId, DropReason> {
        let route = self.route(addr)?;
        let bits = addr.v4().ok_or(DropReason::RouteNone)?;
        let neighbor = (route.egress, route.via.unwrap_or(bits));
        self.neighbors.get(&neighbor).copied().ok_or(DropReason::NeighborUnresolved)
    }

    /// The next hop of that id.
    #[must_use]
    #[inline]
    pub fn next_hop(&self, id: NextHopId) -> &NextHop {
        &self.next_hops[usize::from(id.0)]
    }
}
