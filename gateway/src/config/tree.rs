//! YAML text as a tree of nodes that know their places.
//!
//! Typed deserializers stop at the first error; a person with five mistakes wants to see five. So the text is
//! read into a plain tree first, which the reader then walks, collecting. The tree is bounded whatever the
//! text says: in bytes, in depth and in nodes, aliases expanded. Keys are not interpreted here.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, options};

use crate::diagnostic::{Diagnostic, Place, Severity, SourceText, clamp};

/// A configuration is written by people; this is a hundred times the longest one we know of.
pub const TEXT_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 32;
const NODES_MAX: usize = 100_000;

/// A node of the text.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Text; `plain` if it stands without quotes and may thus be a number or a truth value.
    Scalar { text: String, plain: bool },
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order of the text.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) place: Place,
}

impl Node {
    /// No value at all: nothing after the colon, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true }
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, for messages.
    pub(super) fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Kind::Scalar { text, .. } => {
                let short: String = text.chars().take(40).collect();
                format!("`{short}`")
            }
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(_) => "a mapping".to_owned(),
        }
    }

    /// Whether it is a mapping with this key.
    pub(super) fn has_key(&self, key: &str) -> bool {
        matches!(&self.kind, Kind::Map(entries) if entries.iter().any(|(k, _)| k.text == key))
    }

    fn count(&self) -> usize {
        1 + match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => items.iter().map(Node::count).sum(),
            Kind::Map(entries) => entries.iter().map(|(_, node)| 1 + node.count()).sum(),
        }
    }

    fn depth(&self) -> usize {
        match &self.kind {
            Kind::Scalar { .. } => 0,
            Kind::List(items) => 1 + items.iter().map(Node::depth).max().unwrap_or(0),
            Kind::Map(entries) => {
                1 + entries.iter().map(|(_, node)| node.depth()).max().unwrap_or(0)
            }
        }
    }
}

/// Reads the one document of a text.
///
/// # Errors
/// Where the text is not one YAML document within bounds: what stands in the way first.
pub(super) fn parse(source: &SourceText) -> Result<Node, Diagnostic> {
    if source.text.len() > TEXT_MAX {
        let size = source.text.len();
        return Err(Diagnostic::at(
            Severity::Error,
            source,
            START,
            format!("the configuration has {size} bytes, more than {TEXT_MAX}"),
        )
        .with_help("move policies to files of their own, named under `policies`"));
    }
    let mut limits = options! {
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    limits.set_emit_comments(false);
    let mut builder = Builder::new(source);
    for next in Parser::new_from_str_with_options(&source.text, limits) {
        match next {
            Ok((event, span)) => builder.take(event, span)?,
            Err(error) => {
                let mark = error.marker();
                let place = place(Span::empty(*mark));
                let message = format!("not valid YAML: {}", error.info());
                let help = "look at brackets, quotes and indentation here and on the line before";
                return Err(builder.error(place, message).with_help(help));
            }
        }
    }
    builder.root.take().ok_or_else(|| {
        builder
            .error(START, "the configuration is empty")
            .with_help("it needs at least `interfaces`")
    })
}

const START: Place = Place { line: 1, column: 1, start: 0, end: 0 };

/// A collection whose end is still to come.
struct Open {
    anchor: usize,
    node: Node,
    /// In a mapping, the key whose value is still to come.
    key: Option<Key>,
}

struct Builder<'a> {
    source: &'a SourceText,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn new(source: &'a SourceText) -> Builder<'a> {
        Builder { source, open: Vec::new(), anchors: HashMap::new(), root: None, nodes: 0 }
    }

    fn error(&self, place: Place, message: impl Into<String>) -> Diagnostic {
        Diagnostic::at(Severity::Error, self.source, place, message)
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostic> {
        let place = place(span);
        if let Some(tag) = event.tag() {
            let place = self::place(span.tag_span().unwrap_or(span));
            let message = format!("the tag {} means nothing here", tag.original());
            return Err(self.error(place, message).with_help("leave the tag out"));
        }
        match event {
            Event::DocumentStart(..) if self.root.is_some() => Err(self
                .error(place, "a second document starts here")
                .with_help("a configuration is one document; `policies` names the other files")),
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let kind = Kind::Scalar { text: text.into_owned(), plain };
                self.complete(Node { place, kind }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(anchor, Node { place, kind: Kind::List(Vec::new()) })
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(anchor, Node { place, kind: Kind::Map(Vec::new()) })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { anchor, node, .. }) => self.complete(node, anchor),
                None => Ok(()),
            },
            Event::Alias(id) => self.alias(id, place),
            _ => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, node: Node) -> Result<(), Diagnostic> {
        if self.open.len() >= DEPTH_MAX {
            return Err(self.error(node.place, format!("more than {DEPTH_MAX} levels deep")));
        }
        self.open.push(Open { anchor, node, key: None });
        Ok(())
    }

    /// A copy of the anchored node at the alias's place, so that messages point to where it is used.
    fn alias(&mut self, id: usize, place: Place) -> Result<(), Diagnostic> {
        let Some(target) = self.anchors.get(&id) else {
            return Err(self.error(place, "an alias inside what it stands for"));
        };
        let (count, depth) = (target.count(), target.depth());
        if self.nodes + count > NODES_MAX || self.open.len() + depth > DEPTH_MAX {
            return Err(self
                .error(place, "aliases expand to more than a configuration may hold")
                .with_help(format!("at most {NODES_MAX} values and {DEPTH_MAX} levels")));
        }
        self.nodes += count;
        let mut copy = target.clone();
        copy.place = place;
        self.complete(copy, 0)
    }

    /// Puts a finished node where it belongs.
    fn complete(&mut self, node: Node, anchor: usize) -> Result<(), Diagnostic> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err(self.error(node.place, format!("more than {NODES_MAX} values")));
        }
        if anchor != 0 {
            // The copy counts as well: anchors inside anchors would otherwise multiply it unseen.
            self.nodes += node.count();
            self.anchors.insert(anchor, node.clone());
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match (&mut parent.node.kind, parent.key.take()) {
            (Kind::List(items), _) => items.push(node),
            (Kind::Map(entries), Some(key)) => entries.push((key, node)),
            (_, None) => {
                let Node { place, kind: Kind::Scalar { text, .. } } = node else {
                    return Err(self.error(node.place, "a key is one word, not a collection"));
                };
                parent.key = Some(Key { text, place });
            }
            // A scalar is never opened.
            (Kind::Scalar { .. }, Some(_)) => {}
        }
        Ok(())
    }
}

/// The parser counts columns from 0. Byte offsets are always there for text held in memory.
fn place(span: Span) -> Place {
    let start = span.start.byte_offset().unwrap_or(0);
    Place {
        line: clamp(span.start.line()),
        column: clamp(span.start.col() + 1),
        start,
        end: span.end.byte_offset().unwrap_or(start).max(start),
    }
}
