//! The shapes in which people have these objects.

use flowtable::key::Proto;
use rules::{End, Objects, Settings, Source, Unmatched, Verdict, compile, load};

use crate::kit::{World, address, load_text, shown, tuple};

fn objects(text: &str) -> Objects {
    let loaded = load_text(text);
    assert_eq!(loaded.diagnostics, [], "{}", shown(&loaded));
    loaded.objects
}

/// As `kubectl get pod -o yaml` prints one.
const KUBECTL: &str = r#"apiVersion: v1
items:
- apiVersion: v1
  kind: Pod
  metadata:
    annotations:
      kubectl.kubernetes.io/restartedAt: "2026-01-01T00:00:00Z"
    creationTimestamp: "2026-01-01T00:00:00Z"
    generateName: web-7d4b9c-
    labels:
      app: web
      pod-template-hash: 7d4b9c
      version: "1.10"
    managedFields:
    - apiVersion: v1
      fieldsType: FieldsV1
      fieldsV1:
        f:metadata:
          f:labels:
            .: {}
            f:app: {}
      manager: kube-controller-manager
    name: web-7d4b9c-x2x4z
    namespace: shop
    ownerReferences:
    - apiVersion: apps/v1
      blockOwnerDeletion: true
      kind: ReplicaSet
      name: web-7d4b9c
    resourceVersion: "123"
    uid: 6f0c7b6e-0000-4000-8000-000000000000
  spec:
    containers:
    - image: nginx
      args: ["-c", "echo 'a: b' && sleep 1"]
      name: nginx
      ports:
      - containerPort: 8080
        name: http
        protocol: TCP
      - containerPort: 9090
        protocol: TCP
      resources: {}
    nodeName: n1
    tolerations:
    - effect: NoExecute
      key: node.kubernetes.io/not-ready
      operator: Exists
      tolerationSeconds: 300
  status:
    conditions:
    - lastProbeTime: null
      status: "True"
      type: Ready
    hostIP: 192.0.2.1
    hostIPs:
    - ip: 192.0.2.1
    phase: Running
    podIP: 10.1.0.5
    podIPs:
    - ip: 10.1.0.5
    - ip: fd00:1::5
    qosClass: BestEffort
kind: List
metadata:
  resourceVersion: ""
"#;

#[test]
fn real_output_loads_and_only_what_matters_is_kept() {
    let objects = objects(KUBECTL);
    let pod = &objects.pods[0];
    assert_eq!((pod.namespace.as_str(), pod.name.as_str()), ("shop", "web-7d4b9c-x2x4z"));
    assert_eq!(pod.addresses, [address("10.1.0.5"), address("fd00:1::5")]);
    assert_eq!(pod.host_addresses, [address("192.0.2.1")]);
    assert_eq!(pod.labels["version"], "1.10");
    assert_eq!(pod.ports.len(), 1);
    assert_eq!((pod.origin.line, pod.origin.column), (23, 11));
}

#[test]
fn json_is_read_with_any_white_space() {
    let json = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a\u002db","labels":{"emoji":"\ud83d\ude00","path":"a\/b"}},"status":{"podIP":"10.0.0.1"}}]}"#;
    let tabbed = json.replace('{', "{\n\t").replace(',', ",\n\t\t");
    let windows = format!("\u{feff}{}", json.replace(',', ",\r\n  "));
    for text in [json.to_owned(), tabbed, windows] {
        let objects = objects(&text);
        assert_eq!(objects.pods[0].name, "a-b", "{text}");
        assert_eq!(objects.pods[0].labels["emoji"], "\u{1f600}");
        assert_eq!(objects.pods[0].labels["path"], "a/b");
        assert_eq!(objects.pods[0].namespace, "default");
    }
}

#[test]
fn a_typed_list_says_the_kind_of_its_items() {
    let text = "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n  status: {podIP: 10.0.0.1}\n";
    assert_eq!(objects(text).pods.len(), 1);
    let text = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicyList\nitems:\n- metadata: {name: a}\n  spec: {}\n";
    assert_eq!(objects(text).policies.len(), 1);
    assert!(objects("apiVersion: v1\nkind: List\nitems: null\n").pods.is_empty());
}

#[test]
fn empty_documents_and_comments_are_nothing() {
    for text in ["", "\n", "# only words\n", "---\n---\n# two\n---\n", "%YAML 1.2\n---\n"] {
        let objects = objects(text);
        assert!(objects.pods.is_empty() && objects.policies.is_empty());
    }
}

#[test]
fn anchors_and_merges_mean_what_yaml_says() {
    let text = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec:
  podSelector: {matchLabels: &app {app: web}}
  ingress:
  - from:
    - podSelector: {matchLabels: {<<: *app, tier: front}}
    ports: &ports [{port: 80}]
  - from: [{podSelector: {matchLabels: *app}}]
    ports: *ports
";
    let policy = objects(text).policies.remove(0);
    let rules = policy.ingress.expect("isolates");
    assert_eq!(rules[0].ports, rules[1].ports);
    let rules::objects::Peer::Pods { pods, .. } = &rules[0].peers[0] else { panic!("pods") };
    assert_eq!(pods.labels.len(), 2);
}

#[test]
fn aliases_cannot_make_a_small_text_large() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        text += &format!("a{level}: &a{level} [{below}]\n");
    }
    let loaded = load_text(&text);
    assert!(shown(&loaded).contains("aliases add more than 100000 values"), "{}", shown(&loaded));
    let own = load_text("a: &a [*a]\n");
    assert!(own.has_errors());
}

#[test]
fn nesting_without_end_is_refused() {
    for text in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(100_000),
        "[".repeat(200) + &"]".repeat(200),
    ] {
        assert!(load_text(&text).has_errors());
    }
}

#[test]
fn addresses_are_known_for_what_they_are() {
    let loaded = load(&[Source::new("k", KUBECTL)]);
    let inside =
        vec!["10.1.0.0/24".parse().expect("a literal"), "fd00:1::/64".parse().expect("a literal")];
    let policy =
        compile(&loaded.objects, &Settings { inside, ..Settings::default() }).expect("one pod");
    let End::Pod(pod) = policy.end(address("fd00:1::5")) else { panic!("a pod") };
    assert_eq!(pod.name, "web-7d4b9c-x2x4z");
    assert_eq!(policy.end(address("10.1.0.6")), End::Inside);
    assert_eq!(policy.end(address("10.2.0.6")), End::Outside);
    assert_eq!(policy.find_pod("shop", "web-7d4b9c-x2x4z"), Some(pod));
    assert_eq!(policy.find_pod("shop", "web"), None);
    assert_eq!(policy.pod_at(address("10.1.0.5")), Some(pod));
}

#[test]
fn a_policy_of_no_objects_decides_by_unmatched() {
    for (unmatched, verdict) in
        [(Unmatched::Allow, Verdict::Allow), (Unmatched::Deny, Verdict::Deny)]
    {
        let world = World::new("", unmatched);
        assert_eq!(world.verdict(&tuple("10.0.0.1", "10.0.0.2", Proto::TCP, 80)), verdict);
    }
}
