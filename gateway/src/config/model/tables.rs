//! Tables that stand in for the kernel's.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::value::{Device, Mac};
use super::At;

/// Link, address, route and neighbour tables that stand in for the kernel's.
#[derive(Clone, Debug, Default)]
pub struct StaticTables {
    /// Devices.
    pub interfaces: Vec<StaticInterface>,
    /// Routes, at most one to a destination.
    pub routes: Vec<StaticRoute>,
    /// Neighbours.
    pub neighbors: Vec<StaticNeighbor>,
}

/// A device.
#[derive(Clone, Debug)]
pub struct StaticInterface {
    /// Its name.
    pub device: At<Device>,
    /// Its link address.
    pub mac: At<Mac>,
    /// Its addresses, each with the length of its network's prefix.
    pub addresses: Vec<At<IpNet>>,
    /// The largest packet it takes.
    pub mtu: At<u16>,
}

/// A route.
#[derive(Clone, Debug)]
pub struct StaticRoute {
    /// Its destination.
    pub to: At<IpNet>,
    /// The next hop; `None` is "on the link".
    pub via: Option<At<IpAddr>>,
    /// The device it leaves by.
    pub device: At<Device>,
}

/// A neighbour.
#[derive(Clone, Debug)]
pub struct StaticNeighbor {
    /// Its address.
    pub address: At<IpAddr>,
    /// Its link address.
    pub mac: At<Mac>,
    /// The device it is reached by.
    pub device: At<Device>,
}
