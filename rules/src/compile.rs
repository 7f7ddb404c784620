//! From objects to tables: names and selectors are resolved here, once, so that no packet has to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flowtable::key::{Addr, Port, Proto};
use ipnet::IpNet;

use crate::block_index::BlockIndex;
use crate::diagnostic::{Diagnostic, Severity};
use crate::identity::{EndpointId, Identity, IdentityTable, NodeId};
use crate::intervals::{Intervals, without};
use crate::membership::{EndpointSet, Members};
use crate::objects::{
    Completeness, IpBlock, Labels, NAMESPACE_NAME_LABEL, NamespaceScope, NetworkPolicy, Objects,
    Origin, Peer, Pod, PortMatch, PortSpec, Rule,
};
use crate::policy::{
    CompiledRule, Counts, Endpoint, PodInfo, PodPeers, Policy, PortName, Ports, Profile, ProfileId,
    Side, pack,
};
use crate::provenance::{Ledger, ObjectRef, Part};
use crate::source::Span;
use crate::verdict::{Layer, Unmatched};

/// What the files of policies do not say.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What decides where no layer speaks.
    pub unmatched: Unmatched,
    /// The networks that are ours.
    pub inside: Vec<IpNet>,
}

/// Makes the policy of the objects.
///
/// # Errors
///
/// Every contradiction between objects, such as two running pods of one address; also objects that could not all
/// be read, because what is missing may have been a denial.
pub fn compile(objects: &Objects, settings: &Settings) -> Result<Policy, Vec<Diagnostic>> {
    if objects.completeness == Completeness::Broken {
        return Err(vec![unreadable(objects)]);
    }
    let holders = holders(objects)?;
    let mut build = Build::new(objects);
    let unmatched = build.ledger.object(Layer::Unmatched.name().to_owned());
    let unmatched_rule = build.ledger.enter(Layer::Unmatched, unmatched, Part::Whole, None);
    for policy in &objects.policies {
        build.policy(policy);
    }
    let nodes = node_ids(objects);
    let mut profiles = Profiles::default();
    let endpoints = identified(objects)
        .map(|(id, place, pod)| build.endpoint(id, place, pod, &nodes, &mut profiles))
        .collect::<Vec<_>>();
    let pods = objects.pods.iter().map(pod_info).collect::<Vec<_>>();
    let by_name = pods.iter().enumerate().map(|(i, p)| ((p.namespace.clone(), p.name.clone()), i));
    Ok(Policy {
        unmatched: settings.unmatched,
        unmatched_rule,
        inside: settings.inside.clone(),
        identities: IdentityTable::new(&holders),
        by_name: by_name.collect(),
        counts: counts(objects, endpoints.len()),
        endpoints,
        profiles: profiles.list,
        sides: build.sides,
        peer_sets: build.peer_sets,
        ledger: build.ledger,
        pods,
    })
}

fn unreadable(objects: &Objects) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        source: objects.sources.first().cloned().unwrap_or_default(),
        source_index: 0,
        line: 1,
        column: 1,
        span: Span::default(),
        message: "not every object could be read, so no policy is made of the others".to_owned(),
        help: Some("mend the errors found while reading".to_owned()),
    }
}

/// The pods that have an address of their own, with their ids and places.
fn identified(objects: &Objects) -> impl Iterator<Item = (EndpointId, usize, &Pod)> {
    let with_identity = objects.pods.iter().enumerate().filter(|(_, pod)| pod.has_identity());
    (0..).zip(with_identity).map(|(id, (place, pod))| (EndpointId(id), place, pod))
}

/// Who holds which address.
fn holders(objects: &Objects) -> Result<Vec<(Addr, Identity)>, Vec<Diagnostic>> {
    let mut held: HashMap<Addr, String> = HashMap::new();
    let mut holders = Vec::new();
    let mut errors = Vec::new();
    let mut take = |address: Addr, who: String, origin: Origin, identity: Identity| {
        if let Some(other) = held.get(&address) {
            let source = &objects.sources[origin.source];
            let message = format!("{who} has the address {address}, which {other} has too");
            let help = "an address stands for one pod or node: give the one that holds it now";
            errors.push(Diagnostic::error_at(source, origin, message).with_help(help));
        } else {
            held.insert(address, who);
            holders.push((address, identity));
        }
    };
    for (id, _, pod) in identified(objects) {
        for &address in &pod.addresses {
            let who = format!("pod {}/{}", pod.namespace, pod.name);
            take(address, who, pod.origin, Identity::Endpoint(id));
        }
    }
    let nodes = node_ids(objects);
    for node in &objects.nodes {
        for &address in &node.addresses {
            let identity = Identity::Node(nodes[node.name.as_str()]);
            take(address, format!("node {}", node.name), node.origin, identity);
        }
    }
    // A pod's own status names its node's addresses too; a Node object, where there is one, goes before it.
    for (_, _, pod) in identified(objects) {
        if let Some(node) = &pod.node {
            let fresh = pod.host_addresses.iter().filter(|address| !held.contains_key(address));
            let identity = Identity::Node(nodes[node.as_str()]);
            holders.extend(fresh.map(|&address| (address, identity)));
        }
    }
    if errors.is_empty() { Ok(holders) } else { Err(errors) }
}

/// The nodes that an object or a pod names.
fn node_ids(objects: &Objects) -> BTreeMap<&str, NodeId> {
    let of_pods = objects.pods.iter().filter_map(|pod| pod.node.as_deref());
    let names: BTreeSet<_> =
        objects.nodes.iter().map(|node| node.name.as_str()).chain(of_pods).collect();
    names.into_iter().zip((0..).map(NodeId)).collect()
}

/// The labels of every namespace that exists: by an object of its own, or by something in it.
fn namespace_labels(objects: &Objects) -> HashMap<&str, Labels> {
    let of_pods = objects.pods.iter().map(|pod| pod.namespace.as_str());
    let of_policies = objects.policies.iter().map(|policy| policy.namespace.as_str());
    let implied = of_pods
        .chain(of_policies)
        .map(|name| (name, Labels::from([(NAMESPACE_NAME_LABEL.to_owned(), name.to_owned())])));
    let stated = objects.namespaces.iter().map(|ns| (ns.name.as_str(), ns.labels.clone()));
    implied.chain(stated).collect()
}

fn pod_info(pod: &Pod) -> PodInfo {
    PodInfo {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        addresses: if pod.has_identity() { pod.addresses.clone() } else { Vec::new() },
    }
}

fn counts(objects: &Objects, endpoints: usize) -> Counts {
    let rules = |policy: &NetworkPolicy| {
        [&policy.ingress, &policy.egress].into_iter().flatten().map(Vec::len).sum::<usize>()
    };
    Counts {
        pods: objects.pods.len(),
        endpoints,
        namespaces: namespace_labels(objects).len(),
        nodes: objects.nodes.len(),
        policies: objects.policies.len(),
        rules: objects.policies.iter().map(rules).sum(),
    }
}

/// Tables in the making.
struct Build<'o> {
    members: Members<'o>,
    ledger: Ledger,
    sides: Vec<Side>,
    peer_sets: Vec<EndpointSet>,
    set_places: HashMap<EndpointSet, u32>,
    port_names: HashMap<&'o str, PortName>,
    /// By endpoint, the sides that isolate it.
    isolating: Vec<Isolating>,
}

/// The sides that isolate an endpoint.
#[derive(Clone, Default)]
struct Isolating {
    egress: Vec<u32>,
    ingress: Vec<u32>,
}

/// Lists of sides, each distinct one once.
#[derive(Default)]
struct Profiles {
    list: Vec<Profile>,
    places: HashMap<Vec<u32>, ProfileId>,
}

impl Profiles {
    fn place(&mut self, sides: &[u32]) -> Option<ProfileId> {
        if sides.is_empty() {
            return None;
        }
        let next = ProfileId(count(self.list.len()));
        let place = *self.places.entry(sides.to_vec()).or_insert(next);
        if place == next {
            self.list.push(Profile(sides.into()));
        }
        Some(place)
    }
}

impl<'o> Build<'o> {
    fn new(objects: &'o Objects) -> Self {
        let endpoints =
            identified(objects).map(|(_, _, pod)| (pod.namespace.as_str(), &pod.labels));
        let members = Members::new(namespace_labels(objects), endpoints);
        Self {
            isolating: vec![Isolating::default(); identified(objects).count()],
            members,
            ledger: Ledger::new(objects.sources.clone()),
            sides: Vec::new(),
            peer_sets: Vec::new(),
            set_places: HashMap::new(),
            port_names: HashMap::new(),
        }
    }

    fn policy(&mut self, policy: &'o NetworkPolicy) {
        let object = self.ledger.object(format!("{}/{}", policy.namespace, policy.name));
        let selected = self.members.resolve(&policy.namespace, &NamespaceScope::Own, &policy.pods);
        if let Some(rules) = &policy.egress {
            let side = self.side(policy, object, rules, Part::Egress);
            selected.members().for_each(|id| self.isolating[id.index()].egress.push(side));
        }
        if let Some(rules) = &policy.ingress {
            let side = self.side(policy, object, rules, Part::Ingress);
            selected.members().for_each(|id| self.isolating[id.index()].ingress.push(side));
        }
    }

    fn side(
        &mut self,
        policy: &'o NetworkPolicy,
        object: ObjectRef,
        rules: &'o [Rule],
        part: fn(usize) -> Part,
    ) -> u32 {
        let layer = Layer::NetworkPolicy;
        let whole = self.ledger.enter(layer, object, Part::Whole, Some(policy.origin));
        let mut blocks = Vec::new();
        let mut compiled = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            let place = count(index);
            blocks.extend(rule_blocks(rule).map(|(first, last)| (first, last, place)));
            compiled.push(CompiledRule {
                rule: self.ledger.enter(layer, object, part(index), Some(rule.origin)),
                pods: self.pod_peers(&policy.namespace, &rule.peers),
                ports: self.ports(&rule.ports),
            });
        }
        let by_pod = (0..).zip(&compiled).filter(|(_, rule)| rule.pods != PodPeers::Nobody);
        self.sides.push(Side {
            whole,
            by_pod: by_pod.map(|(place, _)| place).collect(),
            by_block: BlockIndex::new(&blocks),
            rules: compiled.into(),
        });
        count(self.sides.len() - 1)
    }

    fn pod_peers(&mut self, own: &'o str, peers: &'o [Peer]) -> PodPeers {
        if peers.is_empty() {
            return PodPeers::Any;
        }
        let mut set = self.members.none();
        for peer in peers {
            if let Peer::Pods { namespaces, pods } = peer {
                set.join(&self.members.resolve(own, namespaces, pods));
            }
        }
        if set.is_empty() { PodPeers::Nobody } else { PodPeers::Set(self.peer_set(set)) }
    }

    /// The place of a set, each distinct one held once.
    fn peer_set(&mut self, set: EndpointSet) -> u32 {
        let next = count(self.peer_sets.len());
        let place = *self.set_places.entry(set.clone()).or_insert(next);
        if place == next {
            self.peer_sets.push(set);
        }
        place
    }

    fn ports(&mut self, ports: &'o [PortMatch]) -> Ports {
        if ports.is_empty() {
            return Ports::Any;
        }
        let mut numbers = Vec::new();
        let mut names = Vec::new();
        for PortMatch { proto, port } in ports {
            match port {
                PortSpec::All => numbers.push((u16::MIN, u16::MAX, proto)),
                PortSpec::Range(first, last) => numbers.push((first.0, last.0, proto)),
                PortSpec::Named(name) => {
                    let next = PortName(count(self.port_names.len()));
                    names.push((*self.port_names.entry(name).or_insert(next), *proto));
                }
            }
        }
        let packed = numbers
            .into_iter()
            .map(|(first, last, &proto)| (pack(proto, Port(first)), pack(proto, Port(last))));
        Ports::Some { numbers: Intervals::union(packed.collect()), names: names.into() }
    }

    fn endpoint(
        &mut self,
        id: EndpointId,
        place: usize,
        pod: &Pod,
        nodes: &BTreeMap<&str, NodeId>,
        profiles: &mut Profiles,
    ) -> Endpoint {
        let object = self.ledger.object(format!("{}/{}", pod.namespace, pod.name));
        let origin = Some(pod.origin);
        let mut ports: BTreeMap<(PortName, Proto), _> = BTreeMap::new();
        for port in &pod.ports {
            if let Some(&name) = self.port_names.get(port.name.as_str()) {
                ports.entry((name, port.proto)).or_insert(port.port);
            }
        }
        let isolating = &self.isolating[id.index()];
        Endpoint {
            pod: place,
            node: pod.node.as_deref().map(|name| nodes[name]),
            egress: profiles.place(&isolating.egress),
            ingress: profiles.place(&isolating.ingress),
            ports: ports.into_iter().map(|((name, proto), port)| (name, proto, port)).collect(),
            exempt: self.ledger.enter(Layer::NetworkPolicy, object, Part::Whole, origin),
        }
    }
}

/// The addresses of a rule's blocks.
fn rule_blocks(rule: &Rule) -> impl Iterator<Item = (u128, u128)> {
    let blocks = rule.peers.iter().filter_map(|peer| match peer {
        Peer::Block(block) => Some(block_intervals(block)),
        Peer::Pods { .. } => None,
    });
    blocks.flatten()
}

/// The addresses of a block, in the one number space of both families.
fn block_intervals(block: &IpBlock) -> Vec<(u128, u128)> {
    let mut holes: Vec<_> = block.except.iter().map(bounds).collect();
    if matches!(block.cidr, IpNet::V6(_)) {
        // IPv4 addresses stand in this space too, and a block of the other family does not mean them.
        holes.push((Addr::from_v4(0).bits(), Addr::from_v4(u32::MAX).bits()));
    }
    without(bounds(&block.cidr), holes)
}

fn bounds(net: &IpNet) -> (u128, u128) {
    (Addr::from(net.network()).bits(), Addr::from(net.broadcast()).bits())
}

/// The number of things that stand in a text.
fn count(things: usize) -> u32 {
    u32::try_from(things).expect("a text of 4 billion things is not read")
}
