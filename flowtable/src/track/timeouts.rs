//! How long a silent flow lives, by its protocol and state.

use super::{generic, sctp, tcp};
use crate::direction::Direction;
use crate::key::{Millis, Proto, Tick};

/// The idle timeouts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// TCP connections and SCTP associations that are open. RFC 5382 REQ-5: at least 2 h 4 min.
    pub tcp_established: Millis,
    /// TCP connections and SCTP associations that are closing or closed. RFC 5382 REQ-5: at least 4 min.
    pub tcp_transitory: Millis,
    /// TCP connections and SCTP associations whose handshake is not done.
    pub tcp_half_open: Millis,
    /// UDP flows and those of protocols without a tracker, once the far end has answered. RFC 4787
    /// REQ-5: at least 2 min, 5 min recommended.
    pub udp: Millis,
    /// The same before the far end has answered.
    pub udp_unreplied: Millis,
    /// ICMP echo. RFC 5508 REQ-2: at least 60 s.
    pub icmp: Millis,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            tcp_established: Millis::from_secs(7440),
            tcp_transitory: Millis::from_secs(240),
            tcp_half_open: Millis::from_secs(30),
            udp: Millis::from_secs(300),
            udp_unreplied: Millis::from_secs(120),
            icmp: Millis::from_secs(60),
        }
    }
}

impl Timeouts {
    /// How long a flow in this state lives without packets.
    #[must_use]
    pub fn lifetime(&self, proto: Proto, original: &Direction, reply: &Direction) -> Millis {
        match proto {
            Proto::TCP => self.of_tcp(tcp::State::of(original, reply)),
            Proto::SCTP => self.of_sctp(sctp::State::of(original, reply)),
            Proto::ICMP | Proto::ICMPV6 => self.icmp,
            _ if generic::is_replied(reply) => self.udp,
            _ => self.udp_unreplied,
        }
    }

    /// When the flow ends if no packet comes: its lifetime after either direction was last seen.
    #[must_use]
    pub fn deadline(&self, proto: Proto, original: &Direction, reply: &Direction) -> Tick {
        original.last_seen.max(reply.last_seen).after(self.lifetime(proto, original, reply))
    }

    /// The shortest of all: a flow seen less than this ago has not ended, whatever its state.
    #[must_use]
    pub fn shortest(&self) -> Millis {
        self.tcp_established
            .min(self.tcp_transitory)
            .min(self.tcp_half_open)
            .min(self.udp)
            .min(self.udp_unreplied)
            .min(self.icmp)
    }

    const fn of_tcp(&self, state: tcp::State) -> Millis {
        match state {
            tcp::State::SynSent | tcp::State::SimOpen | tcp::State::SynRecv => self.tcp_half_open,
            tcp::State::Established => self.tcp_established,
            tcp::State::FinWait
            | tcp::State::CloseWait
            | tcp::State::LastAck
            | tcp::State::TimeWait
            | tcp::State::Close => self.tcp_transitory,
        }
    }

    const fn of_sctp(&self, state: sctp::State) -> Millis {
        match state {
            sctp::State::CookieWait | sctp::State::CookieEchoed => self.tcp_half_open,
            sctp::State::Established => self.tcp_established,
            sctp::State::Shutdown | sctp::State::Closed => self.tcp_transitory,
        }
    }
}
