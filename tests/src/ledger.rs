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
        for (name, interface) in &self.interfaces {
            let Some(device) = devices.get(name) else {
                findings.push(format!("{name}: the kernel has no such device"));
                continue;
            };
            if device.rx != interface.rx {
                findings.push(format!(
                    "{name}: the kernel received {}, the gateway says {}",
                    device.rx, interface.rx
                ));
            }
            // What the device refused after the gateway let go of it never reached its peer.
            if device.tx + device.tx_dropped != interface.tx {
                findings.push(format!(
                    "{name}: the kernel sent {} and dropped {}, the gateway says {} sent",
                    device.tx, device.tx_dropped, interface.tx
                ));
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"interfaces":{"in0":{"rx":10,"tx":3},"out0":{"rx":3,"tx":6}},
        "drops":{"policy.networkpolicy":3},"consumed":0,"host":1,"generated":0,"held":0,
        "identity":"exact","workers":[]}"#;

    #[test]
    fn the_identity_and_the_kernel_must_agree() {
        let mut ledger = Ledger::parse(TEXT).unwrap();
        let device = |rx, tx| Device { rx, tx, ..Device::default() };
        let mut devices =
            BTreeMap::from([("in0".to_owned(), device(10, 3)), ("out0".to_owned(), device(3, 6))]);
        assert_eq!(ledger.audit(&devices), Vec::<String>::new());
        devices
            .insert("out0".to_owned(), Device { rx: 3, tx: 5, tx_dropped: 1, ..Device::default() });
        assert_eq!(ledger.audit(&devices), Vec::<String>::new());
        devices.insert("in0".to_owned(), device(11, 3));
        assert_eq!(ledger.audit(&devices).len(), 1);
        ledger.host = 0;
        assert_eq!((ledger.difference(), ledger.audit(&devices).len()), (1, 2));
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = Ledger::parse(r#"{"interfaces":{},"drops":{},"consumed":0}"#).unwrap_err();
        assert!(error.to_string().contains("no `host`"), "{error}");
    }
}
