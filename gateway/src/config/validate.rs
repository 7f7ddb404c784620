//! What the keys mean together: everything about a configuration that no single value shows.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use ipnet::IpNet;

use super::model::{At, Config, Mapping, NetworkMode, OnFailure, Pool, StaticTables};
use super::reader::Reader;
use super::suggest::nearest;

/// A unix socket's path with its terminator fits in `sun_path`, which has 108 bytes on Linux.
const SOCKET_PATH_MAX: usize = 107;

/// Checks the whole. `complete` says that nothing was left out while reading, so that a name that is not
/// there is truly missing.
pub(super) fn check(config: &Config, reader: &mut Reader<'_>, complete: bool) {
    devices(config, reader);
    networks(config, reader);
    bindings(config, reader);
    cpus(config, reader);
    pools(config, reader);
    failure(config, reader);
    timeouts(config, reader);
    resolvers(config, reader);
    socket(config, reader);
    if complete {
        families_without_pool(config, reader);
    }
    if let Some(tables) = &config.static_tables {
        super::validate_static::check(config, tables, reader, complete);
    }
}

fn devices(config: &Config, reader: &mut Reader<'_>) {
    let mut seen = HashMap::new();
    for interface in config.interfaces.all() {
        let key = (interface.device.name(), interface.vlan.map(|vlan| vlan.value));
        if let Some(line) = seen.insert(key, interface.device.place.line) {
            reader.error(
                interface.device.place,
                format!("device `{}` is listed twice", *interface.device),
                &format!("it is on line {line} already; a device faces one way"),
            );
        }
    }
}

/// Whether a source can have an address of this network.
pub(super) fn no_source(network: &IpNet) -> Option<&'static str> {
    let address = network.addr();
    let one = network.prefix_len() > 0;
    match address {
        _ if address.is_multicast() => Some("multicast"),
        _ if address.is_loopback() => Some("loopback"),
        _ if address.is_unspecified() && one => Some("unspecified"),
        IpAddr::V4(v4) if v4.is_broadcast() => Some("broadcast"),
        _ => None,
    }
}

fn networks(config: &Config, reader: &mut Reader<'_>) {
    let mut before: Vec<(usize, At<IpNet>)> = Vec::new();
    for (index, interface) in config.interfaces.inside.iter().enumerate() {
        for network in &interface.networks {
            if let Some(kind) = no_source(network) {
                let message = format!("{kind} addresses cannot be sources, as {} says", **network);
                reader.error(network.place, message, "list the networks of pods and hosts");
            } else if network.prefix_len() == 0 {
                let message = format!("{} lets every source pass as its own", **network);
                reader.warning(network.place, message, "list the networks of pods and hosts");
            }
            overlap(reader, &before, index, network);
            before.push((index, *network));
        }
    }
}

/// Anti-spoofing asks "whose address is this": two interfaces cannot both have it.
fn overlap(
    reader: &mut Reader<'_>,
    before: &[(usize, At<IpNet>)],
    interface: usize,
    network: &At<IpNet>,
) {
    let meets = |other: &IpNet| other.contains(&**network) || network.contains(other);
    let Some((owner, other)) = before.iter().find(|(_, other)| meets(other)) else { return };
    let message = format!("network {} overlaps {}", **network, **other);
    if *owner == interface {
        let help = format!("{} is on line {}; keep the wider", **other, other.place.line);
        reader.warning(network.place, message, &help);
    } else {
        let help = format!(
            "line {} gives those addresses to another interface; an address belongs to one",
            other.place.line
        );
        reader.error(network.place, message, &help);
    }
}

fn bindings(config: &Config, reader: &mut Reader<'_>) {
    let mut seen: HashMap<IpAddr, u32> = HashMap::new();
    for interface in &config.interfaces.inside {
        for bind in &interface.bind {
            if !interface.networks.iter().any(|network| network.contains(&bind.address)) {
                reader.error(
                    bind.place,
                    format!(
                        "bound address {} is in none of the interface's networks",
                        bind.address
                    ),
                    "`bind` narrows `networks`; add its network there",
                );
            }
            if let Some(line) = seen.insert(bind.address, bind.place.line) {
                let message = format!("address {} is bound twice", bind.address);
                reader.error(bind.place, message, &format!("it is on line {line} already"));
            }
        }
    }
}

fn cpus(config: &Config, reader: &mut Reader<'_>) {
    let Some(cpus) = &config.cpus else { return };
    let mut seen = HashMap::new();
    for cpu in &cpus.value {
        if seen.insert(cpu.value, ()).is_some() {
            let message = format!("CPU {} is listed twice", cpu.value);
            reader.error(cpu.place, message, "one worker is pinned to a CPU; list each once");
        }
    }
}

fn pools(config: &Config, reader: &mut Reader<'_>) {
    for (index, pool) in config.snat.pools.iter().enumerate() {
        let before = &config.snat.pools[..index];
        if let Some(other) = before.iter().find(|other| *other.name == *pool.name) {
            let message = format!("pool `{}` is defined twice", *pool.name);
            let help = format!("the first is on line {}", other.name.place.line);
            reader.error(pool.name.place, message, &help);
        }
        pool_addresses(config, pool, reader);
        pool_overlaps(pool, before, reader);
        let room = u32::from(pool.ports.last) - u32::from(pool.ports.first) + 1;
        if *pool.mapping == Mapping::EndpointIndependent && room < 1024 {
            let message =
                format!("{room} ports an address are few for endpoint-independent mapping");
            reader.warning(
                pool.ports.place,
                message,
                "every inside address and port takes one of its own; widen `ports`",
            );
        }
    }
}

fn pool_addresses(config: &Config, pool: &Pool, reader: &mut Reader<'_>) {
    for range in &pool.addresses {
        let ends = [IpNet::from(range.first()), IpNet::from(range.last())];
        if let Some(kind) = ends.iter().find_map(no_source) {
            let message = format!("pool address {} is a {kind} address", **range);
            reader.error(range.place, message, "list addresses that are routed to this gateway");
        }
        let networks = config.interfaces.inside.iter().flat_map(|inside| &inside.networks);
        let inside = networks.filter(|network| network.prefix_len() > 0);
        if let Some(network) = inside.into_iter().find(|network| range.meets(network)) {
            reader.error(
                range.place,
                format!("pool address {} is inside network {}", **range, **network),
                &format!(
                    "line {} says that hosts behind the gateway have it; answers would be taken for theirs",
                    network.place.line
                ),
            );
        }
    }
}

fn pool_overlaps(pool: &Pool, before: &[Pool], reader: &mut Reader<'_>) {
    for (index, range) in pool.addresses.iter().enumerate() {
        if let Some(other) = pool.addresses[..index].iter().find(|other| other.overlaps(range)) {
            let message = format!("pool address {} is listed twice", **range);
            reader.error(range.place, message, &format!("{} has it already", **other));
        }
        let shared = before.iter().find(|other| {
            other.ports.overlaps(*pool.ports)
                && other.addresses.iter().any(|theirs| theirs.overlaps(range))
        });
        if let Some(other) = shared {
            let message =
                format!("pools `{}` and `{}` share ports of {}", *other.name, *pool.name, **range);
            let help = "give each its own addresses, or its own ports";
            reader.error(range.place, message, help);
        }
    }
}

fn failure(config: &Config, reader: &mut Reader<'_>) {
    let modes = [("ipv4", config.network.ipv4), ("ipv6", config.network.ipv6)];
    let overlay = modes.iter().find(|(_, mode)| **mode == NetworkMode::Overlay);
    if let (OnFailure::Pass, Some((family, _))) = (*config.on_failure, overlay) {
        reader.error(
            config.on_failure.place,
            format!("`on_failure: pass` cannot go with an overlay ({family} is one)"),
            "the kernel would forward inside addresses untranslated; write block, or network: flat",
        );
    }
}

fn families_without_pool(config: &Config, reader: &mut Reader<'_>) {
    for (family, mode, v4) in
        [("ipv4", config.network.ipv4, true), ("ipv6", config.network.ipv6, false)]
    {
        let mut networks = config.interfaces.inside.iter().flat_map(|inside| &inside.networks);
        let used = networks.find(|network| network.addr().is_ipv4() == v4);
        let pool = |pool: &Pool| pool.addresses.iter().any(|range| range.is_ipv4() == v4);
        let Some(network) = used.filter(|_| *mode == NetworkMode::Overlay) else { continue };
        if config.snat.pools.iter().any(pool) {
            continue;
        }
        let place = if mode.is_written() { mode.place } else { network.place };
        reader.warning(
            place,
            format!("{family} is an overlay and no pool has an {family} address"),
            &format!(
                "what leaves is dropped as nat.no_pool; add an address to a pool, or write network: {{{family}: flat}}"
            ),
        );
    }
}

fn timeouts(config: &Config, reader: &mut Reader<'_>) {
    let timeouts = &config.timeouts;
    let least = [
        ("tcp_established", timeouts.tcp_established, 7440, "RFC 5382 REQ-5"),
        ("tcp_transitory", timeouts.tcp_transitory, 240, "RFC 5382 REQ-5"),
        ("tcp_half_open", timeouts.tcp_half_open, 6, "RFC 5382 REQ-4"),
        ("udp", timeouts.udp, 120, "RFC 4787 REQ-5"),
        ("udp_unreplied", timeouts.udp_unreplied, 120, "RFC 4787 REQ-5"),
        ("icmp", timeouts.icmp, 60, "RFC 5508 REQ-2"),
    ];
    for (name, timeout, seconds, rfc) in least {
        if *timeout < Duration::from_secs(seconds) {
            let message = format!("{name} is below the {seconds}s that {rfc} asks for");
            let help = format!("write {seconds}s unless shorter is meant");
            reader.warning(timeout.place, message, &help);
        }
    }
}

fn resolvers(config: &Config, reader: &mut Reader<'_>) {
    let mut seen = HashMap::new();
    for resolver in config.dns.iter().flat_map(|resolvers| &resolvers.value) {
        if let Some(kind) = no_source(&IpNet::from(resolver.value)) {
            let message = format!("resolver {} is a {kind} address", resolver.value);
            reader.error(resolver.place, message, "list addresses that clients send queries to");
        }
        if seen.insert(resolver.value, ()).is_some() {
            let message = format!("resolver {} is listed twice", resolver.value);
            reader.error(resolver.place, message, "list each once");
        }
    }
}

fn socket(config: &Config, reader: &mut Reader<'_>) {
    let length = config.control_socket.as_os_str().as_bytes().len();
    if length > SOCKET_PATH_MAX {
        reader.error(
            config.control_socket.place,
            format!("the socket's path has {length} bytes, the system takes {SOCKET_PATH_MAX}"),
            "choose a shorter path, under /run for example",
        );
    }
}

/// The message and help for a device that is not among `known`.
pub(super) fn unknown_device<'a>(
    name: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> (String, String) {
    let help = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are: {}", known.into_iter().collect::<Vec<_>>().join(", ")),
    };
    (format!("device `{name}` is not among the interfaces"), help)
}

/// Looks a device up among static interfaces.
pub(super) fn static_addresses<'a>(tables: &'a StaticTables, device: &str) -> &'a [At<IpNet>] {
    let found = tables.interfaces.iter().find(|interface| interface.device.name() == device);
    found.map_or(&[], |interface| &interface.addresses)
}
