//! A thread in a namespace that serves until its handle is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use crate::namespace::Namespace;

/// Asks a service to end. Whoever waits for a peer looks at it at least ten times a second.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Whether the service shall end.
    #[must_use]
    pub fn is_set(&self) -> bool {
        // ORDERING: a flag with no data behind it.
        self.0.load(Ordering::Relaxed)
    }

    /// Asks for the end.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A running service; dropping it ends it and waits for its thread.
#[derive(Debug)]
pub struct Service {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Runs `serve` on a thread in `namespace`.
    pub fn start(namespace: &Namespace, serve: impl FnOnce(Stop) + Send + 'static) -> Self {
        let stop = Stop::default();
        let theirs = stop.clone();
        Self { stop, thread: Some(namespace.thread(move || serve(theirs))) }
    }

    /// Asks for its end without waiting for it; dropping waits.
    pub fn ask(&self) {
        self.stop.set();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.set();
        if let Some(thread) = self.thread.take() {
            // A service that panicked has said so on standard error.
            drop(thread.join());
        }
    }
}
