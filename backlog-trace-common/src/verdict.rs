//! The verdict on one packet: a pure function of what the kernel counted.
//!
//! Input is the movement of this CPU's own counters across the call that
//! handled the packet. Queue lengths never decide between "lost" and "not
//! lost"; where the kernel's counters leave two causes in one
//! (`ListenDrops` alone), context tells them apart.

use crate::counter::{COUNTERS, Counter};
use crate::reason::Reason;

/// How far each counter moved across one call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delta(pub [u64; COUNTERS]);

impl Delta {
    /// Movement of one counter.
    #[inline(always)]
    pub const fn of(&self, counter: Counter) -> u64 {
        self.0[counter.index()]
    }
}

/// What became of a SYN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SynVerdict {
    /// `None`: answered by a plain SYN+ACK, nothing to report.
    pub reason: Option<Reason>,
    /// A cookie was wanted (`TCPReqQFullDoCookies`) and the SYN was lost all
    /// the same: the counter moved without a cookie being sent.
    pub cookie_wanted: bool,
    /// A cookie was made (`SyncookiesSent`) and the SYN was lost all the same.
    pub cookie_made: bool,
}

/// Verdict on a SYN, after `tcp_conn_request()`; the order is that of its exits.
///
/// `reserved` says whether the last-quarter rule held: it is asked only where
/// `ListenDrops` moved alone.
#[inline(always)]
pub fn syn(delta: &Delta, reserved: impl FnOnce() -> bool) -> SynVerdict {
    let lost = delta.of(Counter::ListenDrops) != 0;
    let reason = if delta.of(Counter::ListenOverflows) != 0 {
        Some(Reason::SynAcceptQueueFull)
    } else if delta.of(Counter::ReqQFullDrop) != 0 {
        Some(Reason::SynQueueFull)
    } else if lost {
        if reserved() { Some(Reason::SynQueueReserved) } else { Some(Reason::SynRefusedOther) }
    } else if delta.of(Counter::SyncookiesSent) != 0 {
        Some(Reason::SynCookieSent)
    } else {
        None
    };
    SynVerdict {
        reason,
        cookie_wanted: lost && delta.of(Counter::ReqQFullDoCookies) != 0,
        cookie_made: lost && delta.of(Counter::SyncookiesSent) != 0,
    }
}

/// Verdict on a final ACK for which `tcp_check_req()` returned no socket.
/// `None`: dropped for a reason that loses no connection (a duplicate SYN
/// that was answered, PAWS, a deferred accept).
#[inline(always)]
pub fn ack(delta: &Delta) -> Option<Reason> {
    if delta.of(Counter::ListenOverflows) != 0 {
        Some(Reason::AckAcceptQueueFull)
    } else if delta.of(Counter::ListenDrops) != 0 {
        Some(Reason::AckChildFailed)
    } else {
        None
    }
}

/// Verdict on a cookie's ACK for which `tcp_get_cookie_sock()` returned no socket.
#[inline(always)]
pub fn cookie_ack(delta: &Delta) -> Reason {
    if delta.of(Counter::ListenOverflows) != 0 {
        Reason::CookieAckAcceptQueueFull
    } else if delta.of(Counter::ListenDrops) != 0 {
        Reason::CookieAckChildFailed
    } else {
        Reason::CookieAckLost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters in the order of their numbers: LO, LD, FullDrop, DoCookies, Sent.
    #[track_caller]
    fn check_syn(delta: [u64; COUNTERS], reserved: bool, reason: Option<Reason>, wanted: bool, made: bool) {
        assert_eq!(
            syn(&Delta(delta), || reserved),
            SynVerdict { reason, cookie_wanted: wanted, cookie_made: made }
        );
    }

    /// The rows of tcp_conn_request()'s exits.
    #[test]
    fn syn_exits() {
        check_syn([0, 0, 0, 0, 0], false, None, false, false);
        check_syn([0, 0, 0, 0, 0], true, None, false, false);
        check_syn([1, 1, 0, 0, 0], true, Some(Reason::SynAcceptQueueFull), false, false);
        check_syn([1, 1, 0, 1, 0], false, Some(Reason::SynAcceptQueueFull), true, false);
        check_syn([0, 1, 1, 0, 0], true, Some(Reason::SynQueueFull), false, false);
        check_syn([0, 1, 0, 0, 0], true, Some(Reason::SynQueueReserved), false, false);
        check_syn([0, 1, 0, 0, 0], false, Some(Reason::SynRefusedOther), false, false);
        check_syn([0, 1, 0, 1, 0], false, Some(Reason::SynRefusedOther), true, false);
        check_syn([0, 1, 0, 1, 1], false, Some(Reason::SynRefusedOther), true, true);
        check_syn([0, 0, 0, 1, 1], false, Some(Reason::SynCookieSent), false, false);
    }

    #[test]
    fn ack_exits() {
        assert_eq!(ack(&Delta([0, 0, 0, 0, 0])), None);
        assert_eq!(ack(&Delta([1, 1, 0, 0, 0])), Some(Reason::AckAcceptQueueFull));
        assert_eq!(ack(&Delta([0, 1, 0, 0, 0])), Some(Reason::AckChildFailed));
    }

    #[test]
    fn cookie_ack_exits() {
        assert_eq!(cookie_ack(&Delta([1, 1, 0, 0, 0])), Reason::CookieAckAcceptQueueFull);
        assert_eq!(cookie_ack(&Delta([0, 1, 0, 0, 0])), Reason::CookieAckChildFailed);
        assert_eq!(cookie_ack(&Delta([0, 0, 0, 0, 0])), Reason::CookieAckLost);
    }
}
