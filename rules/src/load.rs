//! From texts to objects: which documents there are, which kind each is, and who reads that kind.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Severity};
use crate::fields::Reader;
use crate::netpol;
use crate::objects::{Completeness, Objects, Origin};
use crate::pod;
use crate::source::{Source, Span};
use crate::yaml::{self, Node, Value, shown};

/// What the texts hold and what is wrong with them.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Every object that could be read.
    pub objects: Objects,
    /// Every finding, in the order of the texts.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Whether something could not be read, so that nothing can be compiled.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Reads texts: Kubernetes objects in YAML or JSON, one or many in each. What a text holds is found from its
/// content. Reading never stops at an error; [`crate::compile()`] refuses objects that were read with errors.
#[must_use]
pub fn load(sources: &[Source]) -> Loaded {
    let mut objects = Objects {
        sources: sources.iter().map(|source| source.name.clone()).collect(),
        ..Objects::default()
    };
    let mut diagnostics = Vec::new();
    let mut seen = HashMap::new();
    for (index, source) in sources.iter().enumerate() {
        let mut reader = Reader::new(source, index);
        for document in yaml::documents(&source.text) {
            match document {
                Ok(node) => document_of(&mut reader, &node, &mut objects, &mut seen),
                Err(error) => reader.error(error.span, error.message),
            }
        }
        if reader.errors() > 0 {
            objects.completeness = Completeness::Broken;
        }
        reader.diagnostics.sort_by_key(|finding| finding.span.offset);
        diagnostics.append(&mut reader.diagnostics);
    }
    Loaded { objects, diagnostics }
}

/// Where each object was first seen, by kind, namespace and name.
type Seen = HashMap<(Kind, String, String), Origin>;

/// The kinds that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Namespace,
    Pod,
    Node,
    NetworkPolicy,
}

/// What is done with an object, from its `apiVersion` and `kind`.
enum Handling {
    Read(Kind),
    /// Its items are objects.
    Items,
    /// It bears on security and this version does not enforce it.
    Refuse(&'static str),
    /// It is about something else.
    Ignore,
}

/// Kinds that decide over traffic whatever their names look like.
const DECIDING: [&str; 4] =
    ["AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "GlobalNetworkSet", "CiliumCIDRGroup"];

fn handling(api_version: &str, kind: &str) -> Handling {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    match (api_version, kind) {
        ("v1", "Namespace") => Handling::Read(Kind::Namespace),
        ("v1", "Pod") => Handling::Read(Kind::Pod),
        ("v1", "Node") => Handling::Read(Kind::Node),
        ("networking.k8s.io/v1", "NetworkPolicy") => Handling::Read(Kind::NetworkPolicy),
        (_, "NetworkPolicy") if group == "networking.k8s.io" || group == "extensions" => {
            Handling::Refuse("write it as networking.k8s.io/v1")
        }
        (_, "List") => Handling::Items,
        (_, kind) if kind.ends_with("Policy") && polices_traffic(group, kind) => Handling::Refuse(
            "leave it out to run without it, or wait for a version that enforces it",
        ),
        (_, kind) if DECIDING.contains(&kind) => Handling::Refuse(
            "leave it out to run without it, or wait for a version that enforces it",
        ),
        (_, kind) if kind.ends_with("List") => Handling::Items,
        _ => Handling::Ignore,
    }
}

/// Whether a policy is about traffic, as far as its group and kind tell.
fn polices_traffic(group: &str, kind: &str) -> bool {
    let groups = ["cilium.io", "projectcalico.org", "antrea.io", "policy.networking.k8s.io"];
    kind.contains("Network")
        || groups.iter().any(|known| {
            group == *known || group.strip_suffix(known).is_some_and(|sub| sub.ends_with('.'))
        })
}

fn document_of<'t>(
    reader: &mut Reader<'t>,
    node: &Node<'t>,
    objects: &mut Objects,
    seen: &mut Seen,
) {
    let Some((api_version, kind)) = type_of(reader, node) else { return };
    if !matches!(handling(&api_version, &kind), Handling::Items) {
        object(reader, node, (&api_version, &kind), objects, seen);
        return;
    }
    // The items of a typed list may leave out what the list says of them all.
    let item_kind = kind.strip_suffix("List").filter(|kind| !kind.is_empty());
    match node.get("items").map(|items| &items.value) {
        Some(Value::List(items)) => {
            for item in items {
                let (version, kind) = match item_kind {
                    Some(kind) if item.get("kind").is_none() => {
                        (api_version.clone(), kind.to_owned())
                    }
                    _ => match type_of(reader, item) {
                        Some(found) => found,
                        None => continue,
                    },
                };
                if matches!(handling(&version, &kind), Handling::Items) {
                    reader.error(item.span, "a list inside a list is not read");
                } else {
                    object(reader, item, (&version, &kind), objects, seen);
                }
            }
        }
        Some(Value::Null) => {}
        Some(_) => {
            reader.error(node.span, format!("the items of a {} must be a list", shown(&kind)))
        }
        None => reader.error(node.span, format!("a {} without items", shown(&kind))),
    }
}

/// `apiVersion` and `kind` of an object, or a complaint that says what it is instead.
fn type_of(reader: &mut Reader<'_>, node: &Node<'_>) -> Option<(String, String)> {
    if let Some(format) = foreign_format(node) {
        let help = "leave it out to run without it, or wait for a version that enforces it";
        reader.error_with_help(node.span, format!("{format}: not enforced by this version"), help);
        return None;
    }
    let text = |field| node.get(field).and_then(Node::text);
    if let (Some(api_version), Some(kind)) = (text("apiVersion"), text("kind")) {
        return Some((api_version.to_owned(), kind.to_owned()));
    }
    let message = match (&node.value, text("kind")) {
        (Value::Map(_), Some(kind)) => format!("{} without apiVersion", shown(kind)),
        (Value::Map(_), None) => "an object without kind".to_owned(),
        _ => "not an object".to_owned(),
    };
    let help = "expected a Kubernetes object: a map with apiVersion, kind, metadata";
    reader.error_with_help(node.span, message, help);
    None
}

/// The name of a format that is known but not read, found from the shape of the data.
fn foreign_format(node: &Node<'_>) -> Option<&'static str> {
    if let Value::List(items) = &node.value {
        return foreign_format(items.first()?);
    }
    let has = |field| {
        node.get(field).or_else(|| node.get("properties").and_then(|p| p.get(field))).is_some()
    };
    let kind = node.get("type").and_then(Node::text).unwrap_or_default().to_ascii_lowercase();
    let firewall = ["ruleCollections", "networkRuleCollections", "applicationRuleCollections"];
    if has("securityRules") || kind == "microsoft.network/networksecuritygroups" {
        Some("an Azure network security group")
    } else if firewall.into_iter().any(has)
        || has("natRuleCollections")
        || has("ruleCollectionGroups")
        || kind.starts_with("microsoft.network/azurefirewalls")
        || kind.starts_with("microsoft.network/firewallpolicies")
    {
        Some("an Azure Firewall or firewall policy")
    } else if node
        .get("$schema")
        .and_then(Node::text)
        .is_some_and(|s| s.contains("deploymentTemplate"))
    {
        Some("an Azure deployment template")
    } else if has("addressPrefixes") || (has("changeNumber") && has("values")) {
        Some("an Azure service-tag file")
    } else if kind.starts_with("microsoft.network/") {
        Some("an Azure network resource")
    } else {
        None
    }
}

fn object<'t>(
    reader: &mut Reader<'t>,
    node: &Node<'t>,
    (api_version, kind): (&str, &str),
    objects: &mut Objects,
    seen: &mut Seen,
) {
    let kind_span = node.get("kind").map_or(node.span, |kind| kind.span);
    let read = match handling(api_version, kind) {
        Handling::Read(read) => read,
        Handling::Refuse(help) => {
            let message = format!(
                "{} of {} is not enforced by this version",
                shown(kind),
                shown(api_version)
            );
            reader.error_with_help(kind_span, message, help);
            return;
        }
        Handling::Items | Handling::Ignore => {
            let message = format!("{} of {} is ignored", shown(kind), shown(api_version));
            reader.warning(kind_span, message, "it says nothing about traffic that is read here");
            return;
        }
    };
    let named = match read {
        Kind::Namespace => pod::read_namespace(reader, node).map(|namespace| {
            let id = (String::new(), namespace.name.clone(), namespace.origin);
            objects.namespaces.push(namespace);
            id
        }),
        Kind::Pod => pod::read_pod(reader, node).map(|pod| {
            let id = (pod.namespace.clone(), pod.name.clone(), pod.origin);
            objects.pods.push(pod);
            id
        }),
        Kind::Node => pod::read_node(reader, node).map(|node| {
            let id = (String::new(), node.name.clone(), node.origin);
            objects.nodes.push(node);
            id
        }),
        Kind::NetworkPolicy => netpol::read(reader, node).map(|policy| {
            let id = (policy.namespace.clone(), policy.name.clone(), policy.origin);
            objects.policies.push(policy);
            id
        }),
    };
    if let Some((namespace, name, origin)) = named {
        unique(reader, (read, namespace, name), origin, &objects.sources, seen);
    }
}

/// Complains about the second object of one kind, namespace and name.
fn unique(
    reader: &mut Reader<'_>,
    id: (Kind, String, String),
    origin: Origin,
    sources: &[String],
    seen: &mut Seen,
) {
    let Some(first) = seen.get(&id) else {
        seen.insert(id, origin);
        return;
    };
    let (kind, namespace, name) = &id;
    let slash = if namespace.is_empty() { "" } else { "/" };
    let message = format!(
        "{kind:?} {namespace}{slash}{name} was already given at {}:{}",
        sources[first.source], first.line
    );
    reader.error_with_help(origin.span, message, "which of the two counts is a guess: keep one");
}

/// The span of an object's name, or of the object.
pub(crate) fn name_span(node: &Node<'_>) -> Span {
    node.get("metadata")
        .and_then(|metadata| metadata.get("name"))
        .map_or(node.span, |name| name.span)
}
