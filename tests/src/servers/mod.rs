//! The internet's servers: plain threads over `std::net`, no runtime.
//!
//! Every server keeps a log of what it saw; that is what a test asks, not what the client claims.

mod dns;
mod echo;
pub(crate) mod http;
mod tls;

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;

pub use dns::DnsServer;
pub use echo::{EchoServer, UdpSink};
pub use http::pattern;
pub use tls::{Authority, TlsServer};

use crate::error::{Context as _, Result};
use crate::namespace::Namespace;
use crate::service::{Service, Stop};

/// How often a waiting server looks whether it shall end.
const LOOK: Duration = Duration::from_millis(100);
/// How long a server keeps a connection on which nothing comes.
const IDLE: Duration = Duration::from_secs(30);

/// What a server saw.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// Connections accepted, or datagrams received.
    pub connections: u64,
    /// Requests answered in full.
    pub requests: u64,
    /// Bytes of content sent or echoed.
    pub bytes: u64,
    /// The addresses it was reached from, each with its connections.
    pub peers: BTreeMap<IpAddr, u64>,
    /// Names asked for (DNS question, TLS server name), each with its count.
    pub names: BTreeMap<String, u64>,
}

/// A server's log, shared with its threads.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedLog(Arc<Mutex<Log>>);

impl SharedLog {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn peer(&self, peer: SocketAddr) {
        let mut log = self.lock();
        log.connections += 1;
        *log.peers.entry(peer.ip()).or_default() += 1;
    }
}

/// Accepts connections on `address` and serves each on a thread of its own.
fn listen(
    namespace: &Namespace,
    address: (Ipv4Addr, u16),
    log: &SharedLog,
    serve: impl Fn(Patient, SocketAddr) -> io::Result<()> + Send + Sync + 'static,
) -> Result<Service> {
    let what = || format!("listen on {}:{}", address.0, address.1);
    let listener = namespace.run(move || TcpListener::bind(address)).context(what)?;
    // accept(2) honours the receive time-out: the thread wakes to look at its stop flag.
    let look = TimeVal::new(0, 100_000);
    setsockopt(&listener, sockopt::ReceiveTimeout, &look).context(what)?;
    let log = log.clone();
    let serve = Arc::new(serve);
    Ok(Service::start(namespace, move |stop| {
        while !stop.is_set() {
            let Ok((stream, peer)) = listener.accept() else { continue };
            log.peer(peer);
            let Ok(patient) = Patient::new(stream, stop.clone()) else { continue };
            let serve = Arc::clone(&serve);
            // A peer that goes away in the middle is the client's business, and in its result.
            thread::spawn(move || drop(serve(patient, peer)));
        }
    }))
}

/// A TCP stream whose reads and writes wait for the peer, but neither for ever nor past a stop.
#[derive(Debug)]
pub(crate) struct Patient {
    stream: TcpStream,
    stop: Stop,
}

impl Patient {
    fn new(stream: TcpStream, stop: Stop) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(LOOK))?;
        Ok(Self { stream, stop })
    }

    fn keep_trying(
        &mut self,
        mut once: impl FnMut(&mut TcpStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let deadline = Instant::now() + IDLE;
        loop {
            match once(&mut self.stream) {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
                {
                    if self.stop.is_set() || Instant::now() >= deadline {
                        return Err(ErrorKind::TimedOut.into());
                    }
                }
                other => return other,
            }
        }
    }
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.keep_trying(|stream| stream.read(buffer))
    }
}

impl Write for Patient {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.keep_trying(|stream| stream.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
