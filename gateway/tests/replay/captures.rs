//! Capture files, written and read by hand so that the gateway's own reader has somebody to agree with.

use std::fs;
use std::path::Path;

/// A frame with its time in nanoseconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Captured {
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A frame so many milliseconds into the capture.
pub(crate) fn at(millis: u64, bytes: Vec<u8>) -> Captured {
    Captured { at: START + millis * 1_000_000, bytes }
}

/// When every capture starts, in nanoseconds since 1970.
const START: u64 = 1_700_000_000_000_000_000;

/// The order of the bytes of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    Little,
    Big,
}

/// What a second is divided into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    Micros,
    Nanos,
}

impl Unit {
    fn of(self, nanos: u64) -> u64 {
        match self {
            Self::Micros => nanos / 1_000,
            Self::Nanos => nanos,
        }
    }

    const fn per_second(self) -> u64 {
        match self {
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }
}

struct Bytes(Vec<u8>, Order);

impl Bytes {
    fn half(&mut self, value: u16) {
        match self.1 {
            Order::Little => self.0.extend(value.to_le_bytes()),
            Order::Big => self.0.extend(value.to_be_bytes()),
        }
    }

    fn word(&mut self, value: u64) {
        let value = u32::try_from(value).expect("32 bits");
        match self.1 {
            Order::Little => self.0.extend(value.to_le_bytes()),
            Order::Big => self.0.extend(value.to_be_bytes()),
        }
    }
}

/// The frames as a pcap file with that link type.
pub(crate) fn pcap(frames: &[Captured], unit: Unit, order: Order, link_type: u64) -> Vec<u8> {
    let mut file = Bytes(Vec::new(), order);
    file.word(if unit == Unit::Nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 });
    file.half(2);
    file.half(4);
    for field in [0, 0, 65_535, link_type] {
        file.word(field);
    }
    for frame in frames {
        let stamp = unit.of(frame.at);
        let len = u64::try_from(frame.bytes.len()).expect("short");
        for field in [stamp / unit.per_second(), stamp % unit.per_second(), len, len] {
            file.word(field);
        }
        file.0.extend(&frame.bytes);
    }
    file.0
}

/// The frames as a pcapng file; microseconds are what a file without a resolution option means.
pub(crate) fn pcapng(frames: &[Captured], unit: Unit, order: Order) -> Vec<u8> {
    let mut file = Bytes(Vec::new(), order);
    block(&mut file, 0x0a0d_0d0a, |body| {
        body.word(0x1a2b_3c4d);
        body.half(1);
        body.half(0);
        body.0.extend([0xff; 8]);
    });
    block(&mut file, 1, |body| {
        body.half(1);
        body.half(0);
        body.word(0);
        if unit == Unit::Nanos {
            body.half(9);
            body.half(1);
            body.0.extend([9, 0, 0, 0]);
            body.word(0);
        }
    });
    for frame in frames {
        let stamp = unit.of(frame.at);
        let len = u64::try_from(frame.bytes.len()).expect("short");
        block(&mut file, 6, |body| {
            for field in [0, stamp >> 32, stamp & 0xffff_ffff, len, len] {
                body.word(field);
            }
            body.0.extend(&frame.bytes);
            body.0.resize(body.0.len().next_multiple_of(4), 0);
        });
    }
    file.0
}

fn block(file: &mut Bytes, kind: u64, fill: impl FnOnce(&mut Bytes)) {
    let mut body = Bytes(Vec::new(), file.1);
    fill(&mut body);
    let len = u64::try_from(body.0.len() + 12).expect("short");
    file.word(kind);
    file.word(len);
    file.0.extend(&body.0);
    file.word(len);
}

/// The frames as a capture of the usual kind.
pub(crate) fn usual(frames: &[Captured]) -> Vec<u8> {
    pcap(frames, Unit::Micros, Order::Little, 1)
}

/// Reads what a replay wrote: little-endian nanoseconds, Ethernet.
pub(crate) fn read(path: &Path) -> Vec<Captured> {
    let file = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((word(0), word(20)), (0xa1b2_3c4d, 1), "nanoseconds, Ethernet");
    let mut frames = Vec::new();
    let mut next = 24;
    while next < file.len() {
        let len = usize::try_from(word(next + 8)).expect("short");
        let at = u64::from(word(next)) * 1_000_000_000 + u64::from(word(next + 4));
        frames.push(Captured { at, bytes: file[next + 16..next + 16 + len].to_vec() });
        next += 16 + len;
    }
    frames
}
