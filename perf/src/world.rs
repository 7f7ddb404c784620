//! A gateway in memory with as many flows and rules as asked for, and the packets to drive it.

use crate::treadmill::TEMPLATE;
use flowtable::key::{Generation, Proto, Tick, WorkerId};
use gateway::config;
use gateway::io::InterfaceId;
use gateway::io::memory::MemoryIo;
use gateway::pipeline::{self, Batch, Worker};
use gateway::setup::Plan;
use gateway::snapshot::{HopGeneration, Snapshot};
use gateway::topology;
use gateway::wire::checksum::{Sum, pseudo_v4};
use std::fmt::Write;
use std::net::Ipv4Addr;
use std::path::Path;

/// The inside interface; the outside one follows.
pub(crate) const INSIDE: InterfaceId = InterfaceId(0);
const OUTSIDE: InterfaceId = InterfaceId(1);
/// Clients that the flows are spread over.
const CLIENTS: u32 = 250;
/// Flows of one far end: less than a pool address has ports.
const PER_REMOTE: u32 = 16_384;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;
const ACK: u8 = 0x10;

/// A gateway with every flow established.
#[derive(Debug)]
pub(crate) struct World {
    /// What the packet path reads.
    pub(crate) snapshot: Snapshot,
    /// The one worker.
    pub(crate) worker: Worker,
    /// A packet of each flow, as it arrives from inside.
    pub(crate) templates: Vec<[u8; TEMPLATE]>,
}

impl World {
    /// Builds it: reads a configuration, compiles `rules` rules, opens `flows` TCP connections by their
    /// three packets.
    ///
    /// # Errors
    /// What the configuration or the handshakes say.
    pub(crate) fn build(flows: u32, rules: u32) -> Result<Self, Box<dyn std::error::Error>> {
        let loaded = config::load_text("perf.yaml", configuration(flows), Path::new("."))
            .map_err(|report| report.to_text())?;
        let mut loaded = loaded;
        loaded.policy_sources.push(rules::Source::new("perf-policies.yaml", policies(rules)));
        let plan = Plan::from_loaded(loaded).map_err(|report| report.to_text())?;
        let tables =
            plan.config.static_tables.as_ref().ok_or("the configuration has its tables")?;
        let topology = topology::from_static(&plan.config, tables)?;
        let snapshot = plan.snapshot(Generation(1), HopGeneration(1), topology);
        let (table, pools) = (plan.table(1, 1)?, plan.pools(1, 1)?);
        let worker = plan.worker(WorkerId(0), &table, &pools, 1, snapshot.interfaces().len());
        let mut world = Self { snapshot, worker, templates: Vec::new() };
        let mut wire = Wire { io: MemoryIo::new(64), batch: Batch::default() };
        for flow in 0..flows {
            let template = world.open(&mut wire, flow)?;
            world.templates.push(template);
        }
        Ok(world)
    }

    /// Opens one connection; its packet from then on is the ACK that ended the handshake.
    fn open(&mut self, wire: &mut Wire, flow: u32) -> Result<[u8; TEMPLATE], String> {
        let (client, port) = client(flow);
        let (remote, far_port) = remote(flow);
        let out = segment((client, port), (remote, far_port), SYN, (1000, 0));
        let sent = wire.pass(self, INSIDE, &out).ok_or("a SYN did not pass")?;
        let external = u32::from_be_bytes([sent[26], sent[27], sent[28], sent[29]]);
        let external_port = u16::from_be_bytes([sent[34], sent[35]]);
        let back = segment((remote, far_port), (external, external_port), SYN_ACK, (9000, 1001));
        wire.pass(self, OUTSIDE, &back).ok_or("a SYN-ACK did not pass")?;
        let ack = segment((client, port), (remote, far_port), ACK, (1001, 9001));
        wire.pass(self, INSIDE, &ack).ok_or("an ACK did not pass")?;
        Ok(ack)
    }
}

/// The rings between this process and the core while flows are opened.
struct Wire {
    io: MemoryIo,
    batch: Batch<gateway::io::memory::MemoryFrame>,
}

impl Wire {
    /// Sends one frame through; what leaves, if anything does.
    fn pass(
        &mut self,
        world: &mut World,
        from: InterfaceId,
        frame: &[u8],
    ) -> Option<[u8; TEMPLATE]> {
        self.io.inject(from, frame);
        pipeline::run(&mut self.io, &mut self.batch, &mut world.worker, &world.snapshot, Tick(0));
        self.io.take_sent(|_, bytes| {
            let mut sent = [0; TEMPLATE];
            let len = bytes.len().min(TEMPLATE);
            sent[..len].copy_from_slice(&bytes[..len]);
            sent
        })
    }
}

const fn client(flow: u32) -> (u32, u16) {
    let addr = Ipv4Addr::new(10, 1, 0, 2).to_bits() + flow % CLIENTS;
    #[expect(clippy::cast_possible_truncation, reason = "below 65536 by the modulus")]
    let port = (1024 + flow / CLIENTS % 60_000) as u16;
    (addr, port)
}

const fn remote(flow: u32) -> (u32, u16) {
    (Ipv4Addr::new(198, 18, 0, 1).to_bits() + flow / PER_REMOTE, 443)
}

/// A TCP segment without data in an Ethernet frame.
fn segment(from: (u32, u16), to: (u32, u16), flags: u8, (seq, ack): (u32, u32)) -> [u8; TEMPLATE] {
    let mut f = [0u8; TEMPLATE];
    let inside = from.0 >> 24 == 10;
    f[..6].copy_from_slice(&[2, 0, 0, 0, if inside { 1 } else { 2 }, 1]);
    f[6..12].copy_from_slice(&[2, 0, 0, 0, if inside { 1 } else { 2 }, 0xfe]);
    f[12..14].copy_from_slice(&[8, 0]);
    f[14..24].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
    f[26..30].copy_from_slice(&from.0.to_be_bytes());
    f[30..34].copy_from_slice(&to.0.to_be_bytes());
    let sum = Sum::ZERO.bytes(&f[14..34]).checksum();
    f[24..26].copy_from_slice(&sum.to_be_bytes());
    f[34..36].copy_from_slice(&from.1.to_be_bytes());
    f[36..38].copy_from_slice(&to.1.to_be_bytes());
    f[38..42].copy_from_slice(&seq.to_be_bytes());
    f[42..46].copy_from_slice(&ack.to_be_bytes());
    f[46..50].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
    let sum = pseudo_v4(from.0, to.0, Proto::TCP, 20).bytes(&f[34..54]).checksum();
    f[50..52].copy_from_slice(&sum.to_be_bytes());
    f
}

fn configuration(flows: u32) -> String {
    format!(
        "interfaces:\n  inside: [{{device: in0, networks: [10.1.0.0/16]}}]\n  outside: [{{device: out0}}]\n\
         network: overlay\n\
         snat: {{pools: [{{name: default, addresses: [203.0.113.1], ports: 1024-65535}}]}}\n\
         limits: {{flows: {}}}\n\
         static:\n  interfaces:\n    in0: {{mac: \"02:00:00:00:01:01\", addresses: [10.1.255.254/16]}}\n    \
         out0: {{mac: \"02:00:00:00:02:01\", addresses: [203.0.113.2/24]}}\n  \
         routes: [{{to: 0.0.0.0/0, via: 203.0.113.254, device: out0}}]\n  neighbors:\n    \
         - {{address: 203.0.113.254, mac: \"02:00:00:00:02:fe\", device: out0}}\n{}",
        flows.max(1024) + flows / 4,
        (0..CLIENTS).fold(String::new(), |mut text, client| {
            let addr = Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 2).to_bits() + client);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "    - {{address: {addr}, mac: \"02:00:00:00:01:fe\", device: in0}}"
            );
            text
        })
    )
}

/// One pod for each client, all of them under a NetworkPolicy of so many rules, the last of which allows.
fn policies(rules: u32) -> String {
    let mut text = String::new();
    for client in 0..CLIENTS {
        let addr = Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 2).to_bits() + client);
        let _ = write!(
            text,
            "apiVersion: v1\nkind: Pod\nmetadata: {{namespace: perf, name: p{client}, labels: {{app: perf}}}}\n\
             spec: {{containers: [{{name: c}}]}}\nstatus: {{phase: Running, podIP: {addr}}}\n---\n"
        );
    }
    text.push_str(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {namespace: perf, name: egress}\n\
         spec:\n  podSelector: {matchLabels: {app: perf}}\n  policyTypes: [Egress]\n  egress:\n",
    );
    for rule in 1..rules.max(1) {
        let addr = Ipv4Addr::from_bits(Ipv4Addr::new(192, 0, 0, 0).to_bits() + rule);
        let _ = writeln!(
            text,
            "  - {{to: [{{ipBlock: {{cidr: {addr}/32}}}}], ports: [{{protocol: TCP, port: 443}}]}}"
        );
    }
    text.push_str(
        "  - {to: [{ipBlock: {cidr: 198.18.0.0/15}}], ports: [{protocol: TCP, port: 443}]}\n",
    );
    text
}
