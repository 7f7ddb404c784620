//! Random conversations against a reference that is a map from 5-tuples to flows and nothing else: no hash,
//! no buckets, no timer, no port blocks. Both must agree on every packet: whether it leaves, as what, to
//! whom; and if not, why.

mod reference;

use crate::hostile::rounds;
use crate::kit::frame::{Segment, flag, ping, pong, syn, tcp, udp};
use crate::kit::{End, Outcome, Setup, Via, World, end};
use flowtable::rng::Rng;
use reference::{Flow, HOSTS, Model, REMOTES, Speech, Stage, denied, inside, setup, via};

/// The gateway and the reference, side by side.
struct Duel {
    world: World,
    model: Model,
    rng: Rng,
    now: u64,
    variant: u32,
    generation: u64,
    forwarded: u64,
    dropped: u64,
}

impl Duel {
    fn new(seed: u64) -> Self {
        Self {
            world: Setup { seed, ..setup(0) }.world(),
            model: Model::default(),
            rng: Rng::from_seed(seed),
            now: 0,
            variant: 0,
            generation: 0,
            forwarded: 0,
            dropped: 0,
        }
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.rng.below(u32::try_from(list.len()).expect("short")))
            .expect("small")]
    }

    fn turn(&mut self) {
        match self.rng.below(100) {
            0..=39 => self.client_speaks(),
            40..=84 => self.server_speaks(),
            85..=92 => self.stranger_speaks(),
            93..=97 => self.wait(),
            98 => self.reload(),
            _ => self.world.reroute(|setup| setup),
        }
    }

    fn wait(&mut self) {
        let millis = match self.rng.below(20) {
            0 => 1_000 * u64::from(self.rng.below(8_000)),
            1..=5 => 1_000 * u64::from(self.rng.below(130)),
            _ => u64::from(self.rng.below(20_000)),
        };
        self.now += millis;
        self.world.sleep(millis);
        if self.rng.below(2) == 0 {
            self.world.settle();
        }
    }

    fn reload(&mut self) {
        self.variant = self.rng.below(3);
        self.generation += 1;
        let variant = self.variant;
        self.world.reload(|_| setup(variant));
    }

    fn client_speaks(&mut self) {
        let speech = self.pick(&[Speech::Udp, Speech::Echo, Speech::Tcp]);
        let client = end(self.pick(&HOSTS).1, self.pick(&[1000, 2000, 3000]));
        let remote = match self.rng.below(4) {
            0 => self.pick(&HOSTS).1,
            _ => self.pick(&REMOTES),
        };
        let server = end(remote, if speech == Speech::Echo { 0 } else { self.pick(&[53, 443]) });
        if client.addr == server.addr {
            return;
        }
        let found = self.model.find((speech, client, server), self.now);
        // Where the other end opened the flow, this one answers in it.
        match found.map(|id| self.model.flows[&id]) {
            Some(flow)
                if flow.client != client || speech == Speech::Echo && flow.server != server => {}
            flow => self.ask(speech, client, server, flow),
        }
    }

    /// The client's next packet, whatever its flow is at.
    fn ask(&mut self, speech: Speech, client: End, server: End, flow: Option<Flow>) {
        let wire = via(client);
        let mut after = flow.unwrap_or(Flow {
            client,
            seen: client,
            server,
            stage: Stage::Asked,
            last: self.now,
            generation: self.generation,
            client_next: u32::try_from(self.rng.next_u64() >> 32).expect("32 bits"),
            server_next: 0,
        });
        let dials = matches!(after.stage, Stage::Asked | Stage::Reset);
        let (frame, opens) = match speech {
            Speech::Udp => (udp(wire, client, server, b"ask"), true),
            Speech::Echo => (ping(wire, client, server, b"ask"), true),
            Speech::Tcp if dials && self.rng.below(8) > 0 => {
                if flow.is_some_and(|flow| flow.stage == Stage::Reset) {
                    after.client_next = after.client_next.wrapping_add(1 << 20);
                    return self.dial_again(after);
                }
                (tcp(wire, client, server, syn(after.client_next)), true)
            }
            Speech::Tcp if dials => return,
            Speech::Tcp => return self.say(after),
        };
        self.expect_from_client(speech, wire, &frame, after, flow.is_some(), opens);
    }

    /// A SYN over a connection that was reset: a new flow takes its place.
    fn dial_again(&mut self, old: Flow) {
        let id = self.model.find((Speech::Tcp, old.client, old.server), self.now).expect("live");
        let frame = tcp(via(old.client), old.client, old.server, syn(old.client_next));
        let denial = denied(self.variant, Speech::Tcp, old.client, old.server);
        self.model.remove(Speech::Tcp, id);
        match denial {
            // Judged again as what it was, and gone.
            Some(reason) => self.expect_drop(via(old.client), &frame, reason),
            None => {
                let fresh = Flow { stage: Stage::Asked, generation: self.generation, ..old };
                self.expect_from_client(Speech::Tcp, via(old.client), &frame, fresh, false, true);
            }
        }
    }

    /// The client's data, acknowledgement or reset in a connection that the server has answered.
    fn say(&mut self, flow: Flow) {
        let mut after = flow;
        let reset = self.rng.below(10) == 0 && flow.stage == Stage::Open;
        let payload: &[u8] = if reset { b"" } else { b"data" };
        let flags = if reset { flag::RST | flag::ACK } else { flag::ACK };
        let segment = Segment {
            flags,
            seq: flow.client_next,
            ack: flow.server_next,
            window: 64_000,
            options: &[],
            payload,
        };
        after.stage = if reset { Stage::Reset } else { Stage::Open };
        let sent = u32::try_from(payload.len()).expect("short");
        after.client_next = flow.client_next.wrapping_add(sent);
        let wire = via(flow.client);
        let frame = tcp(wire, flow.client, flow.server, segment);
        self.expect_from_client(Speech::Tcp, wire, &frame, after, true, false);
    }

    /// Sends a packet of a client and holds its fate against the reference.
    fn expect_from_client(
        &mut self,
        speech: Speech,
        wire: Via,
        frame: &[u8],
        mut after: Flow,
        known: bool,
        opens: bool,
    ) {
        let key = (speech, after.client, after.server);
        let judged = !known || after.generation != self.generation;
        if let Some(reason) =
            denied(self.variant, speech, after.client, after.server).filter(|_| judged)
        {
            if let Some(id) = self.model.find(key, self.now) {
                self.model.remove(speech, id);
            }
            return self.expect_drop(wire, frame, reason);
        }
        assert!(known || opens, "the generator sends no strays this way");
        let Outcome::Sent(sent) = self.world.pass(wire, frame) else {
            panic!("{speech:?} {after:?} at {} was not forwarded", self.now);
        };
        self.forwarded += 1;
        assert_eq!((sent.via, sent.dst()), (via(after.server), after.server));
        after.last = self.now;
        after.generation = self.generation;
        if known {
            assert_eq!(sent.src(), after.seen, "a flow keeps its mapping");
            let id = self.model.find(key, self.now).expect("known");
            self.model.flows.insert(id, after);
        } else {
            let translated = inside(after.server).is_none();
            let pool = end("203.0.113.1", sent.src().port);
            after.seen = sent.src();
            assert_eq!(after.seen, if translated { pool } else { after.client });
            self.model.insert(speech, after, self.now);
        }
    }

    fn expect_drop(&mut self, wire: Via, frame: &[u8], reason: &str) {
        self.dropped += 1;
        match self.world.pass(wire, frame) {
            Outcome::Dropped(found) => assert_eq!(found.name(), reason, "at {}", self.now),
            other => panic!("{reason} expected at {}, found {other:?}", self.now),
        }
    }

    /// The server of some flow, live or long gone, sends what would come next.
    fn server_speaks(&mut self) {
        let mut ids: Vec<u64> = self.model.flows.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        ids.sort_unstable();
        let id = self.pick(&ids);
        let flow = self.model.flows[&id];
        let speech = *[Speech::Udp, Speech::Echo, Speech::Tcp]
            .iter()
            .find(|speech| self.model.keys.get(&(**speech, flow.client, flow.server)) == Some(&id))
            .expect("every flow has its keys");
        let wire = via(flow.server);
        let mut after = flow;
        let frame = match speech {
            Speech::Udp => udp(wire, flow.server, flow.seen, b"answer"),
            Speech::Echo => pong(wire, flow.server, flow.seen, b"answer"),
            Speech::Tcp => match self.answer(&mut after) {
                Some(segment) => tcp(wire, flow.server, flow.seen, segment),
                None => return,
            },
        };
        if speech != Speech::Tcp {
            after.stage = Stage::Answered;
        }
        if self.model.find((speech, flow.server, flow.seen), self.now).is_none() {
            return self.expect_stray(speech, wire, &frame, flow);
        }
        let stale = flow.generation != self.generation;
        if let Some(reason) =
            denied(self.variant, speech, flow.client, flow.server).filter(|_| stale)
        {
            self.model.remove(speech, id);
            return self.expect_drop(wire, &frame, reason);
        }
        let Outcome::Sent(sent) = self.world.pass(wire, &frame) else {
            panic!("the answer {speech:?} {flow:?} at {} was not forwarded", self.now);
        };
        self.forwarded += 1;
        assert_eq!(
            (sent.via, sent.src(), sent.dst()),
            (via(flow.client), flow.server, flow.client)
        );
        after.last = self.now;
        after.generation = self.generation;
        self.model.flows.insert(id, after);
    }

    /// The server's next TCP segment, if it has one to send.
    fn answer(&mut self, flow: &mut Flow) -> Option<Segment<'static>> {
        let first = Segment { window: 64_000, ..Segment::default() };
        match flow.stage {
            Stage::Asked => {
                let seq = u32::try_from(self.rng.next_u64() >> 32).expect("32 bits");
                flow.stage = Stage::Answered;
                flow.client_next = flow.client_next.wrapping_add(1);
                flow.server_next = seq.wrapping_add(1);
                let flags = flag::SYN | flag::ACK;
                Some(Segment { flags, seq, ack: flow.client_next, ..first })
            }
            Stage::Open => {
                let seq = flow.server_next;
                flow.server_next = seq.wrapping_add(6);
                let payload = b"answer";
                Some(Segment { flags: flag::ACK, seq, ack: flow.client_next, payload, ..first })
            }
            Stage::Answered | Stage::Reset => None,
        }
    }

    /// An answer whose flow is over: from outside there is no mapping; from inside it is a first packet.
    fn expect_stray(&mut self, speech: Speech, wire: Via, frame: &[u8], flow: Flow) {
        match (wire, speech) {
            (Via::Out0, _) => self.expect_drop(wire, frame, "nat.no_mapping"),
            (_, Speech::Tcp) => self.expect_drop(wire, frame, "tcp.no_flow"),
            (_, Speech::Echo) => self.expect_drop(wire, frame, "icmp.unsolicited"),
            // It opens a flow of its own, the other way round.
            (_, Speech::Udp) => self.ask(speech, flow.server, flow.client, None),
        }
    }

    /// Somebody outside tries a port of the pool.
    fn stranger_speaks(&mut self) {
        let speech = self.pick(&[Speech::Udp, Speech::Echo, Speech::Tcp]);
        let port = u16::try_from(1024 + self.rng.below(64_000)).expect("a port");
        let (from, to) = (end(self.pick(&REMOTES), 53), end("203.0.113.1", port));
        let from = End { port: if speech == Speech::Echo { 0 } else { 53 }, ..from };
        if self.model.find((speech, from, to), self.now).is_some() {
            return;
        }
        let frame = match speech {
            Speech::Udp => udp(Via::Out0, from, to, b"knock"),
            Speech::Echo => pong(Via::Out0, from, to, b"knock"),
            Speech::Tcp => tcp(Via::Out0, from, to, syn(1)),
        };
        self.expect_drop(Via::Out0, &frame, "nat.no_mapping");
    }
}

#[test]
fn random_conversations_go_as_the_reference_says() {
    for seed in 0..8 * rounds() {
        let mut duel = Duel::new(seed);
        for _ in 0..20_000 {
            duel.turn();
        }
        assert!(duel.forwarded > 4_000, "{} forwarded", duel.forwarded);
        assert!(duel.dropped > 1_000, "{} dropped", duel.dropped);
        let Duel { world, model, now, .. } = &mut duel;
        assert!(world.flows() >= model.live(*now), "no live flow was lost");
        for _ in 0..4 {
            world.sleep(7_441_000);
            world.idle(20);
        }
        assert_eq!((world.flows(), world.worker.ports.counts().mappings), (0, 0));
    }
}
