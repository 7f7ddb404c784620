//! Connections from beginning to end, with the state after each segment.

use super::State::{
    Close, CloseWait, Established, FinWait, LastAck, SimOpen, SynRecv, SynSent, TimeWait,
};
use super::{Flow, IN, OUT, Segment, SimultaneousOpen, StateChange, TrackError};
use super::{open, scaled, seg, window};
use crate::key::{Proto, Tick};
use crate::track::{FlowState, Timeouts};

#[test]
fn an_orderly_close_begun_inside() {
    let mut flow = Flow::established();
    flow.pass(IN, seg("FA", 1001, 5001, 0), FinWait);
    flow.pass(OUT, seg("A", 5001, 1002, 0), CloseWait);
    flow.pass(OUT, seg("FA", 5001, 1002, 0), LastAck);
    flow.pass(IN, seg("A", 1002, 5002, 0), TimeWait);
    // The last acknowledgement got lost behind us.
    flow.pass(OUT, seg("FA", 5001, 1002, 0), TimeWait);
    flow.pass(IN, seg("A", 1002, 5002, 0), TimeWait);
}

#[test]
fn an_orderly_close_begun_outside_and_one_begun_by_both() {
    let mut flow = Flow::established();
    flow.pass(OUT, seg("FA", 5001, 1001, 0), FinWait);
    flow.pass(IN, seg("FA", 1001, 5002, 0), LastAck);
    flow.pass(OUT, seg("A", 5002, 1002, 0), TimeWait);

    let mut flow = Flow::established();
    flow.pass(IN, seg("FA", 1001, 5001, 0), FinWait);
    flow.pass(OUT, seg("FA", 5001, 1001, 0), LastAck);
    flow.pass(IN, seg("A", 1002, 5002, 0), LastAck);
    flow.pass(OUT, seg("A", 5002, 1002, 0), TimeWait);
}

#[test]
fn a_half_closed_connection_carries_data_the_other_way() {
    let mut flow = Flow::established();
    flow.pass(IN, seg("FPA", 1001, 5001, 200), FinWait);
    flow.pass(OUT, seg("A", 5001, 1202, 0), CloseWait);
    let mut at = 5001;
    for _ in 0..100 {
        flow.pass(OUT, seg("A", at, 1202, 1460), CloseWait);
        at += 1460;
        flow.pass(IN, seg("A", 1202, at, 0), CloseWait);
    }
    // A retransmission of everything, FIN included.
    flow.pass(IN, seg("FPA", 1001, at, 200), CloseWait);
    flow.pass(OUT, seg("FA", at, 1202, 0), LastAck);
    flow.pass(IN, seg("A", 1202, at + 1, 0), TimeWait);
}

#[test]
fn a_reset_of_the_expected_number_closes() {
    for (side, reset) in [
        (IN, seg("R", 1001, 0, 0)),
        (IN, seg("RA", 1001, 5001, 0)),
        (OUT, seg("R", 5001, 0, 0)),
        (OUT, seg("RA", 5001, 1001, 0)),
    ] {
        let mut flow = Flow::established();
        assert_eq!(flow.pass(side, reset, Close), StateChange::Changed);
        assert_eq!(flow.pass(IN, seg("S", 9000, 0, 0), SynSent), StateChange::Reopen);
    }
    // A refused call.
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.pass(OUT, seg("RA", 0, 1001, 0), Close);
    assert_eq!(flow.pass(IN, seg("S", 1000, 0, 0), SynSent), StateChange::Reopen);
}

/// A reset right behind the data it follows: what the receiver expects is not acknowledged yet.
#[test]
fn a_reset_behind_unacknowledged_data_closes() {
    let mut flow = Flow::established();
    flow.pass(OUT, seg("PA", 5001, 1001, 19), Established);
    flow.pass(OUT, seg("R", 5020, 0, 0), Close);
}

#[test]
fn a_connection_that_goes_on_was_not_reset() {
    let timeouts = Timeouts::default();
    let mut flow = Flow::established();
    flow.pass(OUT, seg("R", 5001, 0, 0), Close);
    // The data already on its way says nothing; an acknowledgement of it does.
    flow.pass(IN, seg("A", 1001, 5001, 100), Close);
    assert_eq!(timeouts.lifetime(Proto::TCP, &flow.original, &flow.reply), timeouts.tcp_transitory);
    flow.pass(OUT, seg("A", 5001, 1101, 0), Established);
}

#[test]
fn lost_and_repeated_handshakes_complete() {
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    assert_eq!(flow.pass(IN, seg("S", 1000, 0, 0), SynSent), StateChange::None);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.pass(IN, seg("S", 1000, 0, 0), SynRecv);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.pass(IN, seg("A", 1001, 5001, 0), Established);
    // The acknowledgement got lost behind us.
    flow.ignored(OUT, seg("SA", 5000, 1001, 0));
    flow.pass(IN, seg("A", 1001, 5001, 300), Established);

    // The first acknowledgement is that of the data.
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.pass(IN, seg("PA", 1001, 5001, 300), Established);

    // A server that keeps nothing (SYN cookies) answers the second SYN with another number.
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.pass(IN, seg("S", 1000, 0, 0), SynRecv);
    flow.pass(OUT, seg("SA", 77_000, 1001, 0), SynRecv);
    flow.pass(IN, seg("A", 1001, 77_001, 0), Established);
}

#[test]
fn simultaneous_open_completes_for_a_tuple_the_inside_opened() {
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.pass(OUT, seg("S", 5000, 0, 0), SimOpen);
    flow.pass(OUT, seg("S", 5000, 0, 0), SimOpen);
    flow.pass(IN, seg("SA", 1000, 5001, 0), SimOpen);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), Established);
    flow.pass(IN, seg("A", 1001, 5001, 10), Established);
    flow.pass(OUT, seg("A", 5001, 1011, 10), Established);

    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.settings.simultaneous_open = SimultaneousOpen::Refuse;
    flow.drop(OUT, seg("S", 5000, 0, 0), TrackError::SimultaneousOpen);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
}

#[test]
fn data_in_a_syn_may_be_answered_with_data() {
    let mut flow = Flow::open(seg("S", 1000, 0, 400));
    flow.pass(OUT, seg("SA", 5000, 1401, 0), SynRecv);
    flow.pass(OUT, seg("PA", 5001, 1401, 1200), SynRecv);
    flow.pass(IN, seg("A", 1401, 6201, 0), Established);

    // The server takes the SYN only, and the data comes again.
    let mut flow = Flow::open(seg("S", 1000, 0, 400));
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.pass(IN, seg("PA", 1001, 5001, 400), Established);
}

/// The called end still has an older connection and challenges the call (RFC 5961 section 4).
#[test]
fn a_challenged_call_is_reset_and_made_again() {
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.ignored(OUT, window(seg("A", 145_824_453, 643_160_523, 0), 240));
    flow.ignored(IN, seg("R", 643_160_523, 0, 0));
    assert_eq!(flow.state(), SynSent);
    flow.pass(IN, seg("S", 1000, 0, 0), SynSent);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.pass(IN, seg("A", 1001, 5001, 0), Established);
}

#[test]
fn an_answer_to_an_older_call_is_reset_and_the_call_answered() {
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.ignored(OUT, seg("SA", 145_824_453, 643_160_523, 0));
    flow.ignored(IN, seg("R", 643_160_523, 0, 0));
    flow.pass(IN, seg("S", 1000, 0, 0), SynSent);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    flow.pass(IN, seg("A", 1001, 5001, 0), Established);
}

/// The opener has forgotten the connection, the called end has not.
#[test]
fn a_call_in_an_open_connection_is_challenged_and_made_again() {
    let mut flow = Flow::established();
    flow.pass(IN, seg("S", 90_000, 0, 0), Established);
    flow.pass(OUT, seg("A", 5001, 1001, 0), Established);
    flow.pass(IN, seg("R", 1001, 0, 0), Close);
    assert_eq!(flow.pass(IN, seg("S", 90_000, 0, 0), SynSent), StateChange::Reopen);
    flow.pass(OUT, seg("SA", 6000, 90_001, 0), SynRecv);
    flow.pass(IN, seg("A", 90_001, 6001, 0), Established);
}

/// Both have forgotten it.
#[test]
fn a_call_in_an_open_connection_is_answered() {
    let mut flow = Flow::established();
    flow.pass(IN, scaled(seg("S", 90_000, 0, 0), 7), Established);
    let answer = scaled(seg("SA", 3_000_000_000, 90_001, 0), 3);
    assert_eq!(flow.pass(OUT, answer, SynRecv), StateChange::Restarted);
    flow.pass(OUT, answer, SynRecv);
    flow.pass(IN, seg("S", 90_000, 0, 0), SynRecv);
    flow.drop(IN, seg("A", 1001, 5001, 0), TrackError::OutOfWindow);
    flow.pass(IN, seg("A", 90_001, 3_000_000_001, 0), Established);
    // The windows of both are scaled: 65,535 × 2⁷ and × 2³.
    flow.pass(OUT, seg("A", 3_000_000_001 + 8_000_000, 90_001, 1000), Established);
    flow.drop(OUT, seg("A", 3_000_000_001 + 8_400_000, 90_001, 1), TrackError::OutOfWindow);
    flow.pass(IN, seg("A", 90_001 + 500_000, 3_000_000_001, 1000), Established);
    flow.drop(IN, seg("A", 90_001 + 530_000, 3_000_000_001, 1), TrackError::OutOfWindow);

    // And again, with the next epoch.
    flow.pass(IN, seg("S", 7, 0, 0), Established);
    let answer = seg("SA", 100, 8, 0);
    assert_eq!(flow.pass(OUT, answer, SynRecv), StateChange::Restarted);
    flow.pass(IN, seg("A", 8, 101, 0), Established);
    flow.pass(OUT, seg("A", 101, 8, 500), Established);
}

#[test]
fn a_call_in_an_open_connection_is_refused() {
    let mut flow = Flow::established();
    flow.pass(IN, seg("S", 90_000, 0, 0), Established);
    flow.pass(OUT, seg("RA", 0, 90_001, 0), Close);
    assert_eq!(flow.pass(IN, seg("S", 95_000, 0, 0), SynSent), StateChange::Reopen);
}

#[test]
fn a_port_in_time_wait_is_called_from_again() {
    let mut flow = Flow::established();
    flow.pass(IN, seg("FA", 1001, 5001, 0), FinWait);
    flow.pass(OUT, seg("FA", 5001, 1002, 0), LastAck);
    flow.pass(IN, seg("A", 1002, 5002, 0), TimeWait);
    assert_eq!(flow.pass(IN, seg("S", 70_000, 0, 0), SynSent), StateChange::Reopen);
    flow.pass(OUT, seg("SA", 80_000, 70_001, 0), SynRecv);
    // What is left of the old connection does not get into the new one.
    flow.drop(OUT, seg("FA", 5001, 1002, 0), TrackError::EarlyData);
    flow.pass(IN, seg("A", 70_001, 80_001, 0), Established);
    flow.drop(OUT, seg("A", 5001 + 3_000_000_000, 1002, 100), TrackError::OutOfWindow);

    // Only the last acknowledgement is missing.
    let mut flow = Flow::established();
    flow.pass(IN, seg("FA", 1001, 5001, 0), FinWait);
    flow.pass(OUT, seg("FA", 5001, 1002, 0), LastAck);
    flow.pass(IN, seg("S", 500, 0, 0), LastAck);
    assert_eq!(flow.pass(IN, seg("S", 70_000, 0, 0), SynSent), StateChange::Reopen);
}

#[test]
fn a_call_given_up_is_made_with_another_number() {
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    assert_eq!(flow.pass(IN, seg("S", 64_000, 0, 0), SynSent), StateChange::Reopen);
    flow.pass(OUT, seg("SA", 5000, 64_001, 0), SynRecv);
    assert_eq!(flow.pass(IN, seg("S", 2000, 0, 0), SynSent), StateChange::Reopen);
}

#[test]
fn keep_alives_probes_and_old_acknowledgements_pass() {
    let mut flow = Flow::established();
    flow.pass(OUT, window(seg("A", 5001, 1001, 0), 100), Established);
    flow.pass(IN, seg("PA", 1001, 5001, 1000), Established);
    flow.pass(OUT, window(seg("A", 5001, 2001, 0), 0), Established);
    // A keep-alive without and with its byte of garbage.
    flow.pass(IN, seg("A", 2000, 5001, 0), Established);
    flow.pass(IN, seg("A", 2000, 5001, 1), Established);
    flow.pass(OUT, window(seg("A", 5001, 2001, 0), 0), Established);
    // Acknowledgements overtake each other.
    flow.pass(OUT, seg("A", 5001, 1501, 0), Established);
    assert_eq!(flow.reply.ack, 2001);

    // A probe of a window that was never larger than 1000.
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    flow.pass(OUT, window(seg("SA", 5000, 1001, 0), 1000), SynRecv);
    flow.pass(IN, seg("A", 1001, 5001, 1000), Established);
    flow.pass(OUT, window(seg("A", 5001, 2001, 0), 0), Established);
    flow.pass(IN, seg("A", 2001, 5001, 1), Established);
    flow.drop(IN, seg("A", 2001, 5001, 2), TrackError::OutOfWindow);
}

#[test]
fn late_segments_pass_and_move_nothing() {
    let mut flow = Flow::established();
    let mut at = 1001;
    for _ in 0..300 {
        flow.pass(IN, seg("A", at, 5001, 1000), Established);
        at += 1000;
        flow.pass(OUT, seg("A", 5001, at, 0), Established);
    }
    flow.ignored(IN, seg("A", at - 100_000, 5001, 1000));
    flow.pass(OUT, seg("A", 5001, at - 100_000, 0), Established);
    assert_eq!(flow.reply.ack, at);
    flow.drop(IN, seg("A", 1001, 1, 1000), TrackError::OutOfWindow);
}

#[test]
fn scale_counts_only_if_both_ends_sent_it_and_never_on_a_syn() {
    // (scale of the opener, of the called end, bytes of window the opener has given with 60,000)
    for (opener, called, given) in [
        (Some(4), Some(0), 960_000),
        (Some(4), None, 60_000),
        (None, Some(4), 60_000),
        (Some(14), Some(1), 983_040_000),
        (Some(200), Some(1), 983_040_000),
    ] {
        let with = |segment: Segment, scale: Option<u8>| {
            scale.map_or(segment, |scale| scaled(segment, scale))
        };
        let mut flow = Flow::open(with(window(seg("S", 1000, 0, 0), 60_000), opener));
        flow.pass(OUT, with(seg("SA", 5000, 1001, 0), called), SynRecv);
        flow.pass(IN, window(seg("A", 1001, 5001, 0), 60_000), Established);
        flow.drop(OUT, seg("A", 5003 + given, 1001, 0), TrackError::OutOfWindow);
        flow.pass(OUT, seg("A", 5001 + given, 1001, 0), Established);
        // A scale in mid-stream says nothing.
        flow.pass(IN, scaled(window(seg("A", 1001, 5001, 0), 60_000), 14), Established);
        flow.drop(OUT, seg("A", 5003 + given, 1001, 0), TrackError::OutOfWindow);
    }
}

#[test]
fn lifetimes_follow_the_state() {
    let timeouts = Timeouts::default();
    let lifetime =
        |flow: &Flow| timeouts.lifetime(Proto::TCP, &flow.original, &flow.reply).0 / 1000;
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    assert_eq!(lifetime(&flow), 30);
    flow.pass(OUT, seg("SA", 5000, 1001, 0), SynRecv);
    assert_eq!(lifetime(&flow), 30);
    flow.pass(IN, seg("A", 1001, 5001, 0), Established);
    assert_eq!(lifetime(&flow), 7440);
    flow.now = Tick(50_000);
    flow.pass(OUT, seg("FA", 5001, 1001, 0), FinWait);
    assert_eq!(lifetime(&flow), 240);
    let deadline = timeouts.deadline(Proto::TCP, &flow.original, &flow.reply);
    assert_eq!(deadline, Tick(50_001 + 240_000));
    let listed = FlowState::of(Proto::TCP, &flow.original, &flow.reply);
    assert_eq!(listed.to_string(), "FIN_WAIT");
}

#[test]
fn only_a_syn_opens() {
    for letters in ["A", "SA", "FA", "R", "RA", "PA"] {
        assert_eq!(open(&seg(letters, 1, 1, 0), Tick(0)), Err(TrackError::NoFlow), "{letters}");
    }
    for letters in ["", "F", "SF", "SR", "P", "U", "FPU", "FSRPAU", "RFA"] {
        assert_eq!(open(&seg(letters, 1, 1, 0), Tick(0)), Err(TrackError::Flags), "{letters}");
    }
}
