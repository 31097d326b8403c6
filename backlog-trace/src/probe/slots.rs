//! Which namespaces' slots can be given back: those of namespaces that are gone.

use std::collections::BTreeSet;

use super::reading::Reading;

/// Slots of namespaces that are gone: another namespace has the inode number
/// now, or nothing leads to it any more, and no listener in it is known. One
/// that lives hidden gets a new slot when a listener opens there again.
///
/// Namespaces were looked for at `looked` (`CLOCK_MONOTONIC`, ns). One that got
/// its slot after that was not looked for yet, and its listener may not be
/// known yet either.
pub(super) fn gone(
    reading: &Reading,
    in_use: &BTreeSet<u32>,
    looked: u64,
    is_there: impl Fn(u32) -> bool,
) -> Vec<u32> {
    let current = reading.current();
    let is_gone = |netns: u32, slot: u32| current.get(&netns) != Some(&slot) || !is_there(netns);
    reading
        .namespaces
        .iter()
        .filter(|(slot, namespace)| {
            namespace.born < looked && !in_use.contains(slot) && is_gone(namespace.netns, **slot)
        })
        .map(|(slot, _)| *slot)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::probe::reading::Namespace;

    #[track_caller]
    fn check(there: &[u32], in_use: &[u32], expected: &[u32]) {
        let namespace = |netns, born| Namespace { netns, born, ..Namespace::default() };
        let reading = Reading {
            namespaces: BTreeMap::from([(0, namespace(7, 10)), (1, namespace(8, 20)), (2, namespace(7, 30))]),
            ..Reading::default()
        };
        let in_use = in_use.iter().copied().collect();
        assert_eq!(gone(&reading, &in_use, 40, |netns| there.contains(&netns)), expected);
    }

    #[test]
    fn a_namespace_that_was_not_looked_for_yet_is_not_gone() {
        let namespace = |netns, born| Namespace { netns, born, ..Namespace::default() };
        let reading = Reading {
            namespaces: BTreeMap::from([(0, namespace(7, 10)), (1, namespace(8, 20))]),
            ..Reading::default()
        };
        assert_eq!(gone(&reading, &BTreeSet::new(), 20, |_| false), [0]);
        assert_eq!(gone(&reading, &BTreeSet::new(), 21, |_| false), [0, 1]);
    }

    #[test]
    fn a_slot_is_given_back_once_nothing_needs_it() {
        check(&[7, 8], &[], &[0]);
        check(&[7, 8], &[0], &[]);
        check(&[7], &[], &[0, 1]);
        check(&[7], &[1], &[0]);
        check(&[], &[], &[0, 1, 2]);
    }
}
