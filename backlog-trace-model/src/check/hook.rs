//! The hooks: steps of the handshake that the tool looks at, what each gives, and
//! which reasons it counts. How they are attached, the probe knows.

use backlog_trace_common::reason::Reason;

/// A step of the handshake that is looked at. In the order in which they are
/// attached: listeners that open while the others are attached must not be
/// missed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Hook {
    /// A socket begins to listen.
    Listen,
    /// A listener closes.
    Close,
    /// A SYN is answered or refused.
    Syn,
    /// The final ACK of a handshake arrives.
    Ack,
    /// A final ACK with a cookie arrives.
    Cookie,
    /// A SYN+ACK is sent again.
    Synack,
    /// A half-open request is given up.
    Expiry,
    /// A half-open request is aborted.
    Request,
    /// A connection is accepted.
    Accept,
    /// What makes the kernel refuse a SYN for want of something.
    Causes,
}

/// What is known of a hook.
#[derive(Debug)]
pub struct Row {
    /// The hook.
    pub hook: Hook,
    /// Its name in every output.
    pub name: &'static str,
    /// What cannot be seen without it.
    pub gives: &'static str,
    /// The reasons that it counts; no two hooks count the same one.
    pub reasons: &'static [Reason],
    /// Without it there is nothing worth observing.
    pub required: bool,
    /// Attached only where it is asked for, because every SYN pays for it.
    pub on_request: bool,
}

/// Every hook, in their order.
pub const TABLE: &[Row] = &[
    Row {
        hook: Hook::Listen,
        name: "listen",
        gives: "who called listen(), also for listeners that close at once",
        reasons: &[],
        required: true,
        on_request: false,
    },
    Row {
        hook: Hook::Close,
        name: "close",
        gives: "connections lost in the queues of a listener that closed",
        reasons: &[Reason::ListenerClosed],
        required: false,
        on_request: false,
    },
    Row {
        hook: Hook::Syn,
        name: "syn",
        gives: "SYNs refused and cookies sent",
        reasons: &[
            Reason::SynAcceptQueueFull,
            Reason::SynQueueFull,
            Reason::SynQueueReserved,
            Reason::SynNotUnicast,
            Reason::SynRefusedOther,
            Reason::SynCookieSent,
            Reason::FastopenAcceptQueueFull,
            Reason::FastopenChildFailed,
            Reason::FastopenListenerClosed,
            Reason::FastopenQueueFull,
        ],
        required: true,
        on_request: false,
    },
    Row {
        hook: Hook::Ack,
        name: "ack",
        gives: "final ACKs dropped, half-open requests reset by their client",
        reasons: &[
            Reason::AckAcceptQueueFull,
            Reason::AckChildFailed,
            Reason::AckListenerClosed,
            Reason::RequestReset,
        ],
        required: true,
        on_request: false,
    },
    Row {
        hook: Hook::Cookie,
        name: "cookie",
        gives: "final ACKs with a cookie dropped or refused",
        reasons: &[
            Reason::CookieAckAcceptQueueFull,
            Reason::CookieAckChildFailed,
            Reason::CookieAckInvalid,
            Reason::CookieAckLost,
        ],
        required: false,
        on_request: false,
    },
    Row {
        hook: Hook::Synack,
        name: "synack",
        gives: "SYN+ACKs sent again",
        reasons: &[Reason::SynackRetransmit],
        required: false,
        on_request: false,
    },
    Row {
        hook: Hook::Expiry,
        name: "expiry",
        gives: "half-open requests given up",
        reasons: &[Reason::SynackExpired],
        required: false,
        on_request: false,
    },
    Row {
        hook: Hook::Request,
        name: "request",
        gives: "half-open requests removed by an ICMP error or an unreachable neighbour",
        reasons: &[Reason::RequestAborted],
        required: false,
        on_request: false,
    },
    Row {
        hook: Hook::Accept,
        name: "accept",
        gives: "connections accepted and how long they waited",
        reasons: &[],
        required: false,
        on_request: false,
    },
    Row {
        hook: Hook::Causes,
        name: "causes",
        gives: "why other SYNs were refused, and SYNs lost to an identical one (on request: --causes)",
        reasons: &[Reason::SynNoMemory, Reason::SynNoRoute, Reason::SynSecurityModule, Reason::SynDuplicate],
        required: false,
        on_request: true,
    },
];

impl Hook {
    /// What is known of it.
    pub const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Its name in every output.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The hook of a name.
    pub fn of_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.hook)
    }

    /// Every hook, in the order in which they are attached.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.hook)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_hooks_and_its_names_are_unique() {
        for (place, row) in TABLE.iter().enumerate() {
            assert_eq!((row.hook as usize, row.hook.row().name), (place, row.name));
            assert_eq!(Hook::of_name(row.name), Some(row.hook));
        }
        assert_eq!(Hook::of_name("nothing"), None);
    }

    #[test]
    fn no_reason_is_counted_by_two_hooks() {
        let reasons: Vec<_> = TABLE.iter().flat_map(|row| row.reasons).collect();
        assert_eq!(reasons.iter().collect::<BTreeSet<_>>().len(), reasons.len());
    }
}
