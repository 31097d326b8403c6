//! What user space looked up about the running kernel, as read-only globals: on
//! 6.12, `OFF_SK_ACK_BACKLOG` is 604.
//!
//! The verifier sees their values as constants, so it knows which member of
//! which structure a load reaches, and removes code behind a flag that is 0. The
//! table in `kernel/layout/table.rs` of user space fills them in from BTF; a name
//! that exists on one side only is an error at load time. A fact that the kernel
//! does not have is [`ABSENT`].

use aya_ebpf::Global;
use backlog_trace_common::globals::{ABSENT, Extent};

macro_rules! globals {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub static $name: Global<u32> = Global::new(ABSENT);)*
    };
}

globals! {
    /// struct sock.
    OFF_SK_ACK_BACKLOG;
    OFF_SK_MAX_ACK_BACKLOG;
    OFF_SK_DROPS;
    OFF_SK_PROTOCOL;
    /// What shutdown() and close() have shut.
    OFF_SK_SHUTDOWN;
    OFF_SK_SOCKET;
    /// 6.18 and later: the inode's number is in the socket itself.
    OFF_SK_INO;
    OFF_SOCKET_FILE;
    OFF_FILE_INODE;
    OFF_INODE_INO;
    /// struct sock_common.
    OFF_SKC_NET;
    OFF_SKC_COOKIE;
    OFF_SKC_LISTENER;
    OFF_SKC_FAMILY;
    OFF_SKC_STATE;
    OFF_SKC_REUSEPORT;
    SHIFT_SKC_REUSEPORT;
    OFF_SKC_NUM;
    OFF_SKC_DPORT;
    OFF_SKC_DADDR;
    OFF_SKC_RCV_SADDR;
    OFF_SKC_V6_DADDR;
    OFF_SKC_V6_RCV_SADDR;
    /// 0 once a request has been taken out of the hash table.
    OFF_SKC_NODE_PPREV;
    /// struct inet_connection_sock.
    OFF_ACCEPT_QUEUE_HEAD;
    OFF_ACCEPT_QUEUE_QLEN;
    OFF_SYNFLOOD_WARNED;
    /// 4 up to 6.12, 1 from 6.18.
    SIZE_SYNFLOOD_WARNED;
    OFF_DEFER_ACCEPT;
    /// What the TCP_FASTOPEN option allows; 0: no Fast Open.
    OFF_FASTOPEN_MAX_QLEN;
    /// struct request_sock and struct inet_request_sock.
    OFF_REQ_NEXT;
    OFF_REQ_SK;
    OFF_REQ_NUM_RETRANS;
    /// The byte that holds num_timeout.
    OFF_REQ_NUM_TIMEOUT;
    OFF_REQ_TIMER;
    /// 0 while the request's timer handler runs.
    OFF_REQ_TIMER_PPREV;
    OFF_IREQ_ACKED;
    SHIFT_IREQ_ACKED;
    /// struct tcp_sock: the time when the connection was made, until the
    /// application's first reads after accept() move it.
    OFF_RCVQ_TIME;
    /// struct mptcp_sock.
    OFF_MPTCP_FIRST;
    /// struct sock: the reuseport group that the socket is a member of, and what
    /// the search for a listener compares.
    OFF_SK_REUSEPORT_CB;
    OFF_SKC_INCOMING_CPU;
    OFF_SKC_BOUND_DEV;
    OFF_SKC_IPV6ONLY;
    SHIFT_SKC_IPV6ONLY;
    /// struct sock_reuseport.
    OFF_REUSE_NUM;
    OFF_REUSE_SOCKS;
    /// The kernel's table of listeners, by address and port.
    OFF_NET_HASHINFO;
    OFF_HASHINFO_LHASH2;
    OFF_HASHINFO_LHASH2_MASK;
    OFF_BUCKET_HEAD;
    BYTES_BUCKET;
    /// How a listener is linked into that table: by the node of sock_common since
    /// 6.1, by a node of its own in 5.10.
    OFF_SKC_NULLS_NODE;
    OFF_LISTEN_NODE;
    /// struct timer_list.
    OFF_TIMER_FUNCTION;
    /// struct dst_entry and struct net_device.
    OFF_DST_DEV;
    OFF_DEV_NET;
    /// struct net.
    OFF_NET_MIB;
    OFF_NET_INUM;
    OFF_NET_COOKIE;
    OFF_NET_HASH_MIX;
    OFF_SYSCTL_SYNCOOKIES;
    OFF_SYSCTL_MAX_SYN_BACKLOG;
    OFF_SYSCTL_MIGRATE_REQ;
    OFF_SYSCTL_ABORT_ON_OVERFLOW;
    /// struct sk_buff.
    OFF_SKB_HEAD;
    OFF_SKB_END;
    OFF_SKB_DATA;
    OFF_SKB_NETWORK;
    OFF_SKB_PROTOCOL;
    OFF_SKB_TRANSPORT;
    /// The route that the packet took, with a flag in its lowest bit.
    OFF_SKB_REFDST;
    OFF_SKB_IIF;
    OFF_SHINFO_GSO_SEGS;
    OFF_RTABLE_FLAGS;
    /// Absent where the kernel has no IPv6.
    OFF_RT6_FLAGS;
    /// struct tcp_skb_cb, in skb->cb.
    OFF_SKB_CB;
    OFF_CB_SEQ;
    OFF_CB_END_SEQ;
    OFF_CB_FLAGS;
    /// struct bpf_array.
    OFF_ARRAY_PPTRS;
    /// Indexes into struct linux_mib.
    MIB_LISTENOVERFLOWS;
    MIB_LISTENDROPS;
    MIB_FULLDROP;
    MIB_DOCOOKIES;
    MIB_COOKIESSENT;
    MIB_COOKIESFAILED;
    MIB_EMBRYONICRSTS;
    MIB_SYNRETRANS;
    MIB_FASTOPENPASSIVE;
    MIB_FASTOPENPASSIVEFAIL;
    MIB_FASTOPENLISTENOVERFLOW;
    /// Absent before 5.14: half-open requests cannot move.
    MIB_MIGRATEREQSUCCESS;
    MIB_COOKIESRECV;
    /// Why a packet whose checksum is wrong is dropped; 6.1 and later.
    DROP_TCP_CSUM;
    /// Argument counts: where a fexit program finds the return value.
    ARGS_CHECK_REQ;
    ARGS_ACCEPT;
    ARGS_LISTEN_START;
    ARGS_REQSK_ALLOC;
    ARGS_ROUTE_REQ_V6;
    /// Absent where the function returns nothing.
    ARGS_HASH_ADD;
    /// 1 where the hooks of [`crate::hooks::causes`] are to be attached.
    CAUSES;
    /// 1 where the machine is arm64, 0 where it is x86-64: whose registers kprobes read.
    ARM64;
    /// Possible CPUs.
    CPUS;
    /// How many namespaces there is room for.
    NETNS_ROOM;
    /// Places in the array of rows minus one: what of a key picks its place.
    ROW_MASK;
}

macro_rules! extents {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])* #[unsafe(no_mangle)] pub static $name: Global<Extent> = Global::new(Extent::UNKNOWN);)*
    };
}

// User space reads them from /proc/kallsyms: `probe/extents.rs` has the same names.
extents! {
    AT_RCV_STATE_PROCESS;
    AT_V4_RCV;
    AT_V6_RCV;
    AT_V4_DO_RCV;
    AT_V6_DO_RCV;
    AT_COOKIE_V4_CHECK;
    AT_COOKIE_V6_CHECK;
    AT_ICMP_RCV;
    AT_ICMPV6_RCV;
    AT_REQSK_TIMER;
}
