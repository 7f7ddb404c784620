//! Why the driver did not start: one line each, naming what is missing and what would do.

use std::io;

use nix::errno::Errno;

use super::steer::MAX_QUEUES;

/// Why [`open`](super::open) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The device is not in this network namespace.
    #[error("{device}: no such device in this network namespace; create it or correct `device`")]
    NoSuchDevice {
        /// The device asked for.
        device: String,
    },
    /// One device under two interfaces.
    #[error("{device}: named twice; an interface faces inside or outside, not both")]
    DuplicateDevice {
        /// The device.
        device: String,
    },
    /// A frame would not fit one buffer.
    #[error(
        "{device}: MTU {mtu} is above {limit}, the most one 4096-byte buffer takes; lower it: \
         ip link set {device} mtu {limit}"
    )]
    MtuTooLarge {
        /// The device.
        device: String,
        /// Its MTU.
        mtu: u32,
        /// The largest that works.
        limit: u32,
    },
    /// The devices have different numbers of receive queues.
    #[error(
        "unequal queue counts are not supported yet: {first} has {first_queues}, {second} has \
         {second_queues}; make them equal with ethtool -L"
    )]
    UnequalQueues {
        /// One device.
        first: String,
        /// Its receive queues.
        first_queues: u32,
        /// Another device.
        second: String,
        /// Its receive queues.
        second_queues: u32,
    },
    /// A queue would have no worker, or a worker no queue.
    #[error(
        "{device}: {queues} receive queues for {workers} workers; each queue needs one worker: \
         configure {queues} workers, or ethtool -L {device} rx {workers}"
    )]
    WorkersDiffer {
        /// The device.
        device: String,
        /// Its receive queues.
        queues: u32,
        /// Workers asked for.
        workers: u16,
    },
    /// More queues than the steering program's maps hold.
    #[error(
        "{device}: {queues} receive queues, at most {MAX_QUEUES} can be used; ethtool -L {device} rx {MAX_QUEUES}"
    )]
    TooManyQueues {
        /// The device.
        device: String,
        /// Its receive queues.
        queues: u32,
    },
    /// `limits.frames` does not give every socket its rings.
    #[error(
        "limits.frames: {frames} is too few for these interfaces and workers; at least {needed}"
    )]
    TooFewFrames {
        /// Frames configured.
        frames: u32,
        /// The least that works.
        needed: u32,
    },
    /// A capability is missing.
    #[error("not permitted to {doing}: {capability} is needed; run as root or grant it")]
    Permission {
        /// What was tried.
        doing: String,
        /// What it takes.
        capability: &'static str,
    },
    /// The kernel was built without something.
    #[error("this kernel cannot {doing}: it lacks {feature}")]
    KernelFeature {
        /// What was tried.
        doing: String,
        /// The configuration option.
        feature: &'static str,
    },
    /// The buffers do not fit the memory limit.
    #[error(
        "cannot pin {bytes} bytes of packet buffers: {source}; raise RLIMIT_MEMLOCK, grant \
         CAP_IPC_LOCK or lower limits.frames"
    )]
    Memory {
        /// Size of the buffers.
        bytes: u64,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The device's driver runs no XDP programs.
    #[error("{device}: device has no native XDP; set mode generic for it")]
    NoNativeXdp {
        /// The device.
        device: String,
    },
    /// Another XDP program is there, or one in the other mode.
    #[error(
        "{device}: XDP program {program} is attached; detach it first: ip link set {device} xdp off"
    )]
    AlreadyAttached {
        /// The device.
        device: String,
        /// The program's id in the kernel, 0 when it does not tell.
        program: u32,
    },
    /// The driver cannot run XDP at these MTUs; on veth the peer's decides.
    #[error("{device}: MTU too large for native XDP (on veth the peer's MTU counts, 3506 at most)")]
    DriverMtu {
        /// The device.
        device: String,
    },
    /// A veth peer may send to queues that this end does not have.
    #[error(
        "{device}: fewer receive queues than its peer has transmit queues; ethtool -L {device} rx N"
    )]
    PeerQueues {
        /// The device.
        device: String,
    },
    /// Zero-copy was asked for.
    #[error("{device}: device has no zero-copy AF_XDP; leave copy mode on")]
    NoZeroCopy {
        /// The device.
        device: String,
    },
    /// Someone else's socket holds the queue.
    #[error(
        "{device}: queue {queue} is still in use by another AF_XDP socket after {waited_ms} ms; stop it first"
    )]
    QueueBusy {
        /// The device.
        device: String,
        /// The queue.
        queue: u32,
        /// How long it was tried.
        waited_ms: u128,
    },
    /// Anything else the kernel says.
    #[error("cannot {doing}: {source}")]
    Kernel {
        /// What was tried.
        doing: String,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl OpenError {
    /// The exit code of `sluice run`: 3 configuration, 4 permission, 5 kernel or device.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::TooFewFrames { .. } | Self::DuplicateDevice { .. } => 3,
            Self::Permission { .. } => 4,
            _ => 5,
        }
    }

    /// Sorts a kernel's refusal into permission, missing feature, or the rest.
    pub(super) fn kernel(doing: String, needs: Needs, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EPERM | Errno::EACCES) => {
                Self::Permission { doing, capability: needs.capability }
            }
            Some(Errno::ENOSYS | Errno::EAFNOSUPPORT) => {
                Self::KernelFeature { doing, feature: needs.feature }
            }
            _ => Self::Kernel { doing, source },
        }
    }
}

/// What a step takes, for its error.
#[derive(Clone, Copy)]
pub(super) struct Needs {
    capability: &'static str,
    feature: &'static str,
}

/// Opening and binding AF_XDP sockets.
pub(super) const SOCKET: Needs =
    Needs { capability: "CAP_NET_RAW", feature: "AF_XDP (CONFIG_XDP_SOCKETS)" };

/// Loading programs and creating maps.
pub(super) const BPF: Needs = Needs {
    capability: "CAP_BPF with CAP_NET_ADMIN (or CAP_SYS_ADMIN)",
    feature: "BPF (CONFIG_BPF_SYSCALL)",
};

/// Attaching a program to a device.
pub(super) const ATTACH: Needs =
    Needs { capability: "CAP_NET_ADMIN", feature: "XDP links (Linux 5.9)" };

/// Asking about devices.
pub(super) const DEVICE: Needs = Needs { capability: "CAP_NET_ADMIN", feature: "netlink" };
