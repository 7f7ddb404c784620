//! What is wrong with a text, where, and what would do: the one form every command reports in.
//!
//! A diagnostic carries the line it is about, cut to a bounded excerpt, so that it can be rendered long after
//! the text is gone. The first line of the text form is `file:line:column: severity: message`, which editors
//! and CI systems can jump to. Nothing here knows what the texts mean.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

/// Characters of a source line shown on either side of the place, at most.
const EXCERPT: usize = 96;

/// A text with the name it is reported under.
#[derive(Debug)]
pub struct SourceText {
    /// The name as the user wrote it, usually a path.
    pub name: Arc<str>,
    /// The whole text.
    pub text: String,
}

impl SourceText {
    /// A text under a name.
    #[must_use]
    pub fn new(name: &str, text: String) -> Arc<SourceText> {
        Arc::new(SourceText { name: Arc::from(name), text })
    }
}

/// A stretch of a text. Line 0 stands for "the file as a whole".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Place {
    /// Whether this names a position, not merely a file.
    #[must_use]
    pub fn is_known(self) -> bool {
        self.line > 0
    }
}

/// Texts are bounded far below 2^32 lines; the clamp only saves a panic on a promise broken elsewhere.
pub(crate) fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Probably not what was meant; nothing is refused because of it.
    Warning,
    /// The text is refused as a whole.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// The part of a source line that is shown under a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Excerpt {
    /// The characters, with controls and tabs made harmless: one column each.
    line: String,
    /// Columns before the mark.
    indent: usize,
    /// Columns the mark covers, at least one.
    width: usize,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, as the user named it.
    pub file: Arc<str>,
    /// Where in the file.
    pub place: Place,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What would do.
    pub help: Option<String>,
    // Boxed: findings are error values, and those should be small.
    excerpt: Option<Box<Excerpt>>,
}

impl Diagnostic {
    /// A finding about a place in a text.
    #[must_use]
    pub fn at(
        severity: Severity,
        source: &SourceText,
        place: Place,
        message: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity,
            file: Arc::clone(&source.name),
            place,
            message: message.into(),
            help: None,
            excerpt: Excerpt::cut(&source.text, place),
        }
    }

    /// A finding of the policy crate, whose texts are `sources`.
    #[must_use]
    pub fn of_policy(found: &rules::Diagnostic, sources: &[rules::Source]) -> Diagnostic {
        let place = Place {
            line: found.line,
            column: found.column,
            start: found.span.offset,
            end: found.span.offset.saturating_add(found.span.len),
        };
        let text = sources.get(found.source_index).map_or("", |source| source.text.as_str());
        Diagnostic {
            severity: match found.severity {
                rules::Severity::Warning => Severity::Warning,
                rules::Severity::Error => Severity::Error,
            },
            file: Arc::from(found.source.as_str()),
            place,
            message: found.message.clone(),
            help: found.help.clone(),
            excerpt: Excerpt::cut(text, place),
        }
    }

    /// A finding about a file as a whole, one that cannot be read for example.
    #[must_use]
    pub fn whole_file(severity: Severity, file: &str, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity,
            file: Arc::from(file),
            place: Place::default(),
            message: message.into(),
            help: None,
            excerpt: None,
        }
    }

    /// The same with what would do.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Line, from 1; 0 where the whole file is meant.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.place.line
    }

    /// Column in characters, from 1; 0 where the whole file is meant.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.place.column
    }

    /// Whether the text is refused because of it.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    fn render(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        let (head, bold, help, off) = style.codes(self.severity);
        let file = Harmless(&self.file);
        if self.place.is_known() {
            write!(out, "{bold}{file}:{}:{}{off}: ", self.line(), self.column())?;
        } else {
            write!(out, "{bold}{file}{off}: ")?;
        }
        writeln!(out, "{head}{}{off}: {bold}{}{off}", self.severity, Harmless(&self.message))?;
        let number = self.line().to_string();
        let margin = number.len();
        if let Some(excerpt) = &self.excerpt {
            writeln!(out, "{:margin$} |", "")?;
            writeln!(out, "{number} | {}", excerpt.line)?;
            let mark = "^".repeat(excerpt.width);
            writeln!(out, "{:margin$} | {:2$}{head}{mark}{off}", "", "", excerpt.indent)?;
        }
        if let Some(text) = &self.help {
            writeln!(out, "{:margin$} = {help}help{off}: {}", "", Harmless(text))?;
        }
        Ok(())
    }

    fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "file": &*self.file,
            "line": self.line(),
            "column": self.column(),
            "severity": self.severity.to_string(),
            "message": self.message,
            "help": self.help,
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Harmless(&self.file))?;
        if self.place.is_known() {
            write!(f, ":{}:{}", self.line(), self.column())?;
        }
        write!(f, ": {}: {}", self.severity, Harmless(&self.message))
    }
}

impl Excerpt {
    /// Cuts out what is shown of the line `place` starts on. Work and result are bounded however long it is.
    fn cut(text: &str, place: Place) -> Option<Box<Excerpt>> {
        if !place.is_known() {
            return None;
        }
        let start = text.floor_char_boundary(place.start);
        let end = text.floor_char_boundary(place.end).max(start);
        let before: Vec<char> =
            text[..start].chars().rev().take_while(|c| *c != '\n').take(EXCERPT).collect();
        let after: String =
            text[start..].chars().take_while(|c| *c != '\n').take(EXCERPT).collect();
        let after = after.trim_end();
        let marked = text[start..end].chars().take_while(|c| *c != '\n').take(EXCERPT).count();
        let line = before.iter().rev().copied().chain(after.chars()).map(harmless).collect();
        Some(Box::new(Excerpt {
            line,
            indent: before.len(),
            width: marked.min(after.chars().count().max(1)).max(1),
        }))
    }
}

/// A terminal acts on control characters, and texts come from anyone: none is passed on.
fn harmless(c: char) -> char {
    match c {
        '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// Text with every character that a terminal would act on replaced.
struct Harmless<'a>(&'a str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use std::fmt::Write as _;
        self.0.chars().try_for_each(|c| f.write_char(harmless(c)))
    }
}

/// How diagnostics look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Bytes as they are.
    Plain,
    /// ANSI colours.
    Colour,
}

impl Style {
    /// Colours where `stream` is a terminal and `NO_COLOR` is not set.
    #[must_use]
    pub fn for_stream(stream: &impl IsTerminal) -> Style {
        let asked_not_to = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stream.is_terminal() && !asked_not_to { Style::Colour } else { Style::Plain }
    }

    /// Escape sequences: of the severity, of the headline, of the word help, and the one that ends them.
    fn codes(self, severity: Severity) -> (&'static str, &'static str, &'static str, &'static str) {
        match (self, severity) {
            (Style::Plain, _) => ("", "", "", ""),
            (Style::Colour, Severity::Error) => ("\x1b[1;31m", "\x1b[1m", "\x1b[36m", "\x1b[0m"),
            (Style::Colour, Severity::Warning) => ("\x1b[1;33m", "\x1b[1m", "\x1b[36m", "\x1b[0m"),
        }
    }
}

/// Findings in the order they are to be shown.
#[derive(Clone, Debug, Default)]
pub struct Report {
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Nothing found.
    #[must_use]
    pub fn new() -> Report {
        Report::default()
    }

    /// Adds a finding.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Puts findings of one file in the order of its text, those about the whole file last.
    pub fn sort(&mut self) {
        self.diagnostics.sort_by_key(|found| (!found.place.is_known(), found.place.start));
    }

    /// All findings.
    #[must_use]
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.diagnostics.is_empty()
    }

    /// Whether anything found refuses its text.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// How many findings have this severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == severity).count()
    }

    /// Writes all findings for people.
    ///
    /// # Errors
    /// What `out` answers.
    pub fn render(&self, out: &mut dyn Write, style: Style) -> io::Result<()> {
        self.diagnostics.iter().try_for_each(|diagnostic| diagnostic.render(out, style))
    }

    /// All findings as text without colours.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = Vec::new();
        // Writing to memory cannot fail.
        let _ = self.render(&mut text, Style::Plain);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// All findings for programs: an array of objects.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        self.diagnostics.iter().map(Diagnostic::to_json).collect()
    }
}

impl Extend<Diagnostic> for Report {
    fn extend<I: IntoIterator<Item = Diagnostic>>(&mut self, diagnostics: I) {
        self.diagnostics.extend(diagnostics);
    }
}

impl IntoIterator for Report {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.diagnostics.into_iter()
    }
}

#[cfg(test)]
mod tests;
