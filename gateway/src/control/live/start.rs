//! What a gateway checks and makes before it runs, and what can keep it from running.

use crate::command::Exit;
use crate::config::{self, Config};
use crate::control::server::SocketError;
use crate::io::af_xdp::{self, LinkSpec, OpenError, XdpMode};
use crate::kernel::KernelView;
use crate::setup::{Lasting, Plan, SharedAddress};
use crate::snapshot::{NetworkMode, Topology};
use crate::topology::TopologyError;
use flowtable::ports::PoolsError;
use flowtable::table::TableError;
use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The driver does not open.
    #[error(transparent)]
    Driver(#[from] OpenError),
    /// A device is missing.
    #[error(transparent)]
    Topology(#[from] TopologyError),
    /// The `static` section and the machine disagree.
    #[error("static.interfaces.{device}.mac is {configured}, but the device has {actual}")]
    Mac {
        /// The device.
        device: String,
        /// What the configuration says.
        configured: crate::wire::ether::Mac,
        /// What the machine says.
        actual: crate::wire::ether::Mac,
    },
    /// The pool is the machine's own.
    #[error(transparent)]
    Shared(#[from] SharedAddress),
    /// The control socket does not open.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The flow table does not fit.
    #[error("limits.flows: {0}")]
    Table(#[from] TableError),
    /// The pools are wrong.
    #[error("snat.pools: {0}")]
    Pools(#[from] PoolsError),
    /// Workers and queues do not fit.
    #[error("workers.cpus names {cpus} CPUs for {queues} queues; name one for each queue, or none")]
    Cpus {
        /// CPUs named.
        cpus: usize,
        /// Queues to serve.
        queues: u16,
    },
    /// The system refuses something else.
    #[error("{doing}: {source}")]
    System {
        /// What was tried.
        doing: &'static str,
        /// What it says.
        source: io::Error,
    },
}

impl StartError {
    /// How the command ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Mac { .. }
            | Self::Shared(_)
            | Self::Table(_)
            | Self::Pools(_)
            | Self::Cpus { .. }
            | Self::Topology(TopologyError::NotStatic { .. }) => Exit::Config,
            Self::Driver(error) => match error.exit_code() {
                3 => Exit::Config,
                4 => Exit::Permission,
                _ => Exit::Kernel,
            },
            Self::Socket(SocketError::Io { source, .. }) | Self::System { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Exit::Permission
            }
            Self::Topology(_) | Self::Socket(_) | Self::System { .. } => Exit::Kernel,
        }
    }
}

/// What a reload cannot change while the gateway runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fixed {
    /// Device, networks, and whether local checksums are completed; inside interfaces first.
    interfaces: Vec<(String, Vec<ipnet::IpNet>, Option<bool>)>,
    inside: usize,
    cpus: Option<Vec<u16>>,
    mode: NetworkMode,
    socket: PathBuf,
    lasting: Lasting,
}

impl Fixed {
    pub(super) fn of(plan: &Plan) -> Self {
        let config = &plan.config;
        let interface = |interface: &config::Interface| {
            let networks = interface.networks.iter().map(|network| network.value).collect();
            let local_veth = interface.local_veth.as_deref().copied();
            (interface.device.name().to_owned(), networks, local_veth)
        };
        let cpus = |cpus: &config::At<Vec<config::At<u16>>>| cpus.iter().map(|c| c.value).collect();
        Self {
            interfaces: config.interfaces.all().map(interface).collect(),
            inside: config.interfaces.inside.len(),
            cpus: config.cpus.as_ref().map(cpus),
            mode: plan.mode(),
            socket: config.control_socket.value.clone(),
            lasting: plan.lasting(),
        }
    }
}

/// A `static` section with another device's hardware address would make the gateway deaf.
pub(super) fn check_macs(topology: &Topology, view: &KernelView) -> Result<(), StartError> {
    for interface in &topology.interfaces {
        let Some(link) = view.link(&interface.name) else { continue };
        let actual = crate::wire::ether::Mac(link.mac);
        if actual != interface.mac {
            let (device, configured) = (interface.name.clone(), interface.mac);
            return Err(StartError::Mac { device, configured, actual });
        }
    }
    Ok(())
}

pub(super) fn link_specs(topology: &Topology) -> Vec<LinkSpec> {
    let own: Vec<Ipv4Addr> =
        topology.host_addresses.iter().map(|&addr| Ipv4Addr::from_bits(addr)).collect();
    topology
        .interfaces
        .iter()
        .map(|interface| LinkSpec {
            id: interface.id,
            device: interface.name.clone(),
            side: interface.side,
            networks: interface.networks.clone(),
            host_addresses: own.clone(),
            mode: XdpMode::Native,
        })
        .collect()
}

/// One worker for each queue; the CPUs named must be as many.
pub(super) fn worker_count(config: &Config, specs: &[LinkSpec]) -> Result<u16, StartError> {
    let first = specs.first().map_or(Ok(1), |spec| af_xdp::queues(&spec.device))?;
    match &config.cpus {
        Some(cpus) if cpus.len() != usize::from(first) => {
            Err(StartError::Cpus { cpus: cpus.len(), queues: first })
        }
        _ => Ok(first),
    }
}

/// The CPUs for workers: those configured, else those this process may use, the last one first, since
/// interrupts and everything else tend to use the first.
pub(super) fn cpus(config: &Config) -> Vec<core_affinity::CoreId> {
    match &config.cpus {
        Some(cpus) => {
            let id = |cpu: u16| core_affinity::CoreId { id: usize::from(cpu) };
            cpus.iter().map(|cpu| id(cpu.value)).collect()
        }
        None => {
            let mut all = core_affinity::get_core_ids().unwrap_or_default();
            all.reverse();
            all
        }
    }
}

/// A pipe that becomes readable when one of the signals arrives.
pub(super) fn signal_pipe(
    poll: &Poll,
    token: Token,
    signals: &[i32],
) -> io::Result<(Token, UnixStream)> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for &signal in signals {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    poll.registry().register(&mut SourceFd(&read.as_raw_fd()), token, Interest::READABLE)?;
    Ok((token, read))
}

/// A seed nobody outside can guess: hash and ports follow from it.
pub(super) fn random_seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}
