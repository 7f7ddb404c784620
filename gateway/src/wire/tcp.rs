//! TCP headers (RFC 9293) and the one option connection tracking needs.

use super::{be16, be32, put_be16};
use flowtable::key::Port;

/// Bytes of a header without options.
pub const HEADER: usize = 20;
/// Where the checksum stands.
const CHECKSUM: usize = 16;

/// The header is cut short, its length lies outside the segment, or an option runs past it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// A TCP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Sender's port.
    pub sport: Port,
    /// Receiver's port.
    pub dport: Port,
    /// Sequence number of the first byte.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// The flag byte: FIN is bit 0, then SYN, RST, PSH, ACK, URG, ECE, CWR.
    pub flags: u8,
    /// The window field, not scaled.
    pub window: u16,
    /// Header length in bytes, options included.
    pub header_len: u8,
    /// Bytes of payload.
    pub payload_len: u16,
    /// The window scale option; only looked for where SYN is set, the one place it counts (RFC 7323
    /// section 2.2).
    pub window_scale: Option<u8>,
}

/// Bit of the SYN flag.
const SYN: u8 = 0x02;

/// The two ports at the start of a segment at least [`HEADER`] long.
#[must_use]
#[inline]
pub fn ports(segment: &[u8]) -> Option<(Port, Port)> {
    let head: &[u8; HEADER] = segment.first_chunk()?;
    Some((Port(be16(head, 0)), Port(be16(head, 2))))
}

/// Reads the header at the start of `segment`, the whole IP payload.
///
/// # Errors
/// [`Malformed`].
#[inline]
pub fn parse(segment: &[u8]) -> Result<Header, Malformed> {
    let head: &[u8; HEADER] = segment.first_chunk().ok_or(Malformed)?;
    let header_len = (head[12] >> 4) * 4;
    let options = segment.get(HEADER..usize::from(header_len)).ok_or(Malformed)?;
    let flags = head[13];
    let window_scale = if flags & SYN != 0 { find_window_scale(options)? } else { None };
    let payload_len =
        u16::try_from(segment.len() - usize::from(header_len)).map_err(|_| Malformed)?;
    Ok(Header {
        sport: Port(be16(head, 0)),
        dport: Port(be16(head, 2)),
        seq: be32(head, 4),
        ack: be32(head, 8),
        flags,
        window: be16(head, 14),
        header_len,
        payload_len,
        window_scale,
    })
}

/// The window scale among `options`, which must fill their space exactly or end with an end-of-list.
fn find_window_scale(mut options: &[u8]) -> Result<Option<u8>, Malformed> {
    let mut scale = None;
    while let Some((&kind, rest)) = options.split_first() {
        match kind {
            0 => break,
            1 => options = rest,
            _ => {
                let len = usize::from(*rest.first().ok_or(Malformed)?);
                if len < 2 || len > options.len() {
                    return Err(Malformed);
                }
                if (kind, len) == (3, 3) {
                    scale = Some(options[2]);
                }
                options = &options[len..];
            }
        }
    }
    Ok(scale)
}

/// The checksum field.
#[must_use]
#[inline]
pub fn checksum(segment: &[u8]) -> u16 {
    be16(segment, CHECKSUM)
}

/// Writes the checksum field.
#[inline]
pub fn set_checksum(segment: &mut [u8], sum: u16) {
    put_be16(segment, CHECKSUM, sum);
}

/// Writes the source port (TCP, UDP and SCTP have it at the same place); the checksum is the caller's.
#[inline]
pub fn set_sport(segment: &mut [u8], port: Port) {
    put_be16(segment, 0, port.0);
}

/// Writes the destination port; the checksum is the caller's.
#[inline]
pub fn set_dport(segment: &mut [u8], port: Port) {
    put_be16(segment, 2, port.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hazard E081: every data offset against every segment length.
    #[test]
    fn the_header_lies_inside_the_segment() {
        let segment = [0u8; 64];
        for words in 0..16u8 {
            for len in 0..=segment.len() {
                let mut s = segment;
                s[12] = words << 4;
                let fine = words >= 5 && usize::from(words) * 4 <= len;
                assert_eq!(parse(&s[..len]).is_ok(), fine, "offset {words} length {len}");
            }
        }
    }

    #[test]
    fn options_are_walked_to_their_end_or_refused() {
        let syn = |options: &[u8]| {
            let mut s = vec![0u8; HEADER];
            s.extend(options);
            s.resize(s.len().next_multiple_of(4), 0);
            s[12] = u8::try_from(s.len() / 4).expect("short") << 4;
            s[13] = SYN;
            parse(&s).map(|h| h.window_scale)
        };
        assert_eq!(syn(&[]), Ok(None));
        assert_eq!(syn(&[2, 4, 5, 180, 1, 3, 3, 7]), Ok(Some(7)));
        assert_eq!(syn(&[3, 3, 9, 0, 3, 3, 1]), Ok(Some(9)));
        for bad in [&[3u8][..], &[2, 0], &[2, 1, 0, 0], &[8, 10, 0, 0], &[1, 1, 1, 3]] {
            let mut padded = bad.to_vec();
            while padded.len() % 4 != 0 {
                padded.insert(0, 1);
            }
            assert_eq!(syn(&padded), Err(Malformed), "{bad:?}");
        }
    }
}
