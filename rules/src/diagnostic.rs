//! What is wrong with a text, where, and what would do. Knows no terminal: carets and colours are the caller's.

use std::fmt;

use crate::source::{Origin, Span};

/// Whether a policy can be made of it all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is compiled.
    Error,
    /// Read, but perhaps not what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One finding. Shown as `file:line:column: severity: message`, with the help on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad.
    pub severity: Severity,
    /// The name of the text.
    pub source: String,
    /// The text, as its index in what was given to [`crate::load()`].
    pub source_index: usize,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The bytes it is about.
    pub span: Span,
    /// What is wrong: lower case, one line.
    pub message: String,
    /// What would do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error about something that was read before.
    pub(crate) fn error_at(source: &str, origin: Origin, message: String) -> Self {
        Self {
            severity: Severity::Error,
            source: source.to_owned(),
            source_index: origin.source,
            line: origin.line,
            column: origin.column,
            span: origin.span,
            message,
            help: None,
        }
    }

    /// The same with what would do.
    pub(crate) fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, source, line, column, message, .. } = self;
        write!(f, "{source}:{line}:{column}: {severity}: {message}")?;
        match &self.help {
            Some(help) => write!(f, "\n  help: {help}"),
            None => Ok(()),
        }
    }
}
