//! Unfinished, missing and wrong transport checksums.

use super::tcp::outward;
use crate::kit::frame::{L4, Segment, flag, pseudo_sum, syn, tcp, udp, with};
use crate::kit::sent::Sums;
use crate::kit::{Call, NEW, Outcome, Setup, Via, end};

/// The frame as a local sender leaves it to its device: the pseudo-header's sum in the field.
fn unfinished(frame: &[u8], field: usize) -> Vec<u8> {
    let sum = pseudo_sum(frame, frame.len() - L4);
    with(frame, L4 + field, &sum.to_be_bytes())
}

const TCP: usize = 16;
const UDP: usize = 6;

#[test]
fn unfinished_checksums_of_local_senders_are_completed_and_counted() {
    let mut world = Setup::default().world();
    let (pod, far) = (end("10.2.0.5", 4000), end("198.51.100.7", 443));
    let mut call = Call::new((Via::In1, Via::Out0), pod, far);
    let first = unfinished(&tcp(Via::In1, pod, far, syn(call.client_next)), TCP);
    let sent = world.forward(Via::In1, &first, &format!("tx.out0 completed {NEW}"));
    call.seen = sent.src();
    call.client_next += 1;
    let answer = Segment { flags: flag::SYN | flag::ACK, ..call.server_says(0, b"") };
    call.server_sends(&mut world, answer, "tx.in1");
    call.server_next += 1;
    for payload in [&b""[..], b"a", b"ab", b"abc", &[0xff; 999]] {
        let data = unfinished(&call.client_frame(call.client_says(flag::ACK, payload)), TCP);
        let sent = world.forward(Via::In1, &data, "tx.out0 completed");
        assert_eq!(&sent.segment()[20..], payload);
        call.client_next += u32::try_from(payload.len()).expect("short");
        let question = unfinished(&udp(Via::In1, pod, end("198.51.100.7", 53), payload), UDP);
        let new = if payload.is_empty() { NEW } else { "" };
        world.forward(Via::In1, &question, &format!("tx.out0 completed {new}"));
    }
    // A finished one is left as it is, and not counted.
    call.say(&mut world, b"finished");
}

#[test]
fn unfinished_checksums_off_a_wire_are_wrong_checksums() {
    let mut world = Setup::default().world();
    let first = unfinished(&tcp(Via::In0, outward().client, outward().server, syn(1)), TCP);
    world.refuse(Via::In0, &first, "tcp.csum");
    let question = udp(Via::In0, end("10.1.0.5", 5000), end("198.51.100.7", 53), b"?");
    world.refuse(Via::In0, &unfinished(&question, UDP), "udp.csum");
}

#[test]
fn a_datagram_without_a_checksum_keeps_none_through_translation() {
    let mut world = Setup::default().world();
    let (pod, far) = (end("10.1.0.5", 5000), end("198.51.100.7", 53));
    let bare = |frame: &[u8]| with(frame, L4 + UDP, &[0, 0]);
    let question = bare(&udp(Via::In0, pod, far, b"?"));
    let sent = world.forward(Via::In0, &question, &format!("tx.out0 {NEW}"));
    assert_eq!(&sent.segment()[UDP..8], [0, 0]);
    let answer = bare(&udp(Via::Out0, far, sent.src(), b"!"));
    assert_eq!(&world.forward(Via::Out0, &answer, "tx.in0").segment()[UDP..8], [0, 0]);
    // Nor is one made where unfinished ones are completed.
    let pod = end("10.2.0.5", 5000);
    let question = bare(&udp(Via::In1, pod, far, b"?"));
    let sent = world.forward(Via::In1, &question, &format!("tx.out0 {NEW}"));
    assert_eq!(&sent.segment()[UDP..8], [0, 0]);
}

/// Whoever corrupted the packet, its receiver must be able to tell.
#[test]
fn a_wrong_checksum_on_plain_data_is_never_made_good() {
    let mut world = Setup::default().world();
    let mut call = outward();
    call.open(&mut world, &format!("tx.out0 {NEW}"));
    let wrong = Sums { ip: true, transport: false };
    for bit in 0..8 * 12 {
        let mut data = call.client_frame(call.client_says(flag::ACK, b"twelve bytes"));
        data[L4 + 20 + bit / 8] ^= 1 << (bit % 8);
        let Outcome::Sent(sent) = world.step(Via::In0, &data, "tx.out0") else {
            panic!("plain data passes");
        };
        assert_eq!(sent.sums(), wrong, "bit {bit}");
    }
    let (pod, far) = (end("10.1.0.5", 5000), end("198.51.100.7", 53));
    let sent = world.forward(Via::In0, &udp(Via::In0, pod, far, b"?"), &format!("tx.out0 {NEW}"));
    world.forward(Via::Out0, &udp(Via::Out0, far, sent.src(), b"!"), "tx.in0");
    let mut data = udp(Via::In0, pod, far, b"abcd");
    data[L4 + 8] ^= 0x10;
    let Outcome::Sent(sent) = world.step(Via::In0, &data, "tx.out0") else { panic!("forwarded") };
    assert_eq!(sent.sums(), wrong);
}

#[test]
fn an_answer_that_assures_a_flow_must_have_its_checksum_right() {
    let mut world = Setup::default().world();
    let (pod, far) = (end("10.1.0.5", 5000), end("198.51.100.7", 53));
    let sent = world.forward(Via::In0, &udp(Via::In0, pod, far, b"?"), &format!("tx.out0 {NEW}"));
    let mut answer = udp(Via::Out0, far, sent.src(), b"!");
    answer[L4 + 8] ^= 1;
    world.refuse(Via::Out0, &answer, "udp.csum");
    world.idle_step(121, "flows_ended -flows -ports");
}

/// Hazard E137: every value of one word, so every checksum, 0x0000 and 0xffff among them.
#[test]
fn every_checksum_is_translated_right_both_ways() {
    let mut world = Setup::default().world();
    let (pod, far) = (end("10.1.0.5", 5000), end("198.51.100.7", 53));
    let sent = world.forward(Via::In0, &udp(Via::In0, pod, far, b"?"), &format!("tx.out0 {NEW}"));
    let seen = sent.src();
    let mut all_ones = 0;
    for word in 0..=u16::MAX {
        let out = udp(Via::In0, pod, far, &word.to_be_bytes());
        let back = udp(Via::Out0, far, seen, &word.to_be_bytes());
        for (via, frame) in [(Via::In0, out), (Via::Out0, back)] {
            let Outcome::Sent(sent) = world.pass(via, &frame) else { panic!("word {word:#x}") };
            assert!(sent.sums().transport, "word {word:#x}");
            let field = [sent.segment()[UDP], sent.segment()[UDP + 1]];
            assert_ne!(field, [0, 0], "0 would say that there is none");
            all_ones += u32::from(field == [0xff, 0xff]);
        }
    }
    assert!(all_ones >= 2, "the sum that folds to 0 was among them");
}
