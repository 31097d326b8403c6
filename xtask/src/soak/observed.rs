//! What the guest program prints: a line for each interval, one for the run.

use std::fmt;

use anyhow::{Context as _, Result};
use serde::Deserialize;

/// In which part of the workload an interval lies as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Nothing comes or goes yet.
    Before,
    /// Listeners and namespaces come and go.
    Churn,
    /// Nothing comes or goes any more.
    After,
    /// In none as a whole.
    #[default]
    Edge,
}

/// What the kernel counted and the tool gave to nobody.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(super) struct Rest {
    /// The namespace.
    pub(super) netns: u32,
    /// The counter, or the listener whose `sk_drops` it is.
    pub(super) of: String,
    /// By how much; negative: more was given than was counted.
    pub(super) by: i64,
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of namespace {}", self.by, self.of, self.netns)
    }
}

/// One interval; the whole run likewise.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Interval {
    /// Since the workload began, in seconds.
    pub(super) at: f64,
    pub(super) phase: Phase,
    /// How long it was.
    pub(super) seconds: f64,
    /// How much later it came than those before it allow, in ms.
    pub(super) delay_ms: i64,
    /// How late the machine's own timers were meanwhile, in ms.
    pub(super) machine_late_ms: u64,
    /// The tool's resident memory.
    pub(super) rss_kib: u64,
    /// CPU that it took since the interval before.
    pub(super) cpu_ms: u64,
    /// By what the hook on SYNs is attached.
    pub(super) rung: Option<String>,
    /// Losses to a full accept queue of all listeners of the host.
    pub(super) lost: u64,
    /// The same as the tool says that the kernel counted them, but for what is
    /// unattributed in namespaces that are not the workload's.
    pub(super) attributable: i64,
    /// What of it was counted in the workload's namespaces.
    pub(super) overflows: u64,
    pub(super) rests: Vec<Rest>,
    /// Rests that are not among these.
    pub(super) more_rests: usize,
    /// Rests in namespaces that are not the workload's.
    pub(super) foreign_rests: usize,
    /// Losses of listeners that had no room.
    pub(super) unlisted: u64,
    /// Details that had no room.
    pub(super) missed: u64,
    /// Namespaces in the tool's line.
    pub(super) namespaces: usize,
    /// Since the workload began: namespaces made, and gone.
    pub(super) made: u64,
    pub(super) gone: u64,
    /// Listeners opened, and closed.
    pub(super) opened: u64,
    pub(super) closed: u64,
    /// SYNs refused, and as the kernel counted them.
    pub(super) refused: u64,
    pub(super) counted: u64,
    /// What of it was in the namespace that is there all the while.
    pub(super) main_refused: u64,
    pub(super) main_counted: u64,
}

/// One line that was printed.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line {
    Interval(Interval),
    Run(Interval),
}

/// All that was printed.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    pub(super) intervals: Vec<Interval>,
    pub(super) run: Option<Interval>,
}

impl Observed {
    /// Takes in a line; the interval that it is, if it is one.
    pub(super) fn take(&mut self, line: &str) -> Result<Option<&Interval>> {
        match serde_json::from_str(line).with_context(|| format!("the workload printed `{line}`"))? {
            Line::Interval(interval) => self.intervals.push(interval),
            Line::Run(run) => {
                self.run = Some(run);
                return Ok(None);
            }
        }
        Ok(self.intervals.last())
    }
}
