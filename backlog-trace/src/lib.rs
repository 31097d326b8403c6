//! backlog-trace: which listener lost a connection before accept(), at which
//! step of the handshake, why, and what to change.
//!
//! What touches the host is here: `probe` (kernel maps and ring buffer) and
//! `polled` (sockets and counters, without eBPF) produce events, `listener` names
//! the sockets, `cli` runs an observation and prints. What events mean, and what
//! becomes of them, is in `backlog-trace-model`. Only `probe` and `kernel` know
//! aya.

pub mod cli;
pub mod confine;
pub mod kernel;
pub mod listener;
pub mod out_of_memory;
pub mod polled;
pub mod probe;
pub mod recording_file;
pub mod resource_limits;
pub mod source;
pub mod step;

#[cfg(test)]
#[path = "../tests/tool/skipped.rs"]
mod skipped;
