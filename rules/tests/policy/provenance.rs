//! The file and line that decided.

use flowtable::key::Proto;
use rules::{Layer, Provenance, Settings, Source, StepResult, Unmatched, compile, load};

use crate::kit::tuple;

const PODS: &str = "\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
status: {podIP: 10.1.0.1}
---
apiVersion: v1
kind: Pod
metadata:
  name: db
  namespace: shop
  labels: {app: db}
status: {podIP: 10.1.0.2}
";

const POLICIES: &str = "\
# Two policies of one file, the second in a list.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web-egress
  namespace: shop
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress:
  - ports:
    - {port: 53, protocol: UDP}
  - to:
    - podSelector: {matchLabels: {app: db}}
---
kind: List
apiVersion: v1
items:
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: db-ingress, namespace: shop}
  spec:
    podSelector: {matchLabels: {app: db}}
    ingress:
    - {ports: [{port: 5432}]}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata: {name: more, namespace: shop}
  spec: {podSelector: {}, policyTypes: [Egress]}
";

fn by(layer: Layer, object: &str, rule: Option<&str>, at: Option<(&str, u32)>) -> Provenance {
    Provenance {
        layer,
        object: object.to_owned(),
        rule: rule.map(str::to_owned),
        file: at.map(|(file, _)| file.to_owned()),
        line: at.map(|(_, line)| line),
    }
}

#[test]
fn a_decision_names_the_file_and_line_of_its_rule() {
    let loaded = load(&[Source::new("pods.yaml", PODS), Source::new("policies.yaml", POLICIES)]);
    assert_eq!(loaded.diagnostics, []);
    let policy = compile(&loaded.objects, &Settings::default()).expect("no contradiction");
    let np = Layer::NetworkPolicy;
    let file = |line| Some(("policies.yaml", line));
    for (src, dst, proto, port, expected, label) in [
        (
            "10.1.0.1",
            "198.51.100.7",
            Proto::UDP,
            53,
            by(np, "shop/web-egress", Some("egress[0]"), file(11)),
            "an egress rule",
        ),
        (
            "10.1.0.1",
            "10.1.0.2",
            Proto::TCP,
            5432,
            by(np, "shop/db-ingress", Some("ingress[0]"), file(25)),
            "the last layer's word is the destination's",
        ),
        (
            "10.1.0.1",
            "10.1.0.2",
            Proto::TCP,
            80,
            by(np, "shop/db-ingress", None, file(21)),
            "isolation of the destination",
        ),
        (
            "10.1.0.1",
            "198.51.100.7",
            Proto::TCP,
            80,
            by(np, "shop/web-egress", None, file(5)),
            "isolation by several: the first in the files",
        ),
        (
            "10.1.0.2",
            "198.51.100.7",
            Proto::TCP,
            80,
            by(np, "shop/more", None, file(28)),
            "isolation by one",
        ),
        (
            "10.1.0.2",
            "10.1.0.2",
            Proto::TCP,
            80,
            by(np, "shop/db", None, Some(("pods.yaml", 9))),
            "a pod and itself",
        ),
        (
            "192.0.2.1",
            "198.51.100.7",
            Proto::TCP,
            80,
            by(Layer::Unmatched, "unmatched", None, None),
            "nobody spoke",
        ),
    ] {
        let question = tuple(src, dst, proto, port);
        assert_eq!(policy.provenance(policy.decide(&question).rule), expected, "{label}");
        assert_eq!(policy.explain(&question).decided_by, expected, "{label}");
    }
}

#[test]
fn a_path_tells_every_object_that_was_consulted() {
    let loaded = load(&[Source::new("pods.yaml", PODS), Source::new("policies.yaml", POLICIES)]);
    let policy = compile(&loaded.objects, &Settings::default()).expect("no contradiction");
    let path = |src, dst, port| {
        let explanation = policy.explain(&tuple(src, dst, Proto::TCP, port));
        let steps = explanation.path.into_iter();
        steps.map(|step| (step.object, step.rule, step.result)).collect::<Vec<_>>()
    };
    let step = |object: &str, rule: Option<&str>, result| {
        (object.to_owned(), rule.map(str::to_owned), result)
    };
    assert_eq!(
        path("10.1.0.1", "10.1.0.2", 5432),
        [
            step("shop/web-egress", Some("egress[1]"), StepResult::Allow),
            step("shop/db-ingress", Some("ingress[0]"), StepResult::Allow),
        ]
    );
    assert_eq!(
        path("10.1.0.1", "198.51.100.7", 443),
        [
            step("shop/web-egress", None, StepResult::NoMatch),
            step("shop/more", None, StepResult::NoMatch),
            step("shop/web-egress", None, StepResult::Deny),
        ]
    );
    assert_eq!(path("10.1.0.1", "10.1.0.1", 443), [step("shop/web", None, StepResult::Exempt)]);
    assert_eq!(path("192.0.2.1", "192.0.2.2", 443), [step("unmatched", None, StepResult::Deny)]);
}

#[test]
fn every_rule_can_be_counted_and_named() {
    let loaded = load(&[Source::new("pods.yaml", PODS), Source::new("policies.yaml", POLICIES)]);
    let settings = Settings { unmatched: Unmatched::Allow, ..Settings::default() };
    let policy = compile(&loaded.objects, &settings).expect("no contradiction");
    let named: Vec<_> = policy.rules().map(|rule| policy.provenance(rule).to_string()).collect();
    assert_eq!(named.len(), policy.rule_refs());
    assert_eq!(
        named,
        [
            "unmatched unmatched",
            "networkpolicy shop/web-egress (policies.yaml:5)",
            "networkpolicy shop/web-egress egress[0] (policies.yaml:11)",
            "networkpolicy shop/web-egress egress[1] (policies.yaml:13)",
            "networkpolicy shop/db-ingress (policies.yaml:21)",
            "networkpolicy shop/db-ingress ingress[0] (policies.yaml:25)",
            "networkpolicy shop/more (policies.yaml:28)",
            "networkpolicy shop/web (pods.yaml:3)",
            "networkpolicy shop/db (pods.yaml:9)",
        ]
    );
    let counts = policy.counts();
    assert_eq!((counts.pods, counts.namespaces, counts.policies, counts.rules), (2, 1, 3, 3));
}

#[test]
fn of_several_rules_that_allow_the_first_in_the_file_is_named() {
    let block = "{to: [{ipBlock: {cidr: 10.1.0.0/16}}]}";
    let pods = "{to: [{podSelector: {}}]}";
    let port = "{ports: [{port: 80}]}";
    let wide = "{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 80}]}";
    for order in [[block, pods, port, wide], [pods, block, wide, port], [wide, port, pods, block]] {
        let text = format!(
            "{PODS}---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: \
             shop}}\nspec: {{policyTypes: [Egress], egress: [{}]}}\n",
            order.join(", ")
        );
        let loaded = load(&[Source::new("all.yaml", text)]);
        assert_eq!(loaded.diagnostics, []);
        let policy = compile(&loaded.objects, &Settings::default()).expect("no contradiction");
        for (dst, matching) in
            [("10.1.0.2", &[block, pods, port, wide][..]), ("192.0.2.9", &[port, wide])]
        {
            let first = order.iter().position(|rule| matching.contains(rule)).expect("one matches");
            let explanation = policy.explain(&tuple("10.1.0.1", dst, Proto::TCP, 80));
            assert_eq!(explanation.decided_by.rule, Some(format!("egress[{first}]")), "{order:?}");
        }
    }
}
