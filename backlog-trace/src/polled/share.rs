//! Whose losses they were, and why: only where the counters leave no choice.
//! Pure.
//!
//! What the kernel does for each loss that it counts (KERNEL: net/ipv4,
//! 5.10 to 7.2) bounds what can have happened:
//!
//! - `tcp_listendrop()` moves `ListenDrops` and the listener's `sk_drops` by one
//!   each. So a listener lost at most as often as its `sk_drops` moved, and at
//!   least what the others cannot have lost.
//! - `ListenOverflows` or `TCPReqQFullDrop` move for one loss, never both:
//!   `tcp_conn_request()` leaves at the first of the two.
//! - `TCPReqQFullDrop` is moved by a refused SYN alone.
//! - `ListenOverflows` is moved by a SYN, a final ACK or a cookie's ACK.
//!   A final ACK moves `sk_drops` once more (`discard_and_relse` of
//!   `tcp_v4_rcv()`/`tcp_v6_rcv()`), and a cookie's ACK moves `SyncookiesRecv`
//!   first. So all of them that those two do not explain were SYNs. The other
//!   way round nothing follows: what loses nothing, a duplicate SYN or a stray
//!   RST, moves `sk_drops` too.
//!
//! A listener that opens and closes between two looks is seen by nobody.

use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::Reasons;

/// What moved in one namespace between two looks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Moved {
    /// Losses to a full accept queue.
    pub(super) overflows: u64,
    /// SYNs lost to a full SYN queue.
    pub(super) full: u64,
    /// All other losses.
    pub(super) others: u64,
    /// Of the overflows, at most so many final ACKs and others that are no
    /// SYN: what is left once each loss has its one `sk_drops`, the cookies
    /// that came back, the Fast Open children that failed.
    pub(super) not_syns: u64,
    /// Each listener with the most that it can have lost; `None`: some
    /// listener's share cannot be bounded.
    pub(super) listeners: Option<Vec<(u32, u64)>>,
}

/// The losses that can only have been these listeners', with their reasons.
pub(super) fn share(moved: &Moved) -> Vec<(u32, Reasons)> {
    let Some(listeners) = &moved.listeners else { return Vec::new() };
    let all = listeners.iter().fold(0u64, |sum, (_, most)| sum.saturating_add(*most));
    if all < moved.overflows.saturating_add(moved.full).saturating_add(moved.others) {
        // Somebody lost them who is not among the listeners.
        return Vec::new();
    }
    let shares = listeners.iter().map(|(listener, most)| {
        let at_least = |losses: u64| losses.saturating_sub(all - most).min(*most);
        let overflows = at_least(moved.overflows);
        let syns = overflows.saturating_sub(moved.not_syns);
        let mut reasons = Reasons::default();
        reasons[Reason::SynAcceptQueueFull] = syns;
        reasons[Reason::UnknownAcceptQueueFull] = overflows - syns;
        reasons[Reason::SynQueueFull] = at_least(moved.full);
        reasons[Reason::UnknownDropped] = at_least(moved.others);
        (*listener, reasons)
    });
    shares.filter(|(_, reasons)| *reasons != Reasons::default()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SYN: Reason = Reason::SynAcceptQueueFull;
    const FULL: Reason = Reason::SynQueueFull;
    const OVERFLOW: Reason = Reason::UnknownAcceptQueueFull;
    const DROPPED: Reason = Reason::UnknownDropped;

    /// Overflows, full SYN queues, others, not SYNs; the most of each listener;
    /// the shares.
    #[track_caller]
    fn check(counters: [u64; 4], most: &[u64], expected: &[(u32, Reason, u64)]) {
        let [overflows, full, others, not_syns] = counters;
        let listeners = Some((0..).zip(most.iter().copied()).collect());
        let shares = share(&Moved { overflows, full, others, not_syns, listeners });
        let flat: Vec<(u32, Reason, u64)> = shares
            .iter()
            .flat_map(|(id, reasons)| reasons.iter().map(|(reason, count)| (*id, reason, count)))
            .collect();
        assert_eq!(flat, expected);
    }

    #[test]
    fn a_listener_that_moved_alone_lost_everything() {
        check([0, 0, 0, 0], &[0], &[]);
        check([4, 0, 0, 0], &[4], &[(0, SYN, 4)]);
        check([4, 0, 0, 0], &[0, 4], &[(1, SYN, 4)]);
        check([0, 5, 0, 0], &[5, 0], &[(0, FULL, 5)]);
        check([0, 0, 3, 0], &[3], &[(0, DROPPED, 3)]);
        check([4, 1, 2, 0], &[7], &[(0, SYN, 4), (0, FULL, 1), (0, DROPPED, 2)]);
    }

    #[test]
    fn what_may_have_been_a_final_ack_has_no_step() {
        // Three final ACKs, or three SYNs beside three packets that lost nothing.
        check([3, 0, 0, 3], &[6], &[(0, OVERFLOW, 3)]);
        check([5, 0, 0, 2], &[7], &[(0, SYN, 3), (0, OVERFLOW, 2)]);
    }

    #[test]
    fn several_share_where_nobody_else_can_have_had_it() {
        // Each of the eight moved for one loss.
        check([8, 0, 0, 0], &[3, 5], &[(0, SYN, 3), (1, SYN, 5)]);
        // One of the two may have had the tenth.
        check([80, 0, 0, 0], &[79, 2], &[(0, SYN, 78), (1, SYN, 1)]);
        check([5, 0, 0, 5], &[5, 5], &[]);
        check([6, 0, 0, 4], &[5, 5], &[(0, OVERFLOW, 1), (1, OVERFLOW, 1)]);
        // Who overflowed and who was refused?
        check([4, 4, 0, 0], &[4, 4], &[]);
    }

    #[test]
    fn somebody_unseen_may_have_lost_everything() {
        check([4, 0, 0, 0], &[3], &[]);
        let moved = Moved { overflows: 4, listeners: None, ..Moved::default() };
        assert_eq!(share(&moved), []);
    }

    /// One packet's fate on one listener: reason, and `sk_drops` beyond the first.
    fn fate() -> impl Strategy<Value = (Reason, u64)> {
        prop_oneof![
            Just((Reason::SynAcceptQueueFull, 0)),
            Just((Reason::SynQueueFull, 0)),
            Just((Reason::SynRefusedOther, 0)),
            (1..4u64).prop_map(|segments| (Reason::AckAcceptQueueFull, segments)),
            (1..4u64).prop_map(|segments| (Reason::AckChildFailed, segments)),
            Just((Reason::CookieAckAcceptQueueFull, 0)),
            Just((Reason::RequestAborted, 0)),
            // Lost nothing and moves sk_drops: stands for a duplicate SYN.
            Just((Reason::SynackRetransmit, 1)),
        ]
    }

    proptest! {
        /// Whatever happened, nobody is charged with more than he lost.
        #[test]
        fn never_more_than_was_lost(fates in prop::collection::vec((0..4u32, fate()), 0..40)) {
            let mut moved = Moved::default();
            let mut drops = [0u64; 4];
            let (mut counted, mut returned) = (0, 0);
            let mut truth = [[0u64; 4]; 4];
            for (listener, (reason, more)) in fates {
                let at = listener as usize;
                let counters = reason.row().counters;
                drops[at] += more + u64::from(!counters.is_empty());
                counted += u64::from(!counters.is_empty());
                let class = match reason {
                    Reason::SynAcceptQueueFull => 0,
                    Reason::AckAcceptQueueFull | Reason::CookieAckAcceptQueueFull => 1,
                    Reason::SynQueueFull => 2,
                    Reason::SynackRetransmit => continue,
                    _ => 3,
                };
                returned += u64::from(reason == Reason::CookieAckAcceptQueueFull);
                truth[at][class] += 1;
                match class {
                    0 | 1 => moved.overflows += 1,
                    2 => moved.full += 1,
                    _ => moved.others += 1,
                }
            }
            moved.not_syns = drops.iter().sum::<u64>() - counted + returned;
            moved.listeners = Some((0..).zip(drops).collect());
            for (listener, reasons) in share(&moved) {
                let truth = truth[listener as usize];
                prop_assert!(reasons[SYN] <= truth[0]);
                prop_assert!(reasons[SYN] + reasons[OVERFLOW] <= truth[0] + truth[1]);
                prop_assert!(reasons[FULL] <= truth[2]);
                prop_assert!(reasons[DROPPED] <= truth[3]);
            }
        }
    }
}
