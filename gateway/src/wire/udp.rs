//! UDP headers (RFC 768).

use super::{be16, put_be16};
use flowtable::key::Port;

/// Bytes of the header.
pub const HEADER: usize = 8;
/// Where the checksum stands.
const CHECKSUM: usize = 6;

/// The lengths contradict each other: shorter than a header, or longer than what the IP packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// A UDP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Sender's port.
    pub sport: Port,
    /// Receiver's port.
    pub dport: Port,
    /// Header and payload; bytes of the IP payload behind it are nobody's.
    pub len: u16,
}

/// Reads the header at the start of `segment`, the whole IP payload.
///
/// # Errors
/// [`Malformed`].
#[inline]
pub fn parse(segment: &[u8]) -> Result<Header, Malformed> {
    let head: &[u8; HEADER] = segment.first_chunk().ok_or(Malformed)?;
    let len = be16(head, 4);
    if usize::from(len) < HEADER || usize::from(len) > segment.len() {
        return Err(Malformed);
    }
    Ok(Header { sport: Port(be16(head, 0)), dport: Port(be16(head, 2)), len })
}

/// The checksum field; 0 means the sender made none.
#[must_use]
#[inline]
pub fn checksum(segment: &[u8]) -> u16 {
    be16(segment, CHECKSUM)
}

/// Writes the checksum field, 0 as its other form 0xffff (RFC 768: "an all zero transmitted checksum value
/// means that the transmitter generated no checksum").
#[inline]
pub fn set_checksum(segment: &mut [u8], sum: u16) {
    put_be16(segment, CHECKSUM, if sum == 0 { 0xffff } else { sum });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_lies_between_a_header_and_the_packet() {
        let mut segment = [0u8; 20];
        for len in 0..40u16 {
            put_be16(&mut segment, 4, len);
            assert_eq!(parse(&segment).is_ok(), (8..=20).contains(&len), "length {len}");
        }
        for cut in 0..8 {
            assert_eq!(parse(&segment[..cut]), Err(Malformed));
        }
    }

    #[test]
    fn a_checksum_of_zero_is_sent_as_all_ones() {
        let mut segment = [0u8; 8];
        set_checksum(&mut segment, 0);
        assert_eq!(checksum(&segment), 0xffff);
    }
}
