//! `static`: the tables that stand in for the kernel's.

use super::super::model::{At, StaticInterface, StaticNeighbor, StaticRoute, StaticTables};
use super::super::reader::Reader;
use super::super::tree::{Key, Kind, Node};
use super::super::value::{Device, Mac, parse_address, parse_interface_address, parse_network};

/// What Ethernet carries without further words.
const MTU: u16 = 1500;

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<At<StaticTables>> {
    let mut fields = reader.fields(node, "`static`")?;
    let mut tables = StaticTables::default();
    let help = "write interfaces: {in0: {mac: \"02:00:00:00:01:01\", addresses: [10.1.0.1/24]}}";
    if let Some(node) = fields.require(reader, "interfaces", help) {
        let entries = reader.entries(node, "`interfaces`").unwrap_or_default();
        tables.interfaces =
            entries.iter().filter_map(|(key, node)| interface(reader, key, node)).collect();
    }
    if let Some(node) = fields.take(reader, "routes") {
        tables.routes = reader.list(node, "`routes`", route);
    }
    if let Some(node) = fields.take(reader, "neighbors") {
        tables.neighbors = reader.list(node, "`neighbors`", neighbor);
    }
    fields.finish(reader);
    Some(At::new(tables, node.place))
}

fn interface(reader: &mut Reader<'_>, key: &Key, node: &Node) -> Option<StaticInterface> {
    // The key is a device like any other, so it is read like a value.
    let name =
        Node { place: key.place, kind: Kind::Scalar { text: key.text.clone(), plain: false } };
    let device = reader.value(&name, "an interface", Device::parse_name);
    let what = format!("the interface `{}`", key.text);
    let mut fields = reader.fields(node, &what)?;
    let mac = fields.require(reader, "mac", "write mac: \"02:00:00:00:01:01\"");
    let mac = mac.and_then(|node| reader.value(node, "`mac`", Mac::parse));
    let addresses = fields.take(reader, "addresses").map(|node| {
        reader.list(node, "`addresses`", |reader, node| {
            reader.value(node, "an address", parse_interface_address)
        })
    });
    let mtu = fields.take(reader, "mtu").and_then(|node| {
        // 68 is the least that IPv4 asks of every link (RFC 791).
        let read = reader.number(node, "`mtu`", 68..=65_535)?;
        Some(At::new(u16::try_from(read.value).ok()?, read.place))
    });
    fields.finish(reader);
    Some(StaticInterface {
        device: device?,
        mac: mac?,
        addresses: addresses.unwrap_or_default(),
        mtu: mtu.unwrap_or(MTU.into()),
    })
}

fn route(reader: &mut Reader<'_>, node: &Node) -> Option<StaticRoute> {
    let mut fields = reader.fields(node, "a route")?;
    let to = fields.require(reader, "to", "write the destination, as in to: 0.0.0.0/0");
    let to = to.and_then(|node| reader.value(node, "`to`", parse_network));
    let via_node = fields.take(reader, "via");
    let via = via_node.and_then(|node| reader.value(node, "`via`", parse_address));
    let device = fields.require(reader, "device", "write the device it leaves by");
    let device = device.and_then(|node| reader.value(node, "`device`", Device::parse_name));
    fields.finish(reader);
    // A route whose next hop cannot be read is not a route on the link.
    if via_node.is_some() && via.is_none() {
        return None;
    }
    Some(StaticRoute { to: to?, via, device: device? })
}

fn neighbor(reader: &mut Reader<'_>, node: &Node) -> Option<StaticNeighbor> {
    let mut fields = reader.fields(node, "a neighbor")?;
    let address = fields.require(reader, "address", "write its IP address");
    let address = address.and_then(|node| reader.value(node, "`address`", parse_address));
    let mac = fields.require(reader, "mac", "write its link address");
    let mac = mac.and_then(|node| reader.value(node, "`mac`", Mac::parse));
    let device = fields.require(reader, "device", "write the device it is reached by");
    let device = device.and_then(|node| reader.value(node, "`device`", Device::parse_name));
    fields.finish(reader);
    Some(StaticNeighbor { address: address?, mac: mac?, device: device? })
}
