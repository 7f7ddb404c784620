//! The AF_XDP driver: frames straight from an interface's driver to a worker and back.
//!
//! # One frame, from wire to wire
//!
//! 1. A frame arrives at queue `q` of an interface. The steering program (`bpf/steer.c`) runs on it, counts
//!    it, and hands what is the gateway's to the socket of that queue.
//! 2. The kernel takes a buffer from the socket's *fill ring*, copies the frame into it (copy mode) and puts
//!    its descriptor on the *receive ring*. **Copy one.** No buffer, or no room: dropped, and counted in
//!    [`XskStatistics`].
//! 3. [`AfXdpIo::receive`] takes descriptors off the ring and lends each as a [`UmemFrame`].
//! 4. [`AfXdpIo::transmit`] takes the frame back and queues its descriptor on the *transmit ring* of the
//!    interface it leaves by. All sockets share one memory region, so that moves no byte.
//! 5. [`AfXdpIo::flush`] makes one `sendto` for each interface that has something queued. In copy mode the
//!    kernel makes a packet of each descriptor, **copy two**, and gives it to the device there and then.
//! 6. When the device is done with the packet its descriptor comes back on the *completion ring*, and the
//!    next flush puts the frame on the worker's free list, from where it refills the fill rings.
//!
//! # What a failed send means
//!
//! In copy mode, by Linux 6.18's `__xsk_generic_xmit` (`net/xdp/xsk.c`) and as measured on veth:
//!
//! - `EAGAIN`: the device's queue pushes back, the send buffer is full, or the call has sent as many packets
//!   as one call may. Nothing is lost: what was not sent stays on the ring and the next flush sends it.
//! - `EBUSY`: the device dropped **one** packet and the call stopped there. The frame is completed like one
//!   that was sent, and the device counts it in its `tx_dropped`. The rest stays on the ring.
//! - `ENOBUFS`, `ENETDOWN`: nothing was taken, the descriptors stay.
//!
//! On veth a full peer (its ring of 256 packets, where it has one: with XDP or GRO at that end) gives
//! `EBUSY`, as a peer that is down does; with a queueing discipline on our end it gives `EAGAIN` instead and
//! the device drops nothing: the transmit ring fills and [`AfXdpIo::transmit`] gives frames back.
//!
//! `poll` in copy mode sends too, and tells no error: of 70,541 packets dropped at a starved peer 50,059
//! showed as `EBUSY`. So the exact account is the device's, not the errnos'. With nothing under way, and
//! nobody else sending by the device (the kernel itself does: ARP, its own traffic):
//!
//! ```text
//! port.transmitted = port.completed = device tx_packets + device tx_dropped
//! ```
//!
//! (there: 76,381 = 5,840 + 70,541).
//!
//! # What is counted where
//!
//! With nothing under way, for each interface and queue:
//!
//! ```text
//! steer.seen      = steer.to_socket + steer.pass_* + steer drops by reason
//! steer.to_socket = port.received + kernel.rx_dropped + kernel.rx_ring_full
//! ```
//!
//! # What it does not do
//!
//! It knows no policy and reads no packet. It does not pin its programs: they go away with the process.
//! A frame stays with the worker that received it.

#![expect(unsafe_code, reason = "rings and frames are shared with the kernel; libbpf is C")]

mod counters;
mod error;
mod frame;
mod open;
mod port;
mod steer;
mod sys;

use std::net::Ipv4Addr;
use std::os::fd::RawFd;
use std::time::Duration;

use ipnet::Ipv4Net;
use nix::libc;
use xsk_rs::umem::frame::FrameDesc;

pub use self::counters::{KickErrors, Monitor, PortCounts, QueueReport};
pub use self::error::OpenError;
use self::frame::FramePool;
pub use self::frame::{FrameAudit, UmemFrame};
pub use self::open::{open, queues};
use self::port::{Port, Scratch};
pub use self::steer::{SteerAction, SteerCounts};
pub use self::sys::XskStatistics;
use super::{BATCH, Frame, InterfaceId, PacketIo, Received, Side};

/// How the steering program runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum XdpMode {
    /// In the device's driver, before the kernel makes a packet of the frame.
    #[default]
    Native,
    /// In the kernel's stack, for devices whose driver has no XDP; slow, and only when asked for.
    Generic,
}

/// Whether the kernel copies packets between device and socket.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum CopyMode {
    /// It does; works everywhere.
    #[default]
    Copy,
    /// The device uses the socket's memory itself. Needs the driver's help; never tried unasked.
    ZeroCopy,
}

/// An interface to open.
#[derive(Clone, Debug)]
pub struct LinkSpec {
    /// What the packet path calls it.
    pub id: InterfaceId,
    /// The device's name in this network namespace.
    pub device: String,
    /// Which way it faces.
    pub side: Side,
    /// The networks behind it; on an inside interface the addresses ARP senders may have.
    pub networks: Vec<Ipv4Net>,
    /// Every IPv4 address of this machine, broadcast addresses among them, the same for all interfaces:
    /// packets for these go to the machine's own stack.
    pub host_addresses: Vec<Ipv4Addr>,
    /// How its steering program runs.
    pub mode: XdpMode,
}

/// What all interfaces have in common.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Frames in all; ring sizes follow from it.
    pub frames: u32,
    /// Workers: as many as every interface has receive queues.
    pub workers: u16,
    /// Whether zero-copy is asked for.
    pub copy: CopyMode,
}

/// An open driver. Fields drop in this order: detached first, then the sockets, with the last the memory.
#[derive(Debug)]
pub struct Opened {
    /// The control thread's end.
    pub monitor: Monitor,
    /// One for each worker, in the order of queues.
    pub workers: Vec<AfXdpIo>,
}

/// Entries of the rings of one socket. The completion ring is as large as the transmit ring.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct RingSizes {
    receive: u32,
    fill: u32,
    transmit: u32,
}

/// How long a worker sleeps at most while packets wait for a second try to be sent.
const RETRY: Duration = Duration::from_millis(1);

/// A worker's end of the driver: one queue of every interface, and the frames that are its own.
#[derive(Debug)]
pub struct AfXdpIo {
    ports: Vec<Port>,
    /// The port of an interface, by its id.
    by_id: Vec<Option<usize>>,
    pool: FramePool,
    scratch: Box<Scratch>,
    /// The port `receive` starts with; they take turns.
    first: usize,
    polled: Vec<libc::pollfd>,
}

impl AfXdpIo {
    fn new(mut ports: Vec<Port>, mut pool: FramePool) -> Self {
        let mut by_id = Vec::new();
        for (position, port) in ports.iter_mut().enumerate() {
            let id = port.id().index();
            if by_id.len() <= id {
                by_id.resize(id + 1, None);
            }
            by_id[id] = Some(position);
            port.refill(&mut pool);
        }
        let polled = ports
            .iter()
            .map(|port| libc::pollfd { fd: port.fd(), events: libc::POLLIN, revents: 0 })
            .collect();
        let scratch = Box::new([FrameDesc::default(); BATCH]);
        Self { ports, by_id, pool, scratch, first: 0, polled }
    }

    /// Sleeps until a frame arrives or the time is over; whether one arrived. Call it after a
    /// [`flush`](PacketIo::flush), and flush again after it: if packets wait for another try to be sent,
    /// it sleeps a millisecond at most.
    pub fn wait(&mut self, timeout: Duration) -> bool {
        let unsent = self.ports.iter().any(Port::unsent);
        sys::wait(&mut self.polled, if unsent { timeout.min(RETRY) } else { timeout })
    }

    /// The sockets' descriptors, readable when a frame has arrived; open as long as `self`.
    pub fn raw_fds(&self) -> impl Iterator<Item = RawFd> {
        self.ports.iter().map(Port::fd)
    }

    /// Frames received and not given back yet; negative if another worker's were given back here.
    #[must_use]
    pub const fn outstanding(&self) -> isize {
        self.pool.out()
    }

    /// Finds every frame of this worker. Exact when no frame arrives or leaves meanwhile. Not for the
    /// packet path: it allocates.
    pub fn audit(&mut self) -> FrameAudit {
        let (free, twice) = self.pool.free_and_twice();
        let (total, out) = (self.pool.total(), self.pool.out());
        let mut audit = FrameAudit { total, free, twice, out, ..FrameAudit::default() };
        for port in &mut self.ports {
            port.audit(&mut audit);
        }
        audit
    }

    fn port_of(&self, id: InterfaceId) -> Option<usize> {
        self.by_id.get(id.index()).copied().flatten()
    }
}

/// The shortest frame the kernel sends: an Ethernet header. A shorter one would never complete.
const SHORTEST: usize = 14;

impl PacketIo for AfXdpIo {
    type Frame = UmemFrame;

    fn receive(&mut self, room: usize, mut sink: impl FnMut(Received<Self::Frame>)) -> usize {
        let mut taken = 0;
        for turn in 0..self.ports.len() {
            let port = (self.first + turn) % self.ports.len();
            let port = &mut self.ports[port];
            let most = (room - taken).min(BATCH);
            let count = port.receive(&mut self.scratch[..most]);
            for &desc in &self.scratch[..count] {
                sink(Received { ingress: port.id(), frame: self.pool.adopt(desc) });
            }
            taken += count;
        }
        self.first = (self.first + 1) % self.ports.len();
        taken
    }

    fn transmit(&mut self, egress: InterfaceId, frame: Self::Frame) -> Result<(), Self::Frame> {
        let Some(port) = self.port_of(egress) else { return Err(frame) };
        if frame.bytes().len() < SHORTEST {
            return Err(frame);
        }
        let desc = self.pool.surrender(frame);
        self.ports[port]
            .transmit(desc, &mut self.pool, &mut self.scratch)
            .map_err(|desc| self.pool.adopt(desc))
    }

    fn to_host(&mut self, _: InterfaceId, frame: Self::Frame) -> Result<(), Self::Frame> {
        Err(frame)
    }

    fn release(&mut self, frame: Self::Frame) {
        let desc = self.pool.surrender(frame);
        self.pool.put(&[desc]);
    }

    fn flush(&mut self) {
        for port in &mut self.ports {
            port.flush(&mut self.pool, &mut self.scratch);
        }
    }
}
