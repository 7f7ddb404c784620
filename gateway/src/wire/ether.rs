//! Ethernet II headers (IEEE 802.3) and ARP bodies (RFC 826), as far as a router must look.

use super::{be16, be32};
use std::fmt;
use std::str::FromStr;

/// Bytes of an Ethernet header without tags.
pub const HEADER: usize = 14;

/// A 48-bit hardware address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// The broadcast address.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it names a group (broadcast included) and not one station.
    #[must_use]
    pub const fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not six two-digit hexadecimal numbers with colons between.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a hardware address is six two-digit hexadecimal numbers, as in 02:00:00:00:01:01")]
pub struct NotAMac;

impl FromStr for Mac {
    type Err = NotAMac;

    fn from_str(text: &str) -> Result<Self, NotAMac> {
        let mut mac = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut mac {
            let part = parts.next().ok_or(NotAMac)?;
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(NotAMac);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| NotAMac)?;
        }
        if parts.next().is_some() { Err(NotAMac) } else { Ok(Self(mac)) }
    }
}

/// What follows the Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EtherType {
    /// 0x0800.
    Ipv4,
    /// 0x86dd.
    Ipv6,
    /// 0x0806.
    Arp,
    /// 802.1Q, 802.1ad and the old QinQ number.
    Vlan,
    /// LLDP (0x88cc) and the slow protocols (LACP, 0x8809): link control between the host and its switch.
    LinkControl,
    /// Anything else, lengths of 802.3 frames included.
    Other(u16),
}

/// An Ethernet header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// To whom.
    pub dst: Mac,
    /// From whom.
    pub src: Mac,
    /// What follows.
    pub ether_type: EtherType,
}

/// The header of `frame`, `None` if the frame is shorter than one.
#[must_use]
#[inline]
pub fn parse(frame: &[u8]) -> Option<Header> {
    let head: &[u8; HEADER] = frame.first_chunk()?;
    Some(Header {
        dst: Mac([head[0], head[1], head[2], head[3], head[4], head[5]]),
        src: Mac([head[6], head[7], head[8], head[9], head[10], head[11]]),
        ether_type: match be16(head, 12) {
            0x0800 => EtherType::Ipv4,
            0x86dd => EtherType::Ipv6,
            0x0806 => EtherType::Arp,
            0x8100 | 0x88a8 | 0x9100 => EtherType::Vlan,
            0x88cc | 0x8809 => EtherType::LinkControl,
            other => EtherType::Other(other),
        },
    })
}

/// Writes both addresses in front of a frame that has a header.
///
/// # Panics
/// If the frame is shorter than a header; [`parse`] has seen to that.
#[inline]
pub fn set_addresses(frame: &mut [u8], dst: Mac, src: Mac) {
    frame[0..6].copy_from_slice(&dst.0);
    frame[6..12].copy_from_slice(&src.0);
}

/// What an ARP message does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArpOperation {
    /// Asks who has an address.
    Request,
    /// Says who has one.
    Reply,
}

/// An ARP message for IPv4 over Ethernet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arp {
    /// Question or answer.
    pub operation: ArpOperation,
    /// The sender's hardware address as the message states it.
    pub sender_mac: Mac,
    /// The sender's IPv4 address; 0 in a probe (RFC 5227).
    pub sender: u32,
    /// The address asked about or answered for.
    pub target: u32,
}

/// The ARP message behind an Ethernet header, `None` if it is no well-formed IPv4-over-Ethernet request or
/// reply.
#[must_use]
pub fn parse_arp(frame: &[u8]) -> Option<Arp> {
    let body: &[u8; 28] = frame.get(HEADER..)?.first_chunk()?;
    let well_formed = be16(body, 0) == 1 && be16(body, 2) == 0x0800 && body[4] == 6 && body[5] == 4;
    let operation = match be16(body, 6) {
        1 => ArpOperation::Request,
        2 => ArpOperation::Reply,
        _ => return None,
    };
    well_formed.then(|| Arp {
        operation,
        sender_mac: Mac([body[8], body[9], body[10], body[11], body[12], body[13]]),
        sender: be32(body, 14),
        target: be32(body, 24),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_reads_what_it_prints_and_nothing_else() {
        let mac: Mac = "02:00:00:0A:01:ff".parse().expect("a mac");
        assert_eq!(mac.to_string(), "02:00:00:0a:01:ff");
        for bad in
            ["", "02:00:00:00:01", "02:00:00:00:01:01:01", "2:0:0:0:1:1", "02-00-00-00-01-01"]
        {
            assert_eq!(bad.parse::<Mac>(), Err(NotAMac), "{bad}");
        }
    }

    #[test]
    fn a_frame_shorter_than_a_header_is_none() {
        let frame = [0u8; 14];
        for len in 0..14 {
            assert_eq!(parse(&frame[..len]), None);
        }
        assert!(parse(&frame).is_some());
    }

    #[test]
    fn arp_of_another_shape_is_not_arp() {
        let mut frame = vec![0u8; 42];
        frame[14..22].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
        assert!(parse_arp(&frame).is_some());
        for (at, bad) in [(15, 2), (16, 9), (18, 5), (19, 6), (21, 0), (21, 3)] {
            let mut broken = frame.clone();
            broken[at] = bad;
            assert_eq!(parse_arp(&broken), None, "byte {at}");
        }
        for len in 0..42 {
            assert_eq!(parse_arp(&frame[..len]), None);
        }
    }
}
