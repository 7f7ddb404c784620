//! Random and half random frames, many of them. `SLUICE_FUZZ_ROUNDS=100` runs a hundred times as many.

use super::{Traffic, Witness, rounds};
use crate::kit::frame::{fix_ip, fix_l4};
use crate::kit::{Setup, Via, World};
use flowtable::rng::Rng;
use gateway::pipeline::drop_reason::DropReason;

/// A world small enough that its limits are met.
fn narrow() -> Setup {
    Setup::default().with("flows: 4096", "flows: 96").ports(1024, 1087)
}

fn byte(rng: &mut Rng) -> u8 {
    const EDGES: [u8; 6] = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
    match rng.below(3) {
        0 => EDGES[usize::try_from(rng.below(6)).expect("small")],
        _ => rng.next_u64().to_le_bytes()[0],
    }
}

fn index(rng: &mut Rng, len: usize) -> usize {
    usize::try_from(rng.below(u32::try_from(len).expect("small"))).expect("small")
}

/// A frame of nothing but chance, but for the hardware addresses and the type without which it goes nowhere.
fn noise(rng: &mut Rng) -> (Via, Vec<u8>) {
    let via = Via::ALL[index(rng, 3)];
    let mut frame: Vec<u8> = (0..rng.below(160)).map(|_| byte(rng)).collect();
    if frame.len() >= 35 && rng.below(8) > 0 {
        frame[..6].copy_from_slice(&via.gateway());
        frame[6..12].copy_from_slice(&via.station());
        frame[12..14].copy_from_slice(&[8, 0]);
        frame[14] = 0x45;
        let total = u8::try_from(frame.len() - 14).expect("below 160");
        frame[16..18].copy_from_slice(&[0, total]);
        frame[20] &= 0x40;
        frame[21] = 0;
        frame[26..28].copy_from_slice(&[10, 1]);
        fix_ip(&mut frame);
    }
    (via, frame)
}

/// A valid frame with a few things wrong with it.
fn mutant(rng: &mut Rng, frames: &[(Via, Vec<u8>)]) -> (Via, Vec<u8>) {
    let (mut via, mut frame) = frames[index(rng, frames.len())].clone();
    for _ in 0..rng.below(4) {
        let at = index(rng, frame.len().min(80));
        match rng.below(10) {
            0..=4 => frame[at] = byte(rng),
            5 => frame[at] ^= 1 << rng.below(8),
            6 => frame.truncate(at.max(1)),
            7 => frame.extend((0..rng.below(40)).map(|_| 0xa5)),
            8 => drop(frame.splice(at..at, [byte(rng)])),
            _ => via = Via::ALL[index(rng, 3)],
        }
    }
    if frame.len() >= 38 && rng.below(3) == 0 {
        // Other ports make other flows.
        let port = u16::try_from(rng.below(700)).expect("small").to_be_bytes();
        frame[34..36].copy_from_slice(&port);
    }
    if frame.len() >= 34 && rng.below(2) == 0 {
        if rng.below(2) == 0 {
            let total = u16::try_from(frame.len() - 14).expect("short").to_be_bytes();
            frame[16..18].copy_from_slice(&total);
        }
        fix_ip(&mut frame);
        fix_l4(&mut frame);
    }
    (via, frame)
}

fn any(rng: &mut Rng, frames: &[(Via, Vec<u8>)]) -> (Via, Vec<u8>) {
    if rng.below(5) == 0 { noise(rng) } else { mutant(rng, frames) }
}

/// Whatever came, time heals: every flow ends and every port comes back.
fn heals(world: &mut World) {
    let held = (world.flows(), world.worker.ports.counts().mappings);
    assert!(held.0 <= 96, "{held:?}");
    for _ in 0..4 {
        world.sleep(7_441_000);
        world.idle(30);
    }
    assert_eq!((world.flows(), world.worker.ports.counts().mappings), (0, 0));
    let ledger = &world.worker.ledger;
    assert_eq!(ledger.flows_admitted, ledger.flows_ended);
}

/// The reasons that no frame was dropped for, of those that a hostile frame can meet in this world.
fn unmet(world: &World) -> Vec<&'static str> {
    const OTHERS: [&str; 19] = [
        // Fates that no frame chooses: the world has a route to everywhere, all MTUs are above a test
        // frame's size, no policy, one worker, room in its rings. Then those that not every seed meets.
        "route.none",
        "mtu.df",
        "mtu.exceeded",
        "nat.no_pool",
        "policy.networkpolicy",
        "policy.unmatched",
        "tcp.sim_open",
        "flow.contended",
        "tx.ring_full",
        "tx.device",
        "rx.ring_full",
        "rx.no_buffer",
        "steer.no_socket",
        "steer.host",
        "dhcp.server_from_pod",
        "nat.exhausted",
        "flow.table_full",
        "tcp.after_fin",
        "tcp.split_handshake",
    ];
    let ledger = &world.worker.ledger;
    let reasons = DropReason::ALL.iter().filter(|reason| ledger.drops_of(**reason) == 0);
    reasons.map(|reason| reason.name()).filter(|name| !OTHERS.contains(name)).collect()
}

#[test]
fn random_frames_one_at_a_time_each_go_to_one_place() {
    for seed in 0..rounds() {
        let Traffic { mut world, frames } = Traffic::new(&narrow());
        let mut rng = Rng::from_seed(seed);
        for count in 0..1_000_000 {
            let (via, frame) = any(&mut rng, &frames);
            let _witness = Witness(via, &frame);
            world.pass(via, &frame);
            if count % 64 == 0 {
                world.sleep(u64::from(rng.below(2_000)));
            }
        }
        // Of one seed it is known that it reaches every corner.
        assert!(seed > 0 || unmet(&world).is_empty(), "{:?}", unmet(&world));
        heals(&mut world);
    }
}

#[test]
fn random_batches_lose_nothing() {
    for seed in 0..rounds() {
        let Traffic { mut world, frames } = Traffic::new(&narrow());
        let mut rng = Rng::from_seed(!seed);
        for _ in 0..3_000 {
            let count = 1 + rng.below(200);
            let batch: Vec<_> = (0..count).map(|_| any(&mut rng, &frames)).collect();
            let room = index(&mut rng, 256);
            world.io.limit_tx(room);
            let left = world.blast(&batch);
            assert!(left <= room);
            world.sleep(u64::from(rng.below(30_000)));
            if rng.below(40) == 0 {
                world.reload(|setup| setup);
            }
        }
        heals(&mut world);
    }
}
