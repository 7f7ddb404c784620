//! Files that are wrong: every error at once, each at its place, with what would do.

use rules::{Settings, Severity, Source, compile, load};

use crate::kit::{load_text, pod, shown};

/// A policy with the lines of a spec, which begin at line 4 of the file.
fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: n}}\n{spec}"
    )
}

/// Expects exactly one finding, as it is shown.
fn finds(text: &str, expected: &str) {
    assert_eq!(shown(&load_text(text)).trim_end(), expected, "\n{text}");
}

#[test]
fn a_misspelt_field_of_a_policy_is_an_error_with_the_nearest_name() {
    for (spec, expected) in [
        (
            "spec: {podSelecter: {}}",
            "test.yaml:4:8: error: spec has no field `podSelecter`\n  help: did you mean `podSelector`?",
        ),
        (
            "spec:\n  podSelector:\n    matchlabels: {a: b}",
            "test.yaml:6:5: error: spec.podSelector has no field `matchlabels`\n  help: did you mean `matchLabels`?",
        ),
        (
            "spec:\n  ingress:\n  - form: []",
            "test.yaml:6:5: error: spec.ingress[0] has no field `form`\n  help: did you mean `from`?",
        ),
        (
            "spec:\n  egress:\n  - from: []",
            "test.yaml:6:5: error: spec.egress[0] has no field `from`\n  help: its fields are ports, to",
        ),
        (
            "spec:\n  ingress:\n  - ports:\n    - {port: 1, endport: 2}",
            "test.yaml:7:17: error: spec.ingress[0].ports[0] has no field `endport`\n  help: did you mean `endPort`?",
        ),
        (
            "spec: {}\nspce: {}",
            "test.yaml:5:1: error: NetworkPolicy has no field `spce`\n  help: did you mean `spec`?",
        ),
    ] {
        finds(&policy(spec), expected);
    }
    finds(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namepsace: n}\nspec: {}",
        "test.yaml:3:21: error: metadata has no field `namepsace`\n  help: did you mean `namespace`?",
    );
}

#[test]
fn values_the_api_server_refuses_are_refused() {
    for (rule, place, expected) in [
        (
            "ports: [{port: 0}]",
            21,
            "spec.ingress[0].ports[0].port must be a port from 1 to 65535, not `0`",
        ),
        (
            "ports: [{port: 65536}]",
            21,
            "spec.ingress[0].ports[0].port must be a port from 1 to 65535, not `65536`",
        ),
        (
            "ports: [{port: 080}]",
            21,
            "spec.ingress[0].ports[0].port must be a port from 1 to 65535, not `080`",
        ),
        (
            "ports: [{port: \"80\"}]",
            21,
            "spec.ingress[0].ports[0].port: `80` is no port name\n  help: write 80 without quotes",
        ),
        (
            "ports: [{port: 9, endPort: 8}]",
            33,
            "spec.ingress[0].ports[0]: endPort 8 is below port 9\n  help: write the lower number as port",
        ),
        (
            "ports: [{port: a, endPort: 8}]",
            33,
            "spec.ingress[0].ports[0] has endPort with a named port\n  help: a range takes two numbers",
        ),
        ("ports: [{endPort: 8}]", 24, "spec.ingress[0].ports[0] has endPort without port"),
        (
            "ports: [{protocol: ICMP}]",
            25,
            "spec.ingress[0].ports[0].protocol must be TCP, UDP or SCTP, not `ICMP`",
        ),
        (
            "ports: [{protocol: tcp}]",
            25,
            "spec.ingress[0].ports[0].protocol must be TCP, UDP or SCTP, not `tcp`",
        ),
        (
            "from: [{}]",
            13,
            "spec.ingress[0].from[0] selects nothing\n  help: it takes podSelector, namespaceSelector or ipBlock; `podSelector: {}` is every pod of the namespace",
        ),
        (
            "from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]",
            56,
            "spec.ingress[0].from[0] has both ipBlock and a selector\n  help: make them two elements of the list",
        ),
        ("from: [{ipBlock: {}}]", 23, "spec.ingress[0].from[0].ipBlock without cidr"),
        (
            "from: [{ipBlock: {cidr: 10.0.0.1/8}}]",
            30,
            "spec.ingress[0].from[0].ipBlock.cidr: prefix 10.0.0.1/8 has host bits set\n  help: did you mean 10.0.0.0/8?",
        ),
        (
            "from: [{ipBlock: {cidr: \"fd00::1/64\"}}]",
            30,
            "spec.ingress[0].from[0].ipBlock.cidr: prefix fd00::1/64 has host bits set\n  help: did you mean fd00::/64?",
        ),
        (
            "from: [{ipBlock: {cidr: 10.0.0.1}}]",
            30,
            "spec.ingress[0].from[0].ipBlock.cidr must be a prefix such as 10.0.0.0/8, not `10.0.0.1`\n  help: did you mean 10.0.0.1/32?",
        ),
        (
            "from: [{ipBlock: {cidr: 10.0.0/8}}]",
            30,
            "spec.ingress[0].from[0].ipBlock.cidr must be a prefix such as 10.0.0.0/8, not `10.0.0/8`",
        ),
        (
            "from: [{ipBlock: {cidr: \"::ffff:10.0.0.0/104\"}}]",
            30,
            "spec.ingress[0].from[0].ipBlock.cidr: ::ffff:10.0.0.0/104 writes an IPv4 prefix as IPv6\n  help: write it as IPv4: no packet carries a mapped address",
        ),
        (
            "from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/8]}}]",
            51,
            "spec.ingress[0].from[0].ipBlock.except[0]: 11.0.0.0/8 is not a part of 10.0.0.0/8\n  help: what is outside the block is not in it anyway",
        ),
        (
            "from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]",
            51,
            "spec.ingress[0].from[0].ipBlock.except[0]: 10.0.0.0/8 is not a part of 10.0.0.0/8\n  help: what is outside the block is not in it anyway",
        ),
        (
            "from: [{podSelector: {matchLabels: {a: 1}}}]",
            45,
            "spec.ingress[0].from[0].podSelector.matchLabels.a must be a string, not `1`\n  help: write \"1\" in quotes",
        ),
        (
            "from: [{podSelector: {matchLabels: {a: true}}}]",
            45,
            "spec.ingress[0].from[0].podSelector.matchLabels.a must be a string, not `true`\n  help: write \"true\" in quotes",
        ),
        (
            "from: [{podSelector: {matchLabels: [a]}}]",
            41,
            "spec.ingress[0].from[0].podSelector.matchLabels must be a map of strings, not a list",
        ),
        ("from: {podSelector: {}}", 12, "spec.ingress[0].from must be a list, not a map"),
    ] {
        finds(
            &policy(&format!("spec:\n  ingress:\n  - {{{rule}}}")),
            &format!("test.yaml:6:{}: error: {expected}", place),
        );
    }
}

#[test]
fn selector_conditions_are_held_to_their_form() {
    let what = "spec.podSelector.matchExpressions[0]";
    for (expression, column, expected) in [
        ("operator: In, values: [a]", 41, format!("{what} without key")),
        ("key: a", 41, format!("{what} without operator")),
        (
            "key: a, operator: Is",
            60,
            format!("{what}.operator must be In, NotIn, Exists or DoesNotExist, not `Is`"),
        ),
        ("key: a, operator: In", 41, format!("{what}: In and NotIn need values")),
        ("key: a, operator: NotIn, values: []", 41, format!("{what}: In and NotIn need values")),
        (
            "key: a, operator: Exists, values: [x]",
            41,
            format!(
                "{what}: Exists and DoesNotExist take no values\n  help: take them out, or use In or NotIn"
            ),
        ),
    ] {
        let text =
            policy(&format!("spec: {{podSelector: {{matchExpressions: [{{{expression}}}]}}}}"));
        finds(&text, &format!("test.yaml:4:{column}: error: {expected}"));
    }
}

#[test]
fn an_empty_element_is_not_taken_for_one_that_allows_everything() {
    finds(
        &policy("spec:\n  ingress:\n  -\n"),
        "test.yaml:6:4: error: spec.ingress[0] is empty\n  help: write `{}` for a rule that allows everything, or take the line out",
    );
}

#[test]
fn sections_without_effect_are_warned_of() {
    let loaded = load_text(&policy("spec:\n  podSelector: {}\n  egress: []\n"));
    assert!(!loaded.has_errors());
    assert_eq!(
        shown(&loaded),
        "test.yaml:6:11: warning: spec.egress denies nothing, as the policy types do not hold Egress\n  help: add Egress to spec.policyTypes\n"
    );
    let loaded =
        load_text(&policy("spec:\n  podSelector: {}\n  policyTypes: [Egress]\n  ingress: [{}]\n"));
    assert!(shown(&loaded).starts_with("test.yaml:7:12: warning: spec.ingress has no effect"));
}

#[test]
fn errors_of_every_document_and_list_item_come_at_once_with_their_lines() {
    let text = "\
# A comment, and a byte mark of another script: \u{e9}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a}
spec: {podSelector: {}, polictTypes: []}
---
a: [1
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: p}
  status: {podIP: 10.0.0.999}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: \u{e9}}
  spec: {}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b}
spec: {ingress: 5}
";
    let loaded = load(&[Source::new("one.yaml", "kind: Pod\n"), Source::new("two.yaml", text)]);
    let places: Vec<_> = loaded
        .diagnostics
        .iter()
        .map(|finding| (finding.source_index, finding.line, finding.column))
        .collect();
    assert_eq!(
        places,
        [(0, 1, 1), (1, 5, 25), (1, 7, 4), (1, 15, 19), (1, 18, 20), (1, 24, 17)],
        "{}",
        shown(&loaded)
    );
    for finding in &loaded.diagnostics {
        assert_eq!(finding.severity, Severity::Error);
        assert!(finding.span.offset <= text.len());
    }
    let misspelt = &loaded.diagnostics[1];
    let word = &text[misspelt.span.offset..misspelt.span.offset + misspelt.span.len];
    assert_eq!(word, "polictTypes");
    let errors =
        compile(&loaded.objects, &Settings::default()).expect_err("nothing is made of a part");
    assert!(errors[0].message.contains("not every object could be read"));
}

#[test]
fn kinds_that_bear_on_security_and_are_not_enforced_are_errors() {
    for (api_version, kind) in [
        ("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy"),
        ("policy.networking.k8s.io/v1alpha1", "BaselineAdminNetworkPolicy"),
        ("cilium.io/v2", "CiliumNetworkPolicy"),
        ("cilium.io/v2", "CiliumClusterwideNetworkPolicy"),
        ("cilium.io/v2", "CiliumEgressGatewayPolicy"),
        ("crd.projectcalico.org/v1", "NetworkPolicy"),
        ("projectcalico.org/v3", "GlobalNetworkPolicy"),
        ("extensions/v1beta1", "NetworkPolicy"),
        ("networking.k8s.io/v2", "NetworkPolicy"),
    ] {
        let loaded =
            load_text(&format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"));
        let text = shown(&loaded);
        let expected = format!(
            "test.yaml:2:7: error: {kind} of {api_version} is not enforced by this version"
        );
        assert!(text.starts_with(&expected), "{text}");
        let listed = load_text(&format!(
            "apiVersion: {api_version}\nkind: {kind}List\nitems: [{{metadata: {{name: a}}}}]\n"
        ));
        assert!(listed.has_errors(), "{kind}List");
    }
}

#[test]
fn formats_that_are_known_but_not_read_are_errors_that_name_them() {
    for (text, format) in [
        (r#"{"name": "n", "securityRules": []}"#, "an Azure network security group"),
        (
            r#"[{"name": "n", "properties": {"securityRules": []}}]"#,
            "an Azure network security group",
        ),
        (
            r#"{"type": "Microsoft.Network/networkSecurityGroups", "name": "n"}"#,
            "an Azure network security group",
        ),
        (r#"{"type": "Microsoft.Network/azureFirewalls"}"#, "an Azure Firewall"),
        (r#"{"properties": {"ruleCollections": []}}"#, "an Azure Firewall"),
        (
            r#"{"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"}"#,
            "an Azure deployment template",
        ),
        (r#"{"changeNumber": 1, "cloud": "Public", "values": []}"#, "an Azure service-tag file"),
        ("hello: world", "an object without kind"),
        ("just words", "not an object"),
    ] {
        let loaded = load_text(text);
        assert!(
            loaded.has_errors() && shown(&loaded).contains(format),
            "{text}: {}",
            shown(&loaded)
        );
    }
}

#[test]
fn other_kinds_are_ignored_with_a_warning() {
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("v1", "ConfigMap"),
        ("v1", "Service"),
        ("policy/v1", "PodDisruptionBudget"),
        ("cilium.io/v2", "CiliumNode"),
        ("kyverno.io/v1", "ClusterPolicy"),
    ] {
        let loaded = load_text(&format!("apiVersion: {api_version}\nkind: {kind}\n"));
        assert!(!loaded.has_errors());
        let expected = format!("test.yaml:2:7: warning: {kind} of {api_version} is ignored");
        assert!(shown(&loaded).starts_with(&expected), "{}", shown(&loaded));
    }
}

#[test]
fn an_object_given_twice_is_an_error() {
    let text = pod("n", "a", "", "10.0.0.1")
        + &pod("m", "a", "", "10.0.0.2")
        + &pod("n", "a", "", "10.0.0.3");
    finds(
        text.trim_start_matches("---\n"),
        "test.yaml:13:18: error: Pod n/a was already given at test.yaml:3\n  help: which of the two counts is a guess: keep one",
    );
}

#[test]
fn two_live_pods_of_one_address_are_an_error() {
    let loaded = load_text(&(pod("n", "a", "", "10.0.0.1") + &pod("n", "b", "", "10.0.0.1")));
    assert!(!loaded.has_errors());
    let errors = compile(&loaded.objects, &Settings::default()).expect_err("whose address is it");
    assert_eq!(
        errors[0].to_string(),
        "test.yaml:9:18: error: pod n/b has the address 10.0.0.1, which pod n/a has too\n  help: an address stands for one pod or node: give the one that holds it now"
    );
}

#[test]
fn a_key_given_twice_is_an_error() {
    finds(
        &policy("spec: {podSelector: {}}\nspec: {}"),
        "test.yaml:5:1: error: the key `spec` is there twice",
    );
}
