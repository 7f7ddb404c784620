//! A gateway at work: opens the driver, starts the workers, then follows the machine's tables, answers on
//! the control socket and publishes what changes, until a signal ends it.

use super::server::{self, Server, SocketError};
use super::stats::{self, InterfaceCounts};
use crate::command::Exit;
use crate::config::{self, Config};
use crate::explain::{Explainer, Probe};
use crate::io::InterfaceId;
use crate::io::af_xdp::{
    self, AfXdpIo, CopyMode, LinkSpec, Monitor, OpenError, Opened, Options, QueueReport, XdpMode,
};
use crate::kernel::{KernelView, resolve_neighbor};
use crate::pipeline::drop_reason::DropReason;
use crate::setup::{Lasting, POOL, Plan, SharedAddress};
use crate::snapshot::{HopGeneration, NetworkMode, Snapshot, Topology};
use crate::topology::{self, TopologyError};
use crate::worker::{self, Clock, Link, Published};
use flowtable::key::{Addr, Generation, WorkerId};
use flowtable::ports::{Pools, PoolsError};
use flowtable::table::{FlowTable, TableError};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io::{self, Read};
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often the machine's tables are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Stale neighbours the kernel is asked about at one look.
const KEPT_FRESH: usize = 256;
/// How long a publication may take to reach every worker.
const PUBLISH: Duration = Duration::from_secs(5);
const TERMINATE: Token = Token(1);
const HANGUP: Token = Token(2);

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
struct Fixed {
    /// Device, networks, and whether local checksums are completed; inside interfaces first.
    interfaces: Vec<(String, Vec<ipnet::IpNet>, Option<bool>)>,
    inside: usize,
    cpus: Option<Vec<u16>>,
    mode: NetworkMode,
    socket: PathBuf,
    lasting: Lasting,
}

impl Fixed {
    fn of(plan: &Plan) -> Self {
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

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    monitor: Monitor,
    threads: Vec<JoinHandle<AfXdpIo>>,
    links: Vec<Arc<Link>>,
    server: Server,
    poll: Poll,
    signals: [(Token, UnixStream); 2],
    path: PathBuf,
    plan: Plan,
    fixed: Fixed,
    table: Arc<FlowTable>,
    pools: Arc<Pools>,
    topology: Topology,
    snapshot: Arc<Snapshot>,
    serial: u64,
    generation: Generation,
    hops: HopGeneration,
    /// The devices' own counts at the start, by interface.
    devices: Vec<u64>,
    started: Instant,
    /// What the control plane has to say; printed by whoever runs it.
    notes: Vec<String>,
    /// What was last said of a state that lasts.
    complaint: Option<String>,
}

impl Gateway {
    /// Starts a gateway: nothing is forwarded before policy, routes and neighbours are in place.
    ///
    /// # Errors
    /// Why it cannot; nothing stays behind then.
    pub fn start(path: &Path, plan: Plan) -> Result<Self, StartError> {
        let system = |doing| move |source| StartError::System { doing, source };
        let poll = Poll::new().map_err(system("make an event queue"))?;
        let server = Server::bind(&plan.config.control_socket, poll.registry())?;
        let view = KernelView::dump().map_err(system("read the kernel's tables"))?;
        let topology = live_topology(&plan.config, &view)?;
        check_macs(&topology, &view)?;
        plan.check_pool(&topology)?;

        let specs = link_specs(&topology);
        let workers = worker_count(&plan.config, &specs)?;
        let seed = random_seed().map_err(system("read random bytes"))?;
        let (table, pools) = (plan.table(workers, seed)?, plan.pools(workers, !seed)?);
        let snapshot = Arc::new(plan.snapshot(Generation(1), HopGeneration(1), topology.clone()));
        let signals = [
            signal_pipe(&poll, TERMINATE, &[SIGTERM, SIGINT]),
            signal_pipe(&poll, HANGUP, &[SIGHUP]),
        ];
        let [terminate, hangup] = signals;
        let signals = [
            terminate.map_err(system("watch for signals"))?,
            hangup.map_err(system("watch for signals"))?,
        ];

        let devices = device_drops(&topology, &view);
        let options =
            Options { frames: *plan.config.limits.frames, workers, copy: CopyMode::default() };
        let Opened { monitor, workers: ios } = af_xdp::open(&specs, &options)?;
        let mut gateway = Self {
            monitor,
            threads: Vec::new(),
            links: Vec::new(),
            server,
            poll,
            signals,
            path: path.to_owned(),
            fixed: Fixed::of(&plan),
            plan,
            table,
            pools,
            topology,
            snapshot,
            serial: 1,
            generation: Generation(1),
            hops: HopGeneration(1),
            devices,
            started: Instant::now(),
            notes: Vec::new(),
            complaint: None,
        };
        gateway.spawn(ios, seed).map_err(system("start a worker thread"))?;
        gateway.ask_for_routers(&view);
        Ok(gateway)
    }

    fn spawn(&mut self, ios: Vec<AfXdpIo>, seed: u64) -> io::Result<()> {
        let clock = Clock::start();
        let interfaces = self.snapshot.interfaces().len();
        let cpus = cpus(&self.plan.config);
        for (number, mut io) in (0..).zip(ios) {
            let id = WorkerId(number);
            let mut worker = self.plan.worker(id, &self.table, &self.pools, seed, interfaces);
            let link = Arc::new(Link::new(interfaces));
            let first = Published { serial: self.serial, snapshot: Arc::clone(&self.snapshot) };
            let cpu = cpus.get(usize::from(number) % cpus.len().max(1)).copied();
            let shared = Arc::clone(&link);
            let thread =
                thread::Builder::new().name(format!("sluice-{number}")).spawn(move || {
                    if let Some(cpu) = cpu {
                        core_affinity::set_for_current(cpu);
                    }
                    let wait = |io: &mut AfXdpIo, timeout| {
                        io.wait(timeout);
                    };
                    worker::work(&mut io, &mut worker, &shared, first, clock, wait);
                    io
                })?;
            self.links.push(link);
            self.threads.push(thread);
        }
        Ok(())
    }

    /// One line on what runs.
    #[must_use]
    pub fn summary(&self) -> String {
        let names: Vec<_> = self.topology.interfaces.iter().map(|i| i.name.as_str()).collect();
        let counts = self.plan.policy.counts();
        format!(
            "forwarding between {}: workers {}, policies {}, pods {}, control socket {}",
            names.join(", "),
            self.threads.len(),
            counts.policies,
            counts.pods,
            self.plan.config.control_socket.display()
        )
    }

    /// Serves until a signal ends it; `note` gets each line worth telling an operator.
    ///
    /// # Errors
    /// When the event queue fails.
    pub fn serve(mut self, mut note: impl FnMut(&str)) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        loop {
            match self.poll.poll(&mut events, Some(LOOK)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                Ok(()) | Err(_) => {}
            }
            for token in events.iter().map(mio::event::Event::token).collect::<Vec<_>>() {
                match token {
                    TERMINATE => {
                        self.stop();
                        return Ok(());
                    }
                    HANGUP => self.hangup(),
                    server::LISTENER => self.server.accept(self.poll.registry()),
                    client => self.client(client),
                }
            }
            self.server.forget_slow();
            self.follow();
            self.notes.drain(..).for_each(|line| note(&line));
        }
    }

    fn stop(&mut self) {
        // First no new frames, then the workers finish what they have. A refusal changes nothing: the
        // attachments end with the process.
        let _ = self.monitor.detach();
        self.links.iter().for_each(|link| link.stop());
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }

    fn hangup(&mut self) {
        let mut buffer = [0; 64];
        while self.signals[1].1.read(&mut buffer).is_ok_and(|count| count > 0) {}
        let line = match self.reload() {
            Ok(generation) => format!("reloaded: generation {}", generation.0),
            Err(error) => format!("reload refused, the last good configuration stays:\n{error}"),
        };
        self.notes.push(line);
    }

    fn client(&mut self, token: Token) {
        if let Some(request) = self.server.serve(token) {
            let reply = self.answer(&request);
            self.server.reply(token, &reply);
        }
    }

    fn answer(&mut self, request: &Value) -> Value {
        let error = |message: String| json!({ "error": message });
        match request["command"].as_str() {
            Some("stats") => self.stats().unwrap_or_else(|e| error(e.to_string())),
            Some("reload") => match self.reload() {
                Ok(generation) => json!({ "generation": generation.0 }),
                Err(message) => error(message),
            },
            Some("explain") => {
                let inside: Vec<_> = self.plan.inside_networks().collect();
                let explainer = Explainer {
                    policy: &self.plan.policy,
                    inside: &inside,
                    mode: self.plan.mode(),
                    pool: self.plan.has_pool().then_some((self.pools.as_ref(), POOL)),
                };
                let probe = serde_json::from_value::<Probe>(request["probe"].clone());
                match probe.map_err(|e| e.to_string()) {
                    Ok(probe) => explainer.answer(&probe).unwrap_or_else(|e| error(e.to_string())),
                    Err(message) => error(message),
                }
            }
            Some(other) => error(format!("no command {other:?} in this version")),
            None => error("a request names its command".to_owned()),
        }
    }

    /// Reads configuration and policies again and puts them in force; answers once every worker has them.
    fn reload(&mut self) -> Result<Generation, String> {
        let plan = Plan::load(&self.path).map_err(|report| report.to_text())?;
        if Fixed::of(&plan) != self.fixed {
            return Err(
                "interfaces, network, pools, workers, limits, timeouts and the control socket \
                        cannot change while the gateway runs in this version; restart it"
                    .to_owned(),
            );
        }
        let view = KernelView::dump().map_err(|error| error.to_string())?;
        let topology = live_topology(&plan.config, &view).map_err(|error| error.to_string())?;
        plan.check_pool(&topology).map_err(|error| error.to_string())?;
        self.generation = Generation(self.generation.0 + 1);
        // In force from the first worker that takes it: what answers questions goes with it, whether or not
        // the last worker is in time.
        (self.plan, self.topology) = (plan, topology);
        self.publish_current()?;
        Ok(self.generation)
    }

    /// Sends plan and topology as they are now to every worker, and waits until all of them judge by it.
    /// Generations are never used twice, even if a publication fails half-way.
    fn publish_current(&mut self) -> Result<(), String> {
        self.serial += 1;
        self.hops = HopGeneration(self.hops.0 + 1);
        let snapshot =
            Arc::new(self.plan.snapshot(self.generation, self.hops, self.topology.clone()));
        self.snapshot = Arc::clone(&snapshot);
        let deadline = Instant::now() + PUBLISH;
        let late = || Instant::now() > deadline;
        for link in &self.links {
            let mut published = Published { serial: self.serial, snapshot: Arc::clone(&snapshot) };
            while let Err(back) = link.publish(published) {
                if late() {
                    return Err("a worker takes no new snapshot".to_owned());
                }
                published = back;
                thread::sleep(Duration::from_micros(200));
            }
        }
        while self.links.iter().any(|link| link.serial() < self.serial) {
            if late() {
                return Err("a worker has not taken the new snapshot in time".to_owned());
            }
            thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Looks whether the machine's routes or neighbours have changed, and asks it for missing neighbours.
    fn follow(&mut self) {
        if self.plan.config.static_tables.is_some() {
            return;
        }
        let view = match KernelView::dump() {
            Ok(view) => view,
            Err(error) => return self.complain(format!("the kernel's tables: {error}")),
        };
        let wanted: Vec<Addr> =
            self.links.iter().flat_map(|link| std::iter::from_fn(|| link.wanted.pop())).collect();
        wanted.into_iter().for_each(|addr| self.ask_for(addr, &view));
        self.keep_fresh(&view);
        match live_topology(&self.plan.config, &view) {
            Ok(topology) if topology != self.topology => {
                self.topology = topology;
                match self.publish_current() {
                    Ok(()) => self.complaint = None,
                    Err(message) => self.complain(message),
                }
            }
            Ok(_) => self.complaint = None,
            // Following devices that come and go is for a later version; until then say so.
            Err(error) => {
                self.complain(format!("{error}; routes and neighbours stay as they were"))
            }
        }
    }

    /// Tells the operator once what goes on.
    fn complain(&mut self, message: String) {
        if self.complaint.as_ref() != Some(&message) {
            self.notes.push(message.clone());
            self.complaint = Some(message);
        }
    }

    /// Has the kernel make sure of neighbours it has not heard of for a while: it sees none of the traffic
    /// that would tell it. It asks each at most once in its own delay, and forgets who does not answer.
    fn keep_fresh(&self, view: &KernelView) {
        let ours = |link: u32| {
            let name = view.links.iter().find(|l| l.index == link).map(|l| l.name.as_str());
            self.topology.interfaces.iter().any(|interface| Some(interface.name.as_str()) == name)
        };
        let stale = view.neighbors.iter().filter(|neighbor| neighbor.stale && ours(neighbor.link));
        for neighbor in stale.take(KEPT_FRESH) {
            // The kernel may refuse; the next look asks again.
            let _ = resolve_neighbor(neighbor.link, neighbor.address);
        }
    }

    /// Has the kernel resolve the neighbour towards `addr`.
    fn ask_for(&self, addr: Addr, view: &KernelView) {
        let Ok(route) = self.snapshot.route(addr) else { return };
        let name = &self.snapshot.interface(route.egress).name;
        let Some(link) = view.link(name) else { return };
        let neighbor = route.via.map_or(addr, Addr::from_v4);
        // The kernel may refuse; the next packet asks again.
        let _ = resolve_neighbor(link.index, neighbor.ip());
    }

    /// Has the kernel resolve every router at the start, so that the first packet need not wait.
    fn ask_for_routers(&self, view: &KernelView) {
        if self.plan.config.static_tables.is_some() {
            return;
        }
        for (_, route) in &self.topology.routes {
            if let Some(via) = route.and_then(|route| route.via) {
                self.ask_for(Addr::from_v4(via), view);
            }
        }
    }

    fn stats(&self) -> io::Result<Value> {
        // The workers first: what the driver has seen since can only be more.
        let workers: Vec<_> = self.links.iter().map(|link| link.cells.read()).collect();
        let reports = self.monitor.read()?;
        let view = KernelView::dump()?;
        let now = device_drops(&self.topology, &view);
        let driver: Vec<InterfaceCounts> = self
            .topology
            .interfaces
            .iter()
            .map(|interface| {
                let id = interface.id;
                let dropped = now[id.index()].saturating_sub(self.devices[id.index()]);
                counts(id, &reports, dropped, &view, &interface.name)
            })
            .collect();
        let table = self.table.stats();
        let extra = json!({
            "generation": self.snapshot.generation.0,
            "uptime_seconds": self.started.elapsed().as_secs(),
            "flows": {
                "live": self.table.len(),
                "capacity": self.table.capacity(),
                "admitted": table.inserted,
                "ended": table.reclaimed,
                "expired": table.expired,
                "refused": table.no_flow + table.no_slot,
                "contended": table.contended,
            },
        });
        let extra: Map<String, Value> = extra.as_object().cloned().unwrap_or_default();
        Ok(stats::render(&self.topology.interfaces, &workers, &driver, extra))
    }
}

/// The topology of a running gateway: the `static` section where there is one, else the kernel's.
fn live_topology(config: &Config, view: &KernelView) -> Result<Topology, TopologyError> {
    let Some(tables) = &config.static_tables else { return topology::from_kernel(config, view) };
    let mut topology = topology::from_static(config, tables)?;
    topology::complete_from_kernel(&mut topology, config, view)?;
    Ok(topology)
}

/// A `static` section with another device's hardware address would make the gateway deaf.
fn check_macs(topology: &Topology, view: &KernelView) -> Result<(), StartError> {
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

fn link_specs(topology: &Topology) -> Vec<LinkSpec> {
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
fn worker_count(config: &Config, specs: &[LinkSpec]) -> Result<u16, StartError> {
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
fn cpus(config: &Config) -> Vec<core_affinity::CoreId> {
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

/// What each device has dropped on the way out since it exists.
fn device_drops(topology: &Topology, view: &KernelView) -> Vec<u64> {
    let dropped = |name: &str| view.link(name).map_or(0, |link| link.counters.tx_dropped);
    topology.interfaces.iter().map(|interface| dropped(&interface.name)).collect()
}

/// Everything counted at one interface, over all its queues.
fn counts(
    id: InterfaceId,
    reports: &[QueueReport],
    device_dropped: u64,
    view: &KernelView,
    name: &str,
) -> InterfaceCounts {
    let mut sum = InterfaceCounts { device_dropped, ..InterfaceCounts::default() };
    let mut queues = Vec::new();
    for report in reports.iter().filter(|report| report.interface == id) {
        sum.seen += report.steer.get(af_xdp::SteerAction::Seen);
        sum.to_socket += report.steer.get(af_xdp::SteerAction::ToSocket);
        sum.passed += report.steer.passed();
        let drops = report.steer.iter().filter(|&(_, count)| count > 0);
        let drops =
            drops.filter_map(|(action, n)| Some((DropReason::from_name(action.name())?, n)));
        sum.steer_drops.extend(drops);
        sum.ring_full += report.kernel.rx_ring_full;
        sum.no_buffer += report.kernel.rx_dropped;
        sum.completed += report.port.completed;
        sum.invalid += report.kernel.tx_invalid_descs;
        queues.push(queue_detail(report));
    }
    let device = view.link(name).map(|link| link.counters).unwrap_or_default();
    sum.detail = json!({
        "queues": queues,
        "device": {
            "rx_packets": device.rx_packets,
            "tx_packets": device.tx_packets,
            "rx_dropped": device.rx_dropped,
            "tx_dropped": device.tx_dropped,
            "rx_errors": device.rx_errors,
            "tx_errors": device.tx_errors,
        },
    });
    sum
}

fn queue_detail(report: &QueueReport) -> Value {
    let steer: Map<String, Value> = report
        .steer
        .iter()
        .map(|(action, count)| (action.name().to_owned(), count.into()))
        .collect();
    let (kernel, port, errors) = (&report.kernel, &report.port, &report.port.kick_errors);
    json!({
        "queue": report.queue,
        "copy_mode": format!("{:?}", report.copy_mode).to_lowercase(),
        "xdp_mode": format!("{:?}", report.xdp_mode).to_lowercase(),
        "xdp": steer,
        "rings": {
            "rx_dropped": kernel.rx_dropped,
            "rx_ring_full": kernel.rx_ring_full,
            "rx_fill_ring_empty": kernel.rx_fill_ring_empty,
            "rx_invalid_descs": kernel.rx_invalid_descs,
            "tx_invalid_descs": kernel.tx_invalid_descs,
            "tx_ring_empty": kernel.tx_ring_empty,
        },
        "socket": {
            "received": port.received,
            "transmitted": port.transmitted,
            "completed": port.completed,
            "refused": port.refused,
            "sendto": port.kicks,
            "fill_wakeups": port.fill_wakeups,
            "sendto_errors": {
                "eagain": errors.again,
                "ebusy": errors.busy,
                "enobufs": errors.no_buffers,
                "enetdown": errors.down,
                "enxio": errors.unbound,
                "other": errors.other,
            },
        },
    })
}

/// A pipe that becomes readable when one of the signals arrives.
fn signal_pipe(poll: &Poll, token: Token, signals: &[i32]) -> io::Result<(Token, UnixStream)> {
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    for &signal in signals {
        signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
    }
    poll.registry().register(&mut SourceFd(&read.as_raw_fd()), token, Interest::READABLE)?;
    Ok((token, read))
}

/// A seed nobody outside can guess: hash and ports follow from it.
fn random_seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}
