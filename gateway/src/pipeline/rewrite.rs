//! The packet on its way out: addresses, ports, checksums, TTL and hardware addresses, from a compiled
//! action.

use super::action::{Action, Rewrite};
use super::drop_reason::DropReason;
use crate::io::Frame;
use crate::packet::{L3, L4, Packet, Transport};
use crate::snapshot::NextHop;
use crate::wire::ipv4::DontFragment;
use crate::wire::sctp::PortField;
use crate::wire::{ether, icmp, ipv4, sctp, tcp, udp};
use flowtable::key::{Addr, Port};

/// Whether the packet fits the way out.
///
/// # Errors
/// [`DropReason::MtuDf`] or [`DropReason::MtuExceeded`], by whether its sender forbids fragments.
#[inline]
pub(super) fn check_size(packet: &Packet, hop: &NextHop) -> Result<(), DropReason> {
    if packet.ip_len <= hop.mtu {
        return Ok(());
    }
    Err(match packet.dont_fragment {
        DontFragment::Set => DropReason::MtuDf,
        DontFragment::Clear => DropReason::MtuExceeded,
    })
}

/// Makes the frame what leaves. Every check has been passed: nothing can fail here.
#[inline]
pub(super) fn apply<F: Frame>(frame: &mut F, packet: &Packet, action: &Action, hop: &NextHop) {
    let bytes = frame.bytes_mut();
    match action.rewrite {
        Rewrite::Nothing => {}
        Rewrite::Source(addr, port) => {
            set_source(&mut bytes[L3..], addr);
            set_port(&mut bytes[L4..], packet.transport, PortField::Source, port);
            mend_checksum(&mut bytes[L4..], packet.transport, action);
        }
        Rewrite::Destination(addr, port) => {
            set_destination(&mut bytes[L3..], addr);
            set_port(&mut bytes[L4..], packet.transport, PortField::Destination, port);
            mend_checksum(&mut bytes[L4..], packet.transport, action);
        }
    }
    ipv4::forward(&mut bytes[L3..], action.l3);
    ether::set_addresses(bytes, hop.destination, hop.source);
}

fn set_source(ip: &mut [u8], addr: Addr) {
    if let Some(bits) = addr.v4() {
        ipv4::set_source(ip, bits);
    }
}

fn set_destination(ip: &mut [u8], addr: Addr) {
    if let Some(bits) = addr.v4() {
        ipv4::set_destination(ip, bits);
    }
}

#[inline]
fn set_port(segment: &mut [u8], transport: Transport, field: PortField, port: Port) {
    match (transport, field) {
        (Transport::Tcp | Transport::Udp, PortField::Source) => tcp::set_sport(segment, port),
        (Transport::Tcp | Transport::Udp, PortField::Destination) => tcp::set_dport(segment, port),
        (Transport::Sctp, field) => sctp::set_port(segment, field, port),
        // The identifier is the port of the asking side, whichever end that is.
        (Transport::EchoRequest | Transport::EchoReply, _) => icmp::set_echo_id(segment, port),
        (Transport::Other, _) => {}
    }
}

/// Applies the compiled difference; a wrong checksum stays wrong and the end host drops it.
#[inline]
fn mend_checksum(segment: &mut [u8], transport: Transport, action: &Action) {
    match transport {
        Transport::Tcp => tcp::set_checksum(segment, action.l4.apply(tcp::checksum(segment))),
        // 0: the sender made none, and none is made here (RFC 768).
        Transport::Udp if udp::checksum(segment) == 0 => {}
        Transport::Udp => udp::set_checksum(segment, action.l4.apply(udp::checksum(segment))),
        Transport::EchoRequest | Transport::EchoReply => {
            icmp::set_checksum(segment, action.l4.apply(icmp::checksum(segment)));
        }
        Transport::Sctp | Transport::Other => {}
    }
}
