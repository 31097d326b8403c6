//! When an interval ends: on the clock of the events, so that a replay cuts
//! where the observation did.

use std::time::Duration;

/// Cuts a run into intervals at regular times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intervals {
    /// In ns; none where the run is one piece.
    length: Option<u64>,
    next: Option<u64>,
}

impl Intervals {
    /// At regular times where a length is given.
    pub(super) fn every(length: Option<Duration>) -> Self {
        let nanoseconds = |length: Duration| u64::try_from(length.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self { length: length.map(nanoseconds), next: None }
    }

    /// Whether there are any.
    pub(super) const fn are_wanted(&self) -> bool {
        self.length.is_some()
    }

    /// The observation began at this stamp (ns).
    pub(super) fn begin(&mut self, start: u64) {
        self.next = self.length.map(|length| start.saturating_add(length));
    }

    /// A snapshot was taken at this stamp (ns): whether it ends an interval.
    ///
    /// Snapshots come by a timer of their own, so one that is a tenth of an
    /// interval early counts as on time.
    pub(super) fn ends_at(&mut self, time: u64) -> bool {
        let Some(length) = self.length else { return false };
        let next = *self.next.get_or_insert(time.saturating_add(length));
        if time.saturating_add(length / 10) < next {
            return false;
        }
        let past = time.saturating_add(length / 10).saturating_sub(next) / length;
        self.next = Some(next.saturating_add(past.saturating_add(1).saturating_mul(length)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(length: u64, snapshots: &[u64], cuts: &[u64]) {
        let mut intervals = Intervals::every(Some(Duration::from_nanos(length)));
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
