//! The kernel's own counters of network devices: a judge that knows nothing of Sluice.

use std::collections::BTreeMap;
use std::fs;

use crate::error::{Context as _, Error, Result};
use crate::namespace::Namespace;

/// What the kernel counted on one device.
///
/// On veth both ends share the counts of delivered packets: what one end sent and its peer took is
/// `tx` here and `rx` there; what the peer's ring had no room for is `tx_dropped` here only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Device {
    /// Packets received.
    pub rx: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received and dropped by the device.
    pub rx_dropped: u64,
    /// Packets sent.
    pub tx: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets the device could not send.
    pub tx_dropped: u64,
}

/// The counters of every device in `namespace` but the loopback.
///
/// # Errors
/// When the kernel's table cannot be read.
pub fn devices(namespace: &Namespace) -> Result<BTreeMap<String, Device>> {
    let table = namespace
        .run(|| fs::read_to_string("/proc/thread-self/net/dev"))
        .context(|| format!("read the device counters of {}", namespace.name()))?;
    parse(&table)
}

/// Reads the table of `/proc/net/dev`: after a device's name eight receive columns, then eight of
/// transmit; packets are the second and drops the fourth of each.
fn parse(table: &str) -> Result<BTreeMap<String, Device>> {
    let mut devices = BTreeMap::new();
    for line in table.lines().skip(2) {
        let unreadable = || Error::answer("a line of /proc/net/dev", line);
        let (name, columns) = line.split_once(':').ok_or_else(unreadable)?;
        let columns: Vec<u64> = columns.split_whitespace().map_while(|c| c.parse().ok()).collect();
        let [rx_bytes, rx, _, rx_dropped, _, _, _, _, tx_bytes, tx, _, tx_dropped, ..] =
            columns[..]
        else {
            return Err(unreadable());
        };
        let device = Device { rx, rx_bytes, rx_dropped, tx, tx_bytes, tx_dropped };
        if name.trim() != "lo" {
            devices.insert(name.trim().to_owned(), device);
        }
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_table() {
        let table = "Inter-|   Receive                            |  Transmit\n \
            face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop\n \
            lo:  9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n \
            in0: 840 10 0 1 0 0 0 0 98 2 0 3 0 0 0 0\n";
        let device =
            Device { rx: 10, rx_bytes: 840, rx_dropped: 1, tx: 2, tx_bytes: 98, tx_dropped: 3 };
        assert_eq!(parse(table).unwrap(), BTreeMap::from([("in0".to_owned(), device)]));
        assert!(parse("a\nb\nin0: 1 2").is_err());
    }
}
