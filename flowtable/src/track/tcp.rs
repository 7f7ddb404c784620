//! TCP (RFC 9293): which segments belong to a connection, and what state they leave it in.
//!
//! Two rules stand above all others. A segment that an end host would ignore moves nothing here; and a
//! connection is only what began with a SYN of its opener, never something picked up on the way. What
//! lies outside the receiver's window is dropped; the file `window.rs` says what the bounds are.

mod handshake;
mod memory;
mod segment;
mod seq;
mod window;

#[cfg(test)]
mod tests;

pub use segment::{Segment, SynOptions, TcpFlags};

use super::{Ends, Observed, Side, StateChange, TrackError};
use crate::direction::Direction;
use crate::key::Tick;
use memory::{
    ACKED, ACKED_FIN, FIN, PENDING, RST, SYN, SYN_ACK, SYN_DATA, acks_syn, advance, begin,
    is_closed, may_start_at, overtaken, start,
};
use seq::{after, before};
use window::{Place, place};

/// What the operator may choose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Both ends call each other at once.
    pub simultaneous_open: SimultaneousOpen,
}

/// What becomes of two SYNs that cross.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SimultaneousOpen {
    /// A connection (RFC 5382 REQ-2).
    #[default]
    Complete,
    /// The called end's SYN is dropped.
    Refuse,
}

/// The state of a connection, as seen from between its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Called, not answered.
    SynSent,
    /// Both ends have called, not both have answered.
    SimOpen,
    /// Answered, not yet confirmed.
    SynRecv,
    /// Open.
    Established,
    /// One end has finished.
    FinWait,
    /// One end has finished and the other knows.
    CloseWait,
    /// Both ends have finished, not both know.
    LastAck,
    /// Both ends have finished and know.
    TimeWait,
    /// Reset.
    Close,
}

impl State {
    /// The state that two directions make.
    #[must_use]
    pub fn of(original: &Direction, reply: &Direction) -> Self {
        let overtaken = overtaken(original, reply);
        let original = overtaken.as_ref().unwrap_or(original);
        let both = |flag| original.flags.contains(flag) && reply.flags.contains(flag);
        let any = |flag| original.flags.contains(flag) || reply.flags.contains(flag);
        if any(RST) {
            Self::Close
        } else if both(FIN) {
            if both(ACKED_FIN) { Self::TimeWait } else { Self::LastAck }
        } else if any(FIN) {
            if any(ACKED_FIN) { Self::CloseWait } else { Self::FinWait }
        } else if both(ACKED) {
            Self::Established
        } else if reply.flags.contains(SYN_ACK) {
            Self::SynRecv
        } else if reply.flags.contains(SYN) {
            Self::SimOpen
        } else {
            Self::SynSent
        }
    }

    /// The state's name in listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynSent => "SYN_SENT",
            Self::SimOpen => "SIM_OPEN",
            Self::SynRecv => "SYN_RECV",
            Self::Established => "ESTABLISHED",
            Self::FinWait => "FIN_WAIT",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
        }
    }
}

/// The original direction of a flow whose first packet is this segment.
///
/// # Errors
/// Anything but a SYN opens nothing.
pub fn open(segment: &Segment, now: Tick) -> Result<Direction, TrackError> {
    if !segment.flags.is_legal() {
        Err(TrackError::Flags)
    } else if segment.is(TcpFlags::SYN) && !segment.is(TcpFlags::ACK) {
        Ok(begin(segment, now))
    } else {
        Err(TrackError::NoFlow)
    }
}

/// What one more segment does.
///
/// # Errors
/// Why the segment must not be forwarded. Nothing is to be stored then.
#[inline]
pub fn observe(
    ends: Ends<'_>,
    segment: &Segment,
    settings: Settings,
    now: Tick,
) -> Result<Observed, TrackError> {
    if !segment.flags.is_legal() {
        return Err(TrackError::Flags);
    }
    let (original, reply) = ends.in_order();
    let overtaken = overtaken(original, reply);
    let original = overtaken.as_ref().unwrap_or(original);
    let (own, peer) = match ends.side {
        Side::Original => (original, reply),
        Side::Reply => (reply, original),
    };
    let step = Step { side: ends.side, stored: ends.own, own, peer, segment, now };
    if segment.is(TcpFlags::RST) {
        step.reset()
    } else if !segment.is(TcpFlags::SYN) {
        step.within_connection()
    } else if segment.is(TcpFlags::ACK) {
        handshake::syn_ack(&step)
    } else {
        handshake::syn(&step, settings)
    }
}

/// One segment and all that is known when it comes.
#[derive(Clone, Copy, Debug)]
struct Step<'a> {
    side: Side,
    /// The direction as it is stored.
    stored: &'a Direction,
    /// The direction in the connection the reply direction speaks of; mostly the same.
    own: &'a Direction,
    peer: &'a Direction,
    segment: &'a Segment,
    now: Tick,
}

impl Step<'_> {
    /// The segment passes; its receiver will ignore it, and so do we.
    const fn ignore(&self) -> Observed {
        Observed { own: *self.stored, change: StateChange::None }
    }

    /// The segment passes and leaves this.
    fn store(&self, own: Direction) -> Observed {
        let same = own.flags == self.stored.flags;
        Observed { own, change: if same { StateChange::None } else { StateChange::Changed } }
    }

    /// A segment with an acknowledgement and neither SYN nor RST.
    #[inline]
    fn within_connection(&self) -> Result<Observed, TrackError> {
        let Self { own, peer, segment, .. } = self;
        if !own.flags.contains(SYN) {
            return self.before_answer();
        }
        match self.side {
            Side::Original => self.opener_may_speak()?,
            Side::Reply => self.called_may_speak()?,
        }
        match place(own, peer, segment)? {
            Place::Current => Ok(self.store(advance(own, peer, segment, self.now))),
            Place::Old => Ok(self.ignore()),
        }
    }

    /// The called end has not answered, and sends something else.
    fn before_answer(&self) -> Result<Observed, TrackError> {
        if self.segment.presumes_open() {
            Err(TrackError::EarlyData)
        } else if acks_syn(self.peer, self.segment.ack) {
            // An acknowledgement of the call, without an answer: its own call would come next.
            Err(TrackError::SplitHandshake)
        } else {
            // It takes the call for part of an older connection and says what it expects there. The
            // opener's reset of that, and its next call, will set it right.
            Ok(self.ignore())
        }
    }

    fn opener_may_speak(&self) -> Result<(), TrackError> {
        let Self { own, peer, segment, .. } = self;
        if own.flags.contains(ACKED) {
            Ok(())
        } else if peer.flags.contains(SYN_ACK) {
            let confirms = !before(segment.ack, start(peer));
            if confirms { Ok(()) } else { Err(TrackError::OutOfWindow) }
        } else if peer.flags.contains(SYN) {
            Err(TrackError::SplitHandshake)
        } else if segment.presumes_open() {
            Err(TrackError::EarlyData)
        } else {
            Err(TrackError::OutOfWindow)
        }
    }

    fn called_may_speak(&self) -> Result<(), TrackError> {
        let Self { own, peer, segment, .. } = self;
        if !own.flags.contains(SYN_ACK) {
            // After two calls have crossed, both ends answer before they say anything else. One that
            // does not made the opener take the other role.
            Err(TrackError::SplitHandshake)
        } else if peer.flags.contains(ACKED)
            || peer.flags.contains(SYN_DATA)
            || !segment.presumes_open()
        {
            // Data in the SYN may be answered with data at once (RFC 7413).
            Ok(())
        } else {
            Err(TrackError::EarlyData)
        }
    }

    /// A reset.
    #[cold]
    fn reset(&self) -> Result<Observed, TrackError> {
        let Self { own, peer, segment, .. } = self;
        let answers_call = segment.is(TcpFlags::ACK) && acks_syn(peer, segment.ack);
        if !own.flags.contains(SYN) {
            // Nothing but the acknowledgement tells whether it is meant for this call.
            return if answers_call { Ok(self.close()) } else { Err(TrackError::RstOutOfWindow) };
        }
        if !peer.flags.contains(SYN) {
            // The opener gives up, or refuses an answer to an older call; nobody is behind the flow yet.
            let exact = segment.seq == own.end || segment.seq == start(own);
            return Ok(if exact { self.close() } else { self.ignore() });
        }
        if !peer.flags.contains(ACKED) {
            let exact = segment.seq == own.end || answers_call;
            return if exact { Ok(self.close()) } else { Err(TrackError::RstOutOfWindow) };
        }
        if self.refuses_pending() {
            return Ok(self.close());
        }
        if before(segment.seq, peer.ack) || after(segment.seq, peer.max_end) {
            return Err(TrackError::RstOutOfWindow);
        }
        // RFC 5961 section 3.2: a receiver obeys only the number it expects next and challenges others in
        // its window. What it expects is what it acknowledged last, or, when acknowledgements are on
        // their way, what was sent last. A connection that is ending anyway needs no such care.
        let exact = segment.seq == peer.ack || segment.seq == own.end;
        let ending = own.flags.contains(FIN) || peer.flags.contains(FIN);
        let obeyed = exact || ending || is_closed(own, peer);
        Ok(if obeyed { self.close() } else { self.ignore() })
    }

    /// Whether this reset refuses a call in the middle of the connection: the called end knows nothing
    /// of one.
    fn refuses_pending(&self) -> bool {
        self.side == Side::Reply
            && self.peer.flags.contains(PENDING)
            && self.segment.is(TcpFlags::ACK)
            && may_start_at(self.peer, self.segment.ack)
    }

    fn close(&self) -> Observed {
        let flags = self.own.flags.with(RST);
        self.store(Direction { last_seen: self.now, flags, ..*self.own })
    }
}
