//! Each proof holds for a demo that went well, and fails for what it is there to find.

use std::net::Ipv4Addr;

use kit::observer::Tally;
use serde_json::json;

use super::*;
use crate::cast::ROLES;
use crate::traffic::{Counts, Phase};

/// A demo that went well: every allowed conversation brought 10 packets, every denied one was refused.
fn good() -> Evidence {
    let rows: Vec<Row> = ROLES
        .iter()
        .map(|role| {
            let changed = matches!(role.how, How::Stream(_));
            let counts = Counts {
                done: if role.allowed { 5 } else { 0 },
                refused: if role.allowed && !changed { 0 } else { 4 },
                ..Counts::default()
            };
            Row { role: *role, phase: Phase::Changing, counts, reason: String::new() }
        })
        .collect();
    let tally = |row: &Row| Tally {
        packets: if row.role.allowed { 10 } else { 0 },
        last: Duration::from_secs(100),
        ..Tally::default()
    };
    let roles: Vec<Tally> = rows.iter().map(tally).collect();
    let arrived = roles.iter().map(|tally| tally.packets).sum();
    let sources = BTreeMap::from([(SNAT, arrived)]);
    let device = |tx, rx| Device { tx, rx, ..Device::default() };
    let stats = json!({
        "interfaces": {}, "drops": {"policy.networkpolicy": 20}, "consumed": 0, "host": 0,
        "generated": 0, "held": 0, "identity": "exact",
    });
    Evidence {
        rows,
        sighting: Sighting { roles, sources, arrived, ..Sighting::default() },
        devices: BTreeMap::from([
            (PODS[0].to_owned(), device(40, 15)),
            (PODS[1].to_owned(), device(30, 15)),
            (INTERNET_DEVICE.to_owned(), device(30, arrived)),
        ]),
        ledger: Ledger::parse(&stats.to_string()).unwrap(),
        finding: None,
        unreachable_reached: 0,
        denial: Some(Denial {
            acknowledged: Duration::from_secs(100),
            took: Duration::from_millis(3),
            packets_before: 10,
        }),
    }
}

fn failed(spoil: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let mut evidence = good();
    spoil(&mut evidence);
    all(&evidence).into_iter().filter(|proof| !proof.holds).map(|proof| proof.claim).collect()
}

fn index(wanted: impl Fn(&How, bool) -> bool) -> usize {
    ROLES.iter().position(|role| wanted(&role.how, role.allowed)).unwrap()
}

#[test]
fn a_good_demo_is_proved() {
    assert_eq!(failed(|_| ()), Vec::<&str>::new());
    assert_eq!(account(&good()).difference(), 0);
}

#[test]
fn each_fault_fails_its_proof() {
    const SNAT_ONLY: &str = "only the SNAT address was seen in the internet";
    const NOT_DENIED: &str = "no packet of a denied flow arrived";
    const ACCOUNTED: &str = "every packet sent was received or is a counted drop";
    const WORK: &str = "allowed work was done";
    const CLIENTS: &str = "every denied client failed";
    const CHANGE: &str = "a rule change ends running flows";
    let denied = index(|how, allowed| matches!(how, How::Fetch(_)) && !allowed);
    let stream = index(|how, _| matches!(how, How::Stream(_)));
    let flood = index(|how, _| *how == How::Flood);

    let leak = Ipv4Addr::new(10, 1, 0, 5);
    assert_eq!(failed(|e| e.sighting.sources.extend([(leak, 1)])), [SNAT_ONLY]);
    assert_eq!(failed(|e| e.sighting.arrived -= 1), [SNAT_ONLY]);
    assert_eq!(failed(|e| e.sighting.roles[denied].packets = 1), [NOT_DENIED]);
    assert_eq!(failed(|e| e.sighting.strays.0 = 1), [NOT_DENIED]);
    assert_eq!(failed(|e| e.unreachable_reached = 1), [NOT_DENIED]);
    assert_eq!(failed(|e| e.rows[flood].counts.refused = 0), [NOT_DENIED]);
    assert_eq!(failed(|e| e.ledger.held = 1), [ACCOUNTED]);
    assert_eq!(failed(|e| e.finding = Some("in0".to_owned())), [ACCOUNTED]);
    assert_eq!(failed(|e| e.rows[stream].counts.failed = 1), [WORK]);
    assert_eq!(failed(|e| e.rows[0].counts.done = 0), [WORK]);
    assert_eq!(failed(|e| e.rows[denied].counts.leaked = 1), [CLIENTS]);
    assert_eq!(failed(|e| e.rows[stream].counts.leaked = 1), [CLIENTS, CHANGE]);
    assert_eq!(failed(|e| e.denial = None), [CHANGE]);
    assert_eq!(failed(|e| e.sighting.roles[stream].last += Duration::from_nanos(1)), [CHANGE]);
}

#[test]
fn what_a_full_veth_lost_is_part_of_the_account() {
    let lost = |counted| {
        failed(move |e| {
            e.devices.get_mut(PODS[0]).unwrap().tx_dropped = 2;
            e.devices.insert("out0".to_owned(), Device { tx_dropped: 3, ..Device::default() });
            e.devices.get_mut(PODS[1]).unwrap().tx += counted;
            e.ledger.drops.insert("tx.device".to_owned(), 3);
        })
    };
    assert_eq!(lost(3), Vec::<&str>::new());
    assert_eq!(lost(2).len(), 1);
}
