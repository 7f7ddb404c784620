//! What the driver counts, and who reads it.
//!
//! A worker alone writes the counters of its ports; the control thread reads them through a [`Monitor`],
//! together with what the kernel counts: the steering program per queue, and each socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use super::steer::{Steer, SteerCounts};
use super::{CopyMode, XdpMode, XskStatistics, sys};
use crate::io::InterfaceId;

/// A counter with one writer.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`; only the owning worker may.
    #[inline]
    pub(super) fn add(&self, n: u64) {
        // ORDERING: one thread writes, so load and store need no read-modify-write; readers want a
        // recent value of this counter and infer nothing about other memory from it.
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The value some moments ago.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of one socket, on cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct PortCounters {
    pub(super) received: Counter,
    pub(super) transmitted: Counter,
    pub(super) completed: Counter,
    pub(super) refused: Counter,
    pub(super) kicks: Counter,
    pub(super) fill_wakeups: Counter,
    again: Counter,
    busy: Counter,
    no_buffers: Counter,
    down: Counter,
    unbound: Counter,
    other: Counter,
}

impl PortCounters {
    /// Counts what a kick failed with.
    pub(super) fn kick_failed(&self, errno: Errno) {
        match errno {
            Errno::EAGAIN => &self.again,
            Errno::EBUSY => &self.busy,
            Errno::ENOBUFS | Errno::ENOMEM => &self.no_buffers,
            Errno::ENETDOWN => &self.down,
            Errno::ENXIO => &self.unbound,
            _ => &self.other,
        }
        .add(1);
    }

    fn read(&self) -> PortCounts {
        PortCounts {
            received: self.received.get(),
            transmitted: self.transmitted.get(),
            completed: self.completed.get(),
            refused: self.refused.get(),
            kicks: self.kicks.get(),
            fill_wakeups: self.fill_wakeups.get(),
            kick_errors: KickErrors {
                again: self.again.get(),
                busy: self.busy.get(),
                no_buffers: self.no_buffers.get(),
                down: self.down.get(),
                unbound: self.unbound.get(),
                other: self.other.get(),
            },
        }
    }
}

/// What a worker counted at one socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PortCounts {
    /// Frames taken from the receive ring.
    pub received: u64,
    /// Frames put on the transmit ring.
    pub transmitted: u64,
    /// Frames the kernel gave back after sending or dropping them.
    pub completed: u64,
    /// Frames given back to the caller because the transmit ring had no room.
    pub refused: u64,
    /// `sendto` calls.
    pub kicks: u64,
    /// `recvfrom` calls that woke the fill ring.
    pub fill_wakeups: u64,
    /// What failed `sendto` calls said.
    pub kick_errors: KickErrors,
}

/// Failed `sendto` calls by errno. None loses a frame unseen: see the module's essay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KickErrors {
    /// `EAGAIN`: no room further down, or more than one call takes; descriptors stay, next flush retries.
    pub again: u64,
    /// `EBUSY`: the device dropped one packet and counted it; the rest stays, next flush goes on.
    pub busy: u64,
    /// `ENOBUFS` or `ENOMEM`: no memory for packets; descriptors stay, next flush retries.
    pub no_buffers: u64,
    /// `ENETDOWN`: the device is down; descriptors stay.
    pub down: u64,
    /// `ENXIO`: the socket lost its device.
    pub unbound: u64,
    /// Anything else.
    pub other: u64,
}

/// One queue of one interface, as everyone counted it.
#[derive(Clone, Debug)]
pub struct QueueReport {
    /// The interface.
    pub interface: InterfaceId,
    /// The queue, which is also the worker.
    pub queue: u32,
    /// How the steering program runs.
    pub xdp_mode: XdpMode,
    /// Whether the kernel copies packets on this socket, as it says itself.
    pub copy_mode: CopyMode,
    /// Whether copy mode's limit of 32 packets a `sendto` could be raised (Linux 6.17).
    pub budget_raised: bool,
    /// Whether the socket's send buffer could be raised.
    pub send_buffer_raised: bool,
    /// What the steering program did.
    pub steer: SteerCounts,
    /// What the kernel counted at the socket.
    pub kernel: XskStatistics,
    /// What the worker counted at the socket.
    pub port: PortCounts,
}

/// One socket, as the control thread sees it. The descriptor is a duplicate: the socket lives until both
/// the worker and the monitor let go of it.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) link: usize,
    pub(super) queue: u32,
    pub(super) socket: OwnedFd,
    pub(super) copy_mode: CopyMode,
    pub(super) budget_raised: bool,
    pub(super) send_buffer_raised: bool,
    pub(super) counters: Arc<PortCounters>,
}

/// The control thread's end of the driver: reads all counters and holds the XDP attachments.
///
/// Dropping it detaches the steering programs. Drop it before the workers, so that no packet is steered to
/// a socket nobody reads.
#[derive(Debug)]
pub struct Monitor {
    pub(super) steers: Vec<Steer>,
    pub(super) watched: Vec<Watched>,
}

impl Monitor {
    /// Reads every counter of every queue, by interface, then queue.
    ///
    /// # Errors
    /// When the kernel refuses to tell, which it does not for maps and sockets that are ours.
    pub fn read(&self) -> io::Result<Vec<QueueReport>> {
        self.watched.iter().map(|watched| self.read_one(watched)).collect()
    }

    fn read_one(&self, watched: &Watched) -> io::Result<QueueReport> {
        let steer = &self.steers[watched.link];
        Ok(QueueReport {
            interface: steer.interface(),
            queue: watched.queue,
            xdp_mode: steer.mode(),
            copy_mode: watched.copy_mode,
            budget_raised: watched.budget_raised,
            send_buffer_raised: watched.send_buffer_raised,
            steer: steer.counts(watched.queue)?,
            kernel: sys::statistics(watched.socket.as_fd())?,
            port: watched.counters.read(),
        })
    }

    /// Takes the steering programs off all interfaces. Counters can still be read.
    ///
    /// # Errors
    /// The last refusal; the programs go in any case when the monitor is dropped.
    pub fn detach(&mut self) -> io::Result<()> {
        let mut result = Ok(());
        for steer in &mut self.steers {
            result = steer.detach().and(result);
        }
        result
    }
}
