//! Every way a connection is lost before accept(), as one table.
//!
//! Text, JSON, metrics and documents take their names from here. A reason's
//! number is part of the recording format: add at the end, never renumber.

use crate::counter::Counter;

/// The step of the handshake.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum Stage {
    /// The client's SYN.
    Syn,
    /// The final ACK of a handshake kept in the SYN queue.
    Ack,
    /// The final ACK of a handshake kept in a cookie.
    CookieAck,
    /// Our SYN+ACK.
    Synack,
    /// A half-open request.
    Request,
    /// The listener itself.
    Listener,
    /// TCP Fast Open.
    Fastopen,
    /// Not known, because counters were polled and no packet was seen.
    Unknown,
}

/// What an occurrence of a reason means for the connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// The packet, and for now the connection, is lost.
    Loss,
    /// Answered by a cookie: not a loss.
    Cookie,
    /// A SYN+ACK had to be sent again.
    Retransmit,
    /// A half-open request ended without a connection: given up, or reset by its
    /// client.
    Expired,
    /// Counted by the kernel as a drop although the connection goes on.
    Harmless,
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $stage:ident, $name:literal, $class:ident, [$($counter:ident),*], $meaning:literal;)*) => {
        /// Why: see [`TABLE`].
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Reason { $($(#[$doc])* $variant = $number,)* }

        /// Every reason with what is known of it, in the order of the numbers.
        pub const TABLE: &[Row] = &[$(Row {
            reason: Reason::$variant,
            stage: Stage::$stage,
            name: $name,
            class: Class::$class,
            counters: &[$(Counter::$counter),*],
            meaning: $meaning,
        },)*];
    };
}

/// What is known of one reason.
#[derive(Debug)]
pub struct Row {
    /// The reason.
    pub reason: Reason,
    /// The step of the handshake.
    pub stage: Stage,
    /// `stage/reason`, as printed and as a key in JSON.
    pub name: &'static str,
    /// What it means for the connection.
    pub class: Class,
    /// The kernel counters that one occurrence moves by one each.
    pub counters: &'static [Counter],
    /// One sentence for a person.
    pub meaning: &'static str,
}

reasons! {
    /// tcp_conn_request(): sk_acceptq_is_full().
    SynAcceptQueueFull = 0, Syn, "syn/accept_queue_full", Loss, [ListenOverflows, ListenDrops], "SYN refused: the accept queue is over its limit";
    /// tcp_conn_request(): inet_csk_reqsk_queue_is_full() and no cookie.
    SynQueueFull = 1, Syn, "syn/syn_queue_full", Loss, [ReqQFullDrop, ListenDrops], "SYN refused: the SYN queue is full and cookies are off";
    /// tcp_conn_request(): the last quarter of max_syn_backlog.
    SynQueueReserved = 2, Syn, "syn/syn_queue_reserved", Loss, [ListenDrops], "SYN refused: the last quarter of the SYN backlog is kept for proven peers, cookies are off";
    /// tcp_conn_request() or its wrapper: any other tcp_listendrop().
    SynRefusedOther = 3, Syn, "syn/refused_other", Loss, [ListenDrops], "SYN refused: no memory, no route, security module or broken option; the kernel counts them alike";
    /// tcp_conn_request(): inet_csk_reqsk_queue_hash_add() returned false.
    SynDuplicate = 4, Syn, "syn/duplicate", Loss, [], "SYN lost to an identical SYN on another CPU";
    /// tcp_conn_request(): want_cookie.
    SynCookieSent = 5, Syn, "syn/cookie_sent", Cookie, [ReqQFullDoCookies, SyncookiesSent], "SYN answered by a cookie: not a loss";
    /// tcp_check_req() -> tcp_v4/v6_syn_recv_sock(): sk_acceptq_is_full().
    AckAcceptQueueFull = 6, Ack, "ack/accept_queue_full", Loss, [ListenOverflows, ListenDrops], "final ACK dropped: the accept queue is over its limit; the client believes it is connected";
    /// tcp_check_req() -> tcp_v4/v6_syn_recv_sock(): no child.
    AckChildFailed = 7, Ack, "ack/child_failed", Loss, [ListenDrops], "final ACK dropped: no child socket could be made";
    /// inet_csk_complete_hashdance(): the listener is closed.
    AckListenerClosed = 8, Ack, "ack/listener_closed", Loss, [], "handshake finished on a listener that was already closed";
    /// tcp_get_cookie_sock() -> syn_recv_sock: sk_acceptq_is_full().
    CookieAckAcceptQueueFull = 9, CookieAck, "cookie_ack/accept_queue_full", Loss, [ListenOverflows, ListenDrops], "final ACK with a valid cookie dropped: the accept queue is over its limit";
    /// tcp_get_cookie_sock(): no child, counted.
    CookieAckChildFailed = 10, CookieAck, "cookie_ack/child_failed", Loss, [ListenDrops], "final ACK with a valid cookie dropped: no child socket could be made";
    /// cookie_v4/v6_check(): the cookie is wrong or too old.
    CookieAckInvalid = 11, CookieAck, "cookie_ack/invalid", Loss, [], "ACK refused: the cookie in it is wrong or too old";
    /// tcp_rtx_synack().
    SynackRetransmit = 12, Synack, "synack/retransmit", Retransmit, [SynRetrans], "SYN+ACK sent again";
    /// reqsk_timer_handler(): given up.
    SynackExpired = 13, Synack, "synack/expired", Expired, [], "half-open request given up";
    /// tcp_req_err(abort).
    RequestAborted = 14, Request, "request/aborted", Loss, [ListenDrops], "half-open request removed by an ICMP error or a failed neighbour lookup";
    /// tcp_check_req(): RST or SYN inside the window.
    RequestReset = 15, Request, "request/reset", Expired, [], "the client reset its half-open request";
    /// inet_csk_listen_stop().
    ListenerClosed = 16, Listener, "listener/closed", Loss, [], "the listener closed with connections not yet accepted or half-open: all lost";
    /// tcp_try_fastopen(): child creation failed, the SYN goes on without data.
    FastopenChildFailed = 17, Fastopen, "fastopen/child_failed", Harmless, [ListenDrops], "Fast Open child could not be made; the handshake goes on without it";
    /// tcp_conn_request(): Fast Open child made, listener closed meanwhile.
    FastopenListenerClosed = 18, Fastopen, "fastopen/listener_closed", Loss, [ListenDrops], "Fast Open connection lost: the listener closed meanwhile";
    /// tcp_get_cookie_sock(): no child and nothing counted.
    CookieAckLost = 19, CookieAck, "cookie_ack/uncounted", Loss, [], "final ACK with a valid cookie lost without any counter: no memory, no route, a security module, its listener closed, or a twin of it won";
    /// tcp_v4/v6_conn_request(): the destination is not unicast.
    SynNotUnicast = 20, Syn, "syn/not_unicast", Loss, [ListenDrops], "SYN refused: it was sent to a broadcast, multicast or anycast address";
    /// tcp_try_fastopen() -> syn_recv_sock: sk_acceptq_is_full(); the SYN goes on without data.
    FastopenAcceptQueueFull = 21, Fastopen, "fastopen/accept_queue_full", Harmless, [ListenOverflows, ListenDrops], "Fast Open child could not be made, the accept queue is over its limit; the handshake goes on without it";
    /// tcp_fastopen_queue_check(): more than the listener's TCP_FASTOPEN option allows.
    FastopenQueueFull = 22, Fastopen, "fastopen/queue_full", Harmless, [], "the Fast Open queue is full; the handshake goes on without its data";
    /// Polled: `ListenOverflows` of a listener, at whichever step.
    UnknownAcceptQueueFull = 23, Unknown, "unknown/accept_queue_full", Loss, [ListenOverflows, ListenDrops], "dropped by a full accept queue; polled counters do not tell at which step";
    /// Polled: any other `ListenDrops` of a listener.
    UnknownDropped = 24, Unknown, "unknown/dropped", Loss, [ListenDrops], "dropped; polled counters do not tell why";
    /// tcp_conn_request(): inet_reqsk_alloc() returned nothing.
    SynNoMemory = 25, Syn, "syn/no_memory", Loss, [ListenDrops], "SYN refused: no memory for a request, or the listener is closing";
    /// tcp_conn_request(): no route back to the client.
    SynNoRoute = 26, Syn, "syn/no_route", Loss, [ListenDrops], "SYN refused: there is no route back to the client";
    /// tcp_conn_request(): security_inet_conn_request().
    SynSecurityModule = 27, Syn, "syn/security_module", Loss, [ListenDrops], "SYN refused by a security module";
}

/// Slots of a per-reason array: room for reasons that later versions add
/// without a change of layout.
pub const REASON_SLOTS: usize = 32;

impl Reason {
    /// The table's row of this reason.
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// `stage/reason`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The reason of a number found in a record.
    pub fn from_number(number: u8) -> Option<Self> {
        TABLE.get(usize::from(number)).map(|row| row.reason)
    }

    /// The reason of a `stage/reason` name.
    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.reason)
    }

    /// The part of the name before the slash.
    pub fn stage_name(self) -> &'static str {
        self.name().split_once('/').map_or("", |(stage, _)| stage)
    }

    /// The part of the name after the slash.
    pub fn reason_name(self) -> &'static str {
        self.name().split_once('/').map_or("", |(_, reason)| reason)
    }

    /// Position in per-reason arrays.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self as usize
    }
}

const _: () = assert!(TABLE.len() <= REASON_SLOTS);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_numbers_and_names_are_unique() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.reason.index(), at);
            assert_eq!(Reason::from_name(row.name), Some(row.reason));
            assert!(!row.reason.stage_name().is_empty() && !row.reason.reason_name().is_empty());
        }
    }

    #[test]
    fn an_overflow_is_always_a_listen_drop_too() {
        for row in TABLE {
            if row.counters.contains(&Counter::ListenOverflows) {
                assert!(row.counters.contains(&Counter::ListenDrops), "{}", row.name);
            }
        }
    }

    #[test]
    fn a_number_from_a_newer_recording_is_no_reason() {
        assert_eq!(Reason::from_number(200), None);
    }
}
