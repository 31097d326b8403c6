//! backlog-trace: which listener lost a connection before accept(), at which
//! step of the handshake, why, and what to change.
//!
//! Data flows one way: `probe` (kernel maps and ring buffer), `polled` (sockets
//! and counters, without eBPF) and `trace` (recordings) produce
//! [`event::Event`]s; `listener` names the sockets; `tally` adds up and audits;
//! `view` prints. Only `probe` and `kernel` know aya.

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
