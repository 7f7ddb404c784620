//! Asking a running gateway over its control socket.

use crate::command::Exit;
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an answer may take: a reload waits for every worker.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens there.
    #[error(
        "no gateway answers at {path}: {source}; start one with `sluice run`, or name its socket with --socket"
    )]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The socket may not be opened.
    #[error(
        "{path}: permission denied; the control socket belongs to the user who runs the gateway"
    )]
    Permission {
        /// The socket.
        path: PathBuf,
    },
    /// The gateway did not answer in time, or not in full.
    #[error("the gateway at {path} does not answer: {source}")]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The gateway, or the configuration asked, says no.
    #[error("{0}")]
    Refused(String),
}

impl ClientError {
    /// How a command ends that met this.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        match self {
            Self::NotRunning { .. } | Self::Broken { .. } => Exit::NotRunning,
            Self::Permission { .. } => Exit::Permission,
            Self::Refused(_) => Exit::Usage,
        }
    }
}

/// Sends one request and returns the answer.
///
/// # Errors
/// Why there is none; [`ClientError::Refused`] if the answer is an error.
pub fn ask(socket: &Path, request: &Value) -> Result<Value, ClientError> {
    let path = || socket.to_owned();
    let broken = |source| ClientError::Broken { path: path(), source };
    let mut stream = UnixStream::connect(socket).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => ClientError::Permission { path: path() },
        _ => ClientError::NotRunning { path: path(), source },
    })?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(broken)?;
    writeln!(stream, "{request}").map_err(broken)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).map_err(broken)?;
    let answer: Value =
        serde_json::from_str(&line).map_err(|error| broken(io::Error::other(error)))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(ClientError::Refused(error.to_owned())),
        None => Ok(answer),
    }
}
