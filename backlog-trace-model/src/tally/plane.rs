//! The counts plane: how every listener and namespace stands now, and how
//! those that moved since the interval began stood then.
//!
//! A host opens and closes listeners for months, so what is kept must not grow
//! with them. Of a listener that is retired (closed, and nothing comes of it
//! any more) the counts stay until [`CLOSED_KEPT`] others have closed; then they
//! are added to [`Folded`], which a report shows as one row. Those that lost
//! something stay longest.
//!
//! Refuses to know names, filters and details.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use backlog_trace_common::reason::Class;

use super::{DetailCounts, NamespaceAudit, SocketDrops, audit_namespaces, audit_socket, since};
use crate::event::{ListenerCounts, NamespaceCounts, Snapshot, Totals};

/// Namespaces that the report of an interval tells of though nothing moved there.
pub const RESTING_TOLD: usize = 128;

/// Closed listeners that a report still names (about 2 KiB each).
pub const CLOSED_KEPT: usize = 1024;

/// Which stretch of an observation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stretch {
    /// From its beginning.
    Whole,
    /// Since the current interval began.
    Interval,
}

/// What was counted for one listener during a stretch.
#[derive(Clone, Debug, Default)]
pub(super) struct Moved {
    pub(super) totals: Totals,
    pub(super) sk_drops: SocketDrops,
    /// Connections that waited in its accept queue when the stretch began and
    /// when it ended.
    pub(super) waiting: Option<[u32; 2]>,
    /// Since which snapshot somebody waits and nothing was accepted (`CLOCK_MONOTONIC`, ns).
    pub(super) stalled_since: Option<u64>,
}

impl Moved {
    fn between(now: &ListenerCounts, base: &ListenerCounts, stretch: Stretch) -> Self {
        let waiting = match (stretch, now.waiting, base.waiting) {
            (Stretch::Interval, Some([_, ends]), Some([_, began])) => Some([began, ends]),
            _ => now.waiting,
        };
        Self {
            totals: since(&now.totals, &base.totals),
            sk_drops: audit_socket(now, base),
            waiting,
            stalled_since: None,
        }
    }
}

/// Closed listeners that are not named any more, all in one.
#[derive(Clone, Debug, Default)]
pub(super) struct Folded {
    /// How many they are.
    pub(super) listeners: u64,
    pub(super) totals: Totals,
    pub(super) sk_drops: SocketDrops,
}

impl Folded {
    fn add(&mut self, moved: &Moved) {
        self.listeners += 1;
        self.totals.add(&moved.totals);
        self.sk_drops = self.sk_drops.plus(moved.sk_drops);
    }
}

/// The plane.
#[derive(Debug, Default)]
pub(super) struct Plane {
    began: u64,
    cut: u64,
    now: u64,
    details: DetailCounts,
    details_at_cut: DetailCounts,
    listeners: BTreeMap<u32, ListenerCounts>,
    /// Of listeners that moved since the cut: how they stood then.
    listeners_at_cut: HashMap<u32, ListenerCounts>,
    /// Listeners in whose accept queue somebody waits: the snapshot since which
    /// nothing was accepted.
    stalled_since: HashMap<u32, u64>,
    namespaces: BTreeMap<u32, NamespaceCounts>,
    namespaces_at_cut: BTreeMap<u32, NamespaceCounts>,
    retired: BTreeSet<u32>,
    /// Retired listeners in the order in which they closed.
    without_loss: VecDeque<u32>,
    with_loss: VecDeque<u32>,
    folded: Folded,
    folded_since_cut: Folded,
}

impl Plane {
    /// The observation begins.
    pub(super) fn begin(&mut self, time: u64) {
        (self.began, self.cut) = (time, time);
        self.now = self.now.max(time);
    }

    /// Takes what changed; returns the listeners whose counts are folded.
    pub(super) fn take(&mut self, snapshot: &Snapshot) -> Vec<u32> {
        self.now = snapshot.time;
        self.details = DetailCounts { seen: snapshot.details_seen, missed: snapshot.details_missed };
        for counts in &snapshot.listeners {
            let stood = self.listeners.insert(counts.id, counts.clone());
            let accepted_before = stood.as_ref().map_or(0, |stood| stood.totals.accepted);
            self.note_stall(counts, accepted_before, snapshot.time);
            self.listeners_at_cut.entry(counts.id).or_insert_with(|| stood.unwrap_or_default());
        }
        for counts in &snapshot.namespaces {
            let stood = self.namespaces.insert(counts.netns, counts.clone());
            self.namespaces_at_cut.entry(counts.netns).or_insert_with(|| stood.unwrap_or_default());
        }
        snapshot.retired.iter().filter_map(|id| self.retire(*id)).collect()
    }

    /// The interval ends, and the next one begins.
    pub(super) fn cut(&mut self) {
        self.cut = self.now;
        self.details_at_cut = self.details;
        // Not cleared: that would cost their capacity each time.
        self.listeners_at_cut = HashMap::new();
        self.namespaces_at_cut = BTreeMap::new();
        self.folded_since_cut = Folded::default();
    }

    /// When the last snapshot was taken (`CLOCK_MONOTONIC`, ns).
    pub(super) const fn time(&self) -> u64 {
        self.now
    }

    /// When a stretch began.
    pub(super) const fn began(&self, stretch: Stretch) -> u64 {
        match stretch {
            Stretch::Whole => self.began,
            Stretch::Interval => self.cut,
        }
    }

    /// Listeners that counted anything during a stretch.
    pub(super) fn ids(&self, stretch: Stretch) -> Vec<u32> {
        match stretch {
            Stretch::Whole => self.listeners.keys().copied().collect(),
            Stretch::Interval => self.listeners_at_cut.keys().copied().collect(),
        }
    }

    /// What was counted for one listener.
    pub(super) fn listener(&self, id: u32, stretch: Stretch) -> Moved {
        let nothing = ListenerCounts::default();
        let Some(now) = self.listeners.get(&id) else { return Moved::default() };
        let base = match stretch {
            Stretch::Whole => &nothing,
            // One that has not moved since the cut stands where it stood.
            Stretch::Interval => self.listeners_at_cut.get(&id).unwrap_or(now),
        };
        let stalled_since = self.stalled_since.get(&id).copied();
        Moved { stalled_since, ..Moved::between(now, base, stretch) }
    }

    /// Closed listeners that are not named any more.
    pub(super) const fn folded(&self, stretch: Stretch) -> &Folded {
        match stretch {
            Stretch::Whole => &self.folded,
            Stretch::Interval => &self.folded_since_cut,
        }
    }

    /// The balance of every namespace; in an interval, where they are many, of
    /// those that moved.
    pub(super) fn audit(&self, stretch: Stretch) -> Vec<NamespaceAudit> {
        match stretch {
            Stretch::Whole => audit_namespaces(self.namespaces.values().map(|now| (now, None))),
            Stretch::Interval if self.namespaces.len() > RESTING_TOLD => {
                let moved = self.namespaces_at_cut.iter();
                audit_namespaces(
                    moved.filter_map(|(netns, stood)| Some((self.namespaces.get(netns)?, Some(stood)))),
                )
            }
            Stretch::Interval => audit_namespaces(self.namespaces.values().map(|now| {
                // One that has not moved since the cut stands where it stood.
                (now, Some(self.namespaces_at_cut.get(&now.netns).unwrap_or(now)))
            })),
        }
    }

    /// How complete the details are.
    pub(super) const fn details(&self, stretch: Stretch) -> DetailCounts {
        let base = match stretch {
            Stretch::Whole => DetailCounts { seen: 0, missed: 0 },
            Stretch::Interval => self.details_at_cut,
        };
        DetailCounts {
            seen: self.details.seen.saturating_sub(base.seen),
            missed: self.details.missed.saturating_sub(base.missed),
        }
    }

    /// A queue that was empty a while ago is no sign of a stall, however long ago
    /// the last connection was accepted. One that empties without any accept() is that
    /// of a listener that closes, stalled as it was.
    fn note_stall(&mut self, counts: &ListenerCounts, accepted_before: u64, time: u64) {
        let has_accepted = counts.totals.accepted > accepted_before;
        match counts.waiting {
            Some([_, 0]) if !has_accepted => {}
            None | Some([_, 0]) => {
                self.stalled_since.remove(&counts.id);
            }
            Some(_) if has_accepted => {
                self.stalled_since.insert(counts.id, time);
            }
            Some(_) => {
                self.stalled_since.entry(counts.id).or_insert(time);
            }
        }
    }

    fn retire(&mut self, id: u32) -> Option<u32> {
        if !self.retired.insert(id) {
            return None;
        }
        let lost = self.listeners.get(&id).is_some_and(|counts| {
            counts.totals.reasons.iter().any(|(reason, _)| reason.row().class == Class::Loss)
        });
        let order = if lost { &mut self.with_loss } else { &mut self.without_loss };
        order.push_back(id);
        if self.retired.len() <= CLOSED_KEPT {
            return None;
        }
        let oldest = self.without_loss.pop_front().or_else(|| self.with_loss.pop_front())?;
        self.fold(oldest);
        Some(oldest)
    }

    fn fold(&mut self, id: u32) {
        self.retired.remove(&id);
        self.folded.add(&self.listener(id, Stretch::Whole));
        if self.listeners_at_cut.contains_key(&id) {
            self.folded_since_cut.add(&self.listener(id, Stretch::Interval));
        }
        self.listeners.remove(&id);
        self.listeners_at_cut.remove(&id);
        self.stalled_since.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use backlog_trace_common::reason::Reason;

    use super::*;

    fn counts(id: u32, syns: u64, lost: u64) -> ListenerCounts {
        let mut totals = Totals { syns, sk_drops: lost, ..Totals::default() };
        totals.reasons[Reason::SynAcceptQueueFull] = lost;
        ListenerCounts {
            id,
            totals,
            sk_drops: Some(lost),
            waiting: Some([0, 1]),
            ..ListenerCounts::default()
        }
    }

    fn snapshot(time: u64, listeners: Vec<ListenerCounts>, retired: Vec<u32>) -> Snapshot {
        Snapshot { time, listeners, retired, ..Snapshot::default() }
    }

    #[test]
    fn a_listener_that_is_not_in_a_snapshot_stands_where_it_stood() {
        let mut plane = Plane::default();
        plane.begin(1);
        plane.take(&snapshot(2, vec![counts(0, 5, 0), counts(1, 7, 2)], vec![]));
        plane.cut();
        plane.take(&snapshot(3, vec![counts(1, 9, 3)], vec![]));
        assert_eq!(plane.ids(Stretch::Interval), [1]);
        assert_eq!(plane.listener(1, Stretch::Interval).totals.syns, 2);
        assert_eq!(plane.listener(0, Stretch::Interval).totals.syns, 0);
        let whole: u64 =
            plane.ids(Stretch::Whole).iter().map(|id| plane.listener(*id, Stretch::Whole).totals.syns).sum();
        assert_eq!(whole, 14);
    }

    #[test]
    fn an_interval_is_since_the_cut_however_many_snapshots_it_has() {
        let mut plane = Plane::default();
        plane.take(&snapshot(2, vec![counts(0, 5, 1)], vec![]));
        plane.cut();
        plane.take(&snapshot(3, vec![counts(0, 6, 1)], vec![]));
        plane.take(&snapshot(4, vec![counts(0, 9, 4)], vec![]));
        let moved = plane.listener(0, Stretch::Interval);
        assert_eq!((moved.totals.syns, moved.sk_drops.kernel, moved.sk_drops.attributed), (4, Some(3), 3));
    }

    #[test]
    fn a_stall_begins_when_somebody_waits_and_nothing_is_accepted() {
        let stands = |accepted, waiting| ListenerCounts {
            id: 7,
            totals: Totals { accepted, ..Totals::default() },
            waiting: Some([0, waiting]),
            ..ListenerCounts::default()
        };
        let mut plane = Plane::default();
        let mut since = |time, listeners| {
            plane.take(&snapshot(time, listeners, vec![]));
            plane.listener(7, Stretch::Whole).stalled_since
        };
        assert_eq!(since(2, vec![stands(0, 0)]), None);
        assert_eq!(since(3, vec![stands(0, 4)]), Some(3));
        assert_eq!(since(4, vec![stands(0, 5)]), Some(3));
        assert_eq!(since(5, vec![]), Some(3));
        assert_eq!(since(6, vec![stands(1, 5)]), Some(6));
        assert_eq!(since(7, vec![stands(6, 0)]), None);
        assert_eq!(since(9, vec![stands(6, 5)]), Some(9));
        assert_eq!(since(11, vec![stands(6, 0)]), Some(9), "it closes");
    }

    /// However many listeners come and go: what is kept is bounded, no count
    /// is lost, and those that lost something are named longest.
    #[test]
    fn what_has_closed_is_folded_and_no_count_is_lost() {
        let mut plane = Plane::default();
        let count = u32::try_from(3 * CLOSED_KEPT).unwrap();
        let mut gone = 0;
        for id in 0..count {
            let lost = u64::from(id < 10);
            gone += plane.take(&snapshot(u64::from(id), vec![counts(id, 2, lost)], vec![id])).len();
        }
        assert_eq!(gone, 2 * CLOSED_KEPT);
        assert_eq!(plane.listeners.len(), CLOSED_KEPT);
        assert_eq!(plane.stalled_since.len(), CLOSED_KEPT);
        assert!(plane.listeners_at_cut.len() <= CLOSED_KEPT && plane.retired.len() <= CLOSED_KEPT);
        for stretch in [Stretch::Whole, Stretch::Interval] {
            let named = plane.ids(stretch);
            assert!((0..10).all(|id| named.contains(&id)), "those that lost are named");
            let syns: u64 = named.iter().map(|id| plane.listener(*id, stretch).totals.syns).sum();
            assert_eq!(syns + plane.folded(stretch).totals.syns, 2 * u64::from(count));
            assert_eq!(plane.folded(stretch).listeners, 2 * CLOSED_KEPT as u64);
        }
        plane.cut();
        assert_eq!(plane.folded(Stretch::Interval).listeners, 0);
    }

    /// However many there are: an interval tells of what moved in it.
    #[test]
    fn of_many_namespaces_an_interval_tells_those_that_moved() {
        let counts = |netns: usize, kernel: u64| NamespaceCounts {
            netns: u32::try_from(netns).unwrap(),
            kernel: [kernel; 6],
            ..NamespaceCounts::default()
        };
        let at = |time, namespaces| Snapshot { time, namespaces, ..Snapshot::default() };
        for (count, told) in [(RESTING_TOLD, RESTING_TOLD), (RESTING_TOLD + 1, 2)] {
            let mut plane = Plane::default();
            plane.take(&at(1, (0..count).map(|netns| counts(netns, 1)).collect()));
            assert_eq!(plane.audit(Stretch::Interval).len(), count);
            plane.cut();
            plane.take(&at(2, vec![counts(3, 5), counts(9, 1)]));
            let audits = plane.audit(Stretch::Interval);
            assert_eq!((audits.len(), plane.audit(Stretch::Whole).len()), (told, count));
            let moved = audits.iter().find(|audit| audit.netns == 3).unwrap();
            assert_eq!(moved.kernel.unwrap()[0], 4);
        }
    }

    #[test]
    fn a_listener_retires_once() {
        let mut plane = Plane::default();
        for _ in 0..=CLOSED_KEPT {
            assert_eq!(plane.take(&snapshot(1, vec![counts(7, 1, 0)], vec![7, 7])), Vec::<u32>::new());
        }
    }
}
