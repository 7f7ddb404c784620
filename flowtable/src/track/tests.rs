//! The trackers that are one file each.

use super::echo::{self, Echo};
use super::sctp::{self, Chunks, Packet, State, TagOwner};
use super::{Ends, FlowState, Observed, Side, StateChange, Timeouts, TrackError, generic, udp};
use crate::direction::Direction;
use crate::key::{Millis, Proto, Tick};

const IN: Side = Side::Original;
const OUT: Side = Side::Reply;

struct Flow {
    proto: Proto,
    original: Direction,
    reply: Direction,
    now: Tick,
}

impl Flow {
    fn new(proto: Proto, original: Direction) -> Self {
        Self { proto, original, reply: Direction::default(), now: Tick(0) }
    }

    fn step<E>(
        &mut self,
        side: Side,
        observe: impl FnOnce(Ends<'_>, Tick) -> Result<Observed, E>,
    ) -> Result<StateChange, E> {
        self.now = self.now.after(Millis(1000));
        let (own, peer) = match side {
            Side::Original => (&mut self.original, &self.reply),
            Side::Reply => (&mut self.reply, &self.original),
        };
        let seen = observe(Ends { side, own, peer }, self.now)?;
        *own = seen.own;
        Ok(seen.change)
    }

    fn state(&self) -> &'static str {
        FlowState::of(self.proto, &self.original, &self.reply).name()
    }

    fn deadline(&self) -> u64 {
        Timeouts::default().deadline(self.proto, &self.original, &self.reply).0 / 1000
    }
}

#[test]
fn udp_is_assured_by_an_answer_and_refreshed_by_both_ends() {
    for proto in [Proto::UDP, Proto(47), Proto(50)] {
        let mut flow = Flow::new(proto, udp::open(Tick(0)));
        assert_eq!((flow.state(), flow.deadline()), ("UNREPLIED", 120));
        let any = |ends: Ends<'_>, now| Ok::<_, TrackError>(generic::observe(ends, now));
        assert_eq!(flow.step(IN, any), Ok(StateChange::None));
        assert_eq!((flow.state(), flow.deadline()), ("UNREPLIED", 121));
        assert_eq!(flow.step(OUT, any), Ok(StateChange::Changed));
        assert_eq!((flow.state(), flow.deadline()), ("ASSURED", 302));
        assert_eq!(flow.step(OUT, any), Ok(StateChange::None));
        assert_eq!(flow.deadline(), 303);
    }
}

#[test]
fn echo_replies_come_only_to_requests() {
    assert_eq!(echo::open(Echo::Reply, Tick(0)), Err(TrackError::IcmpUnsolicited));
    for proto in [Proto::ICMP, Proto::ICMPV6] {
        let mut flow = Flow::new(proto, echo::open(Echo::Request, Tick(0)).expect("a request"));
        let mut see = |side, echo| flow.step(side, |ends, now| echo::observe(ends, echo, now));
        assert_eq!(see(OUT, Echo::Reply), Ok(StateChange::Changed));
        assert_eq!(see(IN, Echo::Request), Ok(StateChange::None));
        assert_eq!(see(IN, Echo::Reply), Err(TrackError::IcmpUnsolicited));
        assert_eq!(see(OUT, Echo::Request), Err(TrackError::IcmpUnsolicited));
        assert_eq!((flow.state(), flow.deadline()), ("ASSURED", 62));
    }
}

fn packet(tag: u32, chunks: Chunks) -> Packet {
    Packet { tag, chunks, count: 1, ..Packet::default() }
}

fn init(initiate_tag: u32) -> Packet {
    Packet { initiate_tag, ..packet(0, Chunks::INIT) }
}

fn init_ack(tag: u32, initiate_tag: u32) -> Packet {
    Packet { initiate_tag, ..packet(tag, Chunks::INIT_ACK) }
}

impl Flow {
    fn sctp(&mut self, side: Side, packet: Packet) -> Result<StateChange, TrackError> {
        let before = (self.original, self.reply);
        let change = self.step(side, |ends, now| sctp::observe(ends, &packet, now));
        if change.is_err() {
            assert_eq!((self.original, self.reply), before);
        }
        change
    }

    /// An association whose opener expects tag 11 and whose called end expects 22.
    fn association() -> Self {
        let original = sctp::open(&init(11), Tick(0)).expect("an INIT");
        let mut flow = Self::new(Proto::SCTP, original);
        assert_eq!(flow.state(), "COOKIE_WAIT");
        for (side, packet, state) in [
            (OUT, init_ack(11, 22), "COOKIE_WAIT"),
            (IN, packet(22, Chunks::COOKIE_ECHO.with(Chunks::OTHER)), "COOKIE_ECHOED"),
            (OUT, packet(11, Chunks::COOKIE_ACK), "ESTABLISHED"),
        ] {
            assert_eq!(flow.sctp(side, packet), Ok(StateChange::Changed));
            assert_eq!(flow.state(), state);
        }
        flow
    }
}

#[test]
fn an_association_lives_and_is_shut_down() {
    let mut flow = Flow::association();
    assert_eq!(flow.deadline(), 3 + 7440);
    for (side, tag) in [(IN, 22), (OUT, 11)] {
        assert_eq!(flow.sctp(side, packet(tag, Chunks::OTHER)), Ok(StateChange::None));
    }
    for (side, tag, chunk, state) in [
        (IN, 22, Chunks::SHUTDOWN, "SHUTDOWN"),
        (OUT, 11, Chunks::SHUTDOWN_ACK, "SHUTDOWN"),
        (IN, 22, Chunks::SHUTDOWN_COMPLETE, "CLOSED"),
    ] {
        assert_eq!(flow.sctp(side, packet(tag, chunk)), Ok(StateChange::Changed));
        assert_eq!(flow.state(), state);
    }
    assert_eq!(flow.sctp(OUT, init(9)), Err(TrackError::SctpNoFlow));
    assert_eq!(flow.sctp(IN, init(33)), Ok(StateChange::Reopen));
}

#[test]
fn only_a_lone_init_opens() {
    let open = |packet| sctp::open(&packet, Tick(0));
    for chunk in [Chunks::INIT_ACK, Chunks::OTHER, Chunks::COOKIE_ECHO, Chunks::ABORT] {
        let first = Packet { initiate_tag: 5, ..packet(0, chunk) };
        assert_eq!(open(first), Err(TrackError::SctpNoFlow), "{chunk:?}");
    }
    assert_eq!(open(init(0)), Err(TrackError::SctpChunks));
    assert_eq!(open(Packet { count: 2, ..init(5) }), Err(TrackError::SctpChunks));
    assert_eq!(open(Packet { tag: 1, ..init(5) }), Err(TrackError::SctpTag));
    assert!(open(init(5)).is_ok());
}

#[test]
fn every_packet_carries_its_receivers_tag() {
    let mut flow = Flow::association();
    for number in 0..=255 {
        let chunks = Chunks::of_type(number);
        let of = |tag| Packet { initiate_tag: 5, ..packet(tag, chunks) };
        for (side, wrong) in [(IN, 11), (IN, 23), (IN, u32::MAX), (OUT, 22), (OUT, 12)] {
            assert_eq!(flow.sctp(side, of(wrong)), Err(TrackError::SctpTag), "{number}");
        }
        assert_eq!(flow.state(), "ESTABLISHED");
    }
    // Before the called end has chosen one there is no tag to send to it.
    let mut call = Flow::new(Proto::SCTP, sctp::open(&init(11), Tick(0)).expect("an INIT"));
    for tag in [0, 11, 22] {
        assert_eq!(call.sctp(IN, packet(tag, Chunks::OTHER)), Err(TrackError::SctpTag));
    }
    assert_eq!(call.sctp(OUT, packet(11, Chunks::OTHER)), Err(TrackError::SctpNoFlow));
    assert_eq!(call.sctp(OUT, packet(11, Chunks::ABORT)), Ok(StateChange::Changed));
    assert_eq!(call.state(), "CLOSED");
}

#[test]
fn the_t_bit_sends_back_the_senders_own_tag() {
    let reflected = |tag, chunk| Packet { tag_owner: TagOwner::Reflected, ..packet(tag, chunk) };
    for chunk in [Chunks::ABORT, Chunks::SHUTDOWN_COMPLETE] {
        let mut flow = Flow::association();
        assert_eq!(flow.sctp(OUT, reflected(11, chunk)), Err(TrackError::SctpTag));
        assert_eq!(flow.sctp(OUT, reflected(22, chunk)), Ok(StateChange::Changed));
        assert_eq!(flow.state(), "CLOSED");
    }
    // On any other chunk the bit means nothing.
    let mut flow = Flow::association();
    assert_eq!(flow.sctp(OUT, reflected(22, Chunks::OTHER)), Err(TrackError::SctpTag));
}

#[test]
fn a_forged_init_does_no_harm_and_a_restart_takes_over() {
    let mut flow = Flow::association();
    assert_eq!(flow.sctp(OUT, init(99)), Ok(StateChange::Changed));
    assert_eq!(flow.sctp(IN, packet(22, Chunks::OTHER)), Ok(StateChange::None));
    assert_eq!(flow.sctp(OUT, packet(11, Chunks::OTHER)), Ok(StateChange::None));
    assert_eq!(flow.state(), "ESTABLISHED");

    let mut flow = Flow::association();
    for (side, packet) in [
        (IN, init(111)),
        (OUT, init_ack(111, 222)),
        (IN, packet(222, Chunks::COOKIE_ECHO)),
        (OUT, packet(111, Chunks::COOKIE_ACK)),
        (IN, packet(222, Chunks::OTHER)),
        (OUT, packet(111, Chunks::OTHER)),
    ] {
        assert!(flow.sctp(side, packet).is_ok(), "{packet:?}");
    }
    assert_eq!((flow.original.end, flow.reply.end), (111, 222));
    assert_eq!(State::of(&flow.original, &flow.reply), State::Established);
}

#[test]
fn two_calls_that_cross_make_one_association() {
    let mut flow = Flow::new(Proto::SCTP, sctp::open(&init(11), Tick(0)).expect("an INIT"));
    for (side, packet) in [
        (OUT, init(22)),
        (IN, init_ack(22, 11)),
        (OUT, init_ack(11, 22)),
        (IN, packet(22, Chunks::COOKIE_ECHO)),
        (OUT, packet(11, Chunks::COOKIE_ECHO)),
        (OUT, packet(11, Chunks::COOKIE_ACK)),
        (IN, packet(22, Chunks::COOKIE_ACK)),
    ] {
        assert!(flow.sctp(side, packet).is_ok(), "{packet:?}");
    }
    assert_eq!(flow.state(), "ESTABLISHED");
}

#[test]
fn a_flow_seen_less_than_the_shortest_time_ago_lives() {
    let timeouts = Timeouts::default();
    assert_eq!(timeouts.shortest(), Millis::from_secs(30));
    let short = Timeouts { icmp: Millis(5), ..timeouts };
    assert_eq!(short.shortest(), Millis(5));
    for proto in (0..=255).map(Proto) {
        for flags in 0..2048 {
            let original = Direction {
                flags: crate::direction::DirFlags(flags),
                last_seen: Tick(7),
                ..Direction::default()
            };
            for reply in [Direction::default(), original] {
                let lifetime = timeouts.lifetime(proto, &original, &reply);
                assert!(lifetime >= timeouts.shortest(), "{proto} {flags:b}");
                let deadline = timeouts.deadline(proto, &original, &reply);
                assert_eq!(deadline, Tick(7).after(lifetime));
            }
        }
    }
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names: std::collections::HashSet<_> = TrackError::ALL.map(TrackError::name).into();
    assert_eq!(names.len(), TrackError::ALL.len());
    assert!(names.iter().all(|name| name.contains('.')));
    assert_eq!(TrackError::AfterFin.to_string(), "tcp.after_fin");
}
