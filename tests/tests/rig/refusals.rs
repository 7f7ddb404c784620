//! What `sluice run` refuses: one line that names what is missing, and the contract's exit code.

use std::time::Duration;

use kit::layout::OUTSIDE_DEVICE;
use kit::{Config, Finished, Gateway, Plan, Result, World};

const SOON: Duration = Duration::from_secs(30);

fn world_with(config: impl Fn(String) -> String) -> Result<World> {
    let world = World::build(&Plan::new(&["shop/web"]))?;
    let text = config(Config::default().text(&world));
    Gateway::write(&world, "sluice.yaml", &text)?;
    Gateway::write(
        &world,
        "policies/policies.yaml",
        &kit::policies(&world, &[("shop/web", "[]")]),
    )?;
    Ok(world)
}

/// Runs `sluice run`, which must end by itself.
fn refused(world: &World, wrapper: &[&str]) -> Result<Finished> {
    let binary = kit::gateway::binary()?;
    let config = format!("{}/sluice.yaml", kit::gateway::FOLDER);
    world.gateway.output(&[wrapper, &[&binary, "run", "-c", &config]].concat(), SOON)
}

fn assert_refusal(end: &Finished, code: i32, names: &str) {
    assert_eq!(end.status.code(), Some(code), "{end:?}");
    let words = end.stderr.trim();
    assert!(words.contains(names), "does not name {names}: {words}");
    assert_eq!(words.lines().count(), 1, "more than one line: {words}");
}

#[test]
fn a_missing_interface_is_named() -> Result<()> {
    if kit::skip::skipped("refusals::a_missing_interface_is_named", &["ip"]) {
        return Ok(());
    }
    let world = world_with(|text| text.replace(OUTSIDE_DEVICE, "wan7"))?;
    assert_refusal(&refused(&world, &[])?, 5, "wan7");
    Ok(())
}

#[test]
fn a_missing_capability_is_named() -> Result<()> {
    if kit::skip::skipped("refusals::a_missing_capability_is_named", &["ip", "setpriv"]) {
        return Ok(());
    }
    let world = world_with(|text| text)?;
    // Either of CAP_NET_ADMIN and CAP_SYS_ADMIN does for the steering program: it takes both to miss one.
    for (taken, named) in [("-net_raw", "CAP_NET_RAW"), ("-net_admin,-sys_admin", "CAP_NET_ADMIN")]
    {
        let sets = [format!("--bounding-set={taken}"), format!("--inh-caps={taken}")];
        let end = refused(&world, &["setpriv", &sets[0], &sets[1]])?;
        assert_refusal(&end, 4, named);
    }
    Ok(())
}
