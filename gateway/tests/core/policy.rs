//! Policy at work on packets: who is refused and why, and what a new policy does to flows under way.

use crate::kit::frame::{Segment, flag, ping, raw, syn, tcp, udp};
use crate::kit::{Call, NEW, Setup, Via, World, end};
use flowtable::table::FlowId;

/// Web may reach one block over HTTPS and anything in another; the database is isolated.
const SHOP: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {tier: web}}
status: {podIP: 10.1.0.5, podIPs: [{ip: 10.1.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: database, namespace: shop, labels: {tier: database}}
status: {podIP: 10.1.0.6, podIPs: [{ip: 10.1.0.6}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {tier: web}}
  policyTypes: [Egress]
  egress:
    - to: [{ipBlock: {cidr: 198.51.100.0/24}}]
      ports: [{protocol: TCP, port: 443}]
    - to: [{ipBlock: {cidr: 192.0.2.0/24}}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: database, namespace: shop}
spec:
  podSelector: {matchLabels: {tier: database}}
  policyTypes: [Ingress, Egress]
  ingress:
    - from: [{podSelector: {matchLabels: {tier: web}}}]
      ports: [{protocol: TCP, port: 5432}]
"#;

fn shop() -> Setup {
    let routed = "{to: 192.0.2.0/24, via: 203.0.113.253, device: out0}";
    let there = "{to: 192.0.2.0/24, via: 203.0.113.254, device: out0}";
    Setup::default().with(routed, there).policy(SHOP)
}

/// The shop after somebody took HTTPS from the web tier.
fn stricter(setup: Setup) -> Setup {
    let text = setup.policy.replace("port: 443", "port: 444");
    setup.policy(&text)
}

fn https() -> Call {
    Call::new((Via::In0, Via::Out0), end("10.1.0.5", 40_000), end("198.51.100.7", 443))
}

fn running(setup: &Setup) -> (World, Call) {
    let mut world = setup.world();
    let mut call = https();
    call.open(&mut world, &format!("tx.out0 {NEW}"));
    call.say(&mut world, b"before");
    (world, call)
}

#[test]
fn a_policy_lets_through_what_it_names_and_counts_the_rest() {
    let (mut world, _) = running(&shop());
    let web = end("10.1.0.5", 40_001);
    for (to, allowed) in [
        (end("198.51.100.7", 80), false),
        (end("198.51.101.7", 443), false),
        (end("192.0.2.9", 1), true),
    ] {
        let frame = tcp(Via::In0, web, to, syn(1));
        match allowed {
            true => drop(world.forward(Via::In0, &frame, &format!("tx.out0 {NEW}"))),
            false => world.refuse(Via::In0, &frame, "policy.networkpolicy"),
        }
    }
    let question = udp(Via::In0, web, end("198.51.100.7", 443), b"?");
    world.refuse(Via::In0, &question, "policy.networkpolicy");
    let echo = ping(Via::In0, web, end("198.51.100.7", 0), b"?");
    world.refuse(Via::In0, &echo, "policy.networkpolicy");
    let echo = ping(Via::In0, web, end("192.0.2.9", 0), b"?");
    world.forward(Via::In0, &echo, &format!("tx.out0 {NEW}"));
}

#[test]
fn both_ends_policies_are_asked_where_both_are_ours() {
    let mut world = shop().flat().world();
    let web = end("10.1.0.5", 40_001);
    let other = end("10.2.0.5", 40_001);
    // Web's own egress says no, though the database would take it.
    let query = tcp(Via::In0, web, end("10.1.0.6", 5432), syn(1));
    world.refuse(Via::In0, &query, "policy.networkpolicy");
    // Nothing isolates the other host, but the database does not know it.
    let query = tcp(Via::In1, other, end("10.1.0.6", 5432), syn(1));
    world.refuse(Via::In1, &query, "policy.networkpolicy");
    // The database itself may go nowhere.
    let out = udp(Via::In0, end("10.1.0.6", 9), end("198.51.100.7", 53), b"?");
    world.refuse(Via::In0, &out, "policy.networkpolicy");
    let inward = tcp(Via::Out0, end("198.51.100.7", 9), end("10.1.0.6", 5432), syn(1));
    world.refuse(Via::Out0, &inward, "policy.networkpolicy");
}

#[test]
fn whom_no_policy_names_unmatched_decides_about() {
    let stranger = end("10.1.0.7", 40_001);
    let first = tcp(Via::In0, stranger, end("198.51.100.7", 80), syn(1));
    shop().world().forward(Via::In0, &first, &format!("tx.out0 {NEW}"));
    shop().unmatched_deny().world().refuse(Via::In0, &first, "policy.unmatched");
    // A policy that speaks is not overruled by it.
    let mut world = shop().unmatched_deny().world();
    https().open(&mut world, &format!("tx.out0 {NEW}"));
}

/// Hazard E029.
#[test]
fn tunnels_need_a_layer_that_speaks() {
    let mut world = shop().world();
    let stranger = end("10.1.0.7", 40_001);
    let (far, wide) = (end("198.51.100.7", 1701), end("192.0.2.9", 1701));
    for proto in [4, 41, 47, 97, 115] {
        let tunnel = raw(Via::In0, stranger, far, proto, &[0; 40]);
        world.refuse(Via::In0, &tunnel, "tunnel.denied");
        // Web's policy names everything at that block.
        let tunnel = raw(Via::In0, end("10.1.0.5", 0), wide, proto, &[0; 40]);
        world.forward(Via::In0, &tunnel, "tx.out0 flows_admitted flows");
        let tunnel = raw(Via::In0, end("10.1.0.5", 0), far, proto, &[0; 40]);
        world.refuse(Via::In0, &tunnel, "policy.networkpolicy");
    }
    let l2tp = udp(Via::In0, stranger, far, &[0xc8, 2]);
    world.refuse(Via::In0, &l2tp, "tunnel.denied");
    let l2tp = udp(Via::In0, end("10.1.0.5", 1701), wide, &[0xc8, 2]);
    world.forward(Via::In0, &l2tp, &format!("tx.out0 {NEW}"));
    // Where nothing is allowed unless it is named, that is the reason.
    let mut world = shop().unmatched_deny().world();
    let tunnel = raw(Via::In0, stranger, far, 47, &[0; 40]);
    world.refuse(Via::In0, &tunnel, "policy.unmatched");
}

/// Hazard E027: the key is exact, so a denied protocol says nothing about the next packet.
#[test]
fn a_refused_protocol_does_not_taint_another_one() {
    let mut world = shop().world();
    let web = end("10.1.0.5", 443);
    let denied = raw(Via::In0, web, end("198.51.100.7", 443), 47, &[0; 40]);
    for _ in 0..3 {
        world.refuse(Via::In0, &denied, "policy.networkpolicy");
    }
    https().open(&mut world, &format!("tx.out0 {NEW}"));
    world.refuse(Via::In0, &denied, "policy.networkpolicy");
    for proto in [0, 255] {
        let frame = raw(Via::In0, end("10.1.0.7", 0), end("198.51.100.7", 0), proto, &[0; 40]);
        world.refuse(Via::In0, &frame, "proto.denied");
    }
}

#[test]
fn a_new_policy_that_still_allows_leaves_a_flow_alone() {
    let (mut world, mut call) = running(&shop());
    for _ in 0..3 {
        world.reload(|setup| setup);
        call.say(&mut world, b"after");
        call.answer(&mut world, b"after");
    }
    world.reload(|setup| setup.unmatched_deny());
    call.answer(&mut world, b"the answer first");
    call.say(&mut world, b"then the question");
    call.close(&mut world);
}

#[test]
fn a_new_policy_that_denies_ends_a_flow_with_its_next_packet_from_either_side() {
    for side in [Via::In0, Via::Out0] {
        let (mut world, call) = running(&shop());
        world.reload(stricter);
        let frame = match side {
            Via::Out0 => call.server_frame(call.server_says(flag::ACK, b"x")),
            _ => call.client_frame(call.client_says(flag::ACK, b"x")),
        };
        world.step(side, &frame, "policy.networkpolicy flows_ended -flows -ports");
        let after = call.client_frame(call.client_says(flag::ACK, b"x"));
        world.refuse(Via::In0, &after, "tcp.no_flow");
        let answer = call.server_frame(call.server_says(flag::ACK, b"x"));
        world.refuse(Via::Out0, &answer, "nat.no_mapping");
    }
}

#[test]
fn a_policy_that_comes_back_does_not_bring_a_flow_back() {
    let (mut world, mut call) = running(&shop());
    world.reload(stricter);
    world.reload(|_| shop());
    // Nobody spoke meanwhile: the flow was never judged under the stricter one.
    call.say(&mut world, b"x");
    world.reload(stricter);
    let frame = call.client_frame(call.client_says(flag::ACK, b"x"));
    world.step(Via::In0, &frame, "policy.networkpolicy flows_ended -flows -ports");
    world.reload(|_| shop());
    world.refuse(Via::In0, &frame, "tcp.no_flow");
}

#[test]
fn a_flow_that_a_new_policy_allows_is_admitted_by_its_next_first_packet() {
    let mut world = stricter(shop()).world();
    let first = tcp(Via::In0, https().client, https().server, syn(1));
    world.refuse(Via::In0, &first, "policy.networkpolicy");
    world.reload(|_| shop());
    world.forward(Via::In0, &first, &format!("tx.out0 {NEW}"));
    let early = Segment { flags: flag::ACK, ack: 9, ..syn(2) };
    let early = tcp(Via::In0, https().client, https().server, early);
    world.refuse(Via::In0, &early, "tcp.oow");
}

/// Packets and bytes of the only flow, as (client's, server's).
fn counts(world: &World) -> [(u64, u64); 2] {
    let table = &world.worker.table;
    let mut flows = (0..table.capacity()).filter_map(|flow| table.snapshot_flow(FlowId(flow)));
    let flow = flows.next().expect("a flow");
    assert!(flows.next().is_none(), "one flow");
    [flow.original, flow.reply].map(|side| (side.direction.packets, side.direction.bytes))
}

#[test]
fn counters_of_a_flow_go_on_through_a_reload() {
    let (mut world, mut call) = running(&shop());
    // A SYN, an ACK and six bytes; the answer to the SYN. Headers are 40 bytes.
    assert_eq!(counts(&world), [(3, 126), (1, 40)]);
    world.reload(|setup| setup);
    call.say(&mut world, b"12345");
    call.answer(&mut world, b"123");
    assert_eq!(counts(&world), [(4, 171), (2, 83)]);
    // What is dropped is not the flow's.
    let far = Segment { seq: call.client_next + 90_000, ..call.client_says(flag::ACK, b"x") };
    world.refuse(Via::In0, &call.client_frame(far), "tcp.oow");
    assert_eq!(counts(&world), [(4, 171), (2, 83)]);
    world.idle_step(7441, "flows_ended -flows -ports");
}
