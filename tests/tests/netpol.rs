//! NetworkPolicy conformance through the program: every probe of every case is put to `sluice explain --probes`
//! and sent as a packet through `sluice replay`, and both must give the verdict the case states.
//!
//! The cases lie beside the project, not in it; where they are missing the test says so and passes.

use etherparse::PacketBuilder;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const GATEWAY_IN: [u8; 6] = [2, 0, 0, 0, 1, 1];
const GATEWAY_OUT: [u8; 6] = [2, 0, 0, 0, 2, 1];
const NEIGHBOR: [u8; 6] = [2, 0, 0, 0, 9, 9];
/// Each probe is known by its source port.
const FIRST_PORT: u16 = 20_000;

fn cases() -> Option<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cases/netpol");
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path();
        if path.extension().is_some_and(|e| e == "json") && !path.ends_with("schema.json") {
            let text = fs::read_to_string(&path).ok()?;
            let list: Vec<Value> =
                serde_json::from_str(&text).expect("a file of cases is an array");
            cases.extend(list);
        }
    }
    Some(cases)
}

/// A folder that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sluice-netpol-{}", std::process::id()));
        fs::create_dir_all(path.join("policies")).expect("a temporary folder");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// An end of a probe as the case writes it: `NAMESPACE/NAME`, or an address outside.
fn is_pod(end: &str) -> bool {
    end.contains('/')
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value}"))
}

fn array<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("{key} in {value}"))
}

/// Writes the case's world as a user would have it on disk.
fn write_world(folder: &Path, case: &Value) {
    let mut items = Vec::new();
    for (name, labels) in case["namespaces"].as_object().expect("namespaces") {
        items.push(json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": labels}}));
    }
    let mut neighbors =
        vec![json!({"address": "203.0.113.254", "mac": "02:00:00:00:09:09", "device": "out0"})];
    for pod in array(case, "pods") {
        let ports: Vec<Value> = array(pod, "namedPorts")
            .iter()
            .map(|port| json!({"name": port["name"], "containerPort": port["port"], "protocol": port["protocol"]}))
            .collect();
        items.push(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": pod["name"], "namespace": pod["ns"], "labels": pod["labels"]},
            "spec": {"containers": [{"name": "main", "ports": ports}]},
            "status": {"phase": "Running", "podIP": pod["ip"], "podIPs": [{"ip": pod["ip"]}]}}));
        neighbors.push(json!({"address": pod["ip"], "mac": "02:00:00:00:09:09", "device": "in0"}));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    let manifests: Vec<&str> = array(case, "manifests").iter().filter_map(Value::as_str).collect();
    let config = json!({
        "interfaces": {
            "inside": [{"device": "in0", "networks": ["10.0.0.0/8", "192.168.0.0/16", "172.16.0.0/12"]}],
            "outside": [{"device": "out0"}],
        },
        "network": "flat",
        "policies": ["policies/"],
        "unmatched": "allow",
        "static": {
            "interfaces": {
                "in0": {"mac": "02:00:00:00:01:01", "addresses": ["10.255.255.254/8"]},
                "out0": {"mac": "02:00:00:00:02:01", "addresses": ["203.0.113.2/24"]},
            },
            "routes": [
                {"to": "0.0.0.0/0", "via": "203.0.113.254", "device": "out0"},
                {"to": "192.168.0.0/16", "device": "in0"},
                {"to": "172.16.0.0/12", "device": "in0"},
            ],
            "neighbors": neighbors,
        },
    });
    let write = |name: &str, text: String| fs::write(folder.join(name), text).expect("a file");
    write("policies/objects.json", list.to_string());
    write("policies/policies.yaml", manifests.join("\n---\n"));
    write("sluice.yaml", config.to_string());
}

/// The packet that opens the flow a probe is about.
fn packet(probe: &Value, (from, to): ([u8; 4], [u8; 4]), gateway: [u8; 6], sport: u16) -> Vec<u8> {
    let dport = u16::try_from(probe["port"].as_u64().expect("a port")).expect("16 bits");
    let ip = PacketBuilder::ethernet2(NEIGHBOR, gateway).ipv4(from, to, 64);
    let mut frame = Vec::new();
    match text(probe, "proto") {
        "TCP" => ip.tcp(sport, dport, 1000, 65_535).syn().write(&mut frame, &[]),
        "UDP" => ip.udp(sport, dport).write(&mut frame, b"probe"),
        "SCTP" => {
            let mut init = Vec::new();
            init.extend(sport.to_be_bytes());
            init.extend(dport.to_be_bytes());
            init.extend([0; 8]);
            // INIT of 20 bytes: initiate tag, window, streams, first number.
            init.extend([1, 0, 0, 20, 0, 0, 0x12, 0x34, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
            let crc = crc32c::crc32c(&init);
            init[8..12].copy_from_slice(&crc.to_le_bytes());
            ip.write(&mut frame, etherparse::ip_number::SCTP, &init)
        }
        other => panic!("protocol {other}"),
    }
    .expect("a Vec takes all");
    frame
}

fn write_capture(path: &Path, frames: &[Vec<u8>]) {
    let mut bytes = Vec::new();
    for field in [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65_535, 1] {
        bytes.extend(field.to_le_bytes());
    }
    for frame in frames {
        let len = u32::try_from(frame.len()).expect("a short frame");
        [1000, 0, len, len].iter().for_each(|field| bytes.extend(field.to_le_bytes()));
        bytes.extend(frame);
    }
    fs::write(path, bytes).expect("a capture");
}

/// The source ports of the frames in a capture.
fn source_ports(path: &Path) -> BTreeSet<u16> {
    let bytes = fs::read(path).expect("the capture a replay wrote");
    let mut rest = &bytes[24..];
    let mut ports = BTreeSet::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes([rest[8], rest[9], rest[10], rest[11]]);
        let frame = &rest[16..16 + usize::try_from(len).expect("a short frame")];
        ports.insert(u16::from_be_bytes([frame[34], frame[35]]));
        rest = &rest[16 + frame.len()..];
    }
    ports
}

fn explain(sluice: &str, folder: &Path, probes: &[Value]) -> Vec<Value> {
    let end = |end: &str| if is_pod(end) { format!("pod:{end}") } else { format!("ip:{end}") };
    let lines: String = probes
        .iter()
        .enumerate()
        .map(|(id, probe)| {
            let line = json!({"id": id, "from": end(text(probe, "from")), "to": end(text(probe, "to")),
                "proto": text(probe, "proto").to_lowercase(), "port": probe["port"]});
            format!("{line}\n")
        })
        .collect();
    fs::write(folder.join("probes"), lines).expect("a file");
    let out = Command::new(sluice)
        .args(["explain", "-c", "sluice.yaml", "--probes", "probes"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .expect("sluice runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let answers = String::from_utf8(out.stdout).expect("JSON is text");
    answers.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Sends every probe's packet through the data plane; which of them left.
fn replay(sluice: &str, folder: &Path, case: &Value) -> BTreeSet<u16> {
    let pods: BTreeMap<String, &str> = array(case, "pods")
        .iter()
        .map(|pod| (format!("{}/{}", text(pod, "ns"), text(pod, "name")), text(pod, "ip")))
        .collect();
    let address = |end: &str| {
        let address = if is_pod(end) { pods[end] } else { end };
        address.parse::<std::net::Ipv4Addr>().expect("an IPv4 address").octets()
    };
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for (sport, probe) in (FIRST_PORT..).zip(array(case, "probes")) {
        let (from, to) = (text(probe, "from"), text(probe, "to"));
        let ends = (address(from), address(to));
        if is_pod(from) {
            inside.push(packet(probe, ends, GATEWAY_IN, sport));
        } else {
            outside.push(packet(probe, ends, GATEWAY_OUT, sport));
        }
    }
    write_capture(&folder.join("in.pcap"), &inside);
    write_capture(&folder.join("out.pcap"), &outside);
    let out = Command::new(sluice)
        .args(["replay", "-c", "sluice.yaml", "--in", "in0=in.pcap", "--in", "out0=out.pcap"])
        .args(["--out", "left", "-o", "json"])
        .current_dir(folder)
        .output()
        .expect("sluice runs");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let counts: Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(counts["identity"], "exact");
    let left = ["left/in0.pcap", "left/out0.pcap"].map(|name| source_ports(&folder.join(name)));
    left.into_iter().flatten().collect()
}

#[test]
fn explain_and_the_data_plane_give_the_verdict_of_every_case() {
    let Some(cases) = cases() else {
        drop(writeln!(io::stdout(), "\nskipped: netpol: no conformance cases beside the project"));
        return;
    };
    let sluice = kit::gateway::binary().expect("sluice is built");
    let scratch = Scratch::new();
    let (mut judged, mut wrong) = (0, Vec::new());
    for case in &cases {
        write_world(&scratch.0, case);
        let probes = array(case, "probes");
        let answers = explain(&sluice, &scratch.0, probes);
        assert_eq!(answers.len(), probes.len(), "{}", case["id"]);
        let left = replay(&sluice, &scratch.0, case);
        for ((sport, probe), answer) in (FIRST_PORT..).zip(probes).zip(&answers) {
            judged += 1;
            let passed = if left.contains(&sport) { "allow" } else { "deny" };
            if answer["verdict"] != probe["expect"] || probe["expect"] != passed {
                wrong.push(format!("{}: {probe}: explain {answer}, replay {passed}", case["id"]));
            }
        }
    }
    assert!(judged > 0, "there are cases");
    assert!(wrong.is_empty(), "{} of {judged} wrong, among them {}", wrong.len(), wrong[0]);
}
