//! Stories, counts and a model.

mod model;
mod random;

use std::collections::HashSet;
use std::net::Ipv6Addr;
use std::sync::Arc;

use super::{Destination, Mapping, PoolId, PoolSpec, Pools, PoolsError, PortShard, PortsError};
use crate::key::{Addr, Port, Proto, WorkerId};
use crate::rng::Rng;

const POOL: PoolId = PoolId(0);
const CLIENT: Addr = Addr::from_v4(0x0a01_0005);
const ALL: usize = 64_512;

fn spec(addresses: u32, ports: std::ops::RangeInclusive<u16>) -> PoolSpec {
    let addresses = (1..=addresses).map(|host| Addr::from_v4(0xcb00_7100 + host)).collect();
    PoolSpec { name: "default".into(), addresses, ports }
}

fn pools(spec: PoolSpec, workers: u16) -> Arc<Pools> {
    Arc::new(Pools::new(&[spec], workers, 7).expect("a sound pool"))
}

fn one_worker(ports: std::ops::RangeInclusive<u16>, most: usize) -> PortShard {
    PortShard::new(pools(spec(1, ports), 1), WorkerId(0), most)
}

fn to(host: u32, port: u16) -> Destination {
    Destination {
        proto: Proto::TCP,
        remote: Addr::from_v4(0xc633_6400 + host),
        remote_port: Port(port),
    }
}

/// Allocates until there is nothing left, and checks that nothing comes twice.
fn exhaust(shard: &mut PortShard, to: &Destination, rng: &mut Rng) -> Vec<Mapping> {
    let mut all = Vec::new();
    let mut seen = HashSet::new();
    loop {
        match shard.allocate(CLIENT, to, POOL, rng) {
            Ok(mapping) => {
                assert!(seen.insert(mapping.port), "{mapping:?} twice");
                all.push(mapping);
            }
            Err(PortsError::Exhausted { .. }) => return all,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn one_client_gets_every_port_towards_one_destination() {
    let mut shard = one_worker(1024..=65535, 200_000);
    let mut rng = Rng::from_seed(1);
    let (web, other) = (to(7, 443), to(8, 443));
    let mappings = exhaust(&mut shard, &web, &mut rng);
    assert_eq!(mappings.len(), ALL);
    assert_eq!(mappings.iter().map(|mapping| mapping.port.0).min(), Some(1024));
    assert_eq!(mappings.iter().map(|mapping| mapping.port.0).max(), Some(65535));

    for elsewhere in [other, to(7, 80), Destination { proto: Proto::UDP, ..web }] {
        assert!(shard.allocate(CLIENT, &elsewhere, POOL, &mut rng).is_ok());
    }
    for mapping in mappings.iter().step_by(1000) {
        assert!(shard.release(mapping, &web));
        assert!(!shard.release(mapping, &web), "released twice");
        assert_eq!(shard.allocate(CLIENT, &web, POOL, &mut rng), Ok(*mapping));
    }
    assert!(shard.allocate(CLIENT, &web, POOL, &mut rng).is_err());
}

#[test]
fn a_range_may_begin_and_end_anywhere() {
    for ports in [1..=1, 1..=65535, 65535..=65535, 1000..=1100, 1023..=1024, 63..=128, 4000..=4063]
    {
        let count = ports.clone().count();
        let mut shard = one_worker(ports.clone(), 100_000);
        let mut rng = Rng::from_seed(2);
        let mappings = exhaust(&mut shard, &to(7, 443), &mut rng);
        assert_eq!(mappings.len(), count, "{ports:?}");
        assert!(mappings.iter().all(|mapping| ports.contains(&mapping.port.0)), "{ports:?}");
        assert!(mappings.iter().all(|mapping| shard.release(mapping, &to(7, 443))));
        assert_eq!(shard.counts().words, 0);
        assert_eq!(exhaust(&mut shard, &to(7, 443), &mut rng).len(), count, "{ports:?} again");
    }
}

#[test]
fn a_scan_leaves_nothing_behind() {
    let scan = 100_000;
    let mut shard = one_worker(1024..=65535, scan);
    let mut rng = Rng::from_seed(3);
    let mut flows = Vec::new();
    for host in 0..100_000 {
        let to = to(host, 443);
        let mapping = shard.allocate(CLIENT, &to, POOL, &mut rng).expect("a port of 64,512");
        flows.push((mapping, to));
    }
    assert_eq!(shard.counts().mappings, scan);
    assert!(shard.counts().words <= scan + scan / 64);
    let more = shard.allocate(CLIENT, &to(200_000, 443), POOL, &mut rng);
    assert_eq!(more, Err(PortsError::TooManyMappings));
    for (mapping, to) in &flows {
        assert!(shard.release(mapping, to));
    }
    assert_eq!(shard.counts().words, 0);
    assert_eq!(shard.counts().mappings, 0);
}

#[test]
fn an_idle_worker_hands_over_what_it_does_not_use() {
    let pools = pools(spec(1, 1024..=65535), 2);
    let mut shards = [0, 1].map(|worker| PortShard::new(pools.clone(), WorkerId(worker), 200_000));
    let mut rng = Rng::from_seed(4);
    let web = to(7, 443);
    let [busy, idle] = &mut shards;
    let first = exhaust(busy, &web, &mut rng);
    // Its own third and the third that nobody had.
    assert_eq!(first.len(), ALL / 3 * 2);
    idle.yield_unused();
    let second = exhaust(busy, &web, &mut rng);
    assert_eq!(first.len() + second.len(), ALL);
    let ports: HashSet<_> = first.iter().chain(&second).map(|mapping| mapping.port).collect();
    assert_eq!(ports.len(), ALL);

    // There is nothing left towards that destination, and enough towards all others but those of its
    // class, a sixty-fourth.
    assert!(idle.allocate(CLIENT, &web, POOL, &mut rng).is_err());
    let served = (0..1000)
        .filter(|&host| idle.allocate(CLIENT, &to(1000 + host, 443), POOL, &mut rng).is_ok());
    assert!(served.count() > 950);

    // What the busy one frees the idle one can have.
    for mapping in first.iter().chain(&second) {
        assert!(busy.release(mapping, &web));
    }
    busy.yield_unused();
    assert_eq!(exhaust(idle, &web, &mut rng).len(), ALL);
}

#[test]
fn a_lot_in_use_stays_with_its_worker() {
    let pools = pools(spec(1, 1024..=65535), 2);
    let mut shards = [0, 1].map(|worker| PortShard::new(pools.clone(), WorkerId(worker), 200_000));
    let mut rng = Rng::from_seed(5);
    let web = to(7, 443);
    let [one, other] = &mut shards;
    let held = one.allocate(CLIENT, &web, POOL, &mut rng).expect("the first");
    let got = exhaust(other, &web, &mut rng).len();
    one.yield_unused();
    let more = exhaust(other, &web, &mut rng);
    assert_eq!(got + more.len(), ALL - 64);
    assert!(more.iter().all(|mapping| mapping.port != held.port));
    assert!(one.release(&held, &web));
    assert!(other.allocate(CLIENT, &web, POOL, &mut rng).is_err());
    one.yield_unused();
    assert_eq!(exhaust(other, &web, &mut rng).len(), 64);
}

#[test]
fn a_client_keeps_its_address_and_clients_spread() {
    let mut shard = PortShard::new(pools(spec(4, 1024..=65535), 1), WorkerId(0), 10_000);
    let mut rng = Rng::from_seed(6);
    let mut clients_of = [0; 4];
    for client in 0..400 {
        let client = Addr::from_v4(0x0a01_0000 + client);
        let mut external = (0..5).map(|host| {
            let mapping = shard.allocate(client, &to(host, 443), POOL, &mut rng).expect("a port");
            assert_eq!(shard.pools().address(mapping.address), Some(mapping.external));
            assert_eq!(shard.pools().is_pool_address(mapping.external), Some(mapping.address));
            mapping.address
        });
        let address = external.next().expect("five");
        assert!(external.all(|other| other == address));
        clients_of[usize::from(address.0)] += 1;
    }
    assert!(clients_of.iter().all(|&clients| clients > 60), "{clients_of:?}");
}

#[test]
fn families_do_not_mix() {
    let six = Addr::from(std::net::IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9)));
    let mut both = spec(1, 1024..=65535);
    both.addresses.insert(0, six);
    let mut shard = PortShard::new(pools(both, 1), WorkerId(0), 100);
    let mut rng = Rng::from_seed(8);
    let client = Addr::from_bits(0xfd00 << 112 | 5);
    let mapping = shard.allocate(client, &to(1, 1), POOL, &mut rng).expect("a port");
    assert_eq!(mapping.external, six);
    let mapping = shard.allocate(CLIENT, &to(1, 1), POOL, &mut rng).expect("a port");
    assert_eq!(mapping.external, Addr::from_v4(0xcb00_7101));

    let mut four = one_worker(1024..=65535, 100);
    let none = four.allocate(client, &to(1, 1), POOL, &mut rng);
    assert_eq!(none, Err(PortsError::NoAddress { pool: POOL }));
    assert!(four.allocate(CLIENT, &to(1, 1), PoolId(1), &mut rng).is_err());
}

#[test]
fn a_mapping_survives_its_word() {
    let mut shard = one_worker(1024..=65535, 100);
    let mut rng = Rng::from_seed(9);
    let mapping = shard.allocate(CLIENT, &to(1, 1), POOL, &mut rng).expect("a port");
    let pools = shard.pools();
    assert_eq!(pools.mapping(mapping.to_word()), Some(mapping));
    let stranger = Mapping { address: super::PoolAddressId(9), ..mapping };
    for word in
        [0, 1, u64::MAX, stranger.to_word(), Mapping { port: Port(80), ..mapping }.to_word()]
    {
        assert_eq!(pools.mapping(word), None, "{word:x}");
    }
    assert!(!shard.release(&stranger, &to(1, 1)));
}

#[test]
fn unsound_pools_are_refused() {
    let with = |spec: &[PoolSpec]| Pools::new(spec, 1, 0).expect_err("unsound").to_string();
    assert_eq!(with(&[spec(0, 1..=2)]), "pool default has no addresses");
    let zero = with(&[spec(1, 0..=2)]);
    assert_eq!(zero, "pool default: ports 0-2 must go up and begin with 1 or more");
    let pair = [spec(2, 1..=2), spec(1, 1024..=2000)];
    assert_eq!(with(&pair), "address 203.0.113.1 stands in pools twice");
    let many = with(&[spec(65_536, 1..=2)]);
    assert_eq!(many, "pools have 65535 addresses at most");
    assert!(matches!(Pools::new(&pair, 1, 0), Err(PoolsError::Repeated { .. })));
}
