//! Connection tracking: what a packet does to a flow, as pure functions over the two directions' words.
//!
//! A flow has two [`Direction`]s, and each is written only by whoever forwards that direction. There is
//! no shared state word: the state of a flow is computed from what its two directions have seen. A
//! tracker reads both, and answers with the new value of its own, or with the reason to drop.
//!
//! A direction that a tracker answers with has its time last seen set if the packet counts as a sign of
//! life; packets and bytes are the caller's to add. Nothing here knows a table, a clock, addresses or
//! bytes on the wire.

pub mod echo;
pub mod generic;
pub mod sctp;
pub mod tcp;
mod timeouts;
pub mod udp;

#[cfg(test)]
mod tests;

use std::fmt;

pub use timeouts::Timeouts;

use crate::direction::Direction;
use crate::key::Proto;

/// Which end of a flow a packet comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The end whose packet opened the flow.
    Original,
    /// The other one.
    Reply,
}

/// The two directions of a flow as the handler of a packet sees them. The peer's may be a moment old:
/// another thread may be writing it.
#[derive(Clone, Copy, Debug)]
pub struct Ends<'a> {
    /// Which end sent the packet.
    pub side: Side,
    /// The direction the packet belongs to.
    pub own: &'a Direction,
    /// The opposite direction.
    pub peer: &'a Direction,
}

impl Ends<'_> {
    /// The original direction, then the reply direction.
    const fn in_order(&self) -> (&Direction, &Direction) {
        match self.side {
            Side::Original => (self.own, self.peer),
            Side::Reply => (self.peer, self.own),
        }
    }
}

/// A packet that may pass, and what it leaves behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observed {
    /// The value to store for the packet's direction, whole: a connection that starts over has fewer
    /// flags than the one before. The same as before for a packet that its receiver will ignore.
    pub own: Direction,
    /// What changed beside windows and times.
    pub change: StateChange,
}

/// What a packet did to the state of its flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StateChange {
    /// Nothing; the deadline stays where it was or moves with the time last seen.
    None,
    /// The state moved: lifetime and listing are to be computed again.
    Changed,
    /// The two ends have begun another connection over the same flow, which the gateway had not seen
    /// the end of. What was learned from the content of the old one no longer holds.
    Restarted,
    /// The packet begins a new connection after one that has ended: the flow is to be removed and the
    /// packet judged and admitted as the first of a new flow. `own` is what its tracker opens with.
    Reopen,
}

/// Why a packet may not pass. Each is a drop reason of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TrackError {
    /// A combination of TCP flags that no end host sends.
    Flags,
    /// A TCP segment that belongs to no connection and does not begin one.
    NoFlow,
    /// The end that was called begins a connection of its own in the middle of the handshake.
    SplitHandshake,
    /// Both ends called each other at once and the setting refuses that.
    SimultaneousOpen,
    /// A TCP reset outside the receiver's window.
    RstOutOfWindow,
    /// A TCP segment outside the receiver's window, or one that acknowledges what was never sent.
    OutOfWindow,
    /// TCP data behind its sender's FIN.
    AfterFin,
    /// TCP data before the handshake is done.
    EarlyData,
    /// An SCTP packet that belongs to no association and does not begin one.
    SctpNoFlow,
    /// An SCTP packet without the verification tag that its receiver expects.
    SctpTag,
    /// An SCTP chunk that must be alone in its packet and is not, or an initiate tag of 0.
    SctpChunks,
    /// An ICMP echo reply that nobody asked for.
    IcmpUnsolicited,
}

impl TrackError {
    /// Every error, in the order of the list of drop reasons.
    pub const ALL: [Self; 12] = [
        Self::Flags,
        Self::NoFlow,
        Self::SplitHandshake,
        Self::SimultaneousOpen,
        Self::RstOutOfWindow,
        Self::OutOfWindow,
        Self::AfterFin,
        Self::EarlyData,
        Self::SctpNoFlow,
        Self::SctpTag,
        Self::SctpChunks,
        Self::IcmpUnsolicited,
    ];

    /// The name of the drop reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flags => "tcp.flags",
            Self::NoFlow => "tcp.no_flow",
            Self::SplitHandshake => "tcp.split_handshake",
            Self::SimultaneousOpen => "tcp.sim_open",
            Self::RstOutOfWindow => "tcp.rst_oow",
            Self::OutOfWindow => "tcp.oow",
            Self::AfterFin => "tcp.after_fin",
            Self::EarlyData => "tcp.early_data",
            Self::SctpNoFlow => "sctp.no_flow",
            Self::SctpTag => "sctp.vtag",
            Self::SctpChunks => "sctp.chunks",
            Self::IcmpUnsolicited => "icmp.unsolicited",
        }
    }
}

impl fmt::Display for TrackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for TrackError {}

/// The state of a flow, for listings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlowState {
    /// A TCP connection.
    Tcp(tcp::State),
    /// An SCTP association.
    Sctp(sctp::State),
    /// Anything else that only the opener has used so far.
    Unreplied,
    /// Anything else that both ends have used.
    Assured,
}

impl FlowState {
    /// The state of a flow of that protocol.
    #[must_use]
    pub fn of(proto: Proto, original: &Direction, reply: &Direction) -> Self {
        match proto {
            Proto::TCP => Self::Tcp(tcp::State::of(original, reply)),
            Proto::SCTP => Self::Sctp(sctp::State::of(original, reply)),
            _ if generic::is_replied(reply) => Self::Assured,
            _ => Self::Unreplied,
        }
    }

    /// The state's name in listings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp(state) => state.name(),
            Self::Sctp(state) => state.name(),
            Self::Unreplied => "UNREPLIED",
            Self::Assured => "ASSURED",
        }
    }
}

impl fmt::Display for FlowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
