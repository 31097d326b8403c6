//! Which socket a listener's key stands for: what the kernel side wrote down
//! when it first met the listener, and how it closed.

/// A listener, recorded when the kernel side first met it (by listen(), a walk
/// or a packet): enough for user space to name it after it has closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Identity {
    /// `skc_cookie`; 0 where nobody had asked the kernel for the cookie yet.
    pub cookie: u64,
    /// Socket inode; 0 for a kernel-owned socket.
    pub inode: u64,
    /// When the listener was met (`CLOCK_MONOTONIC`, ns).
    pub time: u64,
    /// cgroup id of the task that called listen(); 0 unless the listen hook met
    /// the listener.
    pub cgroup: u64,
    /// Bound address: IPv4 in the first four bytes, network order.
    pub address: [u8; 16],
    /// Network namespace's inode number.
    pub netns: u32,
    /// Process that called listen(); 0 unless the listen hook met the listener.
    pub pid: u32,
    /// `sk_drops` when the listener was met.
    pub drops: u32,
    /// `sk_max_ack_backlog`, the limit of both queues, when the listener was met.
    pub limit: u32,
    /// Local port, host order.
    pub port: u16,
    /// Address family of the socket ([`crate::family`]).
    pub family: u16,
    /// Name of the process that called listen(), NUL-padded: untrusted bytes.
    pub comm: [u8; 16],
    /// `sk_drops` when the listener closed.
    pub closed_drops: u32,
    /// Accept queue length when the listener was met.
    pub accept_queue: u32,
    /// 1 where half-open requests may have moved to another member of the
    /// reuseport group when the listener closed: then the timer's hook looks at
    /// each of them.
    pub migrates: u32,
    /// When the listener closed (`CLOCK_MONOTONIC`, ns); 0 while it is open.
    pub closed: u64,
    /// Accept queue length when the listener closed.
    pub closed_accept_queue: u32,
    /// Half-open requests when the listener closed.
    pub closed_syn_queue: u32,
    /// The thread that is closing the listener (`bpf_get_current_pid_tgid()`);
    /// 0 where no thread is.
    pub closing: u64,
    /// Connections that were reset unaccepted because the listener closed.
    pub lost_unaccepted: u32,
    /// Half-open requests that were abandoned because the listener closed.
    pub lost_half_open: u32,
    /// Connections in the accept queue when the listener closed, added up over
    /// each time that it did: a socket that was shut can listen again. The
    /// connections were reset, or moved to another member of the group.
    pub left_unaccepted: u32,
    /// Slot of the listener's namespace plus one; 0 where the namespace had no
    /// slot when the listener was met.
    pub netns_slot: u32,
    /// Finished connections that the listener took over from a member of its
    /// group that closed (reuseport_migrate_sock(), 5.14 and later).
    pub taken_over: u64,
    /// On the tracepoint rung, of a member of a reuseport group: how much of
    /// what `sk_drops` grew by since the listener was met has been charged to it.
    pub charged: u64,
    /// The key of the listener's namespace in the table of slots: its cookie, or
    /// what stands for one in 5.10.
    pub namespace: u64,
    /// 1 where a packet or an accept() met the listener. Then `drops` includes
    /// what that packet added, and is not where the counting of `sk_drops` began.
    pub met_by_packet: u32,
    /// 1 where the listener closed for good; 0 where it was shut by shutdown() and
    /// may listen again.
    pub is_gone: u32,
}

const _: () = assert!(size_of::<Identity>() == 168);
