//! `sluice replay`: captures through the very data plane, on the captures' own clock.

use super::{Exit, Format};
use crate::diagnostic::{Report, Style};
use crate::io::InterfaceId;
use crate::io::pcap::{CaptureWriter, PcapIo, read_capture};
use crate::pipeline::drop_reason::DropReason;
use crate::pipeline::ledger::Ledger;
use crate::pipeline::{self, Batch, Worker};
use crate::setup::Plan;
use crate::snapshot::{HopGeneration, Interface, Snapshot};
use crate::topology;
use flowtable::key::{Generation, Tick, WorkerId};
use flowtable::table::Remaining;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What `sluice replay` is told.
#[derive(Debug, clap::Args)]
pub struct ReplayArgs {
    /// The configuration; its `static` section is the only source of addresses, routes and neighbours
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// A capture and the interface its frames arrive on
    #[arg(long = "in", value_name = "IF=PCAP", required = true)]
    inputs: Vec<Input>,
    /// The folder that gets one capture per interface, of what left by it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Seed of every random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// A configuration that replaces the policy so many seconds after the first frame
    #[arg(long = "reload", value_name = "SECONDS=FILE")]
    reloads: Vec<Reload>,
    /// How to print the counts
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    output: Format,
}

/// `--in`.
#[derive(Clone, Debug)]
struct Input {
    interface: String,
    capture: PathBuf,
}

impl FromStr for Input {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((interface, capture)) if !interface.is_empty() && !capture.is_empty() => {
                Ok(Self { interface: interface.to_owned(), capture: capture.into() })
            }
            _ => Err("an input is INTERFACE=CAPTURE, as in in0=pods.pcap".to_owned()),
        }
    }
}

/// `--reload`.
#[derive(Clone, Debug)]
struct Reload {
    at: Tick,
    config: PathBuf,
}

impl FromStr for Reload {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || "a reload is SECONDS=FILE, as in 2.5=stricter.yaml".to_owned();
        let (seconds, config) = text.split_once('=').ok_or_else(shape)?;
        let seconds: f64 = seconds.parse().map_err(|_| shape())?;
        let span = std::time::Duration::try_from_secs_f64(seconds).map_err(|_| shape())?;
        let at = Tick(u64::try_from(span.as_millis()).map_err(|_| shape())?);
        Ok(Self { at, config: config.into() })
    }
}

/// Why a replay ended early.
#[derive(Debug)]
enum Stop {
    /// A configuration is invalid.
    Config(Report),
    /// A line for people, and how the command ends.
    Line(Exit, String),
    /// Standard output is gone.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Replays and prints the counts.
///
/// # Errors
/// What `out` answers.
pub fn run(
    args: &ReplayArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
    style: Style,
) -> io::Result<Exit> {
    match replay(args, out) {
        Ok(exit) => Ok(exit),
        Err(Stop::Config(report)) => {
            report.render(err, style)?;
            Ok(Exit::Config)
        }
        Err(Stop::Line(exit, line)) => {
            writeln!(err, "sluice replay: {line}")?;
            Ok(exit)
        }
        Err(Stop::Output(error)) => Err(error),
    }
}

fn replay(args: &ReplayArgs, out: &mut dyn Write) -> Result<Exit, Stop> {
    let plan = Plan::load(&args.config).map_err(Stop::Config)?;
    let snapshot = snapshot(&plan, &args.config, Generation(1))?;
    let mut reloads = plan_reloads(args, &plan, &snapshot)?;
    let io = open(args, &snapshot)?;

    let workers = 1;
    let table = plan
        .table(workers, args.seed)
        .map_err(|error| Stop::Line(Exit::Config, format!("limits.flows: {error}")))?;
    let pools = plan
        .pools(workers, args.seed)
        .map_err(|error| Stop::Line(Exit::Config, format!("snat.pools: {error}")))?;
    let interfaces = snapshot.interfaces().len();
    let worker = plan.worker(WorkerId(0), &table, &pools, args.seed, interfaces);
    let (ledger, snapshot) = play(io, worker, snapshot, &mut reloads)?;
    let result = counts(&ledger, snapshot.interfaces());
    match args.output {
        Format::Json => writeln!(out, "{result}")?,
        Format::Text => write_text(out, &ledger, snapshot.interfaces())?,
    }
    Ok(if ledger.difference() == 0 { Exit::Ok } else { Exit::No })
}

/// Feeds every frame at its own time, and reloads between frames at theirs.
fn play(
    mut io: PcapIo,
    mut worker: Worker,
    mut snapshot: Snapshot,
    reloads: &mut VecDeque<(Tick, Snapshot)>,
) -> Result<(Ledger, Snapshot), Stop> {
    let mut batch = Batch::default();
    while let Some(now) = io.next_tick() {
        while reloads.front().is_some_and(|&(at, _)| at <= now) {
            if let Some((_, next)) = reloads.pop_front() {
                snapshot = next;
            }
        }
        // What a worker does while no packet comes: flows whose time was up before this frame are gone.
        while pipeline::finish(&mut worker, now) != Remaining::Nothing {}
        pipeline::run(&mut io, &mut batch, &mut worker, &snapshot, now);
    }
    debug_assert_eq!(io.outstanding(), 0, "every frame went somewhere");
    io.close().map_err(|error| Stop::Line(Exit::Usage, format!("writing captures: {error}")))?;
    Ok((worker.ledger, snapshot))
}

/// The snapshot of a configuration's `static` section.
fn snapshot(plan: &Plan, path: &Path, generation: Generation) -> Result<Snapshot, Stop> {
    let tables = plan.config.static_tables.as_ref().ok_or_else(|| {
        let path = path.display();
        let line =
            format!("{path}: no `static` section; a replay has no other source of addresses");
        Stop::Line(Exit::Config, line)
    })?;
    let topology = topology::from_static(&plan.config, tables)
        .map_err(|error| Stop::Line(Exit::Config, format!("{}: {error}", path.display())))?;
    plan.check_pool(&topology)
        .map_err(|error| Stop::Line(Exit::Config, format!("{}: {error}", path.display())))?;
    Ok(plan.snapshot(generation, HopGeneration(generation.0), topology))
}

/// Reads every later configuration before the first frame, so that a bad one costs no half replay.
fn plan_reloads(
    args: &ReplayArgs,
    first_plan: &Plan,
    first: &Snapshot,
) -> Result<VecDeque<(Tick, Snapshot)>, Stop> {
    let mut reloads = args.reloads.clone();
    reloads.sort_by_key(|reload| reload.at);
    let mut planned = VecDeque::new();
    for (generation, reload) in (2..).zip(reloads) {
        let plan = Plan::load(&reload.config).map_err(Stop::Config)?;
        let next = snapshot(&plan, &reload.config, Generation(generation))?;
        let names = |snapshot: &Snapshot| {
            snapshot.interfaces().iter().map(|i| (i.name.clone(), i.side)).collect::<Vec<_>>()
        };
        if names(&next) != names(first) || plan.lasting() != first_plan.lasting() {
            let path = reload.config.display();
            let line = format!(
                "{path}: a reload cannot change interfaces, pools, limits or timeouts in this version"
            );
            return Err(Stop::Line(Exit::Config, line));
        }
        planned.push_back((reload.at, next));
    }
    Ok(planned)
}

/// Opens inputs and outputs.
fn open(args: &ReplayArgs, snapshot: &Snapshot) -> Result<PcapIo, Stop> {
    let usage = |line: String| Stop::Line(Exit::Usage, line);
    let mut inputs = Vec::new();
    for input in &args.inputs {
        let id = find_interface(snapshot.interfaces(), &input.interface).ok_or_else(|| {
            usage(format!("--in {}: the configuration has no such interface", input.interface))
        })?;
        let frames = read_capture(&input.capture).map_err(|error| usage(error.to_string()))?;
        inputs.push((id, frames));
    }
    let write = |path: &Path, error: &io::Error| usage(format!("{}: {error}", path.display()));
    fs::create_dir_all(&args.out).map_err(|error| write(&args.out, &error))?;
    let mut outputs = Vec::new();
    let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    for interface in snapshot.interfaces() {
        let path = args.out.join(format!("{}.pcap", interface.name));
        if let Some(input) = args.inputs.iter().find(|input| same(&input.capture, &path)) {
            let input = input.capture.display();
            return Err(usage(format!(
                "--out would overwrite the input {input}; name another folder"
            )));
        }
        outputs.push(CaptureWriter::create(&path).map_err(|error| write(&path, &error))?);
    }
    Ok(PcapIo::new(inputs, outputs))
}

fn find_interface(interfaces: &[Interface], name: &str) -> Option<InterfaceId> {
    interfaces.iter().find(|interface| interface.name == name).map(|interface| interface.id)
}

/// The counts as scripts read them.
fn counts(ledger: &Ledger, interfaces: &[Interface]) -> Value {
    let of = |interface: &Interface| {
        let id = interface.id.index();
        json!({ "rx": ledger.rx[id], "tx": ledger.tx[id] })
    };
    let interfaces: Map<String, Value> =
        interfaces.iter().map(|interface| (interface.name.clone(), of(interface))).collect();
    json!({
        "interfaces": interfaces,
        "drops": drops(ledger),
        "consumed": ledger.consumed,
        "host": ledger.host,
        "generated": ledger.generated,
        "held": ledger.held,
        "identity": identity(ledger),
        "checksums_completed": ledger.checksums_completed,
        "flows": { "admitted": ledger.flows_admitted, "ended": ledger.flows_ended },
    })
}

/// The reasons that happened, in the order of the list.
pub(crate) fn drops(ledger: &Ledger) -> Map<String, Value> {
    let happened = DropReason::ALL.iter().filter(|reason| ledger.drops_of(**reason) > 0);
    happened.map(|reason| (reason.name().to_owned(), ledger.drops_of(*reason).into())).collect()
}

/// `exact`, or by how much the counts are off.
pub(crate) fn identity(ledger: &Ledger) -> String {
    match ledger.difference() {
        0 => "exact".to_owned(),
        difference => format!("off by {difference}"),
    }
}

fn write_text(out: &mut dyn Write, ledger: &Ledger, interfaces: &[Interface]) -> io::Result<()> {
    for interface in interfaces {
        let id = interface.id.index();
        writeln!(out, "{:<16} rx {:>10}  tx {:>10}", interface.name, ledger.rx[id], ledger.tx[id])?;
    }
    for reason in DropReason::ALL {
        let count = ledger.drops_of(*reason);
        if count > 0 {
            writeln!(out, "{:<24} {count:>10}  {}", reason.name(), reason.text())?;
        }
    }
    writeln!(
        out,
        "host {}  consumed {}  generated {}  held {}  identity {}",
        ledger.host,
        ledger.consumed,
        ledger.generated,
        ledger.held,
        identity(ledger)
    )
}
