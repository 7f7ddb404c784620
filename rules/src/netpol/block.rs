//! Reads an `ipBlock`.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use crate::fields::Reader;
use crate::objects::IpBlock;
use crate::yaml::{Node, shown};

pub(super) fn read<'t>(reader: &mut Reader<'t>, node: &Node<'t>, what: &str) -> Option<IpBlock> {
    reader.known_keys(node, what, &["cidr", "except"]);
    let Some(cidr) = node.get("cidr") else {
        reader.error(node.span, format!("{what} without cidr"));
        return None;
    };
    let cidr = prefix(reader, cidr, &format!("{what}.cidr"));
    let mut except = Vec::new();
    for (index, item) in
        reader.list(node.get("except"), &format!("{what}.except")).iter().enumerate()
    {
        let what = format!("{what}.except[{index}]");
        let Some(hole) = prefix(reader, item, &what) else { continue };
        if let Some(cidr) = cidr
            && !(cidr.contains(&hole) && cidr != hole)
        {
            let message = format!("{what}: {hole} is not a part of {cidr}");
            reader.error_with_help(
                item.span,
                message,
                "what is outside the block is not in it anyway",
            );
        }
        except.push(hole);
    }
    Some(IpBlock { cidr: cidr?, except })
}

/// An address prefix with no bit set behind its length.
fn prefix(reader: &mut Reader<'_>, node: &Node<'_>, what: &str) -> Option<IpNet> {
    let text = reader.string(node, what)?;
    let Ok(net) = text.parse::<IpNet>() else {
        let message = format!("{what} must be a prefix such as 10.0.0.0/8, not `{}`", shown(&text));
        match text.parse::<IpAddr>() {
            Ok(ip) => {
                let help = format!("did you mean {}?", IpNet::from(ip));
                reader.error_with_help(node.span, message, help);
            }
            Err(_) => reader.error(node.span, message),
        }
        return None;
    };
    if net.addr() != net.network() {
        let message = format!("{what}: prefix {net} has host bits set");
        reader.error_with_help(node.span, message, format!("did you mean {}?", net.trunc()));
        return None;
    }
    if let IpNet::V6(v6) = net
        && let mapped = Ipv6Addr::from(0xffff_u128 << 32)
        && v6.prefix_len() >= 96
        && v6.network().to_bits() >> 32 == mapped.to_bits() >> 32
    {
        let message = format!("{what}: {net} writes an IPv4 prefix as IPv6");
        reader.error_with_help(
            node.span,
            message,
            "write it as IPv4: no packet carries a mapped address",
        );
        return None;
    }
    Some(net)
}
