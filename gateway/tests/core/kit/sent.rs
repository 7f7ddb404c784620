//! A frame that left the gateway, read and verified by etherparse and the slow checksums.

use super::frame::{End, L3, L4, Via, slow_crc32c};
use etherparse::{Ethernet2HeaderSlice, Icmpv4Slice, Ipv4HeaderSlice, TcpSlice, UdpSlice};
use std::net::Ipv4Addr;

/// A frame that left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sent {
    pub(crate) via: Via,
    pub(crate) bytes: Vec<u8>,
}

/// Which checksums of a frame are right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Sums {
    pub(crate) ip: bool,
    pub(crate) transport: bool,
}

/// All are.
pub(crate) const RIGHT: Sums = Sums { ip: true, transport: true };

impl Sent {
    fn ip(&self) -> Ipv4HeaderSlice<'_> {
        Ipv4HeaderSlice::from_slice(&self.bytes[L3..])
            .unwrap_or_else(|error| panic!("the gateway sent {error}: {:02x?}", self.bytes))
    }

    /// Checks all that holds for every frame that leaves.
    pub(crate) fn check(&self) {
        let link = Ethernet2HeaderSlice::from_slice(&self.bytes).expect("an Ethernet header");
        assert_eq!(link.source(), self.via.gateway(), "{self:02x?}");
        assert_eq!(link.destination()[0] & 1, 0, "a station's address: {self:02x?}");
        assert_eq!(link.ether_type().0, 0x0800);
        let ip = self.ip();
        assert_eq!(ip.slice().len(), 20, "no options");
        let total = usize::from(ip.total_len());
        assert_eq!(total + L3, self.bytes.len(), "nothing leaves behind the packet: {self:02x?}");
        assert!(!ip.is_fragmenting_payload() && ip.ttl() > 0, "{self:02x?}");
        assert!(self.sums().ip, "a wrong IP checksum left: {self:02x?}");
    }

    /// Which checksums are right.
    pub(crate) fn sums(&self) -> Sums {
        let header = self.ip().to_header();
        let (src, dst) = (header.source, header.destination);
        let transport = match header.protocol.0 {
            6 => {
                let tcp = TcpSlice::from_slice(self.segment()).expect("a TCP segment");
                tcp.calc_checksum_ipv4(src, dst).expect("a length") == tcp.checksum()
            }
            17 => {
                let udp = UdpSlice::from_slice(self.segment()).expect("a UDP datagram");
                let sum = udp.to_header().calc_checksum_ipv4_raw(src, dst, udp.payload());
                udp.checksum() == 0 || sum.expect("a length") == udp.checksum()
            }
            1 => {
                let icmp = Icmpv4Slice::from_slice(self.segment()).expect("an ICMP message");
                icmp.icmp_type().calc_checksum(icmp.payload()) == icmp.checksum()
            }
            132 => slow_crc32c(self.segment()).to_le_bytes() == self.segment()[8..12],
            _ => true,
        };
        Sums { ip: header.calc_header_checksum() == header.header_checksum, transport }
    }

    fn ends(&self) -> (End, End) {
        let ip = self.ip();
        let word = |at: usize| u16::from_be_bytes([self.bytes[L4 + at], self.bytes[L4 + at + 1]]);
        let (sport, dport) = match (ip.protocol().0, self.segment().first()) {
            (1, Some(8)) => (word(4), 0),
            (1, Some(0)) => (0, word(4)),
            (1, other) => panic!("the gateway sent ICMP {other:?}"),
            (6 | 17 | 132, _) => (word(0), word(2)),
            _ => (0, 0),
        };
        let end = |addr: Ipv4Addr, port| End { addr, port };
        (end(ip.source_addr(), sport), end(ip.destination_addr(), dport))
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
        self.bytes[L3 + 8]
    }
}
