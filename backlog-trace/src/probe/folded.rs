//! What listeners and namespaces counted whose room has been given back.

use std::collections::BTreeMap;

use backlog_trace_common::counter::COUNTERS;
use backlog_trace_model::event::{ListenerCounts, NamespaceCounts, Totals};

use super::reading::attributed_to;

/// What is gone from the kernel's maps and still counts.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// By the slot of a namespace that is still there.
    slots: BTreeMap<u32, [u64; COUNTERS]>,
    /// By inode number, of namespaces that are gone. The kernel gives the lowest
    /// free number to the next one (proc_alloc_inum(), 5.10 to 7.2), so these
    /// are never more than there were namespaces at a time.
    gone: BTreeMap<u32, NamespaceCounts>,
    /// Last counts of listeners, for the next snapshot.
    last_counts: Vec<ListenerCounts>,
}

impl Folded {
    /// A listener's rows are given back: its last counts, and what each of its
    /// rows counted in which slot.
    pub(super) fn listener(&mut self, counts: ListenerCounts, rows: &[(u32, Totals)]) {
        for (slot, totals) in rows {
            let sums = self.slots.entry(*slot).or_default();
            sums.iter_mut().zip(attributed_to(totals)).for_each(|(sum, value)| *sum += value);
        }
        self.last_counts.push(counts);
    }

    /// What closed listeners account for in a slot.
    pub(super) fn attributed(&self, slot: u32) -> [u64; COUNTERS] {
        self.slots.get(&slot).copied().unwrap_or_default()
    }

    /// A namespace is gone, with this last balance.
    pub(super) fn namespace(&mut self, slot: u32, last: &NamespaceCounts) {
        self.slots.remove(&slot);
        add(self.gone.entry(last.netns).or_default(), last);
    }

    /// Adds what namespaces that are gone counted under the same inode numbers.
    pub(super) fn add_gone(&self, namespaces: &mut BTreeMap<u32, NamespaceCounts>) {
        for (netns, gone) in &self.gone {
            add(namespaces.entry(*netns).or_default(), gone);
        }
    }

    /// Takes the last counts of the listeners that were forgotten.
    pub(super) fn take_last_counts(&mut self) -> Vec<ListenerCounts> {
        std::mem::take(&mut self.last_counts)
    }
}

fn add(sum: &mut NamespaceCounts, other: &NamespaceCounts) {
    sum.netns = other.netns;
    let add = |into: &mut [u64], values: &[u64]| {
        into.iter_mut().zip(values).for_each(|(into, value)| *into += value);
    };
    add(&mut sum.kernel, &other.kernel);
    add(&mut sum.attributed[0], &other.attributed[0]);
    add(&mut sum.attributed[1], &other.attributed[1]);
    add(&mut sum.unlisted.0, &other.unlisted.0);
}

#[cfg(test)]
mod tests {
    use backlog_trace_common::counter::Counter;
    use backlog_trace_common::reason::Reason;

    use super::*;

    #[test]
    fn what_a_closed_listener_lost_still_counts_for_its_namespace() {
        let mut folded = Folded::default();
        let mut totals = Totals::default();
        totals.reasons[Reason::SynAcceptQueueFull] = 5;
        for id in 0..3 {
            let counts = ListenerCounts { id, totals: totals.clone(), ..ListenerCounts::default() };
            folded.listener(counts, &[(4, totals.clone())]);
        }
        assert_eq!(folded.attributed(4)[Counter::ListenOverflows.index()], 15);
        assert_eq!(folded.attributed(5), [0; COUNTERS]);
        assert_eq!(folded.take_last_counts().len(), 3);
        assert!(folded.take_last_counts().is_empty());
    }

    #[test]
    fn a_number_that_is_used_again_has_one_balance() {
        let mut folded = Folded::default();
        let balance = |drops| NamespaceCounts {
            netns: 7,
            kernel: [0, drops, 0, 0, 0, 0],
            attributed: [[0, drops, 0, 0, 0, 0]; 2],
            ..NamespaceCounts::default()
        };
        folded.namespace(0, &balance(8));
        folded.namespace(3, &balance(2));
        let mut now = BTreeMap::from([(7, balance(1))]);
        folded.add_gone(&mut now);
        assert_eq!((now[&7].kernel[1], now[&7].unaccounted(Counter::ListenDrops)), (11, 0));
    }
}
