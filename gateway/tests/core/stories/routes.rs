//! Ways out: no route, no neighbour, routes that change, packets that do not fit.

use super::tcp::outward;
use crate::kit::frame::{flag, may_fragment, udp};
use crate::kit::{Call, NEW, Setup, Via, end};

#[test]
fn a_destination_without_a_neighbour_is_asked_for_and_opens_no_flow() {
    let mut world = Setup::default().world();
    let (pod, far) = (end("10.1.0.5", 5000), end("192.0.2.9", 53));
    world.refuse(Via::In0, &udp(Via::In0, pod, far, b"?"), "neigh.unresolved");
    assert_eq!(world.worker.unresolved.take().map(|a| a.to_string()), Some("192.0.2.9".into()));
    let unknown_pod = end("10.1.0.99", 53);
    world.refuse(Via::In0, &udp(Via::In0, pod, unknown_pod, b"?"), "neigh.unresolved");
}

#[test]
fn a_destination_without_a_route_opens_no_flow() {
    let mut world = Setup::default()
        .with("{to: 0.0.0.0/0, via: 203.0.113.254", "{to: 198.51.100.0/24, via: 203.0.113.254")
        .world();
    let pod = end("10.1.0.5", 5000);
    world.refuse(Via::In0, &udp(Via::In0, pod, end("8.8.8.8", 53), b"?"), "route.none");
    let reachable = udp(Via::In0, pod, end("198.51.100.7", 53), b"?");
    world.forward(Via::In0, &reachable, &format!("tx.out0 {NEW}"));
}

#[test]
fn a_flow_follows_its_neighbour_to_another_station() {
    let mut world = Setup::default().world();
    let mut call = outward();
    call.open(&mut world, &format!("tx.out0 {NEW}"));
    world.reroute(|setup| setup.with("02:00:00:00:03:fe", "02:00:00:00:03:aa"));
    let data = call.client_frame(call.client_says(flag::ACK, b"x"));
    let sent = world.forward(Via::In0, &data, "tx.out0");
    assert_eq!(sent.station(), [2, 0, 0, 0, 3, 0xaa]);
    assert_eq!(sent.src(), call.seen, "the translation stays");
    world.reroute(|setup| setup.with("02:00:00:00:01:05", "02:00:00:00:01:55"));
    let answer = call.server_frame(call.server_says(flag::ACK, b""));
    let sent = world.forward(Via::Out0, &answer, "tx.in0");
    assert_eq!(sent.station(), [2, 0, 0, 0, 1, 0x55]);
}

#[test]
fn a_flow_outlives_a_neighbour_that_is_gone_for_a_while() {
    let mut world = Setup::default().world();
    let mut call = outward();
    call.open(&mut world, &format!("tx.out0 {NEW}"));
    let gone = "{address: 203.0.113.254, mac: \"02:00:00:00:03:fe\", device: out0}";
    let other = "{address: 203.0.113.250, mac: \"02:00:00:00:03:fe\", device: out0}";
    world.reroute(|setup| setup.with(gone, other));
    let data = call.client_frame(call.client_says(flag::ACK, b"lost"));
    world.refuse(Via::In0, &data, "neigh.unresolved");
    call.server_sends(&mut world, call.server_says(flag::ACK, b""), "tx.in0");
    world.reroute(|setup| setup.with(other, gone));
    call.say(&mut world, b"lost");
}

#[test]
fn answers_find_a_host_whose_neighbour_was_learned_after_the_flow_began() {
    let mut world = Setup::default().world();
    let stranger = end("10.1.0.40", 5000);
    let far = end("198.51.100.7", 53);
    let sent =
        world.forward(Via::In0, &udp(Via::In0, stranger, far, b"?"), &format!("tx.out0 {NEW}"));
    let answer = udp(Via::Out0, far, sent.src(), b"!");
    world.refuse(Via::Out0, &answer, "neigh.unresolved");
    world.reroute(|setup| setup.with("{address: 10.1.0.7,", "{address: 10.1.0.40,"));
    assert_eq!(world.forward(Via::Out0, &answer, "tx.in0").dst(), stranger);
}

#[test]
fn a_packet_larger_than_the_way_out_is_told_by_its_flag() {
    let mut world =
        Setup::default().with("[203.0.113.2/24], mtu: 1500", "[203.0.113.2/24], mtu: 1280").world();
    let (pod, far) = (end("10.1.0.5", 5000), end("198.51.100.7", 53));
    let fits = udp(Via::In0, pod, far, &vec![1; 1280 - 28]);
    world.forward(Via::In0, &fits, &format!("tx.out0 {NEW}"));
    let large = udp(Via::In0, pod, far, &vec![1; 1280 - 27]);
    world.refuse(Via::In0, &large, "mtu.df");
    world.refuse(Via::In0, &may_fragment(&large), "mtu.exceeded");
    world.forward(Via::In0, &may_fragment(&fits), "tx.out0");
    // The other way has room.
    let (near, there) = (end("10.1.0.6", 53), end("10.2.0.5", 5000));
    let call = udp(Via::In1, there, near, &vec![1; 1472]);
    world.forward(Via::In1, &call, "tx.in0 flows_admitted flows");
}

#[test]
fn a_packet_too_large_for_the_way_out_opens_no_flow() {
    let mut world =
        Setup::default().with("[203.0.113.2/24], mtu: 1500", "[203.0.113.2/24], mtu: 1280").world();
    let (pod, far) = (end("10.1.0.5", 5000), end("198.51.100.7", 53));
    world.refuse(Via::In0, &udp(Via::In0, pod, far, &[1; 1400]), "mtu.df");
}

#[test]
fn a_full_transmit_ring_costs_the_frame_and_not_the_flow() {
    let mut world = Setup::default().world();
    let mut call = Call::new((Via::In0, Via::Out0), end("10.1.0.5", 1), end("198.51.100.7", 443));
    call.open(&mut world, &format!("tx.out0 {NEW}"));
    world.io.limit_tx(0);
    let data = call.client_frame(call.client_says(flag::ACK, b"lost"));
    world.refuse(Via::In0, &data, "tx.ring_full");
    world.io.limit_tx(8);
    call.say(&mut world, b"lost");
}
