//! The worker thread asks the allocator for nothing once it runs: no call between packet 10⁴ and packet 10⁶,
//! while flows begin and end (every twentieth packet opens one).

use flowtable::key::{Generation, Tick, WorkerId};
use gateway::config::load_text;
use gateway::io::InterfaceId;
use gateway::io::memory::{MemoryFrame, MemoryIo};
use gateway::pipeline::{self, Batch, Worker};
use gateway::setup::Plan;
use gateway::snapshot::{HopGeneration, Snapshot};
use gateway::topology;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::path::Path;

#[path = "core/kit/frame.rs"]
mod frame;

use frame::{L3, L4, Via, end, fix_ip, fix_l4, pseudo_sum, udp};

/// The system's allocator, counting the calls of each thread.
struct Counting;

thread_local! {
    /// Calls this thread made. A plain number without a destructor: to count must not allocate.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get() + 1));
}

#[allow(unsafe_code, reason = "there is no other way to count calls to the allocator")]
// SAFETY: every method passes its arguments on to the system's allocator unchanged and returns what that
// returns, so the contract between caller and `System` is that of this allocator; `count` touches nothing
// but a number of the calling thread, and neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promise about `layout` is the one `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `block` came from this allocator, that is from `System`, with this `layout`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count();
        // SAFETY: as for `realloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONFIG: &str = r#"
interfaces:
  inside: [{device: in0, networks: [10.1.0.0/16], local_veth: true}]
  outside: [{device: out0, local_veth: false}]
network: {ipv4: overlay, ipv6: flat}
snat: {pools: [{name: default, addresses: [203.0.113.1], ports: 1024-65535}]}
unmatched: allow
limits: {flows: 16384}
timeouts: {udp: 2s, udp_unreplied: 1s}
static:
  interfaces:
    in0: {mac: "02:00:00:00:01:01", addresses: [10.1.0.1/16]}
    out0: {mac: "02:00:00:00:03:01", addresses: [203.0.113.2/24]}
  routes: [{to: 0.0.0.0/0, via: 203.0.113.254, device: out0}]
  neighbors:
    - {address: 203.0.113.254, mac: "02:00:00:00:03:fe", device: out0}
    - {address: 10.1.0.5, mac: "02:00:00:00:01:05", device: in0}
"#;

/// The gateway, and the packets of two hosts that it is fed.
struct Treadmill {
    io: MemoryIo,
    batch: Batch<MemoryFrame>,
    worker: Worker,
    snapshot: Snapshot,
    question: Vec<u8>,
    answer: Vec<u8>,
    packets: u64,
    source: u32,
}

const IN: InterfaceId = InterfaceId(0);
const OUT: InterfaceId = InterfaceId(1);

impl Treadmill {
    fn new() -> Self {
        let loaded = load_text("gateway.yaml", CONFIG, Path::new(".")).expect("a configuration");
        let plan = Plan::from_loaded(loaded).expect("a plan");
        let tables = plan.config.static_tables.as_ref().expect("a static section");
        let topology = topology::from_static(&plan.config, tables).expect("both interfaces");
        let snapshot = plan.snapshot(Generation(1), HopGeneration(1), topology);
        let table = plan.table(1, 1).expect("memory");
        let pools = plan.pools(1, 1).expect("a pool");
        let (pod, far) = (end("10.1.0.5", 1), end("198.51.100.7", 53));
        Self {
            io: MemoryIo::new(64),
            batch: Batch::default(),
            worker: plan.worker(WorkerId(0), &table, &pools, 1, 2),
            snapshot,
            question: udp(Via::In0, pod, far, b"a question"),
            answer: udp(Via::Out0, far, pod, b"an answer"),
            packets: 0,
            source: 0,
        }
    }

    /// Ten questions and their answers: the first question opens a flow. Every fourth time the checksum is
    /// left to the gateway, and a frame cut short and one with a forged source come after.
    fn turn(&mut self) {
        self.source = (self.source + 1) % 60_000;
        let port = u16::try_from(self.source + 1).expect("below 60,001").to_be_bytes();
        self.question[L4..L4 + 2].copy_from_slice(&port);
        fix_l4(&mut self.question);
        if self.source.is_multiple_of(4) {
            let sum = pseudo_sum(&self.question, self.question.len() - L4).to_be_bytes();
            self.question[L4 + 6..L4 + 8].copy_from_slice(&sum);
        }
        for _ in 0..10 {
            self.io.inject(IN, &self.question);
            self.run(1);
            let Self { io, answer, .. } = self;
            let mut seen = None;
            io.take_sent(|_, bytes| {
                answer[L3 + 16..L3 + 20].copy_from_slice(&bytes[L3 + 12..L3 + 16]);
                answer[L4 + 2..L4 + 4].copy_from_slice(&bytes[L4..L4 + 2]);
                seen = Some(());
            });
            assert!(seen.is_some(), "the question left: {:?}", self.worker.ledger);
            fix_ip(&mut self.answer);
            fix_l4(&mut self.answer);
            self.io.inject(OUT, &self.answer);
            self.run(1);
            assert_eq!(self.io.take_sent(|egress, _| egress), Some(IN));
        }
        if self.source.is_multiple_of(4) {
            self.io.inject(IN, &self.question[..30]);
            self.io.inject(OUT, &self.question);
            self.run(2);
        }
    }

    fn run(&mut self, expected: usize) {
        let Self { io, batch, worker, snapshot, packets, .. } = self;
        // Fifty thousand packets a second: 2,500 new flows, each gone two seconds after its last answer.
        let now = Tick(*packets / 50);
        assert_eq!(pipeline::run(io, batch, worker, snapshot, now), expected);
        *packets += u64::try_from(expected).expect("a batch");
    }
}

#[test]
fn the_packet_path_never_calls_the_allocator() {
    let mut treadmill = Treadmill::new();
    while treadmill.packets < 10_000 {
        treadmill.turn();
    }
    let before = CALLS.with(Cell::get);
    assert!(before > 0, "the counter counts");
    while treadmill.packets < 1_000_000 {
        treadmill.turn();
    }
    let calls = CALLS.with(Cell::get) - before;
    let ledger = &treadmill.worker.ledger;
    assert_eq!(calls, 0, "calls to the allocator in 990,000 packets");
    assert!(ledger.flows_admitted > 48_000, "{ledger:?}");
    assert!(ledger.flows_ended > 40_000, "{ledger:?}");
    assert!(ledger.checksums_completed > 100_000, "{ledger:?}");
    assert!(ledger.drops.iter().sum::<u64>() > 20_000, "{ledger:?}");
    assert_eq!(ledger.difference(), 0);
    assert_eq!(treadmill.io.outstanding(), 0);
}
