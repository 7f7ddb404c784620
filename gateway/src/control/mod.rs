//! The control plane of a running gateway: one thread that answers on a socket, follows the machine's tables
//! and publishes snapshots.

pub mod client;
#[cfg(feature = "af-xdp")]
pub mod live;
pub mod server;
pub mod stats;
