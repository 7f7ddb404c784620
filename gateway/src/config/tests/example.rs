//! The example loads, and every key means what it says.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::super::*;
use super::{EXAMPLE, LEAST, examples, load};

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address in a test")
}

fn network(text: &str) -> ipnet::IpNet {
    text.parse().expect("a network in a test")
}

fn values<T: Clone>(list: &[At<T>]) -> Vec<T> {
    list.iter().map(|at| at.value.clone()).collect()
}

fn example() -> Config {
    load(EXAMPLE).unwrap_or_else(|report| panic!("{}", report.to_text())).config
}

#[test]
fn interfaces_workers_network() {
    let config = example();
    let [inside] = config.interfaces.inside.as_slice() else { panic!("one inside interface") };
    assert_eq!(inside.device.name(), "in0");
    assert!(!inside.device.is_pattern());
    assert_eq!(values(&inside.networks), [network("10.1.0.0/24"), network("fd00:1::/64")]);
    assert!(inside.bind.is_empty());
    assert_eq!(inside.vlan, None);
    assert_eq!(inside.local_veth, None);
    assert_eq!(*inside.identity, Identity::Optional);
    let [outside] = config.interfaces.outside.as_slice() else { panic!("one outside interface") };
    assert_eq!(outside.device.name(), "out0");
    assert!(outside.networks.is_empty());
    assert_eq!(config.interfaces.all().count(), 2);
    assert_eq!(config.cpus.as_ref().map(|cpus| values(cpus)), Some(vec![1]));
    assert_eq!(*config.network.ipv4, NetworkMode::Overlay);
    assert_eq!(*config.network.ipv6, NetworkMode::Flat);
}

#[test]
fn translation() {
    let config = example();
    let [pool] = config.snat.pools.as_slice() else { panic!("one pool") };
    assert_eq!(*pool.name, "default");
    let [range] = pool.addresses.as_slice() else { panic!("one address") };
    assert_eq!(range.iter().collect::<Vec<_>>(), [address("203.0.113.1")]);
    assert_eq!(*pool.ports, PortRange { first: 1024, last: 65535 });
    assert_eq!(*pool.mapping, Mapping::EndpointDependent);
    assert_eq!(*pool.filtering, Filtering::AddressAndPortDependent);
    let masq = config.snat.ip_masq_agent.expect("the agent's file");
    assert_eq!(*masq, examples().join("masq.yaml"));
}

#[test]
fn names_policies_groups() {
    let config = example();
    let resolvers = config.dns.expect("resolvers");
    assert_eq!(values(&resolvers), [address("203.0.113.53")]);
    assert_eq!(*config.names.enforce, Enforce::WhenSeen);
    assert!(config.names.private_answers.is_empty());
    assert_eq!(values(&config.policies), [examples().join("policies/")]);
    let [subnet, nic] = config.nsg.as_slice() else { panic!("two attachments") };
    assert_eq!(*subnet.group, "lab-nsg");
    assert_eq!(subnet.target, NsgTarget::Subnet(network("10.1.0.0/24")));
    assert_eq!(subnet.sees, Sees::BeforeSnat);
    assert_eq!(*nic.group, "vm-nsg");
    assert_eq!(nic.target, NsgTarget::Nic(address("10.1.0.5")));
    let azure = config.azure.expect("azure");
    let tags: Vec<_> =
        azure.service_tags.iter().map(|(name, list)| (&**name, values(list))).collect();
    assert_eq!(tags[0], (&"VirtualNetwork".to_owned(), vec![network("10.0.0.0/8")]));
    assert_eq!(tags[1], (&"AzureLoadBalancer".to_owned(), vec![network("168.63.129.16/32")]));
    assert_eq!(tags.len(), 2);
    let [(web, members)] = azure.application_security_groups.as_slice() else {
        panic!("one group")
    };
    assert_eq!((&***web, values(members)), ("web", vec![address("10.1.0.5")]));
}

#[test]
fn verdicts_limits_timeouts() {
    let config = example();
    assert_eq!(*config.unmatched, Unmatched::Deny);
    assert_eq!(*config.deny, DenyAction::Drop);
    assert_eq!(*config.on_failure, OnFailure::Block);
    assert_eq!(*config.limits.flows, 1_048_576);
    assert_eq!(*config.limits.frames, 16_384);
    assert_eq!(*config.limits.flows_per_client, 0);
    let timeouts = &config.timeouts;
    for (timeout, seconds) in [
        (timeouts.tcp_established, 7440),
        (timeouts.tcp_transitory, 240),
        (timeouts.tcp_half_open, 30),
        (timeouts.udp, 300),
        (timeouts.udp_unreplied, 120),
        (timeouts.icmp, 60),
    ] {
        assert_eq!(*timeout, Duration::from_secs(seconds));
        assert!(timeout.is_written());
    }
    assert_eq!(*config.tcp_mss_clamp, MssClamp::Off);
    assert_eq!(*config.control_socket, Path::new("/run/sluice/control.sock"));
    assert_eq!(config.metrics.map(|at| at.value), "127.0.0.1:9477".parse().ok());
}

#[test]
fn static_tables() {
    let tables = example().static_tables.expect("static tables");
    let [inside, outside] = tables.interfaces.as_slice() else { panic!("two devices") };
    assert_eq!((inside.device.name(), inside.mac.to_string()), ("in0", "02:00:00:00:01:01".into()));
    assert_eq!(values(&inside.addresses), [network("10.1.0.1/24")]);
    assert_eq!(*inside.mtu, 1500);
    assert_eq!(outside.device.name(), "out0");
    assert_eq!(outside.mac.value, Mac([2, 0, 0, 0, 2, 1]));
    assert_eq!(values(&outside.addresses), [network("203.0.113.2/24")]);
    assert_eq!(*outside.mtu, 1500);
    let [route] = tables.routes.as_slice() else { panic!("one route") };
    assert_eq!(*route.to, network("0.0.0.0/0"));
    assert_eq!(route.via.map(|via| via.value), Some(address("203.0.113.254")));
    assert_eq!(route.device.name(), "out0");
    let [router, host] = tables.neighbors.as_slice() else { panic!("two neighbors") };
    assert_eq!(*router.address, address("203.0.113.254"));
    assert_eq!(router.mac.value, Mac([2, 0, 0, 0, 2, 0xfe]));
    assert_eq!(router.device.name(), "out0");
    assert_eq!(*host.address, address("10.1.0.5"));
    assert_eq!(host.mac.to_string(), "02:00:00:00:01:05");
    assert_eq!(host.device.name(), "in0");
}

#[test]
fn its_policies_are_read_in_order() {
    let loaded = load(EXAMPLE).expect("the example loads");
    let names: Vec<_> = loaded.policy_sources.iter().map(|source| &source.name).collect();
    assert!(!names.is_empty());
    assert!(names.is_sorted(), "{names:?}");
}

#[test]
fn defaults_are_those_of_the_example() {
    let config = load(LEAST).expect("the least loads").config;
    let example = example();
    assert_eq!(*config.limits.flows, *example.limits.flows);
    assert_eq!(*config.limits.frames, *example.limits.frames);
    assert_eq!(*config.limits.flows_per_client, *example.limits.flows_per_client);
    assert_eq!(*config.timeouts.tcp_established, *example.timeouts.tcp_established);
    assert_eq!(*config.timeouts.tcp_transitory, *example.timeouts.tcp_transitory);
    assert_eq!(*config.timeouts.tcp_half_open, *example.timeouts.tcp_half_open);
    assert_eq!(*config.timeouts.udp, *example.timeouts.udp);
    assert_eq!(*config.timeouts.udp_unreplied, *example.timeouts.udp_unreplied);
    assert_eq!(*config.timeouts.icmp, *example.timeouts.icmp);
    assert_eq!(*config.unmatched, Unmatched::Deny);
    assert_eq!(*config.on_failure, OnFailure::Block);
    assert_eq!(config.control_socket.value, example.control_socket.value);
    assert!(config.cpus.is_none() && config.dns.is_none() && config.static_tables.is_none());
    assert!(!config.unmatched.is_written());
    assert!(unbuilt(&config).is_empty());
}

#[test]
fn every_key_not_enforced_yet_is_named() {
    let refused: Vec<_> = unbuilt(&example()).iter().map(|found| found.message.clone()).collect();
    let keys = ["`ip_masq_agent`", "`dns`", "`nsg`", "`azure`"];
    assert_eq!(refused.len(), keys.len(), "{refused:?}");
    for key in keys {
        let message = format!("{key} is not enforced by this version");
        assert!(refused.contains(&message), "{key}: {refused:?}");
    }
    let text = format!(
        "interfaces:
  inside:
    - {{device: \"veth*\", networks: [10.1.0.0/24], vlan: 100, identity: required, local_veth: true,
       bind: [10.1.0.7, {{address: 10.1.0.8, mac: \"02:00:00:00:00:08\"}}]}}
  outside: [{{device: out0}}]
snat:
  pools:
    - {{name: a, addresses: [203.0.113.8/30], mapping: endpoint-independent}}
    - {{name: b, addresses: [203.0.113.20-203.0.113.22], filtering: address-dependent}}
{}",
        "names: {enforce: require, private_answers: [10.0.0.0/8, \"*.corp.example\"]}
deny: reject
limits: {flows_per_client: 100}
tcp_mss_clamp: 1360
"
    );
    let config = load(&text).unwrap_or_else(|report| panic!("{}", report.to_text())).config;
    let refused = unbuilt(&config);
    let found: Vec<_> = refused
        .iter()
        .map(|found| {
            assert!(found.place.is_known() && found.help.is_some(), "{found}");
            found.message.trim_end_matches(" is not enforced by this version")
        })
        .collect();
    assert_eq!(
        found,
        [
            "a pattern in `device`",
            "`vlan`",
            "`identity: required`",
            "`bind`",
            "`mapping: endpoint-independent`",
            "a second pool",
            "`filtering: address-dependent`",
            "`names.enforce`",
            "`names.private_answers`",
            "`deny: reject`",
            "`flows_per_client`",
            "`tcp_mss_clamp`",
        ]
    );
}

#[test]
fn forms_a_value_may_take() {
    let text = LEAST.replace("network: flat\n", "")
        + "network: overlay
snat: {pools: [{name: p, addresses: [203.0.113.8/30, 203.0.113.20-203.0.113.22], ports: 443}]}
workers: {cpus: [0, 2-4]}
timeouts: {tcp_established: 2h4m, udp: 5m, icmp: 60000ms, tcp_half_open: 1m30s, udp_unreplied: 1d}
tcp_mss_clamp: pmtu
control: {socket: run/control.sock}
policies: []
names: {private_answers: [10.1.2.3, \"fd00::/8\", DB.example.]}
";
    let config = load(&text).unwrap_or_else(|report| panic!("{}", report.to_text())).config;
    let pool = &config.snat.pools[0];
    let counts: Vec<_> = pool.addresses.iter().map(|range| range.iter().count()).collect();
    assert_eq!(counts, [4, 3]);
    assert_eq!(*pool.ports, PortRange { first: 443, last: 443 });
    assert_eq!(config.cpus.map(|cpus| values(&cpus)), Some(vec![0, 2, 3, 4]));
    assert_eq!(*config.timeouts.tcp_established, Duration::from_secs(7440));
    assert_eq!(*config.timeouts.icmp, Duration::from_secs(60));
    assert_eq!(*config.timeouts.tcp_half_open, Duration::from_secs(90));
    assert_eq!(*config.timeouts.udp_unreplied, Duration::from_secs(86_400));
    assert_eq!(*config.tcp_mss_clamp, MssClamp::PathMtu);
    assert_eq!(*config.control_socket, examples().join("run/control.sock"));
    assert_eq!(
        values(&config.names.private_answers),
        [
            PrivateAnswer::Network(network("10.1.2.3/32")),
            PrivateAnswer::Network(network("fd00::/8")),
            PrivateAnswer::Name("db.example".into()),
        ]
    );
}

#[test]
fn json_is_a_configuration_too() {
    let text = r#"{"interfaces": {"inside": [{"device": "in0", "networks": ["10.1.0.0/24"]}],
                   "outside": [{"device": "out0"}]}, "network": "flat", "limits": {"flows": 16}}"#;
    let config = load(text).unwrap_or_else(|report| panic!("{}", report.to_text())).config;
    assert_eq!(*config.limits.flows, 16);
}

#[test]
fn anchors_and_aliases_are_followed() {
    let text = LEAST.to_owned()
        + "static:
  interfaces:
    in0: {mac: \"02:00:00:00:01:01\", addresses: [10.1.0.1/24], mtu: &mtu 9000}
    out0: {mac: \"02:00:00:00:02:01\", addresses: [203.0.113.2/24], mtu: *mtu}
";
    let config = load(&text).unwrap_or_else(|report| panic!("{}", report.to_text())).config;
    let tables = config.static_tables.expect("static tables");
    assert!(tables.interfaces.iter().all(|interface| *interface.mtu == 9000));
}
