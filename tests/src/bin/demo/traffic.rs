//! The pods' clients at work: every conversation is a thread that tries again and again and counts.
//! They are judged by the phase an attempt began and ended in; what straddles a rule change, or the
//! end, is no evidence for either side.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use kit::clients::{Flood, Session, resolve};
use kit::layout::DNS;
use kit::{Service, Stop};
use rustls::ClientConfig;

use crate::cast::{How, ROLES, Role};
use crate::stage::Stage;

/// An allowed attempt may take this long: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(5);
/// On a kept connection less: how long a rule change may leave its client waiting.
const PATIENCE_KEPT: Duration = Duration::from_secs(3);
/// A denied one is given up after this: nothing will come.
const GIVE_UP: Duration = Duration::from_millis(400);
/// A question is asked again after this, as resolvers do.
const ASK_AGAIN: Duration = Duration::from_millis(1500);
const PACE: Duration = Duration::from_millis(60);

/// What policy says of a conversation at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Allowed,
    /// A reload is under way: either verdict is right.
    Changing,
    Denied,
}

/// How a conversation's attempts ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Allowed attempts that did all their work.
    pub(crate) done: u64,
    /// Bytes of content received and compared in them.
    pub(crate) bytes: u64,
    /// Allowed attempts that failed.
    pub(crate) failed: u64,
    /// Denied attempts that failed, as they must. For a flood: packets sent.
    pub(crate) refused: u64,
    /// Denied attempts that got through.
    pub(crate) leaked: u64,
    /// Why the last wrong one failed.
    pub(crate) trouble: String,
}

/// One conversation at work.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) role: Role,
    state: Mutex<(Phase, Counts)>,
}

impl Conversation {
    fn new(role: Role) -> Self {
        let phase = if role.allowed { Phase::Allowed } else { Phase::Denied };
        Self { role, state: Mutex::new((phase, Counts::default())) }
    }

    fn state(&self) -> MutexGuard<'_, (Phase, Counts)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn phase(&self) -> Phase {
        self.state().0
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.state().0 = phase;
    }

    pub(crate) fn counts(&self) -> Counts {
        self.state().1.clone()
    }

    /// Counts an attempt that began in phase `began` and moved so many bytes.
    fn count(&self, began: Phase, outcome: io::Result<usize>) {
        let (phase, counts) = &mut *self.state();
        match (began, outcome) {
            _ if began != *phase => {}
            (Phase::Changing, _) => {}
            (Phase::Allowed, Ok(bytes)) => {
                counts.done += 1;
                counts.bytes += bytes as u64;
            }
            (Phase::Allowed, Err(error)) => {
                counts.failed += 1;
                counts.trouble = error.to_string();
            }
            (Phase::Denied, Ok(_)) => counts.leaked += 1,
            (Phase::Denied, Err(_)) => counts.refused += 1,
        }
    }
}

/// All conversations of the demo; dropping it ends them and waits for their threads.
#[derive(Debug)]
pub(crate) struct Traffic {
    pub(crate) conversations: Vec<Arc<Conversation>>,
    services: Vec<Service>,
}

impl Traffic {
    /// Starts every conversation but the flood.
    pub(crate) fn start(stage: &Stage) -> Self {
        let conversations: Vec<_> =
            ROLES.iter().map(|role| Arc::new(Conversation::new(*role))).collect();
        let names = |pod| {
            let asks = |c: &&Arc<Conversation>| c.role.pod == pod && c.role.how == How::Dns;
            conversations.iter().find(asks).map(Arc::clone)
        };
        let mut services = Vec::new();
        for conversation in &conversations {
            let Some(names) = names(conversation.role.pod) else { continue };
            let client = Client {
                conversation: Arc::clone(conversation),
                names,
                trust: Arc::clone(&stage.trust),
            };
            let inside = &stage.world.pods[conversation.role.pod].inside;
            match conversation.role.how {
                How::Fetch(bytes) => {
                    services.push(Service::start(inside, move |stop| client.fetch(bytes, &stop)));
                }
                How::Stream(bytes) => {
                    services.push(Service::start(inside, move |stop| client.stream(bytes, &stop)));
                }
                How::Dns | How::Flood => {}
            }
        }
        Self { conversations, services }
    }

    /// Ends every conversation; attempts under way are no evidence.
    pub(crate) fn stop(&mut self) {
        for conversation in &self.conversations {
            conversation.set_phase(Phase::Changing);
        }
        // All are asked first, so that the slowest is waited for, not their sum.
        self.services.iter().for_each(Service::ask);
        self.services.clear();
    }

    /// Starts a flood unless one is on.
    pub(crate) fn flood(&mut self, stage: &Stage, flood: Flood) {
        let Some(conversation) = self.conversations.iter().find(|c| c.role.how == How::Flood)
        else {
            return;
        };
        let conversation = Arc::clone(conversation);
        let inside = &stage.world.pods[conversation.role.pod].inside;
        self.services.push(Service::start(inside, move |_| {
            let sent = flood.send();
            let (_, counts) = &mut *conversation.state();
            match sent {
                Ok(sent) => counts.refused += sent,
                Err(error) => counts.trouble = error.to_string(),
            }
        }));
    }
}

/// What a client thread has at hand.
struct Client {
    conversation: Arc<Conversation>,
    names: Arc<Conversation>,
    trust: Arc<ClientConfig>,
}

impl Client {
    /// Name, connection, handshake, bytes, end; again until the stop.
    fn fetch(&self, bytes: usize, stop: &Stop) {
        while !stop.is_set() {
            if let Some(address) = self.look_up() {
                let began = self.conversation.phase();
                let outcome = self.open(began, address).and_then(|mut session| {
                    session.get_bytes(bytes)?;
                    Ok(bytes)
                });
                self.conversation.count(began, outcome);
            }
            thread::sleep(PACE);
        }
    }

    /// The same over a connection that is kept while it works.
    fn stream(&self, bytes: usize, stop: &Stop) {
        let mut kept: Option<Session> = None;
        while !stop.is_set() {
            let began = self.conversation.phase();
            let session = match kept.take() {
                Some(session) => Ok(session),
                None => match self.look_up() {
                    Some(address) => self.open(began, address),
                    None => continue,
                },
            };
            let outcome = session.and_then(|mut session| {
                session.get_bytes(bytes)?;
                kept = Some(session);
                Ok(bytes)
            });
            self.conversation.count(began, outcome);
            thread::sleep(PACE);
        }
    }

    fn open(&self, began: Phase, address: Ipv4Addr) -> io::Result<Session> {
        let Role { name, to: (_, port), .. } = self.conversation.role;
        let limit = match (began, self.conversation.role.how) {
            (Phase::Denied, _) => GIVE_UP,
            (_, How::Stream(_)) => PATIENCE_KEPT,
            _ => PATIENCE,
        };
        Session::open(&self.trust, name, (address, port), limit)
    }

    /// Asks for the name, three times at most; counts for the pod's DNS conversation.
    fn look_up(&self) -> Option<Ipv4Addr> {
        let began = self.names.phase();
        let answer = (0..3)
            .map(|_| resolve(DNS, self.conversation.role.name, ASK_AGAIN))
            .find_map(|answer| answer.ok()?.first().copied());
        self.names.count(began, answer.map(|_| 0).ok_or_else(|| io::ErrorKind::TimedOut.into()));
        answer
    }
}
