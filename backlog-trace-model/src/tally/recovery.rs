//! How long refused clients took to get in: a median in bounded memory.

use std::collections::BTreeMap;

/// Times from a connection's first loss to its handshake, kept to three
/// significant digits, so that at most 900 values per power of ten exist.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recoveries {
    times: BTreeMap<u64, u64>,
    count: u64,
}

impl Recoveries {
    /// Adds one time in microseconds.
    pub fn add(&mut self, us: u64) {
        *self.times.entry(three_digits(us)).or_default() += 1;
        self.count += 1;
    }

    /// Adds another listener's.
    pub fn merge(&mut self, other: &Self) {
        for (us, count) in &other.times {
            *self.times.entry(*us).or_default() += count;
        }
        self.count += other.count;
    }

    /// How many there are.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// How many took about so many seconds, rounded to the nearest: a client's
    /// SYN retries show as 1, 3, 7 (or 1, 2, 3, 4 before they double).
    pub fn by_second(&self) -> BTreeMap<u64, u64> {
        let mut seconds = BTreeMap::new();
        for (us, count) in &self.times {
            *seconds.entry(us.saturating_add(500_000) / 1_000_000).or_default() += count;
        }
        seconds
    }

    /// The median in microseconds (the lower of the two middle ones).
    pub fn median_us(&self) -> Option<u64> {
        let mut left = self.count.div_ceil(2);
        for (us, count) in &self.times {
            left = left.saturating_sub(*count);
            if left == 0 {
                return Some(*us);
            }
        }
        None
    }
}

fn three_digits(value: u64) -> u64 {
    let digits = value.checked_ilog10().unwrap_or(0);
    let unit = 10u64.pow(digits.saturating_sub(2));
    value / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(times: &[u64], median: Option<u64>) {
        let mut recoveries = Recoveries::default();
        times.iter().for_each(|us| recoveries.add(*us));
        assert_eq!(recoveries.median_us(), median);
    }

    #[test]
    fn medians() {
        check(&[], None);
        check(&[7], Some(7));
        check(&[0], Some(0));
        check(&[3_000_000, 1_000_000], Some(1_000_000));
        check(&[1_000_000, 1_000_000, 3_000_000, 7_000_000, 3_000_000], Some(3_000_000));
        check(&[1_039_999], Some(1_030_000));
        check(&[u64::MAX], Some(18_400_000_000_000_000_000));
    }

    #[test]
    fn the_steps_of_a_clients_retries() {
        let mut recoveries = Recoveries::default();
        for us in [1_010_000, 1_030_000, 3_060_000, 499_999, 500_000, 7_100_000] {
            recoveries.add(us);
        }
        let steps: Vec<_> = recoveries.by_second().into_iter().collect();
        assert_eq!(steps, [(0, 1), (1, 3), (3, 1), (7, 1)]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut recoveries = Recoveries::default();
        (0..1_000_000).for_each(|us| recoveries.add(us));
        assert!(recoveries.times.len() <= 4600, "{}", recoveries.times.len());
        assert_eq!(recoveries.median_us(), Some(499_000));
    }
}
