//! The words of a flow: two records of sixteen words, one per direction, and one cold line for both.
//!
//! ```text
//! record, line A   0..5  key                           written at admission
//!                  5     sequence << 32 | generation   generation: whoever judges the flow anew
//!                  6, 7  value words 0 and 1           admission; then whoever forwards the direction
//! record, line B   8, 9  value words 2 and 3           as above
//!                  10    turn << 32 | window and scale from here on: whoever forwards the direction,
//!                  11    last seen << 16 | value turn  and nobody else
//!                  12    packets
//!                  13    bytes
//!                  14    flags << 32 | end
//!                  15    max_end << 32 | ack
//! cold line        0     sequence << 32 | owner << 16 | status
//!                  1..5  rule, mapping, created, name
//!                  5     timer links (owner only)
//!                  6     list links and cause
//!                  7     where the two tags are
//! ```
//!
//! A *sequence* names one use of the flow's records: it is even while they hold a flow and odd while they
//! are filled, both records and the cold line have the same one, and it only changes when records are
//! used again, which the table allows only after a grace period. A *turn* counts the writes of words that
//! belong together and is odd during one. Both are read as a sequence lock is: before and after.
//!
//! This file knows where words lie and how they are read whole. It knows nothing of threads' duties,
//! buckets or time.

use crate::direction::{DirFlags, Direction, WINDOW_UNIT};
use crate::key::{FlowKey, Generation, Tick};
use crate::sync::{AtomicU64, Line, Ordering, PATIENCE, fence, high, low, pair, put, spin_loop};

/// Four words that a direction of a flow carries for the table's user, who alone knows what they mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Value(pub [u64; 4]);

const SEQUENCE: usize = 5;
const VALUE_A: usize = 6;
const VALUE_B: usize = 0;
const TURN: usize = 2;
const SEEN: usize = 3;
const PACKETS: usize = 4;
const BYTES: usize = 5;
const FLAGS_END: usize = 6;
const WINDOW: usize = 7;

/// The most [`WINDOW_UNIT`]s that 24 bits count.
const MAX_UNITS: u32 = (1 << 24) - 1;

/// The bits of the value's turn in the word it shares with the time last seen.
const VALUE_TURN: u64 = 0xffff;

/// The record of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) a: &'a Line,
    pub(crate) b: &'a Line,
}

/// What one record holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Contents {
    pub(crate) key: FlowKey,
    pub(crate) value: Value,
    pub(crate) generation: Generation,
    pub(crate) direction: Direction,
}

/// The sequence of a record whose line A is `a`, if it holds a flow of that key.
#[inline]
pub(crate) fn sequence_of(a: &Line, key: &[u64; 5]) -> Option<u32> {
    // ORDERING: acquire pairs with the release store at the end of `fill`; the key read below is that
    // of this sequence or of a later one, and the caller reads the sequence again.
    let sequence = high(a[SEQUENCE].load(Ordering::Acquire));
    let differing = key
        .iter()
        .zip(a)
        .fold(0, |differing, (word, stored)| differing | (word ^ stored.load(Ordering::Relaxed)));
    (differing == 0 && sequence & 1 == 0).then_some(sequence)
}

/// Whether the record whose line A is `a` is still used as `sequence` says. Everything read before this
/// call is then of that use, if the caller knew the sequence before it read.
#[inline]
pub(crate) fn is_current(a: &Line, sequence: u32) -> bool {
    // ORDERING: pairs with the release fence in `fill`: a read above that saw one of its stores makes
    // this load see the odd sequence stored before the fence, or a later one.
    fence(Ordering::Acquire);
    high(a[SEQUENCE].load(Ordering::Relaxed)) == sequence
}

impl Record<'_> {
    /// Writes a whole record. The caller has it to itself, but for readers who will find out.
    pub(crate) fn fill(&self, sequence: u32, contents: &Contents) {
        let Self { a, b } = self;
        a[SEQUENCE].store(pair(sequence.wrapping_sub(1), 0), Ordering::Relaxed);
        // ORDERING: pairs with the acquire fence in `is_current`; see there.
        fence(Ordering::Release);
        for (word, stored) in contents.key.to_words().into_iter().zip(*a) {
            put(stored, word);
        }
        self.write_value(contents.value);
        self.write_direction(&contents.direction, 0);
        put(&b[TURN], pair(0, window_and_scale(&contents.direction)));
        // ORDERING: pairs with the acquire load in `sequence_of`; readers who got the record's number
        // from a tag pair with the tag's own release store.
        a[SEQUENCE].store(pair(sequence, contents.generation.0), Ordering::Release);
    }

    fn write_value(&self, value: Value) {
        let [a0, a1, b0, b1] = value.0;
        put(&self.a[VALUE_A], a0);
        put(&self.a[VALUE_A + 1], a1);
        put(&self.b[VALUE_B], b0);
        put(&self.b[VALUE_B + 1], b1);
    }

    /// The words of a direction but for the one that holds the turn.
    fn write_direction(&self, direction: &Direction, value_turn: u64) {
        let b = self.b;
        put(&b[SEEN], direction.last_seen.0 << 16 | value_turn);
        put(&b[PACKETS], direction.packets);
        put(&b[BYTES], direction.bytes);
        put(&b[FLAGS_END], pair(direction.flags.0, direction.end));
        put(&b[WINDOW], pair(direction.max_end, direction.ack));
    }

    /// Replaces the direction. Only one thread at a time does this to a record.
    #[inline]
    pub(crate) fn store_direction(&self, sequence: u32, direction: &Direction) {
        let b = self.b;
        if !is_current(self.a, sequence) {
            return;
        }
        let turn = high(b[TURN].load(Ordering::Relaxed));
        b[TURN].store(pair(turn | 1, 0), Ordering::Relaxed);
        // ORDERING: pairs with the acquire fence in `whole`: who saw a word of this write sees the odd
        // turn or a later one when it looks again.
        fence(Ordering::Release);
        let value_turn = b[SEEN].load(Ordering::Relaxed) & VALUE_TURN;
        self.write_direction(direction, value_turn);
        // ORDERING: pairs with the acquire load in `whole`: who sees the even turn sees all of it.
        let even = (turn | 1).wrapping_add(1);
        b[TURN].store(pair(even, window_and_scale(direction)), Ordering::Release);
    }

    /// The direction as one consistent whole; `None` if the record is used anew or its writer was in
    /// the middle of a write each time.
    #[inline]
    pub(crate) fn direction(&self, sequence: u32) -> Option<Direction> {
        let b = self.b;
        let odd = |word: u64| high(word) & 1 == 1;
        let direction = whole(&b[TURN], u64::MAX, odd, |turn| self.read_direction(turn))?;
        is_current(self.a, sequence).then_some(direction)
    }

    #[inline]
    fn read_direction(&self, turn: u64) -> Direction {
        let b = self.b;
        let flags_end = b[FLAGS_END].load(Ordering::Relaxed);
        let window = b[WINDOW].load(Ordering::Relaxed);
        Direction {
            last_seen: Tick(b[SEEN].load(Ordering::Relaxed) >> 16),
            packets: b[PACKETS].load(Ordering::Relaxed),
            bytes: b[BYTES].load(Ordering::Relaxed),
            flags: DirFlags(high(flags_end)),
            end: low(flags_end),
            max_end: high(window),
            max_win: (low(turn) >> 8) * WINDOW_UNIT,
            ack: low(window),
            scale: low(turn).to_le_bytes()[0],
        }
    }

    /// Replaces the value, by the thread that also stores the direction.
    pub(crate) fn store_value(&self, sequence: u32, value: Value) {
        if !is_current(self.a, sequence) {
            return;
        }
        let word = &self.b[SEEN];
        let seen = word.load(Ordering::Relaxed);
        let turn = seen & VALUE_TURN;
        let other = seen & !VALUE_TURN;
        word.store(other | turn | 1, Ordering::Relaxed);
        // ORDERING: pairs with the acquire fence in `whole`, as in `store_direction`.
        fence(Ordering::Release);
        self.write_value(value);
        // ORDERING: pairs with the acquire load in `whole`.
        word.store(other | ((turn | 1) + 1) & VALUE_TURN, Ordering::Release);
    }

    /// The value as one consistent whole, `None` as for [`Record::direction`].
    #[inline]
    pub(crate) fn value(&self, sequence: u32) -> Option<Value> {
        let odd = |word| word & 1 == 1;
        let value = whole(&self.b[SEEN], VALUE_TURN, odd, |_| self.read_value())?;
        is_current(self.a, sequence).then_some(value)
    }

    #[inline]
    fn read_value(&self) -> Value {
        Value([
            self.a[VALUE_A].load(Ordering::Relaxed),
            self.a[VALUE_A + 1].load(Ordering::Relaxed),
            self.b[VALUE_B].load(Ordering::Relaxed),
            self.b[VALUE_B + 1].load(Ordering::Relaxed),
        ])
    }

    fn read_key(&self) -> FlowKey {
        FlowKey::from_words(std::array::from_fn(|word| self.a[word].load(Ordering::Relaxed)))
    }

    /// Everything the record holds, for the one thread that may touch it: its flow is dead and the
    /// grace period over.
    pub(crate) fn contents(&self) -> Contents {
        Contents {
            key: self.read_key(),
            value: self.read_value(),
            generation: Generation(low(self.a[SEQUENCE].load(Ordering::Relaxed))),
            direction: self.read_direction(self.b[TURN].load(Ordering::Relaxed)),
        }
    }

    /// The key, `None` if the record is used anew.
    pub(crate) fn key(&self, sequence: u32) -> Option<FlowKey> {
        let key = self.read_key();
        is_current(self.a, sequence).then_some(key)
    }

    /// The generation, `None` if the record is used anew.
    #[inline]
    pub(crate) fn generation(&self, sequence: u32) -> Option<Generation> {
        // One word holds both, so neither can be of another moment.
        let word = self.a[SEQUENCE].load(Ordering::Relaxed);
        (high(word) == sequence).then_some(Generation(low(word)))
    }

    /// Replaces the generation.
    pub(crate) fn store_generation(&self, sequence: u32, generation: Generation) {
        if is_current(self.a, sequence) {
            // ORDERING: release keeps the word as good a publication of the record as the one it
            // replaces: `sequence_of` may pair with either.
            self.a[SEQUENCE].store(pair(sequence, generation.0), Ordering::Release);
        }
    }
}

/// The half word beside a direction's turn: its largest window in [`WINDOW_UNIT`]s, 24 bits, and its scale.
const fn window_and_scale(direction: &Direction) -> u32 {
    let units = direction.max_win.div_ceil(WINDOW_UNIT);
    (if units > MAX_UNITS { MAX_UNITS } else { units }) << 8 | direction.scale as u32
}

/// Reads words that `turn` guards until no write fell into the reading; gives up after [`PATIENCE`].
/// Only the bits of `mask` count the turn.
#[inline]
fn whole<T>(
    turn: &AtomicU64,
    mask: u64,
    odd: impl Fn(u64) -> bool,
    read: impl Fn(u64) -> T,
) -> Option<T> {
    for _ in 0..PATIENCE {
        // ORDERING: acquire pairs with the release store that ends a write: all of it is seen.
        let before = turn.load(Ordering::Acquire);
        if !odd(before) {
            let words = read(before);
            // ORDERING: pairs with the release fence that follows the odd turn of a write: if any word
            // above is of a newer write, the load below sees at least its odd turn.
            fence(Ordering::Acquire);
            if (turn.load(Ordering::Relaxed) ^ before) & mask == 0 {
                return Some(words);
            }
        }
        spin_loop();
    }
    None
}
