//! The tables against the reference, over worlds that a generator makes. Every rule, port and block is drawn from
//! few values so that packets meet them, at their edges too.

use std::fmt::Write as _;

use flowtable::key::{Port, Proto};
use rules::{Ends, Layer, Tuple, Unmatched, Verdict};

use crate::kit::{Rng, World, address};

const NAMESPACES: [&str; 3] = ["red", "blue", "green"];
const LABELS: [&str; 5] =
    ["app: web", "app: db", "tier: front", "tier: back", "app: web, tier: back"];
const EXPRESSIONS: [&str; 6] = [
    "{key: app, operator: In, values: [web, api]}",
    "{key: app, operator: NotIn, values: [db]}",
    "{key: tier, operator: Exists}",
    "{key: tier, operator: DoesNotExist}",
    "{key: app, operator: NotIn, values: [web, api]}",
    "{key: kubernetes.io/metadata.name, operator: In, values: [red, green]}",
];
const BLOCKS: [&str; 9] = [
    "cidr: 0.0.0.0/0",
    "cidr: \"::/0\"",
    "cidr: 10.0.0.0/8",
    "cidr: 10.0.0.0/29",
    "cidr: 10.0.0.0/8, except: [10.0.0.4/30, 10.0.0.0/31]",
    "cidr: 0.0.0.0/0, except: [10.0.0.0/8]",
    "cidr: \"fd00::/64\", except: [\"fd00::2/127\"]",
    "cidr: 198.51.100.7/32",
    "cidr: \"::/0\", except: [\"fd00::/16\"]",
];
const PORTS: [&str; 11] = [
    "{port: 80}",
    "{port: 443, protocol: TCP}",
    "{port: 53, protocol: UDP}",
    "{port: 80, endPort: 90}",
    "{port: 1, endPort: 65535, protocol: SCTP}",
    "{protocol: UDP}",
    "{protocol: TCP}",
    "{port: http}",
    "{port: http, protocol: UDP}",
    "{port: dns, protocol: UDP}",
    "{port: nobody}",
];
const STRANGERS: [&str; 6] =
    ["198.51.100.7", "198.51.100.8", "2001:db8::7", "192.0.2.1", "192.0.2.2", "10.0.0.200"];

fn selector(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => "{}".to_owned(),
        1 | 2 => format!("{{matchLabels: {{{}}}}}", rng.pick(&LABELS)),
        _ => format!("{{matchExpressions: [{}]}}", rng.pick(&EXPRESSIONS)),
    }
}

fn namespace_selector(rng: &mut Rng) -> String {
    match rng.below(4) {
        0 => "{}".to_owned(),
        1 => format!("{{matchLabels: {{kubernetes.io/metadata.name: {}}}}}", rng.pick(&NAMESPACES)),
        2 => format!("{{matchExpressions: [{}]}}", rng.pick(&EXPRESSIONS)),
        _ => "{matchLabels: {env: prod}}".to_owned(),
    }
}

fn peer(rng: &mut Rng) -> String {
    match rng.below(5) {
        0 | 1 => format!("{{ipBlock: {{{}}}}}", rng.pick(&BLOCKS)),
        2 => format!("{{podSelector: {}}}", selector(rng)),
        3 => format!("{{namespaceSelector: {}}}", namespace_selector(rng)),
        _ => format!(
            "{{podSelector: {}, namespaceSelector: {}}}",
            selector(rng),
            namespace_selector(rng)
        ),
    }
}

fn list(rng: &mut Rng, most: usize, element: fn(&mut Rng) -> String) -> String {
    let elements: Vec<String> = (0..rng.below(most + 1)).map(|_| element(rng)).collect();
    format!("[{}]", elements.join(", "))
}

fn port(rng: &mut Rng) -> String {
    rng.pick(&PORTS).to_owned()
}

fn rules(rng: &mut Rng, peers: &str) -> String {
    let rules: Vec<String> = (0..rng.below(4))
        .map(|_| format!("{{{peers}: {}, ports: {}}}", list(rng, 3, peer), list(rng, 3, port)))
        .collect();
    format!("[{}]", rules.join(", "))
}

/// A world as text, and the addresses in it.
fn world(rng: &mut Rng) -> (String, Vec<String>) {
    let mut text = String::new();
    let mut addresses: Vec<String> = STRANGERS.map(str::to_owned).to_vec();
    for namespace in NAMESPACES {
        if !rng.once_in(3) {
            let env = rng.pick(&["prod", "test"]);
            let _ = write!(text, "---\napiVersion: v1\nkind: Namespace\n");
            let _ = writeln!(text, "metadata: {{name: {namespace}, labels: {{env: {env}}}}}");
        }
    }
    let _ = write!(text, "---\napiVersion: v1\nkind: Node\nmetadata: {{name: n1}}\n");
    let _ = writeln!(text, "status: {{addresses: [{{type: InternalIP, address: 192.0.2.1}}]}}");
    for pod in 0..4 + rng.below(6) {
        let namespace = rng.pick(&NAMESPACES);
        let labels = if rng.once_in(5) { "" } else { rng.pick(&LABELS) };
        let http = rng.pick(&["80", "85", "443"]);
        let proto = rng.pick(&["TCP", "UDP"]);
        let phase = if rng.once_in(8) { "Succeeded" } else { "Running" };
        let host = if rng.once_in(10) { "hostNetwork: true, " } else { "" };
        let node = rng.pick(&["n1", "n2"]);
        let status = rng.pick(&["192.0.2.1", "192.0.2.2"]);
        let _ = write!(text, "---\napiVersion: v1\nkind: Pod\n");
        let _ = writeln!(
            text,
            "metadata: {{name: pod{pod}, namespace: {namespace}, labels: {{{labels}}}}}"
        );
        let _ = writeln!(
            text,
            "spec: {{{host}nodeName: {node}, containers: [{{ports: [{{name: http, containerPort: {http}, \
             protocol: {proto}}}, {{name: dns, containerPort: 53, protocol: UDP}}]}}]}}"
        );
        let both = format!("[{{ip: 10.0.0.{pod}}}, {{ip: \"fd00::{pod}\"}}]");
        let _ = writeln!(text, "status: {{phase: {phase}, hostIP: {status}, podIPs: {both}}}");
        addresses.push(format!("10.0.0.{pod}"));
        addresses.push(format!("fd00::{pod}"));
    }
    for policy in 0..1 + rng.below(5) {
        let namespace = rng.pick(&NAMESPACES);
        let types = rng.pick(&[
            "",
            "policyTypes: [Ingress], ",
            "policyTypes: [Egress], ",
            "policyTypes: [Egress, Ingress], ",
        ]);
        let (pods, ingress, egress) = (selector(rng), rules(rng, "from"), rules(rng, "to"));
        let _ = write!(text, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n");
        let _ = writeln!(text, "metadata: {{name: policy{policy}, namespace: {namespace}}}");
        let _ = writeln!(
            text,
            "spec: {{{types}podSelector: {pods}, ingress: {ingress}, egress: {egress}}}"
        );
    }
    (text, addresses)
}

/// Most often a pod, whose addresses follow those of the strangers.
fn end<'a>(rng: &mut Rng, addresses: &'a [String]) -> &'a str {
    let first = if rng.once_in(4) { 0 } else { STRANGERS.len() };
    &addresses[first + rng.below(addresses.len() - first)]
}

fn packet(rng: &mut Rng, addresses: &[String]) -> Tuple {
    let (src, dst) = (end(rng, addresses), end(rng, addresses));
    let protos =
        [Proto::TCP, Proto::TCP, Proto::UDP, Proto::UDP, Proto::SCTP, Proto::ICMP, Proto(47)];
    let proto = protos[rng.below(protos.len())];
    let ports = [1, 53, 79, 80, 85, 90, 91, 443, 65535];
    let dport = if proto.has_ports() { ports[rng.below(ports.len())] } else { 0 };
    let ends = match rng.below(10) {
        0 => Ends::Outbound,
        1 => Ends::Inbound,
        _ => Ends::Ours,
    };
    let sport = if proto.has_ports() { 50_000 } else { 0 };
    Tuple { ends, ..Tuple::new(address(src), address(dst), proto, Port(sport), Port(dport)) }
}

/// Pairs of a world and a packet that a policy decides: as many of each verdict, so that neither judge can win by
/// saying always the same.
const PAIRS_OF_EACH: usize = 12_000;

#[test]
fn the_tables_and_the_reference_never_disagree() {
    let mut rng = Rng(0x51_1c_e0);
    let (mut allowed, mut denied, mut unmatched) = (0, 0, 0);
    while allowed < PAIRS_OF_EACH || denied < PAIRS_OF_EACH {
        let (text, addresses) = world(&mut rng);
        let default = if rng.once_in(2) { Unmatched::Allow } else { Unmatched::Deny };
        let world = World::new(&text, default);
        for _ in 0..40 {
            let packet = packet(&mut rng, &addresses);
            let verdict = world.verdict(&packet);
            let count = match (world.policy.decide(&packet).layer, verdict) {
                (Layer::Unmatched, _) => &mut unmatched,
                (_, Verdict::Allow) => &mut allowed,
                (_, Verdict::Deny) => &mut denied,
            };
            *count += 1;
        }
    }
    println!("{allowed} allowed and {denied} denied by a policy, {unmatched} by none");
}
