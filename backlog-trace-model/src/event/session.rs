//! What is needed to interpret an observation: clock, host and hooks.

use serde::{Deserialize, Serialize};

use crate::check::{HookState, Rung, SourceState};

/// Turns `CLOCK_MONOTONIC` stamps into wall-clock time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Clock {
    /// Unix time minus `CLOCK_MONOTONIC`, in ns, when the observation began.
    pub unix_minus_monotonic: i64,
}

impl Clock {
    /// Unix time in ns of a `CLOCK_MONOTONIC` stamp in ns.
    pub fn unix_ns(self, monotonic: u64) -> i64 {
        i64::try_from(monotonic).unwrap_or(i64::MAX).saturating_add(self.unix_minus_monotonic)
    }
}

/// Who observes what.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Version of the tool that observes.
    pub version: String,
    /// Host name.
    pub host: String,
    /// Kernel release, as in `uname -r`.
    pub kernel: String,
    /// Inode number of the host's own network namespace, where it could be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub netns: Option<u32>,
    /// When the observation began (`CLOCK_MONOTONIC`, ns).
    pub start: u64,
    /// The clock.
    pub clock: Clock,
    /// The hooks and what became of each.
    pub hooks: Vec<HookState>,
    /// What other figures are read from and what became of each source; none
    /// in recordings of versions before this was kept.
    #[serde(default)]
    pub sources: Vec<SourceState>,
}

impl Session {
    /// Unix time in ns of a `CLOCK_MONOTONIC` stamp; the stamp itself where a
    /// recording lost its session.
    pub fn unix_ns(session: Option<&Self>, monotonic: u64) -> i64 {
        session.map_or_else(
            || i64::try_from(monotonic).unwrap_or(i64::MAX),
            |session| session.clock.unix_ns(monotonic),
        )
    }

    /// Whether it polls: nothing is seen packet by packet.
    pub fn is_polled(&self) -> bool {
        self.hooks.iter().any(|hook| hook.rung == Some(Rung::Counters))
    }
}
