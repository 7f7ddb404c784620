//! Reads a NetworkPolicy of `networking.k8s.io/v1` and holds it to what the API server accepts. A field that is
//! not known is an error here: it may be a misspelt restriction.

use flowtable::key::{Port, Proto};

use crate::fields::{Reader, is_number};
use crate::load::name_span;
use crate::objects::{NamespaceScope, NetworkPolicy, Peer, PortMatch, PortSpec, Rule, Selector};
use crate::pod;
use crate::yaml::{Node, Value, shown};

mod block;
mod selector;

const METADATA: [&str; 15] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

pub(crate) fn read<'t>(reader: &mut Reader<'t>, node: &Node<'t>) -> Option<NetworkPolicy> {
    reader.known_keys(node, "NetworkPolicy", &["apiVersion", "kind", "metadata", "spec", "status"]);
    if let Some(metadata) = node.get("metadata") {
        reader.known_keys(metadata, "metadata", &METADATA);
    }
    let name = pod::name(reader, node, "NetworkPolicy")?;
    let namespace = pod::namespace(reader, node)?;
    let Some(spec) = node.get("spec").filter(|spec| !matches!(spec.value, Value::Null)) else {
        let message = "NetworkPolicy without spec";
        reader.error_with_help(node.span, message, "`spec: {podSelector: {}}` selects every pod");
        return None;
    };
    reader.known_keys(spec, "spec", &["podSelector", "policyTypes", "ingress", "egress"]);
    let pods = selector::read(reader, spec.get("podSelector"), "spec.podSelector");
    let ingress = rules(reader, spec.get("ingress"), &INGRESS);
    let egress = rules(reader, spec.get("egress"), &EGRESS);
    let types = policy_types(reader, spec, Given { egress: !egress.is_empty() });
    for (direction, isolates, rules) in
        [(&INGRESS, types.ingress, &ingress), (&EGRESS, types.egress, &egress)]
    {
        if isolates == Isolates::No
            && let Some(list) = spec.get(direction.field)
        {
            unused(reader, list, direction, rules.len());
        }
    }
    Some(NetworkPolicy {
        namespace,
        name,
        pods,
        ingress: (types.ingress == Isolates::Yes).then_some(ingress),
        egress: (types.egress == Isolates::Yes).then_some(egress),
        origin: reader.origin(name_span(node)),
    })
}

/// One direction as the API spells it.
struct Direction {
    field: &'static str,
    peers: &'static str,
    policy_type: &'static str,
}

const INGRESS: Direction = Direction { field: "ingress", peers: "from", policy_type: "Ingress" };
const EGRESS: Direction = Direction { field: "egress", peers: "to", policy_type: "Egress" };

/// Whether a policy isolates the pods it selects in one direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Isolates {
    Yes,
    No,
}

struct Types {
    ingress: Isolates,
    egress: Isolates,
}

/// What the defaults depend on.
struct Given {
    egress: bool,
}

fn policy_types<'t>(reader: &mut Reader<'t>, spec: &Node<'t>, given: Given) -> Types {
    let list = reader.list(spec.get("policyTypes"), "spec.policyTypes");
    if list.is_empty() {
        // The API's default: Ingress always, Egress only if there is an egress rule.
        let egress = if given.egress { Isolates::Yes } else { Isolates::No };
        return Types { ingress: Isolates::Yes, egress };
    }
    let mut types = Types { ingress: Isolates::No, egress: Isolates::No };
    for item in list {
        match item.text() {
            Some("Ingress") => types.ingress = Isolates::Yes,
            Some("Egress") => types.egress = Isolates::Yes,
            _ => reader.expected(item, "spec.policyTypes[]", "Ingress or Egress"),
        }
    }
    types
}

/// Warns of a section that the policy types make mean nothing.
fn unused(reader: &mut Reader<'_>, list: &Node<'_>, direction: &Direction, rules: usize) {
    let Direction { field, policy_type, .. } = direction;
    if matches!(list.value, Value::Null) {
        return;
    }
    let message = match rules {
        0 => format!("spec.{field} denies nothing, as the policy types do not hold {policy_type}"),
        _ => format!("spec.{field} has no effect, as the policy types do not hold {policy_type}"),
    };
    reader.warning(list.span, message, &format!("add {policy_type} to spec.policyTypes"));
}

fn rules<'t>(reader: &mut Reader<'t>, list: Option<&Node<'t>>, direction: &Direction) -> Vec<Rule> {
    let what = format!("spec.{}", direction.field);
    let mut rules = Vec::new();
    for (index, node) in reader.list(list, &what).iter().enumerate() {
        let what = format!("{what}[{index}]");
        if matches!(node.value, Value::Null) {
            // The API server reads this as `{}`: a slip of the pen that would allow everything.
            let help = "write `{}` for a rule that allows everything, or take the line out";
            reader.error_with_help(node.span, format!("{what} is empty"), help);
            continue;
        }
        reader.known_keys(node, &what, &["ports", direction.peers]);
        rules.push(Rule {
            peers: peers(reader, node.get(direction.peers), &format!("{what}.{}", direction.peers)),
            ports: ports(reader, node.get("ports"), &format!("{what}.ports")),
            origin: reader.origin(node.span),
        });
    }
    rules
}

fn peers<'t>(reader: &mut Reader<'t>, list: Option<&Node<'t>>, what: &str) -> Vec<Peer> {
    let mut peers = Vec::new();
    for (index, node) in reader.list(list, what).iter().enumerate() {
        peers.extend(peer(reader, node, &format!("{what}[{index}]")));
    }
    peers
}

fn peer<'t>(reader: &mut Reader<'t>, node: &Node<'t>, what: &str) -> Option<Peer> {
    if !matches!(node.value, Value::Null) {
        reader.known_keys(node, what, &["podSelector", "namespaceSelector", "ipBlock"]);
    }
    let given = |field| node.get(field).filter(|node| !matches!(node.value, Value::Null));
    let (pods, namespaces) = (given("podSelector"), given("namespaceSelector"));
    if let Some(ip_block) = given("ipBlock") {
        if let Some(other) = pods.or(namespaces) {
            let message = format!("{what} has both ipBlock and a selector");
            reader.error_with_help(other.span, message, "make them two elements of the list");
        }
        return block::read(reader, ip_block, &format!("{what}.ipBlock")).map(Peer::Block);
    }
    if pods.or(namespaces).is_none() {
        let help = "it takes podSelector, namespaceSelector or ipBlock; `podSelector: {}` is every pod \
                    of the namespace";
        reader.error_with_help(node.span, format!("{what} selects nothing"), help);
        return None;
    }
    let pods = match pods {
        Some(_) => selector::read(reader, pods, &format!("{what}.podSelector")),
        None => Selector::default(),
    };
    let namespaces = match namespaces {
        Some(_) => NamespaceScope::Selected(selector::read(
            reader,
            namespaces,
            &format!("{what}.namespaceSelector"),
        )),
        None => NamespaceScope::Own,
    };
    Some(Peer::Pods { namespaces, pods })
}

fn ports<'t>(reader: &mut Reader<'t>, list: Option<&Node<'t>>, what: &str) -> Vec<PortMatch> {
    let mut ports = Vec::new();
    for (index, node) in reader.list(list, what).iter().enumerate() {
        let what = format!("{what}[{index}]");
        if matches!(node.value, Value::Null) {
            let help = "write `{protocol: TCP}` for every port of a protocol";
            reader.error_with_help(node.span, format!("{what} is empty"), help);
            continue;
        }
        ports.extend(port_match(reader, node, &what));
    }
    ports
}

fn port_match<'t>(reader: &mut Reader<'t>, node: &Node<'t>, what: &str) -> Option<PortMatch> {
    reader.known_keys(node, what, &["protocol", "port", "endPort"]);
    let proto = match node.get("protocol") {
        Some(node) => pod::protocol(reader, node, &format!("{what}.protocol"))?,
        None => Proto::TCP,
    };
    let given = |field| node.get(field).filter(|node| !matches!(node.value, Value::Null));
    let port = match (given("port"), given("endPort")) {
        (None, None) => PortSpec::All,
        (None, Some(end)) => {
            reader.error(end.span, format!("{what} has endPort without port"));
            return None;
        }
        (Some(port), None) => single(reader, port, &format!("{what}.port"))?,
        (Some(port), Some(end)) => range(reader, port, end, what)?,
    };
    Some(PortMatch { proto, port })
}

/// A port by number or by name.
fn single(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<PortSpec> {
    match &node.value {
        Value::Plain(text) if !is_number(text) => named(reader, node, text, what),
        Value::Quoted(text) => named(reader, node, text, what),
        _ => reader.port(node, what).map(|port| PortSpec::Range(Port(port), Port(port))),
    }
}

/// A port name as the API accepts it: an IANA service name (RFC 6335 section 5.1).
fn named(reader: &mut Reader<'_>, node: &Node<'_>, text: &str, what: &str) -> Option<PortSpec> {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = (1..=15).contains(&text.len())
        && text.chars().all(letters)
        && text.contains(|c: char| c.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--");
    if well_formed {
        return Some(PortSpec::Named(text.to_owned()));
    }
    let message = format!("{what}: `{}` is no port name", shown(text));
    let help = match text.parse::<u16>() {
        Ok(number) => format!("write {number} without quotes"),
        Err(_) => {
            "a name has 1 to 15 lower-case letters, digits and single `-`, one letter at least"
                .to_owned()
        }
    };
    reader.error_with_help(node.span, message, help);
    None
}

fn range(reader: &mut Reader<'_>, port: &Node<'_>, end: &Node<'_>, what: &str) -> Option<PortSpec> {
    let last = reader.port(end, &format!("{what}.endPort"));
    let PortSpec::Range(first, _) = single(reader, port, &format!("{what}.port"))? else {
        let message = format!("{what} has endPort with a named port");
        reader.error_with_help(end.span, message, "a range takes two numbers");
        return None;
    };
    let last = Port(last?);
    if last < first {
        let message = format!("{what}: endPort {last} is below port {first}");
        reader.error_with_help(end.span, message, "write the lower number as port");
        return None;
    }
    Some(PortSpec::Range(first, last))
}
