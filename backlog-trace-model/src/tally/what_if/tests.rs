//! The imagined queue beside one that is played.

use super::*;

const MS: u64 = 1_000_000;

/// A queue under a limit as the kernel keeps it, of an application that
/// accepts one connection in so many ms; clients come at these times (ms) and
/// never again.
struct Played {
    what_if: WhatIf,
    longest_unrefused: u64,
    refused: u64,
}

fn play(limit: u64, accept_every_ms: u64, arrivals: &[u64]) -> Played {
    let mut what_if = WhatIf::default();
    let (mut queue, mut unrefused) = (0u64, 0u64);
    let (mut longest_unrefused, mut refused) = (0, 0);
    let end = arrivals.last().copied().unwrap_or(0) + 2000;
    for ms in 0..end {
        if ms % accept_every_ms == 0 {
            (queue, unrefused) = (queue.saturating_sub(1), unrefused.saturating_sub(1));
        }
        for _ in arrivals.iter().filter(|at| **at == ms) {
            unrefused += 1;
            longest_unrefused = longest_unrefused.max(unrefused);
            if queue > limit {
                refused += 1;
                what_if.see(ms * MS, queue, Arrival::Refused);
            } else {
                queue += 1;
                if what_if.has_refused() {
                    what_if.see(ms * MS, queue, Arrival::Finished);
                }
            }
        }
        if ms % 1000 == 999 && what_if.has_refused() {
            what_if.see(ms * MS, queue, Arrival::None);
        }
    }
    Played { what_if, longest_unrefused, refused }
}

/// Arrivals, one a millisecond, from a time on.
fn burst(from: u64, clients: u64) -> Vec<u64> {
    (from..from + clients).collect()
}

#[track_caller]
fn check(limit: u64, accept_every_ms: u64, arrivals: &[u64]) {
    let played = play(limit, accept_every_ms, arrivals);
    assert!(played.refused > 0);
    let need = played.what_if.need(u64::MAX).unwrap();
    assert_eq!(need.refused, played.refused);
    assert_eq!(need.longest, played.longest_unrefused);
    // And that limit holds: with it nobody is refused, with one less somebody is.
    assert_eq!(play(need.limit(), accept_every_ms, arrivals).refused, 0);
    assert!(play(need.limit() - 1, accept_every_ms, arrivals).refused > 0);
}

#[test]
fn the_limit_that_would_have_held_is_the_one_that_holds() {
    check(8, 10, &burst(100, 100));
    check(1, 2, &burst(100, 50));
    check(128, 5, &burst(100, 400));
    // Two bursts that do not meet: the longer one counts.
    check(8, 10, &[burst(100, 60), burst(2500, 100)].concat());
    check(8, 10, &[burst(100, 100), burst(2500, 60)].concat());
}

#[test]
fn who_tries_again_needs_one_place() {
    let mut what_if = WhatIf::default();
    what_if.see(0, 2, Arrival::Refused);
    what_if.see(MS, 2, Arrival::None);
    what_if.see(2 * MS, 2, Arrival::None);
    assert_eq!(what_if.need(2 * MS).unwrap().longest, 3);
    // One was accepted, and it got in.
    what_if.see(3 * MS, 2, Arrival::FinishedAtLast);
    let need = what_if.need(3 * MS).unwrap();
    assert_eq!((need.longest, need.left, need.limit(), need.refused), (3, 2, 2, 1));
}

#[test]
fn rates_are_those_of_a_queue_in_which_somebody_waits() {
    let played = play(8, 10, &burst(100, 300));
    let need = played.what_if.need(u64::MAX).unwrap();
    assert!((95.0..105.0).contains(&need.accepts_per_second.unwrap()), "{need:?}");
    assert!((950.0..1050.0).contains(&need.arrivals_per_second().unwrap()), "{need:?}");
    assert!((2.5..3.0).contains(&need.longest_wait().unwrap()), "{need:?}");
}

#[test]
fn waits_tell_a_rate_where_the_queue_ran_empty_at_once() {
    let mut what_if = WhatIf::default();
    (0..20).for_each(|client| what_if.see(client, 9, Arrival::Refused));
    what_if.see(1000 * MS, 0, Arrival::None);
    let need = what_if.need(1000 * MS).unwrap();
    let rate = |need: Need| need.accepts_per_second.unwrap();
    assert!(need.accepts_at_least && (rate(need) - 9.0).abs() < 0.01, "{need:?}");
    assert!((rate(need.known_to_empty(9, 100_000)) - 90.0).abs() < 0.01);
    assert!((rate(need.known_to_empty(9, 100_000_000)) - 9.0).abs() < 0.01, "no lower than seen");
    let busy = play(8, 10, &burst(100, 300)).what_if.need(u64::MAX).unwrap();
    assert_eq!(busy.known_to_empty(9, 1), busy, "what was seen is better");
    what_if.see(1001 * MS, 1, Arrival::Finished);
    let waits = what_if.need(1001 * MS).unwrap();
    assert_eq!(waits.known_to_empty(9, 1), waits, "one waits still");
}

#[test]
fn nobody_accepts_and_nobody_is_refused() {
    let mut what_if = WhatIf::default();
    assert!(what_if.need(9).is_none());
    what_if.see(0, 2, Arrival::None);
    assert!(what_if.need(9).is_none());
    for at in 0..5 {
        what_if.see(at * 1000 * MS, 2, Arrival::Refused);
    }
    let need = what_if.need(u64::MAX).unwrap();
    assert_eq!((need.accepts_per_second, need.longest, need.left), (None, 7, 7));
    assert!((need.seconds() - 4.0).abs() < 1e-9);
}

#[test]
fn what_leaves_a_queue_that_closes_was_not_accepted() {
    let mut what_if = WhatIf::default();
    what_if.see(0, 9, Arrival::Refused);
    what_if.see(1000 * MS, 8, Arrival::None);
    what_if.close();
    what_if.see(1001 * MS, 0, Arrival::None);
    let rate = |what_if: &WhatIf| what_if.need(2000 * MS).unwrap().accepts_per_second.unwrap();
    assert!((rate(&what_if) - 1.0).abs() < 1e-9);
    what_if.open();
    what_if.see(2001 * MS, 7, Arrival::None);
    assert!(rate(&what_if) < 1.1);
}

#[test]
fn absurd_stamps_and_lengths_are_bounded() {
    let mut what_if = WhatIf::default();
    for (time, length) in [(u64::MAX, u64::MAX), (0, 0), (u64::MAX, u64::MAX), (1, 0)] {
        what_if.see(time, length, Arrival::Refused);
        what_if.see(time, length, Arrival::Finished);
    }
    assert!(what_if.need(u64::MAX).is_some());
}
