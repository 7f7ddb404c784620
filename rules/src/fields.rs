//! Reading values out of a tree: every complaint is kept with its place, and reading goes on.

use flowtable::key::Addr;

use crate::diagnostic::{Diagnostic, Severity};
use crate::objects::{Labels, Origin};
use crate::source::{LineIndex, Source, Span};
use crate::suggest::nearest;
use crate::yaml::{Node, Value, shown};

/// How many findings of one text are kept.
const FINDINGS: usize = 500;

/// One text being read, and what was found wrong with it.
#[derive(Debug)]
pub(crate) struct Reader<'t> {
    name: &'t str,
    index: usize,
    lines: LineIndex<'t>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    errors: usize,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(source: &'t Source, index: usize) -> Self {
        let lines = LineIndex::new(&source.text);
        Self { name: &source.name, index, lines, diagnostics: Vec::new(), errors: 0 }
    }

    /// How many errors there were, those not kept among them.
    pub(crate) const fn errors(&self) -> usize {
        self.errors
    }

    pub(crate) fn origin(&self, span: Span) -> Origin {
        let (line, column) = self.lines.position(span.offset);
        Origin { source: self.index, line, column, span }
    }

    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) {
        self.errors += 1;
        self.keep(Severity::Error, span, message.into(), None);
    }

    pub(crate) fn error_with_help(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors += 1;
        self.keep(Severity::Error, span, message.into(), Some(help.into()));
    }

    pub(crate) fn warning(&mut self, span: Span, message: impl Into<String>, help: &str) {
        self.keep(Severity::Warning, span, message.into(), Some(help.to_owned()));
    }

    fn keep(&mut self, severity: Severity, span: Span, message: String, help: Option<String>) {
        let (message, help) = match self.diagnostics.len() {
            kept if kept < FINDINGS => (message, help),
            FINDINGS => (format!("more than {FINDINGS} findings; the rest is not shown"), None),
            _ => return,
        };
        let Origin { line, column, .. } = self.origin(span);
        self.diagnostics.push(Diagnostic {
            severity,
            source: self.name.to_owned(),
            source_index: self.index,
            line,
            column,
            span,
            message,
            help,
        });
    }

    /// Complains unless the node is a map that holds only known keys.
    pub(crate) fn known_keys(&mut self, node: &Node<'_>, what: &str, known: &[&str]) {
        let Value::Map(entries) = &node.value else {
            self.expected(node, what, "a map");
            return;
        };
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&&*key.name)) {
            let message = format!("{what} has no field `{}`", shown(&key.name));
            match nearest(&key.name, known) {
                Some(near) => {
                    self.error_with_help(key.span, message, format!("did you mean `{near}`?"))
                }
                None => {
                    let help = format!("its fields are {}", known.join(", "));
                    self.error_with_help(key.span, message, help);
                }
            }
        }
    }

    pub(crate) fn expected(&mut self, node: &Node<'_>, what: &str, wanted: &str) {
        let found = match &node.value {
            Value::Null => "nothing".to_owned(),
            Value::Plain(text) | Value::Quoted(text) => format!("`{}`", shown(text)),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        };
        self.error(node.span, format!("{what} must be {wanted}, not {found}"));
    }

    /// The elements of a list; nothing and null are an empty one, as the API reads them.
    pub(crate) fn list<'n>(&mut self, node: Option<&'n Node<'t>>, what: &str) -> &'n [Node<'t>] {
        match node.map(|node| (&node.value, node)) {
            None | Some((Value::Null, _)) => &[],
            Some((Value::List(items), _)) => items,
            Some((_, node)) => {
                self.expected(node, what, "a list");
                &[]
            }
        }
    }

    /// A string. A bare number or truth value is none: the API refuses it, and what it would become is a guess.
    pub(crate) fn string(&mut self, node: &Node<'_>, what: &str) -> Option<String> {
        match &node.value {
            Value::Quoted(text) => Some(text.clone().into_owned()),
            Value::Plain(text) if looks_like_string(text) => Some(text.clone().into_owned()),
            Value::Plain(text) => {
                let message = format!("{what} must be a string, not `{}`", shown(text));
                self.error_with_help(
                    node.span,
                    message,
                    format!("write \"{}\" in quotes", shown(text)),
                );
                None
            }
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.expected(node, what, "a string");
                None
            }
        }
    }

    /// A map of strings, such as labels; a null value is the empty string, as the API reads it.
    pub(crate) fn labels(&mut self, node: Option<&Node<'_>>, what: &str) -> Labels {
        let entries = match node.map(|node| (&node.value, node)) {
            None | Some((Value::Null, _)) => return Labels::new(),
            Some((Value::Map(entries), _)) => entries,
            Some((_, node)) => {
                self.expected(node, what, "a map of strings");
                return Labels::new();
            }
        };
        let mut labels = Labels::new();
        for (key, value) in entries {
            let value = match value.value {
                Value::Null => Some(String::new()),
                _ => self.string(value, &format!("{what}.{}", shown(&key.name))),
            };
            if let Some(value) = value {
                labels.insert(key.name.clone().into_owned(), value);
            }
        }
        labels
    }

    /// A port number.
    pub(crate) fn port(&mut self, node: &Node<'_>, what: &str) -> Option<u16> {
        let number = match &node.value {
            // A leading zero means octal to some readers, and a sign has no place here.
            Value::Plain(text) if text.starts_with(|c: char| matches!(c, '1'..='9')) => {
                text.parse::<u16>().ok()
            }
            _ => None,
        };
        if number.is_none() {
            self.expected(node, what, "a port from 1 to 65535");
        }
        number
    }

    /// An address.
    pub(crate) fn address(&mut self, node: &Node<'_>, what: &str) -> Option<Addr> {
        let text = self.string(node, what)?;
        if let Ok(ip) = text.parse::<std::net::IpAddr>() {
            return Some(Addr::from(ip));
        }
        self.error(node.span, format!("{what} must be an address, not `{}`", shown(&text)));
        None
    }
}

/// Whether YAML readers agree that a bare word is a string.
fn looks_like_string(word: &str) -> bool {
    !matches!(word, "true" | "True" | "TRUE" | "false" | "False" | "FALSE") && !is_number(word)
}

/// Whether a bare word is a number to some YAML reader.
pub(crate) fn is_number(word: &str) -> bool {
    let digits = word.trim_start_matches(['+', '-', '.']);
    let based = |prefix, radix| {
        digits.strip_prefix(prefix).is_some_and(|digits| u64::from_str_radix(digits, radix).is_ok())
    };
    digits.starts_with(|c: char| c.is_ascii_digit())
        && (word.parse::<f64>().is_ok() || based("0x", 16) || based("0o", 8))
}
