//! The system calls the driver makes beside those of libxdp, one function each.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{MsgFlags, recv, send};

use super::CopyMode;

/// `XDP_MAX_TX_SKB_BUDGET` of `linux/if_xdp.h`, Linux 6.17: packets one `sendto` takes in copy mode.
const XDP_MAX_TX_SKB_BUDGET: libc::c_int = 9;

/// Tells the kernel to send what is in the transmit ring.
pub(super) fn kick(socket: RawFd) -> Result<(), Errno> {
    send(socket, &[], MsgFlags::MSG_DONTWAIT).map(drop)
}

/// Tells the kernel that the fill ring has buffers again.
pub(super) fn wake_receive(socket: RawFd) -> Result<(), Errno> {
    recv(socket, &mut [], MsgFlags::MSG_DONTWAIT).map(drop)
}

/// Blocks until a socket has something to receive, or the time is over. Whether there is something.
pub(super) fn wait(sockets: &mut [libc::pollfd], timeout: Duration) -> bool {
    let count = libc::nfds_t::try_from(sockets.len()).unwrap_or(0);
    let timeout = libc::c_int::try_from(timeout.as_millis()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the pointer and the count are those of one slice, which the kernel writes `revents` of.
    let ready = unsafe { libc::poll(sockets.as_mut_ptr(), count, timeout) };
    ready > 0
}

/// Sets an integer option of a socket.
fn set_option(
    socket: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(0);
    // SAFETY: the pointer and length are those of one integer on this frame of the stack; the kernel
    // only reads it.
    let result =
        unsafe { libc::setsockopt(socket, level, name, std::ptr::from_ref(&value).cast(), length) };
    Errno::result(result).map(drop)
}

/// Raises what one `sendto` takes in copy mode. Fails before Linux 6.17, where it is 32.
pub(super) fn set_transmit_budget(socket: RawFd, packets: u32) -> Result<(), Errno> {
    let packets = libc::c_int::try_from(packets).unwrap_or(libc::c_int::MAX);
    set_option(socket, libc::SOL_XDP, XDP_MAX_TX_SKB_BUDGET, packets)
}

/// Raises the bytes that may be on their way in copy mode; above the system's limit with
/// `CAP_NET_ADMIN` only.
pub(super) fn set_send_buffer(socket: RawFd, bytes: u32) -> Result<(), Errno> {
    let bytes = libc::c_int::try_from(bytes).unwrap_or(libc::c_int::MAX);
    set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, bytes)
        .or_else(|_| set_option(socket, libc::SOL_SOCKET, libc::SO_SNDBUF, bytes))
}

/// Reads an option of a socket into `value`, which the kernel may fill in part.
fn get_option<T>(socket: RawFd, name: libc::c_int, value: &mut T) -> io::Result<()> {
    let mut length = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let pointer = std::ptr::from_mut(value).cast();
    // SAFETY: the pointer and length are those of `value`, which both callers give as a C structure of
    // integers: any bytes the kernel writes are a value of it.
    let result = unsafe { libc::getsockopt(socket, libc::SOL_XDP, name, pointer, &raw mut length) };
    Ok(Errno::result(result).map(drop)?)
}

/// Whether the kernel copies packets on this socket; known once it is bound.
pub(super) fn copy_mode(socket: BorrowedFd<'_>) -> io::Result<CopyMode> {
    let mut options = libc::xdp_options { flags: 0 };
    get_option(socket.as_raw_fd(), libc::XDP_OPTIONS, &mut options)?;
    let zero_copy = options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0;
    Ok(if zero_copy { CopyMode::ZeroCopy } else { CopyMode::Copy })
}

/// The kernel's own counters of one socket, `XDP_STATISTICS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct XskStatistics {
    /// Steered to the socket and dropped: no buffer in the fill ring, or the frame was too long.
    pub rx_dropped: u64,
    /// Buffers of ours the kernel would not take; always 0.
    pub rx_invalid_descs: u64,
    /// Frames of ours the kernel would not send; always 0.
    pub tx_invalid_descs: u64,
    /// Steered to the socket and dropped: the worker was too slow.
    pub rx_ring_full: u64,
    /// Times the kernel found the fill ring empty.
    pub rx_fill_ring_empty: u64,
    /// Times the kernel found nothing to send.
    pub tx_ring_empty: u64,
}

impl XskStatistics {
    /// Steered to the socket and dropped by the kernel.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.rx_dropped + self.rx_ring_full
    }
}

/// Reads the kernel's counters of a socket.
pub(super) fn statistics(socket: BorrowedFd<'_>) -> io::Result<XskStatistics> {
    let mut raw = [0u64; 6];
    get_option(socket.as_raw_fd(), libc::XDP_STATISTICS, &mut raw)?;
    let [rx_dropped, rx_invalid_descs, tx_invalid_descs, rx_ring_full, rx_empty, tx_empty] = raw;
    Ok(XskStatistics {
        rx_dropped,
        rx_invalid_descs,
        tx_invalid_descs,
        rx_ring_full,
        rx_fill_ring_empty: rx_empty,
        tx_ring_empty: tx_empty,
    })
}

/// `struct ethtool_channels` of `linux/ethtool.h`.
#[repr(C)]
#[derive(Default)]
struct EthtoolChannels {
    command: u32,
    max_rx: u32,
    max_tx: u32,
    max_other: u32,
    max_combined: u32,
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

/// `ETHTOOL_GCHANNELS`.
const GET_CHANNELS: u32 = 0x3c;

/// The receive queues a device uses now. `IFLA_NUM_RX_QUEUES` does not tell: it counts those allocated,
/// on veth one for each CPU, while one is used. A driver that does not know channels has one queue.
pub(super) fn receive_queues(device: &str) -> Result<u32, Errno> {
    let mut channels = EthtoolChannels { command: GET_CHANNELS, ..Default::default() };
    let mut name: [libc::c_char; libc::IFNAMSIZ] = [0; libc::IFNAMSIZ];
    if device.len() >= name.len() {
        return Err(Errno::ENODEV);
    }
    for (to, from) in name.iter_mut().zip(device.bytes()) {
        *to = libc::c_char::from_ne_bytes([from]);
    }
    let data = std::ptr::from_mut(&mut channels).cast();
    let mut request =
        libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: data } };
    let socket = UnixDatagram::unbound()
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))?;
    // SAFETY: SIOCETHTOOL reads `request` and writes a `struct ethtool_channels` where `ifru_data`
    // points; both live on this frame of the stack.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, &raw mut request) };
    match Errno::result(result) {
        Ok(_) => Ok((channels.rx + channels.combined).max(1)),
        Err(Errno::EOPNOTSUPP) => Ok(1),
        Err(errno) => Err(errno),
    }
}
