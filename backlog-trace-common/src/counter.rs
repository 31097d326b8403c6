//! The kernel's own counters that the audit holds the tool's counts against.
//!
//! The kernel keeps each of them per network namespace and per CPU (`struct
//! linux_mib`) and shows the sum over CPUs in `/proc/net/netstat` under `TcpExt:`.

/// One of the kernel's counters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Counter {
    /// `LINUX_MIB_LISTENOVERFLOWS`: accept queue full, at the SYN or at the final ACK.
    ListenOverflows = 0,
    /// `LINUX_MIB_LISTENDROPS`: every `tcp_listendrop()`, `ListenOverflows` among them.
    ListenDrops = 1,
    /// `LINUX_MIB_TCPREQQFULLDROP`: SYN queue full, cookies off.
    ReqQFullDrop = 2,
    /// `LINUX_MIB_TCPREQQFULLDOCOOKIES`: SYN queue full (or mode 2), a cookie wanted.
    ReqQFullDoCookies = 3,
    /// `LINUX_MIB_SYNCOOKIESSENT`: cookies made for a SYN+ACK.
    SyncookiesSent = 4,
    /// `LINUX_MIB_TCPSYNRETRANS`: SYN+ACKs sent again by listeners, and SYNs
    /// sent again by clients in the same namespace.
    SynRetrans = 5,
}

/// How many counters there are.
pub const COUNTERS: usize = 6;

/// All counters, in the order of their numbers.
pub const ALL: [Counter; COUNTERS] = [
    Counter::ListenOverflows,
    Counter::ListenDrops,
    Counter::ReqQFullDrop,
    Counter::ReqQFullDoCookies,
    Counter::SyncookiesSent,
    Counter::SynRetrans,
];

impl Counter {
    /// The name in `/proc/net/netstat` and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListenOverflows => "ListenOverflows",
            Self::ListenDrops => "ListenDrops",
            Self::ReqQFullDrop => "TCPReqQFullDrop",
            Self::ReqQFullDoCookies => "TCPReqQFullDoCookies",
            Self::SyncookiesSent => "SyncookiesSent",
            Self::SynRetrans => "TCPSynRetrans",
        }
    }

    /// The enumerator of the kernel's anonymous enum; its value moves between
    /// versions (19 to 23 from 6.12 to 6.18 for `ListenOverflows`), so it is
    /// looked up in BTF.
    pub const fn enumerator(self) -> &'static str {
        match self {
            Self::ListenOverflows => "LINUX_MIB_LISTENOVERFLOWS",
            Self::ListenDrops => "LINUX_MIB_LISTENDROPS",
            Self::ReqQFullDrop => "LINUX_MIB_TCPREQQFULLDROP",
            Self::ReqQFullDoCookies => "LINUX_MIB_TCPREQQFULLDOCOOKIES",
            Self::SyncookiesSent => "LINUX_MIB_SYNCOOKIESSENT",
            Self::SynRetrans => "LINUX_MIB_TCPSYNRETRANS",
        }
    }

    /// Whether sockets that are no listeners move the counter as well. Then it
    /// moves by what is attributed to listeners or by more: TCPSynRetrans counts
    /// the SYN+ACKs that listeners send again (`tcp_rtx_synack()`) and the SYNs
    /// that the namespace's own clients do (`__tcp_retransmit_skb()`, 5.10 to 7.2).
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::SynRetrans)
    }

    /// Position in arrays of counters.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers() {
        for (at, counter) in ALL.iter().enumerate() {
            assert_eq!(counter.index(), at);
        }
    }
}
