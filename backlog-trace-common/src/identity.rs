//! Which socket a key stands for, as the kernel side saw it first.

/// A listener, recorded when the kernel side first met it: enough to name it
/// after it has closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)
)]
pub struct Identity {
    /// `skc_cookie`; 0 where nobody had asked for it yet.
    pub cookie: u64,
    /// Socket inode; 0 for a kernel-owned socket.
    pub inode: u64,
    /// When it was met (`CLOCK_MONOTONIC`, ns).
    pub time: u64,
    /// cgroup id of the task that called listen(); 0 unless met at listen().
    pub cgroup: u64,
    /// Bound address: IPv4 in the first four bytes, network order.
    pub address: [u8; 16],
    /// Network namespace's inode number.
    pub netns: u32,
    /// Process that called listen(); 0 unless met at listen().
    pub pid: u32,
    /// `sk_drops` when it was met.
    pub drops: u32,
    /// `sk_max_ack_backlog` when it was met.
    pub limit: u32,
    /// Local port, host order.
    pub port: u16,
    /// Address family of the socket ([`crate::family`]).
    pub family: u16,
    /// Name of the process that called listen(), NUL-padded: untrusted bytes.
    pub comm: [u8; 16],
    /// `sk_drops` when it closed.
    pub closed_drops: u32,
    /// Accept queue length when it was met.
    pub accept_queue: u32,
    /// 1 where its half-open requests may have moved to another member of its
    /// reuseport group when it closed, and are looked at one by one.
    pub migrates: u32,
    /// When it closed (`CLOCK_MONOTONIC`, ns); 0 while it is open.
    pub closed: u64,
    /// Connections not yet accepted when it closed.
    pub closed_accept_queue: u32,
    /// Half-open requests when it closed.
    pub closed_syn_queue: u32,
    /// The thread that is closing it (`bpf_get_current_pid_tgid()`); 0: none.
    pub closing: u64,
    /// Connections that were reset unaccepted because it closed.
    pub lost_unaccepted: u32,
    /// Half-open requests that were abandoned because it closed.
    pub lost_half_open: u32,
    /// Connections that were in its accept queue each time that it closed: it
    /// can have listened again. They were reset, or moved to another member of
    /// its group.
    pub left_unaccepted: u32,
    /// Slot of its namespace plus one; 0: none was known when it was met.
    pub netns_slot: u32,
    /// Finished connections that it took over from another member of its
    /// group, which closed (reuseport_migrate_sock(), 5.14 and later).
    pub taken_over: u64,
    /// Of a member of a group on the tracepoint rung: what has been charged to
    /// it of what was added to `sk_drops` since it was met.
    pub charged: u64,
    /// What its namespace is known by among the slots.
    pub namespace: u64,
    /// 1 where a packet or an accept() met it: `drops` holds what that packet
    /// added, and does not tell where the counting of it began.
    pub met_by_packet: u32,
    /// 1 where it closed for good; 0 where it was shut, and may listen again.
    pub is_gone: u32,
}

const _: () = assert!(size_of::<Identity>() == 168);
