//! What the kernel keeps in each listening socket itself, and how far it moved
//! since the observation began: `sk_drops` and the accept queue's length.

use std::collections::BTreeMap;

use backlog_trace_common::identity::Identity;

use crate::event::Totals;
use crate::listener::Book;

/// Where a listener stood.
#[derive(Clone, Copy, Debug)]
struct Stood {
    /// When the kernel side met it first (`CLOCK_MONOTONIC`, ns).
    met: u64,
    /// `sk_drops` and accept queue length then.
    start: (u32, u32),
    /// The same when it closed.
    end: Option<(u32, u32)>,
}

/// Every listener that the kernel side has met.
#[derive(Debug, Default)]
pub(super) struct Queues(BTreeMap<u32, Stood>);

impl Queues {
    /// Takes note of what the kernel side recorded; a socket met under two
    /// keys started where it was met first.
    pub(super) fn learn(&mut self, id: u32, identity: &Identity) {
        let start = (identity.drops, identity.accept_queue);
        let end = (identity.closed != 0).then_some((identity.closed_drops, identity.closed_accept_queue));
        let stood = self.0.entry(id).or_insert(Stood { met: identity.time, start, end });
        if identity.time < stood.met {
            stood.met = identity.time;
            stood.start = start;
        }
        stood.end = end.or(stood.end);
    }

    /// The movement since then: read when it closed, else at the last look at
    /// its namespace. The kernel's counter is 32 bits wide and wraps.
    pub(super) fn drops_moved(&self, id: u32, book: &Book) -> Option<u64> {
        let stood = self.0.get(&id)?;
        let now = stood.end.map(|(drops, _)| drops).or_else(|| book.drops(id))?;
        Some(u64::from(now.wrapping_sub(stood.start.0)))
    }

    /// Adds what follows from the accept queue's length: every handshake that
    /// finished was handed out by accept() since, or waits in the queue, or
    /// waited there when the listener closed.
    pub(super) fn complete(&self, id: u32, totals: &Totals, book: &Book) -> Totals {
        let mut totals = totals.clone();
        let stood = self.0.get(&id);
        let start = stood.map_or(0, |stood| stood.start.1);
        let now = stood
            .and_then(|stood| stood.end.map(|(_, queue)| queue))
            .or_else(|| book.depth(id).map(|depth| depth.accept_queue));
        if let Some(listener) = book.by_id(id) {
            totals.limit = listener.limit;
        }
        if let Some(now) = now {
            totals.established = (totals.accepted + u64::from(now)).saturating_sub(u64::from(start));
            totals.accept_queue_max = totals.accept_queue_max.max(now);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(time: u64, drops: u32, closed: Option<u32>) -> Identity {
        Identity {
            time,
            drops,
            closed: u64::from(closed.is_some()),
            closed_drops: closed.unwrap_or(0),
            ..Identity::default()
        }
    }

    #[track_caller]
    fn check(identities: &[Identity], moved: Option<u64>) {
        let mut queues = Queues::default();
        for identity in identities {
            queues.learn(0, identity);
        }
        assert_eq!(queues.drops_moved(0, &Book::new()), moved);
    }

    #[track_caller]
    fn check_established(queue: (u32, u32), accepted: u64, established: u64) {
        let mut queues = Queues::default();
        let met = Identity {
            accept_queue: queue.0,
            closed: 1,
            closed_accept_queue: queue.1,
            ..Identity::default()
        };
        queues.learn(0, &met);
        let totals = Totals { accepted, ..Totals::default() };
        let complete = queues.complete(0, &totals, &Book::new());
        assert_eq!((complete.established, complete.accept_queue_max), (established, queue.1));
    }

    #[test]
    fn a_finished_handshake_was_accepted_or_waits() {
        check_established((0, 0), 0, 0);
        check_established((0, 3), 0, 3);
        check_established((0, 3), 5, 8);
        // Two of the five waited already when the tool began.
        check_established((2, 0), 5, 3);
    }

    #[test]
    fn movement_until_it_closed() {
        check(&[identity(5, 10, Some(14))], Some(4));
        // Two keys: the earlier meeting counts, in either order.
        check(&[identity(5, 10, None), identity(3, 8, Some(14))], Some(6));
        check(&[identity(3, 8, Some(14)), identity(5, 10, None)], Some(6));
        // The counter wraps.
        check(&[identity(1, u32::MAX, Some(2))], Some(3));
        // Open, and no look at its namespace yet.
        check(&[identity(1, 1, None)], None);
    }
}
