//! Loads the steering program (`bpf/steer.c`), fills its maps, attaches it, reads its counters.
//!
//! Every interface has its own copy of program and maps, held by file descriptors only: it works in a
//! network namespace with no bpffs, and all of it goes away with the process.

mod counts;
mod object;
#[cfg(test)]
mod tests;

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use ipnet::Ipv4Net;
use nix::errno::Errno;

pub use self::counts::{SteerAction, SteerCounts};
use self::object::{CountMap, Map, Object, attach, attached_program, detach};
use super::error::{ATTACH, BPF};
use super::{LinkSpec, OpenError, XdpMode};
use crate::io::{InterfaceId, Side};

/// Receive queues of one device at most; `QUEUES` of the program.
pub(super) const MAX_QUEUES: u32 = 64;

/// A loaded steering program and, once attached, its link.
#[derive(Debug)]
pub(super) struct Steer {
    interface: InterfaceId,
    device: String,
    mode: XdpMode,
    program: OwnedFd,
    counts: CountMap,
    sockets: Map<4, 4>,
    link: Option<OwnedFd>,
}

impl Steer {
    /// Loads the program for one interface and fills in whose addresses are whose.
    pub(super) fn load(spec: &LinkSpec) -> Result<Self, OpenError> {
        let name = match spec.side {
            Side::Inside => c"sluice_inside",
            Side::Outside => c"sluice_outside",
        };
        let doing = || format!("load the steering program of {}", spec.device);
        let refused = |error: io::Error| OpenError::kernel(doing(), BPF, error);
        let object = Object::load(name).map_err(refused)?;
        let steer = Self {
            interface: spec.id,
            device: spec.device.clone(),
            mode: spec.mode,
            program: object.program().map_err(refused)?,
            counts: CountMap::new(&object, c"sluice_counts").map_err(refused)?,
            sockets: object.map(c"sluice_sockets").map_err(refused)?,
            link: None,
        };
        let local = object.map(c"sluice_local4").map_err(refused)?;
        let networks = object.map(c"sluice_nets4").map_err(refused)?;
        fill_local(&local, &spec.host_addresses).map_err(refused)?;
        fill_networks(&networks, &spec.networks).map_err(refused)?;
        Ok(steer)
    }

    pub(super) const fn interface(&self) -> InterfaceId {
        self.interface
    }

    pub(super) const fn mode(&self) -> XdpMode {
        self.mode
    }

    /// Gives a queue its socket. Until then the queue drops.
    pub(super) fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.sockets.update(&queue.to_ne_bytes(), &socket.as_raw_fd().to_ne_bytes())
    }

    /// Attaches the program to its device, in exactly the mode asked for.
    pub(super) fn attach(&mut self, index: u32) -> Result<(), OpenError> {
        let device = self.device.clone();
        let error = match attach(&self.program, index, self.mode) {
            Ok(link) => {
                self.link = Some(link);
                return Ok(());
            }
            Err(error) => error,
        };
        Err(match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EBUSY | Errno::EEXIST) => {
                OpenError::AlreadyAttached { device, program: attached_program(index) }
            }
            Some(Errno::EOPNOTSUPP) if self.mode == XdpMode::Native => {
                OpenError::NoNativeXdp { device }
            }
            Some(Errno::ERANGE) => OpenError::DriverMtu { device },
            Some(Errno::ENOSPC) => OpenError::PeerQueues { device },
            _ => OpenError::kernel(format!("attach XDP to {device}"), ATTACH, error),
        })
    }

    /// Takes the program off its device; nothing happens the second time.
    pub(super) fn detach(&mut self) -> io::Result<()> {
        self.link.take().map_or(Ok(()), |link| detach(&link))
    }

    /// What the program did on one queue, summed over CPUs.
    pub(super) fn counts(&self, queue: u32) -> io::Result<SteerCounts> {
        Ok(self.counts.of_queue(queue)?.into_iter().sum())
    }
}

impl Drop for Steer {
    fn drop(&mut self) {
        // Closing the link detaches too, but only once no other process has a copy of it; after a fork
        // by someone else in this process that may be late. Failing here leaves just that.
        let _late = self.detach();
    }
}

/// `255.255.255.255` is every machine's own.
fn fill_local(map: &Map<4, 1>, addresses: &[Ipv4Addr]) -> io::Result<()> {
    addresses
        .iter()
        .chain(&[Ipv4Addr::BROADCAST])
        .try_for_each(|address| map.update(&address.octets(), &[1]))
}

fn fill_networks(map: &Map<8, 1>, networks: &[Ipv4Net]) -> io::Result<()> {
    networks.iter().try_for_each(|network| {
        let mut key = [0; 8];
        let (length, address) = key.split_at_mut(4);
        length.copy_from_slice(&u32::from(network.prefix_len()).to_ne_bytes());
        address.copy_from_slice(&network.network().octets());
        map.update(&key, &[1])
    })
}
