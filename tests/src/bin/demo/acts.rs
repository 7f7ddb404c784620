//! What happens in the middle: a destination is denied while clients use it, and a flood is sent.

use std::fs;
use std::time::{Duration, Instant, SystemTime};

use kit::clients::Flood;
use kit::{Context as _, Error, Gateway, Result};

use crate::cast::{FLOODED, How, RULE_AFTER, RULE_BEFORE, RULE_FILE};
use crate::stage::Stage;
use crate::traffic::{Phase, Traffic};

const FLOOD: Flood =
    Flood { to: FLOODED, packets: 20_000, over: Duration::from_secs(2), flows: 64, payload: 100 };

/// A rule change that the gateway has answered.
#[derive(Debug, Clone)]
pub(crate) struct Denial {
    /// When the answer came, by the clock that stamps the witness' packets.
    pub(crate) acknowledged: Duration,
    /// How long the command took.
    pub(crate) took: Duration,
    /// Packets of that conversation that had arrived by the answer, as the witness knew then.
    pub(crate) packets_before: u64,
}

/// What was done so far.
#[derive(Debug, Default)]
pub(crate) struct Acts {
    pub(crate) denial: Option<Denial>,
    pub(crate) floods: u32,
    /// The last one, for the picture.
    pub(crate) last: String,
    /// When the last flood began: the next waits for its end.
    flooded: Option<Instant>,
}

impl Acts {
    /// Rewrites the rule file of the running gateway so that the stream's destination is denied, and
    /// has it reloaded. Done once.
    pub(crate) fn deny(&mut self, stage: &Stage, traffic: &Traffic) -> Result<()> {
        let stream = |how| matches!(how, How::Stream(_));
        let conversations = &traffic.conversations;
        let index = conversations.iter().position(|c| stream(c.role.how));
        let (Some(index), None) = (index, &self.denial) else { return Ok(()) };
        let conversation = &conversations[index];
        conversation.set_phase(Phase::Changing);
        let inside = &stage.world.gateway;
        let path = inside.outside(format!("{}/{RULE_FILE}", kit::gateway::FOLDER));
        let text = fs::read_to_string(&path).context(|| format!("read {RULE_FILE}"))?;
        let changed = text.replace(RULE_BEFORE, RULE_AFTER);
        if changed == text {
            return Err(Error::answer(RULE_FILE, format!("has no `{RULE_BEFORE}` to change")));
        }
        Gateway::write(&stage.world, RULE_FILE, &changed)?;
        let start = Instant::now();
        let answer = stage.gateway.reload(inside)?;
        let acknowledged = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let took = start.elapsed();
        conversation.set_phase(Phase::Denied);
        self.denial = Some(Denial {
            acknowledged: acknowledged.unwrap_or_default(),
            took,
            packets_before: stage.sighting().roles[index].packets,
        });
        let (address, _) = conversation.role.to;
        self.last = format!("denied {address} in {RULE_FILE}; reload took {took:.1?}: {answer}");
        Ok(())
    }

    /// Starts a flood towards a denied address, unless one is on.
    pub(crate) fn flood(&mut self, stage: &Stage, traffic: &mut Traffic) {
        if self.flooded.is_some_and(|start| start.elapsed() < FLOOD.over) {
            return;
        }
        self.flooded = Some(Instant::now());
        self.floods += 1;
        traffic.flood(stage, FLOOD);
        let (address, port) = FLOOD.to;
        self.last = format!("flooding {address}:{port} with {} packets", FLOOD.packets);
    }
}
