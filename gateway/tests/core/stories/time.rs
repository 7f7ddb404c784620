//! How long flows live: a packet a second before the end is the flow's, one a second after is judged anew.
//! Each end is met twice: by a packet that comes before anyone has looked, and by the idle worker.

use super::tcp::outward;
use crate::kit::frame::{Segment, flag, initiate, ping, pong, sctp, syn, tcp, udp};
use crate::kit::{Call, End, NEW, Outcome, Setup, Via, World, end};

/// A flow that was brought into some state, with a packet of its client and one of its server.
struct Case {
    name: &'static str,
    seconds: u64,
    prepare: fn(&mut World) -> (Vec<u8>, Vec<u8>),
    /// What a client's packet after the end comes to.
    after: &'static str,
}

const ANEW: &str = "tx.out0 flows_admitted flows_ended";
const GONE: &str = "flows_ended -flows -ports";

const CASES: &[Case] = &[
    Case { name: "udp that nobody answered", seconds: 120, prepare: unreplied, after: ANEW },
    Case { name: "udp that was answered", seconds: 300, prepare: replied, after: ANEW },
    Case { name: "echo", seconds: 60, prepare: echo, after: ANEW },
    Case { name: "a SYN", seconds: 30, prepare: half_open, after: ANEW },
    Case { name: "an open connection", seconds: 7440, prepare: open, after: "tcp.no_flow" },
    Case { name: "one half closed", seconds: 240, prepare: half_closed, after: "tcp.no_flow" },
    Case { name: "an INIT", seconds: 30, prepare: init, after: ANEW },
    Case { name: "an association", seconds: 7440, prepare: association, after: "sctp.no_flow" },
];

fn pod() -> End {
    end("10.1.0.5", 5000)
}

fn far(port: u16) -> End {
    end("198.51.100.7", port)
}

fn first(world: &mut World, frame: &[u8]) -> End {
    world.forward(Via::In0, frame, &format!("tx.out0 {NEW}")).src()
}

fn unreplied(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    let question = udp(Via::In0, pod(), far(53), b"?");
    let seen = first(world, &question);
    (question, udp(Via::Out0, far(53), seen, b"!"))
}

fn replied(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    let (question, answer) = unreplied(world);
    world.forward(Via::Out0, &answer, "tx.in0");
    (question, answer)
}

fn echo(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    let question = ping(Via::In0, pod(), far(0), b"?");
    let seen = first(world, &question);
    (question, pong(Via::Out0, far(0), seen, b"!"))
}

fn half_open(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    let question = tcp(Via::In0, pod(), far(443), syn(1));
    let seen = first(world, &question);
    let answer = Segment { flags: flag::SYN | flag::ACK, ack: 2, ..syn(77) };
    (question, tcp(Via::Out0, far(443), seen, answer))
}

fn connected(world: &mut World) -> Call {
    let mut call = outward();
    call.open(world, &format!("tx.out0 {NEW}"));
    call
}

fn words(call: &Call) -> (Vec<u8>, Vec<u8>) {
    let client = call.client_frame(call.client_says(flag::ACK, b""));
    (client, call.server_frame(call.server_says(flag::ACK, b"")))
}

fn open(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    words(&connected(world))
}

fn half_closed(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    let mut call = connected(world);
    call.client_sends(world, call.client_says(flag::FIN | flag::ACK, b""), "tx.out0");
    call.client_next += 1;
    words(&call)
}

fn init(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    let question = sctp(Via::In0, pod(), far(3868), 0, (1, 0, &initiate(11)));
    let seen = first(world, &question);
    (question, sctp(Via::Out0, far(3868), seen, 11, (2, 0, &initiate(22))))
}

fn association(world: &mut World) -> (Vec<u8>, Vec<u8>) {
    let (question, answer) = init(world);
    assert!(!question.is_empty());
    let sent = world.forward(Via::Out0, &answer, "tx.in0");
    assert_eq!(sent.dst().port, pod().port);
    let echo = sctp(Via::In0, pod(), far(3868), 22, (10, 0, b"cook"));
    let seen = world.forward(Via::In0, &echo, "tx.out0").src();
    let ack = sctp(Via::Out0, far(3868), seen, 11, (11, 0, b""));
    world.forward(Via::Out0, &ack, "tx.in0");
    let client = sctp(Via::In0, pod(), far(3868), 22, (0, 3, b"datadatadata"));
    (client, sctp(Via::Out0, far(3868), seen, 11, (0, 3, b"datadatadata")))
}

#[test]
fn a_packet_one_second_inside_a_flows_life_is_the_flows() {
    for case in CASES {
        let mut world = Setup::default().world();
        let (client, _) = (case.prepare)(&mut world);
        for round in 0..3 {
            world.sleep((case.seconds - 1) * 1_000);
            let outcome = world.step(Via::In0, &client, "tx.out0");
            assert!(matches!(outcome, Outcome::Sent(_)), "{} round {round}", case.name);
        }
        let mut world = Setup::default().world();
        let (_, server) = (case.prepare)(&mut world);
        world.sleep((case.seconds - 1) * 1_000);
        world.forward(Via::Out0, &server, "tx.in0");
    }
}

#[test]
fn a_packet_one_second_past_a_flows_life_is_judged_anew() {
    for case in CASES {
        let mut world = Setup::default().world();
        let (client, _) = (case.prepare)(&mut world);
        world.sleep((case.seconds + 1) * 1_000);
        let expected = match case.after {
            ANEW => ANEW.to_owned(),
            reason => format!("{reason} {GONE}"),
        };
        world.step(Via::In0, &client, &expected);
        let mut world = Setup::default().world();
        let (_, server) = (case.prepare)(&mut world);
        world.sleep((case.seconds + 1) * 1_000);
        world.step(Via::Out0, &server, &format!("nat.no_mapping {GONE}"));
    }
}

#[test]
fn an_idle_worker_ends_a_flow_within_a_second_of_its_time() {
    for case in CASES {
        let mut world = Setup::default().world();
        let (_, server) = (case.prepare)(&mut world);
        world.idle_step(case.seconds - 1, "");
        world.idle_step(2, GONE);
        world.refuse(Via::Out0, &server, "nat.no_mapping");
    }
}

#[test]
fn a_flow_lives_as_long_as_either_side_speaks() {
    let mut world = Setup::default().world();
    let (client, server) = replied(&mut world);
    for round in 0..6 {
        world.idle_step(299, "");
        let (via, frame, back) = match round % 2 {
            0 => (Via::In0, &client, "tx.out0"),
            _ => (Via::Out0, &server, "tx.in0"),
        };
        world.forward(via, frame, back);
    }
}

#[test]
fn a_dropped_packet_does_not_prolong_a_life() {
    let mut world = Setup::default().world();
    let call = connected(&mut world);
    world.sleep(7_400_000);
    let far_off = Segment { seq: call.client_next + 90_000, ..call.client_says(flag::ACK, b"x") };
    world.refuse(Via::In0, &call.client_frame(far_off), "tcp.oow");
    let mut bad = call.client_frame(call.client_says(flag::FIN | flag::ACK, b""));
    bad[50] ^= 1;
    world.refuse(Via::In0, &bad, "tcp.csum");
    world.sleep(41_000);
    let late = call.client_frame(call.client_says(flag::ACK, b""));
    world.step(Via::In0, &late, &format!("tcp.no_flow {GONE}"));
}

#[test]
fn configured_times_are_the_ones_in_force() {
    let mut world = Setup::default().with("udp_unreplied: 120s", "udp_unreplied: 7s").world();
    unreplied(&mut world);
    world.idle_step(6, "");
    world.idle_step(2, GONE);
}
