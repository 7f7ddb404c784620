//! Frames, built by etherparse so that nothing of the gateway's own code decides what is right, and the
//! slow checksums that mend a frame after a byte of it was changed by hand.

#![allow(dead_code, reason = "several test binaries share this file, and none needs all of it")]

use etherparse::{IpHeaders, IpNumber, Ipv4Header, PacketBuilder, PacketBuilderStep, TcpHeader};
use std::net::Ipv4Addr;

/// The wires of the test world.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Via {
    /// The first inside interface, 10.1.0.0/24.
    In0,
    /// The second inside interface, 10.2.0.0/24; checksums of local senders are completed here.
    In1,
    /// The outside interface.
    Out0,
}

impl Via {
    /// All of them, at their interface numbers.
    pub(crate) const ALL: [Self; 3] = [Self::In0, Self::In1, Self::Out0];

    /// The device.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::In0 => "in0",
            Self::In1 => "in1",
            Self::Out0 => "out0",
        }
    }

    /// The gateway's hardware address there.
    pub(crate) const fn gateway(self) -> [u8; 6] {
        [2, 0, 0, 0, self as u8 + 1, 1]
    }

    /// The hardware address of whoever sends there.
    pub(crate) const fn station(self) -> [u8; 6] {
        match self {
            Self::In0 => [2, 0, 0, 0, 1, 5],
            Self::In1 => [2, 0, 0, 0, 2, 5],
            Self::Out0 => [2, 0, 0, 0, 3, 0xfe],
        }
    }
}

/// One end of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub(crate) struct End {
    pub(crate) addr: Ipv4Addr,
    pub(crate) port: u16,
}

/// The end at `addr`, written as text, and `port`.
pub(crate) fn end(addr: &str, port: u16) -> End {
    End { addr: addr.parse().expect("an address in a test"), port }
}

/// Flags of a TCP segment.
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 2;
    pub(crate) const RST: u8 = 4;
    pub(crate) const PSH: u8 = 8;
    pub(crate) const ACK: u8 = 16;
    pub(crate) const URG: u8 = 32;
}

/// A TCP segment but for its ports.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Segment<'a> {
    pub(crate) flags: u8,
    pub(crate) seq: u32,
    pub(crate) ack: u32,
    pub(crate) window: u16,
    pub(crate) options: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// The segment that opens a connection.
pub(crate) const fn syn(seq: u32) -> Segment<'static> {
    Segment { flags: flag::SYN, seq, ack: 0, window: 64_000, options: &[], payload: &[] }
}

fn ip(via: Via, from: End, to: End) -> PacketBuilderStep<IpHeaders> {
    let (from, to) = (from.addr.octets(), to.addr.octets());
    let header = Ipv4Header { identification: 0x5a17, ..header(from, to) };
    PacketBuilder::ethernet2(via.station(), via.gateway())
        .ip(IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()))
}

fn header(from: [u8; 4], to: [u8; 4]) -> Ipv4Header {
    Ipv4Header::new(0, 64, IpNumber::UDP, from, to).expect("an empty payload")
}

fn written(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = Vec::with_capacity(128);
    write(&mut frame);
    frame
}

/// A TCP segment in a frame.
pub(crate) fn tcp(via: Via, from: End, to: End, segment: Segment<'_>) -> Vec<u8> {
    let mut header = TcpHeader::new(from.port, to.port, segment.seq, segment.window);
    header.acknowledgment_number = segment.ack;
    header.set_options_raw(segment.options).expect("at most 40 bytes of options");
    let flags = segment.flags;
    header.fin = flags & flag::FIN != 0;
    header.syn = flags & flag::SYN != 0;
    header.rst = flags & flag::RST != 0;
    header.psh = flags & flag::PSH != 0;
    header.ack = flags & flag::ACK != 0;
    header.urg = flags & flag::URG != 0;
    let packet = ip(via, from, to).tcp_header(header);
    written(|frame| packet.write_to_vec(frame, segment.payload).expect("a small packet"))
}

/// A UDP datagram in a frame.
pub(crate) fn udp(via: Via, from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let packet = ip(via, from, to).udp(from.port, to.port);
    written(|frame| packet.write_to_vec(frame, payload).expect("a small packet"))
}

/// An echo request whose identifier is `from.port`.
pub(crate) fn ping(via: Via, from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let packet = ip(via, from, to).icmpv4_echo_request(from.port, 1);
    written(|frame| packet.write_to_vec(frame, payload).expect("a small packet"))
}

/// An echo reply whose identifier is `to.port`.
pub(crate) fn pong(via: Via, from: End, to: End, payload: &[u8]) -> Vec<u8> {
    let packet = ip(via, from, to).icmpv4_echo_reply(to.port, 1);
    written(|frame| packet.write_to_vec(frame, payload).expect("a small packet"))
}

/// An ICMP message of any type.
pub(crate) fn icmp(via: Via, from: End, to: End, kind: (u8, u8), payload: &[u8]) -> Vec<u8> {
    let packet = ip(via, from, to).icmpv4_raw(kind.0, kind.1, [0; 4]);
    written(|frame| packet.write_to_vec(frame, payload).expect("a small packet"))
}

/// A packet of any protocol.
pub(crate) fn raw(via: Via, from: End, to: End, proto: u8, payload: &[u8]) -> Vec<u8> {
    let packet = ip(via, from, to);
    written(|frame| packet.write_to_vec(frame, IpNumber(proto), payload).expect("a small packet"))
}

/// An SCTP packet with one chunk of that type, flags and value.
pub(crate) fn sctp(via: Via, from: End, to: End, tag: u32, chunk: (u8, u8, &[u8])) -> Vec<u8> {
    let (kind, flags, value) = chunk;
    let len = u16::try_from(value.len() + 4).expect("a small chunk");
    let mut packet = Vec::new();
    packet.extend(from.port.to_be_bytes());
    packet.extend(to.port.to_be_bytes());
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend([kind, flags]);
    packet.extend(len.to_be_bytes());
    packet.extend(value);
    packet.resize(packet.len().next_multiple_of(4), 0);
    let crc = slow_crc32c(&packet);
    packet[8..12].copy_from_slice(&crc.to_le_bytes());
    raw(via, from, to, 132, &packet)
}

/// An INIT or INIT ACK's value.
pub(crate) fn initiate(tag: u32) -> Vec<u8> {
    let mut value = tag.to_be_bytes().to_vec();
    value.extend([0, 1, 0, 0, 0, 10, 0, 10, 0, 0, 0, 1]);
    value
}

/// An ARP message.
pub(crate) fn arp(via: Via, op: u8, sender: [u8; 6], claims: Ipv4Addr, about: Ipv4Addr) -> Vec<u8> {
    let mut frame = [0xff; 6].to_vec();
    frame.extend(via.station());
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, op]);
    frame.extend(sender);
    frame.extend(claims.octets());
    frame.extend([0; 6]);
    frame.extend(about.octets());
    frame
}

/// Where the IP header starts.
pub(crate) const L3: usize = 14;
/// Where the transport header of a packet without options starts.
pub(crate) const L4: usize = 34;

/// Adds up 16-bit words the way RFC 1071 says it, and nothing cleverer.
pub(crate) fn slow_sum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
            sum = (sum & 0xffff) + (sum >> 16);
        }
    }
    u16::try_from(sum).expect("folded")
}

/// CRC32c bit by bit (RFC 9260 appendix A), the checksum field read as zero.
pub(crate) fn slow_crc32c(packet: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for (at, byte) in packet.iter().enumerate() {
        crc ^= u32::from(if (8..12).contains(&at) { 0 } else { *byte });
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    !crc
}

/// Makes the IP header checksum right again.
pub(crate) fn fix_ip(frame: &mut [u8]) {
    let len = usize::from(frame[L3] & 15) * 4;
    let Some(header) = frame.get_mut(L3..L3 + len).filter(|header| header.len() >= 20) else {
        return;
    };
    header[10..12].fill(0);
    let sum = !slow_sum(&[header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// The pseudo-header's sum of a packet without IP options whose transport part is `len` bytes.
pub(crate) fn pseudo_sum(frame: &[u8], len: usize) -> u16 {
    let len = u16::try_from(len).expect("an IP packet").to_be_bytes();
    slow_sum(&[&frame[L3 + 12..L3 + 20], &[0, frame[L3 + 9]], &len])
}

/// Makes the transport checksum right again, if the packet is one of a known protocol and long enough.
pub(crate) fn fix_l4(frame: &mut [u8]) {
    let total = usize::from(u16::from_be_bytes([frame[L3 + 2], frame[L3 + 3]]));
    let Some(segment) = frame.get(L4..L3 + total) else { return };
    let at = match (frame[L3 + 9], segment.len()) {
        (6, 20..) => 16,
        (17, 8..) => 6,
        (1, 8..) => 2,
        (132, 12..) => {
            let crc = slow_crc32c(segment).to_le_bytes();
            frame[L4 + 8..L4 + 12].copy_from_slice(&crc);
            return;
        }
        _ => return,
    };
    let pseudo = if at == 2 { 0 } else { pseudo_sum(frame, segment.len()) };
    frame[L4 + at..L4 + at + 2].fill(0);
    let sum = !slow_sum(&[&pseudo.to_be_bytes(), &frame[L4..L3 + total]]);
    frame[L4 + at..L4 + at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The frame with some bytes changed, checksums left as they were.
pub(crate) fn with(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + bytes.len()].copy_from_slice(bytes);
    frame
}

/// The frame with some bytes of its IP header changed and that header's checksum mended.
pub(crate) fn with_ip(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = with(frame, L3 + at, bytes);
    fix_ip(&mut frame);
    frame
}

/// The frame with some bytes of its transport header changed and all checksums mended.
pub(crate) fn with_l4(frame: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut frame = with(frame, L4 + at, bytes);
    fix_l4(&mut frame);
    frame
}

/// The frame with the DF flag clear.
pub(crate) fn may_fragment(frame: &[u8]) -> Vec<u8> {
    with_ip(frame, 6, &[0, 0])
}
