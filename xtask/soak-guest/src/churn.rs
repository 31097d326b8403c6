//! One thread of a stay: listeners opened and closed at an even pace, of which
//! some lose SYNs, beside one that stands all the while and loses some too.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::listener::{Healthy, Listener};

/// Of so many listeners that come and go, one loses SYNs.
const LOSSY_EVERY: u64 = 10;
/// SYNs that it loses: when it has opened, and before it closes.
const LOST_EARLY: u64 = 2;
const LOST_LATE: u64 = 1;
/// Ports of one thread: below those of clients (`ip_local_port_range`).
const PORTS: u16 = 6000;
const FIRST_PORT: u16 = 2000;
/// A thread that is further behind than this leaves out what was due.
const MOST_BEHIND: Duration = Duration::from_secs(1);
/// The longest sleep: how soon a thread notices that it is to end.
const GLANCE: Duration = Duration::from_millis(20);

/// What all threads of a stay have done so far.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Listeners opened.
    pub(crate) opened: AtomicU64,
    /// Listeners closed.
    pub(crate) closed: AtomicU64,
    /// SYNs that were refused.
    pub(crate) refused: AtomicU64,
}

/// What one thread is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Listeners opened in a second; as many close.
    pub(crate) listeners_per_second: f64,
    /// SYNs lost in a second by the listener that stands.
    pub(crate) refused_per_second: f64,
    /// Listeners that are open at a time.
    pub(crate) open: usize,
    /// No listener comes or goes before this long.
    pub(crate) rest_before: Duration,
    /// Nor after this long since then.
    pub(crate) churn: Duration,
    /// Nor is anything done after this long since then.
    pub(crate) rest_after: Duration,
}

/// When something is due that happens at an even pace.
struct Pace {
    next: Instant,
    every: Duration,
}

impl Pace {
    fn new(start: Instant, per_second: f64) -> Self {
        let every = Duration::try_from_secs_f64(1.0 / per_second).unwrap_or(Duration::MAX);
        // A pace of nothing is never due.
        let next = start.checked_add(every).unwrap_or(start + Duration::from_secs(1 << 30));
        Self { next, every }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        if now < self.next {
            return false;
        }
        self.next = if now > self.next + MOST_BEHIND { now } else { self.next } + self.every;
        true
    }
}

/// Does it until the plan is over, or `ended`.
pub(crate) fn run(number: u16, cpu: u16, plan: Plan, done: &Done, ended: &AtomicBool) -> Result<()> {
    stay_on_one_cpu(cpu)?;
    let first = FIRST_PORT + number * (PORTS + 2);
    let healthy = Healthy::open(first)?;
    let mut standing = Listener::open(first + 1)?;
    standing.fill()?;
    done.opened.fetch_add(2, Ordering::Relaxed);
    let refuse = |listener: &Listener, times: u64| -> Result<()> {
        for _ in 0..times {
            listener.refuse()?;
            done.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    let close = |(listener, is_lossy): (Listener, bool)| -> Result<()> {
        if is_lossy {
            refuse(&listener, LOST_LATE)?;
            healthy.connection()?;
        }
        drop(listener);
        done.closed.fetch_add(1, Ordering::Relaxed);
        Ok(())
    };
    let start = Instant::now();
    let churn_ends = plan.rest_before + plan.churn;
    let mut openings = Pace::new(start + plan.rest_before, plan.listeners_per_second);
    let mut losses = Pace::new(start, plan.refused_per_second);
    let mut open = VecDeque::new();
    let mut opened = 0u64;
    loop {
        let now = Instant::now();
        let passed = now.saturating_duration_since(start);
        if passed >= churn_ends + plan.rest_after || ended.load(Ordering::Relaxed) {
            break;
        }
        if losses.is_due(now) {
            refuse(&standing, 1)?;
        }
        let churns = passed >= plan.rest_before && passed < churn_ends;
        if churns && openings.is_due(now) {
            let port = first + 2 + u16::try_from(opened % u64::from(PORTS)).unwrap_or(0);
            opened += 1;
            let mut listener = Listener::open(port)?;
            let is_lossy = opened.is_multiple_of(LOSSY_EVERY);
            if is_lossy {
                listener.fill()?;
                refuse(&listener, LOST_EARLY)?;
            }
            done.opened.fetch_add(1, Ordering::Relaxed);
            open.push_back((listener, is_lossy));
            if open.len() > plan.open {
                open.pop_front().map_or(Ok(()), close)?;
            }
            continue;
        }
        if !churns && passed >= churn_ends {
            open.drain(..).try_for_each(close)?;
        }
        let due = if churns { openings.next.min(losses.next) } else { losses.next };
        sleep(due.saturating_duration_since(Instant::now()).min(GLANCE));
    }
    open.drain(..).try_for_each(close)?;
    healthy.connection()?;
    drop((standing, healthy));
    done.closed.fetch_add(2, Ordering::Relaxed);
    Ok(())
}

/// See [`super::listener`] why.
fn stay_on_one_cpu(cpu: u16) -> Result<()> {
    let allowed = sched_getaffinity(None).context("the CPUs of this process")?;
    let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let at = usize::from(cpu) % all.len().max(1);
    let mut one = CpuSet::new();
    one.set(all.get(at).copied().unwrap_or(0));
    sched_setaffinity(None, &one).context("a thread cannot be kept on one CPU")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_too_late_is_left_out() {
        let start = Instant::now();
        let mut pace = Pace::new(start, 10.0);
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut due = |ms: u64| pace.is_due(at(ms));
        assert!(!due(50));
        // Two are due.
        assert!(due(200) && due(200) && !due(200));
        // One, and not the forty that were missed.
        assert!(due(4200) && !due(4250) && due(4300));
        let mut never = Pace::new(start, 0.0);
        assert!(!never.is_due(at(1 << 20)));
    }
}
