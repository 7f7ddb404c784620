//! A rig whose process is killed leaves nothing: no namespace, no device, no process.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kit::{Config, Context as _, Error, Gateway, Namespace, Plan, Result, World, until};

const TEST: &str = "killed::a_killed_rig_leaves_nothing";
/// Set for the process that is to be killed.
const VICTIM: &str = "SLUICE_RIG_VICTIM";
const SOON: Duration = Duration::from_secs(60);
const WORDS: Duration = Duration::from_secs(30);

#[test]
fn a_killed_rig_leaves_nothing() -> Result<()> {
    if kit::skip::skipped(TEST, &["ip", "sleep"]) {
        return Ok(());
    }
    if env::var_os(VICTIM).is_some() {
        return be_the_victim();
    }
    let before = host_links()?;
    let witness = Namespace::new("witness")?;
    // Not through the kit: its processes would be the witness' children.
    let own = env::current_exe().context(|| "find this test".to_owned())?;
    let mut victim = Command::new(own)
        .args([TEST, "--exact", "--nocapture", "--test-threads=1"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .context(|| "start the victim".to_owned())?;
    let story = victim.stdout.take().map(read_story).transpose()?.unwrap_or_default();
    let pids: Vec<&str> = story.iter().filter_map(|line| line.strip_prefix("process ")).collect();
    let nets: Vec<&str> = story.iter().filter_map(|line| line.strip_prefix("namespace ")).collect();
    assert_eq!((pids.len(), nets.len()), (3, 4), "{story:?}");
    // A veth pair into each of the victim's namespaces: its near end goes when the far end's
    // namespace does, and only then. An open file would keep the namespace; a veth end does not.
    for (index, net) in nets.iter().enumerate() {
        witness.ip(&format!("link add name near{index} type veth peer name far netns {net}\n"))?;
    }
    assert_eq!(near_ends(&witness), nets.len());
    assert!(pids.iter().all(|pid| alive(pid)));

    victim.kill().context(|| "kill the victim".to_owned())?;
    victim.wait().context(|| "wait for the victim".to_owned())?;
    until("the end of the victim's processes", SOON, || {
        (!pids.iter().any(|pid| alive(pid))).then_some(())
    })?;
    until("the end of the victim's namespaces", SOON, || (near_ends(&witness) == 0).then_some(()))?;
    assert_eq!(host_links()?, before);
    Ok(())
}

/// A whole rig with a gateway and programs that would run for long; says what there is, and waits.
fn be_the_victim() -> Result<()> {
    let world = World::build(&Plan::new(&["shop/web", "shop/batch"]))?;
    let policies = kit::policies(&world, &[("shop/web", "[]")]);
    let gateway = Gateway::start(&world, &Config::default().text(&world), &policies)?;
    let sleepers = [&world.internet, &world.pods[0].inside]
        .map(|namespace| namespace.spawn(&["sleep", "600"]).expect("sleep starts"));
    // The shell that starts a program must have become it, or its id says nothing.
    until("the sleepers", WORDS, || {
        let named = |id: u32| std::fs::read_to_string(format!("/proc/{id}/comm")).ok();
        sleepers.iter().all(|s| named(s.id()).is_some_and(|c| c == "sleep\n")).then_some(())
    })?;
    // libtest may have begun a line of its own.
    println!("\nprocess {}", gateway.id());
    for sleeper in &sleepers {
        println!("process {}", sleeper.id());
    }
    for namespace in world.pods.iter().map(|p| &p.inside).chain([&world.gateway, &world.internet]) {
        println!("namespace {}", namespace.net().display());
    }
    println!("ready");
    thread::sleep(SOON);
    Ok(())
}

fn read_story(pipe: ChildStdout) -> Result<Vec<String>> {
    let (line, lines) = mpsc::channel();
    thread::spawn(move || {
        let texts = BufReader::new(pipe).lines().map_while(std::result::Result::ok);
        // Whoever listens goes away once the story is told.
        texts.map(|text| line.send(text)).all(|sent| sent.is_ok())
    });
    let mut story = Vec::new();
    loop {
        match lines.recv_timeout(WORDS) {
            Ok(text) if text == "ready" => return Ok(story),
            Ok(text) => story.push(text),
            Err(end) => return Err(Error::answer("the victim's rig", format!("{end}: {story:?}"))),
        }
    }
}

fn near_ends(witness: &Namespace) -> usize {
    kit::counters::devices(witness).map_or(0, |devices| devices.len())
}

/// Whether the process exists and has not ended: one that only waits for its parent has ended.
fn alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| !stat.rsplit(") ").next().unwrap_or_default().starts_with('Z'))
}

/// The host's devices by name and kind; their counters and states change by themselves.
fn host_links() -> Result<Vec<String>> {
    let output = Command::new("ip").args(["-j", "link"]).output();
    let output = output.context(|| "list the host's devices".to_owned())?;
    let links: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let name = |link: &serde_json::Value| link["ifname"].to_string();
    Ok(links.as_array().into_iter().flatten().map(name).collect())
}
