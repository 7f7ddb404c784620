//! The gateway's books as `sluice stats -o json` shows them, and their audit: the identity
//! `rx + generated = tx + drops + consumed + host + held` within, and the kernel's counters without.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::counters::Device;
use crate::error::{Error, Result};

/// What the gateway counted on one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interface {
    /// Frames received.
    pub rx: u64,
    /// Frames transmitted.
    pub tx: u64,
}

/// The gateway's counters at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// By device name.
    pub interfaces: BTreeMap<String, Interface>,
    /// By reason.
    pub drops: BTreeMap<String, u64>,
    /// Frames that ended in the gateway.
    pub consumed: u64,
    /// Frames passed to the host's own stack.
    pub host: u64,
    /// Frames the gateway made.
    pub generated: u64,
    /// Frames it holds back.
    pub held: u64,
    /// What it says of the identity itself.
    pub identity: String,
    /// The whole answer.
    pub raw: Value,
}

impl Ledger {
    /// Reads the JSON text of `sluice stats -o json` or `sluice replay -o json`.
    ///
    /// # Errors
    /// When it is no JSON or a key of the contract is missing.
    pub fn parse(text: &str) -> Result<Self> {
        let what = "the gateway's counters";
        let raw: Value = serde_json::from_str(text).map_err(|error| Error::answer(what, error))?;
        let missing = |key: &str| Error::answer(what, format!("no `{key}` in {raw}"));
        let number = |of: &Value, key: &str| of[key].as_u64().ok_or_else(|| missing(key));
        let object = |key: &str| raw[key].as_object().ok_or_else(|| missing(key));
        let interfaces = object("interfaces")?
            .iter()
            .map(|(name, of)| {
                Ok((name.clone(), Interface { rx: number(of, "rx")?, tx: number(of, "tx")? }))
            })
            .collect::<Result<_>>()?;
        let drops = object("drops")?
            .keys()
            .map(|reason| Ok((reason.clone(), number(&raw["drops"], reason)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            interfaces,
            drops,
            consumed: number(&raw, "consumed")?,
            host: number(&raw, "host")?,
            generated: number(&raw, "generated")?,
            held: number(&raw, "held")?,
            identity: raw["identity"].as_str().ok_or_else(|| missing("identity"))?.to_owned(),
            raw,
        })
    }

    /// All frames received.
    #[must_use]
    pub fn rx(&self) -> u64 {
        self.interfaces.values().map(|interface| interface.rx).sum()
    }

    /// All frames transmitted.
    #[must_use]
    pub fn tx(&self) -> u64 {
        self.interfaces.values().map(|interface| interface.tx).sum()
    }

    /// All frames dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.drops.values().sum()
    }

    /// Frames dropped for `reason`; a reason that is not listed counts nothing.
    #[must_use]
    pub fn drops_of(&self, reason: &str) -> u64 {
        self.drops.get(reason).copied().unwrap_or_default()
    }

    /// What is unaccounted for: `rx + generated − tx − drops − consumed − host − held`.
    #[must_use]
    pub fn difference(&self) -> i128 {
        i128::from(self.rx()) + i128::from(self.generated)
            - [self.tx(), self.dropped(), self.consumed, self.host, self.held]
                .map(i128::from)
                .iter()
                .sum::<i128>()
    }

    /// Every way in which these books are wrong; none is the wanted answer. `devices` are the kernel's
    /// counters of the gateway's devices, taken while no packet moved.
    #[must_use]
    pub fn audit(&self, devices: &BTreeMap<String, Device>) -> Vec<String> {
        let mut findings = Vec::new();
        if self.difference() != 0 {
            findings.push(format!(
                "rx {} + generated {} is not tx {} + drops {} + consumed {} + host {} + held {}: {:+}",
                self.rx(),
                self.generated,
                self.tx(),
                self.dropped(),
                self.consumed,
                self.host,
                self.held,
                self.difference()
            ));
        }
        if self.identity != "exact" {
            findings.push(format!("the gateway itself calls its identity `{}`", self.identity));
        }
        let mut refused = 0;
        for (name, interface) in &self.interfaces {
            let Some(device) = devices.get(name) else {
                findings.push(format!("{name}: the kernel has no such device"));
                continue;
            };
            refused += device.tx_dropped;
            let mut same = Same { name, findings: &mut findings };
            same.hold("received: kernel", device.rx, "gateway", interface.rx);
            same.hold("sent: kernel", device.tx, "gateway", interface.tx);
            audit_driver(&mut same, &self.raw["interfaces"][name]["driver"]["queues"], device);
        }
        let mut same = Same { name: "tx.device", findings: &mut findings };
        same.hold("kernel", refused, "gateway", self.drops_of("tx.device"));
        findings
    }
}

/// Collects pairs of numbers that should be equal and are not.
struct Same<'a> {
    name: &'a str,
    findings: &'a mut Vec<String>,
}

impl Same<'_> {
    fn hold(&mut self, left: &str, a: u64, right: &str, b: u64) {
        if a != b {
            self.findings.push(format!("{}: {left} {a}, {right} {b}", self.name));
        }
    }
}

/// The equations between steering program, rings, sockets and device that hold once nothing is under way.
fn audit_driver(same: &mut Same<'_>, queues: &Value, device: &Device) {
    let number = |of: &Value, key: &str| of[key].as_u64().unwrap_or_default();
    let (mut seen, mut transmitted) = (0, 0);
    for queue in queues.as_array().into_iter().flatten() {
        let (xdp, rings, socket) = (&queue["xdp"], &queue["rings"], &queue["socket"]);
        // Every action the program counts but the total is an end of a frame's way there.
        let counts = xdp.as_object().into_iter().flatten();
        let ends: u64 =
            counts.filter(|(key, _)| *key != "seen").filter_map(|(_, n)| n.as_u64()).sum();
        same.hold("steering saw", number(xdp, "seen"), "and counted as", ends);
        let lost = number(rings, "rx_dropped") + number(rings, "rx_ring_full");
        let taken = number(socket, "received");
        same.hold(
            "to sockets",
            number(xdp, "to_socket"),
            "received or lost at rings",
            taken + lost,
        );
        let (queued, done) = (number(socket, "transmitted"), number(socket, "completed"));
        same.hold("transmitted", queued, "completed", done);
        seen += number(xdp, "seen");
        transmitted += queued;
    }
    same.hold("kernel received", device.rx, "steering saw", seen);
    let (queued, taken) = ("put on transmit rings", device.tx + device.tx_dropped);
    same.hold(queued, transmitted, "kernel sent or dropped", taken);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Books of a gateway that received 10 frames at in0, sent 3 there, had one lost at the ring of out0.
    fn books() -> Ledger {
        let driver = |seen: u64, full: u64, sent: u64| {
            json!({"queues": [{
                "xdp": {"seen": seen, "to_socket": seen - 1, "pass_host": 1, "arp.spoof": 0},
                "rings": {"rx_dropped": 0, "rx_ring_full": full},
                "socket": {"received": seen - 1 - full, "transmitted": sent, "completed": sent},
            }]})
        };
        let text = json!({
            "interfaces": {
                "in0": {"rx": 10, "tx": 3, "driver": driver(10, 0, 3)},
                "out0": {"rx": 4, "tx": 5, "driver": driver(4, 1, 6)},
            },
            "drops": {"policy.networkpolicy": 2, "rx.ring_full": 1, "tx.device": 1},
            "consumed": 0, "host": 2, "generated": 0, "held": 0, "identity": "exact",
        });
        Ledger::parse(&text.to_string()).unwrap()
    }

    #[test]
    fn the_identity_the_rings_and_the_kernel_must_agree() {
        let mut ledger = books();
        let in0 = Device { rx: 10, tx: 3, ..Device::default() };
        let out0 = Device { rx: 4, tx: 5, tx_dropped: 1, ..Device::default() };
        let mut devices = BTreeMap::from([("in0".to_owned(), in0), ("out0".to_owned(), out0)]);
        assert_eq!(ledger.audit(&devices), Vec::<String>::new());
        ledger.host = 1;
        assert_eq!((ledger.difference(), ledger.audit(&devices).len()), (1, 1));
        ledger.host = 2;
        ledger.raw["interfaces"]["in0"]["driver"]["queues"][0]["rings"]["rx_ring_full"] = json!(1);
        assert_eq!(ledger.audit(&devices).len(), 1);
        devices.insert("out0".to_owned(), Device { tx_dropped: 0, ..out0 });
        assert_eq!(
            books().audit(&devices),
            [
                "out0: put on transmit rings 6, kernel sent or dropped 5",
                "tx.device: kernel 0, gateway 1",
            ]
        );
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = Ledger::parse(r#"{"interfaces":{},"drops":{},"consumed":0}"#).unwrap_err();
        assert!(error.to_string().contains("no `host`"), "{error}");
    }
}
