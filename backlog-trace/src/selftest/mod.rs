//! Scenarios that make each kind of loss and compare with the kernel's own counters.
//!
//! Three parties speak about every scenario: how it was built (so many
//! packets, each with a known fate), the kernel's counters as read here by
//! code of its own, and the tool, run beside it as a child process and known
//! only by its JSON. Nothing of the tool's own counting is called from here:
//! a mistake there must not be able to hide itself.
//!
//! A scenario lives in network namespaces that it makes and that the kernel
//! removes with the last process in them, whichever way that ends. The host's
//! own namespace, its sysctls and its sockets are never touched.

mod arena;
mod child;
mod client;
mod compare;
mod counters;
mod expectation;
mod icmp;
mod interface;
mod listener_socket;
mod movement;
mod namespace;
mod network;
mod observer;
mod patience;
mod report;
mod requirements;
mod run;
mod scenario;
mod scenarios;
mod seen;
mod segment;
mod settings;
mod table;
mod tun;

pub use report::Format;
pub use run::{hold, list, play, run};
pub use settings::Settings;
