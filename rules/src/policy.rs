//! The compiled policy: what the data plane holds. Made only by [`crate::compile()`].

use std::collections::BTreeMap;

use flowtable::key::{Addr, Port, Proto};
use ipnet::IpNet;

use crate::block_index::BlockIndex;
use crate::identity::{EndpointId, IdentityTable, NodeId};
use crate::intervals::Intervals;
use crate::membership::EndpointSet;
use crate::provenance::{Ledger, Provenance};
use crate::verdict::{RuleRef, Unmatched};

/// Tables that judge a tuple with no allocation and bounded work.
#[derive(Debug)]
pub struct Policy {
    pub(crate) unmatched: Unmatched,
    pub(crate) unmatched_rule: RuleRef,
    pub(crate) inside: Vec<IpNet>,
    pub(crate) identities: IdentityTable,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) profiles: Vec<Profile>,
    pub(crate) sides: Vec<Side>,
    pub(crate) peer_sets: Vec<EndpointSet>,
    pub(crate) ledger: Ledger,
    pub(crate) pods: Vec<PodInfo>,
    pub(crate) by_name: BTreeMap<(String, String), usize>,
    pub(crate) counts: Counts,
}

/// A pod that has an address of its own.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) pod: usize,
    pub(crate) node: Option<NodeId>,
    pub(crate) egress: Option<ProfileId>,
    pub(crate) ingress: Option<ProfileId>,
    /// Sorted by name and protocol.
    pub(crate) ports: Box<[(PortName, Proto, Port)]>,
    /// What stands for traffic that no policy may stop.
    pub(crate) exempt: RuleRef,
}

/// A port name that some rule uses, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PortName(pub(crate) u32);

/// The policies that isolate an endpoint in one direction; endpoints with the same policies share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProfileId(pub(crate) u32);

/// Sides in the order of their policies in the files, never none.
#[derive(Debug)]
pub(crate) struct Profile(pub(crate) Box<[u32]>);

/// One direction of one policy.
#[derive(Debug)]
pub(crate) struct Side {
    /// The policy as a whole: it isolates.
    pub(crate) whole: RuleRef,
    pub(crate) rules: Box<[CompiledRule]>,
    /// The rules that know their peers as pods, or take any: their places in `rules`, ascending.
    pub(crate) by_pod: Box<[u32]>,
    /// The rules that know their peers as addresses. A rule may stand in both.
    pub(crate) by_block: BlockIndex,
}

/// One element of `ingress` or `egress`.
#[derive(Debug)]
pub(crate) struct CompiledRule {
    pub(crate) rule: RuleRef,
    pub(crate) pods: PodPeers,
    pub(crate) ports: Ports,
}

/// Which peers a rule takes for what they are, whatever their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodPeers {
    /// All, pods or not.
    Any,
    /// The pods in a set of [`Policy::peer_sets`].
    Set(u32),
    /// None.
    Nobody,
}

/// What may be asked for there.
#[derive(Debug)]
pub(crate) enum Ports {
    /// Every protocol.
    Any,
    Some {
        /// Protocol and port packed by [`pack`].
        numbers: Intervals<u32>,
        /// Names to be looked up on the destination.
        names: Box<[(PortName, Proto)]>,
    },
}

/// Protocol and port as one number.
pub(crate) const fn pack(proto: Proto, port: Port) -> u32 {
    (proto.0 as u32) << 16 | port.0 as u32
}

/// A pod as people name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodInfo {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The addresses it is known by: none if it ended, waits for one, or uses its node's network.
    pub addresses: Vec<Addr>,
}

/// How much a policy was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counts {
    /// Pods.
    pub pods: usize,
    /// Pods with an address of their own.
    pub endpoints: usize,
    /// Namespaces, those known only by an object in them among them.
    pub namespaces: usize,
    /// Nodes.
    pub nodes: usize,
    /// Policies.
    pub policies: usize,
    /// Rules of all policies, as far as their policy types use them.
    pub rules: usize,
}

/// What an address is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End<'p> {
    /// A pod.
    Pod(&'p PodInfo),
    /// An address of ours that no pod holds.
    Inside,
    /// An address of someone else.
    Outside,
}

impl Policy {
    /// What an address is to us.
    #[must_use]
    pub fn end(&self, address: Addr) -> End<'_> {
        let ip = address.ip();
        match self.endpoint_id(address) {
            Some(id) => End::Pod(&self.pods[self.endpoints[id.index()].pod]),
            None if self.inside.iter().any(|net| net.contains(&ip)) => End::Inside,
            None => End::Outside,
        }
    }

    /// The pod that holds an address.
    #[must_use]
    pub fn pod_at(&self, address: Addr) -> Option<&PodInfo> {
        let id = self.endpoint_id(address)?;
        Some(&self.pods[self.endpoints[id.index()].pod])
    }

    /// The pod of a name.
    #[must_use]
    pub fn find_pod(&self, namespace: &str, name: &str) -> Option<&PodInfo> {
        let place = self.by_name.get(&(namespace.to_owned(), name.to_owned()))?;
        Some(&self.pods[*place])
    }

    /// Every pod, in the order of the files.
    #[must_use]
    pub fn pods(&self) -> &[PodInfo] {
        &self.pods
    }

    /// How much the policy was made of.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// What decides where no layer speaks.
    #[must_use]
    pub const fn unmatched(&self) -> Unmatched {
        self.unmatched
    }

    /// How many rules can decide: the size of a table that counts per rule.
    #[must_use]
    pub fn rule_refs(&self) -> usize {
        self.ledger.len()
    }

    /// Every rule that can decide, in the order of [`RuleRef::index`].
    pub fn rules(&self) -> impl Iterator<Item = RuleRef> + '_ {
        (0..).map(RuleRef).take(self.ledger.len())
    }

    /// Where a rule stands.
    ///
    /// # Panics
    ///
    /// May panic if another policy gave the reference: keep the generation beside it.
    #[must_use]
    pub fn provenance(&self, rule: RuleRef) -> Provenance {
        self.ledger.provenance(rule)
    }

    fn endpoint_id(&self, address: Addr) -> Option<EndpointId> {
        self.identities.find(address).endpoint()
    }
}
