//! What every test of the core is made of: frames, a world to send them through, and its books.

pub(crate) mod books;
pub(crate) mod call;
pub(crate) mod frame;
pub(crate) mod sent;
pub(crate) mod world;

pub(crate) use call::Call;
pub(crate) use frame::{End, Via, end};
pub(crate) use world::{Outcome, Setup, World};

/// What one more translated flow adds to the counters.
pub(crate) const NEW: &str = "flows_admitted flows ports";
