//! Neighbour discovery as it comes: a pod that has to ask for its gateway's address.

use std::time::Duration;

use kit::layout::{POD_DEVICE, Seat};
use kit::{Config, Gateway, Plan, Result, World, until};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn the_kernel_answers_arp_and_nothing_is_lost_uncounted() -> Result<()> {
    let test = "arp::the_kernel_answers_arp_and_nothing_is_lost_uncounted";
    if kit::skip::skipped(test, &["ip", "ping"]) {
        return Ok(());
    }
    let world = World::build(&Plan::new(&["shop/web"]))?;
    let rules = [("shop/web", "[{to: [{ipBlock: {cidr: 198.51.100.7/32}}]}]")];
    let policies = kit::policies(&world, &rules);
    let gateway = Gateway::start(&world, &Config::default().text(&world), &policies)?;
    let seat = Seat::new(0);
    let pod = &world.pod("shop/web").inside;
    pod.ip(&format!("neighbour del {} dev {POD_DEVICE}\n", seat.gateway()))?;
    let ping = ["ping", "-c", "5", "-i", "0.05", "-W", "2", "198.51.100.7"];
    pod.output(&ping, SOON)?.success()?;

    // The kernel's replies leave by the device beside the gateway's packets: one for each request.
    let device = seat.device();
    let (ledger, kernel) = until("a quiet moment", SOON, || {
        let before = world.devices().ok()?;
        let ledger = gateway.stats(&world.gateway).ok()?;
        let after = world.devices().ok()?;
        (before == after && ledger.held == 0).then(|| (ledger, after[&device]))
    })?;
    assert_eq!(ledger.difference(), 0, "{ledger:?}");
    assert!(ledger.host >= 1, "{ledger:?}");
    assert_eq!(kernel.rx, ledger.interfaces[&device].rx);
    assert_eq!(kernel.tx, ledger.interfaces[&device].tx + ledger.host);
    Ok(())
}
