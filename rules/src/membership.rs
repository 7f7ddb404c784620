//! Which endpoints a selector means: selectors resolved to sets of endpoints, each distinct one once.

use std::collections::HashMap;

use crate::identity::EndpointId;
use crate::objects::{Labels, NamespaceScope, Operator, Selector};

/// A set of endpoints, one bit each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EndpointSet(Box<[u64]>);

impl EndpointSet {
    fn empty(endpoints: usize) -> Self {
        Self(vec![0; endpoints.div_ceil(64)].into())
    }

    fn insert(&mut self, id: EndpointId) {
        self.0[id.index() / 64] |= 1 << (id.index() % 64);
    }

    pub(crate) fn join(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    #[inline]
    pub(crate) fn contains(&self, id: EndpointId) -> bool {
        self.0[id.index() / 64] >> (id.index() % 64) & 1 == 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = EndpointId> + '_ {
        (0_u32..).step_by(64).zip(&self.0).flat_map(|(base, &word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| EndpointId(base + bit))
        })
    }
}

/// The endpoints by namespace, and what was asked of them before.
#[derive(Debug)]
pub(crate) struct Members<'o> {
    namespaces: HashMap<&'o str, Vec<(EndpointId, &'o Labels)>>,
    labels: HashMap<&'o str, Labels>,
    endpoints: usize,
    resolved: HashMap<(Option<&'o str>, &'o NamespaceScope, &'o Selector), EndpointSet>,
}

impl<'o> Members<'o> {
    /// Of namespaces with their labels and endpoints with namespace and labels, in the order of their ids.
    pub(crate) fn new(
        labels: HashMap<&'o str, Labels>,
        endpoints: impl Iterator<Item = (&'o str, &'o Labels)>,
    ) -> Self {
        let mut namespaces: HashMap<_, Vec<_>> = HashMap::new();
        let mut count = 0;
        for (id, (namespace, labels)) in (0..).map(EndpointId).zip(endpoints) {
            namespaces.entry(namespace).or_default().push((id, labels));
            count += 1;
        }
        Self { namespaces, labels, endpoints: count, resolved: HashMap::new() }
    }

    /// The endpoints a selector means for a policy of the namespace `own`.
    pub(crate) fn resolve(
        &mut self,
        own: &'o str,
        scope: &'o NamespaceScope,
        pods: &'o Selector,
    ) -> EndpointSet {
        let asked_in = matches!(scope, NamespaceScope::Own).then_some(own);
        if let Some(set) = self.resolved.get(&(asked_in, scope, pods)) {
            return set.clone();
        }
        let mut set = EndpointSet::empty(self.endpoints);
        match scope {
            NamespaceScope::Own => self.select_in(own, pods, &mut set),
            NamespaceScope::Selected(selector) => {
                for (namespace, labels) in &self.labels {
                    if matches(selector, labels) {
                        self.select_in(namespace, pods, &mut set);
                    }
                }
            }
        }
        self.resolved.insert((asked_in, scope, pods), set.clone());
        set
    }

    /// No endpoint.
    pub(crate) fn none(&self) -> EndpointSet {
        EndpointSet::empty(self.endpoints)
    }

    fn select_in(&self, namespace: &str, pods: &Selector, set: &mut EndpointSet) {
        for &(id, labels) in self.namespaces.get(namespace).into_iter().flatten() {
            if matches(pods, labels) {
                set.insert(id);
            }
        }
    }
}

/// Whether labels meet every condition of a selector.
fn matches(selector: &Selector, labels: &Labels) -> bool {
    selector.labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && selector.expressions.iter().all(|expression| {
            let value = labels.get(&expression.key);
            match &expression.operator {
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
}
