//! YAML, and with it JSON, as a tree that knows where each node stands. Knows no schema.
//!
//! Bounded on any text: nesting and look-ahead by the scanner's limits, aliases by how much they may add. A
//! document that cannot be read costs only itself; the next ones are read.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, StructureStyle, Tag};

use crate::source::Span;

/// How many nodes the aliases of one text may add: generous for people, too little to hurt.
const ALIAS_NODES: usize = 100_000;

/// How many broken documents of one text are reported.
const BROKEN_DOCUMENTS: usize = 100;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node<'t> {
    pub(crate) span: Span,
    pub(crate) value: Value<'t>,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Value<'t> {
    /// Nothing, `~` or `null`.
    Null,
    /// A word that was not quoted: a number, a truth value or a string.
    Plain(Cow<'t, str>),
    /// A string whatever it looks like.
    Quoted(Cow<'t, str>),
    List(Vec<Node<'t>>),
    /// In the order of the text, no key twice.
    Map(Vec<(Key<'t>, Node<'t>)>),
}

/// A key of a map.
#[derive(Clone, Debug)]
pub(crate) struct Key<'t> {
    pub(crate) span: Span,
    pub(crate) name: Cow<'t, str>,
}

impl<'t> Node<'t> {
    /// The value of a key of a map.
    pub(crate) fn get(&self, name: &str) -> Option<&Node<'t>> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(_, v)| v),
            _ => None,
        }
    }

    /// The text of a scalar.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Plain(text) | Value::Quoted(text) => Some(text),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Node::size).sum::<usize>(),
            Value::Map(entries) => 1 + entries.iter().map(|(_, v)| 1 + v.size()).sum::<usize>(),
            Value::Null | Value::Plain(_) | Value::Quoted(_) => 1,
        }
    }
}

/// Something that is not YAML, or not a kind of YAML that is read here.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) span: Span,
    pub(crate) message: String,
}

impl SyntaxError {
    fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into() }
    }
}

impl From<ScanError> for SyntaxError {
    fn from(error: ScanError) -> Self {
        let offset = error.marker().byte_offset().unwrap_or_default();
        Self::new(Span { offset, len: 1 }, error.info())
    }
}

/// The documents of a text, each read or refused; empty ones are left out.
pub(crate) fn documents(text: &str) -> Vec<Result<Node<'_>, SyntaxError>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut documents = Vec::new();
    let mut broken = 0;
    let mut tree = Tree::default();
    loop {
        let error = match parser.next_event() {
            None | Some(Ok((Event::StreamEnd, _))) => return documents,
            Some(Ok((event, span))) => {
                let at = span.byte_range().map_or(Span::default(), |range| Span {
                    offset: range.start,
                    len: range.len(),
                });
                match tree.take(event, at) {
                    Ok(Some(root)) => {
                        documents.push(Ok(root));
                        continue;
                    }
                    Ok(None) => continue,
                    Err(error) => error,
                }
            }
            Some(Err(error)) => error.into(),
        };
        documents.push(Err(error));
        broken += 1;
        tree.reset();
        match parser.proceed_next_document() {
            Ok(true) if broken < BROKEN_DOCUMENTS => {}
            Ok(_) => return documents,
            Err(error) => {
                documents.push(Err(error.into()));
                return documents;
            }
        }
    }
}

/// A tree in the making.
#[derive(Default)]
struct Tree<'t> {
    open: Vec<Open<'t>>,
    anchors: HashMap<usize, Node<'t>>,
    added: usize,
}

/// A list or map whose end has not come.
struct Open<'t> {
    span: Span,
    anchor: usize,
    style: StructureStyle,
    children: Children<'t>,
}

enum Children<'t> {
    List(Vec<Node<'t>>),
    Map { entries: Vec<(Key<'t>, Node<'t>)>, names: HashSet<Cow<'t, str>>, key: Option<Key<'t>> },
}

impl<'t> Tree<'t> {
    /// Forgets the document; what aliases added counts for the whole text.
    fn reset(&mut self) {
        self.open.clear();
        self.anchors.clear();
    }

    /// Takes an event; gives the document when it is whole and holds something.
    fn take(&mut self, event: Event<'t>, span: Span) -> Result<Option<Node<'t>>, SyntaxError> {
        match event {
            Event::DocumentStart(..) => {
                self.reset();
                Ok(None)
            }
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar(text, style, tag.as_deref(), span)?;
                self.place(Node { span, value }, anchor)
            }
            Event::SequenceStart(style, anchor, _) => {
                let children = Children::List(Vec::new());
                self.open.push(Open { span, anchor, style, children });
                Ok(None)
            }
            Event::MappingStart(style, anchor, _) => {
                let names = HashSet::new();
                let children = Children::Map { entries: Vec::new(), names, key: None };
                self.open.push(Open { span, anchor, style, children });
                Ok(None)
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(open) => {
                    let anchor = open.anchor;
                    self.place(close(open, span)?, anchor)
                }
                None => Ok(None),
            },
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor) else {
                    return Err(SyntaxError::new(span, "an alias inside what it stands for"));
                };
                self.added = self.added.saturating_add(node.size());
                if self.added > ALIAS_NODES {
                    let message = format!("aliases add more than {ALIAS_NODES} values");
                    return Err(SyntaxError::new(span, message));
                }
                let node = node.clone();
                self.place(node, 0)
            }
            _ => Ok(None),
        }
    }

    /// Puts a node where it belongs.
    fn place(&mut self, node: Node<'t>, anchor: usize) -> Result<Option<Node<'t>>, SyntaxError> {
        if anchor != 0 {
            self.added = self.added.saturating_add(node.size());
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            return Ok((!matches!(node.value, Value::Null)).then_some(node));
        };
        match &mut open.children {
            Children::List(items) => items.push(node),
            Children::Map { entries, names, key } => match key.take() {
                Some(key) => entries.push((key, node)),
                None => {
                    let fresh = into_key(node)?;
                    if fresh.name != "<<" && !names.insert(fresh.name.clone()) {
                        let message = format!("the key `{}` is there twice", shown(&fresh.name));
                        return Err(SyntaxError::new(fresh.span, message));
                    }
                    *key = Some(fresh);
                }
            },
        }
        Ok(None)
    }
}

fn into_key(node: Node<'_>) -> Result<Key<'_>, SyntaxError> {
    match node.value {
        Value::Plain(name) | Value::Quoted(name) => Ok(Key { span: node.span, name }),
        Value::Null => Ok(Key { span: node.span, name: Cow::Borrowed("null") }),
        Value::List(_) | Value::Map(_) => {
            Err(SyntaxError::new(node.span, "a list or a map cannot be a key"))
        }
    }
}

fn close<'t>(open: Open<'t>, end: Span) -> Result<Node<'t>, SyntaxError> {
    let Open { mut span, style, children, .. } = open;
    // Brackets are shown whole; of a block, whose end is the next line's beginning, the first word is shown.
    let first = match &children {
        Children::List(items) => items.first().map(|item| item.span),
        Children::Map { entries, .. } => entries.first().map(|(key, _)| key.span),
    };
    if matches!(style, StructureStyle::Flow) {
        span.len = (end.offset + end.len).saturating_sub(span.offset);
    } else if let Some(first) = first {
        span.len = (first.offset + first.len).saturating_sub(span.offset);
    }
    let value = match children {
        Children::List(items) => Value::List(items),
        Children::Map { entries, names, .. } => Value::Map(merge(entries, names)?),
    };
    Ok(Node { span, value })
}

/// Replaces the entry `<<` by the entries of the maps it names, as far as their keys are not there.
fn merge<'t>(
    entries: Vec<(Key<'t>, Node<'t>)>,
    mut names: HashSet<Cow<'t, str>>,
) -> Result<Vec<(Key<'t>, Node<'t>)>, SyntaxError> {
    let (merges, mut entries): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| key.name == "<<");
    for (key, node) in merges {
        let maps = match node.value {
            Value::List(items) => items,
            _ => vec![node],
        };
        for map in maps {
            let Value::Map(more) = map.value else {
                return Err(SyntaxError::new(key.span, "`<<` takes a map or a list of maps"));
            };
            entries.extend(more.into_iter().filter(|(key, _)| names.insert(key.name.clone())));
        }
    }
    Ok(entries)
}

fn scalar<'t>(
    text: Cow<'t, str>,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: Span,
) -> Result<Value<'t>, SyntaxError> {
    let plain = match tag {
        None => matches!(style, ScalarStyle::Plain),
        Some(tag) if tag.is_yaml_core_schema_tag("str") => false,
        Some(tag) if tag.is_yaml_core_schema_tag("int") => true,
        Some(_) => return Err(SyntaxError::new(span, "this tag has no meaning here")),
    };
    Ok(match &*text {
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Null,
        _ if plain => Value::Plain(text),
        _ => Value::Quoted(text),
    })
}

/// A word of the text as a message shows it: not all of it where it is long.
pub(crate) fn shown(word: &str) -> Cow<'_, str> {
    match word.char_indices().nth(60) {
        Some((end, _)) => Cow::Owned(format!("{}...", &word[..end])),
        None => Cow::Borrowed(word),
    }
}
