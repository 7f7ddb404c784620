//! Segments with SYN: how connections begin, and what a SYN does to one that is open.
//!
//! Roles never flip: the end whose SYN made the flow stays the original one. An end host answers a SYN
//! that has no place in its connection with an acknowledgement of what it expects, and the sender of the
//! SYN, if it means it, with a reset (RFC 5961 section 4, RFC 9293 section 3.5.1); the tracker lets that
//! conversation pass and believes its outcome, not the SYN.

use super::memory::{
    ACKED, CALLED, FIN, PENDING, SYN, SYN_ACK, acks_syn, advance, begin, begin_next, counted,
    is_closed, may_start_at, note_pending, start,
};
use super::segment::Segment;
use super::seq::before;
use super::{Settings, SimultaneousOpen, Step};
use crate::direction::Direction;
use crate::track::{Observed, Side, StateChange, TrackError};

/// A SYN without acknowledgement.
pub(super) fn syn(step: &Step<'_>, settings: Settings) -> Result<Observed, TrackError> {
    match step.side {
        Side::Original => Ok(syn_of_opener(step)),
        Side::Reply => syn_of_called(step, settings),
    }
}

fn syn_of_opener(step: &Step<'_>) -> Observed {
    let Step { own, peer, segment, now, .. } = step;
    let next = segment.seq.wrapping_add(1);
    let reopen = Observed { own: begin(segment, *now), change: StateChange::Reopen };
    if is_closed(own, peer) {
        return reopen;
    }
    if !own.flags.contains(ACKED) {
        // The opener has not answered anything yet. Another number means that it gave up and calls
        // again from the same port.
        return if start(own) == next { step.store(again(own, segment, step)) } else { reopen };
    }
    if may_start_at(own, next) {
        return step.ignore();
    }
    let both_done = own.flags.contains(FIN) && peer.flags.contains(FIN);
    if both_done && !before(segment.seq, own.end) {
        // Only the last acknowledgement is missing, and the opener has moved on (RFC 6191).
        return reopen;
    }
    Observed { own: note_pending(step.stored, segment), change: StateChange::None }
}

fn syn_of_called(step: &Step<'_>, settings: Settings) -> Result<Observed, TrackError> {
    let Step { own, peer, segment, now, .. } = step;
    if is_closed(own, peer) {
        return Err(TrackError::NoFlow);
    }
    if !own.flags.contains(SYN) {
        return match settings.simultaneous_open {
            SimultaneousOpen::Complete => Ok(step.store(counted(begin(segment, *now), own))),
            SimultaneousOpen::Refuse => Err(TrackError::SimultaneousOpen),
        };
    }
    let repeated = !own.flags.contains(SYN_ACK) && start(own) == segment.seq.wrapping_add(1);
    if repeated {
        Ok(step.store(again(own, segment, step)))
    } else if own.flags.contains(SYN_ACK) && peer.flags.contains(ACKED) {
        Ok(step.ignore())
    } else {
        Err(TrackError::SplitHandshake)
    }
}

/// The direction after its SYN came again: with less or more data, and perhaps other options after the
/// first went unanswered.
fn again(own: &Direction, segment: &Segment, step: &Step<'_>) -> Direction {
    let repeated = begin(segment, step.now);
    Direction {
        last_seen: step.now,
        flags: own.flags.with(repeated.flags),
        end: super::seq::later(own.end, repeated.end),
        max_win: own.max_win.max(repeated.max_win),
        scale: own.scale.max(repeated.scale),
        ..*own
    }
}

/// A SYN with an acknowledgement.
pub(super) fn syn_ack(step: &Step<'_>) -> Result<Observed, TrackError> {
    match step.side {
        Side::Original => answer_of_opener(step),
        Side::Reply => answer_of_called(step),
    }
}

/// The opener answers only a SYN that crossed its own.
fn answer_of_opener(step: &Step<'_>) -> Result<Observed, TrackError> {
    let Step { own, peer, .. } = step;
    if !peer.flags.contains(CALLED) {
        return Err(TrackError::SplitHandshake);
    }
    answer_in_crossing(step, own.flags.contains(ACKED))
}

/// One end's answer to the other's SYN after both have called.
fn answer_in_crossing(step: &Step<'_>, answered: bool) -> Result<Observed, TrackError> {
    let Step { own, peer, segment, now, .. } = step;
    if start(own) != segment.seq.wrapping_add(1) {
        return Err(TrackError::SplitHandshake);
    }
    if answered || !acks_syn(peer, segment.ack) {
        return Ok(step.ignore());
    }
    let next = advance(own, peer, segment, *now);
    Ok(step.store(Direction { flags: next.flags.with(SYN_ACK), ..next }))
}

fn answer_of_called(step: &Step<'_>) -> Result<Observed, TrackError> {
    let Step { own, peer, segment, now, .. } = step;
    if own.flags.contains(CALLED) {
        return answer_in_crossing(step, own.flags.contains(SYN_ACK));
    }
    if peer.flags.contains(ACKED) {
        // An answer in an open connection is a late repetition, unless the opener has just called anew
        // and the called end agrees that there is no connection: they are right, and we catch up.
        let repeated = may_start_at(own, segment.seq.wrapping_add(1));
        let answers = peer.flags.contains(PENDING) && may_start_at(peer, segment.ack);
        let renewed = answers && !repeated;
        return Ok(if renewed {
            let own = counted(begin_next(segment, peer, *now), own);
            Observed { own, change: StateChange::Restarted }
        } else {
            step.ignore()
        });
    }
    if !acks_syn(peer, segment.ack) {
        // An answer to some earlier call. The opener resets that, and calls again.
        return Ok(step.ignore());
    }
    if own.flags.contains(SYN) && start(own) == segment.seq.wrapping_add(1) {
        // Perhaps with another window.
        return Ok(step.store(advance(own, peer, segment, *now)));
    }
    // The first answer, or that of a server which keeps nothing between two (SYN cookies).
    let first = counted(begin(segment, *now), own);
    let epoch = peer.flags.0 & super::memory::EPOCH.0;
    Ok(step.store(Direction { flags: crate::direction::DirFlags(first.flags.0 | epoch), ..first }))
}
