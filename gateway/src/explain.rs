//! What would happen to a packet, and why: the data plane's own tables, asked instead of used.
//!
//! A [`Probe`] is one line of JSON; the answer is one object. The command line and the control socket both
//! come here.

use crate::judge::judge;
use crate::setup::{POOL, Plan};
use crate::snapshot::NetworkMode;
use flowtable::key::{Addr, Port, Proto};
use flowtable::ports::Pools;
use rules::{Ends, Explanation, Layer, Provenance, Step, StepResult, Tuple, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::net::IpAddr;

/// A question, as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// Whatever the asker wants back.
    #[serde(default)]
    pub id: Value,
    /// `pod:NAMESPACE/NAME` or `ip:ADDRESS`.
    pub from: String,
    /// The same.
    pub to: String,
    /// A protocol's name or number.
    pub proto: ProtoName,
    /// The destination port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The source port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sport: Option<u16>,
    /// The name a TLS client would show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sni: Option<String>,
    /// An ICMP message's type; an echo request's where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_type: Option<u8>,
    /// An ICMP message's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp_code: Option<u8>,
    /// The side whose policy is asked; by default every end that is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// For `name:` destinations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// For `name:` destinations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<u8>,
}

/// A protocol as people write it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(try_from = "Value", untagged)]
pub enum ProtoName {
    /// Its IP protocol number.
    Number(u8),
    /// Its name, or its number as text.
    Name(String),
}

impl TryFrom<Value> for ProtoName {
    type Error = ProbeError;

    fn try_from(value: Value) -> Result<Self, ProbeError> {
        let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
        match (value.as_str(), number) {
            (Some(name), _) => Ok(Self::Name(name.to_owned())),
            (None, Some(number)) => Ok(Self::Number(number)),
            (None, None) => Err(ProbeError::Proto(value.to_string())),
        }
    }
}

/// Which side of a packet is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// The source's.
    Outbound,
    /// The destination's.
    Inbound,
}

/// Why a probe cannot be answered.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProbeError {
    /// The line is no probe.
    #[error("{0}")]
    Unreadable(String),
    /// An endpoint is written in no way known.
    #[error("{0:?} is no endpoint; write pod:NAMESPACE/NAME or ip:ADDRESS")]
    Endpoint(String),
    /// A pod that no file describes, or that has no address of its own.
    #[error("no pod {0} with an address of its own among the policies' files")]
    NoPod(String),
    /// Names are learned by a later version.
    #[error("{0}: names are not built in this version; write ip:ADDRESS")]
    Name(String),
    /// The two ends are of two families.
    #[error("{from} and {to} are of different address families")]
    Families {
        /// Source.
        from: IpAddr,
        /// Destination.
        to: IpAddr,
    },
    /// A protocol nobody knows by that name.
    #[error("{0} is no protocol; write tcp, udp, sctp, icmp, icmpv6 or a number from 0 to 255")]
    Proto(String),
    /// A protocol with ports, and no port.
    #[error("{0} needs a port")]
    NoPort(Proto),
}

/// What an answer is made from.
#[derive(Clone, Copy, Debug)]
pub struct Explainer<'a> {
    /// The configuration with its compiled policy.
    pub plan: &'a Plan,
    /// Where translated sources come from.
    pub pools: &'a Pools,
}

impl Explainer<'_> {
    /// Answers one line.
    ///
    /// # Errors
    /// Why the line has no answer.
    pub fn answer_line(&self, line: &str) -> Result<Value, ProbeError> {
        let probe: Probe = serde_json::from_str(line)
            .map_err(|error| ProbeError::Unreadable(error.to_string()))?;
        self.answer(&probe)
    }

    /// Answers one probe.
    ///
    /// # Errors
    /// Why it has no answer.
    pub fn answer(&self, probe: &Probe) -> Result<Value, ProbeError> {
        let tuple = self.tuple(probe)?;
        let explanation = self.explain(&tuple);
        let by = &explanation.decided_by;
        let path: Vec<Value> = explanation.path.iter().map(step).collect();
        Ok(json!({
            "id": probe.id,
            "verdict": explanation.verdict.to_string(),
            "decided_by": {
                "layer": by.layer.name(),
                "object": by.object,
                "rule": by.rule,
                "file": by.file,
                "line": by.line,
            },
            "path": path,
            "snat": self.snat(&tuple, explanation.verdict),
        }))
    }

    /// The packet a probe means.
    ///
    /// # Errors
    /// What it does not say clearly.
    pub fn tuple(&self, probe: &Probe) -> Result<Tuple, ProbeError> {
        let (src, dst) = (self.endpoint(&probe.from)?, self.endpoint(&probe.to)?);
        if src.v4().is_some() != dst.v4().is_some() {
            return Err(ProbeError::Families { from: src.ip(), to: dst.ip() });
        }
        let proto = protocol(&probe.proto)?;
        let (sport, dport) = if proto.has_ports() {
            const SPORT: u16 = 50_000;
            let dport = probe.port.ok_or(ProbeError::NoPort(proto))?;
            (probe.sport.unwrap_or(SPORT), dport)
        } else {
            (0, 0)
        };
        let echo = match proto {
            Proto::ICMP => Some(8),
            Proto::ICMPV6 => Some(128),
            _ => None,
        };
        Ok(Tuple {
            src,
            dst,
            proto,
            sport: Port(sport),
            dport: Port(dport),
            icmp: echo.map(|echo| (probe.icmp_type.unwrap_or(echo), probe.icmp_code.unwrap_or(0))),
            ends: match probe.direction {
                None => Ends::Ours,
                Some(Direction::Outbound) => Ends::Outbound,
                Some(Direction::Inbound) => Ends::Inbound,
            },
        })
    }

    /// Judges a tuple as the data plane would and keeps the way there.
    #[must_use]
    pub fn explain(&self, tuple: &Tuple) -> Explanation {
        let outbound = self.is_inside(tuple.src) || tuple.ends == Ends::Outbound;
        let inbound = self.is_inside(tuple.dst);
        // A packet has to come from a source that may stand where it enters: on an inside interface a
        // source of its networks, on an outside one any other.
        if (outbound && !self.is_inside(tuple.src)) || (!outbound && !inbound) {
            return spoofed();
        }
        let mut explanation = self.plan.policy.explain(tuple);
        if judge(&self.plan.policy, tuple).is_refused_tunnel() {
            explanation.verdict = Verdict::Deny;
            if let Some(last) = explanation.path.last_mut() {
                last.result = StepResult::Deny;
            }
        }
        explanation
    }

    /// The address a leaving packet gets.
    fn snat(&self, tuple: &Tuple, verdict: Verdict) -> Value {
        let leaves = self.is_inside(tuple.src) && !self.is_inside(tuple.dst);
        let translated =
            leaves && tuple.src.v4().is_some() && self.plan.mode() == NetworkMode::Overlay;
        if !translated || verdict == Verdict::Deny {
            return Value::Null;
        }
        let address = self.pools.external_for(tuple.src, POOL);
        address.map_or(Value::Null, |address| json!({ "address": address.to_string() }))
    }

    fn is_inside(&self, addr: Addr) -> bool {
        let ip = addr.ip();
        self.plan.inside_networks().any(|network| network.contains(&ip))
    }

    fn endpoint(&self, text: &str) -> Result<Addr, ProbeError> {
        let unreadable = || ProbeError::Endpoint(text.to_owned());
        match text.split_once(':') {
            Some(("ip", addr)) => addr.parse::<IpAddr>().map(Addr::from).map_err(|_| unreadable()),
            Some(("pod", name)) => {
                let (namespace, pod) = name.split_once('/').ok_or_else(unreadable)?;
                let pod = self.plan.policy.find_pod(namespace, pod);
                pod.and_then(|pod| pod.addresses.first().copied())
                    .ok_or_else(|| ProbeError::NoPod(name.to_owned()))
            }
            Some(("name", name)) => Err(ProbeError::Name(name.to_owned())),
            _ => Err(unreadable()),
        }
    }
}

/// The verdict on a source that cannot stand where the packet would have to enter.
fn spoofed() -> Explanation {
    const OBJECT: &str = "interfaces.inside";
    Explanation {
        verdict: Verdict::Deny,
        decided_by: Provenance {
            layer: Layer::Antispoof,
            object: OBJECT.to_owned(),
            rule: None,
            file: None,
            line: None,
        },
        path: vec![Step {
            layer: Layer::Antispoof,
            object: OBJECT.to_owned(),
            rule: None,
            result: StepResult::Deny,
        }],
    }
}

fn step(step: &Step) -> Value {
    json!({
        "layer": step.layer.name(),
        "object": step.object,
        "rule": step.rule,
        "result": step.result.name(),
    })
}

/// The protocol of that name or number.
fn protocol(name: &ProtoName) -> Result<Proto, ProbeError> {
    let text = match name {
        ProtoName::Number(number) => return Ok(Proto(*number)),
        ProtoName::Name(text) => text,
    };
    Ok(match text.to_ascii_lowercase().as_str() {
        "tcp" => Proto::TCP,
        "udp" => Proto::UDP,
        "sctp" => Proto::SCTP,
        "icmp" => Proto::ICMP,
        "icmpv6" => Proto::ICMPV6,
        "esp" => Proto(50),
        "ah" => Proto(51),
        "gre" => Proto(47),
        number => Proto(number.parse().map_err(|_| ProbeError::Proto(text.clone()))?),
    })
}
