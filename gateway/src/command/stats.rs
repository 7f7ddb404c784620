//! `sluice stats`: the counts of the running gateway.

use super::{Exit, Format};
use crate::control::client;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;

/// What `sluice stats` is told.
#[derive(Debug, clap::Args)]
pub struct StatsArgs {
    /// How to print the counts
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    output: Format,
    /// The running gateway's control socket
    #[arg(long, value_name = "PATH", default_value = crate::config::CONTROL_SOCKET)]
    socket: PathBuf,
}

/// Asks and prints.
///
/// # Errors
/// What `out` or `err` answer.
pub fn run(args: &StatsArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    match client::ask(&args.socket, &json!({ "command": "stats" })) {
        Ok(stats) => {
            match args.output {
                Format::Json => writeln!(out, "{stats}")?,
                Format::Text => write_text(out, &stats)?,
            }
            Ok(Exit::Ok)
        }
        Err(error) => {
            writeln!(err, "sluice stats: {error}")?;
            Ok(error.exit())
        }
    }
}

fn write_text(out: &mut dyn Write, stats: &Value) -> io::Result<()> {
    let object = |value: &Value| value.as_object().cloned().unwrap_or_default();
    for (name, counts) in object(&stats["interfaces"]) {
        writeln!(out, "{name:<16} rx {:>12}  tx {:>12}", counts["rx"], counts["tx"])?;
    }
    for (reason, count) in object(&stats["drops"]) {
        writeln!(out, "{reason:<24} {count:>12}")?;
    }
    writeln!(
        out,
        "flows {} of {}   host {}  consumed {}  generated {}  held {}  identity {}",
        stats["flows"]["live"],
        stats["flows"]["capacity"],
        stats["host"],
        stats["consumed"],
        stats["generated"],
        stats["held"],
        stats["identity"].as_str().unwrap_or_default()
    )
}
