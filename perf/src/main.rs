//! `sluice-perf`: what the data plane costs, measured beside something that can be compared in the same run.
//!
//! Every scenario prints one JSON object with the machine's facts and, for each arm, the minimum, median and
//! maximum over its rounds. Machines are shared and noisy: quote medians, and ratios between arms of a run.

mod dataplane;
mod machine;
mod report;
mod treadmill;
mod world;

use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Measures Sluice
#[derive(Debug, Parser)]
#[command(name = "sluice-perf", version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Established TCP packets with SNAT and policy through the whole core, in memory
    Dataplane(dataplane::DataplaneArgs),
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let wanted = !error.use_stderr();
            // There is nobody left to tell if the terminal is gone.
            let _ = error.print();
            return if wanted { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    let Scenario::Dataplane(args) = args.scenario;
    let result = dataplane::run(&args);
    match result.and_then(|text| Ok(writeln!(io::stdout(), "{text}")?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "sluice-perf: {error}");
            ExitCode::from(1)
        }
    }
}
