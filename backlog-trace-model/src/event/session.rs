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

/// Bytes of arguments that are kept: a command line may be two million long.
const ARGUMENTS_KEPT: usize = 8 << 10;

/// What was asked for, by whoever started the observation. Untrusted text.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// The arguments of backlog-trace, those of the command among them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// The command after `--` that ran meanwhile, with its arguments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What whoever recorded it calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Asked {
    /// As many arguments as are kept: a `…` stands for the rest.
    pub fn kept(arguments: impl IntoIterator<Item = String>) -> Vec<String> {
        let mut room = ARGUMENTS_KEPT;
        let mut kept = Vec::new();
        for argument in arguments {
            let Some(rest) = room.checked_sub(argument.len()) else {
                kept.push("…".to_owned());
                break;
            };
            room = rest;
            kept.push(argument);
        }
        kept
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
    /// Name of the host's time zone, as in `Europe/Berlin`, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// What was asked for.
    #[serde(default)]
    pub asked: Asked,
    /// The hooks and what became of each.
    pub hooks: Vec<HookState>,
    /// What other figures are read from and what became of each source.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_kept_as_far_as_there_is_room() {
        let long = |count: usize| Asked::kept(std::iter::repeat_n("x".repeat(1000), count)).len();
        assert_eq!((long(0), long(8), long(9), long(100_000)), (0, 8, 9, 9));
        let kept = Asked::kept(["hist".to_owned(), "y".repeat(1 << 20), "after".to_owned()]);
        assert_eq!(kept, ["hist", "…"]);
    }
}
