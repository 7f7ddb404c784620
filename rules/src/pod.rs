//! Reads the objects that say who has an address: Pod, Namespace and Node. They come from a running cluster with
//! everything in them, so fields that are not needed are not looked at.

use flowtable::key::{Addr, Port, Proto};

use crate::fields::Reader;
use crate::load::name_span;
use crate::objects::{Life, NAMESPACE_NAME_LABEL, NamedPort, Namespace, Node, Pod, PodNetwork};
use crate::yaml::{self, Value, shown};

type Tree<'t> = yaml::Node<'t>;

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// The name in an object's metadata.
pub(crate) fn name(reader: &mut Reader<'_>, node: &Tree<'_>, kind: &str) -> Option<String> {
    let Some(name) = node.get("metadata").and_then(|metadata| metadata.get("name")) else {
        reader.error(node.span, format!("{kind} without metadata.name"));
        return None;
    };
    let name_text = reader.string(name, "metadata.name")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if name_text.is_empty() || name_text.len() > 253 || !name_text.chars().all(allowed) {
        let message = format!("`{}` is no name of a {kind}", shown(&name_text));
        reader.error_with_help(name.span, message, "names are of letters, digits, `-` and `.`");
        return None;
    }
    Some(name_text)
}

/// The namespace in an object's metadata.
pub(crate) fn namespace(reader: &mut Reader<'_>, node: &Tree<'_>) -> Option<String> {
    match node.get("metadata").and_then(|metadata| metadata.get("namespace")) {
        None => Some(DEFAULT_NAMESPACE.to_owned()),
        Some(node) if matches!(node.value, Value::Null) => Some(DEFAULT_NAMESPACE.to_owned()),
        Some(node) => {
            let text = reader.string(node, "metadata.namespace")?;
            Some(if text.is_empty() { DEFAULT_NAMESPACE.to_owned() } else { text })
        }
    }
}

pub(crate) fn read_namespace<'t>(reader: &mut Reader<'t>, node: &Tree<'t>) -> Option<Namespace> {
    let name = name(reader, node, "Namespace")?;
    let labels = node.get("metadata").and_then(|metadata| metadata.get("labels"));
    let mut labels = reader.labels(labels, "metadata.labels");
    labels.insert(NAMESPACE_NAME_LABEL.to_owned(), name.clone());
    Some(Namespace { name, labels, origin: reader.origin(name_span(node)) })
}

pub(crate) fn read_node<'t>(reader: &mut Reader<'t>, node: &Tree<'t>) -> Option<Node> {
    let name = name(reader, node, "Node")?;
    let list = node.get("status").and_then(|status| status.get("addresses"));
    let mut addresses = Vec::new();
    for item in reader.list(list, "status.addresses") {
        let kind = item.get("type").and_then(Tree::text);
        if let (Some("InternalIP" | "ExternalIP"), Some(address)) = (kind, item.get("address")) {
            addresses.extend(reader.address(address, "status.addresses[].address"));
        }
    }
    distinct(&mut addresses);
    Some(Node { name, addresses, origin: reader.origin(name_span(node)) })
}

pub(crate) fn read_pod<'t>(reader: &mut Reader<'t>, node: &Tree<'t>) -> Option<Pod> {
    let name = name(reader, node, "Pod")?;
    let namespace = namespace(reader, node)?;
    let labels = node.get("metadata").and_then(|metadata| metadata.get("labels"));
    let labels = reader.labels(labels, "metadata.labels");
    let spec = node.get("spec");
    let status = node.get("status");
    let spec_text = |field| spec.and_then(|spec| spec.get(field)).and_then(Tree::text);
    let life = match status.and_then(|status| status.get("phase")).and_then(Tree::text) {
        Some("Succeeded" | "Failed") => Life::Ended,
        _ => Life::Live,
    };
    let network = match spec_text("hostNetwork") {
        Some(text) if text.eq_ignore_ascii_case("true") => PodNetwork::Host,
        _ => PodNetwork::Own,
    };
    Some(Pod {
        namespace,
        name,
        labels,
        addresses: addresses(reader, status, "podIP", "podIPs"),
        ports: named_ports(reader, spec),
        node: spec_text("nodeName").filter(|name| !name.is_empty()).map(str::to_owned),
        host_addresses: addresses(reader, status, "hostIP", "hostIPs"),
        life,
        network,
        origin: reader.origin(name_span(node)),
    })
}

/// The addresses of a status: one in a field of its own, all in a list of maps with the key `ip`.
fn addresses<'t>(
    reader: &mut Reader<'t>,
    status: Option<&Tree<'t>>,
    one: &str,
    all: &str,
) -> Vec<Addr> {
    let get = |field| status.and_then(|status| status.get(field));
    let mut addresses = Vec::new();
    let single = get(one).filter(|node| node.text().is_none_or(|text| !text.is_empty()));
    if let Some(node) = single.filter(|node| !matches!(node.value, Value::Null)) {
        addresses.extend(reader.address(node, &format!("status.{one}")));
    }
    let what = format!("status.{all}");
    for item in reader.list(get(all), &what) {
        match item.get("ip") {
            Some(ip) => addresses.extend(reader.address(ip, &format!("{what}[].ip"))),
            None => reader.expected(item, &format!("{what}[]"), "a map with the key ip"),
        }
    }
    distinct(&mut addresses);
    addresses
}

/// Drops repetitions, keeps the order.
fn distinct(addresses: &mut Vec<Addr>) {
    let mut seen = std::collections::HashSet::new();
    addresses.retain(|&address| seen.insert(address));
}

/// The named ports of the containers, then of the init containers that keep running.
fn named_ports<'t>(reader: &mut Reader<'t>, spec: Option<&Tree<'t>>) -> Vec<NamedPort> {
    let get = |field| spec.and_then(|spec| spec.get(field));
    let containers = reader.list(get("containers"), "spec.containers");
    let init = reader.list(get("initContainers"), "spec.initContainers");
    let sidecars = init
        .iter()
        .filter(|container| container.get("restartPolicy").and_then(Tree::text) == Some("Always"));
    let mut ports = Vec::new();
    for container in containers.iter().chain(sidecars) {
        for port in reader.list(container.get("ports"), "spec.containers[].ports") {
            ports.extend(named_port(reader, port));
        }
    }
    ports
}

/// A container port, if it has a name.
fn named_port(reader: &mut Reader<'_>, node: &Tree<'_>) -> Option<NamedPort> {
    let name = node.get("name").filter(|name| !matches!(name.value, Value::Null))?;
    let name = reader.string(name, "spec.containers[].ports[].name")?;
    let Some(number) = node.get("containerPort") else {
        reader.error(node.span, format!("port {} without containerPort", shown(&name)));
        return None;
    };
    let port = Port(reader.port(number, "spec.containers[].ports[].containerPort")?);
    let proto = match node.get("protocol") {
        Some(node) => protocol(reader, node, "spec.containers[].ports[].protocol")?,
        None => Proto::TCP,
    };
    Some(NamedPort { name, proto, port })
}

/// A protocol by its name in the API; TCP if it is null.
pub(crate) fn protocol(reader: &mut Reader<'_>, node: &Tree<'_>, what: &str) -> Option<Proto> {
    if matches!(node.value, Value::Null) {
        return Some(Proto::TCP);
    }
    match node.text() {
        Some("TCP") => Some(Proto::TCP),
        Some("UDP") => Some(Proto::UDP),
        Some("SCTP") => Some(Proto::SCTP),
        _ => {
            reader.expected(node, what, "TCP, UDP or SCTP");
            None
        }
    }
}
