//! What was given to each listener so far, and how its queue stood whenever it
//! was looked at. Pure.

use std::collections::BTreeMap;

use backlog_trace_common::bucket::{DEPTH_BUCKETS, bucket_of};
use backlog_trace_common::counter::Counter;

use super::account::Given;
use crate::event::{ListenerCounts, Totals};
use crate::listener::Depth;

/// One listener's entry.
#[derive(Clone, Debug, Default)]
struct Entry {
    totals: Totals,
    /// `sk_drops` at the first look.
    first: Option<u32>,
    /// `sk_drops` at the last look, until it closes.
    last: Option<u32>,
}

/// Every listener that was looked at.
#[derive(Debug, Default)]
pub(super) struct Ledger(BTreeMap<u32, Entry>);

impl Ledger {
    /// Takes note of how a listener stands. `opened`: it was not there at the
    /// first look at its namespace, so its `sk_drops` began at 0 meanwhile.
    pub(super) fn look(&mut self, id: u32, limit: Option<u32>, depth: Depth, opened: bool) {
        let entry = self.0.entry(id).or_insert_with(|| Entry {
            first: if opened { depth.drops.map(|_| 0) } else { depth.drops },
            ..Entry::default()
        });
        entry.last = depth.drops;
        entry.totals.limit = limit.unwrap_or(0);
        entry.totals.accept_queue_max = entry.totals.accept_queue_max.max(depth.accept_queue);
        let bucket = bucket_of(depth.accept_queue, DEPTH_BUCKETS);
        if let Some(count) = entry.totals.accept_depth_polled.get_mut(bucket) {
            *count += 1;
        }
    }

    /// It closed: what `sk_drops` was then is not known.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(entry) = self.0.get_mut(&id) {
            entry.last = None;
        }
    }

    /// Adds what was given to a listener.
    pub(super) fn give(&mut self, id: u32, given: &Given) {
        let totals = &mut self.0.entry(id).or_default().totals;
        for (reason, count) in given.reasons.iter() {
            totals.reasons[reason] += count;
            if reason.row().counters.contains(&Counter::ListenDrops) {
                // At least one for each; a final ACK's second cannot be told
                // from what loses nothing.
                totals.sk_drops += count;
            }
        }
        totals.cookies_wanted_lost += given.cookies_wanted_lost;
    }

    /// All of it.
    pub(super) fn counts(&self) -> Vec<ListenerCounts> {
        let moved = |entry: &Entry| Some(u64::from(entry.last?.wrapping_sub(entry.first?)));
        self.0
            .iter()
            .map(|(id, entry)| ListenerCounts {
                id: *id,
                totals: entry.totals.clone(),
                sk_drops: moved(entry),
                ..ListenerCounts::default()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use backlog_trace_common::reason::Reason;

    use super::*;
    use crate::event::Reasons;

    #[track_caller]
    fn check(looks: &[(u32, Option<u32>)], opened: bool, closes: bool, most: u32, moved: Option<u64>) {
        let mut ledger = Ledger::default();
        for (accept_queue, drops) in looks {
            ledger.look(3, Some(8), Depth { accept_queue: *accept_queue, drops: *drops }, opened);
        }
        if closes {
            ledger.close(3);
        }
        let counts = ledger.counts().remove(0);
        let samples: u64 = counts.totals.accept_depth_polled.iter().sum();
        assert_eq!(samples, looks.len() as u64);
        assert_eq!((counts.totals.accept_queue_max, counts.totals.limit), (most, 8));
        assert_eq!(counts.sk_drops, moved);
    }

    #[test]
    fn drops_move_from_the_first_look_to_the_last() {
        check(&[(0, Some(7)), (9, Some(11)), (2, Some(12))], false, false, 9, Some(5));
        check(&[(0, Some(u32::MAX)), (0, Some(1))], false, false, 0, Some(2));
        check(&[(1, Some(7))], true, false, 1, Some(7));
        check(&[(1, Some(7)), (1, Some(8))], false, true, 1, None);
        check(&[(1, None)], false, false, 1, None);
        check(&[(1, None)], true, false, 1, None);
    }

    #[test]
    fn what_is_given_adds_up() {
        let mut ledger = Ledger::default();
        let mut reasons = Reasons::default();
        reasons[Reason::SynAcceptQueueFull] = 3;
        reasons[Reason::SynCookieSent] = 2;
        let given = Given { reasons, cookies_wanted_lost: 1 };
        ledger.give(3, &given);
        ledger.give(3, &given);
        let totals = ledger.counts().remove(0).totals;
        assert_eq!((totals.reasons[Reason::SynAcceptQueueFull], totals.sk_drops), (6, 6));
        assert_eq!((totals.reasons[Reason::SynCookieSent], totals.cookies_wanted_lost), (4, 2));
    }
}
