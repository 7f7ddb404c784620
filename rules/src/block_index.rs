//! Which rules have blocks around an address, without asking every rule: a segment tree over the places where a
//! block begins or ends. n blocks take n log n room and a question log n steps, however they nest.

/// Rules by the addresses of their blocks. Addresses of both families stand in one number space, where an IPv6
/// block holds no IPv4-mapped address.
#[derive(Debug)]
pub(crate) struct BlockIndex {
    /// Where the leaves begin, in ascending order, but for the first, which begins at 0.
    edges: Box<[u128]>,
    /// Where the rules of a node begin in `rules`; one more than there are nodes.
    starts: Box<[u32]>,
    /// Ascending within a node.
    rules: Box<[u32]>,
}

/// Addresses from the first to the last, and the rule that has them.
pub(crate) type RuleBlock = (u128, u128, u32);

impl BlockIndex {
    /// The index of blocks in the order of their rules.
    pub(crate) fn new(blocks: &[RuleBlock]) -> Self {
        let ends = blocks.iter().filter_map(|&(_, last, _)| last.checked_add(1));
        let mut edges: Vec<u128> = blocks.iter().map(|&(first, ..)| first).chain(ends).collect();
        edges.sort_unstable();
        edges.dedup();
        let leaves = edges.len() + 1;
        let mut nodes: Vec<Vec<u32>> = vec![Vec::new(); leaves * 2];
        for &(first, last, rule) in blocks {
            // The nodes that cover the leaves of the block and no other, going up from both of its sides.
            let mut left = leaf(&edges, first) + leaves;
            let mut right = leaf(&edges, last) + 1 + leaves;
            while left < right {
                if left % 2 == 1 {
                    nodes[left].push(rule);
                    left += 1;
                }
                if right % 2 == 1 {
                    right -= 1;
                    nodes[right].push(rule);
                }
                left /= 2;
                right /= 2;
            }
        }
        let mut rules = Vec::new();
        let mut starts = vec![0];
        for node in nodes {
            rules.extend(node);
            starts
                .push(u32::try_from(rules.len()).expect("a text of 4 billion blocks is not read"));
        }
        Self { edges: edges.into(), starts: starts.into(), rules: rules.into() }
    }

    /// The first rule below `before` that has a block around the address and of which `holds` is true.
    #[inline]
    pub(crate) fn first(
        &self,
        address: u128,
        before: u32,
        holds: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let mut node = leaf(&self.edges, address) + self.edges.len() + 1;
        let (mut before, mut found) = (before, None);
        while node > 0 {
            let rules = &self.rules[self.starts[node] as usize..self.starts[node + 1] as usize];
            let earlier = rules.iter().take_while(|&&rule| rule < before);
            if let Some(&rule) = { earlier }.find(|&&rule| holds(rule)) {
                (before, found) = (rule, Some(rule));
            }
            node /= 2;
        }
        found
    }
}

/// The leaf that holds an address.
#[inline]
fn leaf(edges: &[u128], address: u128) -> usize {
    edges.partition_point(|&edge| edge <= address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_is_the_one_a_linear_search_finds() {
        let nested = (0..40).map(|i| (u128::from(i), 80 - u128::from(i), i));
        let apart = (40..60).map(|i| (u128::from(i) * 3, u128::from(i) * 3 + 1, i));
        let whole = [(0, u128::MAX, 60), (70, 70, 61), (70, 70, 61), (u128::MAX, u128::MAX, 62)];
        let blocks: Vec<RuleBlock> = nested.rev().chain(apart).chain(whole).collect();
        for from in [0, 20, 37, 61] {
            let mut blocks = blocks[from..].to_vec();
            blocks.sort_by_key(|&(.., rule)| rule);
            let index = BlockIndex::new(&blocks);
            for address in (0..200).chain([u128::MAX - 1, u128::MAX]) {
                for (step, before) in [(1, u32::MAX), (2, u32::MAX), (7, u32::MAX), (1, 20), (3, 0)]
                {
                    let holds = |rule: u32| rule.is_multiple_of(step);
                    let linear = blocks.iter().find(|&&(first, last, rule)| {
                        (first..=last).contains(&address) && rule < before && holds(rule)
                    });
                    let expected = linear.map(|&(.., rule)| rule);
                    assert_eq!(index.first(address, before, holds), expected, "{address} {step}");
                }
            }
        }
        assert_eq!(BlockIndex::new(&[]).first(5, u32::MAX, |_| true), None);
    }
}
