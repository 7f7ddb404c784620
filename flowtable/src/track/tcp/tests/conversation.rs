//! Two honest ends with a gateway between them and bad lines on both sides of it: nothing of theirs may
//! be dropped, and the flow must end where they do.

use std::collections::BTreeMap;

use super::{Flow, IN, OUT, Segment, Side, State, SynOptions, TcpFlags, seg};
use crate::rng::Rng;

/// One end of a connection. Its numbers are true counts; the wire has their low 32 bits.
#[derive(Debug)]
struct End {
    /// The number of the SYN, one past the data, and the FIN after it.
    first: u64,
    data_end: u64,
    unacked: u64,
    next: u64,
    /// The right edge the other end gave.
    edge: u64,
    /// What is expected next; 0 before the other's SYN.
    expected: u64,
    /// The right edge given.
    given: u64,
    /// Pieces that came too early.
    pieces: BTreeMap<u64, u64>,
    fin_at: Option<u64>,
    scale: u8,
    other_scale: u8,
    is_open: bool,
    called: bool,
}

const MSS: u64 = 1460;

impl End {
    fn new(first: u64, data: u64, scale: u8, called: bool) -> Self {
        Self {
            first,
            data_end: first + 1 + data,
            unacked: first,
            next: first,
            edge: 0,
            expected: 0,
            given: 0,
            pieces: BTreeMap::new(),
            fin_at: None,
            scale,
            other_scale: 0,
            is_open: false,
            called,
        }
    }

    fn is_done(&self) -> bool {
        self.unacked == self.data_end + 1 && self.fin_at.is_some_and(|fin| self.expected > fin)
    }

    /// The segment from `seq` to `end`, which may take in SYN and FIN.
    fn segment(&mut self, seq: u64, end: u64, rng: &mut Rng) -> Segment {
        self.next = self.next.max(end);
        let low = |count: u64| u32::try_from(count & 0xffff_ffff).expect("32 bits");
        let mut flags = TcpFlags::default();
        let mut data = end - seq;
        if seq == self.first && end > seq {
            flags = flags.with(TcpFlags::SYN);
            data -= 1;
        }
        if end > self.data_end.max(seq) {
            flags = flags.with(TcpFlags::FIN);
            data -= 1;
        }
        let mut window = 30_000;
        let mut ack = 0;
        if self.expected > 0 {
            flags = flags.with(TcpFlags::ACK);
            ack = low(self.expected);
            let syn = flags.contains(TcpFlags::SYN);
            let shift = if syn { 0 } else { self.scale };
            // The reader takes its time; sometimes the window closes.
            let room = (u64::from(rng.below(5)) * 15_000) << shift;
            let room = room.max(self.given.saturating_sub(self.expected)) >> shift;
            window = u16::try_from(room.min(65_535)).expect("at most 16 bits");
            self.given = self.given.max(self.expected + (u64::from(window) << shift));
        }
        let options = SynOptions { window_scale: Some(self.scale) };
        Segment { flags, seq: low(seq), ack, window, payload_len: low(data), options }
    }

    /// Something to say.
    fn speak(&mut self, rng: &mut Rng) -> Option<Segment> {
        if !self.is_open {
            let may = !self.called || self.expected > 0;
            return may.then(|| self.segment(self.first, self.first + 1, rng));
        }
        let fin_end = self.data_end + 1;
        match rng.below(8) {
            0 => Some(self.segment(self.next, self.next, rng)),
            // A keep-alive.
            1 if self.next > self.first + 1 => {
                let segment = self.segment(self.next, self.next, rng);
                Some(Segment { seq: segment.seq.wrapping_sub(1), ..segment })
            }
            // A retransmission, in pieces other than those of the first time.
            2 if self.unacked < self.next => {
                let from = self.unacked.max(self.first + 1);
                let size = u64::from(rng.below(3000)) + 1;
                Some(self.segment(from, self.next.min(from + size).max(from), rng))
            }
            // A probe of a closed window.
            3 if self.next == self.edge && self.next < self.data_end => {
                Some(self.segment(self.next, self.next + 1, rng))
            }
            _ if self.next < fin_end && self.next < self.edge => {
                let size = u64::from(rng.below(1460)) + 1;
                let end = (self.next + size.min(MSS)).min(self.edge).min(fin_end);
                Some(self.segment(self.next, end, rng))
            }
            _ => None,
        }
    }

    /// Takes a segment in; answers it or not.
    fn hear(&mut self, segment: &Segment, rng: &mut Rng) -> Option<Segment> {
        let has = |flag| segment.flags.contains(flag);
        let near = |close: u64, low: u32| {
            let wrapped = u32::try_from(close & 0xffff_ffff).expect("32 bits");
            close.wrapping_add_signed(low.wrapping_sub(wrapped).cast_signed().into())
        };
        if has(TcpFlags::SYN) {
            if self.expected > 0 {
                // Not believed again (RFC 5961 section 4).
                return self.is_open.then(|| self.segment(self.next, self.next, rng));
            }
            // Far from 0, so that there are counts before it.
            self.expected = (1 << 40 | u64::from(segment.seq)) + 1;
            self.given = self.expected;
            self.other_scale = segment.options.window_scale.unwrap_or(0);
        } else if self.expected == 0 {
            return None;
        }
        if has(TcpFlags::ACK) {
            let ack = near(self.unacked, segment.ack);
            if ack > self.unacked && ack <= self.next {
                self.unacked = ack;
                self.is_open = true;
            }
            let shift = if has(TcpFlags::SYN) { 0 } else { self.other_scale };
            if ack <= self.next && ack > self.first {
                self.edge = self.edge.max(ack + (u64::from(segment.window) << shift));
            }
        }
        if has(TcpFlags::SYN) {
            return self.is_open.then(|| self.segment(self.next, self.next, rng));
        }
        let seq = near(self.expected, segment.seq);
        let end = seq + u64::from(segment.payload_len);
        if has(TcpFlags::FIN) {
            self.fin_at = Some(end);
        }
        let end = end + u64::from(has(TcpFlags::FIN));
        // One past the edge is what a prober sends; a receiver without room does not keep it.
        if end > seq && end <= self.given.max(self.expected) {
            let kept = self.pieces.entry(seq).or_insert(end);
            *kept = end.max(*kept);
        }
        while let Some((&seq, &end)) = self.pieces.iter().find(|(seq, _)| **seq <= self.expected) {
            self.pieces.remove(&seq);
            self.expected = self.expected.max(end);
        }
        let answers = end > seq || rng.below(4) == 0;
        (answers && self.is_open && rng.below(3) > 0)
            .then(|| self.segment(self.next, self.next, rng))
    }
}

/// What is on its way, with losses and overtaking.
#[derive(Debug, Default)]
struct Line(Vec<Segment>);

impl Line {
    fn put(&mut self, segment: Option<Segment>, rng: &mut Rng) {
        if let Some(segment) = segment.filter(|_| rng.below(20) > 0) {
            self.0.push(segment);
            if rng.below(30) == 0 {
                self.0.push(segment);
            }
        }
    }

    fn take(&mut self, rng: &mut Rng) -> Option<Segment> {
        let reach = u32::try_from(self.0.len().min(4)).expect("four");
        (reach > 0).then(|| self.0.remove(rng.below(reach) as usize))
    }
}

fn converse(seed: u64) {
    let mut rng = Rng::from_seed(seed);
    // Often the numbers wrap on the way.
    let mut first = || (1 << 40) + u64::from(u32::MAX) - u64::from(rng.below(100_000));
    let (a, b) = (first(), first());
    let mut data = || u64::from(rng.below(200_000));
    let (data_a, data_b) = (data(), data());
    let mut scale = || u8::try_from(rng.below(8)).expect("small");
    let (scale_a, scale_b) = (scale(), scale());
    let mut ends = [End::new(a, data_a, scale_a, false), End::new(b, data_b, scale_b, true)];
    // Towards the gateway and away from it, for each end.
    let mut to: [Line; 2] = Default::default();
    let mut from: [Line; 2] = Default::default();
    let mut flow: Option<Flow> = None;
    for _ in 0..200_000 {
        let who = usize::from(rng.below(2) == 1);
        let other = 1 - who;
        match rng.below(3) {
            0 => {
                let said = ends[who].speak(&mut rng);
                to[who].put(said, &mut rng);
            }
            1 => {
                if let Some(segment) = to[who].take(&mut rng) {
                    let side: Side = if who == 0 { IN } else { OUT };
                    match &mut flow {
                        None => flow = Some(Flow::open(segment)),
                        Some(flow) => {
                            let seen = flow.send(side, segment);
                            assert!(
                                seen.is_ok(),
                                "{seed}: {segment:?} {seen:?}\n{flow:#?}\n{ends:#?}"
                            );
                        }
                    }
                    from[other].put(Some(segment), &mut rng);
                }
            }
            _ => {
                if let Some(segment) = from[who].take(&mut rng) {
                    let answer = ends[who].hear(&segment, &mut rng);
                    to[who].put(answer, &mut rng);
                }
            }
        }
        if ends.iter().all(End::is_done) {
            let flow = flow.expect("two ends have talked");
            assert_eq!(flow.state(), State::TimeWait, "{seed}: {flow:#?}");
            return;
        }
    }
    panic!("{seed}: the ends never finished: {ends:#?}\n{flow:#?}");
}

#[test]
fn honest_ends_lose_nothing_to_the_gateway() {
    for seed in 0..300 {
        converse(seed);
    }
}

#[test]
fn a_gigabyte_wraps_without_a_seam() {
    let mut flow = Flow::open(Segment {
        options: SynOptions { window_scale: Some(14) },
        ..seg("S", u32::MAX - 9, 0, 0)
    });
    let answer =
        Segment { options: SynOptions { window_scale: Some(14) }, ..seg("SA", 0, u32::MAX - 8, 0) };
    flow.pass(OUT, answer, State::SynRecv);
    let mut at = u32::MAX - 8;
    flow.pass(IN, seg("A", at, 1, 0), State::Established);
    flow.pass(OUT, seg("A", 1, at, 0), State::Established);
    // Sixteen gigabytes, one unacknowledged at any time.
    for _ in 0..16 {
        for _ in 0..(1 << 14) - 1 {
            flow.pass(IN, seg("A", at, 1, 65_535), State::Established);
            at = at.wrapping_add(65_535);
        }
        flow.pass(OUT, seg("A", 1, at, 0), State::Established);
    }
}
