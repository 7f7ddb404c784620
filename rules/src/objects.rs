//! What the files say, checked but not yet resolved: the one model that `compile` and `reference` share.
//! Knows no matching.

use std::collections::BTreeMap;

use flowtable::key::{Addr, Port, Proto};
use ipnet::IpNet;

pub use crate::source::Origin;

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// The label that every namespace carries with its own name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Everything that was read, in the order of the files.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Names of the texts, by the index in an [`Origin`].
    pub sources: Vec<String>,
    /// Namespaces that have an object.
    pub namespaces: Vec<Namespace>,
    /// Pods, also those without an address.
    pub pods: Vec<Pod>,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Policies.
    pub policies: Vec<NetworkPolicy>,
    /// Whether all that was given could be read.
    pub(crate) completeness: Completeness,
}

/// Whether some object is missing because it could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Completeness {
    #[default]
    Complete,
    /// Nothing may be compiled: what is missing may have been a denial.
    Broken,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels, [`NAMESPACE_NAME_LABEL`] among them.
    pub labels: Labels,
    /// Where it was written.
    pub origin: Origin,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
    /// Its addresses.
    pub addresses: Vec<Addr>,
    /// The named ports of its containers: of two of one name and protocol the first counts.
    pub ports: Vec<NamedPort>,
    /// The node it runs on.
    pub node: Option<String>,
    /// That node's addresses, as the pod's status gives them.
    pub host_addresses: Vec<Addr>,
    /// Whether it runs, or may still.
    pub life: Life,
    /// Whose network it uses.
    pub network: PodNetwork,
    /// Where it was written.
    pub origin: Origin,
}

impl Pod {
    /// Whether the pod's addresses are its own: not those of its node, nor those of a pod that ended and whose
    /// addresses may be given to another.
    #[must_use]
    pub fn has_identity(&self) -> bool {
        self.life == Life::Live && self.network == PodNetwork::Own && !self.addresses.is_empty()
    }
}

/// Whether a pod still holds its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// Pending, running or unknown.
    Live,
    /// Succeeded or failed.
    Ended,
}

/// Whose network a pod uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodNetwork {
    /// Its own.
    Own,
    /// Its node's (`hostNetwork: true`): no policy sees it as a pod.
    Host,
}

/// A container port with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPort {
    /// The name.
    pub name: String,
    /// The protocol.
    pub proto: Proto,
    /// The number.
    pub port: Port,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its internal and external addresses.
    pub addresses: Vec<Addr>,
    /// Where it was written.
    pub origin: Origin,
}

/// A `networking.k8s.io/v1` NetworkPolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkPolicy {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The pods of the namespace it applies to.
    pub pods: Selector,
    /// What it allows to come in; `None` if it does not isolate for ingress.
    pub ingress: Option<Vec<Rule>>,
    /// What it allows to go out; `None` if it does not isolate for egress.
    pub egress: Option<Vec<Rule>>,
    /// Where it was written.
    pub origin: Origin,
}

/// One element of `ingress` or `egress`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The other end, any of them; empty for every peer.
    pub peers: Vec<Peer>,
    /// The destination's ports, any of them; empty for everything, protocols without ports among it.
    pub ports: Vec<PortMatch>,
    /// Where it was written.
    pub origin: Origin,
}

/// One element of `from` or `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods.
    Pods {
        /// In which namespaces.
        namespaces: NamespaceScope,
        /// Which of their pods.
        pods: Selector,
    },
    /// Addresses.
    Block(IpBlock),
}

/// Where a peer's pods are looked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NamespaceScope {
    /// The policy's own namespace.
    Own,
    /// The namespaces a selector matches.
    Selected(Selector),
}

/// Addresses of one family, less some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpBlock {
    /// The block.
    pub cidr: IpNet,
    /// What is left out of it, each inside it.
    pub except: Vec<IpNet>,
}

/// One element of `ports`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMatch {
    /// TCP, UDP or SCTP.
    pub proto: Proto,
    /// Which of its ports.
    pub port: PortSpec,
}

/// The ports of a [`PortMatch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortSpec {
    /// Every port.
    All,
    /// From the first to the last, both included.
    Range(Port, Port),
    /// The port of that name on the destination pod.
    Named(String),
}

/// A label selector. Empty, it selects everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Selector {
    /// Labels that must be there with these values.
    pub labels: Labels,
    /// Further conditions, all of which must hold.
    pub expressions: Vec<Expression>,
}

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Expression {
    /// The label's key.
    pub key: String,
    /// What must hold of it.
    pub operator: Operator,
}

/// What must hold of a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// It is there with one of these values.
    In(Vec<String>),
    /// It has none of these values, or is not there.
    NotIn(Vec<String>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}
