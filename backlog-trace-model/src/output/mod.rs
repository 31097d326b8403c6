//! What comes of an observation: events go through one tally and become
//! outputs, and consumers take them.
//!
//! ```text
//! Event ─► Pipeline: Reporter (Tally, Intervals, findings) ─► Output ─► Consumer, Consumer, …
//! ```
//!
//! A replay goes the same way. Refuses to know what a consumer does with an
//! output, and which of several consumers there are.

mod consumer;
mod intervals;
mod pipeline;
mod reporter;

pub use consumer::{Consumer, End, Wants};
pub use pipeline::Pipeline;
pub use reporter::Reporter;

use crate::event::Session;
use crate::findings::Judged;
use crate::tally::Attributed;

/// Something to show, to keep or to pass on.
#[derive(Debug)]
pub enum Output<'a> {
    /// The observation began: always the first.
    Began(&'a Session),
    /// A packet met a selected reason, or a selected listener opened or closed.
    Occurred(&'a Attributed),
    /// Details found no room in the ring buffer.
    Missed {
        /// When that was known (`CLOCK_MONOTONIC`, ns).
        time: u64,
        /// How many since this was told last.
        count: u64,
        /// How many in all.
        total: u64,
    },
    /// An interval ended, because its time was over or because somebody asked (SIGUSR1).
    Interval(&'a Judged),
    /// Somebody asked: the whole run so far.
    SoFar(&'a Judged),
    /// The observation is over: always the last.
    Ended {
        /// The interval that was cut short, where the run is told in intervals.
        rest: Option<&'a Judged>,
        /// The whole run.
        whole: &'a Judged,
    },
}
