//! What a configuration may say and this version does not do.
//!
//! Every key is read and checked from the first version on. A key that bears on security and is not yet
//! enforced must never be ignored: a gateway that starts with it would protect less than its operator believes.
//! So `check` warns about it, and every command that judges packets refuses it.

use super::model::{
    At, Config, DenyAction, Enforce, Filtering, Identity, Mapping, MssClamp, OnFailure,
};
use crate::diagnostic::{Diagnostic, Place, Severity};

/// Each key that bears on security and is not enforced by this version, as an error at its place.
#[must_use]
pub fn unbuilt(config: &Config) -> Vec<Diagnostic> {
    let mut found = Found { config, keys: Vec::new() };
    answers(&mut found);
    interfaces(&mut found);
    translation(&mut found);
    names(&mut found);
    verdicts(&mut found);
    found.in_order()
}

/// Those of [`unbuilt`] without which an explanation would be wrong: the others say how packets are carried,
/// not which may pass and as whom.
#[must_use]
pub fn unexplained(config: &Config) -> Vec<Diagnostic> {
    let mut found = Found { config, keys: Vec::new() };
    answers(&mut found);
    found.in_order()
}

/// Keys without effect in this version that do not make it protect less, as warnings.
#[must_use]
pub(super) fn without_effect(config: &Config) -> Vec<Diagnostic> {
    let warning = |place, message: &str, help: &str| {
        Diagnostic::at(Severity::Warning, &config.source, place, message).with_help(help)
    };
    let mut found = Vec::new();
    if let Some(listen) = &config.metrics {
        let message = "`metrics` has no effect in this version";
        found.push(warning(listen.place, message, "read counters with `sluice stats`"));
    }
    if config.on_failure.is_written() && *config.on_failure == OnFailure::Block {
        let message = "`on_failure: block` holds only while the gateway runs in this version";
        let help =
            "after its process ends the kernel forwards as its own rules say; close them too";
        found.push(warning(config.on_failure.place, message, help));
    }
    found
}

struct Found<'a> {
    config: &'a Config,
    keys: Vec<Diagnostic>,
}

impl Found<'_> {
    fn add(&mut self, place: Place, key: &str, help: &str) {
        let message = format!("{key} is not enforced by this version");
        let diagnostic = Diagnostic::at(Severity::Error, &self.config.source, place, message);
        self.keys.push(diagnostic.with_help(help));
    }

    fn in_order(mut self) -> Vec<Diagnostic> {
        self.keys.sort_by_key(|diagnostic| diagnostic.place.start);
        self.keys
    }
}

fn answers(found: &mut Found<'_>) {
    let config = found.config;
    for interface in config.interfaces.all() {
        if *interface.identity == Identity::Required {
            let help = "remove it, and let policy select what pods may do";
            found.add(interface.identity.place, "`identity: required`", help);
        }
    }
    for pool in config.snat.pools.iter().skip(1) {
        let help = "list all addresses in the first pool";
        found.add(pool.name.place, "a second pool", help);
    }
    if let Some(file) = &config.snat.ip_masq_agent {
        found.add(file.place, "`ip_masq_agent`", "remove it; every destination is translated to");
    }
    if let Some(attachment) = config.nsg.first() {
        let help = "write network policies that say the same";
        found.add(attachment.place, "`nsg`", help);
    }
    if let Some(At { place, .. }) = &config.azure {
        found.add(*place, "`azure`", "write network policies with address blocks");
    }
}

fn interfaces(found: &mut Found<'_>) {
    let config = found.config;
    for interface in config.interfaces.all() {
        if interface.device.is_pattern() {
            let help = "list each device by its own name";
            found.add(interface.device.place, "a pattern in `device`", help);
        }
        if let Some(vlan) = interface.vlan {
            found.add(vlan.place, "`vlan`", "use the kernel's VLAN device as `device`");
        }
        if let Some(bind) = interface.bind.first() {
            found.add(bind.place, "`bind`", "narrow `networks` to the hosts' own /32 prefixes");
        }
    }
}

fn translation(found: &mut Found<'_>) {
    let config = found.config;
    for pool in &config.snat.pools {
        if *pool.mapping == Mapping::EndpointIndependent {
            let help = "write endpoint-dependent";
            found.add(pool.mapping.place, "`mapping: endpoint-independent`", help);
        }
        let filtering = match *pool.filtering {
            Filtering::AddressAndPortDependent => continue,
            Filtering::AddressDependent => "`filtering: address-dependent`",
            Filtering::EndpointIndependent => "`filtering: endpoint-independent`",
        };
        found.add(pool.filtering.place, filtering, "write address-and-port-dependent");
    }
}

fn names(found: &mut Found<'_>) {
    let config = found.config;
    if let Some(resolvers) = &config.dns {
        found.add(resolvers.place, "`dns`", "remove it; port 53 is then ordinary traffic");
    }
    if *config.names.enforce != Enforce::WhenSeen {
        let help = "remove it; no flow is admitted by name";
        found.add(config.names.enforce.place, "`names.enforce`", help);
    }
    if let Some(answer) = config.names.private_answers.first() {
        let help = "remove it; no answer teaches anything";
        found.add(answer.place, "`names.private_answers`", help);
    }
}

fn verdicts(found: &mut Found<'_>) {
    let config = found.config;
    if *config.deny == DenyAction::Reject {
        found.add(config.deny.place, "`deny: reject`", "write drop");
    }
    if *config.limits.flows_per_client != 0 {
        let place = config.limits.flows_per_client.place;
        found.add(
            place,
            "`flows_per_client`",
            "write 0, and choose `flows` with one client in mind",
        );
    }
    if *config.tcp_mss_clamp != MssClamp::Off {
        found.add(config.tcp_mss_clamp.place, "`tcp_mss_clamp`", "write off");
    }
}
