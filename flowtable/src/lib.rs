//! Flow keys, the lock-free flow table, connection tracking, expiry and SNAT ports.
//!
//! This crate knows no verdicts, no bytes on the wire and no clock: a flow carries four opaque words per
//! direction that its user compiles, time is an argument, randomness a seeded generator.

#![deny(unsafe_code)]

pub mod direction;
mod expiry;
pub mod key;
pub mod ports;
mod quiescence;
mod record;
pub mod rng;
mod sync;
pub mod table;
pub mod track;
