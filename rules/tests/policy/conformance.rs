//! Collections of cases from other projects, where they lie beside the repository.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use flowtable::key::{Addr, Port, Proto};
use rules::{Source, Tuple, Unmatched, Verdict, load};
use serde_json::{Value, json};

use crate::kit::{World, address, shown};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/netpol")
}

#[test]
fn every_case_is_judged_as_it_expects() {
    let Ok(folder) = std::fs::read_dir(cases()) else {
        drop(std::io::Write::write_all(&mut std::io::stdout(), b"\nskipped: netpol tables: no NetworkPolicy cases beside the repository (../shared/cases/netpol)\n"));
        return;
    };
    let mut failures = String::new();
    let (mut judged, mut failed) = (0, 0);
    for entry in folder {
        let path = entry.expect("a readable folder").path();
        let is_schema = path.file_name().is_some_and(|name| name == "schema.json");
        if is_schema || path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let cases: Vec<Value> = serde_json::from_str(&text).expect("a list of cases");
        for case in &cases {
            let (probes, wrong) = judge(case);
            judged += probes;
            failed += wrong.len();
            for line in wrong.iter().take(3) {
                let _ = writeln!(failures, "{} {}: {line}", case["id"], case["name"]);
            }
        }
    }
    println!("{judged} probes");
    assert_eq!(failed, 0, "of {judged} probes:\n{failures}");
}

/// How many probes a case has, and those that came out wrong.
fn judge(case: &Value) -> (usize, Vec<String>) {
    let loaded = load(&sources(case));
    assert!(!loaded.has_errors(), "{}:\n{}", case["id"], shown(&loaded));
    let world = World::of(loaded.objects, Unmatched::Allow);
    let probes = case["probes"].as_array().expect("probes");
    let mut wrong = Vec::new();
    for probe in probes {
        let tuple = Tuple::new(
            end(&world, &probe["from"]),
            end(&world, &probe["to"]),
            protocol(&probe["proto"]),
            Port(50_000),
            Port(u16::try_from(probe["port"].as_u64().expect("a port")).expect("16 bits")),
        );
        let expected = match probe["expect"].as_str() {
            Some("allow") => Verdict::Allow,
            Some("deny") => Verdict::Deny,
            other => panic!("expect: {other:?}"),
        };
        if world.verdict(&tuple) != expected {
            wrong.push(format!("{probe}\n{:#?}", world.policy.explain(&tuple)));
        }
    }
    (probes.len(), wrong)
}

/// The case as files: policies as they stand, namespaces as YAML, pods as one JSON list.
fn sources(case: &Value) -> Vec<Source> {
    let mut sources = Vec::new();
    for (index, manifest) in case["manifests"].as_array().expect("manifests").iter().enumerate() {
        let text = manifest.as_str().expect("text");
        sources.push(Source::new(format!("policy-{index}.yaml"), text));
    }
    let mut namespaces = String::new();
    for (name, labels) in case["namespaces"].as_object().expect("namespaces") {
        let _ = write!(
            namespaces,
            "---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: \"{name}\"\n"
        );
        let _ = writeln!(namespaces, "  labels: {labels}");
    }
    sources.push(Source::new("namespaces.yaml", namespaces));
    let pods: Vec<Value> = case["pods"].as_array().expect("pods").iter().map(pod).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": pods});
    sources.push(Source::new("pods.json", format!("{list:#}")));
    sources
}

fn pod(pod: &Value) -> Value {
    let ports = pod["namedPorts"].as_array().expect("ports").iter();
    let ports: Vec<Value> = ports
        .map(|port| {
            json!({"name": port["name"], "containerPort": port["port"], "protocol": port["protocol"]})
        })
        .collect();
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": pod["name"], "namespace": pod["ns"], "labels": pod["labels"]},
        "spec": {"containers": [{"name": "main", "ports": ports}]},
        "status": {"phase": "Running", "podIP": pod["ip"], "podIPs": [{"ip": pod["ip"]}]},
    })
}

fn end(world: &World, end: &Value) -> Addr {
    let text = end.as_str().expect("text");
    match text.split_once('/') {
        Some((namespace, name)) => {
            world.policy.find_pod(namespace, name).expect("a pod of the case").addresses[0]
        }
        None => address(text),
    }
}

fn protocol(name: &Value) -> Proto {
    match name.as_str() {
        Some("TCP") => Proto::TCP,
        Some("UDP") => Proto::UDP,
        Some("SCTP") => Proto::SCTP,
        other => panic!("proto: {other:?}"),
    }
}
