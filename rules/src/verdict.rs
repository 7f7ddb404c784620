//! The words of a judgement: what is asked, what is answered, which layer answered.

use std::fmt;

use flowtable::key::{Addr, Port, Proto};

/// What a policy judges: the packet that would open a flow, before any translation of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Who sends.
    pub src: Addr,
    /// Who receives.
    pub dst: Addr,
    /// The protocol.
    pub proto: Proto,
    /// The sender's port; 0 for a protocol without ports.
    pub sport: Port,
    /// The receiver's port; 0 for a protocol without ports.
    pub dport: Port,
    /// Type and code of an ICMP message of either family.
    pub icmp: Option<(u8, u8)>,
    /// Which ends to judge.
    pub ends: Ends,
}

impl Tuple {
    /// A tuple with ports, judged at every end that is ours.
    #[must_use]
    pub const fn new(src: Addr, dst: Addr, proto: Proto, sport: Port, dport: Port) -> Self {
        Self { src, dst, proto, sport, dport, icmp: None, ends: Ends::Ours }
    }
}

/// The ends of a tuple that a question is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Ends {
    /// Every end that is ours, as the data plane asks.
    #[default]
    Ours,
    /// Only the source's outbound side.
    Outbound,
    /// Only the destination's inbound side.
    Inbound,
}

impl Ends {
    /// Whether the source's side is asked for.
    #[must_use]
    pub const fn outbound(self) -> bool {
        matches!(self, Self::Ours | Self::Outbound)
    }

    /// Whether the destination's side is asked for.
    #[must_use]
    pub const fn inbound(self) -> bool {
        matches!(self, Self::Ours | Self::Inbound)
    }
}

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The packet may pass.
    Allow,
    /// It may not.
    Deny,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        })
    }
}

/// What decides where no layer speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Unmatched {
    /// The default of the Kubernetes API.
    Allow,
    /// The gateway's own default.
    #[default]
    Deny,
}

impl Unmatched {
    /// As a verdict.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Allow => Verdict::Allow,
            Self::Deny => Verdict::Deny,
        }
    }
}

/// Who can decide, in the order of consultation for traffic that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// The source address is not bound to the interface it came from. Judged by the data plane.
    Antispoof,
    /// The Admin tier of the cluster policies.
    Admin,
    /// Namespaced policies.
    NetworkPolicy,
    /// The Baseline tier of the cluster policies.
    Baseline,
    /// Security admin rules of a virtual network manager.
    SecurityAdmin,
    /// A network security group on an interface.
    NsgNic,
    /// A network security group on a subnet.
    NsgSubnet,
    /// Firewall rule collections.
    Firewall,
    /// No layer spoke.
    Unmatched,
}

impl Layer {
    /// Every layer, in order.
    pub const ALL: [Self; 9] = [
        Self::Antispoof,
        Self::Admin,
        Self::NetworkPolicy,
        Self::Baseline,
        Self::SecurityAdmin,
        Self::NsgNic,
        Self::NsgSubnet,
        Self::Firewall,
        Self::Unmatched,
    ];

    /// The name in output and in drop reasons.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Antispoof => "antispoof",
            Self::Admin => "admin",
            Self::NetworkPolicy => "networkpolicy",
            Self::Baseline => "baseline",
            Self::SecurityAdmin => "security-admin",
            Self::NsgNic => "nsg-nic",
            Self::NsgSubnet => "nsg-subnet",
            Self::Firewall => "firewall",
            Self::Unmatched => "unmatched",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A rule of one [`crate::Policy`]: small enough to keep with a flow, opened by
/// [`crate::Policy::provenance`] of the policy that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleRef(pub(crate) u32);

impl RuleRef {
    /// The place in tables that count per rule: below [`crate::Policy::rule_refs`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A verdict and what gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// The layer that decided: for an allow the last that allowed.
    pub layer: Layer,
    /// The rule of that layer.
    pub rule: RuleRef,
}
