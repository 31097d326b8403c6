//! Adding up and auditing what was observed.
//!
//! Consumes [`crate::event::Event`]s, from the kernel or from a recording
//! alike, and answers with plain data that any view can print. Two planes are
//! kept apart: counts and audit come from snapshots only, which are exact
//! under any flood; connections and losses per second come from details, which
//! may be missed, and never feed a count of packets.
//!
//! Refuses to do: I/O, formatting, and deciding again what the kernel decided.

mod attribution;
mod audit;
mod connections;
mod demand;
mod difference;
mod endpoint;
mod plane;
mod reason_filter;
mod recovery;
mod report;
mod selection;
mod series;
mod signs;
mod tallied;
mod what_if;
mod who;

pub use attribution::{Attributed, Attribution, HELD_DETAILS};
pub use audit::{NamespaceAudit, SocketDrops, audit_namespaces, audit_socket};
pub use connections::{Belief, Bounds, Connections, Encounter, Knock, Recovered};
pub use demand::{Cookies, Demand};
pub use difference::since;
pub use endpoint::{Endpoint, Port};
pub use plane::{CLOSED_KEPT, RESTING_TOLD};
pub use reason_filter::ReasonFilter;
pub use recovery::Recoveries;
pub use report::{ConnectionCounts, DetailCounts, History, ListenerReport, Report};
pub use selection::Selection;
pub use series::{SERIES_CELLS, Series};
pub use signs::{ADDRESSES_KEPT, Signs};
pub use tallied::Tally;
pub use what_if::{Arrival, Need, WhatIf};
pub use who::Who;
