//! A TCP connection between two ends that keep their sequence numbers.

use super::frame::{End, Segment, Via, flag, syn, tcp};
use super::sent::Sent;
use super::world::World;

/// A connection, from both ends' point of view.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    /// Where the client is, and where the server.
    pub(crate) wires: (Via, Via),
    /// The client as it knows itself.
    pub(crate) client: End,
    /// The client as the server sees it.
    pub(crate) seen: End,
    pub(crate) server: End,
    /// The next sequence number of each.
    pub(crate) client_next: u32,
    pub(crate) server_next: u32,
}

impl Call {
    /// A call that nobody has made yet.
    pub(crate) const fn new(wires: (Via, Via), client: End, server: End) -> Self {
        Self { wires, client, seen: client, server, client_next: 1_000, server_next: 9_000 }
    }

    /// The client's SYN, which may be translated.
    pub(crate) fn dial(&mut self, world: &mut World, expected: &str) -> Sent {
        let first = tcp(self.wires.0, self.client, self.server, syn(self.client_next));
        let sent = world.forward(self.wires.0, &first, expected);
        self.client_next = self.client_next.wrapping_add(1);
        self.seen = sent.src();
        assert_eq!(sent.dst(), self.server);
        sent
    }

    /// All three segments that open a connection.
    pub(crate) fn open(&mut self, world: &mut World, expected: &str) {
        self.dial(world, expected);
        let answer = Segment { ack: self.client_next, ..syn(self.server_next) };
        let answer = Segment { flags: flag::SYN | flag::ACK, ..answer };
        self.server_next = self.server_next.wrapping_add(1);
        self.server_sends(world, answer, &self.towards_client());
        self.client_sends(world, self.client_says(flag::ACK, b""), &self.towards_server());
    }

    /// A segment of the client at its present numbers.
    pub(crate) const fn client_says<'a>(&self, flags: u8, payload: &'a [u8]) -> Segment<'a> {
        let (seq, ack) = (self.client_next, self.server_next);
        Segment { flags, seq, ack, window: 64_000, options: &[], payload }
    }

    /// A segment of the server at its present numbers.
    pub(crate) const fn server_says<'a>(&self, flags: u8, payload: &'a [u8]) -> Segment<'a> {
        let (seq, ack) = (self.server_next, self.client_next);
        Segment { flags, seq, ack, window: 64_000, options: &[], payload }
    }

    /// The client's frame.
    pub(crate) fn client_frame(&self, segment: Segment<'_>) -> Vec<u8> {
        tcp(self.wires.0, self.client, self.server, segment)
    }

    /// The server's frame.
    pub(crate) fn server_frame(&self, segment: Segment<'_>) -> Vec<u8> {
        tcp(self.wires.1, self.server, self.seen, segment)
    }

    /// Sends a segment of the client, and checks what arrives.
    #[track_caller]
    pub(crate) fn client_sends(&self, world: &mut World, segment: Segment<'_>, expected: &str) {
        let sent = world.forward(self.wires.0, &self.client_frame(segment), expected);
        assert_eq!((sent.via, sent.src(), sent.dst()), (self.wires.1, self.seen, self.server));
        assert_eq!(&sent.segment()[20..], segment.payload);
    }

    /// Sends a segment of the server, and checks what arrives.
    #[track_caller]
    pub(crate) fn server_sends(&self, world: &mut World, segment: Segment<'_>, expected: &str) {
        let sent = world.forward(self.wires.1, &self.server_frame(segment), expected);
        assert_eq!((sent.via, sent.src(), sent.dst()), (self.wires.0, self.server, self.client));
        assert_eq!(&sent.segment()[20..], segment.payload);
    }

    /// The client sends data.
    #[track_caller]
    pub(crate) fn say(&mut self, world: &mut World, payload: &[u8]) {
        self.client_sends(
            world,
            self.client_says(flag::PSH | flag::ACK, payload),
            &self.towards_server(),
        );
        self.client_next = self.client_next.wrapping_add(len(payload));
    }

    /// The server sends data.
    #[track_caller]
    pub(crate) fn answer(&mut self, world: &mut World, payload: &[u8]) {
        self.server_sends(
            world,
            self.server_says(flag::PSH | flag::ACK, payload),
            &self.towards_client(),
        );
        self.server_next = self.server_next.wrapping_add(len(payload));
    }

    /// Both ends finish and acknowledge that.
    pub(crate) fn close(&mut self, world: &mut World) {
        self.client_sends(
            world,
            self.client_says(flag::FIN | flag::ACK, b""),
            &self.towards_server(),
        );
        self.client_next = self.client_next.wrapping_add(1);
        self.server_sends(
            world,
            self.server_says(flag::FIN | flag::ACK, b""),
            &self.towards_client(),
        );
        self.server_next = self.server_next.wrapping_add(1);
        self.client_sends(world, self.client_says(flag::ACK, b""), &self.towards_server());
    }

    /// The counter of frames towards the server.
    pub(crate) fn towards_server(&self) -> String {
        format!("tx.{}", self.wires.1.name())
    }

    /// The counter of frames towards the client.
    pub(crate) fn towards_client(&self) -> String {
        format!("tx.{}", self.wires.0.name())
    }
}

fn len(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).expect("a small payload")
}
