//! Flows of protocols whose state is only who has sent: UDP, and every protocol without a tracker of its
//! own (GRE, ESP, …). No packet of theirs is ever dropped for the state of its flow.

use super::{Ends, Observed, StateChange};
use crate::direction::{DirFlags, Direction};
use crate::key::Tick;

/// The direction has carried a packet.
const SENT: DirFlags = DirFlags(1);

/// The original direction of a flow whose first packet is seen now.
#[must_use]
pub fn open(now: Tick) -> Direction {
    Direction { last_seen: now, flags: SENT, ..Direction::default() }
}

/// What one more packet does.
#[must_use]
pub fn observe(ends: Ends<'_>, now: Tick) -> Observed {
    let change =
        if ends.own.flags.contains(SENT) { StateChange::None } else { StateChange::Changed };
    let flags = ends.own.flags.with(SENT);
    Observed { own: Direction { last_seen: now, flags, ..*ends.own }, change }
}

/// Whether the end that was called has answered, by its direction.
#[must_use]
pub const fn is_replied(reply: &Direction) -> bool {
    reply.flags.contains(SENT)
}
