//! The configuration file: from text to a [`Config`] that is checked, or to everything that is wrong with it.
//!
//! 1. `files` reads the text, once, within bounds;
//! 2. `tree` makes nodes of it that know their places;
//! 3. `read` makes typed values of the nodes, `value` the words with a shape of their own;
//! 4. `validate` says what keys mean together;
//! 5. `unbuilt` names what this version does not do.
//!
//! The policies a configuration names are read here and compiled elsewhere.

pub(crate) mod files;
mod model;
mod read;
mod reader;
mod suggest;
mod tree;
mod unbuilt;
mod validate;
mod validate_static;
mod value;

use std::path::Path;
use std::sync::Arc;

pub use files::ReadError;
pub use model::{
    At, Azure, Bind, Config, DenyAction, Enforce, Filtering, Identity, Interface, Interfaces,
    Limits, Mapping, MssClamp, Names, Network, NetworkMode, NsgAttachment, NsgTarget, OnFailure,
    Pool, PrivateAnswer, Sees, Snat, StaticInterface, StaticNeighbor, StaticRoute, StaticTables,
    Timeouts, Unmatched,
};
pub use read::CONTROL_SOCKET;
pub use tree::TEXT_MAX;
pub use unbuilt::{unbuilt, unexplained};
pub use value::{AddressRange, Device, Mac, PortRange};

use crate::diagnostic::{Diagnostic, Place, Report, Severity, SourceText};
use files::Reading;
use reader::Reader;

/// A configuration with the policy texts it names.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Its policies, folders expanded, in the order of the file and of names.
    pub policy_sources: Vec<rules::Source>,
    /// What is probably not meant, and what has no effect.
    pub warnings: Report,
}

/// Reads the configuration at `path` and the policies it names.
///
/// # Errors
/// Everything that is wrong with it, if anything is; warnings are among it.
pub fn load(path: &Path) -> Result<Loaded, Report> {
    let name = path.display().to_string();
    let text = read_text(path, &name)?;
    load_text(&name, text, base_of(path))
}

/// Reads a configuration from a text that is called `name`; relative paths in it start from `base`.
///
/// # Errors
/// As [`load`].
pub fn load_text(name: &str, text: impl Into<String>, base: &Path) -> Result<Loaded, Report> {
    let Examined { config, policy_sources, found } = examine(name, text.into(), base);
    match config {
        Some(config) if !found.has_errors() => {
            Ok(Loaded { config, policy_sources, warnings: found })
        }
        _ => Err(found),
    }
}

/// What could be made of a text, errors or not: for `check`, which goes on with what there is.
#[derive(Debug)]
pub(crate) struct Examined {
    /// The configuration, with defaults where its text is wrong; `None` if the text is not even YAML.
    pub(crate) config: Option<Config>,
    /// The policies that could be read.
    pub(crate) policy_sources: Vec<rules::Source>,
    /// Everything found.
    pub(crate) found: Report,
}

/// As [`load_text`], whatever is wrong.
pub(crate) fn examine(name: &str, text: String, base: &Path) -> Examined {
    let source = SourceText::new(name, text);
    let mut found = Report::new();
    let config = parse(&source, base, &mut found);
    let policy_sources =
        config.as_ref().map(|config| read_policies(config, &mut found)).unwrap_or_default();
    found.sort();
    Examined { config, policy_sources, found }
}

/// The text at `path`, as a report if there is none.
fn read_text(path: &Path, name: &str) -> Result<String, Report> {
    files::read(path, TEXT_MAX).map_err(|error| {
        let mut report = Report::new();
        report.push(unreadable(name, &error));
        report
    })
}

/// The folder that relative paths start from.
pub(crate) fn base_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// A file that cannot be read, at the line where it stops being text if that is why.
pub(crate) fn unreadable(name: &str, error: &ReadError) -> Diagnostic {
    let mut found = Diagnostic::whole_file(Severity::Error, name, error.to_string());
    if let ReadError::NotText { line, column } = error {
        let (line, column) = (crate::diagnostic::clamp(*line), crate::diagnostic::clamp(*column));
        found.place = Place { line, column, ..Place::default() };
        found.message = "is not UTF-8 text from here on".to_owned();
    }
    found
}

/// The configuration alone; `None` where there are no nodes to read.
fn parse(source: &Arc<SourceText>, base: &Path, found: &mut Report) -> Option<Config> {
    let root = match tree::parse(source) {
        Ok(root) => root,
        Err(diagnostic) => {
            found.push(diagnostic);
            return None;
        }
    };
    let mut reader = Reader::new(source, base);
    let config = read::config(&mut reader, source, &root);
    let complete = !reader.has_errors();
    validate::check(&config, &mut reader, complete);
    found.extend(reader.finish());
    found.extend(unbuilt::without_effect(&config));
    Some(config)
}

fn read_policies(config: &Config, found: &mut Report) -> Vec<rules::Source> {
    let mut reading = Reading::default();
    for path in &config.policies {
        let mut any_failed = false;
        let files = reading.add(path, &mut |at, error| {
            any_failed = true;
            let message = format!("policy {} {error}", at.display());
            let help = "paths start from the configuration's own folder";
            found.push(
                Diagnostic::at(Severity::Error, &config.source, path.place, message)
                    .with_help(help),
            );
        });
        if files == 0 && !any_failed {
            let message = format!("{} has no policy file", path.display());
            let help = "policy files end in .yaml, .yml or .json";
            found.push(
                Diagnostic::at(Severity::Warning, &config.source, path.place, message)
                    .with_help(help),
            );
        }
    }
    reading.sources
}

/// Whether a text is a gateway's configuration, going by its top-level keys, rather than policy.
pub(crate) fn is_gateway(text: &str) -> bool {
    const KEYS: [&str; 4] = ["interfaces", "snat", "policies", "unmatched"];
    match tree::parse(&SourceText::new("", text.to_owned())) {
        Ok(root) => {
            !root.has_key("apiVersion")
                && !root.has_key("kind")
                && KEYS.iter().any(|key| root.has_key(key))
        }
        // Broken text is told by its lines.
        Err(_) => text.lines().take(10_000).any(|line| {
            KEYS.iter().any(|key| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
        }),
    }
}

#[cfg(test)]
mod tests;
