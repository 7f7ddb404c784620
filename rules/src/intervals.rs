//! Sorted sets of numbers, such as ports: one binary search a question, whatever the rules were.

/// Disjoint closed intervals in ascending order, no two of which touch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Intervals<T>(Box<[(T, T)]>);

impl<T: Copy + Ord> Intervals<T> {
    /// The union of closed intervals; those whose first number is above their last hold nothing.
    pub(crate) fn union(mut intervals: Vec<(T, T)>) -> Self {
        intervals.retain(|(first, last)| first <= last);
        intervals.sort_unstable();
        let mut merged: Vec<(T, T)> = Vec::with_capacity(intervals.len());
        for (first, last) in intervals {
            match merged.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self(merged.into_boxed_slice())
    }

    /// Whether a number is in the set.
    #[inline]
    pub(crate) fn contains(&self, number: T) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= number);
        after > 0 && number <= self.0[after - 1].1
    }
}

/// What is left of an interval without others, in ascending order.
pub(crate) fn without(whole: (u128, u128), mut holes: Vec<(u128, u128)>) -> Vec<(u128, u128)> {
    holes.sort_unstable();
    let (mut next, last) = whole;
    let mut rest = Vec::with_capacity(holes.len() + 1);
    for (hole_first, hole_last) in holes {
        if hole_first > last {
            break;
        }
        if hole_first > next {
            rest.push((next, hole_first - 1));
        }
        if hole_last >= last {
            return rest;
        }
        next = next.max(hole_last + 1);
    }
    rest.push((next, last));
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_holds_what_any_of_its_parts_holds() {
        let parts = vec![(5, 9), (1, 3), (8, 20), (40, 30), (50, 50), (2, 2)];
        let set = Intervals::union(parts.clone());
        for number in 0..60 {
            let expected = parts.iter().any(|&(first, last)| first <= number && number <= last);
            assert_eq!(set.contains(number), expected, "{number}");
        }
        assert_eq!(Intervals::<u32>::union(vec![(2, 1)]), Intervals::union(Vec::new()));
    }

    #[test]
    fn holes_are_cut_out_wherever_they_lie() {
        for (holes, rest) in [
            (vec![], vec![(10, 20)]),
            (vec![(10, 10)], vec![(11, 20)]),
            (vec![(20, 20)], vec![(10, 19)]),
            (vec![(0, 99)], vec![]),
            (vec![(14, 15), (12, 16), (18, 18)], vec![(10, 11), (17, 17), (19, 20)]),
            (vec![(0, 5), (21, 30)], vec![(10, 20)]),
            (vec![(15, u128::MAX)], vec![(10, 14)]),
        ] {
            assert_eq!(without((10, 20), holes.clone()), rest, "{holes:?}");
        }
    }
}
