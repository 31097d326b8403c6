//! The table. What only one rung reads is optional: its hooks say so where a
//! kernel lacks it (`probe/needs.rs`). To add a fact: one row here, one `Global<u32>` of the same name
//! on the kernel side.
//!
//! Offsets are `OFF_`, sizes that differ between kernels `SIZE_`, bitfields
//! `OFF_` (of the byte), `SHIFT_` and `WIDTH_`, enumerators `MIB_`, parameter
//! counts `ARGS_`.

use super::row::{Fact, Need, Row};

const POINTER: &[u32] = &[8];
/// A counter or number that is an int in some kernels and a byte in others.
const BYTE_OR_WORD: &[u32] = &[1, 4];

const fn required(global: &'static str, fact: Fact) -> Row {
    Row { global, fact, need: Need::Required }
}

const fn offset(
    global: &'static str,
    structure: &'static str,
    path: &'static str,
    sizes: &'static [u32],
) -> Row {
    required(global, Fact::Offset { structure, path, sizes })
}

const fn size(
    global: &'static str,
    structure: &'static str,
    path: &'static str,
    sizes: &'static [u32],
) -> Row {
    required(global, Fact::Size { structure, path, sizes })
}

const fn byte(global: &'static str, structure: &'static str, path: &'static str) -> Row {
    required(global, Fact::BitByte { structure, path })
}

const fn shift(global: &'static str, structure: &'static str, path: &'static str) -> Row {
    required(global, Fact::BitShift { structure, path })
}

const fn mib(global: &'static str, enumerator: &'static str) -> Row {
    required(global, Fact::Enumerator(enumerator))
}

/// A function that a kernel lacks is a hook less, which the ladder reports.
const fn args(global: &'static str, function: &'static str) -> Row {
    required(global, Fact::Params(function)).optional()
}

/// Every fact that the kernel side reads.
pub const TABLE: &[Row] = &[
    // The listener.
    offset("OFF_SK_ACK_BACKLOG", "sock", "sk_ack_backlog", &[4]),
    offset("OFF_SK_MAX_ACK_BACKLOG", "sock", "sk_max_ack_backlog", &[4]),
    offset("OFF_SK_DROPS", "sock", "sk_drops.counter", &[4]),
    // A whole member since 5.6.
    offset("OFF_SK_PROTOCOL", "sock", "sk_protocol", &[2]),
    offset("OFF_SK_SHUTDOWN", "sock", "sk_shutdown", &[1]),
    offset("OFF_SK_SOCKET", "sock", "sk_socket", POINTER),
    // Since 6.18; before it the inode is reached through sk_socket.
    offset("OFF_SK_INO", "sock", "sk_ino", &[8]).optional(),
    offset("OFF_SOCKET_FILE", "socket", "file", POINTER),
    offset("OFF_FILE_INODE", "file", "f_inode", POINTER),
    offset("OFF_INODE_INO", "inode", "i_ino", &[8]),
    // Of a group that shares a port (SO_REUSEPORT).
    offset("OFF_SK_REUSEPORT_CB", "sock", "sk_reuseport_cb", POINTER).optional(),
    offset("OFF_REUSE_NUM", "sock_reuseport", "num_socks", &[2]).optional(),
    // A flexible array.
    offset("OFF_REUSE_SOCKS", "sock_reuseport", "socks", &[0]).optional(),
    offset("OFF_SKC_INCOMING_CPU", "sock_common", "skc_incoming_cpu", &[4]).optional(),
    // The kernel's table of listeners by address and port.
    offset("OFF_NET_HASHINFO", "net", "ipv4.tcp_death_row.hashinfo", POINTER).optional(),
    offset("OFF_HASHINFO_LHASH2", "inet_hashinfo", "lhash2", POINTER).optional(),
    offset("OFF_HASHINFO_LHASH2_MASK", "inet_hashinfo", "lhash2_mask", &[4]).optional(),
    offset("OFF_BUCKET_HEAD", "inet_listen_hashbucket", "nulls_head.first", POINTER).optional(),
    required("BYTES_BUCKET", Fact::Bytes("inet_listen_hashbucket")).optional(),
    offset("OFF_SKC_NULLS_NODE", "sock_common", "skc_nulls_node.next", POINTER).optional(),
    // Up to 5.18 a listener is linked into that table by a node of its own.
    offset("OFF_LISTEN_NODE", "inet_connection_sock", "icsk_listen_portaddr_node.next", POINTER).optional(),
    // What listeners, requests and connections share.
    offset("OFF_SKC_NET", "sock_common", "skc_net.net", POINTER),
    offset("OFF_SKC_COOKIE", "sock_common", "skc_cookie.counter", &[8]),
    // request_sock.rsk_listener is a #define for this one.
    offset("OFF_SKC_LISTENER", "sock_common", "skc_listener", POINTER),
    offset("OFF_SKC_BOUND_DEV", "sock_common", "skc_bound_dev_if", &[4]).optional(),
    byte("OFF_SKC_IPV6ONLY", "sock_common", "skc_ipv6only").optional(),
    shift("SHIFT_SKC_IPV6ONLY", "sock_common", "skc_ipv6only").optional(),
    offset("OFF_SKC_FAMILY", "sock_common", "skc_family", &[2]),
    offset("OFF_SKC_STATE", "sock_common", "skc_state", &[1]),
    byte("OFF_SKC_REUSEPORT", "sock_common", "skc_reuseport"),
    shift("SHIFT_SKC_REUSEPORT", "sock_common", "skc_reuseport"),
    offset("OFF_SKC_NUM", "sock_common", "skc_num", &[2]),
    offset("OFF_SKC_DPORT", "sock_common", "skc_dport", &[2]),
    offset("OFF_SKC_DADDR", "sock_common", "skc_daddr", &[4]),
    offset("OFF_SKC_RCV_SADDR", "sock_common", "skc_rcv_saddr", &[4]),
    offset("OFF_SKC_V6_DADDR", "sock_common", "skc_v6_daddr", &[16]),
    offset("OFF_SKC_V6_RCV_SADDR", "sock_common", "skc_v6_rcv_saddr", &[16]),
    // NULL once a request is out of the hash table.
    offset("OFF_SKC_NODE_PPREV", "sock_common", "skc_node.pprev", POINTER),
    // The SYN queue.
    offset("OFF_ACCEPT_QUEUE_HEAD", "inet_connection_sock", "icsk_accept_queue.rskq_accept_head", POINTER),
    offset("OFF_ACCEPT_QUEUE_QLEN", "inet_connection_sock", "icsk_accept_queue.qlen.counter", &[4]),
    offset("OFF_SYNFLOOD_WARNED", "inet_connection_sock", "icsk_accept_queue.synflood_warned", BYTE_OR_WORD),
    size("SIZE_SYNFLOOD_WARNED", "inet_connection_sock", "icsk_accept_queue.synflood_warned", BYTE_OR_WORD),
    offset("OFF_DEFER_ACCEPT", "inet_connection_sock", "icsk_accept_queue.rskq_defer_accept", &[1]),
    offset("OFF_FASTOPEN_MAX_QLEN", "inet_connection_sock", "icsk_accept_queue.fastopenq.max_qlen", &[4]),
    offset("OFF_REQ_NEXT", "request_sock", "dl_next", POINTER),
    offset("OFF_REQ_SK", "request_sock", "sk", POINTER),
    offset("OFF_REQ_NUM_RETRANS", "request_sock", "num_retrans", &[1]),
    byte("OFF_REQ_NUM_TIMEOUT", "request_sock", "num_timeout"),
    // What reqsk_timer_handler() is called with.
    offset("OFF_REQ_TIMER", "request_sock", "rsk_timer.entry", &[16]),
    // NULL while the timer's handler runs.
    offset("OFF_REQ_TIMER_PPREV", "request_sock", "rsk_timer.entry.pprev", POINTER),
    offset("OFF_TIMER_FUNCTION", "timer_list", "function", POINTER).optional(),
    byte("OFF_IREQ_ACKED", "inet_request_sock", "acked"),
    shift("SHIFT_IREQ_ACKED", "inet_request_sock", "acked"),
    // When the connection was made, for the time until accept().
    offset("OFF_RCVQ_TIME", "tcp_sock", "rcvq_space.time", &[8]),
    // Built with MPTCP only.
    offset("OFF_MPTCP_FIRST", "mptcp_sock", "first", POINTER).optional(),
    // The namespace, its counters and its settings.
    offset("OFF_NET_MIB", "net", "mib.net_statistics", POINTER),
    // atomic64_t in 5.10, where it is 0 until somebody asks for it; u64 since.
    offset("OFF_NET_COOKIE", "net", "net_cookie", &[8]),
    // Random for each namespace: what tells two of one number apart in 5.10.
    offset("OFF_NET_HASH_MIX", "net", "hash_mix", &[4]),
    offset("OFF_NET_INUM", "net", "ns.inum", &[4]),
    // int before 5.13 and in early 5.10.y, u8 since.
    offset("OFF_SYSCTL_SYNCOOKIES", "net", "ipv4.sysctl_tcp_syncookies", BYTE_OR_WORD),
    offset("OFF_SYSCTL_ABORT_ON_OVERFLOW", "net", "ipv4.sysctl_tcp_abort_on_overflow", BYTE_OR_WORD)
        .optional(),
    offset("OFF_SYSCTL_MAX_SYN_BACKLOG", "net", "ipv4.sysctl_max_syn_backlog", &[4]),
    // Since 5.14; some 5.10.y have the member and not the code.
    offset("OFF_SYSCTL_MIGRATE_REQ", "net", "ipv4.sysctl_tcp_migrate_req", &[1]).optional(),
    // The packet.
    offset("OFF_SKB_HEAD", "sk_buff", "head", POINTER),
    offset("OFF_SKB_DATA", "sk_buff", "data", POINTER),
    offset("OFF_SKB_NETWORK", "sk_buff", "network_header", &[2]),
    offset("OFF_SKB_PROTOCOL", "sk_buff", "protocol", &[2]),
    offset("OFF_SKB_TRANSPORT", "sk_buff", "transport_header", &[2]).optional(),
    offset("OFF_SKB_IIF", "sk_buff", "skb_iif", &[4]).optional(),
    offset("OFF_DST_DEV", "dst_entry", "dev", POINTER).optional(),
    offset("OFF_DEV_NET", "net_device", "nd_net.net", POINTER).optional(),
    offset("OFF_SKB_END", "sk_buff", "end", &[4]),
    offset("OFF_SHINFO_GSO_SEGS", "skb_shared_info", "gso_segs", &[2]),
    offset("OFF_SKB_REFDST", "sk_buff", "_skb_refdst", &[8]),
    offset("OFF_RTABLE_FLAGS", "rtable", "rt_flags", &[4]),
    offset("OFF_RT6_FLAGS", "rt6_info", "rt6i_flags", &[4]).optional(),
    offset("OFF_SKB_CB", "sk_buff", "cb", &[48]),
    offset("OFF_CB_SEQ", "tcp_skb_cb", "seq", &[4]),
    offset("OFF_CB_END_SEQ", "tcp_skb_cb", "end_seq", &[4]),
    offset("OFF_CB_FLAGS", "tcp_skb_cb", "tcp_flags", &[1, 2]),
    // Where a per-CPU array keeps its slots: this CPU's offset without a symbol.
    // A flexible array, so of no size.
    offset("OFF_ARRAY_PPTRS", "bpf_array", "pptrs", &[0]),
    // Indices into linux_mib.mibs.
    mib("MIB_LISTENOVERFLOWS", "LINUX_MIB_LISTENOVERFLOWS"),
    mib("MIB_LISTENDROPS", "LINUX_MIB_LISTENDROPS"),
    mib("MIB_FULLDROP", "LINUX_MIB_TCPREQQFULLDROP"),
    mib("MIB_DOCOOKIES", "LINUX_MIB_TCPREQQFULLDOCOOKIES"),
    mib("MIB_COOKIESSENT", "LINUX_MIB_SYNCOOKIESSENT"),
    mib("MIB_COOKIESFAILED", "LINUX_MIB_SYNCOOKIESFAILED"),
    mib("MIB_EMBRYONICRSTS", "LINUX_MIB_EMBRYONICRSTS"),
    mib("MIB_SYNRETRANS", "LINUX_MIB_TCPSYNRETRANS"),
    mib("MIB_FASTOPENPASSIVE", "LINUX_MIB_TCPFASTOPENPASSIVE"),
    mib("MIB_FASTOPENPASSIVEFAIL", "LINUX_MIB_TCPFASTOPENPASSIVEFAIL"),
    mib("MIB_FASTOPENLISTENOVERFLOW", "LINUX_MIB_TCPFASTOPENLISTENOVERFLOW"),
    mib("MIB_MIGRATEREQSUCCESS", "LINUX_MIB_TCPMIGRATEREQSUCCESS").optional(),
    mib("MIB_COOKIESRECV", "LINUX_MIB_SYNCOOKIESRECV"),
    // Numbered by each kernel; there are none before 5.17.
    mib("DROP_TCP_CSUM", "SKB_DROP_REASON_TCP_CSUM").optional(),
    // Parameter counts: an exit hook's return value follows the parameters.
    args("ARGS_CHECK_REQ", "tcp_check_req"),
    args("ARGS_ACCEPT", "inet_csk_accept"),
    args("ARGS_LISTEN_START", "inet_csk_listen_start"),
    args("ARGS_REQSK_ALLOC", "inet_reqsk_alloc"),
    args("ARGS_ROUTE_REQ_V6", "inet6_csk_route_req"),
    // void up to 5.10.y and 6.1.96.
    required("ARGS_HASH_ADD", Fact::ParamsOfReturning("inet_csk_reqsk_queue_hash_add")).optional(),
];
