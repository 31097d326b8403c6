//! The table on five kernels, from what their BTF was reduced to.
//!
//! The expected values were read by other means: with pahole 1.24, by another
//! parser of BTF, and by programs that ran on these kernels. Under `tests/data/btf`: Debian's cloud
//! kernels 5.10.223-1, 6.1.176-1, 6.12.107-1 and 7.2.13-1, and a 6.18.44 built
//! for microVMs, all x86-64.

use super::*;
use crate::kernel::btf::reduce::{Keep, reduce};
use crate::skipped::skipped;

/// What the reduced files answer. A new structure, function or tracepoint in
/// the table needs a line here and new files: see [`write_reduced`].
const KEEP: Keep<'_> = Keep {
    structures: &[
        "bpf_array",
        "dst_entry",
        "file",
        "inet_connection_sock",
        "inet_hashinfo",
        "inet_listen_hashbucket",
        "inet_request_sock",
        "inode",
        "net",
        "net_device",
        "request_sock",
        "rt6_info",
        "rtable",
        "sk_buff",
        "skb_shared_info",
        "sock",
        "sock_common",
        "sock_reuseport",
        "socket",
        "socket_alloc",
        "tcp_request_sock",
        "tcp_skb_cb",
        "tcp_sock",
        "timer_list",
    ],
    functions: &[
        "__inet_csk_reqsk_queue_drop",
        "__inet_listen_sk",
        "cookie_v4_check",
        "cookie_v6_check",
        "inet_child_forget",
        "inet_csk_accept",
        "inet_csk_complete_hashdance",
        "inet_csk_listen_start",
        "inet_csk_listen_stop",
        "inet_csk_reqsk_queue_add",
        "inet6_csk_route_req",
        "inet_csk_reqsk_queue_hash_add",
        "inet_listen",
        "inet_reqsk_alloc",
        "reqsk_timer_handler",
        "tcp_check_req",
        "tcp_conn_request",
        "tcp_get_cookie_sock",
        "tcp_req_err",
        "tcp_rtx_synack",
        "tcp_v4_conn_request",
        "tcp_v4_syn_recv_sock",
        "tcp_v6_conn_request",
        "tcp_v6_syn_recv_sock",
    ],
    tracepoints: &[
        "consume_skb",
        "inet_sock_set_state",
        "kfree_skb",
        "sk_data_ready",
        "tcp_retransmit_synack",
        "timer_start",
    ],
    enumerators: &["LINUX_MIB_LISTENDROPS", "TCP_MIB_RETRANSSEGS", "SKB_DROP_REASON_NO_SOCKET"],
};

const NAMES: [&str; 5] = ["5.10.223", "6.1.176", "6.12.107", "6.18.44", "7.2.13"];

fn path(name: &str) -> String {
    format!("{}/tests/data/btf/{name}.btf", env!("CARGO_MANIFEST_DIR"))
}

/// Per global its value on each of [`NAMES`].
#[rustfmt::skip]
const EXPECTED: &[(&str, [u32; 5])] = &[
    ("OFF_SK_ACK_BACKLOG", [576, 552, 604, 600, 616]),
    ("OFF_SK_MAX_ACK_BACKLOG", [580, 556, 608, 604, 620]),
    ("OFF_SK_DROPS", [168, 184, 136, 136, 136]),
    ("OFF_SK_SOCKET", [640, 624, 288, 288, 288]),
    ("OFF_SK_INO", [ABSENT, ABSENT, ABSENT, 608, 624]),
    ("OFF_SOCKET_FILE", [16, 16, 16, 16, 16]),
    ("OFF_FILE_INODE", [32, 32, 40, 32, 32]),
    ("OFF_INODE_INO", [64, 64, 64, 64, 64]),
    ("OFF_SKC_NET", [48, 48, 48, 48, 48]),
    ("OFF_SKC_COOKIE", [88, 88, 88, 88, 88]),
    ("OFF_SKC_FAMILY", [16, 16, 16, 16, 16]),
    ("OFF_SKC_STATE", [18, 18, 18, 18, 18]),
    ("OFF_SKC_REUSEPORT", [19, 19, 19, 19, 19]),
    ("SHIFT_SKC_REUSEPORT", [4, 4, 4, 4, 4]),
    ("OFF_SKC_NUM", [14, 14, 14, 14, 14]),
    ("OFF_SKC_DPORT", [12, 12, 12, 12, 12]),
    ("OFF_SKC_DADDR", [0, 0, 0, 0, 0]),
    ("OFF_SKC_RCV_SADDR", [4, 4, 4, 4, 4]),
    ("OFF_SKC_V6_DADDR", [56, 56, 56, 56, 56]),
    ("OFF_SKC_V6_RCV_SADDR", [72, 72, 72, 72, 72]),
    ("OFF_SKC_NODE_PPREV", [112, 112, 112, 112, 112]),
    ("OFF_ACCEPT_QUEUE_QLEN", [980, 1004, 1004, 1024, 1056]),
    ("OFF_SYNFLOOD_WARNED", [976, 1000, 1000, 1021, 1053]),
    ("SIZE_SYNFLOOD_WARNED", [4, 4, 4, 1, 1]),
    ("OFF_DEFER_ACCEPT", [972, 996, 996, 1020, 1052]),
    ("OFF_FASTOPEN_MAX_QLEN", [1032, 1056, 1056, 1072, 1104]),
    ("OFF_REQ_NUM_RETRANS", [146, 146, 146, 146, 146]),
    ("OFF_REQ_NUM_TIMEOUT", [147, 147, 147, 147, 147]),
    ("OFF_REQ_TIMER", [152, 152, 152, 152, 152]),
    ("OFF_IREQ_ACKED", [225, 233, 233, 233, 233]),
    ("SHIFT_IREQ_ACKED", [4, 4, 4, 4, 4]),
    ("OFF_RCVQ_TIME", [2152, 2160, 1872, 1856, 1928]),
    ("OFF_NET_MIB", [400, 408, 440, 528, 744]),
    ("OFF_NET_INUM", [136, 144, 136, 176, 280]),
    ("OFF_SYSCTL_SYNCOOKIES", [979, 1123, 1231, 1343, 1535]),
    ("OFF_SYSCTL_MAX_SYN_BACKLOG", [1280, 1248, 1320, 1440, 1632]),
    ("OFF_SYSCTL_MIGRATE_REQ", [980, 1124, 1232, 1344, 1536]),
    ("OFF_SKB_HEAD", [192, 200, 200, 192, 200]),
    ("OFF_SKB_NETWORK", [180, 184, 184, 180, 184]),
    ("OFF_SKB_PROTOCOL", [176, 180, 180, 176, 180]),
    ("OFF_SKB_END", [188, 192, 192, 188, 192]),
    ("OFF_SHINFO_GSO_SEGS", [6, 6, 6, 6, 6]),
    ("OFF_SKB_REFDST", [88, 88, 88, 88, 88]),
    ("OFF_RTABLE_FLAGS", [116, 116, 140, 140, 140]),
    ("OFF_RT6_FLAGS", [192, 192, 216, 216, 216]),
    ("OFF_SKB_CB", [40, 40, 40, 40, 40]),
    ("OFF_CB_SEQ", [0, 0, 0, 0, 0]),
    ("OFF_CB_END_SEQ", [4, 4, 4, 4, 4]),
    ("OFF_CB_FLAGS", [12, 12, 12, 12, 12]),
    ("OFF_ARRAY_PPTRS", [272, 272, 264, 312, 304]),
    ("MIB_LISTENOVERFLOWS", [19, 19, 19, 23, 23]),
    ("MIB_LISTENDROPS", [20, 20, 20, 24, 24]),
    ("MIB_FULLDROP", [75, 75, 75, 79, 79]),
    ("MIB_DOCOOKIES", [74, 74, 74, 78, 78]),
    ("MIB_COOKIESSENT", [1, 1, 1, 1, 1]),
    ("MIB_COOKIESFAILED", [3, 3, 3, 3, 3]),
    ("MIB_EMBRYONICRSTS", [4, 4, 4, 4, 4]),
    ("MIB_SYNRETRANS", [97, 97, 97, 101, 101]),
    ("ARGS_CHECK_REQ", [5, 5, 5, 6, 6]),
    ("ARGS_ACCEPT", [4, 4, 2, 2, 2]),
    ("ARGS_LISTEN_START", [2, 1, 1, 1, 1]),
    ("ARGS_REQSK_ALLOC", [3, 3, 3, 3, 3]),
    // bool since 6.10 and 6.1.97, void before.
    ("ARGS_HASH_ADD", [ABSENT, 3, 3, 3, 2]),
    ("OFF_SK_REUSEPORT_CB", [728, 728, 728, 728, 744]),
    ("OFF_REUSE_NUM", [18, 18, 18, 18, 18]),
    ("OFF_REUSE_SOCKS", [40, 48, 48, 48, 48]),
    ("OFF_SKC_INCOMING_CPU", [124, 124, 124, 124, 124]),
    ("OFF_SKC_BOUND_DEV", [20, 20, 20, 20, 20]),
    ("OFF_SKC_IPV6ONLY", [19, 19, 19, 19, 19]),
    ("SHIFT_SKC_IPV6ONLY", [5, 5, 5, 5, 5]),
    ("OFF_NET_HASHINFO", [1216, 768, 896, 960, 1152]),
    ("OFF_HASHINFO_LHASH2", [48, 64, 64, 64, 64]),
    ("OFF_HASHINFO_LHASH2_MASK", [44, 60, 60, 60, 60]),
    ("OFF_BUCKET_HEAD", [8, 8, 8, 8, 8]),
    ("BYTES_BUCKET", [16, 16, 16, 16, 16]),
    ("OFF_SKC_NULLS_NODE", [104, 104, 104, 104, 104]),
    ("OFF_LISTEN_NODE", [1200, ABSENT, ABSENT, ABSENT, ABSENT]),
    ("OFF_TIMER_FUNCTION", [24, 24, 24, 24, 24]),
    ("OFF_SYSCTL_ABORT_ON_OVERFLOW", [1010, 1154, 1258, 1378, 1570]),
    ("OFF_SKB_TRANSPORT", [178, 182, 182, 178, 182]),
    ("OFF_SKB_IIF", [144, 144, 148, 144, 148]),
    ("OFF_DST_DEV", [0, 0, 0, 0, 0]),
    ("OFF_DEV_NET", [1264, 1272, 280, 264, 264]),
    ("OFF_SK_PROTOCOL", [540, 516, 574, 532, 540]),
    ("OFF_SK_SHUTDOWN", [626, 610, 571, 575, 591]),
    ("OFF_SKC_LISTENER", [96, 96, 96, 96, 96]),
    ("OFF_ACCEPT_QUEUE_HEAD", [992, 1016, 1016, 1032, 1064]),
    ("OFF_REQ_NEXT", [136, 136, 136, 136, 136]),
    ("OFF_REQ_SK", [200, 200, 200, 200, 200]),
    ("OFF_REQ_TIMER_PPREV", [160, 160, 160, 160, 160]),
    ("OFF_NET_COOKIE", [4416, 4032, 4224, 4160, 4608]),
    ("OFF_NET_HASH_MIX", [320, 328, 344, 432, 648]),
    ("OFF_SKB_DATA", [200, 208, 208, 200, 208]),
    ("MIB_FASTOPENPASSIVE", [86, 86, 86, 90, 90]),
    ("MIB_FASTOPENPASSIVEFAIL", [87, 87, 87, 91, 91]),
    ("MIB_FASTOPENLISTENOVERFLOW", [88, 88, 88, 92, 92]),
    ("MIB_MIGRATEREQSUCCESS", [ABSENT, 124, 124, 128, 128]),
    ("MIB_COOKIESRECV", [2, 2, 2, 2, 2]),
    ("DROP_TCP_CSUM", [ABSENT, 4, 9, 10, 10]),
    ("ARGS_ROUTE_REQ_V6", [4, 4, 4, 4, 5]),
];

/// Facts without an expected value, and why.
const UNCHECKED: &[(&str, &str)] = &[(
    "OFF_MPTCP_FIRST",
    "the reduced files have no mptcp_sock, which 5.10 is built without; the scenarios mptcp_* fail where it is wrong",
)];

/// A fact that is new in the table is a line here, or a reason.
#[test]
fn every_fact_has_an_expected_value_or_a_reason_to_have_none() {
    let mut expected: Vec<&str> = EXPECTED.iter().map(|(global, _)| *global).collect();
    expected.extend(UNCHECKED.iter().map(|(global, why)| {
        assert!(!why.is_empty());
        *global
    }));
    expected.sort_unstable();
    let mut facts: Vec<&str> = table::TABLE.iter().map(|row| row.global).collect();
    facts.sort_unstable();
    assert_eq!(expected, facts);
}

#[track_caller]
fn check(column: usize, layout: &Layout) {
    let resolved: Vec<_> = layout.globals().collect();
    for (global, expected) in EXPECTED {
        let expected = expected[column];
        assert!(resolved.contains(&(*global, expected)), "{global} is not {expected} on {}", NAMES[column]);
    }
    layout.check_pairs().unwrap();
}

fn reduced(name: &str) -> Btf {
    Btf::parse(std::fs::read(path(name)).unwrap()).unwrap()
}

#[test]
fn the_layout_of_five_kernels_is_what_others_read() {
    for (column, name) in NAMES.iter().enumerate() {
        check(column, &Layout::resolve(&reduced(name)).unwrap());
    }
}

/// Tracepoint parameters: 5.10, 6.1, 6.12, 6.18, 7.2.
#[test]
fn tracepoints_grew_parameters() {
    for (tracepoint, expected) in [
        ("kfree_skb", [2, 3, 4, 4, 4]),
        ("consume_skb", [1, 1, 2, 2, 2]),
        ("tcp_retransmit_synack", [2; 5]),
        ("inet_sock_set_state", [3; 5]),
        ("timer_start", [3, 3, 2, 2, 2]),
        // 0: there is no such tracepoint.
        ("sk_data_ready", [0, 0, 1, 1, 1]),
    ] {
        for (name, expected) in NAMES.iter().zip(expected) {
            let count = reduced(name).tracepoint(tracepoint).map_or(0, |probe| probe.params.len());
            assert_eq!(count, expected, "{tracepoint} on {name}");
        }
    }
}

#[test]
fn drop_reasons_are_numbered_by_each_kernel() {
    for (name, expected) in NAMES.iter().zip([None, None, None, Some(40), Some(40)]) {
        assert_eq!(reduced(name).enumerator("SKB_DROP_REASON_TCP_LISTEN_OVERFLOW"), expected, "{name}");
    }
}

/// The running kernel's own BTF, whole: needs no privilege, so it runs everywhere.
#[test]
fn the_running_kernel_has_a_layout() {
    let btf = match Btf::from_sys_fs() {
        Ok(btf) => btf,
        Err(failure) => return skipped(&format!("needs the running kernel's types: {failure}")),
    };
    let layout = Layout::resolve(&btf).unwrap();
    layout.check_pairs().unwrap();
    let release = crate::kernel::release::Release::running().unwrap();
    match NAMES.iter().position(|name| release.to_string().split('-').next() == Some(name)) {
        Some(column) => check(column, &layout),
        None => skipped(&format!("needs expected values for kernel {release}")),
    }
}

/// Writes test data where it is asked to:
/// `BTF=/sys/kernel/btf/vmlinux NAME=6.18.44 cargo test -p backlog-trace write_reduced`
#[test]
fn write_reduced() {
    let Some(from) = std::env::var_os("BTF") else { return };
    let from = std::fs::read(from).unwrap();
    let to = path(&std::env::var("NAME").expect("NAME: the kernel's version"));
    std::fs::write(to, reduce(&Btf::parse(from).unwrap(), &KEEP)).unwrap();
}
