//! A gateway in RAM with its clock in the test's hand.

use super::books::Books;
use super::frame::Via;
use super::sent::Sent;
use flowtable::key::{Generation, Tick, WorkerId};
use gateway::config::load_text;
use gateway::io::InterfaceId;
use gateway::io::memory::{MemoryFrame, MemoryIo};
use gateway::pipeline::drop_reason::DropReason;
use gateway::pipeline::{self, Batch, Worker};
use gateway::setup::Plan;
use gateway::snapshot::{HopGeneration, NetworkMode, Snapshot};
use gateway::topology;
use rules::Source;
use std::path::Path;

/// What a world is made from: a configuration's text and the policy beside it.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) config: String,
    pub(crate) policy: String,
    pub(crate) seed: u64,
}

const CONFIG: &str = r#"
interfaces:
  inside:
    - {device: in0, networks: [10.1.0.0/24], local_veth: false}
    - {device: in1, networks: [10.2.0.0/24], local_veth: true}
  outside:
    - {device: out0, local_veth: false}
network: {ipv4: overlay, ipv6: flat}
snat:
  pools:
    - {name: default, addresses: [203.0.113.1], ports: 1024-65535}
unmatched: allow
limits: {flows: 4096}
timeouts: {tcp_established: 7440s, tcp_transitory: 240s, tcp_half_open: 30s, udp: 300s, udp_unreplied: 120s, icmp: 60s}
static:
  interfaces:
    in0: {mac: "02:00:00:00:01:01", addresses: [10.1.0.1/24], mtu: 1500}
    in1: {mac: "02:00:00:00:02:01", addresses: [10.2.0.1/24], mtu: 1500}
    out0: {mac: "02:00:00:00:03:01", addresses: [203.0.113.2/24], mtu: 1500}
  routes:
    - {to: 0.0.0.0/0, via: 203.0.113.254, device: out0}
    - {to: 192.0.2.0/24, via: 203.0.113.253, device: out0}
  neighbors:
    - {address: 203.0.113.254, mac: "02:00:00:00:03:fe", device: out0}
    - {address: 10.1.0.5, mac: "02:00:00:00:01:05", device: in0}
    - {address: 10.1.0.6, mac: "02:00:00:00:01:06", device: in0}
    - {address: 10.1.0.7, mac: "02:00:00:00:01:07", device: in0}
    - {address: 10.2.0.5, mac: "02:00:00:00:02:05", device: in1}
    - {address: 10.2.0.6, mac: "02:00:00:00:02:06", device: in1}
"#;

impl Default for Setup {
    fn default() -> Self {
        Self { config: CONFIG.to_owned(), policy: String::new(), seed: 7 }
    }
}

impl Setup {
    /// The configuration with a piece of its text replaced.
    pub(crate) fn with(mut self, old: &str, new: &str) -> Self {
        assert!(self.config.contains(old), "the configuration has no `{old}`");
        self.config = self.config.replace(old, new);
        self
    }

    /// A small pool: ports FIRST to LAST.
    pub(crate) fn ports(self, first: u16, last: u16) -> Self {
        self.with("ports: 1024-65535", &format!("ports: {first}-{last}"))
    }

    /// Inside addresses keep their meaning outside.
    pub(crate) fn flat(self) -> Self {
        self.with("{ipv4: overlay, ipv6: flat}", "flat")
    }

    /// Policy objects, as Kubernetes YAML.
    pub(crate) fn policy(mut self, text: &str) -> Self {
        self.policy = text.to_owned();
        self
    }

    /// Where no policy speaks, the answer is no.
    pub(crate) fn unmatched_deny(self) -> Self {
        self.with("unmatched: allow", "unmatched: deny")
    }

    /// The world of this.
    pub(crate) fn world(&self) -> World {
        World::new(self)
    }

    fn plan(&self) -> Plan {
        let mut loaded = load_text("gateway.yaml", self.config.as_str(), Path::new("."))
            .unwrap_or_else(|report| panic!("{}", report.to_text()));
        if !self.policy.is_empty() {
            loaded.policy_sources.push(Source::new("policy.yaml", self.policy.as_str()));
        }
        Plan::from_loaded(loaded).unwrap_or_else(|report| panic!("{}", report.to_text()))
    }

    fn snapshot(&self, plan: &Plan, generation: u32, hops: u32) -> Snapshot {
        let tables = plan.config.static_tables.as_ref().expect("a static section");
        let topology = topology::from_static(&plan.config, tables).expect("every interface");
        plan.snapshot(Generation(generation), HopGeneration(hops), topology)
    }
}

/// Where a frame went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    Sent(Sent),
    Dropped(DropReason),
    Host,
}

/// A gateway, all of it.
pub(crate) struct World {
    pub(crate) io: MemoryIo,
    pub(crate) worker: Worker,
    pub(crate) snapshot: Snapshot,
    batch: Batch<MemoryFrame>,
    setup: Setup,
    now: Tick,
    generation: u32,
    hops: u32,
}

impl World {
    fn new(setup: &Setup) -> Self {
        let plan = setup.plan();
        let snapshot = setup.snapshot(&plan, 1, 1);
        let table = plan.table(1, setup.seed).expect("memory");
        let pools = plan.pools(1, setup.seed).expect("a pool");
        let interfaces = snapshot.interfaces().len();
        let worker = plan.worker(WorkerId(0), &table, &pools, setup.seed, interfaces);
        Self {
            io: MemoryIo::new(256),
            worker,
            snapshot,
            batch: Batch::default(),
            setup: setup.clone(),
            now: Tick(1_000),
            generation: 1,
            hops: 1,
        }
    }

    /// Lets time pass with no one looking.
    pub(crate) fn sleep(&mut self, millis: u64) {
        self.now.0 += millis;
    }

    /// Lets time pass, a second at a time, as an idle worker does.
    pub(crate) fn idle(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.0 += 1_000;
            self.settle();
        }
    }

    /// A new configuration: as the control plane does, with new generations of policy and next hops.
    pub(crate) fn reload(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.setup = change(self.setup.clone());
        self.generation += 1;
        self.hops += 1;
        self.snapshot = self.setup.snapshot(&self.setup.plan(), self.generation, self.hops);
    }

    /// Other routes or neighbours; the policy as it was.
    pub(crate) fn reroute(&mut self, change: impl FnOnce(Setup) -> Setup) {
        self.setup = change(self.setup.clone());
        self.hops += 1;
        self.snapshot = self.setup.snapshot(&self.setup.plan(), self.generation, self.hops);
    }

    /// All counters.
    pub(crate) fn books(&self) -> Books {
        let Worker { table, ports, ledger, .. } = &self.worker;
        Books::read(ledger, table.len(), ports.counts().mappings)
    }

    /// Flows in the table.
    pub(crate) fn flows(&self) -> u64 {
        self.worker.table.len()
    }

    /// Sends a frame through. However hostile, it goes to exactly one place.
    pub(crate) fn pass(&mut self, via: Via, frame: &[u8]) -> Outcome {
        let id = InterfaceId(via as u16);
        let before = self.worker.ledger.clone();
        assert!(self.io.inject(id, frame), "a frame of {} bytes", frame.len());
        pipeline::run(&mut self.io, &mut self.batch, &mut self.worker, &self.snapshot, self.now);
        let after = &self.worker.ledger;
        assert_eq!(after.difference(), 0, "{after:?}");
        assert_eq!(self.io.outstanding(), 0, "a frame is nowhere");
        assert_eq!(after.rx[id.index()], before.rx[id.index()] + 1);
        let mut reasons = DropReason::ALL.iter().copied();
        let dropped = reasons.find(|reason| after.drops_of(*reason) > before.drops_of(*reason));
        let sent = self.io.take_sent(|egress, bytes| Sent {
            via: Via::ALL[egress.index()],
            bytes: bytes.to_vec(),
        });
        sent.iter().for_each(|sent| self.check_sent(sent));
        let host = self.io.take_host(|_, bytes| assert_eq!(bytes, frame, "the host's own"));
        match (sent, host, dropped) {
            (Some(sent), None, None) => Outcome::Sent(sent),
            (None, Some(()), None) => Outcome::Host,
            (None, None, Some(reason)) => Outcome::Dropped(reason),
            places => panic!("not exactly one place: {places:?}"),
        }
    }

    /// What holds for every frame that leaves.
    fn check_sent(&self, sent: &Sent) {
        sent.check();
        let addr = sent.src().addr.to_bits();
        let hidden = self.snapshot.mode == NetworkMode::Overlay && self.snapshot.is_inside(addr);
        assert!(
            sent.via != Via::Out0 || !hidden,
            "an inside address left the overlay: {sent:02x?}"
        );
    }

    /// Sends many frames through as full batches; each goes to exactly one place. Returns how many left.
    pub(crate) fn blast(&mut self, frames: &[(Via, Vec<u8>)]) -> usize {
        for (via, frame) in frames {
            assert!(self.io.inject(InterfaceId(*via as u16), frame), "no more than fit");
        }
        let Self { io, batch, worker, snapshot, now, .. } = self;
        while pipeline::run(io, batch, worker, snapshot, *now) > 0 {
            assert_eq!(worker.ledger.difference(), 0, "{:?}", worker.ledger);
            assert_eq!(io.outstanding(), 0, "a frame is nowhere");
        }
        let mut left = 0;
        while let Some(sent) = self.io.take_sent(|egress, bytes| Sent {
            via: Via::ALL[egress.index()],
            bytes: bytes.to_vec(),
        }) {
            self.check_sent(&sent);
            left += 1;
        }
        while self.io.take_host(|_, _| ()).is_some() {}
        left
    }

    /// Lets what ended be freed, as the next batches would.
    pub(crate) fn settle(&mut self) {
        for _ in 0..3 {
            let Self { io, batch, worker, snapshot, now, .. } = self;
            assert_eq!(pipeline::run(io, batch, worker, snapshot, *now), 0);
        }
    }

    /// Sends a frame through and holds every counter against `expected`, the received frame aside.
    #[track_caller]
    pub(crate) fn step(&mut self, via: Via, frame: &[u8], expected: &str) -> Outcome {
        let before = self.books();
        let outcome = self.pass(via, frame);
        self.settle();
        let expected = Books::expect(&format!("rx.{} {expected}", via.name()));
        let found = self.books().since(&before);
        assert!(
            found == expected,
            "expected\n{}but found\n{}with the whole ledger\n{}",
            expected.page(),
            found.page(),
            self.books().page()
        );
        outcome
    }

    /// A step whose frame leaves with all checksums right.
    #[track_caller]
    pub(crate) fn forward(&mut self, via: Via, frame: &[u8], expected: &str) -> Sent {
        match self.step(via, frame, expected) {
            Outcome::Sent(sent) => {
                assert_eq!(sent.sums(), super::sent::RIGHT, "{sent:?}");
                sent
            }
            other => panic!("not forwarded: {other:?}"),
        }
    }

    /// A step whose frame is dropped and changes nothing but that counter.
    #[track_caller]
    pub(crate) fn refuse(&mut self, via: Via, frame: &[u8], reason: &str) {
        self.step(via, frame, reason);
    }

    /// Time passes with the worker idle; every counter is held against `expected`.
    #[track_caller]
    pub(crate) fn idle_step(&mut self, seconds: u64, expected: &str) {
        let before = self.books();
        self.idle(seconds);
        let found = self.books().since(&before);
        assert_eq!(found.page(), Books::expect(expected).page());
    }
}
