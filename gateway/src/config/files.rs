//! Files and folders on disk, each read once and within bounds.
//!
//! A file is opened, asked what it is, and read through the same handle: what is judged is what was read,
//! whatever happens to the name meanwhile. Nothing here knows what the texts mean.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;

/// A file of policies: a cluster's worth of objects fits.
pub(crate) const POLICY_FILE_MAX: usize = 16 << 20;
/// All policy files of a configuration.
const POLICY_TOTAL_MAX: usize = 256 << 20;
/// Files under one folder.
const FILES_MAX: usize = 10_000;
/// Folders under one folder, read or not worth reading.
const FOLDERS_MAX: usize = 1000;
/// Folders within folders.
const DEPTH_MAX: usize = 8;

/// Why a file or folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A device, pipe or socket, which may never end.
    #[error("is not a regular file")]
    NotAFile,
    /// Longer than a file of its kind may be.
    #[error("has more than {0} bytes")]
    TooLong(usize),
    /// Bytes that are no text.
    #[error("is not UTF-8 text: line {line}, column {column}")]
    NotText {
        /// Line of the first such byte, from 1.
        line: usize,
        /// Its column, from 1.
        column: usize,
    },
    /// A tree of folders that nobody keeps policies in.
    #[error("is more than {0} folders deep, or one of more than {1} folders")]
    TooDeep(usize, usize),
    /// More files than a folder may hold.
    #[error("has more than {0} files")]
    TooMany(usize),
}

/// The text of a file of at most `limit` bytes.
pub(crate) fn read(path: &Path, limit: usize) -> Result<String, ReadError> {
    // A pipe nobody writes to would block the open itself.
    let file = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(ReadError::NotAFile);
    }
    text(file, limit)
}

fn text(file: File, limit: usize) -> Result<String, ReadError> {
    let mut bytes = Vec::new();
    let room = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    file.take(room).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(ReadError::TooLong(limit));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = good.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&good[line_start..]).chars().count() + 1;
        ReadError::NotText { line, column }
    })
}

/// Policy texts, as many as fit.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    pub(crate) sources: Vec<rules::Source>,
    names: HashSet<String>,
    total: usize,
}

impl Reading {
    /// Adds a file, or every policy file of a folder and the folders in it, in the order of their names.
    /// Failures go to `failed` with the path they are about. Answers how many files there are.
    pub(crate) fn add(&mut self, path: &Path, failed: &mut dyn FnMut(&Path, ReadError)) -> usize {
        let mut files = Vec::new();
        if let Err((at, error)) = expand(path, &mut files) {
            failed(&at, error);
        }
        for file in &files {
            let room = POLICY_TOTAL_MAX.saturating_sub(self.total);
            match read(file, POLICY_FILE_MAX.min(room)) {
                Ok(text) => self.push(file.display().to_string(), text),
                Err(error) => failed(file, error),
            }
        }
        files.len()
    }

    /// Adds a text, unless one of its name is there.
    pub(crate) fn push(&mut self, name: String, text: String) {
        if self.names.insert(name.clone()) {
            self.total += text.len();
            self.sources.push(rules::Source { name, text });
        }
    }
}

/// The files a path stands for: itself, or those of a folder that have a policy file's ending.
fn expand(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, ReadError)> {
    let metadata = fs::metadata(path).map_err(|error| (path.to_owned(), error.into()))?;
    if !metadata.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    folder(path, DEPTH_MAX, &mut HashSet::new(), files)
}

fn folder(
    path: &Path,
    depth: usize,
    visited: &mut HashSet<(u64, u64)>,
    files: &mut Vec<PathBuf>,
) -> Result<(), (PathBuf, ReadError)> {
    let failed = |error: io::Error| (path.to_owned(), ReadError::from(error));
    let metadata = fs::metadata(path).map_err(failed)?;
    // A link can lead back to a folder that was read already.
    if !visited.insert((metadata.dev(), metadata.ino())) {
        return Ok(());
    }
    if depth == 0 || visited.len() > FOLDERS_MAX {
        return Err((path.to_owned(), ReadError::TooDeep(DEPTH_MAX, FOLDERS_MAX)));
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
        if entries.len() > FILES_MAX {
            return Err((path.to_owned(), ReadError::TooMany(FILES_MAX)));
        }
    }
    entries.sort();
    for entry in entries {
        // Mounted ConfigMaps keep their versions in folders that begin with dots.
        if entry.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        // A link to nothing is a policy that is not there: reading it says so.
        let is_dir = fs::metadata(&entry).is_ok_and(|metadata| metadata.is_dir());
        if is_dir {
            folder(&entry, depth - 1, visited, files)?;
        } else if has_policy_ending(&entry) {
            files.push(entry);
        }
        if files.len() > FILES_MAX {
            return Err((path.to_owned(), ReadError::TooMany(FILES_MAX)));
        }
    }
    Ok(())
}

fn has_policy_ending(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("yaml" | "yml" | "json"))
}
