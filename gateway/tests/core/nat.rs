//! Translation against those who would use it: whoever is not the far end of a flow gets nothing through.

use crate::kit::frame::{Segment, flag, initiate, ping, sctp, syn, tcp, udp};
use crate::kit::{End, NEW, Setup, Via, World, end};
use std::collections::{HashMap, HashSet};

fn pod() -> End {
    end("10.1.0.5", 5000)
}

fn far() -> End {
    end("198.51.100.7", 53)
}

fn asked(world: &mut World, from: End, to: End) -> End {
    let sent = world.forward(Via::In0, &udp(Via::In0, from, to, b"?"), &format!("tx.out0 {NEW}"));
    assert_eq!(sent.dst(), to);
    sent.src()
}

#[test]
fn an_answer_from_another_port_or_host_or_to_another_port_has_no_mapping() {
    let mut world = Setup::default().world();
    let seen = asked(&mut world, pod(), far());
    let strangers = [
        (End { port: 54, ..far() }, seen),
        (End { port: 52, ..far() }, seen),
        (end("198.51.100.8", 53), seen),
        (far(), End { port: seen.port ^ 1, ..seen }),
        (far(), End { port: 53, ..seen }),
    ];
    for (from, to) in strangers {
        world.refuse(Via::Out0, &udp(Via::Out0, from, to, b"!"), "nat.no_mapping");
    }
    // Another protocol with the same numbers is another flow.
    let segment = Segment { flags: flag::ACK, ..syn(1) };
    world.refuse(Via::Out0, &tcp(Via::Out0, far(), seen, segment), "nat.no_mapping");
    world.forward(Via::Out0, &udp(Via::Out0, far(), seen, b"!"), "tx.in0");
}

/// Hazards E098 and E135.
#[test]
fn whatever_comes_unasked_to_a_pool_address_opens_nothing() {
    let mut world = Setup::default().world();
    for port in [1, 22, 53, 443, 1024, 40_000, 65_535] {
        let to = end("203.0.113.1", port);
        for segment in
            [syn(1), Segment { flags: flag::ACK, ..syn(1) }, Segment { flags: flag::RST, ..syn(1) }]
        {
            world.refuse(Via::Out0, &tcp(Via::Out0, far(), to, segment), "nat.no_mapping");
        }
        world.refuse(Via::Out0, &udp(Via::Out0, far(), to, b"?"), "nat.no_mapping");
        world.refuse(
            Via::Out0,
            &ping(Via::Out0, end("198.51.100.7", port), to, b"?"),
            "nat.no_mapping",
        );
        let init = sctp(Via::Out0, far(), to, 0, (1, 0, &initiate(1)));
        world.refuse(Via::Out0, &init, "nat.no_mapping");
    }
}

/// Hazard E132: a pod cannot choose its own source port so that it becomes somebody else's mapping.
#[test]
fn two_pods_with_one_source_port_never_share_a_mapping() {
    let mut world = Setup::default().world();
    let mine = asked(&mut world, end("10.1.0.5", 5000), far());
    let theirs = asked(&mut world, end("10.1.0.6", 5000), far());
    let shadow = asked(&mut world, end("10.1.0.7", mine.port), far());
    assert_eq!(HashSet::from([mine, theirs, shadow]).len(), 3);
    for (seen, owner) in [
        (mine, end("10.1.0.5", 5000)),
        (theirs, end("10.1.0.6", 5000)),
        (shadow, end("10.1.0.7", mine.port)),
    ] {
        let sent = world.forward(Via::Out0, &udp(Via::Out0, far(), seen, b"!"), "tx.in0");
        assert_eq!(sent.dst(), owner);
    }
}

/// Hazard E131.
#[test]
fn one_port_serves_many_destinations_and_each_answer_finds_its_owner() {
    let mut world = Setup::default().ports(1024, 1087).world();
    let mut owners = HashMap::new();
    for host in 1..=40 {
        for port in 0..8 {
            let (from, to) = (end("10.1.0.5", 6000 + port), end(&format!("198.51.100.{host}"), 53));
            let seen = asked(&mut world, from, to);
            assert_eq!(owners.insert((to, seen), from), None, "one owner for each pair");
        }
    }
    assert!(owners.len() > 64, "more flows than ports");
    for ((remote, seen), owner) in owners {
        let sent = world.forward(Via::Out0, &udp(Via::Out0, remote, seen, b"!"), "tx.in0");
        assert_eq!(sent.dst(), owner);
    }
}

/// Hazard E134.
#[test]
fn an_inside_host_that_sends_to_the_pool_is_told_apart_from_one_outside() {
    let mut world = Setup::default().world();
    let seen = asked(&mut world, pod(), far());
    let hairpin = udp(Via::In0, end("10.1.0.6", 53), seen, b"?");
    world.refuse(Via::In0, &hairpin, "nat.hairpin");
    world.refuse(Via::In1, &udp(Via::In1, end("10.2.0.5", 53), seen, b"?"), "nat.hairpin");
}

#[test]
fn traffic_between_inside_networks_is_never_translated() {
    let mut world = Setup::default().world();
    for (via, from, to, back) in [
        (Via::In0, end("10.1.0.5", 1), end("10.2.0.5", 2), "tx.in1"),
        (Via::In1, end("10.2.0.5", 3), end("10.1.0.5", 4), "tx.in0"),
        (Via::In0, end("10.1.0.5", 5), end("10.1.0.7", 6), "tx.in0"),
    ] {
        let sent =
            world.forward(via, &udp(via, from, to, b"?"), &format!("{back} flows_admitted flows"));
        assert_eq!((sent.src(), sent.dst()), (from, to));
    }
}

/// Hazard E133, the part a test of one run can see: no port follows from the one before.
#[test]
fn consecutive_ports_do_not_follow_each_other() {
    let mut world = Setup::default().world();
    let ports: Vec<i32> = (0..512)
        .map(|port| i32::from(asked(&mut world, end("10.1.0.5", 2000 + port), far()).port))
        .collect();
    let close = ports.windows(2).filter(|pair| (pair[1] - pair[0]).abs() <= 2).count();
    assert!(close < 8, "{close} of 511 neighbours in time are neighbours in number");
    let low = ports.iter().filter(|port| **port < 33_280).count();
    assert!((190..320).contains(&low), "{low} of 512 ports from the lower half");
}

#[test]
fn another_seed_gives_other_ports_and_the_same_seed_the_same() {
    let ports = |seed| {
        let mut world = Setup { seed, ..Setup::default() }.world();
        (0..32)
            .map(|port| asked(&mut world, end("10.1.0.5", 2000 + port), far()).port)
            .collect::<Vec<_>>()
    };
    assert_eq!(ports(1), ports(1));
    assert_ne!(ports(1), ports(2));
}

#[test]
fn nobody_outside_is_relayed_to_somebody_outside() {
    for setup in [Setup::default(), Setup::default().flat()] {
        let mut world = setup.world();
        let passing = udp(Via::Out0, far(), end("192.0.2.9", 53), b"?");
        world.refuse(Via::Out0, &passing, "route.transit");
    }
}

/// Who may call a pod is the policy's to say, in an overlay as anywhere: this one lets everybody.
#[test]
fn an_inside_address_is_called_from_outside_where_policy_allows_it() {
    for setup in [Setup::default(), Setup::default().flat()] {
        let direct = udp(Via::Out0, far(), pod(), b"?");
        setup.world().forward(Via::Out0, &direct, "tx.in0 flows_admitted flows");
    }
}

#[test]
fn a_flow_from_before_the_overlay_does_not_leak_its_inside_address() {
    let mut world = Setup::default().flat().world();
    let question = udp(Via::In0, pod(), far(), b"?");
    let sent = world.forward(Via::In0, &question, "tx.out0 flows_admitted flows");
    assert_eq!(sent.src(), pod());
    world.reload(|_| Setup::default());
    world.step(Via::In0, &question, "nat.no_mapping flows_ended -flows");
    let sent = world.forward(Via::In0, &question, &format!("tx.out0 {NEW}"));
    assert_eq!(sent.src().addr, end("203.0.113.1", 0).addr);
}

#[test]
fn a_flow_between_inside_networks_does_not_leak_when_its_route_turns_outside() {
    let mut world = Setup::default().world();
    let question = udp(Via::In0, pod(), end("10.2.0.5", 53), b"?");
    world.forward(Via::In0, &question, "tx.in1 flows_admitted flows");
    let turned = "{to: 10.2.0.5/32, via: 203.0.113.254, device: out0}\n    - {to: 192.0.2.0/24";
    world.reroute(|setup| setup.with("{to: 192.0.2.0/24", turned));
    world.step(Via::In0, &question, "nat.no_mapping flows_ended -flows");
}

/// The answers of a flow between two pods, when the asking pod's route has turned outside: found in review.
#[test]
fn answers_between_inside_networks_do_not_leak_when_their_route_turns_outside() {
    let mut world = Setup::default().world();
    let question = udp(Via::In0, pod(), end("10.2.0.5", 53), b"?");
    world.forward(Via::In0, &question, "tx.in1 flows_admitted flows");
    let turned = "{to: 10.1.0.5/32, via: 203.0.113.254, device: out0}\n    - {to: 192.0.2.0/24";
    world.reroute(|setup| setup.with("{to: 192.0.2.0/24", turned));
    let answer = udp(Via::In1, end("10.2.0.5", 53), pod(), b"secret");
    world.step(Via::In1, &answer, "nat.no_mapping flows_ended -flows");
}

/// The same for an answer from outside, which must not be sent back out untranslated.
#[test]
fn an_answer_whose_host_has_moved_outside_is_not_sent_back_out() {
    let mut world = Setup::default().world();
    let question = udp(Via::In0, pod(), far(), b"?");
    let seen = world.forward(Via::In0, &question, "tx.out0 flows_admitted flows ports").src();
    let turned = "{to: 10.1.0.5/32, via: 203.0.113.254, device: out0}\n    - {to: 192.0.2.0/24";
    world.reroute(|setup| setup.with("{to: 192.0.2.0/24", turned));
    let answer = udp(Via::Out0, far(), seen, b"!");
    world.step(Via::Out0, &answer, "nat.no_mapping flows_ended -flows -ports");
}
