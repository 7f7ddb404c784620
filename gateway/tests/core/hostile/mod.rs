//! Frames nobody should send: each goes to exactly one place, under exactly one reason, and leaves nothing
//! behind.

mod catalogue;
mod fuzz;
mod link;
mod mangled;
mod tcp_flags;

use crate::kit::frame::{
    Segment, arp, fix_ip, flag, icmp, initiate, ping, pong, raw, sctp, syn, tcp, udp, with,
};
use crate::kit::{Call, NEW, Setup, Via, World, end};

/// A world with a flow of each kind, and valid frames of both sides of each.
struct Traffic {
    world: World,
    frames: Vec<(Via, Vec<u8>)>,
}

impl Traffic {
    fn new(setup: &Setup) -> Self {
        let mut traffic = Self { world: setup.world(), frames: Vec::new() };
        traffic.add_tcp();
        traffic.add_datagrams();
        traffic.add_sctp();
        traffic.add_others();
        traffic
    }

    fn add(&mut self, via: Via, frame: Vec<u8>) {
        self.frames.push((via, frame));
    }

    fn add_tcp(&mut self) {
        let (client, server) = (end("10.1.0.5", 41_822), end("198.51.100.7", 443));
        let mut call = Call::new((Via::In0, Via::Out0), client, server);
        call.open(&mut self.world, &format!("tx.out0 {NEW}"));
        let scaled = Segment { options: &[2, 4, 5, 180, 1, 3, 3, 7, 4, 2, 1, 1], ..syn(999) };
        self.add(Via::In0, call.client_frame(scaled));
        let answer = Segment { flags: flag::SYN | flag::ACK, ack: 1_001, ..syn(9_000) };
        self.add(Via::Out0, call.server_frame(answer));
        for flags in [flag::ACK, flag::PSH | flag::ACK, flag::FIN | flag::ACK, flag::RST] {
            self.add(Via::In0, call.client_frame(call.client_says(flags, b"from the client")));
            self.add(Via::Out0, call.server_frame(call.server_says(flags, b"from the server")));
        }
        let fresh = tcp(Via::In1, end("10.2.0.5", 7), end("198.51.100.9", 80), scaled);
        self.add(Via::In1, fresh);
    }

    fn add_datagrams(&mut self) {
        let (pod, far) = (end("10.1.0.6", 5353), end("198.51.100.7", 53));
        let new = format!("tx.out0 {NEW}");
        let question = udp(Via::In0, pod, far, b"a question");
        let seen = self.world.forward(Via::In0, &question, &new).src();
        self.add(Via::In0, question);
        self.add(Via::Out0, udp(Via::Out0, far, seen, b"an answer"));
        let asked = ping(Via::In0, pod, end("198.51.100.7", 0), b"echo");
        let seen = self.world.forward(Via::In0, &asked, &new).src();
        self.add(Via::In0, asked);
        self.add(Via::Out0, pong(Via::Out0, end("198.51.100.7", 0), seen, b"echo"));
        self.add(Via::In1, udp(Via::In1, end("10.2.0.5", 9), end("10.1.0.5", 9), b"across"));
    }

    fn add_sctp(&mut self) {
        let (pod, far) = (end("10.1.0.5", 3868), end("198.51.100.7", 3868));
        let init = sctp(Via::In0, pod, far, 0, (1, 0, &initiate(11)));
        let seen = self.world.forward(Via::In0, &init, &format!("tx.out0 {NEW}")).src();
        self.add(Via::In0, init);
        self.add(Via::Out0, sctp(Via::Out0, far, seen, 11, (2, 0, &initiate(22))));
        self.add(Via::In0, sctp(Via::In0, pod, far, 22, (10, 0, b"cookie")));
        self.add(Via::Out0, sctp(Via::Out0, far, seen, 11, (0, 3, b"twelve bytes")));
    }

    fn add_others(&mut self) {
        let (pod, far) = (end("10.1.0.5", 0), end("198.51.100.7", 0));
        self.add(Via::Out0, icmp(Via::Out0, far, end("203.0.113.1", 0), (3, 1), &[0x45; 28]));
        for proto in [47, 50, 112] {
            self.add(Via::In0, raw(Via::In0, pod, far, proto, b"opaque"));
        }
        self.add(
            Via::In0,
            udp(Via::In0, end("10.1.0.6", 9), end("203.0.113.1", 2_000), b"hairpin"),
        );
        self.add(Via::Out0, udp(Via::Out0, end("198.51.100.7", 9), end("192.0.2.1", 9), b"relay"));
        let (gateway, own) = (end("10.1.0.1", 0).addr, end("10.1.0.5", 0).addr);
        self.add(Via::In0, arp(Via::In0, 1, Via::In0.station(), own, gateway));
        self.add(Via::In0, udp(Via::In0, end("10.1.0.5", 68), end("255.255.255.255", 67), b"dhcp"));
        let v6 = with(&raw(Via::In0, pod, far, 6, &[0; 60]), 12, &[0x86, 0xdd, 0x60]);
        self.add(Via::In0, v6);
        let mut tagged = udp(Via::In0, end("10.1.0.5", 1), end("198.51.100.7", 2), b"tag");
        tagged.splice(12..12, [0x81, 0, 0, 7]);
        self.add(Via::In0, tagged);
        let mut options = raw(Via::In0, pod, far, 17, &[0; 16]);
        options[14] = 0x46;
        fix_ip(&mut options);
        self.add(Via::In0, options);
    }
}

/// How much longer than always the random tests run.
pub(crate) fn rounds() -> u64 {
    let rounds = std::env::var("SLUICE_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok());
    rounds.unwrap_or(1)
}

/// Tells which frame a test died of.
struct Witness<'a>(Via, &'a [u8]);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("the last frame, on {}: {:02x?}", self.0.name(), self.1);
        }
    }
}
