//! What the words of a [`Direction`] mean to the TCP tracker.
//!
//! ```text
//! flags  0..10   what its sender has done, below
//!        12..16  with PENDING: the window scale of the unbelieved SYN, 15 for none
//!        16..32  the low half of `start`
//! start          one past the number of the last SYN sent; whole in `max_end` until there is an
//!                acknowledgement and so a right edge to keep there
//! end, ack, max_end, max_win, scale    as the fields say
//! ```
//!
//! A connection can start over without the gateway having seen the end of the last one. The reply
//! direction then changes its EPOCH bit, and until the original direction has followed, the latter's
//! words are read as the SYN that it sent last: [`overtaken`].

use super::segment::{Segment, TcpFlags};
use super::seq::within;
use crate::direction::{DirFlags, Direction, WINDOW_UNIT};
use crate::key::Tick;

/// Sent a SYN, with or without an acknowledgement.
pub(super) const SYN: DirFlags = DirFlags(1);
/// Sent a SYN without an acknowledgement: the opener, or both in a simultaneous open.
pub(super) const CALLED: DirFlags = DirFlags(1 << 1);
/// Sent a SYN with an acknowledgement.
pub(super) const SYN_ACK: DirFlags = DirFlags(1 << 2);
/// Acknowledged the peer's SYN: `ack` and `max_end` are valid.
pub(super) const ACKED: DirFlags = DirFlags(1 << 3);
/// Sent a FIN; its number is the one before `end`, and nothing follows.
pub(super) const FIN: DirFlags = DirFlags(1 << 4);
/// Acknowledged the peer's FIN.
pub(super) const ACKED_FIN: DirFlags = DirFlags(1 << 5);
/// Sent a reset that the peer accepts.
pub(super) const RST: DirFlags = DirFlags(1 << 6);
/// The SYN had a window scale option.
pub(super) const SCALE: DirFlags = DirFlags(1 << 7);
/// The SYN had data (RFC 7413).
pub(super) const SYN_DATA: DirFlags = DirFlags(1 << 8);
/// Which of two connections that follow each other this is about.
pub(super) const EPOCH: DirFlags = DirFlags(1 << 9);
/// Sent another SYN in the middle of the connection. The receiver will ignore it if it agrees with us
/// that there is a connection (RFC 5961 section 4), and answer it if not.
pub(super) const PENDING: DirFlags = DirFlags(1 << 10);

const PENDING_SCALE_SHIFT: u32 = 12;
const NO_SCALE: u32 = 15;
const START_SHIFT: u32 = 16;

/// The largest shift; larger ones are to be read as this (RFC 7323 section 2.3).
const MAX_SCALE: u8 = 14;

/// The largest window that is not scaled, in units: what a pending SYN's is taken for.
const UNSCALED: u32 = 1 << 16;

const fn without(flags: DirFlags, gone: DirFlags) -> DirFlags {
    DirFlags(flags.0 & !gone.0)
}

const fn with_start(flags: DirFlags, start: u32) -> DirFlags {
    DirFlags(flags.0 & 0xffff | start << START_SHIFT)
}

/// A window as [`Direction::max_win`] keeps it.
fn kept(window: u32) -> u32 {
    window.max(1).next_multiple_of(WINDOW_UNIT)
}

/// A direction whose sender begins with this segment, a SYN with or without an acknowledgement.
pub(super) fn begin(segment: &Segment, now: Tick) -> Direction {
    let start = segment.seq.wrapping_add(1);
    let window = u32::from(segment.window);
    let answers = segment.is(TcpFlags::ACK);
    let mut flags = SYN.with(if answers { SYN_ACK.with(ACKED) } else { CALLED });
    if segment.options.window_scale.is_some() {
        flags = flags.with(SCALE);
    }
    if segment.payload_len > 0 {
        flags = flags.with(SYN_DATA);
    }
    Direction {
        last_seen: now,
        flags: with_start(flags, start),
        end: segment.end(),
        max_end: if answers { segment.ack.wrapping_add(window) } else { start },
        max_win: kept(window),
        ack: if answers { segment.ack } else { 0 },
        scale: segment.options.window_scale.unwrap_or(0).min(MAX_SCALE),
        ..Direction::default()
    }
}

/// `direction` with its sender's counters, whatever connection they were counted in.
pub(super) fn counted(direction: Direction, own: &Direction) -> Direction {
    Direction { packets: own.packets, bytes: own.bytes, ..direction }
}

/// One past the number of the direction's SYN. Exact while fewer than 2¹⁶ bytes were sent, and so during
/// the handshake, where alone it is needed whole: nobody may send more than an unscaled window before.
pub(super) const fn start(direction: &Direction) -> u32 {
    if direction.flags.contains(ACKED) {
        let low = direction.flags.0 >> START_SHIFT;
        direction.end.wrapping_sub(direction.end.wrapping_sub(low) & 0xffff)
    } else {
        direction.max_end
    }
}

/// Whether `start` can be that of the direction's last SYN, by what is always kept of it.
pub(super) const fn may_start_at(direction: &Direction, start: u32) -> bool {
    direction.flags.0 >> START_SHIFT == start & 0xffff
}

/// Whether an acknowledgement is one of the direction's SYN, before more than that is under way.
pub(super) const fn acks_syn(direction: &Direction, ack: u32) -> bool {
    within(ack, start(direction), direction.end)
}

/// The direction with an unbelieved SYN noted; nothing else moves.
pub(super) fn note_pending(own: &Direction, segment: &Segment) -> Direction {
    let scale = segment.options.window_scale.map_or(NO_SCALE, |scale| scale.min(MAX_SCALE).into());
    let noted = without(own.flags, DirFlags(NO_SCALE << PENDING_SCALE_SHIFT)).with(PENDING);
    let flags =
        with_start(noted.with(DirFlags(scale << PENDING_SCALE_SHIFT)), segment.seq.wrapping_add(1));
    Direction { flags, ..*own }
}

/// The reply direction of the connection that follows the one `original` still speaks of.
pub(super) fn begin_next(segment: &Segment, original: &Direction, now: Tick) -> Direction {
    let next = begin(segment, now);
    let turned = !original.flags.0 & EPOCH.0;
    Direction { flags: next.flags.with(DirFlags(turned)), ..next }
}

/// The original direction as it stands in the connection that the reply direction speaks of, if that is
/// not the one the original direction itself speaks of.
#[inline]
pub(super) fn overtaken(original: &Direction, reply: &Direction) -> Option<Direction> {
    let differs = (original.flags.0 ^ reply.flags.0) & EPOCH.0 != 0;
    differs.then(|| called_anew(original, reply))
}

/// The original direction as its last SYN would have begun it.
#[cold]
fn called_anew(original: &Direction, reply: &Direction) -> Direction {
    let epoch = reply.flags.0 & EPOCH.0;
    // The reply direction has sent nothing but the answer to the SYN, or what is within its window.
    let start = reply.ack;
    let scale = original.flags.0 >> PENDING_SCALE_SHIFT & NO_SCALE;
    let mut flags = SYN.with(CALLED).with(DirFlags(epoch));
    if scale != NO_SCALE {
        flags = flags.with(SCALE);
    }
    Direction {
        flags: with_start(flags, start),
        end: start,
        max_end: start,
        max_win: UNSCALED,
        ack: 0,
        scale: scale.to_le_bytes()[0] % 15,
        ..*original
    }
}

/// Whether both ends have closed, or one has reset.
pub(super) const fn is_closed(own: &Direction, peer: &Direction) -> bool {
    let reset = own.flags.contains(RST) || peer.flags.contains(RST);
    reset || own.flags.contains(ACKED_FIN) && peer.flags.contains(ACKED_FIN)
}

/// The window a segment of this direction advertises.
pub(super) fn window_of(segment: &Segment, own: &Direction, peer: &Direction) -> u32 {
    let scaled = own.flags.contains(SCALE) && peer.flags.contains(SCALE);
    let shift = if scaled && !segment.is(TcpFlags::SYN) { own.scale } else { 0 };
    u32::from(segment.window) << shift.min(MAX_SCALE)
}

/// The direction after a segment that its receiver takes, which has an acknowledgement.
#[inline]
pub(super) fn advance(
    own: &Direction,
    peer: &Direction,
    segment: &Segment,
    now: Tick,
) -> Direction {
    use super::seq::{after, later};

    let window = window_of(segment, own, peer);
    let edge = segment.ack.wrapping_add(window);
    let known = own.flags.contains(ACKED);
    let end = segment.end();
    let mut flags = own.flags.with(ACKED);
    if segment.is(TcpFlags::FIN) {
        flags = flags.with(FIN);
    }
    if peer.flags.contains(FIN) && segment.ack == peer.end {
        flags = flags.with(ACKED_FIN);
    }
    if after(end, own.end) || known && after(segment.ack, own.ack) {
        // Whoever goes on did not reset the connection: what looked so was forged (RFC 7857 section 2.3).
        flags = without(flags, RST);
    }
    Direction {
        last_seen: now,
        flags,
        end: later(own.end, end),
        max_end: if known { later(own.max_end, edge) } else { edge },
        max_win: own.max_win.max(kept(window)),
        ack: if known { later(own.ack, segment.ack) } else { segment.ack },
        ..*own
    }
}
