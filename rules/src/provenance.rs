//! Where a rule stands: what a [`RuleRef`] refers to, kept small and spelled out when asked for.

use std::fmt;

use crate::objects::Origin;
use crate::verdict::{Layer, RuleRef};

/// What decided, as people name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Provenance {
    /// The layer.
    pub layer: Layer,
    /// The object: `namespace/name`, or the name of one without a namespace.
    pub object: String,
    /// The rule in it, such as `egress[0]`; `None` for what the object does as a whole.
    pub rule: Option<String>,
    /// The file; `None` for what no file says.
    pub file: Option<String>,
    /// The line in it, from 1.
    pub line: Option<u32>,
}

impl fmt::Display for Provenance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.layer, self.object)?;
        if let Some(rule) = &self.rule {
            write!(f, " {rule}")?;
        }
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, " ({file}:{line})"),
            _ => Ok(()),
        }
    }
}

/// The part of an object that a rule reference means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The object itself.
    Whole,
    /// An element of `ingress`.
    Ingress(usize),
    /// An element of `egress`.
    Egress(usize),
}

impl Part {
    fn name(self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Ingress(index) => Some(format!("ingress[{index}]")),
            Self::Egress(index) => Some(format!("egress[{index}]")),
        }
    }
}

/// Every rule that can decide, in the order of its reference.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    objects: Vec<String>,
    files: Vec<String>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    layer: Layer,
    object: usize,
    part: Part,
    origin: Option<Origin>,
}

/// An object whose rules are being entered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ObjectRef(usize);

impl Ledger {
    pub(crate) fn new(files: Vec<String>) -> Self {
        Self { files, ..Self::default() }
    }

    pub(crate) fn object(&mut self, name: String) -> ObjectRef {
        self.objects.push(name);
        ObjectRef(self.objects.len() - 1)
    }

    pub(crate) fn enter(
        &mut self,
        layer: Layer,
        object: ObjectRef,
        part: Part,
        origin: Option<Origin>,
    ) -> RuleRef {
        let index =
            u32::try_from(self.entries.len()).expect("a text of 4 billion rules is not read");
        self.entries.push(Entry { layer, object: object.0, part, origin });
        RuleRef(index)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn layer(&self, rule: RuleRef) -> Layer {
        self.entries[rule.index()].layer
    }

    pub(crate) fn object_name(&self, rule: RuleRef) -> &str {
        &self.objects[self.entries[rule.index()].object]
    }

    pub(crate) fn rule_name(&self, rule: RuleRef) -> Option<String> {
        self.entries[rule.index()].part.name()
    }

    pub(crate) fn provenance(&self, rule: RuleRef) -> Provenance {
        let entry = &self.entries[rule.index()];
        Provenance {
            layer: entry.layer,
            object: self.objects[entry.object].clone(),
            rule: entry.part.name(),
            file: entry.origin.map(|origin| self.files[origin.source].clone()),
            line: entry.origin.map(|origin| origin.line),
        }
    }
}
