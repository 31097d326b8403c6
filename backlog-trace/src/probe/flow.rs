//! What flows through an accept queue: connections are put in when their
//! handshake finishes, and leave by accept(). The kernel side counts one of the
//! two one by one; the other follows from the queue's length.
//!
//! Length and count are read one after the other, and packets come in between.
//! With the count read first, what follows is never more than what happened;
//! the most of what ever followed is told, so that it only rises and intervals
//! add up to the whole. Once no packet comes in between, it is exact.

use std::collections::BTreeMap;

use backlog_trace_model::event::Totals;

use super::queues::Counted;

/// An accept queue, as far as its length tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct AcceptQueue {
    /// Waited when the listener was met; below 0 where connections that came
    /// since had been accepted by the time that its length was read.
    pub(super) start: i64,
    /// Wait now, or waited one of the times that the listener closed.
    pub(super) left: u64,
    /// Of what came in, finished at another listener: a member of the group
    /// that closed (tcp_migrate_req). There they are counted as finished.
    pub(super) taken_over: u64,
}

impl AcceptQueue {
    /// Handshakes that finished here, of which so many were accepted.
    const fn finished(self, accepted: u64) -> u64 {
        (accepted + self.left)
            .saturating_sub(self.taken_over)
            .saturating_add_signed(self.start.saturating_neg())
    }

    /// Accepted, of so many handshakes that finished here.
    const fn accepted(self, finished: u64) -> u64 {
        (finished + self.taken_over).saturating_add_signed(self.start).saturating_sub(self.left)
    }
}

/// What has been told of each listener.
#[derive(Debug, Default)]
pub(super) struct Flow(BTreeMap<u32, u64>);

impl Flow {
    /// Adds what follows to what was counted; `before` the queue was looked at,
    /// so much had been counted.
    pub(super) fn complete(
        &mut self,
        id: u32,
        counted: Counted,
        queue: AcceptQueue,
        before: &Totals,
        totals: &mut Totals,
    ) {
        match counted {
            Counted::Accepts => totals.established = self.at_least(id, queue.finished(before.accepted)),
            Counted::Handshakes => totals.accepted = self.at_least(id, queue.accepted(before.established)),
            Counted::Nothing => {}
        }
    }

    /// Nothing comes of it any more.
    pub(super) fn forget(&mut self, id: u32) {
        self.0.remove(&id);
    }

    fn at_least(&mut self, id: u32, now: u64) -> u64 {
        let told = self.0.entry(id).or_default();
        *told = now.max(*told);
        *told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepted and finished, as counted before and after the queue was looked at.
    #[derive(Clone, Copy)]
    struct Look {
        before: u64,
        waiting: u64,
        after: u64,
    }

    /// What is told at each look by what is counted.
    #[track_caller]
    fn check(counted: Counted, looks: &[Look], told: &[u64]) {
        let mut flow = Flow::default();
        let totals = |count| match counted {
            Counted::Accepts => Totals { accepted: count, ..Totals::default() },
            _ => Totals { established: count, ..Totals::default() },
        };
        let follows = |look: &Look| {
            let queue = AcceptQueue { left: look.waiting, ..AcceptQueue::default() };
            let mut now = totals(look.after);
            flow.complete(7, counted, queue, &totals(look.before), &mut now);
            if counted == Counted::Accepts { now.established } else { now.accepted }
        };
        assert_eq!(looks.iter().map(follows).collect::<Vec<_>>(), told);
    }

    #[test]
    fn what_follows_only_rises_and_is_never_more_than_what_happened() {
        let look = |before, waiting, after| Look { before, waiting, after };
        // Nobody accepts: three were put in between the looks at queue and count.
        check(Counted::Handshakes, &[look(5, 5, 8), look(8, 8, 8)], &[0, 0]);
        // Two came between count and queue: two less for now, and never fewer than before.
        check(Counted::Handshakes, &[look(9, 4, 9), look(9, 6, 11), look(11, 6, 11)], &[5, 5, 5]);
        check(Counted::Handshakes, &[look(9, 4, 9), look(12, 0, 14), look(14, 0, 14)], &[5, 12, 14]);
        // Three were accepted between the looks at queue and count.
        check(Counted::Accepts, &[look(2, 5, 5), look(5, 2, 5)], &[7, 7]);
        check(Counted::Accepts, &[look(5, 2, 5), look(5, 1, 6), look(6, 1, 6)], &[7, 7, 7]);
    }

    #[test]
    fn a_connection_that_moved_is_finished_where_it_finished() {
        // 27 of 67 were taken over, 40 finished here; all but three were accepted.
        let queue = AcceptQueue { start: 0, left: 3, taken_over: 27 };
        assert_eq!((queue.finished(64), queue.accepted(40)), (40, 64));
        let met_late = AcceptQueue { start: 2, left: 0, taken_over: 0 };
        assert_eq!((met_late.finished(5), met_late.accepted(3)), (3, 5));
    }
}
