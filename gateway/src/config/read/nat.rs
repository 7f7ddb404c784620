//! `network` and `snat`.

use super::super::model::{Filtering, Mapping, Network, NetworkMode, Pool, Snat};
use super::super::reader::Reader;
use super::super::tree::{Kind, Node};
use super::super::value::{AddressRange, PortRange};

/// One word for both families, or one for each.
pub(super) fn network(reader: &mut Reader<'_>, node: &Node) -> Network {
    let mode = |reader: &mut Reader<'_>, node: &Node, what: &str| {
        let words = [("overlay", NetworkMode::Overlay), ("flat", NetworkMode::Flat)];
        reader.choice(node, what, &words).unwrap_or_default()
    };
    if !matches!(node.kind, Kind::Map(_)) {
        let both = mode(reader, node, "`network`");
        return Network { ipv4: both, ipv6: both };
    }
    let mut network = Network::default();
    let Some(mut fields) = reader.fields(node, "`network`") else { return network };
    if let Some(node) = fields.take(reader, "ipv4") {
        network.ipv4 = mode(reader, node, "`ipv4`");
    }
    if let Some(node) = fields.take(reader, "ipv6") {
        network.ipv6 = mode(reader, node, "`ipv6`");
    }
    fields.finish(reader);
    network
}

pub(super) fn snat(reader: &mut Reader<'_>, node: &Node) -> Snat {
    let mut snat = Snat::default();
    let Some(mut fields) = reader.fields(node, "`snat`") else { return snat };
    if let Some(node) = fields.take(reader, "pools") {
        snat.pools = reader.list(node, "`pools`", pool);
    }
    if let Some(node) = fields.take(reader, "ip_masq_agent") {
        snat.ip_masq_agent = reader.path(node, "`ip_masq_agent`");
    }
    fields.finish(reader);
    snat
}

fn pool(reader: &mut Reader<'_>, node: &Node) -> Option<Pool> {
    let mut fields = reader.fields(node, "a pool")?;
    let name = fields.require(reader, "name", "write name: default");
    let name = name.and_then(|node| reader.value(node, "`name`", super::policy::label));
    let help = "list the addresses to translate to, as in addresses: [203.0.113.1]";
    let addresses = fields.require(reader, "addresses", help).map(|node| {
        if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
            reader.error(node.place, "`addresses` is empty", help);
        }
        reader.list(node, "`addresses`", |reader, node| {
            reader.value(node, "an address of a pool", AddressRange::parse)
        })
    });
    let ports = fields.take(reader, "ports").and_then(|node| {
        if matches!(node.kind, Kind::List(_)) {
            reader.error(node.place, "`ports` is one range", "write ports: 1024-65535");
            return None;
        }
        reader.value(node, "`ports`", PortRange::parse)
    });
    let mapping = fields.take(reader, "mapping").and_then(|node| {
        let words = [
            ("endpoint-dependent", Mapping::EndpointDependent),
            ("endpoint-independent", Mapping::EndpointIndependent),
        ];
        reader.choice(node, "`mapping`", &words)
    });
    let filtering = fields.take(reader, "filtering").and_then(|node| {
        let words = [
            ("address-and-port-dependent", Filtering::AddressAndPortDependent),
            ("address-dependent", Filtering::AddressDependent),
            ("endpoint-independent", Filtering::EndpointIndependent),
        ];
        reader.choice(node, "`filtering`", &words)
    });
    fields.finish(reader);
    Some(Pool {
        name: name?,
        addresses: addresses?,
        ports: ports.unwrap_or_default(),
        mapping: mapping.unwrap_or_default(),
        filtering: filtering.unwrap_or_default(),
    })
}
