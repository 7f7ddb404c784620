//! Capture files in, capture files out, and a clock made of their timestamps: the driver of `sluice replay`.

use super::{BATCH, Frame, InterfaceId, PacketIo, Received};
use flowtable::key::Tick;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::vec;

/// Nanoseconds since 1970, as captures count time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Nanos(pub u64);

/// What keeps a capture from being read or written.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file system says no.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The bytes are no capture, or end inside a frame.
    #[error("{path}: not a complete pcap or pcapng capture ({after} frames in): {what}")]
    Format {
        /// The file.
        path: PathBuf,
        /// Whole frames before the fault.
        after: usize,
        /// What the parser met.
        what: String,
    },
    /// The frames are not Ethernet.
    #[error(
        "{path}: frames of link type {link_type}; replay takes Ethernet captures (link type 1)"
    )]
    NotEthernet {
        /// The file.
        path: PathBuf,
        /// What they are.
        link_type: i32,
    },
}

/// A captured frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Captured {
    /// When.
    pub at: Nanos,
    /// Its bytes, as far as they were captured.
    pub bytes: Box<[u8]>,
}

/// Bytes the reader takes at a time; more than the largest frame of a capture.
const READ_BUFFER: usize = 1 << 20;

/// Reads all frames of a pcap or pcapng file, micro- or nanoseconds, either byte order.
///
/// # Errors
/// What is wrong with the file.
pub fn read_capture(path: &Path) -> Result<Vec<Captured>, CaptureError> {
    let io_error = |source| CaptureError::Io { path: path.to_owned(), source };
    let format = |after, what: String| CaptureError::Format { path: path.to_owned(), after, what };
    let file = File::open(path).map_err(io_error)?;
    let mut reader =
        create_reader(READ_BUFFER, file).map_err(|error| format(0, describe(&error)))?;
    let mut frames = Vec::new();
    let mut clock = Clock::default();
    // A reader that asks for more bytes and gets none has met the end inside a block.
    let mut starving = false;
    loop {
        match reader.next() {
            Ok((used, block)) => {
                starving = false;
                match clock.frame(&block) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => {}
                    Err(ClockError::LinkType(Linktype(link_type))) => {
                        return Err(CaptureError::NotEthernet { path: path.to_owned(), link_type });
                    }
                    Err(ClockError::NoTime) => {
                        let what = "a simple packet block, which has no timestamp".to_owned();
                        return Err(format(frames.len(), what));
                    }
                    Err(ClockError::Interface) => {
                        return Err(format(
                            frames.len(),
                            "a frame of an undescribed interface".into(),
                        ));
                    }
                }
                reader.consume(used);
            }
            Err(PcapError::Eof) => return Ok(frames),
            Err(PcapError::Incomplete(_)) if !starving => {
                starving = true;
                reader.refill().map_err(|error| format(frames.len(), describe(&error)))?;
            }
            Err(PcapError::Incomplete(_) | PcapError::UnexpectedEof) => {
                return Err(format(frames.len(), "the file ends inside a frame".into()));
            }
            Err(error) => return Err(format(frames.len(), describe(&error))),
        }
    }
}

fn describe<I>(error: &PcapError<I>) -> String {
    match error {
        PcapError::Eof | PcapError::UnexpectedEof => "the file is empty or cut short",
        PcapError::BufferTooSmall => "a block of more than a megabyte",
        PcapError::ReadError => "the file cannot be read",
        PcapError::Incomplete(_) => "the file ends inside a block",
        PcapError::HeaderNotRecognized => "the first bytes are no capture's",
        _ => "a block that contradicts itself",
    }
    .to_owned()
}

enum ClockError {
    LinkType(Linktype),
    Interface,
    NoTime,
}

/// How the timestamps of a file count: per file in pcap, per interface of a section in pcapng.
#[derive(Default)]
struct Clock {
    nanoseconds: bool,
    /// Units per second, and seconds to add, of each interface.
    interfaces: Vec<(u64, i64)>,
}

impl Clock {
    fn frame(&mut self, block: &PcapBlockOwned<'_>) -> Result<Option<Captured>, ClockError> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                ethernet(header.network)?;
                self.nanoseconds = header.is_nanosecond_precision();
                Ok(None)
            }
            PcapBlockOwned::Legacy(frame) => {
                let unit = if self.nanoseconds { 1 } else { 1_000 };
                let at = u64::from(frame.ts_sec) * 1_000_000_000 + u64::from(frame.ts_usec) * unit;
                let len = usize::try_from(frame.caplen).unwrap_or(usize::MAX).min(frame.data.len());
                Ok(Some(Captured { at: Nanos(at), bytes: frame.data[..len].into() }))
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.interfaces.clear();
                Ok(None)
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                ethernet(interface.linktype)?;
                let units = interface.ts_resolution().ok_or(ClockError::Interface)?;
                self.interfaces.push((units, interface.if_tsoffset));
                Ok(None)
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(frame)) => {
                let interface = usize::try_from(frame.if_id).map_err(|_| ClockError::Interface)?;
                let &(units, offset) =
                    self.interfaces.get(interface).ok_or(ClockError::Interface)?;
                let stamp = u128::from(frame.ts_high) << 32 | u128::from(frame.ts_low);
                let at = stamp * 1_000_000_000 / u128::from(units.max(1));
                let at = u64::try_from(at).map_err(|_| ClockError::Interface)?;
                let shift = offset.saturating_mul(1_000_000_000);
                let len = usize::try_from(frame.caplen).unwrap_or(usize::MAX).min(frame.data.len());
                let at = Nanos(at.saturating_add_signed(shift));
                Ok(Some(Captured { at, bytes: frame.data[..len].into() }))
            }
            PcapBlockOwned::NG(Block::SimplePacket(_)) => Err(ClockError::NoTime),
            PcapBlockOwned::NG(_) => Ok(None),
        }
    }
}

const fn ethernet(link_type: Linktype) -> Result<(), ClockError> {
    match link_type {
        Linktype::ETHERNET => Ok(()),
        other => Err(ClockError::LinkType(other)),
    }
}

/// Writes a nanosecond pcap file of Ethernet frames.
#[derive(Debug)]
pub struct CaptureWriter {
    out: BufWriter<File>,
}

/// The magic number of a pcap file whose timestamps count nanoseconds.
const MAGIC_NANOS: u32 = 0xa1b2_3c4d;

impl CaptureWriter {
    /// Creates the file and writes its header.
    ///
    /// # Errors
    /// What the file system says.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut out = BufWriter::new(File::create(path)?);
        out.write_all(&MAGIC_NANOS.to_le_bytes())?;
        out.write_all(&2u16.to_le_bytes())?;
        out.write_all(&4u16.to_le_bytes())?;
        out.write_all(&[0; 8])?;
        out.write_all(&65_535u32.to_le_bytes())?;
        out.write_all(&1u32.to_le_bytes())?;
        Ok(Self { out })
    }

    /// Appends a frame.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write(&mut self, at: Nanos, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
        let seconds = u32::try_from(at.0 / 1_000_000_000).map_err(io::Error::other)?;
        let nanos = u32::try_from(at.0 % 1_000_000_000).map_err(io::Error::other)?;
        for field in [seconds, nanos, len, len] {
            self.out.write_all(&field.to_le_bytes())?;
        }
        self.out.write_all(bytes)
    }
}

/// A frame out of a capture.
#[derive(PartialEq, Eq, Debug)]
pub struct PcapFrame {
    at: Nanos,
    bytes: Box<[u8]>,
    len: usize,
}

impl Frame for PcapFrame {
    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.len]
    }

    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// A frame with its time and the interface it arrives on.
type Scheduled = (Nanos, InterfaceId, Box<[u8]>);

/// Replays captures. A batch never spans two ticks, so that each frame is judged at its own time.
#[derive(Debug)]
pub struct PcapIo {
    frames: Peekable<vec::IntoIter<Scheduled>>,
    start: Nanos,
    outputs: Vec<CaptureWriter>,
    error: Option<io::Error>,
    outstanding: usize,
}

impl PcapIo {
    /// A driver that feeds all `inputs` in the order of their timestamps, ties in the order of the inputs,
    /// and writes what leaves by interface `i` to `outputs[i]`.
    #[must_use]
    pub fn new(inputs: Vec<(InterfaceId, Vec<Captured>)>, outputs: Vec<CaptureWriter>) -> Self {
        let mut frames: Vec<_> = inputs
            .into_iter()
            .flat_map(|(interface, captured)| {
                captured.into_iter().map(move |frame| (frame.at, interface, frame.bytes))
            })
            .collect();
        // The sort is stable: equal times keep the order of the inputs.
        frames.sort_by_key(|&(at, _, _)| at);
        let start = frames.first().map_or(Nanos(0), |&(at, _, _)| at);
        let frames = frames.into_iter().peekable();
        Self { frames, start, outputs, error: None, outstanding: 0 }
    }

    /// The tick of the next frame, the first frame's being 0; `None` when all are through.
    pub fn next_tick(&mut self) -> Option<Tick> {
        let start = self.start;
        self.frames.peek().map(|&(at, _, _)| tick(start, at))
    }

    /// Frames with the gateway at the moment; 0 when a replay ends.
    #[must_use]
    pub const fn outstanding(&self) -> usize {
        self.outstanding
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The first thing that went wrong with an output since the driver was made.
    pub fn close(mut self) -> io::Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.outputs.iter_mut().try_for_each(|output| output.out.flush())
    }
}

const fn tick(start: Nanos, at: Nanos) -> Tick {
    Tick((at.0 - start.0) / 1_000_000)
}

impl PacketIo for PcapIo {
    type Frame = PcapFrame;

    fn receive(&mut self, room: usize, mut sink: impl FnMut(Received<PcapFrame>)) -> usize {
        let Some(now) = self.next_tick() else { return 0 };
        let start = self.start;
        let mut count = 0;
        while count < room.min(BATCH) {
            let same_tick = |&(at, _, _): &Scheduled| tick(start, at) == now;
            let Some((at, ingress, bytes)) = self.frames.next_if(same_tick) else { break };
            let len = bytes.len();
            sink(Received { ingress, frame: PcapFrame { at, bytes, len } });
            count += 1;
        }
        self.outstanding += count;
        count
    }

    fn transmit(&mut self, egress: InterfaceId, frame: PcapFrame) -> Result<(), PcapFrame> {
        if let Err(error) = self.outputs[egress.index()].write(frame.at, frame.bytes()) {
            self.error.get_or_insert(error);
        }
        self.outstanding -= 1;
        Ok(())
    }

    fn to_host(&mut self, _ingress: InterfaceId, frame: PcapFrame) -> Result<(), PcapFrame> {
        self.release(frame);
        Ok(())
    }

    fn release(&mut self, frame: PcapFrame) {
        drop(frame);
        self.outstanding -= 1;
    }

    fn flush(&mut self) {}
}
