//! The counts of a running gateway: the workers', the steering program's and the rings', as one account.
//!
//! A frame counts as received when the steering program sees it and as sent when the device has taken it, so
//! that the account spans everything between two wires and can be held against the devices' own counters.

use crate::command::replay::{drops, identity};
use crate::pipeline::drop_reason::DropReason;
use crate::pipeline::ledger::Ledger;
use crate::snapshot::Interface;
use serde_json::{Map, Value, json};

/// What a driver counted at one interface since the gateway started.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InterfaceCounts {
    /// Frames the steering program saw.
    pub seen: u64,
    /// Frames it sent towards a worker.
    pub to_socket: u64,
    /// Frames it passed to the machine's own stack.
    pub passed: u64,
    /// Frames it dropped, by reason.
    pub steer_drops: Vec<(DropReason, u64)>,
    /// Frames the kernel had no room for on the receive ring.
    pub ring_full: u64,
    /// Frames the kernel had no buffer for.
    pub no_buffer: u64,
    /// Frames the kernel gave back after sending or dropping them.
    pub completed: u64,
    /// Frames of those that the device dropped.
    pub device_dropped: u64,
    /// Descriptors the kernel refused.
    pub invalid: u64,
    /// Everything the driver counted, for people.
    pub detail: Value,
}

/// The whole account: the workers' sum with what the driver knows put in its place.
#[must_use]
pub fn account(workers: &Ledger, driver: &[InterfaceCounts]) -> Ledger {
    let mut whole = workers.clone();
    for (id, counts) in driver.iter().enumerate() {
        let taken = workers.rx[id];
        let queued = workers.tx[id];
        let lost = counts.ring_full + counts.no_buffer;
        let waiting_in = counts.to_socket.saturating_sub(lost + taken);
        let waiting_out = queued.saturating_sub(counts.completed);
        whole.rx[id] = counts.seen;
        whole.tx[id] = queued.saturating_sub(waiting_out + counts.device_dropped + counts.invalid);
        whole.held += waiting_in + waiting_out;
        whole.host += counts.passed;
        for &(reason, count) in &counts.steer_drops {
            whole.drops[reason.index()] += count;
        }
        whole.drops[DropReason::RxRingFull.index()] += counts.ring_full;
        whole.drops[DropReason::RxNoBuffer.index()] += counts.no_buffer;
        whole.drops[DropReason::TxDevice.index()] += counts.device_dropped + counts.invalid;
    }
    whole
}

/// The account as scripts read it.
#[must_use]
pub fn render(
    interfaces: &[Interface],
    workers: &[Ledger],
    driver: &[InterfaceCounts],
    extra: Map<String, Value>,
) -> Value {
    let mut sum = Ledger::new(interfaces.len());
    workers.iter().for_each(|worker| sum.add(worker));
    let whole = account(&sum, driver);
    let by_interface: Map<String, Value> = interfaces
        .iter()
        .map(|interface| {
            let id = interface.id.index();
            let detail = driver.get(id).map_or(Value::Null, |counts| counts.detail.clone());
            let counts = json!({ "rx": whole.rx[id], "tx": whole.tx[id], "driver": detail });
            (interface.name.clone(), counts)
        })
        .collect();
    let mut stats = json!({
        "interfaces": by_interface,
        "drops": drops(&whole),
        "consumed": whole.consumed,
        "host": whole.host,
        "generated": whole.generated,
        "held": whole.held,
        "identity": identity(&whole),
        "checksums_completed": whole.checksums_completed,
        "workers": workers.iter().map(|worker| one(worker, interfaces)).collect::<Vec<_>>(),
    });
    if let Some(object) = stats.as_object_mut() {
        object.extend(extra);
    }
    stats
}

/// One worker's own counts: frames it took from its rings and put on them.
fn one(worker: &Ledger, interfaces: &[Interface]) -> Value {
    let by_interface: Map<String, Value> = interfaces
        .iter()
        .map(|interface| {
            let id = interface.id.index();
            (interface.name.clone(), json!({ "rx": worker.rx[id], "tx": worker.tx[id] }))
        })
        .collect();
    json!({
        "interfaces": by_interface,
        "drops": drops(worker),
        "consumed": worker.consumed,
        "host": worker.host,
        "generated": worker.generated,
        "held": worker.held,
        "identity": identity(worker),
        "batches": worker.batches,
        "flows": { "admitted": worker.flows_admitted, "ended": worker.flows_ended },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::InterfaceId;

    /// Ten frames come in: the program passes one and drops one, the ring has no room for one, one waits
    /// in it; the worker drops one and forwards five, of which the device drops one and has one still.
    #[test]
    fn every_frame_between_the_wires_is_in_one_place() {
        let mut workers = Ledger::new(2);
        (0..6).for_each(|_| workers.received(InterfaceId(0)));
        (0..5).for_each(|_| workers.sent(InterfaceId(1)));
        workers.dropped(DropReason::PolicyUnmatched);
        let inside = InterfaceCounts {
            seen: 10,
            to_socket: 8,
            passed: 1,
            steer_drops: vec![(DropReason::ArpSpoof, 1)],
            ring_full: 1,
            ..InterfaceCounts::default()
        };
        let outside =
            InterfaceCounts { completed: 4, device_dropped: 1, ..InterfaceCounts::default() };
        let whole = account(&workers, &[inside, outside]);
        assert_eq!(whole.difference(), 0);
        assert_eq!((whole.rx[0], whole.tx[1], whole.held, whole.host), (10, 3, 2, 1));
        for reason in [
            DropReason::ArpSpoof,
            DropReason::RxRingFull,
            DropReason::PolicyUnmatched,
            DropReason::TxDevice,
        ] {
            assert_eq!(whole.drops_of(reason), 1, "{reason}");
        }
    }
}
