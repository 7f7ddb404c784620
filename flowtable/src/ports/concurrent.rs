//! Workers that borrow and hand back at once, in every order that the memory model allows.

use std::sync::Arc;

use loom::thread;

use super::block::Block;
use super::pools::Slice;
use super::{Destination, PoolId, PoolSpec, Pools, PortShard};
use crate::key::{Addr, Port, Proto, WorkerId};
use crate::rng::Rng;
use crate::sync::{AtomicU64, Ordering};

const SLICE: Slice = Slice(0);

/// Two lots: blocks 16 and 17.
fn pools() -> Arc<Pools> {
    let addresses = vec![Addr::from_v4(0xcb00_7101)];
    let spec = PoolSpec { name: "two lots".into(), addresses, ports: 1024..=1151 };
    Arc::new(Pools::new(&[spec], 2, 1).expect("a sound pool"))
}

/// What the owner of a lot wrote last; only the lot's own bits order these words.
struct Marks([AtomicU64; 2]);

impl Marks {
    fn mark(&self, block: Block) -> &AtomicU64 {
        &self.0[usize::from(block.0) - 16]
    }

    fn take(&self, block: Block) {
        assert_eq!(self.mark(block).load(Ordering::Relaxed), 0, "{block:?} has an owner");
        self.mark(block).store(1, Ordering::Relaxed);
    }

    fn leave(&self, block: Block) {
        self.mark(block).store(0, Ordering::Relaxed);
    }
}

#[test]
fn a_lot_has_one_owner_at_a_time() {
    loom::model(|| {
        let pools = pools();
        let marks = Arc::new(Marks([AtomicU64::new(0), AtomicU64::new(0)]));
        let workers = [1, 2].map(|seed| {
            let (pools, marks) = (pools.clone(), marks.clone());
            thread::spawn(move || {
                let mut rng = Rng::from_seed(seed);
                let first = pools.borrow_lot(SLICE, &mut rng);
                if let Some(block) = first {
                    marks.take(block);
                    marks.leave(block);
                    pools.return_lot(SLICE, block);
                }
                let second = pools.borrow_lot(SLICE, &mut rng);
                if let Some(block) = second {
                    marks.take(block);
                }
                second
            })
        });
        let kept = workers.map(|worker| worker.join().expect("a worker ends").map(|block| block.0));
        // There is one for each, so each has one, and not the same.
        assert!(kept.iter().all(Option::is_some), "{kept:?}");
        assert_ne!(kept[0], kept[1]);
    });
}

#[test]
fn asking_and_yielding_gives_no_port_twice() {
    loom::model(|| {
        let pools = pools();
        let workers = [0, 1].map(|worker| {
            let pools = pools.clone();
            thread::spawn(move || {
                let mut shard = PortShard::new(pools, WorkerId(worker), 4);
                let mut rng = Rng::from_seed(worker.into());
                let client = Addr::from_v4(0x0a01_0005);
                let remote = Addr::from_v4(0xc633_6407);
                let to = Destination { proto: Proto::UDP, remote, remote_port: Port(53) };
                let first = shard.allocate(client, &to, PoolId(0), &mut rng).ok();
                shard.yield_unused();
                let again = first.or_else(|| shard.allocate(client, &to, PoolId(0), &mut rng).ok());
                again.map(|mapping| mapping.port)
            })
        });
        let ports = workers.map(|worker| worker.join().expect("a worker ends"));
        assert!(ports.iter().any(Option::is_some), "somebody borrows first");
        assert!(ports[0] != ports[1], "{ports:?}");
    });
}
