//! The steering program's counters by name.

use std::fmt;
use std::iter::Sum;

/// Makes the enumeration, its names and its length from one list, in the order of `enum action` in
/// `bpf/steer.c`.
macro_rules! steer_actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal,)*) => {
        /// What the steering program counts.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
        #[repr(usize)]
        pub enum SteerAction {
            $($(#[$doc])* $action,)*
        }

        impl SteerAction {
            /// All of them, in the program's order.
            pub const ALL: &[Self] = &[$(Self::$action,)*];

            /// The name in statistics; a drop's is its reason.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)*
                }
            }
        }
    };
}

steer_actions! {
    /// Every frame.
    Seen = "seen",
    /// Handed to the gateway's socket of the queue.
    ToSocket = "to_socket",
    /// To the host's stack: for one of its own addresses.
    PassHost = "pass_host",
    /// To the host's stack: ARP.
    PassArp = "pass_arp",
    /// To the host's stack: LLDP, LACP, DHCP, VRRP.
    PassOther = "pass_other",
    /// Dropped: no whole Ethernet header.
    L2Short = "l2.short",
    /// Dropped: ARP that is not Ethernet and IPv4, of another operation, or from a group address.
    ArpMalformed = "arp.malformed",
    /// Dropped: ARP on an inside interface whose sender is not who it says.
    ArpSpoof = "arp.spoof",
    /// Dropped: a DHCP server's answer on an inside interface.
    DhcpServer = "dhcp.server_from_pod",
    /// Dropped: the queue has no socket.
    NoSocket = "steer.no_socket",
}

/// One counter for each [`SteerAction`]; the value of the program's map.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct SteerCounts([u64; SteerAction::ALL.len()]);

impl SteerCounts {
    /// One counter.
    #[must_use]
    pub const fn get(&self, action: SteerAction) -> u64 {
        self.0[action as usize]
    }

    /// All counters by name.
    pub fn iter(&self) -> impl Iterator<Item = (SteerAction, u64)> {
        SteerAction::ALL.iter().map(|&action| (action, self.get(action)))
    }

    /// Frames given to the host's stack.
    #[must_use]
    pub const fn passed(&self) -> u64 {
        self.get(SteerAction::PassHost)
            + self.get(SteerAction::PassArp)
            + self.get(SteerAction::PassOther)
    }

    /// Frames dropped, whatever the reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.iter().filter(|(action, _)| *action > SteerAction::PassOther).map(|(_, n)| n).sum()
    }

    /// Whether every frame seen has become something: true when no frame is on its way.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.get(SteerAction::Seen)
            == self.get(SteerAction::ToSocket) + self.passed() + self.dropped()
    }
}

impl Sum for SteerCounts {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), |mut total, one| {
            total.0.iter_mut().zip(one.0).for_each(|(total, n)| *total = total.wrapping_add(n));
            total
        })
    }
}

impl fmt::Debug for SteerCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(action, n)| (action.name(), n))).finish()
    }
}
