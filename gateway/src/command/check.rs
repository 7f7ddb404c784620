//! `sluice check`: reads any supported file and says everything that is wrong with it.

use std::collections::HashSet;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::{Exit, Format};
use crate::config::files::{self, POLICY_FILE_MAX, Reading};
use crate::config::{self, Examined, ReadError};
use crate::diagnostic::{Diagnostic, Report, Severity, Style};
use crate::setup::policy_settings;

/// What `sluice check` is told.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Let warnings fail the check: exit 1
    #[arg(long)]
    pub strict: bool,
    /// How to print findings
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    pub output: Format,
    /// Gateway configurations, policy files, folders of policy files
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

/// Checks all files and writes findings and, as text, one line on each file.
///
/// Exit 0 without errors, 1 for warnings under `--strict`, 2 where a file that was named cannot be read, 3 where
/// one is invalid.
///
/// # Errors
/// What `out` answers.
pub fn run(args: &CheckArgs, out: &mut dyn Write, style: Style) -> io::Result<Exit> {
    let mut check = Check::default();
    for path in &args.files {
        check.read(path);
    }
    check.policies();
    match args.output {
        Format::Text => {
            check.report.render(out, style)?;
            for subject in &check.subjects {
                writeln!(out, "{}: {}", subject.name, subject.verdict())?;
            }
        }
        Format::Json => writeln!(out, "{:#}", check.report.to_json())?,
    }
    Ok(check.exit(args.strict))
}

/// One thing named on the command line.
#[derive(Debug)]
struct Subject {
    name: String,
    /// Its texts among the policies, unless it is a gateway's configuration.
    texts: Range<usize>,
    holds: String,
    errors: usize,
    warnings: usize,
}

impl Subject {
    fn count(&mut self, severity: Severity) {
        match severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
    }

    fn verdict(&self) -> String {
        let warnings = match self.warnings {
            0 => String::new(),
            some => format!(", {}", counted(some, "warning", "warnings")),
        };
        match self.errors {
            0 => format!("ok: {}{warnings}", self.holds),
            some => format!("{}{warnings}", counted(some, "error", "errors")),
        }
    }
}

#[derive(Debug, Default)]
struct Check {
    report: Report,
    /// What was reported, so that a file named twice is not.
    seen: HashSet<(String, usize, String)>,
    subjects: Vec<Subject>,
    /// Policies named on the command line: one set, as policies refer to each other across files.
    policies: Reading,
    /// Errors about files that were named and cannot be opened.
    unreadable: usize,
}

impl Check {
    fn read(&mut self, path: &Path) {
        let name = path.display().to_string();
        let mut subject = Subject {
            name: name.clone(),
            texts: 0..0,
            holds: String::new(),
            errors: 0,
            warnings: 0,
        };
        if path.is_dir() {
            self.folder(&mut subject, path);
        } else {
            match files::read(path, POLICY_FILE_MAX) {
                Ok(text) if config::is_gateway(&text) => self.gateway(&mut subject, path, text),
                Ok(text) => {
                    let start = self.policies.sources.len();
                    self.policies.push(name, text);
                    subject.texts = start..self.policies.sources.len();
                }
                Err(error) => {
                    let opened = matches!(error, ReadError::NotText { .. } | ReadError::TooLong(_));
                    self.unreadable += usize::from(!opened);
                    let found = config::unreadable(&name, &error);
                    self.add(&mut subject, [found]);
                }
            }
        }
        self.subjects.push(subject);
    }

    fn folder(&mut self, subject: &mut Subject, path: &Path) {
        let start = self.policies.sources.len();
        let mut failed = Vec::new();
        let files = self.policies.add(path, &mut |at, error| {
            failed.push(config::unreadable(&at.display().to_string(), &error));
        });
        subject.texts = start..self.policies.sources.len();
        self.unreadable += failed.len();
        if failed.is_empty() && files == 0 {
            let message = "has no policy file";
            failed.push(
                Diagnostic::whole_file(Severity::Warning, &subject.name, message)
                    .with_help("policy files end in .yaml, .yml or .json"),
            );
        }
        self.add(subject, failed);
    }

    fn add(&mut self, subject: &mut Subject, found: impl IntoIterator<Item = Diagnostic>) {
        for diagnostic in found {
            subject.count(diagnostic.severity);
            let key =
                (diagnostic.file.to_string(), diagnostic.place.start, diagnostic.message.clone());
            if self.seen.insert(key) {
                self.report.push(diagnostic);
            }
        }
    }

    /// A gateway's configuration together with the policies it names.
    fn gateway(&mut self, subject: &mut Subject, path: &Path, text: String) {
        let base = config::base_of(path);
        let Examined { config, policy_sources, mut found } =
            config::examine(&subject.name, text, base);
        let Some(config) = config else {
            self.add(subject, found);
            return;
        };
        let refused = config::unbuilt(&config).into_iter().map(|mut diagnostic| {
            diagnostic.severity = Severity::Warning;
            diagnostic.message.push_str("; `run` refuses it");
            diagnostic
        });
        found.extend(refused);
        found.sort();
        self.add(subject, found);
        let (found, objects) = compile(&policy_sources, &policy_settings(&config));
        self.add(subject, found);
        let interfaces = config.interfaces.all().count();
        subject.holds = format!(
            "{}, {}",
            counted(interfaces, "interface", "interfaces"),
            holds(&objects, &(0..policy_sources.len()))
        );
    }

    /// The policies named on the command line.
    fn policies(&mut self) {
        let sources = std::mem::take(&mut self.policies.sources);
        if sources.is_empty() {
            return;
        }
        let settings = rules::Settings { unmatched: rules::Unmatched::Deny, inside: Vec::new() };
        let (found, objects) = compile(&sources, &settings);
        for subject in &mut self.subjects {
            let names: HashSet<&str> =
                sources[subject.texts.clone()].iter().map(|source| &*source.name).collect();
            for diagnostic in found.iter().filter(|found| names.contains(&*found.file)) {
                subject.count(diagnostic.severity);
            }
            if !subject.texts.is_empty() {
                subject.holds = holds(&objects, &subject.texts);
            }
        }
        self.report.extend(found.into_iter().filter(|found| {
            let key = (found.file.to_string(), found.place.start, found.message.clone());
            self.seen.insert(key)
        }));
    }

    fn exit(&self, strict: bool) -> Exit {
        match self.report.count(Severity::Error) {
            errors if errors > self.unreadable => Exit::Config,
            0 if strict && !self.report.is_empty() => Exit::No,
            0 => Exit::Ok,
            _ => Exit::Usage,
        }
    }
}

/// Everything wrong with policies, and what they hold.
fn compile(
    sources: &[rules::Source],
    settings: &rules::Settings,
) -> (Vec<Diagnostic>, rules::Objects) {
    let loaded = rules::load(sources);
    let mut found = loaded.diagnostics;
    // What could not be read cannot be compiled, and has been said.
    if !found.iter().any(|found| found.severity == rules::Severity::Error)
        && let Err(errors) = rules::compile(&loaded.objects, settings)
    {
        found.extend(errors);
    }
    let found = found.iter().map(|found| Diagnostic::of_policy(found, sources)).collect();
    (found, loaded.objects)
}

/// How many policies, pods and namespaces some of the texts hold.
fn holds(objects: &rules::Objects, texts: &Range<usize>) -> String {
    let policies = objects.policies.iter().filter(|it| texts.contains(&it.origin.source)).count();
    let pods = objects.pods.iter().filter(|it| texts.contains(&it.origin.source)).count();
    format!("{}, {}", counted(policies, "policy", "policies"), counted(pods, "pod", "pods"))
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests;
