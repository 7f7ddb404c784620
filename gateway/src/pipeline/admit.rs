//! The first packet of a flow, and a flow's first packet under a new policy: here, and only here, rules,
//! routes and ports are looked at.

use super::action::{Action, Rewrite};
use super::drop_reason::DropReason;
use super::transport::{self, Segment};
use super::{Transit, Worker, rewrite};
use crate::io::{Frame, InterfaceId, Side};
use crate::judge::judge;
use crate::packet::Transport;
use crate::snapshot::{HopGeneration, NetworkMode, NextHopId, Snapshot};
use flowtable::direction::Direction;
use flowtable::key::{Addr, FlowKey, Port, Proto, Tick};
use flowtable::ports::{Destination, Mapping, PortShard, PortsError};
use flowtable::table::{self, Cause, Entry, InsertError, NewFlow, Reclaimed};
use rules::{Ends, Layer, RuleRef, Tuple, Verdict};

/// The mapping word of a flow that borrowed no port.
const NO_MAPPING: u64 = 0;

/// Judges a packet of no flow, makes it the first of one, and says what is done to it.
///
/// # Errors
/// The first reason not to: validity, policy, route, size, translation, room.
pub(super) fn admit<F: Frame>(
    transit: &Transit<F>,
    segment: &Segment,
    worker: &mut Worker,
    snapshot: &Snapshot,
    now: Tick,
) -> Result<Action, DropReason> {
    let key = transit.packet.key;
    refuse_destination(&key, transit.ingress, snapshot)?;
    transport::verify_checksum(transit.frame.bytes(), &transit.packet)?;
    let mut opened = transport::open(segment, now)?;
    opened.packets = 1;
    opened.bytes = u64::from(transit.packet.ip_len);
    let rule = allow(&key, transport::icmp_of(segment), snapshot)?;
    let hop = resolve(key.dst, worker, snapshot)?;
    rewrite::check_size(&transit.packet, snapshot.next_hop(hop))?;
    let egress = snapshot.next_hop(hop).egress;

    let (translated, mapping) = if is_translated(transit.ingress, egress, snapshot) {
        translate(&key, transit.packet.transport, worker, snapshot)?
    } else {
        (key, None)
    };
    let action = Action::compile(&key, &translated, (egress, hop), snapshot.hop_generation);
    let new = NewFlow {
        original: key,
        reply: translated.reversed(),
        original_value: action.to_value(),
        reply_value: reply_action(&key, &translated, transit.ingress, snapshot).to_value(),
        generation: snapshot.generation,
        rule: rule_word(rule),
        mapping: mapping.map_or(NO_MAPPING, Mapping::to_word),
        original_direction: opened,
        reply_direction: Direction::default(),
        now,
        expires: worker.timeouts.lifetime(key.proto, &opened, &Direction::default()),
    };
    let inserted = worker.shard.insert(&new);
    if let (Err(_), Some(mapping)) = (&inserted, mapping) {
        worker.ports.release(&mapping, &far_end(&key));
    }
    inserted.map_err(|error| match error {
        InsertError::Full => DropReason::FlowTableFull,
        // The answers' key is taken only where no port could tell two flows apart.
        InsertError::ReplyTaken => DropReason::NatPortless,
        InsertError::OriginalTaken | InsertError::Contended => DropReason::FlowContended,
    })?;
    worker.ledger.flows_admitted += 1;
    Ok(action)
}

/// Judges a flow under the policy in force, as the packet that opened it would be.
///
/// # Errors
/// The policy's denial; the flow is gone then.
pub(super) fn judge_again(
    entry: Entry,
    worker: &mut Worker,
    snapshot: &Snapshot,
) -> Result<(), DropReason> {
    // A record that was reused a moment ago is as good as no flow; the sender's next packet finds out.
    let key = worker.table.key(entry.original()).ok_or(DropReason::FlowContended)?;
    const ECHO_REQUEST: (u8, u8) = (8, 0);
    let icmp = (key.proto == Proto::ICMP).then_some(ECHO_REQUEST);
    match allow(&key, icmp, snapshot) {
        Ok(rule) => {
            worker.table.set_origin(entry, rule_word(rule), 0);
            worker.table.set_generation(entry, snapshot.generation);
            worker.table.set_generation(entry.peer(), snapshot.generation);
            Ok(())
        }
        Err(reason) => {
            worker.table.kill(entry, Cause::Revoked);
            Err(reason)
        }
    }
}

/// The flow's action with a next hop of the snapshot in force.
///
/// # Errors
/// No route, a neighbour without a hardware address, or a way out that needs a translation which the flow
/// does not have; the flow is gone then.
#[inline]
pub(super) fn current_hop(
    entry: Entry,
    key: &FlowKey,
    worker: &mut Worker,
    snapshot: &Snapshot,
) -> Result<Action, DropReason> {
    let value = worker.table.value(entry).ok_or(DropReason::FlowContended)?;
    let action = Action::from_value(value);
    if action.hop_generation == snapshot.hop_generation {
        return Ok(action);
    }
    let next_hop = resolve(action.destination_of(key), worker, snapshot)?;
    let egress = snapshot.next_hop(next_hop).egress;
    if snapshot.mode == NetworkMode::Overlay
        && snapshot.interface(egress).side == Side::Outside
        && !may_leave(entry, &action, worker, snapshot)
    {
        worker.table.kill(entry, Cause::Revoked);
        return Err(DropReason::NatNoMapping);
    }
    let action = Action { egress, next_hop, hop_generation: snapshot.hop_generation, ..action };
    worker.table.set_value(entry, action.to_value());
    Ok(action)
}

/// The neighbour towards `addr`; notes it where it has no hardware address yet.
fn resolve(addr: Addr, worker: &mut Worker, snapshot: &Snapshot) -> Result<NextHopId, DropReason> {
    snapshot.resolve(addr).inspect_err(|reason| {
        if *reason == DropReason::NeighborUnresolved {
            worker.unresolved = Some(addr);
        }
    })
}

/// Gives a flow's port back to the pool.
pub(super) fn give_back(ports: &mut PortShard, ended: &Reclaimed) {
    if let Some(mapping) = ports.pools().mapping(ended.mapping) {
        ports.release(&mapping, &far_end(&ended.original));
    }
}

/// What a borrowed port must be unique towards.
const fn far_end(original: &FlowKey) -> Destination {
    Destination { proto: original.proto, remote: original.dst, remote_port: original.dport }
}

/// Destinations that no new flow from this side may have. What is sent to a pool address and belongs to no
/// mapping goes nowhere: from outside it is unsolicited, from inside it would have to turn round. And what
/// comes from outside must be for somebody behind the gateway: it is nobody's relay.
fn refuse_destination(
    key: &FlowKey,
    ingress: InterfaceId,
    snapshot: &Snapshot,
) -> Result<(), DropReason> {
    let Some(destination) = key.dst.v4() else { return Ok(()) };
    match snapshot.interface(ingress).side {
        Side::Inside if snapshot.is_pool(destination) => Err(DropReason::NatHairpin),
        Side::Outside if snapshot.is_pool(destination) => Err(DropReason::NatNoMapping),
        Side::Outside if !snapshot.is_inside(destination) => Err(DropReason::RouteTransit),
        Side::Inside | Side::Outside => Ok(()),
    }
}

/// Whether a flow's packet may leave an overlay when its way out was found anew: translated, if an inside host
/// opened the flow, and as an answer, if somebody outside did. Anything else is a flow that is older than the
/// overlay, or than the route that leads outside, and would show what the overlay hides.
fn may_leave(entry: Entry, action: &Action, worker: &Worker, snapshot: &Snapshot) -> bool {
    let original = worker.table.key(entry.original());
    let from_inside = |key: FlowKey| key.src.v4().is_some_and(|src| snapshot.is_inside(src));
    match (original.map(from_inside), entry.side()) {
        (Some(true), table::Side::Original) => matches!(action.rewrite, Rewrite::Source(..)),
        (Some(false), table::Side::Reply) => true,
        _ => false,
    }
}

/// The rule that allows a flow.
fn allow(
    key: &FlowKey,
    icmp: Option<(u8, u8)>,
    snapshot: &Snapshot,
) -> Result<RuleRef, DropReason> {
    let judgement = judge(&snapshot.policy, &tuple(key, icmp));
    match judgement.verdict {
        Verdict::Allow => Ok(judgement.decision.rule),
        Verdict::Deny if judgement.is_refused_tunnel() => Err(DropReason::TunnelDenied),
        Verdict::Deny => Err(match judgement.decision.layer {
            Layer::NetworkPolicy => DropReason::PolicyNetworkPolicy,
            // The layers of later versions cannot decide yet; what none of them says is `unmatched`.
            _ => DropReason::PolicyUnmatched,
        }),
    }
}

/// What the policy is asked about a packet: an echo's identifier is no port to it.
fn tuple(key: &FlowKey, icmp: Option<(u8, u8)>) -> Tuple {
    let ports = if key.proto.has_ports() { (key.sport, key.dport) } else { (Port(0), Port(0)) };
    Tuple {
        src: key.src,
        dst: key.dst,
        proto: key.proto,
        sport: ports.0,
        dport: ports.1,
        icmp,
        ends: Ends::Ours,
    }
}

/// Whether a flow leaves the overlay.
fn is_translated(ingress: InterfaceId, egress: InterfaceId, snapshot: &Snapshot) -> bool {
    let sides = (snapshot.interface(ingress).side, snapshot.interface(egress).side);
    snapshot.mode == NetworkMode::Overlay && sides == (Side::Inside, Side::Outside)
}

/// The key as it leaves, and the port it borrows.
fn translate(
    key: &FlowKey,
    transport: Transport,
    worker: &mut Worker,
    snapshot: &Snapshot,
) -> Result<(FlowKey, Option<Mapping>), DropReason> {
    let pool = snapshot.pool.ok_or(DropReason::NatNoPool)?;
    if transport == Transport::Other {
        // No port tells two inside hosts apart: the far end talks to one of them per protocol, which the
        // flow table sees to when the answers' key is taken.
        let src = worker.ports.pools().external_for(key.src, pool).ok_or(DropReason::NatNoPool)?;
        return Ok((FlowKey { src, ..*key }, None));
    }
    let mapping =
        worker.ports.allocate(key.src, &far_end(key), pool, &mut worker.rng).map_err(|error| {
            match error {
                PortsError::Exhausted { .. } => DropReason::NatExhausted,
                // There is room for one of each flow.
                PortsError::TooManyMappings => DropReason::FlowTableFull,
                PortsError::NoAddress { .. } => DropReason::NatNoPool,
            }
        })?;
    let translated = FlowKey { src: mapping.external, sport: mapping.port, ..*key };
    Ok((translated, Some(mapping)))
}

/// What is done to the answers: they go back where the flow came from, to the host that sent it.
fn reply_action(
    key: &FlowKey,
    translated: &FlowKey,
    ingress: InterfaceId,
    snapshot: &Snapshot,
) -> Action {
    let (arriving, leaving) = (translated.reversed(), key.reversed());
    match snapshot.resolve(key.src) {
        Ok(hop) => {
            let egress = snapshot.next_hop(hop).egress;
            Action::compile(&arriving, &leaving, (egress, hop), snapshot.hop_generation)
        }
        // The way back is not known yet: the first answer looks again.
        Err(_) => {
            let stale = HopGeneration(snapshot.hop_generation.0.wrapping_sub(1));
            Action::compile(&arriving, &leaving, (ingress, NextHopId(0)), stale)
        }
    }
}

/// A rule as a flow keeps it.
fn rule_word(rule: RuleRef) -> u64 {
    u64::try_from(rule.index()).unwrap_or(u64::MAX)
}
