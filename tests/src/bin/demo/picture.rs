//! One frame of the demo: from what was counted to lines of text. It knows no terminal and no clock.

use std::time::Duration;

use kit::Ledger;

use crate::cast::Role;
use crate::cast::{How, PODS};
use crate::stage::Sighting;
use crate::text::{Line, Span, Tint, grouped, line};
use crate::traffic::{Counts, Phase};

/// A conversation as the picture shows it.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) role: Role,
    pub(crate) phase: Phase,
    pub(crate) counts: Counts,
    pub(crate) reason: String,
}

/// Everything one frame shows.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) elapsed: Duration,
    pub(crate) total: Duration,
    pub(crate) kernel: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) ledger: Ledger,
    /// The ledger of the frame before and how long ago that was.
    pub(crate) before: Option<(Ledger, Duration)>,
    pub(crate) sighting: Sighting,
    pub(crate) last: String,
    /// Whether keys are read.
    pub(crate) keys: bool,
}

/// The frame's lines.
pub(crate) fn draw(scene: &Scene) -> Vec<Line> {
    let mut lines = vec![title(scene), Vec::new()];
    lines.extend(rig(scene));
    lines.push(Vec::new());
    lines.push(line(
        Tint::Dim,
        format!(
            " {:<11} {:<24} {:<20} {:<38} {:<10} {:>7} {:>8} {:>9}",
            "FROM", "TO", "NAME", "DECIDED BY", "VERDICT", "DONE", "REFUSED", "ARRIVED"
        ),
    ));
    lines.extend(scene.rows.iter().enumerate().map(|(index, row)| {
        row_line(row, scene.sighting.roles.get(index).map_or(0, |tally| tally.packets))
    }));
    lines.push(Vec::new());
    lines.push(drops(&scene.ledger));
    if !scene.last.is_empty() {
        lines.push(vec![Span(Tint::Dim, " LAST   ".into()), Span(Tint::Bold, scene.last.clone())]);
    }
    lines
}

fn title(scene: &Scene) -> Line {
    let clock = |time: Duration| format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60);
    let mut title = vec![
        Span(Tint::Bold, " sluice demo ".into()),
        Span(
            Tint::Plain,
            format!(
                " {}/{}   kernel {}   AF_XDP on veth pairs: a rig, not a NIC",
                clock(scene.elapsed),
                clock(scene.total),
                scene.kernel
            ),
        ),
    ];
    if scene.keys {
        title.push(Span(Tint::Bold, "   [d]eny cdn  [f]lood  [q]uit".into()));
    }
    title
}

fn rig(scene: &Scene) -> [Line; 2] {
    let rate = |count: fn(&Ledger) -> u64| {
        scene.before.as_ref().map_or_else(String::new, |(before, ago)| {
            let packets = u128::from(count(&scene.ledger).saturating_sub(count(before)));
            let per_second = packets * 1000 / ago.as_millis().max(1);
            grouped(i128::try_from(per_second).unwrap_or(i128::MAX))
        })
    };
    let packets = scene.sighting.arrived;
    [
        line(
            Tint::Plain,
            format!(
                " {:<11}10.1.0.5 ─┬─► gateway ──► internet    in {:>7} pps   out {:>7} pps   drop {:>7} pps",
                PODS[0],
                rate(Ledger::rx),
                rate(Ledger::tx),
                rate(Ledger::dropped)
            ),
        ),
        line(
            Tint::Plain,
            format!(
                " {:<11}10.1.1.5 ─┘   SNAT 203.0.113.1, {} ports seen outside on {} packets",
                PODS[1],
                grouped(i128::try_from(scene.sighting.ports).unwrap_or(i128::MAX)),
                grouped(packets)
            ),
        ),
    ]
}

fn row_line(row: &Row, arrived: u64) -> Line {
    let Row { role, phase, counts, reason } = row;
    let (address, port) = role.to;
    let (tint, verdict) = match phase {
        Phase::Allowed => (Tint::Good, "FORWARDED"),
        Phase::Changing => (Tint::Dim, "changing"),
        Phase::Denied => (Tint::Bad, "DROPPED"),
    };
    let name = match role.how {
        How::Dns => "the resolver",
        How::Flood => "a flood",
        How::Fetch(_) | How::Stream(_) => role.name,
    };
    let to = format!("{address}:{port} {}", role.transport());
    let mut line = vec![
        Span(
            Tint::Plain,
            format!(" {:<11} {to:<24} {name:<20} {:<38} ", PODS[role.pod], cut(reason, 38)),
        ),
        Span(tint, format!("{verdict:<10} ")),
        Span(
            Tint::Plain,
            format!(
                "{:>7} {:>8} {:>9}",
                grouped(counts.done),
                grouped(counts.refused),
                grouped(arrived)
            ),
        ),
    ];
    if counts.failed + counts.leaked > 0 {
        let text = format!("  {} wrong {}", counts.failed + counts.leaked, counts.trouble);
        line.push(Span(Tint::Bad, text));
    }
    line
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

fn drops(ledger: &Ledger) -> Line {
    let mut counted: Vec<_> = ledger.drops.iter().filter(|(_, count)| **count > 0).collect();
    counted.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let text = counted
        .iter()
        .map(|(reason, count)| format!("{reason} {}", grouped(**count)))
        .collect::<Vec<_>>()
        .join(" · ");
    vec![
        Span(Tint::Dim, " DROPS  ".into()),
        Span(Tint::Plain, if text.is_empty() { "none".to_owned() } else { text }),
    ]
}
