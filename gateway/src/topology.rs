//! From the configuration, and the machine's own tables where it has no `static` section, to the topology of
//! a snapshot.

use crate::config::{self, Config, StaticTables};
use crate::io::{InterfaceId, Side};
use crate::kernel::{self, KernelView};
use crate::snapshot::{Interface, LocalChecksums, Route, Topology};
use crate::wire::ether::Mac;
use flowtable::key::Addr;
use ipnet::{IpNet, Ipv4Net};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// What keeps a topology from being made.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TopologyError {
    /// The machine has no such device.
    #[error(
        "no device {device} in this network namespace; create it, or name another one in `interfaces`"
    )]
    NoDevice {
        /// The missing device.
        device: String,
    },
    /// The `static` section does not describe a device.
    #[error(
        "device {device} is not described under static.interfaces; add its mac and addresses there"
    )]
    NotStatic {
        /// The device.
        device: String,
    },
}

/// Neighbours a snapshot holds at most; a next hop is a 16-bit number.
const MAX_NEIGHBORS: usize = 65_535;

/// The topology that the `static` section states.
///
/// # Errors
/// A configured interface that the section leaves out.
pub fn from_static(config: &Config, tables: &StaticTables) -> Result<Topology, TopologyError> {
    let mut topology = Topology::default();
    for (id, side, interface) in numbered(config) {
        let device = interface.device.name();
        let entry = tables
            .interfaces
            .iter()
            .find(|entry| entry.device.name() == device)
            .ok_or_else(|| TopologyError::NotStatic { device: device.to_owned() })?;
        let checksums = match interface.local_veth.as_deref() {
            Some(true) => LocalChecksums::Complete,
            Some(false) | None => LocalChecksums::Refuse,
        };
        topology.interfaces.push(Interface {
            id,
            name: device.to_owned(),
            side,
            mac: Mac(entry.mac.0),
            mtu: *entry.mtu,
            checksums,
            networks: ipv4_networks(interface),
        });
        for address in &entry.addresses {
            add_address(&mut topology, id, address.value);
        }
    }
    let ids = ids_by_name(&topology);
    for route in &tables.routes {
        let egress = ids.get(route.device.name()).copied();
        let via = route.via.as_deref().copied();
        add_route(&mut topology, route.to.value, via, egress);
    }
    for neighbor in &tables.neighbors {
        let egress = ids.get(neighbor.device.name()).copied();
        add_neighbor(&mut topology, neighbor.address.value, Mac(neighbor.mac.0), egress);
    }
    Ok(topology)
}

/// The topology that the kernel has right now.
///
/// # Errors
/// A configured device that is not there.
pub fn from_kernel(config: &Config, view: &KernelView) -> Result<Topology, TopologyError> {
    let mut topology = Topology::default();
    let mut ids = HashMap::new();
    for (id, side, interface) in numbered(config) {
        let device = interface.device.name();
        let link = find_link(view, device)?;
        ids.insert(link.index, id);
        topology.interfaces.push(Interface {
            id,
            name: device.to_owned(),
            side,
            mac: Mac(link.mac),
            mtu: u16::try_from(link.mtu).unwrap_or(u16::MAX),
            checksums: local_checksums(interface, link),
            networks: ipv4_networks(interface),
        });
    }
    for address in &view.addresses {
        match ids.get(&address.link) {
            Some(&id) => add_address(&mut topology, id, address.address),
            // Addresses of other devices are the machine's own all the same.
            None => add_host_address(&mut topology, address.address),
        }
    }
    // Of several routes to one prefix the kernel takes the one with the lowest metric: here the last one.
    let mut routes: Vec<_> = view.routes.iter().collect();
    routes.sort_by_key(|route| Reverse(route.metric));
    for route in routes {
        let egress = match route.kind {
            kernel::RouteKind::Unicast => ids.get(&route.link).copied(),
            kernel::RouteKind::Refused => None,
        };
        add_route(&mut topology, route.destination, route.via, egress);
    }
    for neighbor in view.neighbors.iter().filter(|neighbor| neighbor.usable) {
        add_neighbor(
            &mut topology,
            neighbor.address,
            Mac(neighbor.mac),
            ids.get(&neighbor.link).copied(),
        );
    }
    Ok(topology)
}

/// Fills in what only the machine knows where a `static` section is used live: whether a device is a veth.
///
/// # Errors
/// A configured device that is not there.
pub fn complete_from_kernel(
    topology: &mut Topology,
    config: &Config,
    view: &KernelView,
) -> Result<(), TopologyError> {
    for (id, _, interface) in numbered(config) {
        let device = interface.device.name();
        let link = find_link(view, device)?;
        topology.interfaces[id.index()].checksums = local_checksums(interface, link);
    }
    Ok(())
}

fn find_link<'v>(view: &'v KernelView, device: &str) -> Result<&'v kernel::Link, TopologyError> {
    view.link(device).ok_or_else(|| TopologyError::NoDevice { device: device.to_owned() })
}

/// What the configuration says, else: a veth's peer is a local sender.
fn local_checksums(interface: &config::Interface, link: &kernel::Link) -> LocalChecksums {
    let is_veth = link.kind.as_deref() == Some("veth");
    match interface.local_veth.as_deref().copied().unwrap_or(is_veth) {
        true => LocalChecksums::Complete,
        false => LocalChecksums::Refuse,
    }
}

/// The configured interfaces with their numbers: inside first.
fn numbered(config: &Config) -> impl Iterator<Item = (InterfaceId, Side, &config::Interface)> {
    let inside = config.interfaces.inside.iter().map(|interface| (Side::Inside, interface));
    let outside = config.interfaces.outside.iter().map(|interface| (Side::Outside, interface));
    (0..=u16::MAX)
        .zip(inside.chain(outside))
        .map(|(id, (side, interface))| (InterfaceId(id), side, interface))
}

fn ids_by_name(topology: &Topology) -> HashMap<String, InterfaceId> {
    topology.interfaces.iter().map(|interface| (interface.name.clone(), interface.id)).collect()
}

fn ipv4_networks(interface: &config::Interface) -> Vec<Ipv4Net> {
    let v4 = |network: &IpNet| match network {
        IpNet::V4(network) => Some(network.trunc()),
        IpNet::V6(_) => None,
    };
    interface.networks.iter().filter_map(|network| v4(&network.value)).collect()
}

/// An address of an interface: the machine's own, and a route to the network it stands in.
fn add_address(topology: &mut Topology, id: InterfaceId, address: IpNet) {
    add_host_address(topology, address);
    if let IpNet::V4(network) = address {
        topology.routes.push((network.trunc(), Some(Route { egress: id, via: None })));
    }
}

fn add_host_address(topology: &mut Topology, address: IpNet) {
    let IpNet::V4(network) = address else { return };
    topology.host_addresses.push(network.addr().to_bits());
    // RFC 3021: networks of 31 and 32 bits have no broadcast address.
    if network.prefix_len() < 31 {
        topology.host_addresses.push(network.broadcast().to_bits());
    }
    topology.host_addresses.push(Ipv4Addr::BROADCAST.to_bits());
}

/// A route that leaves by another device is one all the same: it must not fall through to a wider one.
fn add_route(topology: &mut Topology, to: IpNet, via: Option<IpAddr>, egress: Option<InterfaceId>) {
    let IpNet::V4(to) = to else { return };
    let via = match via {
        None => None,
        Some(IpAddr::V4(via)) => Some(via.to_bits()),
        Some(IpAddr::V6(_)) => return,
    };
    topology.routes.push((to.trunc(), egress.map(|egress| Route { egress, via })));
}

fn add_neighbor(topology: &mut Topology, addr: IpAddr, mac: Mac, egress: Option<InterfaceId>) {
    let (Some(addr), Some(egress)) = (Addr::from(addr).v4(), egress) else { return };
    if topology.neighbors.len() < MAX_NEIGHBORS {
        topology.neighbors.push((egress, addr, mac));
    }
}
