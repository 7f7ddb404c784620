//! The walk over the compiled tables. [`Policy::decide`] walks and keeps nothing, [`Policy::explain`] walks and
//! keeps every step, so that they cannot differ.
//!
//! [`Policy::explain`]: crate::Policy::explain

use crate::explain::StepResult;
use crate::identity::{EndpointId, Identity};
use crate::policy::{CompiledRule, PodPeers, Policy, Ports, ProfileId, Side, pack};
use crate::verdict::{Decision, Layer, RuleRef, Tuple, Verdict};

/// Who wants to know what the walk sees.
pub(crate) trait Witness {
    /// A rule, or an object as a whole, was asked and answered.
    fn saw(&mut self, rule: RuleRef, result: StepResult);
}

/// The data plane wants the answer alone.
impl Witness for () {
    #[inline]
    fn saw(&mut self, _: RuleRef, _: StepResult) {}
}

/// Whose rules are asked about whom.
#[derive(Clone, Copy)]
enum Direction {
    /// The source's rules about the destination.
    Egress,
    /// The destination's rules about the source.
    Ingress,
}

/// A tuple whose addresses have been looked up.
struct Question<'t> {
    tuple: &'t Tuple,
    src: Identity,
    dst: Identity,
}

impl Policy {
    /// Judges a tuple: no allocation, and work bounded by the rules of its two ends.
    #[must_use]
    #[inline]
    pub fn decide(&self, tuple: &Tuple) -> Decision {
        self.walk(tuple, &mut ())
    }

    pub(crate) fn walk<W: Witness>(&self, tuple: &Tuple, witness: &mut W) -> Decision {
        let question = Question {
            tuple,
            src: self.identities.find(tuple.src),
            dst: self.identities.find(tuple.dst),
        };
        if let Some(decision) = self.network_policies(&question, witness) {
            return decision;
        }
        let verdict = self.unmatched.verdict();
        witness.saw(
            self.unmatched_rule,
            match verdict {
                Verdict::Allow => StepResult::Allow,
                Verdict::Deny => StepResult::Deny,
            },
        );
        Decision { verdict, layer: Layer::Unmatched, rule: self.unmatched_rule }
    }

    /// Both ends must allow where they are isolated. `None` if neither is.
    fn network_policies<W: Witness>(&self, q: &Question<'_>, witness: &mut W) -> Option<Decision> {
        if let (Identity::Endpoint(src), Identity::Endpoint(dst)) = (q.src, q.dst)
            && src == dst
        {
            return Some(self.exempt(dst, witness));
        }
        let mut allowed = None;
        if q.tuple.ends.outbound()
            && let Identity::Endpoint(src) = q.src
            && let Some(profile) = self.endpoints[src.index()].egress
        {
            match self.judge(profile, Direction::Egress, q, witness) {
                Decision { verdict: Verdict::Allow, rule, .. } => allowed = Some(allow(rule)),
                denied => return Some(denied),
            }
        }
        if q.tuple.ends.inbound()
            && let Identity::Endpoint(dst) = q.dst
        {
            let endpoint = &self.endpoints[dst.index()];
            if let (Identity::Node(node), Some(own)) = (q.src, endpoint.node)
                && node == own
            {
                return Some(self.exempt(dst, witness));
            }
            if let Some(profile) = endpoint.ingress {
                return Some(self.judge(profile, Direction::Ingress, q, witness));
            }
        }
        allowed
    }

    /// A pod cannot be cut off from itself, nor from what comes from its own node.
    fn exempt<W: Witness>(&self, endpoint: EndpointId, witness: &mut W) -> Decision {
        let rule = self.endpoints[endpoint.index()].exempt;
        witness.saw(rule, StepResult::Exempt);
        allow(rule)
    }

    /// The union of an isolated end's rules: the first that matches allows, else the isolation denies.
    fn judge<W: Witness>(
        &self,
        profile: ProfileId,
        direction: Direction,
        q: &Question<'_>,
        witness: &mut W,
    ) -> Decision {
        let sides = &self.profiles[profile.0 as usize].0;
        for &side in sides {
            let side = &self.sides[side as usize];
            if let Some(found) = self.first_match(side, direction, q) {
                witness.saw(found.rule, StepResult::Allow);
                return allow(found.rule);
            }
            witness.saw(side.whole, StepResult::NoMatch);
        }
        let isolating = self.sides[sides[0] as usize].whole;
        witness.saw(isolating, StepResult::Deny);
        Decision { verdict: Verdict::Deny, layer: Layer::NetworkPolicy, rule: isolating }
    }

    /// The first rule of a side that allows the tuple.
    #[inline]
    fn first_match<'s>(
        &self,
        side: &'s Side,
        direction: Direction,
        q: &Question<'_>,
    ) -> Option<&'s CompiledRule> {
        let (peer, address) = match direction {
            Direction::Egress => (q.dst, q.tuple.dst),
            Direction::Ingress => (q.src, q.tuple.src),
        };
        let rule = |place: u32| &side.rules[place as usize];
        let by_pod =
            side.by_pod.iter().copied().find(|&place| {
                self.takes(rule(place).pods, peer) && self.ports(&rule(place).ports, q)
            });
        // An egress rule looks a port name up on the pod it selected as a peer; one that knows the peer as an
        // address has no pod to ask. An ingress rule looks it up on the pod it protects, whoever comes.
        let before = by_pod.unwrap_or(u32::MAX);
        let by_block = side.by_block.first(address.bits(), before, |place| match direction {
            Direction::Egress => numbered(&rule(place).ports, q.tuple),
            Direction::Ingress => self.ports(&rule(place).ports, q),
        });
        by_block.or(by_pod).map(rule)
    }

    #[inline]
    fn takes(&self, pods: PodPeers, peer: Identity) -> bool {
        match (pods, peer) {
            (PodPeers::Any, _) => true,
            (PodPeers::Set(set), Identity::Endpoint(id)) => {
                self.peer_sets[set as usize].contains(id)
            }
            (PodPeers::Set(_) | PodPeers::Nobody, _) => false,
        }
    }

    #[inline]
    fn ports(&self, ports: &Ports, q: &Question<'_>) -> bool {
        numbered(ports, q.tuple) || self.named(ports, q)
    }

    /// Whether the destination is a pod that has one of the names at this port.
    fn named(&self, ports: &Ports, q: &Question<'_>) -> bool {
        let (Ports::Some { names, .. }, Identity::Endpoint(dst)) = (ports, q.dst) else {
            return false;
        };
        let held = &self.endpoints[dst.index()].ports;
        names.iter().any(|&(name, proto)| {
            proto == q.tuple.proto
                && held
                    .binary_search_by_key(&(name, proto.0), |&(name, proto, _)| (name, proto.0))
                    .is_ok_and(|found| held[found].2 == q.tuple.dport)
        })
    }
}

/// Whether the ports name the tuple's by number.
#[inline]
fn numbered(ports: &Ports, tuple: &Tuple) -> bool {
    match ports {
        Ports::Any => true,
        Ports::Some { numbers, .. } => numbers.contains(pack(tuple.proto, tuple.dport)),
    }
}

const fn allow(rule: RuleRef) -> Decision {
    Decision { verdict: Verdict::Allow, layer: Layer::NetworkPolicy, rule }
}
