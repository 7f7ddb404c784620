//! TCP connections from SYN to TIME_WAIT.

use crate::kit::frame::{Segment, flag, syn, tcp};
use crate::kit::{Call, NEW, Outcome, Setup, Via, World, end};

/// A call through the pool.
pub(crate) fn outward() -> Call {
    Call::new((Via::In0, Via::Out0), end("10.1.0.5", 41_822), end("198.51.100.7", 443))
}

fn opened() -> (World, Call) {
    let mut world = Setup::default().world();
    let mut call = outward();
    call.open(&mut world, &format!("tx.out0 {NEW}"));
    (world, call)
}

#[test]
fn a_connection_leaves_as_the_pool_and_its_answers_come_home() {
    let (mut world, mut call) = opened();
    assert_eq!(call.seen.addr, end("203.0.113.1", 0).addr);
    assert!(call.seen.port >= 1024);
    for length in [0, 1, 2, 3, 1000, 1459, 1460] {
        let payload: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0]).collect();
        call.say(&mut world, &payload);
        call.answer(&mut world, &payload);
    }
    call.close(&mut world);
    assert_eq!(world.flows(), 1, "a closed connection is kept for a while");
    world.idle_step(250, "flows_ended -flows -ports");
}

#[test]
fn a_frame_on_its_way_loses_a_hop_and_changes_stations_and_nothing_else() {
    let (mut world, call) = opened();
    let data = call.client_frame(call.client_says(flag::ACK, b"hello"));
    let sent = world.forward(Via::In0, &data, "tx.out0");
    assert_eq!(sent.ttl(), 63);
    assert_eq!(sent.station(), Via::Out0.station());
    let touched = |at: usize| {
        let (stations, ttl, ip_sum) = (0..12, 22..23, 24..26);
        let (source, port, sum) = (26..30, 34..36, 50..52);
        [stations, ttl, ip_sum, source, port, sum].iter().any(|range| range.contains(&at))
    };
    for (at, (before, after)) in data.iter().zip(&sent.bytes).enumerate() {
        assert!(before == after || touched(at), "byte {at}");
    }
}

#[test]
fn pods_on_one_interface_talk_through_the_gateway_untranslated() {
    let mut world = Setup::default().world();
    let mut call = Call::new((Via::In0, Via::In0), end("10.1.0.5", 5000), end("10.1.0.6", 80));
    call.open(&mut world, "tx.in0 flows_admitted flows");
    assert_eq!(call.seen, call.client);
    call.say(&mut world, b"question");
    call.answer(&mut world, b"answer");
    call.close(&mut world);
}

#[test]
fn pods_on_two_interfaces_talk_untranslated() {
    let mut world = Setup::default().world();
    let mut call = Call::new((Via::In1, Via::In0), end("10.2.0.5", 5000), end("10.1.0.6", 80));
    call.open(&mut world, "tx.in0 flows_admitted flows");
    assert_eq!(call.seen, call.client);
    call.answer(&mut world, b"answer");
    call.say(&mut world, b"question");
}

#[test]
fn a_flat_network_keeps_its_addresses_and_can_be_called() {
    let mut world = Setup::default().flat().world();
    let mut call = outward();
    call.open(&mut world, "tx.out0 flows_admitted flows");
    assert_eq!(call.seen, call.client);
    call.answer(&mut world, b"answer");
    let mut inward =
        Call::new((Via::Out0, Via::In0), end("198.51.100.9", 3000), end("10.1.0.6", 22));
    inward.open(&mut world, "tx.in0 flows_admitted flows");
    inward.say(&mut world, b"ssh");
    inward.answer(&mut world, b"ssh too");
}

#[test]
fn a_reset_from_the_server_closes_and_is_the_last_that_passes() {
    let (mut world, call) = opened();
    call.server_sends(&mut world, call.server_says(flag::RST | flag::ACK, b""), "tx.in0");
    world.idle_step(239, "");
    world.idle_step(3, "flows_ended -flows -ports");
    let late = call.client_frame(call.client_says(flag::ACK, b"late"));
    world.refuse(Via::In0, &late, "tcp.no_flow");
}

#[test]
fn a_new_connection_takes_the_place_of_one_that_is_closed() {
    let (mut world, mut call) = opened();
    call.close(&mut world);
    let mut again = outward();
    again.client_next = 700_000;
    // The old flow ends, another begins: one is held before and after.
    again.open(&mut world, "tx.out0 flows_admitted flows_ended");
    again.say(&mut world, b"once more");
    again.answer(&mut world, b"with feeling");
    if again.seen != call.seen {
        let stale = call.server_frame(call.server_says(flag::ACK, b"who?"));
        world.refuse(Via::Out0, &stale, "nat.no_mapping");
    }
}

#[test]
fn a_syn_whose_checksum_is_wrong_does_not_end_the_connection_before_it() {
    let (mut world, mut call) = opened();
    call.close(&mut world);
    let mut bad = tcp(Via::In0, call.client, call.server, syn(700_000));
    bad[50] ^= 0x55;
    world.refuse(Via::In0, &bad, "tcp.csum");
    assert_eq!(world.flows(), 1);
    call.server_sends(&mut world, call.server_says(flag::ACK, b""), "tx.in0");
}

#[test]
fn a_segment_that_changes_state_with_a_wrong_checksum_changes_nothing() {
    let (mut world, mut call) = opened();
    for flags in [flag::FIN | flag::ACK, flag::RST | flag::ACK, flag::SYN, flag::SYN | flag::ACK] {
        let mut bad = call.client_frame(Segment { flags, ..call.client_says(flags, b"") });
        bad[50] ^= 0x55;
        match world.pass(Via::In0, &bad) {
            Outcome::Dropped(reason) => assert!(
                ["tcp.csum", "tcp.split_handshake"].contains(&reason.name()),
                "{flags:#x}: {reason}"
            ),
            other => panic!("flags {flags:#x} with a wrong checksum: {other:?}"),
        }
    }
    call.say(&mut world, b"still here");
    call.answer(&mut world, b"so am I");
}

#[test]
fn what_does_not_open_a_connection_belongs_to_none() {
    let mut world = Setup::default().world();
    let call = outward();
    for flags in
        [flag::ACK, flag::ACK | flag::PSH, flag::FIN | flag::ACK, flag::RST, flag::SYN | flag::ACK]
    {
        let stray = call.client_frame(call.client_says(flags, b""));
        world.refuse(Via::In0, &stray, "tcp.no_flow");
    }
}

#[test]
fn a_syn_seen_twice_is_one_flow() {
    let mut world = Setup::default().world();
    let first = tcp(Via::In0, outward().client, outward().server, syn(1));
    let one = world.forward(Via::In0, &first, &format!("tx.out0 {NEW}"));
    let two = world.forward(Via::In0, &first, "tx.out0");
    assert_eq!(one, two);
}

/// Hazard E088.
#[test]
fn a_reset_counts_only_where_its_receiver_obeys_it() {
    let (mut world, mut call) = opened();
    call.answer(&mut world, b"some bytes");
    let reset = call.server_says(flag::RST | flag::ACK, b"");
    let far = Segment { seq: reset.seq.wrapping_add(100_000), ..reset };
    world.refuse(Via::Out0, &call.server_frame(far), "tcp.rst_oow");
    let old = Segment { seq: reset.seq.wrapping_sub(5_000), ..reset };
    world.refuse(Via::Out0, &call.server_frame(old), "tcp.rst_oow");
    // In the window but not the next number: the client will challenge it, so the flow lives on.
    let inexact = Segment { seq: reset.seq.wrapping_add(100), ..reset };
    call.server_sends(&mut world, inexact, "tx.in0");
    world.idle_step(300, "");
    call.say(&mut world, b"as I was saying");
    call.server_sends(&mut world, reset, "tx.in0");
    world.sleep(241_000);
    let late = call.client_frame(call.client_says(flag::ACK, b"late"));
    world.step(Via::In0, &late, "tcp.no_flow flows_ended -flows -ports");
}

#[test]
fn data_far_outside_the_window_is_dropped_and_forgotten() {
    let (mut world, mut call) = opened();
    let far = Segment { seq: call.client_next + 70_000, ..call.client_says(flag::ACK, b"x") };
    world.refuse(Via::In0, &call.client_frame(far), "tcp.oow");
    let unsent = Segment { ack: call.server_next + 1, ..call.client_says(flag::ACK, b"x") };
    world.refuse(Via::In0, &call.client_frame(unsent), "tcp.oow");
    call.say(&mut world, b"inside");
}

#[test]
fn nothing_follows_a_fin_and_nothing_precedes_the_handshake() {
    let mut world = Setup::default().world();
    let mut call = outward();
    call.dial(&mut world, &format!("tx.out0 {NEW}"));
    let early = Segment { ack: 1, ..call.client_says(flag::ACK | flag::PSH, b"early") };
    world.refuse(Via::In0, &call.client_frame(early), "tcp.early_data");
    let (mut world, mut call) = opened();
    call.close(&mut world);
    let after = call.client_frame(call.client_says(flag::ACK, b"one more thing"));
    world.refuse(Via::In0, &after, "tcp.after_fin");
}

#[test]
fn a_server_that_answers_with_a_syn_of_its_own_may_only_complete_the_crossing() {
    let mut world = Setup::default().world();
    let mut call = outward();
    call.dial(&mut world, &format!("tx.out0 {NEW}"));
    let ack = call.server_frame(call.server_says(flag::ACK, b""));
    world.refuse(Via::Out0, &ack, "tcp.split_handshake");
}
