//! What flows from a source (the kernel or a recording) to everything else.
//!
//! Nothing behind this module knows which of the two it was.

mod by_name;
mod counts;
mod occurrence;
mod peer;
mod session;
mod totals;
mod unknown;

use std::sync::Arc;

pub use counts::{ListenerCounts, NamespaceCounts, NamespaceSysctls, Reasons, Snapshot};
pub use occurrence::{Met, Occurrence, What};
pub use peer::Peer;
pub use session::{Asked, Clock, Session};
pub use totals::Totals;
pub use unknown::{Figure, Unknown};

pub use crate::check::{HookState, Reach, Rung, Source, SourceState};
use crate::listener::Listener;

/// One step of an observation, in the order in which it became known.
#[derive(Clone, Debug)]
pub enum Event {
    /// Who observes what, with which hooks: always the first event.
    Started(Arc<Session>),
    /// A listener entered the book, or what is known of it changed. Comes
    /// before the first snapshot that carries its key, and as early as
    /// possible before the details that do.
    Listener(Arc<Listener>),
    /// What happened to single packets and to listeners, in the order in which
    /// it left the ring buffer.
    Details(Vec<Occurrence>),
    /// What figures are read from came or went: the state of every source, in
    /// the place of [`Session::sources`]. Comes before the snapshot it concerns.
    Sources(Arc<Vec<SourceState>>),
    /// The counts plane at one instant, absolute since the start.
    Snapshot(Arc<Snapshot>),
    /// Somebody asked how things stand (SIGUSR1); what there was to know by
    /// then has been sent. Not part of a recording.
    Mark,
    /// The observation is over; the last snapshot has been sent.
    Finished,
}
