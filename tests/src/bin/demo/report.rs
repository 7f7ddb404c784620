//! The end of a demo: the proofs, where every packet went, what to type next; and `summary.json`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use kit::{Context as _, Result};
use nix::unistd::{Gid, Uid, chown};
use serde_json::{Value, json};

use crate::proofs::{Account, Evidence, Proof};
use crate::text::{Line, Span, Tint, grouped, line, render};

const NEXT: [&str; 3] = [
    "target/release/sluice explain -c examples/demo/sluice.yaml --from pod:shop/batch \
     --to ip:198.51.100.7 --proto tcp --port 443",
    "target/release/sluice check examples/demo/policies/web-egress.yaml   # or a policy of yours",
    "./scripts/test",
];

/// The lines of the end screen.
pub(crate) fn lines(proofs: &[Proof], account: &Account) -> Vec<Line> {
    let mut lines = vec![line(Tint::Bold, "Proofs, counted by the far side and the kernel")];
    for Proof { holds, claim, numbers } in proofs {
        let (tint, mark) = if *holds { (Tint::Good, "✓") } else { (Tint::Bad, "✗") };
        lines.push(vec![
            Span(tint, format!("  {mark} ")),
            Span(Tint::Plain, format!("{claim}: ")),
            Span(if *holds { Tint::Dim } else { Tint::Bad }, numbers.clone()),
        ]);
    }
    lines.push(Vec::new());
    lines.push(line(Tint::Bold, "Where every packet went"));
    let row = |what: &str, count: String| line(Tint::Plain, format!("  {what:<50} {count:>12}"));
    lines.extend(account.sent.iter().map(|(what, count)| row(what, grouped(*count))));
    lines.extend(
        account.ended.iter().map(|(what, count)| row(what, format!("- {}", grouped(*count)))),
    );
    lines.push(row("unaccounted for", format!("= {}", grouped(account.difference()))));
    lines.push(Vec::new());
    lines.push(line(Tint::Bold, "Next"));
    lines.extend(NEXT.iter().map(|command| line(Tint::Plain, format!("  {command}"))));
    lines
}

/// Prints lines whole.
pub(crate) fn print(lines: &[Line], colours: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "{}", render(line, usize::MAX, colours))?;
    }
    out.flush()
}

/// Makes the folder for what a demo leaves.
pub(crate) fn folder(out: &Path) -> Result<()> {
    fs::create_dir_all(out).context(|| format!("make {}", out.display()))?;
    give_back(out)
}

/// Writes `summary.json`.
pub(crate) fn write(out: &Path, seconds: u64, proofs: &[Proof], evidence: &Evidence) -> Result<()> {
    let account = crate::proofs::account(evidence);
    let side = |side: &[(String, u64)]| {
        side.iter()
            .map(|(what, count)| (what.clone(), json!(count)))
            .collect::<serde_json::Map<_, _>>()
    };
    let conversations: Vec<Value> = evidence
        .rows
        .iter()
        .zip(&evidence.sighting.roles)
        .map(|(row, tally)| {
            json!({
                "conversation": row.role.title(),
                "allowed_at_start": row.role.allowed,
                "decided_by": row.reason,
                "done": row.counts.done,
                "failed": row.counts.failed,
                "refused": row.counts.refused,
                "leaked": row.counts.leaked,
                "arrived": tally.packets,
            })
        })
        .collect();
    let proofs: Vec<Value> = proofs
        .iter()
        .map(|proof| json!({"claim": proof.claim, "holds": proof.holds, "numbers": proof.numbers}))
        .collect();
    let summary = json!({
        "schema": 1,
        "seconds": seconds,
        "proofs": proofs,
        "sent": side(&account.sent),
        "ended": side(&account.ended),
        "difference": account.difference().to_string(),
        "conversations": conversations,
        "stats": evidence.ledger.raw,
    });
    let file = out.join("summary.json");
    fs::write(&file, format!("{summary:#}\n")).context(|| format!("write {}", file.display()))?;
    for entry in fs::read_dir(out).context(|| format!("read {}", out.display()))? {
        give_back(&entry.context(|| format!("read {}", out.display()))?.path())?;
    }
    Ok(())
}

/// Under sudo the files belong to whoever called it.
fn give_back(path: &Path) -> Result<()> {
    let id = |name| std::env::var(name).ok().and_then(|id| id.parse().ok());
    let (Some(user), Some(group)) = (id("SUDO_UID"), id("SUDO_GID")) else { return Ok(()) };
    chown(path, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
        .context(|| format!("give {} back", path.display()))
}
