//! The timer of one worker: a hashed wheel of coarse slots, linked through the flows themselves.
//!
//! A packet never touches it. A flow stands in the slot of some moment at which it may be over; when that
//! comes, the worker looks at the flow and either ends it or arms it again for the deadline it finds then
//! (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", scheme 6, with the re-arming left to the
//! visit). A deadline past the wheel's reach is met by stages. A flow may be visited early, never
//! skipped.
//!
//! This file knows slots and links. When a flow is over is asked elsewhere.

use crate::key::Tick;
use crate::sync::{Lines, at};
use crate::table::cold::Cold;

/// Milliseconds of one slot, as a shift: 256 ms.
const SLOT_SHIFT: u32 = 8;

/// Slots of a wheel; they reach 524 s, so a flow idle for the 7,440 s of RFC 5382 is visited 15 times.
const SLOTS: u32 = if cfg!(loom) { 4 } else { 2048 };

/// Marks a previous link that names a slot and not a flow.
const IN_SLOT: u32 = 1 << 31;

/// No flow, where a flow's number plus one is stored.
const NONE: u32 = 0;

/// The wheel of one worker.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// The first flow of each slot, plus one.
    heads: Box<[u32]>,
    /// The slot being emptied, counted from time zero; all before it are done.
    cursor: u64,
    armed: u32,
}

/// What the wheel has for its worker.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// This flow, now out of the wheel, wants to be looked at.
    Flow(u32),
    /// One empty slot was passed.
    Nothing,
    /// The wheel has come to the present.
    Done,
}

/// The place of a slot number on the wheel.
#[expect(clippy::cast_possible_truncation, reason = "a remainder of a 32-bit number")]
const fn place(slot: u64) -> u32 {
    (slot % SLOTS as u64) as u32
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self { heads: (0..SLOTS).map(|_| NONE).collect(), cursor: 0, armed: 0 }
    }

    /// Puts a flow that is not in the wheel where it will be seen at `due`, or as late as the wheel
    /// reaches.
    pub(crate) fn arm(&mut self, cold: &Lines, flow: u32, now: Tick, due: Tick) {
        if self.armed == 0 {
            self.cursor = self.cursor.max(now.0 >> SLOT_SHIFT);
        }
        // Rounded up, so that the deadline has passed when the slot comes. Never the slot being emptied,
        // or one call could go round in it; never its next turn, which is the same place.
        let slot = (due.0.saturating_add((1 << SLOT_SHIFT) - 1) >> SLOT_SHIFT)
            .clamp(self.cursor + 1, self.cursor + u64::from(SLOTS) - 1);
        let place = place(slot);
        let head = std::mem::replace(&mut self.heads[at(place)], flow + 1);
        Cold(cold.line(at(flow))).set_timer(IN_SLOT | place, head);
        if let Some(next) = head.checked_sub(1) {
            let next = Cold(cold.line(at(next)));
            next.set_timer(flow + 1, next.timer().1);
        }
        self.armed += 1;
    }

    /// Takes a flow out, if it is in.
    pub(crate) fn disarm(&mut self, cold: &Lines, flow: u32) {
        let line = Cold(cold.line(at(flow)));
        let (previous, next) = line.timer();
        if previous == NONE {
            return;
        }
        line.set_timer(NONE, NONE);
        if previous & IN_SLOT != 0 {
            self.heads[at(previous & !IN_SLOT)] = next;
        } else {
            let before = Cold(cold.line(at(previous - 1)));
            before.set_timer(before.timer().0, next);
        }
        if let Some(next) = next.checked_sub(1) {
            let after = Cold(cold.line(at(next)));
            after.set_timer(previous, after.timer().1);
        }
        self.armed -= 1;
    }

    /// One step towards `now`: a flow to look at, an empty slot passed, or nothing left to do.
    pub(crate) fn step(&mut self, cold: &Lines, now: Tick) -> Due {
        let present = now.0 >> SLOT_SHIFT;
        if self.armed == 0 {
            self.cursor = self.cursor.max(present);
            return Due::Done;
        }
        if self.cursor > present {
            return Due::Done;
        }
        // After a gap longer than the wheel every place comes up once, not once for each turn missed.
        self.cursor = self.cursor.max((present + 1).saturating_sub(u64::from(SLOTS)));
        match self.heads[at(place(self.cursor))].checked_sub(1) {
            Some(flow) => {
                self.disarm(cold, flow);
                Due::Flow(flow)
            }
            None if self.cursor == present => Due::Done,
            None => {
                self.cursor += 1;
                Due::Nothing
            }
        }
    }
}
