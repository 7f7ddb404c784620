//! The catalogue: a frame, the one counter it moves, and nothing else.

use crate::kit::frame::{
    L3, L4, Segment, fix_ip, fix_l4, flag, icmp, initiate, ping, pong, raw, sctp, syn, tcp, udp,
    with, with_ip, with_l4,
};
use crate::kit::{Outcome, Setup, Via, end};

/// Hazard, what it is, where it arrives, the frame, what becomes of it.
type Row = (&'static str, String, Via, Vec<u8>, &'static str);

pub(super) fn good() -> Vec<u8> {
    udp(Via::In0, end("10.1.0.5", 5000), end("198.51.100.7", 53), b"payload")
}

fn good_tcp() -> Vec<u8> {
    tcp(Via::In0, end("10.1.0.5", 5000), end("198.51.100.7", 443), syn(1))
}

fn from(src: &str) -> Vec<u8> {
    udp(Via::In0, end(src, 5000), end("198.51.100.7", 53), b"payload")
}

fn to(dst: &str) -> Vec<u8> {
    udp(Via::In0, end("10.1.0.5", 5000), end(dst, 53), b"payload")
}

pub(super) fn check(rows: Vec<Row>) {
    let mut world = Setup::default().world();
    for (hazard, what, via, frame, expected) in rows {
        println!("{hazard} {what}");
        let before = world.flows();
        let outcome = world.step(via, &frame, expected);
        assert!(!matches!(outcome, Outcome::Sent(_)), "{hazard} {what} left");
        assert_eq!(world.flows(), before);
    }
    // After all of them the world is as good as new.
    let sent = world.forward(Via::In0, &good(), "tx.out0 flows_admitted flows ports");
    assert_eq!(sent.dst(), end("198.51.100.7", 53));
}

pub(super) fn row(
    hazard: &'static str,
    what: impl Into<String>,
    frame: Vec<u8>,
    expected: &'static str,
) -> Row {
    (hazard, what.into(), Via::In0, frame, expected)
}

#[test]
fn ip_headers() {
    let mut rows = Vec::new();
    for ihl in 0..5 {
        rows.push(row(
            "E020",
            format!("IHL {ihl}"),
            with_ip(&good(), 0, &[0x40 | ihl]),
            "ip4.malformed",
        ));
    }
    for version in [0, 3, 5, 6, 15] {
        let frame = with_ip(&good(), 0, &[version << 4 | 5]);
        rows.push(row("E020", format!("version {version}"), frame, "ip4.malformed"));
    }
    for total in [0, 1, 19] {
        let frame = with_ip(&good(), 2, &[0, total]);
        rows.push(row("E020", format!("total length {total}"), frame, "ip4.malformed"));
    }
    let more = u8::try_from(good().len() - L3 + 1).expect("short");
    rows.push(row("E020", "one byte missing", with_ip(&good(), 2, &[0, more]), "ip4.truncated"));
    rows.push(row("E020", "64 KiB missing", with_ip(&good(), 2, &[0xff, 0xff]), "ip4.truncated"));
    rows.push(row(
        "E020",
        "a header longer than the packet",
        with_ip(&good(), 0, &[0x4f]),
        "ip4.malformed",
    ));
    for bit in 0..16 {
        let at = L3 + 10 + bit / 8;
        let flipped = good()[at] ^ 1 << (bit % 8);
        rows.push(row(
            "E021",
            format!("checksum bit {bit}"),
            with(&good(), at, &[flipped]),
            "ip4.csum",
        ));
    }
    for ttl in [0, 1] {
        rows.push(row("E022", format!("TTL {ttl}"), with_ip(&good(), 8, &[ttl]), "ttl.expired"));
    }
    check(rows);
}

#[test]
fn ip_options_flags_and_fragments() {
    let mut rows = Vec::new();
    for (name, option) in [
        ("end of list", [0, 0, 0, 0]),
        ("no operation", [1, 1, 1, 1]),
        ("loose source route", [0x83, 4, 4, 0]),
        ("strict source route", [0x89, 4, 4, 0]),
        ("record route", [7, 4, 4, 0]),
        ("timestamp", [0x44, 4, 5, 0]),
        ("router alert", [0x94, 4, 0, 0]),
        ("length 0", [7, 0, 0, 0]),
        ("length 1", [7, 1, 0, 0]),
        ("past the end", [7, 40, 0, 0]),
    ] {
        let mut frame = good();
        frame.splice(L4..L4, option);
        let total = u16::try_from(frame.len() - L3).expect("short").to_be_bytes();
        frame = with(&frame, L3 + 2, &total);
        frame[L3] = 0x46;
        fix_ip(&mut frame);
        rows.push(row("E023", name, frame, "ip4.option"));
    }
    rows.push(row("E028", "the reserved flag", with_ip(&good(), 6, &[0x80, 0]), "ip4.reserved"));
    rows.push(row(
        "E028",
        "the reserved flag and DF",
        with_ip(&good(), 6, &[0xc0, 0]),
        "ip4.reserved",
    ));
    for (name, flags) in [
        ("first", [0x20, 0]),
        ("middle", [0x20, 9]),
        ("last", [0, 9]),
        ("at offset 8", [0, 1]),
        ("the last there can be", [0x1f, 0xff]),
        ("with DF", [0x60, 0]),
    ] {
        rows.push(row(
            "E040",
            format!("fragment, {name}"),
            with_ip(&good(), 6, &flags),
            "frag.unsupported",
        ));
    }
    rows.push(row("E027", "protocol 0", with_ip(&good(), 9, &[0]), "proto.denied"));
    rows.push(row("E027", "protocol 255", with_ip(&good(), 9, &[255]), "proto.denied"));
    check(rows);
}

#[test]
fn addresses() {
    let mut rows = Vec::new();
    for src in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "169.254.1.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ] {
        rows.push(row("E024", format!("source {src}"), from(src), "ip.martian_src"));
        let mut up = udp(Via::Out0, end(src, 53), end("203.0.113.1", 5000), b"x");
        fix_l4(&mut up);
        rows.push(("E024", format!("source {src} outside"), Via::Out0, up, "ip.martian_src"));
    }
    rows.extend([
        row(
            "E024",
            "LAND",
            udp(Via::In0, end("10.1.0.5", 7), end("10.1.0.5", 7), b"x"),
            "ip.martian_src",
        ),
        row("E024", "the gateway as source", from("10.1.0.1"), "ip.martian_src"),
        row("E024", "the network's broadcast as source", from("10.1.0.255"), "ip.martian_src"),
        row("E024", "the pool as source", from("203.0.113.1"), "ip.martian_src"),
        row("E025", "another network's pod", from("10.2.0.5"), "spoof.src"),
        row("E025", "a stranger", from("198.51.100.9"), "spoof.src"),
    ]);
    for src in ["10.1.0.5", "10.2.0.77"] {
        let up = udp(Via::Out0, end(src, 53), end("203.0.113.1", 5000), b"x");
        rows.push(("E025", format!("{src} from outside"), Via::Out0, up, "rpf.uplink"));
    }
    for dst in [
        "0.0.0.0",
        "0.0.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "224.0.0.5",
        "239.255.255.250",
        "240.0.0.1",
    ] {
        rows.push(row("E026", format!("destination {dst}"), to(dst), "ip.martian_dst"));
    }
    for dst in ["10.1.0.1", "10.1.0.255", "203.0.113.2", "203.0.113.255", "255.255.255.255"] {
        rows.push(row("E026", format!("the machine's own {dst}"), to(dst), "host"));
    }
    check(rows);
}

#[test]
fn transport_headers() {
    let t = good_tcp();
    let mut rows = Vec::new();
    for words in (0..5).chain(6..16) {
        let frame = with_l4(&t, 12, &[words << 4]);
        rows.push(row("E081", format!("data offset {words}"), frame, "tcp.malformed"));
    }
    for options in [[2, 0, 5, 180], [2, 1, 5, 180], [2, 5, 5, 180], [1, 1, 1, 3], [8, 10, 0, 0]] {
        let segment = Segment { options: &[1, 1, 1, 1], ..syn(1) };
        let frame = tcp(Via::In0, end("10.1.0.5", 5000), end("198.51.100.7", 443), segment);
        let frame = with_l4(&frame, 20, &options);
        rows.push(row("E081", format!("options {options:?}"), frame, "tcp.malformed"));
    }
    rows.push(row("E082", "TCP checksum", with(&t, L4 + 16, &[0xab, 0xcd]), "tcp.csum"));
    rows.push(row("E082", "UDP checksum", with(&good(), L4 + 6, &[0xab, 0xcd]), "udp.csum"));
    let e = (end("10.1.0.5", 5000), end("198.51.100.7", 3868));
    let init = sctp(Via::In0, e.0, e.1, 0, (1, 0, &initiate(7)));
    rows.push(row("E082", "SCTP checksum", with(&init, L4 + 8, &[0; 4]), "sctp.csum"));
    rows.push(row("E083", "an ACK of nothing", with_l4(&t, 13, &[flag::ACK]), "tcp.no_flow"));
    for at in [0, 2] {
        for frame in [&t, &good(), &init] {
            rows.push(row(
                "E100",
                format!("port at {at}"),
                with_l4(frame, at, &[0, 0]),
                "l4.port0",
            ));
        }
    }
    for len in [0, 1, 7, 16, 255] {
        let frame = with_l4(&good(), 4, &[0, len]);
        rows.push(row("E110", format!("UDP length {len}"), frame, "udp.malformed"));
    }
    check(rows);
}

#[test]
fn sctp_chunks_and_headers_cut_short() {
    let mut rows = Vec::new();
    let e = (end("10.1.0.5", 5000), end("198.51.100.7", 3868));
    let init = sctp(Via::In0, e.0, e.1, 0, (1, 0, &initiate(7)));
    let sctp_row = |what: &str, frame, reason| row("SCTP", what, frame, reason);
    rows.extend([
        sctp_row(
            "data of no association",
            sctp(Via::In0, e.0, e.1, 9, (0, 3, b"data")),
            "sctp.no_flow",
        ),
        sctp_row("INIT with a tag", sctp(Via::In0, e.0, e.1, 9, (1, 0, &initiate(7))), "sctp.vtag"),
        sctp_row(
            "INIT that chooses 0",
            sctp(Via::In0, e.0, e.1, 0, (1, 0, &initiate(0))),
            "sctp.chunks",
        ),
        sctp_row("INIT too short", sctp(Via::In0, e.0, e.1, 0, (1, 0, &[0; 8])), "sctp.malformed"),
        sctp_row("chunk of length 3", with_l4(&init, 14, &[0, 3]), "sctp.malformed"),
        sctp_row("chunk past the end", with_l4(&init, 14, &[0, 99]), "sctp.malformed"),
    ]);
    for (proto, size, reason) in [
        (6, 19, "tcp.malformed"),
        (17, 7, "udp.malformed"),
        (132, 15, "sctp.malformed"),
        (1, 7, "icmp.malformed"),
    ] {
        for len in 0..=size {
            let frame = raw(Via::In0, e.0, e.1, proto, &vec![1; len]);
            rows.push(row("E001", format!("protocol {proto}, {len} bytes"), frame, reason));
        }
    }
    check(rows);
}

#[test]
fn icmp_messages() {
    let (pod, far) = (end("10.1.0.5", 7), end("198.51.100.7", 0));
    let mut rows = vec![
        row("E112", "a reply nobody asked for", pong(Via::In0, pod, far, b"x"), "icmp.unsolicited"),
        row("E115", "echo, code 1", icmp(Via::In0, pod, far, (8, 1), b"xxxx"), "icmp.type"),
        row(
            "E113",
            "a wrong checksum",
            with(&ping(Via::In0, pod, far, b"x"), L4 + 2, &[1, 2]),
            "icmp.csum",
        ),
    ];
    for kind in 0..=255 {
        let reason = match kind {
            0 | 8 => continue,
            3 | 11 | 12 => "icmp.unrelated",
            _ => "icmp.type",
        };
        for code in [0, 1, 4, 255] {
            let frame = icmp(Via::In0, pod, far, (kind, code), &[0x45; 28]);
            rows.push(row("E115", format!("type {kind} code {code}"), frame, reason));
        }
    }
    check(rows);
}
