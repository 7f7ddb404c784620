//! The window check against the same rules on numbers that do not wrap.

use crate::direction::Direction;
use crate::rng::Rng;
use crate::track::TrackError;
use crate::track::tcp::memory::{ACKED, FIN};
use crate::track::tcp::window::{Place, place};
use crate::track::tcp::{Segment, TcpFlags};

/// What one segment and the two directions look like when sequence numbers are true counts.
#[derive(Clone, Copy, Debug)]
struct Counts {
    own_end: i64,
    own_win: i64,
    own_fin: bool,
    peer_end: i64,
    peer_edge: i64,
    peer_win: i64,
    seq: i64,
    len: i64,
    fin: bool,
    ack: i64,
}

impl Counts {
    fn judge(&self) -> Result<Place, TrackError> {
        let end = self.seq + self.len + i64::from(self.fin);
        let least = |window: i64| window.max(65_536);
        let too_far = end > self.peer_edge + 1;
        let unsent = self.ack > self.peer_end;
        let foreign = |behind: i64, window: i64| behind >= 4 * (least(window) + 1);
        let (late, lag) = (self.own_end - end, self.peer_end - self.ack);
        if too_far || unsent || foreign(late, self.peer_win) || foreign(lag, self.own_win) {
            Err(TrackError::OutOfWindow)
        } else if self.own_fin && end > self.own_end {
            Err(TrackError::AfterFin)
        } else if self.fin && end < self.own_end {
            Err(TrackError::OutOfWindow)
        } else if late > least(self.peer_win) {
            Ok(Place::Old)
        } else {
            Ok(Place::Current)
        }
    }

    fn check(&self) {
        let low = |count: i64| u32::try_from(count.rem_euclid(1 << 32)).expect("a remainder");
        let direction = |end, max_end, max_win, fin| Direction {
            end: low(end),
            max_end: low(max_end),
            max_win: low(max_win),
            flags: if fin { ACKED.with(FIN) } else { ACKED },
            ..Direction::default()
        };
        let own = direction(self.own_end, 0, self.own_win, self.own_fin);
        let peer = direction(self.peer_end, self.peer_edge, self.peer_win, false);
        let flags = if self.fin { TcpFlags::ACK.with(TcpFlags::FIN) } else { TcpFlags::ACK };
        let segment = Segment {
            flags,
            seq: low(self.seq),
            ack: low(self.ack),
            payload_len: low(self.len),
            ..Segment::default()
        };
        assert_eq!(place(&own, &peer, &segment), self.judge(), "{self:?}");
    }
}

/// Sequence numbers around every place where something wraps.
const BASES: [i64; 5] = [0, 1 << 31, (1 << 32) - 3, 1 << 32, (1 << 32) + 70_000];

#[test]
fn every_segment_near_every_bound() {
    for base in BASES {
        let window = 65_536;
        let start = Counts {
            own_end: base,
            own_win: window,
            own_fin: false,
            peer_end: base + 9,
            peer_edge: base + 5,
            peer_win: window,
            seq: 0,
            len: 0,
            fin: false,
            ack: 0,
        };
        let bounds = [0, -window, -4 * (window + 1), 5];
        let around = |at: i64| (-3..=3).map(move |step| at + step);
        for (bound, ack_bound) in bounds.iter().flat_map(|a| bounds.map(|b| (*a, b))) {
            for (seq, ack) in around(base + bound)
                .flat_map(|seq| around(base + 9 + ack_bound).map(move |ack| (seq, ack)))
            {
                for (len, fin, own_fin) in [
                    (0, false, false),
                    (1, false, false),
                    (0, true, false),
                    (2, true, false),
                    (0, false, true),
                    (1, false, true),
                    (0, true, true),
                ] {
                    Counts { seq, ack, len, fin, own_fin, ..start }.check();
                }
            }
        }
    }
}

#[test]
fn a_million_segments_anywhere() {
    let mut rng = Rng::from_seed(92);
    let mut below = |bound: i64| i64::from(rng.below(u32::try_from(bound).expect("32 bits")));
    for _ in 0..1_000_000 {
        let base = BASES[usize::try_from(below(5)).expect("one of five")] + below(200_000);
        // Windows up to the gigabyte that scaling allows, and steps of all sizes.
        let mut step = || {
            let size = below(30);
            below(1 << size)
        };
        let (own_win, peer_win, edge) = (step(), step(), step());
        let (own_end, peer_end) = (base, base + step());
        let seq = base + step() - step();
        let ack = peer_end + step() / 8 - step();
        Counts {
            own_end,
            own_win,
            own_fin: step() % 2 == 1,
            peer_end,
            peer_edge: own_end + edge,
            peer_win,
            seq,
            len: step() % 65_536,
            fin: step() % 4 == 1,
            ack,
        }
        .check();
    }
}
