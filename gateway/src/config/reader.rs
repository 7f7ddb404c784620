//! From nodes to typed values, collecting every error on the way.
//!
//! A reader function answers `None` after it has said why; its caller goes on with the next key, so that one
//! run shows all mistakes. [`Fields`] makes unknown keys errors: what nobody asked for is not known.

use std::path::{Path, PathBuf};

use super::model::At;
use super::suggest::nearest;
use super::tree::{Key, Kind, Node};
use super::value::Parsed;
use crate::diagnostic::{Diagnostic, Place, Severity, SourceText};

/// More would hide the first; what is left shows on the next run.
const ERRORS_MAX: usize = 100;

/// What reading has found so far.
pub(super) struct Reader<'a> {
    source: &'a SourceText,
    base: &'a Path,
    found: Vec<Diagnostic>,
    left_out: usize,
    left_out_worst: Severity,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a SourceText, base: &'a Path) -> Reader<'a> {
        Reader { source, base, found: Vec::new(), left_out: 0, left_out_worst: Severity::Warning }
    }

    /// Whether anything so far refuses the text.
    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error) || self.left_out_worst == Severity::Error
    }

    /// Everything found.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        if self.left_out > 0 {
            let message = format!("{} more findings are not shown", self.left_out);
            self.found.push(Diagnostic::whole_file(
                self.left_out_worst,
                &self.source.name,
                message,
            ));
        }
        self.found
    }

    pub(super) fn error(&mut self, place: Place, message: impl Into<String>, help: &str) {
        self.add(Severity::Error, place, message.into(), Some(help.to_owned()));
    }

    pub(super) fn warning(&mut self, place: Place, message: impl Into<String>, help: &str) {
        self.add(Severity::Warning, place, message.into(), Some(help.to_owned()));
    }

    fn add(&mut self, severity: Severity, place: Place, message: String, help: Option<String>) {
        if self.found.len() >= ERRORS_MAX {
            self.left_out += 1;
            self.left_out_worst = self.left_out_worst.max(severity);
            return;
        }
        let mut diagnostic = Diagnostic::at(severity, self.source, place, message);
        diagnostic.help = help;
        self.found.push(diagnostic);
    }

    /// The entries of a mapping. `what` names it in messages.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &'n str) -> Option<Fields<'n>> {
        let entries = self.entries(node, what)?;
        Some(Fields { what, place: node.place, entries, asked: Vec::new() })
    }

    /// The entries of a mapping whose keys are the user's own names.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
        let Kind::Map(entries) = &node.kind else {
            let message = format!("{what} wants a mapping, not {}", node.describe());
            self.error(node.place, message, "write `key: value` lines, or {key: value, …}");
            return None;
        };
        self.duplicate_keys(entries);
        Some(entries)
    }

    fn duplicate_keys(&mut self, entries: &[(Key, Node)]) {
        let mut first = std::collections::HashMap::new();
        for (key, _) in entries {
            match first.get(key.text.as_str()) {
                Some(line) => self.error(
                    key.place,
                    format!("`{}` is given twice", key.text),
                    &format!("the first is on line {line}; keep one"),
                ),
                None => {
                    first.insert(key.text.as_str(), key.place.line);
                }
            }
        }
    }

    /// The items of a list.
    pub(super) fn items<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        if let Kind::List(items) = &node.kind {
            return Some(items);
        }
        let help = match &node.kind {
            Kind::Scalar { text, .. } if !node.is_null() => format!("write [{text}]"),
            _ => "write [first, second], or one `- item` a line".to_owned(),
        };
        self.error(node.place, format!("{what} wants a list, not {}", node.describe()), &help);
        None
    }

    /// The items of a list, each read by `item`; items that are wrong have been reported and are left out.
    pub(super) fn list<T>(
        &mut self,
        node: &Node,
        what: &str,
        mut item: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        let items = self.items(node, what).unwrap_or_default();
        items.iter().filter_map(|node| item(self, node)).collect()
    }

    /// One word, quoted or not.
    pub(super) fn word<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n str> {
        match &node.kind {
            Kind::Scalar { text, .. } if !node.is_null() => Some(text),
            _ => {
                let message = format!("{what} wants one value, not {}", node.describe());
                let help = match &node.kind {
                    Kind::Map(_) => "text with a colon at its end, or before a space, needs quotes",
                    _ => "write one value after the colon",
                };
                self.error(node.place, message, help);
                None
            }
        }
    }

    /// One word that `parse` understands.
    pub(super) fn value<T>(
        &mut self,
        node: &Node,
        what: &str,
        parse: impl FnOnce(&str) -> Parsed<T>,
    ) -> Option<At<T>> {
        match parse(self.word(node, what)?) {
            Ok(value) => Some(At::new(value, node.place)),
            Err(complaint) => {
                self.add(Severity::Error, node.place, complaint.message, complaint.help);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        what: &str,
        choices: &[(&str, T)],
    ) -> Option<At<T>> {
        let word = self.word(node, what)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(At::new(*value, node.place));
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let help = match nearest(word, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("write one of: {}", names.join(", ")),
        };
        self.error(node.place, format!("{what} cannot be {}", node.describe()), &help);
        None
    }

    /// `true` or `false`.
    pub(super) fn truth(&mut self, node: &Node, what: &str) -> Option<At<bool>> {
        match &node.kind {
            Kind::Scalar { text, plain: true } if text == "true" => Some(At::new(true, node.place)),
            Kind::Scalar { text, plain: true } if text == "false" => {
                Some(At::new(false, node.place))
            }
            _ => {
                let message = format!("{what} wants true or false, not {}", node.describe());
                self.error(node.place, message, "write true or false, without quotes");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(
        &mut self,
        node: &Node,
        what: &str,
        bounds: std::ops::RangeInclusive<u32>,
    ) -> Option<At<u32>> {
        let help = format!("write a whole number from {} to {}", bounds.start(), bounds.end());
        let number = match &node.kind {
            Kind::Scalar { text, plain: true } if text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse::<u32>().ok()
            }
            _ => None,
        };
        let Some(number) = number.filter(|number| bounds.contains(number)) else {
            self.error(node.place, format!("{what} cannot be {}", node.describe()), &help);
            return None;
        };
        Some(At::new(number, node.place))
    }

    /// A path; a relative one is taken from the folder of the configuration.
    pub(super) fn path(&mut self, node: &Node, what: &str) -> Option<At<PathBuf>> {
        let word = self.word(node, what)?;
        if word.is_empty() || word.contains('\0') {
            self.error(node.place, format!("{what} is no path"), "write the name of a file");
            return None;
        }
        Some(At::new(self.base.join(word), node.place))
    }
}

/// The entries of a mapping with known keys.
pub(super) struct Fields<'n> {
    what: &'n str,
    place: Place,
    entries: &'n [(Key, Node)],
    asked: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The value of a key. A key with nothing after it counts as left out, with a warning.
    pub(super) fn take(&mut self, reader: &mut Reader<'_>, key: &'static str) -> Option<&'n Node> {
        let (found, node) = self.look_up(key)?;
        if node.is_null() {
            let message = format!("`{key}` has no value, as if it were left out");
            reader.warning(found.place, message, "give it a value or remove the key");
            return None;
        }
        Some(node)
    }

    /// Where a key stands, or the mapping if it has no such key.
    pub(super) fn place_of(&self, key: &str) -> Place {
        self.entries.iter().find(|(k, _)| k.text == key).map_or(self.place, |(k, _)| k.place)
    }

    fn look_up(&mut self, key: &'static str) -> Option<&'n (Key, Node)> {
        self.asked.push(key);
        self.entries.iter().find(|(k, _)| k.text == key)
    }

    /// The value of a key that must be there.
    pub(super) fn require(
        &mut self,
        reader: &mut Reader<'_>,
        key: &'static str,
        help: &str,
    ) -> Option<&'n Node> {
        match self.look_up(key) {
            Some((_, node)) if !node.is_null() => return Some(node),
            Some((found, _)) => reader.error(found.place, format!("`{key}` has no value"), help),
            None => reader.error(self.place, format!("{} has no `{key}`", self.what), help),
        }
        None
    }

    /// Reports keys that nobody asked for.
    pub(super) fn finish(self, reader: &mut Reader<'_>) {
        for (key, _) in self.entries {
            if self.asked.contains(&key.text.as_str()) {
                continue;
            }
            let help = match nearest(&key.text, self.asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{} knows: {}", self.what, self.asked.join(", ")),
            };
            let shown: String = key.text.chars().take(60).collect();
            let message = format!("{} has no key `{shown}`", self.what);
            reader.error(key.place, message, &help);
        }
    }
}
