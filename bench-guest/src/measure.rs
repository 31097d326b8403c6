//! Instructions per connection, the least of many short rounds.

use std::time::Duration;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};

/// Rounds are shorter than the time between two clock ticks, so that many of
/// them meet none; the least of all rounds is free of them.
const ROUNDS: u32 = 60;
const CONNECTIONS: u32 = 20;
/// Between rounds an observer reads what it has been sent.
const PAUSE: Duration = Duration::from_millis(20);

/// Instructions per connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measurement {
    /// Those of the connecting thread, with what the kernel does on its back.
    pub(crate) path: f64,
    /// Those of the whole machine meanwhile.
    pub(crate) machine: f64,
}

/// Repeats a connection and takes the least of each figure.
pub(crate) fn least(mut connection: impl FnMut() -> Result<()>) -> Result<Measurement> {
    let mut least = Measurement { path: f64::INFINITY, machine: f64::INFINITY };
    for _ in 0..ROUNDS {
        std::thread::sleep(PAUSE);
        let before = (now(ClockId::ThreadCPUTime), now(ClockId::Monotonic));
        for _ in 0..CONNECTIONS {
            connection()?;
        }
        let after = (now(ClockId::ThreadCPUTime), now(ClockId::Monotonic));
        least.path = least.path.min(per_connection(after.0 - before.0));
        least.machine = least.machine.min(per_connection(after.1 - before.1));
    }
    Ok(least)
}

/// Nanoseconds, which are instructions in a guest that counts them.
fn now(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[expect(clippy::cast_precision_loss, reason = "a round takes far fewer than 2^52 instructions")]
fn per_connection(total: i64) -> f64 {
    total as f64 / f64::from(CONNECTIONS)
}
