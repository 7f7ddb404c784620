//! Brings the driver up: checks, memory, sockets, steering programs, attachment. In that order, so that
//! a program that runs has a socket to steer to, and one that has none drops.

use std::error::Error;
use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use xsk_rs::config::{
    BindFlags, FrameSize, Interface, LibxdpFlags, QueueSize, SocketConfig, UmemConfig,
};
use xsk_rs::umem::frame::FrameDesc;
use xsk_rs::{Socket, Umem};

use super::counters::{Monitor, PortCounters, Watched};
use super::error::{BPF, DEVICE, SOCKET};
use super::frame::FramePool;
use super::port::{Port, Queues};
use super::steer::{MAX_QUEUES, Steer};
use super::{AfXdpIo, CopyMode, LinkSpec, OpenError, Opened, Options, RingSizes, sys};
use crate::io::BATCH;
use crate::kernel::{KernelView, Link};

/// What the kernel keeps free before a received packet (`XDP_PACKET_HEADROOM`).
const HEADROOM: u32 = 256;
/// Ethernet header and two VLAN tags: what a frame is longer than the MTU.
const LINK_HEADER: u32 = 14 + 2 * 4;
/// The two frame sizes; a page at most, because the kernel takes no larger ones.
const SMALL_FRAME: u32 = 2048;
const LARGE_FRAME: u32 = 4096;
/// The smallest ring: two batches.
const SMALLEST_RING: u32 = 128;
/// How long a socket of a process that just ended may hold its queue: the kernel lets go of it late.
const BUSY_FOR: Duration = Duration::from_secs(1);
/// Packets one `sendto` takes: a batch, and another one if the last was cut short.
#[expect(clippy::cast_possible_truncation, reason = "BATCH is small")]
const SEND_BUDGET: u32 = 2 * BATCH as u32;

/// Tells frames of one region from those of another.
static NEXT_REGION: AtomicU32 = AtomicU32::new(0);

/// Opens all interfaces and gives each worker its sockets: worker `w` owns queue `w` of every interface.
///
/// # Errors
/// When a device, the kernel or the caller's capabilities do not suffice; nothing stays attached then.
pub fn open(specs: &[LinkSpec], options: &Options) -> Result<Opened, OpenError> {
    let devices = find_devices(specs)?;
    check_queues(&devices, options.workers)?;
    let sizes = ring_sizes(specs.len(), options)?;
    let (umem, frames) = create_umem(options.frames, frame_size(&devices)?, sizes)?;
    // ORDERING: only the values' being different counts.
    let region = NEXT_REGION.fetch_add(1, Ordering::Relaxed);

    let mut steers = specs.iter().map(Steer::load).collect::<Result<Vec<_>, _>>()?;
    let mut watched = Vec::new();
    let mut workers = Vec::new();
    let share = frames.len() / usize::from(options.workers);
    for (queue, share) in (0..options.workers).zip(frames.chunks_exact(share)) {
        let mut ports = Vec::with_capacity(devices.len());
        for (link, device) in devices.iter().enumerate() {
            let binding = Binding { device, link, queue: queue.into() };
            let (port, watch) = binding.open(&umem, sizes, options.copy)?;
            steers[link].set_socket(binding.queue, watch.socket.as_fd()).map_err(|error| {
                OpenError::kernel(format!("steer to {}", device.spec.device), BPF, error)
            })?;
            ports.push(port);
            watched.push(watch);
        }
        let pool = FramePool::new(umem.clone(), region, share, frames.len());
        workers.push(AfXdpIo::new(ports, pool));
    }
    for (steer, device) in steers.iter_mut().zip(&devices) {
        steer.attach(device.link.index)?;
    }
    watched.sort_by_key(|watched| (watched.link, watched.queue));
    Ok(Opened { monitor: Monitor { steers, watched }, workers })
}

/// The receive queues a device uses now; each needs a worker.
///
/// # Errors
/// When there is no such device, or the kernel does not tell.
pub fn queues(device: &str) -> Result<u16, OpenError> {
    match sys::receive_queues(device) {
        Ok(queues) => Ok(u16::try_from(queues).unwrap_or(u16::MAX)),
        Err(Errno::ENODEV) => Err(OpenError::NoSuchDevice { device: device.to_owned() }),
        Err(errno) => Err(OpenError::kernel(format!("ask {device} for its queues"), DEVICE, errno)),
    }
}

/// An interface as configured and as the kernel has it.
struct Device<'a> {
    spec: &'a LinkSpec,
    link: Link,
    queues: u32,
}

fn find_devices(specs: &[LinkSpec]) -> Result<Vec<Device<'_>>, OpenError> {
    let asking = |error: io::Error| OpenError::kernel("list devices".into(), DEVICE, error);
    let mut view = KernelView::dump().map_err(asking)?;
    specs
        .iter()
        .map(|spec| {
            let device = spec.device.clone();
            if specs.iter().filter(|other| other.device == device).count() > 1 {
                return Err(OpenError::DuplicateDevice { device });
            }
            let Some(found) = view.links.iter().position(|link| link.name == device) else {
                return Err(OpenError::NoSuchDevice { device });
            };
            let queues = sys::receive_queues(&device).map_err(|errno| asking(errno.into()))?;
            Ok(Device { spec, link: view.links.swap_remove(found), queues })
        })
        .collect()
}

/// One worker has one queue of every interface, so all must have as many queues as there are workers.
fn check_queues(devices: &[Device<'_>], workers: u16) -> Result<(), OpenError> {
    for pair in devices.windows(2) {
        if pair[0].queues != pair[1].queues {
            return Err(OpenError::UnequalQueues {
                first: pair[0].spec.device.clone(),
                first_queues: pair[0].queues,
                second: pair[1].spec.device.clone(),
                second_queues: pair[1].queues,
            });
        }
    }
    for Device { spec, queues, .. } in devices {
        let (device, queues) = (spec.device.clone(), *queues);
        if queues > MAX_QUEUES {
            return Err(OpenError::TooManyQueues { device, queues });
        }
        if queues != u32::from(workers) {
            return Err(OpenError::WorkersDiffer { device, queues, workers });
        }
    }
    Ok(())
}

/// The smallest frame that takes a packet of every interface whole.
fn frame_size(devices: &[Device<'_>]) -> Result<u32, OpenError> {
    const fn largest_mtu(frame: u32) -> u32 {
        frame - HEADROOM - LINK_HEADER
    }
    let limit = largest_mtu(LARGE_FRAME);
    for Device { spec, link, .. } in devices {
        if link.mtu > limit {
            return Err(OpenError::MtuTooLarge {
                device: spec.device.clone(),
                mtu: link.mtu,
                limit,
            });
        }
    }
    let small = devices.iter().all(|device| device.link.mtu <= largest_mtu(SMALL_FRAME));
    Ok(if small { SMALL_FRAME } else { LARGE_FRAME })
}

/// A socket's share of the frames is four rings: two in the fill ring, as many as the receive ring holds
/// and as the device may have under way, one in the receive ring, one being sent.
fn ring_sizes(links: usize, options: &Options) -> Result<RingSizes, OpenError> {
    let sockets = u32::from(options.workers) * u32::try_from(links).unwrap_or(u32::MAX);
    let needed = sockets.saturating_mul(4 * SMALLEST_RING);
    if sockets == 0 || options.frames < needed {
        return Err(OpenError::TooFewFrames { frames: options.frames, needed });
    }
    let ring = 1 << (options.frames / sockets / 4).ilog2();
    Ok(RingSizes { receive: ring, fill: 2 * ring, transmit: ring })
}

/// A ring size, which [`ring_sizes`] made a power of two.
fn queue_size(size: u32) -> QueueSize {
    QueueSize::new(size).expect("ring sizes are powers of two")
}

fn create_umem(
    frames: u32,
    frame_size: u32,
    sizes: RingSizes,
) -> Result<(Umem, Vec<FrameDesc>), OpenError> {
    let config = UmemConfig::builder()
        .frame_size(FrameSize::new(frame_size).expect("both sizes are at least 2048"))
        .frame_headroom(0)
        .fill_queue_size(queue_size(sizes.fill))
        .comp_queue_size(queue_size(sizes.transmit))
        .build()
        .expect("both sizes are powers of two with room after the headroom");
    let count = NonZeroU32::new(frames).expect("every socket has frames");
    Umem::new(config, count, false).map_err(|error| {
        let source = cause(&error);
        match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOBUFS | Errno::ENOMEM) => {
                OpenError::Memory { bytes: u64::from(frames) * u64::from(frame_size), source }
            }
            _ => OpenError::kernel("share packet buffers with the kernel".into(), SOCKET, source),
        }
    })
}

/// The kernel's answer inside one of xsk-rs's errors.
fn cause(error: &dyn Error) -> io::Error {
    error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>())
        .and_then(io::Error::raw_os_error)
        .map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error)
}

/// A socket to be opened: queue `queue` of a device, `link` its position among the interfaces.
struct Binding<'a> {
    device: &'a Device<'a>,
    link: usize,
    queue: u32,
}

impl Binding<'_> {
    fn open(
        &self,
        umem: &Umem,
        sizes: RingSizes,
        copy: CopyMode,
    ) -> Result<(Port, Watched), OpenError> {
        let queues = self.bind(umem, sizes, copy)?;
        let fd = queues.rx.fd().as_raw_fd();
        // SAFETY: open as long as `queues`, which this function holds.
        let socket = unsafe { BorrowedFd::borrow_raw(fd) };
        let counters = Arc::new(PortCounters::default());
        let asking = |error| OpenError::kernel(self.doing("query"), SOCKET, error);
        let watched = Watched {
            link: self.link,
            queue: self.queue,
            socket: socket.try_clone_to_owned().map_err(asking)?,
            copy_mode: sys::copy_mode(socket).map_err(asking)?,
            // Without these two it works, slower; the monitor tells.
            budget_raised: sys::set_transmit_budget(fd, SEND_BUDGET).is_ok(),
            send_buffer_raised: sys::set_send_buffer(fd, sizes.transmit * LARGE_FRAME).is_ok(),
            counters: Arc::clone(&counters),
        };
        Ok((Port::new(self.device.spec.id, queues, fd, sizes, counters), watched))
    }

    /// Creates and binds the socket. A queue that a process held until just now is busy for some more
    /// milliseconds, so that is tried again.
    fn bind(&self, umem: &Umem, sizes: RingSizes, copy: CopyMode) -> Result<Queues, OpenError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let error = match self.try_bind(umem, sizes, copy) {
                Ok(queues) => return Ok(queues),
                Err(error) => error,
            };
            let device = self.device.spec.device.clone();
            match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EBUSY) if started.elapsed() < BUSY_FOR => {
                    std::thread::sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(100));
                }
                Some(Errno::EBUSY) => {
                    let waited_ms = started.elapsed().as_millis();
                    return Err(OpenError::QueueBusy { device, queue: self.queue, waited_ms });
                }
                Some(Errno::EOPNOTSUPP) if copy == CopyMode::ZeroCopy => {
                    return Err(OpenError::NoZeroCopy { device });
                }
                _ => return Err(OpenError::kernel(self.doing("bind"), SOCKET, error)),
            }
        }
    }

    fn try_bind(&self, umem: &Umem, sizes: RingSizes, copy: CopyMode) -> io::Result<Queues> {
        let mode = match copy {
            CopyMode::Copy => BindFlags::XDP_COPY,
            CopyMode::ZeroCopy => BindFlags::XDP_ZEROCOPY,
        };
        let config = SocketConfig::builder()
            .rx_queue_size(queue_size(sizes.receive))
            .tx_queue_size(queue_size(sizes.transmit))
            .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
            .bind_flags(mode | BindFlags::XDP_USE_NEED_WAKEUP)
            .build();
        let name: Interface = self.device.spec.device.parse()?;
        // SAFETY: asks that a (device, queue) pair shared on one UMEM inhibit libxdp's own program: it
        // does, and no pair is opened twice (`find_devices` refuses a device named twice).
        let opened = unsafe { Socket::new(config, umem, &name, self.queue) };
        let (tx, rx, shared) = opened.map_err(|error| cause(&error))?;
        let (fill, completion) = shared.ok_or(Errno::EBUSY)?;
        Ok(Queues { rx, tx, fill, completion })
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} an AF_XDP socket on {} queue {}", self.device.spec.device, self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(frames: u32, workers: u16) -> Options {
        Options { frames, workers, copy: CopyMode::Copy }
    }

    #[test]
    fn rings_follow_from_frames_and_sockets() {
        for (frames, workers, links, ring) in [
            (16_384, 1, 2, 2_048),
            (16_384, 2, 2, 1_024),
            (1_024, 1, 2, 128),
            (10_000, 1, 2, 1_024),
        ] {
            let sizes = ring_sizes(links, &options(frames, workers)).expect("enough frames");
            let expected = RingSizes { receive: ring, fill: 2 * ring, transmit: ring };
            assert_eq!(sizes, expected, "{frames} frames, {workers} workers, {links} links");
        }
    }

    #[test]
    fn too_few_frames_say_how_many_would_do() {
        let error = ring_sizes(2, &options(1_023, 1)).expect_err("one less than needed");
        assert_eq!(
            error.to_string(),
            "limits.frames: 1023 is too few for these interfaces and workers; at least 1024"
        );
        assert_eq!(error.exit_code(), 3);
    }
}
