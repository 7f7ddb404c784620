//! The sections of a configuration, in the order of the reference.
//!
//! What a key may hold is said here and in `value`; what keys mean together is `validate`'s business.

mod interfaces;
mod nat;
mod policy;
mod tables;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::model::{
    At, Config, DenyAction, Interfaces, Limits, MssClamp, Names, Network, OnFailure, Snat,
    Timeouts, Unmatched,
};
use super::reader::{Fields, Reader};
use super::tree::Node;
use super::value::{Complaint, parse_duration};
use crate::diagnostic::SourceText;

/// Where the control socket is if the configuration does not say.
pub const CONTROL_SOCKET: &str = "/run/sluice/control.sock";

/// Reads what it can; where something is wrong the reader has it and the default stands in.
pub(super) fn config(reader: &mut Reader<'_>, source: &Arc<SourceText>, root: &Node) -> Config {
    let mut config = defaults(source);
    let Some(mut top) = reader.fields(root, "the configuration") else { return config };
    let help = "list the devices under `interfaces: {inside: […], outside: […]}`";
    if let Some(node) = top.require(reader, "interfaces", help) {
        config.interfaces = interfaces::read(reader, node);
    }
    if let Some(node) = top.take(reader, "workers") {
        config.cpus = interfaces::cpus(reader, node);
    }
    if let Some(node) = top.take(reader, "network") {
        config.network = nat::network(reader, node);
    }
    if let Some(node) = top.take(reader, "snat") {
        config.snat = nat::snat(reader, node);
    }
    if let Some(node) = top.take(reader, "dns") {
        config.dns = policy::dns(reader, node).map(|dns| At::new(dns, top.place_of("dns")));
    }
    if let Some(node) = top.take(reader, "names") {
        config.names = policy::names(reader, node);
    }
    if let Some(node) = top.take(reader, "policies") {
        config.policies =
            reader.list(node, "`policies`", |reader, node| reader.path(node, "a policy"));
    }
    if let Some(node) = top.take(reader, "nsg") {
        config.nsg = reader.list(node, "`nsg`", policy::nsg);
    }
    if let Some(node) = top.take(reader, "azure") {
        config.azure =
            policy::azure(reader, node).map(|azure| At::new(azure, top.place_of("azure")));
    }
    verdicts(reader, &mut top, &mut config);
    running(reader, &mut top, &mut config);
    if let Some(node) = top.take(reader, "static") {
        config.static_tables = tables::read(reader, node);
    }
    top.finish(reader);
    config
}

fn defaults(source: &Arc<SourceText>) -> Config {
    Config {
        source: Arc::clone(source),
        interfaces: Interfaces::default(),
        cpus: None,
        network: Network::default(),
        snat: Snat::default(),
        dns: None,
        names: Names::default(),
        policies: Vec::new(),
        nsg: Vec::new(),
        azure: None,
        unmatched: At::default(),
        deny: At::default(),
        on_failure: At::default(),
        limits: Limits::default(),
        timeouts: Timeouts::default(),
        tcp_mss_clamp: At::default(),
        control_socket: PathBuf::from(CONTROL_SOCKET).into(),
        metrics: None,
        static_tables: None,
    }
}

/// `unmatched`, `deny`, `on_failure`.
fn verdicts(reader: &mut Reader<'_>, top: &mut Fields<'_>, config: &mut Config) {
    if let Some(node) = top.take(reader, "unmatched") {
        let words = [("allow", Unmatched::Allow), ("deny", Unmatched::Deny)];
        set(&mut config.unmatched, reader.choice(node, "`unmatched`", &words));
    }
    if let Some(node) = top.take(reader, "deny") {
        let words = [("drop", DenyAction::Drop), ("reject", DenyAction::Reject)];
        set(&mut config.deny, reader.choice(node, "`deny`", &words));
    }
    if let Some(node) = top.take(reader, "on_failure") {
        let words = [("block", OnFailure::Block), ("pass", OnFailure::Pass)];
        set(&mut config.on_failure, reader.choice(node, "`on_failure`", &words));
    }
}

/// What a read answered, if it did.
fn set<T>(slot: &mut T, read: Option<T>) {
    if let Some(value) = read {
        *slot = value;
    }
}

/// `limits`, `timeouts`, `tcp_mss_clamp`, `control`, `metrics`.
fn running(reader: &mut Reader<'_>, top: &mut Fields<'_>, config: &mut Config) {
    if let Some(node) = top.take(reader, "limits") {
        limits(reader, node, &mut config.limits);
    }
    if let Some(node) = top.take(reader, "timeouts") {
        timeouts(reader, node, &mut config.timeouts);
    }
    if let Some(node) = top.take(reader, "tcp_mss_clamp") {
        set(&mut config.tcp_mss_clamp, reader.value(node, "`tcp_mss_clamp`", mss_clamp));
    }
    if let Some(mut fields) =
        top.take(reader, "control").and_then(|node| reader.fields(node, "`control`"))
    {
        if let Some(node) = fields.take(reader, "socket") {
            set(&mut config.control_socket, reader.path(node, "`socket`"));
        }
        fields.finish(reader);
    }
    if let Some(mut fields) =
        top.take(reader, "metrics").and_then(|node| reader.fields(node, "`metrics`"))
    {
        if let Some(node) = fields.require(reader, "listen", "write listen: \"127.0.0.1:9477\"") {
            config.metrics = reader.value(node, "`listen`", |text| {
                text.parse().map_err(|_| {
                    Complaint::new(format!("`{text}` is no address with a port"))
                        .help("write \"127.0.0.1:9477\" or \"[::1]:9477\"")
                })
            });
        }
        fields.finish(reader);
    }
}

fn mss_clamp(text: &str) -> Result<MssClamp, Complaint> {
    // A segment smaller than IPv4's smallest (RFC 879) serves nobody; larger than a packet cannot be.
    let bytes = || text.parse().ok().filter(|bytes| (536..=65_495).contains(bytes));
    match text {
        "off" => Ok(MssClamp::Off),
        "pmtu" => Ok(MssClamp::PathMtu),
        _ => bytes().map(MssClamp::Bytes).ok_or_else(|| {
            Complaint::new(format!("`tcp_mss_clamp` cannot be `{text}`"))
                .help("write off, pmtu, or a number of bytes from 536 to 65495")
        }),
    }
}

fn limits(reader: &mut Reader<'_>, node: &Node, limits: &mut Limits) {
    let Some(mut fields) = reader.fields(node, "`limits`") else { return };
    if let Some(node) = fields.take(reader, "flows") {
        set(&mut limits.flows, reader.number(node, "`flows`", 1..=1 << 28));
    }
    if let Some(node) = fields.take(reader, "frames") {
        // Fewer than one batch cannot be received at once.
        set(&mut limits.frames, reader.number(node, "`frames`", 64..=1 << 22));
    }
    if let Some(node) = fields.take(reader, "flows_per_client") {
        let read = reader.number(node, "`flows_per_client`", 0..=1 << 28);
        set(&mut limits.flows_per_client, read);
    }
    fields.finish(reader);
}

fn timeouts(reader: &mut Reader<'_>, node: &Node, timeouts: &mut Timeouts) {
    let Some(mut fields) = reader.fields(node, "`timeouts`") else { return };
    let keys: [(&'static str, &mut At<Duration>); 6] = [
        ("tcp_established", &mut timeouts.tcp_established),
        ("tcp_transitory", &mut timeouts.tcp_transitory),
        ("tcp_half_open", &mut timeouts.tcp_half_open),
        ("udp", &mut timeouts.udp),
        ("udp_unreplied", &mut timeouts.udp_unreplied),
        ("icmp", &mut timeouts.icmp),
    ];
    for (key, slot) in keys {
        if let Some(node) = fields.take(reader, key) {
            set(slot, reader.value(node, &format!("`{key}`"), parse_duration));
        }
    }
    fields.finish(reader);
}
