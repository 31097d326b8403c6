//! When an interval ends: on the clock of the events, so that a replay cuts
//! where the observation did.

use std::time::Duration;

use crate::event::Event;
use crate::tally::{Report, Tally};

/// Cuts a run into intervals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intervals {
    length: u64,
    next: Option<u64>,
}

impl Intervals {
    pub(super) fn every(length: Duration) -> Self {
        Self { length: u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).max(1), next: None }
    }

    /// The observation began at this stamp (ns).
    pub(super) fn begin(&mut self, start: u64) {
        self.next = Some(start.saturating_add(self.length));
    }

    /// A snapshot was taken at this stamp (ns): whether it ends an interval.
    ///
    /// Snapshots come by a timer of their own, so one that is a tenth of an
    /// interval early counts as on time.
    pub(super) fn ends_at(&mut self, time: u64) -> bool {
        let next = *self.next.get_or_insert(time.saturating_add(self.length));
        if time.saturating_add(self.length / 10) < next {
            return false;
        }
        let past = time.saturating_add(self.length / 10).saturating_sub(next) / self.length;
        self.next = Some(next.saturating_add(past.saturating_add(1).saturating_mul(self.length)));
        true
    }
}

/// Takes in one event; the report of an interval that ends with it.
pub(super) fn take(intervals: &mut Option<Intervals>, tally: &mut Tally, event: &Event) -> Option<Report> {
    tally.take(event);
    let intervals = intervals.as_mut()?;
    match event {
        Event::Started(session) => intervals.begin(session.start),
        Event::Snapshot(snapshot) if intervals.ends_at(snapshot.time) => return Some(tally.cut()),
        _ => {}
    }
    None
}

/// What is printed at the end: the interval that was cut short, and the whole.
pub(super) fn rest(intervals: Option<&Intervals>, tally: &mut Tally) -> Vec<Report> {
    let interval = (intervals.is_some() && tally.has_interval()).then(|| tally.cut());
    interval.into_iter().chain([tally.whole()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(length: u64, snapshots: &[u64], cuts: &[u64]) {
        let mut intervals = Intervals::every(Duration::from_nanos(length));
        intervals.begin(1000);
        let ended: Vec<u64> = snapshots.iter().copied().filter(|time| intervals.ends_at(*time)).collect();
        assert_eq!(ended, cuts);
    }

    #[test]
    fn cuts() {
        check(100, &[1100, 1200, 1300], &[1100, 1200, 1300]);
        check(100, &[1095, 1199, 1301], &[1095, 1199, 1301]);
        check(100, &[1050, 1100, 1150, 1200], &[1100, 1200]);
        check(100, &[1350, 1400], &[1350, 1400]);
        check(10, &[1100, 1200], &[1100, 1200]);
        check(1000, &[1100, 1200], &[]);
        check(u64::MAX, &[u64::MAX], &[u64::MAX]);
    }
}
