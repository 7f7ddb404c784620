//! Why a frame went nowhere: one list that makes the enum, its counters, the text and the docs' table.

use std::fmt;

macro_rules! drop_reasons {
    ($($variant:ident $name:literal $text:literal)*) => {
        /// Why a frame was dropped. Names are part of the interface: scripts and dashboards rely on them.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $text] $variant),*
        }

        impl DropReason {
            /// Every reason, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The dotted name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

drop_reasons! {
    L2Short "l2.short" "the frame is shorter than an Ethernet header"
    L2NotForUs "l2.not_for_us" "the frame is addressed to another station's hardware address"
    L2SourceMac "l2.src_mac" "the source hardware address names a group"
    L2Loop "l2.loop" "the frame's source is its own destination, or the gateway itself"
    L2MulticastUnicastIp "l2.mcast_unicast_ip" "a group hardware address carries a unicast IP packet"
    L2Vlan "l2.vlan" "the frame carries a VLAN tag on an untagged interface"
    L2EtherType "l2.ethertype" "the gateway does not forward this Ethernet type"
    ArpMalformed "arp.malformed" "the ARP message is no well-formed IPv4 request or reply of its sender"
    ArpSpoof "arp.spoof" "an inside ARP message claims an address that is not behind this interface"
    DhcpServer "dhcp.server_from_pod" "an inside host answers DHCP as a server"
    Ip4Truncated "ip4.truncated" "the frame ends before the IPv4 packet does"
    Ip4Malformed "ip4.malformed" "version, header length and total length contradict each other"
    Ip4Checksum "ip4.csum" "the IPv4 header checksum is wrong"
    Ip4Reserved "ip4.reserved" "the reserved flag of the IPv4 header is set"
    Ip4Option "ip4.option" "the IPv4 header carries options"
    Ip6Unsupported "ip6.unsupported" "this version does not forward IPv6"
    FragmentUnsupported "frag.unsupported" "this version does not forward fragments"
    MartianSource "ip.martian_src" "the source address may not appear on a network"
    MartianDestination "ip.martian_dst" "the destination address is not one a router forwards to"
    TtlExpired "ttl.expired" "the packet has no hops left"
    SpoofSource "spoof.src" "the source address is not among the inside interface's networks"
    SpoofUplink "rpf.uplink" "a packet from outside claims a source that is behind the gateway"
    TcpMalformed "tcp.malformed" "the TCP header or its options lie outside the segment"
    TcpChecksum "tcp.csum" "the TCP checksum is wrong"
    TcpFlags "tcp.flags" "no TCP sender sets this combination of flags"
    TcpNoFlow "tcp.no_flow" "the TCP segment belongs to no flow and does not open one"
    TcpSplitHandshake "tcp.split_handshake" "the server answers a SYN with a handshake of its own"
    TcpSimultaneousOpen "tcp.sim_open" "both ends open the same TCP connection at once, and a setting refuses that"
    TcpOutOfWindow "tcp.oow" "the TCP segment lies outside the window"
    TcpResetOutOfWindow "tcp.rst_oow" "the TCP reset lies outside the window"
    TcpAfterFin "tcp.after_fin" "the TCP segment carries data behind its sender's FIN"
    TcpEarlyData "tcp.early_data" "the TCP segment carries data before the handshake is done"
    UdpMalformed "udp.malformed" "the UDP length contradicts the packet's"
    UdpChecksum "udp.csum" "the UDP checksum is wrong"
    SctpMalformed "sctp.malformed" "the SCTP packet has no whole first chunk"
    SctpChecksum "sctp.csum" "the SCTP checksum is wrong"
    SctpNoFlow "sctp.no_flow" "the SCTP packet belongs to no association and does not open one"
    SctpTag "sctp.vtag" "the SCTP verification tag is not the association's"
    SctpChunks "sctp.chunks" "an SCTP chunk that must stand alone does not, or an initiate tag is 0"
    IcmpMalformed "icmp.malformed" "the ICMP message is shorter than its header"
    IcmpChecksum "icmp.csum" "the ICMP checksum is wrong"
    IcmpUnsolicited "icmp.unsolicited" "an echo reply answers no request"
    IcmpUnrelated "icmp.unrelated" "an ICMP error is about no flow the gateway can name"
    IcmpType "icmp.type" "the gateway does not forward this ICMP type"
    PortZero "l4.port0" "a port is 0"
    ProtoDenied "proto.denied" "the IP protocol number is not one the gateway forwards"
    TunnelDenied "tunnel.denied" "the packet is a tunnel's, and no rule names it"
    PolicyNetworkPolicy "policy.networkpolicy" "a NetworkPolicy denies the flow"
    PolicyUnmatched "policy.unmatched" "no policy speaks, and `unmatched` is deny"
    RouteNone "route.none" "no route leads to the destination"
    RouteTransit "route.transit" "a packet from outside is for nobody behind the gateway"
    NeighborUnresolved "neigh.unresolved" "the next hop's hardware address is not known"
    MtuDf "mtu.df" "the packet is larger than the egress MTU and may not be fragmented"
    MtuExceeded "mtu.exceeded" "the packet is larger than the egress MTU, and this version does not fragment"
    NatExhausted "nat.exhausted" "every port of the pool address is in use towards this destination"
    NatPortless "nat.portless" "a protocol without ports: another inside host already has that far end"
    NatNoPool "nat.no_pool" "leaving traffic must be translated and its address family has no pool"
    NatNoMapping "nat.no_mapping" "a packet that needs a mapping of the pool has none"
    NatHairpin "nat.hairpin" "an inside host sends to a pool address; this version does not turn it round"
    FlowTableFull "flow.table_full" "the flow table has no room for a new flow"
    FlowContended "flow.contended" "another worker was admitting the same flow at the same moment"
    TxRingFull "tx.ring_full" "the transmit ring of the egress interface is full"
    TxDevice "tx.device" "the egress device refused the frame: its peer's queue was full, or it is down"
    RxRingFull "rx.ring_full" "the receive ring was full: the worker was slower than the traffic"
    RxNoBuffer "rx.no_buffer" "the kernel had no buffer of ours for the frame, or it did not fit into one"
    SteerNoSocket "steer.no_socket" "no worker serves the queue the frame arrived on"
    SteerHost "steer.host" "a frame for the host itself reached a worker, which cannot pass it on"
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The reason's place in [`DropReason::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The reason of that dotted name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_dotted_lower_case_and_unique() {
        let mut seen = HashSet::new();
        for reason in DropReason::ALL {
            let name = reason.name();
            assert!(seen.insert(name), "{name} twice");
            assert!(name.split('.').count() == 2, "{name}");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._".contains(&b))
            );
            assert_eq!(DropReason::from_name(name), Some(*reason));
            assert_eq!(DropReason::ALL[reason.index()], *reason);
        }
    }
}
