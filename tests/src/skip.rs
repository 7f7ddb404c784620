//! Rig tests need root and programs that may be absent: such a test passes, and says why it did
//! nothing in a line that `scripts/test` counts.

use std::io::{self, Write as _};
use std::path::PathBuf;

/// Why a test cannot run here, if it cannot.
#[must_use]
pub fn reason(programs: &[&str]) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    programs
        .iter()
        .find(|program| find(program).is_none())
        .map(|program| format!("needs {program}"))
}

/// Whether `test` must be skipped: not root, or one of `programs` is not installed. Then says so.
#[must_use]
pub fn skipped(test: &str, programs: &[&str]) -> bool {
    let Some(reason) = reason(programs) else { return false };
    // Straight to the stream: libtest keeps what a passing test prints by `println!`. It may have
    // begun a line of its own, hence the line break first. A closed stream has no reader to tell.
    drop(writeln!(io::stdout(), "\nskipped: {test}: {reason}"));
    true
}

/// Where `program` is, as a shell with the system folders in its path would find it.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}
