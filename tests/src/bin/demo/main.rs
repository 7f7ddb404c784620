//! `sluice-demo`: two pods, the real gateway, a small internet; a live picture, and at the end proofs
//! counted on the far side by something that is not Sluice. `scripts/demo` builds and runs it.

#![forbid(unsafe_code)]

mod acts;
mod cast;
mod picture;
mod proofs;
mod report;
mod screen;
mod show;
mod stage;
mod text;
mod traffic;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// The gateway at work on a rig of its own, with proofs counted on the far side.
#[derive(Debug, Parser)]
#[command(name = "sluice-demo", args_override_self = true)]
struct Arguments {
    /// How long the clients work
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(10..=3600))]
    seconds: u64,
    /// Plain frames every few seconds, also in a terminal
    #[arg(long)]
    plain: bool,
    /// Folder with the configuration and policies to copy and run
    #[arg(long, default_value = "examples/demo")]
    examples: PathBuf,
    /// Folder for summary.json and the far side's capture; nothing is written without it
    #[arg(long)]
    out: Option<PathBuf>,
}

/// How a demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Every proof holds.
    Proved,
    /// A proof failed.
    Failed,
    /// A signal ended it before its proofs.
    Interrupted,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(reason) = kit::skip::reason(&["ip", "setpriv"]) {
        return complain(&format!("{reason}: it makes network namespaces"));
    }
    match show::run(&arguments) {
        Ok(End::Proved) => ExitCode::SUCCESS,
        Ok(End::Failed) => ExitCode::FAILURE,
        // As a shell reports a program ended by SIGINT.
        Ok(End::Interrupted) => ExitCode::from(130),
        Err(error) => complain(&error.to_string()),
    }
}

fn complain(what: &str) -> ExitCode {
    // Without a standard error there is nobody to tell.
    drop(writeln!(io::stderr(), "sluice-demo: {what}"));
    ExitCode::FAILURE
}
