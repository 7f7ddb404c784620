//! Policy: from the files people already have to a verdict with the file and line that gave it.
//!
//! The way of a policy through this crate:
//!
//! 1. [`load()`] reads [`Source`] texts into [`Objects`], and says everything that is wrong with them at once,
//!    each [`Diagnostic`] with its line and column in the file.
//! 2. [`compile()`] resolves names, selectors and address blocks into tables: the only way to a [`Policy`].
//! 3. [`Policy::decide`] judges a [`Tuple`] without allocating; [`Policy::explain`] walks the very same tables
//!    and keeps what it saw; [`Policy::provenance`] says where a rule stands.
//!
//! Beside them, [`mod@reference`] judges straight from the objects, slowly and with none of that code, so that tests
//! can hold one against the other.
//!
//! This crate knows no bytes on the wire, no time, no threads and no files: texts come in, verdicts go out.
//!
//! # What is enforced
//!
//! Kubernetes `NetworkPolicy` (`networking.k8s.io/v1`) over `Pod`, `Namespace` and `Node` objects. An object of
//! another kind that bears on security is an error, never left out: a policy half read is a policy widened.
//!
//! # Words
//!
//! - *end*: the source or the destination of a packet. *Endpoint*: a pod that has an address of its own.
//! - *layer*: one policy language and level ([`Layer`]). It *speaks* for an end if an object of it applies there.
//! - *isolated*: some policy selects the endpoint in that direction, so what no rule allows is denied.

#![forbid(unsafe_code)]

mod block_index;
pub mod compile;
mod decide;
pub mod diagnostic;
pub mod explain;
mod fields;
mod identity;
mod intervals;
pub mod load;
mod membership;
mod netpol;
pub mod objects;
mod pod;
pub mod policy;
mod provenance;
pub mod reference;
pub mod source;
mod suggest;
pub mod verdict;
mod yaml;

pub use compile::{Settings, compile};
pub use diagnostic::{Diagnostic, Severity};
pub use explain::{Explanation, Step, StepResult};
pub use load::{Loaded, load};
pub use objects::Objects;
pub use policy::{Counts, End, PodInfo, Policy};
pub use provenance::Provenance;
pub use source::{Source, Span};
pub use verdict::{Decision, Ends, Layer, RuleRef, Tuple, Unmatched, Verdict};
