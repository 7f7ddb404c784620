//! The slow, obvious judge: straight from the objects, one linear search after the other, with none of the code of
//! `compile` and `decide`. It is what tests believe.

use std::net::IpAddr;

use flowtable::key::Proto;

use crate::objects::{
    Labels, NAMESPACE_NAME_LABEL, NamespaceScope, NetworkPolicy, Objects, Operator, Peer, Pod,
    PortMatch, PortSpec, Rule, Selector,
};
use crate::verdict::{Ends, Tuple, Unmatched, Verdict};

/// The verdict. Where no policy isolates an end that is asked about, `unmatched` decides.
#[must_use]
pub fn judge(objects: &Objects, unmatched: Unmatched, tuple: &Tuple) -> Verdict {
    match network_policies(objects, tuple) {
        Some(verdict) => verdict,
        None => unmatched.verdict(),
    }
}

fn network_policies(objects: &Objects, tuple: &Tuple) -> Option<Verdict> {
    let from = pod_of(objects, tuple.src.ip());
    let to = pod_of(objects, tuple.dst.ip());
    if let (Some(from), Some(to)) = (from, to)
        && std::ptr::eq(from, to)
    {
        return Some(Verdict::Allow);
    }
    let mut spoken = None;
    if let (Some(from), Ends::Ours | Ends::Outbound) = (from, tuple.ends) {
        let isolating: Vec<_> = selecting(objects, from)
            .filter_map(|p| p.egress.as_ref().map(|rules| (p, rules)))
            .collect();
        if !isolating.is_empty() {
            let allowed = isolating
                .iter()
                .any(|(p, rules)| rules.iter().any(|rule| egress(objects, p, rule, tuple, to)));
            if !allowed {
                return Some(Verdict::Deny);
            }
            spoken = Some(Verdict::Allow);
        }
    }
    if let (Some(to), Ends::Ours | Ends::Inbound) = (to, tuple.ends) {
        if is_node_of(objects, to, tuple.src.ip()) {
            return Some(Verdict::Allow);
        }
        let isolating: Vec<_> = selecting(objects, to)
            .filter_map(|p| p.ingress.as_ref().map(|rules| (p, rules)))
            .collect();
        if !isolating.is_empty() {
            let allowed = isolating.iter().any(|(p, rules)| {
                rules.iter().any(|rule| ingress(objects, p, rule, tuple, from, to))
            });
            if !allowed {
                return Some(Verdict::Deny);
            }
            spoken = Some(Verdict::Allow);
        }
    }
    spoken
}

fn pod_of(objects: &Objects, ip: IpAddr) -> Option<&Pod> {
    objects.pods.iter().find(|pod| pod.has_identity() && pod.addresses.iter().any(|a| a.ip() == ip))
}

/// A Node object's word about an address goes before that of a pod's status.
fn is_node_of(objects: &Objects, pod: &Pod, ip: IpAddr) -> bool {
    let Some(own) = &pod.node else { return false };
    if pod_of(objects, ip).is_some() {
        return false;
    }
    for node in &objects.nodes {
        if node.addresses.iter().any(|a| a.ip() == ip) {
            return node.name == *own;
        }
    }
    let live = objects.pods.iter().filter(|pod| pod.has_identity());
    let mut named = live.filter(|pod| pod.host_addresses.iter().any(|a| a.ip() == ip));
    named.find_map(|pod| pod.node.as_ref()).is_some_and(|node| node == own)
}

fn selecting<'o>(objects: &'o Objects, pod: &'o Pod) -> impl Iterator<Item = &'o NetworkPolicy> {
    objects
        .policies
        .iter()
        .filter(|policy| policy.namespace == pod.namespace && selects(&policy.pods, &pod.labels))
}

fn egress(
    objects: &Objects,
    policy: &NetworkPolicy,
    rule: &Rule,
    tuple: &Tuple,
    to: Option<&Pod>,
) -> bool {
    let ip = tuple.dst.ip();
    if rule.peers.is_empty() {
        return ports(&rule.ports, tuple, to);
    }
    rule.peers.iter().any(|peer| match peer {
        Peer::Pods { .. } => {
            is_peer(objects, policy, peer, to, ip) && ports(&rule.ports, tuple, to)
        }
        // The block knows an address, not the pod behind it: there is nobody to ask for a port name.
        Peer::Block(_) => is_peer(objects, policy, peer, to, ip) && ports(&rule.ports, tuple, None),
    })
}

fn ingress(
    objects: &Objects,
    policy: &NetworkPolicy,
    rule: &Rule,
    tuple: &Tuple,
    from: Option<&Pod>,
    to: &Pod,
) -> bool {
    let ip = tuple.src.ip();
    (rule.peers.is_empty()
        || rule.peers.iter().any(|peer| is_peer(objects, policy, peer, from, ip)))
        && ports(&rule.ports, tuple, Some(to))
}

fn is_peer(
    objects: &Objects,
    policy: &NetworkPolicy,
    peer: &Peer,
    pod: Option<&Pod>,
    ip: IpAddr,
) -> bool {
    match peer {
        Peer::Block(block) => {
            block.cidr.contains(&ip) && !block.except.iter().any(|hole| hole.contains(&ip))
        }
        Peer::Pods { namespaces, pods } => pod.is_some_and(|pod| {
            selects(pods, &pod.labels)
                && match namespaces {
                    NamespaceScope::Own => pod.namespace == policy.namespace,
                    NamespaceScope::Selected(selector) => {
                        selects(selector, &namespace_labels(objects, &pod.namespace))
                    }
                }
        }),
    }
}

fn namespace_labels(objects: &Objects, name: &str) -> Labels {
    match objects.namespaces.iter().find(|namespace| namespace.name == name) {
        Some(namespace) => namespace.labels.clone(),
        None => Labels::from([(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned())]),
    }
}

fn selects(selector: &Selector, labels: &Labels) -> bool {
    for (key, value) in &selector.labels {
        if labels.get(key) != Some(value) {
            return false;
        }
    }
    for expression in &selector.expressions {
        let holds = match (&expression.operator, labels.get(&expression.key)) {
            (Operator::In(values), Some(value)) => values.iter().any(|v| v == value),
            (Operator::NotIn(values), Some(value)) => values.iter().all(|v| v != value),
            (Operator::Exists, Some(_)) | (Operator::NotIn(_) | Operator::DoesNotExist, None) => {
                true
            }
            (Operator::In(_) | Operator::Exists, None) | (Operator::DoesNotExist, Some(_)) => false,
        };
        if !holds {
            return false;
        }
    }
    true
}

/// Whether the ports name the tuple's, with names looked up on `named_on`.
fn ports(ports: &[PortMatch], tuple: &Tuple, named_on: Option<&Pod>) -> bool {
    if ports.is_empty() {
        return true;
    }
    if ![Proto::TCP, Proto::UDP, Proto::SCTP].contains(&tuple.proto) {
        return false;
    }
    ports.iter().filter(|port| port.proto == tuple.proto).any(|port| match &port.port {
        PortSpec::All => true,
        PortSpec::Range(first, last) => *first <= tuple.dport && tuple.dport <= *last,
        PortSpec::Named(name) => named_on
            .and_then(|pod| pod.ports.iter().find(|p| p.name == *name && p.proto == port.proto))
            .is_some_and(|found| found.port == tuple.dport),
    })
}
