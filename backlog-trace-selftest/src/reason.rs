//! What becomes of a packet, by the names of the tool's JSON (docs/json.md),
//! and what the kernel counts of it.
//!
//! Written here from the kernel's sources and not taken from the tool: every
//! scenario holds it against the kernel's own counters, so that a mistake in
//! the tool's table shows as a difference. A name that is not here counts as a
//! loss that nobody made.

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $class:ident, [$($counter:literal),*];)*) => {
        /// What becomes of a packet, a request or a listener.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub(crate) enum Reason { $($(#[$doc])* $variant,)* }

        /// Every reason, in their order.
        const TABLE: &[Row] = &[$(Row {
            reason: Reason::$variant,
            name: $name,
            class: Class::$class,
            counters: &[$($counter),*],
        },)*];
    };
}

/// What is known of a reason.
struct Row {
    reason: Reason,
    /// `stage/reason`, a key in the tool's JSON.
    name: &'static str,
    class: Class,
    /// The kernel's counters that one packet moves, by one each.
    counters: &'static [&'static str],
}

/// Whether a connection is lost by it, at least for now.
#[derive(PartialEq, Eq)]
enum Class {
    Loss,
    NoLoss,
}

reasons! {
    /// tcp_conn_request(): sk_acceptq_is_full().
    SynAcceptQueueFull = "syn/accept_queue_full", Loss, ["ListenOverflows", "ListenDrops"];
    /// tcp_conn_request(): inet_csk_reqsk_queue_is_full() and no cookie.
    SynQueueFull = "syn/syn_queue_full", Loss, ["TCPReqQFullDrop", "ListenDrops"];
    /// tcp_conn_request(): the last quarter of sysctl_max_syn_backlog.
    SynQueueReserved = "syn/syn_queue_reserved", Loss, ["ListenDrops"];
    /// tcp_conn_request(): any other way to its label `drop`.
    SynRefusedOther = "syn/refused_other", Loss, ["ListenDrops"];
    /// tcp_conn_request(): inet_csk_reqsk_queue_hash_add() returned false.
    SynDuplicate = "syn/duplicate", Loss, [];
    /// tcp_conn_request(): want_cookie, and cookie_init_sequence().
    SynCookieSent = "syn/cookie_sent", NoLoss, ["TCPReqQFullDoCookies", "SyncookiesSent"];
    /// tcp_v4_syn_recv_sock() from tcp_check_req(): sk_acceptq_is_full().
    AckAcceptQueueFull = "ack/accept_queue_full", Loss, ["ListenOverflows", "ListenDrops"];
    /// tcp_v4_syn_recv_sock() from tcp_check_req(): no child.
    AckChildFailed = "ack/child_failed", Loss, ["ListenDrops"];
    /// inet_csk_complete_hashdance(): the listener has closed.
    AckListenerClosed = "ack/listener_closed", Loss, [];
    /// tcp_v4_syn_recv_sock() from tcp_get_cookie_sock(): sk_acceptq_is_full().
    CookieAckAcceptQueueFull = "cookie_ack/accept_queue_full", Loss, ["ListenOverflows", "ListenDrops"];
    /// tcp_v4_syn_recv_sock() from tcp_get_cookie_sock(): no child.
    CookieAckChildFailed = "cookie_ack/child_failed", Loss, ["ListenDrops"];
    /// cookie_v4_check(): __cookie_v4_check() found the cookie wrong or too old.
    CookieAckInvalid = "cookie_ack/invalid", Loss, [];
    /// tcp_rtx_synack().
    SynackRetransmit = "synack/retransmit", NoLoss, ["TCPSynRetrans"];
    /// reqsk_timer_handler(): no try is left.
    SynackExpired = "synack/expired", NoLoss, [];
    /// tcp_req_err() with `abort`.
    RequestAborted = "request/aborted", Loss, ["ListenDrops"];
    /// tcp_check_req(): embryonic_reset.
    RequestReset = "request/reset", NoLoss, [];
    /// inet_csk_listen_stop().
    ListenerClosed = "listener/closed", Loss, [];
    /// tcp_fastopen_create_child(): no child; the SYN goes on without its data.
    FastopenChildFailed = "fastopen/child_failed", NoLoss, ["ListenDrops"];
    /// tcp_conn_request(): inet_csk_reqsk_queue_add() of a Fast Open child failed.
    FastopenListenerClosed = "fastopen/listener_closed", Loss, ["ListenDrops"];
    /// tcp_get_cookie_sock(): no child, and no way to a counter.
    CookieAckLost = "cookie_ack/uncounted", Loss, [];
    /// tcp_v4_conn_request(): broadcast or multicast; tcp_v6_conn_request(): not unicast.
    SynNotUnicast = "syn/not_unicast", Loss, ["ListenDrops"];
    /// tcp_fastopen_create_child(): sk_acceptq_is_full(); the SYN goes on without its data.
    FastopenAcceptQueueFull = "fastopen/accept_queue_full", NoLoss, ["ListenOverflows", "ListenDrops"];
    /// tcp_fastopen_queue_check(): max_qlen is reached.
    FastopenQueueFull = "fastopen/queue_full", NoLoss, [];
    /// Polled, at whichever step.
    UnknownAcceptQueueFull = "unknown/accept_queue_full", Loss, ["ListenOverflows", "ListenDrops"];
    /// Polled: everything else that ListenDrops counts.
    UnknownDropped = "unknown/dropped", Loss, ["ListenDrops"];
    /// tcp_conn_request(): inet_reqsk_alloc() gave nothing.
    SynNoMemory = "syn/no_memory", Loss, ["ListenDrops"];
    /// tcp_conn_request(): af_ops->route_req() found no route.
    SynNoRoute = "syn/no_route", Loss, ["ListenDrops"];
    /// tcp_conn_request(): security_inet_conn_request() said no.
    SynSecurityModule = "syn/security_module", Loss, ["ListenDrops"];
}

impl Reason {
    /// `stage/reason`.
    pub(crate) fn name(self) -> &'static str {
        self.row().name
    }

    /// The reason of a name in the tool's JSON.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.reason)
    }

    /// The kernel's counters that one packet moves, by one each.
    pub(crate) fn counters(self) -> &'static [&'static str] {
        self.row().counters
    }

    /// Whether one packet moves this counter of the kernel's.
    pub(crate) fn moves(self, counter: &str) -> bool {
        self.counters().contains(&counter)
    }

    /// Whether a connection is lost by it, at least for now.
    pub(crate) fn is_loss(self) -> bool {
        self.row().class == Class::Loss
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_by_its_name() {
        for row in TABLE {
            assert_eq!(Reason::from_name(row.name), Some(row.reason));
            assert_eq!(row.reason.name(), row.name);
        }
        assert_eq!(Reason::from_name("syn/unheard_of"), None);
    }

    /// tcp_listendrop() follows each NET_INC_STATS(…, LINUX_MIB_LISTENOVERFLOWS)
    /// and each NET_INC_STATS(…, LINUX_MIB_TCPREQQFULLDROP).
    #[test]
    fn what_overflows_is_dropped() {
        for row in TABLE {
            let overflows = row.reason.moves("ListenOverflows") || row.reason.moves("TCPReqQFullDrop");
            assert!(!overflows || row.reason.moves("ListenDrops"), "{}", row.name);
        }
    }
}
