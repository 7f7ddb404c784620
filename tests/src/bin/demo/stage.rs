//! The rig of the demo: the world, the internet's servers and the gateway on a copy of the example files.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kit::layout::DNS;
use kit::observer::Tally;
use kit::servers::{Authority, DnsServer, TlsServer, UdpSink};
use kit::{Context as _, Gateway, Plan, Result, World};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::cast::{FLOODED, PODS, ROLES, Role, TLS, ZONE};

/// Everything that stands while the demo runs. Fields drop in this order: the gateway first.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) gateway: Gateway,
    pub(crate) tls: Vec<((Ipv4Addr, u16), TlsServer)>,
    pub(crate) sink: UdpSink,
    pub(crate) trust: Arc<ClientConfig>,
    _dns: DnsServer,
    pub(crate) world: World,
}

/// What the far side's witness saw, sorted by conversation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sighting {
    /// Per conversation of [`ROLES`].
    pub(crate) roles: Vec<Tally>,
    /// Packets that arrived and belong to no conversation, with an example.
    pub(crate) strays: (u64, String),
    /// The sources of what arrived.
    pub(crate) sources: BTreeMap<Ipv4Addr, u64>,
    /// Distinct source ports of what arrived.
    pub(crate) ports: usize,
    /// All frames that arrived.
    pub(crate) arrived: u64,
}

impl Stage {
    /// Builds it from the files in `examples`; with `capture` the witness writes what it sees there.
    pub(crate) fn build(examples: &Path, capture: Option<&Path>) -> Result<Self> {
        let mut plan = Plan::new(&PODS);
        plan.servers = ZONE.iter().flat_map(|(_, addresses)| addresses.to_vec()).collect();
        let world = World::build(&plan)?;
        if let Some(file) = capture {
            world.observer.capture(file)?;
        }
        let authority = Authority::new()?;
        let dns = DnsServer::start(&world.internet, DNS, &ZONE)?;
        let names: Vec<&str> = ZONE.iter().map(|(name, _)| *name).collect();
        let tls = TLS
            .iter()
            .map(|&at| Ok((at, TlsServer::start(&world.internet, at, &authority, &names)?)))
            .collect::<Result<_>>()?;
        let sink = UdpSink::start(&world.internet, FLOODED)?;
        copy(&world, examples, "")?;
        let gateway = Gateway::start_prepared(&world)?;
        Ok(Self { gateway, tls, sink, trust: authority.client()?, _dns: dns, world })
    }

    /// Asks the gateway for its reasons: per conversation the object, file and line that decides it.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let probes: String = ROLES.iter().enumerate().map(|(id, role)| probe(id, role)).collect();
        let config = format!("{}/sluice.yaml", kit::gateway::FOLDER);
        let asked = kit::gateway::binary().and_then(|binary| {
            let argv = [binary.as_str(), "explain", "-c", &config, "--probes", "-"];
            self.world.gateway.feed(&argv, &probes)
        });
        // The reasons are decoration; a gateway that cannot explain is caught by tests of its own.
        let mut lines: Vec<String> = asked.unwrap_or_default().lines().map(reason).collect();
        lines.resize(ROLES.len(), "-".to_owned());
        lines
    }

    /// What the witness saw so far.
    pub(crate) fn sighting(&self) -> Sighting {
        self.world.observer.with(|seen| {
            let mut sighting = Sighting { arrived: seen.arrived, ..Sighting::default() };
            sighting.roles = vec![Tally::default(); ROLES.len()];
            let mut ports = std::collections::HashSet::new();
            for (kind, tally) in seen.kinds.iter().filter(|(kind, _)| kind.arrived) {
                *sighting.sources.entry(kind.source).or_default() += tally.packets;
                ports.insert((kind.protocol, kind.source_port));
                let role = ROLES.iter().position(|role| {
                    kind.pod() == Some(role.seat())
                        && (kind.destination, kind.destination_port) == role.to
                        && kind.protocol == role.protocol()
                });
                let Some(index) = role else {
                    // A client that gave up on an answer refuses it when it comes: type 3 of ICMP.
                    if (kind.protocol, kind.source_port >> 8) != (1, 3) {
                        sighting.strays.0 += tally.packets;
                        sighting.strays.1 = format!("{kind:?}");
                    }
                    continue;
                };
                let sum = &mut sighting.roles[index];
                sum.packets += tally.packets;
                sum.bytes += tally.bytes;
                sum.last = sum.last.max(tally.last);
            }
            sighting.ports = ports.len();
            sighting
        })
    }

    /// Waits until the witness has taken in all that the kernel delivered, at most `limit`.
    pub(crate) fn witness_is_done(&self, limit: Duration) -> Result<()> {
        kit::until("the witness", limit, || {
            let delivered = self.world.devices().ok()?.get(kit::layout::INTERNET_DEVICE)?.rx;
            (self.world.observer.with(|seen| seen.arrived) == delivered).then_some(())
        })
    }
}

/// Copies the files under `folder` into the gateway's folder.
fn copy(world: &World, folder: &Path, below: &str) -> Result<()> {
    let what = || format!("read {}", folder.display());
    for entry in fs::read_dir(folder).context(what)? {
        let path = entry.context(what)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = format!("{below}{}", name.unwrap_or_default());
        if path.is_dir() {
            copy(world, &path, &format!("{name}/"))?;
        } else {
            let text = fs::read_to_string(&path).context(|| format!("read {}", path.display()))?;
            Gateway::write(world, &name, &text)?;
        }
    }
    Ok(())
}

fn probe(id: usize, role: &Role) -> String {
    let (address, port) = role.to;
    let probe = json!({
        "id": id.to_string(),
        "from": format!("pod:{}", PODS[role.pod]),
        "to": format!("ip:{address}"),
        "proto": role.transport(),
        "port": port,
    });
    format!("{probe}\n")
}

/// `shop/web-egress web-egress.yaml:14` from a line of `explain --probes`.
fn reason(line: &str) -> String {
    let answer: Value = serde_json::from_str(line).unwrap_or_default();
    let by = &answer["decided_by"];
    let text = |key: &str| by[key].as_str().unwrap_or_default().to_owned();
    let object = if by["object"].is_string() { text("object") } else { text("layer") };
    let file = text("file").rsplit('/').next().unwrap_or_default().to_owned();
    match by["line"].as_u64() {
        Some(line) if !file.is_empty() => format!("{object} {file}:{line}"),
        _ => object,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_object_and_place() {
        let line = r#"{"id":"0","verdict":"allow","decided_by":{"layer":"networkpolicy",
            "object":"shop/web","rule":0,"file":"policies/web.yaml","line":14}}"#;
        assert_eq!(reason(line), "shop/web web.yaml:14");
        let default =
            r#"{"decided_by":{"layer":"unmatched","object":null,"file":null,"line":null}}"#;
        assert_eq!(reason(default), "unmatched");
        assert_eq!(reason("no json"), "");
    }
}
