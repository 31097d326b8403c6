//! backlog-trace: which listener lost a connection before accept(), at which
//! step of the handshake, why, and what to change.
//!
//! What touches the host is here: `probe` (kernel maps and ring buffer) and
//! `polled` (sockets and counters, without eBPF) produce events, `listener` names
//! the sockets, `cli` runs an observation and prints. What events mean, and what
//! becomes of them, is in `backlog-trace-model`. Only `probe` and `kernel` know
//! aya.

pub mod cli;
mod confine;
pub mod kernel;
mod listener;
pub mod out_of_memory;
mod polled;
mod probe;
pub mod recording_file;
mod resource_limits;
mod source;
mod step;

// For tests of the whole program, which go by what this host can have.
pub use confine::{Fence, fence_of_this_kernel};
pub use kernel::preflight::Lockdown;
pub use probe::RUNGS;

/// The parsers of what this program did not write, for its fuzz targets.
#[cfg(fuzzing)]
pub mod hostile {
    pub use crate::kernel::hostile as kernel;
    pub use crate::listener::hostile as listener;
}

#[cfg(test)]
#[path = "../tests/tool/skipped.rs"]
mod skipped;
