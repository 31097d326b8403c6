//! What happened between two absolute snapshots.

use backlog_trace_common::bucket::{DEPTH_BUCKETS, bounds};

use crate::event::Totals;

/// What was counted since `base`.
///
/// Counts are differences. The greatest queue lengths cannot be: see
/// [`longest_since`]. The limit is the one last seen.
pub fn since(now: &Totals, base: &Totals) -> Totals {
    let mut moved = now.clone();
    moved.combine(base, u64::saturating_sub);
    let mut accept_depths = moved.accept_depth;
    for depths in [&moved.accept_depth_at_accept, &moved.accept_depth_polled] {
        accept_depths.iter_mut().zip(depths).for_each(|(sum, count)| *sum = sum.saturating_add(*count));
    }
    moved.accept_queue_max = longest_since(now.accept_queue_max, base.accept_queue_max, &accept_depths);
    moved.syn_queue_max = longest_since(now.syn_queue_max, base.syn_queue_max, &moved.syn_depth);
    moved.limit = now.limit;
    moved
}

/// The longest queue of an interval, from the longest ever at its two ends.
///
/// Where a new record was set it is that one; otherwise the upper end of the
/// highest bucket that anything fell into, which is an upper bound.
fn longest_since(now: u32, base: u32, depths: &[u64; DEPTH_BUCKETS]) -> u32 {
    if now > base {
        return now;
    }
    let highest = depths.iter().rposition(|count| *count > 0);
    highest.map_or(0, |bucket| bounds(bucket, DEPTH_BUCKETS).1.min(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Figure;

    #[track_caller]
    fn check(now: u32, base: u32, buckets: &[usize], longest: u32) {
        let mut depths = [0; DEPTH_BUCKETS];
        buckets.iter().for_each(|bucket| depths[*bucket] = 1);
        assert_eq!(longest_since(now, base, &depths), longest);
    }

    #[test]
    fn the_longest_queue_of_an_interval() {
        check(129, 100, &[0, 7], 129);
        check(129, 129, &[0, 7], 129);
        check(129, 129, &[0, 3], 15);
        check(129, 129, &[], 0);
        check(0, 0, &[0], 0);
    }

    #[test]
    fn neither_a_sum_nor_a_difference_with_what_is_not_known_is() {
        let known = Totals { accepted: 7, ..Totals::default() };
        let mut unknown = Totals::default();
        unknown.unknown.insert(Figure::Accepted);
        for totals in [since(&known, &unknown), since(&unknown, &known), plus(known.clone(), &unknown)] {
            assert!(totals.unknown.contains(Figure::Accepted));
            assert!(!totals.unknown.contains(Figure::Established));
        }
        assert!(since(&known, &known).unknown.is_empty());
    }

    /// Each count another number, so that none can stand for another.
    fn totals(seed: u64) -> Totals {
        let small = u32::try_from(seed).expect("a small seed");
        let (accept_queue_max, syn_queue_max, limit) = (small + 1, small + 2, small + 3);
        let mut totals = Totals { accept_queue_max, syn_queue_max, limit, ..Totals::default() };
        totals.every_count().into_iter().zip(seed + 1..).for_each(|(count, number)| *count = number);
        totals
    }

    fn plus(mut one: Totals, other: &Totals) -> Totals {
        one.add(other);
        one
    }

    fn counts(mut totals: Totals) -> Vec<u64> {
        totals.every_count().into_iter().map(|count| *count).collect()
    }

    #[test]
    fn every_count_is_added_and_taken_away() {
        let (few, many) = (totals(0), totals(100_000));
        let both = |combine: fn(u64, u64) -> u64| -> Vec<u64> {
            let pairs = counts(many.clone()).into_iter().zip(counts(few.clone()));
            pairs.map(|(a, b)| combine(a, b)).collect()
        };
        assert!(counts(many.clone()).len() > 100);
        assert_eq!(counts(plus(many.clone(), &few)), both(|a, b| a + b));
        assert_eq!(counts(plus(few.clone(), &many)), both(|a, b| a + b));
        assert_eq!(counts(since(&many, &few)), both(|a, b| a - b));
    }

    #[test]
    fn of_two_parts_the_longest_queue_and_the_higher_limit_are_both_ones() {
        for sum in [plus(totals(0), &totals(100)), plus(totals(100), &totals(0))] {
            assert_eq!((sum.accept_queue_max, sum.syn_queue_max, sum.limit), (101, 102, 103));
        }
        let since = since(&totals(100), &totals(0));
        assert_eq!((since.accept_queue_max, since.syn_queue_max, since.limit), (101, 102, 103));
    }

    #[test]
    fn a_counter_that_went_backwards_is_zero_not_huge() {
        let base = Totals { syns: 5, ..Totals::default() };
        assert_eq!(since(&Totals::default(), &base).syns, 0);
    }
}
