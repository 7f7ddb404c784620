//! Full tables, and how they recover.

use crate::kit::frame::{ping, udp};
use crate::kit::{End, NEW, Outcome, Setup, Via, World, end};

fn far() -> End {
    end("198.51.100.7", 53)
}

fn pod(port: u16) -> End {
    end("10.1.0.5", port)
}

fn ask(world: &mut World, port: u16, expected: &str) {
    world.step(Via::In0, &udp(Via::In0, pod(port), far(), b"?"), expected);
}

#[test]
fn a_full_flow_table_refuses_new_flows_keeps_the_old_and_recovers() {
    let mut world = Setup::default().with("flows: 4096", "flows: 16").world();
    for port in 1..=16 {
        ask(&mut world, port, &format!("tx.out0 {NEW}"));
    }
    for port in 17..40 {
        ask(&mut world, port, "flow.table_full");
    }
    for port in 1..=16 {
        ask(&mut world, port, "tx.out0");
    }
    world.idle(121);
    assert_eq!(world.flows(), 0);
    for port in 17..=32 {
        ask(&mut world, port, &format!("tx.out0 {NEW}"));
    }
    ask(&mut world, 33, "flow.table_full");
}

#[test]
fn a_full_flow_table_refuses_untranslated_flows_too() {
    let mut world = Setup::default().flat().with("flows: 4096", "flows: 16").world();
    for port in 1..=16 {
        ask(&mut world, port, "tx.out0 flows_admitted flows");
    }
    ask(&mut world, 17, "flow.table_full");
}

#[test]
fn a_pool_serves_exactly_its_ports_towards_one_destination() {
    let mut world = Setup::default().ports(1024, 1087).world();
    let mut seen = Vec::new();
    for port in 1..=64 {
        let question = udp(Via::In0, pod(port), far(), b"?");
        seen.push(world.forward(Via::In0, &question, &format!("tx.out0 {NEW}")).src().port);
    }
    seen.sort_unstable();
    assert_eq!(seen, (1024..=1087).collect::<Vec<u16>>(), "each port once");
    for port in 65..80 {
        ask(&mut world, port, "nat.exhausted");
    }
    for port in 1..=64 {
        ask(&mut world, port, "tx.out0");
    }
    // Another destination, and another protocol, have all of them again.
    for port in 1..=64 {
        let other = udp(Via::In0, pod(port), end("198.51.100.8", 53), b"?");
        world.forward(Via::In0, &other, &format!("tx.out0 {NEW}"));
        let echo = ping(Via::In0, pod(port), end("198.51.100.7", 0), b"?");
        world.forward(Via::In0, &echo, &format!("tx.out0 {NEW}"));
    }
    world.idle(125);
    assert_eq!((world.flows(), world.worker.ports.counts().mappings), (0, 0));
    for port in 65..=128 {
        ask(&mut world, port, &format!("tx.out0 {NEW}"));
    }
    ask(&mut world, 129, "nat.exhausted");
}

#[test]
fn a_port_comes_back_with_the_flow_that_held_it() {
    let mut world = Setup::default().ports(1024, 1087).world();
    for port in 1..=64 {
        ask(&mut world, port, &format!("tx.out0 {NEW}"));
    }
    // One falls silent, the others go on.
    for _ in 0..2 {
        world.idle(61);
        for port in 2..=64 {
            assert!(matches!(
                world.pass(Via::In0, &udp(Via::In0, pod(port), far(), b"?")),
                Outcome::Sent(_)
            ));
        }
    }
    world.settle();
    assert_eq!(world.flows(), 63);
    ask(&mut world, 65, &format!("tx.out0 {NEW}"));
    ask(&mut world, 66, "nat.exhausted");
}
