//! What the static tables mean together: devices that exist, next hops that can be reached.

use std::collections::HashMap;
use std::net::IpAddr;

use super::model::{Config, StaticInterface, StaticRoute, StaticTables};
use super::reader::Reader;
use super::validate::{no_source, static_addresses, unknown_device};

pub(super) fn check(
    config: &Config,
    tables: &StaticTables,
    reader: &mut Reader<'_>,
    complete: bool,
) {
    addresses(tables, reader);
    routes(tables, reader);
    neighbors(tables, reader);
    if complete {
        devices(config, tables, reader);
    }
}

fn addresses(tables: &StaticTables, reader: &mut Reader<'_>) {
    let mut owners: HashMap<IpAddr, &StaticInterface> = HashMap::new();
    let mut stations = HashMap::new();
    for interface in &tables.interfaces {
        if stations.insert(*interface.mac, ()).is_some() {
            let message = format!("MAC address {} is given to two devices", *interface.mac);
            reader.warning(interface.mac.place, message, "two devices of one machine differ");
        }
        for address in &interface.addresses {
            if let Some(kind) = no_source(address) {
                let message = format!("{} is a {kind} address", address.addr());
                reader.error(address.place, message, "write an address of the device itself");
            }
            let is_network = address.addr().is_ipv4()
                && address.prefix_len() < 31
                && [address.network(), address.broadcast()].contains(&address.addr());
            if is_network {
                let message = format!("{} is no host's address in its network", **address);
                reader.error(address.place, message, "write an address of the device itself");
            }
            if let Some(owner) = owners.insert(address.addr(), interface) {
                let message = format!("address {} is given twice", address.addr());
                let help = format!("`{}` has it already", *owner.device);
                reader.error(address.place, message, &help);
            }
        }
    }
}

fn routes(tables: &StaticTables, reader: &mut Reader<'_>) {
    let mut seen = HashMap::new();
    for route in &tables.routes {
        if let Some(line) = seen.insert(*route.to, route.to.place.line) {
            let message = format!("there are two routes to {}", *route.to);
            let help = format!("the first is on line {line}; keep one");
            reader.error(route.to.place, message, &help);
        }
        next_hop(tables, route, reader);
    }
}

fn next_hop(tables: &StaticTables, route: &StaticRoute, reader: &mut Reader<'_>) {
    let Some(via) = route.via else { return };
    if via.is_ipv4() != route.to.addr().is_ipv4() {
        let message = format!("the next hop {} and {} are of two families", *via, *route.to);
        reader.error(via.place, message, "write a next hop of the destination's family");
        return;
    }
    let is_own = |interface: &StaticInterface| {
        interface.addresses.iter().any(|address| address.addr() == *via)
    };
    if tables.interfaces.iter().any(is_own) {
        let message = format!("the next hop {} is the gateway itself", *via);
        reader.error(via.place, message, "write the router's address");
        return;
    }
    not_on_link(tables, *via, route.device.name()).into_iter().for_each(|(message, help)| {
        reader.warning(via.place, message, &help);
    });
}

fn neighbors(tables: &StaticTables, reader: &mut Reader<'_>) {
    let mut seen = HashMap::new();
    for neighbor in &tables.neighbors {
        let key = (*neighbor.address, neighbor.device.name());
        if let Some(line) = seen.insert(key, neighbor.address.place.line) {
            let message = format!("neighbor {} is given twice", *neighbor.address);
            let help = format!("the first is on line {line}; keep one");
            reader.error(neighbor.address.place, message, &help);
        }
        if neighbor.address.is_multicast() || neighbor.address.is_unspecified() {
            let message = format!("{} is no station's address", *neighbor.address);
            reader.error(neighbor.address.place, message, "write the neighbor's own address");
            continue;
        }
        if let Some((message, help)) =
            not_on_link(tables, *neighbor.address, neighbor.device.name())
        {
            reader.warning(neighbor.address.place, message, &help);
        }
    }
}

/// Why an address is not reached directly by a device, if that is known.
fn not_on_link(tables: &StaticTables, address: IpAddr, device: &str) -> Option<(String, String)> {
    let networks = static_addresses(tables, device);
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let routed = tables.routes.iter().any(|route| {
        route.via.is_none() && route.device.name() == device && route.to.contains(&address)
    });
    let on_link = networks.iter().any(|network| network.contains(&address));
    if networks.is_empty() || link_local || routed || on_link {
        return None;
    }
    let known: Vec<String> = networks.iter().map(|network| network.trunc().to_string()).collect();
    Some((
        format!("{address} is on no network of `{device}`"),
        format!("`{device}` is on {}", known.join(", ")),
    ))
}

/// Every device named is one of ours, and has what it needs.
fn devices(config: &Config, tables: &StaticTables, reader: &mut Reader<'_>) {
    let managed = config.interfaces.all().map(|interface| &*interface.device);
    let patterns = managed.clone().any(|device| device.is_pattern());
    let managed: Vec<&str> = managed.map(|device| device.name()).collect();
    let described: Vec<&str> = tables.interfaces.iter().map(|i| i.device.name()).collect();
    // A pattern may stand for any of them.
    if !patterns {
        for interface in &tables.interfaces {
            if !managed.contains(&interface.device.name()) {
                let (message, help) =
                    unknown_device(interface.device.name(), managed.iter().copied());
                reader.error(interface.device.place, message, &help);
            }
        }
    }
    for interface in config.interfaces.all().filter(|interface| !interface.device.is_pattern()) {
        if !described.contains(&interface.device.name()) {
            let message = format!("`static` has no interface `{}`", *interface.device);
            let help = "add its MAC address and addresses under static.interfaces";
            reader.error(interface.device.place, message, help);
        }
    }
    let routes = tables.routes.iter().map(|route| &route.device);
    for device in routes.chain(tables.neighbors.iter().map(|neighbor| &neighbor.device)) {
        if !described.contains(&device.name()) {
            let (message, help) = unknown_device(device.name(), described.iter().copied());
            reader.error(device.place, message, &help);
        }
    }
}
