//! UDP, echo, SCTP, and protocols the gateway does not read.

use crate::kit::frame::{L4, fix_ip, initiate, ping, pong, raw, sctp, udp, with};
use crate::kit::{End, NEW, Setup, Via, World, end};

const OUT: &str = "tx.out0";

fn web() -> End {
    end("10.1.0.5", 5353)
}

fn resolver() -> End {
    end("198.51.100.7", 53)
}

fn asked() -> (World, End) {
    let mut world = Setup::default().world();
    let question = udp(Via::In0, web(), resolver(), b"question");
    let sent = world.forward(Via::In0, &question, &format!("{OUT} {NEW}"));
    assert_eq!((sent.via, sent.dst()), (Via::Out0, resolver()));
    assert_eq!(sent.src().addr, end("203.0.113.1", 0).addr);
    (world, sent.src())
}

#[test]
fn a_datagram_leaves_as_the_pool_and_its_answer_comes_home() {
    let (mut world, seen) = asked();
    for length in [0, 1, 2, 7, 512, 1472] {
        let payload = vec![0x5a; length];
        let answer = udp(Via::Out0, resolver(), seen, &payload);
        let sent = world.forward(Via::Out0, &answer, "tx.in0");
        assert_eq!((sent.via, sent.src(), sent.dst()), (Via::In0, resolver(), web()));
        assert_eq!(&sent.segment()[8..], payload);
        let more = udp(Via::In0, web(), resolver(), &payload);
        assert_eq!(world.forward(Via::In0, &more, OUT).src(), seen);
    }
}

#[test]
fn bytes_behind_the_packet_are_cut_off() {
    let (mut world, seen) = asked();
    // Ethernet padding: a frame has at least 60 bytes.
    let mut padded = udp(Via::Out0, resolver(), seen, b"ok");
    let whole = padded.len();
    padded.resize(60, 0xa5);
    assert_eq!(world.forward(Via::Out0, &padded, "tx.in0").bytes.len(), whole);
    // Bytes inside the IP packet but behind the datagram (hazard E110).
    let mut tail = udp(Via::In0, web(), resolver(), b"seen");
    let whole = tail.len();
    tail.extend(b"hidden");
    let total = u16::try_from(tail.len() - 14).expect("short").to_be_bytes();
    tail = with(&tail, 16, &total);
    fix_ip(&mut tail);
    let sent = world.forward(Via::In0, &tail, OUT);
    assert_eq!(sent.bytes.len(), whole);
    assert_eq!(&sent.segment()[8..], b"seen");
}

#[test]
fn an_echo_leaves_under_another_identifier_and_its_reply_comes_home() {
    let mut world = Setup::default().world();
    let (host, far) = (end("10.1.0.5", 77), end("198.51.100.7", 0));
    let sent =
        world.forward(Via::In0, &ping(Via::In0, host, far, b"echo"), &format!("{OUT} {NEW}"));
    let seen = sent.src();
    let back = world.forward(Via::Out0, &pong(Via::Out0, far, seen, b"echo"), "tx.in0");
    assert_eq!((back.src(), back.dst()), (far, host));
    // A second answer passes too; one that nobody asked for does not.
    world.forward(Via::Out0, &pong(Via::Out0, far, seen, b"echo"), "tx.in0");
    let other = End { port: seen.port ^ 1, ..seen };
    world.refuse(Via::Out0, &pong(Via::Out0, far, other, b"echo"), "nat.no_mapping");
    world.refuse(Via::In0, &pong(Via::In0, far, host, b""), "spoof.src");
    world.refuse(Via::In0, &pong(Via::In0, host, far, b"unasked"), "icmp.unsolicited");
    world.refuse(Via::Out0, &ping(Via::Out0, far, seen, b"?"), "nat.no_mapping");
}

#[test]
fn two_pods_that_ping_with_one_identifier_are_told_apart() {
    let mut world = Setup::default().world();
    let far = end("198.51.100.7", 0);
    let mut seen = Vec::new();
    for host in [end("10.1.0.5", 9), end("10.1.0.6", 9), end("10.2.0.5", 9)] {
        let via = if host.addr.octets()[1] == 1 { Via::In0 } else { Via::In1 };
        let sent = world.forward(via, &ping(via, host, far, b"x"), &format!("{OUT} {NEW}"));
        seen.push((via, host, sent.src()));
    }
    for (via, host, outside) in seen {
        let back = world.forward(
            Via::Out0,
            &pong(Via::Out0, far, outside, b"x"),
            &format!("tx.{}", via.name()),
        );
        assert_eq!((back.via, back.dst()), (via, host));
    }
}

/// INIT, INIT ACK, COOKIE ECHO, COOKIE ACK, DATA both ways, SHUTDOWN.
#[test]
fn an_association_leaves_as_the_pool_with_its_crc_right() {
    let mut world = Setup::default().world();
    let (host, far) = (end("10.1.0.5", 3868), end("198.51.100.7", 3868));
    let to = |tag, chunk: (u8, u8, &[u8])| sctp(Via::In0, host, far, tag, chunk);
    let sent = world.forward(Via::In0, &to(0, (1, 0, &initiate(11))), &format!("{OUT} {NEW}"));
    let seen = sent.src();
    let from = |tag, chunk: (u8, u8, &[u8])| sctp(Via::Out0, far, seen, tag, chunk);
    for (via, frame) in [
        (Via::Out0, from(11, (2, 0, &initiate(22)))),
        (Via::In0, to(22, (10, 0, b"cookie"))),
        (Via::Out0, from(11, (11, 0, b""))),
        (Via::In0, to(22, (0, 3, b"datadatadata"))),
        (Via::Out0, from(11, (0, 3, b"datadatadatadata!"))),
        (Via::In0, to(22, (7, 0, &[0; 4]))),
    ] {
        let (back, peer) = if via == Via::In0 { (OUT, far) } else { ("tx.in0", host) };
        assert_eq!(world.forward(via, &frame, back).dst(), peer);
    }
    world.refuse(Via::Out0, &from(12, (0, 3, b"forged")), "sctp.vtag");
    world.refuse(Via::In0, &with(&to(22, (6, 0, b"")), L4 + 8, &[1, 2, 3, 4]), "sctp.csum");
}

#[test]
fn an_init_with_a_wrong_checksum_is_not_remembered() {
    let mut world = Setup::default().world();
    let (host, far) = (end("10.1.0.5", 3868), end("198.51.100.7", 3868));
    let to = |tag, chunk: (u8, u8, &[u8])| sctp(Via::In0, host, far, tag, chunk);
    let seen =
        world.forward(Via::In0, &to(0, (1, 0, &initiate(11))), &format!("{OUT} {NEW}")).src();
    let from = |tag, chunk: (u8, u8, &[u8])| sctp(Via::Out0, far, seen, tag, chunk);
    world.forward(Via::Out0, &from(11, (2, 0, &initiate(22))), "tx.in0");
    // Another INIT says that another tag may take over; one that nobody will believe says nothing.
    world.forward(Via::In0, &to(0, (1, 0, &initiate(33))), OUT);
    world.refuse(Via::In0, &with(&to(0, (1, 0, &initiate(44))), L4 + 8, &[0; 4]), "sctp.csum");
    world.forward(Via::Out0, &from(33, (2, 0, &initiate(55))), "tx.in0");
    world.refuse(Via::Out0, &from(44, (2, 0, &initiate(55))), "sctp.vtag");
}

#[test]
fn another_protocol_leaves_as_the_pool_address_one_pod_at_a_time() {
    let mut world = Setup::default().world();
    let (first, second) = (end("10.1.0.5", 0), end("10.1.0.6", 0));
    let far = end("198.51.100.7", 0);
    // ESP has no ports that could be translated.
    let esp = raw(Via::In0, first, far, 50, b"sealed");
    let sent = world.forward(Via::In0, &esp, &format!("{OUT} flows_admitted flows"));
    assert_eq!(sent.src().addr, end("203.0.113.1", 0).addr);
    assert_eq!(sent.segment(), b"sealed");
    let answer = raw(Via::Out0, far, end("203.0.113.1", 0), 50, b"sealed too");
    assert_eq!(world.forward(Via::Out0, &answer, "tx.in0").dst(), first);
    // Its answers could not be told from the first one's; AH is another protocol and another flow.
    world.refuse(Via::In0, &raw(Via::In0, second, far, 50, b"mine"), "nat.portless");
    let ah = raw(Via::In0, second, far, 51, b"mine");
    world.forward(Via::In0, &ah, &format!("{OUT} flows_admitted flows"));
    world.idle_step(301, "2*flows_ended -flows -flows");
}
