//! Printing what was observed, as text for a person or as JSON for a program.
//!
//! A view takes outputs one by one and writes to any [`std::io::Write`]; it
//! cannot tell an observation from a replay. Refuses to do: anything with the
//! kernel, anything that decides; names from the traced host are untrusted
//! and leave only escaped.

mod advise;
mod audit_text;
mod bars;
pub mod check;
mod grid;
mod hist_json;
mod hist_text;
mod histograms;
mod json;
mod json_findings;
pub mod listeners;
mod live_json;
mod live_row;
mod live_text;
mod names;
mod owner;
mod paint;
mod second;
mod sources_text;
mod title;
mod units;
mod verdict;
mod words;
mod wrap;

use std::io;

use jiff::tz::TimeZone;

use crate::output::Output;

pub use advise::{AdviseJson, AdviseText};
pub use hist_json::HistJson;
pub use hist_text::HistText;
pub use live_json::LiveJson;
pub use live_text::LiveText;
pub(crate) use units::rfc3339;
pub use wrap::fitted;

/// Something that prints outputs.
pub trait View {
    /// Prints one output, or nothing where it is none of this view's.
    ///
    /// # Errors
    /// Those of what it prints to; [`io::ErrorKind::BrokenPipe`] where nobody reads it any more.
    fn take(&mut self, output: &Output<'_>) -> io::Result<()>;

    /// Half a second has passed, whatever happened: prints what was collected of a
    /// second that is over. A replay has no such clock, and its next event says so.
    ///
    /// # Errors
    /// As [`Self::take`].
    fn tick(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Passes on what is kept back.
    ///
    /// # Errors
    /// As [`Self::take`].
    fn flush(&mut self) -> io::Result<()>;
}

/// What text looks like on this output.
#[derive(Clone, Debug)]
pub struct Screen {
    /// Columns of the terminal; `None`: no terminal.
    pub columns: Option<usize>,
    /// Zone in which times are shown.
    pub zone: TimeZone,
}

impl Screen {
    /// No terminal: a file or a pipe.
    pub const fn paper(zone: TimeZone) -> Self {
        Self { columns: None, zone }
    }
}
