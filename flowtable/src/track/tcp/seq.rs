//! Arithmetic of sequence numbers, modulo 2³² (RFC 9293 section 3.4). `a` is before `b` if going up from
//! `a` reaches `b` in less than half a turn.

pub(super) const fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

pub(super) const fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

/// The later of the two.
pub(super) const fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

/// Whether `x` lies on the way up from `first` to `last`, both included.
pub(super) const fn within(x: u32, first: u32, last: u32) -> bool {
    x.wrapping_sub(first) <= last.wrapping_sub(first)
}

#[cfg(test)]
mod tests {
    use super::{after, before, later, within};

    #[test]
    fn the_circle_has_no_seam() {
        for base in [0, 1, 1000, i32::MAX as u32, u32::MAX - 1, u32::MAX] {
            for step in [1, 2, 1 << 30, (1 << 31) - 1] {
                let next = base.wrapping_add(step);
                assert!(before(base, next) && !before(next, base), "{base} {step}");
                assert!(after(next, base) && !after(base, next), "{base} {step}");
                assert_eq!(later(base, next), next);
                assert_eq!(later(next, base), next);
                assert!(within(base, base, next) && within(next, base, next));
                assert!(!within(next.wrapping_add(1), base, next));
                assert!(!within(base.wrapping_sub(1), base, next));
            }
            assert!(!before(base, base) && !after(base, base) && within(base, base, base));
        }
    }
}
