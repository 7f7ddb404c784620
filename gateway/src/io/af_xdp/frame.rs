//! Who owns which frame.
//!
//! The kernel and this process share one memory region, cut into frames of one size. A frame is at any
//! moment in exactly one place: a worker's free list, a fill ring, the kernel, a receive ring, the packet
//! path (as a [`UmemFrame`]), a transmit ring, or a completion ring. xsk-rs's descriptor is `Copy`, so it
//! never leaves this driver: outside there is only the move-only [`UmemFrame`].

use std::ptr::NonNull;

use xsk_rs::umem::Umem;
use xsk_rs::umem::frame::FrameDesc;

use crate::io::Frame;

/// A received frame, owned by whoever holds the value.
///
/// Dropping it loses the frame until the driver closes; [`FrameAudit::out`] shows it.
#[derive(Debug)]
pub struct UmemFrame {
    desc: FrameDesc,
    data: NonNull<u8>,
    len: usize,
    region: u32,
}

// SAFETY: the value is the only way to the bytes it points at, as `&mut` is, and those may move between
// threads. The region stays mapped while a frame is out (see `FramePool`'s `Drop`).
unsafe impl Send for UmemFrame {}

impl Frame for UmemFrame {
    #[inline]
    fn bytes(&self) -> &[u8] {
        // SAFETY: `data` points at `len` bytes of a mapped region that this value alone may reach:
        // `FramePool::adopt` made it from a descriptor that came off a receive ring, and nobody gets it
        // again before `FramePool::surrender` takes the value.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len) }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` excludes every other borrow.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len) }
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

/// A worker's share of the frames: what is free, and how many the packet path holds.
pub(super) struct FramePool {
    umem: Umem,
    region: u32,
    free: Vec<FrameDesc>,
    total: usize,
    /// Lent minus given back. A frame given back to another worker makes one negative and the other
    /// positive, so a pool at 0 does not prove that none of its own is out; the sum over pools does.
    out: isize,
}

impl FramePool {
    /// Takes over `frames` of the region; no other pool may have any of them. `capacity` is that of the
    /// whole region, so that the free list never grows.
    pub(super) fn new(umem: Umem, region: u32, frames: &[FrameDesc], capacity: usize) -> Self {
        let mut free = Vec::with_capacity(capacity);
        free.extend_from_slice(frames);
        Self { umem, region, free, total: frames.len(), out: 0 }
    }

    /// Makes a descriptor that only the caller has a frame of the packet path.
    #[inline]
    pub(super) fn adopt(&mut self, mut desc: FrameDesc) -> UmemFrame {
        let len = desc.lengths().data();
        // SAFETY: the descriptor is of this region and only the caller has it: it came off a receive ring,
        // so the kernel is done with the frame, or `surrender` just gave it.
        let mut data = unsafe { self.umem.data_mut(&mut desc) };
        let data = NonNull::from(data.contents_mut()).cast();
        self.out += 1;
        UmemFrame { desc, data, len, region: self.region }
    }

    /// The way back: the frame is the driver's again, its length in the descriptor.
    ///
    /// # Panics
    /// With a frame of another region, which would put a foreign address on a ring.
    #[inline]
    pub(super) fn surrender(&mut self, frame: UmemFrame) -> FrameDesc {
        assert!(frame.region == self.region, "a frame goes back to the driver it came from");
        self.out -= 1;
        let mut desc = frame.desc;
        if desc.lengths().data() != frame.len {
            // SAFETY: `frame` was the only owner and is consumed here.
            let mut data = unsafe { self.umem.data_mut(&mut desc) };
            data.cursor().set_pos(frame.len);
        }
        desc
    }

    /// Puts descriptors that nobody uses any more on the free list.
    #[inline]
    pub(super) fn put(&mut self, descs: &[FrameDesc]) {
        debug_assert!(self.free.len() + descs.len() <= self.free.capacity());
        self.free.extend_from_slice(descs);
    }

    /// The last `most` free descriptors, or all; `give` says how many of them it used up, from the end.
    #[inline]
    pub(super) fn take(&mut self, most: usize, give: impl FnOnce(&[FrameDesc]) -> usize) -> usize {
        let from = self.free.len() - most.min(self.free.len());
        let used = give(&self.free[from..]);
        self.free.truncate(self.free.len() - used);
        used
    }

    /// Frames lent to the packet path and not given back.
    pub(super) const fn out(&self) -> isize {
        self.out
    }

    /// Frames this pool started with.
    pub(super) const fn total(&self) -> usize {
        self.total
    }

    /// Frames on the free list, and how many of those are there more than once.
    pub(super) fn free_and_twice(&self) -> (usize, usize) {
        let mut addresses: Vec<usize> = self.free.iter().map(FrameDesc::addr).collect();
        addresses.sort_unstable();
        addresses.dedup();
        (self.free.len(), self.free.len() - addresses.len())
    }
}

impl Drop for FramePool {
    fn drop(&mut self) {
        // A frame still out points into the region: keep that mapped for good rather than let the
        // frame dangle. Only a bug or a panic gets here.
        if self.out != 0 {
            std::mem::forget(self.umem.clone());
        }
    }
}

impl std::fmt::Debug for FramePool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FramePool")
            .field("free", &self.free.len())
            .field("out", &self.out)
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

/// Where a worker's frames are.
///
/// The rings are read, the free list is counted, and what the packet path holds is kept as a balance; so
/// [`total`](Self::total) and [`sum`](Self::sum) come from different sources and differ when a frame is
/// lost or doubled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FrameAudit {
    /// Frames the worker started with.
    pub total: usize,
    /// On the free list.
    pub free: usize,
    /// On the free list more than once: always 0.
    pub twice: usize,
    /// In fill rings, for the kernel to receive into.
    pub fill: usize,
    /// Between fill and receive ring: taken by the kernel. A frame whose receive ring was full waits
    /// here for the next packet, so this may stay above 0 with no traffic.
    pub kernel_receive: usize,
    /// Received, not yet taken.
    pub receive: usize,
    /// With the packet path.
    pub out: isize,
    /// Queued to be sent.
    pub transmit: usize,
    /// Between transmit and completion ring: in the kernel, or in a device that has not sent it yet.
    pub kernel_transmit: usize,
    /// Sent, not yet taken back.
    pub completion: usize,
}

impl FrameAudit {
    /// All places together; equals [`total`](Self::total) unless a frame was lost or doubled.
    #[must_use]
    pub fn sum(&self) -> usize {
        let driver = self.free
            + self.fill
            + self.kernel_receive
            + self.receive
            + self.transmit
            + self.kernel_transmit
            + self.completion;
        driver.saturating_add_signed(self.out)
    }

    /// Whether every frame is in exactly one place.
    #[must_use]
    pub fn balanced(&self) -> bool {
        self.sum() == self.total && self.twice == 0
    }
}
