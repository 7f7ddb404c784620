//! A child process: ended by the id it was started with, every wait bounded, its output kept.

use std::io::{self, BufRead as _, BufReader, Read};
use std::process::{Child, ExitStatus, Output};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{Context as _, Error, Result};
use crate::wait::until;

/// How long a reader of an ended process' pipes may take: another process may hold them open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A running program; dropping it kills it.
#[derive(Debug)]
pub struct Process {
    title: String,
    child: Child,
    stdout: Reader,
    stderr: Reader,
}

/// What a program left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The program and its arguments.
    pub title: String,
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Process {
    pub(crate) fn new(mut child: Child, title: String) -> Self {
        let stdout = Reader::new(child.stdout.take());
        let stderr = Reader::new(child.stderr.take());
        Self { title, child, stdout, stderr }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote so far, standard output before standard error.
    #[must_use]
    pub fn so_far(&self) -> (String, String) {
        (self.stdout.text(), self.stderr.text())
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.id()).expect("a process id is a positive i32");
        kill(Pid::from_raw(id), signal).context(|| format!("send {signal} to `{}`", self.title))
    }

    /// Waits until `line` of its output (either stream) satisfies `wanted`.
    ///
    /// # Errors
    /// [`Error::Timeout`], or [`Error::Answer`] with its output when it ends before.
    pub fn wait_for(&mut self, limit: Duration, wanted: impl Fn(&str) -> bool) -> Result<()> {
        let what = format!("the awaited line of `{}`", self.title);
        until(&what, limit, || {
            let ended = !self.is_running();
            let (stdout, stderr) = self.so_far();
            if stdout.lines().chain(stderr.lines()).any(&wanted) {
                return Some(Ok(()));
            }
            ended.then(|| Err(Error::answer(what.clone(), format!("{stdout}{stderr}"))))
        })?
    }

    /// Waits for its end; kills it after `limit`.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it had to be killed.
    pub fn wait(mut self, limit: Duration) -> Result<Finished> {
        let status = until(&format!("`{}`", self.title), limit, || self.child.try_wait().ok()?)?;
        let deadline = Instant::now() + LAST_WORDS;
        while !(self.stdout.done() && self.stderr.done()) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        let (stdout, stderr) = self.so_far();
        Ok(Finished { title: self.title.clone(), status, stdout, stderr })
    }

    /// Asks it to end by SIGTERM, then waits.
    ///
    /// # Errors
    /// As [`Process::wait`].
    pub fn stop(self, limit: Duration) -> Result<Finished> {
        // One that ended by itself is only waited for.
        drop(self.signal(Signal::SIGTERM));
        self.wait(limit)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended and been waited for.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Finished {
    pub(crate) fn from_output(title: String, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        Self { title, status: output.status, stdout, stderr }
    }

    /// Itself when the program ended with 0.
    ///
    /// # Errors
    /// [`Error::Command`] with all it wrote otherwise.
    pub fn success(self) -> Result<Self> {
        if self.status.success() {
            return Ok(self);
        }
        let output = format!("{}{}", self.stdout, self.stderr).trim().to_owned();
        Err(Error::Command { command: self.title, status: self.status.to_string(), output })
    }
}

/// Reads a pipe to its end on a thread of its own, so that the writer never waits for us.
#[derive(Debug)]
struct Reader {
    text: Arc<Mutex<String>>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Reader {
    fn new(pipe: Option<impl Read + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let thread = pipe.map(|pipe| {
            let text = Arc::clone(&text);
            thread::spawn(move || {
                let mut pipe = BufReader::new(pipe);
                let mut line = Vec::new();
                while pipe.read_until(b'\n', &mut line)? > 0 {
                    let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
                    text.push_str(&String::from_utf8_lossy(&line));
                    line.clear();
                }
                Ok(())
            })
        });
        Self { text, thread }
    }

    fn text(&self) -> String {
        self.text.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}
