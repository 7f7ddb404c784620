//! SCTP common headers and first chunks (RFC 9260), and the checksum's incremental form.

use super::{be16, be32};
use flowtable::key::Port;
use flowtable::track::sctp::{Chunks, Packet, TagOwner};

/// Bytes of the common header.
pub const HEADER: usize = 12;
/// Bytes of a chunk header.
const CHUNK_HEADER: usize = 4;
/// Chunks read of one packet; a correct packet of 1,500 bytes has room for more only of the smallest, and
/// what stands behind them says nothing to connection tracking.
const MAX_CHUNKS: u16 = 64;

/// Fewer bytes than the common header and one whole chunk, or a chunk longer than the packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// What connection tracking needs of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Sender's port.
    pub sport: Port,
    /// Receiver's port.
    pub dport: Port,
    /// Tag and chunks.
    pub packet: Packet,
}

/// The two ports of a packet at least as long as the common header and one chunk header.
#[must_use]
pub fn ports(segment: &[u8]) -> Option<(Port, Port)> {
    let head: &[u8; HEADER + CHUNK_HEADER] = segment.first_chunk()?;
    Some((Port(be16(head, 0)), Port(be16(head, 2))))
}

/// Reads the common header and walks the chunks of `segment`, the whole IP payload.
///
/// # Errors
/// [`Malformed`].
pub fn parse(segment: &[u8]) -> Result<Header, Malformed> {
    let (sport, dport) = ports(segment).ok_or(Malformed)?;
    let mut packet = Packet { tag: be32(segment, 4), ..Packet::default() };
    let mut rest = &segment[HEADER..];
    while !rest.is_empty() && packet.count < MAX_CHUNKS {
        let head: &[u8; CHUNK_HEADER] = rest.first_chunk().ok_or(Malformed)?;
        let len = usize::from(be16(head, 2));
        if len < CHUNK_HEADER || len > rest.len() {
            return Err(Malformed);
        }
        read_chunk(&mut packet, head, &rest[..len])?;
        // A chunk is padded to four bytes; the last one's padding may be missing.
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Header { sport, dport, packet })
}

/// Adds one chunk to what is known of its packet.
fn read_chunk(
    packet: &mut Packet,
    head: &[u8; CHUNK_HEADER],
    chunk: &[u8],
) -> Result<(), Malformed> {
    const INIT_HEADER: usize = 20;
    let kind = Chunks::of_type(head[0]);
    packet.chunks = packet.chunks.with(kind);
    packet.count += 1;
    match kind {
        Chunks::INIT | Chunks::INIT_ACK if chunk.len() < INIT_HEADER => return Err(Malformed),
        Chunks::INIT | Chunks::INIT_ACK => packet.initiate_tag = be32(chunk, CHUNK_HEADER),
        // The T bit (RFC 9260 sections 3.3.7 and 3.3.13).
        Chunks::ABORT | Chunks::SHUTDOWN_COMPLETE if head[1] & 1 == 1 => {
            packet.tag_owner = TagOwner::Reflected;
        }
        _ => {}
    }
    Ok(())
}

/// Whether the CRC32c over the whole packet is right (RFC 9260 section 6.8).
#[must_use]
pub fn checksum_is_right(segment: &[u8]) -> bool {
    let crc = crc32c::crc32c(&segment[..8]);
    let crc = crc32c::crc32c_append(crc, &[0; 4]);
    let crc = crc32c::crc32c_append(crc, &segment[HEADER..]);
    crc.to_le_bytes() == segment[8..HEADER]
}

/// Which port of the common header changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PortField {
    /// Bytes 0 and 1.
    Source,
    /// Bytes 2 and 3.
    Destination,
}

/// Writes a port and updates the checksum by the difference, so that a wrong checksum stays wrong.
///
/// CRCs are linear: the new one is the old one xor the CRC, without initial and final inversion, of the
/// difference followed by as many zero bytes as the packet goes on.
pub fn set_port(segment: &mut [u8], field: PortField, port: Port) {
    let at = match field {
        PortField::Source => 0,
        PortField::Destination => 2,
    };
    let new = port.0.to_be_bytes();
    let diff = [segment[at] ^ new[0], segment[at + 1] ^ new[1]];
    let rest = segment.len() - at - 2;
    let bare = crc32c::crc32c(&diff) ^ crc32c::crc32c(&[0, 0]);
    let shifted = crc32c::crc32c_combine(bare, 0, rest);
    segment[at..at + 2].copy_from_slice(&new);
    for (byte, change) in segment[8..HEADER].iter_mut().zip(shifted.to_le_bytes()) {
        *byte ^= change;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(len: usize) -> Vec<u8> {
        let mut p: Vec<u8> =
            (0..len).map(|i| u8::try_from(i * 7 % 251).expect("below 251")).collect();
        p[8..12].fill(0);
        let crc = crc32c::crc32c(&p);
        p[8..12].copy_from_slice(&crc.to_le_bytes());
        p
    }

    #[test]
    fn a_changed_port_leaves_a_right_checksum_right_and_a_wrong_one_wrong() {
        for len in [16, 17, 20, 64, 1452] {
            for (field, port) in [(PortField::Source, 1024), (PortField::Destination, 65535)] {
                let mut good = packet(len);
                assert!(checksum_is_right(&good));
                set_port(&mut good, field, Port(port));
                assert!(checksum_is_right(&good), "length {len}");
                let mut bad = packet(len);
                bad[len - 1] ^= 0x40;
                set_port(&mut bad, field, Port(port));
                assert!(!checksum_is_right(&bad), "length {len}");
            }
        }
    }

    #[test]
    fn every_prefix_is_malformed_until_the_chunk_is_whole() {
        let mut p = packet(32);
        p[12..16].copy_from_slice(&[1, 0, 0, 20]);
        for len in 0..32 {
            assert_eq!(parse(&p[..len]), Err(Malformed), "length {len}");
        }
        p[16..20].fill(9);
        p.truncate(32);
        p[12..16].copy_from_slice(&[1, 0, 0, 20]);
        assert_eq!(parse(&p).expect("whole").packet.initiate_tag, 0x0909_0909);
        for len in 0..20u8 {
            p[15] = len;
            assert_eq!(parse(&p), Err(Malformed), "init of {len} bytes");
        }
    }
}
