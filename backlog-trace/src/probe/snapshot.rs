//! One reading of the counts plane beside the kernel's own counters.

use std::collections::BTreeMap;

use backlog_trace_common::counter::{ALL, COUNTERS, Counter};

use super::maps::{ByKey, Maps, merge};
use super::queues::Queues;
use crate::event::{ListenerCounts, NamespaceCounts, Reasons, Snapshot, Totals};
use crate::failure::Result;
use crate::listener::Book;

/// How often the counts are read again while packets arrive between the
/// reading of the counts and that of the kernel's counters.
const ROUNDS: usize = 4;

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

/// Reads the rows of these keys once, consistently: see
/// [`NamespaceCounts::attributed`]. `before` the book looked at the queues, so
/// much had been counted.
pub(super) fn take(
    maps: &Maps,
    book: &Book,
    queues: &mut Queues,
    known: &mut Known,
    (keys, before): (&[u64], &ByKey),
    seen: u64,
    time: impl Fn() -> u64,
) -> Result<Snapshot> {
    let mut reading = Reading::take(maps, book, keys)?;
    let mut rounds = 0;
    loop {
        let kernel = Kernel::take(&reading, book);
        let settled = kernel.agrees_with(&reading);
        rounds += 1;
        if settled || rounds == ROUNDS {
            let after = if settled { reading.clone() } else { Reading::take(maps, book, keys)? };
            let missed = maps.missed()?;
            known.0.extend(kernel.0.iter().map(|(slot, counters)| (*slot, *counters)));
            let namespaces = balance(&reading.namespaces, &after.namespaces, &kernel, known);
            let listeners = listeners(&by_listener(before, book), &after, book, queues);
            return Ok(Snapshot {
                time: time(),
                listeners,
                namespaces,
                retired: Vec::new(),
                details_seen: seen,
                details_missed: missed,
            });
        }
        reading = Reading::take(maps, book, keys)?;
    }
}

/// What was counted for each listener, by its number.
type Rows = BTreeMap<u32, Totals>;

/// What was counted by key, for each listener that the book has by now.
fn by_listener(counts: &ByKey, book: &Book) -> Rows {
    let mut rows = Rows::new();
    for (key, (totals, _)) in counts {
        if let Some(listener) = book.by_key(*key) {
            merge(rows.entry(listener.id).or_default(), totals);
        }
    }
    rows
}

/// The counts plane, by listener's number and by namespace's slot.
///
/// Namespaces go by slot and not by inode number, because the kernel gives the
/// number of a namespace that is gone to the next one.
#[derive(Clone)]
struct Reading {
    listeners: Rows,
    namespaces: BTreeMap<u32, Namespace>,
}

#[derive(Clone, Default)]
struct Namespace {
    netns: u32,
    start: [u64; COUNTERS],
    /// How far the kernel's counters had moved when a hook last read them.
    read_by_hooks: [u64; COUNTERS],
    unlisted: Reasons,
    attributed: [u64; COUNTERS],
}

impl Namespace {
    /// How far the kernel's counters have moved. `None`: they are those of
    /// another namespace, which has got the number and no listener yet, since
    /// counters only rise.
    fn moved(&self, now: &[u64; COUNTERS]) -> Option<[u64; COUNTERS]> {
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
    fn take(maps: &Maps, book: &Book, keys: &[u64]) -> Result<Self> {
        let mut listeners: BTreeMap<u32, Totals> = BTreeMap::new();
        let mut namespaces: BTreeMap<u32, Namespace> = BTreeMap::new();
        for (slot, found) in maps.namespaces()? {
            let attributed = attributed(&found.unlisted, found.cookies_wanted, found.cookies_made);
            let read_by_hooks =
                ALL.map(|counter| found.last[counter.index()].wrapping_sub(found.start[counter.index()]));
            let namespace = Namespace {
                netns: found.netns,
                start: found.start,
                read_by_hooks,
                unlisted: found.unlisted,
                attributed,
            };
            namespaces.insert(slot, namespace);
        }
        for (key, (totals, slot)) in maps.counts(keys.iter().copied())? {
            let Some(listener) = book.by_key(key) else { continue };
            // A listener without a slot has met nothing to judge yet.
            if let Some(namespace) = slot.and_then(|slot| namespaces.get_mut(&slot)) {
                let sums = attributed(&totals.reasons, totals.cookies_wanted_lost, totals.cookies_made_lost);
                for (sum, value) in namespace.attributed.iter_mut().zip(sums) {
                    *sum += value;
                }
            }
            merge(listeners.entry(listener.id).or_default(), &totals);
        }
        Ok(Self { listeners, namespaces })
    }
}

/// The kernel's own counters since the observation began, by slot.
struct Kernel(BTreeMap<u32, [u64; COUNTERS]>);

impl Kernel {
    fn take(reading: &Reading, book: &Book) -> Self {
        // The last slot of an inode number is the namespace that has it now.
        let current: BTreeMap<u32, u32> =
            reading.namespaces.iter().map(|(&slot, namespace)| (namespace.netns, slot)).collect();
        let mut all = BTreeMap::new();
        for (netns, slot) in current {
            // A namespace that is gone took its counters with it.
            let (Some(namespace), Ok(now)) = (reading.namespaces.get(&slot), book.counters(netns)) else {
                continue;
            };
            if let Some(moved) = namespace.moved(&now) {
                all.insert(slot, moved);
            }
        }
        Self(all)
    }

    fn agrees_with(&self, reading: &Reading) -> bool {
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
pub(super) struct Known(BTreeMap<u32, [u64; COUNTERS]>);

/// One balance for each inode number. Of a namespace that is gone, the
/// kernel's last word is the last reading, at a snapshot or by a hook,
/// whichever is later: what was attributed since then widens the range, and
/// more than was ever attributed is a rest.
fn balance(
    before: &BTreeMap<u32, Namespace>,
    after: &BTreeMap<u32, Namespace>,
    current: &Kernel,
    known: &Known,
) -> Vec<NamespaceCounts> {
    let mut all: BTreeMap<u32, NamespaceCounts> = BTreeMap::new();
    for (slot, namespace) in after {
        let counts = all
            .entry(namespace.netns)
            .or_insert_with(|| NamespaceCounts { netns: namespace.netns, ..NamespaceCounts::default() });
        let high = namespace.attributed;
        let earlier = before.get(slot).map_or([0; COUNTERS], |earlier| earlier.attributed);
        let mut kernel = known.0.get(slot).copied().unwrap_or_default();
        let gone = !current.0.contains_key(slot);
        if gone {
            for (last, read) in kernel.iter_mut().zip(namespace.read_by_hooks) {
                *last = read.max(*last);
            }
        }
        for counter in ALL.map(Counter::index) {
            let low = if gone { kernel[counter].min(high[counter]) } else { earlier[counter] };
            counts.kernel[counter] += kernel[counter];
            counts.attributed[0][counter] += low;
            counts.attributed[1][counter] += high[counter];
        }
        for (sum, value) in counts.unlisted.0.iter_mut().zip(namespace.unlisted.0) {
            *sum += value;
        }
    }
    all.into_values().collect()
}

fn listeners(before: &Rows, reading: &Reading, book: &Book, queues: &mut Queues) -> Vec<ListenerCounts> {
    let nothing = Totals::default();
    let counts = |(&id, totals): (&u32, &Totals)| ListenerCounts {
        id,
        totals: queues.complete(id, before.get(&id).unwrap_or(&nothing), totals, book),
        sk_drops: queues.drops_moved(id, totals.sk_drops, book),
        ..ListenerCounts::default()
    };
    reading.listeners.iter().map(counts).collect()
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
        assert_eq!(balance[0].unaccounted(Counter::ListenDrops), rest);
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
    fn a_namespace_that_no_snapshot_saw_is_balanced_by_what_its_hooks_read() {
        let namespace = Namespace {
            netns: 7,
            read_by_hooks: [2, 3, 0, 0, 0, 0],
            attributed: [2, 2, 0, 0, 0, 0],
            ..Namespace::default()
        };
        let reading = BTreeMap::from([(0, namespace)]);
        let balance = balance(&reading, &reading, &Kernel(BTreeMap::new()), &Known::default());
        assert_eq!(balance[0].kernel, [2, 3, 0, 0, 0, 0]);
        assert_eq!(balance[0].unaccounted(Counter::ListenOverflows), 0);
        assert_eq!(balance[0].unaccounted(Counter::ListenDrops), 1);
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
        assert_eq!((balance[0].kernel[1], balance[0].unaccounted(Counter::ListenDrops)), (11, 0));
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
