//! The transport part of a packet against its flow: headers, checksums, connection tracking.

use super::drop_reason::DropReason;
use super::{Transit, Worker};
use crate::io::Frame;
use crate::packet::{L3, L4, Packet, Transport};
use crate::snapshot::LocalChecksums;
use crate::wire::checksum::{Sum, pseudo_v4};
use crate::wire::{sctp, tcp, udp};
use flowtable::direction::Direction;
use flowtable::key::{Proto, Tick};
use flowtable::table::Entry;
use flowtable::track::tcp::{Settings, SynOptions, TcpFlags};
use flowtable::track::{self, Ends, Observed, Side, StateChange, TrackError};

/// What a packet's transport header says to connection tracking.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Segment {
    /// A TCP segment.
    Tcp(track::tcp::Segment),
    /// A UDP datagram.
    Udp,
    /// An SCTP packet.
    Sctp(track::sctp::Packet),
    /// An ICMP echo message.
    Echo(track::echo::Echo),
    /// Something without a header the gateway reads.
    Other,
}

impl Segment {
    /// Whether it may leave something in its flow that no change of state tells of: what a second SYN or
    /// INIT says is remembered, believed or not.
    #[inline]
    fn is_control(&self) -> bool {
        match self {
            Self::Tcp(segment) => segment.flags.0 & CONTROL != 0,
            Self::Sctp(packet) => packet.chunks != track::sctp::Chunks::OTHER,
            Self::Udp | Self::Echo(_) | Self::Other => false,
        }
    }
}

/// The flags of segments that do more than carry data.
const CONTROL: u16 = TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0;

/// Reads the transport header of a packet whose IP header has been read.
///
/// # Errors
/// What is wrong with it.
#[inline]
pub(super) fn read(frame: &[u8], packet: &Packet) -> Result<Segment, DropReason> {
    let segment = &frame[L4..];
    Ok(match packet.transport {
        Transport::Tcp => {
            let header = tcp::parse(segment).map_err(|tcp::Malformed| DropReason::TcpMalformed)?;
            Segment::Tcp(track::tcp::Segment {
                flags: TcpFlags(u16::from(header.flags)),
                seq: header.seq,
                ack: header.ack,
                window: header.window,
                payload_len: u32::from(header.payload_len),
                options: SynOptions { window_scale: header.window_scale },
            })
        }
        Transport::Udp => Segment::Udp,
        Transport::Sctp => {
            let header =
                sctp::parse(segment).map_err(|sctp::Malformed| DropReason::SctpMalformed)?;
            Segment::Sctp(header.packet)
        }
        Transport::EchoRequest => Segment::Echo(track::echo::Echo::Request),
        Transport::EchoReply => Segment::Echo(track::echo::Echo::Reply),
        Transport::Other => Segment::Other,
    })
}

/// Type and code of an ICMP packet, for the policy.
pub(super) const fn icmp_of(segment: &Segment) -> Option<(u8, u8)> {
    match segment {
        Segment::Echo(track::echo::Echo::Request) => Some((8, 0)),
        Segment::Echo(track::echo::Echo::Reply) => Some((0, 0)),
        _ => None,
    }
}

/// The direction that a first packet opens a flow with.
///
/// # Errors
/// A packet that opens none.
pub(super) fn open(segment: &Segment, now: Tick) -> Result<Direction, DropReason> {
    match segment {
        Segment::Tcp(segment) => track::tcp::open(segment, now),
        Segment::Udp => Ok(track::udp::open(now)),
        Segment::Sctp(packet) => track::sctp::open(packet, now),
        Segment::Echo(message) => track::echo::open(*message, now),
        Segment::Other => Ok(track::generic::open(now)),
    }
    .map_err(reason)
}

/// What a packet of a known flow asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Observation {
    /// To be forwarded; its direction has been written.
    Forward,
    /// To be admitted as the first packet of a new flow in the place of this one.
    Reopen,
}

/// Holds a packet against its flow and writes what the flow now knows.
///
/// # Errors
/// What connection tracking or the packet's checksum says against it; the flow is as it was then.
#[inline]
pub(super) fn observe<F: Frame>(
    entry: Entry,
    segment: &Segment,
    transit: &Transit<F>,
    worker: &Worker,
    now: Tick,
) -> Result<Observation, DropReason> {
    // A record reused a moment ago is no flow of this packet; the sender's next one finds out.
    let own = worker.table.direction(entry).ok_or(DropReason::FlowContended)?;
    let peer = worker.table.peer_direction(entry).ok_or(DropReason::FlowContended)?;
    let side = match entry.side() {
        flowtable::table::Side::Original => Side::Original,
        flowtable::table::Side::Reply => Side::Reply,
    };
    let ends = Ends { side, own: &own, peer: &peer };
    let Observed { mut own, change } = match segment {
        Segment::Tcp(segment) => track::tcp::observe(ends, segment, Settings::default(), now),
        Segment::Udp => Ok(track::udp::observe(ends, now)),
        Segment::Sctp(packet) => track::sctp::observe(ends, packet, now),
        Segment::Echo(message) => track::echo::observe(ends, *message, now),
        Segment::Other => Ok(track::generic::observe(ends, now)),
    }
    .map_err(reason)?;
    // What moves a flow's state must be what its receiver will accept (hazard E082).
    if change != StateChange::None || segment.is_control() {
        verify_checksum(transit.frame.bytes(), &transit.packet)?;
    }
    if change == StateChange::Reopen {
        return Ok(Observation::Reopen);
    }
    own.packets += 1;
    own.bytes += u64::from(transit.packet.ip_len);
    worker.table.store_direction(entry, &own);
    Ok(Observation::Forward)
}

/// Whether a flow's time is up, though nobody has removed it yet.
#[inline]
pub(super) fn is_over(entry: Entry, proto: Proto, worker: &Worker, now: Tick) -> bool {
    let Some(own) = worker.table.direction(entry) else { return true };
    if now.since(own.last_seen) < worker.timeouts.shortest() {
        return false;
    }
    let Some(peer) = worker.table.peer_direction(entry) else { return true };
    let (original, reply) = match entry.side() {
        flowtable::table::Side::Original => (&own, &peer),
        flowtable::table::Side::Reply => (&peer, &own),
    };
    worker.timeouts.deadline(proto, original, reply) <= now
}

/// Finishes a TCP or UDP checksum that a local sender left to its device: the field then holds the folded
/// pseudo-header sum and nothing else. A finished checksum looks like that once in 65,536 packets, and
/// finishing it again changes nothing if it was right. Returns how many were finished: 0 or 1.
#[inline]
pub(super) fn complete_checksum(
    frame: &mut [u8],
    packet: &Packet,
    checksums: LocalChecksums,
) -> u64 {
    if checksums == LocalChecksums::Refuse {
        return 0;
    }
    let field = match packet.transport {
        Transport::Tcp => tcp::checksum(&frame[L4..]),
        Transport::Udp => udp::checksum(&frame[L4..]),
        _ => return 0,
    };
    if field != pseudo(frame, packet.key.proto).fold() {
        return 0;
    }
    // The field already holds the pseudo-header's part.
    let sum = Sum::ZERO.bytes(&frame[L4..]).checksum();
    match packet.transport {
        Transport::Tcp => tcp::set_checksum(&mut frame[L4..], sum),
        _ => udp::set_checksum(&mut frame[L4..], sum),
    }
    1
}

/// Checks the transport checksum.
///
/// # Errors
/// It is wrong.
pub(super) fn verify_checksum(frame: &[u8], packet: &Packet) -> Result<(), DropReason> {
    let segment = &frame[L4..];
    let whole = || pseudo(frame, packet.key.proto).bytes(segment).fold() == 0xffff;
    let (right, reason) = match packet.transport {
        Transport::Tcp => (whole(), DropReason::TcpChecksum),
        Transport::Udp => (udp::checksum(segment) == 0 || whole(), DropReason::UdpChecksum),
        Transport::Sctp => (sctp::checksum_is_right(segment), DropReason::SctpChecksum),
        // Echo messages were checked on arrival; of other protocols nothing is known.
        Transport::EchoRequest | Transport::EchoReply | Transport::Other => return Ok(()),
    };
    if right { Ok(()) } else { Err(reason) }
}

/// The pseudo-header's sum for the segment behind the IP header.
#[inline]
fn pseudo(frame: &[u8], proto: Proto) -> Sum {
    let len = u16::try_from(frame.len() - L4).unwrap_or(u16::MAX);
    let (src, dst) = crate::wire::ipv4::addresses(&frame[L3..]);
    pseudo_v4(src, dst, proto, len)
}

/// A tracker's error as a drop reason.
const fn reason(error: TrackError) -> DropReason {
    match error {
        TrackError::Flags => DropReason::TcpFlags,
        TrackError::NoFlow => DropReason::TcpNoFlow,
        TrackError::SplitHandshake => DropReason::TcpSplitHandshake,
        TrackError::SimultaneousOpen => DropReason::TcpSimultaneousOpen,
        TrackError::RstOutOfWindow => DropReason::TcpResetOutOfWindow,
        TrackError::OutOfWindow => DropReason::TcpOutOfWindow,
        TrackError::AfterFin => DropReason::TcpAfterFin,
        TrackError::EarlyData => DropReason::TcpEarlyData,
        TrackError::SctpNoFlow => DropReason::SctpNoFlow,
        TrackError::SctpTag => DropReason::SctpTag,
        TrackError::SctpChunks => DropReason::SctpChunks,
        TrackError::IcmpUnsolicited => DropReason::IcmpUnsolicited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tracker_error_keeps_its_name_as_a_drop_reason() {
        for error in TrackError::ALL {
            assert_eq!(reason(error).name(), error.name());
        }
    }
}
