//! Where every frame went, counted. rx + generated = tx + drops + consumed + host + held, to the frame.

use super::drop_reason::DropReason;
use crate::io::InterfaceId;
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// A worker's counts since it started. Only the worker writes it; others read the published [`Cells`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ledger {
    /// Frames received, per interface.
    pub rx: Box<[u64]>,
    /// Frames handed to the driver for transmission, per interface.
    pub tx: Box<[u64]>,
    /// Frames dropped, per reason.
    pub drops: [u64; DropReason::COUNT],
    /// Frames the gateway made itself.
    pub generated: u64,
    /// Frames that ended in the gateway because they were for it.
    pub consumed: u64,
    /// Frames handed to the machine's own stack.
    pub host: u64,
    /// Frames held back at the moment.
    pub held: u64,
    /// TCP and UDP checksums completed for local senders. Not frames: part of no sum.
    pub checksums_completed: u64,
    /// Flows admitted.
    pub flows_admitted: u64,
    /// Flows that ended, by timeout, reset or policy.
    pub flows_ended: u64,
    /// Batches that carried at least one frame.
    pub batches: u64,
}

/// The counts beside the per-interface ones and the drops, listed once, in the order they are published.
macro_rules! scalars {
    ($($field:ident),* $(,)?) => {
        const SCALARS: usize = [$(stringify!($field)),*].len();

        impl Ledger {
            const fn scalars(&self) -> [u64; SCALARS] {
                [$(self.$field),*]
            }

            const fn scalars_mut(&mut self) -> [&mut u64; SCALARS] {
                [$(&mut self.$field),*]
            }
        }
    };
}

scalars! {
    generated,
    consumed,
    host,
    held,
    checksums_completed,
    flows_admitted,
    flows_ended,
    batches,
}

impl Ledger {
    /// All zero, for so many interfaces.
    #[must_use]
    pub fn new(interfaces: usize) -> Self {
        Self {
            rx: vec![0; interfaces].into(),
            tx: vec![0; interfaces].into(),
            drops: [0; DropReason::COUNT],
            generated: 0,
            consumed: 0,
            host: 0,
            held: 0,
            checksums_completed: 0,
            flows_admitted: 0,
            flows_ended: 0,
            batches: 0,
        }
    }

    /// Counts a received frame.
    #[inline]
    pub fn received(&mut self, ingress: InterfaceId) {
        self.rx[ingress.index()] += 1;
    }

    /// Counts a frame that leaves.
    #[inline]
    pub fn sent(&mut self, egress: InterfaceId) {
        self.tx[egress.index()] += 1;
    }

    /// Counts a frame that goes nowhere.
    #[inline]
    pub fn dropped(&mut self, reason: DropReason) {
        self.drops[reason.index()] += 1;
    }

    /// How often that happened.
    #[must_use]
    pub fn drops_of(&self, reason: DropReason) -> u64 {
        self.drops[reason.index()]
    }

    /// Frames that came in or were made, less those accounted for: 0, or a bug.
    #[must_use]
    pub fn difference(&self) -> i128 {
        let sum = |counts: &[u64]| counts.iter().map(|&count| i128::from(count)).sum::<i128>();
        sum(&self.rx) + i128::from(self.generated)
            - sum(&self.tx)
            - sum(&self.drops)
            - i128::from(self.consumed)
            - i128::from(self.host)
            - i128::from(self.held)
    }

    /// Adds another worker's counts.
    pub fn add(&mut self, other: &Self) {
        let mut sums = self.words();
        for (sum, word) in sums.iter_mut().zip(other.words()) {
            *sum += word;
        }
        self.set_words(&sums);
    }

    fn words(&self) -> Vec<u64> {
        let mut words = vec![0; Self::len(self.rx.len())];
        for (at, word) in self.each().enumerate() {
            words[at] = word;
        }
        words
    }

    const fn len(interfaces: usize) -> usize {
        SCALARS + 2 * interfaces + DropReason::COUNT
    }

    fn each(&self) -> impl Iterator<Item = u64> {
        self.scalars()
            .into_iter()
            .chain(self.rx.iter().copied())
            .chain(self.tx.iter().copied())
            .chain(self.drops.iter().copied())
    }

    fn set_words(&mut self, words: &[u64]) {
        let (scalars, counts) = words.split_at(SCALARS);
        for (scalar, word) in self.scalars_mut().into_iter().zip(scalars) {
            *scalar = *word;
        }
        let (rx, counts) = counts.split_at(self.rx.len());
        let (tx, drops) = counts.split_at(self.tx.len());
        self.rx.copy_from_slice(rx);
        self.tx.copy_from_slice(tx);
        self.drops.copy_from_slice(drops);
    }
}

/// A worker's ledger as other threads see it: published once a batch, read as one consistent whole.
#[derive(Debug)]
pub struct Cells {
    /// Odd while the worker writes.
    version: CachePadded<AtomicU64>,
    words: Box<[AtomicU64]>,
    interfaces: usize,
}

impl Cells {
    /// Cells for a ledger of so many interfaces.
    #[must_use]
    pub fn new(interfaces: usize) -> Self {
        let words = (0..Ledger::len(interfaces)).map(|_| AtomicU64::new(0)).collect();
        Self { version: CachePadded::new(AtomicU64::new(0)), words, interfaces }
    }

    /// Makes `ledger` visible. Only its worker may call this.
    #[inline]
    pub fn publish(&self, ledger: &Ledger) {
        // ORDERING: the classic sequence lock. The release fence keeps the word stores behind the odd
        // version; the final release store keeps them before the even one. Pairs with `read`.
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (cell, word) in self.words.iter().zip(ledger.each()) {
            cell.store(word, Ordering::Relaxed);
        }
        self.version.store(version + 2, Ordering::Release);
    }

    /// The ledger as of the last publication.
    #[must_use]
    pub fn read(&self) -> Ledger {
        let mut ledger = Ledger::new(self.interfaces);
        loop {
            // ORDERING: acquire pairs with the release store of the even version; the acquire fence keeps
            // the word loads before the second look at it.
            let before = self.version.load(Ordering::Acquire);
            let words: Vec<u64> = self.words.iter().map(|w| w.load(Ordering::Relaxed)).collect();
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == before {
                ledger.set_words(&words);
                return ledger;
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Ledger {
        let mut ledger = Ledger::new(2);
        for word in 0..10 {
            ledger.received(InterfaceId(word % 2));
        }
        ledger.sent(InterfaceId(1));
        ledger.dropped(DropReason::TxDevice);
        ledger.host = 8;
        ledger.batches = 3;
        ledger
    }

    #[test]
    fn what_is_published_is_what_is_read() {
        let cells = Cells::new(2);
        cells.publish(&sample());
        assert_eq!(cells.read(), sample());
        assert_eq!(cells.read().difference(), 0);
    }

    #[test]
    fn sums_add_every_field() {
        let mut sum = sample();
        sum.add(&sample());
        for (twice, once) in sum.each().zip(sample().each()) {
            assert_eq!(twice, 2 * once);
        }
    }

    #[test]
    fn a_reader_never_sees_half_a_publication() {
        let cells = Cells::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut ledger = Ledger::new(2);
                for _ in 0..20_000 {
                    ledger.received(InterfaceId(0));
                    ledger.sent(InterfaceId(1));
                    cells.publish(&ledger);
                }
            });
            for _ in 0..2_000 {
                assert_eq!(cells.read().difference(), 0);
            }
        });
    }
}
