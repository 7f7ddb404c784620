//! A network namespace of its own, with no name anywhere: it lives as long as the threads and
//! processes in it. One *agent* thread enters it first and starts whatever runs there.
//!
//! Why a thread: Linux keeps the network and mount namespace per thread, a new thread or process
//! inherits them from the thread that starts it, and a thread cannot outlive its process. So a rig
//! whose process is killed by SIGKILL takes its namespaces, its veth pairs, its mounts and (through
//! `PR_SET_PDEATHSIG`) its child processes with it; there is nothing to clean up by name.
//!
//! Each namespace also has a mount namespace with its own `/sys` (that of this network), its own
//! empty bpffs in `/sys/fs/bpf` and an empty tmpfs on `/run`: files written there are gone with it.

use std::fs;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{Pid, gettid};

use crate::error::{Context as _, Error, Result};
use crate::process::{Finished, Process};

type Job = Box<dyn FnOnce() + Send>;

/// A network and mount namespace; dropping it ends what was started in it by [`Namespace::spawn`].
#[derive(Debug)]
pub struct Namespace {
    name: String,
    agent: Pid,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Namespace {
    /// Makes one. `name` is for messages and thread names only.
    ///
    /// # Errors
    /// Without the right to make namespaces, or when a mount is refused.
    pub fn new(name: &str) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, made) = mpsc::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let entered = enter().map(|()| gettid());
                let failed = entered.is_err();
                let told = ready.send(entered);
                if !failed && told.is_ok() {
                    inbox.into_iter().for_each(|job| job());
                }
            })
            .context(|| format!("start the agent of {name}"))?;
        let agent = match made.recv() {
            Ok(entered) => entered?,
            Err(_) => return Err(Error::answer(format!("agent of {name}"), "ended at once")),
        };
        Ok(Self { name: name.to_owned(), agent, jobs: Some(jobs), thread: Some(thread) })
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path by which any process of this user reaches the network namespace: for `ip … netns` and
    /// `nsenter --net=`. Opening it keeps the namespace alive.
    #[must_use]
    pub fn net(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/task/{}/ns/net", std::process::id(), self.agent))
    }

    /// Where `path` of this mount namespace is seen from outside it.
    #[must_use]
    pub fn outside(&self, path: impl AsRef<Path>) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/task/{}/root", std::process::id(), self.agent));
        root.join(path.as_ref().strip_prefix("/").unwrap_or(path.as_ref()))
    }

    /// Runs `work` on a thread of its own inside, and waits for it.
    ///
    /// # Panics
    /// With the panic of `work`.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        match self.thread(work).join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Starts `work` on a thread inside.
    ///
    /// # Panics
    /// When the system has no thread left.
    pub fn thread<T, W>(&self, work: W) -> JoinHandle<T>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let name = self.name.clone();
        self.on_agent(move || thread::Builder::new().name(name).spawn(work))
            .expect("the system refuses another thread")
    }

    /// Starts a program inside. It dies with this namespace's agent at the latest.
    ///
    /// # Errors
    /// When the wrapper `setpriv` cannot be started. A program that is not there ends with 127.
    pub fn spawn<S: AsRef<str>>(&self, argv: &[S]) -> Result<Process> {
        let title = argv.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
        let mut command = dying_with_us(argv);
        let started = self.on_agent(move || command.spawn());
        Ok(Process::new(started.context(|| format!("start `{title}`"))?, title))
    }

    /// Runs a program inside to its end.
    ///
    /// # Errors
    /// As [`Namespace::spawn`], and [`Error::Timeout`] when it takes longer than `limit` (it is ended).
    pub fn output<S: AsRef<str>>(&self, argv: &[S], limit: Duration) -> Result<Finished> {
        self.spawn(argv)?.wait(limit)
    }

    /// Runs lines of `ip` commands, all or none of the rest after one that fails.
    ///
    /// # Errors
    /// [`Error::Command`] with the words of `ip`.
    pub fn ip(&self, lines: &str) -> Result<()> {
        self.feed(&["ip", "-batch", "-"], lines).map(drop)
    }

    /// Runs a short program with `input` on its standard input.
    ///
    /// # Errors
    /// When it cannot be started or does not end with 0.
    pub fn feed(&self, argv: &[&str], input: &str) -> Result<String> {
        let title = argv.join(" ");
        let (argv, input): (Vec<String>, _) =
            (argv.iter().map(ToString::to_string).collect(), input.to_owned());
        let output = self
            .on_agent(move || {
                let mut child = Command::new(&argv[0])
                    .args(&argv[1..])
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()?;
                if let Some(mut pipe) = child.stdin.take() {
                    pipe.write_all(input.as_bytes())?;
                }
                child.wait_with_output()
            })
            .context(|| format!("run `{title}`"))?;
        let finished = Finished::from_output(title, &output);
        finished.success().map(|done| done.stdout)
    }

    /// Sets a kernel setting of this network, by its dotted name.
    ///
    /// # Errors
    /// When there is no such setting.
    pub fn sysctl(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        let (file, text) = (path.clone(), value.to_owned());
        self.run(move || fs::write(file, text)).context(|| format!("write {value} to {path}"))
    }

    /// Makes the programs inside ask `server` for names.
    ///
    /// # Errors
    /// When the file cannot be mounted over.
    pub fn set_resolver(&self, server: Ipv4Addr) -> Result<()> {
        let mine = PathBuf::from("/run/resolv.conf");
        self.write(&mine, &format!("nameserver {server}\noptions timeout:1 attempts:2\n"))?;
        // The file is often a link into /run, where this namespace has nothing of the host's.
        let target = match fs::read_link("/etc/resolv.conf") {
            Ok(link) => Path::new("/etc").join(link),
            Err(_) => PathBuf::from("/etc/resolv.conf"),
        };
        self.run(move || {
            if !target.exists() {
                target.parent().map_or(Ok(()), fs::create_dir_all)?;
                fs::write(&target, "")?;
            }
            mount(Some(&mine), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>)
                .map_err(io::Error::from)
        })
        .context(|| "put a resolv.conf in place".to_owned())
    }

    /// Writes a file as this namespace's mounts have it; its folder is made.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: impl AsRef<Path>, text: &str) -> Result<()> {
        let path = self.outside(path);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, text))
            .context(|| format!("write {}", path.display()))
    }

    /// Runs a short `work` on the agent itself: what it forks has the agent as its parent.
    fn on_agent<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, result) = mpsc::channel();
        let jobs = self.jobs.as_ref().expect("the agent is there until drop");
        // A receiver that is gone cannot be: we wait for it below.
        let job = Box::new(move || drop(answer.send(work())));
        jobs.send(job).expect("the agent is there until drop");
        result.recv().expect("the agent runs every job")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It has nothing left to say: a panic of it was reported by whoever asked for the job.
            drop(thread.join());
        }
    }
}

/// Moves the calling thread into namespaces of its own.
fn enter() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)
        .context(|| "make a network and mount namespace".to_owned())?;
    let none = None::<&str>;
    // Private first: no mount of ours may spread to the host.
    let mounts = [
        (none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE),
        (Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty()),
        (Some("bpf"), "/sys/fs/bpf", Some("bpf"), MsFlags::empty()),
        (Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty()),
    ];
    for (source, target, kind, flags) in mounts {
        mount(source, target, kind, flags, none).context(|| format!("mount {target}"))?;
    }
    Ok(())
}

/// The command that runs `argv` and is killed when the thread that starts it ends.
///
/// `setpriv` asks for the signal; the shell then makes sure that we had not died before it did.
fn dying_with_us<S: AsRef<str>>(argv: &[S]) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "sh", "-c", "[ \"$PPID\" = \"$0\" ] && exec \"$@\""])
        .arg(std::process::id().to_string())
        .args(argv.iter().map(AsRef::as_ref))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}
