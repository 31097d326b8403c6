//! The balance: what the kernel counted against what was attributed.
//!
//! Pure functions from counts to balances. A rest is reported as such; nothing
//! here decides that a rest is small enough.

use backlog_trace_common::counter::{ALL, COUNTERS, Counter};
use backlog_trace_common::reason::{Reason, Stage};

use crate::event::{ListenerCounts, NamespaceCounts, Reasons, Totals};

/// One namespace's balance over a stretch of time; arrays are in the order of
/// [`backlog_trace_common::counter::ALL`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamespaceAudit {
    /// The namespace's inode number.
    pub netns: u32,
    /// How far the kernel's counters moved; `None` where they could not be read.
    pub kernel: Option<[u64; COUNTERS]>,
    /// How much of that is attributed to packets.
    pub attributed: [u64; COUNTERS],
    /// The rest; negative where more was attributed than the kernel counted.
    /// `None` where `kernel` is.
    pub unaccounted: Option<[i64; COUNTERS]>,
    /// Occurrences on listeners that found no room in the kernel's map:
    /// counted for the namespace, not named.
    pub unlisted: Reasons,
}

impl NamespaceAudit {
    /// Whether every counter balances, as far as is known.
    pub fn balances(&self) -> bool {
        self.unaccounted.iter().flatten().all(|rest| *rest == 0)
    }
}

/// One socket's `sk_drops` balance.
///
/// `kernel = attributed + explained + unaccounted`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SocketDrops {
    /// How far `sk_drops` moved; `None` where the socket closed before it was read.
    pub kernel: Option<u64>,
    /// Additions by packets that lost a connection.
    pub attributed: u64,
    /// Additions by packets that were seen and lost nothing: a duplicate SYN
    /// that was answered, a deferred accept, an old timestamp.
    pub explained: u64,
    /// The rest: segments refused before the handshake looks at them (stray
    /// RST, SYN+FIN, policy, signature, TTL). `None` where `kernel` is.
    pub unaccounted: Option<i64>,
}

impl SocketDrops {
    /// Of two sockets together; what only one of them knows counts for both.
    pub fn plus(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (None, None) => None,
            _ => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        let rest = match (self.unaccounted, other.unaccounted) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
        };
        Self {
            kernel: sum(self.kernel, other.kernel),
            attributed: self.attributed.saturating_add(other.attributed),
            explained: self.explained.saturating_add(other.explained),
            unaccounted: rest,
        }
    }
}

/// The balance of every namespace between two readings; `None`: it was not
/// there at the first.
pub fn audit_namespaces<'a>(
    namespaces: impl Iterator<Item = (&'a NamespaceCounts, Option<&'a NamespaceCounts>)>,
) -> Vec<NamespaceAudit> {
    let nothing = NamespaceCounts::default();
    let mut audits: Vec<NamespaceAudit> =
        namespaces.map(|(now, base)| audit_namespace(now, base.unwrap_or(&nothing))).collect();
    audits.sort_by_key(|audit| audit.netns);
    audits
}

fn audit_namespace(now: &NamespaceCounts, base: &NamespaceCounts) -> NamespaceAudit {
    let moved = |of: &dyn Fn(&NamespaceCounts, Counter) -> u64| {
        ALL.map(|counter| of(now, counter).saturating_sub(of(base, counter)))
    };
    // Counters that could not be read at either end have moved who knows how far.
    let is_read = !now.unread && !base.unread;
    let mut unlisted = now.unlisted;
    unlisted.0.iter_mut().zip(base.unlisted.0).for_each(|(now, base)| *now = now.saturating_sub(base));
    NamespaceAudit {
        netns: now.netns,
        kernel: is_read
            .then(|| moved(&|counts, counter| counts.kernel.get(counter.index()).copied().unwrap_or(0))),
        attributed: moved(&attributed),
        unaccounted: is_read
            .then(|| ALL.map(|counter| now.unaccounted(counter).saturating_sub(base.unaccounted(counter)))),
        unlisted,
    }
}

/// What was attributed at the instant the kernel's counter was read, as far as
/// the two readings around it tell: see [`NamespaceCounts::attributed`].
fn attributed(counts: &NamespaceCounts, counter: Counter) -> u64 {
    let at = |reading: &[u64; COUNTERS]| reading.get(counter.index()).copied().unwrap_or(0);
    let [low, high] = &counts.attributed;
    if counts.unread {
        return at(high);
    }
    at(&counts.kernel).clamp(at(low), at(high).max(at(low)))
}

/// Balance of one listener's `sk_drops` between two readings. What was seen at
/// the instant that the kernel's was read follows from the readings around it:
/// see [`ListenerCounts::sk_drops_before`].
pub fn audit_socket(now: &ListenerCounts, base: &ListenerCounts) -> SocketDrops {
    let lost = lost(&now.totals).saturating_sub(lost(&base.totals));
    let Some(kernel) = now.sk_drops.map(|now| now.saturating_sub(base.sk_drops.unwrap_or(0))) else {
        let seen = now.totals.sk_drops.saturating_sub(base.totals.sk_drops);
        return SocketDrops {
            kernel: None,
            attributed: lost,
            explained: seen.saturating_sub(lost),
            unaccounted: None,
        };
    };
    let rest = now.unaccounted().saturating_sub(base.unaccounted());
    let seen = u64::try_from(i128::from(kernel) - i128::from(rest)).unwrap_or(0);
    let attributed = lost.min(seen);
    SocketDrops { kernel: Some(kernel), attributed, explained: seen - attributed, unaccounted: Some(rest) }
}

/// Additions to `sk_drops` that belong to losses: never more than were seen.
fn lost(totals: &Totals) -> u64 {
    let owed = totals
        .reasons
        .iter()
        .fold(0u64, |sum, (reason, count)| sum.saturating_add(count.saturating_mul(additions(reason))));
    owed.min(totals.sk_drops)
}

/// What one occurrence of a reason adds to the listener's `sk_drops`:
/// `tcp_listendrop()` adds 1 together with `ListenDrops`, and for a packet on
/// a half-open request that gave no socket tcp_v4_rcv()/tcp_v6_rcv() add 1
/// more at `discard_and_relse` (5.10 to 7.2).
fn additions(reason: Reason) -> u64 {
    let row = reason.row();
    let by_listendrop = u64::from(row.counters.contains(&Counter::ListenDrops));
    let by_caller = u64::from(row.stage == Stage::Ack || reason == Reason::RequestReset);
    by_listendrop + by_caller
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_to_sk_drops_per_reason() {
        for (reason, expected) in [
            (Reason::SynAcceptQueueFull, 1),
            (Reason::SynQueueFull, 1),
            (Reason::SynDuplicate, 0),
            (Reason::SynCookieSent, 0),
            (Reason::AckAcceptQueueFull, 2),
            (Reason::AckChildFailed, 2),
            (Reason::AckListenerClosed, 1),
            (Reason::CookieAckAcceptQueueFull, 1),
            (Reason::CookieAckLost, 0),
            (Reason::RequestAborted, 1),
            (Reason::RequestReset, 1),
            (Reason::ListenerClosed, 0),
            (Reason::SynackExpired, 0),
        ] {
            assert_eq!(additions(reason), expected, "{}", reason.name());
        }
    }

    /// `reasons` with `seen` additions against the kernel's `kernel`.
    #[track_caller]
    fn check_socket(reasons: &[(Reason, u64)], seen: u64, kernel: Option<u64>, expected: SocketDrops) {
        let mut totals = Totals { sk_drops: seen, ..Totals::default() };
        reasons.iter().for_each(|(reason, count)| totals.reasons[*reason] = *count);
        let now = ListenerCounts { totals, sk_drops: kernel, ..ListenerCounts::default() };
        assert_eq!(audit_socket(&now, &ListenerCounts::default()), expected);
    }

    /// SYNs that were refused, each one addition: by the readings before and
    /// after that of the kernel's counter, at both ends of an interval.
    #[track_caller]
    fn check_interval(base: [u64; 3], now: [u64; 3], kernel: u64, attributed: u64, rest: i64) {
        let counts = |[before, kernel, after]: [u64; 3]| {
            let mut totals = Totals { sk_drops: after, ..Totals::default() };
            totals.reasons[Reason::SynAcceptQueueFull] = after;
            let sk_drops_before = Some(before);
            ListenerCounts { totals, sk_drops: Some(kernel), sk_drops_before, ..ListenerCounts::default() }
        };
        let drops = audit_socket(&counts(now), &counts(base));
        assert_eq!(
            (drops.kernel, drops.attributed, drops.unaccounted),
            (Some(kernel), attributed, Some(rest))
        );
    }

    #[test]
    fn packets_that_come_while_a_socket_is_read_are_no_rest() {
        check_interval([0, 0, 0], [200, 200, 200], 200, 200, 0);
        check_interval([10, 12, 15], [210, 211, 215], 199, 199, 0);
        check_interval([10, 12, 15], [210, 216, 215], 204, 200, 1);
        check_interval([10, 9, 15], [210, 211, 215], 202, 200, 1);
        check_interval([0, 0, 0], [210, 205, 215], 205, 210, -5);
    }

    #[test]
    fn socket_balances() {
        let losses = [(Reason::SynAcceptQueueFull, 311), (Reason::AckAcceptQueueFull, 4)];
        let drops = |kernel, attributed, explained, unaccounted| SocketDrops {
            kernel,
            attributed,
            explained,
            unaccounted,
        };
        check_socket(&[], 0, Some(0), drops(Some(0), 0, 0, Some(0)));
        check_socket(&losses, 319, Some(319), drops(Some(319), 319, 0, Some(0)));
        check_socket(&losses, 326, Some(326), drops(Some(326), 319, 7, Some(0)));
        check_socket(&losses, 326, Some(329), drops(Some(329), 319, 7, Some(3)));
        check_socket(&losses, 319, Some(318), drops(Some(318), 319, 0, Some(-1)));
        check_socket(&losses, 319, None, drops(None, 319, 0, None));
        // A loss whose addition was not seen (yet) is no addition.
        check_socket(&losses, 300, None, drops(None, 300, 0, None));
        check_socket(&losses, 326, None, drops(None, 319, 7, None));
    }

    #[test]
    fn two_sockets_together() {
        let drops = |kernel, unaccounted| SocketDrops { kernel, attributed: 3, explained: 2, unaccounted };
        let both = |a: SocketDrops, b: SocketDrops| {
            let sum = a.plus(b);
            assert_eq!((sum.attributed, sum.explained), (6, 4));
            (sum.kernel, sum.unaccounted)
        };
        assert_eq!(both(drops(Some(9), Some(4)), drops(Some(4), Some(-1))), (Some(13), Some(3)));
        assert_eq!(both(drops(Some(9), Some(4)), drops(None, None)), (Some(9), Some(4)));
        assert_eq!(both(drops(None, None), drops(Some(9), Some(4))), (Some(9), Some(4)));
        assert_eq!(both(drops(None, None), drops(None, None)), (None, None));
    }

    fn namespace(kernel: u64, low: u64, high: u64) -> NamespaceCounts {
        NamespaceCounts {
            netns: 5,
            kernel: [kernel, 0, 0, 0, 0, 0],
            attributed: [[low, 0, 0, 0, 0, 0], [high, 0, 0, 0, 0, 0]],
            ..NamespaceCounts::default()
        }
    }

    #[track_caller]
    fn check(now: &NamespaceCounts, base: &NamespaceCounts, expected: (u64, u64, i64)) {
        let audits = audit_namespaces([(now, Some(base))].into_iter());
        let audit = audits.first().expect("one namespace");
        let (kernel, rest) = (audit.kernel.unwrap(), audit.unaccounted.unwrap());
        assert_eq!((kernel[0], audit.attributed[0], rest[0]), expected);
    }

    #[test]
    fn namespace_balances() {
        check(&namespace(315, 315, 315), &namespace(0, 0, 0), (315, 315, 0));
        check(&namespace(315, 313, 317), &namespace(0, 0, 0), (315, 315, 0));
        check(&namespace(315, 310, 312), &namespace(0, 0, 0), (315, 312, 3));
        check(&namespace(315, 316, 318), &namespace(0, 0, 0), (315, 316, -1));
        check(&namespace(315, 315, 315), &namespace(300, 299, 299), (15, 16, -1));
        check(&namespace(9, 7, 3), &namespace(0, 0, 0), (9, 7, 2));
    }

    /// Kernel, attributed: attributed and left over.
    #[track_caller]
    fn check_shared(kernel: u64, ours: u64, expected: (u64, i64)) {
        let counts = |count: u64| {
            let mut counts = [0; COUNTERS];
            counts[Counter::SynRetrans.index()] = count;
            counts
        };
        let now = NamespaceCounts {
            netns: 5,
            kernel: counts(kernel),
            attributed: [counts(ours); 2],
            ..NamespaceCounts::default()
        };
        let audits = audit_namespaces([(&now, None)].into_iter());
        let at = Counter::SynRetrans.index();
        assert_eq!((audits[0].attributed[at], audits[0].unaccounted.unwrap()[at]), expected);
    }

    /// What the kernel counted is not known, and so is the rest; what was
    /// attributed is, from what hooks saw.
    #[test]
    fn counters_that_cannot_be_read_are_unknown_and_not_zero() {
        let read = namespace(315, 300, 315);
        let unread = NamespaceCounts { unread: true, ..namespace(0, 40, 42) };
        for (now, base, attributed) in [
            (unread.clone(), NamespaceCounts::default(), 42),
            (unread.clone(), unread.clone(), 0),
            (read.clone(), unread.clone(), 273),
        ] {
            let audits = audit_namespaces([(&now, Some(&base))].into_iter());
            assert_eq!((audits[0].kernel, audits[0].unaccounted), (None, None));
            assert_eq!(audits[0].attributed[0], attributed);
            assert!(audits[0].balances(), "nothing is known to be left over");
        }
    }

    #[test]
    fn a_rest_of_any_counter_is_no_balance() {
        for (at, rest) in (0..COUNTERS).flat_map(|at| [(at, 1), (at, -1)]) {
            let mut audit =
                audit_namespaces([(&namespace(0, 0, 0), None)].into_iter()).pop().expect("one namespace");
            assert!(audit.balances());
            audit.unaccounted.as_mut().unwrap()[at] = rest;
            assert!(!audit.balances(), "{rest} of {}", ALL[at].name());
        }
    }

    #[test]
    fn what_is_unlisted_is_told_since_the_base() {
        let unlisted = |syns, acks| {
            let mut counts = namespace(0, 0, 0);
            counts.unlisted[Reason::SynAcceptQueueFull] = syns;
            counts.unlisted[Reason::AckAcceptQueueFull] = acks;
            counts
        };
        let since = |base: Option<&NamespaceCounts>| {
            let audits = audit_namespaces([(&unlisted(9, 4), base)].into_iter());
            audits[0].unlisted.iter().collect::<Vec<_>>()
        };
        let [syns, acks] = [Reason::SynAcceptQueueFull, Reason::AckAcceptQueueFull];
        assert_eq!(since(None), [(syns, 9), (acks, 4)]);
        assert_eq!(since(Some(&unlisted(7, 4))), [(syns, 2)]);
        assert_eq!(since(Some(&unlisted(10, 1))), [(acks, 3)]);
    }

    #[test]
    fn what_clients_add_to_a_shared_counter_is_no_rest() {
        check_shared(12, 12, (12, 0));
        check_shared(15, 12, (12, 0));
        check_shared(11, 12, (12, -1));
    }

    #[test]
    fn a_namespace_that_appears_later_starts_at_nothing_and_order_is_by_number() {
        let other = NamespaceCounts { netns: 9, ..namespace(4, 4, 4) };
        let (now, base) = (namespace(315, 315, 315), namespace(300, 300, 300));
        let audits = audit_namespaces([(&other, None), (&now, Some(&base))].into_iter());
        let seen: Vec<(u32, u64)> =
            audits.iter().map(|audit| (audit.netns, audit.kernel.unwrap()[0])).collect();
        assert_eq!(seen, [(5, 15), (9, 4)]);
        assert!(audits.iter().all(NamespaceAudit::balances));
    }
}
