//! SCTP (RFC 9260): which packets belong to an association, by their verification tags.
//!
//! Each end chooses a tag in its INIT or INIT ACK, and every packet to it must carry that tag. Whoever
//! cannot see the traffic has to guess 32 bits, so the tag does for SCTP what the window does for TCP.
//! An INIT in the middle of an association may be forged, or mean a restart (section 5.2.2): its tag is
//! kept beside the one in use, and takes its place when the handshake is completed with it.

use super::{Ends, Observed, Side, StateChange, TrackError};
use crate::direction::{DirFlags, Direction};
use crate::key::Tick;

/// A set of chunk kinds.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Chunks(pub u16);

impl Chunks {
    /// INIT.
    pub const INIT: Self = Self(1);
    /// INIT ACK.
    pub const INIT_ACK: Self = Self(1 << 1);
    /// COOKIE ECHO.
    pub const COOKIE_ECHO: Self = Self(1 << 2);
    /// COOKIE ACK.
    pub const COOKIE_ACK: Self = Self(1 << 3);
    /// ABORT.
    pub const ABORT: Self = Self(1 << 4);
    /// SHUTDOWN.
    pub const SHUTDOWN: Self = Self(1 << 5);
    /// SHUTDOWN ACK.
    pub const SHUTDOWN_ACK: Self = Self(1 << 6);
    /// SHUTDOWN COMPLETE.
    pub const SHUTDOWN_COMPLETE: Self = Self(1 << 7);
    /// DATA, SACK, HEARTBEAT and all others.
    pub const OTHER: Self = Self(1 << 8);

    /// Chunks that are alone in their packet (RFC 9260 section 6.10).
    const ALONE: Self = Self(Self::INIT.0 | Self::INIT_ACK.0 | Self::SHUTDOWN_COMPLETE.0);

    /// The set of one chunk, by its type number.
    #[must_use]
    pub const fn of_type(number: u8) -> Self {
        match number {
            1 => Self::INIT,
            2 => Self::INIT_ACK,
            6 => Self::ABORT,
            7 => Self::SHUTDOWN,
            8 => Self::SHUTDOWN_ACK,
            10 => Self::COOKIE_ECHO,
            11 => Self::COOKIE_ACK,
            14 => Self::SHUTDOWN_COMPLETE,
            _ => Self::OTHER,
        }
    }

    /// Whether all of `other` are in the set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// Whose tag a packet carries, by the T bit of ABORT and SHUTDOWN COMPLETE.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TagOwner {
    /// T is clear, or there is no such chunk: the receiver's own.
    #[default]
    Receiver,
    /// T is set: the sender knows no association and sends back the tag it was sent.
    Reflected,
}

/// An SCTP packet, in host order, as the parser found it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Packet {
    /// The verification tag of the common header.
    pub tag: u32,
    /// Which chunks it carries, and nothing twice that must be alone.
    pub chunks: Chunks,
    /// How many chunks it carries.
    pub count: u16,
    /// The initiate tag of its INIT or INIT ACK, 0 where there is none.
    pub initiate_tag: u32,
    /// Whose tag `tag` is.
    pub tag_owner: TagOwner,
}

/// The state of an association, as seen from between its ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// INIT seen, not confirmed by a cookie.
    CookieWait,
    /// The opener has returned the cookie.
    CookieEchoed,
    /// Open.
    Established,
    /// One end is shutting down.
    Shutdown,
    /// Shut down or aborted.
    Closed,
}

impl State {
    /// The state that two directions make.
    #[must_use]
    pub fn of(original: &Direction, reply: &Direction) -> Self {
        let any = |flag: DirFlags| original.flags.0 & flag.0 | reply.flags.0 & flag.0 != 0;
        if any(CLOSED) {
            Self::Closed
        } else if any(SHUTDOWN) {
            Self::Shutdown
        } else if any(COOKIE_ACK) {
            Self::Established
        } else if any(COOKIE_ECHO) {
            Self::CookieEchoed
        } else {
            Self::CookieWait
        }
    }

    /// The state's name in listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CookieWait => "COOKIE_WAIT",
            Self::CookieEchoed => "COOKIE_ECHOED",
            Self::Established => "ESTABLISHED",
            Self::Shutdown => "SHUTDOWN",
            Self::Closed => "CLOSED",
        }
    }
}

/// The sender has chosen a tag, in `end`.
const TAGGED: DirFlags = DirFlags(1);
/// The sender has chosen another tag, in `ack`, for an association that would replace this one.
const PENDING: DirFlags = DirFlags(1 << 1);
const COOKIE_ECHO: DirFlags = DirFlags(1 << 2);
const COOKIE_ACK: DirFlags = DirFlags(1 << 3);
/// The sender is shutting down.
const SHUTDOWN: DirFlags = DirFlags(1 << 4);
/// The sender has ended the association.
const CLOSED: DirFlags = DirFlags(1 << 5);

/// The original direction of a flow whose first packet is this.
///
/// # Errors
/// Only a lone INIT, which bears no verification tag yet, opens an association.
pub fn open(packet: &Packet, now: Tick) -> Result<Direction, TrackError> {
    well_formed(packet)?;
    if !packet.chunks.contains(Chunks::INIT) {
        return Err(TrackError::SctpNoFlow);
    }
    if packet.tag != 0 {
        return Err(TrackError::SctpTag);
    }
    Ok(Direction {
        last_seen: now,
        flags: TAGGED,
        end: packet.initiate_tag,
        ..Direction::default()
    })
}

/// What one more packet does.
///
/// # Errors
/// Why the packet must not be forwarded. Nothing is to be stored then.
pub fn observe(ends: Ends<'_>, packet: &Packet, now: Tick) -> Result<Observed, TrackError> {
    well_formed(packet)?;
    if packet.chunks.contains(Chunks::INIT) {
        return init(ends, packet, now);
    }
    let Ends { own, peer, .. } = ends;
    let ends_it = packet.chunks.meets(Chunks::ABORT.with(Chunks::SHUTDOWN_COMPLETE));
    let carried = match packet.tag_owner {
        TagOwner::Reflected if ends_it => own,
        TagOwner::Reflected | TagOwner::Receiver => peer,
    };
    if !answers_to(carried, packet.tag) {
        return Err(TrackError::SctpTag);
    }
    if packet.chunks.contains(Chunks::INIT_ACK) {
        return Ok(stored(own, choose(own, packet.initiate_tag, now)));
    }
    if !own.flags.contains(TAGGED) && !ends_it {
        // The end that was called has no tag yet, so it has nothing to say but INIT ACK or ABORT.
        return Err(TrackError::SctpNoFlow);
    }
    let completes = packet.chunks.meets(Chunks::COOKIE_ECHO.with(Chunks::COOKIE_ACK));
    let base = if completes { take_pending(own) } else { *own };
    let flags = base.flags.with(marks(packet.chunks));
    Ok(stored(own, Direction { last_seen: now, flags, ..base }))
}

fn well_formed(packet: &Packet) -> Result<(), TrackError> {
    let alone = !packet.chunks.meets(Chunks::ALONE) || packet.count == 1;
    let tagged =
        !packet.chunks.meets(Chunks::INIT.with(Chunks::INIT_ACK)) || packet.initiate_tag != 0;
    if alone && tagged { Ok(()) } else { Err(TrackError::SctpChunks) }
}

fn init(ends: Ends<'_>, packet: &Packet, now: Tick) -> Result<Observed, TrackError> {
    let Ends { side, own, peer } = ends;
    if packet.tag != 0 {
        return Err(TrackError::SctpTag);
    }
    let closed = own.flags.contains(CLOSED) || peer.flags.contains(CLOSED);
    match side {
        Side::Original if closed => {
            Ok(Observed { own: open(packet, now)?, change: StateChange::Reopen })
        }
        Side::Reply if closed => Err(TrackError::SctpNoFlow),
        Side::Original | Side::Reply => Ok(stored(own, choose(own, packet.initiate_tag, now))),
    }
}

/// The direction after its sender has chosen a tag: the first stands, another one waits beside it.
fn choose(own: &Direction, tag: u32, now: Tick) -> Direction {
    if !own.flags.contains(TAGGED) {
        Direction { last_seen: now, flags: own.flags.with(TAGGED), end: tag, ..*own }
    } else if own.end == tag {
        Direction { last_seen: now, ..*own }
    } else {
        Direction { flags: own.flags.with(PENDING), ack: tag, ..*own }
    }
}

/// The direction after the handshake with its pending tag, if any, was completed.
const fn take_pending(own: &Direction) -> Direction {
    if own.flags.contains(PENDING) {
        let kept = !(PENDING.0 | SHUTDOWN.0);
        // The tag that was in use stays beside it: whether it was a restart or a repetition of the old
        // handshake cannot be told from one direction.
        Direction {
            flags: DirFlags(own.flags.0 & kept | PENDING.0),
            end: own.ack,
            ack: own.end,
            ..*own
        }
    } else {
        *own
    }
}

/// Whether a packet to the sender of `direction` may carry this tag.
const fn answers_to(direction: &Direction, tag: u32) -> bool {
    direction.flags.contains(TAGGED) && direction.end == tag
        || direction.flags.contains(PENDING) && direction.ack == tag
}

const fn marks(chunks: Chunks) -> DirFlags {
    let mut flags = DirFlags::NONE;
    if chunks.contains(Chunks::COOKIE_ECHO) {
        flags = flags.with(COOKIE_ECHO);
    }
    if chunks.contains(Chunks::COOKIE_ACK) {
        flags = flags.with(COOKIE_ACK);
    }
    if chunks.meets(Chunks::SHUTDOWN.with(Chunks::SHUTDOWN_ACK)) {
        flags = flags.with(SHUTDOWN);
    }
    if chunks.meets(Chunks::ABORT.with(Chunks::SHUTDOWN_COMPLETE)) {
        flags = flags.with(CLOSED);
    }
    flags
}

const fn same_flags(a: &Direction, b: &Direction) -> bool {
    a.flags.0 == b.flags.0
}

const fn stored(before: &Direction, own: Direction) -> Observed {
    let change = if same_flags(before, &own) { StateChange::None } else { StateChange::Changed };
    Observed { own, change }
}
