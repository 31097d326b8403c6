//! Where a socket's own figures stood when the counting of it began.
//!
//! The kernel's figure (`sk_drops`, the accept queue's length) and what the
//! hooks have counted are read one after the other, and packets come in
//! between. So each look gives a range: with `before` counted before the
//! kernel's figure was read and `after` counted after it, the figure began
//! between `kernel - after` and `kernel - before`. The ranges of several looks
//! have one value in common, and one look without a packet in between is enough.

/// A value that is known ever better.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Begun {
    low: i64,
    high: i64,
}

impl Begun {
    /// What one look tells.
    pub(super) const fn look(kernel: i64, before: u64, after: u64) -> Self {
        Self { low: kernel.saturating_sub_unsigned(after), high: kernel.saturating_sub_unsigned(before) }
    }

    /// What one look tells of a figure that goes down by what is counted.
    pub(super) const fn look_back(kernel: i64, before: u64, after: u64) -> Self {
        Self { low: kernel.saturating_add_unsigned(before), high: kernel.saturating_add_unsigned(after) }
    }

    /// What this and a later look tell together. A figure that moved by
    /// something that no hook sees leaves nothing in common: then what was
    /// known stays.
    pub(super) fn and(self, later: Self) -> Self {
        let both = Self { low: self.low.max(later.low), high: self.high.min(later.high) };
        if both.low <= both.high { both } else { self }
    }

    /// The value, where it is known.
    pub(super) const fn known(self) -> Option<i64> {
        if self.low == self.high { Some(self.low) } else { None }
    }

    /// The lowest that it can be.
    pub(super) const fn at_least(self) -> i64 {
        self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks as kernel's figure, counted before, counted after.
    #[track_caller]
    fn check(looks: &[(i64, u64, u64)], known: Option<i64>, at_least: i64) {
        let all = looks.iter().map(|(kernel, before, after)| Begun::look(*kernel, *before, *after));
        let begun = all.reduce(Begun::and).unwrap();
        assert_eq!((begun.known(), begun.at_least()), (known, at_least));
    }

    #[test]
    fn looks_narrow_it_down() {
        check(&[(100, 0, 0)], Some(100), 100);
        // Three packets came in between, then a quiet look.
        check(&[(102, 0, 3)], None, 99);
        check(&[(102, 0, 3), (110, 10, 10)], Some(100), 100);
        // No look is quiet, and all the same only one value fits.
        check(&[(102, 0, 3), (110, 9, 10), (121, 21, 23)], Some(100), 100);
        // What no hook sees does not move what is known.
        check(&[(100, 0, 0), (105, 2, 2)], Some(100), 100);
    }

    proptest::proptest! {
        /// However the packets fall, the true value is never left out.
        #[test]
        fn the_true_value_stays_in(begun in -1000i64..1000, steps in proptest::collection::vec((0u64..4, 0u64..4), 1..20)) {
            let mut counted = 0u64;
            let mut all: Option<Begun> = None;
            for (first, second) in steps {
                let before = counted;
                let kernel = begun + i64::try_from(before + first).unwrap();
                counted += first + second;
                let look = Begun::look(kernel, before, counted);
                all = Some(all.map_or(look, |known| known.and(look)));
            }
            let all = all.unwrap();
            proptest::prop_assert!(all.low <= begun && begun <= all.high);
        }
    }
}
