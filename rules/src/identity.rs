//! Whose address is it: a table from addresses to the pods and nodes that hold them.

use flowtable::key::Addr;

/// A pod that has an address of its own, as its place in the policy's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct EndpointId(pub(crate) u32);

impl EndpointId {
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A node, as its place in the policy's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(crate) u32);

/// Who holds an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A pod.
    Endpoint(EndpointId),
    /// A node.
    Node(NodeId),
    /// Nobody we know: judged by its address.
    Stranger,
}

impl Identity {
    pub(crate) const fn endpoint(self) -> Option<EndpointId> {
        match self {
            Self::Endpoint(id) => Some(id),
            Self::Node(_) | Self::Stranger => None,
        }
    }
}

/// An open-addressed table at most half full, probed one slot after the other. Its keys are the operator's, so
/// nobody who sends packets can make its chains long; the odd multiplier spreads the neighbouring addresses
/// that clusters hand out.
#[derive(Debug)]
pub(crate) struct IdentityTable {
    slots: Box<[Option<(Addr, Identity)>]>,
    shift: u32,
}

/// 2^64 divided by the golden ratio, made odd (Knuth, The Art of Computer Programming 3, 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl IdentityTable {
    /// The table of these holders. Of two holders of one address the first counts.
    pub(crate) fn new(holders: &[(Addr, Identity)]) -> Self {
        let size = (holders.len() * 2).next_power_of_two().max(2);
        let mut table = Self { slots: vec![None; size].into(), shift: 64 - size.trailing_zeros() };
        for &(address, identity) in holders {
            let slot = table.slot_of(address);
            table.slots[slot].get_or_insert((address, identity));
        }
        table
    }

    /// Who holds an address.
    #[inline]
    pub(crate) fn find(&self, address: Addr) -> Identity {
        match self.slots[self.slot_of(address)] {
            Some((_, identity)) => identity,
            None => Identity::Stranger,
        }
    }

    /// The slot that holds an address, or the empty one where it would stand. Half the slots are empty, so
    /// there is one.
    #[inline]
    fn slot_of(&self, address: Addr) -> usize {
        let mut slot = self.home(address);
        while self.slots[slot].is_some_and(|(held, _)| held != address) {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        slot
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the halves of an address are mixed")]
    fn home(&self, address: Addr) -> usize {
        let bits = address.bits();
        let mixed = ((bits >> 64) as u64).wrapping_mul(SPREAD).rotate_left(32) ^ bits as u64;
        (mixed.wrapping_mul(SPREAD) >> self.shift) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_holder_is_found_and_nobody_else() {
        for count in [0_u32, 1, 2, 3, 1000] {
            let v4 = (0..count).map(|i| (Addr::from_v4(0x0a00_0000 + i), i));
            let v6 = (0..count)
                .map(|i| (Addr::from_bits(0xfd00_u128 << 112 | u128::from(i) << 64), i + count));
            let holders: Vec<_> =
                v4.chain(v6).map(|(a, i)| (a, Identity::Endpoint(EndpointId(i)))).collect();
            let table = IdentityTable::new(&holders);
            for &(address, identity) in &holders {
                assert_eq!(table.find(address), identity);
            }
            assert_eq!(table.find(Addr::from_v4(0x0a00_0000 + count)), Identity::Stranger);
            assert_eq!(table.find(Addr::from_bits(0)), Identity::Stranger);
        }
    }
}
