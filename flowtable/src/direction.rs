//! What a flow's two directions remember, as the plain words that the trackers work on.
//!
//! The table stores one [`Direction`] in each record. A tracker reads both, changes its own and hands it
//! back; it never sees an atomic.

use crate::key::Tick;

/// The unit of [`Direction::max_win`]: the largest window of TCP, 65,535 × 2¹⁴, is then a 24-bit number.
pub const WINDOW_UNIT: u32 = 64;

/// What the gateway remembers of one direction of a flow. It is written only by whoever forwards that
/// direction; everyone else reads it as one consistent whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Direction {
    /// When the direction last carried a packet. The table keeps the low 48 bits.
    pub last_seen: Tick,
    /// Packets forwarded.
    pub packets: u64,
    /// Bytes forwarded, counted from the network header.
    pub bytes: u64,
    /// What the protocol's tracker has seen. Bits are added, until a new connection starts over.
    pub flags: DirFlags,
    /// TCP: one past the last sequence number sent. SCTP: the verification tag.
    pub end: u32,
    /// TCP: the right edge this direction's sender has allowed the other end: its highest
    /// acknowledgement plus window.
    pub max_end: u32,
    /// TCP: the largest window advertised, already scaled and rounded up to a multiple of
    /// [`WINDOW_UNIT`], which is how the table keeps it.
    pub max_win: u32,
    /// TCP: the highest acknowledgement sent. SCTP: the tag of an association that may follow.
    pub ack: u32,
    /// TCP: the window scale this direction advertised.
    pub scale: u8,
}

/// A set of things a tracker has seen in one direction. The trackers define the bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DirFlags(pub u32);

impl DirFlags {
    /// Nothing seen yet.
    pub const NONE: Self = Self(0);

    /// Whether all of `other` is in this set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set with all of `other` added.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
