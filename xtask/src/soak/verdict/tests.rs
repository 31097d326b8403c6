//! Runs built by hand: one that holds, and what spoils it.

use super::super::observed::Rest;
use super::*;

const SECONDS: u32 = 120;
const REST: u32 = 20;

/// A run that holds: in each second of churn 100 listeners come and go, and 30
/// SYNs are lost, 20 of them in the namespace that stays.
fn good() -> Observed {
    let mut observed = Observed::default();
    let mut all = Interval { made: 1, ..Interval::default() };
    for second in 0..=SECONDS {
        let churns = second > REST && second <= SECONDS - REST;
        let (closed, lost) = if churns { (100, 30) } else { (0, u64::from(second.min(1)) * 5) };
        all = Interval {
            at: f64::from(second),
            phase: match second {
                0 => Phase::Edge,
                1..=REST => Phase::Before,
                _ if churns => Phase::Churn,
                _ => Phase::After,
            },
            seconds: 1.0,
            delay_ms: 3,
            machine_late_ms: 2,
            rss_kib: 20_000 + u64::from(second % 7) * 10,
            cpu_ms: if churns { 80 } else { 12 },
            lost: lost + 1,
            attributable: i64::try_from(lost).unwrap() + 1,
            overflows: lost,
            closed: all.closed + closed,
            opened: all.opened + closed,
            gone: all.gone + u64::from(churns),
            refused: all.refused + lost,
            counted: all.counted + lost,
            ..Interval::default()
        };
        observed.intervals.push(all.clone());
    }
    // Cut short by the end.
    observed.intervals.push(Interval {
        phase: Phase::Edge,
        seconds: 0.1,
        cpu_ms: 1,
        lost: 0,
        attributable: 0,
        overflows: 0,
        ..all.clone()
    });
    // Those of the namespace that stays, and of the whole host.
    let (main, host) = (2000, 2720);
    observed.run = Some(Interval {
        lost: host,
        attributable: 2720,
        overflows: main,
        main_refused: main,
        main_counted: main,
        ..all
    });
    observed
}

/// What a run that is spoiled in one way is said to be wrong in.
#[track_caller]
fn check(spoil: impl Fn(&mut Observed), expected: &[&str]) {
    let mut observed = good();
    spoil(&mut observed);
    let faults = judge(&observed, Account::Exact, f64::from(SECONDS), LATE_MS);
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "{fault} has no '{expected}'");
    }
}

/// The interval that ends at this second.
fn at(observed: &mut Observed, second: usize) -> &mut Interval {
    &mut observed.intervals[second]
}

fn rest(of: &str, by: i64) -> Rest {
    Rest { netns: 7, of: of.to_owned(), by }
}

#[test]
fn a_run_that_holds_has_no_fault() {
    check(|_| {}, &[]);
}

#[test]
fn a_rest_is_a_fault_even_if_the_next_interval_takes_it_back() {
    check(
        |observed| {
            at(observed, 50).rests.push(rest("ListenDrops", 12));
            at(observed, 51).rests.push(rest("ListenDrops", -12));
        },
        &[
            "interval at 50 s: unattributed 12 ListenDrops of namespace 7",
            "interval at 51 s: unattributed -12",
        ],
    );
    check(
        |observed| at(observed, 60).rests.push(rest("sk_drops of 127.0.0.1:80", 1)),
        &["interval at 60 s: unattributed 1 sk_drops of 127.0.0.1:80 of namespace 7"],
    );
    check(
        |observed| observed.run.as_mut().unwrap().rests.push(rest("ListenOverflows", 3)),
        &["the whole run: unattributed 3 ListenOverflows"],
    );
}

#[test]
fn of_many_faults_of_a_kind_the_first_are_told() {
    check(
        |observed| (30..60).for_each(|second| at(observed, second).rests.push(rest("ListenDrops", 1))),
        &["at 30 s", "at 31 s", "at 32 s", "at 33 s", "at 34 s", "25 more rests"],
    );
}

#[test]
fn losses_without_room_are_a_fault() {
    check(
        |observed| at(observed, 70).unlisted = 4,
        &["interval at 70 s: 4 losses of listeners that had no room"],
    );
}

#[test]
fn an_interval_that_is_long_short_or_late_is_a_fault_unless_the_machine_was() {
    check(
        |observed| at(observed, 50).seconds = 2.0,
        &["interval at 50 s: 1000 ms late, the machine itself 2 ms"],
    );
    check(|observed| at(observed, 50).seconds = 0.5, &["interval at 50 s: 500 ms late"]);
    check(|observed| at(observed, 50).delay_ms = 300, &["interval at 50 s: 300 ms late"]);
    check(|observed| at(observed, 50).delay_ms = 240, &[]);
    check(
        |observed| {
            let late = at(observed, 50);
            (late.delay_ms, late.machine_late_ms) = (300, 60);
        },
        &[],
    );
}

#[test]
fn intervals_that_did_not_come_are_a_fault() {
    check(
        |observed| {
            let (mut odd, mut lost) = (false, 0);
            observed.intervals.retain(|interval| {
                odd = !odd && interval.phase == Phase::After;
                lost += if odd { interval.overflows } else { 0 };
                !odd
            });
            // What happened is in the last one.
            let last = observed.intervals.last_mut().unwrap();
            last.overflows += lost;
        },
        &["111 intervals of one second in 120 s"],
    );
}

#[test]
fn sums_that_differ_are_faults() {
    check(|observed| at(observed, 50).lost -= 1, &["of all intervals have 2720 losses, their audits 2721"]);
    check(|observed| at(observed, 50).overflows += 1, &["have 2601 losses, the kernel's counters 2600"]);
    let run =
        |spoil: fn(&mut Interval)| move |observed: &mut Observed| observed.run.as_mut().map_or((), spoil);
    check(run(|run| run.lost -= 1), &["the whole run's listeners have 2719 losses, its audit 2720"]);
    check(
        run(|run| run.overflows += 1),
        &["audit has 2001 losses in the namespace that was there all the while"],
    );
    check(run(|run| run.refused += 1), &["had 2601 SYNs refused, and the kernel counted 2600"]);
    check(|observed| observed.run = None, &["no result of the whole run"]);
}

#[test]
fn a_leak_is_a_fault_however_slow() {
    // 400 bytes for each listener that closes.
    check(
        |observed| {
            for interval in &mut observed.intervals {
                interval.rss_kib += interval.closed * 400 / 1024;
            }
        },
        &["400 bytes for each of 4800 listeners that closed"],
    );
    // What a warm-up takes is no leak.
    check(|observed| (0..30).for_each(|second| at(observed, second).rss_kib -= 9000), &[]);
}

#[test]
fn cpu_that_grows_under_load_or_at_rest_is_a_fault() {
    check(
        |observed| {
            for interval in observed.intervals.iter_mut().filter(|interval| interval.phase == Phase::Churn) {
                interval.cpu_ms += interval.closed / 25;
            }
        },
        &["CPU grows: 186 ms a second after the warm-up, 378 ms at the end of the churn"],
    );
    check(
        |observed| {
            for interval in observed.intervals.iter_mut().filter(|interval| interval.phase == Phase::After) {
                interval.cpu_ms = 360;
            }
        },
        &["CPU at rest: 12 ms a second before the churn, 360 ms after it"],
    );
}

#[test]
fn a_workload_that_did_nothing_proves_nothing() {
    let faults = judge(
        &Observed { run: Some(Interval::default()), ..Observed::default() },
        Account::Exact,
        60.0,
        LATE_MS,
    );
    for expected in
        ["did nothing", "0 intervals of one second in 60 s", "too short to tell", "no interval at rest"]
    {
        assert!(faults.iter().any(|fault| fault.contains(expected)), "{expected}: {faults:#?}");
    }
}

#[test]
fn polling_may_leave_something_over_and_give_nothing_too_much() {
    let judged = |by: i64, lost: u64| {
        let mut observed = good();
        at(&mut observed, 50).rests.push(rest("ListenDrops", by));
        at(&mut observed, 50).lost = lost;
        judge(&observed, Account::Bounded, f64::from(SECONDS), LATE_MS)
    };
    assert_eq!(judged(12, 18), [""; 0]);
    assert_eq!(judged(-1, 31).len(), 1);
    assert_eq!(judged(0, 32).len(), 1);
}
