//! `sluice run`: the gateway.

use super::Exit;
use crate::diagnostic::Style;
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
#[cfg(feature = "af-xdp")]
pub fn run(args: &RunArgs, err: &mut dyn Write, style: Style) -> io::Result<Exit> {
    use crate::control::live::{Gateway, StartError};
    use crate::setup::Plan;

    let plan = match Plan::load(&args.config) {
        Ok(plan) => plan,
        Err(report) => {
            report.render(err, style)?;
            return Ok(Exit::Config);
        }
    };
    plan.warnings.render(err, style)?;
    let gateway = match Gateway::start(&args.config, plan) {
        Ok(gateway) => gateway,
        Err(error) => {
            if let StartError::Config(report) = &error {
                report.render(err, style)?;
            } else {
                writeln!(err, "sluice run: {error}")?;
            }
            return Ok(error.exit());
        }
    };
    writeln!(err, "sluice: {}", gateway.summary())?;
    // A log line that nobody can read is no reason to stop forwarding.
    gateway.serve(|line| drop(writeln!(err, "sluice: {line}")))?;
    Ok(Exit::Ok)
}

/// Says that this binary has no driver.
///
/// # Errors
/// What `err` answers.
#[cfg(not(feature = "af-xdp"))]
pub fn run(args: &RunArgs, err: &mut dyn Write, _style: Style) -> io::Result<Exit> {
    let config = args.config.display();
    writeln!(
        err,
        "sluice run: {config}: this binary was built without the feature af-xdp; build it with"
    )?;
    Ok(Exit::Kernel)
}
