//! The rig kit: a small world of network namespaces in which the real gateway stands between real
//! programs, and witnesses that count what happens without asking it.
//!
//! A test reads like this:
//!
//! ```no_run
//! # use std::time::Duration;
//! use kit::{Config, Gateway, Plan, World};
//! let world = World::build(&Plan::new(&["shop/web"]))?;
//! let policies = kit::policies(&world, &[("shop/web", "[{to: [{ipBlock: {cidr: 198.51.100.7/32}}]}]")]);
//! let gateway = Gateway::start(&world, &Config::default().text(&world), &policies)?;
//! let ping = ["ping", "-c3", "198.51.100.7"];
//! world.pod("shop/web").inside.output(&ping, Duration::from_secs(10))?.success()?;
//! gateway.settle(&world, Duration::from_secs(5))?;       // every packet accounted for
//! assert_eq!(world.observer.seen().sources().len(), 1);  // only the pool address was seen
//! # Ok::<(), kit::Error>(())
//! ```
//!
//! * [`Namespace`]: a network and mount namespace with no name, gone with its process.
//! * [`World`]: pods, the gateway's place and the internet, wired; addresses in [`layout`].
//! * [`servers`] and [`clients`]: DNS, TLS, echo; each server keeps a log of what it saw.
//! * [`Gateway`]: `sluice run` and its other commands; [`Config`] writes its configuration.
//! * [`Observer`]: a packet socket on the far side; [`counters`]: the kernel's device counters.
//! * [`Ledger`]: the gateway's own counters, audited against the kernel's.
//! * [`skip`]: for tests that need root or a program that is not there.
//!
//! Anything may be killed at any time: namespaces, devices, mounts and processes of a rig go with
//! the process that made it. Rigs in one process or in several do not see each other.

#![forbid(unsafe_code)]

pub mod clients;
pub mod config;
pub mod counters;
mod error;
pub mod gateway;
pub mod layout;
pub mod ledger;
mod namespace;
pub mod observer;
mod process;
pub mod servers;
mod service;
pub mod skip;
mod wait;
mod world;

pub use config::{Config, policies};
pub use error::{Context, Error, Result};
pub use gateway::Gateway;
pub use ledger::Ledger;
pub use namespace::Namespace;
pub use observer::Observer;
pub use process::{Finished, Process};
pub use service::{Service, Stop};
pub use wait::until;
pub use world::{Plan, Pod, World};
