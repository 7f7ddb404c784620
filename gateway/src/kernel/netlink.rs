//! Requests and answers of `NETLINK_ROUTE`.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REPLACE, NLM_F_REQUEST,
    NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

/// Dumps that changed underway are asked again this often.
const DUMP_TRIES: usize = 8;

/// Whether a dump was consistent.
#[derive(PartialEq, Eq)]
enum Dump {
    Whole,
    Interrupted,
}

/// A connection to the kernel's routing tables.
pub(super) struct Netlink(Socket);

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Makes one change and waits for the kernel's word on it.
    pub(super) fn change(&self, what: RouteNetlinkMessage) -> io::Result<()> {
        self.request(what, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE)?;
        self.answers(|_| {}).map(drop)
    }

    fn request(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        let mut request = NetlinkMessage::new(header, NetlinkPayload::from(message));
        request.finalize();
        let mut buffer = vec![0; request.buffer_len()];
        request.serialize(&mut buffer);
        self.0.send(&buffer, 0).map(drop)
    }

    /// Reads a whole table. The kernel marks a dump during which the table changed; entries may be
    /// missing then, so it is thrown away and asked for again.
    pub(super) fn dump(
        &self,
        what: RouteNetlinkMessage,
        take: impl FnMut(RouteNetlinkMessage),
    ) -> io::Result<()> {
        for _ in 0..DUMP_TRIES {
            let mut entries = Vec::new();
            self.request(what.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            if self.answers(|entry| entries.push(entry))? == Dump::Whole {
                entries.into_iter().for_each(take);
                return Ok(());
            }
        }
        Err(io::Error::new(io::ErrorKind::Interrupted, "the kernel's tables change all the time"))
    }

    /// Reads answers up to the end of a dump, or the acknowledgement of a single request.
    fn answers(&self, mut entry: impl FnMut(RouteNetlinkMessage)) -> io::Result<Dump> {
        let mut dump = Dump::Whole;
        loop {
            let (datagram, _) = self.0.recv_from_full()?;
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                let message =
                    NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(|error| {
                        io::Error::new(io::ErrorKind::InvalidData, error.to_string())
                    })?;
                if message.header.flags & NLM_F_DUMP_INTR != 0 {
                    dump = Dump::Interrupted;
                }
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => entry(inner),
                    NetlinkPayload::Done(_) => return Ok(dump),
                    NetlinkPayload::Error(error) if error.code.is_none() => return Ok(dump),
                    NetlinkPayload::Error(error) => return Err(error.to_io()),
                    _ => {}
                }
                // Messages are padded to four bytes; a length of 0 was refused above.
                let length = (message.header.length as usize).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
            }
        }
    }
}
