//! From a frame to a packet: every check that needs no flow and no policy, in the order of the headers.
//!
//! [`arrive`] is the only way to a [`Packet`], so whoever holds one holds a frame whose Ethernet, IPv4 and
//! transport headers lie inside it, cut to the length the IP header states, from a source that may stand on
//! the interface it came by.

use crate::io::{Frame, Side};
use crate::pipeline::drop_reason::DropReason;
use crate::snapshot::{Interface, Snapshot};
use crate::wire::ether::{self, ArpOperation, EtherType};
use crate::wire::ipv4::{self, DontFragment, Ipv4Error};
use crate::wire::{icmp, sctp, tcp, udp};
use flowtable::key::{Addr, FlowKey, Port, Proto};

/// Where the IP header starts.
pub const L3: usize = ether::HEADER;
/// Where the transport header starts; packets with IP options are not forwarded.
pub const L4: usize = L3 + ipv4::HEADER;

/// What the transport part is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// A TCP segment; its header is read when its flow is at hand.
    Tcp,
    /// A UDP datagram.
    Udp,
    /// An SCTP packet.
    Sctp,
    /// An ICMP echo request.
    EchoRequest,
    /// An ICMP echo reply.
    EchoReply,
    /// A protocol whose payload the gateway does not read.
    Other,
}

/// A packet in transit that passed every check of its own headers.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// The flow direction it belongs to, as it arrived.
    pub key: FlowKey,
    /// Bytes of the IP packet.
    pub ip_len: u16,
    /// Whether the sender forbids fragmentation.
    pub dont_fragment: DontFragment,
    /// What the IP packet carries.
    pub transport: Transport,
}

/// What a frame turned out to be.
#[derive(Clone, Copy, Debug)]
pub enum Arrival {
    /// A packet to be judged.
    Transit(Packet),
    /// The machine's own: ARP, link control, packets to the gateway's addresses.
    Host,
}

/// Reads a frame that arrived on `ingress` and cuts off what lies behind the IP packet.
///
/// # Errors
/// The first reason not to forward it.
#[inline]
pub fn arrive<F: Frame>(
    frame: &mut F,
    ingress: &Interface,
    snapshot: &Snapshot,
) -> Result<Arrival, DropReason> {
    let header = ether::parse(frame.bytes()).ok_or(DropReason::L2Short)?;
    match header.ether_type {
        EtherType::Ipv4 => {}
        EtherType::Arp => return arp(frame.bytes(), header.src, ingress, snapshot),
        EtherType::LinkControl => return Ok(Arrival::Host),
        EtherType::Ipv6 => return Err(DropReason::Ip6Unsupported),
        EtherType::Vlan => return Err(DropReason::L2Vlan),
        EtherType::Other(_) => return Err(DropReason::L2EtherType),
    }
    let destination = ipv4::destination(&frame.bytes()[L3..]).ok_or(DropReason::Ip4Truncated)?;
    if snapshot.is_host(destination) {
        return to_host(&frame.bytes()[L3..], ingress);
    }
    if is_vrrp(&frame.bytes()[L3..], destination) {
        return Ok(Arrival::Host);
    }
    check_stations(&header, ingress)?;

    let ip = ipv4::parse(&frame.bytes()[L3..]).map_err(|error| match error {
        Ipv4Error::Truncated => DropReason::Ip4Truncated,
        Ipv4Error::Malformed => DropReason::Ip4Malformed,
        Ipv4Error::Checksum => DropReason::Ip4Checksum,
        Ipv4Error::Reserved => DropReason::Ip4Reserved,
        Ipv4Error::Option => DropReason::Ip4Option,
    })?;
    check_addresses(&ip, ingress, snapshot)?;
    if ip.fragment {
        return Err(DropReason::FragmentUnsupported);
    }
    if ip.ttl <= 1 {
        return Err(DropReason::TtlExpired);
    }
    frame.truncate(L3 + usize::from(ip.total_len));
    let (transport, sport, dport) = transport(frame, &ip)?;
    let key = FlowKey {
        src: Addr::from_v4(ip.src),
        dst: Addr::from_v4(ip.dst),
        sport,
        dport,
        proto: ip.proto,
    };
    let ip_len = u16::try_from(frame.bytes().len() - L3).map_err(|_| DropReason::Ip4Malformed)?;
    Ok(Arrival::Transit(Packet { key, ip_len, dont_fragment: ip.dont_fragment, transport }))
}

/// A packet to one of the machine's own addresses, broadcast ones among them: its own stack's business,
/// but for an inside host that plays DHCP server (RFC 2131: to port 68; hazard E007).
fn to_host(packet: &[u8], ingress: &Interface) -> Result<Arrival, DropReason> {
    const CLIENT: [u8; 2] = [0, 68];
    let header = usize::from(packet[0] & 0x0f) * 4;
    let first_fragment = packet[6] & 0x1f == 0 && packet[7] == 0;
    let dport = packet.get(header + 2..header + 4).filter(|_| header >= ipv4::HEADER);
    let answers_dhcp = packet[9] == Proto::UDP.0 && first_fragment && dport == Some(&CLIENT);
    match ingress.side {
        Side::Inside if answers_dhcp => Err(DropReason::DhcpServer),
        Side::Inside | Side::Outside => Ok(Arrival::Host),
    }
}

/// Whether routers of this link speak to each other (VRRP, RFC 5798).
fn is_vrrp(packet: &[u8], destination: u32) -> bool {
    const GROUP: u32 = 0xe000_0012;
    const VRRP: Proto = Proto(112);
    destination == GROUP && packet[9] == VRRP.0
}

/// Hazards E002, E003 and E012: who may send a frame to whom.
fn check_stations(header: &ether::Header, ingress: &Interface) -> Result<(), DropReason> {
    if header.src.is_group() {
        Err(DropReason::L2SourceMac)
    } else if header.src == header.dst || header.src == ingress.mac {
        Err(DropReason::L2Loop)
    } else if header.dst.is_group() {
        Err(DropReason::L2MulticastUnicastIp)
    } else if header.dst != ingress.mac {
        Err(DropReason::L2NotForUs)
    } else {
        Ok(())
    }
}

/// Hazards E024 to E026: addresses no router forwards, and sources that cannot stand on this interface.
fn check_addresses(
    ip: &ipv4::Header,
    ingress: &Interface,
    snapshot: &Snapshot,
) -> Result<(), DropReason> {
    if is_martian(ip.src)
        || ip.src == ip.dst
        || snapshot.is_host(ip.src)
        || snapshot.is_pool(ip.src)
    {
        return Err(DropReason::MartianSource);
    }
    match ingress.side {
        Side::Inside if !ingress.has(ip.src) => return Err(DropReason::SpoofSource),
        Side::Outside if snapshot.is_inside(ip.src) => return Err(DropReason::SpoofUplink),
        Side::Inside | Side::Outside => {}
    }
    if is_martian(ip.dst) { Err(DropReason::MartianDestination) } else { Ok(()) }
}

/// This network, loopback, link-local, multicast, reserved and broadcast (RFC 1122 section 3.2.1.3, RFC 3927
/// section 7, RFC 1812 section 5.3.7): never a forwarded packet's source or destination.
const fn is_martian(addr: u32) -> bool {
    let [a, b, _, _] = addr.to_be_bytes();
    a == 0 || a == 127 || (a == 169 && b == 254) || a >= 224
}

/// Reads the transport header as far as a flow key needs it.
#[inline]
fn transport<F: Frame>(
    frame: &mut F,
    ip: &ipv4::Header,
) -> Result<(Transport, Port, Port), DropReason> {
    let segment = &frame.bytes()[L4..];
    let (transport, sport, dport) = match ip.proto {
        Proto::TCP => {
            let (sport, dport) = tcp::ports(segment).ok_or(DropReason::TcpMalformed)?;
            (Transport::Tcp, sport, dport)
        }
        Proto::UDP => {
            let header = udp::parse(segment).map_err(|udp::Malformed| DropReason::UdpMalformed)?;
            if usize::from(header.len) < segment.len() {
                cut_tail(frame, ip, header.len);
            }
            (Transport::Udp, header.sport, header.dport)
        }
        Proto::SCTP => {
            let (sport, dport) = sctp::ports(segment).ok_or(DropReason::SctpMalformed)?;
            (Transport::Sctp, sport, dport)
        }
        Proto::ICMP => return echo(segment),
        Proto(0 | 255) => return Err(DropReason::ProtoDenied),
        _ => return Ok((Transport::Other, Port(0), Port(0))),
    };
    if sport.0 == 0 || dport.0 == 0 {
        return Err(DropReason::PortZero);
    }
    Ok((transport, sport, dport))
}

/// Cuts off bytes behind a UDP datagram (hazard E110): nobody reads them but who hides something there.
fn cut_tail<F: Frame>(frame: &mut F, ip: &ipv4::Header, udp_len: u16) {
    let total_len = udp_len.saturating_add(20);
    ipv4::set_total_len(&mut frame.bytes_mut()[L3..], ip.total_len, total_len);
    frame.truncate(L3 + usize::from(total_len));
}

/// An echo's place in a flow key: the identifier is the asking side's port.
fn echo(message: &[u8]) -> Result<(Transport, Port, Port), DropReason> {
    let message = icmp::parse(message).map_err(|error| match error {
        icmp::IcmpError::Malformed => DropReason::IcmpMalformed,
        icmp::IcmpError::Checksum => DropReason::IcmpChecksum,
    })?;
    match message.kind {
        icmp::Kind::EchoRequest(id) => Ok((Transport::EchoRequest, id, Port(0))),
        icmp::Kind::EchoReply(id) => Ok((Transport::EchoReply, Port(0), id)),
        icmp::Kind::Error => Err(DropReason::IcmpUnrelated),
        icmp::Kind::Other => Err(DropReason::IcmpType),
    }
}

/// ARP is the machine's own, but not with a lie in it: an inside sender speaks only for addresses behind its
/// interface, and never for the gateway's.
fn arp(
    frame: &[u8],
    src: ether::Mac,
    ingress: &Interface,
    snapshot: &Snapshot,
) -> Result<Arrival, DropReason> {
    let arp = ether::parse_arp(frame).ok_or(DropReason::ArpMalformed)?;
    if arp.sender_mac.is_group() {
        return Err(DropReason::ArpMalformed);
    }
    if ingress.side == Side::Outside {
        return Ok(Arrival::Host);
    }
    if arp.sender_mac != src {
        return Err(DropReason::ArpMalformed);
    }
    // A probe for an address to be used has no sender yet (RFC 5227 section 2.1.1); an answer always has.
    let claims = arp.sender != 0 || arp.operation == ArpOperation::Reply;
    let foreign = !ingress.has(arp.sender);
    if claims && (foreign || snapshot.is_host(arp.sender) || snapshot.is_pool(arp.sender)) {
        return Err(DropReason::ArpSpoof);
    }
    Ok(Arrival::Host)
}
