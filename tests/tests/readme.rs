//! The README's console blocks: each command is run, and must print what stands below it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A command and what the README shows of its output.
struct Shown {
    line: usize,
    command: String,
    output: String,
}

fn console_blocks(text: &str) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            shown.push(Shown { line: number, command: command.to_owned(), output: String::new() });
        } else if let Some(last) = shown.last_mut().filter(|_| inside) {
            last.output.push_str(line);
            last.output.push('\n');
        }
    }
    shown
}

/// The folder of the program under test: that of `$SLUICE`, or of the build beside this test.
fn programs() -> PathBuf {
    let beside = || {
        let test = std::env::current_exe().expect("a test knows its own path");
        let built = test.ancestors().nth(3).expect("target/PROFILE/deps/TEST").to_owned();
        let profiles = ["release", "debug"].map(|profile| built.join(profile));
        profiles.into_iter().find(|folder| folder.join("sluice").exists()).unwrap_or(built)
    };
    std::env::var_os("SLUICE").map(PathBuf::from).map_or_else(beside, |sluice| {
        sluice.parent().expect("a program stands in a folder").to_owned()
    })
}

#[test]
fn every_command_in_the_readme_prints_what_the_readme_shows() {
    let root =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ stands in the project");
    let text = std::fs::read_to_string(root.join("README.md")).expect("the project has a README");
    let shown = console_blocks(&text);
    assert!(shown.len() >= 3, "the README shows its commands at work");
    let path = std::env::var("PATH").unwrap_or_default();
    for Shown { line, command, output } in shown {
        let ran = Command::new("sh")
            .args(["-c", &command])
            .current_dir(root)
            .env("PATH", format!("{}:{path}", programs().display()))
            .env("NO_COLOR", "1")
            .output()
            .expect("there is a shell");
        let (out, err) =
            (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(out, output, "README.md:{line}: {command}\n{err}");
    }
}
