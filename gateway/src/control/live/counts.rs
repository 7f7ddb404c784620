//! What driver, rings and devices counted, as the account of `stats` takes it.

use crate::control::stats::InterfaceCounts;
use crate::io::InterfaceId;
use crate::io::af_xdp::{QueueReport, SteerAction};
use crate::kernel::KernelView;
use crate::pipeline::drop_reason::DropReason;
use crate::snapshot::Topology;
use serde_json::{Map, Value, json};

/// What each device has dropped on the way out since it exists.
pub(super) fn device_drops(topology: &Topology, view: &KernelView) -> Vec<u64> {
    let dropped = |name: &str| view.link(name).map_or(0, |link| link.counters.tx_dropped);
    topology.interfaces.iter().map(|interface| dropped(&interface.name)).collect()
}

/// Everything counted at one interface, over all its queues.
pub(super) fn counts(
    id: InterfaceId,
    reports: &[QueueReport],
    device_dropped: u64,
    view: &KernelView,
    name: &str,
) -> InterfaceCounts {
    let mut sum = InterfaceCounts { device_dropped, ..InterfaceCounts::default() };
    let mut queues = Vec::new();
    for report in reports.iter().filter(|report| report.interface == id) {
        sum.seen += report.steer.get(SteerAction::Seen);
        sum.to_socket += report.steer.get(SteerAction::ToSocket);
        sum.passed += report.steer.passed();
        let drops = report.steer.iter().filter(|&(_, count)| count > 0);
        let drops =
            drops.filter_map(|(action, n)| Some((DropReason::from_name(action.name())?, n)));
        sum.steer_drops.extend(drops);
        sum.ring_full += report.kernel.rx_ring_full;
        sum.no_buffer += report.kernel.rx_dropped;
        sum.completed += report.port.completed;
        sum.invalid += report.kernel.tx_invalid_descs;
        queues.push(queue_detail(report));
    }
    let device = view.link(name).map(|link| link.counters).unwrap_or_default();
    sum.detail = json!({
        "queues": queues,
        "device": {
            "rx_packets": device.rx_packets,
            "tx_packets": device.tx_packets,
            "rx_dropped": device.rx_dropped,
            "tx_dropped": device.tx_dropped,
            "rx_errors": device.rx_errors,
            "tx_errors": device.tx_errors,
        },
    });
    sum
}

fn queue_detail(report: &QueueReport) -> Value {
    let steer: Map<String, Value> = report
        .steer
        .iter()
        .map(|(action, count)| (action.name().to_owned(), count.into()))
        .collect();
    let (kernel, port, errors) = (&report.kernel, &report.port, &report.port.kick_errors);
    json!({
        "queue": report.queue,
        "copy_mode": format!("{:?}", report.copy_mode).to_lowercase(),
        "xdp_mode": format!("{:?}", report.xdp_mode).to_lowercase(),
        "xdp": steer,
        "rings": {
            "rx_dropped": kernel.rx_dropped,
            "rx_ring_full": kernel.rx_ring_full,
            "rx_fill_ring_empty": kernel.rx_fill_ring_empty,
            "rx_invalid_descs": kernel.rx_invalid_descs,
            "tx_invalid_descs": kernel.tx_invalid_descs,
            "tx_ring_empty": kernel.tx_ring_empty,
        },
        "socket": {
            "received": port.received,
            "transmitted": port.transmitted,
            "completed": port.completed,
            "refused": port.refused,
            "sendto": port.kicks,
            "fill_wakeups": port.fill_wakeups,
            "sendto_errors": {
                "eagain": errors.again,
                "ebusy": errors.busy,
                "enobufs": errors.no_buffers,
                "enetdown": errors.down,
                "enxio": errors.unbound,
                "other": errors.other,
            },
        },
    })
}
