//! A TCP segment as the tracker sees it, and the flag combinations that end hosts send.

/// The flag bits of a TCP header: the twelve bits beside the data offset, reserved ones included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: Self = Self(1);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(1 << 1);
    /// Reset the connection.
    pub const RST: Self = Self(1 << 2);
    /// Push.
    pub const PSH: Self = Self(1 << 3);
    /// The acknowledgement field is significant.
    pub const ACK: Self = Self(1 << 4);
    /// The urgent pointer is significant.
    pub const URG: Self = Self(1 << 5);

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These flags and `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a correct end host sends such a combination. PSH, the three ECN bits and the three
    /// reserved ones say nothing about a connection and are let alone (RFC 9293 section 3.1 has
    /// receivers ignore reserved bits). A segment is then a SYN, a SYN-ACK, a reset, or something with
    /// an acknowledgement; FIN goes with an acknowledgement only and with no other; resets and answers
    /// to a SYN have nothing urgent.
    #[must_use]
    pub const fn is_legal(self) -> bool {
        const LEGAL: [TcpFlags; 9] = [
            TcpFlags::SYN,
            TcpFlags::SYN.with(TcpFlags::URG),
            TcpFlags::SYN.with(TcpFlags::ACK),
            TcpFlags::RST,
            TcpFlags::RST.with(TcpFlags::ACK),
            TcpFlags::ACK,
            TcpFlags::ACK.with(TcpFlags::URG),
            TcpFlags::ACK.with(TcpFlags::FIN),
            TcpFlags::ACK.with(TcpFlags::FIN).with(TcpFlags::URG),
        ];
        // One bit for each of the 32 combinations of the five flags that matter.
        const SET: u64 = {
            let mut set = 0;
            let mut next = 0;
            while next < LEGAL.len() {
                set |= 1 << LEGAL[next].0;
                next += 1;
            }
            set
        };
        const MATTER: u16 = 0b11_0111;
        SET >> (self.0 & MATTER) & 1 == 1
    }
}

/// What the options of a SYN say that the tracker needs. Other segments' options say nothing to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SynOptions {
    /// The shift of the window scale option (RFC 7323 section 2.2), as sent.
    pub window_scale: Option<u8>,
}

/// A TCP segment, in host order, as the parser found it: the header is whole, the length is that of the
/// data in the IP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Segment {
    /// The flag bits.
    pub flags: TcpFlags,
    /// The sequence number.
    pub seq: u32,
    /// The acknowledgement number, whatever it holds where ACK is not set.
    pub ack: u32,
    /// The window field, not scaled.
    pub window: u16,
    /// Bytes of data.
    pub payload_len: u32,
    /// Options, read where SYN is set.
    pub options: SynOptions,
}

impl Segment {
    pub(super) const fn is(&self, flags: TcpFlags) -> bool {
        self.flags.contains(flags)
    }

    /// Whether the segment presumes a connection that is open: it has data or ends the sender's.
    pub(super) const fn presumes_open(&self) -> bool {
        self.payload_len > 0 || self.is(TcpFlags::FIN)
    }

    /// One past the last sequence number the segment takes up.
    pub(super) fn end(&self) -> u32 {
        let control = u32::from(self.is(TcpFlags::SYN)) + u32::from(self.is(TcpFlags::FIN));
        self.seq.wrapping_add(self.payload_len).wrapping_add(control)
    }
}
