//! ICMP echo (RFC 792, RFC 4443): a request opens, replies only come back. A request that the far end
//! sends is a flow of its own, with a key of its own.

use super::{Ends, Observed, Side, TrackError, generic};
use crate::direction::Direction;
use crate::key::Tick;

/// The two echo messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Echo {
    /// Type 8, or 128 in ICMP for IPv6.
    Request,
    /// Type 0, or 129.
    Reply,
}

/// The original direction of a flow whose first packet is this.
///
/// # Errors
/// A reply opens nothing.
pub fn open(message: Echo, now: Tick) -> Result<Direction, TrackError> {
    match message {
        Echo::Request => Ok(generic::open(now)),
        Echo::Reply => Err(TrackError::IcmpUnsolicited),
    }
}

/// What one more message does.
///
/// # Errors
/// A message that does not belong to its direction.
pub fn observe(ends: Ends<'_>, message: Echo, now: Tick) -> Result<Observed, TrackError> {
    match (ends.side, message) {
        (Side::Original, Echo::Request) | (Side::Reply, Echo::Reply) => {
            Ok(generic::observe(ends, now))
        }
        (Side::Original, Echo::Reply) | (Side::Reply, Echo::Request) => {
            Err(TrackError::IcmpUnsolicited)
        }
    }
}
