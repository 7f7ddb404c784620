//! Who plays: the pods, the internet's names and servers, and which conversations are tried. What is
//! allowed here must be what the files in `examples/demo` say; the proofs compare.

use std::net::Ipv4Addr;

use kit::layout::{DNS, Seat};

/// The pods, in the order of their seats.
pub(crate) const PODS: [&str; 2] = ["shop/web", "shop/batch"];
const WEB: usize = 0;
const BATCH: usize = 1;

const API: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const CDN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 8);
const EVIL: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 66);
const LEDGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

/// The names the internet's DNS server knows.
pub(crate) const ZONE: [(&str, &[Ipv4Addr]); 4] = [
    ("api.example.test", &[API]),
    ("cdn.example.test", &[CDN]),
    ("evil.example.test", &[EVIL]),
    ("ledger.example.test", &[LEDGER]),
];

/// Where TLS servers listen. The denied ones would answer, if anything reached them.
pub(crate) const TLS: [(Ipv4Addr, u16); 5] =
    [(API, 443), (API, 8443), (CDN, 443), (EVIL, 443), (LEDGER, 443)];

/// Where the flood goes.
pub(crate) const FLOODED: (Ipv4Addr, u16) = (EVIL, 9999);

/// The rule that `d` changes: the file, what stands there, and what shall.
pub(crate) const RULE_FILE: &str = "policies/web-egress.yaml";
pub(crate) const RULE_BEFORE: &str = "{cidr: 198.51.100.0/28}";
pub(crate) const RULE_AFTER: &str = "{cidr: 198.51.100.0/28, except: [198.51.100.8/32]}";

/// How a conversation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// The questions that the pod's other conversations ask first.
    Dns,
    /// A connection, a handshake and so many bytes, again and again.
    Fetch(usize),
    /// The same over a connection that stays open.
    Stream(usize),
    /// Datagrams, when the flood is on.
    Flood,
}

/// One conversation of the demo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Role {
    /// The pod, as an index into [`PODS`].
    pub(crate) pod: usize,
    /// The name it asks for; empty where it uses the address as it is.
    pub(crate) name: &'static str,
    /// Where it goes.
    pub(crate) to: (Ipv4Addr, u16),
    /// Whether the example policies allow it at the start.
    pub(crate) allowed: bool,
    /// How it goes.
    pub(crate) how: How,
}

/// Every conversation. The one that [`RULE_AFTER`] denies is the only stream.
pub(crate) const ROLES: [Role; 9] = [
    role(WEB, "", (DNS, 53), true, How::Dns),
    role(WEB, "api.example.test", (API, 443), true, How::Fetch(60_000)),
    role(WEB, "cdn.example.test", (CDN, 443), true, How::Stream(20_000)),
    role(WEB, "api.example.test", (API, 8443), false, How::Fetch(1000)),
    role(WEB, "evil.example.test", (EVIL, 443), false, How::Fetch(1000)),
    role(BATCH, "", (DNS, 53), true, How::Dns),
    role(BATCH, "ledger.example.test", (LEDGER, 443), true, How::Fetch(200_000)),
    role(BATCH, "api.example.test", (API, 443), false, How::Fetch(1000)),
    role(BATCH, "", FLOODED, false, How::Flood),
];

const fn role(
    pod: usize,
    name: &'static str,
    to: (Ipv4Addr, u16),
    allowed: bool,
    how: How,
) -> Role {
    Role { pod, name, to, allowed, how }
}

impl Role {
    /// The pod's seat in the rig.
    pub(crate) fn seat(&self) -> Seat {
        Seat::new(self.pod)
    }

    /// Its transport's name.
    pub(crate) const fn transport(&self) -> &'static str {
        match self.how {
            How::Fetch(_) | How::Stream(_) => "tcp",
            How::Dns | How::Flood => "udp",
        }
    }

    /// Its transport's IP protocol number.
    pub(crate) const fn protocol(&self) -> u8 {
        match self.how {
            How::Fetch(_) | How::Stream(_) => 6,
            How::Dns | How::Flood => 17,
        }
    }

    /// Who it is, for people.
    pub(crate) fn title(&self) -> String {
        let (address, port) = self.to;
        format!("{} ► {address}:{port} {}", PODS[self.pod], self.transport())
    }
}
