//! Bytes on the wire: checked reads and in-place writes of the headers the gateway understands.
//!
//! This is the only place that knows network byte order; everything it returns is in host order. A view is
//! made by a `parse` function that checks every length it later relies on, so that a frame cut anywhere is
//! an error here and never a panic further on. Nothing here knows policy, flows or drop reasons: an error
//! says what is wrong with the bytes.

pub mod checksum;
pub mod ether;
pub mod icmp;
pub mod ipv4;
pub mod sctp;
pub mod tcp;
pub mod udp;

/// The 16-bit big-endian number at `at`.
#[inline]
fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// The 32-bit big-endian number at `at`.
#[inline]
fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Writes `value` big-endian at `at`.
#[inline]
fn put_be16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// Writes `value` big-endian at `at`.
#[inline]
fn put_be32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}
