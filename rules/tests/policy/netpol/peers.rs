//! Peers, identities, selectors, and what stands outside the policies.

use rules::Unmatched;

use super::{
    Allow, BARE, DB, Deny, OTHER, OUT, OUT6, SCTP, TCP, WEB, WEB6, judge, judge_all, pods, policy,
    world,
};
use crate::kit::{World, pod, tuple};

#[test]
fn k14_two_selectors_in_one_peer_are_and_in_two_are_or() {
    let shop = "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}";
    let web = "podSelector: {matchLabels: {app: web}}";
    judge(
        &format!("podSelector: {{}}, ingress: [{{from: [{{{shop}, {web}}}]}}]"),
        &[
            (WEB, DB, TCP, 80, Allow, "both hold"),
            (BARE, DB, TCP, 80, Deny, "the namespace alone"),
            (OTHER, DB, TCP, 80, Deny, "the pod alone"),
        ],
    );
    judge(
        &format!("podSelector: {{}}, ingress: [{{from: [{{{shop}}}, {{{web}}}]}}]"),
        &[
            (BARE, DB, TCP, 80, Allow, "the namespace alone"),
            (WEB, DB, TCP, 80, Allow, "both"),
            (OTHER, DB, TCP, 80, Deny, "a pod selector alone means the own namespace"),
        ],
    );
}

#[test]
fn k15_empty_peer_selectors_select_pods_and_never_outside_addresses() {
    judge(
        "podSelector: {}, ingress: [{from: [{podSelector: {}}]}]",
        &[
            (BARE, DB, TCP, 80, Allow, "own namespace"),
            (OTHER, DB, TCP, 80, Deny, "another namespace"),
            (OUT, DB, TCP, 80, Deny, "outside"),
        ],
    );
    judge(
        "podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]",
        &[(OTHER, DB, TCP, 80, Allow, "every namespace"), (OUT, DB, TCP, 80, Deny, "outside")],
    );
}

#[test]
fn k16_an_excepted_address_is_not_matched_by_this_rule_alone() {
    judge(
        "podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 198.51.100.0/24, except: \
         [198.51.100.7/32, 198.51.100.128/25]}}]}, {to: [{ipBlock: {cidr: 198.51.100.7/32}}], ports: [{port: 53}]}]",
        &[
            (WEB, "198.51.100.6", TCP, 80, Allow, "before the exception"),
            (WEB, OUT, TCP, 80, Deny, "excepted"),
            (WEB, OUT, TCP, 53, Allow, "another rule allows it"),
            (WEB, "198.51.100.8", TCP, 80, Allow, "behind it"),
            (WEB, "198.51.100.128", TCP, 80, Deny, "the second exception"),
            (WEB, "198.51.101.0", TCP, 80, Deny, "outside the block"),
        ],
    );
}

#[test]
fn k18_an_address_block_matches_pods_of_its_family() {
    judge(
        "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/31}}]}]",
        &[
            (WEB, DB, TCP, 80, Allow, "a pod by its address"),
            (BARE, DB, TCP, 80, Deny, "a pod outside"),
        ],
    );
    judge(
        "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]",
        &[(OUT, WEB, TCP, 80, Allow, "every v4"), (OUT6, WEB6, TCP, 80, Deny, "no v6")],
    );
    judge(
        "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: \"::/0\"}}]}]",
        &[(OUT6, WEB6, TCP, 80, Allow, "every v6"), (OUT, WEB, TCP, 80, Deny, "no v4")],
    );
}

#[test]
fn k19_a_pod_reaches_itself_and_its_node_reaches_it() {
    let node = "---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, \
                address: 192.0.2.1}, {type: Hostname, address: n1}]}\n---\napiVersion: v1\nkind: Node\nmetadata: \
                {name: n2}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.2}]}\n";
    let homed = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: homed, namespace: shop}\nspec: {nodeName: n1}\n\
                 status: {podIP: 10.1.0.9, hostIP: 192.0.2.1}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: \
                 third, namespace: shop}\nspec: {nodeName: n3}\nstatus: {podIP: 10.1.0.10, hostIP: 192.0.2.3}\n";
    let deny = policy("deny", "podSelector: {}, policyTypes: [Ingress, Egress]");
    judge_all(
        &world(&format!("{node}{homed}{deny}")),
        &[
            (WEB, WEB, TCP, 80, Allow, "itself"),
            (WEB, WEB6, TCP, 80, Allow, "itself by another address"),
            ("192.0.2.1", "10.1.0.9", TCP, 10250, Allow, "its node"),
            ("192.0.2.2", "10.1.0.9", TCP, 10250, Deny, "another node"),
            ("10.1.0.9", "192.0.2.1", TCP, 10250, Deny, "only for ingress"),
            ("192.0.2.3", "10.1.0.10", TCP, 80, Allow, "a node known from the pod's status alone"),
            ("192.0.2.3", "10.1.0.9", TCP, 80, Deny, "which is not another pod's node"),
        ],
    );
}

#[test]
fn k20_a_pod_on_its_nodes_network_is_no_pod_to_policies() {
    let host = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: agent, namespace: shop, labels: {app: agent}}\n\
                spec: {hostNetwork: true}\nstatus: {podIP: 192.0.2.1}\n";
    let deny =
        policy("deny", "podSelector: {matchLabels: {app: agent}}, policyTypes: [Ingress, Egress]");
    let from = policy(
        "from",
        "podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {}}]}, {from: [{ipBlock: \
         {cidr: 192.0.2.0/24}}], ports: [{port: 9}]}]",
    );
    judge_all(
        &world(&format!("{host}{deny}{from}")),
        &[
            (OUT, "192.0.2.1", TCP, 80, Allow, "not isolated"),
            ("192.0.2.1", DB, TCP, 80, Deny, "not selected as a peer"),
            ("192.0.2.1", DB, TCP, 9, Allow, "matched by its address"),
        ],
    );
}

#[test]
fn k21_every_namespace_has_its_name_as_a_label() {
    let from = |name: &str| {
        format!(
            "podSelector: {{}}, ingress: [{{from: [{{namespaceSelector: {{matchExpressions: [{{key: \
             kubernetes.io/metadata.name, operator: In, values: [{name}]}}]}}}}]}}]"
        )
    };
    judge(
        &from("lab"),
        &[
            (OTHER, DB, TCP, 80, Allow, "a namespace without an object"),
            (WEB, DB, TCP, 80, Deny, "another"),
        ],
    );
    judge(
        &from("shop"),
        &[(WEB, DB, TCP, 80, Allow, "a namespace with an object that does not say so")],
    );
    judge(
        "podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]",
        &[
            (WEB, DB, TCP, 80, Allow, "a label of its object"),
            (OTHER, DB, TCP, 80, Deny, "a namespace without it"),
        ],
    );
}

#[test]
fn k24_sctp_is_a_protocol_like_the_others() {
    judge(
        "podSelector: {}, ingress: [{ports: [{port: 36412, protocol: SCTP}]}]",
        &[(OUT, DB, SCTP, 36412, Allow, "sctp"), (OUT, DB, TCP, 36412, Deny, "tcp")],
    );
}

#[test]
fn k25_expressions_compare_labels_and_notin_holds_without_the_key() {
    for (expression, web, db, bare) in [
        ("{key: app, operator: In, values: [web, x]}", Allow, Deny, Deny),
        ("{key: app, operator: NotIn, values: [web]}", Deny, Allow, Allow),
        ("{key: tier, operator: Exists}", Deny, Allow, Deny),
        ("{key: tier, operator: DoesNotExist}", Allow, Deny, Allow),
        ("{key: app, operator: Exists}, {key: tier, operator: DoesNotExist}", Allow, Deny, Deny),
    ] {
        let spec = format!(
            "podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{podSelector: {{matchExpressions: \
             [{expression}]}}}}]}}]"
        );
        let source = OTHER.replace("10.2", "10.3");
        let text = pods() + &pod("shop", "source", "", &source) + &policy("p", &spec);
        let world = World::new(&text, Unmatched::Allow);
        for (peer, expected) in [(WEB, web), (DB, db), (BARE, bare)] {
            assert_eq!(
                world.verdict(&tuple(&source, peer, TCP, 80)),
                expected,
                "{expression} {peer}"
            );
        }
    }
}

#[test]
fn k26_a_pod_that_ended_has_no_identity() {
    for phase in ["Succeeded", "Failed"] {
        let ended = format!(
            "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: job, namespace: shop, labels: {{app: \
             web}}}}\nstatus: {{podIP: 10.1.0.9, phase: {phase}}}\n"
        );
        let spec = "podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]";
        let reused = pod("lab", "new", "", "10.1.0.9");
        for others in [String::new(), reused] {
            judge_all(
                &world(&(ended.clone() + &others + &policy("p", spec))),
                &[
                    ("10.1.0.9", DB, TCP, 80, Deny, "its labels count no more"),
                    (OUT, "10.1.0.9", TCP, 80, Allow, "nor is its address isolated"),
                ],
            );
        }
    }
}

#[test]
fn unmatched_decides_where_no_end_is_isolated() {
    for (unmatched, expected) in [(Unmatched::Allow, Allow), (Unmatched::Deny, Deny)] {
        let deny_web = policy("web", "podSelector: {matchLabels: {app: web}}, ingress: [{}]");
        let world = World::new(&(pods() + &deny_web), unmatched);
        judge_all(
            &world,
            &[
                (DB, OUT, TCP, 80, expected, "a pod that no policy selects"),
                (OUT, "203.0.113.9", TCP, 80, expected, "two strangers"),
                (WEB, DB, TCP, 80, expected, "isolated in the other direction only"),
                (OUT, WEB, TCP, 80, Allow, "a policy spoke"),
            ],
        );
    }
}
