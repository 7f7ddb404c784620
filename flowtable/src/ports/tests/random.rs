//! Whether ports can be told beforehand, and whether blocks can be told from ports (RFC 6056).

use super::{ALL, CLIENT, POOL, one_worker, pools, spec, to};
use crate::key::WorkerId;
use crate::ports::PortShard;
use crate::rng::Rng;

/// The ports of flows to ever new destinations.
fn fresh(shard: &mut PortShard, count: u32, seed: u64) -> Vec<u16> {
    let mut rng = Rng::from_seed(seed);
    (0..count)
        .map(|host| {
            let to = to(host, 443);
            let mapping = shard.allocate(CLIENT, &to, POOL, &mut rng).expect("a port");
            assert!(shard.release(&mapping, &to));
            mapping.port.0
        })
        .collect()
}

/// Pearson's statistic over `cells` of equal width, less its mean, in standard deviations.
fn deviations(values: impl Iterator<Item = usize>, cells: usize, width: usize) -> f64 {
    let mut counts = vec![0u32; cells];
    let mut total = 0u32;
    for value in values {
        counts[value / width] += 1;
        total += 1;
    }
    let expected = f64::from(total) / f64::from(u32::try_from(cells).expect("few"));
    let statistic: f64 =
        counts.iter().map(|&count| (f64::from(count) - expected).powi(2) / expected).sum();
    let freedom = f64::from(u32::try_from(cells - 1).expect("few"));
    (statistic - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn ports_to_new_destinations_are_uniform() {
    let mut shard = one_worker(1024..=65535, 100);
    let ports = fresh(&mut shard, 400_000, 1);
    let offsets = || ports.iter().map(|&port| usize::from(port) - 1024);
    // Cells of half a block and of a block: boundaries must not show either way.
    for (cells, width) in [(2016, 32), (1008, 64), (64, 1008)] {
        let off = deviations(offsets(), cells, width);
        assert!(off.abs() < 5.0, "{cells} cells: {off} standard deviations");
    }
    // And within the block.
    let off = deviations(offsets().map(|offset| offset % 64), 64, 1);
    assert!(off.abs() < 5.0, "within blocks: {off}");
}

#[test]
fn a_range_with_odd_ends_is_uniform_too() {
    let mut shard = one_worker(1000..=1499, 100);
    let ports = fresh(&mut shard, 100_000, 2);
    let off = deviations(ports.iter().map(|&port| usize::from(port) - 1000), 500, 1);
    assert!(off.abs() < 5.0, "{off}");
}

#[test]
fn steps_between_ports_say_nothing() {
    let mut shard = one_worker(1024..=65535, 100);
    let ports = fresh(&mut shard, 400_000, 3);
    let steps = ports.windows(2).map(|pair| {
        let step = usize::from(pair[1]) + ALL - usize::from(pair[0]);
        step % ALL
    });
    let off = deviations(steps, 1008, 64);
    assert!(off.abs() < 5.0, "{off}");
}

#[test]
fn ports_to_one_destination_come_in_no_order() {
    let mut shard = one_worker(1024..=65535, 100_000);
    let mut rng = Rng::from_seed(4);
    let web = to(7, 443);
    let ports: Vec<_> = (0..40_000)
        .map(|_| shard.allocate(CLIENT, &web, POOL, &mut rng).expect("a port").port.0)
        .collect();
    let same_block = ports.windows(2).filter(|pair| pair[0] >> 6 == pair[1] >> 6).count();
    // By chance one pair in 1,008: 40 of these, give or take six.
    assert!((10..80).contains(&same_block), "{same_block}");
    let adjacent = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    assert!(adjacent < 10, "{adjacent}");
}

/// An observer who has seen a thousand ports of one of four workers bets on the next one: the best bet it
/// has is a port of a block it has seen, and a worker has a fifth of all blocks.
#[test]
fn the_next_port_is_hardly_guessed() {
    let pools = pools(spec(1, 1024..=65535), 4);
    let mut shard = PortShard::new(pools, WorkerId(2), 100);
    let ports = fresh(&mut shard, 200_000, 5);
    let mut hits = [0u32; 3];
    for seen in ports.windows(3) {
        let [before, last, next] = [seen[0], seen[1], seen[2]];
        hits[0] += u32::from(next == last.wrapping_add(1));
        hits[1] += u32::from(next == last);
        hits[2] += u32::from(next == last.wrapping_add(last.wrapping_sub(before)));
    }
    // 200,000 guesses at one in 12,902 are 15.5.
    assert!(hits.iter().all(|&hits| hits < 45), "{hits:?}");
}

#[test]
fn seeds_make_all_the_difference() {
    let first = |seed| fresh(&mut one_worker(1024..=65535, 100), 50, seed);
    assert_eq!(first(1), first(1));
    let (one, other) = (first(1), first(2));
    assert!(one.iter().zip(&other).filter(|(a, b)| a == b).count() < 3);
}
