//! The far side's witness: a packet socket that sees every frame on the internet's link and keeps,
//! per packet kind, how many there were and when. It shares no code with Sluice, not even a parser.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, IoSliceMut, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
    recvmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeSpec, TimeVal};

use crate::error::{Context as _, Result};
use crate::layout::Seat;
use crate::namespace::Namespace;
use crate::service::Service;

/// Bytes kept of a frame: all headers this witness reads, and enough for tcpdump to name it.
const SNAP: usize = 192;
/// Frames a capture file has at most.
const CAPTURED: u32 = 20_000;
/// Room for a burst while the witness does not run; asked for with root's right to exceed the limit.
const BACKLOG: usize = 64 << 20;
/// `PACKET_OUTGOING` of `packet(7)`.
const OUTGOING: u8 = 4;

/// What tells packets apart here. Ports are 0 where the protocol or a later fragment has none; for
/// ICMP they are type and code (`256 · type + code`) and the echo identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind {
    /// Whether it came from the wire (`true`) or left to it.
    pub arrived: bool,
    /// IP protocol number.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Source port.
    pub source_port: u16,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Destination port.
    pub destination_port: u16,
    /// Time to live as seen.
    pub ttl: u8,
}

impl Kind {
    /// The pod whose time-to-live mark the packet bears, one router away.
    #[must_use]
    pub fn pod(&self) -> Option<Seat> {
        Seat::from_ttl(self.ttl, 1)
    }
}

/// How often and when a kind was seen. Times are the kernel's receive stamps since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Packets.
    pub packets: u64,
    /// Bytes on the wire, Ethernet header included.
    pub bytes: u64,
    /// When the first came.
    pub first: Duration,
    /// When the last came.
    pub last: Duration,
}

/// Everything a witness saw.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// IPv4 packets by kind.
    pub kinds: HashMap<Kind, Tally>,
    /// Frames that came from the wire, of any protocol.
    pub arrived: u64,
    /// Frames that left to it.
    pub left: u64,
    /// Frames among both that were no readable IPv4.
    pub other: u64,
}

impl Seen {
    /// The sum over kinds that satisfy `wanted`.
    #[must_use]
    pub fn sum(&self, wanted: impl Fn(&Kind) -> bool) -> Tally {
        let mut sum = Tally { first: Duration::MAX, ..Tally::default() };
        for (_, tally) in self.kinds.iter().filter(|(kind, _)| wanted(kind)) {
            sum.packets += tally.packets;
            sum.bytes += tally.bytes;
            sum.first = sum.first.min(tally.first);
            sum.last = sum.last.max(tally.last);
        }
        sum
    }

    /// The source addresses of what arrived, each with its packets.
    #[must_use]
    pub fn sources(&self) -> HashMap<Ipv4Addr, u64> {
        let mut sources = HashMap::new();
        for (kind, tally) in self.kinds.iter().filter(|(kind, _)| kind.arrived) {
            *sources.entry(kind.source).or_default() += tally.packets;
        }
        sources
    }
}

#[derive(Debug, Default)]
struct Book {
    seen: Seen,
    capture: Option<Capture>,
}

/// A running witness.
#[derive(Debug)]
pub struct Observer {
    book: Arc<Mutex<Book>>,
    _service: Service,
}

impl Observer {
    /// Watches every device of `namespace` but the loopback, those still to come too.
    ///
    /// # Errors
    /// Without the right to open a packet socket.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let socket = namespace.run(open).context(|| "open a packet socket".to_owned())?;
        let book = Arc::new(Mutex::new(Book::default()));
        let shared = Arc::clone(&book);
        let service = Service::start(namespace, move |stop| {
            let mut frame = [0; SNAP];
            let mut space = nix::cmsg_space!(TimeSpec);
            while !stop.is_set() {
                // A batch at a time under the lock: a picture reads the book four times a second.
                receive(&socket, &mut frame, &mut space, &shared);
            }
        });
        Ok(Self { book, _service: service })
    }

    /// A copy of what was seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.book).seen.clone()
    }

    /// Reads what was seen so far in place.
    pub fn with<T>(&self, read: impl FnOnce(&Seen) -> T) -> T {
        read(&lock(&self.book).seen)
    }

    /// From now on also writes a capture file (Ethernet, nanoseconds): the first bytes of each of the
    /// first frames, so that its size has a bound.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn capture(&self, path: &Path) -> Result<()> {
        let capture =
            Capture::create(path).context(|| format!("make the capture {}", path.display()))?;
        lock(&self.book).capture = Some(capture);
        Ok(())
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open() -> nix::Result<OwnedFd> {
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    setsockopt(&socket, sockopt::RcvBufForce, &BACKLOG)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, 100_000))?;
    Ok(socket)
}

/// Takes one frame, or returns after the socket's time-out.
fn receive(socket: &OwnedFd, frame: &mut [u8; SNAP], space: &mut [u8], book: &Mutex<Book>) {
    let mut vectors = [IoSliceMut::new(frame)];
    // MSG_TRUNC: `bytes` is the frame's length on the wire, however little of it we keep.
    let received =
        recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut vectors, Some(space), MsgFlags::MSG_TRUNC);
    let message = match received {
        Ok(message) => message,
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => return,
        Err(error) => panic!("the witness' socket failed: {error}"),
    };
    let stamp = message.cmsgs().ok().into_iter().flatten().find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    });
    let (length, from) = (message.bytes, message.address);
    let Some(from) = from.filter(|from| from.hatype() == nix::libc::ARPHRD_ETHER) else {
        return;
    };
    let kept = &frame[..length.min(SNAP)];
    let mut book = lock(book);
    let at = stamp.unwrap_or_default();
    book.seen.note(kept, length, from.pkttype() != OUTGOING, at);
    if let Some(capture) = &mut book.capture {
        // A full disk ends the capture, not the rig.
        if capture.write(kept, length, at).is_err() {
            book.capture = None;
        }
    }
}

impl Seen {
    fn note(&mut self, frame: &[u8], length: usize, arrived: bool, at: Duration) {
        *(if arrived { &mut self.arrived } else { &mut self.left }) += 1;
        let Some(kind) = kind(frame, arrived) else {
            self.other += 1;
            return;
        };
        let tally = self.kinds.entry(kind).or_insert(Tally { first: at, ..Tally::default() });
        tally.packets += 1;
        tally.bytes += length as u64;
        tally.last = at;
    }
}

/// Reads an Ethernet frame's IPv4 header and the first words behind it.
fn kind(frame: &[u8], arrived: bool) -> Option<Kind> {
    let (ethernet, ip) = frame.split_at_checked(14)?;
    if ethernet[12..] != [0x08, 0x00] || ip.len() < 20 || ip[0] >> 4 != 4 {
        return None;
    }
    let half = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
    };
    let address = |at: usize| Ipv4Addr::new(ip[at], ip[at + 1], ip[at + 2], ip[at + 3]);
    let protocol = ip[9];
    let first_fragment = half(ip, 6) & 0x1fff == 0;
    let behind = ip.get(usize::from(ip[0] & 0x0f) * 4..).filter(|_| first_fragment).unwrap_or(&[]);
    let (source_port, destination_port) = match protocol {
        6 | 17 | 132 => (half(behind, 0), half(behind, 2)),
        1 => (half(behind, 0), half(behind, 4)),
        _ => (0, 0),
    };
    let (source, destination) = (address(12), address(16));
    Some(Kind { arrived, protocol, source, source_port, destination, destination_port, ttl: ip[8] })
}

/// A pcap file with nanosecond stamps, in this machine's byte order as the format allows.
#[derive(Debug)]
struct Capture {
    file: BufWriter<File>,
    room: u32,
}

impl Capture {
    fn create(path: &Path) -> std::io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        let snap = u32::try_from(SNAP).expect("a snap length is small");
        // Magic of the nanosecond variant, version 2.4, then zone, accuracy, snap length, Ethernet.
        for word in [0xa1b2_3c4d, 2 | 4 << 16, 0, 0, snap, 1_u32] {
            file.write_all(&word.to_ne_bytes())?;
        }
        Ok(Self { file, room: CAPTURED })
    }

    fn write(&mut self, kept: &[u8], length: usize, at: Duration) -> std::io::Result<()> {
        let Some(room) = self.room.checked_sub(1) else { return Ok(()) };
        self.room = room;
        let word = |value: u64| u32::try_from(value).unwrap_or(u32::MAX).to_ne_bytes();
        self.file.write_all(&word(at.as_secs()))?;
        self.file.write_all(&at.subsec_nanos().to_ne_bytes())?;
        self.file.write_all(&word(kept.len() as u64))?;
        self.file.write_all(&word(length as u64))?;
        self.file.write_all(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame() -> Vec<u8> {
        let mut frame = vec![0; 14];
        frame[12] = 8;
        frame.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 63, 17, 0, 0, 203, 0, 113, 1, 192, 0, 2, 9]);
        frame.extend([0x30, 0x39, 0, 53, 0, 8, 0, 0]);
        frame
    }

    #[test]
    fn reads_what_it_needs_and_nothing_shorter() {
        let seen = kind(&frame(), true).unwrap();
        assert_eq!(
            seen,
            Kind {
                arrived: true,
                protocol: 17,
                source: Ipv4Addr::new(203, 0, 113, 1),
                source_port: 12345,
                destination: Ipv4Addr::new(192, 0, 2, 9),
                destination_port: 53,
                ttl: 63,
            }
        );
        for cut in 0..34 {
            assert_eq!(kind(&frame()[..cut], true), None, "{cut} bytes");
        }
        let mut later = frame();
        later[21] = 1;
        assert_eq!(
            kind(&later, true).unwrap().destination_port,
            0,
            "a later fragment has no ports"
        );
    }
}
