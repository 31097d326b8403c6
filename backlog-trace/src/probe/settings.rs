//! What a command asks of an observation.

use std::path::PathBuf;
use std::time::Duration;

/// What a command asks of an observation.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Size of the details ring buffer in MiB; rounded up to a power of two.
    pub ring_mib: u32,
    /// What the kernel side logs on stderr.
    pub kernel_log: log::LevelFilter,
    /// Time between two snapshots of the counts plane.
    pub snapshot_interval: Duration,
    /// Created when everything is attached.
    pub ready_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ring_mib: backlog_trace_common::limits::RING_BYTES >> 20,
            kernel_log: log::LevelFilter::Off,
            snapshot_interval: Duration::from_secs(1),
            ready_file: None,
        }
    }
}
