//! What NetworkPolicy means, one test a statement: `(packet, policy => verdict; "label")`.

use flowtable::key::Proto;
use rules::{Ends, Unmatched, Verdict};

use crate::kit::{World, tuple};

mod peers;

const WEB: &str = "10.1.0.1";
const DB: &str = "10.1.0.2";
const BARE: &str = "10.1.0.3";
const OTHER: &str = "10.2.0.1";
const WEB6: &str = "fd00:1::1";
const OUT: &str = "198.51.100.7";
const OUT6: &str = "2001:db8::7";

/// Two namespaces and four pods: `shop/web`, `shop/db`, `shop/bare` with no labels, `lab/other`.
fn world(policies: &str) -> World {
    World::new(&format!("{}{policies}", pods()), Unmatched::Allow)
}

fn pods() -> String {
    let mut text =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: a}}\n".to_owned();
    for (namespace, name, labels, ips, ports) in [
        ("shop", "web", "app: web", vec![WEB, WEB6], "[{name: http, containerPort: 8080}]"),
        (
            "shop",
            "db",
            "app: db, tier: back",
            vec![DB],
            "[{name: http, containerPort: 80}, {name: dns, containerPort: 53, protocol: UDP}]",
        ),
        ("shop", "bare", "", vec![BARE], "[]"),
        ("lab", "other", "app: web", vec![OTHER], "[]"),
    ] {
        let ips: Vec<String> = ips.iter().map(|ip| format!("{{ip: \"{ip}\"}}")).collect();
        text += &format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: \
             {{{labels}}}}}\nspec: {{containers: [{{name: main, ports: {ports}}}]}}\nstatus: {{podIPs: \
             [{}]}}\n",
            ips.join(", ")
        );
    }
    text
}

/// A policy `shop/NAME` with a spec in flow style.
fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: \
         shop}}\nspec: {{{spec}}}\n"
    )
}

/// Judges packets under one policy of the namespace `shop`.
fn judge(spec: &str, packets: &[(&str, &str, Proto, u16, Verdict, &str)]) {
    judge_all(&world(&policy("p", spec)), packets);
}

fn judge_all(world: &World, packets: &[(&str, &str, Proto, u16, Verdict, &str)]) {
    for &(src, dst, proto, port, expected, label) in packets {
        assert_eq!(world.verdict(&tuple(src, dst, proto, port)), expected, "{label}");
    }
}

use Verdict::{Allow, Deny};
const TCP: Proto = Proto::TCP;
const UDP: Proto = Proto::UDP;
const SCTP: Proto = Proto::SCTP;
const ICMP: Proto = Proto::ICMP;

#[test]
fn k1_without_a_policy_everything_is_allowed_in_that_direction() {
    let alone = world("");
    judge_all(&alone, &[(WEB, OUT, TCP, 443, Allow, "out"), (OUT, WEB, TCP, 80, Allow, "in")]);
    judge(
        "podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress]",
        &[
            (WEB, OUT, TCP, 443, Allow, "isolation for ingress leaves egress alone"),
            (DB, WEB, TCP, 80, Deny, "ingress is isolated"),
            (WEB, DB, TCP, 80, Allow, "another pod is not selected"),
        ],
    );
}

#[test]
fn k2_each_direction_is_isolated_by_a_policy_of_its_type() {
    judge(
        "podSelector: {matchLabels: {app: web}}, policyTypes: [Egress]",
        &[(WEB, OUT, TCP, 443, Deny, "egress"), (OUT, WEB, TCP, 80, Allow, "ingress")],
    );
    judge(
        "podSelector: {}, policyTypes: [Egress, Ingress]",
        &[(WEB, OUT, TCP, 443, Deny, "egress"), (OUT, WEB, TCP, 80, Deny, "ingress")],
    );
}

#[test]
fn k3_policy_types_default_to_ingress_and_to_egress_if_there_is_an_egress_rule() {
    judge(
        "podSelector: {}",
        &[
            (OUT, WEB, TCP, 80, Deny, "ingress always"),
            (WEB, OUT, TCP, 443, Allow, "no egress section"),
        ],
    );
    judge("podSelector: {}, egress: []", &[(WEB, OUT, TCP, 443, Allow, "no egress rule")]);
    judge(
        "podSelector: {}, egress: [{ports: [{port: 53, protocol: UDP}]}]",
        &[
            (OUT, WEB, TCP, 80, Deny, "ingress all the same"),
            (WEB, OUT, TCP, 443, Deny, "an egress rule isolates"),
            (WEB, OUT, UDP, 53, Allow, "and allows"),
        ],
    );
    judge(
        "podSelector: {}, policyTypes: [], egress: [{}]",
        &[(OUT, WEB, TCP, 80, Deny, "an empty list is no list")],
    );
}

#[test]
fn k4_an_empty_or_absent_selector_selects_the_whole_namespace() {
    for spec in [
        "podSelector: {}",
        "policyTypes: [Ingress]",
        "podSelector: null",
        "podSelector: {matchLabels: {}}",
    ] {
        judge(
            spec,
            &[
                (OUT, WEB, TCP, 80, Deny, "one pod"),
                (OUT, BARE, TCP, 80, Deny, "a pod without labels"),
                (OUT, OTHER, TCP, 80, Allow, "not the next namespace"),
            ],
        );
    }
}

#[test]
fn k5_no_rule_denies_all_and_an_empty_rule_allows_all() {
    for spec in
        ["podSelector: {}, ingress: []", "podSelector: {}", "podSelector: {}, ingress: null"]
    {
        judge(spec, &[(DB, WEB, TCP, 80, Deny, "no rule")]);
    }
    judge(
        "podSelector: {}, ingress: [{}]",
        &[(DB, WEB, TCP, 80, Allow, "a pod"), (OUT6, WEB6, UDP, 1, Allow, "anybody")],
    );
    judge(
        "podSelector: {}, policyTypes: [Egress], egress: [{}]",
        &[(WEB, OUT, ICMP, 0, Allow, "egress too")],
    );
}

#[test]
fn k6_what_any_policy_allows_is_allowed_in_any_order() {
    let deny = policy("deny", "podSelector: {}");
    let web = policy(
        "web",
        "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]",
    );
    let port = policy("port", "podSelector: {}, ingress: [{ports: [{port: 9}]}]");
    for order in [[&deny, &web, &port], [&port, &web, &deny], [&web, &deny, &port]] {
        let world = world(&order.map(String::as_str).concat());
        judge_all(
            &world,
            &[
                (WEB, DB, TCP, 80, Allow, "by one"),
                (BARE, DB, TCP, 9, Allow, "by another"),
                (BARE, DB, TCP, 80, Deny, "by none"),
            ],
        );
    }
}

#[test]
fn k7_both_ends_must_allow() {
    let egress = policy(
        "out",
        "podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]",
    );
    let ingress = policy(
        "in",
        "podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 443}, {port: 80}]}]",
    );
    judge_all(
        &world(&(egress + &ingress)),
        &[
            (WEB, DB, TCP, 80, Allow, "both"),
            (WEB, DB, TCP, 443, Deny, "the source's egress does not"),
            (WEB, OUT, TCP, 80, Allow, "the other end is not isolated"),
            (BARE, DB, TCP, 443, Allow, "the source is not isolated"),
            (BARE, DB, TCP, 444, Deny, "the destination's ingress does not"),
        ],
    );
}

#[test]
fn k7_one_end_can_be_asked_alone() {
    let world = world(&policy("p", "podSelector: {}, ingress: []"));
    for (ends, expected) in [(Ends::Ours, Deny), (Ends::Inbound, Deny), (Ends::Outbound, Allow)] {
        let question = rules::Tuple { ends, ..tuple(WEB, DB, TCP, 80) };
        assert_eq!(world.verdict(&question), expected, "{ends:?}");
    }
}

#[test]
fn k9_a_rule_is_one_of_its_ports_and_one_of_its_peers() {
    judge(
        "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: \
         198.51.100.0/24}}], ports: [{port: 80}, {port: 53, protocol: UDP}]}]",
        &[
            (WEB, DB, TCP, 80, Allow, "first peer, first port"),
            (WEB, DB, UDP, 53, Allow, "first peer, second port"),
            (OUT, DB, UDP, 53, Allow, "second peer, second port"),
            (OUT, DB, UDP, 80, Deny, "the port of another protocol"),
            (BARE, DB, TCP, 80, Deny, "no peer"),
            (WEB, DB, TCP, 81, Deny, "no port"),
        ],
    );
    judge(
        "podSelector: {}, ingress: [{from: [], ports: []}]",
        &[(OUT, DB, TCP, 1, Allow, "empty lists are all")],
    );
}

#[test]
fn k10_the_protocol_is_tcp_if_not_said_and_alone_means_every_port() {
    judge(
        "podSelector: {}, ingress: [{ports: [{port: 80}, {protocol: UDP}]}]",
        &[
            (OUT, DB, TCP, 80, Allow, "tcp by default"),
            (OUT, DB, SCTP, 80, Deny, "not sctp"),
            (OUT, DB, UDP, 1, Allow, "first udp port"),
            (OUT, DB, UDP, 65535, Allow, "last udp port"),
            (OUT, DB, TCP, 81, Deny, "tcp only where said"),
        ],
    );
    judge(
        "podSelector: {}, ingress: [{ports: [{}]}]",
        &[
            (OUT, DB, TCP, 7, Allow, "an empty element is all of tcp"),
            (OUT, DB, UDP, 7, Deny, "and no more"),
        ],
    );
}

#[test]
fn k11_a_rule_with_ports_matches_no_other_protocol_and_one_without_matches_all() {
    let all_ports =
        "podSelector: {}, ingress: [{ports: [{protocol: TCP}, {protocol: UDP}, {protocol: SCTP}]}]";
    judge(
        all_ports,
        &[
            (OUT, DB, ICMP, 0, Deny, "icmp"),
            (OUT6, WEB6, Proto::ICMPV6, 0, Deny, "icmpv6"),
            (OUT, DB, Proto(47), 0, Deny, "gre"),
        ],
    );
    judge(
        "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.7/32}}]}]",
        &[
            (OUT, DB, ICMP, 0, Allow, "icmp with the peer"),
            (OUT, DB, Proto(47), 0, Allow, "gre with the peer"),
            ("198.51.100.8", DB, ICMP, 0, Deny, "not with another"),
        ],
    );
}

#[test]
fn k12_a_port_range_has_both_its_ends() {
    judge(
        "podSelector: {}, ingress: [{ports: [{port: 100, endPort: 200}, {port: 7, endPort: 7}]}]",
        &[
            (OUT, DB, TCP, 99, Deny, "below"),
            (OUT, DB, TCP, 100, Allow, "first"),
            (OUT, DB, TCP, 200, Allow, "last"),
            (OUT, DB, TCP, 201, Deny, "above"),
            (OUT, DB, TCP, 7, Allow, "one port"),
            (OUT, DB, UDP, 150, Deny, "another protocol"),
        ],
    );
}

#[test]
fn k13_a_port_name_is_looked_up_on_the_destination_pod() {
    judge(
        "podSelector: {}, ingress: [{ports: [{port: http}, {port: dns}]}]",
        &[
            (OUT, WEB, TCP, 8080, Allow, "one pod's number"),
            (OUT, DB, TCP, 80, Allow, "another pod's number"),
            (OUT, DB, TCP, 8080, Deny, "not the other's"),
            (OUT, DB, UDP, 53, Deny, "the name has another protocol"),
            (OUT, BARE, TCP, 80, Deny, "a pod without the name"),
        ],
    );
    judge(
        "podSelector: {}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: http}, \
         {port: dns, protocol: UDP}]}]",
        &[
            (WEB, DB, TCP, 80, Allow, "the peer's number"),
            (DB, WEB, TCP, 8080, Allow, "the other peer's"),
            (WEB, DB, TCP, 8080, Deny, "not the source's own"),
            (WEB, DB, UDP, 53, Allow, "by protocol"),
            (WEB, OUT, TCP, 80, Deny, "nobody to ask"),
        ],
    );
}

#[test]
fn k13_a_port_name_with_an_address_block_matches_nothing_on_the_way_out() {
    let egress = |to: &str| {
        format!(
            "podSelector: {{}}, policyTypes: [Egress], egress: [{{{to}ports: [{{port: http}}, {{port: 443}}]}}]"
        )
    };
    judge(
        &egress("to: [{ipBlock: {cidr: 0.0.0.0/0}}], "),
        &[
            (WEB, DB, TCP, 80, Deny, "the block covers the pod, but does not know it"),
            (WEB, DB, TCP, 443, Allow, "a number needs no pod"),
            (WEB, OUT, TCP, 80, Deny, "outside"),
        ],
    );
    judge(
        &egress("to: [{ipBlock: {cidr: 0.0.0.0/0}}, {podSelector: {}}], "),
        &[(WEB, DB, TCP, 80, Allow, "another element knows the pod")],
    );
    judge(
        &egress(""),
        &[
            (WEB, DB, TCP, 80, Allow, "any peer, a pod"),
            (WEB, OUT, TCP, 80, Deny, "any peer, outside"),
            (WEB, OUT, TCP, 443, Allow, "any peer, a number"),
        ],
    );
    judge(
        "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 198.51.100.0/24}}], ports: [{port: http}]}]",
        &[(OUT, DB, TCP, 80, Allow, "on the way in the protected pod is asked")],
    );
}

#[test]
fn k13_of_two_ports_of_one_name_the_first_counts() {
    let twice = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: twice, namespace: shop}\nspec:\n  \
                 containers: [{ports: [{name: adm, containerPort: 1}]}, {ports: [{name: adm, containerPort: 2}]}]\n  \
                 initContainers: [{restartPolicy: Always, ports: [{name: side, containerPort: 3}]}, {ports: \
                 [{name: done, containerPort: 4}]}]\nstatus: {podIP: 10.1.0.9}\n";
    let spec = "podSelector: {}, ingress: [{ports: [{port: adm}, {port: side}, {port: done}]}]";
    judge_all(
        &world(&(twice.to_owned() + &policy("p", spec))),
        &[
            (OUT, "10.1.0.9", TCP, 1, Allow, "the first container"),
            (OUT, "10.1.0.9", TCP, 2, Deny, "not the second"),
            (OUT, "10.1.0.9", TCP, 3, Allow, "an init container that keeps running"),
            (OUT, "10.1.0.9", TCP, 4, Deny, "not one that ends"),
        ],
    );
}
