//! `sluice reload`: the running gateway reads its configuration and policies again.

use super::{Exit, Format};
use crate::control::client::{self, ClientError};
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// What `sluice reload` is told.
#[derive(Debug, clap::Args)]
pub struct ReloadArgs {
    /// How to print the new generation
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    output: Format,
    /// The running gateway's control socket
    #[arg(long, value_name = "PATH", default_value = crate::config::CONTROL_SOCKET)]
    socket: PathBuf,
}

/// Asks, and prints the generation in force once every worker has it.
///
/// # Errors
/// What `out` or `err` answer.
pub fn run(args: &ReloadArgs, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<Exit> {
    match client::ask(&args.socket, &json!({ "command": "reload" })) {
        Ok(answer) => {
            match args.output {
                Format::Json => writeln!(out, "{answer}")?,
                Format::Text => writeln!(out, "generation {}", answer["generation"])?,
            }
            Ok(Exit::Ok)
        }
        // What the gateway refuses is its configuration; the last good one stays in force.
        Err(ClientError::Refused(report)) => {
            writeln!(err, "{}", report.trim_end())?;
            Ok(Exit::Config)
        }
        Err(error) => {
            writeln!(err, "sluice reload: {error}")?;
            Ok(error.exit())
        }
    }
}
