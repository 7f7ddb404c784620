//! The gateway under test as users run it: the `sluice` program with a configuration file, asked and
//! told through its own commands. Nothing here calls the gateway's code.

use std::env;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::namespace::Namespace;
use crate::process::{Finished, Process};
use crate::wait::until;
use crate::world::World;

/// The folder of the configuration, on the gateway namespace's own `/run`.
pub const FOLDER: &str = "/run/rig";
const SOCKET: &str = "/run/sluice/control.sock";
const START: Duration = Duration::from_secs(20);
const ANSWER: Duration = Duration::from_secs(10);
const STOP: Duration = Duration::from_secs(10);

/// A running `sluice run`.
#[derive(Debug)]
pub struct Gateway {
    binary: String,
    process: Process,
}

impl Gateway {
    /// Starts one in the gateway's namespace of `world` with `config` and one policy file, and waits
    /// until it answers.
    ///
    /// # Errors
    /// When it ends or does not answer in time; the error has what it wrote.
    pub fn start(world: &World, config: &str, policies: &str) -> Result<Self> {
        Self::write(world, "sluice.yaml", config)?;
        Self::write(world, "policies/policies.yaml", policies)?;
        Self::start_prepared(world)
    }

    /// Writes a file into the folder of the configuration.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(world: &World, name: &str, text: &str) -> Result<()> {
        world.gateway.write(Path::new(FOLDER).join(name), text)
    }

    /// Starts one with the `sluice.yaml` that was written before by [`Gateway::write`].
    ///
    /// # Errors
    /// As [`Gateway::start`].
    pub fn start_prepared(world: &World) -> Result<Self> {
        let binary = binary()?;
        let config = format!("{FOLDER}/sluice.yaml");
        let process = world.gateway.spawn(&[&binary, "run", "-c", &config])?;
        let mut gateway = Self { binary, process };
        until("the gateway's first answer", START, || {
            if !gateway.process.is_running() {
                let (stdout, stderr) = gateway.process.so_far();
                return Some(Err(Error::answer("sluice run", format!("{stdout}{stderr}"))));
            }
            gateway.stats(&world.gateway).is_ok().then_some(Ok(()))
        })??;
        Ok(gateway)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// What it wrote so far, standard output and standard error.
    #[must_use]
    pub fn output(&self) -> (String, String) {
        self.process.so_far()
    }

    /// Runs another `sluice` command beside it.
    ///
    /// # Errors
    /// When it does not end in time; an exit code is no error.
    pub fn command(&self, inside: &Namespace, arguments: &[&str]) -> Result<Finished> {
        let argv: Vec<&str> =
            [self.binary.as_str()].into_iter().chain(arguments.to_vec()).collect();
        inside.output(&argv, ANSWER)
    }

    /// Its counters now.
    ///
    /// # Errors
    /// When it does not answer, or not in the contract's form.
    pub fn stats(&self, inside: &Namespace) -> Result<Ledger> {
        let answer =
            self.command(inside, &["stats", "--socket", SOCKET, "-o", "json"])?.success()?;
        Ledger::parse(&answer.stdout)
    }

    /// Makes it read its files again; returns once the new policy is the one in force.
    ///
    /// # Errors
    /// When it refuses them.
    pub fn reload(&self, inside: &Namespace) -> Result<String> {
        let answer = self.command(inside, &["reload", "--socket", SOCKET])?.success()?;
        Ok(answer.stdout.trim().to_owned())
    }

    /// The counters of a quiet moment, compared with the kernel's: waits until what the devices counted
    /// did not change while the gateway answered and its books are right, at most `limit`.
    ///
    /// # Errors
    /// With every finding of the last audit.
    pub fn settle(&self, world: &World, limit: Duration) -> Result<Ledger> {
        let mut findings = vec!["no quiet moment".to_owned()];
        let settled = until("a quiet moment", limit, || {
            let before = world.devices().ok()?;
            let ledger = self.stats(&world.gateway).ok()?;
            let after = world.devices().ok()?;
            if before != after {
                return None;
            }
            findings = ledger.audit(&after);
            findings.is_empty().then_some(ledger)
        });
        settled.map_err(|_| Error::answer("the audit of the gateway's books", findings.join("; ")))
    }

    /// Sends it SIGTERM and waits for its end.
    ///
    /// # Errors
    /// When it has to be killed.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop(STOP)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        self.process.signal(signal)
    }
}

/// Where the `sluice` program is: `$SLUICE`, else the one beside the running program, else (for a test)
/// the newest build.
///
/// # Errors
/// When it was not built; the message says how.
pub fn binary() -> Result<String> {
    if let Ok(named) = env::var("SLUICE") {
        return Ok(named);
    }
    let own = env::current_exe().unwrap_or_default();
    let beside = own.with_file_name("sluice");
    // A test is target/PROFILE/deps/test-hash.
    let target = own.ancestors().nth(3).unwrap_or(&own);
    let built = ["release/sluice", "debug/sluice"].map(|at| target.join(at));
    let newest = || built.into_iter().max_by_key(|file| file.metadata().ok()?.modified().ok());
    Some(beside)
        .filter(|file| file.is_file())
        .or_else(newest)
        .filter(|file| file.is_file())
        .and_then(|file| file.to_str().map(str::to_owned))
        .ok_or_else(|| {
            Error::answer("no sluice program found", "build it: cargo build --release -p gateway")
        })
}
