//! `interfaces` and `workers`.

use super::super::model::{At, Bind, Identity, Interface, Interfaces};
use super::super::reader::Reader;
use super::super::tree::{Kind, Node};
use super::super::value::{Complaint, Device, Mac, Parsed, parse_address, parse_network};

/// An interface's number is 16 bits wide, and every socket of one costs memory.
const INTERFACES_MAX: usize = 1024;

/// The most CPUs a kernel's CPU set names.
const CPUS_MAX: u16 = 1024;

pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Interfaces {
    let mut interfaces = Interfaces::default();
    let Some(mut fields) = reader.fields(node, "`interfaces`") else { return interfaces };
    let help =
        "list the devices towards pods and hosts, as in {device: in0, networks: [10.1.0.0/24]}";
    if let Some(node) = fields.require(reader, "inside", help) {
        interfaces.inside = side(reader, node, "`inside`", inside);
    }
    let help = "list the devices towards everyone else, as in {device: out0}";
    if let Some(node) = fields.require(reader, "outside", help) {
        interfaces.outside = side(reader, node, "`outside`", outside);
    }
    fields.finish(reader);
    interfaces
}

fn side(
    reader: &mut Reader<'_>,
    node: &Node,
    what: &str,
    item: fn(&mut Reader<'_>, &Node) -> Option<Interface>,
) -> Vec<Interface> {
    let Some(items) = reader.items(node, what) else { return Vec::new() };
    if items.is_empty() {
        reader.error(node.place, format!("{what} is empty"), "list at least one device");
    }
    if items.len() > INTERFACES_MAX {
        let message = format!("{what} has more than {INTERFACES_MAX} devices");
        reader.error(node.place, message, "use a pattern such as \"veth*\"");
        return Vec::new();
    }
    items.iter().filter_map(|node| item(reader, node)).collect()
}

fn inside(reader: &mut Reader<'_>, node: &Node) -> Option<Interface> {
    let mut fields = reader.fields(node, "an inside interface")?;
    let device = fields.require(reader, "device", "write device: in0");
    let vlan = fields.take(reader, "vlan");
    let mut interface = common(reader, device, vlan);
    let help = "list the networks whose addresses may be sources here; anything else is spoofed";
    if let Some(node) = fields.require(reader, "networks", help) {
        let networks = reader.list(node, "`networks`", |reader, node| {
            reader.value(node, "a network", parse_network)
        });
        if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
            reader.error(node.place, "`networks` is empty", help);
        }
        if let Some(interface) = &mut interface {
            interface.networks = networks;
        }
    }
    let bind = fields.take(reader, "bind").map(|node| reader.list(node, "`bind`", bind));
    let local_veth = fields.take(reader, "local_veth");
    let local_veth = local_veth.and_then(|node| reader.truth(node, "`local_veth`"));
    let identity = fields.take(reader, "identity").and_then(|node| {
        let words = [("optional", Identity::Optional), ("required", Identity::Required)];
        reader.choice(node, "`identity`", &words)
    });
    fields.finish(reader);
    let mut interface = interface?;
    interface.bind = bind.unwrap_or_default();
    interface.local_veth = local_veth;
    interface.identity = identity.unwrap_or(interface.identity);
    Some(interface)
}

fn outside(reader: &mut Reader<'_>, node: &Node) -> Option<Interface> {
    let mut fields = reader.fields(node, "an outside interface")?;
    let device = fields.require(reader, "device", "write device: out0");
    let vlan = fields.take(reader, "vlan");
    let mut interface = common(reader, device, vlan);
    let local_veth = fields.take(reader, "local_veth");
    let local_veth = local_veth.and_then(|node| reader.truth(node, "`local_veth`"));
    if let Some(interface) = &mut interface {
        interface.local_veth = local_veth;
    }
    fields.finish(reader);
    interface
}

/// What both sides have: the device and its VLAN.
fn common(
    reader: &mut Reader<'_>,
    device: Option<&Node>,
    vlan: Option<&Node>,
) -> Option<Interface> {
    let vlan = vlan.and_then(|node| {
        let read = reader.number(node, "`vlan`", 1..=4094)?;
        Some(At::new(u16::try_from(read.value).ok()?, read.place))
    });
    let device = reader.value(device?, "`device`", Device::parse_pattern)?;
    Some(Interface {
        device,
        networks: Vec::new(),
        bind: Vec::new(),
        vlan,
        local_veth: None,
        identity: At::default(),
    })
}

/// An address alone, or `{address, mac}`.
fn bind(reader: &mut Reader<'_>, node: &Node) -> Option<At<Bind>> {
    if !matches!(node.kind, Kind::Map(_)) {
        let address = reader.value(node, "a bound address", parse_address)?;
        return Some(At::new(Bind { address: address.value, mac: None }, node.place));
    }
    let mut fields = reader.fields(node, "a `bind` entry")?;
    let address = fields.require(reader, "address", "write {address: 10.1.0.7, mac: …}");
    let address = address.and_then(|node| reader.value(node, "`address`", parse_address));
    let mac = fields.take(reader, "mac").and_then(|node| reader.value(node, "`mac`", Mac::parse));
    fields.finish(reader);
    let address = address?;
    Some(At::new(Bind { address: address.value, mac: mac.map(|mac| mac.value) }, address.place))
}

/// `workers.cpus`: numbers and ranges of numbers.
pub(super) fn cpus(reader: &mut Reader<'_>, node: &Node) -> Option<At<Vec<At<u16>>>> {
    let mut fields = reader.fields(node, "`workers`")?;
    let node = fields.take(reader, "cpus");
    fields.finish(reader);
    let node = node?;
    let ranges = reader.list(node, "`cpus`", |reader, node| reader.value(node, "a CPU", cpu_range));
    if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
        reader.error(node.place, "`cpus` is empty", "list the CPUs to use, or remove the key");
    }
    let each = |range: At<(u16, u16)>| {
        (range.value.0..=range.value.1).map(move |cpu| At::new(cpu, range.place))
    };
    // A CPU can be listed once; more than all of them is only possible by repetition.
    let limit = usize::from(CPUS_MAX) + 1;
    Some(At::new(ranges.into_iter().flat_map(each).take(limit).collect(), node.place))
}

fn cpu_range(text: &str) -> Parsed<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let cpu = |word: &str| word.parse::<u16>().ok().filter(|cpu| *cpu < CPUS_MAX);
    match (cpu(first), cpu(last)) {
        (Some(first), Some(last)) if first <= last => Ok((first, last)),
        (Some(first), Some(last)) => Err(Complaint::new(format!("the range `{text}` is reversed"))
            .help(format!("write {last}-{first}"))),
        _ => Err(Complaint::new(format!("`{text}` is no CPU"))
            .help(format!("write numbers from 0 to {}, or ranges such as 2-5", CPUS_MAX - 1))),
    }
}
