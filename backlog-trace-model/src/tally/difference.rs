//! What happened between two absolute snapshots, and the sum of two counts.

use backlog_trace_common::bucket::{DEPTH_BUCKETS, bounds};

use crate::event::{Reasons, Totals};

/// What was counted since `base`.
///
/// Counts are differences. The greatest queue lengths cannot be: see
/// [`longest_since`]. The limit is the one last seen.
pub fn since(now: &Totals, base: &Totals) -> Totals {
    let accept_depth = subtract(&now.accept_depth, &base.accept_depth);
    let syn_depth = subtract(&now.syn_depth, &base.syn_depth);
    let accept_depth_at_accept = subtract(&now.accept_depth_at_accept, &base.accept_depth_at_accept);
    let accept_depth_polled = subtract(&now.accept_depth_polled, &base.accept_depth_polled);
    let accept_depths = add(&add(&accept_depth, &accept_depth_at_accept), &accept_depth_polled);
    Totals {
        syns: now.syns.saturating_sub(base.syns),
        established: now.established.saturating_sub(base.established),
        established_by_cookie: now.established_by_cookie.saturating_sub(base.established_by_cookie),
        accepted: now.accepted.saturating_sub(base.accepted),
        sk_drops: now.sk_drops.saturating_sub(base.sk_drops),
        cookies_wanted_lost: now.cookies_wanted_lost.saturating_sub(base.cookies_wanted_lost),
        cookies_made_lost: now.cookies_made_lost.saturating_sub(base.cookies_made_lost),
        accept_queue_max: longest_since(now.accept_queue_max, base.accept_queue_max, &accept_depths),
        syn_queue_max: longest_since(now.syn_queue_max, base.syn_queue_max, &syn_depth),
        limit: now.limit,
        reasons: Reasons(subtract(&now.reasons.0, &base.reasons.0)),
        accept_wait_us: subtract(&now.accept_wait_us, &base.accept_wait_us),
        unknown: now.unknown.union(base.unknown),
        accept_depth_polled,
        accept_depth,
        syn_depth,
        accept_depth_at_accept,
    }
}

/// The counts of two parts of one listener together.
pub fn union(a: &Totals, b: &Totals) -> Totals {
    Totals {
        syns: a.syns.saturating_add(b.syns),
        established: a.established.saturating_add(b.established),
        established_by_cookie: a.established_by_cookie.saturating_add(b.established_by_cookie),
        accepted: a.accepted.saturating_add(b.accepted),
        sk_drops: a.sk_drops.saturating_add(b.sk_drops),
        cookies_wanted_lost: a.cookies_wanted_lost.saturating_add(b.cookies_wanted_lost),
        cookies_made_lost: a.cookies_made_lost.saturating_add(b.cookies_made_lost),
        accept_queue_max: a.accept_queue_max.max(b.accept_queue_max),
        syn_queue_max: a.syn_queue_max.max(b.syn_queue_max),
        limit: a.limit.max(b.limit),
        reasons: Reasons(add(&a.reasons.0, &b.reasons.0)),
        accept_depth: add(&a.accept_depth, &b.accept_depth),
        syn_depth: add(&a.syn_depth, &b.syn_depth),
        accept_depth_at_accept: add(&a.accept_depth_at_accept, &b.accept_depth_at_accept),
        accept_wait_us: add(&a.accept_wait_us, &b.accept_wait_us),
        accept_depth_polled: add(&a.accept_depth_polled, &b.accept_depth_polled),
        unknown: a.unknown.union(b.unknown),
    }
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

fn subtract<const N: usize>(now: &[u64; N], base: &[u64; N]) -> [u64; N] {
    let mut rest = *now;
    rest.iter_mut().zip(base).for_each(|(now, base)| *now = now.saturating_sub(*base));
    rest
}

fn add<const N: usize>(a: &[u64; N], b: &[u64; N]) -> [u64; N] {
    let mut sum = *a;
    sum.iter_mut().zip(b).for_each(|(a, b)| *a = a.saturating_add(*b));
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Figure, Unknown};

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
        for totals in [since(&known, &unknown), since(&unknown, &known), union(&known, &unknown)] {
            assert!(totals.unknown.contains(Figure::Accepted));
            assert!(!totals.unknown.contains(Figure::Established));
        }
        assert!(since(&known, &known).unknown.is_empty());
    }

    /// Each figure another number, so that none can stand for another.
    fn totals(seed: u64) -> Totals {
        let mut next = seed;
        let mut one = || {
            next += 1;
            next
        };
        let small = u32::try_from(seed).expect("a small seed");
        Totals {
            syns: one(),
            established: one(),
            established_by_cookie: one(),
            accepted: one(),
            sk_drops: one(),
            cookies_wanted_lost: one(),
            cookies_made_lost: one(),
            accept_queue_max: small + 1,
            syn_queue_max: small + 2,
            limit: small + 3,
            reasons: Reasons(std::array::from_fn(|_| one())),
            accept_depth: std::array::from_fn(|_| one()),
            syn_depth: std::array::from_fn(|_| one()),
            accept_depth_at_accept: std::array::from_fn(|_| one()),
            accept_wait_us: std::array::from_fn(|_| one()),
            accept_depth_polled: std::array::from_fn(|_| one()),
            unknown: Unknown::default(),
        }
    }

    /// Every figure as a number, in one order.
    fn figures(totals: &Totals) -> Vec<u64> {
        // Named one by one, so that a figure added to the totals cannot be forgotten here.
        let Totals {
            syns,
            established,
            established_by_cookie,
            accepted,
            sk_drops,
            cookies_wanted_lost,
            cookies_made_lost,
            accept_queue_max: _,
            syn_queue_max: _,
            limit: _,
            reasons,
            accept_depth,
            syn_depth,
            accept_depth_at_accept,
            accept_wait_us,
            accept_depth_polled,
            unknown: _,
        } = totals;
        let single = [
            syns,
            established,
            established_by_cookie,
            accepted,
            sk_drops,
            cookies_wanted_lost,
            cookies_made_lost,
        ];
        let buckets = [
            reasons.0.as_slice(),
            accept_depth,
            syn_depth,
            accept_depth_at_accept,
            accept_wait_us,
            accept_depth_polled,
        ];
        single.into_iter().chain(buckets.into_iter().flatten()).copied().collect()
    }

    #[test]
    fn every_count_is_added_and_taken_away() {
        let (few, many) = (totals(0), totals(100_000));
        let both = |combine: fn(u64, u64) -> u64| -> Vec<u64> {
            figures(&many).into_iter().zip(figures(&few)).map(|(a, b)| combine(a, b)).collect()
        };
        assert_eq!(figures(&union(&many, &few)), both(|a, b| a + b));
        assert_eq!(figures(&union(&few, &many)), both(|a, b| a + b));
        assert_eq!(figures(&since(&many, &few)), both(|a, b| a - b));
    }

    #[test]
    fn of_two_parts_the_longest_queue_and_the_higher_limit_are_both_ones() {
        for sum in [union(&totals(0), &totals(100)), union(&totals(100), &totals(0))] {
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
