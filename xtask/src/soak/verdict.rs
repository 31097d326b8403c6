//! Whether a run holds: a pure function from its intervals to its faults.
//!
//! Nothing is smoothed over. An interval is as wrong as it is, even if the next
//! one makes up for it.

use super::observed::{Interval, Observed, Phase};

/// The rung that polls: what it gives to listeners is a lower bound.
const POLLED: &str = "counters";

/// Intervals are of one second; one that is off by more than this is late. What
/// the machine's own timers were late meanwhile is added.
pub(super) const LATE_MS: u64 = 250;

/// The same in a guest, whose processors are emulated and wait for one another.
pub(super) const LATE_EMULATED_MS: u64 = 1500;

/// What memory may grow by after the warm-up: pages that an allocator has not
/// used before, and a fiftieth.
const MEMORY_KIB: f64 = 1024.0;
const MEMORY_SHARE: f64 = 0.02;

/// Closed listeners that a report still names, and what each of them may take.
const STILL_NAMED: f64 = 1024.0;
const NAMED_KIB: f64 = 3.0;

/// How long a refused client is followed (s), and what that takes.
const FOLLOWED_SECONDS: f64 = 130.0;
const FOLLOWED_KIB: f64 = 0.25;

/// What CPU may grow by: on a machine that does other things, the same work
/// does not take the same time.
const CPU_MS: f64 = 30.0;
const CPU_SHARE: f64 = 0.5;

/// The part of the churn that warms up, and the parts that are compared: one
/// right after it, one at the end.
const WARM_UP: usize = 4;
const COMPARED: usize = 5;

/// Fewer intervals than this tell no trend.
const LEAST: usize = 10;

/// Faults of one kind that are told one by one.
const TOLD: usize = 5;

/// What may be asked of a rung.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Account {
    /// Every loss is seen: nothing may be left over.
    Exact,
    /// Only what the counters force is given to a listener, and a namespace
    /// counts from the first look at it: something may be left over, nothing
    /// given too much.
    Bounded,
}

impl Account {
    /// Of the rung that was asked for, or that is told of.
    pub(super) fn of(rung: Option<&str>, observed: &Observed) -> Self {
        let is_polled = |interval: &Interval| interval.rung.as_deref() == Some(POLLED);
        let polls = rung == Some(POLLED) || observed.intervals.iter().any(is_polled);
        if polls { Self::Bounded } else { Self::Exact }
    }
}

/// All faults of a run, each a sentence; none if it holds.
pub(super) fn judge(observed: &Observed, account: Account, seconds: f64, late_ms: u64) -> Vec<String> {
    [
        told("rests", rests(observed, account)),
        told("intervals with losses that had no room", unlisted(observed)),
        told("late intervals", late(observed, late_ms)),
        sums(observed, account),
        number(observed, seconds),
        memory(observed),
        cpu(observed),
    ]
    .concat()
}

/// The first of them one by one, of the others how many there are.
fn told(kind: &str, mut sentences: Vec<String>) -> Vec<String> {
    let more = sentences.len().saturating_sub(TOLD);
    sentences.truncate(TOLD);
    sentences.extend((more > 0).then(|| format!("{more} more {kind}")));
    sentences
}

fn rests(observed: &Observed, account: Account) -> Vec<String> {
    let whole = observed.run.iter().map(|run| ("the whole run".to_owned(), run));
    let lines = observed.intervals.iter().map(|interval| (place(interval), interval)).chain(whole);
    let sentences = lines.flat_map(|(place, line)| {
        let is_fault = move |by: i64| account == Account::Exact || by < 0;
        let rests = line.rests.iter().filter(move |rest| is_fault(rest.by));
        rests.map(move |rest| format!("{place}: unattributed {rest}"))
    });
    sentences.collect()
}

fn unlisted(observed: &Observed) -> Vec<String> {
    let full = observed.intervals.iter().filter(|interval| interval.unlisted > 0);
    full.map(|full| format!("{}: {} losses of listeners that had no room", place(full), full.unlisted))
        .collect()
}

fn late(observed: &Observed, late_ms: u64) -> Vec<String> {
    let regular = observed.intervals.len().saturating_sub(1);
    // The last one is cut short by the end.
    let intervals = observed.intervals.iter().take(regular);
    let late = intervals.filter_map(|interval| {
        let off = lateness(interval);
        (off > late_ms + interval.machine_late_ms).then(|| {
            let machine = interval.machine_late_ms;
            format!("{}: {off} ms late, the machine itself {machine} ms", place(interval))
        })
    });
    late.collect()
}

/// How far an interval is off: too long, too short, or too late, in ms.
pub(super) fn lateness(interval: &Interval) -> u64 {
    let length = ((interval.seconds - 1.0) * 1000.0).abs().round();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and no year long"
    )]
    let length = length as u64;
    length.max(interval.delay_ms.unsigned_abs())
}

fn sums(observed: &Observed, account: Account) -> Vec<String> {
    let mut faults = Vec::new();
    let mut check = |holds: bool, sentence: String| {
        if !holds {
            faults.push(sentence);
        }
    };
    let Some(run) = &observed.run else {
        return vec!["the tool printed no result of the whole run".to_owned()];
    };
    let overflows: u64 = observed.intervals.iter().map(|interval| interval.overflows).sum();
    let lost: u64 = observed.intervals.iter().map(|interval| interval.lost).sum();
    let positive = |sum: i64| u64::try_from(sum).unwrap_or(0);
    let attributable = positive(observed.intervals.iter().map(|interval| interval.attributable).sum());
    let agrees = |said: u64, is: u64| said == is || account == Account::Bounded && said < is;
    check(run.refused > 0 && run.closed > 0 && run.gone > 0, "the workload did nothing".to_owned());
    check(
        run.refused == run.counted,
        format!("the workload had {} SYNs refused, and the kernel counted {}", run.refused, run.counted),
    );
    check(
        agrees(overflows, run.counted),
        format!("the audits of all intervals have {overflows} losses, the kernel's counters {}", run.counted),
    );
    check(
        agrees(run.overflows, run.main_counted),
        format!(
            "the whole run's audit has {} losses in the namespace that was there all the while, \
             the kernel's counters {}",
            run.overflows, run.main_counted
        ),
    );
    check(
        agrees(lost, attributable),
        format!("the listeners of all intervals have {lost} losses, their audits {attributable}"),
    );
    check(
        agrees(run.lost, positive(run.attributable)),
        format!("the whole run's listeners have {} losses, its audit {}", run.lost, run.attributable),
    );
    faults
}

/// Whether the tool printed as many intervals as the run has seconds.
fn number(observed: &Observed, seconds: f64) -> Vec<String> {
    let began = observed.intervals.iter().filter(|interval| interval.at > 0.0).count();
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 seconds")]
    let missing = seconds - began as f64;
    let too_few = missing > 1.0 + seconds * 0.02;
    too_few.then(|| format!("{began} intervals of one second in {seconds:.0} s")).into_iter().collect()
}

/// Something right after the warm-up, and at the end of the churn: means.
struct Trend {
    first: f64,
    last: f64,
    /// Listeners that had closed by then, and in between.
    before: f64,
    closed: f64,
    /// SYNs that were refused in between to clients that are still followed.
    followed: f64,
}

#[expect(clippy::cast_precision_loss, reason = "so many listeners do not come and go")]
fn trend(observed: &Observed, of: impl Fn(&Interval) -> f64) -> Option<Trend> {
    let churn = in_phase(observed, Phase::Churn);
    let warm = churn.get(churn.len() / WARM_UP..)?;
    if warm.len() < LEAST {
        return None;
    }
    let part = warm.len() / COMPARED;
    let (first, last) = (warm.get(..part)?, warm.get(warm.len() - part..)?);
    let closed = |interval: &Interval| interval.closed as f64;
    let refused = |interval: &Interval| interval.refused as f64;
    let at = |interval: &Interval| interval.at;
    let [began, ended] = [mean(first, &at)?, mean(last, &at)?];
    // Those that came before 130 s of churn make what is followed more; later
    // ones take the place of others.
    let left = (FOLLOWED_SECONDS - (began - churn.first()?.at)).max(0.0);
    let share = (left / (ended - began).max(1.0)).min(1.0);
    Some(Trend {
        first: mean(first, &of)?,
        last: mean(last, &of)?,
        before: mean(first, &closed)?,
        closed: mean(last, &closed)? - mean(first, &closed)?,
        followed: (mean(last, &refused)? - mean(first, &refused)?) * share,
    })
}

fn memory(observed: &Observed) -> Vec<String> {
    #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 KiB")]
    let Some(Trend { first, last, before, closed, followed }) =
        trend(observed, |interval| interval.rss_kib as f64)
    else {
        return vec!["too short to tell whether memory grows".to_owned()];
    };
    let grown = last - first;
    let each = grown * 1024.0 / closed.max(1.0);
    let named = closed.min((STILL_NAMED - before).max(0.0)) * NAMED_KIB;
    let grows = grown > MEMORY_KIB + first * MEMORY_SHARE + named + followed * FOLLOWED_KIB;
    let (first, last) = (first / 1024.0, last / 1024.0);
    let sentence = || {
        format!(
            "memory grows: {first:.1} MiB after the warm-up, {last:.1} MiB at the end, \
             {each:.0} bytes for each of {closed:.0} listeners that closed"
        )
    };
    grows.then(sentence).into_iter().collect()
}

fn cpu(observed: &Observed) -> Vec<String> {
    let grows = |first: f64, last: f64| last > first * (1.0 + CPU_SHARE) + CPU_MS;
    let mut faults = Vec::new();
    if let Some(Trend { first, last, .. }) = trend(observed, cpu_per_second)
        && grows(first, last)
    {
        faults.push(format!(
            "CPU grows: {first:.0} ms a second after the warm-up, {last:.0} ms at the end of the churn"
        ));
    }
    let at_rest = |phase| mean(&in_phase(observed, phase), &cpu_per_second);
    match (at_rest(Phase::Before), at_rest(Phase::After)) {
        (Some(before), Some(after)) if grows(before, after) => {
            faults.push(format!(
                "CPU at rest: {before:.0} ms a second before the churn, {after:.0} ms after it"
            ));
        }
        (Some(_), Some(_)) => {}
        _ => faults.push("no interval at rest: the rests are too short".to_owned()),
    }
    faults
}

/// CPU in ms of a second of this interval.
#[expect(clippy::cast_precision_loss, reason = "no interval has 2^52 ms")]
pub(super) fn cpu_per_second(interval: &Interval) -> f64 {
    interval.cpu_ms as f64 / interval.seconds.max(0.001)
}

fn in_phase(observed: &Observed, phase: Phase) -> Vec<&Interval> {
    observed.intervals.iter().filter(|interval| interval.phase == phase).collect()
}

#[expect(clippy::cast_precision_loss, reason = "no run has 2^52 intervals")]
fn mean(intervals: &[&Interval], of: &impl Fn(&Interval) -> f64) -> Option<f64> {
    let sum: f64 = intervals.iter().map(|interval| of(interval)).sum();
    (!intervals.is_empty()).then(|| sum / intervals.len() as f64)
}

fn place(interval: &Interval) -> String {
    format!("interval at {:.0} s", interval.at)
}

#[cfg(test)]
mod tests;
