//! What is done to every packet of one direction of a flow: compiled once, when the flow is admitted.

use crate::io::InterfaceId;
use crate::snapshot::{HopGeneration, NextHopId};
use crate::wire::checksum::Delta;
use flowtable::key::{Addr, FlowKey, Port, Proto};
use flowtable::table::Value;

/// Which end of the packet is rewritten.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rewrite {
    /// None.
    Nothing,
    /// The source becomes this: the way out through SNAT.
    Source(Addr, Port),
    /// The destination becomes this: the way back.
    Destination(Addr, Port),
}

/// A direction's compiled action; the flow table keeps it as four words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Action {
    /// The interface the packet leaves by.
    pub egress: InterfaceId,
    /// Its neighbour there.
    pub next_hop: NextHopId,
    /// The view of routes and neighbours the two above were found in.
    pub hop_generation: HopGeneration,
    /// The translation.
    pub rewrite: Rewrite,
    /// Change of the IP header checksum: translation and TTL.
    pub l3: Delta,
    /// Change of the transport checksum.
    pub l4: Delta,
}

impl Action {
    /// The action that turns packets of `from` into packets of `to` and sends them to a next hop; at most
    /// one end of the two may differ.
    #[must_use]
    pub fn compile(
        from: &FlowKey,
        to: &FlowKey,
        (egress, next_hop): (InterfaceId, NextHopId),
        hop_generation: HopGeneration,
    ) -> Self {
        let (rewrite, old, new) = if (from.src, from.sport) != (to.src, to.sport) {
            let rewrite = Rewrite::Source(to.src, to.sport);
            (rewrite, (from.src, from.sport), (to.src, to.sport))
        } else if (from.dst, from.dport) != (to.dst, to.dport) {
            let rewrite = Rewrite::Destination(to.dst, to.dport);
            (rewrite, (from.dst, from.dport), (to.dst, to.dport))
        } else {
            (Rewrite::Nothing, (from.src, from.sport), (from.src, from.sport))
        };
        let address = match (old.0.v4(), new.0.v4()) {
            (Some(old), Some(new)) => Delta::NONE.long(old, new),
            _ => Delta::NONE,
        };
        let port = Delta::NONE.word(old.1.0, new.1.0);
        let l4 = match from.proto {
            Proto::TCP | Proto::UDP => address.and(port),
            // No pseudo-header: only the identifier counts (RFC 792).
            Proto::ICMP => port,
            _ => Delta::NONE,
        };
        let l3 = address.and(Delta::TTL_DECREMENT);
        Self { egress, next_hop, hop_generation, rewrite, l3, l4 }
    }

    /// Where a packet that arrives with `key` goes after translation.
    #[must_use]
    pub const fn destination_of(&self, key: &FlowKey) -> Addr {
        match self.rewrite {
            Rewrite::Destination(addr, _) => addr,
            Rewrite::Nothing | Rewrite::Source(..) => key.dst,
        }
    }

    /// The action as the flow table keeps it.
    #[must_use]
    pub fn to_value(self) -> Value {
        let (kind, addr, port) = match self.rewrite {
            Rewrite::Nothing => (0u64, Addr::from_bits(0), Port(0)),
            Rewrite::Source(addr, port) => (1, addr, port),
            Rewrite::Destination(addr, port) => (2, addr, port),
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "an address is split into its two halves"
        )]
        let (high, low) = ((addr.bits() >> 64) as u64, addr.bits() as u64);
        Value([
            kind << 48
                | u64::from(port.0) << 32
                | u64::from(self.l3.0) << 16
                | u64::from(self.l4.0),
            u64::from(self.egress.0) << 48
                | u64::from(self.next_hop.0) << 32
                | u64::from(self.hop_generation.0),
            high,
            low,
        ])
    }

    /// The action that [`Action::to_value`] gave.
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "fields are cut out of the packed words")]
    pub fn from_value(Value([translation, hop, high, low]): Value) -> Self {
        let addr = Addr::from_bits(u128::from(high) << 64 | u128::from(low));
        let port = Port((translation >> 32) as u16);
        Self {
            egress: InterfaceId((hop >> 48) as u16),
            next_hop: NextHopId((hop >> 32) as u16),
            hop_generation: HopGeneration(hop as u32),
            rewrite: match translation >> 48 {
                0 => Rewrite::Nothing,
                1 => Rewrite::Source(addr, port),
                _ => Rewrite::Destination(addr, port),
            },
            l3: Delta((translation >> 16) as u16),
            l4: Delta(translation as u16),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn an_action_survives_the_flow_table() {
        let from = FlowKey {
            src: Ipv4Addr::new(10, 1, 0, 5).into(),
            dst: Ipv4Addr::new(198, 51, 100, 7).into(),
            sport: Port(41822),
            dport: Port(443),
            proto: Proto::TCP,
        };
        let out = FlowKey { src: Ipv4Addr::new(203, 0, 113, 1).into(), sport: Port(1024), ..from };
        let hop = (InterfaceId(3), NextHopId(65535));
        for (from, to) in [(from, out), (out.reversed(), from.reversed()), (from, from)] {
            let action = Action::compile(&from, &to, hop, HopGeneration(u32::MAX));
            assert_eq!(Action::from_value(action.to_value()), action);
        }
    }
}
