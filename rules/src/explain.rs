//! Why a tuple is judged as it is: the walk of [`Policy::decide`] with everything it saw.

use std::fmt;

use crate::decide::Witness;
use crate::policy::Policy;
use crate::provenance::Provenance;
use crate::verdict::{Layer, RuleRef, Tuple, Verdict};

/// A verdict, what decided it, and the way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The verdict.
    pub verdict: Verdict,
    /// What decided: for an allow the last layer that allowed.
    pub decided_by: Provenance,
    /// What was consulted, in order. The last step is the one that decided.
    pub path: Vec<Step>,
}

/// A rule, or an object as a whole, that was consulted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The layer.
    pub layer: Layer,
    /// The object: `namespace/name`, or the name of one without a namespace.
    pub object: String,
    /// The rule in it; `None` for what the object does as a whole.
    pub rule: Option<String>,
    /// What it said.
    pub result: StepResult,
}

/// What a consulted rule said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepResult {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
    /// It leaves the decision to the next tier.
    Pass,
    /// It is about something else.
    NoMatch,
    /// No policy may stop this.
    Exempt,
}

impl StepResult {
    /// The name in output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Pass => "pass",
            Self::NoMatch => "no-match",
            Self::Exempt => "exempt",
        }
    }
}

impl fmt::Display for StepResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Keeps every step.
#[derive(Default)]
struct Path(Vec<(RuleRef, StepResult)>);

impl Witness for Path {
    fn saw(&mut self, rule: RuleRef, result: StepResult) {
        self.0.push((rule, result));
    }
}

impl Policy {
    /// Judges a tuple as [`Policy::decide`] does, over the same tables, and says why.
    #[must_use]
    pub fn explain(&self, tuple: &Tuple) -> Explanation {
        let mut path = Path::default();
        let decision = self.walk(tuple, &mut path);
        let step = |&(rule, result)| Step {
            layer: self.ledger.layer(rule),
            object: self.ledger.object_name(rule).to_owned(),
            rule: self.ledger.rule_name(rule),
            result,
        };
        Explanation {
            verdict: decision.verdict,
            decided_by: self.provenance(decision.rule),
            path: path.0.iter().map(step).collect(),
        }
    }
}
