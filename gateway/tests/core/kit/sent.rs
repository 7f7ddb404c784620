//! A frame that left the gateway, read and verified by etherparse and the slow checksums.

use super::frame::{End, L4, Via, slow_crc32c};
use etherparse::{Icmpv4Type, LinkSlice, NetSlice, SlicedPacket, TransportSlice};
use std::net::Ipv4Addr;

/// A frame that left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    pub(crate) via: Via,
    pub(crate) bytes: Vec<u8>,
}

/// What the checksums of a frame are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sums {
    pub(crate) ip: bool,
    pub(crate) transport: bool,
}

/// All checksums are right.
pub(crate) const RIGHT: Sums = Sums { ip: true, transport: true };

impl Sent {
    fn sliced(&self) -> SlicedPacket<'_> {
        SlicedPacket::from_ethernet(&self.bytes)
            .unwrap_or_else(|error| panic!("the gateway sent {error}: {:02x?}", self.bytes))
    }

    /// Checks all that holds for every frame that leaves.
    pub(crate) fn check(&self) {
        let packet = self.sliced();
        let Some(LinkSlice::Ethernet2(link)) = &packet.link else { panic!("no Ethernet frame") };
        assert_eq!(link.source(), self.via.gateway(), "{self:?}");
        assert_eq!(link.destination()[0] & 1, 0, "a station's address: {self:?}");
        let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("no IPv4 packet") };
        let total = usize::from(ip.header().total_len());
        assert_eq!(total + 14, self.bytes.len(), "nothing leaves behind the packet: {self:?}");
        assert!(self.sums().ip, "a wrong IP checksum left: {self:?}");
    }

    /// Which checksums are right.
    pub(crate) fn sums(&self) -> Sums {
        let packet = self.sliced();
        let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("no IPv4 packet") };
        let header = ip.header().to_header();
        let (src, dst) = (header.source, header.destination);
        let transport = match &packet.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                tcp.calc_checksum_ipv4(src, dst).expect("a length") == tcp.checksum()
            }
            Some(TransportSlice::Udp(udp)) => {
                let sum = udp.to_header().calc_checksum_ipv4_raw(src, dst, udp.payload());
                udp.checksum() == 0 || sum.expect("a length") == udp.checksum()
            }
            Some(TransportSlice::Icmpv4(icmp)) => {
                icmp.icmp_type().calc_checksum(icmp.payload()) == icmp.checksum()
            }
            _ if header.protocol.0 == 132 => {
                slow_crc32c(&self.bytes[L4..]).to_le_bytes() == self.bytes[L4 + 8..L4 + 12]
            }
            _ => true,
        };
        Sums { ip: header.calc_header_checksum() == header.header_checksum, transport }
    }

    fn ends(&self) -> (End, End) {
        let packet = self.sliced();
        let Some(NetSlice::Ipv4(ip)) = &packet.net else { panic!("no IPv4 packet") };
        let word = |at: usize| u16::from_be_bytes([self.bytes[L4 + at], self.bytes[L4 + at + 1]]);
        let (sport, dport) = match &packet.transport {
            Some(TransportSlice::Icmpv4(icmp)) => match icmp.icmp_type() {
                Icmpv4Type::EchoRequest(echo) => (echo.id, 0),
                Icmpv4Type::EchoReply(echo) => (0, echo.id),
                other => panic!("the gateway sent {other:?}"),
            },
            Some(_) => (word(0), word(2)),
            None if ip.header().protocol().0 == 132 => (word(0), word(2)),
            None => (0, 0),
        };
        let end = |addr: [u8; 4], port| End { addr: Ipv4Addr::from(addr), port };
        (end(ip.header().source(), sport), end(ip.header().destination(), dport))
    }

    /// The sender.
    pub(crate) fn src(&self) -> End {
        self.ends().0
    }

    /// The receiver.
    pub(crate) fn dst(&self) -> End {
        self.ends().1
    }

    /// Whom the frame is handed to on its wire.
    pub(crate) fn station(&self) -> [u8; 6] {
        self.bytes[..6].try_into().expect("six bytes")
    }

    /// The transport part.
    pub(crate) fn segment(&self) -> &[u8] {
        &self.bytes[L4..]
    }

    /// Hops left.
    pub(crate) fn ttl(&self) -> u8 {
        self.bytes[14 + 8]
    }
}
