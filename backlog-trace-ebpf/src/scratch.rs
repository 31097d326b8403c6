//! What one program leaves in map memory for the next program on the same CPU: the
//! program on the way into a function for the one on its way out, that on one
//! tracepoint for that on another. There is one value per CPU. How the values
//! are used is told by the files that use them.

use backlog_trace_common::detail::Detail;

/// A half-open request that tcp_req_err() may be about to abort.
#[repr(C)]
pub struct Aborting {
    /// The record that is sent if the request is aborted. Its `listener` is 0
    /// where the listener has no row.
    pub detail: Detail,
    /// Slot of the request's namespace plus one; 0 where the namespace is not
    /// judged.
    pub slot: u64,
}

/// A half-open request whose timer handler runs on this CPU.
#[repr(C)]
pub struct Expiring {
    /// The record that is sent if the request is given up.
    pub detail: Detail,
    /// Address of the request; 0 where none is watched.
    pub request: u64,
    /// Where TCPMigrateReqSuccess of this CPU stood on the way in.
    pub migrated: u64,
    /// The byte that holds `num_timeout`, as it was on the way in.
    pub timeouts: u8,
    /// 1 where the request's listener still listened on the way in.
    pub listening: u8,
    /// Keeps the size a multiple of eight.
    pub reserved: [u8; 6],
}

/// Frames of [`Calls`]: more than hooked functions nest. An IPv6 wrapper calls the
/// IPv4 one, and an inline redirect (up to 6.1) can put the handling of a final
/// ACK inside that of a SYN.
pub const DEPTH: usize = 4;

/// A call of a hooked function that kprobes saw begin.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Call {
    /// Which function, by the number that `kprobes/calls.rs` gives it.
    pub function: u64,
    /// The stack pointer when the call began.
    pub stack: u64,
    /// Address of the listener or of the half-open request that the call is about.
    pub sk: u64,
    /// Address of the packet.
    pub skb: u64,
    /// Address of the half-open request, where it is a further argument.
    pub req: u64,
    /// Where tcp_check_req() says that another CPU took the request away.
    pub stolen: u64,
}

/// The calls of one CPU that have begun and not returned, each inside the one
/// before it.
#[repr(C)]
pub struct Calls {
    /// How many frames are in use.
    pub depth: u64,
    /// The calls, outermost first.
    pub frames: [Call; DEPTH],
}

/// A TCP segment, and the listener that it was for, as far as the search for the
/// listener has come.
///
/// A segment is kept in map memory, of whose contents the verifier keeps no track. On
/// the stack, each way to fill it in (IPv4 or IPv6, queued or not) would be
/// another state, and the verifier would go through everything that follows
/// once for each.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Segment {
    /// Address of the segment's `struct net`.
    pub net: u64,
    /// Address of this host: IPv4 in the first word, network order.
    pub local: [u32; 4],
    /// Address of the client.
    pub remote: [u32; 4],
    /// Port of this host, host order.
    pub local_port: u32,
    /// Port of the client.
    pub remote_port: u32,
    /// 1 for IPv6.
    pub ipv6: u32,
    /// 1 where `local` is a broadcast, multicast or anycast address.
    pub not_unicast: u32,
    /// Index of the interface that the packet came in by.
    pub device: u32,
    /// Keeps what follows aligned without hidden padding.
    pub reserved: u32,
    /// Address of the listener; 0 where none was found.
    pub listener: u64,
    /// Address of the listener's group (`struct sock_reuseport`), where the
    /// segment may have been for any member of it; 0 otherwise.
    pub group: u64,
    /// How well `listener` matches: the higher of two scores wins.
    pub score: u64,
    /// 1 where the SYN has been queued: then its request says what the listener
    /// is, and no search is needed.
    pub queued: u64,
}

/// The half-open request that a CPU queued last.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Queued {
    /// Address of the request's listener; 0 where no request was queued since the
    /// last SYN. For a moment it holds the request's timer instead.
    pub listener: u64,
    /// The client's address: IPv4 in the first word.
    pub address: [u32; 4],
    /// The client's port, host order.
    pub port: u32,
    /// Keeps the size a multiple of eight.
    pub reserved: u32,
}

/// What the first of two twin programs has judged: see [`crate::tracepoints::twin`].
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Judged {
    /// Address of the packet or socket.
    pub what: u64,
    /// What tells it from the next one at that address.
    pub content: u64,
    /// When it was judged (`CLOCK_MONOTONIC`, ns).
    pub time: u64,
}
