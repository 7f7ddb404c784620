//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

use flowtable::key::Proto;

/// A ones' complement sum that has not been folded yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Self = Self(0);

    /// Adds `bytes` as big-endian 16-bit words; a last odd byte counts as the high half of a word, so only
    /// the last piece of a message may have an odd length.
    #[must_use]
    #[inline]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // Sums of 32-bit words fold to the same 16 bits, since 2^16 ≡ 1 modulo 2^16 − 1.
        let mut sum = self.0;
        let mut words = bytes.chunks_exact(4);
        for word in &mut words {
            sum += u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]]));
        }
        let rest = words.remainder();
        let mut last = [0u8; 4];
        last[..rest.len()].copy_from_slice(rest);
        Self(sum + u64::from(u32::from_be_bytes(last)))
    }

    /// Adds one 16-bit word.
    #[must_use]
    #[inline]
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds a 32-bit number, an IPv4 address for instance.
    #[must_use]
    #[inline]
    pub const fn long(self, long: u32) -> Self {
        Self(self.0 + long as u64)
    }

    /// The sum in 16 bits, carries added back.
    #[must_use]
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "the folds leave 16 bits")]
    pub const fn fold(self) -> u16 {
        let mut sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum as u16
    }

    /// The checksum that belongs into the field which was summed as zero.
    #[must_use]
    #[inline]
    pub const fn checksum(self) -> u16 {
        !self.fold()
    }
}

/// The sum of the pseudo-header in front of a transport segment (RFC 793 section 3.1, RFC 768).
#[must_use]
#[inline]
pub fn pseudo_v4(src: u32, dst: u32, proto: Proto, len: u16) -> Sum {
    Sum::ZERO.long(src).long(dst).word(u16::from(proto.0)).word(len)
}

/// What a change of some 16-bit words adds to a checksum: ~m + m' of RFC 1624 equation 3, folded.
/// Deltas add up, so one made when a flow is admitted serves all its packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta(pub u16);

impl Delta {
    /// Nothing changes.
    pub const NONE: Self = Self(0);

    /// A TTL one less: the word (TTL, protocol) loses 0x0100 whatever it was.
    pub const TTL_DECREMENT: Self = Self(!0x0100);

    /// The word `old` becomes `new`.
    #[must_use]
    #[inline]
    pub const fn word(self, old: u16, new: u16) -> Self {
        Self(Sum::ZERO.word(self.0).word(!old).word(new).fold())
    }

    /// The 32-bit number `old` becomes `new`.
    #[must_use]
    #[inline]
    pub const fn long(self, old: u32, new: u32) -> Self {
        Self(Sum::ZERO.word(self.0).long(!old).long(new).fold())
    }

    /// Both changes.
    #[must_use]
    #[inline]
    pub const fn and(self, other: Self) -> Self {
        Self(Sum::ZERO.word(self.0).word(other.0).fold())
    }

    /// The checksum field after the change. A field that was wrong stays wrong.
    #[must_use]
    #[inline]
    pub const fn apply(self, field: u16) -> u16 {
        !Sum::ZERO.word(!field).word(self.0).fold()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 1071 section 3's example.
    #[test]
    fn the_sum_of_the_rfc_example() {
        let data = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(Sum::ZERO.bytes(&data).fold(), 0xddf2);
    }

    #[test]
    fn every_length_sums_as_the_slow_way_does() {
        let data: Vec<u8> = (0..100u8).map(|i| i.wrapping_mul(37)).collect();
        for len in 0..data.len() {
            let slow = data[..len]
                .chunks(2)
                .map(|c| u32::from(c[0]) << 8 | u32::from(c.get(1).copied().unwrap_or(0)))
                .sum::<u32>();
            let slow = (slow & 0xffff) + (slow >> 16);
            let slow = (slow & 0xffff) + (slow >> 16);
            assert_eq!(u32::from(Sum::ZERO.bytes(&data[..len]).fold()), slow, "length {len}");
        }
    }

    /// Every old word against a stride of new ones; the header's other words keep the sum off zero, as an
    /// IPv4 header's version byte does.
    #[test]
    fn an_update_equals_a_full_recompute() {
        for rest in [0x4500u16, 0x0001, 0xffff] {
            for old in 0..=u16::MAX {
                let before = Sum::ZERO.word(rest).word(old).checksum();
                for new in (0..=u16::MAX).step_by(257).chain([old, !old]) {
                    let after = Sum::ZERO.word(rest).word(new).checksum();
                    assert_eq!(Delta::NONE.word(old, new).apply(before), after, "{old} {new}");
                }
            }
        }
    }

    #[test]
    fn a_ttl_decrement_needs_no_look_at_the_packet() {
        for ttl in 1..=255u16 {
            for proto in [1u16, 6, 17, 132, 255] {
                let before = Sum::ZERO.word(0x4500).word(ttl << 8 | proto).checksum();
                let after = Sum::ZERO.word(0x4500).word((ttl - 1) << 8 | proto).checksum();
                assert_eq!(Delta::TTL_DECREMENT.apply(before), after);
            }
        }
    }

    #[test]
    fn deltas_add_up() {
        let both = Delta::NONE.long(0x0a01_0005, 0xcb00_7101).word(41822, 1024);
        let apart = Delta::NONE.long(0x0a01_0005, 0xcb00_7101).and(Delta::NONE.word(41822, 1024));
        assert_eq!(both.apply(0x1234), apart.apply(0x1234));
    }
}
