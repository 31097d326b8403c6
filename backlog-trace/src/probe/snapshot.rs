//! A snapshot: what has changed since the last one, as consistent as readings
//! that take their time can be. What is counted is read before and after the
//! kernel's own figures, so these lie in between.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use backlog_trace_model::event::{ListenerCounts, NamespaceCounts, Snapshot, Totals};

use super::balance::{self, Kernel, Known};
use super::folded::Folded;
use super::queues::Queues;
use super::reading::Reading;
use crate::listener::Book;

/// Three readings, one after the other.
pub(super) struct Readings {
    /// What was counted before.
    pub(super) before: Reading,
    /// The kernel's own counters; its sockets are in the book.
    pub(super) kernel: Kernel,
    /// What was counted after.
    pub(super) after: Reading,
}

/// What a snapshot is made of beside the readings.
#[derive(Default)]
pub(super) struct Snapshots {
    pub(super) folded: Folded,
    known: Known,
    /// What was sent last of each listener and namespace, as a digest.
    listeners: HashMap<u32, u64>,
    namespaces: HashMap<u32, u64>,
}

impl Snapshots {
    /// What has changed; all of it where it is the `last` one, so that a reader
    /// that missed any has it from this.
    pub(super) fn take(
        &mut self,
        readings: &Readings,
        queues: &mut Queues,
        book: &Book,
        is_last: bool,
    ) -> Snapshot {
        let Readings { before, kernel, after } = readings;
        let nothing = Totals::default();
        let mut listeners = self.folded.take_last_counts();
        let retired: Vec<u32> = listeners.iter().map(|counts| counts.id).collect();
        for id in &retired {
            self.listeners.remove(id);
        }
        for (id, totals) in &after.listeners {
            let before = before.listeners.get(id).unwrap_or(&nothing);
            if let Some(depth) = book.depth(*id).filter(|_| !queues.is_settled(*id)) {
                queues.look(*id, depth, before, totals);
            }
            let counts = queues.complete(*id, before, totals, book);
            if is_news(&mut self.listeners, *id, &counts) || is_last {
                listeners.push(counts);
            }
        }
        let mut namespaces = self.balance(before, kernel, after, book);
        namespaces.retain(|netns, counts| is_news(&mut self.namespaces, *netns, counts) || is_last);
        Snapshot { listeners, namespaces: namespaces.into_values().collect(), retired, ..Snapshot::default() }
    }

    /// The last counts of a listener whose room is given back.
    pub(super) fn fold(&mut self, counts: ListenerCounts, rows: &[(u32, Totals)]) {
        self.folded.listener(counts, rows);
    }

    /// A namespace is gone, and its slot is given back.
    pub(super) fn fold_namespace(&mut self, slot: u32, reading: &Reading) {
        let Some(namespace) = reading.namespaces.get(&slot) else { return };
        let last = self.known.0.remove(&slot).unwrap_or_default();
        self.folded.namespace(slot, &balance::gone(namespace, last));
    }

    fn balance(
        &mut self,
        before: &Reading,
        kernel: &Kernel,
        after: &Reading,
        book: &Book,
    ) -> BTreeMap<u32, NamespaceCounts> {
        self.known.0.extend(kernel.0.iter().map(|(slot, counters)| (*slot, *counters)));
        let mut namespaces = balance::balance(&before.namespaces, &after.namespaces, kernel, &self.known);
        self.folded.add_gone(&mut namespaces);
        for namespace in namespaces.values_mut() {
            namespace.unread = book.lacks_counters(namespace.netns);
        }
        namespaces
    }
}

/// Whether something differs from what was sent last.
fn is_news(sent: &mut HashMap<u32, u64>, id: u32, counts: &impl Hash) -> bool {
    let mut hasher = DefaultHasher::new();
    counts.hash(&mut hasher);
    let digest = hasher.finish();
    sent.insert(id, digest) != Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_where_it_stood_is_no_news() {
        let mut sent = HashMap::new();
        let counts = |syns| ListenerCounts {
            totals: Totals { syns, ..Totals::default() },
            ..ListenerCounts::default()
        };
        assert!(is_news(&mut sent, 3, &counts(0)));
        assert!(!is_news(&mut sent, 3, &counts(0)));
        assert!(is_news(&mut sent, 4, &counts(0)));
        assert!(is_news(&mut sent, 3, &counts(1)));
    }
}
