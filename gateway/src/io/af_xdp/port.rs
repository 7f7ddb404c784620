//! One socket: a queue of an interface, with its four rings.

use std::os::fd::RawFd;
use std::sync::Arc;

use xsk_rs::umem::frame::FrameDesc;
use xsk_rs::{CompQueue, FillQueue, RxQueue, TxQueue};

use super::counters::PortCounters;
use super::frame::{FrameAudit, FramePool};
use super::{RingSizes, sys};
use crate::io::{BATCH, InterfaceId};

/// Buffers given to the fill ring at a time at least; fewer cost a cache line exchange each.
const REFILL: u32 = 16;

/// A batch of descriptors on its way between a ring and the free list.
pub(super) type Scratch = [FrameDesc; BATCH];

/// The four queues libxdp made for a socket.
#[derive(Debug)]
pub(super) struct Queues {
    pub(super) rx: RxQueue,
    pub(super) tx: TxQueue,
    pub(super) fill: FillQueue,
    pub(super) completion: CompQueue,
}

/// A socket and what is where in it.
#[derive(Debug)]
pub(super) struct Port {
    id: InterfaceId,
    queues: Queues,
    fd: RawFd,
    sizes: RingSizes,
    /// To be put on the transmit ring together.
    pending: Scratch,
    pending_len: usize,
    /// Given to the fill ring and not received yet.
    receiving: u32,
    /// Put on the transmit ring and not completed yet. Kept at or below the ring's size, so that the
    /// completion ring, which is as large, always has room: the kernel never waits for us there.
    sending: u32,
    /// The transmit ring may have something that the kernel has not looked at.
    unsent: bool,
    counters: Arc<PortCounters>,
}

impl Port {
    /// Wraps a bound socket; `fd` is that of `queues`.
    pub(super) fn new(
        id: InterfaceId,
        queues: Queues,
        fd: RawFd,
        sizes: RingSizes,
        counters: Arc<PortCounters>,
    ) -> Self {
        let pending = [FrameDesc::default(); BATCH];
        Self {
            id,
            queues,
            fd,
            sizes,
            pending,
            pending_len: 0,
            receiving: 0,
            sending: 0,
            unsent: false,
            counters,
        }
    }

    pub(super) const fn id(&self) -> InterfaceId {
        self.id
    }

    pub(super) const fn fd(&self) -> RawFd {
        self.fd
    }

    /// Whether the kernel still has to be told about something in the transmit ring.
    pub(super) const fn unsent(&self) -> bool {
        self.unsent
    }

    /// Takes received descriptors, as many as `into` holds at most.
    #[inline]
    pub(super) fn receive(&mut self, into: &mut [FrameDesc]) -> usize {
        // SAFETY: the socket is on the UMEM that all descriptors of this worker belong to.
        let count = unsafe { self.queues.rx.consume(into) };
        if count > 0 {
            self.receiving -= below_batch(count);
            self.counters.received.add(count as u64);
        }
        count
    }

    /// Queues a descriptor to be sent, or gives it back when the ring has no room.
    #[inline]
    pub(super) fn transmit(
        &mut self,
        desc: FrameDesc,
        pool: &mut FramePool,
        scratch: &mut Scratch,
    ) -> Result<(), FrameDesc> {
        if self.room() == 0 {
            self.reclaim(pool, scratch);
            if self.room() == 0 {
                self.counters.refused.add(1);
                return Err(desc);
            }
        }
        self.pending[self.pending_len] = desc;
        self.pending_len += 1;
        if self.pending_len == BATCH {
            self.submit();
        }
        Ok(())
    }

    /// Frames that may still be queued.
    fn room(&self) -> u32 {
        self.sizes.transmit - self.sending - below_batch(self.pending_len)
    }

    /// Puts what is pending on the transmit ring. It fits: `room` counted it.
    fn submit(&mut self) {
        let pending = &self.pending[..self.pending_len];
        // SAFETY: these descriptors came from frames given up to `transmit`, so nobody else has them.
        let count = unsafe { self.queues.tx.produce(pending) };
        debug_assert_eq!(count, self.pending_len, "the ring has the room that was counted");
        self.sending += below_batch(count);
        self.pending_len = 0;
        self.unsent = true;
        self.counters.transmitted.add(count as u64);
    }

    /// Ends a batch: sends, takes back what was sent, refills.
    pub(super) fn flush(&mut self, pool: &mut FramePool, scratch: &mut Scratch) {
        if self.pending_len > 0 {
            self.submit();
        }
        if self.unsent {
            self.kick();
        }
        if self.sending > 0 {
            self.reclaim(pool, scratch);
        }
        self.refill(pool);
    }

    /// One `sendto`, if the kernel wants to be told. In copy mode it always does, and the call sends.
    fn kick(&mut self) {
        if !self.queues.tx.needs_wakeup() {
            self.unsent = false;
            return;
        }
        self.counters.kicks.add(1);
        match sys::kick(self.fd) {
            Ok(()) => self.unsent = false,
            Err(errno) => self.counters.kick_failed(errno),
        }
    }

    /// Takes completed frames to the free list.
    fn reclaim(&mut self, pool: &mut FramePool, scratch: &mut Scratch) {
        loop {
            // SAFETY: as in `receive`; what is on the completion ring was ours before.
            let count = unsafe { self.queues.completion.consume(scratch) };
            pool.put(&scratch[..count]);
            self.sending -= below_batch(count);
            self.counters.completed.add(count as u64);
            if count < scratch.len() {
                return;
            }
        }
    }

    /// Fills the fill ring as far as there are free frames, a batch at a time.
    pub(super) fn refill(&mut self, pool: &mut FramePool) {
        loop {
            let room = self.queues.fill.nb_free(REFILL);
            if room < REFILL {
                break;
            }
            let batch = BATCH.min(room as usize);
            // SAFETY: the free list is the only holder of these; `take` drops them from it.
            let used = pool.take(batch, |free| unsafe { self.queues.fill.produce(free) });
            if used == 0 {
                break;
            }
            self.receiving += below_batch(used);
        }
        if self.queues.fill.needs_wakeup() {
            self.counters.fill_wakeups.add(1);
            // An error here is one that the next kick reports as well.
            let _same = sys::wake_receive(self.fd);
        }
    }

    /// Adds what is in this socket's rings.
    pub(super) fn audit(&mut self, audit: &mut FrameAudit) {
        let fill = self.sizes.fill - self.queues.fill.nb_free_exact();
        let receive = self.queues.rx.nb_avail_exact();
        let transmit = self.sizes.transmit - self.queues.tx.nb_free_exact();
        let completion = self.queues.completion.nb_avail_exact();
        audit.fill += fill as usize;
        audit.receive += receive as usize;
        audit.kernel_receive += self.receiving.saturating_sub(fill + receive) as usize;
        audit.transmit += transmit as usize + self.pending_len;
        audit.completion += completion as usize;
        audit.kernel_transmit += self.sending.saturating_sub(transmit + completion) as usize;
    }
}

/// A count of descriptors in one batch; rings and batches are far below 2^32.
#[expect(clippy::cast_possible_truncation, reason = "at most BATCH")]
const fn below_batch(count: usize) -> u32 {
    debug_assert!(count <= BATCH);
    count as u32
}
