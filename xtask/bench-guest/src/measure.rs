//! Instructions per connection: the median of many, each measured by itself.
//!
//! The median and not the least, because a tool may do less for some
//! connections than for most; a clock tick or a new slab page among them
//! moves it by nothing.

use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: u32 = 50;
const CONNECTIONS: u32 = 20;
/// Between rounds an observer reads what it has been sent.
const PAUSE: Duration = Duration::from_millis(20);
/// Longer than TIME_WAIT (`TCP_TIMEWAIT_LEN`, 60 s), so that each measurement
/// finds the port table as empty as the one before. Idle time is free in a
/// guest that counts instructions.
const SETTLE: Duration = Duration::from_secs(65);

/// Instructions per connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    /// Those of the connecting thread, with what the kernel does on its back.
    pub(crate) path: i64,
    /// Those of the whole machine, averaged over the rounds.
    pub(crate) machine: i64,
}

/// Repeats a connection and takes the median of each figure.
pub(crate) fn median(mut connection: impl FnMut() -> Result<()>) -> Result<Measurement> {
    std::thread::sleep(SETTLE);
    let mut paths = Vec::new();
    let mut machines = Vec::new();
    for _ in 0..ROUNDS {
        std::thread::sleep(PAUSE);
        let round = now(ClockId::Monotonic);
        for _ in 0..CONNECTIONS {
            let before = now(ClockId::ThreadCPUTime);
            connection()?;
            paths.push(now(ClockId::ThreadCPUTime) - before);
        }
        machines.push((now(ClockId::Monotonic) - round) / i64::from(CONNECTIONS));
    }
    Ok(Measurement { path: middle(paths), machine: middle(machines) })
}

/// Nanoseconds, which are instructions in a guest that counts them.
fn now(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn middle(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_ignores_what_is_far_out() {
        assert_eq!(middle(vec![5, 1_000_000, 4, 6, 0]), 5);
        assert_eq!(middle(Vec::new()), 0);
    }
}
