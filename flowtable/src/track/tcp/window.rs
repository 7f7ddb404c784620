//! Which segments of an open connection lie within the receiver's window.
//!
//! The rule is that of Guido van Rooij, "Real Stateful TCP Packet Filtering in IP Filter" (2001). A
//! filter between two ends knows, of each, what it has sent and what it has allowed, but not what the
//! other has received by now; so each bound is what the receiver can at most, or must at least, have
//! told the sender:
//!
//! - a segment ends at most one past the right edge its receiver has ever allowed: window probes carry a
//!   byte, and some senders do not count FIN against the window;
//! - it ends no further back from what its sender has sent than the largest window its receiver ever
//!   advertised, because the sender kept no more under way;
//! - it acknowledges nothing the other end has not sent;
//! - its acknowledgement does not lag by more than the windows its sender advertised allow.
//!
//! Upper bounds are strict: what lies beyond is dropped. A segment that ends too far back was on its way
//! for long, or is a retransmission whose acknowledgement got lost behind us; its receiver has all of it,
//! answers with what it expects, and forgets it. Dropping it could stall the connection, so up to
//! [`OLD_WINDOWS`] windows back it is forwarded and moves nothing. What is older still was not sent in this
//! connection.
//!
//! An acknowledgement that lags says nothing new, but what comes with it may: a receiver takes a segment
//! whose acknowledgement is a window older than what it knows, which in turn is up to a window older
//! than what it has sent (RFC 5961 section 5), and older hosts take any. So such a segment counts in
//! full up to [`OLD_WINDOWS`] windows, and is dropped beyond: whatever is forwarded and might be taken must
//! have been noted, or its acknowledgement would be dropped as one of data never sent.

use super::memory::{ACKED, FIN};
use super::segment::{Segment, TcpFlags};
use super::seq::{after, before};
use crate::direction::Direction;
use crate::track::TrackError;

/// No window is taken for smaller than this when looking back: windows grow, and a peer's first one is
/// no measure of what is under way later.
const LEAST_WINDOW: u32 = 65_536;

/// How many windows back a segment is old, not foreign.
const OLD_WINDOWS: u32 = 4;

/// Where a segment lies that is not to be dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Where its receiver takes note of it.
    Current,
    /// Before: its receiver will ignore it.
    Old,
}

/// Where a segment with an acknowledgement and no SYN or RST lies.
#[inline]
pub(super) fn place(
    own: &Direction,
    peer: &Direction,
    segment: &Segment,
) -> Result<Place, TrackError> {
    let end = segment.end();
    let edge = right_edge(own, peer);
    if after(end, edge.wrapping_add(1)) {
        return Err(TrackError::OutOfWindow);
    }
    if after(segment.ack, peer.end) {
        return Err(TrackError::OutOfWindow);
    }
    let place = look_back(end, own.end, peer.max_win)?;
    look_back(segment.ack, peer.end, own.max_win)?;
    if own.flags.contains(FIN) && after(end, own.end) {
        return Err(TrackError::AfterFin);
    }
    if segment.is(TcpFlags::FIN) && before(end, own.end) {
        // A FIN in front of what was sent already: a receiver that lost the rest would believe it.
        return Err(TrackError::OutOfWindow);
    }
    Ok(place)
}

/// The highest sequence number the peer has allowed.
fn right_edge(own: &Direction, peer: &Direction) -> u32 {
    if peer.flags.contains(ACKED) {
        peer.max_end
    } else {
        // It has acknowledged nothing yet; its SYN said how much it takes.
        own.end.wrapping_add(peer.max_win)
    }
}

#[inline]
fn look_back(number: u32, latest: u32, window: u32) -> Result<Place, TrackError> {
    if !before(number, latest) {
        return Ok(Place::Current);
    }
    let behind = latest.wrapping_sub(number);
    let window = window.max(LEAST_WINDOW);
    if behind <= window {
        Ok(Place::Current)
    } else if behind / OLD_WINDOWS <= window {
        Ok(Place::Old)
    } else {
        Err(TrackError::OutOfWindow)
    }
}
