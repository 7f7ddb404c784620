//! Damaged files: reading them ends, says something or makes a policy, and never panics.

use std::time::{Duration, Instant};

use flowtable::key::Proto;
use rules::{Settings, Source, compile, load};

use crate::kit::{Rng, pod, tuple};

const FILES: usize = 4_000;

fn seeds() -> Vec<String> {
    let policy = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web
  namespace: shop
spec:
  podSelector: &sel
    matchLabels: {app: web}
    matchExpressions:
    - {key: tier, operator: NotIn, values: [a, \"b\", 'c']}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: *sel
      namespaceSelector: {}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.2.0.0/16]}
    ports:
    - {port: 80, endPort: 90}
    - port: http
  egress:
  - to:
    - ipBlock:
        cidr: \"fd00::/8\"
    ports: [{protocol: UDP, port: 53}]
  - {}
";
    let pods =
        pod("shop", "web", "app: web", "10.0.0.1") + &pod("shop", "db", "app: db", "fd00::1");
    let json = r#"{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"shop","labels":{"app":"\u0061"}},"spec":{"nodeName":"n","containers":[{"ports":[{"name":"http","containerPort":80}]}]},"status":{"podIP":"10.0.0.9","hostIP":"192.0.2.1"}},{"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"}]}}]}"#;
    vec![
        policy.to_owned(),
        format!("{policy}{pods}"),
        json.to_owned(),
        format!("{json}\n---\n{policy}"),
    ]
}

/// Bytes that mean something to a YAML reader.
const LOADED: &[u8] = b"-:{}[],&*!|>'\"%@`#?<~\n\t \\0";

fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.below(bytes.len());
    match rng.below(7) {
        0 => bytes[at] ^= 1 << rng.below(8),
        1 => bytes[at] = LOADED[rng.below(LOADED.len())],
        2 => bytes.insert(at, LOADED[rng.below(LOADED.len())]),
        3 => drop(bytes.drain(at..(at + 1 + rng.below(12)).min(bytes.len()))),
        4 => bytes.truncate(at),
        5 => {
            let lines: Vec<&[u8]> = bytes.split_inclusive(|&b| b == b'\n').collect();
            let (from, to) = (rng.below(lines.len()), rng.below(lines.len()));
            let mut shuffled = lines.clone();
            shuffled.insert(to, lines[from]);
            *bytes = shuffled.concat();
        }
        _ => {
            let piece = bytes[at..(at + rng.below(40)).min(bytes.len())].to_vec();
            let to = rng.below(bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

#[test]
fn damaged_files_are_read_to_an_end() {
    let mut rng = Rng(7);
    let seeds = seeds();
    let (mut compiled, mut slowest) = (0, Duration::ZERO);
    for _ in 0..FILES {
        let mut bytes = seeds[rng.below(seeds.len())].clone().into_bytes();
        for _ in 0..1 + rng.below(2) {
            damage(&mut rng, &mut bytes);
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let length = text.len();
        let start = Instant::now();
        let loaded = load(&[Source::new("damaged", text)]);
        for finding in &loaded.diagnostics {
            assert!(finding.span.offset <= length && finding.line > 0 && finding.column > 0);
        }
        match compile(&loaded.objects, &Settings::default()) {
            Ok(policy) => {
                assert!(!loaded.has_errors(), "compiled what could not be read");
                let _ = policy.explain(&tuple("10.0.0.1", "10.0.0.9", Proto::TCP, 80));
                compiled += 1;
            }
            Err(errors) => assert!(!errors.is_empty(), "refused without a word"),
        }
        slowest = slowest.max(start.elapsed());
    }
    println!("{FILES} files, {compiled} still compile, the slowest took {slowest:?}");
    assert!(compiled > FILES / 100, "the damage leaves nothing to compile");
    assert!(slowest < Duration::from_secs(2), "{slowest:?} for one small file");
}
