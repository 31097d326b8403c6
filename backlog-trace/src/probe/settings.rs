//! What a command asks of an observation.

use std::time::Duration;

use backlog_trace_model::event::Rung;

use crate::step::Steps;

/// What a command asks of an observation.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Size of the details ring buffer in bytes: a power of two.
    pub ring_bytes: u32,
    /// Size the tables as on a host with so many CPUs; `None`: as many as there are.
    pub as_cpus: Option<u32>,
    /// What the kernel side logs on stderr.
    pub kernel_log: log::LevelFilter,
    /// The only rung to try for each hook; `None`: the best that the kernel takes.
    pub rung: Option<Rung>,
    /// Whether the hooks that every SYN pays for are attached too.
    pub causes: bool,
    /// Time between two snapshots of the counts plane.
    pub snapshot_every: Duration,
    /// Where the start tells what it is doing.
    pub steps: Steps,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ring_bytes: backlog_trace_common::limits::RING_BYTES,
            as_cpus: None,
            kernel_log: log::LevelFilter::Off,
            rung: None,
            causes: false,
            snapshot_every: Duration::from_secs(1),
            steps: Steps::default(),
        }
    }
}
