//! A driver that brings the same packets round and round: what the wire costs in memory, and no more.
//!
//! Each received frame is a copy of its flow's template, as a device would have written it; each transmitted
//! frame goes back to the free list.

use gateway::io::memory::{FRAME, MemoryFrame};
use gateway::io::{BATCH, Frame, InterfaceId, PacketIo, Received};

/// Bytes of a template: the smallest Ethernet frame without its checksum.
pub(crate) const TEMPLATE: usize = 60;

/// The driver.
#[derive(Debug)]
pub(crate) struct Treadmill {
    templates: Vec<[u8; TEMPLATE]>,
    ingress: InterfaceId,
    next: usize,
    free: Vec<MemoryFrame>,
    /// Frames transmitted.
    pub(crate) sent: u64,
}

impl Treadmill {
    /// A driver that brings `templates` in turn, from one interface.
    #[must_use]
    pub(crate) fn new(templates: Vec<[u8; TEMPLATE]>, ingress: InterfaceId) -> Self {
        let free = (0..2 * BATCH).map(|_| MemoryFrame::new(FRAME)).collect();
        Self { templates, ingress, next: 0, free, sent: 0 }
    }
}

impl PacketIo for Treadmill {
    type Frame = MemoryFrame;

    #[inline]
    fn receive(&mut self, room: usize, mut sink: impl FnMut(Received<MemoryFrame>)) -> usize {
        let mut count = 0;
        while count < room {
            let Some(mut frame) = self.free.pop() else { break };
            frame.fill(&self.templates[self.next]);
            self.next += 1;
            if self.next == self.templates.len() {
                self.next = 0;
            }
            sink(Received { ingress: self.ingress, frame });
            count += 1;
        }
        count
    }

    #[inline]
    fn transmit(&mut self, _: InterfaceId, frame: MemoryFrame) -> Result<(), MemoryFrame> {
        std::hint::black_box(frame.bytes());
        self.free.push(frame);
        self.sent += 1;
        Ok(())
    }

    fn to_host(&mut self, _: InterfaceId, frame: MemoryFrame) -> Result<(), MemoryFrame> {
        Err(frame)
    }

    #[inline]
    fn release(&mut self, frame: MemoryFrame) {
        self.free.push(frame);
    }

    fn flush(&mut self) {}
}
