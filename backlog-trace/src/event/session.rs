//! What is needed to interpret an observation: clock, host and hooks.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::sources::SourceState;

/// How well a hook is attached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// fentry/fexit trampolines.
    Fentry,
    /// kprobe and kretprobe.
    Kprobe,
    /// Tracepoints alone.
    Tracepoint,
    /// No eBPF: sockets and counters are polled.
    Counters,
}

impl Rung {
    /// As printed and as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fentry => "fentry",
            Self::Kprobe => "kprobe",
            Self::Tracepoint => "tracepoint",
            Self::Counters => "counters",
        }
    }
}

/// What became of one hook.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct HookState {
    /// The hook's name: `syn`, `ack`, `cookie`, `synack`, `accept`, `listen`, `close`.
    pub hook: String,
    /// The rung it is attached on; `None` where it is not attached.
    pub rung: Option<Rung>,
    /// `attached`, `polled` or `missing`.
    pub state: String,
    /// Why it is missing, or why not on a better rung.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

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
    /// Whether it polls: nothing is seen packet by packet.
    pub fn is_polled(&self) -> bool {
        self.hooks.iter().any(|hook| hook.rung == Some(Rung::Counters))
    }
}
