//! What happens to a packet, on one page.
//!
//! A batch goes through stages, so that the cache misses of its packets overlap: receive; read the headers
//! and hash the key; fetch the flow table's lines; decide and rewrite; transmit. Every frame that enters a
//! stage goes to exactly one place. Nothing here does I/O, reads a clock, takes a lock, logs or allocates.

pub mod action;
mod admit;
pub mod drop_reason;
pub mod ledger;
mod rewrite;
mod transport;

use crate::io::{BATCH, Frame, InterfaceId, PacketIo, Received};
use crate::packet::{self, Arrival, Packet};
use crate::snapshot::Snapshot;
use drop_reason::DropReason;
use flowtable::key::{Addr, Tick, WorkerId};
use flowtable::ports::PortShard;
use flowtable::rng::Rng;
use flowtable::table::{Cause, Entry, FlowHash, FlowTable, Remaining, Shard};
use flowtable::track::Timeouts;
use ledger::Ledger;
use std::sync::Arc;
use transport::Observation;

/// Flows looked at for expiry after each batch: twice what a batch of 64 can add, so that the table cannot fill
/// up faster than it is swept.
const EXPIRY_BUDGET: u32 = 128;

/// Everything one worker owns of the data plane.
#[derive(Debug)]
pub struct Worker {
    /// The table all workers share.
    pub table: Arc<FlowTable>,
    /// This worker's part of it.
    pub shard: Shard,
    /// This worker's SNAT ports.
    pub ports: PortShard,
    /// How long flows live.
    pub timeouts: Timeouts,
    /// The random source.
    pub rng: Rng,
    /// The counts.
    pub ledger: Ledger,
    /// The last destination whose neighbour was not known; the control plane asks for it.
    pub unresolved: Option<Addr>,
}

impl Worker {
    /// The worker's number.
    #[must_use]
    pub fn id(&self) -> WorkerId {
        self.shard.worker()
    }
}

/// The packets of one batch between their stages; made once, used again for every batch.
#[derive(Debug)]
pub struct Batch<F> {
    received: Vec<Received<F>>,
    transit: Vec<Transit<F>>,
}

/// A packet on its way through a batch.
#[derive(Debug)]
struct Transit<F> {
    ingress: InterfaceId,
    frame: F,
    packet: Packet,
    hash: FlowHash,
}

impl<F> Default for Batch<F> {
    fn default() -> Self {
        Self { received: Vec::with_capacity(BATCH), transit: Vec::with_capacity(BATCH) }
    }
}

/// Takes one batch through all stages; returns how many frames it had.
pub fn run<I: PacketIo>(
    io: &mut I,
    batch: &mut Batch<I::Frame>,
    worker: &mut Worker,
    snapshot: &Snapshot,
    now: Tick,
) -> usize {
    let count = io.receive(BATCH, |received| batch.received.push(received));
    for Received { ingress, mut frame } in batch.received.drain(..) {
        worker.ledger.received(ingress);
        match packet::arrive(&mut frame, snapshot.interface(ingress), snapshot) {
            Ok(Arrival::Transit(packet)) => {
                let hash = worker.table.hash(&packet.key);
                worker.table.prefetch_buckets(hash);
                batch.transit.push(Transit { ingress, frame, packet, hash });
            }
            Ok(Arrival::Host) => give_to_host(io, worker, ingress, frame),
            Err(reason) => drop_frame(io, worker, reason, frame),
        }
    }
    for transit in &batch.transit {
        worker.table.prefetch_record(transit.hash);
    }
    for mut transit in batch.transit.drain(..) {
        match decide(&mut transit, worker, snapshot, now) {
            Ok(egress) => match io.transmit(egress, transit.frame) {
                Ok(()) => worker.ledger.sent(egress),
                Err(frame) => drop_frame(io, worker, DropReason::TxRingFull, frame),
            },
            Err(reason) => drop_frame(io, worker, reason, transit.frame),
        }
    }
    io.flush();
    worker.ledger.batches += u64::from(count > 0);
    finish(worker, now);
    count
}

/// What a packet's flow says: where it leaves, rewritten; or why not.
fn decide<F: Frame>(
    transit: &mut Transit<F>,
    worker: &mut Worker,
    snapshot: &Snapshot,
    now: Tick,
) -> Result<InterfaceId, DropReason> {
    let segment = transport::read(transit.frame.bytes(), &transit.packet)?;
    let checksums = snapshot.interface(transit.ingress).checksums;
    worker.ledger.checksums_completed +=
        transport::complete_checksum(transit.frame.bytes_mut(), &transit.packet, checksums);

    let action = match find(transit, worker, snapshot, now)? {
        Some(entry) => {
            // What cannot leave must not move the flow's state, so the way out comes first.
            let action = admit::current_hop(entry, &transit.packet.key, worker, snapshot)?;
            rewrite::check_size(&transit.packet, snapshot.next_hop(action.next_hop))?;
            match transport::observe(entry, &segment, transit, worker, now)? {
                Observation::Forward => action,
                Observation::Reopen => {
                    worker.table.kill(entry, Cause::Closed);
                    admit::admit(transit, &segment, worker, snapshot, now)?
                }
            }
        }
        None => admit::admit(transit, &segment, worker, snapshot, now)?,
    };
    let hop = snapshot.next_hop(action.next_hop);
    rewrite::apply(&mut transit.frame, &transit.packet, &action, hop);
    Ok(action.egress)
}

/// The packet's flow, if it has one that still lives and the policy in force still allows.
#[inline]
fn find<F>(
    transit: &Transit<F>,
    worker: &mut Worker,
    snapshot: &Snapshot,
    now: Tick,
) -> Result<Option<Entry>, DropReason> {
    let key = &transit.packet.key;
    let Some(entry) = worker.table.find(transit.hash, key) else { return Ok(None) };
    if transport::is_over(entry, key.proto, worker, now) {
        worker.table.kill(entry, Cause::Expired);
        return Ok(None);
    }
    if worker.table.generation(entry) != Some(snapshot.generation) {
        admit::judge_again(entry, worker, snapshot)?;
    }
    Ok(Some(entry))
}

fn give_to_host<I: PacketIo>(
    io: &mut I,
    worker: &mut Worker,
    ingress: InterfaceId,
    frame: I::Frame,
) {
    match io.to_host(ingress, frame) {
        Ok(()) => worker.ledger.host += 1,
        Err(frame) => drop_frame(io, worker, DropReason::SteerHost, frame),
    }
}

fn drop_frame<I: PacketIo>(io: &mut I, worker: &mut Worker, reason: DropReason, frame: I::Frame) {
    worker.ledger.dropped(reason);
    io.release(frame);
}

/// Between batches: flows that are over give back their records and ports, a bounded number at a time.
/// Returns whether more is to be done at this moment.
pub fn finish(worker: &mut Worker, now: Tick) -> Remaining {
    let Worker { shard, ports, timeouts, ledger, .. } = worker;
    shard.quiesce();
    ports.yield_unused();
    shard.maintain(
        now,
        EXPIRY_BUDGET,
        |original, reply, key| timeouts.deadline(key.proto, original, reply),
        |ended| {
            ledger.flows_ended += 1;
            admit::give_back(ports, &ended);
        },
    )
}
