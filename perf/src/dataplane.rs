//! Established packets through the whole core, in memory: parse and validate, flow table, policy generation,
//! TCP window, SNAT rewrite with checksums, counters, next hop.

use crate::machine;
use crate::report::{Figure, arm};
use crate::treadmill::Treadmill;
use crate::world::{INSIDE, World};
use flowtable::key::Tick;
use gateway::io::{BATCH, InterfaceId, PacketIo};
use gateway::pipeline::{self, Batch};
use serde_json::json;
use std::time::{Duration, Instant};

/// What the scenario is told.
#[derive(Debug, clap::Args)]
pub(crate) struct DataplaneArgs {
    /// Flows, all established, visited in turn
    #[arg(long, default_value_t = 4096, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    flows: u32,
    /// Rules of the policy that allowed them
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rules: u32,
    /// Address family; this version has IPv4
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(4..=4))]
    family: u8,
    /// Print JSON, the one form there is
    #[arg(long)]
    json: bool,
    /// Rounds, arms interleaved
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
    /// Seconds of one arm in one round
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
}

/// Batches between two looks at the clock.
const STRETCH: u32 = 64;

/// Measures; the JSON text.
///
/// # Errors
/// What keeps the world from being built.
pub(crate) fn run(args: &DataplaneArgs) -> Result<String, Box<dyn std::error::Error>> {
    let mut world = World::build(args.flows, args.rules)?;
    let mut io = Treadmill::new(std::mem::take(&mut world.templates), INSIDE);
    let span = Duration::try_from_secs_f64(args.seconds)?;
    let mut batch = Batch::default();
    let (mut core, mut driver) = (Arm::default(), Arm::default());
    let mut frequency = Figure::default();
    let before = world.worker.ledger.clone();
    let passes = |io: &mut Treadmill, world: &mut World, batch: &mut Batch<_>| {
        pipeline::run(io, batch, &mut world.worker, &world.snapshot, Tick(1));
    };
    // Once round before the first measurement, so that every arm meets warm caches.
    time(span / 4, &mut io, |io| passes(io, &mut world, &mut batch));
    for _ in 0..args.rounds {
        let gigahertz = machine::gigahertz();
        frequency.push(gigahertz);
        let alone = time(span, &mut io, empty_round);
        let whole = time(span, &mut io, |io| passes(io, &mut world, &mut batch));
        driver.push(alone, gigahertz);
        core.push(whole - alone, gigahertz);
    }
    let ledger = &world.worker.ledger;
    let dropped = ledger.drops.iter().sum::<u64>() - before.drops.iter().sum::<u64>();
    if dropped > 0 || ledger.difference() != 0 {
        return Err(
            format!("{dropped} packets dropped, identity off by {}", ledger.difference()).into()
        );
    }
    Ok(json!({
        "schema": 1,
        "machine": machine::facts(),
        "scenario": "dataplane",
        "flows": args.flows,
        "rules": args.rules,
        "family": args.family,
        "frame_bytes": 64,
        "packets": ledger.rx[usize::from(INSIDE.0)] - before.rx[usize::from(INSIDE.0)],
        "gigahertz": frequency.spread(),
        "note": "driver is the in-memory wire alone; core is the whole less the driver of the same round",
        "arms": { "core": core.figures(), "driver": driver.figures() },
    })
    .to_string())
}

/// A round of the wire with nothing in between.
fn empty_round(io: &mut Treadmill) {
    let mut held = [const { None }; BATCH];
    let mut count = 0;
    io.receive(BATCH, |received| {
        held[count] = Some(received.frame);
        count += 1;
    });
    for frame in held.iter_mut().take(count).filter_map(Option::take) {
        if let Err(frame) = io.transmit(InterfaceId(1), frame) {
            io.release(frame);
        }
    }
}

/// Nanoseconds a packet that `round` takes, over about `span`.
fn time(span: Duration, io: &mut Treadmill, mut round: impl FnMut(&mut Treadmill)) -> f64 {
    let before = io.sent;
    let start = Instant::now();
    while start.elapsed() < span {
        for _ in 0..STRETCH {
            round(io);
        }
    }
    let nanos = start.elapsed().as_secs_f64() * 1e9;
    #[expect(clippy::cast_precision_loss, reason = "packets of a run count far below 2^52")]
    let packets = (io.sent - before) as f64;
    nanos / packets.max(1.0)
}

#[derive(Default)]
struct Arm {
    nanos: Figure,
    cycles: Figure,
    pps: Figure,
}

impl Arm {
    fn push(&mut self, nanos: f64, gigahertz: f64) {
        self.nanos.push(nanos);
        self.cycles.push(nanos * gigahertz);
        self.pps.push(1e9 / nanos);
    }

    fn figures(&self) -> serde_json::Value {
        arm(&[
            ("ns_per_packet", &self.nanos),
            ("cycles_per_packet", &self.cycles),
            ("pps", &self.pps),
        ])
    }
}
