//! ICMP messages (RFC 792): their type, and echo in full.

use super::checksum::Sum;
use super::{be16, put_be16};
use flowtable::key::Port;

/// Bytes every message has at least.
pub const HEADER: usize = 8;

/// Why bytes are no ICMP message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IcmpError {
    /// Shorter than a header.
    Malformed,
    /// The checksum, which covers the whole message, is wrong.
    Checksum,
}

/// What a message is, as far as the gateway tells them apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Echo request with its identifier.
    EchoRequest(Port),
    /// Echo reply with its identifier.
    EchoReply(Port),
    /// Destination unreachable, time exceeded or parameter problem: an error about another packet.
    Error,
    /// Anything else.
    Other,
}

/// A message's type and code, and what they mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message {
    /// The type field.
    pub icmp_type: u8,
    /// The code field.
    pub code: u8,
    /// Their meaning.
    pub kind: Kind,
}

/// Reads and checks the message, the whole IP payload.
///
/// # Errors
/// What is wrong with it.
#[inline]
pub fn parse(message: &[u8]) -> Result<Message, IcmpError> {
    let head: &[u8; HEADER] = message.first_chunk().ok_or(IcmpError::Malformed)?;
    if Sum::ZERO.bytes(message).fold() != 0xffff {
        return Err(IcmpError::Checksum);
    }
    let kind = match (head[0], head[1]) {
        (8, 0) => Kind::EchoRequest(Port(be16(head, 4))),
        (0, 0) => Kind::EchoReply(Port(be16(head, 4))),
        (3 | 11 | 12, _) => Kind::Error,
        _ => Kind::Other,
    };
    Ok(Message { icmp_type: head[0], code: head[1], kind })
}

/// Writes an echo's identifier; the checksum is the caller's.
#[inline]
pub fn set_echo_id(message: &mut [u8], id: Port) {
    put_be16(message, 4, id.0);
}

/// The checksum field.
#[must_use]
#[inline]
pub fn checksum(message: &[u8]) -> u16 {
    be16(message, 2)
}

/// Writes the checksum field.
#[inline]
pub fn set_checksum(message: &mut [u8], sum: u16) {
    put_be16(message, 2, sum);
}
