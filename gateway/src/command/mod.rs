//! The sub-commands of `sluice`.
//!
//! A command writes to what it is given and answers with an [`Exit`]; only `main` ends the process.

pub mod check;
pub mod explain;
pub mod reload;
pub mod replay;
pub mod run;
pub mod stats;

/// How a command ended. The numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done, or the answer is yes.
    Ok = 0,
    /// The answer is no: denied, different, findings.
    No = 1,
    /// The command line, or a line of input, cannot be read.
    Usage = 2,
    /// The configuration is invalid.
    Config = 3,
    /// A permission is missing; the message names the capability.
    Permission = 4,
    /// The kernel or a device cannot do it.
    Kernel = 5,
    /// No gateway is running.
    NotRunning = 6,
}

impl Exit {
    /// The number the shell sees.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> std::process::ExitCode {
        std::process::ExitCode::from(exit.code())
    }
}

/// The form of what a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}
