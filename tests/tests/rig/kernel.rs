//! A gateway nobody here wrote: the kernel's own forwarding with nftables. It shows that the rig, its
//! servers and its witness work, and that the witness sees what a broken gateway would do.

use kit::layout::{OUTSIDE_DEVICE, SNAT};
use kit::{Result, World};

/// Makes the kernel forward in the gateway's namespace, dropping what goes to `denied`.
pub(crate) fn forward(world: &World, translate: bool, denied: &str) -> Result<()> {
    let translation = if translate {
        format!(
            "chain leave {{ type nat hook postrouting priority srcnat; oifname {OUTSIDE_DEVICE} snat to {SNAT}; }}"
        )
    } else {
        String::new()
    };
    let rules = format!(
        "table ip rig {{\n{translation}\nchain pass {{ type filter hook forward priority filter; \
         ip daddr {denied} drop; }}\n}}\n"
    );
    world.gateway.feed(&["nft", "-f", "-"], &rules)?;
    world.gateway.sysctl("net.ipv4.ip_forward", "1")
}
