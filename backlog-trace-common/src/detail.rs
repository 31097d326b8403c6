//! Details plane: one record of the ring buffer.
//!
//! The layout is part of the recording format (little-endian, no padding).

/// What a record tells of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// A packet met the reason in [`Detail::reason`].
    Reason = 0,
    /// A handshake finished on a port that lost connections lately: user space
    /// sees by it which of the refused clients retried and got in.
    Established = 1,
    /// listen() succeeded on the socket.
    Opened = 2,
    /// The listener closed.
    Closed = 3,
}

/// What the client was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Outcome {
    /// Does not apply.
    None = 0,
    /// Nothing was sent: the client waits and sends its packet again.
    Silent = 1,
    /// A RST was sent.
    Reset = 2,
}

/// Why a SYN+ACK had to be sent again, or a request was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Cause {
    /// Does not apply.
    None = 0,
    /// The client never answered our SYN+ACK.
    ClientSilent = 1,
    /// The client's final ACK came, and the kernel dropped it.
    AckRefused = 2,
    /// The client sent its SYN again.
    DuplicateSyn = 3,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Detail {
    /// `CLOCK_MONOTONIC`, ns.
    pub time: u64,
    /// The listener's key ([`crate::key::ListenerKey`]).
    pub listener: u64,
    /// The client's address: IPv4 in the first four bytes, network order.
    pub peer: [u8; 16],
    /// Network namespace's inode number.
    pub netns: u32,
    /// Accept queue length.
    pub accept_queue: u32,
    /// SYN queue length.
    pub syn_queue: u32,
    /// Limit of both queues.
    pub limit: u32,
    /// The client's port, host order.
    pub peer_port: u16,
    /// The listener's port, host order.
    pub port: u16,
    /// A [`Kind`].
    pub kind: u8,
    /// A [`crate::reason::Reason`], where `kind` is [`Kind::Reason`].
    pub reason: u8,
    /// An [`Outcome`].
    pub outcome: u8,
    /// A [`Cause`].
    pub cause: u8,
    /// Which retransmit of the SYN+ACK: 1 for the first.
    pub attempt: u8,
    /// Address family of `peer` ([`crate::family`]); 0 where the client is not known.
    pub family: u8,
    /// The CPU that wrote the record: records of the same nanosecond are put in
    /// order by it.
    pub cpu: u16,
    /// Bytes of data in a final ACK that was refused: what the client sent
    /// because it believes that it is connected. 65,535 stands for that many or
    /// more.
    pub payload: u16,
    /// How many more packets like this one the record stands for. Always 0 from
    /// the kernel side; where counters are polled, one record of 5 losses has 4.
    pub more: u16,
}

const _: () = assert!(size_of::<Detail>() == 64);

impl Kind {
    /// The kind of a number found in a record.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Reason),
            1 => Some(Self::Established),
            2 => Some(Self::Opened),
            3 => Some(Self::Closed),
            _ => None,
        }
    }
}

impl Outcome {
    /// The outcome of a number found in a record; [`Self::None`] where nobody knows it.
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::Silent,
            2 => Self::Reset,
            _ => Self::None,
        }
    }

    /// As printed and as in JSON; `None` where it does not apply.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Silent => Some("silent"),
            Self::Reset => Some("reset"),
            Self::None => None,
        }
    }
}

impl Cause {
    /// The cause of a number found in a record; [`Self::None`] where nobody knows it.
    pub const fn from_number(number: u8) -> Self {
        match number {
            1 => Self::ClientSilent,
            2 => Self::AckRefused,
            3 => Self::DuplicateSyn,
            _ => Self::None,
        }
    }

    /// As printed and as in JSON; `None` where it does not apply.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::ClientSilent => Some("client_silent"),
            Self::AckRefused => Some("ack_refused"),
            Self::DuplicateSyn => Some("duplicate_syn"),
            Self::None => None,
        }
    }
}
