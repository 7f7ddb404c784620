//! The packet core as one machine: frames in, frames out, on RAM and a clock made by the test.
//!
//! Needs no root, device or capability. Every step of every test checks the accounting identity, that no
//! frame is lost, and that exactly the counters moved which the step names.

mod hostile;
mod kit;
mod nat;
mod policy;
mod random_model;
mod stories;
