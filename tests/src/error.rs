//! What can go wrong while a rig is built or used. Every message says what was tried.

use std::time::Duration;
use std::{fmt, io};

/// The kit's result.
pub type Result<T> = std::result::Result<T, Error>;

/// A rig that could not be built, or an answer that did not come.
#[derive(thiserror::Error)]
pub enum Error {
    /// A system call or file operation failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with another exit status than wanted.
    #[error("`{command}` ended with {status}: {output}")]
    Command {
        /// The program and its arguments.
        command: String,
        /// Its exit status.
        status: String,
        /// What it wrote, standard error last.
        output: String,
    },
    /// Nothing happened within the time given.
    #[error("{what} took longer than {limit:?}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// A peer answered something else than expected.
    #[error("{what}: {answer}")]
    Answer {
        /// Who was asked for what.
        what: String,
        /// What came.
        answer: String,
    },
    /// The certificates of a rig could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A TLS configuration was refused.
    #[error("tls: {0}")]
    Tls(#[from] rustls::Error),
}

/// As [`Display`](fmt::Display): a test that returns an error has it printed by this.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Error {
    /// An [`Error::Answer`].
    #[must_use]
    pub fn answer(what: impl Into<String>, answer: impl ToString) -> Self {
        Self::Answer { what: what.into(), answer: answer.to_string().trim().to_owned() }
    }
}

/// Adds to a system error what was tried.
pub trait Context<T> {
    /// Turns the error into an [`Error::Io`] that starts with `what`.
    ///
    /// # Errors
    /// The error it was called on, with `what`.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::Io { what: what(), source: error.into() })
    }
}
