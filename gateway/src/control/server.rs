//! The control socket: one JSON object a line in, one a line out.
//!
//! Clients are few and local, but none may hold the gateway up: a request has a size, a connection has a
//! time, and only so many are served at once.

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::stat::{Mode, umask};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The listener's token; clients get the ones above.
pub const LISTENER: Token = Token(0);
/// The first token of a client.
const FIRST_CLIENT: usize = 16;
/// Bytes of a request at most.
const REQUEST_MAX: usize = 64 * 1024;
/// Clients at once.
const CLIENTS_MAX: usize = 32;
/// How long a client may take over its request and our answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// What keeps a control socket from being opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another gateway answers there.
    #[error(
        "{path}: another gateway is running and answers there; stop it, or set another control.socket"
    )]
    Taken {
        /// The socket.
        path: PathBuf,
    },
    /// Something that is no socket has that name, and is not ours to remove.
    #[error(
        "{path}: there is a file of that name which is no socket; set control.socket to another path"
    )]
    NotASocket {
        /// The file.
        path: PathBuf,
    },
    /// The file system says no.
    #[error("{path}: {source}; set control.socket to a path this user may create")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    since: Instant,
}

/// The listening socket and its clients. Dropping it removes the socket's file.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    clients: HashMap<Token, Client>,
    next: usize,
    path: PathBuf,
    /// The socket file's inode, so that only our own is removed.
    ours: Option<u64>,
}

/// The inode behind a path, if there is one.
fn inode(path: &Path) -> Option<u64> {
    std::fs::symlink_metadata(path).ok().map(|found| found.ino())
}

impl Server {
    /// Listens at `path`, for this user alone; a file that a dead gateway left is replaced.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn bind(path: &Path, registry: &Registry) -> Result<Self, SocketError> {
        let io_error = |source| SocketError::Io { path: path.to_owned(), source };
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(SocketError::NotASocket { path: path.to_owned() });
            }
            Ok(_) if std::os::unix::net::UnixStream::connect(path).is_ok() => {
                return Err(SocketError::Taken { path: path.to_owned() });
            }
            Ok(_) | Err(_) => {}
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(io_error)?;
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_error(error)),
            Ok(()) | Err(_) => {}
        }
        // The mode must be right from the first moment, so it cannot be changed afterwards.
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let mut listener = bound.map_err(io_error)?;
        registry.register(&mut listener, LISTENER, Interest::READABLE).map_err(io_error)?;
        let ours = inode(path);
        let (clients, path) = (HashMap::new(), path.to_owned());
        Ok(Self { listener, clients, next: FIRST_CLIENT, path, ours })
    }

    /// Takes new clients.
    pub fn accept(&mut self, registry: &Registry) {
        while let Ok((mut stream, _)) = self.listener.accept() {
            if self.clients.len() >= CLIENTS_MAX {
                continue;
            }
            let token = Token(self.next);
            self.next += 1;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, token, interest).is_ok() {
                let since = Instant::now();
                let client = Client { stream, request: Vec::new(), answer: Vec::new(), since };
                self.clients.insert(token, client);
            }
        }
    }

    /// Goes on with one client as far as it goes without waiting; its request, once it is whole.
    /// The request is answered with [`Server::reply`].
    pub fn serve(&mut self, token: Token) -> Option<Value> {
        let client = self.clients.get_mut(&token)?;
        match client.advance() {
            Ok(Progress::Waiting) => None,
            Ok(Progress::Asked) => match serde_json::from_slice(&client.request) {
                Ok(request) => Some(request),
                Err(error) => {
                    self.reply(token, &json!({ "error": format!("no request: {error}") }));
                    None
                }
            },
            // Who hangs up gets no answer.
            Ok(Progress::Over) | Err(_) => {
                self.clients.remove(&token);
                None
            }
        }
    }

    /// Answers a client.
    pub fn reply(&mut self, token: Token, answer: &Value) {
        let Some(client) = self.clients.get_mut(&token) else { return };
        client.answer = format!("{answer}\n").into_bytes();
        if !matches!(client.write_answer(), Ok(Progress::Waiting)) {
            self.clients.remove(&token);
        }
    }

    /// Lets go of clients that take too long.
    pub fn forget_slow(&mut self) {
        self.clients.retain(|_, client| client.since.elapsed() < PATIENCE);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nobody is hurt by a socket file that stays: the next gateway replaces it.
        if inode(&self.path) == self.ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    /// The socket has no more for now.
    Waiting,
    /// The request is there.
    Asked,
    /// The answer is out.
    Over,
}

impl Client {
    fn advance(&mut self) -> io::Result<Progress> {
        if self.answer.is_empty() { self.read_request() } else { self.write_answer() }
    }

    /// Reads up to the end of a line, or to as many bytes as a request may have.
    fn read_request(&mut self) -> io::Result<Progress> {
        let mut buffer = [0; 4096];
        loop {
            if self.request.contains(&b'\n') || self.request.len() > REQUEST_MAX {
                return Ok(Progress::Asked);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.request.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Waiting);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn write_answer(&mut self) -> io::Result<Progress> {
        while !self.answer.is_empty() {
            match self.stream.write(&self.answer) {
                Ok(count) => drop(self.answer.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Progress::Waiting);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Progress::Over)
    }
}
