//! The Sluice egress gateway.

#![deny(unsafe_code)]

pub mod command;
pub mod config;
pub mod control;
pub mod diagnostic;
pub mod explain;
pub mod io;
pub mod judge;
pub mod kernel;
pub mod packet;
pub mod pipeline;
pub mod setup;
pub mod snapshot;
pub mod topology;
pub mod wire;
pub mod worker;
