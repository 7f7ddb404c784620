//! Every combination of the twelve flag bits in every state.

use super::{Flow, IN, OUT, Segment, TcpFlags, TrackError, open, seg};
use crate::key::Tick;

/// The same answer as [`TcpFlags::is_legal`], said another way.
fn sensible(flags: TcpFlags) -> bool {
    let has = |flag| flags.contains(flag);
    let (fin, syn, rst) = (has(TcpFlags::FIN), has(TcpFlags::SYN), has(TcpFlags::RST));
    let (ack, urg) = (has(TcpFlags::ACK), has(TcpFlags::URG));
    let kinds = u8::from(fin) + u8::from(syn) + u8::from(rst);
    kinds <= 1 && (ack || syn || rst) && !(urg && (rst || syn && ack))
}

/// A flow in each state, and in a few that share one.
fn flows() -> Vec<Flow> {
    let steps = [
        (OUT, seg("SA", 5000, 1001, 0)),
        (IN, seg("A", 1001, 5001, 0)),
        (IN, seg("S", 90_000, 0, 0)),
        (IN, seg("FA", 1001, 5001, 0)),
        (OUT, seg("A", 5001, 1002, 0)),
        (OUT, seg("FA", 5001, 1002, 0)),
        (IN, seg("A", 1002, 5002, 0)),
        (OUT, seg("R", 5002, 0, 0)),
    ];
    let mut flow = Flow::open(seg("S", 1000, 0, 0));
    let mut flows = vec![flow.clone()];
    for (side, segment) in steps {
        flow.send(side, segment).expect("an orderly connection");
        flows.push(flow.clone());
    }
    let mut crossing = Flow::open(seg("S", 1000, 0, 0));
    for (side, segment) in [(OUT, seg("S", 5000, 0, 0)), (IN, seg("SA", 1000, 5001, 0))] {
        crossing.send(side, segment).expect("a simultaneous open");
        flows.push(crossing.clone());
    }
    let mut restarted = Flow::established();
    for (side, segment) in [(IN, seg("S", 90_000, 0, 0)), (OUT, seg("SA", 7, 90_001, 0))] {
        restarted.send(side, segment).expect("a restart");
    }
    flows.push(restarted);
    flows
}

#[test]
fn illegal_flags_are_dropped_in_every_state_and_legal_ones_never_for_their_flags() {
    let flows = flows();
    let mut illegal = 0;
    for word in 0..4096 {
        let flags = TcpFlags(word);
        assert_eq!(flags.is_legal(), sensible(flags), "{word:#b}");
        illegal += u32::from(!flags.is_legal());
        let opened = open(&Segment { flags, ..seg("", 1000, 0, 0) }, Tick(0));
        assert_eq!(opened == Err(TrackError::Flags), !flags.is_legal(), "{word:#b}");
        for flow in &flows {
            for side in [IN, OUT] {
                for (seq, ack, len) in
                    [(1001, 5001, 0), (5001, 1001, 10), (1000, 0, 0), (u32::MAX, 1 << 31, 1460)]
                {
                    let segment = Segment { flags, ..seg("", seq, ack, len) };
                    let seen = flow.see(side, &segment);
                    let refused = seen == Err(TrackError::Flags);
                    assert_eq!(refused, !flags.is_legal(), "{segment:?} {flow:?}");
                }
            }
        }
    }
    // Nine of the 32 combinations that matter are legal, with 128 of those that do not.
    assert_eq!(illegal, 4096 - 9 * 128);
}
