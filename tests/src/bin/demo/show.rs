//! The demo from curtain to curtain.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kit::{Context as _, Error, Ledger, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::acts::Acts;
use crate::cast::PODS;
use crate::picture::{Row, Scene, draw};
use crate::proofs::{self, Evidence};
use crate::screen::{Key, Screen, colours};
use crate::stage::Stage;
use crate::text::{Tint, line};
use crate::traffic::Traffic;
use crate::{Arguments, End, report};

/// When the destination is denied and the flood sent, in hundredths of the time, unless the user did.
const DENY_AT: u32 = 40;
const FLOOD_AT: u32 = 60;
/// How long the packets still under way at the end may take.
const QUIET: Duration = Duration::from_secs(15);

/// Runs the demo.
pub(crate) fn run(arguments: &Arguments) -> Result<End> {
    let signals = signals()?;
    let capture = arguments.out.as_deref().map(prepare_out).transpose()?;
    let stage = Stage::build(&arguments.examples, capture.as_deref())?;
    let mut show = Show {
        traffic: Traffic::start(&stage),
        reasons: stage.reasons(),
        stage,
        acts: Acts::default(),
        total: Duration::from_secs(arguments.seconds),
        before: None,
        kernel: kernel(),
    };
    let opening = format!(
        "{} pods, the gateway (process {}), {} TLS servers: all in namespaces of their own",
        PODS.len(),
        show.stage.gateway.id(),
        show.stage.tls.len()
    );
    report::print(&[line(Tint::Plain, opening)], false).context(|| "print".to_owned())?;
    let screen = Screen::open(arguments.plain).context(|| "open the terminal".to_owned())?;
    if show.play(screen, &signals)? == Some(Key::Interrupt) {
        return Ok(End::Interrupted);
    }
    show.finish(arguments)
}

fn signals() -> Result<Arc<AtomicBool>> {
    let set = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register(signal, Arc::clone(&set)).context(|| format!("catch signal {signal}"))?;
    }
    Ok(set)
}

fn prepare_out(out: &Path) -> Result<std::path::PathBuf> {
    report::folder(out)?;
    Ok(out.join("far-side.pcap"))
}

/// The version of the kernel, without what a distribution adds.
fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().split('-').next().unwrap_or_default().to_owned()
}

struct Show {
    traffic: Traffic,
    reasons: Vec<String>,
    stage: Stage,
    acts: Acts,
    total: Duration,
    /// The ledger of the last frame, for rates.
    before: Option<(Ledger, Instant)>,
    kernel: String,
}

impl Show {
    /// Draws until the time is up; the key that ended it earlier, if one did.
    fn play(&mut self, mut screen: Screen, signals: &AtomicBool) -> Result<Option<Key>> {
        let start = Instant::now();
        while start.elapsed() < self.total {
            let key = screen.wait().context(|| "read a key".to_owned())?;
            // ORDERING: a flag with no data behind it.
            if signals.load(Ordering::Relaxed) || key == Some(Key::Interrupt) {
                return Ok(Some(Key::Interrupt));
            }
            if key == Some(Key::Quit) {
                return Ok(key);
            }
            let due = |hundredths: u32| start.elapsed() >= self.total * hundredths / 100;
            if self.acts.denial.is_none() && (key == Some(Key::Deny) || due(DENY_AT)) {
                self.acts.deny(&self.stage, &self.traffic)?;
                self.reasons = self.stage.reasons();
            }
            if key == Some(Key::Flood) || (self.acts.floods == 0 && due(FLOOD_AT)) {
                self.acts.flood(&self.stage, &mut self.traffic);
            }
            if !self.stage.gateway.is_running() {
                let (stdout, stderr) = self.stage.gateway.output();
                return Err(Error::answer("the gateway ended", format!("{stdout}{stderr}")));
            }
            if screen.is_due() {
                let scene = self.scene(start.elapsed(), screen.has_keys())?;
                screen.show(&draw(&scene)).context(|| "write to the terminal".to_owned())?;
            }
        }
        Ok(None)
    }

    fn rows(&self) -> Vec<Row> {
        let reasons = self.reasons.iter();
        let rows =
            self.traffic.conversations.iter().zip(reasons).map(|(conversation, reason)| Row {
                role: conversation.role,
                phase: conversation.phase(),
                counts: conversation.counts(),
                reason: reason.clone(),
            });
        rows.collect()
    }

    fn scene(&mut self, elapsed: Duration, keys: bool) -> Result<Scene> {
        let ledger = self.stage.gateway.stats(&self.stage.world.gateway)?;
        let before = self.before.replace((ledger.clone(), Instant::now()));
        Ok(Scene {
            elapsed,
            total: self.total,
            kernel: self.kernel.clone(),
            rows: self.rows(),
            ledger,
            before: before.map(|(ledger, at)| (ledger, at.elapsed())),
            sighting: self.stage.sighting(),
            last: self.acts.last.clone(),
            keys,
        })
    }

    /// Ends the traffic, waits for quiet, proves and reports.
    fn finish(mut self, arguments: &Arguments) -> Result<End> {
        if self.acts.floods == 0 {
            self.acts.flood(&self.stage, &mut self.traffic);
        }
        if self.acts.denial.is_none() {
            self.acts.deny(&self.stage, &self.traffic)?;
            // As long as a kept connection waits, and then some tries.
            std::thread::sleep(Duration::from_secs(4));
        }
        self.traffic.stop();
        let evidence = self.evidence()?;
        let proofs = proofs::all(&evidence);
        let lines = report::lines(&proofs, &proofs::account(&evidence));
        report::print(&lines, colours()).context(|| "print the proofs".to_owned())?;
        if let Some(out) = &arguments.out {
            report::write(out, self.total.as_secs(), &proofs, &evidence)?;
        }
        let end = self.stage.gateway.stop()?;
        if !end.status.success() {
            return Err(Error::answer(
                "the gateway's end",
                format!("{} {}", end.status, end.stderr),
            ));
        }
        let proved = proofs.iter().all(|proof| proof.holds);
        Ok(if proved { End::Proved } else { End::Failed })
    }

    fn evidence(&self) -> Result<Evidence> {
        let stage = &self.stage;
        let settled = stage.gateway.settle(&stage.world, QUIET);
        let finding = settled.as_ref().err().map(ToString::to_string);
        let ledger = match settled {
            Ok(ledger) => ledger,
            Err(_) => stage.gateway.stats(&stage.world.gateway)?,
        };
        let devices = stage.world.devices()?;
        // A witness that missed packets is found by the first proof.
        drop(stage.witness_is_done(QUIET));
        let rows = self.rows();
        let reachable = |at| rows.iter().any(|row| row.role.allowed && row.role.to == at);
        let unreachable = stage.tls.iter().filter(|(at, _)| !reachable(*at));
        let connections: u64 = unreachable.map(|(_, server)| server.log().connections).sum();
        Ok(Evidence {
            unreachable_reached: connections + stage.sink.log().connections,
            sighting: stage.sighting(),
            rows,
            devices,
            ledger,
            finding,
            denial: self.acts.denial.clone(),
        })
    }
}
