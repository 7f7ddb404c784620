//! Every combination of TCP flags, reserved bits included (hazards E080 and E083).

use crate::kit::frame::{L4, flag, syn, tcp, with, with_l4};
use crate::kit::{Call, NEW, Outcome, Setup, Via, end};

/// What an end host can send, PSH and the bits of ECN and the future aside: SYN, SYN ACK, RST, RST ACK, ACK,
/// FIN ACK, and some of them with urgent data.
fn is_legal(flags: u8) -> bool {
    let bare = flags & (flag::FIN | flag::SYN | flag::RST | flag::ACK | flag::URG);
    let urgent = bare & flag::URG != 0;
    match bare & !flag::URG {
        flag::SYN | flag::ACK => true,
        bits if bits == flag::FIN | flag::ACK => true,
        flag::RST => !urgent,
        bits if bits == flag::SYN | flag::ACK || bits == flag::RST | flag::ACK => !urgent,
        _ => false,
    }
}

#[test]
fn of_4096_flag_combinations_only_a_syn_opens_a_flow() {
    let mut world = Setup::default().world();
    let far = end("198.51.100.7", 443);
    let mut opened = 0;
    for bits in 0..4096u16 {
        let [reserved, flags] = bits.to_be_bytes();
        let base = tcp(Via::In0, end("10.1.0.5", 1 + bits), far, syn(1));
        let frame = with_l4(&base, 12, &[0x50 | reserved, flags]);
        let outcome = world.pass(Via::In0, &frame);
        let opens = is_legal(flags) && flags & flag::SYN != 0 && flags & flag::ACK == 0;
        match outcome {
            Outcome::Sent(_) => {
                assert!(opens, "{bits:#05x} opened a flow");
                opened += 1;
            }
            Outcome::Dropped(reason) => {
                let expected = if is_legal(flags) { "tcp.no_flow" } else { "tcp.flags" };
                assert_eq!((opens, reason.name()), (false, expected), "{bits:#05x}");
            }
            Outcome::Host => panic!("{bits:#05x} went to the host"),
        }
    }
    assert_eq!(
        (opened, world.flows()),
        (256, 256),
        "SYN and SYN URG, with 7 bits that mean nothing"
    );
}

#[test]
fn combinations_no_end_host_sends_do_nothing_to_an_open_connection() {
    let mut world = Setup::default().world();
    let (client, server) = (end("10.1.0.5", 41_822), end("198.51.100.7", 443));
    let mut call = Call::new((Via::In0, Via::Out0), client, server);
    call.open(&mut world, &format!("tx.out0 {NEW}"));
    for flags in (0..=255).filter(|flags| !is_legal(*flags)) {
        let frame = call.client_frame(call.client_says(flag::ACK, b"x"));
        let frame = with_l4(&frame, 13, &[flags]);
        world.refuse(Via::In0, &frame, "tcp.flags");
        let frame = call.server_frame(call.server_says(flag::ACK, b"x"));
        let frame = with(&frame, L4 + 13, &[flags]);
        world.refuse(Via::Out0, &frame, "tcp.flags");
    }
    call.say(&mut world, b"unharmed");
    call.answer(&mut world, b"unharmed");
}
