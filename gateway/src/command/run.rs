//! `sluice run`: the gateway.

use super::Exit;
use crate::diagnostic::Style;
use crate::setup::Plan;
use std::io::{self, Write};
use std::path::PathBuf;

/// What `sluice run` is told.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The configuration
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs until a signal ends it.
///
/// # Errors
/// What `err` answers, or the event queue.
pub fn run(args: &RunArgs, err: &mut dyn Write, style: Style) -> io::Result<Exit> {
    match Plan::load(&args.config) {
        Ok(plan) => {
            plan.warnings.render(err, style)?;
            forward(args, plan, err)
        }
        Err(report) => {
            report.render(err, style)?;
            Ok(Exit::Config)
        }
    }
}

#[cfg(feature = "af-xdp")]
fn forward(args: &RunArgs, plan: Plan, err: &mut dyn Write) -> io::Result<Exit> {
    let gateway = match crate::control::live::Gateway::start(&args.config, plan) {
        Ok(gateway) => gateway,
        Err(error) => {
            writeln!(err, "sluice run: {error}")?;
            return Ok(error.exit());
        }
    };
    writeln!(err, "sluice: {}", gateway.summary())?;
    // A log line that nobody can read is no reason to stop forwarding.
    gateway.serve(|line| drop(writeln!(err, "sluice: {line}")))?;
    Ok(Exit::Ok)
}

#[cfg(not(feature = "af-xdp"))]
fn forward(_: &RunArgs, _: Plan, err: &mut dyn Write) -> io::Result<Exit> {
    writeln!(err, "sluice run: this program has no AF_XDP; build it with --features af-xdp")?;
    Ok(Exit::Kernel)
}
