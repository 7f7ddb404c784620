//! The proofs: what was counted on the far side, by the clients and by the kernel, held against what the
//! policy files promise and what the gateway says it did. Only numbers go in; nothing is asked here.

use std::collections::BTreeMap;
use std::time::Duration;

use kit::Ledger;
use kit::counters::Device;
use kit::layout::{INTERNET_DEVICE, SNAT};

use crate::acts::Denial;
use crate::cast::{How, PODS};
use crate::picture::Row;
use crate::stage::Sighting;
use crate::text::grouped;

/// Everything counted, at a moment when nothing moved.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) rows: Vec<Row>,
    pub(crate) sighting: Sighting,
    /// The kernel's counters: pods by name, the others by device.
    pub(crate) devices: BTreeMap<String, Device>,
    pub(crate) ledger: Ledger,
    /// What the audit of the ledger found wrong, if anything.
    pub(crate) finding: Option<String>,
    /// Connections and datagrams at servers that nobody may reach.
    pub(crate) unreachable_reached: u64,
    pub(crate) denial: Option<Denial>,
}

/// One proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) holds: bool,
    pub(crate) claim: &'static str,
    pub(crate) numbers: String,
}

/// Where every packet went.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// What was sent or made, each with its source.
    pub(crate) sent: Vec<(String, u64)>,
    /// Where it ended.
    pub(crate) ended: Vec<(String, u64)>,
}

impl Account {
    /// Sent less ended.
    pub(crate) fn difference(&self) -> i128 {
        let sum = |side: &[(String, u64)]| side.iter().map(|(_, n)| i128::from(*n)).sum::<i128>();
        sum(&self.sent) - sum(&self.ended)
    }
}

/// All proofs, in the order they are shown.
pub(crate) fn all(evidence: &Evidence) -> Vec<Proof> {
    vec![
        only_snat(evidence),
        nothing_denied_arrived(evidence),
        all_accounted_for(evidence),
        work_was_done(evidence),
        denied_clients_failed(evidence),
        a_change_takes_effect(evidence),
    ]
}

fn only_snat(evidence: &Evidence) -> Proof {
    let Sighting { sources, arrived, .. } = &evidence.sighting;
    let delivered = evidence.devices.get(INTERNET_DEVICE).map_or(0, |device| device.rx);
    let others: Vec<_> = sources.iter().filter(|(source, _)| **source != SNAT).collect();
    let translated = sources.get(&SNAT).copied().unwrap_or_default();
    let mut numbers = format!("{} packets, all from {SNAT}", grouped(translated));
    if !others.is_empty() {
        numbers = format!("{} from {SNAT}, but also {others:?}", grouped(translated));
    } else if translated != delivered || *arrived != delivered {
        numbers = format!(
            "{} packets from {SNAT}, but the kernel delivered {}",
            grouped(translated),
            grouped(delivered)
        );
    }
    Proof {
        holds: others.is_empty()
            && translated > 0
            && translated == delivered
            && *arrived == delivered,
        claim: "only the SNAT address was seen in the internet",
        numbers,
    }
}

fn nothing_denied_arrived(evidence: &Evidence) -> Proof {
    let Evidence { rows, sighting, unreachable_reached, .. } = evidence;
    let (strays, example) = &sighting.strays;
    let denied = rows.iter().zip(&sighting.roles).filter(|(row, _)| !row.role.allowed);
    let (mut tries, mut arrived, mut untried) = (0, 0, Vec::new());
    for (row, tally) in denied {
        tries += row.counts.refused + row.counts.leaked;
        arrived += tally.packets;
        if row.counts.refused + row.counts.leaked == 0 {
            untried.push(row.role.title());
        }
    }
    let mut numbers = format!(
        "{} packets of {} tries, {} at servers nobody may reach, {} of no allowed conversation",
        grouped(arrived),
        grouped(tries),
        grouped(*unreachable_reached),
        grouped(*strays)
    );
    if *strays > 0 {
        numbers += &format!(", such as {example}");
    }
    if !untried.is_empty() {
        numbers += &format!("; never tried: {}", untried.join(", "));
    }
    Proof {
        holds: arrived == 0 && *strays == 0 && *unreachable_reached == 0 && untried.is_empty(),
        claim: "no packet of a denied flow arrived",
        numbers,
    }
}

/// Every packet the hosts' kernels sent or the gateway made, and where it ended.
pub(crate) fn account(evidence: &Evidence) -> Account {
    let Evidence { devices, ledger, .. } = evidence;
    let hosts = || PODS.into_iter().chain([INTERNET_DEVICE]);
    let of = |name: &str| devices.get(name).copied().unwrap_or_default();
    let mut account = Account::default();
    for host in hosts() {
        let device = of(host);
        account.sent.push((format!("sent by {}", title(host)), device.tx + device.tx_dropped));
        account.ended.push((format!("received by {}", title(host)), device.rx));
    }
    account.sent.push(("made by the gateway".to_owned(), ledger.generated));
    let counted = ledger.drops.iter().filter(|(_, count)| **count > 0);
    account.ended.extend(counted.map(|(reason, count)| (format!("dropped: {reason}"), *count)));
    let refused: u64 = devices.values().map(|device| device.tx_dropped).sum();
    // Some of what a device refuses the gateway hears of and counts as its own drop.
    let silent = refused.saturating_sub(ledger.drops_of("tx.device"));
    for (what, count) in [
        ("dropped: by a full veth, counted by the kernel", silent),
        ("ended in the gateway", ledger.consumed),
        ("passed to the gateway's host", ledger.host),
        ("held", ledger.held),
    ] {
        if count > 0 {
            account.ended.push((what.to_owned(), count));
        }
    }
    account
}

fn title(host: &str) -> &str {
    if host == INTERNET_DEVICE { "the internet" } else { host }
}

fn all_accounted_for(evidence: &Evidence) -> Proof {
    let account = account(evidence);
    let sum = |side: &[(String, u64)]| side.iter().map(|(_, count)| count).sum::<u64>();
    let received: u64 =
        account.ended.iter().filter(|(what, _)| what.starts_with("received")).map(|(_, n)| n).sum();
    let mut numbers = format!(
        "{} sent = {} received + {} counted elsewhere, difference {}",
        grouped(sum(&account.sent)),
        grouped(received),
        grouped(sum(&account.ended) - received),
        grouped(account.difference())
    );
    if let Some(finding) = &evidence.finding {
        numbers += &format!("; {finding}");
    }
    Proof {
        holds: account.difference() == 0 && received > 0 && evidence.finding.is_none(),
        claim: "every packet sent was received or is a counted drop",
        numbers,
    }
}

fn work_was_done(evidence: &Evidence) -> Proof {
    let allowed = || evidence.rows.iter().filter(|row| row.role.allowed);
    let fetches = || allowed().filter(|row| row.role.how != How::Dns);
    let done: u64 = fetches().map(|row| row.counts.done).sum();
    let bytes: u64 = fetches().map(|row| row.counts.bytes).sum();
    let failed: u64 = allowed().map(|row| row.counts.failed).sum();
    let mut numbers = format!(
        "{} TLS exchanges, {} bytes, every one right; {} failed",
        grouped(done),
        grouped(bytes),
        grouped(failed)
    );
    if let Some(row) = allowed().find(|row| row.counts.failed > 0 || row.counts.done == 0) {
        numbers += &format!("; {}: {}", row.role.title(), row.counts.trouble);
    }
    Proof {
        holds: failed == 0 && allowed().all(|row| row.counts.done > 0),
        claim: "allowed work was done",
        numbers,
    }
}

fn denied_clients_failed(evidence: &Evidence) -> Proof {
    let clients = || evidence.rows.iter().filter(|row| row.role.how != How::Flood);
    let refused: u64 = clients().map(|row| row.counts.refused).sum();
    let leaked: u64 = clients().map(|row| row.counts.leaked).sum();
    let tried = clients().filter(|row| !row.role.allowed).all(|row| row.counts.refused > 0);
    Proof {
        holds: leaked == 0 && tried,
        claim: "every denied client failed",
        numbers: format!("{} tries failed, {} got through", grouped(refused), grouped(leaked)),
    }
}

fn a_change_takes_effect(evidence: &Evidence) -> Proof {
    let claim = "a rule change ends running flows";
    let changed = evidence.rows.iter().zip(&evidence.sighting.roles);
    let changed = changed.into_iter().find(|(row, _)| matches!(row.role.how, How::Stream(_)));
    let (Some(denial), Some((row, tally))) = (&evidence.denial, changed) else {
        return Proof { holds: false, claim, numbers: "no rule was changed".to_owned() };
    };
    let late = tally.last.saturating_sub(denial.acknowledged);
    let (address, _) = row.role.to;
    let mut numbers = format!(
        "{address} denied, reload answered after {:.1?}: {} packets before, {} after, {} tries since failed",
        denial.took,
        grouped(tally.packets.min(denial.packets_before)),
        grouped(tally.packets.saturating_sub(denial.packets_before)),
        grouped(row.counts.refused)
    );
    if late > Duration::ZERO {
        numbers += &format!("; the last arrived {late:.1?} after the answer");
    }
    Proof {
        holds: late == Duration::ZERO
            && denial.packets_before > 0
            && row.counts.refused > 0
            && row.counts.leaked == 0,
        claim,
        numbers,
    }
}

#[cfg(test)]
mod tests;
