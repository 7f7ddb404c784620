//! Who has which address in a rig. All of it is fixed by a pod's position, so that a configuration
//! written by hand (the demo's) and one made by [`crate::config`] fit the same rig.
//!
//! ```text
//! pod 0  eth0 10.1.0.5/24 ── in0 10.1.0.1  ┐
//! pod 1  eth0 10.1.1.5/24 ── in1 10.1.1.1  ├ gateway ─ out0 203.0.113.2 ── up0 203.0.113.254  internet
//! pod N  …                                 ┘   SNAT pool 203.0.113.1            + the servers' addresses
//! ```

use std::net::Ipv4Addr;

/// The pool address: no interface has it.
pub const SNAT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The gateway's own address outside.
pub const GATEWAY_OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// The router the gateway sends everything to: the internet's end of the link.
pub const NEXT_HOP: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 254);
/// Where the internet's DNS server listens.
pub const DNS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
/// The gateway's device outside.
pub const OUTSIDE_DEVICE: &str = "out0";
/// The internet's end of the link.
pub const INTERNET_DEVICE: &str = "up0";
/// A pod's device.
pub const POD_DEVICE: &str = "eth0";
/// The MAC address of the gateway's outside device.
pub const OUTSIDE_MAC: &str = "02:00:00:00:02:01";
/// The MAC address of the internet's end.
pub const INTERNET_MAC: &str = "02:00:00:00:02:fe";
/// Pods a rig can have.
pub const MAX_PODS: u8 = 60;

/// Time to live of packets from the internet's hosts.
pub const INTERNET_TTL: u8 = 64;
const FIRST_POD_TTL: u8 = 65;
const TTL_STEP: u8 = 3;

/// The fixed facts of the pod at one position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat(u8);

impl Seat {
    /// The seat of pod number `index`.
    ///
    /// # Panics
    /// When `index` is [`MAX_PODS`] or more: the time-to-live marks end there.
    #[must_use]
    pub fn new(index: usize) -> Self {
        let index = u8::try_from(index).expect("a rig has few pods");
        assert!(index < MAX_PODS, "a rig has at most {MAX_PODS} pods");
        Self(index)
    }

    /// The pod's address.
    #[must_use]
    pub const fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 1, self.0, 5)
    }

    /// The gateway's address on the pod's link.
    #[must_use]
    pub const fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 1, self.0, 1)
    }

    /// The network of the pod's link, in prefix notation.
    #[must_use]
    pub fn network(self) -> String {
        format!("10.1.{}.0/24", self.0)
    }

    /// The gateway's device on the pod's link.
    #[must_use]
    pub fn device(self) -> String {
        format!("in{}", self.0)
    }

    /// The MAC address of that device.
    #[must_use]
    pub fn gateway_mac(self) -> String {
        format!("02:00:00:01:{:02x}:01", self.0)
    }

    /// The pod's MAC address.
    #[must_use]
    pub fn mac(self) -> String {
        format!("02:00:00:01:{:02x}:05", self.0)
    }

    /// The time to live of the pod's packets: a mark that source translation leaves in place, so the
    /// far side can tell without the gateway's word which pod sent a packet.
    #[must_use]
    pub const fn ttl(self) -> u8 {
        FIRST_POD_TTL + self.0 * TTL_STEP
    }

    /// Which pod sent a packet that arrives with `ttl` after `hops` routers.
    #[must_use]
    pub fn from_ttl(ttl: u8, hops: u8) -> Option<Self> {
        let mark = ttl.checked_add(hops)?.checked_sub(FIRST_POD_TTL)?;
        (mark.is_multiple_of(TTL_STEP) && mark / TTL_STEP < MAX_PODS)
            .then_some(Self(mark / TTL_STEP))
    }

    /// The seat's position.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_names_its_pod() {
        for index in 0..usize::from(MAX_PODS) {
            let seat = Seat::new(index);
            assert_eq!(Seat::from_ttl(seat.ttl() - 1, 1), Some(seat));
            assert_eq!(Seat::from_ttl(seat.ttl(), 1), None, "not yet forwarded");
        }
        assert_eq!(Seat::from_ttl(INTERNET_TTL - 1, 1), None);
        assert_eq!(Seat::from_ttl(255, 1), None);
    }
}
