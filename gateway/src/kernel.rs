//! What the kernel knows of links, addresses, routes and neighbours, asked over netlink.
//!
//! The kernel stays the owner of all of it; this is a plain dump, not a live mirror. Everything is of the
//! network namespace of the calling thread: `/sys/class/net` may show another one, so it is not read.

mod netlink;

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkInfo, LinkMessage, Stats64};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType, RouteVia,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use self::netlink::Netlink;

/// One look at the kernel's tables.
#[derive(Clone, Debug, Default)]
pub struct KernelView {
    /// Network devices.
    pub links: Vec<Link>,
    /// Addresses of this machine.
    pub addresses: Vec<Address>,
    /// The main routing table, IPv4 and IPv6.
    pub routes: Vec<Route>,
    /// Neighbours with an Ethernet address.
    pub neighbors: Vec<Neighbor>,
}

/// A network device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Link {
    /// Its number in this network namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its Ethernet address; zero if it has none.
    pub mac: [u8; 6],
    /// The largest packet it sends.
    pub mtu: u32,
    /// What sort of virtual device it is (`veth`, `bridge`); none for hardware.
    pub kind: Option<String>,
    /// Whether it is up and has a carrier.
    pub up: bool,
    /// Receive queues it has memory for; it may use fewer.
    pub rx_queues: u32,
    /// Transmit queues it has memory for; it may use fewer.
    pub tx_queues: u32,
    /// Its counters.
    pub counters: DeviceCounters,
}

/// A device's own counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DeviceCounters {
    /// Packets received.
    pub rx_packets: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Received and dropped.
    pub rx_dropped: u64,
    /// To be sent and dropped.
    pub tx_dropped: u64,
    /// Received broken.
    pub rx_errors: u64,
    /// Failed to send.
    pub tx_errors: u64,
}

/// An address of this machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    /// The device that holds it.
    pub link: u32,
    /// The address with the length of its prefix.
    pub address: IpNet,
    /// Its broadcast address, if one is set.
    pub broadcast: Option<Ipv4Addr>,
}

/// What a route does with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RouteKind {
    /// Sends it on.
    Unicast,
    /// Drops it: blackhole, unreachable, prohibit, throw.
    Refused,
}

/// One next hop of one route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where to.
    pub destination: IpNet,
    /// Sent on or refused.
    pub kind: RouteKind,
    /// The router, if it is not on the link itself.
    pub via: Option<IpAddr>,
    /// The device; 0 if refused.
    pub link: u32,
    /// The preference among routes to the same destination; lower wins.
    pub metric: u32,
}

/// A neighbour with an Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Neighbor {
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// The device it is behind.
    pub link: u32,
    /// Whether the kernel would use it.
    pub usable: bool,
    /// Whether the kernel would make sure of it on next use.
    pub stale: bool,
}

impl KernelView {
    /// Asks the kernel for all four tables, one after another.
    ///
    /// # Errors
    /// When the kernel refuses or answers what cannot be read.
    pub fn dump() -> io::Result<Self> {
        let mut view = Self::default();
        let mut requests = vec![
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
            RouteNetlinkMessage::GetAddress(AddressMessage::default()),
            RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default()),
        ];
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            requests.push(RouteNetlinkMessage::GetRoute(request));
        }
        let netlink = Netlink::open()?;
        for request in requests {
            netlink.dump(request, |entry| view.take(entry))?;
        }
        Ok(view)
    }

    /// A device by name.
    #[must_use]
    pub fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// Every IPv4 address of this machine and every broadcast address of its networks.
    pub fn own_ipv4(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.addresses.iter().flat_map(|held| {
            let own = match held.address {
                IpNet::V4(net) => Some(net),
                IpNet::V6(_) => None,
            };
            // Point-to-point networks have no broadcast address (RFC 3021).
            let directed = own.filter(|net| net.prefix_len() < 31).map(|net| net.broadcast());
            own.map(|net| net.addr()).into_iter().chain(held.broadcast).chain(directed)
        })
    }

    fn take(&mut self, message: RouteNetlinkMessage) {
        match message {
            RouteNetlinkMessage::NewLink(message) => self.links.push(link(message)),
            RouteNetlinkMessage::NewAddress(message) => self.addresses.extend(address(&message)),
            RouteNetlinkMessage::NewRoute(message) => routes(&message, &mut self.routes),
            RouteNetlinkMessage::NewNeighbour(message) => self.neighbors.extend(neighbor(&message)),
            _ => {}
        }
    }
}

/// Asks the kernel to find a neighbour's Ethernet address, or to make sure of the one it has. Returns at
/// once; the answer shows up among the neighbours.
///
/// # Errors
/// When there is no such link, or the caller lacks `CAP_NET_ADMIN`.
pub fn resolve_neighbor(link: u32, address: IpAddr) -> io::Result<()> {
    let mut request = NeighbourMessage::default();
    request.header.family = match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    request.header.ifindex = link;
    request.header.flags = NeighbourFlags::Use;
    request.attributes.push(NeighbourAttribute::Destination(address.into()));
    Netlink::open()?.change(RouteNetlinkMessage::NewNeighbour(request))
}

fn link(message: LinkMessage) -> Link {
    let flags = message.header.flags;
    let mut link = Link {
        index: message.header.index,
        up: flags.contains(LinkFlags::Up) && flags.contains(LinkFlags::LowerUp),
        ..Link::default()
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Address(mac) => link.mac = mac.try_into().unwrap_or_default(),
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::NumRxQueues(queues) => link.rx_queues = queues,
            LinkAttribute::NumTxQueues(queues) => link.tx_queues = queues,
            LinkAttribute::Stats64(stats) => link.counters = counters(&stats),
            LinkAttribute::LinkInfo(infos) => {
                link.kind = infos.into_iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.to_string()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    link
}

const fn counters(stats: &Stats64) -> DeviceCounters {
    DeviceCounters {
        rx_packets: stats.rx_packets,
        tx_packets: stats.tx_packets,
        rx_bytes: stats.rx_bytes,
        tx_bytes: stats.tx_bytes,
        rx_dropped: stats.rx_dropped,
        tx_dropped: stats.tx_dropped,
        rx_errors: stats.rx_errors,
        tx_errors: stats.tx_errors,
    }
}

/// On a point-to-point link `Address` is the other end and `Local` is ours; elsewhere they are equal, and
/// IPv6 has `Address` only.
fn address(message: &AddressMessage) -> Option<Address> {
    let (mut local, mut other, mut broadcast) = (None, None, None);
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => other = Some(*address),
            AddressAttribute::Broadcast(address) => broadcast = Some(*address),
            _ => {}
        }
    }
    let address = IpNet::new(local.or(other)?, message.header.prefix_len).ok()?;
    Some(Address { link: message.header.index, address, broadcast })
}

/// The routes of the main table; a multipath route is one for each next hop.
fn routes(message: &RouteMessage, into: &mut Vec<Route>) {
    let kind = match message.header.kind {
        RouteType::Unicast => RouteKind::Unicast,
        RouteType::BlackHole | RouteType::Unreachable | RouteType::Prohibit | RouteType::Throw => {
            RouteKind::Refused
        }
        _ => return,
    };
    let unspecified: IpAddr = match message.header.address_family {
        AddressFamily::Inet => std::net::Ipv4Addr::UNSPECIFIED.into(),
        AddressFamily::Inet6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
        _ => return,
    };
    let (mut table, mut target, mut metric) = (u32::from(message.header.table), unspecified, 0);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Priority(priority) => metric = *priority,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => target = (*address).into(),
            RouteAttribute::Destination(RouteAddress::Inet6(address)) => target = (*address).into(),
            _ => {}
        }
    }
    let Ok(destination) = IpNet::new(target, message.header.destination_prefix_length) else {
        return;
    };
    if table != u32::from(RouteHeader::RT_TABLE_MAIN) {
        return;
    }
    let hops = message.attributes.iter().filter_map(|attribute| match attribute {
        RouteAttribute::MultiPath(hops) => Some(hops),
        _ => None,
    });
    let before = into.len();
    into.extend(hops.flatten().map(|hop| {
        let (via, _) = next_hop(&hop.attributes);
        Route { destination, kind, via, link: hop.interface_index, metric }
    }));
    if into.len() == before {
        let (via, link) = next_hop(&message.attributes);
        into.push(Route { destination, kind, via, link, metric });
    }
}

fn next_hop(attributes: &[RouteAttribute]) -> (Option<IpAddr>, u32) {
    attributes.iter().fold((None, 0), |(via, link), attribute| match attribute {
        RouteAttribute::Oif(link) => (via, *link),
        RouteAttribute::Gateway(RouteAddress::Inet(address))
        | RouteAttribute::Via(RouteVia::Inet(address)) => (Some((*address).into()), link),
        RouteAttribute::Gateway(RouteAddress::Inet6(address))
        | RouteAttribute::Via(RouteVia::Inet6(address)) => (Some((*address).into()), link),
        _ => (via, link),
    })
}

fn neighbor(message: &NeighbourMessage) -> Option<Neighbor> {
    let stale = message.header.state == NeighbourState::Stale;
    let usable = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
            | NeighbourState::Noarp
    );
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(found)) => {
                address = Some(IpAddr::from(*found));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(found)) => {
                address = Some(IpAddr::from(*found));
            }
            NeighbourAttribute::LinkLayerAddress(found) => mac = found.as_slice().try_into().ok(),
            _ => {}
        }
    }
    Some(Neighbor { address: address?, mac: mac?, link: message.header.ifindex, usable, stale })
}
