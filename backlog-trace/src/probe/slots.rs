//! Which namespaces' slots can be given back: those of namespaces that are gone.

use std::collections::BTreeSet;

use super::reading::Reading;

/// Slots of namespaces that are gone: another namespace has the inode number
/// now, or nothing leads to it any more, and no listener in it is known. One
/// that lives hidden gets a new slot when a listener opens there again.
pub(super) fn gone(reading: &Reading, in_use: &BTreeSet<u32>, is_there: impl Fn(u32) -> bool) -> Vec<u32> {
    let current = reading.current();
    let is_gone = |netns: u32, slot: u32| current.get(&netns) != Some(&slot) || !is_there(netns);
    reading
        .namespaces
        .iter()
        .filter(|(slot, namespace)| !in_use.contains(slot) && is_gone(namespace.netns, **slot))
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
        assert_eq!(gone(&reading, &in_use, |netns| there.contains(&netns)), expected);
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
