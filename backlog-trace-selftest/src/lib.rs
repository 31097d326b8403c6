//! The selftest: scenarios that make each kind of loss and compare with the
//! kernel's own counters.
//!
//! Three parties speak about every scenario: how it was built (so many
//! packets, each with a known fate), the kernel's counters as read here by
//! code of its own, and the tool, run beside it as a child process and known
//! only by its JSON (docs/json.md). This crate depends on no other of the
//! workspace, so that a mistake in the tool's counting, names or tables cannot
//! hide itself here. The tool is whatever program this runs in: it is started
//! anew from /proc/self/exe.
//!
//! A scenario lives in network namespaces that it makes and that the kernel
//! removes with the last process in them, whichever way that ends. The host's
//! own namespace, its sysctls and its sockets are never touched.

mod arena;
mod child;
mod client;
mod compare;
mod counters;
mod escape;
mod expectation;
mod failure;
mod found;
mod icmp;
mod interface;
mod listener_socket;
mod movement;
mod namespace;
mod network;
mod observer;
mod patience;
mod reason;
mod report;
mod requirements;
mod run;
mod scenario;
mod scenarios;
mod seen;
mod segment;
mod settings;
mod sight;
mod table;
mod tun;

pub use failure::{Failure, Kind, Result};
pub use report::Format;
pub use run::{hold, list, play, run};
pub use settings::Settings;
