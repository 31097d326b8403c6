//! The balance of every namespace: what the kernel's own counters say beside
//! what was attributed.

use std::collections::BTreeMap;

use backlog_trace_common::counter::{ALL, COUNTERS, Counter};
use backlog_trace_model::event::NamespaceCounts;

use super::reading::{Namespace, Reading};
use crate::listener::Book;

/// The kernel's own counters since the observation began, by slot.
pub(super) struct Kernel(pub(super) BTreeMap<u32, [u64; COUNTERS]>);

impl Kernel {
    pub(super) fn take(reading: &Reading, book: &Book) -> Self {
        let mut all = BTreeMap::new();
        for (netns, slot) in reading.current() {
            // A namespace that is gone took its counters with it.
            let (Some(namespace), Ok(now)) = (reading.namespaces.get(&slot), book.counters(netns)) else {
                continue;
            };
            if let Some(moved) = namespace.moved(&now).filter(|_| !namespace.by_packet) {
                all.insert(slot, moved);
            }
        }
        Self(all)
    }

    /// Whether it has counted more than a reading that came after it.
    pub(super) fn is_ahead_of(&self, reading: &Reading) -> bool {
        self.0.iter().any(|(slot, kernel)| {
            let attributed =
                reading.namespaces.get(slot).map_or([0; COUNTERS], |namespace| namespace.attributed);
            ALL.into_iter()
                .filter(|counter| !counter.is_shared())
                .any(|counter| kernel[counter.index()] > attributed[counter.index()])
        })
    }

    pub(super) fn agrees_with(&self, reading: &Reading) -> bool {
        self.0.iter().all(|(slot, kernel)| {
            reading.namespaces.get(slot).is_some_and(|namespace| {
                ALL.into_iter().all(|counter| {
                    let (is, of) = (namespace.attributed[counter.index()], kernel[counter.index()]);
                    is == of || counter.is_shared() && is < of
                })
            })
        })
    }
}

/// The kernel's counters as last read, by slot: all that is left of a
/// namespace that is gone.
#[derive(Debug, Default)]
pub(super) struct Known(pub(super) BTreeMap<u32, [u64; COUNTERS]>);

/// One balance for each inode number.
pub(super) fn balance(
    before: &BTreeMap<u32, Namespace>,
    after: &BTreeMap<u32, Namespace>,
    current: &Kernel,
    known: &Known,
) -> BTreeMap<u32, NamespaceCounts> {
    let mut all: BTreeMap<u32, NamespaceCounts> = BTreeMap::new();
    for (slot, namespace) in after {
        let last = known.0.get(slot).copied().unwrap_or_default();
        let one = if current.0.contains_key(slot) {
            let earlier = before.get(slot).map_or([0; COUNTERS], |earlier| earlier.attributed);
            open(namespace, earlier, last)
        } else {
            gone(namespace, last)
        };
        let sum = all.entry(one.netns).or_default();
        sum.netns = one.netns;
        for counter in ALL.map(Counter::index) {
            sum.kernel[counter] += one.kernel[counter];
            sum.attributed[0][counter] += one.attributed[0][counter];
            sum.attributed[1][counter] += one.attributed[1][counter];
        }
        for (sum, value) in sum.unlisted.0.iter_mut().zip(one.unlisted.0) {
            *sum += value;
        }
    }
    all
}

/// The balance of a namespace whose counters were read between two readings of
/// what is attributed.
fn open(namespace: &Namespace, earlier: [u64; COUNTERS], kernel: [u64; COUNTERS]) -> NamespaceCounts {
    let attributed = [earlier, namespace.attributed];
    NamespaceCounts {
        netns: namespace.netns,
        kernel,
        attributed,
        unlisted: namespace.unlisted,
        unread: false,
    }
}

/// The balance of a namespace that is gone, or that cannot be looked into. The
/// kernel's last word is the last reading, at a snapshot or by a hook,
/// whichever is later. What was attributed since then is taken on trust; more
/// than was ever attributed is a rest.
pub(super) fn gone(namespace: &Namespace, last: [u64; COUNTERS]) -> NamespaceCounts {
    let mut kernel = last;
    let mut attributed = namespace.attributed;
    for counter in ALL.map(Counter::index) {
        kernel[counter] = kernel[counter].max(namespace.read_by_hooks[counter]);
        attributed[counter] = attributed[counter].min(kernel[counter]);
    }
    NamespaceCounts {
        netns: namespace.netns,
        kernel,
        attributed: [attributed; 2],
        unlisted: namespace.unlisted,
        unread: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ListenDrops of one namespace: attributed before and after, what the
    /// kernel said now (`None`: gone) and the last time before.
    #[track_caller]
    fn check_rest(before: u64, after: u64, now: Option<u64>, last: u64, rest: i64) {
        let drops = |value| {
            let mut counters = [0; COUNTERS];
            counters[Counter::ListenDrops.index()] = value;
            counters
        };
        let reading = |value| {
            let namespace = Namespace { netns: 7, attributed: drops(value), ..Namespace::default() };
            BTreeMap::from([(0, namespace)])
        };
        let current = Kernel(now.map(|value| (0, drops(value))).into_iter().collect());
        let known = Known(BTreeMap::from([(0, drops(now.unwrap_or(last)))]));
        let balance = balance(&reading(before), &reading(after), &current, &known);
        assert_eq!(balance[&7].unaccounted(Counter::ListenDrops), rest);
    }

    #[test]
    fn the_balance_of_a_namespace() {
        check_rest(5, 5, Some(5), 0, 0);
        // Packets came while it was read.
        check_rest(5, 7, Some(6), 0, 0);
        check_rest(5, 5, Some(6), 0, 1);
        check_rest(5, 5, Some(4), 0, -1);
        // Gone: what came after the last reading is taken on trust, what the
        // kernel had counted by then is not.
        check_rest(5, 5, None, 3, 0);
        check_rest(5, 5, None, 6, 1);
    }

    #[test]
    fn a_namespace_that_no_snapshot_saw_is_balanced_by_what_its_hooks_read() {
        let namespace = Namespace {
            netns: 7,
            read_by_hooks: [2, 3, 0, 0, 0, 0],
            attributed: [2, 2, 0, 0, 0, 0],
            ..Namespace::default()
        };
        let reading = BTreeMap::from([(0, namespace)]);
        let balance = balance(&reading, &reading, &Kernel(BTreeMap::new()), &Known::default());
        assert_eq!(balance[&7].kernel, [2, 3, 0, 0, 0, 0]);
        assert_eq!(balance[&7].unaccounted(Counter::ListenOverflows), 0);
        assert_eq!(balance[&7].unaccounted(Counter::ListenDrops), 1);
    }

    #[test]
    fn an_inode_number_used_again_is_another_namespace_and_one_balance() {
        let namespace =
            |drops| Namespace { netns: 7, attributed: [0, drops, 0, 0, 0, 0], ..Namespace::default() };
        let reading = BTreeMap::from([(0, namespace(8)), (1, namespace(3))]);
        let current = Kernel(BTreeMap::from([(1, [0, 3, 0, 0, 0, 0])]));
        let known = Known(BTreeMap::from([(0, [0, 8, 0, 0, 0, 0]), (1, [0, 3, 0, 0, 0, 0])]));
        let balance = balance(&reading, &reading, &current, &known);
        assert_eq!(balance.len(), 1);
        assert_eq!((balance[&7].kernel[1], balance[&7].unaccounted(Counter::ListenDrops)), (11, 0));
    }
}
