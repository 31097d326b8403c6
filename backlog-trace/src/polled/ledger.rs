//! What was given to each listener so far, and how its queue stood whenever it
//! was looked at. Pure.
//!
//! It is as large as the listeners that are open: one that has closed is told
//! of once more, and then forgotten. One that has had nothing in its queue and
//! lost nothing takes next to nothing and is not told of.
//!
//! What a look saw counts once its namespace's account is settled, so that
//! queue, `sk_drops` and counters of one snapshot end at the same look.

use std::collections::{BTreeMap, BTreeSet};

use backlog_trace_common::bucket::{DEPTH_BUCKETS, bucket_of};
use backlog_trace_common::counter::Counter;
use backlog_trace_model::event::{ListenerCounts, Totals};

use super::account::Given;
use crate::listener::Depth;

/// One listener's entry.
#[derive(Clone, Debug, Default)]
struct Entry {
    /// `None`: nothing has been in its queue, and it has lost nothing. How
    /// often it was looked at until then is not kept.
    totals: Option<Box<Totals>>,
    limit: u32,
    /// `sk_drops` at the first look.
    first: Option<u32>,
    /// `sk_drops` as settled last, until it closes.
    last: Option<u32>,
    /// Queue lengths of looks that are not settled yet.
    pending: Vec<u32>,
    is_closed: bool,
}

impl Entry {
    fn totals(&mut self) -> &mut Totals {
        self.totals.get_or_insert_default()
    }

    /// Counts the looks since it was settled last.
    fn settle(&mut self) -> bool {
        let pending = std::mem::take(&mut self.pending);
        let is_idle = self.totals.is_none() && pending.iter().all(|length| *length == 0);
        if pending.is_empty() || is_idle {
            return false;
        }
        let totals = self.totals();
        for length in pending {
            totals.accept_queue_max = totals.accept_queue_max.max(length);
            if let Some(count) = totals.accept_depth_polled.get_mut(bucket_of(length, DEPTH_BUCKETS)) {
                *count += 1;
            }
        }
        true
    }

    fn counts(&self, id: u32) -> Option<ListenerCounts> {
        let totals = Totals { limit: self.limit, ..(**self.totals.as_ref()?).clone() };
        let moved = || Some(u64::from(self.last?.wrapping_sub(self.first?)));
        Some(ListenerCounts { id, totals, sk_drops: moved(), ..ListenerCounts::default() })
    }
}

/// Every listener that is open, and those that closed a moment ago.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: BTreeMap<u32, Entry>,
    /// Listeners whose counts have changed since the last report.
    changed: BTreeSet<u32>,
    /// Listeners that have closed since the last report: the next one has their counts.
    closed: Vec<u32>,
    /// Listeners that the last report told of as closed: they are dropped at the next one
    /// unless they listen again.
    closed_before: Vec<u32>,
}

impl Ledger {
    /// Takes note of how a listener stands. `opened`: it was not there at the
    /// first look at its namespace, so its `sk_drops` began at 0 meanwhile.
    pub(super) fn look(&mut self, id: u32, limit: Option<u32>, depth: Depth, opened: bool) {
        let entry = self.entries.entry(id).or_insert_with(|| {
            let first = if opened { depth.drops.map(|_| 0) } else { depth.drops };
            Entry { first, last: first, ..Entry::default() }
        });
        entry.limit = limit.unwrap_or(0);
        entry.is_closed = false;
        entry.pending.push(depth.accept_queue);
    }

    /// The account of its namespace is settled: what was seen of it counts,
    /// and its `sk_drops` as far as the account has it.
    pub(super) fn settle(&mut self, id: u32, drops: Option<u32>) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let moved = entry.last != drops;
        entry.last = drops;
        if moved {
            entry.totals();
        }
        if entry.settle() || moved {
            self.changed.insert(id);
        }
    }

    /// Notes that a listener closed: what its `sk_drops` was then is not known.
    pub(super) fn close(&mut self, id: u32) {
        let Some(entry) = self.entries.get_mut(&id).filter(|entry| !entry.is_closed) else { return };
        entry.is_closed = true;
        entry.last = None;
        if entry.settle() || entry.totals.is_some() {
            self.changed.insert(id);
        }
        self.closed.push(id);
    }

    /// Adds what was given to a listener.
    pub(super) fn give(&mut self, id: u32, given: &Given) {
        let totals = self.entries.entry(id).or_default().totals();
        for (reason, count) in given.reasons.iter() {
            totals.reasons[reason] += count;
            if reason.row().counters.contains(&Counter::ListenDrops) {
                // At least one for each; a final ACK's second cannot be told
                // from what loses nothing.
                totals.sk_drops += count;
            }
        }
        totals.cookies_wanted_lost += given.cookies_wanted_lost;
        self.changed.insert(id);
    }

    /// What has changed since it was told last, and the listeners of which
    /// nothing comes any more: those that were told of as closed, and have not
    /// listened again since.
    pub(super) fn tell(&mut self) -> (Vec<ListenerCounts>, Vec<u32>) {
        let changed = std::mem::take(&mut self.changed);
        let counts = changed.into_iter().filter_map(|id| self.entries.get(&id)?.counts(id)).collect();
        let mut retired = std::mem::replace(&mut self.closed_before, std::mem::take(&mut self.closed));
        retired.retain(|id| self.entries.get(id).is_some_and(|entry| entry.is_closed));
        retired.iter().for_each(|id| drop(self.entries.remove(id)));
        (counts, retired)
    }
}

#[cfg(test)]
mod tests;
