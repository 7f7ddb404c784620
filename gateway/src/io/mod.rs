//! The seam between the packet path and the world: where frames come from and where they go.
//!
//! A driver owns its frames and lends them out one by one; a [`PacketIo::Frame`] is move-only, so a frame is
//! always in exactly one place: with the driver, or with whoever holds the value. The core is compiled once
//! per driver; nothing here is `dyn`.

#[cfg(feature = "af-xdp")]
pub mod af_xdp;
pub mod memory;
pub mod pcap;

/// An interface of the gateway: its position in the configuration, inside interfaces first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct InterfaceId(pub u16);

impl InterfaceId {
    /// The position as an index into per-interface tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Which way an interface faces.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// Towards pods and hosts behind the gateway.
    Inside,
    /// Towards everyone else.
    Outside,
}

/// Frames a batch holds at most.
pub const BATCH: usize = 64;

/// One frame, in memory its driver owns. Dropping it would lose the memory, so it goes back by
/// [`PacketIo::transmit`], [`PacketIo::to_host`] or [`PacketIo::release`]; tests count what is out.
pub trait Frame {
    /// The frame from its first Ethernet byte.
    fn bytes(&self) -> &[u8];
    /// The same, to write.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Cuts the frame to `len` bytes; longer than it is changes nothing.
    fn truncate(&mut self, len: usize);
}

/// A frame with the interface it arrived on.
#[derive(Debug)]
pub struct Received<F> {
    /// Where it came in.
    pub ingress: InterfaceId,
    /// The frame.
    pub frame: F,
}

/// A driver, as one worker sees it. No call blocks, allocates or logs.
pub trait PacketIo {
    /// How this driver holds a frame.
    type Frame: Frame;

    /// Takes received frames, at most `room`, and hands each to `sink` in the order of arrival.
    /// Returns how many.
    fn receive(&mut self, room: usize, sink: impl FnMut(Received<Self::Frame>)) -> usize;

    /// Queues a frame to leave by `egress`.
    ///
    /// # Errors
    /// The frame itself when the transmit ring has no room: the caller counts it as dropped and releases it.
    fn transmit(&mut self, egress: InterfaceId, frame: Self::Frame) -> Result<(), Self::Frame>;

    /// Hands a frame to the machine's own network stack.
    ///
    /// # Errors
    /// The frame itself where the driver has no way there (AF_XDP decides that earlier, in its steering
    /// program): the caller counts it as dropped and releases it.
    fn to_host(&mut self, ingress: InterfaceId, frame: Self::Frame) -> Result<(), Self::Frame>;

    /// Takes back a frame that goes nowhere.
    fn release(&mut self, frame: Self::Frame);

    /// Ends a batch: what was queued is handed to the kernel, buffers it finished with are taken back.
    fn flush(&mut self);
}
