//! The verdict on one packet: a pure function of what the kernel counted.
//!
//! Input is the movement of this CPU's own counters across the call that
//! handled the packet. Queue lengths never decide between "lost" and "not
//! lost"; where the kernel's counters leave two causes in one
//! (`ListenDrops` alone), context tells them apart.

use crate::counter::{COUNTERS, Counter};
use crate::evidence::{EVIDENCE, Evidence};
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

/// How far each counter of [`crate::evidence`] moved; 0 for one that was not read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Signs(pub [u64; EVIDENCE]);

impl Signs {
    /// Movement of one counter.
    #[inline(always)]
    pub const fn of(&self, evidence: Evidence) -> u64 {
        self.0[evidence.index()]
    }
}

/// What tells the causes of a `ListenDrops` apart that moved alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Alone {
    /// The destination is not unicast: the wrapper refused it.
    NotUnicast,
    /// The last-quarter rule held.
    Reserved,
    /// A hook saw what failed.
    Seen(Reason),
    /// Nothing does.
    Unknown,
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
/// `alone` is asked only where `ListenDrops` moved alone.
#[inline(always)]
pub fn syn(delta: &Delta, signs: &Signs, alone: impl FnOnce() -> Alone) -> SynVerdict {
    let lost = delta.of(Counter::ListenDrops) != 0;
    let overflow = delta.of(Counter::ListenOverflows) != 0;
    let reason = if lost && signs.of(Evidence::FastopenPassiveFail) != 0 {
        Some(if overflow { Reason::FastopenAcceptQueueFull } else { Reason::FastopenChildFailed })
    } else if lost && signs.of(Evidence::FastopenPassive) != 0 {
        Some(Reason::FastopenListenerClosed)
    } else if overflow {
        Some(Reason::SynAcceptQueueFull)
    } else if delta.of(Counter::ReqQFullDrop) != 0 {
        Some(Reason::SynQueueFull)
    } else if lost {
        Some(match alone() {
            Alone::NotUnicast => Reason::SynNotUnicast,
            Alone::Reserved => Reason::SynQueueReserved,
            Alone::Seen(reason) => reason,
            Alone::Unknown => Reason::SynRefusedOther,
        })
    } else if delta.of(Counter::SyncookiesSent) != 0 {
        Some(Reason::SynCookieSent)
    } else if signs.of(Evidence::FastopenListenOverflow) != 0 {
        Some(Reason::FastopenQueueFull)
    } else {
        None
    };
    SynVerdict {
        reason,
        cookie_wanted: lost && delta.of(Counter::ReqQFullDoCookies) != 0,
        cookie_made: lost && delta.of(Counter::SyncookiesSent) != 0,
    }
}

/// What the socket structures say after `tcp_check_req()`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Aftermath {
    /// The request is out of the hash table.
    pub unlinked: bool,
    /// The listener still listens.
    pub listening: bool,
}

/// Verdict on a segment for a half-open request for which `tcp_check_req()`
/// returned no socket. `None`: dropped for a reason that loses no connection
/// (a duplicate SYN that was answered, PAWS, a deferred accept).
#[inline(always)]
pub fn ack(delta: &Delta, signs: &Signs, after: impl FnOnce() -> Aftermath) -> Option<Reason> {
    if delta.of(Counter::ListenOverflows) != 0 {
        Some(Reason::AckAcceptQueueFull)
    } else if delta.of(Counter::ListenDrops) != 0 {
        Some(Reason::AckChildFailed)
    } else if signs.of(Evidence::EmbryonicRsts) != 0 {
        Some(Reason::RequestReset)
    } else if after() == (Aftermath { unlinked: true, listening: false }) {
        // inet_csk_complete_hashdance() took the request out, and found no
        // queue to put the child into.
        Some(Reason::AckListenerClosed)
    } else {
        None
    }
}

/// Verdict on a cookie's ACK for which `cookie_v4_check()` or
/// `cookie_v6_check()` returned no socket.
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

    const NO_SIGNS: Signs = Signs([0; EVIDENCE]);

    /// Movement of the counters that verdicts are made of, in the order of
    /// their numbers: LO, LD, FullDrop, DoCookies, Sent.
    fn moved(counters: [u64; 5]) -> Delta {
        let mut delta = Delta::default();
        delta.0[..5].copy_from_slice(&counters);
        delta
    }

    #[track_caller]
    fn check_syn(delta: [u64; 5], alone: Alone, reason: Option<Reason>, wanted: bool, made: bool) {
        assert_eq!(
            syn(&moved(delta), &NO_SIGNS, || alone),
            SynVerdict { reason, cookie_wanted: wanted, cookie_made: made }
        );
    }

    /// The rows of tcp_conn_request()'s exits.
    #[test]
    fn syn_exits() {
        use Alone::{NotUnicast, Reserved, Unknown};
        check_syn([0, 0, 0, 0, 0], Unknown, None, false, false);
        check_syn([0, 0, 0, 0, 0], Reserved, None, false, false);
        check_syn([1, 1, 0, 0, 0], Reserved, Some(Reason::SynAcceptQueueFull), false, false);
        check_syn([1, 1, 0, 1, 0], Unknown, Some(Reason::SynAcceptQueueFull), true, false);
        check_syn([0, 1, 1, 0, 0], Reserved, Some(Reason::SynQueueFull), false, false);
        check_syn([0, 1, 0, 0, 0], Reserved, Some(Reason::SynQueueReserved), false, false);
        check_syn([0, 1, 0, 0, 0], NotUnicast, Some(Reason::SynNotUnicast), false, false);
        check_syn([0, 1, 0, 0, 0], Alone::Seen(Reason::SynNoRoute), Some(Reason::SynNoRoute), false, false);
        check_syn(
            [1, 1, 0, 0, 0],
            Alone::Seen(Reason::SynNoRoute),
            Some(Reason::SynAcceptQueueFull),
            false,
            false,
        );
        check_syn([0, 1, 0, 0, 0], Unknown, Some(Reason::SynRefusedOther), false, false);
        check_syn([0, 1, 0, 1, 0], Unknown, Some(Reason::SynRefusedOther), true, false);
        check_syn([0, 1, 0, 1, 1], Unknown, Some(Reason::SynRefusedOther), true, true);
        check_syn([0, 0, 0, 1, 1], Unknown, Some(Reason::SynCookieSent), false, false);
    }

    /// LO, LD, and whether Fast Open made a child, failed to, or had no room.
    #[track_caller]
    fn check_fastopen(overflow: u64, drop: u64, signs: [u64; 3], reason: Option<Reason>) {
        let signs = Signs([0, 0, signs[0], signs[1], signs[2]]);
        let verdict = syn(&moved([overflow, drop, 0, 0, 0]), &signs, || Alone::Unknown);
        assert_eq!(verdict.reason, reason);
    }

    #[test]
    fn fastopen_exits() {
        check_fastopen(0, 0, [1, 0, 0], None);
        check_fastopen(0, 1, [0, 1, 0], Some(Reason::FastopenChildFailed));
        check_fastopen(1, 1, [0, 1, 0], Some(Reason::FastopenAcceptQueueFull));
        check_fastopen(0, 1, [1, 0, 0], Some(Reason::FastopenListenerClosed));
        check_fastopen(0, 0, [0, 0, 1], Some(Reason::FastopenQueueFull));
        check_fastopen(1, 1, [0, 0, 0], Some(Reason::SynAcceptQueueFull));
        check_fastopen(0, 1, [0, 0, 0], Some(Reason::SynRefusedOther));
    }

    #[track_caller]
    fn check_ack(delta: [u64; 5], resets: u64, unlinked: bool, listening: bool, reason: Option<Reason>) {
        let mut signs = NO_SIGNS;
        signs.0[Evidence::EmbryonicRsts.index()] = resets;
        assert_eq!(ack(&moved(delta), &signs, || Aftermath { unlinked, listening }), reason);
    }

    #[test]
    fn ack_exits() {
        check_ack([0, 0, 0, 0, 0], 0, false, true, None);
        check_ack([0, 0, 0, 0, 0], 0, false, false, None);
        // Another CPU took the request out meanwhile.
        check_ack([0, 0, 0, 0, 0], 0, true, true, None);
        check_ack([1, 1, 0, 0, 0], 0, false, true, Some(Reason::AckAcceptQueueFull));
        // tcp_abort_on_overflow.
        check_ack([1, 1, 0, 0, 0], 1, true, true, Some(Reason::AckAcceptQueueFull));
        check_ack([0, 1, 0, 0, 0], 0, false, true, Some(Reason::AckChildFailed));
        check_ack([0, 0, 0, 0, 0], 1, true, true, Some(Reason::RequestReset));
        check_ack([0, 0, 0, 0, 0], 1, true, false, Some(Reason::RequestReset));
        check_ack([0, 0, 0, 0, 0], 0, true, false, Some(Reason::AckListenerClosed));
    }

    #[test]
    fn cookie_ack_exits() {
        assert_eq!(cookie_ack(&moved([1, 1, 0, 0, 0])), Reason::CookieAckAcceptQueueFull);
        assert_eq!(cookie_ack(&moved([0, 1, 0, 0, 0])), Reason::CookieAckChildFailed);
        assert_eq!(cookie_ack(&moved([0, 0, 0, 0, 0])), Reason::CookieAckLost);
    }
}
