//! `sluice explain`: the verdict on a packet that was never sent, and the rule that gives it.

use super::{Exit, Format};
use crate::control::client;
use crate::diagnostic::Style;
use crate::explain::{Direction, Explainer, Probe, ProtoName};
use crate::setup::Plan;
use flowtable::ports::Pools;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

/// What `sluice explain` is told.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// The configuration to judge by; without it, the running gateway's own
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Who sends: pod:NAMESPACE/NAME or ip:ADDRESS
    #[arg(long, value_name = "A", required_unless_present = "probes")]
    from: Option<String>,
    /// Who receives: pod:NAMESPACE/NAME or ip:ADDRESS
    #[arg(long, value_name = "B", required_unless_present = "probes")]
    to: Option<String>,
    /// tcp, udp, sctp, icmp or a number
    #[arg(long, value_name = "P", default_value = "tcp")]
    proto: String,
    /// The destination port
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// The source port
    #[arg(long, value_name = "N")]
    sport: Option<u16>,
    /// The name a TLS client would show
    #[arg(long, value_name = "NAME")]
    sni: Option<String>,
    /// Only this side's policy
    #[arg(long, value_enum)]
    direction: Option<Direction>,
    /// Questions, one JSON object a line, from a file or - for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to", "port", "sport", "sni", "direction"])]
    probes: Option<PathBuf>,
    /// How to print the answer to a single question
    #[arg(short = 'o', long = "output", value_enum, default_value_t)]
    output: Format,
    /// The running gateway's control socket
    #[arg(long, value_name = "PATH", default_value = crate::config::CONTROL_SOCKET)]
    socket: PathBuf,
}

/// Whoever can answer a probe: a configuration read here, or the running gateway.
enum Judge<'a> {
    Plan(Box<Plan>, Arc<Pools>),
    Live(&'a PathBuf),
}

impl Judge<'_> {
    fn ask(&self, line: &str) -> Result<Value, client::ClientError> {
        match self {
            Self::Plan(plan, pools) => {
                let explainer = Explainer { plan, pools };
                explainer
                    .answer_line(line)
                    .map_err(|error| client::ClientError::Refused(error.to_string()))
            }
            Self::Live(socket) => {
                let probe: Value = serde_json::from_str(line)
                    .map_err(|error| client::ClientError::Refused(error.to_string()))?;
                client::ask(socket, &json!({ "command": "explain", "probe": probe }))
            }
        }
    }
}

/// Explains and prints.
///
/// # Errors
/// What `out` or `err` answer.
pub fn run(
    args: &ExplainArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
    style: Style,
) -> io::Result<Exit> {
    let judge = match &args.config {
        None => Judge::Live(&args.socket),
        Some(path) => match Plan::load_to_explain(path) {
            Ok(plan) => match plan.pools(1, 0) {
                Ok(pools) => Judge::Plan(Box::new(plan), pools),
                Err(error) => {
                    writeln!(err, "sluice explain: snat.pools: {error}")?;
                    return Ok(Exit::Config);
                }
            },
            Err(report) => {
                report.render(err, style)?;
                return Ok(Exit::Config);
            }
        },
    };
    match &args.probes {
        Some(path) => answer_lines(&judge, path, out, err),
        None => answer_one(&judge, args, out, err),
    }
}

/// One line in, one line out, in order; lines that cannot be read do not stop the rest.
fn answer_lines(
    judge: &Judge<'_>,
    path: &PathBuf,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        match File::open(path) {
            Ok(file) => Box::new(file),
            Err(error) => {
                writeln!(err, "sluice explain: {}: {error}", path.display())?;
                return Ok(Exit::Usage);
            }
        }
    };
    let mut exit = Exit::Ok;
    let mut lines = BufReader::new(input);
    let mut raw = Vec::new();
    while read_line(&mut lines, &mut raw)? > 0 {
        let line = String::from_utf8_lossy(&raw);
        if line.trim().is_empty() {
            continue;
        }
        match judge.ask(&line) {
            Ok(answer) => writeln!(out, "{answer}")?,
            Err(client::ClientError::Refused(reason)) => {
                exit = Exit::Usage;
                let id = serde_json::from_str::<Value>(&line).ok();
                let id = id.and_then(|probe| probe.get("id").cloned()).unwrap_or(Value::Null);
                writeln!(out, "{}", json!({ "id": id, "error": reason }))?;
            }
            Err(error) => {
                writeln!(err, "sluice explain: {error}")?;
                return Ok(error.exit());
            }
        }
    }
    Ok(exit)
}

/// Bytes of one probe at most; a longer line is cut there, and then unreadable.
const LINE_MAX: u64 = 64 * 1024;

/// Reads a line without trusting its length; what is beyond [`LINE_MAX`] is skipped.
fn read_line(lines: &mut impl BufRead, raw: &mut Vec<u8>) -> io::Result<usize> {
    raw.clear();
    let read = lines.by_ref().take(LINE_MAX).read_until(b'\n', raw)?;
    if raw.last() != Some(&b'\n') && read > 0 {
        lines.skip_until(b'\n')?;
    }
    Ok(read)
}

fn answer_one(
    judge: &Judge<'_>,
    args: &ExplainArgs,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<Exit> {
    let probe = Probe {
        id: Value::Null,
        from: with_scheme(args.from.as_deref().unwrap_or_default()),
        to: with_scheme(args.to.as_deref().unwrap_or_default()),
        proto: ProtoName::Name(args.proto.clone()),
        port: args.port,
        sport: args.sport,
        sni: args.sni.clone(),
        icmp_type: None,
        icmp_code: None,
        direction: args.direction,
        address: None,
        family: None,
    };
    let answer = match serde_json::to_string(&probe).map_err(io::Error::other) {
        Ok(line) => judge.ask(&line),
        Err(error) => return Err(error),
    };
    match answer {
        Ok(answer) => {
            match args.output {
                Format::Json => writeln!(out, "{answer}")?,
                Format::Text => write_text(out, &answer)?,
            }
            Ok(if answer["verdict"] == "allow" { Exit::Ok } else { Exit::No })
        }
        Err(error) => {
            writeln!(err, "sluice explain: {error}")?;
            Ok(error.exit())
        }
    }
}

/// On the command line a bare address, or a pod as NAMESPACE/NAME, will do.
fn with_scheme(text: &str) -> String {
    if text.parse::<std::net::IpAddr>().is_ok() {
        format!("ip:{text}")
    } else if text.contains('/') && !text.contains(':') {
        format!("pod:{text}")
    } else {
        text.to_owned()
    }
}

/// The answer for people: the verdict, who gave it, and every step on the way.
fn write_text(out: &mut dyn Write, answer: &Value) -> io::Result<()> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let by = &answer["decided_by"];
    write!(out, "{}  by {}", text(&answer["verdict"]), text(&by["layer"]))?;
    if by["object"] != by["layer"] {
        write!(out, " {}", text(&by["object"]))?;
    }
    if let Some(rule) = by["rule"].as_str() {
        write!(out, " {rule}")?;
    }
    if let (Some(file), Some(line)) = (by["file"].as_str(), by["line"].as_u64()) {
        write!(out, "  ({file}:{line})")?;
    }
    writeln!(out)?;
    for step in answer["path"].as_array().into_iter().flatten() {
        let rule = step["rule"].as_str().map(|rule| format!(" {rule}")).unwrap_or_default();
        let object =
            if step["object"] == step["layer"] { String::new() } else { text(&step["object"]) };
        writeln!(
            out,
            "  {:<14} {:<9} {object}{rule}",
            text(&step["layer"]),
            text(&step["result"])
        )?;
    }
    if let Some(address) = answer["snat"]["address"].as_str() {
        writeln!(out, "  leaves as {address}")?;
    }
    Ok(())
}
