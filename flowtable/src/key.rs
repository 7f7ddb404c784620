//! The words every crate shares: addresses, ports, protocols, time, and the key of a flow.
//!
//! Nothing here knows bytes on the wire, verdicts or threads. Addresses of both families live in one
//! type: an IPv4 address is held as its IPv4-mapped IPv6 address, so a key has one shape and one hash.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 or IPv6 address in host order; IPv4 as `::ffff:a.b.c.d`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Addr(u128);

/// The 96 bits in front of every IPv4-mapped address (RFC 4291 section 2.5.5.2).
const V4_MAPPED: u128 = 0xffff << 32;

impl Addr {
    /// The address from its 32 bits in host order.
    #[must_use]
    pub const fn from_v4(bits: u32) -> Self {
        Self(V4_MAPPED | bits as u128)
    }

    /// The address from its 128 bits in host order; IPv4-mapped ones are IPv4.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The 128 bits in host order.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The 32 bits of an IPv4 address, `None` for IPv6.
    #[must_use]
    pub const fn v4(self) -> Option<u32> {
        if self.0 >> 32 == V4_MAPPED >> 32 {
            #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the address")]
            Some(self.0 as u32)
        } else {
            None
        }
    }

    /// The standard library's form.
    #[must_use]
    pub fn ip(self) -> IpAddr {
        match self.v4() {
            Some(bits) => IpAddr::V4(Ipv4Addr::from(bits)),
            None => IpAddr::V6(Ipv6Addr::from(self.0)),
        }
    }
}

impl From<IpAddr> for Addr {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => Self::from_v4(v4.to_bits()),
            IpAddr::V6(v6) => Self(v6.to_bits()),
        }
    }
}

impl From<Ipv4Addr> for Addr {
    fn from(ip: Ipv4Addr) -> Self {
        Self::from_v4(ip.to_bits())
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

/// A transport port, or an ICMP echo identifier, in host order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Port(pub u16);

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An IP protocol number (IANA "Assigned Internet Protocol Numbers").
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Proto(pub u8);

impl Proto {
    /// ICMP for IPv4.
    pub const ICMP: Self = Self(1);
    /// TCP.
    pub const TCP: Self = Self(6);
    /// UDP.
    pub const UDP: Self = Self(17);
    /// ICMP for IPv6.
    pub const ICMPV6: Self = Self(58);
    /// SCTP.
    pub const SCTP: Self = Self(132);

    /// Whether the protocol's header starts with a source and a destination port.
    #[must_use]
    pub const fn has_ports(self) -> bool {
        matches!(self, Self::TCP | Self::UDP | Self::SCTP)
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.pad("icmp"),
            Self::TCP => f.pad("tcp"),
            Self::UDP => f.pad("udp"),
            Self::ICMPV6 => f.pad("icmpv6"),
            Self::SCTP => f.pad("sctp"),
            Self(number) => number.fmt(f),
        }
    }
}

/// A moment of the data plane's clock: milliseconds since the core was made. Time is injected; nothing
/// below the drivers reads a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// Milliseconds from `earlier` to `self`, 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// The moment `span` after this one.
    #[must_use]
    pub const fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// A span of time in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// The span of so many seconds.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1000)
    }
}

/// The policy a flow was last judged under. A flow of another generation is judged anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Generation(pub u32);

/// A worker thread, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct WorkerId(pub u16);

/// What identifies one direction of a flow. For ICMP echo the identifier stands in `sport` of a request
/// and in `dport` of a reply, the other port is 0; for protocols without ports both are 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FlowKey {
    /// Who sends in this direction.
    pub src: Addr,
    /// Who receives.
    pub dst: Addr,
    /// The sender's port.
    pub sport: Port,
    /// The receiver's port.
    pub dport: Port,
    /// The protocol.
    pub proto: Proto,
}

impl FlowKey {
    /// The key in five words, as a flow record holds it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "an address is split into its two halves")]
    pub const fn to_words(self) -> [u64; 5] {
        [
            (self.src.0 >> 64) as u64,
            self.src.0 as u64,
            (self.dst.0 >> 64) as u64,
            self.dst.0 as u64,
            (self.sport.0 as u64) << 32 | (self.dport.0 as u64) << 16 | self.proto.0 as u64,
        ]
    }

    /// The key that [`FlowKey::to_words`] gave.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "fields are cut out of the packed word")]
    pub const fn from_words(words: [u64; 5]) -> Self {
        Self {
            src: Addr((words[0] as u128) << 64 | words[1] as u128),
            dst: Addr((words[2] as u128) << 64 | words[3] as u128),
            sport: Port((words[4] >> 32) as u16),
            dport: Port((words[4] >> 16) as u16),
            proto: Proto(words[4] as u8),
        }
    }

    /// The key of the opposite direction where nothing is translated.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self {
            src: self.dst,
            dst: self.src,
            sport: self.dport,
            dport: self.sport,
            proto: self.proto,
        }
    }
}

impl fmt::Display for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{} > {}:{}", self.proto, self.src, self.sport, self.dst, self.dport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_words() {
        for (src, dst) in [("10.1.0.5", "198.51.100.7"), ("fd00:1::5", "2001:db8::7")] {
            let key = FlowKey {
                src: src.parse::<IpAddr>().expect("a literal").into(),
                dst: dst.parse::<IpAddr>().expect("a literal").into(),
                sport: Port(65535),
                dport: Port(1),
                proto: Proto::SCTP,
            };
            assert_eq!(FlowKey::from_words(key.to_words()), key);
            assert_eq!(key.reversed().reversed(), key);
        }
    }

    #[test]
    fn both_families_print_as_themselves() {
        assert_eq!(Addr::from(Ipv4Addr::new(10, 1, 0, 5)).to_string(), "10.1.0.5");
        assert_eq!(Addr::from(IpAddr::V6(Ipv6Addr::LOCALHOST)).to_string(), "::1");
        assert_eq!(Addr::from(IpAddr::V6(Ipv6Addr::LOCALHOST)).v4(), None);
    }
}
