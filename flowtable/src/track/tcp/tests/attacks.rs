//! Segments of somebody who wants in, or wants others out. Whoever sends them cannot see the connection,
//! or is its called end and lies.

use super::State::{Close, Established, FinWait, SimOpen, SynRecv, SynSent};
use super::{Flow, IN, OUT, TrackError, seg, window};
use crate::rng::Rng;

/// The called end answers with its own call, and would have the opener answer that.
#[test]
fn split_handshakes_get_nowhere() {
    // Four segments: call, call, answer, acknowledgement.
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.pass(OUT, seg("S", 5000, 0, 0), SimOpen);
    flow.pass(IN, seg("SA", 1000, 5001, 0), SimOpen);
    flow.drop(OUT, seg("A", 5001, 1001, 0), TrackError::SplitHandshake);
    flow.drop(OUT, seg("PA", 5001, 1001, 100), TrackError::SplitHandshake);
    flow.drop(OUT, seg("SA", 6000, 1001, 0), TrackError::SplitHandshake);

    // Five segments: the call is acknowledged first.
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.drop(OUT, seg("A", 0, 1001, 0), TrackError::SplitHandshake);
    flow.pass(OUT, seg("S", 5000, 0, 0), SimOpen);
    flow.drop(OUT, seg("A", 5001, 1001, 0), TrackError::SplitHandshake);

    // The opener never answers but a crossing call.
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.drop(IN, seg("SA", 1000, 5001, 0), TrackError::SplitHandshake);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.drop(IN, seg("SA", 1000, 5001, 0), TrackError::SplitHandshake);
    flow.drop(OUT, seg("S", 5000, 0, 0), TrackError::SplitHandshake);
    let mut flow = Flow::established();
    flow.drop(IN, seg("SA", 1000, 5001, 0), TrackError::SplitHandshake);
}

#[test]
fn data_before_the_handshake_is_done_is_dropped() {
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.drop(IN, seg("PA", 1001, 0, 100), TrackError::EarlyData);
    flow.drop(IN, seg("A", 1001, 0, 0), TrackError::OutOfWindow);
    flow.drop(OUT, seg("PA", 5001, 1001, 100), TrackError::EarlyData);
    flow.drop(OUT, seg("FA", 5001, 1001, 0), TrackError::EarlyData);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.drop(OUT, seg("PA", 5001, 1001, 100), TrackError::EarlyData);
    flow.drop(OUT, seg("FA", 5001, 1001, 0), TrackError::EarlyData);
    flow.drop(IN, seg("PA", 1001, 5000, 100), TrackError::OutOfWindow);
    flow.pass(IN, seg("PA", 1001, 5001, 100), Established);
    flow.pass(OUT, seg("PA", 5001, 1101, 100), Established);
}

#[test]
fn resets_out_of_the_window_are_dropped_and_inexact_ones_obeyed_by_nobody() {
    let mut flow = Flow::established();
    for (side, own, window) in [(IN, 1001, 65_535), (OUT, 5001, 65_535)] {
        for seq in [own - 1, own + window + 1, own + 1_000_000, own + 3_000_000_000] {
            flow.drop(side, seg("R", seq, 0, 0), TrackError::RstOutOfWindow);
        }
        for seq in [own + 1, own + 1000, own + window] {
            flow.ignored(side, seg("R", seq, 0, 0));
            assert_eq!(flow.state(), Established);
        }
    }
    // While the connection ends anyway, what is in the window is obeyed.
    flow.pass(IN, seg("FA", 1001, 5001, 0), FinWait);
    flow.drop(OUT, seg("R", 900_000, 0, 0), TrackError::RstOutOfWindow);
    flow.pass(OUT, seg("R", 5051, 0, 0), Close);
}

#[test]
fn resets_of_calls_must_know_the_call() {
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    for reset in [seg("R", 0, 0, 0), seg("R", 1001, 1001, 0), seg("RA", 0, 1000, 0)] {
        flow.drop(OUT, reset, TrackError::RstOutOfWindow);
    }
    assert_eq!(flow.state(), SynSent);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.drop(OUT, seg("R", 4000, 0, 0), TrackError::RstOutOfWindow);
    flow.pass(OUT, seg("R", 5001, 0, 0), Close);
}

#[test]
fn what_lies_out_of_the_window_is_dropped() {
    let mut flow = Flow::established();
    let edge = 1001 + 65_535;
    for (seq, len) in [(edge + 2, 0), (edge + 1, 10), (edge, 2), (1001, 65_537), (2_000_000, 10)] {
        flow.drop(IN, seg("A", seq, 5001, len), TrackError::OutOfWindow);
        flow.drop(IN, seg("FA", seq, 5001, len), TrackError::OutOfWindow);
    }
    // Half a turn away.
    flow.drop(IN, seg("A", 1001 + (1 << 31), 5001, 10), TrackError::OutOfWindow);
    // What was never sent is not acknowledged.
    flow.drop(IN, seg("A", 1001, 5002, 10), TrackError::OutOfWindow);
    flow.drop(OUT, seg("A", 5001, 1002, 0), TrackError::OutOfWindow);
    flow.drop(OUT, seg("A", 5001, 1_000_000_000, 10), TrackError::OutOfWindow);
    flow.pass(IN, seg("A", 1001, 5001, 65_535), Established);
    // A small window is meant.
    flow.pass(OUT, window(seg("A", 5001, 66_536, 0), 10), Established);
    flow.drop(IN, seg("A", 66_536, 5001, 12), TrackError::OutOfWindow);
    flow.pass(IN, seg("A", 66_536, 5001, 10), Established);
}

#[test]
fn nothing_follows_a_fin() {
    let mut flow = Flow::established();
    flow.pass(IN, seg("FA", 1001, 5001, 100), FinWait);
    flow.drop(IN, seg("A", 1102, 5001, 1), TrackError::AfterFin);
    flow.drop(IN, seg("A", 1001, 5001, 500), TrackError::AfterFin);
    flow.drop(IN, seg("FA", 1102, 5001, 0), TrackError::AfterFin);
    flow.pass(IN, seg("FA", 1001, 5001, 100), FinWait);
    flow.pass(IN, seg("A", 1102, 5001, 0), FinWait);

    // A FIN in front of data that has passed.
    let mut flow = Flow::established();
    flow.pass(IN, seg("PA", 1001, 5001, 1000), Established);
    flow.drop(IN, seg("FA", 1001, 5001, 10), TrackError::OutOfWindow);
}

#[test]
fn calls_in_an_open_connection_do_no_harm() {
    let mut flow = Flow::established();
    for seq in [0, 1000, 5000, 5001, 90_000, u32::MAX] {
        flow.ignored(OUT, seg("S", seq, 0, 0));
        flow.ignored(OUT, seg("SA", seq, 1001, 0));
        flow.ignored(OUT, seg("SA", seq, 77, 0));
        // Not the number of the first call, which the called end's answers would fit.
        flow.pass(IN, seg("S", seq.wrapping_add(7), 0, 0), Established);
        flow.pass(IN, seg("A", 1001, 5001, 10), Established);
        flow.pass(OUT, seg("A", 5001, 1001, 10), Established);
    }
    // An outsider's call never opens anything, not even after the end.
    flow.pass(IN, seg("R", 1001, 0, 0), Close);
    flow.drop(OUT, seg("S", 90_000, 0, 0), TrackError::NoFlow);
}

/// Ten thousand blind guesses each of three kinds. None moves the state; few get through.
#[test]
fn blind_guesses_do_nothing() {
    let mut rng = Rng::from_seed(1);
    let mut number = || rng.below(u32::MAX);
    for letters in ["R", "A", "FA"] {
        let mut flow = Flow::established();
        let mut passed = 0;
        for _ in 0..10_000 {
            let segment = seg(letters, number(), number(), 10);
            passed += u32::from(flow.send(OUT, segment).is_ok());
            assert_eq!(flow.state(), Established);
        }
        assert!(passed <= 3, "{passed} of {letters}");
        flow.pass(IN, seg("A", 1001, 5001, 10), Established);
        flow.pass(OUT, seg("A", 5001, 1011, 10), Established);
    }
}
