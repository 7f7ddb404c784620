//! Frames in RAM: the driver of tests, benchmarks and simulation.

use super::{BATCH, Frame, InterfaceId, PacketIo, Received};
use std::collections::VecDeque;

/// Bytes a memory frame holds at most: a 1,500-byte packet with its Ethernet header, and room.
pub const FRAME: usize = 2048;

/// A frame in a buffer of its own.
#[derive(PartialEq, Eq, Debug)]
pub struct MemoryFrame {
    buffer: Box<[u8]>,
    len: usize,
}

impl MemoryFrame {
    /// An empty frame with room for `room` bytes.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self { buffer: vec![0; room].into(), len: 0 }
    }

    /// Makes the frame a copy of `bytes`, as far as they fit.
    #[inline]
    pub fn fill(&mut self, bytes: &[u8]) {
        self.len = bytes.len().min(self.buffer.len());
        self.buffer[..self.len].copy_from_slice(&bytes[..self.len]);
    }
}

impl Frame for MemoryFrame {
    #[inline]
    fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[..self.len]
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// A driver whose wire is two queues. It owns a fixed number of frames and allocates nothing after it is
/// made.
#[derive(Debug)]
pub struct MemoryIo {
    free: Vec<MemoryFrame>,
    rx: VecDeque<Received<MemoryFrame>>,
    tx: VecDeque<(InterfaceId, MemoryFrame)>,
    host: VecDeque<(InterfaceId, MemoryFrame)>,
    frames: usize,
    tx_room: usize,
}

impl MemoryIo {
    /// A driver of so many frames.
    #[must_use]
    pub fn new(frames: usize) -> Self {
        let frame = |_| MemoryFrame::new(FRAME);
        Self {
            free: (0..frames).map(frame).collect(),
            rx: VecDeque::with_capacity(frames),
            tx: VecDeque::with_capacity(frames),
            host: VecDeque::with_capacity(frames),
            frames,
            tx_room: frames,
        }
    }

    /// Lets the transmit ring hold only so many frames, as a full one would.
    pub fn limit_tx(&mut self, room: usize) {
        self.tx_room = room;
    }

    /// Puts a frame on the wire towards the gateway. `false`: no frame is free, or it is longer than
    /// [`FRAME`].
    pub fn inject(&mut self, ingress: InterfaceId, bytes: &[u8]) -> bool {
        if bytes.len() > FRAME {
            return false;
        }
        let Some(mut frame) = self.free.pop() else { return false };
        frame.fill(bytes);
        self.rx.push_back(Received { ingress, frame });
        true
    }

    /// Takes the next transmitted frame off the wire, as (interface, bytes), into `sink`.
    pub fn take_sent<T>(&mut self, sink: impl FnOnce(InterfaceId, &[u8]) -> T) -> Option<T> {
        let (egress, frame) = self.tx.pop_front()?;
        let taken = sink(egress, frame.bytes());
        self.free.push(frame);
        Some(taken)
    }

    /// Takes the next frame the host got.
    pub fn take_host<T>(&mut self, sink: impl FnOnce(InterfaceId, &[u8]) -> T) -> Option<T> {
        let (ingress, frame) = self.host.pop_front()?;
        let taken = sink(ingress, frame.bytes());
        self.free.push(frame);
        Some(taken)
    }

    /// Frames that are neither free nor on a queue: with the caller, or lost.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.frames - self.free.len() - self.rx.len() - self.tx.len() - self.host.len()
    }
}

impl PacketIo for MemoryIo {
    type Frame = MemoryFrame;

    fn receive(&mut self, room: usize, mut sink: impl FnMut(Received<MemoryFrame>)) -> usize {
        let count = room.min(BATCH).min(self.rx.len());
        self.rx.drain(..count).for_each(&mut sink);
        count
    }

    fn transmit(&mut self, egress: InterfaceId, frame: MemoryFrame) -> Result<(), MemoryFrame> {
        if self.tx.len() >= self.tx_room {
            return Err(frame);
        }
        self.tx.push_back((egress, frame));
        Ok(())
    }

    fn to_host(&mut self, ingress: InterfaceId, frame: MemoryFrame) -> Result<(), MemoryFrame> {
        self.host.push_back((ingress, frame));
        Ok(())
    }

    fn release(&mut self, frame: MemoryFrame) {
        self.free.push(frame);
    }

    fn flush(&mut self) {}
}
