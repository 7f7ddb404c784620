//! A flow under test, and segments in short.

mod attacks;
mod conversation;
mod flags;
mod place;
mod stories;

use super::{Segment, Settings, SimultaneousOpen, State, SynOptions, TcpFlags, observe, open};
use crate::direction::Direction;
use crate::key::{Millis, Tick};
use crate::track::{Ends, Observed, Side, StateChange, TrackError};

/// The opener's end and the called end.
const IN: Side = Side::Original;
const OUT: Side = Side::Reply;

/// A segment: flags by their letters, sequence and acknowledgement number, bytes of data.
fn seg(letters: &str, seq: u32, ack: u32, payload_len: u32) -> Segment {
    let flags = letters.chars().fold(TcpFlags::default(), |flags, letter| {
        flags.with(match letter {
            'S' => TcpFlags::SYN,
            'A' => TcpFlags::ACK,
            'F' => TcpFlags::FIN,
            'R' => TcpFlags::RST,
            'P' => TcpFlags::PSH,
            'U' => TcpFlags::URG,
            _ => panic!("no flag {letter}"),
        })
    });
    Segment { flags, seq, ack, window: 65535, payload_len, ..Segment::default() }
}

fn scaled(segment: Segment, scale: u8) -> Segment {
    Segment { options: SynOptions { window_scale: Some(scale) }, ..segment }
}

fn window(segment: Segment, window: u16) -> Segment {
    Segment { window, ..segment }
}

/// A flow as the gateway would keep it.
#[derive(Clone, Debug)]
struct Flow {
    original: Direction,
    reply: Direction,
    settings: Settings,
    now: Tick,
}

impl Flow {
    fn open(segment: Segment) -> Self {
        let original = open(&segment, Tick(0)).expect("a SYN");
        Self { original, reply: Direction::default(), settings: Settings::default(), now: Tick(0) }
    }

    /// A connection with initial numbers 1000 and 5000.
    fn established() -> Self {
        let mut flow = Self::open(seg("S", 1000, 0, 0));
        flow.pass(OUT, seg("SA", 5000, 1001, 0), State::SynRecv);
        flow.pass(IN, seg("A", 1001, 5001, 0), State::Established);
        flow
    }

    fn see(&self, side: Side, segment: &Segment) -> Result<Observed, TrackError> {
        let (own, peer) = match side {
            Side::Original => (&self.original, &self.reply),
            Side::Reply => (&self.reply, &self.original),
        };
        observe(Ends { side, own, peer }, segment, self.settings, self.now)
    }

    fn send(&mut self, side: Side, segment: Segment) -> Result<StateChange, TrackError> {
        self.now = self.now.after(Millis(1));
        let seen = self.see(side, &segment)?;
        if seen.change == StateChange::Reopen {
            // As the gateway does: another flow.
            self.original = seen.own;
            self.reply = Direction::default();
        } else {
            match side {
                Side::Original => self.original = seen.own,
                Side::Reply => self.reply = seen.own,
            }
        }
        Ok(seen.change)
    }

    #[track_caller]
    fn pass(&mut self, side: Side, segment: Segment, state: State) -> StateChange {
        let change = self.send(side, segment);
        assert!(change.is_ok(), "{segment:?} dropped: {change:?}\n{self:#?}");
        assert_eq!(self.state(), state, "after {segment:?}");
        change.expect("just looked")
    }

    /// The segment passes and leaves no trace.
    #[track_caller]
    fn ignored(&mut self, side: Side, segment: Segment) {
        let before = (self.original, self.reply);
        let change = self.send(side, segment);
        assert_eq!(change, Ok(StateChange::None), "{segment:?}");
        assert_eq!((self.original, self.reply), before, "{segment:?}");
    }

    #[track_caller]
    fn drop(&mut self, side: Side, segment: Segment, error: TrackError) {
        let before = (self.original, self.reply);
        assert_eq!(self.send(side, segment), Err(error), "{segment:?}\n{self:#?}");
        assert_eq!((self.original, self.reply), before, "{segment:?}");
    }

    fn state(&self) -> State {
        State::of(&self.original, &self.reply)
    }
}
