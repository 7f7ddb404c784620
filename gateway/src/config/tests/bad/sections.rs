//! Mistakes in what sections mean.

use super::{LEAST, Severity, errors, expect, warnings};

#[test]
fn interfaces() {
    let with = |inside: &str, outside: &str| {
        format!("interfaces:\n  inside:\n  {inside}\n  outside:\n  {outside}\nnetwork: flat\n")
    };
    let inside = |text: &str| with(text, "- {device: out0}");
    let outside = |text: &str| with("- {device: in0, networks: [10.1.0.0/24]}", text);
    let cases = [
        ("▸network: flat\n#interfaces:\n".to_owned(), "has no `interfaces`", "inside"),
        (
            "interfaces:\n  ▸inside: [{device: in0, networks: [10.1.0.0/24]}]\n".to_owned(),
            "`interfaces` has no `outside`",
            "device: out0",
        ),
        (inside("  ▸[]"), "`inside` is empty", "at least one device"),
        (inside("- ▸{device: in0}"), "has no `networks`", "anything else is spoofed"),
        (inside("- {device: in0, networks: ▸[]}"), "`networks` is empty", "spoofed"),
        (
            inside("- {device: in0, networks: [▸10.1.0.5/24]}"),
            "network 10.1.0.5/24 has host bits set",
            "10.1.0.0/24",
        ),
        (
            inside("- {device: in0, networks: [▸10.1.0.5]}"),
            "no address with a prefix",
            "10.1.0.5/32",
        ),
        (
            inside("- {device: in0, networks: [▸10.1.0.0/33]}"),
            "no address with a prefix",
            "10.1.0.0/24",
        ),
        (
            inside("- {device: in0, networks: [▸224.0.0.0/4]}"),
            "multicast addresses",
            "pods and hosts",
        ),
        (
            inside("- {device: in0, networks: [▸127.0.0.0/8]}"),
            "loopback addresses",
            "pods and hosts",
        ),
        (
            inside(
                "- {device: in0, networks: [10.1.0.0/16]}\n  - {device: in1, networks: [▸10.1.2.0/24]}",
            ),
            "network 10.1.2.0/24 overlaps 10.1.0.0/16",
            "line 3 gives those addresses to another",
        ),
        (
            inside(
                "- {device: in0, networks: [10.1.0.0/16]}\n  - {device: ▸in0, networks: [10.2.0.0/16]}",
            ),
            "device `in0` is listed twice",
            "line 3",
        ),
        (outside("- {device: ▸in0}"), "device `in0` is listed twice", "faces one way"),
        (
            outside("- {device: out0, ▸networks: [10.2.0.0/16]}"),
            "outside interface has no key `networks`",
            "device, vlan",
        ),
        (outside("- {device: ▸an-interface-too-long}"), "too long", "15 bytes"),
        (outside("- {device: ▸\"a b\"}"), "no device name", "spaces"),
        (outside("- {device: ▸\"veth[0\"}"), "unbalanced bracket", "veth[0-9]"),
        (outside("- {device: out0, vlan: ▸4095}"), "`vlan` cannot be `4095`", "1 to 4094"),
        (
            outside("- {device: out0, local_veth: ▸yes}"),
            "true or false, not `yes`",
            "write true or false",
        ),
        (
            inside("- {device: in0, networks: [10.1.0.0/24], bind: [▸10.2.0.7]}"),
            "bound address 10.2.0.7 is in none",
            "narrows `networks`",
        ),
        (
            inside(
                "- {device: in0, networks: [10.1.0.0/24], bind: [{address: 10.1.0.7, mac: ▸02-00}]}",
            ),
            "no MAC address",
            "six pairs",
        ),
        (
            inside("- {device: in0, networks: [10.1.0.0/24], identity: ▸requierd}"),
            "cannot be `requierd`",
            "did you mean `required`?",
        ),
    ];
    for (text, message, help) in cases {
        expect(Severity::Error, &text, message, help);
    }
    let cases = [
        (
            inside("- {device: in0, networks: [10.1.0.0/16, ▸10.1.2.0/24]}"),
            "overlaps",
            "keep the wider",
        ),
        (
            inside("- {device: in0, networks: [▸0.0.0.0/0]}"),
            "lets every source pass",
            "list the networks",
        ),
    ];
    for (text, message, help) in cases {
        expect(Severity::Warning, &text, message, help);
    }
}

#[test]
fn workers_and_pools() {
    errors(&[
        ("workers: {cpus: [1, ▸1]}\n", "CPU 1 is listed twice", "list each once"),
        ("workers: {cpus: [▸5-2]}\n", "the range `5-2` is reversed", "2-5"),
        ("workers: {cpus: [▸1024]}\n", "`1024` is no CPU", "0 to 1023"),
        ("workers: {cpus: ▸[]}\n", "`cpus` is empty", "remove the key"),
        (
            "snat: {pools: [{name: a, addresses: [192.0.2.1], ports: ▸65535-1024}]}\n",
            "is reversed",
            "1024-65535",
        ),
        ("snat: {pools: [{name: a, addresses: [192.0.2.1], ports: ▸0-100}]}\n", "port 0", "1-100"),
        (
            "snat: {pools: [{name: a, addresses: [192.0.2.1], ports: ▸1-70000}]}\n",
            "no range of ports",
            "1024-65535",
        ),
        (
            "snat: {pools: [{name: a, addresses: [192.0.2.1], ports: ▸[1-2]}]}\n",
            "one range",
            "1024-65535",
        ),
        (
            "snat: {pools: [{name: a, addresses: [▸10.1.0.9]}]}\n",
            "inside network 10.1.0.0/24",
            "line 2",
        ),
        (
            "snat: {pools: [{name: a, addresses: [▸239.1.1.1]}]}\n",
            "multicast",
            "routed to this gateway",
        ),
        (
            "snat: {pools: [{name: a, addresses: [▸192.0.2.9-192.0.2.1]}]}\n",
            "is reversed",
            "192.0.2.1-192.0.2.9",
        ),
        (
            "snat: {pools: [{name: a, addresses: [▸\"2001:db8::/64\"]}]}\n",
            "more than 65536",
            "really routed",
        ),
        ("snat: {pools: [{name: a, addresses: [▸192.0.2.300]}]}\n", "no IP address", "10.1.0.5"),
        (
            "snat: {pools: [{name: a, addresses: [▸\"::ffff:192.0.2.1\"]}]}\n",
            "IPv4 address written as IPv6",
            "192.0.2.1",
        ),
        (
            "snat: {pools: [{name: a, addresses: [192.0.2.0/30, ▸192.0.2.1]}]}\n",
            "listed twice",
            "192.0.2.0-192.0.2.3",
        ),
        ("snat: {pools: [{name: a, addresses: ▸[]}]}\n", "`addresses` is empty", "203.0.113.1"),
        (
            "snat: {pools: [{name: a, addresses: [192.0.2.1]}, {name: ▸a, addresses: [192.0.2.2]}]}\n",
            "pool `a` is defined twice",
            "line 5",
        ),
        (
            "snat: {pools: [{name: a, addresses: [192.0.2.1]}, {name: b, addresses: [▸192.0.2.1]}]}\n",
            "pools `a` and `b` share ports",
            "its own addresses",
        ),
        (
            "snat: {pools: [{name: ▸\"a b\", addresses: [192.0.2.1]}]}\n",
            "cannot be a name",
            "80 letters",
        ),
        (
            "network: overlay\nsnat: {pools: [{name: a, addresses: [192.0.2.1]}]}\non_failure: ▸pass\n",
            "cannot go with an overlay",
            "network: flat",
        ),
    ]);
    warnings(&[
        ("network: {ipv4: ▸overlay}\n", "no pool has an ipv4 address", "nat.no_pool"),
        ("network: ▸overlay\n", "no pool has an ipv4 address", "network: {ipv4: flat}"),
        (
            "snat: {pools: [{name: a, addresses: [192.0.2.1], mapping: endpoint-independent, ports: ▸1-9}]}\n",
            "9 ports an address are few",
            "widen",
        ),
    ]);
}

#[test]
fn the_rest() {
    let long = format!("control: {{socket: ▸/run/{}}}\n", "x".repeat(103));
    errors(&[
        (&long, "108 bytes, the system takes 107", "shorter path"),
        ("timeouts: {udp: ▸300}\n", "`300` is no duration", "add a unit, as in 300s"),
        ("timeouts: {udp: ▸5x}\n", "`5x` is no duration", "d, h, m, s or ms"),
        ("timeouts: {udp: ▸4m2h}\n", "`4m2h` is no duration", "2h4m"),
        ("timeouts: {udp: ▸0s}\n", "a duration of zero", "1ms"),
        ("timeouts: {udp: ▸400d}\n", "too long", "30d"),
        ("dns: {resolvers: [▸192.0.2.1/32]}\n", "no IP address", "without a prefix: 192.0.2.1"),
        ("dns: {resolvers: [192.0.2.1, ▸192.0.2.1]}\n", "listed twice", "once"),
        ("dns: {resolvers: ▸[]}\n", "`resolvers` is empty", "believed"),
        ("names: {private_answers: [▸a..b]}\n", "no network and no name", "db.example.com"),
        (
            "nsg: [{group: a, attach: ▸{subnet: 10.1.0.0/24, nic: 10.1.0.5}}]\n",
            "either",
            "attach: {nic",
        ),
        (
            "nsg: [{group: a, attach: {nic: 10.1.0.5}, sees: ▸after}]\n",
            "cannot be `after`",
            "after-snat",
        ),
        ("azure: {service_tags: {▸\"a b\": []}}\n", "cannot be a name", "letters"),
        ("azure: {service_tags: {Internet: [▸10.0.0.1/8]}}\n", "host bits", "10.0.0.0/8"),
        (
            "policies: [▸nowhere.yaml]\n",
            "nowhere.yaml cannot be read",
            "configuration's own folder",
        ),
    ]);
    warnings(&[
        ("timeouts: {tcp_established: ▸1h}\n", "below the 7440s that RFC 5382", "7440s"),
        ("timeouts: {udp: ▸30s}\n", "below the 120s that RFC 4787", "120s"),
        ("timeouts: {icmp: ▸30s}\n", "below the 60s that RFC 5508", "60s"),
        (
            "metrics: {listen: ▸\"127.0.0.1:9477\"}\n",
            "has no effect in this version",
            "sluice stats",
        ),
        ("on_failure: ▸block\n", "only while the gateway runs", "close them too"),
    ]);
}

/// Static tables with both devices; `▸`-marked lines are put into them.
fn tables(change: (&str, &str)) -> String {
    let text = LEAST.to_owned()
        + "static:
  interfaces:
    in0: {mac: \"02:00:00:00:01:01\", addresses: [10.1.0.1/24]}
    out0: {mac: \"02:00:00:00:02:01\", addresses: [203.0.113.2/24]}
  routes: [{to: 0.0.0.0/0, via: 203.0.113.254, device: out0}]
  neighbors: [{address: 10.1.0.5, mac: \"02:00:00:00:01:05\", device: in0}]
";
    assert!(text.contains(change.0), "{}", change.0);
    text.replacen(change.0, change.1, 1)
}

#[test]
fn static_tables() {
    let cases = [
        (("[10.1.0.1/24]", "[▸10.1.0.0/24]"), "no host's address", "device itself"),
        (("[10.1.0.1/24]", "[▸10.1.0.1]"), "no address with a prefix", "10.1.0.1/32"),
        (("[203.0.113.2/24]", "[203.0.113.2/24, ▸10.1.0.1/24]"), "given twice", "`in0` has it"),
        (("mac: \"02:00:00:00:01:01\"", "mac: ▸\"00:00:00:00:00:00\""), "all-zero", "ip link"),
        (("mac: \"02:00:00:00:01:01\"", "mac: ▸\"01:00:5e:00:00:01\""), "group address", "even"),
        (("mac: \"02:00:00:00:01:01\"", "mac: ▸\"02:00:00:00:01\""), "no MAC address", "six pairs"),
        (("in0: {mac: \"02:00:00:00:01:01\", ", "in0: ▸{"), "has no `mac`", "02:00"),
        (("addresses: [10.1.0.1/24]", "mtu: ▸67"), "`mtu` cannot be `67`", "68 to 65535"),
        (
            ("device: out0}]\n  neigh", "device: ▸out1}]\n  neigh"),
            "device `out1` is not among",
            "did you mean `out0`?",
        ),
        (
            ("device: in0}]", "device: ▸eth7}]"),
            "device `eth7` is not among",
            "known are: in0, out0",
        ),
        (("device: in0}]", "device: ▸\"in*\"}]"), "is a pattern", "own name"),
        (("via: 203.0.113.254", "via: ▸\"fd00::1\""), "two families", "destination's family"),
        (("via: 203.0.113.254", "via: ▸203.0.113.2"), "gateway itself", "router"),
        (("0.0.0.0/0, via", "▸10.9.0.1/8, via"), "host bits", "10.0.0.0/8"),
        (
            ("device: out0}]\n  neigh", "device: out0}, {to: ▸0.0.0.0/0, device: in0}]\n  neigh"),
            "two routes",
            "line 9",
        ),
        (
            (
                "device: in0}]",
                "device: in0}, {address: ▸10.1.0.5, mac: \"02:00:00:00:00:01\", device: in0}]",
            ),
            "given twice",
            "line 10",
        ),
        (("address: 10.1.0.5", "address: ▸224.0.0.5"), "no station's address", "own address"),
        (
            ("[{device: out0}]", "[{device: out0}, {device: ▸out2}]"),
            "no interface `out2`",
            "MAC address",
        ),
        (("    out0: {mac", "    in2: {mac: \"02:00:00:00:03:01\"}\n    out0: {mac"), "", ""),
    ];
    for (change, message, help) in cases {
        if message.is_empty() {
            let text = tables((change.0, &change.1.replace("in2", "▸in2")));
            expect(Severity::Error, &text, "device `in2` is not among", "did you mean `in0`?");
            continue;
        }
        expect(Severity::Error, &tables(change), message, help);
    }
    let cases = [
        (
            ("via: 203.0.113.254", "via: ▸203.0.114.254"),
            "on no network of `out0`",
            "203.0.113.0/24",
        ),
        (("address: 10.1.0.5", "address: ▸10.2.0.5"), "on no network of `in0`", "10.1.0.0/24"),
        (
            ("mac: \"02:00:00:00:02:01\"", "mac: ▸\"02:00:00:00:01:01\""),
            "given to two devices",
            "differ",
        ),
    ];
    for (change, message, help) in cases {
        expect(Severity::Warning, &tables(change), message, help);
    }
}
