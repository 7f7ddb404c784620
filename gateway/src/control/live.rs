//! A gateway at work: opens the driver, starts the workers, then follows the machine's tables, answers on
//! the control socket and publishes what changes, until a signal ends it.

mod counts;
mod start;

use super::server::{self, Server};
use super::stats::{self, InterfaceCounts};
use crate::config::Config;
use crate::explain::{Explainer, Probe};
use crate::io::af_xdp::{self, AfXdpIo, CopyMode, Monitor, Opened, Options};
use crate::kernel::{KernelView, resolve_neighbor};
use crate::setup::Plan;
use crate::snapshot::{HopGeneration, Snapshot, Topology};
use crate::topology::{self, TopologyError};
use crate::worker::{self, Clock, Link, Published};
use counts::device_drops;
use flowtable::key::{Addr, Generation, WorkerId};
use flowtable::ports::Pools;
use flowtable::table::FlowTable;
use mio::{Events, Poll, Token};
use serde_json::{Map, Value, json};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
pub use start::StartError;
use start::{Fixed, check_macs, cpus, link_specs, random_seed, signal_pipe, worker_count};
use std::io::{self, Read};
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
                let explainer = Explainer { plan: &self.plan, pools: &self.pools };
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
        let interfaces = self.topology.interfaces.iter();
        let ours: Vec<u32> = interfaces
            .filter_map(|interface| view.link(&interface.name))
            .map(|link| link.index)
            .collect();
        let stale = view.neighbors.iter().filter(|n| n.stale && ours.contains(&n.link));
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
                counts::counts(id, &reports, dropped, &view, &interface.name)
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
