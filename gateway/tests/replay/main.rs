//! `sluice replay` as a user runs it: the binary, files in, files and JSON out.

mod captures;
mod folder;
#[path = "../core/kit/frame.rs"]
mod frame;

use captures::{Captured, Order, Unit, at, pcap, pcapng, read, usual};
use folder::{CONFIG, Folder};
use frame::{End, L4, Via, end, flag, syn, tcp, udp};
use serde_json::Value;

fn pod() -> End {
    end("10.1.0.5", 5000)
}

fn far() -> End {
    end("198.51.100.7", 53)
}

fn ask() -> Vec<u8> {
    udp(Via::In0, pod(), far(), b"question")
}

/// Forty hosts' worth of questions, a few of them hopeless.
fn crowd() -> Vec<Captured> {
    let one = |n: u16| {
        let from = end("10.1.0.5", 2_000 + n);
        let frame = match n % 8 {
            0 => tcp(Via::In0, from, end("198.51.100.7", 443), syn(u32::from(n))),
            1 => udp(Via::In0, end("192.0.2.1", n), far(), b"spoofed"),
            2 => ask()[..usize::from(n)].to_vec(),
            3 => tcp(Via::In0, from, far(), frame::Segment { flags: flag::ACK, ..syn(1) }),
            _ => udp(Via::In0, from, far(), &vec![7; usize::from(n)]),
        };
        at(u64::from(n) * 13, frame)
    };
    (1..=40).map(one).collect()
}

fn port(sent: &Captured) -> u16 {
    u16::from_be_bytes([sent.bytes[L4], sent.bytes[L4 + 1]])
}

#[test]
fn a_seed_gives_one_result_to_the_byte_and_another_seed_other_ports() {
    let folder = Folder::new("seed");
    folder.write("a.pcap", &usual(&crowd()));
    let run = |out: &str, seed: &str| {
        let replayed = folder.replay(out, &["--in", "in0=a.pcap", "--seed", seed]);
        let files = ["in0", "in1", "out0"].map(|name| folder.bytes(&format!("{out}/{name}.pcap")));
        (replayed.stdout, files)
    };
    let (first, second, other) = (run("one", "5"), run("two", "5"), run("three", "6"));
    assert_eq!(first, second);
    assert_eq!(first.0, other.0, "the counts are the same whatever the ports");
    assert_ne!(first.1, other.1);
    let default = folder.replay("four", &["--in", "in0=a.pcap"]);
    let zero = folder.replay("five", &["--in", "in0=a.pcap", "--seed", "0"]);
    assert_eq!(default.stdout, zero.stdout);
    assert_eq!(folder.bytes("four/out0.pcap"), folder.bytes("five/out0.pcap"));
    let ports = |out: &str| read(&folder.path(out)).iter().map(port).collect::<Vec<_>>();
    assert_ne!(ports("one/out0.pcap"), ports("three/out0.pcap"));
}

#[test]
fn the_counts_have_the_shape_that_scripts_rely_on() {
    let folder = Folder::new("shape");
    folder.write("a.pcap", &usual(&crowd()));
    let json = folder.replay("out", &["--in", "in0=a.pcap"]).json();
    let object = json.as_object().expect("one object");
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    let contract = ["interfaces", "drops", "consumed", "host", "generated"];
    assert_eq!(keys[..5], contract);
    assert_eq!(object["identity"], "exact");
    let interfaces = object["interfaces"].as_object().expect("interfaces by name");
    assert_eq!(interfaces.keys().collect::<Vec<_>>(), ["in0", "in1", "out0"]);
    let count = |value: &Value| value.as_u64().expect("a count");
    let sum = |key| interfaces.values().map(|interface| count(&interface[key])).sum::<u64>();
    for interface in interfaces.values() {
        assert_eq!(interface.as_object().expect("counts").keys().collect::<Vec<_>>(), ["rx", "tx"]);
    }
    let drops = object["drops"].as_object().expect("reasons by name");
    assert!(drops.values().all(|drops| count(drops) > 0), "only reasons that happened: {drops:?}");
    let expected = [("spoof.src", 5), ("tcp.no_flow", 5)];
    for (reason, number) in expected {
        assert_eq!(drops[reason], number, "{reason}");
    }
    assert_eq!(sum("rx"), 40);
    let rest: u64 = ["consumed", "host", "held"].iter().map(|key| count(&object[*key])).sum();
    let dropped: u64 = drops.values().map(count).sum();
    assert_eq!(sum("rx") + count(&object["generated"]), sum("tx") + dropped + rest);
    assert_eq!(count(&object["held"]), 0, "nothing is held back when a replay ends");
    let written = read(&folder.path("out/out0.pcap")).len();
    assert_eq!(count(&interfaces["out0"]["tx"]), u64::try_from(written).expect("few"));
}

#[test]
fn frames_leave_at_the_time_they_came_to_the_nanosecond() {
    let folder = Folder::new("time");
    let mut frames = vec![at(0, ask()), at(1, ask())];
    frames[1].at += 123;
    folder.write("a.pcap", &pcap(&frames, Unit::Nanos, Order::Little, 1));
    folder.replay("out", &["--in", "in0=a.pcap"]).ok();
    let times: Vec<u64> = read(&folder.path("out/out0.pcap")).iter().map(|sent| sent.at).collect();
    assert_eq!(times, [frames[0].at, frames[1].at]);
    assert_eq!(read(&folder.path("out/in0.pcap")), [], "every interface has its file");
}

#[test]
fn every_kind_of_capture_says_the_same() {
    let folder = Folder::new("formats");
    let mut results = Vec::new();
    for order in [Order::Little, Order::Big] {
        for unit in [Unit::Micros, Unit::Nanos] {
            let kinds = [pcap(&crowd(), unit, order, 1), pcapng(&crowd(), unit, order)];
            for (kind, file) in kinds.iter().enumerate() {
                let name = format!("{order:?}{unit:?}{kind}");
                folder.write(&name, file);
                let replayed = folder.replay("out", &["--in", &format!("in0={name}")]);
                results.push((name, replayed.stdout, folder.bytes("out/out0.pcap")));
            }
        }
    }
    assert_eq!(results.len(), 8);
    for (name, counts, frames) in &results {
        assert_eq!(counts, &results[0].1, "{name}");
        assert!(frames == &results[0].2, "{name}: other frames");
    }
}

#[test]
fn frames_of_all_inputs_come_in_the_order_of_time_and_ties_in_that_of_the_inputs() {
    let folder = Folder::new("ties");
    let other = end("10.2.0.5", 5000);
    let from = |via, end, payload: &[u8]| udp(via, end, far(), payload);
    let mine = [at(5, from(Via::In0, pod(), b"a5")), at(9, from(Via::In0, pod(), b"a9"))];
    let theirs = [
        at(0, from(Via::In1, other, b"b0")),
        at(5, from(Via::In1, other, b"b5")),
        at(7, from(Via::In1, other, b"b7")),
        at(9, from(Via::In1, other, b"b9")),
    ];
    folder.write("a.pcap", &usual(&mine));
    folder.write("b.pcap", &usual(&theirs));
    let order = |inputs: &[&str]| {
        folder.replay("out", inputs).ok();
        let sent = read(&folder.path("out/out0.pcap"));
        let payload = |sent: &Captured| String::from_utf8_lossy(&sent.bytes[L4 + 8..]).into_owned();
        sent.iter().map(payload).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(&["--in", "in0=a.pcap", "--in", "in1=b.pcap"]), "b0 a5 b5 b7 a9 b9");
    assert_eq!(order(&["--in", "in1=b.pcap", "--in", "in0=a.pcap"]), "b0 b5 a5 b7 b9 a9");
    let twice = order(&["--in", "in0=a.pcap", "--in", "in0=a.pcap"]);
    assert_eq!(twice, "a5 a5 a9 a9");
}

#[test]
fn a_reload_takes_effect_at_its_time_and_not_before() {
    let folder = Folder::new("reload");
    folder.write("deny.yaml", CONFIG.replace("unmatched: allow", "unmatched: deny").as_bytes());
    let frames: Vec<_> = (0..5).map(|second| at(second * 1000, ask())).collect();
    folder.write("a.pcap", &usual(&frames));
    for (reloads, sent) in [
        (&["--reload", "2.5=deny.yaml"][..], vec![0, 1, 2]),
        (&["--reload", "2=deny.yaml"], vec![0, 1]),
        (&["--reload", "2.001=deny.yaml"], vec![0, 1, 2]),
        (&["--reload", "0=deny.yaml"], vec![]),
        (&["--reload", "9=deny.yaml"], vec![0, 1, 2, 3, 4]),
        (&["--reload", "3.5=gateway.yaml", "--reload", "1.5=deny.yaml"], vec![0, 1, 4]),
    ] {
        let arguments = [&["--in", "in0=a.pcap"], reloads].concat();
        let json = folder.replay("out", &arguments).json();
        let left = read(&folder.path("out/out0.pcap"));
        let seconds: Vec<u64> =
            left.iter().map(|frame| (frame.at - frames[0].at) / 1_000_000_000).collect();
        assert_eq!(seconds, sent, "{reloads:?}");
        let denied = frames.len() - sent.len();
        assert_eq!(
            json["drops"].get("policy.unmatched").and_then(Value::as_u64).unwrap_or(0),
            u64::try_from(denied).expect("few")
        );
    }
}

#[test]
fn an_answer_a_second_outside_the_flows_life_is_judged_anew() {
    let folder = Folder::new("life");
    folder.write("in.pcap", &usual(&[at(0, ask())]));
    folder.replay("out", &["--in", "in0=in.pcap"]).ok();
    let seen = end("203.0.113.1", port(&read(&folder.path("out/out0.pcap"))[0]));
    let answer = || udp(Via::Out0, far(), seen, b"answer");
    for (second, passes) in [(119, true), (121, false)] {
        folder.write("out.pcap", &usual(&[at(second * 1000, answer())]));
        let json = folder.replay("out", &["--in", "in0=in.pcap", "--in", "out0=out.pcap"]).json();
        assert_eq!(json["interfaces"]["in0"]["tx"], u64::from(passes), "second {second}");
        assert_eq!(json["drops"].get("nat.no_mapping").is_some(), !passes, "second {second}");
    }
    // An answer makes it live five minutes; then the question opens another flow.
    folder.write("out.pcap", &usual(&[at(100_000, answer())]));
    for (second, flows) in [(399, 1), (401, 2)] {
        folder.write("in.pcap", &usual(&[at(0, ask()), at(second * 1000, ask())]));
        let json = folder.replay("out", &["--in", "in0=in.pcap", "--in", "out0=out.pcap"]).json();
        assert_eq!(json["flows"]["admitted"], flows, "second {second}");
        assert_eq!(json["interfaces"]["out0"]["tx"], 2);
    }
}

#[test]
fn a_capture_that_cannot_be_read_is_a_line_and_exit_2() {
    let folder = Folder::new("captures");
    let whole = usual(&crowd());
    folder.write("a.pcap", &whole);
    folder.write("cooked.pcap", &pcap(&crowd(), Unit::Micros, Order::Little, 113));
    folder.write("text.pcap", b"this is no capture, whatever its name says it is");
    folder.write("empty.pcap", b"");
    for cut in [5, 23, 24 + 7, 24 + 16 + 3, whole.len() - 1] {
        folder.write(&format!("cut{cut}.pcap"), &whole[..cut]);
        folder
            .replay("out", &["--in", &format!("in0=cut{cut}.pcap")])
            .fails(2, &format!("cut{cut}.pcap"));
    }
    let section = pcapng(&crowd(), Unit::Nanos, Order::Little);
    for cut in [20, 40, section.len() - 1] {
        folder.write("cut.pcapng", &section[..cut]);
        folder.replay("out", &["--in", "in0=cut.pcapng"]).fails(2, "cut.pcapng");
    }
    for (input, word) in [
        ("in0=cooked.pcap", "Ethernet"),
        ("in0=text.pcap", "text.pcap"),
        ("in0=empty.pcap", "empty.pcap"),
        ("in0=missing.pcap", "missing.pcap"),
        ("in9=a.pcap", "in9"),
        ("in0", "INTERFACE=CAPTURE"),
    ] {
        folder.replay("out", &["--in", input]).fails(2, word);
    }
}

#[test]
fn arguments_and_configurations_that_are_wrong_are_told_apart() {
    let folder = Folder::new("arguments");
    folder.write("a.pcap", &usual(&crowd()));
    let (without_static, _) = CONFIG.split_once("static:").expect("a static section");
    folder.write("bare.yaml", without_static.as_bytes());
    folder
        .write("broken.yaml", CONFIG.replace("unmatched: allow", "unmatched: perhaps").as_bytes());
    folder.write("moved.yaml", CONFIG.replace("203.0.113.1]", "203.0.113.9]").as_bytes());
    let with = |config: &str| folder.replay_with(config, "out", &["--in", "in0=a.pcap"]);
    with("bare.yaml").fails(3, "static");
    with("broken.yaml").fails(3, "broken.yaml:");
    with("missing.yaml").fails(3, "missing.yaml");
    for (reload, code, word) in [
        ("soon=gateway.yaml", 2, "SECONDS=FILE"),
        ("-1=gateway.yaml", 2, "SECONDS=FILE"),
        ("gateway.yaml", 2, "SECONDS=FILE"),
        ("1=broken.yaml", 3, "broken.yaml:"),
        ("1=bare.yaml", 3, "static"),
        ("1=moved.yaml", 3, "pools"),
    ] {
        let reload = format!("--reload={reload}");
        folder.replay("out", &["--in", "in0=a.pcap", &reload]).fails(code, word);
    }
}

/// A replay has no idle worker, but what one would have done before the next frame is done.
#[test]
fn what_was_over_before_a_frame_came_stands_in_nobodys_way() {
    let folder = Folder::new("over");
    let one_port = CONFIG.replace("1024-65535", "2000-2000").replace("flows: 1024", "flows: 16");
    folder.write("gateway.yaml", one_port.as_bytes());
    let from = |host: &str, n: u16| udp(Via::In0, end(host, n), far(), b"question");
    folder
        .write("a.pcap", &usual(&[at(0, from("10.1.0.5", 1)), at(1_000_000, from("10.1.0.6", 2))]));
    let json = folder.replay("out", &["--in", "in0=a.pcap"]).json();
    assert_eq!(json["interfaces"]["out0"]["tx"], 2, "the port is free again: {json}");
    let elsewhere = |n: u16| udp(Via::In0, pod(), end("198.51.100.8", n), b"?");
    let mut frames: Vec<_> = (1..=64).map(|n| at(0, elsewhere(n))).collect();
    frames.push(at(130_000, ask()));
    folder.write("a.pcap", &usual(&frames));
    let json = folder.replay("out", &["--in", "in0=a.pcap"]).json();
    let left = read(&folder.path("out/out0.pcap"));
    assert!(left.last().is_some_and(|last| last.at >= frames[64].at), "the last one left: {json}");
}

#[test]
fn an_input_is_never_overwritten() {
    let folder = Folder::new("same");
    folder.write("in0.pcap", &usual(&[at(0, ask())]));
    let before = folder.bytes("in0.pcap");
    folder.replay(".", &["--in", "in0=in0.pcap"]).fails(2, "overwrite");
    assert_eq!(folder.bytes("in0.pcap"), before);
}

#[test]
fn a_pool_that_is_the_machines_own_is_refused() {
    let folder = Folder::new("shared");
    let shared = CONFIG.replace("addresses: [203.0.113.1]", "addresses: [203.0.113.2]");
    folder.write("gateway.yaml", shared.as_bytes());
    folder.write("a.pcap", &usual(&[at(0, ask())]));
    folder.replay("out", &["--in", "in0=a.pcap"]).fails(3, "203.0.113.2");
}

#[test]
fn a_reload_that_would_change_what_flows_are_made_from_is_refused_before_the_first_frame() {
    let folder = Folder::new("lasting");
    folder.write("ports.yaml", CONFIG.replace("1024-65535", "6000-7000").as_bytes());
    folder.write("a.pcap", &usual(&[at(0, ask())]));
    folder.replay("out", &["--in", "in0=a.pcap", "--reload", "1=ports.yaml"]).fails(3, "pools");
}
