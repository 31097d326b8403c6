//! What a program leaves for the next one on the same CPU: from the way in to a
//! function for its way out, from one packet's tracepoint to another. One value
//! per CPU, in map memory. What they mean is told where they are used.

use backlog_trace_common::detail::Detail;

/// A request that is about to be aborted.
#[repr(C)]
pub struct Aborting {
    /// What is told if it is; no listener: that one has no row.
    pub detail: Detail,
    /// Slot of its namespace plus one; 0: it is not judged.
    pub slot: u64,
}

/// A request whose timer handler runs on this CPU.
#[repr(C)]
pub struct Expiring {
    /// What is told if it is given up.
    pub detail: Detail,
    /// The request; 0: none.
    pub request: u64,
    /// TCPMigrateReqSuccess of this CPU on the way in.
    pub migrated: u64,
    /// The byte that holds num_timeout, on the way in.
    pub timeouts: u8,
    /// Whether its listener still listened on the way in.
    pub listening: u8,
    pub reserved: [u8; 6],
}

/// Frames of [`Calls`]. Deeper than functions can nest: an IPv6 wrapper calls the IPv4
/// one, and an inline redirect (up to 6.1) can put a final ACK inside a SYN.
pub const DEPTH: usize = 4;

/// One call.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Call {
    pub function: u64,
    /// rsp when it began.
    pub stack: u64,
    /// The listener, or the request that the call is about.
    pub sk: u64,
    /// The packet.
    pub skb: u64,
    /// tcp_check_req()'s request, and where it says that another CPU was faster.
    pub req: u64,
    pub stolen: u64,
}

/// The calls of one CPU.
#[repr(C)]
pub struct Calls {
    pub depth: u64,
    pub frames: [Call; DEPTH],
}

/// A TCP segment, and the listener that is looked for.
///
/// It is kept in map memory, whose contents the verifier does not tell apart:
/// on the stack, each way to fill it in would be another state to go through
/// everything that follows with.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Segment {
    /// Address of its `struct net`.
    pub net: u64,
    /// Our address: IPv4 in the first word, network order.
    pub local: [u32; 4],
    /// The client's.
    pub remote: [u32; 4],
    /// Our port, host order.
    pub local_port: u32,
    /// The client's.
    pub remote_port: u32,
    /// 1 for IPv6.
    pub ipv6: u32,
    /// 1 where our address is not unicast.
    pub not_unicast: u32,
    /// Interface that the packet came in by.
    pub device: u32,
    pub reserved: u32,
    /// The listener; 0: none was found.
    pub listener: u64,
    /// Its group (`struct sock_reuseport`), where it may be any member of it.
    pub group: u64,
    /// How well it matches.
    pub score: u64,
    /// 1: the SYN has been queued, which says what its listener is.
    pub queued: u64,
}

/// The request that a CPU queued last.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Queued {
    /// Its timer while it is taken apart, then its listener; 0: none.
    pub listener: u64,
    /// Its client's address: IPv4 in the first word.
    pub address: [u32; 4],
    /// Its client's port, host order.
    pub port: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// What the first twin has judged.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Judged {
    pub what: u64,
    pub content: u64,
    pub time: u64,
}
