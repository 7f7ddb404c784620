//! The cold line of a flow: what is touched only when a flow comes, changes or goes.
//!
//! Its first word decides who may do what: a flow is made by the shard that took its records, lives, is
//! killed by exactly one thread, and is freed by its owner.

use crate::key::{Tick, WorkerId};
use crate::sync::{Line, Ordering, fence, high, low, pair, put};

const STATE: usize = 0;
const RULE: usize = 1;
const MAPPING: usize = 2;
const CREATED: usize = 3;
const NAME: usize = 4;
const TIMER: usize = 5;
const LINK: usize = 6;
const SLOTS: usize = 7;

/// Where a flow is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Status {
    /// Its records are free, or being filled.
    Free,
    /// Both tags are published.
    Live,
    /// Killed; the tags are gone or going, the records wait for the grace period.
    Dead,
}

/// Why a flow ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Cause {
    /// Its deadline passed.
    Expired,
    /// Its protocol ended it.
    Closed,
    /// Policy allows it no longer.
    Revoked,
    /// Somebody asked for it.
    Cleared,
}

impl Cause {
    const ALL: [Self; 4] = [Self::Expired, Self::Closed, Self::Revoked, Self::Cleared];
}

/// The first word of a cold line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct State {
    pub(crate) sequence: u32,
    pub(crate) owner: WorkerId,
    pub(crate) status: Status,
}

impl State {
    fn to_word(self) -> u64 {
        pair(self.sequence, u32::from(self.owner.0) << 16 | self.status as u32)
    }

    fn from_word(word: u64) -> Self {
        let [status, _, owner0, owner1] = low(word).to_le_bytes();
        let status = match status {
            0 => Status::Free,
            1 => Status::Live,
            _ => Status::Dead,
        };
        let owner = WorkerId(u16::from_le_bytes([owner0, owner1]));
        Self { sequence: high(word), owner, status }
    }
}

/// What admission leaves for later questions about a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) rule: u64,
    pub(crate) mapping: u64,
    pub(crate) created: Tick,
    pub(crate) name: u64,
}

/// One flow's cold line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cold<'a>(pub(crate) &'a Line);

impl Cold<'_> {
    /// The state now.
    pub(crate) fn state(self) -> State {
        // ORDERING: acquire pairs with the release store in `enliven`: who sees a flow live sees its
        // records filled and its cold words written.
        State::from_word(self.0[STATE].load(Ordering::Acquire))
    }

    /// Starts a new use of the records by `owner`; the caller has taken them from the supply.
    pub(crate) fn prepare(self, owner: WorkerId, origin: &Origin) -> u32 {
        let before = State::from_word(self.0[STATE].load(Ordering::Relaxed));
        let state =
            State { sequence: before.sequence.wrapping_add(2), owner, status: Status::Free };
        self.0[STATE].store(state.to_word(), Ordering::Relaxed);
        // ORDERING: pairs with the acquire fence in `origin`: who saw a word below of this use does not
        // see the state of the one before when it looks again.
        fence(Ordering::Release);
        put(&self.0[RULE], origin.rule);
        put(&self.0[MAPPING], origin.mapping);
        put(&self.0[CREATED], origin.created.0);
        put(&self.0[NAME], origin.name);
        state.sequence
    }

    /// Declares the prepared flow live, both tags being published: from here on it can be killed.
    pub(crate) fn enliven(self, sequence: u32, owner: WorkerId, slots: [u32; 2]) {
        self.0[SLOTS].store(pair(slots[0], slots[1]), Ordering::Relaxed);
        let state = State { sequence, owner, status: Status::Live };
        // ORDERING: release pairs with the acquire loads in `state` and `kill`.
        self.0[STATE].store(state.to_word(), Ordering::Release);
    }

    /// Makes the live flow of that sequence dead; `Some` with its owner for the one caller who did.
    pub(crate) fn kill(self, sequence: u32) -> Option<WorkerId> {
        let word = self.0[STATE].load(Ordering::Relaxed);
        let state = State::from_word(word);
        if state.sequence != sequence || state.status != Status::Live {
            return None;
        }
        let dead = State { status: Status::Dead, ..state };
        // ORDERING: acquire pairs with `enliven`, so that the winner reads where the tags are. Of all
        // callers only one finds the word live: the exchange is the decision.
        self.0[STATE]
            .compare_exchange(word, dead.to_word(), Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| state.owner)
    }

    /// Gives the records of a dead flow up. Only its owner, after the grace period.
    pub(crate) fn free(self) {
        let state = State::from_word(self.0[STATE].load(Ordering::Relaxed));
        let free = State { status: Status::Free, ..state };
        self.0[STATE].store(free.to_word(), Ordering::Relaxed);
    }

    /// What admission left; the caller checks [`Cold::is_still`] afterwards if it does not own the flow.
    pub(crate) fn origin(self) -> Origin {
        Origin {
            rule: self.0[RULE].load(Ordering::Relaxed),
            mapping: self.0[MAPPING].load(Ordering::Relaxed),
            created: Tick(self.0[CREATED].load(Ordering::Relaxed)),
            name: self.0[NAME].load(Ordering::Relaxed),
        }
    }

    /// Whether the state is the one read before.
    pub(crate) fn is_still(self, state: State) -> bool {
        // ORDERING: pairs with the release fence in `prepare`.
        fence(Ordering::Acquire);
        State::from_word(self.0[STATE].load(Ordering::Relaxed)) == state
    }

    /// Notes another deciding rule and admitting name, after a new judgement.
    pub(crate) fn set_origin(self, rule: u64, name: u64) {
        put(&self.0[RULE], rule);
        put(&self.0[NAME], name);
    }

    /// The two tag slots, original first. Published by `enliven`, read by the winner of `kill`.
    pub(crate) fn slots(self) -> [u32; 2] {
        let word = self.0[SLOTS].load(Ordering::Relaxed);
        [high(word), low(word)]
    }

    /// The length of the list that this free flow heads.
    pub(crate) fn list_len(self) -> u32 {
        low(self.0[SLOTS].load(Ordering::Relaxed))
    }

    /// Notes the length of the list that this free flow heads. Free flows have no tags, so the word is
    /// theirs to use.
    pub(crate) fn set_list_len(self, len: u32) {
        self.0[SLOTS].store(u64::from(len), Ordering::Relaxed);
    }

    /// The link word: the next flow of a list below, above it what the list wants to know.
    pub(crate) fn link(self) -> (u32, u32) {
        let word = self.0[LINK].load(Ordering::Relaxed);
        (high(word), low(word))
    }

    /// Writes the link word. Whoever holds the flow writes it: the killer until it is handed to the
    /// owner, the owner until it is handed to the pool. The hand-over orders it, so relaxed suffices.
    pub(crate) fn set_link(self, above: u32, next: u32) {
        self.0[LINK].store(pair(above, next), Ordering::Relaxed);
    }

    /// The links of the timer wheel, previous and next. Only the owner touches them.
    pub(crate) fn timer(self) -> (u32, u32) {
        let word = self.0[TIMER].load(Ordering::Relaxed);
        (high(word), low(word))
    }

    /// Writes the links of the timer wheel.
    pub(crate) fn set_timer(self, previous: u32, next: u32) {
        self.0[TIMER].store(pair(previous, next), Ordering::Relaxed);
    }
}

/// A cause as it stands in a link word.
pub(crate) fn cause_to_bits(cause: Cause) -> u32 {
    cause as u32
}

/// The cause that [`cause_to_bits`] gave.
pub(crate) fn cause_from_bits(bits: u32) -> Cause {
    Cause::ALL.get(bits as usize).copied().unwrap_or(Cause::Cleared)
}
