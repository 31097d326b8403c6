//! One reading of the counts plane beside the kernel's own counters.

use std::collections::BTreeMap;

use backlog_trace_common::counter::{ALL, COUNTERS, Counter};

use super::maps::{Maps, merge};
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
    let mut sums = [0; COUNTERS];
    for (reason, count) in reasons.iter() {
        for counter in reason.row().counters {
            sums[counter.index()] += count;
        }
    }
    sums[Counter::ReqQFullDoCookies.index()] += wanted_lost;
    sums[Counter::SyncookiesSent.index()] += made_lost;
    sums
}

/// Reads the rows of these keys once, consistently: see
/// [`NamespaceCounts::attributed`].
pub(super) fn take(
    maps: &Maps,
    book: &Book,
    queues: &Queues,
    keys: &[u64],
    seen: u64,
    time: impl Fn() -> u64,
) -> Result<Snapshot> {
    let mut before = Reading::take(maps, book, keys)?;
    let mut rounds = 0;
    loop {
        let kernel = Kernel::take(&before, book);
        let settled = kernel.agrees_with(&before);
        rounds += 1;
        if settled || rounds == ROUNDS {
            let after = if settled { before.clone() } else { Reading::take(maps, book, keys)? };
            let missed = maps.missed()?;
            return Ok(assemble(&before, &after, &kernel, (book, queues), (seen, missed), time()));
        }
        before = Reading::take(maps, book, keys)?;
    }
}

/// The counts plane, by listener and by namespace.
#[derive(Clone)]
struct Reading {
    listeners: BTreeMap<u32, Totals>,
    namespaces: BTreeMap<u32, Namespace>,
}

#[derive(Clone, Default)]
struct Namespace {
    start: [u64; COUNTERS],
    unlisted: Reasons,
    attributed: [u64; COUNTERS],
}

impl Reading {
    fn take(maps: &Maps, book: &Book, keys: &[u64]) -> Result<Self> {
        let mut listeners: BTreeMap<u32, Totals> = BTreeMap::new();
        let mut namespaces: BTreeMap<u32, Namespace> = BTreeMap::new();
        for (netns, found) in maps.namespaces()? {
            let attributed = attributed(&found.unlisted, 0, 0);
            let namespace = Namespace { start: found.start, unlisted: found.unlisted, attributed };
            namespaces.insert(netns, namespace);
        }
        for (key, totals) in maps.counts(keys.iter().copied())? {
            let Some(listener) = book.by_key(key) else { continue };
            let sums = attributed(&totals.reasons, totals.cookies_wanted_lost, totals.cookies_made_lost);
            let namespace = namespaces.entry(listener.netns).or_default();
            for (sum, value) in namespace.attributed.iter_mut().zip(sums) {
                *sum += value;
            }
            merge(listeners.entry(listener.id).or_default(), &totals);
        }
        Ok(Self { listeners, namespaces })
    }
}

/// The kernel's own counters, since the observation began.
struct Kernel(BTreeMap<u32, [u64; COUNTERS]>);

impl Kernel {
    fn take(reading: &Reading, book: &Book) -> Self {
        let mut all = BTreeMap::new();
        for (&netns, namespace) in &reading.namespaces {
            // A namespace that is gone took its counters with it.
            let Ok(now) = book.counters(netns) else { continue };
            let moved =
                ALL.map(|counter| now[counter.index()].wrapping_sub(namespace.start[counter.index()]));
            all.insert(netns, moved);
        }
        Self(all)
    }

    fn agrees_with(&self, reading: &Reading) -> bool {
        self.0.iter().all(|(netns, kernel)| {
            reading.namespaces.get(netns).is_some_and(|namespace| namespace.attributed == *kernel)
        })
    }
}

fn assemble(
    before: &Reading,
    after: &Reading,
    kernel: &Kernel,
    (book, queues): (&Book, &Queues),
    (seen, missed): (u64, u64),
    time: u64,
) -> Snapshot {
    let namespaces = after
        .namespaces
        .iter()
        .map(|(&netns, namespace)| {
            let low = before.namespaces.get(&netns).map_or([0; COUNTERS], |earlier| earlier.attributed);
            NamespaceCounts {
                netns,
                kernel: kernel.0.get(&netns).copied().unwrap_or(namespace.attributed),
                attributed: [low, namespace.attributed],
                unlisted: namespace.unlisted,
            }
        })
        .collect();
    let listeners = after
        .listeners
        .iter()
        .map(|(&id, totals)| ListenerCounts {
            id,
            totals: queues.complete(id, totals, book),
            sk_drops: queues.drops_moved(id, book),
        })
        .collect();
    Snapshot { time, listeners, namespaces, details_seen: seen, details_missed: missed }
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

    /// Order of the counters: LO, LD, FullDrop, DoCookies, Sent.
    #[test]
    fn what_each_reason_counts_as() {
        check(&[], 0, 0, [0; 5]);
        check(&[(Reason::SynAcceptQueueFull, 3)], 2, 0, [3, 3, 0, 2, 0]);
        check(&[(Reason::SynQueueFull, 4), (Reason::SynQueueReserved, 1)], 0, 0, [0, 5, 4, 0, 0]);
        check(&[(Reason::SynCookieSent, 7)], 0, 0, [0, 0, 0, 7, 7]);
        check(&[(Reason::SynRefusedOther, 2)], 1, 1, [0, 2, 0, 1, 1]);
        check(
            &[(Reason::AckAcceptQueueFull, 5), (Reason::CookieAckAcceptQueueFull, 6)],
            0,
            0,
            [11, 11, 0, 0, 0],
        );
        check(&[(Reason::SynackRetransmit, 9)], 0, 0, [0; 5]);
    }
}
