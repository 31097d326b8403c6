//! Losses per second of one listener, from details, in bounded memory.

/// Most cells a series keeps; when a run outgrows them, two cells become one.
pub const SERIES_CELLS: usize = 240;

/// A count per cell of time.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Series {
    /// First second (Unix time) of the first cell.
    start: i64,
    /// Seconds per cell: a power of two.
    width: u32,
    cells: Vec<u64>,
    /// The second that is being counted for `most`, and its count so far.
    current: (i64, u64),
    most: u64,
}

impl Series {
    /// So many losses in a second of Unix time.
    ///
    /// Details of several CPUs may arrive a little out of order: one before
    /// the first cell is counted in the first.
    pub fn add(&mut self, second: i64, losses: u64) {
        if self.cells.is_empty() {
            (self.start, self.width) = (second, 1);
        }
        let offset = u64::try_from(second.saturating_sub(self.start)).unwrap_or(0);
        while offset / u64::from(self.width) >= SERIES_CELLS as u64 && self.width < 1 << 31 {
            self.coarsen();
        }
        let cell =
            usize::try_from(offset / u64::from(self.width)).unwrap_or(usize::MAX).min(SERIES_CELLS - 1);
        if cell >= self.cells.len() {
            self.cells.resize(cell + 1, 0);
        }
        if let Some(count) = self.cells.get_mut(cell) {
            *count = count.saturating_add(losses);
        }
        self.count_second(second, losses);
    }

    /// First second (Unix time) of the first cell.
    pub const fn start(&self) -> i64 {
        self.start
    }

    /// Last second (Unix time) of the last cell.
    pub fn end(&self) -> i64 {
        let seconds =
            i64::from(self.width).saturating_mul(i64::try_from(self.cells.len()).unwrap_or(i64::MAX));
        self.start.saturating_add(seconds).saturating_sub(1)
    }

    /// Losses per cell, in order of time.
    pub fn cells(&self) -> &[u64] {
        &self.cells
    }

    /// Most losses in one second.
    pub const fn most(&self) -> u64 {
        self.most
    }

    fn coarsen(&mut self) {
        let sum = |pair: &[u64]| pair.iter().copied().fold(0, u64::saturating_add);
        self.cells = self.cells.chunks(2).map(sum).collect();
        self.width *= 2;
    }

    fn count_second(&mut self, second: i64, losses: u64) {
        let (current, count) = self.current;
        if second == current {
            self.current.1 = count.saturating_add(losses);
        } else if second > current || self.most == 0 {
            self.current = (second, losses);
        }
        self.most = self.most.max(self.current.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(seconds: &[i64]) -> Series {
        let mut series = Series::default();
        seconds.iter().for_each(|second| series.add(*second, 1));
        series
    }

    #[test]
    fn seconds_without_loss_are_cells_of_zero() {
        let series = series(&[100, 100, 103, 103, 103, 102]);
        assert_eq!(series.cells(), [2, 0, 1, 3]);
        assert_eq!((series.start(), series.end(), series.most()), (100, 103, 3));
    }

    #[test]
    fn losses_that_were_polled_come_many_at_a_time() {
        let mut series = series(&[100]);
        series.add(101, 7);
        series.add(101, 2);
        series.add(102, 3);
        assert_eq!((series.cells(), series.most()), (&[1, 9, 3][..], 9));
        series.add(102, u64::MAX);
        assert_eq!(series.most(), u64::MAX);
    }

    #[test]
    fn a_straggler_before_the_start_is_counted_in_the_first_cell() {
        assert_eq!(series(&[100, 99]).cells(), [2]);
    }

    #[test]
    fn a_long_run_keeps_its_sum_and_its_peak_in_bounded_memory() {
        let hour: Vec<i64> = (0..3600).chain(std::iter::repeat_n(3600, 50)).collect();
        let series = series(&hour);
        assert!(series.cells().len() <= SERIES_CELLS);
        assert_eq!(series.cells().iter().sum::<u64>(), 3650);
        assert_eq!(series.most(), 50);
    }

    #[test]
    fn absurd_stamps_of_a_damaged_recording_are_bounded_too() {
        let series = series(&[i64::MIN, 0, i64::MAX]);
        assert!(series.cells().len() <= SERIES_CELLS);
        assert_eq!(series.cells().iter().sum::<u64>(), 3);
    }
}
