//! The catalogue's first pages: Ethernet, ARP, DHCP.

use super::catalogue::{check, good, row};
use crate::kit::frame::{arp, udp, with};
use crate::kit::{Via, end};
use std::net::Ipv4Addr;

#[test]
fn the_link_layer() {
    let mut rows = Vec::new();
    for len in 0..14 {
        rows.push(row("E001", format!("{len} bytes"), good()[..len].to_vec(), "l2.short"));
    }
    for len in 14..good().len() {
        let cut = good()[..len].to_vec();
        rows.push(row("E001", format!("{len} bytes"), cut, "ip4.truncated"));
    }
    let gateway = Via::In0.gateway();
    let station = Via::In0.station();
    rows.extend([
        row("E002", "a group as sender", with(&good(), 6, &[3, 0, 0, 0, 1, 5]), "l2.src_mac"),
        row("E002", "everyone as sender", with(&good(), 6, &[0xff; 6]), "l2.src_mac"),
        row("E003", "to everyone", with(&good(), 0, &[0xff; 6]), "l2.mcast_unicast_ip"),
        row("E003", "to a group", with(&good(), 0, &[1, 0, 0x5e, 0, 0, 1]), "l2.mcast_unicast_ip"),
        row("E012", "from itself to itself", with(&good(), 0, &station), "l2.loop"),
        row("E012", "from the gateway", with(&good(), 6, &gateway), "l2.loop"),
        row("E012", "to another station", with(&good(), 0, &[2, 0, 0, 0, 9, 9]), "l2.not_for_us"),
    ]);
    for (name, tag) in [
        ("802.1Q", [0x81, 0x00, 0, 7]),
        ("802.1ad", [0x88, 0xa8, 0, 7]),
        ("the old QinQ", [0x91, 0x00, 0, 7]),
        ("a priority tag", [0x81, 0x00, 0xe0, 0]),
    ] {
        let mut tagged = good();
        tagged.splice(12..12, tag);
        rows.push(row("E008", name, tagged.clone(), "l2.vlan"));
        tagged.splice(12..12, [0x81, 0, 0, 9]);
        rows.push(row("E008", format!("two tags, {name}"), tagged, "l2.vlan"));
    }
    for (name, kind) in [
        ("LLC", [0, 60]),
        ("MPLS", [0x88, 0x47]),
        ("PPPoE", [0x88, 0x64]),
        ("RARP", [0x80, 0x35]),
        ("nothing known", [0xfe, 0xdc]),
    ] {
        rows.push(row("E009", name, with(&good(), 12, &kind), "l2.ethertype"));
    }
    rows.push(row("E009", "IPv6", with(&good(), 12, &[0x86, 0xdd]), "ip6.unsupported"));
    rows.push(row("E009", "LLDP", with(&good(), 12, &[0x88, 0xcc]), "host"));
    check(rows);
}

#[test]
fn neighbours_who_lie() {
    let addr = |text: &str| text.parse::<Ipv4Addr>().expect("an address");
    let mac = Via::In0.station();
    let ask = |claims| arp(Via::In0, 1, mac, addr(claims), addr("10.1.0.1"));
    let answer = |claims| arp(Via::In0, 2, mac, addr(claims), addr(claims));
    let fine = ask("10.1.0.5");
    let mut rows = vec![
        row("E004", "an honest question", fine.clone(), "host"),
        row("E004", "a probe", ask("0.0.0.0"), "host"),
        row("E004", "the gateway's address", answer("10.1.0.1"), "arp.spoof"),
        row("E004", "the gateway's address outside", answer("203.0.113.2"), "arp.spoof"),
        row("E004", "a pool address", answer("203.0.113.1"), "arp.spoof"),
        row("E004", "another network's pod", answer("10.2.0.5"), "arp.spoof"),
        row("E004", "the world's", answer("198.51.100.7"), "arp.spoof"),
        row(
            "E005",
            "another sender",
            arp(Via::In0, 1, [2; 6], addr("10.1.0.5"), addr("10.1.0.1")),
            "arp.malformed",
        ),
    ];
    for (what, at, byte) in [
        ("hardware type", 15, 2),
        ("protocol type", 16, 9),
        ("address length", 18, 5),
        ("protocol length", 19, 16),
        ("operation 0", 21, 0),
        ("operation 3", 21, 3),
    ] {
        rows.push(row("E005", what, with(&fine, at, &[byte]), "arp.malformed"));
    }
    for len in 14..fine.len() {
        rows.push(row(
            "E001",
            format!("ARP of {len} bytes"),
            fine[..len].to_vec(),
            "arp.malformed",
        ));
    }
    // Outside, the machine's own stack judges what neighbours claim, as it does without a gateway.
    let uplink = |claims| arp(Via::Out0, 2, Via::Out0.station(), addr(claims), addr(claims));
    for claimed in ["203.0.113.2", "203.0.113.1", "203.0.113.254"] {
        rows.push(("E004", format!("{claimed}, from outside"), Via::Out0, uplink(claimed), "host"));
    }
    check(rows);
}

/// Hazard E007: the gateway's host may answer DHCP; its pods may not.
#[test]
fn only_the_host_answers_dhcp() {
    let (pod, all) = (end("10.1.0.5", 68), end("255.255.255.255", 67));
    let asks = udp(Via::In0, end("10.1.0.5", 68), all, b"discover");
    let answers = udp(Via::In0, end("10.1.0.5", 67), end("255.255.255.255", pod.port), b"offer");
    check(vec![
        row("E007", "a client", with(&asks, 0, &[0xff; 6]), "host"),
        row("E007", "a server", with(&answers, 0, &[0xff; 6]), "dhcp.server_from_pod"),
    ]);
}
