//! IPv4 headers (RFC 791).

use super::checksum::{Delta, Sum};
use super::{be16, be32, put_be16, put_be32};
use flowtable::key::Proto;

/// Bytes of a header without options.
pub const HEADER: usize = 20;

/// What makes bytes no IPv4 packet the gateway forwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ipv4Error {
    /// Fewer bytes than the header, or the packet, says there are.
    Truncated,
    /// Version, header length or total length contradict each other.
    Malformed,
    /// The header checksum is wrong.
    Checksum,
    /// The reserved flag is set (RFC 791: must be zero).
    Reserved,
    /// The header carries options.
    Option,
}

/// The DF flag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DontFragment {
    /// Routers may cut the packet into fragments.
    Clear,
    /// They may not.
    Set,
}

/// An IPv4 header without options whose checksum is right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Sender.
    pub src: u32,
    /// Receiver.
    pub dst: u32,
    /// What follows.
    pub proto: Proto,
    /// Hops left.
    pub ttl: u8,
    /// Header and payload, in bytes.
    pub total_len: u16,
    /// Whether this is a piece of a datagram.
    pub fragment: bool,
    /// Whether routers may cut it into pieces.
    pub dont_fragment: DontFragment,
}

/// Reads and checks the header at the start of `packet` (what follows the Ethernet header, padding
/// included).
///
/// # Errors
/// The first thing wrong with it.
#[inline]
pub fn parse(packet: &[u8]) -> Result<Header, Ipv4Error> {
    let head: &[u8; HEADER] = packet.first_chunk().ok_or(Ipv4Error::Truncated)?;
    let header_len = usize::from(head[0] & 0x0f) * 4;
    let total_len = be16(head, 2);
    if head[0] >> 4 != 4 || header_len < HEADER || usize::from(total_len) < header_len {
        return Err(Ipv4Error::Malformed);
    }
    if packet.len() < usize::from(total_len) {
        return Err(Ipv4Error::Truncated);
    }
    if Sum::ZERO.bytes(&packet[..header_len]).fold() != 0xffff {
        return Err(Ipv4Error::Checksum);
    }
    if header_len != HEADER {
        return Err(Ipv4Error::Option);
    }
    let flags_offset = be16(head, 6);
    if flags_offset & 0x8000 != 0 {
        return Err(Ipv4Error::Reserved);
    }
    Ok(Header {
        src: be32(head, 12),
        dst: be32(head, 16),
        proto: Proto(head[9]),
        ttl: head[8],
        total_len,
        fragment: flags_offset & 0x3fff != 0,
        dont_fragment: if flags_offset & 0x4000 == 0 {
            DontFragment::Clear
        } else {
            DontFragment::Set
        },
    })
}

/// The destination address of a packet long enough to have one, whatever else is wrong with it: what the
/// steering program looks at.
#[must_use]
#[inline]
pub fn destination(packet: &[u8]) -> Option<u32> {
    let head: &[u8; HEADER] = packet.first_chunk()?;
    Some(be32(head, 16))
}

/// Source and destination of a packet whose header [`parse`] accepted.
#[must_use]
#[inline]
pub fn addresses(packet: &[u8]) -> (u32, u32) {
    (be32(packet, 12), be32(packet, 16))
}

/// Takes one hop off and applies `delta`, which contains [`Delta::TTL_DECREMENT`] and any address change.
///
/// # Panics
/// If `packet` is shorter than a header or the TTL is 0; the caller has checked both.
#[inline]
pub fn forward(packet: &mut [u8], delta: Delta) {
    packet[8] -= 1;
    let field = be16(packet, 10);
    put_be16(packet, 10, delta.apply(field));
}

/// Writes a shorter total length and mends the checksum.
pub fn set_total_len(packet: &mut [u8], old: u16, new: u16) {
    put_be16(packet, 2, new);
    let field = be16(packet, 10);
    put_be16(packet, 10, Delta::NONE.word(old, new).apply(field));
}

/// Writes the source address; the checksum is the caller's.
#[inline]
pub fn set_source(packet: &mut [u8], addr: u32) {
    put_be32(packet, 12, addr);
}

/// Writes the destination address; the checksum is the caller's.
#[inline]
pub fn set_destination(packet: &mut [u8], addr: u32) {
    put_be32(packet, 16, addr);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Vec<u8> {
        let mut h = vec![0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 1, 0, 5, 198, 51, 100, 7];
        h.extend([0u8; 8]);
        seal(&mut h);
        h
    }

    fn seal(h: &mut [u8]) {
        let len = usize::from(h[0] & 15) * 4;
        h[10..12].fill(0);
        let sum = Sum::ZERO.bytes(&h[..len.min(h.len())]).checksum();
        put_be16(h, 10, sum);
    }

    #[test]
    fn every_prefix_of_a_packet_is_truncated() {
        let packet = header();
        for len in 0..packet.len() {
            assert_eq!(parse(&packet[..len]), Err(Ipv4Error::Truncated), "length {len}");
        }
        assert!(parse(&packet).is_ok());
    }

    /// Hazard E020: every combination of header length, total length and frame length.
    #[test]
    fn lengths_that_contradict_each_other_are_never_accepted() {
        let mut packet = header();
        packet.resize(80, 0);
        for ihl in 0..16u8 {
            for total in 0..100u16 {
                let mut p = packet.clone();
                p[0] = 0x40 | ihl;
                put_be16(&mut p, 2, total);
                if ihl >= 5 {
                    seal(&mut p);
                }
                for frame in 0..=p.len() {
                    let ok = parse(&p[..frame]).is_ok();
                    let fine = ihl == 5 && total >= 20 && usize::from(total) <= frame;
                    assert_eq!(ok, fine, "ihl {ihl} total {total} frame {frame}");
                }
            }
        }
    }

    #[test]
    fn each_fault_has_its_own_error() {
        for (at, value, error) in [
            (0usize, 0x65u8, Ipv4Error::Malformed),
            (0, 0x44, Ipv4Error::Malformed),
            (6, 0xc0, Ipv4Error::Reserved),
            (0, 0x46, Ipv4Error::Option),
        ] {
            let mut p = header();
            p[at] = value;
            seal(&mut p);
            assert_eq!(parse(&p), Err(error), "byte {at}");
        }
        let mut p = header();
        p[12] ^= 1;
        assert_eq!(parse(&p), Err(Ipv4Error::Checksum));
    }
}
