//! One reading of the counts plane: every listener's rows, added up over CPUs
//! and keys, and what follows for the counters of its namespace.

use std::collections::BTreeMap;

use backlog_trace_common::counter::{ALL, COUNTERS, Counter};
use backlog_trace_model::event::{Reasons, Totals};
use backlog_trace_model::failure::Result;

use super::folded::Folded;
use super::maps::{Maps, NamespaceStart};
use super::queues::Queues;

/// What is attributed, by kernel counter, as the table of reasons says.
///
/// Two counts complete it: a SYN for which a cookie was wanted and which was
/// lost all the same moved the cookie counters too.
pub(super) fn attributed(reasons: &Reasons, wanted_lost: u64, made_lost: u64) -> [u64; COUNTERS] {
    let mut sums = reasons.counters();
    sums[Counter::ReqQFullDoCookies.index()] += wanted_lost;
    sums[Counter::SyncookiesSent.index()] += made_lost;
    sums
}

/// The counts plane, by listener's number and by namespace's slot.
///
/// Namespaces go by slot and not by inode number, because the kernel gives the
/// number of a namespace that is gone to the next one.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Reading {
    pub(super) listeners: BTreeMap<u32, Totals>,
    pub(super) namespaces: BTreeMap<u32, Namespace>,
}

/// What was counted for one namespace.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Namespace {
    /// What the kernel side knows it by.
    pub(super) key: u64,
    /// Its inode number.
    pub(super) netns: u32,
    /// When it got its slot: of two with one inode number the later has it now.
    pub(super) born: u64,
    /// The namespace was met by a packet and not when the observation began: where its
    /// counters stood before is not known.
    pub(super) by_packet: bool,
    pub(super) start: [u64; COUNTERS],
    /// How far the kernel's counters had moved when a hook last read them.
    pub(super) read_by_hooks: [u64; COUNTERS],
    pub(super) unlisted: Reasons,
    pub(super) attributed: [u64; COUNTERS],
}

impl Namespace {
    /// How far the kernel's counters have moved. `None`: they are those of
    /// another namespace, which has got the number and no listener yet, since
    /// counters only rise.
    pub(super) fn moved(&self, now: &[u64; COUNTERS]) -> Option<[u64; COUNTERS]> {
        let mut moved = [0; COUNTERS];
        for at in ALL.map(Counter::index) {
            moved[at] = now[at].checked_sub(self.start[at])?;
            if moved[at] < self.read_by_hooks[at] {
                return None;
            }
        }
        Some(moved)
    }
}

impl Reading {
    /// Reads the rows of every listener that was met. What was `folded` counts
    /// for its namespace; the namespaces were read before.
    pub(super) fn take(
        namespaces: BTreeMap<u32, NamespaceStart>,
        maps: &Maps,
        queues: &Queues,
        folded: &Folded,
    ) -> Result<Self> {
        let mut reading = Self::default();
        for (slot, found) in namespaces {
            let mut sums = attributed(&found.unlisted, found.cookies_wanted, found.cookies_made);
            add(&mut sums, &folded.attributed(slot));
            let read_by_hooks =
                ALL.map(|counter| found.last[counter.index()].wrapping_sub(found.start[counter.index()]));
            let namespace = Namespace {
                key: found.key,
                netns: found.netns,
                born: found.born,
                by_packet: found.by_packet,
                start: found.start,
                read_by_hooks,
                unlisted: found.unlisted,
                attributed: sums,
            };
            reading.namespaces.insert(slot, namespace);
        }
        for (key, (totals, slot)) in maps.counts(queues.keys())? {
            let Some(id) = queues.id_of(key) else { continue };
            if let Some(namespace) = reading.namespaces.get_mut(&slot) {
                add(&mut namespace.attributed, &attributed_to(&totals));
            }
            reading.listeners.entry(id).or_default().add(&totals);
        }
        Ok(reading)
    }

    /// How much further the hooks have seen counters of namespaces move than
    /// losses are counted for them.
    pub(super) fn behind_hooks(&self) -> u64 {
        let of = |namespace: &Namespace| -> u64 {
            let own = ALL.into_iter().filter(|counter| !counter.is_shared()).map(Counter::index);
            own.map(|at| namespace.read_by_hooks[at].saturating_sub(namespace.attributed[at])).sum()
        };
        self.namespaces.values().map(of).fold(0, u64::saturating_add)
    }

    /// Slots by the inode number that they have now.
    pub(super) fn current(&self) -> BTreeMap<u32, u32> {
        let mut current: BTreeMap<u32, (u64, u32)> = BTreeMap::new();
        for (&slot, namespace) in &self.namespaces {
            let latest = current.entry(namespace.netns).or_insert((namespace.born, slot));
            *latest = (*latest).max((namespace.born, slot));
        }
        current.into_iter().map(|(netns, (_, slot))| (netns, slot)).collect()
    }
}

/// What a listener's counts account for.
pub(super) fn attributed_to(totals: &Totals) -> [u64; COUNTERS] {
    attributed(&totals.reasons, totals.cookies_wanted_lost, totals.cookies_made_lost)
}

fn add(sums: &mut [u64; COUNTERS], values: &[u64; COUNTERS]) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}

#[cfg(test)]
mod tests {
    use backlog_trace_common::reason::Reason;

    use super::*;

    #[track_caller]
    fn check(occurrences: &[(Reason, u64)], wanted: u64, made: u64, expected: [u64; COUNTERS]) {
        let mut reasons = Reasons::default();
        for (reason, count) in occurrences {
            reasons[*reason] = *count;
        }
        assert_eq!(attributed(&reasons, wanted, made), expected);
    }

    #[test]
    fn lower_counters_are_those_of_another_namespace() {
        let namespace = Namespace {
            start: [10, 10, 0, 0, 0, 0],
            read_by_hooks: [2, 2, 0, 0, 0, 0],
            ..Namespace::default()
        };
        assert_eq!(namespace.moved(&[12, 13, 0, 0, 0, 0]), Some([2, 3, 0, 0, 0, 0]));
        assert_eq!(namespace.moved(&[11, 13, 0, 0, 0, 0]), None);
        assert_eq!(namespace.moved(&[0; COUNTERS]), None);
    }

    #[test]
    fn the_namespace_that_came_last_has_the_inode_number() {
        let namespace = |netns, born| Namespace { netns, born, ..Namespace::default() };
        let reading = Reading {
            // Slots are given out again, so the lower one can be the later one.
            namespaces: BTreeMap::from([(0, namespace(7, 30)), (1, namespace(7, 10)), (2, namespace(8, 20))]),
            ..Reading::default()
        };
        assert_eq!(reading.current(), BTreeMap::from([(7, 0), (8, 2)]));
    }

    #[test]
    fn a_counter_that_was_read_and_not_counted_yet() {
        let reading = |read_by_hooks, attributed| Reading {
            namespaces: BTreeMap::from([(
                0,
                Namespace { read_by_hooks, attributed, ..Namespace::default() },
            )]),
            ..Reading::default()
        };
        assert_eq!(reading([3, 3, 0, 0, 0, 0], [3, 3, 0, 0, 0, 0]).behind_hooks(), 0);
        assert_eq!(reading([3, 3, 0, 0, 0, 0], [2, 2, 0, 0, 0, 0]).behind_hooks(), 2);
        assert_eq!(reading([3, 3, 0, 0, 0, 0], [4, 5, 0, 0, 0, 0]).behind_hooks(), 0);
    }

    /// Order of the counters: LO, LD, FullDrop, DoCookies, Sent, SynRetrans.
    #[test]
    fn what_each_reason_counts_as() {
        check(&[], 0, 0, [0; COUNTERS]);
        check(&[(Reason::SynAcceptQueueFull, 3)], 2, 0, [3, 3, 0, 2, 0, 0]);
        check(&[(Reason::SynQueueFull, 4), (Reason::SynQueueReserved, 1)], 0, 0, [0, 5, 4, 0, 0, 0]);
        check(&[(Reason::SynCookieSent, 7)], 0, 0, [0, 0, 0, 7, 7, 0]);
        check(&[(Reason::SynRefusedOther, 2)], 1, 1, [0, 2, 0, 1, 1, 0]);
        check(
            &[(Reason::AckAcceptQueueFull, 5), (Reason::CookieAckAcceptQueueFull, 6)],
            0,
            0,
            [11, 11, 0, 0, 0, 0],
        );
        check(&[(Reason::SynackRetransmit, 9)], 0, 0, [0, 0, 0, 0, 0, 9]);
    }
}
