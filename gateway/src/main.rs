//! The `sluice` command: arguments in, an exit code out.

use clap::{Parser, Subcommand};
use gateway::command::{self, Exit};
use gateway::diagnostic::Style;
use std::io::{self, Write};
use std::process::ExitCode;

/// An egress gateway: policy, names and source translation at the speed of the wire
#[derive(Debug, Parser)]
#[command(name = "sluice", version, max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Run(command::run::RunArgs),
    /// Check configurations and policy files
    Check(command::check::CheckArgs),
    /// Say what would happen to a packet, and why
    Explain(command::explain::ExplainArgs),
    /// Feed captures through the data plane and write what leaves
    Replay(command::replay::ReplayArgs),
    /// Print the counts of the running gateway
    Stats(command::stats::StatsArgs),
    /// Make the running gateway read its configuration again
    Reload(command::reload::ReloadArgs),
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let wanted = !error.use_stderr();
            // There is nobody left to tell if the terminal is gone.
            let _ = error.print();
            return if wanted { Exit::Ok.into() } else { Exit::Usage.into() };
        }
    };
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let style = Style::for_stream(&io::stderr());
    let result = match &args.command {
        Command::Run(args) => command::run::run(args, &mut err, style),
        Command::Check(args) => {
            command::check::run(args, &mut out, Style::for_stream(&io::stdout()))
        }
        Command::Explain(args) => command::explain::run(args, &mut out, &mut err, style),
        Command::Replay(args) => command::replay::run(args, &mut out, &mut err, style),
        Command::Stats(args) => command::stats::run(args, &mut out, &mut err),
        Command::Reload(args) => command::reload::run(args, &mut out, &mut err),
    };
    match result.and_then(|exit| out.flush().map(|()| exit)) {
        Ok(exit) => exit.into(),
        // Whoever read our output has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok.into(),
        Err(error) => {
            let _ = writeln!(err, "sluice: {error}");
            Exit::Kernel.into()
        }
    }
}
