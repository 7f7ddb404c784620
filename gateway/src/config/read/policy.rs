//! `dns`, `names`, `nsg` and `azure`.

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::model::{
    At, Azure, Enforce, Names, NsgAttachment, NsgTarget, PrivateAnswer, Sees,
};
use super::super::reader::Reader;
use super::super::tree::{Kind, Node};
use super::super::value::{Complaint, Parsed, parse_address, parse_network};

/// A name of the user's choice that appears in messages and counters.
pub(super) fn label(text: &str) -> Parsed<String> {
    let fits = (1..=80).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits {
        return Ok(text.to_owned());
    }
    Err(Complaint::new("this cannot be a name")
        .help("write 1 to 80 letters, digits, dots, dashes and underscores"))
}

pub(super) fn dns(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<At<IpAddr>>> {
    let mut fields = reader.fields(node, "`dns`")?;
    let help = "list the addresses of the resolvers whose answers are believed";
    let resolvers = fields.require(reader, "resolvers", help);
    fields.finish(reader);
    let node = resolvers?;
    if matches!(&node.kind, Kind::List(items) if items.is_empty()) {
        reader.error(node.place, "`resolvers` is empty", help);
    }
    let resolvers = reader
        .list(node, "`resolvers`", |reader, node| reader.value(node, "a resolver", parse_address));
    Some(resolvers)
}

pub(super) fn names(reader: &mut Reader<'_>, node: &Node) -> Names {
    let mut names = Names::default();
    let Some(mut fields) = reader.fields(node, "`names`") else { return names };
    if let Some(node) = fields.take(reader, "enforce") {
        let words = [
            ("when-seen", Enforce::WhenSeen),
            ("require", Enforce::Require),
            ("off", Enforce::Off),
        ];
        names.enforce = reader.choice(node, "`enforce`", &words).unwrap_or(names.enforce);
    }
    if let Some(node) = fields.take(reader, "private_answers") {
        names.private_answers = reader.list(node, "`private_answers`", |reader, node| {
            reader.value(node, "a private answer", private_answer)
        });
    }
    fields.finish(reader);
    names
}

/// A network, an address or a name.
fn private_answer(text: &str) -> Parsed<PrivateAnswer> {
    if text.contains([':', '/']) || text.parse::<IpAddr>().is_ok() {
        let network = match text.contains('/') {
            true => parse_network(text)?,
            false => IpNet::from(parse_address(text)?),
        };
        return Ok(PrivateAnswer::Network(network));
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    let plain = name.strip_prefix("*.").unwrap_or(&name);
    if name.len() <= 253 && plain.split('.').all(is_label) {
        return Ok(PrivateAnswer::Name(name));
    }
    Err(Complaint::new("this is no network and no name")
        .help("write 10.0.0.0/8, db.example.com or \"*.corp.example\""))
}

pub(super) fn nsg(reader: &mut Reader<'_>, node: &Node) -> Option<At<NsgAttachment>> {
    let mut fields = reader.fields(node, "an `nsg` entry")?;
    let group = fields.require(reader, "group", "write the name of the network security group");
    let group = group.and_then(|node| reader.value(node, "`group`", label));
    let help = "write attach: {subnet: 10.1.0.0/24} or attach: {nic: 10.1.0.5}";
    let target = fields.require(reader, "attach", help);
    let target = target.and_then(|node| attach(reader, node, help));
    let sees = fields.take(reader, "sees").and_then(|node| {
        let words = [("before-snat", Sees::BeforeSnat), ("after-snat", Sees::AfterSnat)];
        reader.choice(node, "`sees`", &words)
    });
    fields.finish(reader);
    let sees = sees.map(|sees| sees.value).unwrap_or_default();
    let group = group?;
    let place = group.place;
    Some(At::new(NsgAttachment { group, target: target?, sees }, place))
}

fn attach(reader: &mut Reader<'_>, node: &Node, help: &str) -> Option<NsgTarget> {
    let mut fields = reader.fields(node, "`attach`")?;
    let subnet = fields.take(reader, "subnet");
    let nic = fields.take(reader, "nic");
    fields.finish(reader);
    match (subnet, nic) {
        (Some(node), None) => {
            let network = reader.value(node, "`subnet`", parse_network)?;
            Some(NsgTarget::Subnet(network.value))
        }
        (None, Some(node)) => {
            let address = reader.value(node, "`nic`", parse_address)?;
            Some(NsgTarget::Nic(address.value))
        }
        _ => {
            reader.error(node.place, "`attach` wants either `subnet` or `nic`", help);
            None
        }
    }
}

pub(super) fn azure(reader: &mut Reader<'_>, node: &Node) -> Option<Azure> {
    let mut fields = reader.fields(node, "`azure`")?;
    let mut azure = Azure::default();
    if let Some(node) = fields.take(reader, "service_tags") {
        azure.service_tags = named(reader, node, "`service_tags`", |reader, node| {
            reader.value(node, "a network of a service tag", parse_network)
        });
    }
    if let Some(node) = fields.take(reader, "application_security_groups") {
        let what = "`application_security_groups`";
        azure.application_security_groups = named(reader, node, what, |reader, node| {
            reader.value(node, "a member of a group", parse_address)
        });
    }
    fields.finish(reader);
    Some(azure)
}

/// Lists under names of the user's choice.
fn named<T>(
    reader: &mut Reader<'_>,
    node: &Node,
    what: &str,
    item: fn(&mut Reader<'_>, &Node) -> Option<T>,
) -> Vec<(At<String>, Vec<T>)> {
    let mut all = Vec::new();
    for (key, node) in reader.entries(node, what).unwrap_or_default() {
        match label(&key.text) {
            Ok(name) => {
                let items = reader.list(node, &format!("`{name}`"), item);
                all.push((At::new(name, key.place), items));
            }
            Err(complaint) => {
                let help = complaint.help.unwrap_or_default();
                reader.error(key.place, complaint.message, &help);
            }
        }
    }
    all
}
